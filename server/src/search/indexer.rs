//! The thread that keeps the index.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Weak;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

pub use read::read;
use rusqlite::ErrorCode;
use thiserror::Error;

use super::backoff::Backoff;
use super::index::{self, Index, Place};
use super::{Hint, MAX_HINTS};
use crate::App;
use crate::name::DocumentName;
use crate::storage::{DocumentId, Entry, Lookup, Position, StorageError};

/// How often it is looked which documents have changed.
const LOOK: Duration = Duration::from_secs(1);
/// A document is indexed when it has not changed for so long,
const QUIET: Duration = Duration::from_secs(2);
/// or so long after it has changed first. It is also the longest that a change usually takes to be found.
const LATEST: Duration = Duration::from_secs(10);
/// A document is not indexed again before so many times as long as that took have passed.
const REST: u32 = 20;
/// How often everything is compared.
const ALL: Duration = Duration::from_secs(60 * 60);
/// Documents that are compared at once.
const PAGE: usize = 500;
/// Bytes of texts that go into the index in one transaction, about.
const BATCH: usize = 2 << 20;
/// Changed documents that are waited for; if there are more, everything is compared.
const MAX_PENDING: usize = 10_000;
/// When a document that cannot be read is read again, at the earliest; then after pauses that grow up to [`ALL`].
const AGAIN: Duration = Duration::from_secs(60);
/// Clocks go back a little, in milliseconds.
const SLACK_MS: i64 = 60_000;

/// A document that has changed.
struct Pending {
    name: DocumentName,
    first: Instant,
    last: Instant,
    place: Place,
    /// Not before then.
    rests_until: Option<Instant>,
}

impl Pending {
    fn new(entry: &Entry, now: Instant) -> Self {
        Self {
            name: entry.name.clone(),
            first: now,
            last: now,
            place: Place::of(entry),
            rests_until: None,
        }
    }
}

/// See the module.
pub struct Indexer {
    app: Weak<App>,
    folder: PathBuf,
    index: Option<Index>,
    pending: HashMap<DocumentId, Pending>,
    /// Documents that take long, and when they may be indexed again.
    resting: HashMap<DocumentId, Instant>,
    /// The newest edit that was looked at, in milliseconds since the Unix epoch.
    newest_ms: i64,
    /// When it was looked the last time, at what was there then.
    looked: Instant,
    /// When everything was compared.
    compared: Option<Instant>,
    commits: Option<u64>,
    hinted: Vec<Hint>,
    /// What was forgotten lies in the journal of the index still.
    is_left: bool,
    backoff: Backoff,
}

/// Why it did not get on.
pub enum Trouble {
    /// The server stops.
    Stopping,
    Failed(Failure),
}

#[derive(Debug, Error)]
pub enum Failure {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Index(#[from] rusqlite::Error),
    #[error("a panic")]
    Panic,
}

impl<T: Into<Failure>> From<T> for Trouble {
    fn from(failure: T) -> Self {
        Self::Failed(failure.into())
    }
}

impl Indexer {
    pub fn new(app: Weak<App>, folder: PathBuf) -> Self {
        Self {
            app,
            folder,
            index: None,
            pending: HashMap::new(),
            resting: HashMap::new(),
            newest_ms: i64::MIN,
            looked: Instant::now(),
            compared: None,
            commits: None,
            hinted: Vec::new(),
            // It may have ended in between.
            is_left: true,
            backoff: Backoff::default(),
        }
    }

    /// Keeps the index until the server stops.
    pub fn run(mut self, hinted: &Receiver<Hint>) {
        loop {
            match hinted.recv_timeout(LOOK) {
                Ok(hint) => self.hinted.push(hint),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let Some(app) = self.app.upgrade() else {
                return;
            };
            self.hinted.extend(hinted.try_iter().take(MAX_HINTS));
            if self.step(&app).is_break() {
                return;
            }
        }
    }

    /// Does what is to be done now, unless it has failed and waits.
    fn step(&mut self, app: &App) -> ControlFlow<()> {
        if self.backoff.waits(Instant::now()) {
            // Everything is compared afterwards.
            self.hinted.clear();
            return ControlFlow::Continue(());
        }
        // Whoever counts on the thread must not find it dead over one text.
        let turned = catch_unwind(AssertUnwindSafe(|| self.turn(app)));
        match turned.unwrap_or(Err(Trouble::Failed(Failure::Panic))) {
            Ok(()) => {
                if self.backoff.worked() {
                    tracing::info!("the index of words works again");
                }
            }
            Err(Trouble::Stopping) => return ControlFlow::Break(()),
            Err(Trouble::Failed(failure)) => self.failed(app, &failure),
        }
        self.tell(app);
        ControlFlow::Continue(())
    }

    fn failed(&mut self, app: &App, failure: &Failure) {
        app.metrics.search_failed.add_one();
        if self.backoff.failed(Instant::now()) {
            tracing::warn!(error = %failure, "the index of words failed; it is tried again in growing pauses");
        } else {
            tracing::debug!(error = %failure, "the index of words failed again");
        }
        (self.compared, self.commits) = (None, None);
        self.pending.clear();
        self.hinted.clear();
        let error = match failure {
            Failure::Storage(_) => return,
            // Whatever it was about to do.
            Failure::Panic => return self.index = None,
            Failure::Index(error) => error,
        };
        match error.sqlite_error_code() {
            // It is as good as before.
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy) => {}
            _ => self.index = None,
        }
        if let Some(search) = app.search.get().filter(|_| index::is_damage(error)) {
            search.is_damaged();
        }
    }

    fn tell(&self, app: &App) {
        let Some(search) = app.search.get() else {
            return;
        };
        let waits = self
            .pending
            .values()
            .any(|p| p.first.elapsed() > 3 * LATEST);
        let is_complete = self.index.is_some() && self.compared.is_some() && !waits;
        search.is_complete.store(is_complete, Relaxed);
    }

    fn turn(&mut self, app: &App) -> Result<(), Trouble> {
        let search = app.search.get();
        if let Some(search) = search.filter(|search| search.is_damaged.load(Relaxed)) {
            tracing::warn!("the index of words is damaged; it is built anew");
            (self.index, self.compared) = (None, None);
            index::remove(&self.folder).map_err(index::not_usable)?;
            search.is_damaged.store(false, Relaxed);
        }
        // Somebody has removed it.
        if self.index.is_none() || !self.folder.join(index::FILE).exists() {
            (self.index, self.compared) = (Some(Index::open(&self.folder)?), None);
        }
        if self.compared.is_none_or(|at| at.elapsed() > ALL) {
            self.compare(app)?;
        }
        self.take_hints(app)?;
        if search.is_some_and(|search| search.is_behind.swap(false, Relaxed)) {
            self.forget_gone(app)?;
        }
        self.look(app)?;
        self.index_due(app)?;
        if self.is_left {
            // Somebody who reads it meanwhile keeps it there.
            self.is_left = !self.index()?.empty_journal()?;
        }
        Ok(())
    }

    fn take_hints(&mut self, app: &App) -> Result<(), Trouble> {
        for hint in std::mem::take(&mut self.hinted) {
            match hint {
                Hint::Back(name) => {
                    if let Lookup::Found(entry) = app.storage.entry(&name)? {
                        self.changed(&entry);
                    }
                }
                Hint::Gone(id) => {
                    let began = Instant::now();
                    self.forget(id)?;
                    pause(app, began.elapsed())?;
                }
            }
        }
        Ok(())
    }

    fn forget(&mut self, id: DocumentId) -> Result<(), Trouble> {
        self.pending.remove(&id);
        self.is_left |= self.index()?.forget(id)?;
        Ok(())
    }

    fn index(&mut self) -> Result<&mut Index, Trouble> {
        let none = || StorageError::Failed("there is no index".to_owned());
        Ok(self.index.as_mut().ok_or_else(none)?)
    }

    /// Looks at what was edited since the last time.
    fn look(&mut self, app: &App) -> Result<(), Trouble> {
        let commits = app.journal.stats().commits();
        if self.commits == Some(commits) {
            return Ok(());
        }
        let looks = Instant::now();
        let passed = i64::try_from((looks - self.looked).as_millis()).unwrap_or(i64::MAX);
        // An edit of a clock that was ahead may be newer than all that come for long.
        let looked_ms = app.machine.now_ms().saturating_sub(passed);
        let since = self.newest_ms.min(looked_ms).saturating_sub(SLACK_MS);
        let mut after: Option<Position> = None;
        'pages: loop {
            let entries = app.storage.list("", after, PAGE)?;
            after = entries.last().map(|entry| entry.position);
            let is_last = entries.len() < PAGE;
            for entry in entries {
                if entry.edited_at_ms < since {
                    break 'pages;
                }
                self.newest_ms = self.newest_ms.max(entry.edited_at_ms);
                if self.index()?.place(entry.id())? != Some(Place::of(&entry)) {
                    self.changed(&entry);
                }
            }
            if is_last {
                break;
            }
        }
        (self.commits, self.looked) = (Some(commits), looks);
        Ok(())
    }

    fn changed(&mut self, entry: &Entry) {
        if self.pending.len() >= MAX_PENDING && !self.pending.contains_key(&entry.id()) {
            self.compared = None;
            return;
        }
        let (now, place) = (Instant::now(), Place::of(entry));
        let pending = self.pending.entry(entry.id()).or_insert_with(|| Pending {
            rests_until: self.resting.get(&entry.id()).copied(),
            ..Pending::new(entry, now)
        });
        if pending.place != place {
            (pending.last, pending.place) = (now, place);
        }
        pending.name = entry.name.clone();
    }

    /// A document cannot be read: all others are indexed as before, and it stays as it is in the index until it can.
    fn set_aside(&mut self, app: &App, entry: &Entry, before: Option<Pending>, failure: &Failure) {
        app.metrics.search_failed.add_one();
        let (id, now) = (entry.id(), Instant::now());
        let before = before.or_else(|| self.pending.remove(&id));
        match &before {
            Some(_) => {
                tracing::debug!(name = %entry.name, error = %failure, "a document still cannot be read for the index of words")
            }
            None => {
                tracing::warn!(name = %entry.name, error = %failure, "a document cannot be read for the index of words; it is tried again in growing pauses")
            }
        }
        let mut pending = before.unwrap_or_else(|| Pending::new(entry, now));
        pending.rests_until = Some(now + (now - pending.first).clamp(AGAIN, ALL));
        if self.pending.len() < MAX_PENDING {
            self.pending.insert(id, pending);
        }
    }

    /// Indexes what has been quiet, or has waited for long.
    fn index_due(&mut self, app: &App) -> Result<(), Trouble> {
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let is_due = |pending: &Pending| {
            (now - pending.last >= QUIET || now - pending.first >= LATEST)
                && pending.rests_until.is_none_or(|until| until <= now)
        };
        let due: Vec<DocumentId> = self
            .pending
            .iter()
            .filter(|(_, p)| is_due(p))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(pending) = self.pending.remove(&id) else {
                continue;
            };
            let began = Instant::now();
            match read(app, &pending.name)? {
                Some((entry, Ok(text))) => {
                    self.index()?
                        .put(&[(entry.id(), Place::of(&entry), text)])?;
                    app.metrics.search_indexed.add_one();
                }
                Some((entry, Err(failure))) => {
                    self.set_aside(app, &entry, Some(pending), &failure);
                }
                None => {}
            }
            let took = began.elapsed();
            self.resting.insert(id, Instant::now() + took * REST);
            pause(app, took)?;
        }
        Ok(())
    }

    /// Compares all documents with the index, and brings it up to date.
    fn compare(&mut self, app: &App) -> Result<(), Trouble> {
        let looks = Instant::now();
        let mut after: Option<Position> = None;
        let mut newest_ms = None;
        loop {
            let entries = app.storage.list("", after, PAGE)?;
            after = entries.last().map(|entry| entry.position);
            let is_last = entries.len() < PAGE;
            newest_ms = newest_ms.or(entries.first().map(|entry| entry.edited_at_ms));
            let (mut batch, mut bytes) = (Vec::new(), 0);
            let mut began = Instant::now();
            for entry in entries {
                if self.index()?.place(entry.id())? == Some(Place::of(&entry)) {
                    continue;
                }
                let (entry, text) = match read(app, &entry.name)? {
                    Some((entry, Ok(text))) => (entry, text),
                    Some((entry, Err(failure))) => {
                        self.set_aside(app, &entry, None, &failure);
                        continue;
                    }
                    None => continue,
                };
                bytes += text.len();
                batch.push((entry.id(), Place::of(&entry), text));
                if bytes >= BATCH {
                    self.index()?.put(&batch)?;
                    app.metrics.search_indexed.add(batch.len() as u64);
                    (batch, bytes) = (Vec::new(), 0);
                    pause(app, began.elapsed())?;
                    began = Instant::now();
                }
            }
            self.index()?.put(&batch)?;
            app.metrics.search_indexed.add(batch.len() as u64);
            pause(app, began.elapsed())?;
            if is_last {
                break;
            }
        }
        self.forget_gone(app)?;
        (self.newest_ms, self.looked) = (newest_ms.unwrap_or(i64::MIN), looks);
        (self.compared, self.commits) = (Some(Instant::now()), None);
        Ok(())
    }

    /// Forgets what is gone for good.
    fn forget_gone(&mut self, app: &App) -> Result<(), Trouble> {
        let mut after = DocumentId(i64::MIN);
        loop {
            let ids = self.index()?.after(after, PAGE)?;
            let Some(last) = ids.last() else {
                return Ok(());
            };
            after = *last;
            let alive: Vec<DocumentId> = app.storage.entries(&ids)?.iter().map(Entry::id).collect();
            for id in ids.into_iter().filter(|id| !alive.contains(id)) {
                if app.storage.trashed(id)?.is_none() {
                    self.forget(id)?;
                }
            }
            pause(app, Duration::ZERO)?;
        }
    }
}

/// Half of the time is for others.
fn pause(app: &App, took: Duration) -> Result<(), Trouble> {
    // In small steps, so that the server need not wait for it.
    let until = Instant::now() + took;
    loop {
        if app.stopping.is_cancelled() {
            return Err(Trouble::Stopping);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}

mod read;
#[cfg(test)]
mod tests;
