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

/// Which connection writes under which client id.
///
/// A connection owns an id once it introduced itself with it, or wrote under it alone, while no
/// other did. Nobody else inserts under it until it leaves: whoever wrote under the next clocks of
/// somebody else would take the place of what they are about to write.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    connections: HashMap<ClientId, u64>,
    /// The ids of each connection, in the order in which it came to own them.
    ids: HashMap<u64, Vec<ClientId>>,
}

impl Owners {
    pub(crate) fn owner(&self, client: ClientId) -> Option<u64> {
        self.connections.get(&client).copied()
    }

    pub(crate) fn introduce(&mut self, connection: u64, client: ClientId) {
        if let Entry::Vacant(free) = self.connections.entry(client) {
            let ids = self.ids.entry(connection).or_default();
            if ids.len() < MAX_IDS {
                ids.push(client);
                free.insert(connection);
            }
        }
    }

    pub(crate) fn leave(&mut self, connection: u64) {
        for client in self.ids.remove(&connection).unwrap_or_default() {
            self.connections.remove(&client);
        }
    }

    /// Whether an id is another connection's than the speaker's.
    pub(crate) fn is_foreign(&self, client: ClientId, speaker: Speaker) -> bool {
        let (Speaker::Live(connection) | Speaker::Relay(connection)) = speaker else {
            return false;
        };
        self.owner(client).is_some_and(|owner| owner != connection)
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
