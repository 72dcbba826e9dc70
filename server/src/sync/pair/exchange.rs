//! A new text takes the place of a file, and what was there is looked at.

use rand::RngExt as _;
use ropewalk_crdt::{Document, ROOT};
use tokio::time::Instant;

use super::{End, HALF, LINGER, PAUSE, Pair, Writer, both, is_half, text_of};
use crate::link::client_id;
use crate::sync::aside::settle;
use crate::sync::folder::{Folder, Stamp, Text, Unfit};
use crate::sync::records::{Next, Record, digest};
use crate::sync::{Problem, diff};

/// Of a file that is written again and again, so many old ones are looked at: as many as there are in [`LINGER`].
const OLD: usize = 256;
/// And so many bytes of them, unless it is only one.
const OLD_BYTES: usize = 32 << 20;

/// What was in the place of a new text. Somebody may have it open: what is written to it is an edit of what it had.
pub(super) struct Old {
    /// When to look at it, and how long.
    pub(super) due: Instant,
    pub(super) until: Instant,
    pub(super) aside: String,
    /// The document with the text that it had, as it is saved.
    pub(super) mirror: Vec<u8>,
    writer: Writer,
    /// The name that tells which text it has, if that is another one by now.
    name: Option<String>,
    /// As it was when all of it had been taken in.
    stamp: Option<Stamp>,
}

impl Pair {
    /// Brings mirror and file to where the link is, and to an update that is not yet there. `expected` is what the file has now,
    /// `before` the document with that text.
    pub(super) fn exchange(
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
        let now = Instant::now();
        let mut old = Old::new(now, aside, before);
        let found = self.shared.folder.read_aside(&old.aside);
        if matches!(&found, Ok(Some(found)) if found.text == text) {
            old.mirror = self.mirror.save();
        }
        let more = match found {
            Ok(Some(found)) => old.take(found)?.0,
            Ok(None) | Err(Unfit::Restless | Unfit::NotText) => Vec::new(),
            Err(error) => {
                let (path, kept) = (&self.path, self.shared.folder.keep_aside(&old.aside)?);
                self.shared.trouble(format_args!(
                    "{path}: what was there is kept as {kept}: {error}"
                ));
                Vec::new()
            }
        };
        self.shown = text;
        self.ahead = more.clone();
        self.record()?;
        old.rename(&self.shared.folder);
        self.lingering.olds.push(old);
        if !more.is_empty() {
            self.link.apply(&more)?;
            self.write = Some(Instant::now());
        }
        // Whoever was quick has changed it already.
        self.stamp = None;
        self.look = Some(Instant::now());
        self.write.get_or_insert_with(|| Instant::now() + PAUSE);
        self.bound_old(now);
        self.look_at_old(now)?;
        Ok(())
    }

    /// Of too many old files, those have their last look to which nobody has written for the longest time.
    fn bound_old(&mut self, now: Instant) {
        let all = &mut self.lingering.olds;
        let mut files = all.len();
        let mut bytes: usize = all.iter().map(|old| old.mirror.len()).sum();
        let mut order: Vec<_> = all.iter_mut().collect();
        order.sort_by_key(|old| old.until);
        for old in order {
            if files <= OLD && bytes <= OLD_BYTES || files == 1 {
                break;
            }
            (old.due, old.until) = (now, now);
            (files, bytes) = (files - 1, bytes - old.mirror.len());
        }
        all.sort_by_key(|old| old.due);
    }

    /// Takes in what was written to files that were replaced, and forgets them when that is long ago.
    pub(super) fn look_at_old(&mut self, now: Instant) -> Result<Option<End>, Problem> {
        let olds = &self.lingering.olds;
        for _ in 0..olds.partition_point(|old| old.due <= now) {
            let mut old = self.lingering.olds.remove(0);
            old.due = now + HALF;
            match self.look_at(&mut old, now) {
                Ok(true) => {}
                Ok(false) => self.lingering.olds.push(old),
                Err(problem) => {
                    // What it was taken for may not be recorded.
                    settle(&self.shared, &old.aside, |_| false)?;
                    return Err(problem);
                }
            }
        }
        Ok(None)
    }

    /// Takes in what was written to all of them. Those that are not forgotten yet have names by which the next process knows whether
    /// somebody has written on.
    pub(super) fn look_at_all_old(&mut self) -> Result<(), Problem> {
        let now = Instant::now();
        for old in &mut self.lingering.olds {
            old.due = now;
        }
        self.look_at_old(now).map(drop)
    }

    /// Takes in what was written to one of them. Whether nobody need look at it any more.
    fn look_at(&mut self, old: &mut Old, now: Instant) -> Result<bool, Problem> {
        let (more, is_taken_in) = old.look(&self.shared.folder)?;
        if !more.is_empty() {
            self.ahead = both(&self.ahead, &more);
            self.record()?;
            self.link.apply(&more)?;
            self.write = Some(now);
            old.until = now + LINGER;
            old.rename(&self.shared.folder);
        }
        if now < old.until {
            return Ok(false);
        }
        settle(&self.shared, &old.aside, |_| is_taken_in)?;
        Ok(true)
    }
}

impl Old {
    pub(super) fn new(now: Instant, aside: String, mirror: Vec<u8>) -> Self {
        Self {
            due: now + HALF,
            until: now + LINGER,
            aside,
            mirror,
            writer: Writer::default(),
            name: None,
            stamp: None,
        }
    }

    /// Gives it the name that it should have; when what was taken in is recorded, and not before.
    pub(super) fn rename(&mut self, folder: &Folder) {
        // Without it, the next process keeps what need not be kept.
        if let Some(name) = self.name.take()
            && folder.rename_aside(&self.aside, &name).is_ok()
        {
            self.aside = name;
        }
    }

    /// What was written to it, as an update, and whether that is all.
    fn look(&mut self, folder: &Folder) -> Result<(Vec<u8>, bool), Problem> {
        if self.stamp.is_some() && folder.stamp_aside(&self.aside).ok() == Some(self.stamp) {
            return Ok((Vec::new(), true));
        }
        match folder.read_aside(&self.aside) {
            Ok(Some(found)) => self.take(found),
            Ok(None) => Ok((Vec::new(), true)),
            // It is being written, or what is in it is no text yet.
            Err(_) => Ok((Vec::new(), false)),
        }
    }

    /// Takes in what is in it, but nothing of what may be half written.
    pub(super) fn take(&mut self, found: Text) -> Result<(Vec<u8>, bool), Problem> {
        let had = text_of(&self.mirror)?;
        if is_half(&had, &found.text) {
            return Ok((Vec::new(), false));
        }
        let mut more = Vec::new();
        if had != found.text {
            let edits = diff::edits(&had, &found.text);
            (self.mirror, more) = match self.writer.edit(&self.mirror, &edits) {
                Ok(edited) => edited,
                // More than a document can hold.
                Err(Problem::Document(_)) => return Ok((Vec::new(), false)),
                Err(problem) => return Err(problem),
            };
            self.name = Some(aside_name(&[&found.text]));
        }
        self.stamp = Some(found.stamp).filter(|_| !found.is_fresh);
        Ok((more, true))
    }
}

/// A name for what goes aside; it tells which texts may lie there without anybody having written on in them.
pub(super) fn aside_name(texts: &[&str]) -> String {
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
