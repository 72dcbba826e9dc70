//! A snapshot takes the place of the log.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Task, load};
use crate::App;
use crate::storage::{Compaction, StorageError};

/// Logs smaller than this are not worth a snapshot while people edit, in bytes.
const COMPACT_BYTES: usize = 256 * 1024;
/// Logs with more updates than this are, in updates.
const COMPACT_UPDATES: u64 = 8192;

impl Task {
    pub(super) fn compact_if_due(&mut self) {
        let due = self.log_bytes > COMPACT_BYTES.max(self.snapshot_bytes)
            || self.log_updates > COMPACT_UPDATES;
        if due && self.compacting.is_none() {
            self.compact();
        }
    }

    /// Starts to replace the log by a snapshot. The snapshot is decoded and compared before storage sees it.
    pub(super) fn compact(&mut self) -> bool {
        self.log_bytes = 0;
        self.log_updates = 0;
        let snapshot = self.document.save();
        let bytes = snapshot.len();
        let compaction = Compaction {
            id: self.id,
            generation: self.generation,
            through: self.sequence,
            snapshot,
            packs: Vec::new(),
            keep_from_ms: self.app.config.history_from(self.app.machine.now_ms()),
            salvaged: None,
        };
        let version = self.document.version().clone();
        let (done, compacting) = oneshot::channel();
        self.compacting = Some(compacting);
        let (app, epoch) = (self.app.clone(), self.epoch);
        self.app.tasks.spawn(async move {
            let result = load::check(&app, compaction, version).await;
            // What is still on its way to the log belongs to the history, too.
            app.journal.flush().await;
            let packed = match result {
                Some(compaction) => pack(&app, compaction).await,
                None => None,
            };
            let stored = match packed {
                Some(compaction) => app.journal.compact(epoch, compaction).await.ok(),
                None => None,
            };
            let _ = done.send((stored == Some(true)).then_some(bytes));
        });
        true
    }

    pub(super) fn compacted(&mut self, stored: Option<usize>) {
        self.compacting = None;
        match stored {
            Some(bytes) => {
                self.app.metrics.compactions.add_one();
                self.generation += 1;
                self.snapshot_bytes = bytes;
            }
            None => {
                self.app.metrics.compactions_failed.add_one();
                tracing::error!("the snapshot was not stored; the log is kept");
            }
        }
    }
}

/// Packs the log that the snapshot takes the place of: this needs time, which the writer does not have.
async fn pack(app: &Arc<App>, mut compaction: Compaction) -> Option<Compaction> {
    let storage = app.storage.clone();
    let packing = app.machine.blocking(move || {
        compaction.packs = storage.pack(compaction.id, compaction.through)?;
        Ok::<_, StorageError>(compaction)
    });
    packing
        .await?
        .inspect_err(|error| tracing::error!(%error, "the log cannot be packed"))
        .ok()
}
