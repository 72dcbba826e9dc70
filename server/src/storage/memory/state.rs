//! What is kept of documents.

use std::collections::BTreeMap;

use super::trash::Discarded;
use crate::access::PersonId;
use crate::name::DocumentName;
use crate::storage::{
    Append, Aside, Begin, DocumentId, Entry, Past, Position, Receipt, Record, Visit, Wrote,
};

#[derive(Debug, Default)]
pub struct State {
    pub documents: BTreeMap<DocumentId, Kept>,
    pub visits: Vec<Visit>,
    pub seen_ms: Option<i64>,
    pub failing: Failing,
    /// Documents that cannot be loaded.
    pub broken: BTreeMap<DocumentName, Broken>,
    pub held: bool,
    pub closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Failing {
    #[default]
    No,
    /// The next write and nothing after it.
    Once,
    /// Everything.
    Always,
    /// The next read is a bug.
    Panic,
}

/// What happens whenever a document is loaded.
#[derive(Clone, Copy, Debug)]
pub enum Broken {
    /// An error of the disk.
    Fails,
    /// A bug.
    Panics,
}

#[derive(Debug)]
pub struct Kept {
    pub name: DocumentName,
    pub owner: Option<PersonId>,
    pub created_at_ms: i64,
    pub edited_at_ms: i64,
    pub length: u64,
    pub deleted: bool,
    pub sequence: u64,
    pub generation: u64,
    pub through: u64,
    pub snapshot: Option<Vec<u8>>,
    /// With their sequence numbers.
    pub updates: Vec<(u64, Record)>,
    pub history: Vec<(u64, Record)>,
    pub past: Option<Past>,
    pub receipts: Vec<Receipt>,
    pub wrote: Vec<Wrote>,
    pub strays: Vec<(i64, Aside)>,
    /// Set while it is in the trash; it counts as deleted then.
    pub discarded: Option<Discarded>,
    /// Set of a tombstone where the document of this identity was before.
    pub moved_to: Option<DocumentId>,
}

impl Kept {
    pub fn new(begin: &Begin, now_ms: i64, length: u64) -> Self {
        Self {
            name: begin.name.clone(),
            owner: begin.owner,
            created_at_ms: now_ms,
            edited_at_ms: now_ms,
            length,
            deleted: false,
            sequence: 0,
            generation: 0,
            through: 0,
            snapshot: None,
            updates: Vec::new(),
            history: Vec::new(),
            past: None,
            receipts: Vec::new(),
            wrote: Vec::new(),
            strays: Vec::new(),
            discarded: None,
            moved_to: None,
        }
    }

    /// Whether anything of its content is there, and was.
    pub fn clear(&mut self) -> bool {
        let had = self.snapshot.take().is_some()
            || !self.updates.is_empty()
            || !self.history.is_empty()
            || !self.receipts.is_empty()
            || !self.strays.is_empty();
        self.updates.clear();
        self.history.clear();
        self.receipts.clear();
        self.wrote.clear();
        self.strays.clear();
        had
    }
}

impl State {
    pub fn alive(&mut self, id: DocumentId) -> Option<&mut Kept> {
        self.documents
            .get_mut(&id)
            .filter(|document| !document.deleted)
    }

    pub fn is_taken(&self, name: &DocumentName) -> bool {
        let mut alive = self.documents.values().filter(|kept| !kept.deleted);
        alive.any(|kept| kept.name == *name)
    }

    pub fn append(&mut self, append: &Append) -> bool {
        let Append {
            id,
            create,
            first_sequence,
            updates,
            length,
            edited_at_ms,
            past,
            receipts,
            forgotten,
            wrote,
        } = append;
        if let Some(begin) = create {
            if self.is_taken(&begin.name) || *first_sequence != 1 || self.documents.contains_key(id)
            {
                return false;
            }
            let document = Kept::new(begin, *edited_at_ms, *length);
            self.documents.insert(*id, document);
        }
        let Some(document) = self.alive(*id) else {
            return false;
        };
        if document.sequence.checked_add(1) != Some(*first_sequence) {
            return false;
        }
        for update in updates {
            document.sequence += 1;
            document.updates.push((document.sequence, update.clone()));
        }
        document.length = *length;
        document.edited_at_ms = *edited_at_ms;
        if past.is_some() {
            document.past.clone_from(past);
        }
        document.receipts.extend_from_slice(receipts);
        let is_kept = |receipt: &Receipt| !forgotten.contains(&receipt.sequence);
        document.receipts.retain(is_kept);
        for new in wrote {
            let at = |wrote: &Wrote| (wrote.client, wrote.clock);
            document.wrote.retain(|wrote| at(wrote) != at(new));
            document.wrote.push(*new);
        }
        true
    }
}

pub fn place(position: &Position) -> (i64, DocumentId) {
    (position.edited_at_ms, position.id)
}

pub fn line(id: DocumentId, kept: &Kept) -> Entry {
    Entry {
        name: kept.name.clone(),
        owner: kept.owner,
        length: kept.length,
        created_at_ms: kept.created_at_ms,
        edited_at_ms: kept.edited_at_ms,
        sequence: kept.sequence,
        position: Position {
            edited_at_ms: kept.edited_at_ms,
            id,
        },
    }
}
