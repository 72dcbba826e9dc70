//! What is known of each unit without its content: that it exists, and where it hangs.
//!
//! The gate asks it before anything reaches the engine. Neighbouring units that hang at the same
//! place share one entry, so a plain text costs one entry per client.

use crate::update::{Id, Parent};
use crate::{ClientId, Error};
use std::collections::{HashMap, HashSet};

/// How deep types may nest: engines walk down recursively.
const MAX_NESTING: u16 = 64;

/// Number of a [`Site`]; [`GONE`] when nothing is known but that the unit exists.
pub(crate) type Place = u32;
/// The place of forgotten units.
pub(crate) const GONE: Place = 0;

/// A sequence, or the values of one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Site {
    parent: SiteParent,
    key: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum SiteParent {
    Root(Box<str>),
    Item(Id),
}

/// The units of one client: entries at the clocks where the place changes.
#[derive(Debug, Default)]
struct Units {
    end: u32,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: u32,
    place: Place,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    clients: HashMap<ClientId, Units>,
    places: HashMap<Site, Place>,
    /// By place - 1: how many types are around it, and whether it belongs to a key.
    sites: Vec<(u16, bool)>,
    types: HashMap<Id, u16>,
    crowds: HashMap<Spot, Crowd>,
    total: u64,
    undo: Undo,
}

/// What has been added since [`Ledger::begin`].
#[derive(Debug, Default)]
struct Undo {
    clients: Vec<(ClientId, u32, usize)>,
    touched: HashSet<ClientId>,
    places: Vec<Site>,
    types: Vec<Id>,
    crowds: Vec<(Spot, Option<Crowd>)>,
}

/// Behind which unit something was inserted; None at the start of its place.
type Spot = (Place, Option<Id>);

/// What has been inserted at one spot.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    /// The last of them, which is the right neighbour of the next when nothing is concurrent.
    last: Id,
    count: u32,
}

impl Ledger {
    /// The clock after the last known unit of `client`.
    pub(crate) fn end(&self, client: ClientId) -> u32 {
        self.clients.get(&client).map_or(0, |units| units.end)
    }

    pub(crate) fn knows(&self, id: Id) -> bool {
        id.clock < self.end(id.client)
    }

    /// Number of known units.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    fn run(&self, id: Id) -> Option<Run> {
        let units = self.clients.get(&id.client)?;
        let after = units.runs.partition_point(|run| run.start <= id.clock);
        units.runs.get(after.checked_sub(1)?).copied()
    }

    /// Where a known unit hangs.
    pub(crate) fn place(&self, id: Id) -> Place {
        self.run(id).map_or(GONE, |run| run.place)
    }

    /// Whether what hangs there are the values of a key.
    pub(crate) fn is_keyed(&self, place: Place) -> bool {
        place != GONE && self.sites[place as usize - 1].1
    }

    /// Where something hangs whose parent is known. As in Yjs, it is forgotten when the parent
    /// holds no type.
    pub(crate) fn place_in(
        &mut self,
        parent: Parent<'_>,
        key: Option<&str>,
    ) -> Result<Place, Error> {
        let (parent, nesting) = match parent {
            Parent::Root(name) => (SiteParent::Root(name.into()), 0),
            Parent::Item(id) => match self.types.get(&id) {
                Some(&nesting) => (SiteParent::Item(id), nesting),
                None => return Ok(GONE),
            },
        };
        let key: Option<Box<str>> = key.map(Into::into);
        let keyed = key.is_some();
        let site = Site { parent, key };
        if let Some(&place) = self.places.get(&site) {
            return Ok(place);
        }
        self.sites.push((nesting, keyed));
        let place = self.sites.len() as Place;
        self.undo.places.push(site.clone());
        self.places.insert(site, place);
        Ok(place)
    }

    /// Appends `len` units of `client` at `place`; `is_type` when it is one unit with a type.
    pub(crate) fn push(
        &mut self,
        id: Id,
        len: u32,
        place: Place,
        is_type: bool,
    ) -> Result<(), Error> {
        if is_type && place != GONE {
            let nesting = self.sites[place as usize - 1].0 + 1;
            if nesting > MAX_NESTING {
                return Err(Error::TooLarge {
                    what: "levels of nested types",
                    size: u64::from(nesting),
                    limit: u64::from(MAX_NESTING),
                });
            }
            self.types.insert(id, nesting);
            self.undo.types.push(id);
        }
        let units = self.clients.entry(id.client).or_default();
        if self.undo.touched.insert(id.client) {
            let before = (id.client, units.end, units.runs.len());
            self.undo.clients.push(before);
        }
        match units.runs.last() {
            Some(last) if last.place == place => {}
            _ => units.runs.push(Run {
                start: id.clock,
                place,
            }),
        }
        self.total += u64::from(len);
        units.end = id.clock + len;
        Ok(())
    }

    /// Takes note of an insertion at a spot. Returns how many others there it may have to be
    /// compared with: none, when it was made in sight of the last.
    pub(crate) fn crowd(&mut self, spot: Spot, id: Id, right: Option<Id>) -> u64 {
        let before = self.crowds.get(&spot).copied();
        let count = before.map_or(0, |crowd| crowd.count);
        let crowd = Crowd {
            last: id,
            count: count.saturating_add(1),
        };
        self.crowds.insert(spot, crowd);
        self.undo.crowds.push((spot, before));
        match before {
            Some(crowd) if right == Some(crowd.last) => 0,
            _ => u64::from(count),
        }
    }

    /// Clients with new units since [`Ledger::begin`], and the end of their units.
    pub(crate) fn advanced(&self) -> impl Iterator<Item = (ClientId, u32)> + '_ {
        let clients = self.undo.clients.iter();
        clients.map(|&(client, ..)| (client, self.end(client)))
    }

    /// From here on, [`Ledger::rollback`] takes back.
    pub(crate) fn begin(&mut self) {
        self.undo = Undo::default();
    }

    pub(crate) fn rollback(&mut self) {
        let undo = std::mem::take(&mut self.undo);
        for (client, end, runs) in undo.clients {
            if let Some(units) = self.clients.get_mut(&client) {
                self.total -= u64::from(units.end - end);
                units.end = end;
                units.runs.truncate(runs);
                if end == 0 {
                    self.clients.remove(&client);
                }
            }
        }
        for (spot, before) in undo.crowds.into_iter().rev() {
            match before {
                Some(crowd) => self.crowds.insert(spot, crowd),
                None => self.crowds.remove(&spot),
            };
        }
        for site in undo.places {
            self.places.remove(&site);
            self.sites.pop();
        }
        for id in undo.types {
            self.types.remove(&id);
        }
    }
}
