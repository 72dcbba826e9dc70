//! Taking back what a refused update has done.

use super::Store;
use super::content::Content;
use super::span::{NONE, Span, Unit};
use crate::ClientId;

/// What was needed for a large update is not kept for small ones.
fn clear<T>(list: &mut Vec<T>) {
    list.clear();
    list.shrink_to(64);
}

/// One step of an update.
#[derive(Debug, Clone, Copy)]
pub(super) enum Undo {
    Client,
    Root(u32),
    Site(u32),
    /// A hint in a crowd.
    Hint(Unit, Unit, ClientId),
    /// A new span at the end of its client's.
    Inserted(u32),
    /// The newest span of its client has this many units more.
    Grew(u32, u32),
    Split {
        left: u32,
        right: u32,
        torn: Option<char>,
    },
}

impl Store {
    /// From here on, [`Store::roll_back`] takes back.
    pub(crate) fn begin(&mut self) {
        clear(&mut self.undo);
        clear(&mut self.splices);
        clear(&mut self.gone);
        clear(&mut self.doomed);
        for (number, _) in self.touched.drain(..) {
            if let Some(client) = self.clients.get_mut(number as usize) {
                client.fresh = u32::MAX;
            }
        }
        self.gone_units = 0;
        self.altered = false;
    }

    /// Takes back everything since [`Store::begin`], as long as nothing was deleted.
    pub(crate) fn roll_back(&mut self) {
        self.undo_to(0);
        self.begin();
    }

    /// Takes back all but the first steps.
    pub(super) fn undo_to(&mut self, steps: usize) {
        while self.undo.len() > steps
            && let Some(step) = self.undo.pop()
        {
            match step {
                Undo::Client => {
                    if let Some(client) = self.clients.pop() {
                        self.numbers.remove(&client.id);
                    }
                }
                Undo::Root(branch) => self.unmake_root(branch),
                Undo::Site(site) => self.unmake_site(site),
                Undo::Hint(origin, right, client) => {
                    if let Some(crowd) = self.crowds.get_mut(&(origin, right)) {
                        crowd.remove(&client);
                    }
                }
                Undo::Inserted(span) => self.remove_newest(span),
                Undo::Grew(span, by) => self.shrink(span, by),
                Undo::Split { left, right, torn } => self.join(left, right, torn),
            }
        }
    }

    fn forget_units(&mut self, span: &Span, units: u32) {
        self.clients[span.client() as usize].end -= units;
        self.units -= u64::from(units);
    }

    fn remove_newest(&mut self, at: u32) {
        let span = self.spans[at as usize];
        self.forget_units(&span, span.len);
        self.clients[span.client() as usize].timeline.pop();
        if let Some(Content::Type(_, branch)) = self.contents.take(span.content) {
            self.types.branches.take(branch);
        }
        if span.leaf != NONE {
            self.count_values(span.leaf, span.kind(), -i64::from(span.len));
            let spot = self.spot(at);
            let units = span.units();
            let before = self.order.add(spot, -i64::from(units));
            self.cut(spot.leaf, before, units);
            self.order.remove(spot, &mut self.spans);
        }
        self.free.push(at);
    }

    fn shrink(&mut self, at: u32, by: u32) {
        let span = self.spans[at as usize];
        self.forget_units(&span, by);
        let len = span.len - by;
        self.spans[at as usize].len = len;
        if span.leaf != NONE {
            self.count_values(span.leaf, span.kind(), -i64::from(by));
        }
        if span.content != NONE {
            self.contents.truncate(span.content, span.kind(), len);
        }
        if span.units() > 0 {
            let spot = self.spot(at);
            let before = self.order.add(spot, -i64::from(by));
            self.cut(spot.leaf, before + len, by);
        }
    }

    fn join(&mut self, left: u32, right: u32, torn: Option<char>) {
        let rest = self.spans[right as usize];
        let timeline = &mut self.clients[rest.client() as usize].timeline;
        let place = timeline.find(rest.clock);
        timeline.remove(place);
        self.spans[left as usize].len += rest.len;
        if rest.content != NONE {
            self.contents
                .join(self.spans[left as usize].content, rest.content, torn);
        }
        if rest.leaf != NONE {
            let spot = self.spot(right);
            let units = i64::from(rest.units());
            self.order.add(spot, -units);
            self.order.remove(spot, &mut self.spans);
            let spot = self.spot(left);
            self.order.add(spot, units);
            if rest.content == NONE
                && let Some(char) = torn
            {
                self.mend(spot, self.spans[left as usize].len - rest.len, char);
            }
        }
        self.free.push(right);
    }
}
