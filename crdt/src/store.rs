//! The engine: every insertion of a document, in the order of the text and by the clocks of its
//! clients.
//!
//! It is YATA (P. Nicolaescu, K. Jahns, M. Derntl, R. Klamma: "Near Real-Time Peer-to-Peer Shared
//! Editing on Extensible Data Types", GROUP 2016) as Yjs 13 does it, on the wire of Yjs: the same
//! updates lead to the same order and the same deleted units. `INTERNALS.md` draws it.
//!
//! An update is integrated struct by struct; each step is written down, so that all of it can be
//! taken back. What is to be deleted is deleted last, when nothing can be refused any more.

mod check;
mod conflict;
mod content;
mod delete;
mod edit;
mod encode;
mod insert;
mod order;
mod read;
mod restore;
mod slots;
mod span;
mod text;
mod timeline;
mod types;
mod undo;

pub(crate) use insert::{Deps, Steps};
pub(crate) use text::{Extent, Splice, Text};

use crate::update::{Id, Parent, Struct};
use crate::{ClientId, DeleteSet, Error};
use conflict::Crowds;
use content::Contents;
use order::Order;
use span::{MAX_CLIENT, NONE, Span, Unit};
use std::collections::HashMap;
use timeline::{Place, Timeline};
use types::Types;
use undo::Undo;

/// A writer, by a small number of this store's own.
#[derive(Debug)]
struct Client {
    id: ClientId,
    /// The clock after its last unit.
    end: u32,
    /// The first unit that is new since [`Store::begin`]; the largest clock when there is none.
    fresh: u32,
    timeline: Timeline,
}

/// Units of one client, by its number: from one clock to another one, which is not in it.
pub(crate) type Range = (u32, u32, u32);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Store {
    spans: Vec<Span>,
    free: Vec<u32>,
    clients: Vec<Client>,
    numbers: HashMap<ClientId, u32, foldhash::fast::RandomState>,
    order: Order,
    contents: Contents,
    types: Types,
    deleted: DeleteSet,
    /// Known units, deleted ones included.
    units: u64,
    /// How to take back what was done since [`Store::begin`].
    undo: Vec<Undo>,
    /// Clients with new units since then, and where these begin.
    touched: Vec<(u32, u32)>,
    /// What has lost its key to another value since then.
    doomed: Vec<Range>,
    /// What came deleted since then, and how many units that are.
    gone: Vec<Range>,
    gone_units: u64,
    /// Content that was not taken in as it came since then.
    altered: bool,
    splices: Vec<Splice>,
    /// Steps of all searches for a place.
    steps: u64,
    crowds: Crowds,
}

impl Store {
    /// The number of a client that is known by one.
    pub(crate) fn number(&self, client: ClientId) -> Option<u32> {
        self.numbers.get(&client).copied()
    }

    /// The number of a client; a new one when it has none.
    pub(crate) fn intern(&mut self, client: ClientId) -> Result<u32, Error> {
        if let Some(number) = self.number(client) {
            return Ok(number);
        }
        let number = self.clients.len() as u64;
        crate::update::limit("clients", number, u64::from(MAX_CLIENT))?;
        let number = number as u32;
        self.numbers.insert(client, number);
        self.clients.push(Client {
            id: client,
            end: 0,
            fresh: u32::MAX,
            timeline: Timeline::default(),
        });
        self.undo.push(Undo::Client);
        Ok(number)
    }

    /// The clock after the last known unit of a client.
    pub(crate) fn end(&self, client: ClientId) -> u32 {
        self.number(client).map_or(0, |number| self.end_of(number))
    }

    pub(crate) fn end_of(&self, number: u32) -> u32 {
        self.clients[number as usize].end
    }

    pub(crate) fn id_of(&self, number: u32) -> ClientId {
        self.clients[number as usize].id
    }

    /// Known units.
    pub(crate) fn units(&self) -> u64 {
        self.units
    }

    /// Known units that are not deleted.
    pub(crate) fn live(&self) -> u64 {
        self.units - self.deleted.units() - self.gone_units
    }

    /// What is deleted.
    pub(crate) fn deleted(&self) -> &DeleteSet {
        &self.deleted
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Clients with new units since [`Store::begin`], by number, and the clock of the first.
    pub(crate) fn touched(&self) -> &[(u32, u32)] {
        &self.touched
    }

    /// How the texts of roots have changed since then.
    pub(crate) fn splices(&self) -> &[Splice] {
        &self.splices
    }

    /// Whether something was not taken in as it came since [`Store::begin`].
    pub(crate) fn altered(&self) -> bool {
        self.altered
    }

    /// What a struct of client `number` needs, or the first unit of it that is not known.
    pub(crate) fn deps(&self, number: Option<u32>, block: &Struct<'_>) -> Result<Deps, Id> {
        let known = |id: Id| {
            let number = match id.client == block.client {
                true => number,
                false => self.number(id.client),
            };
            let unit = number.map(|client| Unit {
                client,
                clock: id.clock,
            });
            let unit = unit.filter(|unit| unit.clock < self.end_of(unit.client));
            unit.ok_or(id)
        };
        let all = |id: Option<Id>| id.map_or(Ok(Unit::NONE), known);
        Ok(Deps {
            origin: all(block.origin)?,
            right: all(block.right)?,
            parent: match block.parent {
                Some(Parent::Item(id)) => known(id)?,
                _ => Unit::NONE,
            },
        })
    }

    /// The span that holds a known unit.
    fn find(&self, unit: Unit) -> u32 {
        let timeline = &self.clients[unit.client as usize].timeline;
        timeline.get(timeline.find(unit.clock))
    }

    fn make(&mut self, span: Span) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.spans[at as usize] = span;
                at
            }
            None => {
                if self.spans.len() == self.spans.capacity() {
                    // By an eighth, not to the double: spans are most of the memory.
                    self.spans.reserve_exact(16 + self.spans.len() / 8);
                }
                self.spans.push(span);
                (self.spans.len() - 1) as u32
            }
        }
    }

    fn spot(&self, span: u32) -> order::Spot {
        self.order.spot(span, self.spans[span as usize].leaf)
    }

    /// The span that begins with a unit, after a cut if there is none.
    fn split_before(&mut self, unit: Unit) -> u32 {
        let timeline = &self.clients[unit.client as usize].timeline;
        let place = timeline.find(unit.clock);
        let span = timeline.get(place);
        match unit.clock - self.spans[span as usize].clock {
            0 => span,
            units => {
                let place = self.split(unit.client, place, units);
                self.clients[unit.client as usize].timeline.get(place)
            }
        }
    }

    /// The span that ends with a unit, after a cut if there is none.
    fn split_behind(&mut self, unit: Unit) -> u32 {
        let timeline = &self.clients[unit.client as usize].timeline;
        let place = timeline.find(unit.clock);
        let span = timeline.get(place);
        let units = unit.clock - self.spans[span as usize].clock + 1;
        if units < self.spans[span as usize].len {
            self.split(unit.client, place, units);
        }
        span
    }

    /// Cuts a span behind its first `units`; returns the place of the rest.
    ///
    /// As in Yjs, the halves of a character that is cut become U+FFFD each.
    fn split(&mut self, number: u32, place: Place, units: u32) -> Place {
        let left = self.clients[number as usize].timeline.get(place);
        let span = self.spans[left as usize];
        let is_gone = span.leaf == NONE;
        let mut rest = span;
        rest.clock += units;
        rest.len -= units;
        if !is_gone {
            rest.origin = Unit {
                client: number,
                clock: rest.clock - 1,
            };
        }
        let mut torn = None;
        if span.content != NONE {
            (rest.content, torn) = self.contents.split(span.content, span.kind(), units);
        }
        let right = self.make(rest);
        self.spans[left as usize].len = units;
        let timeline = &mut self.clients[number as usize].timeline;
        let place = timeline.insert_behind(place, right, rest.clock);
        if !is_gone {
            let spot = self.spot(left);
            if rest.units() > 0 && span.content == NONE {
                torn = self.tear(spot, units);
            }
            self.order.cut(spot, right, &mut self.spans);
        }
        self.undo.push(Undo::Split { left, right, torn });
        place
    }
}
