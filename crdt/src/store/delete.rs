//! Deletion: content goes at once, the units stay known.

use super::content::Content;
use super::span::{NONE, Span, Unit};
use super::timeline::Place;
use super::{Range, Store};
use crate::ClientId;
use crate::update::Kind;

impl Store {
    /// Takes note of what came deleted or has lost its key since [`Store::begin`], and deletes
    /// `deletes`, as far as they are known. Adds to `news` all that is newly deleted; returns how many
    /// units of `deletes` are.
    pub(crate) fn delete(
        &mut self,
        deletes: &[(ClientId, u32, u32)],
        news: &mut Vec<Range>,
    ) -> u64 {
        for at in 0..self.gone.len() {
            let (number, start, end) = self.gone[at];
            self.deleted.insert(self.id_of(number), start, end);
            news.push((number, start, end));
        }
        self.gone.clear();
        self.gone_units = 0;
        let mut new = 0;
        for &(client, start, end) in deletes {
            if let Some(number) = self.number(client) {
                let end = end.min(self.end_of(number));
                new += self.delete_range(number, start, end, news);
            }
        }
        for at in 0..self.doomed.len() {
            let (number, start, end) = self.doomed[at];
            self.delete_range(number, start, end, news);
        }
        self.doomed.clear();
        new
    }

    pub(crate) fn delete_range(
        &mut self,
        number: u32,
        start: u32,
        end: u32,
        news: &mut Vec<Range>,
    ) -> u64 {
        if start >= end {
            return 0;
        }
        let client = self.id_of(number);
        let (from, wanted) = (news.len(), start);
        let found = self.clients[number as usize].timeline.find(start);
        let mut new = self.living(number, found, start, end, news);
        let to = news.len();
        for at in from..to {
            let (_, start, end) = news[at];
            new += u64::from(end - start);
            self.deleted.insert(client, start, end);
            let timeline = &self.clients[number as usize].timeline;
            let mut first = match start == wanted {
                true => found,
                false => timeline.find(start),
            };
            if self.shift(number, first, start, end) {
                continue;
            }
            let timeline = &self.clients[number as usize].timeline;
            let before = start - self.spans[timeline.get(first) as usize].clock;
            if before > 0 {
                first = self.split(number, first, before);
            }
            let (mut place, mut branches) = (first, Vec::new());
            loop {
                let timeline = &self.clients[number as usize].timeline;
                let (span, next) = (timeline.get(place), timeline.behind(place));
                let Span { clock, len, .. } = self.spans[span as usize];
                if clock + len > end {
                    self.split(number, place, end - clock);
                    let timeline = &self.clients[number as usize].timeline;
                    first = timeline.find(start);
                }
                self.empty(span, &mut branches);
                match next {
                    Some(next) if clock + len < end => place = next,
                    _ => break,
                }
            }
            self.merge(number, first, end);
            self.fell(branches, news);
        }
        new
    }

    /// Deletes units at one end of a run of typing, where deleted ones adjoin: the border between the two moves, as when
    /// somebody goes on deleting. False when they lie otherwise.
    fn shift(&mut self, number: u32, place: Place, start: u32, end: u32) -> bool {
        let timeline = &self.clients[number as usize].timeline;
        let at = timeline.get(place);
        let span = self.spans[at as usize];
        if span.kind() != Kind::String || span.content != NONE {
            return false;
        }
        let (before, units) = (start - span.clock, end - start);
        let spot = self.spot(at);
        let is_gone = |span: u32| self.spans[span as usize].kind() == Kind::Deleted;
        match (before > 0, end < span.end()) {
            (true, false) => {
                let Some(next) = timeline.behind(place) else {
                    return false;
                };
                let right = timeline.get(next);
                if !is_gone(right) || !self.adjoins(at, right) {
                    return false;
                }
                self.tear(spot, before);
                self.begin_at(number, next, start);
                self.spans[at as usize].len = before;
            }
            (false, true) => {
                let Some(last) = timeline.before(place) else {
                    return false;
                };
                let left = timeline.get(last);
                if !is_gone(left) || !self.adjoins(left, at) {
                    return false;
                }
                self.tear(spot, units);
                self.begin_at(number, place, end);
                self.spans[left as usize].len += units;
            }
            _ => return false,
        }
        let position = self.order.add(spot, -i64::from(units));
        self.cut(spot.leaf, position + before, units);
        true
    }

    /// Moves the start of a span, within its client's units.
    fn begin_at(&mut self, number: u32, place: Place, clock: u32) {
        let timeline = &mut self.clients[number as usize].timeline;
        timeline.set(place, clock);
        let span = &mut self.spans[timeline.get(place) as usize];
        span.len = span.end() - clock;
        span.clock = clock;
        span.origin = Unit {
            client: number,
            clock: clock - 1,
        };
    }

    /// Adds to `live` what is not deleted of some units, the first of which is in the span at `place`; returns how many of
    /// the others came deleted since [`Store::begin`].
    fn living(
        &self,
        number: u32,
        mut place: Place,
        start: u32,
        end: u32,
        live: &mut Vec<Range>,
    ) -> u64 {
        let client = &self.clients[number as usize];
        let mut span = &self.spans[client.timeline.get(place) as usize];
        if start < client.fresh {
            // Most often it is a part of one span. Of many, what was deleted long ago is not looked at again.
            match end <= span.end() {
                true if span.is_deleted() => {}
                true => live.push((number, start, end)),
                false => self.deleted.gaps(client.id, start, end, |start, end| {
                    live.push((number, start, end));
                }),
            }
            return 0;
        }
        let mut came = 0;
        loop {
            let (from, to) = (span.clock.max(start), span.end().min(end));
            match span.is_deleted() {
                true => came += u64::from(to - from),
                false => live.push((number, from, to)),
            }
            match client.timeline.behind(place) {
                Some(next) if to < end => place = next,
                _ => return came,
            }
            span = &self.spans[client.timeline.get(place) as usize];
        }
    }

    /// Drops the content of a span.
    fn empty(&mut self, at: u32, branches: &mut Vec<u32>) {
        let span = self.spans[at as usize];
        if span.is_deleted() {
            return;
        }
        self.count_values(span.leaf, span.kind(), -i64::from(span.len));
        if span.units() > 0 {
            let spot = self.spot(at);
            let before = self.order.add(spot, -i64::from(span.units()));
            self.cut(spot.leaf, before, span.units());
        }
        if let Some(Content::Type(_, branch)) = self.contents.take(span.content) {
            branches.push(branch);
        }
        let span = &mut self.spans[at as usize];
        span.set_kind(Kind::Deleted);
        span.content = NONE;
    }

    /// Deletes all that hangs below deleted types. As in Yjs, even the places of it are forgotten.
    fn fell(&mut self, mut branches: Vec<u32>, news: &mut Vec<Range>) {
        let mut ranges = Vec::new();
        while let Some(branch) = branches.pop() {
            let Some(branch) = self.types.branches.take(branch) else {
                continue;
            };
            let list = (branch.list != NONE).then_some(branch.list);
            for site in branch.keys.into_values().chain(list) {
                let Some(site) = self.types.sites.take(site) else {
                    continue;
                };
                let mut below = Vec::new();
                self.order.fell(site.root, |span| below.push(span));
                for at in below {
                    if let Some(Content::Type(_, branch)) =
                        self.contents.take(self.spans[at as usize].content)
                    {
                        branches.push(branch);
                    }
                    let span = &mut self.spans[at as usize];
                    span.set_kind(Kind::Gc);
                    span.content = NONE;
                    span.leaf = NONE;
                    (span.origin, span.right) = (Unit::NONE, Unit::NONE);
                    ranges.push((span.client(), span.clock, span.end()));
                }
            }
        }
        ranges.sort_unstable();
        for group in ranges.chunk_by(|a, b| a.0 == b.0 && a.2 == b.1) {
            let (number, start, _) = group[0];
            let end = group[group.len() - 1].2;
            let client = self.id_of(number);
            self.deleted.gaps(client, start, end, |start, end| {
                news.push((number, start, end))
            });
            self.deleted.insert(client, start, end);
            let timeline = &self.clients[number as usize].timeline;
            let first = timeline.find(start);
            self.merge(number, first, end);
        }
    }

    /// Merges deleted spans that go on with one another, from the one before `first` to the one at
    /// the clock `end`.
    fn merge(&mut self, number: u32, first: Place, end: u32) {
        let timeline = &self.clients[number as usize].timeline;
        let mut place = timeline.before(first).unwrap_or(first);
        loop {
            let timeline = &self.clients[number as usize].timeline;
            let Some(next) = timeline.behind(place) else {
                return;
            };
            let (left, right) = (timeline.get(place), timeline.get(next));
            let rest = self.spans[right as usize];
            if rest.clock > end {
                return;
            }
            if !self.goes_on(left, right) {
                place = next;
                continue;
            }
            let timeline = &mut self.clients[number as usize].timeline;
            timeline.remove(next);
            if rest.leaf != NONE {
                let spot = self.spot(right);
                self.order.remove(spot, &mut self.spans);
            }
            self.spans[left as usize].len += rest.len;
            self.free.push(right);
        }
    }

    /// Whether two deleted spans that follow one another by their clocks are like one.
    fn goes_on(&self, left: u32, right: u32) -> bool {
        let (a, b) = (&self.spans[left as usize], &self.spans[right as usize]);
        match (a.kind(), b.kind()) {
            (Kind::Gc, Kind::Gc) => true,
            (Kind::Deleted, Kind::Deleted) => self.adjoins(left, right),
            _ => false,
        }
    }

    /// Whether a span stands right behind the one before it, as if both had been inserted at once.
    fn adjoins(&self, left: u32, right: u32) -> bool {
        let (a, b) = (&self.spans[left as usize], &self.spans[right as usize]);
        let next = || self.order.next(self.spot(left));
        b.origin == a.last()
            && a.right == b.right
            && next().is_some_and(|next| self.order.span(next) == right)
    }
}
