//! A file and the document it is kept in step with.
//!
//! Two replicas: the mirror is the document as the file has it, the link's is that of the server. What is done to the file is an edit
//! of the mirror; it is recorded before it leaves. What the server has more is written to the file in one exchange with what was there, and
//! if that is not what was expected, it was one more edit. So the two meet in the CRDT, and nowhere is a text written over another.

use std::sync::Arc;
use std::time::Duration;

use ropewalk_crdt::{ClientId, Document, Edit, ROOT, Unit, merge};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::folder::{STEP, Stamp, Unfit};
use super::past::Past;
use super::records::Record;
use super::shared::Shared;
use super::{Problem, diff};
use crate::link::{Event, Link, client_id};
use crate::name::DocumentName;
use left::Lingering;

mod ending;
mod exchange;
mod left;
mod meeting;

pub use exchange::is_as_it_was;
pub use left::Left;

/// A file is read when nobody has touched it for so long.
const QUIET: Duration = Duration::from_millis(80);
/// Or, if that never is, after so long.
const RESTLESS: Duration = Duration::from_secs(2);
/// A file that has become the beginning of what it was may be half written.
const HALF: Duration = Duration::from_millis(700);
/// A file that is gone may come back: some editors save so.
const BACK: Duration = Duration::from_secs(1);
/// Between two times that a file is written.
const PAUSE: Duration = Duration::from_millis(250);
/// So long what was in the place of a new text is looked at: somebody may have it open and write on.
pub const LINGER: Duration = Duration::from_secs(60);
/// The longest time that others wait until this one is connected.
const TURN: Duration = Duration::from_secs(2);
/// How long the end may take.
const LEAVE: Duration = Duration::from_secs(3);

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// There is nothing to keep in step until the file is touched.
    Idle,
    /// To be begun anew.
    Again,
    /// The process ends.
    Stopped,
}

/// See the module.
pub struct Pair {
    shared: Arc<Shared>,
    path: String,
    mirror: Document,
    /// The text of the file as it was read or written last, which is that of the mirror.
    shown: String,
    stamp: Option<Stamp>,
    past: Past,
    /// Who writes what is saved without what others have written.
    late: Writer,
    /// What was read from the file and is not in the mirror; the link has it.
    ahead: Vec<u8>,
    link: Link,
    /// When to look at the file, and when to write it.
    look: Option<Instant>,
    write: Option<Instant>,
    /// Since when it is touched without having been looked at.
    touched: Option<Instant>,
    /// A file that may be half written.
    half: Option<Stamp>,
    /// Since when it is missing.
    missing: Option<Instant>,
    /// It is none that can be kept in step, and that was said.
    is_unfit: bool,
    /// What was taken out of the way, as it was then.
    lingering: Lingering,
}

/// Keeps a file in step until that ends.
pub async fn run(shared: Arc<Shared>, path: &str, name: DocumentName) -> Result<End, Problem> {
    let beginning = async {
        // Closed never.
        let turn = shared.turns.acquire().await;
        let begun = meeting::begin(&shared, path, name).await;
        begun.map(|begun| (begun, turn))
    };
    let (begun, turn) = tokio::select! {
        () = shared.stopping.cancelled() => return Ok(End::Stopped),
        begun = beginning => begun?,
    };
    let Some(mut pair) = begun else {
        return Ok(End::Idle);
    };
    // Whose connection comes to nothing soon does not hold up all others.
    let mut turn = Some(turn).filter(|_| !pair.link.is_synced());
    let turn_ends = Instant::now() + TURN;
    let touched = shared.touched(path);
    pair.look = Some(Instant::now());
    loop {
        shared.is_in_step(path, pair.is_in_step());
        let flow = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => break,
            event = pair.link.next() => {
                turn = None;
                match event {
                Event::Synced | Event::Changed => {
                    shared.online();
                    pair.write.get_or_insert_with(|| Instant::now() + PAUSE);
                    Ok(None)
                }
                Event::Offline(reason) => {
                    shared.offline(&reason);
                    Ok(None)
                }
                Event::Closed(code, reason) => pair.closed(code, &reason),
                Event::Refused => {
                    shared.read_only(path);
                    Ok(None)
                }
                Event::Access(true) => {
                    shared.not_read_only(path);
                    Ok(None)
                }
                Event::Saved | Event::People | Event::Access(false) => Ok(None),
                }
            }
            () = sleep_until(turn_ends), if turn.is_some() => {
                turn = None;
                Ok(None)
            }
            () = touched.notified() => {
                let now = Instant::now();
                let since = *pair.touched.get_or_insert(now);
                pair.look = Some((now + QUIET).min(since + RESTLESS));
                Ok(None)
            }
            () = at(pair.look) => pair.look().await,
            () = at(pair.write) => pair.write(),
            () = at(pair.lingering.olds.first().map(|first| first.due)) => pair.look_at_old(Instant::now()),
            () = at(pair.lingering.emptied.as_ref().map(|emptied| emptied.due)) => pair.look_at_emptied(Instant::now()),
        };
        if let Some(end) = flow? {
            pair.link.leave().await;
            return Ok(end);
        }
    }
    pair.finish().await?;
    Ok(End::Stopped)
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

impl Pair {
    fn new(shared: &Arc<Shared>, path: &str, mirror: Document, link: Link) -> Self {
        Self {
            shared: shared.clone(),
            path: path.to_owned(),
            shown: mirror.text(ROOT).to_string(),
            mirror,
            stamp: None,
            past: Past::default(),
            late: Writer::default(),
            ahead: Vec::new(),
            link,
            look: None,
            touched: None,
            write: Some(Instant::now()),
            half: None,
            missing: None,
            is_unfit: false,
            lingering: Lingering::new(shared, path),
        }
    }

    fn is_in_step(&self) -> bool {
        let is_same = self.link.document().version() == self.mirror.version();
        let is_done = self.look.is_none() && self.write.is_none();
        // To wait for what is refused would be in vain.
        let is_sent = self.link.is_saved() || self.link.is_refused();
        self.link.is_synced() && is_sent && is_done && (is_same || self.is_unfit)
    }

    /// Looks at the file, and takes in what has changed.
    async fn look(&mut self) -> Result<Option<End>, Problem> {
        self.look = None;
        let is_restless = self
            .touched
            .take()
            .is_some_and(|since| Instant::now() >= since + RESTLESS);
        if self.stamp.is_some() && self.shared.folder.stamp(&self.path).ok() == Some(self.stamp) {
            self.is_there();
            return Ok(None);
        }
        let file = match self.shared.folder.read(&self.path) {
            Ok(Some(file)) => file,
            Ok(None) => return self.missing().await,
            Err(Unfit::Restless) => {
                self.look = Some(Instant::now() + QUIET);
                return Ok(None);
            }
            Err(unfit) => {
                if !self.is_unfit {
                    let path = &self.path;
                    self.shared
                        .trouble(format_args!("{path}: {unfit}; it is left alone"));
                }
                self.is_unfit = true;
                // When it is what it was, it is to be read.
                self.stamp = None;
                return Ok(None);
            }
        };
        self.is_unfit = false;
        self.is_there();
        if self.stamp == Some(file.stamp) {
            return Ok(None);
        }
        if is_half(&self.shown, &file.text) && self.half != Some(file.stamp) {
            self.half = Some(file.stamp);
            self.look = Some(Instant::now() + HALF);
            return Ok(None);
        }
        self.stamp = Some(file.stamp);
        self.take(file.text).await?;
        let end = match is_restless {
            // There is no better time.
            true => self.write()?,
            false => None,
        };
        if file.is_fresh && self.look.is_none() && !self.is_unfit {
            // Until it is not, its stamp does not tell whether it has changed.
            self.stamp = None;
            self.look = Some(Instant::now() + STEP);
        }
        Ok(end)
    }

    /// The file is not missing, or not any more: what came meanwhile was not written.
    fn is_there(&mut self) {
        self.missing = None;
        self.write.get_or_insert_with(Instant::now);
    }

    /// Takes in what the file has become.
    async fn take(&mut self, text: String) -> Result<(), Problem> {
        let edits = diff::edits(&self.shown, &text);
        if edits.is_empty() {
            return Ok(());
        }
        if self.past.is_meant(&text) {
            let (path, copy) = (&self.path, self.shared.copy(&self.path, &self.shown)?);
            self.shared.say(format_args!(
                "{path}: saved once more without what others have written; what it was with that is kept as {copy}"
            ));
        }
        let mut past = std::mem::take(&mut self.past);
        // As many comparisons as there are states can take seconds, which others need not wait for.
        let looked = spawn_blocking(move || {
            let base = past.base(&edits, &text);
            (past, edits, text, base)
        });
        let (past, edits, text, base) = looked.await.map_err(|_| Problem::Panicked)?;
        self.past = past;
        if let Some((seen, edits)) = base {
            let (before, update) = match self.late.edit(&seen, &edits) {
                Ok(edited) => edited,
                Err(Problem::Document(error)) => return self.refused(error),
                Err(problem) => return Err(problem),
            };
            let path = &self.path;
            self.shared.say(format_args!(
                "{path}: saved without what others have written meanwhile; both are in it now"
            ));
            self.exchange(&text, before.clone(), Some(update))?;
            self.past.add(before, text);
            return Ok(());
        }
        let base = self.mirror.version().clone();
        let update = match self.mirror.edit(&base, ROOT, Unit::Utf8, &edits) {
            Ok(update) => update,
            Err(error) => return self.refused(error),
        };
        self.shown = text;
        self.record()?;
        self.link.apply(&update)?;
        self.write = Some(Instant::now());
        Ok(())
    }

    /// The file says what the document cannot hold.
    fn refused(&mut self, error: ropewalk_crdt::Error) -> Result<(), Problem> {
        let path = &self.path;
        self.shared
            .trouble(format_args!("{path}: {error}; it is left alone"));
        self.is_unfit = true;
        Ok(())
    }

    fn record(&mut self) -> Result<(), Problem> {
        let record = Record {
            mirror: self.mirror.save(),
            ahead: self.ahead.clone(),
            ..Record::default()
        };
        Ok(self.shared.records.put(&self.path, &record)?)
    }

    /// Writes what the server has more, if it has.
    fn write(&mut self) -> Result<Option<End>, Problem> {
        self.write = None;
        if self.is_unfit
            || self.missing.is_some()
            || self.link.document().version() == self.mirror.version()
        {
            return Ok(None);
        }
        if self.look.is_some() || self.shared.folder.stamp(&self.path)? != self.stamp {
            // First what has changed here.
            self.look.get_or_insert_with(Instant::now);
            self.write = Some(Instant::now() + QUIET);
            return Ok(None);
        }
        let before = self.mirror.save();
        let shown = self.shown.clone();
        self.exchange(&shown, before.clone(), None)?;
        if self.shown != shown {
            self.past.add(before, shown);
        }
        Ok(None)
    }

    /// The process ends: what has changed in the file is taken in, and sent if that is quick.
    async fn finish(mut self) -> Result<(), Problem> {
        if self.shared.folder.stamp(&self.path)? != self.stamp
            && let Ok(Some(file)) = self.shared.folder.read(&self.path)
            // The next process sees what it has become.
            && !is_half(&self.shown, &file.text)
        {
            self.take(file.text).await?;
        }
        self.look_at_all_old()?;
        let later = Instant::now() + LEAVE;
        while self.link.is_synced() && !self.link.is_saved() && !self.link.is_refused() {
            tokio::select! {
                _ = self.link.next() => {}
                () = sleep_until(later) => break,
            }
        }
        self.link.leave().await;
        Ok(())
    }
}

/// Whether somebody may be about to write the rest of what a file had.
fn is_half(had: &str, has: &str) -> bool {
    has.len() < had.len() && had.starts_with(has)
}

fn text_of(saved: &[u8]) -> Result<String, Problem> {
    Ok(Document::open(client_id(), saved)?.text(ROOT).to_string())
}

/// Who writes in saved documents, one after the other. As long as each has what was written in the one before, one client id is
/// enough for all: documents remember each that there ever was, and take no end of them.
#[derive(Debug)]
struct Writer {
    client: ClientId,
    /// What was written under it.
    clock: u64,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            client: client_id(),
            clock: 0,
        }
    }
}

impl Writer {
    /// A saved document with edits: saved again, and as an update.
    fn edit(&mut self, saved: &[u8], edits: &[Edit]) -> Result<(Vec<u8>, Vec<u8>), Problem> {
        let mut document = Document::open(self.client, saved)?;
        if document.version().vector.get(self.client) != self.clock {
            // Two texts must not have the same clocks.
            *self = Self::default();
            document = Document::open(self.client, saved)?;
        }
        let base = document.version().clone();
        let update = document.edit(&base, ROOT, Unit::Utf8, edits)?;
        self.clock = document.version().vector.get(self.client);
        Ok((document.save(), update))
    }
}

fn both(one: &[u8], other: &[u8]) -> Vec<u8> {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => other.to_vec(),
        (_, true) => one.to_vec(),
        _ => merge(&[one, other]).unwrap_or_else(|| other.to_vec()),
    }
}

#[cfg(test)]
mod tests;
