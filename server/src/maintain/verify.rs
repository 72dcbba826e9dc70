//! Whether every document can be read, and is what its history says.

use ropewalk_crdt::{self as crdt, Document, Limits};

use super::{Done, Failure, Progress, count};
use crate::config::Config;
use crate::document::replay;
use crate::machine::{Host, Machine as _};
use crate::storage::sqlite::reader::Reader;
use crate::storage::{Entry, Lookup, Record, StorageError};

/// What was found out about a document.
enum Verdict {
    /// Its snapshot and log say what its history says from the first update on.
    Proved,
    /// Its snapshot and log can be read; the history does not hold all updates.
    Whole,
    /// It was deleted since the list was read.
    Gone,
}

/// Opens every document of the data folder, those in the trash too, also while a server uses it; builds each anew from its history where that
/// is complete, and compares. Changes nothing.
pub fn verify(config: &Config, progress: &mut Progress) -> Result<Done, Failure> {
    let mut reader = Reader::open(&config.data)?;
    let (entries, unlisted) = reader.list()?;
    let entries = entries.into_iter().map(|entry| (entry, false));
    let trash = reader.trash()?;
    let trash = trash.into_iter().map(|trashed| (trashed.entry, true));
    let entries: Vec<(Entry, bool)> = entries.chain(trash).collect();
    let all = entries.len();
    let (mut proved, mut whole, mut damaged) = (0, 0, unlisted.len());
    for reason in unlisted {
        progress.say(format_args!("damaged: {reason}"));
    }
    for (done, (entry, is_trash)) in entries.into_iter().enumerate() {
        progress.step("documents", done as u64, all as u64)?;
        match look(&mut reader, &entry, is_trash, config) {
            Ok(Verdict::Proved) => proved += 1,
            Ok(Verdict::Whole) => whole += 1,
            Ok(Verdict::Gone) => {}
            Err(StorageError::Damaged(reason)) => {
                damaged += 1;
                progress.say(format_args!("damaged: {:?}: {reason}", entry.name.as_str()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut summary = format!("Verified {}", count(proved + whole, "document"));
    if whole > 0 {
        summary.push_str(&format!(", {whole} of them without a whole history"));
    }
    if damaged > 0 {
        summary.push_str(&format!("; damaged: {damaged}"));
    }
    Ok(Done {
        summary,
        whole: damaged == 0,
    })
}

fn look(
    reader: &mut Reader,
    entry: &Entry,
    is_trash: bool,
    config: &Config,
) -> Result<Verdict, StorageError> {
    let limits = config.document_limits();
    let mut anew = Document::with_limits(0, Limits::NONE);
    let (mut next, mut problem) = (1, None);
    let mut each = |sequence, record: Record| {
        if sequence != next {
            return;
        }
        next += 1;
        if !record.update.is_empty()
            && let Err(error) = anew.replay(&record.update)
        {
            problem.get_or_insert(error);
        }
    };
    let lookup = match is_trash {
        true => reader.load_trashed(entry.position.id, &mut each)?,
        false => reader.load_with_history(&entry.name, &mut each)?,
    };
    let Lookup::Found(stored) = lookup else {
        return Ok(Verdict::Gone);
    };
    let document = replay(Host.client_id(), &entry.name, &stored, limits.clone())?;
    if next <= stored.sequence {
        return Ok(Verdict::Whole);
    }
    if let Some(error) = problem {
        return Err(StorageError::Damaged(format!("its history: {error}")));
    }
    anew.set_limits(limits);
    anew.replayed();
    let same =
        anew.version() == document.version() && anew.text(crdt::ROOT) == document.text(crdt::ROOT);
    match same {
        true => Ok(Verdict::Proved),
        false => Err(StorageError::Damaged(
            "its history leads to another document than its snapshot and log".to_owned(),
        )),
    }
}
