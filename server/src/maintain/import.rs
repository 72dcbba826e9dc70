//! Documents come from files: what an export wrote, or any folder of texts.

use std::path::Path;

use bytes::Bytes;
use ropewalk_crdt::{self as crdt, Document, Edit, Limits, Unit};

use super::index::{self, Exported};
use super::{Done, Failure, Progress, count, tell};
use crate::accounts::Action;
use crate::config::Config;
use crate::machine::{Host, Machine as _};
use crate::name::DocumentName;
use crate::storage::sqlite::Sqlite;
use crate::storage::{Append, Past, Record, Storage};

mod find;

use find::{Found, find, regular};

/// Documents are written to disk together until they are this many.
const BATCH: usize = 64;
/// Or this many bytes.
const BATCH_BYTES: usize = 16 << 20;

/// Makes documents of the files in `from`. Nothing that is there is written over.
pub fn import(config: &Config, from: &Path, progress: &mut Progress) -> Result<Done, Failure> {
    let found = find(from)?;
    let mut import = Import {
        config,
        from,
        storage: Sqlite::open(&config.data)?,
        batch: Vec::new(),
        bytes: 0,
        imported: 0,
        existing: 0,
        refused: 0,
    };
    let taken = import.all(found, progress);
    if import.imported > 0 {
        let what = count(import.imported, "document");
        tell(&config.data, Action::Imported, &what, from, progress);
    }
    taken?;
    import.storage.close()?;
    Ok(import.done())
}

/// The name of a document for a path.
fn named(path: &Path) -> Result<DocumentName, String> {
    let pieces: Option<Vec<&str>> = path.iter().map(|piece| piece.to_str()).collect();
    let name = pieces.ok_or("its name is not UTF-8")?.join("/");
    DocumentName::new(&name).map_err(|why| why.to_string())
}

/// A document that is to be written.
struct Content {
    updates: Vec<Bytes>,
    length: u64,
    edited_at_ms: i64,
    /// Of what was exported.
    past: Option<Past>,
}

struct Import<'a> {
    config: &'a Config,
    from: &'a Path,
    storage: Sqlite,
    batch: Vec<Append>,
    bytes: usize,
    imported: usize,
    existing: usize,
    refused: usize,
}

impl Import<'_> {
    fn all(&mut self, found: Vec<Found>, progress: &mut Progress) -> Result<(), Failure> {
        let all = found.len();
        for (done, found) in found.into_iter().enumerate() {
            progress.step("documents", done as u64, all as u64)?;
            match self.read(&found) {
                Ok((name, content)) => self.add(name, content, progress)?,
                Err(reason) => {
                    self.refused += 1;
                    progress.say(format_args!("refused {:?}: {reason}", found.label()));
                }
            }
        }
        self.flush(progress)
    }

    fn read(&self, found: &Found) -> Result<(DocumentName, Content), String> {
        match found {
            Found::Exported(one) => {
                let name = DocumentName::new(&one.name).map_err(|why| why.to_string())?;
                Ok((name, self.exported(one)?))
            }
            Found::Text(path) => Ok((named(path)?, self.text(path, None)?)),
            Found::Other(_, reason) => Err((*reason).to_owned()),
        }
    }

    fn exported(&self, one: &Exported) -> Result<Content, String> {
        let Some(update) = &one.update else {
            return self.text(Path::new(&one.text), one.edited_at);
        };
        // The most that a document may be is checked as it is taken in; its history may be older than limits on the
        // single update.
        let limits = self.config.document_limits();
        let limits = Limits {
            text: limits.text,
            state_bytes: limits.state_bytes,
            ..Limits::NONE
        };
        let mut document = Document::with_limits(Host.client_id(), limits);
        // An encoded state may be a sixteenth larger than the limit on it.
        let most = self.config.max_state_bytes as u64;
        let most = most.saturating_add(most / 8);
        let mut updates = Vec::new();
        for (file, waits) in
            std::iter::once((update, false)).chain(one.waiting.iter().map(|file| (file, true)))
        {
            let bytes = regular(self.from, file, most)?;
            let applied = document
                .apply(&bytes)
                .map_err(|error| format!("{file:?}: {error}"))?;
            if applied.held && !waits {
                return Err(format!("{file:?} depends on updates that are not in it"));
            }
            updates.extend(applied.integrated.bytes(&bytes).map(Bytes::copy_from_slice));
            updates.extend(applied.waiting.into_iter().map(Bytes::from));
        }
        self.agree(one, update, &document)?;
        // Editors may have edited the document after the export.
        let vector = document.version().vector.clone();
        let stamp = document.stamp().map_err(|error| error.to_string())?;
        updates.push(stamp.into());
        let past = Past {
            stamp: Some(document.client()),
            vector,
        };
        Ok(Content {
            past: Some(past),
            updates,
            length: document.len_utf16(crdt::ROOT),
            edited_at_ms: at(one.edited_at),
        })
    }

    /// Whoever edits an exported text must not be passed over in silence.
    fn agree(&self, one: &Exported, update: &str, document: &Document) -> Result<(), String> {
        let text = document.text(crdt::ROOT);
        if one.text.is_empty() || self.from.join(&one.text).symlink_metadata().is_err() {
            return Ok(());
        }
        let bytes = regular(self.from, &one.text, text.len_bytes() as u64);
        let same = bytes.is_ok_and(|bytes| std::str::from_utf8(&bytes).is_ok_and(|b| text == b));
        if same {
            return Ok(());
        }
        Err(format!(
            "{:?} is not the text of {update:?}; take one of them out of {:?}",
            one.text,
            index::FILE
        ))
    }

    fn text(&self, path: &Path, edited_at: Option<i64>) -> Result<Content, String> {
        let bytes = regular(self.from, path, self.config.max_text_bytes as u64)?;
        let insert = String::from_utf8(bytes).map_err(|_| format!("{path:?} is not UTF-8"))?;
        let mut document = Document::with_limits(Host.client_id(), self.config.document_limits());
        let base = document.version().clone();
        let edits = [Edit {
            from: 0,
            to: 0,
            insert,
        }];
        let update = document
            .edit(&base, crdt::ROOT, Unit::Utf8, &edits)
            .map_err(|error| error.to_string())?;
        Ok(Content {
            updates: vec![update.into()],
            length: document.len_utf16(crdt::ROOT),
            edited_at_ms: at(edited_at),
            past: None,
        })
    }

    fn add(
        &mut self,
        name: DocumentName,
        content: Content,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        self.bytes += content.updates.iter().map(Bytes::len).sum::<usize>();
        self.batch.push(Append {
            id: self.storage.allocate(),
            create: Some(name.into()),
            first_sequence: 1,
            updates: content
                .updates
                .into_iter()
                .map(|update| Record::anonymous(update, content.edited_at_ms))
                .collect(),
            length: content.length,
            edited_at_ms: content.edited_at_ms,
            past: content.past,
            receipts: Vec::new(),
            forgotten: Vec::new(),
            wrote: Vec::new(),
        });
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES {
            self.flush(progress)?;
        }
        Ok(())
    }

    /// Writes what waits. A name that is taken, also by a document of this import, is refused by storage itself.
    fn flush(&mut self, progress: &mut Progress) -> Result<(), Failure> {
        let refused = self.storage.append(&self.batch)?;
        for append in self.batch.drain(..) {
            if refused.contains(&append.id) {
                self.existing += 1;
                let name = append
                    .create
                    .as_ref()
                    .map_or("", |begin| begin.name.as_str());
                progress.say(format_args!("skipped {name:?}: it exists already"));
            } else {
                self.imported += 1;
            }
        }
        self.bytes = 0;
        Ok(())
    }

    fn done(&self) -> Done {
        let mut summary = format!(
            "Imported {} from {}",
            count(self.imported, "document"),
            self.from.display()
        );
        for (number, what) in [(self.existing, "skipped"), (self.refused, "refused")] {
            if number > 0 {
                summary.push_str(&format!(", {number} {what}"));
            }
        }
        Done {
            summary,
            whole: self.existing + self.refused == 0,
        }
    }
}

/// When a document was edited; not in the future, where it would be the newest for ever.
fn at(edited_at: Option<i64>) -> i64 {
    let now = Host.now_ms();
    edited_at.map_or(now, |at| at.clamp(0, now))
}
