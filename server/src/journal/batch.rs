//! What goes to disk in one commit.

use std::collections::HashMap;

use tokio::sync::watch;

use super::{Durable, Entry, Place, fail, reached};
use crate::storage::{Append, DocumentId, Record};

/// Entries gathered for one commit, by document.
#[derive(Default)]
pub struct Batch {
    appends: Vec<Append>,
    /// Who hears about each append, with the newest sequence number.
    heard_by: Vec<(watch::Sender<Durable>, u64)>,
    of: HashMap<DocumentId, usize>,
    /// Places in the queue, given free when the batch is decided.
    places: Vec<Place>,
    updates: usize,
    bytes: usize,
}

impl Batch {
    /// Entries in it.
    pub fn updates(&self) -> usize {
        self.updates
    }

    /// Bytes in them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What to write.
    pub fn appends(&self) -> &[Append] {
        &self.appends
    }

    /// Takes an entry in. One that does not follow the entry before it would tear a hole into its document's
    /// history: it fails here, and storage refuses whatever comes after it.
    pub fn add(&mut self, entry: Entry, place: Place) {
        let Entry {
            id,
            create,
            sequence,
            update,
            author,
            length,
            edited_at_ms,
            past,
            receipt,
            forgotten,
            wrote,
            durable,
            epoch: _,
        } = entry;
        let update = Record {
            update: update.unwrap_or_default(),
            author,
            at_ms: edited_at_ms,
        };
        let bytes = update.update.len();
        match self.of.get(&id) {
            Some(&at) => {
                let (heard_by, newest) = &mut self.heard_by[at];
                if create.is_some() || sequence != *newest + 1 || !durable.same_channel(heard_by) {
                    tracing::error!(id = id.0, sequence, newest, "an entry out of order");
                    fail(&durable);
                    return;
                }
                *newest = sequence;
                let append = &mut self.appends[at];
                append.updates.push(update);
                append.length = length;
                append.edited_at_ms = edited_at_ms;
                append.past = past.or(append.past.take());
                append.receipts.extend(receipt.map(|receipt| *receipt));
                append.forgotten.extend(forgotten);
                append.wrote.extend(wrote);
            }
            None => {
                self.of.insert(id, self.appends.len());
                let append = Append {
                    id,
                    create: create.map(|begin| *begin),
                    first_sequence: sequence,
                    updates: vec![update],
                    length,
                    edited_at_ms,
                    past,
                    receipts: receipt.into_iter().map(|receipt| *receipt).collect(),
                    forgotten,
                    wrote,
                };
                self.appends.push(append);
                self.heard_by.push((durable, sequence));
            }
        }
        self.places.push(place);
        self.updates += 1;
        self.bytes += bytes;
    }

    /// It is on disk, all but the documents `refused`.
    pub fn committed(self, refused: &[DocumentId]) {
        for place in &self.places {
            place.shared.stats.durable(place.since.elapsed());
        }
        for (append, (durable, newest)) in self.appends.iter().zip(&self.heard_by) {
            if refused.contains(&append.id) {
                tracing::error!(
                    id = append.id.0,
                    sequence = append.first_sequence,
                    "storage refused updates"
                );
                fail(durable);
            } else {
                reached(durable, *newest);
            }
        }
    }

    /// It is not on disk, or nobody knows.
    pub fn failed(self) {
        self.heard_by.iter().for_each(|(durable, _)| fail(durable));
    }
}
