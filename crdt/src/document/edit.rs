//! Edits by position, for clients without a CRDT.

use super::{Document, Integrated};
use crate::store::Text;
use crate::update::{MAX_CLOCK, limit, merge};
use crate::{Base, Error};

/// What offsets count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of UTF-8.
    Utf8,
    /// UTF-16 code units.
    Utf16,
    /// Unicode code points.
    Char,
}

/// Replaces `from..to` by `insert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Offset of the first unit to replace.
    pub from: u64,
    /// Offset behind the last unit to replace; `from` to only insert.
    pub to: u64,
    /// The new text.
    pub insert: String,
}

/// One change at a place, in UTF-16 code units.
struct Change<'e> {
    at: u32,
    remove: u32,
    insert: &'e str,
}

impl Document {
    /// Edits the text of root `root`, and returns the update that says so: it is applied already.
    ///
    /// `base` is the version that the caller has seen, and all offsets are those of its text, in
    /// `unit`; the edits are sorted and do not overlap. What others have inserted since stays, and what
    /// they deleted is deleted. [`Error::Stale`] when `base` is too long ago, as in [`Document::changes`].
    /// O(log n) for each edit, and O(k²) in the number of parts of the changes since.
    pub fn edit<'v>(
        &mut self,
        base: impl Into<Base<'v>>,
        root: &str,
        unit: Unit,
        edits: &[Edit],
    ) -> Result<Vec<u8>, Error> {
        // First: what is not sorted may have any number of parts of the text now.
        if let Some(index) = unsorted(edits) {
            return Err(Error::Unsorted { index });
        }
        let rebased = self.rebase(base.into(), root, unit, edits)?;
        if self.store.has_values(root) {
            return Err(Error::Unsupported {
                what: "edits of a list of values",
            });
        }
        let edits = rebased.as_deref().unwrap_or(edits);
        let changes = changes(&self.store.text(root), unit, edits)?;
        let inserted: u64 = edits.iter().map(|edit| units(&edit.insert)).sum();
        let removed: u64 = changes.iter().map(|change| u64::from(change.remove)).sum();
        if inserted > 0 {
            let live = (self.store.live() + inserted).saturating_sub(removed);
            limit("units in the document", live, self.limits.text)?;
            limit("units in an update", inserted, self.limits.update_units)?;
            let bytes = edits.iter().map(|edit| edit.insert.len() as u64).sum();
            self.weigh(bytes, 0)?;
            let end = u64::from(self.store.end(self.client)) + inserted;
            limit("units of one client", end, u64::from(MAX_CLOCK))?;
        }
        let own = self.store.intern(self.client)?;
        let mut deletes = Vec::new();
        // The last first, so that each leaves the places of the others.
        for change in changes.iter().rev() {
            if change.remove > 0 {
                self.store
                    .ranges(root, change.at, change.remove, &mut deletes);
            }
            if !change.insert.is_empty() {
                let inserted = self.store.insert_text(own, root, change.at, change.insert);
                inserted.inspect_err(|_| self.store.roll_back())?;
            }
        }
        let mut news = Vec::new();
        for (number, start, end) in deletes {
            self.store.delete_range(number, start, end, &mut news);
        }
        self.moved(&news);
        let mut update = self.part(&news);
        self.weight.since += update.len() as u64;
        self.store.begin();
        if !self.held.is_empty() {
            // Something may have waited for these units. It is nobody's fault if it turns out wrong.
            let client = [self.client];
            if let Integrated::Part(part) = self.wake(&client).integrated {
                update = merge(&[&update, &part]).unwrap_or_else(|| self.encode().to_vec());
            }
        }
        Ok(update)
    }
}

/// The first of the edits that is not behind the one before.
fn unsorted(edits: &[Edit]) -> Option<usize> {
    let mut last = 0;
    edits.iter().position(|edit| {
        let is_unsorted = edit.from < last || edit.to < edit.from;
        last = edit.to;
        is_unsorted
    })
}

/// The edits in UTF-16 code units.
fn changes<'e>(text: &Text, unit: Unit, edits: &'e [Edit]) -> Result<Vec<Change<'e>>, Error> {
    let mut changes = Vec::with_capacity(edits.len());
    for edit in edits {
        let from = utf16(text, unit, edit.from)?;
        changes.push(Change {
            at: from,
            remove: utf16(text, unit, edit.to)? - from,
            insert: &edit.insert,
        });
    }
    Ok(changes)
}

/// An offset in UTF-16 code units. O(log n).
pub(super) fn utf16(text: &Text, unit: Unit, offset: u64) -> Result<u32, Error> {
    let length = length(text, unit);
    if offset > length {
        return Err(Error::OutOfRange { offset, length });
    }
    if text.extent.is_ascii() {
        return Ok(offset as u32);
    }
    let at = text.extent_at(char_index(text, unit, offset));
    let back = match unit {
        Unit::Utf8 => at.utf8,
        Unit::Utf16 => at.utf16,
        Unit::Char => at.chars,
    };
    match u64::from(back) == offset {
        true => Ok(at.utf16),
        false => Err(Error::NotBoundary { offset }),
    }
}

/// Length of a text. O(1).
pub(super) fn length(text: &Text, unit: Unit) -> u64 {
    let extent = text.extent;
    u64::from(match unit {
        Unit::Utf8 => extent.utf8,
        Unit::Utf16 => extent.utf16,
        Unit::Char => extent.chars,
    })
}

/// The character at an offset that is not behind the end. O(log n).
pub(super) fn char_index(text: &Text, unit: Unit, offset: u64) -> usize {
    match unit {
        Unit::Utf8 => text.char_of_byte(offset as usize),
        Unit::Utf16 => text.char_at(offset as u32),
        Unit::Char => offset as usize,
    }
}

fn units(text: &str) -> u64 {
    text.chars().map(|char| char.len_utf16() as u64).sum()
}
