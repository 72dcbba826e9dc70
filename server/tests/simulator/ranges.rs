//! Units by client: which are inserted or deleted somewhere.

use std::collections::BTreeMap;
use std::fmt;

use ropewalk_crdt::update::Update;
use ropewalk_crdt::{ClientId, Limits};

/// Ranges of clocks that neither touch nor overlap, start to end.
#[derive(Clone, Default, PartialEq)]
pub struct Ranges(BTreeMap<ClientId, BTreeMap<u32, u32>>);

impl Ranges {
    pub fn add(&mut self, client: ClientId, mut start: u32, mut end: u32) {
        if start >= end {
            return;
        }
        let ranges = self.0.entry(client).or_default();
        while let Some((&left, &right)) = ranges.range(..=end).next_back() {
            if right < start {
                break;
            }
            ranges.remove(&left);
            (start, end) = (start.min(left), end.max(right));
        }
        ranges.insert(start, end);
    }

    pub fn join(&mut self, other: &Self) {
        for (client, start, end) in other.iter() {
            self.add(client, start, end);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (ClientId, u32, u32)> + '_ {
        self.0.iter().flat_map(|(&client, ranges)| {
            let ranges = ranges.iter();
            ranges.map(move |(&start, &end)| (client, start, end))
        })
    }

    /// Clients of which not the same is here and there.
    fn differs<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = ClientId> + 'a {
        let clients = self.0.keys().chain(other.0.keys()).copied();
        clients.filter(|client| self.0.get(client) != other.0.get(client))
    }

    pub fn has(&self, client: ClientId, start: u32, end: u32) -> bool {
        let before = self.0.get(&client);
        let before = before.and_then(|ranges| ranges.range(..=start).next_back());
        start >= end || before.is_some_and(|(_, &right)| right >= end)
    }

    /// The first range of `other` that is not all here.
    pub fn lacks(&self, other: &Self) -> Option<(ClientId, u32, u32)> {
        let mut ranges = other.iter();
        ranges.find(|&(client, start, end)| !self.has(client, start, end))
    }
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (client, start, end) in self.iter() {
            write!(f, "{client}:{start}..{end} ")?;
        }
        Ok(())
    }
}

/// What updates say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub inserted: Ranges,
    pub deleted: Ranges,
}

impl Said {
    pub fn of(update: &[u8]) -> Result<Self, ropewalk_crdt::Error> {
        let mut said = Self::default();
        said.add(update)?;
        Ok(said)
    }

    pub fn add(&mut self, update: &[u8]) -> Result<(), ropewalk_crdt::Error> {
        let update = Update::decode(update, &Limits::NONE)?;
        for section in update.sections() {
            self.inserted
                .add(section.client, section.clock, section.end);
        }
        for (client, start, end) in update.deletes().iter() {
            self.deleted.add(client, start, end);
        }
        Ok(())
    }

    pub fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        let all = self.inserted.iter().chain(self.deleted.iter());
        all.map(|(client, ..)| client)
    }

    /// Clients of which the two do not say the same.
    pub fn differs<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = ClientId> + 'a {
        let inserted = self.inserted.differs(&other.inserted);
        inserted.chain(self.deleted.differs(&other.deleted))
    }

    pub fn join(&mut self, other: &Self) {
        self.inserted.join(&other.inserted);
        self.deleted.join(&other.deleted);
    }

    /// Something that `other` says and this does not.
    pub fn lacks(&self, other: &Self) -> Option<String> {
        let inserted = self.inserted.lacks(&other.inserted);
        let deleted = self.deleted.lacks(&other.deleted);
        let missing = inserted.map(|range| format!("the insertion {range:?}"));
        missing.or_else(|| deleted.map(|range| format!("the deletion {range:?}")))
    }
}
