//! An edit by position, of somebody without a CRDT: what is asked, and what came of it.

use std::sync::Arc;

use ropewalk_crdt::{ClientId, Edit, Unit};
use ropey::Rope;
use sha2::{Digest as _, Sha256};

use super::Version;
use crate::storage::Author;

/// Edits that are made at once, at most.
pub const MAX_EDITS: usize = 4096;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name of the root text.
    pub root: String,
    /// What to do to it.
    pub change: Change,
    /// A condition.
    pub only_at: Option<OnlyAt>,
    /// Names the request: whoever repeats it hears the same, and nothing changes.
    pub key: Option<Key>,
    /// Whoever repeats a request has to mean the same.
    pub digest: Option<Digest>,
    /// Who asks.
    pub author: Arc<Author>,
}

/// At which version something is to be done.
#[derive(Clone, Debug)]
pub enum OnlyAt {
    /// At any, but there has to be a document.
    Any,
    /// At one of these.
    One(Vec<Version>),
}

/// What was asked, in 64 bits, where that is the same whenever it is asked.
pub type Digest = i64;

/// A client's name for itself and for a request; at most `storage::MAX_KEY` bytes each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The client.
    pub client: String,
    /// The request.
    pub request: String,
}

/// What to do to a text.
#[derive(Clone, Debug)]
pub enum Change {
    /// Edits of the text that `base` names, sorted and not overlapping; of the current one without.
    Edits {
        /// What the caller has seen.
        base: Option<Version>,
        /// What offsets count.
        unit: Unit,
        /// At most [`MAX_EDITS`].
        edits: Vec<Edit>,
    },
    /// Each occurrence of a text by another one, at most [`MAX_EDITS`] of them.
    Replace {
        /// Which text; not empty.
        find: String,
        /// By what.
        replace: String,
        /// How many there have to be.
        count: Option<usize>,
        /// Where they are, if somebody has looked: a document does it itself in short texts alone.
        found: Option<Arc<Found>>,
    },
    /// More text at the end. It begins the document if there never was one.
    Append(String),
}

/// Where something is in a text of some version.
#[derive(Debug)]
pub struct Found {
    /// Which version.
    pub base: Version,
    /// How often it is there.
    pub count: usize,
    /// The first places, as offsets in bytes: more than may be replaced at once if there are so many.
    pub at: Vec<u64>,
}

impl Found {
    /// Looks through a text. O(n).
    pub fn look(text: &Rope, find: &str, base: Version) -> Self {
        let text = text.to_string();
        let places = || text.match_indices(find).map(|(at, _)| at as u64);
        Self {
            base,
            count: places().count(),
            at: places().take(MAX_EDITS + 1).collect(),
        }
    }

    /// Whether edits of that version's text, sorted and apart, leave what was found as it is. `length`: that of one, in bytes.
    pub fn survives(&self, edits: &[Edit], length: u64) -> bool {
        edits.iter().all(|edit| {
            let next = self.at.partition_point(|at| at + length <= edit.from);
            self.at.get(next).is_none_or(|&at| edit.to <= at)
        })
    }
}

impl Change {
    /// What is asked of a root. Whoever asks again may have seen another version since.
    pub fn digest(&self, root: &str) -> Digest {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(root);
        match self {
            Self::Edits { unit, edits, .. } => {
                add(&format!("edits {unit:?}"));
                for edit in edits {
                    add(&format!("{}-{}", edit.from, edit.to));
                    add(&edit.insert);
                }
            }
            Self::Replace {
                find,
                replace,
                count,
                ..
            } => {
                add(&format!("replace {count:?}"));
                add(find);
                add(replace);
            }
            Self::Append(text) => {
                add("append");
                add(text);
            }
        }
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
        Digest::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Request {
    /// Bytes that it takes in the mailbox.
    pub fn bytes(&self) -> usize {
        match &self.change {
            Change::Edits { edits, .. } => {
                let inserted = edits.iter().map(|edit| edit.insert.len()).sum::<usize>();
                inserted + size_of_val(edits.as_slice())
            }
            Change::Replace {
                find,
                replace,
                found,
                ..
            } => {
                let at = found.as_ref().map_or(0, |found| found.at.len());
                find.len() + replace.len() + at * size_of::<u64>()
            }
            Change::Append(text) => text.len(),
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Edited {
    /// Names the version before.
    pub before: Version,
    /// Names the version that it led to.
    pub version: Version,
    /// Length of the text then, in UTF-16 units.
    pub length: u64,
    /// What others have changed since the base, as edits of the caller's text, which has its own edits already.
    pub others: Vec<Edit>,
    /// It was made before, and this is what was answered then.
    pub is_repeated: bool,
}

/// How a text has come to be what it is.
#[derive(Debug)]
pub struct Changes {
    /// Names the current version.
    pub version: Version,
    /// What led to it.
    pub since: Since,
    /// What was seen before is not of this document: another one has taken its name, or an older state of it.
    pub is_replaced: bool,
    /// The newest of the edits that the client has named.
    pub last: Option<String>,
    /// Where others are, as offsets of that version: where a selection began, and where the caret is. None if that is not in this text.
    pub cursors: Vec<(ClientId, Option<(u64, u64)>)>,
}

/// What there is to know for somebody who has seen another version.
#[derive(Debug)]
pub enum Since {
    /// Edits of the text of that version; none if the text is the same.
    Edits(Vec<Edit>),
    /// That is too long ago: all of the text.
    Text(Rope),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_survives_edits_beside_it() {
        let found = Found::look(&Rope::from("é ab abab b"), "ab", Version::NOTHING);
        assert_eq!((found.count, &found.at[..]), (3, &[3, 6, 8][..]));
        let edit = |from, to| Edit {
            from,
            to,
            insert: "x".into(),
        };
        for (edits, survives) in [
            (vec![], true),
            (vec![edit(0, 3), edit(5, 6), edit(10, 12)], true),
            (vec![edit(3, 3), edit(6, 6), edit(8, 8)], true),
            (vec![edit(4, 4)], false),
            (vec![edit(0, 0), edit(7, 7)], false),
            (vec![edit(2, 4)], false),
            (vec![edit(9, 11)], false),
            (vec![edit(0, 12)], false),
        ] {
            assert_eq!(found.survives(&edits, 2), survives, "{edits:?}");
        }
    }
}
