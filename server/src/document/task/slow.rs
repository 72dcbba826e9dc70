//! Edits that wait long for the disk: whoever knows what to do with it is told, before anything is held back.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ropewalk_crdt::protocol;
use tokio::time::Instant;

use super::Task;

/// Saving is slow when an edit waits so long for the disk.
const SLOW: Duration = Duration::from_secs(1);

/// What is applied and not on disk.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    /// The newest sequence number of each batch, and when it was applied.
    batches: VecDeque<(u64, Instant)>,
    /// Peers were told.
    is_slow: bool,
}

impl Unsaved {
    /// Everything up to this sequence number has been applied.
    pub(super) fn add(&mut self, sequence: u64) {
        self.batches.push_back((sequence, Instant::now()));
    }

    /// When peers have to be told.
    pub(super) fn slow_due(&self) -> Option<Instant> {
        let (_, oldest) = self.batches.front().filter(|_| !self.is_slow)?;
        Some(*oldest + SLOW)
    }
}

impl Task {
    pub(super) fn tell_slow(&mut self) {
        let Some((_, oldest)) = self.unsaved.batches.front() else {
            return;
        };
        self.unsaved.is_slow = true;
        self.app.metrics.saving_slow.add_one();
        let waited = oldest.elapsed().as_millis();
        tracing::warn!(waited_ms = waited, "saving is slow");
        self.tell(u64::try_from(waited).unwrap_or(u64::MAX).max(1));
    }

    /// Takes note of what has become durable.
    pub(super) fn settle_slow(&mut self) {
        let unsaved = &mut self.unsaved;
        let saved = unsaved
            .batches
            .partition_point(|&(newest, _)| newest <= self.saved);
        unsaved.batches.drain(..saved);
        let is_due = |&(_, oldest): &(u64, Instant)| oldest.elapsed() >= SLOW;
        if unsaved.is_slow && !unsaved.batches.front().is_some_and(is_due) {
            unsaved.is_slow = false;
            self.tell(0);
        }
    }

    fn tell(&mut self, waited_ms: u64) {
        let frame = Bytes::from(protocol::slow(waited_ms));
        for peer in self.peers.values().filter(|peer| peer.marks) {
            peer.send(&frame);
        }
        if self.is_all_sent() {
            self.settle_peers();
        }
    }
}
