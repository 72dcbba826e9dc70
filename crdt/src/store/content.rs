//! Content that does not stand in a rope: nested texts, values, types and marks.

use super::slots::Slots;
use super::span::NONE;
use crate::update::{Kind, value_at};

/// Units in one span of such content at most, so that cutting a span never moves much.
pub(crate) const MAX_RUN: u32 = if cfg!(feature = "small-nodes") {
    4
} else {
    512
};

/// Bytes of values in one span at most, unless it holds one value alone.
pub(crate) const MAX_RUN_BYTES: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(crate) enum Content {
    /// Text of a type that has no rope.
    Text(String),
    /// Values one behind the other, as they stand on the wire.
    Values(Vec<u8>),
    /// All else of one unit, as it stands on the wire.
    One(Box<[u8]>),
    /// A type, as it stands on the wire, and the number of its branch.
    Type(Box<[u8]>, u32),
}

/// All content, by number.
#[derive(Debug, Default)]
pub(crate) struct Contents(Slots<Content>);

impl Contents {
    pub(crate) fn put(&mut self, content: Content) -> u32 {
        self.0.put(content)
    }

    /// Takes content out; nothing for [`NONE`].
    pub(crate) fn take(&mut self, at: u32) -> Option<Content> {
        self.0.take(at)
    }

    pub(crate) fn get(&self, at: u32) -> Option<&Content> {
        self.0.get(at)
    }

    /// Bytes of the content of a run.
    pub(crate) fn size(&self, at: u32) -> usize {
        match self.get(at) {
            Some(Content::Text(text)) => text.len(),
            Some(Content::Values(bytes)) => bytes.len(),
            _ => 0,
        }
    }

    /// Cuts the content of a span of this kind behind `units`; returns the number of the rest, and
    /// the character that was torn, when it was cut in half.
    pub(crate) fn split(&mut self, at: u32, kind: Kind, units: u32) -> (u32, Option<char>) {
        let (rest, torn) = match self.0.get_mut(at) {
            Some(Content::Text(text)) => {
                let (byte, torn) = byte_at(text, units);
                let mut rest = text[byte..].to_owned();
                text.truncate(byte);
                if torn.is_some() {
                    rest.remove(0);
                    rest.insert(0, char::REPLACEMENT_CHARACTER);
                    text.push(char::REPLACEMENT_CHARACTER);
                }
                (Content::Text(rest), torn)
            }
            Some(Content::Values(bytes)) => {
                let byte = value_at(bytes, kind, units);
                (Content::Values(bytes.split_off(byte)), None)
            }
            _ => return (NONE, None),
        };
        (self.put(rest), torn)
    }

    /// Puts the content of `right` behind that of `left`, as it was before a split.
    pub(crate) fn join(&mut self, left: u32, right: u32, torn: Option<char>) {
        let rest = self.take(right);
        match (self.0.get_mut(left), rest) {
            (Some(Content::Text(text)), Some(Content::Text(rest))) => match torn {
                Some(char) => {
                    text.pop();
                    text.push(char);
                    text.extend(rest.chars().skip(1));
                }
                None => text.push_str(&rest),
            },
            (Some(Content::Values(bytes)), Some(Content::Values(rest))) => {
                bytes.extend_from_slice(&rest);
            }
            _ => debug_assert!(false, "only alike content is joined"),
        }
    }

    /// Takes the units from `units` on off the end.
    pub(crate) fn truncate(&mut self, at: u32, kind: Kind, units: u32) {
        match self.0.get_mut(at) {
            Some(Content::Text(text)) => {
                let (byte, _) = byte_at(text, units);
                text.truncate(byte);
            }
            Some(Content::Values(bytes)) => {
                let byte = value_at(bytes, kind, units);
                bytes.truncate(byte);
            }
            _ => {}
        }
    }

    pub(crate) fn append_text(&mut self, at: u32, more: &str) {
        if let Some(Content::Text(text)) = self.0.get_mut(at) {
            text.push_str(more);
        }
    }

    pub(crate) fn append_values(&mut self, at: u32, more: &[u8]) {
        if let Some(Content::Values(bytes)) = self.0.get_mut(at) {
            bytes.extend_from_slice(more);
        }
    }
}

/// The byte at which the unit `units` of a text begins; when that is within a character, the byte at
/// which the character begins, and the character.
pub(crate) fn byte_at(text: &str, units: u32) -> (usize, Option<char>) {
    let mut left = units as usize;
    // Characters of one byte each, far the most, need no look at each of them.
    let plain = text
        .as_bytes()
        .iter()
        .take(left)
        .take_while(|byte| byte.is_ascii())
        .count();
    left -= plain;
    for (byte, char) in text[plain..].char_indices() {
        match left {
            0 => return (plain + byte, None),
            1 if char.len_utf16() == 2 => return (plain + byte, Some(char)),
            _ => left -= char.len_utf16(),
        }
    }
    (text.len(), None)
}
