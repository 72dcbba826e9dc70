//! The vector clock of a document.

use crate::wire::{MAX_VAR, Reader, write_var};
use crate::{ClientId, Error};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// How two vectors stand to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Causality {
    /// Both have seen the same.
    Equal,
    /// The other has seen all that this one has, and more.
    Before,
    /// This one has seen all that the other has, and more.
    After,
    /// Each has seen something that the other has not.
    Concurrent,
}

/// What is known of each client: the clock that its next insertion will carry.
///
/// It counts insertions only: deletes do not move it. See [`Version`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionVector(BTreeMap<ClientId, u64>);

impl VersionVector {
    /// A vector that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next clock of `client`, 0 when it is unknown. O(log n).
    pub fn get(&self, client: ClientId) -> u64 {
        self.0.get(&client).copied().unwrap_or(0)
    }

    /// Raises the next clock of `client` to `clock`; never lowers it. O(log n).
    pub fn advance(&mut self, client: ClientId, clock: u64) {
        match self.0.entry(client) {
            Entry::Occupied(mut known) => *known.get_mut() = clock.max(*known.get()),
            // A client of which nothing is known is absent, so that equal knowledge is equal.
            Entry::Vacant(place) if clock > 0 => {
                place.insert(clock);
            }
            Entry::Vacant(_) => {}
        }
    }

    /// Clients with their next clock, in ascending order of the clients.
    pub fn iter(&self) -> impl Iterator<Item = (ClientId, u64)> + '_ {
        self.0.iter().map(|(&client, &clock)| (client, clock))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of clients.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this vector has seen all that `other` has. O(n log n).
    pub fn covers(&self, other: &Self) -> bool {
        other
            .iter()
            .all(|(client, clock)| self.get(client) >= clock)
    }

    /// How this vector stands to `other`. O(n log n).
    pub fn compare(&self, other: &Self) -> Causality {
        match (self.covers(other), other.covers(self)) {
            (true, true) => Causality::Equal,
            (true, false) => Causality::After,
            (false, true) => Causality::Before,
            (false, false) => Causality::Concurrent,
        }
    }

    /// Adds what `other` has seen: the least vector that covers both.
    pub fn join(&mut self, other: &Self) {
        for (client, clock) in other.iter() {
            self.advance(client, clock);
        }
    }

    /// The Yjs state vector, highest client first as Yjs writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + 8 * self.len());
        write_var(&mut out, self.len() as u64);
        for (&client, &clock) in self.0.iter().rev() {
            write_var(&mut out, client);
            write_var(&mut out, clock);
        }
        out
    }

    /// Reads a Yjs state vector. Numbers have at most 53 bits, nothing may follow it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let mut vector = Self::new();
        for _ in 0..reader.count(2)? {
            let client = reader.var()?;
            let clock = reader.var()?;
            vector.advance(client, clock);
        }
        reader.finish()?;
        Ok(vector)
    }
}

impl FromIterator<(ClientId, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (ClientId, u64)>>(clocks: I) -> Self {
        let mut vector = Self::new();
        for (client, clock) in clocks {
            vector.advance(client.min(MAX_VAR), clock.min(MAX_VAR));
        }
        vector
    }
}

/// Names one state of one history of a document, for whoever keeps no vector: both numbers only grow, and one of
/// them does with each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision {
    /// Units that have been inserted.
    pub inserted: u64,
    /// Units that have been deleted since.
    pub deleted: u64,
}

/// A version that somebody has seen.
#[derive(Debug, Clone, Copy)]
pub enum Base<'v> {
    /// By its vector. One of another history is found out.
    Version(&'v Version),
    /// By how much there had been.
    Revision(Revision),
}

impl<'v> From<&'v Version> for Base<'v> {
    fn from(version: &'v Version) -> Self {
        Self::Version(version)
    }
}

impl From<Revision> for Base<'_> {
    fn from(revision: Revision) -> Self {
        Self::Revision(revision)
    }
}

/// Names one state of one history of a document.
///
/// Deletes do not move the vector, so their number belongs to the name: within one history it
/// only grows. Two documents with different histories may share a version and differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Version {
    /// What has been inserted.
    pub vector: VersionVector,
    /// Deleted units: UTF-16 code units of text, elements of everything else.
    pub deleted: u64,
}
