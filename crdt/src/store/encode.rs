//! A document as an update.

use super::Store;
use super::content::{Content, byte_at};
use super::span::{NONE, Span, Unit};
use crate::update::{Kind, value_at};
use crate::wire::{write_buf, write_var};
use crate::{ClientId, DeleteSet};

const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT: u8 = 0x40;
const HAS_KEY: u8 = 0x20;

/// So many spans are worth a walk along the whole document, if there are enough of them for its size.
const MANY: usize = if cfg!(feature = "small-nodes") {
    4
} else {
    256
};
/// Units of text that are copied in the time in which one span is looked up.
const COPIED: u64 = 256;

/// Where the text of spans is.
enum Texts {
    /// Each is looked up in its rope.
    Ropes,
    /// All ropes, one behind the other, and where the text of each span begins.
    Flat(String, Vec<u32>),
}

impl Store {
    /// What is inserted from these clocks on, and `deletes`, as an update.
    pub(crate) fn encode(&self, from: impl Fn(ClientId) -> u32, deletes: &DeleteSet) -> Vec<u8> {
        let clients = 0..self.clients.len() as u32;
        let parts = clients.map(|number| (number, from(self.id_of(number))));
        self.encode_parts(parts.collect(), deletes)
    }

    /// What is inserted by these clients from these clocks on, and `deletes`, as an update.
    pub(crate) fn encode_parts(&self, mut parts: Vec<(u32, u32)>, deletes: &DeleteSet) -> Vec<u8> {
        parts.retain(|&(number, from)| from < self.end_of(number));
        // Highest client first, as Yjs does it: the lower one has less to go past.
        parts.sort_unstable_by_key(|&(number, _)| std::cmp::Reverse(self.id_of(number)));
        let count = |number: u32, from| {
            let timeline = &self.clients[number as usize].timeline;
            timeline.count_from(from)
        };
        let counts: Vec<usize> = parts
            .iter()
            .map(|&(number, from)| count(number, from))
            .collect();
        let all = counts.iter().sum::<usize>();
        let are_many = all > MANY && all > self.spans.len() / 16;
        let texts = match are_many && all as u64 * COPIED > self.live() {
            true => self.flat_texts(),
            false => Texts::Ropes,
        };
        let mut out = Vec::with_capacity(64 + all * 12);
        write_var(&mut out, parts.len() as u64);
        for (&(number, from), &count) in parts.iter().zip(&counts) {
            let client = &self.clients[number as usize];
            write_var(&mut out, count as u64);
            write_var(&mut out, client.id);
            write_var(&mut out, u64::from(from));
            for at in client.timeline.from(from) {
                let span = &self.spans[at as usize];
                self.write_span(at, from.saturating_sub(span.clock), &texts, &mut out);
            }
        }
        deletes.write(&mut out);
        out
    }

    /// The text of all ropes in one piece: far cheaper than to look up the text of each span.
    fn flat_texts(&self) -> Texts {
        let (mut text, mut starts) = (String::new(), vec![0; self.spans.len()]);
        for (_, site) in self.types.sites.iter() {
            let Some(part) = &site.text else { continue };
            let mut at = text.len();
            part.rope().chunks().for_each(|chunk| text.push_str(chunk));
            self.order.walk(site.root, |span, units| {
                starts[span as usize] = at as u32;
                at += match part.extent.is_ascii() {
                    true => units as usize,
                    false => byte_at(&text[at..], units).0,
                };
            });
        }
        Texts::Flat(text, starts)
    }

    fn write_unit(&self, unit: Unit, out: &mut Vec<u8>) {
        write_var(out, self.id_of(unit.client));
        write_var(out, u64::from(unit.clock));
    }

    /// Writes a span without its first `offset` units.
    fn write_span(&self, at: u32, offset: u32, texts: &Texts, out: &mut Vec<u8>) {
        let span = &self.spans[at as usize];
        let kind = span.kind();
        let len = u64::from(span.len - offset);
        if kind == Kind::Gc {
            out.push(Kind::Gc as u8);
            write_var(out, len);
            return;
        }
        let origin = match offset {
            0 => span.origin,
            _ => Unit {
                client: span.client(),
                clock: span.clock + offset - 1,
            },
        };
        let info = out.len();
        out.push(kind as u8);
        if !origin.is_none() {
            out[info] |= HAS_ORIGIN;
            self.write_unit(origin, out);
        }
        if !span.right.is_none() {
            out[info] |= HAS_RIGHT;
            self.write_unit(span.right, out);
        }
        if origin.is_none() && span.right.is_none() && self.write_parent(span, out) {
            out[info] |= HAS_KEY;
        }
        match self.contents.get(span.content) {
            Some(Content::Text(text)) => write_text(text, offset, out),
            Some(Content::Values(bytes)) => {
                write_var(out, len);
                out.extend_from_slice(&bytes[value_at(bytes, kind, offset)..]);
            }
            Some(Content::One(bytes) | Content::Type(bytes, _)) => out.extend_from_slice(bytes),
            None if kind == Kind::String => self.write_rope(at, offset, texts, out),
            None => write_var(out, len),
        }
    }

    /// Writes where a span without neighbours hangs; whether it hangs at a key.
    fn write_parent(&self, span: &Span, out: &mut Vec<u8>) -> bool {
        let site = self.types.site(self.order.site(span.leaf));
        let branch = site.and_then(|site| self.types.branches.get(site.branch));
        let (Some(site), Some(branch)) = (site, branch) else {
            debug_assert!(false, "a span that is not forgotten has a parent");
            return false;
        };
        if branch.item == NONE {
            write_var(out, 1);
            write_buf(out, branch.name.as_bytes());
        } else {
            write_var(out, 0);
            self.write_unit(self.holder(branch), out);
        }
        if let Some(key) = &site.key {
            write_buf(out, key.as_bytes());
        }
        site.key.is_some()
    }

    fn write_rope(&self, at: u32, offset: u32, texts: &Texts, out: &mut Vec<u8>) {
        let span = &self.spans[at as usize];
        match texts {
            Texts::Flat(text, starts) => {
                let text = &text[starts[at as usize] as usize..];
                let end = byte_at(text, span.len).0;
                write_text(&text[..end], offset, out);
            }
            Texts::Ropes => {
                let spot = self.spot(at);
                let site = self.types.site(self.order.site(spot.leaf));
                let Some(text) = site.and_then(|site| site.text.as_ref()) else {
                    debug_assert!(false, "text stands in a rope");
                    return write_var(out, 0);
                };
                let from = self.order.position(spot);
                let first = text.char_at(from + offset);
                let cut = match text.extent.has_pairs() {
                    true => from + offset - text.extent_at(first).utf16,
                    false => 0,
                };
                let last = text.char_at(from + span.len);
                write_text(&text.slice(first, last), cut, out);
            }
        }
    }
}

/// As in Yjs, half of a surrogate pair becomes U+FFFD.
fn write_text(text: &str, offset: u32, out: &mut Vec<u8>) {
    write_buf(out, crate::update::suffix(text, offset).as_bytes());
}
