//! Where documents are kept. A [`Storage`] is called from blocking threads only.

use std::sync::Arc;

use bytes::Bytes;
use ropewalk_crdt::{ClientId, Revision, VersionVector};
use thiserror::Error;

use crate::access::PersonId;
use crate::name::DocumentName;

mod aside;
mod compaction;
pub mod memory;
pub mod sqlite;
mod summary;

pub use aside::{Aside, MAX_STRAY_BYTES, MAX_STRAYS, Stray};
pub use compaction::{Compaction, Salvage, Salvaged};
pub use summary::{Space, Summary};

/// The identity of a stored document: a name that is deleted and created again gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(pub i64);

/// A document as it lies in storage.
#[derive(Debug)]
pub struct Stored {
    /// Its identity.
    pub id: DocumentId,
    /// Counts the snapshots that replaced each other; compaction compares it.
    pub generation: u64,
    /// What `ropewalk_crdt::Document::save` wrote, if it was ever compacted.
    pub snapshot: Option<Vec<u8>>,
    /// Updates after the snapshot, in journal order.
    pub updates: Vec<Vec<u8>>,
    /// Sequence number of the newest update of this document, 0 if there never was one.
    pub sequence: u64,
    /// Who began it, if that was somebody with an account.
    pub owner: Option<PersonId>,
}

/// What storage knows of a name.
#[derive(Debug)]
pub enum Lookup<Found = Stored> {
    /// Never stored.
    Absent,
    /// Deleted, and not created again.
    Deleted,
    /// Here it is.
    Found(Found),
}

/// Who made an update, as far as the server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Author {
    /// The Yjs client id that the connection introduced itself with; none for the server's own edits and for scripts.
    pub client: Option<u64>,
    /// The name that it goes by there: it chose that itself. Empty if it has none, and at most [`MAX_AUTHOR`] bytes.
    pub name: String,
}

/// The longest name of an author, in bytes.
pub const MAX_AUTHOR: usize = 128;

/// One update, with who made it and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Yjs update v1. One of no bytes only takes a sequence number: [`Storage::load`] leaves it out.
    pub update: Bytes,
    /// Who made it.
    pub author: Arc<Author>,
    /// When it was applied, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

impl Record {
    /// An update of which nobody knows who made it.
    pub fn anonymous(update: impl Into<Bytes>, at_ms: i64) -> Self {
        Self {
            update: update.into(),
            author: Arc::default(),
            at_ms,
        }
    }
}

/// The beginning of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// What it is called.
    pub name: DocumentName,
    /// Who began it, if that was somebody with an account. It is theirs as soon as it is on disk.
    pub owner: Option<PersonId>,
}

impl From<DocumentName> for Begin {
    /// Of nobody with an account.
    fn from(name: DocumentName) -> Self {
        Self { name, owner: None }
    }
}

/// All updates of one document that go to disk in one commit.
#[derive(Debug)]
pub struct Append {
    /// Which document.
    pub id: DocumentId,
    /// Set on the first write of a new document: makes the name known under this identity.
    pub create: Option<Begin>,
    /// Sequence number of the first update; they are consecutive and start at 1.
    pub first_sequence: u64,
    /// The updates in the order they were applied; may be empty with `create`.
    pub updates: Vec<Record>,
    /// Length of the root text after them, in UTF-16 units.
    pub length: u64,
    /// When the last of them was applied, in milliseconds since the Unix epoch.
    pub edited_at_ms: i64,
    /// Set when the last of them is the stamp of a new beginning.
    pub past: Option<Past>,
    /// What clients are told of these updates.
    pub receipts: Vec<Receipt>,
    /// Sequence numbers of receipts that are kept no longer, of these or of older ones.
    pub forgotten: Vec<u64>,
    /// Who wrote them, where that is another than before.
    pub wrote: Vec<Wrote>,
}

/// Who wrote under a client id, from a clock on, until it says otherwise. Of what comes before the first there is nobody with an
/// account who could be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrote {
    /// Under which id.
    pub client: ClientId,
    /// Clock of the first unit: 0 is the first that was ever written under the id.
    pub clock: u32,
    /// By whom, if that is somebody with an account.
    pub person: Option<PersonId>,
    /// They passed it on, as something that they had.
    pub is_relayed: bool,
}

/// What a client was told of an edit: if it asks for the same once more, it hears the same, and nothing changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who asked: a client's name of at most [`MAX_KEY`] bytes, and whose it is.
    pub client: String,
    /// What for, in its own words; at most [`MAX_KEY`] bytes.
    pub request: String,
    /// Sequence number of the edit.
    pub sequence: u64,
    /// As in the version that it led to.
    pub restores: u64,
    /// What the edit led to.
    pub revision: Revision,
    /// Length of the edited text after it, in UTF-16 units.
    pub length: u64,
    /// A digest of what was asked, where that is the same whenever it is asked.
    pub digest: Option<i64>,
}

/// The longest name of a client or of a request, in bytes.
pub const MAX_KEY: usize = 64;

/// What a name stood for before. Whoever has something of it and not the stamp has not seen what the name stands for now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The client id that everybody who has synced since has in the version vector; none if nothing of the past is left.
    pub stamp: Option<ClientId>,
    /// All that the name stood for.
    pub vector: VersionVector,
}

/// How a document stands to what its name stood for before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Unless the name never stood for anything else.
    pub past: Option<Past>,
    /// What in that is of other documents.
    pub others: VersionVector,
    /// The database was restored since the document was stamped: its content is an older one, and peers may have more.
    pub is_restored: bool,
    /// How often it has been restored; of a document of which something was lost since, more.
    pub restores: u64,
    /// Without that: what a document has that begins.
    pub restores_of_all: u64,
}

/// Rows of a log, packed for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Sequence number of its first update.
    pub first_sequence: u64,
    /// And of its last.
    pub last_sequence: u64,
    /// Rows of the log that are in it.
    pub rows: u64,
    /// When its last update was applied, in milliseconds since the Unix epoch.
    pub last_at_ms: i64,
    /// Bytes that it unpacks to.
    pub bytes: u64,
    /// What it is packed to.
    pub payload: Vec<u8>,
}

/// One line of the list of documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: DocumentName,
    /// Who began it, if that was somebody with an account.
    pub owner: Option<PersonId>,
    /// Length of the root text in UTF-16 units.
    pub length: u64,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub edited_at_ms: i64,
    /// Sequence number of its newest update.
    pub sequence: u64,
    /// Place in the list: the next page starts after it.
    pub position: Position,
}

impl Entry {
    /// Its identity.
    pub fn id(&self) -> DocumentId {
        self.position.id
    }
}

/// A place in the list of documents, newest edit first, then newest identity first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Milliseconds since the Unix epoch.
    pub edited_at_ms: i64,
    /// Breaks ties.
    pub id: DocumentId,
}

/// A document in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    /// Its line in the list, as it was.
    pub entry: Entry,
    /// When it was deleted, in milliseconds since the Unix epoch.
    pub deleted_at_ms: i64,
    /// Who deleted it, if that was somebody with an account.
    pub deleted_by: Option<PersonId>,
    /// Since when it is kept: later than it was deleted, if the database was restored since.
    pub kept_from_ms: i64,
    /// No document has its name now.
    pub is_name_free: bool,
}

impl Trashed {
    /// Its identity.
    pub fn id(&self) -> DocumentId {
        self.entry.position.id
    }

    /// Its place in the list of the trash, newest deletion first.
    pub fn position(&self) -> Position {
        Position {
            edited_at_ms: self.deleted_at_ms,
            id: self.id(),
        }
    }
}

/// Documents of the trash whose time is over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Those that can be read.
    pub trashed: Vec<Trashed>,
    /// How many before them cannot.
    pub damaged: usize,
}

/// A document that is put into the trash.
#[derive(Clone, Copy, Debug)]
pub struct Discard<'d> {
    /// Which.
    pub id: DocumentId,
    /// When, in milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Who does it, if that is somebody with an account.
    pub by: Option<PersonId>,
    /// All that it holds: whoever comes with something of that has not seen what gets its name.
    pub vector: &'d VersionVector,
}

/// Somebody has opened a document or written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Who.
    pub person: PersonId,
    /// Which.
    pub id: DocumentId,
    /// When last, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Visits of a person that are kept: the newest.
pub const MAX_VISITS: usize = 100;

/// Clients of a past that are remembered, about; of more, only those of the last document are.
pub const MAX_PAST_CLIENTS: usize = 1 << 16;
/// Clients of all that a name stood for that are looked at when it is opened, about, of tombstones and of the trash each.
pub const MAX_PAST_READ: usize = 1 << 19;
/// Rows that are removed at once of a document that is gone for good.
pub const ERASED_ROWS: usize = 16;

/// Why storage did not answer. Never means that there is no document.
#[derive(Debug, Error)]
pub enum StorageError {
    /// The database cannot be read as what it should be.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The database was written by a newer Ropewalk; the numbers are its format and the newest known here.
    #[error("the database has format {found}, this Ropewalk knows formats up to {known}")]
    Newer {
        /// Format of the file.
        found: i64,
        /// Newest format known here.
        known: i64,
    },
    /// The disk is full. Nothing of what was asked is written, and no sync to disk has failed.
    #[error("the disk is full: {0}")]
    Full(String),
    /// Reading or writing failed. After a write, what is on disk is known only once storage is opened again.
    #[error("storage failed: {0}")]
    Failed(String),
}

/// Where documents are kept.
pub trait Storage: Send + Sync + 'static {
    /// Reads a document as of one moment.
    fn load(&self, name: &DocumentName) -> Result<Lookup, StorageError>;
    /// Reads what can be read of a document that [`Storage::load`] finds damaged.
    fn salvage(&self, name: &DocumentName) -> Result<Salvage, StorageError>;
    /// An identity that was never used. Does no I/O.
    fn allocate(&self) -> DocumentId;
    /// Writes all appends, each document at most once, in one transaction; on `Ok` they are on disk, all but those
    /// of the documents returned. Those are refused because the document is deleted or unknown, its new name is
    /// taken, or the sequence does not go on where storage stands: one mistaken document must not fail the others.
    fn append(&self, batch: &[Append]) -> Result<Vec<DocumentId>, StorageError>;
    /// Packs the rows of a log that end at `through` or before, for the history. Those that are damaged are left out.
    fn pack(&self, id: DocumentId, through: u64) -> Result<Vec<Pack>, StorageError>;
    /// Replaces the log up to `through` by the snapshot and moves it into the history, in one transaction. `Ok(false)`:
    /// nothing changed, because another generation was found, the document is gone, `through` is ahead of what is on disk
    /// or behind the snapshot there, or the packs are not the log up to there.
    fn compact(&self, compaction: &Compaction) -> Result<bool, StorageError>;
    /// Hands every update that is kept of a document to `each`, with its sequence number, from the oldest on.
    fn history(
        &self,
        id: DocumentId,
        each: &mut dyn FnMut(u64, Record),
    ) -> Result<(), StorageError>;
    /// Marks the document deleted, removes its content, its history, receipts and strays too, and keeps the tombstone, with
    /// all that it held. `Ok(false)`: there is no such document.
    fn delete(&self, id: DocumentId, now_ms: i64, past: &Past) -> Result<bool, StorageError>;
    /// Marks the document deleted and keeps all that it has, in the trash. Its name is free. `Ok(false)`: there is no such document.
    fn discard(&self, discard: &Discard<'_>) -> Result<bool, StorageError>;
    /// At most `limit` documents of the trash after `after`, the newest deletion first. Those whose line cannot be read are left out.
    fn trash(&self, after: Option<Position>, limit: usize) -> Result<Vec<Trashed>, StorageError>;
    /// One of these.
    fn trashed(&self, id: DocumentId) -> Result<Option<Trashed>, StorageError>;
    /// At most `limit` documents of the trash that are kept since before then, the oldest first.
    fn trashed_before(&self, ms: i64, limit: usize) -> Result<Due, StorageError>;
    /// It is now then. Of the time since this was said last `most_ms` at most counts for what is in the trash, and nothing there is kept
    /// from later on than now.
    fn see_time(&self, now_ms: i64, most_ms: i64) -> Result<(), StorageError>;
    /// Takes a document out of the trash, under this name, as if it had never been deleted. `Ok(false)`: it is not there, or
    /// the name is taken.
    fn take_back(&self, id: DocumentId, name: &DocumentName) -> Result<bool, StorageError>;
    /// Removes a document from the trash for good and keeps the tombstone; [`Storage::erase_some`] removes its content. `Ok(false)`: it is not
    /// there.
    fn erase(&self, id: DocumentId) -> Result<bool, StorageError>;
    /// Removes some of the content of documents that are gone for good, [`ERASED_ROWS`] rows at most. `Ok(false)`: there was none.
    fn erase_some(&self) -> Result<bool, StorageError>;
    /// What clients were told of their edits, the oldest first.
    fn receipts(&self, id: DocumentId) -> Result<Vec<Receipt>, StorageError>;
    /// Who wrote what, by client id and clock.
    fn wrote(&self, id: DocumentId) -> Result<Vec<Wrote>, StorageError>;
    /// How what a name stands for came to be.
    fn lineage(&self, name: &DocumentName) -> Result<Lineage, StorageError>;
    /// Keeps an update that is no part of the document; the same one only once, of another document once of each person. `Ok(false)`: there is no room for it, or no
    /// such document.
    fn set_aside(&self, id: DocumentId, stray: &Aside) -> Result<bool, StorageError>;
    /// What was set aside, the newest first.
    fn strays(&self, id: DocumentId) -> Result<Vec<Stray>, StorageError>;
    /// One of these.
    fn stray(&self, id: DocumentId, stray: i64) -> Result<Option<Aside>, StorageError>;
    /// Forgets one of these. `Ok(false)`: it is not there.
    fn drop_stray(&self, id: DocumentId, stray: i64) -> Result<bool, StorageError>;
    /// At most `limit` documents whose names contain `query`, after `after`. `query` is no pattern, and upper and
    /// lower case are the same in every script. Those whose line cannot be read are left out, here and wherever else there are lines of
    /// more than one document; see [`Storage::unlisted`].
    fn list(
        &self,
        query: &str,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError>;
    /// Hands the line of every document below a folder, or of all, to `each`, in the order of their names, as of one moment.
    fn below(
        &self,
        folder: Option<&DocumentName>,
        each: &mut dyn FnMut(Entry),
    ) -> Result<(), StorageError>;
    /// Keeps visits, each in the place of an older one, and forgets the oldest of a person beyond [`MAX_VISITS`].
    fn visit(&self, visits: &[Visit]) -> Result<(), StorageError>;
    /// Documents that somebody has visited and that are there, with when, the newest visit first.
    fn visited(&self, person: PersonId) -> Result<Vec<(Entry, i64)>, StorageError>;
    /// Makes a document somebody else's: one that is there, or one that is in the trash. `Ok(false)`: it is not.
    fn hand_over(
        &self,
        id: DocumentId,
        to: PersonId,
        is_trashed: bool,
    ) -> Result<bool, StorageError>;
    /// At most `limit` documents of somebody with identities after `after`, in their order, and whether each is in the trash. Those whose line
    /// cannot be read are left out.
    fn owned(
        &self,
        person: PersonId,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Vec<(Entry, bool)>, StorageError>;
    /// The lines of documents that are there, of some identities; in no order.
    fn entries(&self, ids: &[DocumentId]) -> Result<Vec<Entry>, StorageError>;
    /// The line of a document in that list.
    fn entry(&self, name: &DocumentName) -> Result<Lookup<Entry>, StorageError>;
    /// How many documents there are, and the longest of them, at most so many. Looks at each.
    fn summary(&self, most: usize) -> Result<Summary, StorageError> {
        summary::summary(self, most)
    }
    /// Documents that were left out since it was opened, and not listed since, as their line cannot be read; and why.
    fn unlisted(&self) -> Vec<(DocumentId, String)> {
        Vec::new()
    }
    /// What all of it takes, if it lies somewhere.
    fn space(&self) -> Option<Space> {
        None
    }
    /// Writes and commits something, to know that writing works.
    fn probe(&self) -> Result<(), StorageError>;
    /// Forgets open connections and opens and checks them again, after a failure.
    fn reopen(&self) -> Result<(), StorageError>;
    /// Brings everything into the main file and lets go of it. Every later call fails, until it is opened again.
    fn close(&self) -> Result<(), StorageError>;
}

/// A name or a query written so that upper and lower case are the same.
pub(crate) fn fold(text: &str) -> String {
    // Upper case and not lower: it takes every form of a letter to one (ς and σ, ß and ss).
    text.to_uppercase()
}
