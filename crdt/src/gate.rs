//! What of an update may be applied now, what has to wait, and what is refused.
//!
//! Ready is a struct when the clocks of its client join, both neighbours and its parent are known,
//! and both neighbours hang at the same place. Nothing else ever reaches the engine.

mod ready;

use crate::held::{Held, Piece};
use crate::ledger::{GONE, Ledger, Place};
use crate::update::{Content, Id, Kind, Parent, Section, Struct, Update, limit};
use crate::{ClientId, DeleteSet, Error, Limits};
use ready::{Form, Ready};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What to do with an update, found without changing anything but the ledger.
#[derive(Default)]
pub(crate) struct Plan {
    /// Structs to apply, in an order in which each finds what it depends on.
    pub(crate) ready: Ready,
    /// New deletes of known units.
    pub(crate) deletes: DeleteSet,
    /// New deletes of unknown units.
    pub(crate) held_deletes: DeleteSet,
    /// New pieces to hold.
    pub(crate) hold: Vec<Piece>,
    /// Held pieces that were looked at again: to be taken out of what is held.
    pub(crate) woken: Vec<Piece>,
    /// What is left of those: to be held again.
    pub(crate) hold_on: Vec<Piece>,
    /// Whether something of the update itself waits.
    pub(crate) waits: bool,
}

/// One section of the update, or one held piece.
enum Source<'a> {
    Update(Section<'a>),
    Piece(Piece),
}

impl Source<'_> {
    fn section(&self) -> Section<'_> {
        match self {
            Source::Update(section) => *section,
            Source::Piece(piece) => piece.section(),
        }
    }

    fn shorten(&mut self, stop: Stop) {
        match self {
            Source::Update(section) => {
                section.clock = stop.clock;
                section.count = stop.count;
                section.raw = &section.raw[section.raw.len() - stop.bytes..];
            }
            Source::Piece(piece) => piece.shorten(stop.clock, stop.count, stop.bytes),
        }
    }
}

/// Where a walk stopped: clock of the next struct, structs and bytes that are left.
#[derive(Clone, Copy)]
struct Stop {
    clock: u32,
    /// Clock of the first unit that was not taken in.
    stands: u32,
    count: usize,
    bytes: usize,
    missing: Id,
}

/// Sources that lack something, by what they lack and by where they stand.
#[derive(Default)]
struct Waiting {
    missing: BTreeSet<(Id, usize)>,
    heads: BTreeSet<(Id, usize)>,
    stops: HashMap<usize, (Id, Id)>,
}

impl Waiting {
    fn insert(&mut self, at: usize, client: ClientId, stop: Stop) {
        let clock = stop.stands;
        let head = Id { client, clock };
        self.missing.insert((stop.missing, at));
        self.heads.insert((head, at));
        self.stops.insert(at, (stop.missing, head));
    }

    /// Takes out the sources that lack a unit of `client` below `end`, or stand at one: another
    /// source has said the same.
    fn take(&mut self, client: ClientId, end: u32) -> Vec<usize> {
        let below = (Id { client, clock: 0 }, 0)..(Id { client, clock: end }, 0);
        let missing = self.missing.range(below.clone());
        let taken: BTreeSet<usize> = missing
            .chain(self.heads.range(below))
            .map(|&(_, at)| at)
            .collect();
        for at in &taken {
            if let Some((missing, head)) = self.stops.remove(at) {
                self.missing.remove(&(missing, *at));
                self.heads.remove(&(head, *at));
            }
        }
        taken.into_iter().collect()
    }
}

struct Gate<'g> {
    ledger: &'g mut Ledger,
    held: &'g Held,
    limits: &'g Limits,
    /// Steps of the update at hand, and of what was held.
    conflicts: [u64; 2],
    plan: Plan,
    woken: HashSet<(ClientId, u32)>,
}

/// How much an update is believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// One struct that cannot be true refuses all of it.
    Strict,
    /// What cannot be true is left out, as it is of what was held.
    Lenient,
}

/// Plans an update, and what is held and waits for units of the clients `moved`. The ledger has advanced by what is ready: the caller takes that back when the
/// plan is not carried out. On an error it is to be taken back as well.
pub(crate) fn plan(
    update: &Update<'_>,
    trust: Trust,
    moved: &[ClientId],
    ledger: &mut Ledger,
    held: &Held,
    deleted: &DeleteSet,
    limits: &Limits,
) -> Result<Plan, Error> {
    let mut gate = Gate {
        ledger,
        held,
        limits,
        conflicts: [0; 2],
        plan: Plan::default(),
        woken: HashSet::new(),
    };
    gate.structs(update, trust, moved)?;
    gate.deletes(update, deleted);
    Ok(gate.plan)
}

impl<'g> Gate<'g> {
    fn structs(
        &mut self,
        update: &Update<'_>,
        trust: Trust,
        moved: &[ClientId],
    ) -> Result<(), Error> {
        let mut sources: Vec<Source<'_>> = Vec::new();
        let mut todo: Vec<usize> = Vec::new();
        // Lowest client first onto the stack, as engines like the highest first.
        let mut sections: Vec<&Section<'_>> = update.sections.iter().collect();
        sections.sort_by_key(|section| section.client);
        for section in sections {
            todo.push(sources.len());
            sources.push(Source::Update(*section));
        }
        let mut waiting = Waiting::default();
        for &client in moved {
            self.wake(client, &mut waiting, &mut todo, &mut sources);
        }
        while let Some(at) = todo.pop() {
            let client = sources[at].section().client;
            let is_piece = matches!(sources[at], Source::Piece(_));
            match self.walk(sources[at].section(), is_piece) {
                Ok(None) => {}
                Ok(Some(stop)) => {
                    sources[at].shorten(stop);
                    waiting.insert(at, client, stop);
                }
                // What was held turns out to be wrong: it goes, the update at hand is not to blame.
                Err(_) if trust == Trust::Lenient || is_piece => {}
                Err(error) => return Err(error),
            }
            self.wake(client, &mut waiting, &mut todo, &mut sources);
        }
        for (missing, at) in waiting.missing {
            match &sources[at] {
                Source::Update(section) => {
                    self.plan.waits = true;
                    if !self.held.covers(section) {
                        self.plan.hold.push(Piece::new(*section, missing));
                    }
                }
                Source::Piece(piece) => self.plan.hold_on.push(piece.lacking(missing)),
            }
        }
        Ok(())
    }

    /// Looks again at all that waits for units of `client` that are known by now.
    fn wake(
        &mut self,
        client: ClientId,
        waiting: &mut Waiting,
        todo: &mut Vec<usize>,
        sources: &mut Vec<Source<'_>>,
    ) {
        let end = self.ledger.end(client);
        todo.extend(waiting.take(client, end));
        for piece in self.held.ready(client, end) {
            if self.woken.insert((piece.client, piece.clock)) {
                self.plan.woken.push(piece.clone());
                todo.push(sources.len());
                sources.push(Source::Piece(piece));
            }
        }
    }

    /// Takes in structs until one lacks something. None when all are taken in.
    fn walk(&mut self, section: Section<'_>, is_piece: bool) -> Result<Option<Stop>, Error> {
        let mut structs = section.structs();
        loop {
            let (clock, count, rest) = structs.rest();
            let known = self.ledger.end(section.client);
            let stop = |missing| {
                Ok(Some(Stop {
                    clock,
                    stands: clock.max(known),
                    count,
                    bytes: rest.len(),
                    missing,
                }))
            };
            let Some(block) = structs.next() else {
                return Ok(None);
            };
            if block.end() <= known || block.content.kind() == Kind::Skip || block.len == 0 {
                continue;
            }
            if block.clock > known {
                let client = block.client;
                let clock = block.clock - 1;
                return stop(Id { client, clock });
            }
            let parent = match block.parent {
                Some(Parent::Item(id)) => Some(id),
                _ => None,
            };
            for id in [block.origin, block.right, parent].into_iter().flatten() {
                if !self.ledger.knows(id) {
                    return stop(id);
                }
            }
            self.take_in(&block, known - block.clock, is_piece)?;
        }
    }

    /// Takes in the units of a ready struct from `offset` on.
    fn take_in(&mut self, block: &Struct<'_>, offset: u32, is_piece: bool) -> Result<(), Error> {
        let place = self.place(block, offset)?;
        let kind = block.content.kind();
        let id = Id {
            client: block.client,
            clock: block.clock + offset,
        };
        let is_type = kind == Kind::Type;
        if place != GONE && !follows_own(block, offset) {
            let steps = self.ledger.crowd((place, block.origin), id, block.right);
            let conflicts = &mut self.conflicts[usize::from(is_piece)];
            *conflicts += steps;
            limit(
                "steps past concurrent insertions",
                *conflicts,
                self.limits.conflicts,
            )?;
        }
        self.ledger.push(id, block.len - offset, place, is_type)?;
        let form = match place {
            GONE => Form::Gone,
            _ if block.len > 1 && self.ledger.is_keyed(place) => Form::Hollow,
            _ => Form::Whole,
        };
        self.plan.ready.push(block, offset, form);
        Ok(())
    }

    fn place(&mut self, block: &Struct<'_>, offset: u32) -> Result<Place, Error> {
        if block.content == Content::Other(Kind::Gc) {
            return Ok(GONE);
        }
        let origin = match offset {
            0 => block.origin,
            _ => Some(Id {
                client: block.client,
                clock: block.clock + offset - 1,
            }),
        };
        match (origin, block.right, block.parent) {
            (None, None, Some(parent)) => self.ledger.place_in(parent, block.key),
            (None, None, None) => Ok(GONE),
            (Some(only), None, _) | (None, Some(only), _) => Ok(self.ledger.place(only)),
            // Nobody writes between a unit and itself; where that is depends on who is asked when.
            (Some(origin), Some(right), _) if origin == right => Err(Error::Malformed {
                what: "two neighbours",
                at: 0,
            }),
            (Some(origin), Some(right), _) => {
                match (self.ledger.place(origin), self.ledger.place(right)) {
                    // As in Yjs: next to something forgotten, it is forgotten too.
                    (GONE, _) | (_, GONE) => Ok(GONE),
                    (left, right) if left == right => Ok(left),
                    _ => Err(Error::Malformed {
                        what: "neighbours at the same place",
                        at: 0,
                    }),
                }
            }
        }
    }

    fn deletes(&mut self, update: &Update<'_>, deleted: &DeleteSet) {
        let (ledger, plan) = (&*self.ledger, &mut self.plan);
        for (client, start, end) in update.deletes.iter() {
            let known = ledger.end(client);
            deleted.gaps(client, start, end.min(known), |start, end| {
                plan.deletes.insert(client, start, end);
            });
            self.held
                .deletes
                .gaps(client, start.max(known), end, |start, end| {
                    plan.held_deletes.insert(client, start, end);
                });
            plan.waits |= end > known;
        }
    }
}

/// Whether the units from `offset` on only go on with what their client has inserted before.
fn follows_own(block: &Struct<'_>, offset: u32) -> bool {
    let own = |id: Id| id.client == block.client && id.clock + 1 == block.clock;
    offset > 0 || block.origin.is_some_and(own)
}
