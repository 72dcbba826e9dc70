//! The ropes of root texts, which move with the order.

use super::Store;
use super::order::Spot;
use ropey::Rope;

/// Stands for what is not text within a text, one for each unit that it takes.
pub(crate) const OBJECT: char = '\u{fffc}';

/// One change of a root's text, in UTF-16 code units.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Splice {
    /// The site of the text.
    pub(crate) site: u32,
    pub(crate) at: u32,
    pub(crate) removed: u32,
    pub(crate) inserted: u32,
}

/// The character at a unit. O(log n), O(1) without surrogate pairs.
pub(crate) fn char_at(rope: &Rope, unit: u32) -> usize {
    match rope.len_utf16_cu() == rope.len_chars() {
        true => unit as usize,
        false => rope.utf16_cu_to_char(unit as usize),
    }
}

/// The unit of a character. O(log n), O(1) without surrogate pairs.
pub(crate) fn unit_at(rope: &Rope, char: usize) -> u32 {
    match rope.len_utf16_cu() == rope.len_chars() {
        true => char as u32,
        false => rope.char_to_utf16_cu(char) as u32,
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
        let before = rope.len_utf16_cu();
        let char = char_at(rope, at);
        rope.insert(char, text);
        let inserted = (rope.len_utf16_cu() - before) as u32;
        self.splices.push(Splice {
            site,
            at,
            removed: 0,
            inserted,
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
            let (from, to) = (char_at(rope, at), char_at(rope, at + units));
            rope.remove(from..to);
            self.splices.push(Splice {
                site,
                at,
                removed: units,
                inserted: 0,
            });
        }
    }

    /// Makes two characters of the one that `units` behind a spot cut in half; returns it.
    pub(super) fn tear(&mut self, spot: Spot, units: u32) -> Option<char> {
        let site = self.order.site(spot.leaf);
        let at = self.order.position(spot) + units;
        let rope = self.types.sites.get_mut(site)?.rope.as_mut()?;
        let char = char_at(rope, at);
        if unit_at(rope, char) == at {
            return None;
        }
        let torn = rope.char(char);
        rope.remove(char..=char);
        rope.insert(char, "\u{fffd}\u{fffd}");
        self.splices.push(Splice {
            site,
            at: at - 1,
            removed: 2,
            inserted: 2,
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
