//! What takes the place of a log, and what is made of a damaged one.

use bytes::Bytes;

use super::{DocumentId, Pack};
use crate::access::PersonId;

/// A snapshot that takes the place of a document's log up to `through`. The log goes into the history.
#[derive(Debug)]
pub struct Compaction {
    /// Which document.
    pub id: DocumentId,
    /// The generation that the snapshot was made from; another one in storage means somebody was faster.
    pub generation: u64,
    /// Newest sequence number that the snapshot holds.
    pub through: u64,
    /// What `ropewalk_crdt::Document::save` wrote.
    pub snapshot: Vec<u8>,
    /// What [`super::Storage::pack`] made of the log up to `through`.
    pub packs: Vec<Pack>,
    /// History before this is not kept, in milliseconds since the Unix epoch; only what came after the former snapshot is.
    pub keep_from_ms: Option<i64>,
    /// Set when the snapshot was made of what [`super::Storage::salvage`] found: then log and snapshot are set aside as they are, and
    /// the document goes on at `through`.
    pub salvaged: Option<Salvaged>,
}

/// What has become of a damaged document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Some of it is lost: what is written now may get the places of that, and versions have to be others.
    pub is_less: bool,
    /// Sequence numbers of receipts of edits that are not in it.
    pub undone: Vec<u64>,
}

/// What can be read of a damaged document.
#[derive(Debug)]
pub struct Salvage {
    /// Its identity.
    pub id: DocumentId,
    /// As in [`super::Stored`].
    pub owner: Option<PersonId>,
    /// As in [`super::Stored`].
    pub generation: u64,
    /// Sequence number that the newest update should have.
    pub sequence: u64,
    /// Snapshots that are whole, the newest first, with the sequence number of the last update in each.
    pub snapshots: Vec<(u64, Vec<u8>)>,
    /// All updates in history and log that are whole, in order, with their sequence numbers.
    pub updates: Vec<(u64, Bytes)>,
}
