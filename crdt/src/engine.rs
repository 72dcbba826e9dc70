//! The engine behind a document: yrs, and everything that keeps it from harming the process.
//!
//! A panic in yrs is caught and loses this one document. What yrs holds is then leaked: dropping
//! it could panic again, and its lock is still held by the transaction that failed.

use crate::{ClientId, DeleteSet, Error, VersionVector};
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use yrs::updates::decoder::Decode;
use yrs::{
    Doc, GetString, IdSet, OffsetKind, Options, Out, ReadTxn, StateVector, Text, Transact,
    TransactionMut, Update, WriteTxn,
};

/// Stands for what is not text within a text, one for each unit that it takes.
const OBJECT: char = '\u{fffc}';

/// One change at a place, in UTF-16 code units.
pub(crate) struct Splice {
    pub(crate) at: u32,
    pub(crate) remove: u32,
    pub(crate) insert: String,
}

pub(crate) struct Engine {
    /// None when it has failed.
    doc: Option<Doc>,
}

impl Engine {
    pub(crate) fn new(client: ClientId) -> Self {
        let mut options = Options::with_client_id(yrs::block::ClientID::new(client));
        options.offset_kind = OffsetKind::Utf16;
        options.skip_gc = false;
        Engine {
            doc: Some(Doc::with_options(options)),
        }
    }

    pub(crate) fn alive(&self) -> Result<(), Error> {
        self.doc.as_ref().map(drop).ok_or(Error::Engine)
    }

    /// Never uses the engine again.
    pub(crate) fn poison(&mut self) {
        mem::forget(self.doc.take());
    }

    fn run<T>(&mut self, work: impl FnOnce(&Doc) -> Result<T, Error>) -> Result<T, Error> {
        let doc = self.doc.as_ref().ok_or(Error::Engine)?;
        match catch_unwind(AssertUnwindSafe(|| work(doc))) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                if error == Error::Engine {
                    self.poison();
                }
                Err(error)
            }
            Err(_) => {
                self.poison();
                Err(Error::Engine)
            }
        }
    }

    /// Works in a transaction and commits it; returns what the transaction has deleted as well.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut TransactionMut<'_>) -> Result<T, Error>,
    ) -> Result<(T, DeleteSet), Error> {
        self.run(|doc| {
            // Dropping a transaction commits it, also while a panic unwinds, and a second panic
            // aborts the process. So it is only dropped when all went well.
            let mut txn = ManuallyDrop::new(doc.transact_mut());
            let done = work(&mut txn)?;
            txn.commit();
            let deleted = deletes(txn.delete_set());
            drop(ManuallyDrop::into_inner(txn));
            Ok((done, deleted))
        })
    }

    /// Applies checked updates in order. Returns all that is deleted by it.
    pub(crate) fn apply(&mut self, updates: &[Vec<u8>]) -> Result<DeleteSet, Error> {
        // Before anything is touched: what yrs cannot read costs nothing.
        let decoded = updates
            .iter()
            .map(|update| Update::decode_v1(update))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Error::Malformed {
                what: "an update that the engine can read",
                at: 0,
            })?;
        let ((), deleted) = self.transact(|txn| {
            for update in decoded {
                txn.apply_update(update).map_err(|_| Error::Engine)?;
            }
            match txn.has_missing_updates() {
                true => Err(Error::Engine),
                false => Ok(()),
            }
        })?;
        Ok(deleted)
    }

    /// Edits a root text; returns the update that says so and what it has deleted. The splices are
    /// made in the order given.
    pub(crate) fn edit(
        &mut self,
        root: &str,
        splices: &[Splice],
    ) -> Result<(Vec<u8>, DeleteSet), Error> {
        self.transact(|txn| {
            let text = txn.get_or_insert_text(root);
            for splice in splices {
                if splice.remove > 0 {
                    text.remove_range(txn, splice.at, splice.remove);
                }
                if !splice.insert.is_empty() {
                    text.insert(txn, splice.at, &splice.insert);
                }
            }
            txn.commit();
            Ok(txn.encode_update_v1())
        })
    }

    /// What is inserted after `since`, and all deletes.
    pub(crate) fn diff(&mut self, since: &VersionVector) -> Result<Vec<u8>, Error> {
        let mut known = StateVector::default();
        for (client, clock) in since.iter() {
            let clock = u32::try_from(clock).unwrap_or(u32::MAX);
            known.set_max(yrs::block::ClientID::new(client), clock);
        }
        self.run(|doc| Ok(doc.transact().encode_diff_v1(&known)))
    }

    /// The text of a root, with a stand-in for each unit that is not text. What is no text at all
    /// is empty.
    pub(crate) fn text(&mut self, root: &str) -> Result<String, Error> {
        self.run(|doc| {
            let txn = doc.transact();
            let Some(text) = txn.get_text(root) else {
                return Ok(String::new());
            };
            let string = text.get_string(&txn);
            let units = string.chars().map(char::len_utf16).sum::<usize>();
            if units == text.len(&txn) as usize {
                return Ok(string);
            }
            let parts = text.diff(&txn, yrs::types::text::YChange::identity);
            Ok(parts.into_iter().fold(String::new(), |mut all, part| {
                match part.insert {
                    Out::Any(yrs::Any::String(string)) => all.push_str(&string),
                    _ => all.push(OBJECT),
                }
                all
            }))
        })
    }

    /// UTF-16 code units of a root text, 1 for each embedded element. O(1).
    pub(crate) fn len(&self, root: &str) -> u64 {
        let Some(doc) = &self.doc else { return 0 };
        let len = catch_unwind(AssertUnwindSafe(|| {
            let txn = doc.transact();
            txn.get_text(root).map_or(0, |text| text.len(&txn))
        }));
        u64::from(len.unwrap_or(0))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(doc) = self.doc.take() {
            // A panic while dropping leaks the rest.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(doc)));
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = if self.doc.is_some() {
            "alive"
        } else {
            "failed"
        };
        write!(f, "Engine({state})")
    }
}

fn deletes(set: &IdSet) -> DeleteSet {
    let mut deletes = DeleteSet::new();
    for (client, ranges) in set.iter() {
        for range in ranges.iter() {
            deletes.insert(client.get(), range.start, range.end);
        }
    }
    deletes
}
