//! Who is here: awareness states, each owned by the connection that announced it.

use crate::wire::{Reader, write_buf, write_var};
use crate::{ClientId, Error};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The longest state, in bytes of JSON.
pub const MAX_STATE: usize = 2048;
/// The most client ids that one connection may announce.
pub const MAX_IDS: usize = 16;
/// Ids that have left and whose last clock is remembered.
const MAX_LEFT: usize = 1024;

/// What came of an announcement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announced {
    /// The id, if the announcement is of one present state and no more. Clients introduce themselves so.
    pub only: Option<ClientId>,
    /// Ids that have left at this clock or later, so that this says nothing new. Who hears of its own id that it has
    /// left raises its clock and announces itself again.
    pub stale: Vec<ClientId>,
    /// Ids whose state is another than before, removed ones included.
    pub changed: Vec<ClientId>,
    /// Ids of other connections for which something new was said. That is ignored. What repeats the known is not
    /// counted: clients repeat what they hear.
    pub contested: Vec<ClientId>,
}

#[derive(Debug)]
struct State {
    owner: u64,
    clock: u64,
    /// None: the owner has removed it.
    json: Option<Box<str>>,
}

/// The awareness states of one document.
///
/// The rules are those of y-protocols: the newer clock wins, an equal clock only to remove. An id
/// belongs to the connection that announces it first, until that connection leaves. A state that
/// has left keeps its clock, because clients repeat what they hear: what was said before somebody
/// left must not bring them back.
#[derive(Debug, Default)]
pub struct Presence {
    states: BTreeMap<ClientId, State>,
    owned: HashMap<u64, BTreeSet<ClientId>>,
    left: HashMap<ClientId, Left>,
    /// Who is remembered, by the number of the departure.
    left_order: BTreeMap<u64, ClientId>,
    departures: u64,
    /// The number of the last departure that is forgotten.
    forgotten: u64,
}

#[derive(Debug, Clone, Copy)]
struct Left {
    clock: u64,
    departure: u64,
}

impl Presence {
    /// Nobody is here.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the states that connection `owner` announces. On an error nothing has changed.
    pub fn announce(&mut self, owner: u64, body: &[u8]) -> Result<Announced, Error> {
        let entries = decode(body)?;
        let only = match entries[..] {
            [(id, _, Some(_))] => Some(id),
            _ => None,
        };
        let mut announced = Announced {
            only,
            ..Announced::default()
        };
        let mut ids = self.owned.get(&owner).cloned().unwrap_or_default();
        for &(id, clock, json) in &entries {
            if self.is_new(owner, id, clock, json) {
                ids.insert(id);
            }
        }
        if ids.len() > MAX_IDS {
            return Err(Error::TooLarge {
                what: "client ids of one connection",
                size: ids.len() as u64,
                limit: MAX_IDS as u64,
            });
        }
        for (id, clock, json) in entries {
            let known = self.states.get(&id);
            if let Some(known) = known.filter(|known| known.owner != owner) {
                if known.clock < clock {
                    announced.contested.push(id);
                }
            } else if self.is_new(owner, id, clock, json) {
                let json = json.map(Into::into);
                self.states.insert(id, State { owner, clock, json });
                self.owned.entry(owner).or_default().insert(id);
                self.forget(id);
                announced.changed.push(id);
            } else if known.is_none() && only == Some(id) {
                announced.stale.push(id);
            }
        }
        Ok(announced)
    }

    /// Whether a state that `owner` may set is newer than what is known of `id`.
    fn is_new(&self, owner: u64, id: ClientId, clock: u64, json: Option<&str>) -> bool {
        match self.states.get(&id) {
            Some(known) if known.owner != owner => false,
            Some(known) => {
                known.clock < clock
                    || (known.clock == clock && json.is_none() && known.json.is_some())
            }
            None => json.is_some() && self.left.get(&id).is_none_or(|left| left.clock < clock),
        }
    }

    /// The connection that an id belongs to.
    pub fn owner(&self, id: ClientId) -> Option<u64> {
        self.states.get(&id).map(|state| state.owner)
    }

    /// The state of an id, as JSON, while it is present.
    pub fn state(&self, id: ClientId) -> Option<&str> {
        self.states.get(&id)?.json.as_deref()
    }

    /// Removes the states of connection `owner`; returns the ids that were present.
    pub fn leave(&mut self, owner: u64) -> Vec<ClientId> {
        let mut gone: Vec<ClientId> = Vec::new();
        for id in self.owned.remove(&owner).unwrap_or_default() {
            if let Some(state) = self.states.remove(&id) {
                self.remember(id, state.clock);
                if state.json.is_some() {
                    gone.push(id);
                }
            }
        }
        gone.sort_unstable();
        gone
    }

    fn remember(&mut self, id: ClientId, clock: u64) {
        self.forget(id);
        self.departures += 1;
        let departure = self.departures;
        self.left.insert(id, Left { clock, departure });
        self.left_order.insert(departure, id);
        while self.left_order.len() > MAX_LEFT {
            if let Some((departure, oldest)) = self.left_order.pop_first() {
                self.left.remove(&oldest);
                self.forgotten = departure;
            }
        }
    }

    /// Nothing is remembered of an id that has left.
    fn forget(&mut self, id: ClientId) {
        if let Some(left) = self.left.remove(&id) {
            self.left_order.remove(&left.departure);
        }
    }

    /// How many ids have left so far; one that comes back and leaves again counts again.
    pub fn departures(&self) -> u64 {
        self.departures
    }

    /// All states that are present, and `null` for every id that was removed, or has left after the first so many: all that
    /// somebody has to be told who heard nothing since. `None` when those that have left are too many.
    pub fn since(&self, departures: u64) -> Option<Vec<u8>> {
        if departures < self.forgotten {
            return None;
        }
        let here = self.states.keys().copied();
        let left = self.left_order.range(departures + 1..).map(|(_, &id)| id);
        Some(self.frame(&here.chain(left).collect::<Vec<_>>()))
    }

    /// The states of `ids` as a body for [`crate::protocol::awareness`]; `null` for one that is
    /// removed or has left. An id never heard of is left out.
    pub fn frame(&self, ids: &[ClientId]) -> Vec<u8> {
        let known = ids.iter().filter_map(|&id| match self.states.get(&id) {
            Some(state) => Some((id, state.clock, state.json.as_deref())),
            None => self.left.get(&id).map(|left| (id, left.clock, None)),
        });
        encode(known.collect())
    }

    /// All states that are present, as a body.
    pub fn all(&self) -> Vec<u8> {
        let present = self.states.iter().filter(|(_, state)| state.json.is_some());
        encode(
            present
                .map(|(&id, state)| (id, state.clock, state.json.as_deref()))
                .collect(),
        )
    }

    /// The states in a body; none of a client that has left.
    pub fn read(body: &[u8]) -> Result<Vec<Entry<'_>>, Error> {
        decode(body)
    }

    /// A body of these states.
    pub fn write(entries: Vec<Entry<'_>>) -> Vec<u8> {
        encode(entries)
    }

    /// Connections with at least one state that is present.
    pub fn people(&self) -> usize {
        let present = self.states.values().filter(|state| state.json.is_some());
        present
            .map(|state| state.owner)
            .collect::<HashSet<_>>()
            .len()
    }
}

/// A client id, the clock of its state, and the state as JSON.
pub type Entry<'a> = (ClientId, u64, Option<&'a str>);

fn decode(body: &[u8]) -> Result<Vec<Entry<'_>>, Error> {
    let mut reader = Reader::new(body);
    let count = reader.count(3)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let id = reader.var()?;
        let clock = reader.var()?;
        let mut ahead = reader.clone();
        let size = ahead.buf()?.len();
        if size > MAX_STATE {
            return Err(Error::TooLarge {
                what: "bytes in an awareness state",
                size: size as u64,
                limit: MAX_STATE as u64,
            });
        }
        let json = reader.json()?;
        entries.push((id, clock, (json.trim() != "null").then_some(json)));
    }
    reader.finish()?;
    Ok(entries)
}

fn encode(entries: Vec<Entry<'_>>) -> Vec<u8> {
    let mut out = Vec::new();
    write_var(&mut out, entries.len() as u64);
    for (id, clock, json) in entries {
        write_var(&mut out, id);
        write_var(&mut out, clock);
        write_buf(&mut out, json.unwrap_or("null").as_bytes());
    }
    out
}
