//! What somebody hostile has seen of a document: whom there is to speak for, and what to point at.

use crate::forge::{Block, Content, Id, KEY, Parent, Update};
use crate::rng::Rng;

/// A sequence, or the values of a key.
type Place = (Parent, Option<String>);

/// Units of one client that hang at one place.
struct Run {
    client: u64,
    start: u64,
    end: u64,
    place: usize,
}

#[derive(Default)]
pub struct Scene {
    /// Clients and the clocks that they have reached, as far as one believes.
    pub clocks: Vec<(u64, u64)>,
    places: Vec<Place>,
    runs: Vec<Run>,
    types: Vec<Id>,
}

impl Scene {
    /// Takes note of an update, whether or not anybody has believed it.
    pub fn learn(&mut self, update: &Update) {
        for section in &update.sections {
            let mut clock = section.clock;
            for block in &section.blocks {
                let end = clock.saturating_add(block.len());
                // What nobody can have inserted yet is nothing to point at.
                if end > 1 << 25 {
                    break;
                }
                self.learn_block(section.client, clock, end, block);
                clock = end;
            }
        }
    }

    fn learn_block(&mut self, client: u64, clock: u64, end: u64, block: &Block) {
        match self.clocks.iter_mut().find(|(known, _)| *known == client) {
            Some((_, known)) => *known = end.max(*known),
            None => self.clocks.push((client, end)),
        }
        let neighbour = block.origin().or(block.right());
        let place = match (&block.content, neighbour) {
            (Content::Gc(_) | Content::Skip(_), _) => return,
            (_, Some(id)) => self.place_of(id),
            (_, None) => {
                let key = (block.flags & KEY != 0).then(|| block.key.clone());
                Some(self.place((block.parent.clone(), key)))
            }
        };
        let Some(place) = place else { return };
        if matches!(block.content, Content::Type(..)) {
            self.types.push((client, clock));
        }
        self.runs.push(Run {
            client,
            start: clock,
            end,
            place,
        });
    }

    fn place(&mut self, place: Place) -> usize {
        let known = self.places.iter().position(|known| *known == place);
        known.unwrap_or_else(|| {
            self.places.push(place);
            self.places.len() - 1
        })
    }

    fn place_of(&self, (client, clock): Id) -> Option<usize> {
        let within = |run: &&Run| run.client == client && (run.start..run.end).contains(&clock);
        self.runs.iter().find(within).map(|run| run.place)
    }

    /// What a client has reached.
    pub fn clock(&self, client: u64) -> u64 {
        let known = self.clocks.iter().find(|(known, _)| *known == client);
        known.map_or(0, |&(_, clock)| clock)
    }

    /// Any unit, known or near to what is known.
    pub fn id(&self, rng: &mut Rng) -> Id {
        let (client, clock) = rng.pick(&self.clocks);
        match rng.chance(8) {
            true => (client, near(rng, clock)),
            false => (client, rng.below(clock.max(1) as usize) as u64),
        }
    }

    /// A unit that holds a type, mostly.
    pub fn type_id(&self, rng: &mut Rng) -> Id {
        match self.types.is_empty() || rng.chance(6) {
            true => self.id(rng),
            false => rng.pick(&self.types),
        }
    }

    /// Two units of the same place in any order, perhaps the same.
    pub fn neighbours(&self, rng: &mut Rng) -> Option<(Id, Id)> {
        let place = self.runs.get(rng.below(self.runs.len()))?.place;
        let runs: Vec<&Run> = self.runs.iter().filter(|run| run.place == place).collect();
        let mut unit = || {
            let run = rng.pick(&runs);
            let len = run.end.saturating_sub(run.start);
            (run.client, run.start + rng.below(len as usize) as u64)
        };
        Some((unit(), unit()))
    }
}

/// A number like `number`, or one at some limit.
pub fn near(rng: &mut Rng, number: u64) -> u64 {
    const LIMITS: [u64; 10] = [
        0,
        1,
        0x7f,
        0x80,
        16 << 20,
        0x7fff_fffe,
        0x7fff_ffff,
        0xffff_ffff,
        1 << 40,
        (1 << 53) - 1,
    ];
    match rng.below(12) {
        0..3 => number + rng.below(3) as u64,
        3..6 => number.saturating_sub(rng.below(3) as u64),
        6 => rng.pick(&LIMITS),
        _ => number,
    }
}
