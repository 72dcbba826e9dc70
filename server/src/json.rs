//! Edits as they are written in JSON, by the API and the text wire.

use ropewalk_crdt as crdt;
use serde::{Deserialize, Serialize};

/// What offsets count.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// As JavaScript counts.
    #[default]
    Utf16,
    /// Bytes.
    Utf8,
    /// As Python counts.
    Char,
}

impl From<Unit> for crdt::Unit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Utf16 => Self::Utf16,
            Unit::Utf8 => Self::Utf8,
            Unit::Char => Self::Char,
        }
    }
}

/// Replaces `from..to` by `insert`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Offset of the first unit to replace.
    pub from: u64,
    /// Offset behind the last.
    pub to: u64,
    /// The new text.
    pub insert: String,
}

impl From<Edit> for crdt::Edit {
    fn from(edit: Edit) -> Self {
        let Edit { from, to, insert } = edit;
        Self { from, to, insert }
    }
}

impl From<crdt::Edit> for Edit {
    fn from(edit: crdt::Edit) -> Self {
        let crdt::Edit { from, to, insert } = edit;
        Self { from, to, insert }
    }
}
