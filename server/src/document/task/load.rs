//! From storage into memory, and the check of a snapshot before it goes the other way.

use std::sync::Arc;

use ropewalk_crdt::{self as crdt, ClientId, Document, Limits, Version};

use super::Existence;
use super::receipts::Receipts;
use crate::App;
use crate::access::PersonId;
use crate::name::DocumentName;
use crate::sabotage::{self, Sabotage};
use crate::storage::{Compaction, DocumentId, Lineage, Lookup, StorageError, Stored, Wrote};

mod salvage;

/// A document as it was loaded.
pub struct Loaded {
    pub document: Document,
    pub existence: Existence,
    pub id: DocumentId,
    pub owner: Option<PersonId>,
    pub epoch: u64,
    pub generation: u64,
    pub sequence: u64,
    pub log_bytes: usize,
    pub log_updates: u64,
    pub snapshot_bytes: usize,
    pub lineage: Lineage,
    pub receipts: Receipts,
    pub wrote: Vec<Wrote>,
}

impl Loaded {
    /// A document without content.
    pub fn empty(app: &App, existence: Existence, epoch: u64) -> Self {
        Self {
            document: Document::with_limits(app.machine.client_id(), app.config.document_limits()),
            existence,
            id: DocumentId(0),
            owner: None,
            epoch,
            generation: 0,
            sequence: 0,
            log_bytes: 0,
            log_updates: 0,
            snapshot_bytes: 0,
            lineage: Lineage::default(),
            receipts: Receipts::default(),
            wrote: Vec::new(),
        }
    }
}

/// Reads snapshot and log. An error is never an empty document.
pub async fn load(app: &Arc<App>, name: &DocumentName) -> Result<Loaded, StorageError> {
    let epoch = app.journal.epoch();
    if !app.journal.healthy() {
        return Err(StorageError::Failed(
            "waiting for storage to come back".into(),
        ));
    }
    let loading = app.machine.blocking({
        let (app, name) = (app.clone(), name.clone());
        move || match load_blocking(&app, &name, epoch) {
            Err(StorageError::Damaged(why)) => {
                tracing::error!(%name, why, "document is damaged");
                let (loaded, mend) = salvage::salvage(&app, &name, epoch)?;
                Ok::<_, StorageError>((loaded, Some(mend)))
            }
            loaded => Ok((beside(&app, &name, loaded?)?, None)),
        }
    });
    let panicked = || StorageError::Failed("a panic while loading".to_owned());
    let (mut loaded, mend) = loading.await.ok_or_else(panicked)??;
    let Some(mend) = mend else {
        return Ok(loaded);
    };
    salvage::mend(app, &mut loaded, mend).await?;
    let (reading, name) = (app.clone(), name.clone());
    let reading = move || beside(&reading, &name, loaded);
    app.machine.blocking(reading).await.ok_or_else(panicked)?
}

/// With what is stored beside its content.
fn beside(app: &App, name: &DocumentName, loaded: Loaded) -> Result<Loaded, StorageError> {
    Ok(Loaded {
        lineage: app.storage.lineage(name)?,
        receipts: app.storage.receipts(loaded.id)?.into_iter().collect(),
        wrote: app.storage.wrote(loaded.id)?,
        ..loaded
    })
}

fn load_blocking(app: &App, name: &DocumentName, epoch: u64) -> Result<Loaded, StorageError> {
    let stored = match app.storage.load(name)? {
        Lookup::Absent => return Ok(Loaded::empty(app, Existence::Absent, epoch)),
        Lookup::Deleted => return Ok(Loaded::empty(app, Existence::Deleted, epoch)),
        Lookup::Found(stored) => stored,
    };
    let client = app.machine.client_id();
    Ok(Loaded {
        document: replay(client, name, &stored, app.config.document_limits())?,
        existence: Existence::Stored,
        id: stored.id,
        owner: stored.owner,
        epoch,
        generation: stored.generation,
        sequence: stored.sequence,
        log_bytes: stored.updates.iter().map(Vec::len).sum(),
        log_updates: stored.updates.len() as u64,
        snapshot_bytes: stored.snapshot.map_or(0, |snapshot| snapshot.len()),
        lineage: Lineage::default(),
        receipts: Receipts::default(),
        wrote: Vec::new(),
    })
}

/// A document of its snapshot and its log. Its own edits are made under `client`.
pub fn replay(
    client: ClientId,
    name: &DocumentName,
    stored: &Stored,
    limits: Limits,
) -> Result<Document, StorageError> {
    let damaged = |error: ropewalk_crdt::Error| StorageError::Damaged(format!("{name}: {error}"));
    let mut document = match &stored.snapshot {
        Some(snapshot) => {
            Document::open_with_limits(client, snapshot, limits.clone()).map_err(damaged)?
        }
        None => Document::with_limits(client, Limits::NONE),
    };
    document.set_limits(Limits::NONE);
    for update in &stored.updates {
        document.replay(update).map_err(damaged)?;
    }
    document.set_limits(limits);
    document.replayed();
    if sabotage::is(Sabotage::Reseed) {
        return Ok(reseeded(client, &document));
    }
    Ok(document)
}

/// See [`Sabotage::Reseed`].
fn reseeded(client: ClientId, document: &Document) -> Document {
    let mut other = Document::new(client);
    let text = crdt::Edit {
        from: 0,
        to: 0,
        insert: document.text(crdt::ROOT).to_string(),
    };
    let base = other.version().clone();
    let _ = other.edit(&base, crdt::ROOT, crdt::Unit::Utf8, &[text]);
    other
}

/// Decodes the snapshot in a scratch document: what cannot be loaded again must not replace anything.
pub async fn check(app: &App, compaction: Compaction, expected: Version) -> Option<Compaction> {
    let (client, limits) = (app.machine.client_id(), app.config.document_limits());
    let checking = app.machine.blocking(move || {
        let snapshot = &compaction.snapshot;
        let scratch = Document::open_with_limits(client, snapshot, limits).ok()?;
        (*scratch.version() == expected).then_some(compaction)
    });
    checking.await.flatten()
}
