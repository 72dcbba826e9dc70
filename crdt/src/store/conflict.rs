//! Where an insertion goes when others have been made at the same place.

use super::Store;
use super::insert::Steps;
use super::order::Spot;
use super::span::{NONE, Unit};
use super::undo::Undo;
use crate::{ClientId, Error};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// Steps after which an insertion leaves a hint for the next ones.
const FAR: u64 = 16;

/// Crowds that hints are kept of at most.
const MAX_CROWDS: usize = 256;

/// Insertions between the same two neighbours, by client: these stand in the order of their clients, so that a later one
/// may begin its search at the last one that it goes past. They are hints, and may lead to nothing.
pub(super) type Crowds = HashMap<(Unit, Unit), BTreeMap<ClientId, Unit>>;

/// An insertion that looks for its place between its two neighbours.
pub(super) struct Search {
    pub(super) site: u32,
    pub(super) client: ClientId,
    /// Its first unit.
    pub(super) at: Unit,
    pub(super) origin: Unit,
    pub(super) right: Unit,
    /// The spans of both; [`NONE`] at the ends.
    pub(super) left_span: u32,
    pub(super) right_span: u32,
}

impl Store {
    /// The spot at which it goes in. Each span that is looked at is a step.
    ///
    /// As in Yjs, it goes past all that was inserted behind the same unit by lower clients, and past
    /// what hangs behind those; and not past what hangs behind a unit before its left neighbour.
    pub(super) fn search(&mut self, search: &Search, steps: &mut Steps) -> Result<Spot, Error> {
        let root = self.types.site(search.site).map_or(NONE, |site| site.root);
        let start = (search.left_span != NONE).then(|| self.spot(search.left_span));
        let mut left = start;
        let mut cursor = match start {
            Some(spot) => self.order.next(spot),
            None => self.order.first(root),
        };
        let mut last = NONE;
        let before = self.steps;
        if let Some(spot) = self.hint(search) {
            last = self.order.span(spot);
            left = Some(spot);
            cursor = self.order.next(spot);
        }
        while let Some(spot) = cursor {
            let here = self.order.span(spot);
            if here == search.right_span {
                break;
            }
            self.steps += 1;
            steps.take()?;
            let span = &self.spans[here as usize];
            if span.origin == search.origin {
                if self.id_of(span.client()) < search.client {
                    left = cursor;
                } else if span.right == search.right {
                    break;
                }
            } else if span.origin.is_none() {
                break;
            } else {
                let holder = match last != NONE && self.spans[last as usize].holds(span.origin) {
                    true => last,
                    false => self.find(span.origin),
                };
                if !self.is_behind(holder, start) {
                    break;
                }
                // What hangs behind something that it goes past, it goes past as well.
                if left != start && !self.is_behind(holder, left) {
                    left = cursor;
                }
            }
            last = here;
            cursor = self.order.next(spot);
        }
        if self.steps - before > FAR {
            if self.crowds.len() > MAX_CROWDS {
                self.crowds.clear();
            }
            let crowd = self.crowds.entry((search.origin, search.right));
            crowd.or_default().insert(search.client, search.at);
            self.undo
                .push(Undo::Hint(search.origin, search.right, search.client));
        }
        Ok(match left {
            Some(spot) => Spot {
                at: spot.at + 1,
                ..spot
            },
            None => self.order.first(root).unwrap_or(Spot { leaf: root, at: 0 }),
        })
    }

    /// The last insertion between the same neighbours that this one is known to go past.
    fn hint(&self, search: &Search) -> Option<Spot> {
        let crowd = self.crowds.get(&(search.origin, search.right))?;
        let (_, &unit) = crowd.range(..search.client).next_back()?;
        if unit.clock >= self.clients.get(unit.client as usize)?.end {
            return None;
        }
        let at = self.find(unit);
        let span = &self.spans[at as usize];
        let stands = span.leaf != NONE
            && span.first() == unit
            && (span.origin, span.right) == (search.origin, search.right)
            && self.order.site(span.leaf) == search.site;
        stands.then(|| self.order.spot(at, span.leaf))
    }

    fn is_behind(&self, span: u32, spot: Option<Spot>) -> bool {
        let Some(spot) = spot else { return true };
        if self.spans[span as usize].leaf == NONE {
            return false;
        }
        self.order.compare(spot, self.spot(span)) == Some(Ordering::Less)
    }
}
