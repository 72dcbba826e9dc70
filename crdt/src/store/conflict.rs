//! Where an insertion goes when others have been made at the same place.

use super::Store;
use super::insert::Terms;
use super::order::Spot;
use super::span::{NONE, Unit};
use crate::{ClientId, Error};
use std::cmp::Ordering;

/// An insertion that looks for its place between its two neighbours.
pub(super) struct Search {
    pub(super) client: ClientId,
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
    pub(super) fn search(
        &mut self,
        site: u32,
        search: &Search,
        terms: &mut Terms,
    ) -> Result<Spot, Error> {
        let root = self.types.site(site).map_or(NONE, |site| site.root);
        let start = (search.left_span != NONE).then(|| self.spot(search.left_span));
        let mut left = start;
        let mut cursor = match start {
            Some(spot) => self.order.next(spot),
            None => self.order.first(root),
        };
        let mut last = NONE;
        while let Some(spot) = cursor {
            let here = self.order.span(spot);
            if here == search.right_span {
                break;
            }
            self.steps += 1;
            terms.step()?;
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
        Ok(match left {
            Some(spot) => Spot {
                at: spot.at + 1,
                ..spot
            },
            None => self.order.first(root).unwrap_or(Spot { leaf: root, at: 0 }),
        })
    }

    fn is_behind(&self, span: u32, spot: Option<Spot>) -> bool {
        let Some(spot) = spot else { return true };
        if self.spans[span as usize].leaf == NONE {
            return false;
        }
        self.order.compare(spot, self.spot(span)) == Some(Ordering::Less)
    }
}
