//! How a file and a document come together: where they were, or for the first time.

use std::sync::Arc;

use ropewalk_crdt::{Document, ROOT};
use tokio::time::Instant;

use super::exchange::{Old, aside_name};
use super::left::Lingering;
use super::{End, HALF, LINGER, Pair, QUIET, both, text_of};
use crate::link::{Created, Event, Link, client_id};
use crate::name::DocumentName;
use crate::sync::Problem;
use crate::sync::folder::{Text, Unfit};
use crate::sync::records::{Record, digest};
use crate::sync::shared::Shared;

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
pub(super) async fn begin(
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
pub(super) fn resume(
    shared: &Arc<Shared>,
    path: &str,
    name: DocumentName,
    mut record: Record,
) -> Result<Pair, Problem> {
    let mut lingering = Lingering::new(shared, path);
    if let Some(next) = record.next.take() {
        let new = text_of(&next.mirror)?;
        let file = shared.folder.read(path)?.map(|file| file.text);
        let aside = match shared.folder.read_aside(&next.aside) {
            Err(Unfit::System(error)) => return Err(Unfit::System(error).into()),
            read => read,
        };
        let (was_made, is_new) = match &aside {
            // Or somebody has saved just the same.
            Ok(Some(aside)) if aside.text == new => (file.as_ref() == Some(&new), true),
            // Somebody has removed it.
            Ok(None) => (file.is_none_or(|file| digest(&file) != next.before), false),
            Ok(Some(_)) | Err(_) => (true, false),
        };
        if was_made {
            let had = match is_new {
                true => next.mirror.clone(),
                false => record.mirror,
            };
            let mut old = Old::new(Instant::now(), next.aside.clone(), had);
            if let Ok(Some(aside)) = aside {
                record.ahead = both(&record.ahead, &old.take(aside)?.0);
            }
            record.mirror = next.mirror;
            lingering.olds.push(old);
        }
        shared.records.put(path, &record)?;
        for old in &mut lingering.olds {
            old.rename(&shared.folder);
        }
        if !was_made {
            shared.folder.forget_aside(&next.aside)?;
        }
    }
    let mirror = Document::open(client_id(), &record.mirror)?;
    let mut server = Document::open(client_id(), &record.mirror)?;
    if !record.ahead.is_empty() {
        server.apply(&record.ahead)?;
    }
    let link = Link::new(shared.address.clone(), name, server);
    let mut pair = Pair {
        ahead: record.ahead,
        lingering,
        ..Pair::new(shared, path, mirror, link)
    };
    pair.take_over();
    Ok(pair)
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
    let mut emptied = None;
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
        // An empty document is the beginning of any text, but of one alone.
        Some(file) if text.is_empty() => {
            shared.address.fill(link.name(), &file.text).await?;
            return Err(Problem::Again);
        }
        Some(_) => {
            emptied = Emptied::replace(shared, path, &text)?;
        }
    }
    shared.records.put(path, &record)?;
    let mirror = Document::open(client_id(), &saved)?;
    let mut pair = Pair::new(shared, path, mirror, link);
    pair.lingering.emptied = emptied;
    pair.take_over();
    Ok(Some(pair))
}

/// An empty file that gave way to the text of a document: somebody may be about to write it.
pub(super) struct Emptied {
    pub(super) aside: String,
    /// When to look at it, and how long.
    pub(super) due: Instant,
    pub(super) until: Instant,
}

impl Emptied {
    /// Puts the text of a document in the place of a file that it has nothing to do with. The file itself is the copy that is
    /// kept: whoever has it open writes on in that. An empty one is kept aside until somebody does.
    fn replace(shared: &Shared, path: &str, text: &str) -> Result<Option<Self>, Problem> {
        // After a crash, what is aside is kept unless it has one of these.
        let aside = aside_name(&[text, ""]);
        shared.folder.put_aside(&aside, text, path)?;
        shared.folder.exchange(&aside, path)?;
        let now = Instant::now();
        let emptied = Self {
            aside,
            due: now + HALF,
            until: now + LINGER,
        };
        emptied.look(shared, path, now)
    }

    /// Keeps it as a copy if it is not empty any more, and forgets it after some time if it is.
    fn look(mut self, shared: &Shared, path: &str, now: Instant) -> Result<Option<Self>, Problem> {
        match shared.folder.read_aside(&self.aside) {
            Ok(None) => return Ok(None),
            Ok(Some(found)) if found.text.is_empty() => {
                if now < self.until {
                    self.due = now + HALF;
                    return Ok(Some(self));
                }
                shared.folder.forget_aside(&self.aside)?;
                return Ok(None);
            }
            Ok(Some(_)) | Err(_) => {}
        }
        let copy = shared.keep_beside(path, &self.aside)?;
        shared.say(format_args!(
            "{path}: the server has another text under this name; yours is kept as {copy}"
        ));
        Ok(None)
    }
}

impl Pair {
    /// Looks whether somebody has written the file that was empty at the first meeting.
    pub(super) fn look_at_emptied(&mut self, now: Instant) -> Result<Option<End>, Problem> {
        if let Some(emptied) = self.lingering.emptied.take() {
            self.lingering.emptied = emptied.look(&self.shared, &self.path, now)?;
        }
        Ok(None)
    }
}
