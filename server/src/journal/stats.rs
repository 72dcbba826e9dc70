//! What the journal counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counters since the start, and what is queued now.
#[derive(Debug, Default)]
pub struct Stats {
    commits: AtomicU64,
    committed_updates: AtomicU64,
    commit_micros: AtomicU64,
    failures: AtomicU64,
    queued_updates: AtomicU64,
    queued_bytes: AtomicU64,
}

impl Stats {
    /// Commits of updates.
    pub fn commits(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    /// Updates in them.
    pub fn committed_updates(&self) -> u64 {
        self.committed_updates.load(Relaxed)
    }

    /// Time spent in them, in microseconds.
    pub fn commit_micros(&self) -> u64 {
        self.commit_micros.load(Relaxed)
    }

    /// Times that storage failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Updates, snapshots and deletions that are queued or being written.
    pub fn queued_updates(&self) -> u64 {
        self.queued_updates.load(Relaxed)
    }

    /// Bytes in them.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Relaxed)
    }

    pub(super) fn committed(&self, updates: u64, took: Duration) {
        self.commits.fetch_add(1, Relaxed);
        self.committed_updates.fetch_add(updates, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commit_micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn entered_queue(&self, bytes: u64) {
        self.queued_updates.fetch_add(1, Relaxed);
        self.queued_bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn left_queue(&self, bytes: u64) {
        self.queued_updates.fetch_sub(1, Relaxed);
        self.queued_bytes.fetch_sub(bytes, Relaxed);
    }
}
