//! The texts of roots, as ropes that move with the order.

use super::Store;
use super::order::Spot;
use super::types::Site;
use ropey::{Rope, RopeBuilder};
use std::borrow::Cow;
use std::ops::{AddAssign, Sub, SubAssign};
use std::sync::LazyLock;

/// Stands for what is not text within a text, one for each unit that it takes.
const OBJECT: char = '\u{fffc}';

/// A length or an offset of text in each unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    pub(crate) utf16: u32,
    pub(crate) utf8: u32,
    pub(crate) chars: u32,
}

impl Extent {
    fn of(text: &str) -> Self {
        let utf8 = text.len() as u32;
        if text.is_ascii() {
            return Self::ascii(utf8);
        }
        let (mut utf16, mut chars) = (0, 0);
        for char in text.chars() {
            utf16 += char.len_utf16() as u32;
            chars += 1;
        }
        Extent { utf16, utf8, chars }
    }

    fn ascii(count: u32) -> Self {
        Extent {
            utf16: count,
            utf8: count,
            chars: count,
        }
    }

    /// What stands for so many objects.
    fn objects(count: u32) -> Self {
        Extent {
            utf16: count,
            utf8: count * OBJECT.len_utf8() as u32,
            chars: count,
        }
    }

    /// One byte, one unit and one character are the same.
    pub(crate) fn is_ascii(self) -> bool {
        self.utf8 == self.utf16
    }

    pub(crate) fn has_pairs(self) -> bool {
        self.utf16 != self.chars
    }
}

impl Sub for Extent {
    type Output = Extent;

    fn sub(mut self, other: Extent) -> Extent {
        self -= other;
        self
    }
}

impl SubAssign for Extent {
    fn sub_assign(&mut self, other: Extent) {
        self.utf16 -= other.utf16;
        self.utf8 -= other.utf8;
        self.chars -= other.chars;
    }
}

impl AddAssign for Extent {
    fn add_assign(&mut self, other: Extent) {
        self.utf16 += other.utf16;
        self.utf8 += other.utf8;
        self.chars += other.chars;
    }
}

/// One change of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Splice {
    /// The site of the text.
    pub(crate) site: u32,
    pub(crate) at: Extent,
    pub(crate) removed: Extent,
    pub(crate) inserted: Extent,
}

/// Bytes of the newest typing, and of the text that is deleted there, before the rope is changed at most.
const WINDOW: usize = if cfg!(feature = "small-nodes") {
    8
} else {
    512
};

/// Before anything is in a rope.
static NOTHING: LazyLock<Rope> = LazyLock::new(Rope::new);

/// A rope, its length, and a window where somebody is writing: a run of letters, of backspaces or of both changes the rope
/// at once.
///
/// To ask the rope for its length would cost as much as to change it, so that is kept beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    /// Not made for a short text that stands in the window: even an empty one takes a kilobyte.
    rope: Option<Rope>,
    pub(crate) extent: Extent,
    window: Window,
}

/// What stands at character `at` instead of `gap` in the rope. Nothing when there are surrogate pairs, so that in it units
/// are characters.
#[derive(Debug, Clone, Default)]
struct Window {
    at: usize,
    fresh: String,
    fresh_chars: usize,
    gap_chars: usize,
    gap_bytes: usize,
}

impl Window {
    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.gap_chars == 0
    }

    /// The character behind what is fresh.
    fn end(&self) -> usize {
        self.at + self.fresh_chars
    }

    fn settle(&self, rope: &mut Option<Rope>) {
        if self.is_empty() {
            return;
        }
        let rope = rope.get_or_insert_default();
        if self.gap_chars > 0 {
            rope.remove(self.at..self.at + self.gap_chars);
        }
        if !self.fresh.is_empty() {
            rope.insert(self.at, &self.fresh);
        }
    }

    /// The byte of what is fresh at which character `char` of it begins.
    fn byte(&self, char: usize) -> usize {
        if char == self.fresh_chars {
            return self.fresh.len();
        }
        if self.fresh.len() == self.fresh_chars {
            return char;
        }
        self.fresh.chars().take(char).map(char::len_utf8).sum()
    }

    /// The characters of what is fresh before a character of the text.
    fn within(&self, char: usize) -> usize {
        char.saturating_sub(self.at).min(self.fresh_chars)
    }

    /// Takes out characters that touch it, of so many bytes.
    fn remove(&mut self, from: usize, to: usize, bytes: usize) {
        let (first, last) = (self.within(from), self.within(to));
        let range = self.byte(first)..self.byte(last);
        self.gap_chars += (to - from) - (last - first);
        self.gap_bytes += bytes - range.len();
        self.fresh_chars -= last - first;
        self.at = self.at.min(from);
        self.fresh.drain(range);
    }
}

impl From<Rope> for Text {
    fn from(rope: Rope) -> Self {
        let extent = Extent {
            utf16: rope.len_utf16_cu() as u32,
            utf8: rope.len_bytes() as u32,
            chars: rope.len_chars() as u32,
        };
        Text {
            rope: Some(rope),
            extent,
            window: Window::default(),
        }
    }
}

/// Makes a text from front to back.
#[derive(Default)]
pub(crate) struct TextBuilder {
    short: String,
    long: Option<RopeBuilder>,
}

impl TextBuilder {
    pub(crate) fn append(&mut self, text: &str) {
        if self.long.is_none() && self.short.len() + text.len() <= WINDOW {
            self.short.push_str(text);
            return;
        }
        let long = self.long.get_or_insert_with(|| {
            let mut rope = RopeBuilder::new();
            rope.append(&self.short);
            rope
        });
        long.append(text);
    }

    pub(crate) fn finish(self) -> Text {
        match self.long {
            Some(rope) => rope.finish().into(),
            None => {
                let mut text = Text::default();
                text.insert(0, &self.short);
                text
            }
        }
    }
}

impl Text {
    /// The text. O(log n).
    pub(crate) fn rope(&self) -> Rope {
        let mut rope = self.rope.clone();
        self.window.settle(&mut rope);
        rope.unwrap_or_default()
    }

    /// What the window stands before.
    fn base(&self) -> &Rope {
        self.rope.as_ref().unwrap_or(&NOTHING)
    }

    /// Panics when its parts do not fit together.
    pub(crate) fn check(&self) {
        let Window {
            fresh, fresh_chars, ..
        } = &self.window;
        assert_eq!(self.extent, Text::from(self.rope()).extent);
        assert_eq!(*fresh_chars, fresh.chars().count());
        assert!(self.window.is_empty() || !self.extent.has_pairs());
    }

    /// The characters of a range. O(log n), and O(n) in their number.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Cow<'_, str> {
        let window = &self.window;
        let (first, last) = (window.within(from), window.within(to));
        let fresh = &window.fresh[window.byte(first)..window.byte(last)];
        if last - first == to - from && !window.is_empty() {
            return fresh.into();
        }
        let behind = |char: usize| char.max(window.end()) - window.fresh_chars + window.gap_chars;
        let left = self.base().slice(from.min(window.at)..to.min(window.at));
        let right = self.base().slice(behind(from)..behind(to));
        let mut all = String::with_capacity(left.len_bytes() + fresh.len() + right.len_bytes());
        all.extend(left.chunks());
        all.push_str(fresh);
        all.extend(right.chunks());
        all.into()
    }

    fn settle(&mut self) {
        self.window.settle(&mut self.rope);
        let mut fresh = std::mem::take(&mut self.window.fresh);
        fresh.clear();
        self.window = Window {
            fresh,
            ..Window::default()
        };
    }

    /// The character at a unit. O(log n), O(1) without surrogate pairs.
    pub(crate) fn char_at(&self, unit: u32) -> usize {
        match self.extent.has_pairs() {
            true => self.base().utf16_cu_to_char(unit as usize),
            false => unit as usize,
        }
    }

    /// The character that a byte belongs to. O(log n), O(1) in ASCII.
    pub(crate) fn char_of_byte(&self, byte: usize) -> usize {
        if self.extent.is_ascii() {
            return byte;
        }
        let window = &self.window;
        let start = self.base().char_to_byte(window.at);
        match byte.checked_sub(start) {
            None => self.base().byte_to_char(byte),
            Some(fresh) if fresh < window.fresh.len() => {
                let chars = window.fresh.char_indices();
                window.at + chars.take_while(|&(at, _)| at <= fresh).count() - 1
            }
            Some(fresh) => {
                let old = start + fresh - window.fresh.len() + window.gap_bytes;
                self.base().byte_to_char(old) - window.gap_chars + window.fresh_chars
            }
        }
    }

    /// Where a character begins. O(log n), O(1) in ASCII.
    pub(crate) fn extent_at(&self, char: usize) -> Extent {
        if self.extent.is_ascii() {
            return Extent::ascii(char as u32);
        }
        let utf16 = match self.extent.has_pairs() {
            true => self.base().char_to_utf16_cu(char),
            false => char,
        };
        let window = &self.window;
        let byte = match char.checked_sub(window.at) {
            None => self.base().char_to_byte(char),
            Some(fresh) if fresh <= window.fresh_chars => {
                self.base().char_to_byte(window.at) + window.byte(fresh)
            }
            Some(fresh) => {
                let old = window.at + fresh - window.fresh_chars + window.gap_chars;
                self.base().char_to_byte(old) + window.fresh.len() - window.gap_bytes
            }
        };
        Extent {
            utf16: utf16 as u32,
            utf8: byte as u32,
            chars: char as u32,
        }
    }

    fn insert(&mut self, char: usize, text: &str) -> Extent {
        let inserted = Extent::of(text);
        self.extent += inserted;
        let goes_on = !self.window.is_empty() && char == self.window.end();
        let is_long = self.window.fresh.len() + text.len() > WINDOW;
        if !goes_on || is_long || inserted.has_pairs() {
            self.settle();
        }
        if text.len() > WINDOW || self.extent.has_pairs() {
            self.rope.get_or_insert_default().insert(char, text);
            return inserted;
        }
        let window = &mut self.window;
        if window.is_empty() {
            window.at = char;
        }
        window.fresh.push_str(text);
        window.fresh_chars += inserted.chars as usize;
        inserted
    }

    fn remove(&mut self, at: Extent, end: Extent) -> Extent {
        let removed = end - at;
        let (from, to, bytes) = (at.chars as usize, end.chars as usize, removed.utf8 as usize);
        let touches = to >= self.window.at && from <= self.window.end();
        let is_long = self.window.gap_bytes + bytes > WINDOW;
        if !touches || is_long || self.extent.has_pairs() {
            self.settle();
        }
        if bytes > WINDOW || self.extent.has_pairs() {
            self.rope.get_or_insert_default().remove(from..to);
        } else {
            if self.window.is_empty() {
                self.window.at = from;
            }
            self.window.remove(from, to, bytes);
        }
        self.extent -= removed;
        removed
    }
}

/// What stands for `units` that are no text.
pub(crate) fn objects(units: u32) -> String {
    std::iter::repeat_n(OBJECT, units as usize).collect()
}

impl Store {
    fn text_at(&mut self, site: u32) -> Option<&mut Text> {
        self.types.sites.get_mut(site)?.text.as_deref_mut()
    }

    /// Puts text into a plain site at a position. The units of it are counted already.
    pub(super) fn fill(&mut self, site: u32, at: u32, text: &str) {
        let Some(Site {
            text: place, root, ..
        }) = self.types.sites.get_mut(site)
        else {
            return;
        };
        let place = place.get_or_insert_with(|| {
            let others = self.order.units(*root) - Extent::of(text).utf16;
            let mut place = TextBuilder::default();
            place.append(&objects(others));
            place.finish().into()
        });
        let char = place.char_at(at);
        let at = place.extent_at(char);
        let inserted = place.insert(char, text);
        self.splices.push(Splice {
            site,
            at,
            removed: Extent::default(),
            inserted,
        });
    }

    /// Puts what stands for objects into a plain site.
    pub(super) fn fill_objects(&mut self, site: u32, at: u32, units: u32) {
        if self.text_at(site).is_some() {
            self.fill(site, at, &objects(units));
        } else if self.types.is_plain(site) {
            self.splices.push(Splice {
                site,
                at: Extent::objects(at),
                removed: Extent::default(),
                inserted: Extent::objects(units),
            });
        }
    }

    /// Takes units out of the text that a leaf belongs to, if there is any.
    pub(super) fn cut(&mut self, leaf: u32, at: u32, units: u32) {
        let site = self.order.site(leaf);
        if units == 0 {
            return;
        }
        let is_plain = self.types.is_plain(site);
        let (at, removed) = match self.text_at(site) {
            Some(text) => {
                let (from, to) = (text.char_at(at), text.char_at(at + units));
                let (at, end) = (text.extent_at(from), text.extent_at(to));
                (at, text.remove(at, end))
            }
            None if is_plain => (Extent::objects(at), Extent::objects(units)),
            None => return,
        };
        self.splices.push(Splice {
            site,
            at,
            removed,
            inserted: Extent::default(),
        });
    }

    /// Makes two characters of the one that `units` behind a spot cut in half; returns it.
    pub(super) fn tear(&mut self, spot: Spot, units: u32) -> Option<char> {
        let site = self.order.site(spot.leaf);
        if !self.text_at(site)?.extent.has_pairs() {
            return None;
        }
        let unit = self.order.position(spot) + units;
        let text = self.text_at(site)?;
        let char = text.char_at(unit);
        let at = text.extent_at(char);
        if at.utf16 == unit {
            return None;
        }
        let torn = text.base().char(char);
        let end = text.extent_at(char + 1);
        let removed = text.remove(at, end);
        let inserted = text.insert(char, "\u{fffd}\u{fffd}");
        self.splices.push(Splice {
            site,
            at,
            removed,
            inserted,
        });
        Some(torn)
    }

    /// Puts a torn character back.
    pub(super) fn mend(&mut self, spot: Spot, units: u32, torn: char) {
        let site = self.order.site(spot.leaf);
        let unit = self.order.position(spot) + units;
        if let Some(text) = self.text_at(site) {
            text.settle();
            let char = text.char_at(unit);
            let (at, end) = (text.extent_at(char - 1), text.extent_at(char + 1));
            text.remove(at, end);
            text.insert(char - 1, torn.encode_utf8(&mut [0; 4]));
        }
    }
}
