//! A text as a list of units, deleted ones included: it knows where everything is, and so writes
//! in a moment the updates for which a client of yrs would take minutes.

use crate::material::wire::{Content, Id, Place, delete, insert};
use std::collections::HashMap;

/// Units of a chunk before it is split.
const CHUNK: usize = 2_048;

#[derive(Clone, Copy)]
struct Unit {
    client: u32,
    clock: u32,
    char: char,
    deleted: bool,
}

#[derive(Default)]
struct Chunk {
    units: Vec<Unit>,
    visible: usize,
}

#[derive(Default)]
pub struct Sequence {
    /// None is empty, unless all is.
    chunks: Vec<Chunk>,
    clocks: HashMap<u32, u32>,
    len: usize,
}

impl Sequence {
    /// Characters that are not deleted.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Inserts before character `at`, as `client`; the update is that of Yjs, whose neighbour to
    /// the right is never a deleted one. Characters have one UTF-16 code unit.
    pub fn insert(&mut self, client: u32, at: usize, text: &str) -> Vec<u8> {
        if self.chunks.is_empty() {
            self.chunks.push(Chunk::default());
        }
        let (chunk, index) = self.find(at);
        let left = match (index, chunk) {
            (0, 0) => None,
            (0, _) => self.chunks[chunk - 1].units.last(),
            _ => self.chunks[chunk].units.get(index - 1),
        };
        let place = Place::Between(left.map(id), self.chunks[chunk].units.get(index).map(id));
        let clock = self.clocks.entry(client).or_default();
        let first = (u64::from(client), u64::from(*clock));
        let units: Vec<Unit> = (*clock..)
            .zip(text.chars())
            .map(|(clock, char)| Unit {
                client,
                clock,
                char,
                deleted: false,
            })
            .collect();
        *clock += units.len() as u32;
        self.len += units.len();
        self.chunks[chunk].visible += units.len();
        self.chunks[chunk].units.splice(index..index, units);
        self.split(chunk);
        insert(first, &place, &Content::Text(text))
    }

    /// Deletes the characters `at..at + count`.
    pub fn remove(&mut self, at: usize, count: usize) -> Vec<u8> {
        let ids: Vec<Id> = (0..count)
            .map(|_| {
                let (chunk, index) = self.find(at);
                let chunk = &mut self.chunks[chunk];
                chunk.visible -= 1;
                chunk.units[index].deleted = true;
                id(&chunk.units[index])
            })
            .collect();
        self.len -= count;
        delete(&ids)
    }

    pub fn text(&self) -> String {
        let units = self.chunks.iter().flat_map(|chunk| &chunk.units);
        units
            .filter(|unit| !unit.deleted)
            .map(|unit| unit.char)
            .collect()
    }

    /// Chunk and index of character `at`; behind the last unit when there is none.
    fn find(&self, at: usize) -> (usize, usize) {
        assert!(at <= self.len, "character {at} of {}", self.len);
        let mut left = at;
        for (chunk, Chunk { units, visible }) in self.chunks.iter().enumerate() {
            if left < *visible {
                let mut places = (0..units.len()).filter(|&index| !units[index].deleted);
                return (chunk, places.nth(left).expect("as many as counted"));
            }
            left -= visible;
        }
        let last = self.chunks.len() - 1;
        (last, self.chunks[last].units.len())
    }

    fn split(&mut self, chunk: usize) {
        let units = &mut self.chunks[chunk].units;
        if units.len() < CHUNK {
            return;
        }
        let units = units.split_off(CHUNK / 2);
        let visible = units.iter().filter(|unit| !unit.deleted).count();
        self.chunks[chunk].visible -= visible;
        self.chunks.insert(chunk + 1, Chunk { units, visible });
    }
}

fn id(unit: &Unit) -> Id {
    (u64::from(unit.client), u64::from(unit.clock))
}
