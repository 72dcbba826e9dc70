//! Counters and gauges, shown at `/metrics` in the Prometheus text format. Never labelled by document:
//! names are private and their number is not bounded.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::journal::Stats;

mod histogram;

pub use histogram::Histogram;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Counts one more until the guard is dropped.
    pub fn hold(&self) -> Held {
        self.0.fetch_add(1, Relaxed);
        Held(self.0.clone())
    }

    /// Lets it stand at `n`, if nobody holds it. Answers what it stood at.
    pub fn set(&self, n: u64) -> u64 {
        self.0.swap(n, Relaxed)
    }

    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Takes back on drop what [`Gauge::hold`] added.
#[derive(Debug)]
pub struct Held(Arc<AtomicU64>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Everything the server counts itself; the journal and the hub count their own.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Open WebSocket connections, and followers of changes.
    pub connections: Gauge,
    /// Binary frames received.
    pub frames_in: Counter,
    /// Bytes in them.
    pub bytes_in: Counter,
    /// Binary frames sent.
    pub frames_out: Counter,
    /// Bytes in them.
    pub bytes_out: Counter,
    /// Updates that said something new and were applied.
    pub updates_applied: Counter,
    /// Updates that said nothing new.
    pub updates_known: Counter,
    /// Updates of which a part waits for what it depends on.
    pub updates_held: Counter,
    /// Frames or updates refused as malformed or unsupported.
    pub refused_malformed: Counter,
    /// Frames, updates or documents refused as too large.
    pub refused_too_large: Counter,
    /// WebSocket and HTTP requests refused by their Origin or Host header.
    pub refused_origin: Counter,
    /// Connections refused because a document or the server has enough.
    pub refused_full: Counter,
    /// Peers sent away because they had what the name stood for before.
    pub refused_past: Counter,
    /// Requests and edits of who may not do that.
    pub refused_access: Counter,
    /// Connections that ended as access was withdrawn.
    pub access_revoked: Counter,
    /// Attempts to sign in that came too soon.
    pub attempts_refused: Counter,
    /// Times the accounts could not be read.
    pub accounts_failed: Counter,
    /// Rows of the accounts that cannot be read.
    pub accounts_unreadable: Gauge,
    /// Times keys of document tokens could not be fetched.
    pub token_keys_failed: Arc<Counter>,
    /// Times somebody could not sign in as the provider did not answer as it should.
    pub provider_failed: Counter,
    /// Times what such a peer had was set aside.
    pub strays_kept: Counter,
    /// Times an edit waited so long for the disk that peers were told.
    pub saving_slow: Counter,
    /// Times a peer lagged and was brought up to date from its version instead of by every frame.
    pub resyncs: Counter,
    /// Peers let go because they did not read or did not answer.
    pub peers_stalled: Counter,
    /// Times a connection spoke for a client id of another one, and was ignored or refused.
    pub contested: Counter,
    /// Documents loaded from storage or begun.
    pub documents_opened: Counter,
    /// Documents retired when idle.
    pub documents_retired: Counter,
    /// Documents that were put into the trash.
    pub documents_discarded: Counter,
    /// Documents that were taken back from there.
    pub documents_taken_back: Counter,
    /// Documents that were removed from there for good.
    pub documents_erased: Counter,
    /// Documents that should be removed from there and cannot be read.
    pub trash_damaged: Gauge,
    /// Times that a document was indexed.
    pub search_indexed: Counter,
    /// Times that the index of words failed.
    pub search_failed: Counter,
    /// Views of documents that were read.
    pub views: Counter,
    /// Views whose reader failed: it crashed, took too long or wrote too much.
    pub views_failed: Counter,
    /// Snapshots that replaced a log.
    pub compactions: Counter,
    /// Snapshots that failed their check and were not stored.
    pub compactions_failed: Counter,
    /// Damaged documents of which the rest was opened.
    pub documents_salvaged: Counter,
    /// Updates that could not be read in these.
    pub updates_lost: Counter,
}

impl Metrics {
    /// The Prometheus text format.
    pub fn render(
        &self,
        journal: &Stats,
        documents_open: usize,
        documents_damaged: usize,
        healthy: bool,
    ) -> String {
        let mut out = String::with_capacity(4096);
        let mut line = |kind: &str, name: &str, help: &str, value: f64| {
            let _ = write!(
                out,
                "# HELP ropewalk_{name} {help}\n# TYPE ropewalk_{name} {kind}\nropewalk_{name} {value}\n"
            );
        };
        let mut gauge =
            |name: &str, help: &str, value: u64| line("gauge", name, help, value as f64);
        gauge(
            "connections",
            "Open WebSocket connections, and followers of changes.",
            self.connections.get(),
        );
        gauge(
            "documents_open",
            "Documents in memory.",
            documents_open as u64,
        );
        gauge(
            "documents_damaged",
            "Documents that the list leaves out, as their line cannot be read; at most 1000.",
            documents_damaged as u64,
        );
        gauge(
            "storage_healthy",
            "1 while storage answers.",
            u64::from(healthy),
        );
        gauge(
            "unsaved_updates",
            "Updates that are applied and not yet on disk.",
            journal.queued_updates(),
        );
        gauge(
            "trash_damaged",
            "Documents that should be removed from the trash and cannot be read.",
            self.trash_damaged.get(),
        );
        gauge(
            "accounts_unreadable_rows",
            "Rows of the accounts that cannot be read and count for nothing.",
            self.accounts_unreadable.get(),
        );
        gauge("unsaved_bytes", "Bytes in them.", journal.queued_bytes());
        for (name, help, counter) in [
            (
                "frames_received_total",
                "Binary frames received.",
                &self.frames_in,
            ),
            (
                "received_bytes_total",
                "Bytes in binary frames received.",
                &self.bytes_in,
            ),
            ("frames_sent_total", "Binary frames sent.", &self.frames_out),
            (
                "sent_bytes_total",
                "Bytes in binary frames sent.",
                &self.bytes_out,
            ),
            (
                "updates_applied_total",
                "Updates that said something new.",
                &self.updates_applied,
            ),
            (
                "updates_known_total",
                "Updates that said nothing new.",
                &self.updates_known,
            ),
            (
                "updates_held_total",
                "Updates of which a part waits for what it depends on.",
                &self.updates_held,
            ),
            (
                "refused_malformed_total",
                "Frames or updates refused as malformed or unsupported.",
                &self.refused_malformed,
            ),
            (
                "refused_too_large_total",
                "Frames, updates or documents refused as too large.",
                &self.refused_too_large,
            ),
            (
                "refused_origin_total",
                "Requests refused by their Origin or Host header.",
                &self.refused_origin,
            ),
            (
                "refused_full_total",
                "Connections refused for want of room.",
                &self.refused_full,
            ),
            (
                "refused_past_total",
                "Connections refused because they had what the name stood for before.",
                &self.refused_past,
            ),
            (
                "refused_access_total",
                "Requests and edits refused as whoever sent them may not do that.",
                &self.refused_access,
            ),
            (
                "access_revoked_total",
                "Connections that ended as access was withdrawn.",
                &self.access_revoked,
            ),
            (
                "attempts_refused_total",
                "Attempts to sign in that came too soon.",
                &self.attempts_refused,
            ),
            (
                "accounts_failed_total",
                "Times the accounts could not be read.",
                &self.accounts_failed,
            ),
            (
                "token_keys_failed_total",
                "Times keys of document tokens could not be fetched.",
                &*self.token_keys_failed,
            ),
            (
                "provider_failed_total",
                "Times somebody could not sign in as the provider did not answer as it should.",
                &self.provider_failed,
            ),
            (
                "strays_kept_total",
                "Times what such a connection had was set aside.",
                &self.strays_kept,
            ),
            (
                "saving_slow_total",
                "Times an edit waited for the disk for more than a second.",
                &self.saving_slow,
            ),
            (
                "resyncs_total",
                "Times a lagging peer was brought up to date from its version.",
                &self.resyncs,
            ),
            (
                "peers_stalled_total",
                "Peers let go because they did not read or answer.",
                &self.peers_stalled,
            ),
            (
                "contested_total",
                "Times a connection spoke for a client id of another one, and was ignored or refused.",
                &self.contested,
            ),
            (
                "documents_opened_total",
                "Documents loaded or begun.",
                &self.documents_opened,
            ),
            (
                "documents_retired_total",
                "Documents retired when idle.",
                &self.documents_retired,
            ),
            (
                "documents_discarded_total",
                "Documents put into the trash.",
                &self.documents_discarded,
            ),
            (
                "documents_taken_back_total",
                "Documents taken back from the trash.",
                &self.documents_taken_back,
            ),
            (
                "documents_erased_total",
                "Documents removed from the trash for good.",
                &self.documents_erased,
            ),
            (
                "search_indexed_total",
                "Times that the words of a document were indexed.",
                &self.search_indexed,
            ),
            (
                "search_failed_total",
                "Times that the index of words failed.",
                &self.search_failed,
            ),
            (
                "views_total",
                "Views of documents that were read.",
                &self.views,
            ),
            (
                "views_failed_total",
                "Views whose reader crashed, took too long or wrote too much.",
                &self.views_failed,
            ),
            (
                "compactions_total",
                "Snapshots that replaced a log.",
                &self.compactions,
            ),
            (
                "compactions_failed_total",
                "Snapshots that failed their check and were not stored.",
                &self.compactions_failed,
            ),
            (
                "documents_salvaged_total",
                "Damaged documents of which the rest was opened.",
                &self.documents_salvaged,
            ),
            (
                "updates_lost_total",
                "Updates that could not be read in damaged documents.",
                &self.updates_lost,
            ),
        ] {
            line("counter", name, help, counter.get() as f64);
        }
        line(
            "counter",
            "store_commits_total",
            "Commits to storage.",
            journal.commits() as f64,
        );
        line(
            "counter",
            "store_committed_updates_total",
            "Updates in them.",
            journal.committed_updates() as f64,
        );
        line(
            "counter",
            "store_failures_total",
            "Commits that failed.",
            journal.failures() as f64,
        );
        journal.commit_time().render(
            &mut out,
            "store_commit_seconds",
            "How long a commit to storage took.",
        );
        journal.durable_time().render(
            &mut out,
            "edit_durable_seconds",
            "From an update's application to the end of the commit that holds it.",
        );
        out
    }
}
