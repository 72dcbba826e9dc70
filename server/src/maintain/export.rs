//! Documents as files: what no other program has to be able to read, and what every program can.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ropewalk_crdt::{self as crdt, Document};

use super::index::{self, Exported, Index};
use super::{Done, Failure, Progress, count, path, tell};
use crate::accounts::Action;
use crate::config::Config;
use crate::document::replay;
use crate::machine::{Host, Machine as _};
use crate::sqlite::{make_private, sync_folder};
use crate::storage::sqlite::reader::Reader;
use crate::storage::{Entry, Lookup, StorageError};

/// Writes all documents of the data folder into the folder `to`, each as it is at one moment.
pub fn export(config: &Config, to: &Path, progress: &mut Progress) -> Result<Done, Failure> {
    let mut reader = Reader::open(&config.data)?;
    let (entries, unlisted) = reader.list()?;
    let mut target = Target::new(to)?;
    // An export that is cut short has no index; this says that it is not a folder of texts either.
    let part = target.make(index::PART)?;
    tell(
        &config.data,
        Action::Exported,
        "all documents",
        to,
        progress,
    );
    let all = entries.len();
    let mut documents = Vec::with_capacity(all);
    let mut damaged = unlisted.len();
    for reason in unlisted {
        progress.say(format_args!("cannot read {reason}"));
    }
    for (done, entry) in entries.into_iter().enumerate() {
        progress.step("documents", done as u64, all as u64)?;
        match load(&mut reader, &entry, config) {
            Ok(Some(mut document)) => {
                documents.push(write(&mut target, entry, &mut document)?);
            }
            // It was deleted since the list was read.
            Ok(None) => {}
            Err(StorageError::Damaged(reason)) => {
                damaged += 1;
                progress.say(format_args!(
                    "cannot read {:?}: {reason}",
                    entry.name.as_str()
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let exported = documents.len();
    let index = Index {
        ropewalk_export: index::FORMAT,
        documents,
    };
    target.finish(part, &index)?;
    let mut summary = format!(
        "Exported {} to {}",
        count(exported, "document"),
        to.display()
    );
    if damaged > 0 {
        summary.push_str(&format!("; {damaged} could not be read"));
    }
    Ok(Done {
        summary,
        whole: damaged == 0,
    })
}

fn load(
    reader: &mut Reader,
    entry: &Entry,
    config: &Config,
) -> Result<Option<Document>, StorageError> {
    match reader.load(&entry.name)? {
        Lookup::Found(stored) => replay(
            Host.client_id(),
            &entry.name,
            &stored,
            config.document_limits(),
        )
        .map(Some),
        Lookup::Absent | Lookup::Deleted => Ok(None),
    }
}

fn write(target: &mut Target, entry: Entry, document: &mut Document) -> Result<Exported, Failure> {
    let path = path::of(entry.name.as_str());
    let text = format!("{path}.txt");
    let rope = document.text(crdt::ROOT);
    target.write(&text, |out| rope.write_to(out))?;
    let update = format!("{path}.update");
    let state = document.encode();
    target.write(&update, |out| out.write_all(&state))?;
    let mut waiting = Vec::new();
    for (number, held) in document.waiting().iter().enumerate() {
        let file = format!("{path}.{}.waiting", number + 1);
        target.write(&file, |out| out.write_all(held))?;
        waiting.push(file);
    }
    Ok(Exported {
        name: entry.name.as_str().to_owned(),
        text,
        update: Some(update),
        waiting,
        length: document.len_utf16(crdt::ROOT),
        created_at: entry.created_at_ms,
        edited_at: Some(entry.edited_at_ms),
    })
}

/// The folder that is written, and all that was made in it: removed when dropped, unless it is whole.
struct Target {
    folder: PathBuf,
    /// In the order they were made.
    made: Vec<Made>,
    whole: bool,
}

enum Made {
    Folder(PathBuf),
    File(PathBuf),
}

impl Target {
    fn new(folder: &Path) -> Result<Self, Failure> {
        let mut target = Self {
            folder: folder.to_path_buf(),
            made: Vec::new(),
            whole: false,
        };
        match fs::read_dir(folder) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(Failure::argument(folder, "the folder is not empty"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private(folder).map_err(|error| Failure::write(folder, error))?;
                target.made.push(Made::Folder(folder.to_path_buf()));
            }
            Err(error) => return Err(Failure::argument(folder, error.to_string())),
        }
        Ok(target)
    }

    /// A new file, in folders that are made if they are missing.
    fn make(&mut self, path: &str) -> Result<File, Failure> {
        let mut folder = self.folder.clone();
        let (folders, _) = path.rsplit_once('/').unwrap_or(("", path));
        for piece in folders.split('/').filter(|piece| !piece.is_empty()) {
            folder.push(piece);
            match fs::create_dir(&folder) {
                Ok(()) => self.made.push(Made::Folder(folder.clone())),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Failure::write(&folder, error)),
            }
        }
        let path = self.folder.join(path);
        let file = File::create_new(&path).map_err(|error| Failure::write(&path, error))?;
        self.made.push(Made::File(path));
        Ok(file)
    }

    fn write(
        &mut self,
        path: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::new(self.make(path)?);
        fill(&mut out)
            .and_then(|()| out.flush())
            .and_then(|()| out.get_ref().sync_all())
            .map_err(|error| Failure::write(&self.folder.join(path), error))
    }

    /// Writes the index once everything else is on disk.
    fn finish(mut self, part: File, index: &Index) -> Result<(), Failure> {
        let path = self.folder.join(index::FILE);
        let write = |error: io::Error| Failure::write(&path, error);
        let folders = self.made.iter().filter_map(|made| match made {
            Made::Folder(folder) => Some(folder.as_path()),
            Made::File(_) => None,
        });
        for folder in folders {
            sync_folder(folder).map_err(write)?;
        }
        let mut out = BufWriter::new(part);
        serde_json::to_writer_pretty(&mut out, index).map_err(|error| write(error.into()))?;
        out.flush().map_err(write)?;
        out.get_ref().sync_all().map_err(write)?;
        fs::rename(self.folder.join(index::PART), &path).map_err(write)?;
        self.whole = true;
        sync_folder(&self.folder).map_err(write)?;
        sync_folder(&self.folder.join("..")).map_err(write)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.whole {
            return;
        }
        for made in self.made.iter().rev() {
            // What somebody else has put there meanwhile stays.
            let _ = match made {
                Made::Folder(folder) => fs::remove_dir(folder),
                Made::File(file) => fs::remove_file(file),
            };
        }
    }
}
