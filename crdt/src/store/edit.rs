//! From positions to units.

use super::insert::{Deps, Steps};
use super::span::Unit;
use super::{Range, Store};
use crate::Error;
use crate::update::{Content, Parent, Struct};

impl Store {
    /// The units at `at..at + len` of a root's text, which must be there.
    pub(crate) fn ranges(&self, root: &str, at: u32, len: u32, out: &mut Vec<Range>) {
        let Some(site) = self.types.list(root) else {
            return;
        };
        let Some((spot, mut skip)) = self.order.seek(site.root, at) else {
            return;
        };
        let (mut spot, mut left) = (Some(spot), len);
        while let Some(here) = spot
            && left > 0
        {
            let span = &self.spans[self.order.span(here) as usize];
            let units = span.units();
            if units > 0 {
                let take = (units - skip).min(left);
                let start = span.clock + skip;
                out.push((span.client(), start, start + take));
                (left, skip) = (left - take, 0);
            }
            spot = self.order.next(here);
        }
    }

    /// Inserts text of client `number` into a root's, at a position that must be there.
    pub(crate) fn insert_text(
        &mut self,
        number: u32,
        root: &str,
        at: u32,
        text: &str,
    ) -> Result<(), Error> {
        let (origin, right) = self.neighbours(root, at);
        let len = text.chars().map(|char| char.len_utf16() as u32).sum();
        let parent = (origin.is_none() && right.is_none()).then_some(Parent::Root(root));
        let block = Struct {
            client: self.id_of(number),
            clock: self.end_of(number),
            len,
            origin: None,
            right: None,
            parent,
            key: None,
            content: Content::String(text),
            raw: &[],
            body: &[],
        };
        let deps = Deps {
            origin,
            right,
            parent: Unit::NONE,
        };
        self.integrate(number, &block, 0, deps, &mut Steps::new(u64::MAX))
    }

    /// The units left and right of a position, deleted ones included.
    fn neighbours(&self, root: &str, at: u32) -> (Unit, Unit) {
        let Some(site) = self.types.list(root) else {
            return (Unit::NONE, Unit::NONE);
        };
        let first = |spot| self.spans[self.order.span(spot) as usize].first();
        let Some(before) = at.checked_sub(1) else {
            let right = self.order.first(site.root);
            return (Unit::NONE, right.map_or(Unit::NONE, first));
        };
        let Some((spot, units)) = self.order.seek(site.root, before) else {
            return (Unit::NONE, Unit::NONE);
        };
        let span = &self.spans[self.order.span(spot) as usize];
        let unit = |clock| Unit {
            client: span.client(),
            clock,
        };
        let origin = unit(span.clock + units);
        let right = match units + 1 < span.len {
            true => unit(origin.clock + 1),
            false => self.order.next(spot).map_or(Unit::NONE, first),
        };
        (origin, right)
    }
}
