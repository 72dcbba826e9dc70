//! A new text takes the place of a file, and what was there is looked at.

use rand::RngExt as _;
use ropewalk_crdt::{Document, ROOT};
use tokio::time::Instant;

use super::{End, LINGER, PAUSE, Pair, both, edited, text_of};
use crate::link::client_id;
use crate::sync::folder::Unfit;
use crate::sync::records::{Next, Record, digest};
use crate::sync::{Problem, diff};

/// What was in the place of a new text.
pub(super) struct Old {
    /// When to look whether somebody has written on in it.
    pub(super) due: Instant,
    aside: String,
    text: String,
    /// Somebody has.
    is_changed: bool,
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
    pub(super) fn forget_old(
        &mut self,
        now: Instant,
        is_end: bool,
    ) -> Result<Option<End>, Problem> {
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
