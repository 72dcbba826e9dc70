//! What the journal counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::Histogram;

/// Counters since the start, and what is queued now.
#[derive(Debug)]
pub struct Stats {
    started: Instant,
    /// When the last commit ended, in milliseconds after the start; 0 without one.
    committed_at: AtomicU64,
    committed_updates: AtomicU64,
    commit_time: Histogram,
    durable_time: Histogram,
    failures: AtomicU64,
    queued_updates: AtomicU64,
    queued_bytes: AtomicU64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            committed_at: AtomicU64::new(0),
            committed_updates: AtomicU64::new(0),
            commit_time: Histogram::default(),
            durable_time: Histogram::default(),
            failures: AtomicU64::new(0),
            queued_updates: AtomicU64::new(0),
            queued_bytes: AtomicU64::new(0),
        }
    }
}

impl Stats {
    /// Time since the start.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Time since the last commit of updates ended.
    pub fn since_commit(&self) -> Option<Duration> {
        match self.committed_at.load(Relaxed) {
            0 => None,
            at => Some(self.age().saturating_sub(Duration::from_millis(at))),
        }
    }

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
        let at = u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX);
        self.committed_at.store(at.max(1), Relaxed);
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
