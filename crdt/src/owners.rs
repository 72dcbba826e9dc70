//! Who speaks, and for which client ids.

use crate::update::Update;
use crate::{ClientId, Error, MAX_IDS};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Who an update comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Storage, or somebody else who is trusted to speak for anyone.
    Trusted,
    /// An edit of this connection.
    Live(u64),
    /// What this connection has that was lacking here: edits of its own, and of clients that are
    /// not connected.
    Relay(u64),
}

/// A number that stands for a person, for good.
pub type PersonNumber = i64;

/// Units that an update brought, under a client id that has an author from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Under which client id.
    pub client: ClientId,
    /// Clock of the first of them.
    pub clock: u32,
    /// Clocks before it are not known yet.
    pub leaves_gap: bool,
    /// Whether the speaker owned the client id when it said so: otherwise it only passes on what it has.
    pub is_own: bool,
}

/// Which connection writes under which client id, and which ids are whose.
///
/// A connection owns an id once it introduced itself with it, or wrote under it alone, while no
/// other did. Nobody else inserts under it until it leaves: whoever wrote under the next clocks of
/// somebody else would take the place of what they are about to write.
///
/// An id can belong to a person beside, for good: then only connections of that person come to own
/// it, and only they write live under it.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    connections: HashMap<ClientId, u64>,
    /// The ids of each connection, in the order in which it came to own them.
    ids: HashMap<u64, Vec<ClientId>>,
    /// Whose connections they are.
    people: HashMap<u64, PersonNumber>,
    belongs: HashMap<ClientId, PersonNumber>,
}

impl Owners {
    pub(crate) fn owner(&self, client: ClientId) -> Option<u64> {
        self.connections.get(&client).copied()
    }

    /// Says who a connection is of.
    pub(crate) fn speaks_for(&mut self, connection: u64, person: Option<PersonNumber>) {
        match person {
            Some(person) => self.people.insert(connection, person),
            None => self.people.remove(&connection),
        };
    }

    /// Says whose an id is from now on.
    pub(crate) fn belongs(&mut self, client: ClientId, person: PersonNumber) -> bool {
        if self.belongs.insert(client, person) == Some(person) {
            return false;
        }
        // Whoever of others owns it has not written under it.
        if let Some(owner) = self.owner(client)
            && self.is_anothers(client, owner)
        {
            self.connections.remove(&client);
            if let Some(ids) = self.ids.get_mut(&owner) {
                ids.retain(|id| *id != client);
            }
        }
        true
    }

    /// Whether an id belongs to another person than a connection.
    pub(crate) fn is_anothers(&self, client: ClientId, connection: u64) -> bool {
        let person = self.belongs.get(&client);
        person.is_some_and(|person| self.people.get(&connection) != Some(person))
    }

    /// Whether an id belongs to another person than who speaks.
    pub(crate) fn is_of_another(&self, client: ClientId, speaker: Speaker) -> bool {
        match speaker {
            Speaker::Trusted => false,
            Speaker::Live(connection) | Speaker::Relay(connection) => {
                self.is_anothers(client, connection)
            }
        }
    }

    pub(crate) fn introduce(&mut self, connection: u64, client: ClientId) {
        if self.is_anothers(client, connection) {
            return;
        }
        if let Entry::Vacant(free) = self.connections.entry(client) {
            let ids = self.ids.entry(connection).or_default();
            if ids.len() < MAX_IDS {
                ids.push(client);
                free.insert(connection);
            }
        }
    }

    pub(crate) fn leave(&mut self, connection: u64) {
        self.people.remove(&connection);
        for client in self.ids.remove(&connection).unwrap_or_default() {
            self.connections.remove(&client);
        }
    }

    /// Whether an id is another connection's than the speaker's, or another person's who is not here.
    pub(crate) fn is_foreign(&self, client: ClientId, speaker: Speaker) -> bool {
        let (connection, is_live) = match speaker {
            Speaker::Trusted => return false,
            Speaker::Live(connection) => (connection, true),
            Speaker::Relay(connection) => (connection, false),
        };
        match self.owner(client) {
            Some(owner) => owner != connection,
            None => is_live && self.is_anothers(client, connection),
        }
    }

    /// What an update brings that was checked, if people are known here at all. `used` is what the check said.
    pub(crate) fn written(
        &self,
        update: &Update<'_>,
        speaker: Speaker,
        used: Option<(u64, ClientId)>,
        end: impl Fn(ClientId) -> u32,
    ) -> Vec<Written> {
        let (Speaker::Live(connection) | Speaker::Relay(connection)) = speaker else {
            return Vec::new();
        };
        if self.people.is_empty() && self.belongs.is_empty() {
            return Vec::new();
        }
        let new = update.sections().iter().filter_map(|section| {
            let (client, known) = (section.client, end(section.client));
            (section.count > 0 && section.end > known).then(|| Written {
                client,
                clock: section.clock.max(known),
                leaves_gap: section.clock > known,
                is_own: match self.owner(client) {
                    Some(owner) => owner == connection,
                    None => used == Some((connection, client)),
                },
            })
        });
        new.collect()
    }

    /// Refuses units that are not the speaker's to insert. `own` is the id of the document itself; `end` is the
    /// clock after the last known unit of a client. Returns whose ids the speaker has used.
    pub(crate) fn check(
        &self,
        update: &Update<'_>,
        speaker: Speaker,
        own: ClientId,
        end: impl Fn(ClientId) -> u32,
    ) -> Result<Option<(u64, ClientId)>, Error> {
        let (Speaker::Live(connection) | Speaker::Relay(connection)) = speaker else {
            return Ok(None);
        };
        let mut writers = 0;
        let mut last = None;
        for section in update.sections() {
            let client = section.client;
            if section.count == 0 || section.end <= end(client) {
                continue;
            }
            if self.is_foreign(client, speaker) || client == own {
                return Err(Error::Foreign { client });
            }
            writers += 1;
            last = Some((connection, client));
        }
        // Several at once are relayed, from a store of the client perhaps: they may be anyone's.
        let is_live = matches!(speaker, Speaker::Live(_));
        Ok(last.filter(|_| is_live && writers == 1))
    }
}
