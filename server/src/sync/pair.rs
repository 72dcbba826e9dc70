//! A file and the document it is kept in step with.
//!
//! Two replicas: the mirror is the document as the file has it, the link's is that of the server. What is done to the file is an edit
//! of the mirror; it is recorded before it leaves. What the server has more is written to the file in one exchange with what was there, and
//! if that is not what was expected, it was one more edit. So the two meet in the CRDT, and nowhere is a text written over another.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use ropewalk_crdt::{Document, Edit, ROOT, Unit, merge};
use tokio::time::{Instant, sleep_until};

use super::folder::{Stamp, Text, Unfit};
use super::past::Past;
use super::records::{Next, Record, digest};
use super::{Problem, Shared, diff};
use crate::link::{Created, Event, Link, client_id};
use crate::name::DocumentName;

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
/// So long what was in the place of a new text is kept: somebody may have it open and write on.
const LINGER: Duration = Duration::from_secs(3);

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
    lingering: Vec<Old>,
}

/// What was in the place of a new text.
struct Old {
    /// When to look whether somebody has written on in it.
    due: Instant,
    aside: String,
    text: String,
    /// Somebody has.
    is_changed: bool,
}

/// Keeps a file in step until that ends.
pub async fn run(shared: Arc<Shared>, path: &str, name: DocumentName) -> Result<End, Problem> {
    let beginning = async {
        // Closed never.
        let _turn = shared.turns.acquire().await;
        begin(&shared, path, name).await
    };
    let begun = tokio::select! {
        () = shared.stopping.cancelled() => return Ok(End::Stopped),
        begun = beginning => begun?,
    };
    let Some(mut pair) = begun else {
        return Ok(End::Idle);
    };
    let touched = shared.touched(path);
    pair.look = Some(Instant::now());
    loop {
        shared.is_in_step(path, pair.is_in_step());
        let flow = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => break,
            event = pair.link.next() => match event {
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
                Event::Saved | Event::People => Ok(None),
            },
            () = touched.notified() => {
                let now = Instant::now();
                let since = *pair.touched.get_or_insert(now);
                pair.look = Some((now + QUIET).min(since + RESTLESS));
                Ok(None)
            }
            () = at(pair.look) => pair.look().await,
            () = at(pair.write) => pair.write(),
            () = at(pair.lingering.first().map(|first| first.due)) => pair.forget_old(Instant::now(), false),
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

/// Reads a file when it does not change any more.
async fn read(shared: &Shared, path: &str) -> Result<Option<Text>, Unfit> {
    for _ in 0..50 {
        match shared.folder.read(path) {
            Err(Unfit::Restless) => tokio::time::sleep(QUIET).await,
            read => return read,
        }
    }
    Err(Unfit::Restless)
}

/// Finds out what both sides have, and brings them together for the first time. Nothing if that is not to be done.
async fn begin(
    shared: &Arc<Shared>,
    path: &str,
    name: DocumentName,
) -> Result<Option<Pair>, Problem> {
    let record = shared.records.get(path)?;
    let file = read(shared, path).await?;
    match (record, file) {
        (Some(Record { removed: true, .. }), None) => Ok(None),
        (Some(Record { gone: Some(_), .. }), None) => {
            // Both have deleted it.
            shared.records.forget(path)?;
            Ok(None)
        }
        (
            Some(Record {
                gone: Some(gone), ..
            }),
            Some(file),
        ) if gone == digest(&file.text) => Ok(None),
        (Some(Record { removed: true, .. } | Record { gone: Some(_), .. }), Some(file)) => {
            shared.records.forget(path)?;
            meet(shared, path, name, Some(file)).await
        }
        (Some(record), _) => resume(shared, path, name, record).map(Some),
        (None, file) => meet(shared, path, name, file).await,
    }
}

/// Goes on with what is recorded.
fn resume(
    shared: &Arc<Shared>,
    path: &str,
    name: DocumentName,
    mut record: Record,
) -> Result<Pair, Problem> {
    if let Some(next) = record.next.take() {
        let old = text_of(&record.mirror)?;
        let new = text_of(&next.mirror)?;
        let aside = shared
            .folder
            .read_aside(&next.aside)?
            .map(|aside| aside.text);
        let is_unread = shared
            .folder
            .read(path)?
            .is_some_and(|file| digest(&file.text) == next.before);
        let mut was_written = match &aside {
            Some(aside) => *aside != new,
            // Somebody has removed it.
            None => !is_unread,
        };
        if !was_written && is_unread && aside.is_some() {
            shared.folder.exchange(&next.aside, path)?;
            was_written = true;
        }
        if was_written {
            if let Some(aside) = aside.filter(|aside| *aside != new && digest(aside) != next.before)
            {
                let (_, more) = edited(&record.mirror, &diff::edits(&old, &aside))?;
                record.ahead = both(&record.ahead, &more);
            }
            record.mirror = next.mirror;
        }
        shared.records.put(path, &record)?;
        shared.folder.forget_aside(&next.aside)?;
    }
    let mirror = Document::open(client_id(), &record.mirror)?;
    let mut server = Document::open(client_id(), &record.mirror)?;
    if !record.ahead.is_empty() {
        server.apply(&record.ahead)?;
    }
    let link = Link::new(shared.address.clone(), name, server);
    Ok(Pair {
        ahead: record.ahead,
        ..Pair::new(shared, path, mirror, link)
    })
}

/// A file and a document that do not know of each other; either may be missing.
async fn meet(
    shared: &Arc<Shared>,
    path: &str,
    name: DocumentName,
    file: Option<Text>,
) -> Result<Option<Pair>, Problem> {
    if let Some(file) = &file
        && shared.address.create(&name, file.text.clone()).await? == Created::Now
    {
        shared.say(format_args!("{path}: begun on the server"));
    }
    let mut link = Link::new(shared.address.clone(), name, Document::new(client_id()));
    loop {
        match link.next().await {
            Event::Synced => break shared.online(),
            // It is somebody else's turn.
            Event::Offline(reason) => return Err(Problem::Offline(reason)),
            Event::Closed(4404, _) => return Ok(None),
            Event::Closed(code, reason) => return Err(Problem::Refused(code, reason)),
            _ => {}
        }
    }
    let text = link.document().text(ROOT).to_string();
    let saved = link.save();
    let record = Record {
        mirror: saved.clone(),
        ..Record::default()
    };
    match file {
        None if text.is_empty() => return Ok(None),
        None => {
            let aside = aside_name(&[&text]);
            shared.folder.put_aside(&aside, &text, path)?;
            let is_placed = shared.folder.place_new(&aside, path)?;
            shared.folder.forget_aside(&aside)?;
            if !is_placed {
                return Err(Problem::Again);
            }
            shared.say(format_args!("{path}: new here"));
        }
        Some(file) if file.text == text => {}
        // An empty document is the beginning of any text.
        Some(_) if text.is_empty() => {}
        Some(file) => {
            // The copies come first: what is aside may be forgotten in a crash.
            let aside = aside_name(&[&text, &file.text]);
            shared.folder.put_aside(&aside, &text, path)?;
            let keep = |text: &str| {
                if text.is_empty() {
                    return Ok(());
                }
                let copy = shared.copy(path, text)?;
                shared.say(format_args!(
                    "{path}: the server has another text under this name; yours is kept as {copy}"
                ));
                Ok::<_, Unfit>(())
            };
            if let Err(error) = keep(&file.text) {
                shared.folder.forget_aside(&aside)?;
                return Err(error.into());
            }
            shared.folder.exchange(&aside, path)?;
            match shared.folder.read_aside(&aside) {
                Ok(Some(found)) if found.text != file.text => keep(&found.text)?,
                Ok(_) => {}
                Err(error) => {
                    let kept = shared.folder.keep_aside(&aside)?;
                    shared.trouble(format_args!(
                        "{path}: what was there is kept as {kept}: {error}"
                    ));
                }
            }
            shared.folder.forget_aside(&aside)?;
        }
    }
    shared.records.put(path, &record)?;
    let mirror = Document::open(client_id(), &saved)?;
    Ok(Some(Pair::new(shared, path, mirror, link)))
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
            ahead: Vec::new(),
            link,
            look: None,
            touched: None,
            write: Some(Instant::now()),
            half: None,
            missing: None,
            is_unfit: false,
            lingering: Vec::new(),
        }
    }

    fn is_in_step(&self) -> bool {
        let is_same = self.link.document().version() == self.mirror.version();
        let is_done = self.look.is_none() && self.write.is_none();
        self.link.is_synced() && self.link.is_saved() && is_done && (is_same || self.is_unfit)
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
                return Ok(None);
            }
        };
        self.is_unfit = false;
        self.is_there();
        if self.stamp == Some(file.stamp) {
            return Ok(None);
        }
        if self.is_half(&file.text) && self.half != Some(file.stamp) {
            self.half = Some(file.stamp);
            self.look = Some(Instant::now() + HALF);
            return Ok(None);
        }
        self.stamp = Some(file.stamp);
        self.take(file.text)?;
        if is_restless {
            // There is no better time.
            return self.write();
        }
        Ok(None)
    }

    /// Whether somebody may be about to write the rest.
    fn is_half(&self, text: &str) -> bool {
        text.len() < self.shown.len() && self.shown.starts_with(text)
    }

    /// The file is not missing, or not any more: what came meanwhile was not written.
    fn is_there(&mut self) {
        self.missing = None;
        self.write.get_or_insert_with(Instant::now);
    }

    /// Takes in what the file has become.
    fn take(&mut self, text: String) -> Result<(), Problem> {
        let edits = diff::edits(&self.shown, &text);
        if edits.is_empty() {
            return Ok(());
        }
        if let Some((seen, edits)) = self.past.base(&edits, &text) {
            let (before, update) = match edited(&seen, &edits) {
                Ok(edited) => edited,
                Err(Problem::Document(error)) => return self.refused(error),
                Err(problem) => return Err(problem),
            };
            let path = &self.path;
            self.shared.say(format_args!(
                "{path}: saved without what others have written meanwhile; both are in it now"
            ));
            return self.exchange(&text, before, Some(update));
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

    /// Brings mirror and file to where the link is, and to an update that is not yet there. `expected` is what the file has now,
    /// `before` the document with that text.
    fn exchange(
        &mut self,
        expected: &str,
        before: Vec<u8>,
        update: Option<Vec<u8>>,
    ) -> Result<(), Problem> {
        let has = self.mirror.version().vector.clone();
        let news = self.link.diff(&has);
        self.mirror.apply(&news)?;
        let mut ahead = self.ahead.clone();
        if let Some(update) = &update {
            self.mirror.apply(update)?;
            // `before` is of a time when the mirror had less.
            let seen = Document::open(client_id(), &before)?;
            ahead = both(&ahead, &self.mirror.diff(&seen.version().vector));
        }
        let text = self.mirror.text(ROOT).to_string();
        if text == expected {
            self.shown = text;
            self.ahead.clear();
            self.record()?;
            if let Some(update) = update {
                self.link.apply(&update)?;
            }
            return Ok(());
        }
        let aside = aside_name(&[&text, expected]);
        self.shared.folder.put_aside(&aside, &text, &self.path)?;
        let record = Record {
            mirror: before.clone(),
            ahead,
            next: Some(Next {
                mirror: self.mirror.save(),
                aside: aside.clone(),
                before: digest(expected),
            }),
            ..Record::default()
        };
        self.shared.records.put(&self.path, &record)?;
        if let Some(update) = update {
            self.link.apply(&update)?;
        }
        match self.shared.folder.exchange(&aside, &self.path) {
            Ok(()) => {}
            Err(Unfit::System(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                // Whoever has taken it away has not seen this: it is not to be deleted with it.
                return Err(Problem::Again);
            }
            Err(error) => return Err(error.into()),
        }
        let found = self.shared.folder.read_aside(&aside);
        let mut more = Vec::new();
        match &found {
            Ok(Some(found)) if found.text != expected && found.text != text => {
                (_, more) = edited(&before, &diff::edits(&text_of(&before)?, &found.text))?;
            }
            Ok(_) => {}
            Err(error) => {
                let (path, kept) = (&self.path, self.shared.folder.keep_aside(&aside)?);
                self.shared.trouble(format_args!(
                    "{path}: what was there is kept as {kept}: {error}"
                ));
            }
        }
        self.shown = text;
        self.ahead = more.clone();
        self.record()?;
        if let Ok(Some(found)) = found {
            self.lingering.push(Old {
                due: Instant::now() + LINGER,
                aside,
                text: found.text,
                is_changed: false,
            });
        }
        if !more.is_empty() {
            self.link.apply(&more)?;
            self.write = Some(Instant::now());
        }
        // Whoever was quick has changed it already.
        self.stamp = None;
        self.look = Some(Instant::now());
        self.write.get_or_insert_with(|| Instant::now() + PAUSE);
        Ok(())
    }

    /// Forgets what was taken out of the way, unless somebody went on writing there: then it is kept, when that has ended.
    fn forget_old(&mut self, now: Instant, is_end: bool) -> Result<Option<End>, Problem> {
        let due = self.lingering.partition_point(|old| old.due <= now);
        for mut old in self.lingering.drain(..due).collect::<Vec<_>>() {
            if let Ok(Some(found)) = self.shared.folder.read_aside(&old.aside)
                && found.text != old.text
            {
                old.text = found.text;
                old.is_changed = true;
                if !is_end {
                    old.due = now + LINGER;
                    self.lingering.push(old);
                    continue;
                }
            }
            if old.is_changed {
                let copy = self.shared.copy(&self.path, &old.text)?;
                let path = &self.path;
                self.shared.say(format_args!(
                    "{path}: somebody wrote on in a file that was replaced; that is kept as {copy}"
                ));
            }
            self.shared.folder.forget_aside(&old.aside)?;
        }
        Ok(None)
    }

    /// The file is not there.
    async fn missing(&mut self) -> Result<Option<End>, Problem> {
        let now = Instant::now();
        let since = *self.missing.get_or_insert(now);
        if now < since + BACK {
            self.look = Some(since + BACK);
            return Ok(None);
        }
        let path = &self.path;
        if !self.shared.folder.is_whole() {
            return Ok(None);
        }
        if self.shared.deletes {
            if !self.link.is_synced() || !self.link.is_saved() {
                // What others have written meanwhile is not known.
                self.look = Some(now + BACK);
                return Ok(None);
            }
            if self.shared.delete(self.link.name(), &self.shown).await? {
                self.shared.records.forget(path)?;
                self.shared
                    .say(format_args!("{path}: deleted, here and on the server"));
                return Ok(Some(End::Idle));
            }
            self.shared.records.forget(path)?;
            self.shared.say(format_args!(
                "{path}: others have written in it meanwhile; it comes back"
            ));
            return Ok(Some(End::Again));
        }
        let record = Record {
            mirror: self.mirror.save(),
            removed: true,
            ..Record::default()
        };
        self.shared.records.put(path, &record)?;
        self.shared.say(format_args!(
            "{path}: deleted here; the document stays on the server"
        ));
        Ok(Some(End::Idle))
    }

    /// The server has no such document any more.
    fn closed(&mut self, code: u16, reason: &str) -> Result<Option<End>, Problem> {
        let path = self.path.clone();
        let file = self.shared.folder.read(&path)?;
        match (code, file) {
            (4404, None) => self.shared.records.forget(&path)?,
            (4404, Some(file))
                if self.shared.deletes && file.text == self.shown && self.link.is_saved() =>
            {
                let aside = format!("removed-{}", aside_name(&[]));
                self.shared.folder.take_out(&path, &aside)?;
                self.shared.records.forget(&path)?;
                self.shared.say(format_args!(
                    "{path}: deleted on the server, and here; it is kept as {}/{aside}",
                    super::ASIDE
                ));
            }
            (4404, Some(file)) => {
                let record = Record {
                    mirror: self.mirror.save(),
                    gone: Some(digest(&file.text)),
                    ..Record::default()
                };
                self.shared.records.put(&path, &record)?;
                self.shared.say(format_args!(
                    "{path}: deleted on the server; the file stays, and an edit of it begins the document again"
                ));
            }
            (4409, _) => {
                self.shared.records.forget(&path)?;
                self.shared.say(format_args!(
                    "{path}: the server has another document under this name now"
                ));
                return Ok(Some(End::Again));
            }
            (code, _) => return Err(Problem::Refused(code, reason.to_owned())),
        }
        Ok(Some(End::Idle))
    }

    /// The process ends: what has changed in the file is taken in, and sent if that is quick.
    async fn finish(mut self) -> Result<(), Problem> {
        if self.shared.folder.stamp(&self.path)? != self.stamp
            && let Ok(Some(file)) = self.shared.folder.read(&self.path)
            // The next process sees what it has become.
            && !self.is_half(&file.text)
        {
            self.take(file.text)?;
        }
        let later = Instant::now() + LINGER;
        while self.link.is_synced() && !self.link.is_saved() {
            tokio::select! {
                _ = self.link.next() => {}
                () = sleep_until(later) => break,
            }
        }
        self.forget_old(later, true)?;
        self.link.leave().await;
        Ok(())
    }
}

fn text_of(saved: &[u8]) -> Result<String, Problem> {
    Ok(Document::open(client_id(), saved)?.text(ROOT).to_string())
}

/// A saved document with edits: saved again, and as an update.
fn edited(saved: &[u8], edits: &[Edit]) -> Result<(Vec<u8>, Vec<u8>), Problem> {
    let mut document = Document::open(client_id(), saved)?;
    let base = document.version().clone();
    let update = document.edit(&base, ROOT, Unit::Utf8, edits)?;
    Ok((document.save(), update))
}

fn both(one: &[u8], other: &[u8]) -> Vec<u8> {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => other.to_vec(),
        (_, true) => one.to_vec(),
        _ => merge(&[one, other]).unwrap_or_else(|| other.to_vec()),
    }
}

/// A name for what goes aside; it tells which texts may lie there without anybody having written on in them.
fn aside_name(texts: &[&str]) -> String {
    let name = format!("text-{:016x}", rand::rng().random::<u64>());
    texts
        .iter()
        .fold(name, |name, text| name + "-" + &hex(text))
}

/// Whether what is aside, under such a name, is what was put there.
pub fn is_as_it_was(aside: &str, text: &str) -> bool {
    aside.split('-').skip(2).any(|known| known == hex(text))
}

fn hex(text: &str) -> String {
    digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
