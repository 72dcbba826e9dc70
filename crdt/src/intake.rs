//! What of an update is taken in now, what has to wait, and what is refused.
//!
//! Taken in is a struct when the clocks of its client join, and both neighbours and its parent are
//! known. The rest of its client's structs waits with the first that is not.

use crate::held::{Held, Piece};
use crate::store::{Steps, Store};
use crate::update::{Id, Kind, Section, Update};
use crate::{ClientId, DeleteSet, Error, Limits};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What became of an update.
#[derive(Default)]
pub(crate) struct Outcome {
    /// New pieces to hold.
    pub(crate) hold: Vec<Piece>,
    /// Held pieces that were looked at again: to be taken out of what is held.
    pub(crate) woken: Vec<Piece>,
    /// What is left of those: to be held again.
    pub(crate) hold_on: Vec<Piece>,
    /// Something of the update itself waits.
    pub(crate) waits: bool,
    /// Something of the update itself was known before.
    pub(crate) known: bool,
    /// New deletes of units that are not known.
    pub(crate) deletes: DeleteSet,
    /// What is held has to wait on, whatever comes.
    pub(crate) lets_wait: bool,
    /// Steps that were taken for what was held.
    pub(crate) foreign_steps: u64,
}

impl Outcome {
    /// Nothing has to wait, and nothing that waited does not any more.
    pub(crate) fn is_quiet(&self) -> bool {
        self.hold.is_empty()
            && self.woken.is_empty()
            && self.hold_on.is_empty()
            && self.deletes.is_empty()
    }
}

/// Of the steps that an update may take, a held piece may take one in so many. Whoever sent it is not there to answer for
/// the work any more.
const HELD: u64 = 256;

/// How much an update is believed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// One struct that cannot be true refuses all of it.
    Strict,
    /// From the log: all that was integrated is in it, so that what was held is not asked.
    Logged,
    /// It was held: what cannot be true is left out.
    Held,
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
        if self.stops.is_empty() {
            return Vec::new();
        }
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

struct Intake<'i> {
    store: &'i mut Store,
    held: &'i Held,
    /// For the update at hand, and for each piece that was held.
    steps: Steps,
    most: u64,
    outcome: &'i mut Outcome,
    woken: HashSet<(ClientId, u32)>,
    /// Up to which clock of each client all that waits was woken.
    awake: HashMap<ClientId, u32>,
}

/// Takes in the structs of an update, and what is held and waits for units of the clients `moved`. On
/// an error the caller has to roll the store back.
pub(crate) fn take_in(
    update: &Update<'_>,
    trust: Trust,
    moved: &[ClientId],
    store: &mut Store,
    held: &Held,
    limits: &Limits,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let mut steps = Steps::new(limits.conflicts);
    if let [section] = *update.sections()
        && held.is_empty()
        && moved.is_empty()
        && trust != Trust::Held
    {
        // A keystroke.
        if let Some(block) = update.only()
            && store.end(section.client) == block.clock
            && block.len > 0
            && block.content.kind() != Kind::Skip
        {
            let number = store.number(section.client);
            if let Ok(deps) = store.deps(number, block) {
                let writer = number.map_or_else(|| store.intern(section.client), Ok)?;
                return store.integrate(writer, block, 0, deps, &mut steps);
            }
        }
        if let Some(stop) = walk(store, section, &mut steps, &mut outcome.known)? {
            let mut rest = Source::Update(section);
            rest.shorten(stop);
            hold(outcome, held, rest, stop.missing);
        }
        return Ok(());
    }
    let mut intake = Intake {
        store,
        held,
        steps,
        most: limits.conflicts / HELD,
        outcome,
        woken: HashSet::new(),
        awake: HashMap::new(),
    };
    intake.structs(update, trust, moved)
}

impl Intake<'_> {
    fn structs(
        &mut self,
        update: &Update<'_>,
        trust: Trust,
        moved: &[ClientId],
    ) -> Result<(), Error> {
        let mut sources: Vec<Source<'_>> = Vec::new();
        let mut todo: Vec<usize> = Vec::new();
        // Lowest client first onto the stack: the highest first has less to go past.
        let mut sections: Vec<&Section<'_>> = update.sections().iter().collect();
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
            let before = self.store.steps();
            let mut few = Steps::new(self.most);
            let was_held = is_piece || trust == Trust::Held;
            let steps = if was_held { &mut few } else { &mut self.steps };
            let known = &mut self.outcome.known;
            let walked = walk(self.store, sources[at].section(), steps, known);
            if was_held {
                self.outcome.foreign_steps += self.store.steps() - before;
            }
            match walked {
                Ok(None) => {}
                Ok(Some(stop)) => {
                    sources[at].shorten(stop);
                    waiting.insert(at, client, stop);
                }
                // What was held turns out to be wrong: it goes, the update at hand is not to blame.
                Err(_) if was_held => {}
                Err(error) => return Err(error),
            }
            self.wake(client, &mut waiting, &mut todo, &mut sources);
        }
        let mut sources: Vec<Option<Source<'_>>> = sources.into_iter().map(Some).collect();
        for (missing, at) in waiting.missing {
            if let Some(source) = sources[at].take() {
                hold(self.outcome, self.held, source, missing);
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
        let end = self.store.end(client);
        todo.extend(waiting.take(client, end));
        if self.held.is_empty() || self.outcome.lets_wait {
            return;
        }
        let start = self.awake.insert(client, end).unwrap_or(0);
        for piece in self.held.ready(client, start.min(end), end) {
            if self.woken.insert((piece.client, piece.clock)) {
                self.outcome.woken.push(piece.clone());
                todo.push(sources.len());
                sources.push(Source::Piece(piece));
            }
        }
    }
}

fn hold(outcome: &mut Outcome, held: &Held, source: Source<'_>, missing: Id) {
    match source {
        Source::Update(section) => {
            outcome.waits = true;
            if !held.covers(&section) {
                outcome.hold.push(Piece::new(section, missing));
            }
        }
        Source::Piece(piece) => outcome.hold_on.push(piece.lacking(missing)),
    }
}

/// Takes in structs until one lacks something. None when all are taken in. Says whether something was `familiar`.
fn walk(
    store: &mut Store,
    section: Section<'_>,
    steps: &mut Steps,
    familiar: &mut bool,
) -> Result<Option<Stop>, Error> {
    let mut number = store.number(section.client);
    let mut structs = section.structs();
    loop {
        let (clock, count, rest) = structs.rest();
        let known = number.map_or(0, |number| store.end_of(number));
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
        *familiar |= block.clock < known;
        if block.end() <= known || block.content.kind() == Kind::Skip || block.len == 0 {
            continue;
        }
        if block.clock > known {
            let client = block.client;
            let clock = block.clock - 1;
            return stop(Id { client, clock });
        }
        let deps = match store.deps(number, &block) {
            Ok(deps) => deps,
            Err(missing) => return stop(missing),
        };
        let writer = match number {
            Some(number) => number,
            None => store.intern(section.client)?,
        };
        number = Some(writer);
        store.integrate(writer, &block, known - block.clock, deps, steps)?;
    }
}
