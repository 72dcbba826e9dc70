//! What the journal counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::metrics::Histogram;

/// Counters since the start, and what is queued now.
#[derive(Debug, Default)]
pub struct Stats {
    committed_updates: AtomicU64,
    commit_time: Histogram,
    durable_time: Histogram,
    failures: AtomicU64,
    queued_updates: AtomicU64,
    queued_bytes: AtomicU64,
}

impl Stats {
    /// Commits of updates.
    pub fn commits(&self) -> u64 {
        self.commit_time.count()
    }

    /// How long they took.
    pub fn commit_time(&self) -> &Histogram {
        &self.commit_time
    }

    /// How long it took from an update's application to the end of the commit that holds it.
    pub fn durable_time(&self) -> &Histogram {
        &self.durable_time
    }

    /// Updates in them.
    pub fn committed_updates(&self) -> u64 {
        self.committed_updates.load(Relaxed)
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
        self.committed_updates.fetch_add(updates, Relaxed);
        self.commit_time.observe(took);
    }

    pub(super) fn durable(&self, took: Duration) {
        self.durable_time.observe(took);
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
