//! The ropes of root texts, which move with the order.

use super::Store;
use super::order::Spot;
use ropey::Rope;

/// Stands for what is not text within a text, one for each unit that it takes.
pub(crate) const OBJECT: char = '\u{fffc}';

/// A length or an offset of text in each unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    pub(crate) utf16: u32,
    pub(crate) utf8: u32,
    pub(crate) chars: u32,
}

/// One change of a root's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Splice {
    /// The site of the text.
    pub(crate) site: u32,
    pub(crate) at: Extent,
    pub(crate) removed: Extent,
    pub(crate) inserted: Extent,
}

/// The character at a unit. O(log n), O(1) without surrogate pairs.
pub(crate) fn char_at(rope: &Rope, unit: u32) -> usize {
    match rope.len_utf16_cu() == rope.len_chars() {
        true => unit as usize,
        false => rope.utf16_cu_to_char(unit as usize),
    }
}

/// Where a character begins. O(log n), O(1) in ASCII.
pub(crate) fn extent_at(rope: &Rope, char: usize) -> Extent {
    if rope.len_bytes() == rope.len_utf16_cu() {
        let at = char as u32;
        return Extent {
            utf16: at,
            utf8: at,
            chars: at,
        };
    }
    Extent {
        utf16: rope.char_to_utf16_cu(char) as u32,
        utf8: rope.char_to_byte(char) as u32,
        chars: char as u32,
    }
}

fn extent(rope: &Rope) -> Extent {
    Extent {
        utf16: rope.len_utf16_cu() as u32,
        utf8: rope.len_bytes() as u32,
        chars: rope.len_chars() as u32,
    }
}

impl std::ops::Sub for Extent {
    type Output = Extent;

    fn sub(self, other: Extent) -> Extent {
        Extent {
            utf16: self.utf16 - other.utf16,
            utf8: self.utf8 - other.utf8,
            chars: self.chars - other.chars,
        }
    }
}

/// What stands for `units` that are no text.
pub(crate) fn objects(units: u32) -> String {
    std::iter::repeat_n(OBJECT, units as usize).collect()
}

impl Store {
    /// Puts text into the rope of a plain site at a position; makes the rope when it is the first.
    pub(super) fn fill_rope(&mut self, site: u32, at: u32, text: &str) {
        let units = {
            let Some(place) = self.types.sites.get(site) else {
                return;
            };
            match &place.rope {
                Some(_) => None,
                None => Some(self.order.units(place.root)),
            }
        };
        let Some(place) = self.types.sites.get_mut(site) else {
            return;
        };
        let rope = place.rope.get_or_insert_with(|| {
            // The units of the text itself are counted already.
            let text = text.chars().map(|char| char.len_utf16() as u32);
            Rope::from_str(&objects(units.unwrap_or(0) - text.sum::<u32>()))
        });
        let before = extent(rope);
        let char = char_at(rope, at);
        let at = extent_at(rope, char);
        rope.insert(char, text);
        self.splices.push(Splice {
            site,
            at,
            removed: Extent::default(),
            inserted: extent(rope) - before,
        });
    }

    /// Puts what stands for objects into the rope of a plain site, if it has one.
    pub(super) fn fill_objects(&mut self, site: u32, at: u32, units: u32) {
        if self
            .types
            .site(site)
            .is_some_and(|site| site.rope.is_some())
        {
            self.fill_rope(site, at, &objects(units));
        }
    }

    /// Takes units out of the rope that belongs to a leaf, if there is one.
    pub(super) fn cut_rope(&mut self, leaf: u32, at: u32, units: u32) {
        if units == 0 {
            return;
        }
        let site = self.order.site(leaf);
        let Some(place) = self.types.sites.get_mut(site) else {
            return;
        };
        if let Some(rope) = &mut place.rope {
            let before = extent(rope);
            let (from, to) = (char_at(rope, at), char_at(rope, at + units));
            let at = extent_at(rope, from);
            rope.remove(from..to);
            self.splices.push(Splice {
                site,
                at,
                removed: before - extent(rope),
                inserted: Extent::default(),
            });
        }
    }

    /// Makes two characters of the one that `units` behind a spot cut in half; returns it.
    pub(super) fn tear(&mut self, spot: Spot, units: u32) -> Option<char> {
        let site = self.order.site(spot.leaf);
        let at = self.order.position(spot) + units;
        let rope = self.types.sites.get_mut(site)?.rope.as_mut()?;
        let char = char_at(rope, at);
        let start = extent_at(rope, char);
        if start.utf16 == at {
            return None;
        }
        let (torn, before) = (rope.char(char), extent(rope));
        rope.remove(char..=char);
        let between = extent(rope);
        rope.insert(char, "\u{fffd}\u{fffd}");
        self.splices.push(Splice {
            site,
            at: start,
            removed: before - between,
            inserted: extent(rope) - between,
        });
        Some(torn)
    }

    /// Puts a torn character back.
    pub(super) fn mend(&mut self, spot: Spot, units: u32, torn: char) {
        let site = self.order.site(spot.leaf);
        let at = self.order.position(spot) + units;
        let place = self.types.sites.get_mut(site);
        if let Some(rope) = place.and_then(|place| place.rope.as_mut()) {
            let char = char_at(rope, at);
            rope.remove(char - 1..=char);
            rope.insert_char(char - 1, torn);
        }
    }
}
