//! A damaged document: what can be read of it is opened, and the rest is set aside.

use std::sync::Arc;

use ropewalk_crdt::{Document, Limits};

use super::Loaded;
use crate::App;
use crate::document::task::Existence;
use crate::document::task::receipts::Receipts;
use crate::name::DocumentName;
use crate::storage::{Compaction, Lineage, Salvaged, StorageError};

/// Opens the newest snapshot that is whole, or nothing if every update is there, and what came after it.
pub fn salvage(
    app: &App,
    name: &DocumentName,
    epoch: u64,
) -> Result<(Loaded, Compaction), StorageError> {
    let client = app.machine.client_id();
    let found = app.storage.salvage(name)?;
    let opened = found.snapshots.into_iter().find_map(|(through, snapshot)| {
        let document = Document::open_with_limits(client, &snapshot, Limits::NONE).ok()?;
        Some((through, document))
    });
    let first = found.updates.first().map(|&(sequence, _)| sequence);
    let (through, mut document) = match opened {
        Some(opened) => opened,
        None if first == Some(1) => (0, Document::with_limits(client, Limits::NONE)),
        // What is left hangs at what is not there: an empty document would be a lie.
        None => {
            return Err(StorageError::Damaged(format!(
                "{name}: neither a snapshot nor its first update can be read"
            )));
        }
    };
    let (mut reached, mut lost) = (through, 0);
    for (sequence, update) in &found.updates {
        let sequence = *sequence;
        if sequence <= through {
            continue;
        }
        lost += sequence - reached - 1;
        reached = sequence;
        if !update.is_empty() && document.replay(update).is_err() {
            lost += 1;
        }
    }
    let sequence = found.sequence.max(reached);
    lost += sequence - reached;
    document.set_limits(app.config.document_limits());
    document.replayed();
    let mut undone = Vec::new();
    if lost > 0 {
        // What waits for what is lost is in no text either.
        let is_there = |sequence: u64| {
            let at = found.updates.binary_search_by_key(&sequence, |&(at, _)| at);
            let update = at.ok().map(|at| &found.updates[at].1);
            update.is_some_and(|update| update.is_empty() || document.knows(update) == Ok(true))
        };
        let receipts = app.storage.receipts(found.id)?.into_iter();
        let sequences = receipts.map(|receipt| receipt.sequence);
        undone.extend(sequences.filter(|&sequence| sequence > through && !is_there(sequence)));
    }
    tracing::error!(
        %name, id = found.id.0, updates = sequence, lost,
        "opened what is left of a damaged document; the damaged rows are in the table `damaged`"
    );
    app.metrics.documents_salvaged.add_one();
    app.metrics.updates_lost.add(lost);
    let mend = Compaction {
        id: found.id,
        generation: found.generation,
        through: sequence,
        snapshot: document.save(),
        packs: app.storage.pack(found.id, i64::MAX as u64)?,
        keep_from_ms: None,
        salvaged: Some(Salvaged {
            at_ms: app.machine.now_ms(),
            is_less: lost > 0,
            undone,
        }),
    };
    let loaded = Loaded {
        document,
        existence: Existence::Stored,
        id: found.id,
        owner: found.owner,
        epoch,
        generation: found.generation,
        sequence,
        log_bytes: 0,
        log_updates: 0,
        snapshot_bytes: mend.snapshot.len(),
        lineage: Lineage::default(),
        receipts: Receipts::default(),
        wrote: Vec::new(),
    };
    Ok((loaded, mend))
}

/// Stores what was salvaged as the document, before anybody edits it.
pub async fn mend(
    app: &Arc<App>,
    loaded: &mut Loaded,
    mend: Compaction,
) -> Result<(), StorageError> {
    match app.journal.compact(loaded.epoch, mend).await {
        Ok(true) => {
            loaded.generation += 1;
            Ok(())
        }
        Ok(false) => Err(StorageError::Damaged(
            "what was salvaged could not be stored".to_owned(),
        )),
        Err(error) => Err(StorageError::Failed(error.to_string())),
    }
}
