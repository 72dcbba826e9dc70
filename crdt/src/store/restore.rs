//! A saved document: its state as an update, and beside it the order of its spans.
//!
//! An update alone would do among honest clients. But where letters of a forger stand can depend on
//! the order in which they are integrated, and a document has to come back as it was. It is also
//! much faster: no span has to look for its place.

use super::Store;
use super::content::Content;
use super::span::{NONE, Span, Unit};
use super::text::{TextBuilder, objects};
use crate::update::{Content as Incoming, Id, Kind, Parent, Section, Update};
use crate::wire::{Reader, write_buf, write_var};
use crate::{ClientId, DeleteSet, Error};

fn malformed<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Malformed { what, at: 0 })
}

/// Small differences of either sign as small numbers.
fn zigzag(difference: i64) -> u64 {
    (difference << 1 ^ difference >> 63) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

impl Store {
    /// The order of all spans, each by its place in the update of [`Store::encode`].
    ///
    /// For each sequence: where it hangs (1 and the name of a root, or 0 and the span of a type), 1 and
    /// a key or 0, how many spans it has, and each of them as the difference to the one before.
    pub(crate) fn encode_order(&self) -> Vec<u8> {
        let mut clients: Vec<(ClientId, u32)> = Vec::new();
        for (number, client) in self.clients.iter().enumerate() {
            clients.push((client.id, number as u32));
        }
        clients.sort_unstable_by(|a, b| b.cmp(a));
        let mut places = vec![0u32; self.spans.len()];
        let mut place = 0;
        for (_, number) in clients {
            let timeline = &self.clients[number as usize].timeline;
            for span in timeline.from(0) {
                places[span as usize] = place;
                place += 1;
            }
        }
        let mut out = Vec::with_capacity(self.spans.len() * 2);
        let sites = self.types.sites.iter();
        let sites = sites.filter(|(_, site)| self.order.first(site.root).is_some());
        for (_, site) in sites {
            let Some(branch) = self.types.branches.get(site.branch) else {
                continue;
            };
            if branch.item == NONE {
                out.push(1);
                write_buf(&mut out, branch.name.as_bytes());
            } else {
                out.push(0);
                write_var(&mut out, u64::from(places[branch.item as usize]));
            }
            out.push(u8::from(site.key.is_some()));
            if let Some(key) = &site.key {
                write_buf(&mut out, key.as_bytes());
            }
            let mut spans = Vec::new();
            self.order.walk(site.root, |span, _| spans.push(span));
            write_var(&mut out, spans.len() as u64);
            let mut last = -1;
            for span in spans {
                let place = i64::from(places[span as usize]);
                write_var(&mut out, zigzag(place - last - 1));
                last = place;
            }
        }
        out
    }

    /// The document of a state and its order. Both come from disk, and are checked like what comes from anywhere.
    pub(crate) fn restore(update: &Update<'_>, order: &[u8]) -> Result<Store, Error> {
        let mut store = Store::default();
        let mut texts: Vec<&str> = Vec::new();
        for section in update.sections() {
            store.restore_section(section, &mut texts)?;
        }
        for at in 0..store.spans.len() {
            let span = store.spans[at];
            for unit in [span.origin, span.right] {
                if !unit.is_none() && unit.clock >= store.end_of(unit.client) {
                    return malformed("a saved state without gaps");
                }
            }
        }
        let mut deleted: Vec<(ClientId, u32, u32)> = Vec::new();
        for span in store.spans.iter().filter(|span| span.is_deleted()) {
            let client = store.id_of(span.client());
            match deleted.last_mut() {
                Some((last, _, end)) if (*last, *end) == (client, span.clock) => *end = span.end(),
                _ => deleted.push((client, span.clock, span.end())),
            }
        }
        deleted.sort_unstable();
        if deleted != update.deleted() {
            return malformed("a saved state that knows what is deleted");
        }
        store.deleted = DeleteSet::from_sorted(&deleted);
        store.restore_order(order, &texts)?;
        store.begin();
        Ok(store)
    }

    fn restore_unit(
        &mut self,
        number: u32,
        client: ClientId,
        id: Option<Id>,
    ) -> Result<Unit, Error> {
        let Some(id) = id else {
            return Ok(Unit::NONE);
        };
        let number = match id.client == client {
            true => number,
            false => self.intern(id.client)?,
        };
        Ok(Unit {
            client: number,
            clock: id.clock,
        })
    }

    fn restore_section<'a>(
        &mut self,
        section: &Section<'a>,
        texts: &mut Vec<&'a str>,
    ) -> Result<(), Error> {
        let client = section.client;
        let number = self.intern(client)?;
        self.spans.reserve_exact(section.count);
        if section.clock != 0 || self.end_of(number) != 0 {
            return malformed("a saved state without gaps");
        }
        for block in section.structs() {
            let kind = block.content.kind();
            if kind == Kind::Skip || block.len == 0 {
                return malformed("a saved state without gaps");
            }
            let at = Unit {
                client: number,
                clock: block.clock,
            };
            let origin = self.restore_unit(number, client, block.origin)?;
            let right = self.restore_unit(number, client, block.right)?;
            let id = self.make(Span::new(at, block.len, kind, origin, right));
            let mut text = "";
            let content = match kind {
                Kind::Gc | Kind::Deleted => None,
                Kind::String => {
                    if let Incoming::String(string) = block.content {
                        text = string;
                    }
                    None
                }
                Kind::Any | Kind::Json => Some(Content::Values(block.values().to_vec())),
                Kind::Type => {
                    let branch = self.make_branch(id, 0);
                    Some(Content::Type(block.body.into(), branch))
                }
                _ => Some(Content::One(block.body.into())),
            };
            texts.push(text);
            if let Some(content) = content {
                self.spans[id as usize].content = self.contents.put(content);
            }
            self.clients[number as usize].timeline.push(id, block.clock);
            self.advance(number, block.len);
        }
        Ok(())
    }

    fn restore_order(&mut self, order: &[u8], texts: &[&str]) -> Result<(), Error> {
        let mut reader = Reader::new(order);
        let mut left = self
            .spans
            .iter()
            .filter(|span| span.kind() != Kind::Gc)
            .count();
        while reader.remaining() > 0 {
            let (parent, item) = match reader.byte()? {
                1 => (Parent::Root(reader.string()?), Unit::NONE),
                _ => {
                    let span = usize::try_from(reader.var()?).unwrap_or(usize::MAX);
                    let Some(span) = self.spans.get(span) else {
                        return reader.malformed("a type that holds a sequence");
                    };
                    let id = Id {
                        client: self.id_of(span.client()),
                        clock: span.clock,
                    };
                    (Parent::Item(id), span.first())
                }
            };
            let key = match reader.byte()? {
                0 => None,
                _ => Some(reader.string()?),
            };
            let count = reader.count(1)?;
            let mut list = Vec::with_capacity(count);
            let mut last = -1;
            for _ in 0..count {
                last += 1 + unzigzag(reader.var()?);
                let span = usize::try_from(last).unwrap_or(usize::MAX);
                match self.spans.get_mut(span) {
                    Some(span) if span.leaf == NONE && span.kind() != Kind::Gc => span.leaf = 0,
                    _ => return reader.malformed("each span once"),
                }
                list.push(span as u32);
            }
            left -= list.len();
            let lives = |&at: &u32| !self.spans[at as usize].is_deleted();
            if key.is_some() && list.iter().rev().skip(1).any(lives) {
                return reader.malformed("one value of a key");
            }
            let Some(site) = self.site_of(Some(parent), item, key) else {
                return reader.malformed("a type that holds a sequence");
            };
            let taken = self
                .types
                .site(site)
                .is_some_and(|site| self.order.first(site.root).is_some());
            if taken {
                return reader.malformed("each sequence once");
            }
            self.restore_site(site, &list, texts);
        }
        match left {
            0 => self.restore_depths(),
            _ => reader.malformed("a place for each span"),
        }
    }

    fn restore_site(&mut self, site: u32, list: &[u32], texts: &[&str]) {
        let is_plain = self.types.is_plain(site);
        let mut text = TextBuilder::default();
        let (mut has_text, mut values) = (false, 0);
        for &at in list {
            let span = &mut self.spans[at as usize];
            match span.kind() {
                Kind::String if is_plain => {
                    has_text = true;
                    text.append(texts[at as usize]);
                }
                Kind::String => {
                    let text = Content::Text(texts[at as usize].to_owned());
                    span.content = self.contents.put(text);
                }
                Kind::Embed | Kind::Type if is_plain => text.append(&objects(span.len)),
                Kind::Any | Kind::Json | Kind::Binary | Kind::Doc => values += span.len,
                _ => {}
            }
        }
        if let Some(site) = self.types.sites.get_mut(site) {
            site.text = (is_plain && has_text).then(|| text.finish().into());
            site.values = values;
            self.order.fill(site.root, list, &mut self.spans);
        }
    }

    /// How deep each type stands: from the span that holds it to its root, which was found once.
    fn restore_depths(&mut self) -> Result<(), Error> {
        let types: Vec<u32> = self
            .types
            .branches
            .iter()
            .map(|(branch, _)| branch)
            .collect();
        for mut branch in types {
            let mut path = Vec::new();
            let depth = loop {
                match self.types.branches.get(branch) {
                    Some(found) if found.item == NONE || found.depth > 0 => break found.depth,
                    Some(found) if path.len() < usize::from(u16::MAX) => {
                        path.push(branch);
                        let site = self.order.site(self.spans[found.item as usize].leaf);
                        branch = self.types.site(site).map_or(NONE, |site| site.branch);
                    }
                    _ => return malformed("types that end at a root"),
                }
            };
            for (above, branch) in path.into_iter().rev().enumerate() {
                if let Some(branch) = self.types.branches.get_mut(branch) {
                    branch.depth = depth.saturating_add(above as u16 + 1);
                }
            }
        }
        Ok(())
    }
}
