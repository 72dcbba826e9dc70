//! Integration: a struct finds its place.

use super::Store;
use super::conflict::Search;
use super::content::{Content, MAX_RUN, MAX_RUN_BYTES, byte_at};
use super::order::Spot;
use super::span::{NONE, Span, Unit};
use super::undo::Undo;
use crate::Error;
use crate::update::{Content as Incoming, Kind, Struct, suffix, value_at};
use std::borrow::Cow;

/// How deep types may nest: readers walk down recursively.
const MAX_NESTING: u16 = 64;

/// The units that a struct says it hangs at; all of them are known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deps {
    pub(super) origin: Unit,
    pub(super) right: Unit,
    pub(super) parent: Unit,
}

/// What searches for places may cost.
#[derive(Debug)]
pub(crate) struct Steps {
    taken: u64,
    limit: u64,
}

impl Steps {
    pub(crate) fn new(limit: u64) -> Self {
        Steps { taken: 0, limit }
    }

    pub(super) fn take(&mut self) -> Result<(), Error> {
        self.taken += 1;
        let what = "steps past concurrent insertions";
        crate::update::limit(what, self.taken, self.limit)
    }
}

/// What of a struct is new.
#[derive(Clone, Copy)]
struct News<'b, 'a> {
    block: &'b Struct<'a>,
    /// Units of it that are known already.
    offset: u32,
    at: Unit,
    len: u32,
    kind: Kind,
    origin: Unit,
    right: Unit,
}

impl Store {
    /// Integrates the units of a struct from `offset` on. They are the next of client `number`.
    /// Nothing has changed on an error.
    pub(crate) fn integrate(
        &mut self,
        number: u32,
        block: &Struct<'_>,
        offset: u32,
        deps: Deps,
        steps: &mut Steps,
    ) -> Result<(), Error> {
        let (before, splices) = (self.undo.len(), self.splices.len());
        let done = self.insert(number, block, offset, deps, steps);
        done.inspect_err(|_| {
            self.undo_to(before);
            self.splices.truncate(splices);
        })
    }

    fn insert(
        &mut self,
        number: u32,
        block: &Struct<'_>,
        offset: u32,
        deps: Deps,
        steps: &mut Steps,
    ) -> Result<(), Error> {
        let at = Unit {
            client: number,
            clock: block.clock + offset,
        };
        let news = News {
            block,
            offset,
            at,
            len: block.len - offset,
            kind: block.content.kind(),
            origin: match offset {
                0 => deps.origin,
                _ => Unit {
                    client: number,
                    clock: at.clock - 1,
                },
            },
            right: deps.right,
        };
        if news.kind == Kind::Gc {
            self.forget(at, news.len);
            return Ok(());
        }
        let mut left = NONE;
        if !news.origin.is_none() {
            let timeline = &self.clients[news.origin.client as usize].timeline;
            let found = timeline.find(news.origin.clock);
            left = timeline.get(found);
            let span = self.spans[left as usize];
            if span.leaf == NONE {
                self.forget_altered(at, news.len);
                return Ok(());
            }
            if let Some(spot) = self.free_spot(left, &news) {
                if !self.grow(left, spot, &news) {
                    self.place(behind(spot), news)?;
                }
                return Ok(());
            }
            let between = Unit {
                clock: news.origin.clock + 1,
                ..news.origin
            };
            if news.right == between && span.holds(between) {
                // Into the middle of a span: nobody else is there.
                self.split(between.client, found, between.clock - span.clock);
                return self.place(behind(self.spot(left)), news);
            }
        }
        let Some(site) = self.site_at(left, &news, deps)? else {
            self.forget_altered(at, news.len);
            return Ok(());
        };
        // The left one first, and the right one may cut it again: as Yjs does it.
        if left != NONE {
            left = self.split_behind(news.origin);
        }
        let mut right = NONE;
        if !news.right.is_none() {
            right = self.split_before(news.right);
        }
        let search = Search {
            site,
            at,
            client: block.client,
            origin: news.origin,
            right: news.right,
            left_span: left,
            right_span: right,
        };
        let spot = self.search(&search, steps)?;
        self.place(spot, news)
    }

    /// The spot of `left`, when the new units go right behind it and nobody else has inserted there.
    fn free_spot(&self, left: u32, news: &News<'_, '_>) -> Option<Spot> {
        let span = &self.spans[left as usize];
        if span.last() != news.origin {
            return None;
        }
        let spot = self.order.spot(left, span.leaf);
        let next = self.order.next(spot).map(|spot| self.order.span(spot));
        let first = next.map_or(Unit::NONE, |next| self.spans[next as usize].first());
        (first == news.right).then_some(spot)
    }

    /// The site of new units that have no free spot; None when a neighbour is forgotten or the parent
    /// is no type any more, and they are forgotten as well.
    fn site_at(
        &mut self,
        left: u32,
        news: &News<'_, '_>,
        deps: Deps,
    ) -> Result<Option<u32>, Error> {
        let malformed = |what| Err(Error::Malformed { what, at: 0 });
        let right = match news.right.is_none() {
            true => NONE,
            false => self.find(news.right),
        };
        if right != NONE && self.spans[right as usize].leaf == NONE {
            return Ok(None);
        }
        if left == NONE && right == NONE {
            let (parent, key) = (news.block.parent, news.block.key);
            return Ok(self.site_of(parent, deps.parent, key));
        }
        if left != NONE && right != NONE && left != right {
            // Their order is not asked for: when Yjs undoes the deletion of a type, it can write a left
            // neighbour that stands behind the right one.
            let (left, right) = (self.spans[left as usize], self.spans[right as usize]);
            if left.leaf != right.leaf && self.order.site(left.leaf) != self.order.site(right.leaf)
            {
                return malformed("neighbours at the same place");
            }
        }
        let near = if left == NONE { right } else { left };
        Ok(Some(self.order.site(self.spans[near as usize].leaf)))
    }

    /// Lets `left` take over the new units, if they go on with what it is. Its spot stays.
    fn grow(&mut self, left: u32, spot: Spot, news: &News<'_, '_>) -> bool {
        let span = self.spans[left as usize];
        let goes_on = span.client() == news.at.client
            && span.end() == news.at.clock
            && span.kind() == news.kind
            && span.right == news.right;
        if !goes_on {
            return false;
        }
        match news.kind {
            Kind::Deleted => self.lose(news.at, news.len),
            Kind::String if span.content == NONE => {}
            Kind::String | Kind::Any | Kind::Json => {
                let fits = span.len.saturating_add(news.len) <= MAX_RUN
                    && self.contents.size(span.content) + news.size() <= MAX_RUN_BYTES;
                if !fits || self.types.is_keyed(self.order.site(spot.leaf)) {
                    return false;
                }
                match news.kind {
                    Kind::String => self.contents.append_text(span.content, &news.text()),
                    _ => self.contents.append_values(span.content, news.values()),
                }
            }
            _ => return false,
        }
        self.spans[left as usize].len += news.len;
        self.advance(news.at.client, news.len);
        self.count_values(spot.leaf, news.kind, i64::from(news.len));
        self.undo.push(Undo::Grew(left, news.len));
        if news.kind == Kind::String {
            let before = self.order.add(spot, i64::from(news.len));
            if span.content == NONE {
                let site = self.order.site(spot.leaf);
                self.fill(site, before + span.len, &news.text());
            }
        }
        true
    }

    /// Puts new units at a spot.
    fn place(&mut self, spot: Spot, mut news: News<'_, '_>) -> Result<(), Error> {
        let site = self.order.site(spot.leaf);
        let is_plain = self.types.is_plain(site);
        if self.types.is_keyed(site) && news.len > 1 && news.kind != Kind::Deleted {
            // Several values under one key are always deleted ones that have been merged: the last
            // value of a key is the only one that lives.
            news.kind = Kind::Deleted;
            self.altered = true;
        }
        let depth = self.types.depth(site) + 1;
        if news.kind == Kind::Type && depth > MAX_NESTING {
            return Err(Error::TooLarge {
                what: "levels of nested types",
                size: u64::from(depth),
                limit: u64::from(MAX_NESTING),
            });
        }
        match news.kind {
            Kind::String if is_plain => {
                let (spot, _) = self.add_span(spot, news.at, news.len, news, NONE);
                let at = self.order.add(spot, i64::from(news.len));
                self.fill(site, at, &news.text());
            }
            Kind::String => {
                let text = news.text();
                let (mut rest, mut spot) = (&*text, spot);
                while !rest.is_empty() {
                    let (byte, units) = run_of(rest);
                    let piece;
                    (piece, rest) = rest.split_at(byte);
                    let content = self.contents.put(Content::Text(piece.to_owned()));
                    spot = self.add_piece(spot, units, &news, content);
                }
            }
            Kind::Any | Kind::Json => {
                let (mut rest, mut left, mut spot) = (news.values(), news.len, spot);
                while left > 0 {
                    let (byte, units) = run_of_values(rest, news.kind, left);
                    let piece;
                    (piece, rest) = rest.split_at(byte);
                    let content = self.contents.put(Content::Values(piece.to_vec()));
                    spot = self.add_piece(spot, units, &news, content);
                    left -= units;
                }
            }
            Kind::Deleted => {
                self.lose(news.at, news.len);
                self.add_span(spot, news.at, news.len, news, NONE);
            }
            Kind::Type => {
                let (spot, span) = self.add_span(spot, news.at, 1, news, NONE);
                let branch = self.make_branch(span, depth);
                let content = Content::Type(news.block.body.into(), branch);
                self.spans[span as usize].content = self.contents.put(content);
                self.stand(spot, site);
            }
            kind => {
                let content = self.contents.put(Content::One(news.block.body.into()));
                let (spot, _) = self.add_span(spot, news.at, 1, news, content);
                if kind == Kind::Embed {
                    self.stand(spot, site);
                }
            }
        }
        if self.types.is_keyed(site) {
            self.succeed(site, news.at);
        }
        Ok(())
    }

    /// Counts an object that stands in a list.
    fn stand(&mut self, spot: Spot, site: u32) {
        let at = self.order.add(spot, 1);
        self.fill_objects(site, at, 1);
    }

    /// Of the values of a key only the last one lives.
    fn succeed(&mut self, site: u32, new: Unit) {
        let Some(root) = self.types.site(site).map(|site| site.root) else {
            return;
        };
        let Some(last) = self.order.last(root) else {
            return;
        };
        let newest = self.spans[self.order.span(last) as usize];
        let loser = match newest.holds(new) {
            true => self.order.previous(last).map(|spot| self.order.span(spot)),
            false => Some(self.find(new)),
        };
        if let Some(loser) = loser {
            let span = self.spans[loser as usize];
            if !span.is_deleted() {
                self.doomed.push((span.client(), span.clock, span.end()));
            }
        }
    }

    /// Puts the next piece of new units at a spot; returns the spot behind it.
    fn add_piece(&mut self, spot: Spot, units: u32, news: &News<'_, '_>, content: u32) -> Spot {
        let clock = self.end_of(news.at.client);
        let mut piece = *news;
        if clock > news.at.clock {
            piece.origin = Unit {
                client: news.at.client,
                clock: clock - 1,
            };
        }
        let at = Unit { clock, ..news.at };
        let (spot, span) = self.add_span(spot, at, units, piece, content);
        let units = self.spans[span as usize].units();
        self.order.add(spot, i64::from(units));
        behind(spot)
    }

    fn add_span(
        &mut self,
        spot: Spot,
        at: Unit,
        len: u32,
        news: News<'_, '_>,
        content: u32,
    ) -> (Spot, u32) {
        let mut span = Span::new(at, len, news.kind, news.origin, news.right);
        span.content = content;
        let span = self.make(span);
        let spot = self.order.insert(spot, span, &mut self.spans);
        let timeline = &mut self.clients[at.client as usize].timeline;
        timeline.push(span, at.clock);
        self.advance(at.client, len);
        self.count_values(spot.leaf, news.kind, i64::from(len));
        self.undo.push(Undo::Inserted(span));
        (spot, span)
    }

    /// Takes in units whose place is unknown, though they came with one.
    fn forget_altered(&mut self, at: Unit, len: u32) {
        self.altered = true;
        self.forget(at, len);
    }

    /// Takes in units whose place is unknown.
    fn forget(&mut self, at: Unit, len: u32) {
        self.lose(at, len);
        let timeline = &mut self.clients[at.client as usize].timeline;
        match timeline.last() {
            Some(last) if self.spans[last as usize].leaf == NONE => {
                self.spans[last as usize].len += len;
                self.undo.push(Undo::Grew(last, len));
            }
            _ => {
                let span = Span::new(at, len, Kind::Gc, Unit::NONE, Unit::NONE);
                let span = self.make(span);
                let timeline = &mut self.clients[at.client as usize].timeline;
                timeline.push(span, at.clock);
                self.undo.push(Undo::Inserted(span));
            }
        }
        self.advance(at.client, len);
    }

    /// Units that came deleted.
    fn lose(&mut self, at: Unit, len: u32) {
        self.gone_units += u64::from(len);
        match self.gone.last_mut() {
            Some((client, _, end)) if (*client, *end) == (at.client, at.clock) => *end += len,
            _ => self.gone.push((at.client, at.clock, at.clock + len)),
        }
    }

    pub(super) fn advance(&mut self, number: u32, len: u32) {
        let client = &mut self.clients[number as usize];
        if client.fresh == u32::MAX {
            client.fresh = client.end;
            self.touched.push((number, client.end));
        }
        client.end += len;
        self.units += u64::from(len);
    }
}

impl News<'_, '_> {
    fn text(&self) -> Cow<'_, str> {
        match self.block.content {
            Incoming::String(text) => suffix(text, self.offset),
            Incoming::Other(_) => "".into(),
        }
    }

    /// Bytes of the content of a run.
    fn size(&self) -> usize {
        match self.kind {
            Kind::String => self.text().len(),
            _ => self.values().len(),
        }
    }

    fn values(&self) -> &[u8] {
        let values = self.block.values();
        &values[value_at(values, self.kind, self.offset)..]
    }
}

fn behind(spot: Spot) -> Spot {
    Spot {
        at: spot.at + 1,
        ..spot
    }
}

/// Bytes and units of the first run of some values, of which there are `left`.
fn run_of_values(values: &[u8], kind: Kind, left: u32) -> (usize, u32) {
    let (mut bytes, mut units) = (0, 0);
    while units < left.min(MAX_RUN) {
        let value = value_at(&values[bytes..], kind, 1);
        if units > 0 && bytes + value > MAX_RUN_BYTES {
            break;
        }
        bytes += value;
        units += 1;
    }
    (bytes, units)
}

/// Bytes and units of the first run of a text.
fn run_of(text: &str) -> (usize, u32) {
    let (byte, torn) = byte_at(text, MAX_RUN);
    let units = match (byte == text.len(), torn) {
        (true, _) => text.chars().map(|char| char.len_utf16() as u32).sum(),
        (false, Some(_)) => MAX_RUN - 1,
        (false, None) => MAX_RUN,
    };
    (byte, units)
}
