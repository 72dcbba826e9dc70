//! Edits by position, for clients without a CRDT.

use super::Document;
use crate::engine::Splice;
use crate::gate::{self, Trust};
use crate::held::Held;
use crate::update::{Update, limit};
use crate::{ClientId, DeleteSet, Error, Limits, Version};
use ropey::Rope;

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

impl Document {
    /// Edits the text of root `root`, and returns the update that says so: it is applied already.
    ///
    /// `base` must be the current version. All offsets are those of `base`, in `unit`; the edits
    /// are sorted and do not overlap. O(n) in the number of insertions that the document is made
    /// of.
    pub fn edit(
        &mut self,
        base: &Version,
        root: &str,
        unit: Unit,
        edits: &[Edit],
    ) -> Result<Vec<u8>, Error> {
        self.engine.alive()?;
        if *base != self.version {
            return Err(Error::Stale);
        }
        let text = self.text(root)?;
        if text.len_utf16_cu() as u64 != self.len_utf16(root) {
            return Err(Error::Unsupported {
                what: "edits of a list of values",
            });
        }
        let splices = splices(&text, unit, edits)?;
        let inserted: u64 = splices.iter().map(|splice| units(&splice.insert)).sum();
        let removed: u64 = splices.iter().map(|splice| u64::from(splice.remove)).sum();
        let live = self.ledger.total() - self.deleted.units() + inserted - removed;
        if inserted > 0 {
            limit("units in the document", live, self.limits.text)?;
            limit("units in an update", inserted, self.limits.update_units)?;
            self.weigh(
                splices
                    .iter()
                    .map(|splice| splice.insert.len() as u64)
                    .sum(),
            )?;
        }
        let (update, deleted) = self.engine.edit(root, &splices)?;
        if self.own(&update, &deleted).is_err() {
            // The engine says what the gate does not believe: neither can be trusted.
            self.engine.poison();
            return Err(Error::Engine);
        }
        Ok(update)
    }

    /// Takes note of what the engine itself has said, then takes in what has waited for it.
    fn own(&mut self, update: &[u8], deleted: &DeleteSet) -> Result<(), Error> {
        let update = Update::decode(update, &Limits::NONE)?;
        self.ledger.begin();
        let plan = gate::plan(
            &update,
            Trust::Strict,
            &[],
            &mut self.ledger,
            &Held::default(),
            &self.deleted,
            &Limits::NONE,
        )?;
        if plan.waits {
            return Err(Error::Engine);
        }
        self.weight.since += plan.ready.size() as u64;
        self.moved(deleted);
        let advanced: Vec<ClientId> = self.ledger.advanced().map(|(client, _)| client).collect();
        self.ledger.begin();
        self.take_in(&Update::empty(), Trust::Strict, &advanced)
            .map(drop)
    }
}

/// The edits in UTF-16 code units, last first, so that each leaves the places of the others.
fn splices(text: &Rope, unit: Unit, edits: &[Edit]) -> Result<Vec<Splice>, Error> {
    let mut splices = Vec::with_capacity(edits.len());
    let mut last = 0;
    for (index, edit) in edits.iter().enumerate() {
        if edit.from < last || edit.to < edit.from {
            return Err(Error::Unsorted { index });
        }
        last = edit.to;
        let from = utf16(text, unit, edit.from)?;
        let to = utf16(text, unit, edit.to)?;
        splices.push(Splice {
            at: from,
            remove: to - from,
            insert: edit.insert.clone(),
        });
    }
    splices.reverse();
    Ok(splices)
}

/// An offset in UTF-16 code units. O(log n).
fn utf16(text: &Rope, unit: Unit, offset: u64) -> Result<u32, Error> {
    let length = match unit {
        Unit::Utf8 => text.len_bytes(),
        Unit::Utf16 => text.len_utf16_cu(),
        Unit::Char => text.len_chars(),
    } as u64;
    if offset > length {
        return Err(Error::OutOfRange { offset, length });
    }
    let at = offset as usize;
    let char = match unit {
        Unit::Utf8 => text.byte_to_char(at),
        Unit::Utf16 => text.utf16_cu_to_char(at),
        Unit::Char => at,
    };
    let back = match unit {
        Unit::Utf8 => text.char_to_byte(char),
        Unit::Utf16 => text.char_to_utf16_cu(char),
        Unit::Char => at,
    };
    if back != at {
        return Err(Error::NotBoundary { offset });
    }
    Ok(text.char_to_utf16_cu(char) as u32)
}

fn units(text: &str) -> u64 {
    text.chars().map(|char| char.len_utf16() as u64).sum()
}
