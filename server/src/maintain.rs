//! What is done to a data folder beside serving it: a copy is made or put in place, documents become files or come
//! from files.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::accounts::{Accounts, Action};
use crate::config::Config;
use crate::machine::{Host, Machine as _};
use crate::sqlite::{beside, sync_folder};
use crate::storage::StorageError;
use crate::storage::sqlite::OpenError;

mod backup;
mod export;
mod import;
mod index;
mod path;
mod progress;
mod restore;
mod verify;

pub use progress::Progress;
pub(crate) use restore::utc;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Copy the database into a new file, also while a server uses it.
    Backup {
        /// The new file.
        to: PathBuf,
    },
    /// Put a copy of a database in the place of the folder's.
    Restore {
        /// The copy.
        from: PathBuf,
        /// Also if there is a database, which is kept beside it.
        replace: bool,
    },
    /// Write all documents as files, also while a server uses them.
    Export {
        /// A folder that is new or empty.
        to: PathBuf,
    },
    /// Read every document and compare it with its history, also while a server uses it.
    Verify,
    /// Make documents of files.
    Import {
        /// What an export wrote, or any folder of texts.
        from: PathBuf,
    },
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// One line for people.
    pub summary: String,
    /// Nothing was left out.
    pub whole: bool,
}

/// Why it was not done. Nothing is left behind and nothing was changed, but that documents which an import has written
/// stay: it can be done again, and goes on with the others.
#[derive(Debug, Error)]
pub enum Failure {
    /// The file or folder that was named cannot be meant.
    #[error("{}: {reason}", path.display())]
    Argument {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The data folder or the database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Documents cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system or SQLite says.
        reason: String,
    },
    /// The process is asked to end.
    #[error("stopped before it was done")]
    Stopped,
}

impl Failure {
    fn argument(path: &Path, reason: impl Into<String>) -> Self {
        Self::Argument {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }

    fn write(path: &Path, reason: impl ToString) -> Self {
        Self::Write {
            path: path.to_path_buf(),
            reason: reason.to_string(),
        }
    }
}

/// Does it, to the end.
pub fn run(config: &Config, job: &Job, progress: &mut Progress) -> Result<Done, Failure> {
    let done = match job {
        Job::Backup { to } => backup::backup(&config.data, to, progress),
        Job::Restore { from, replace } => restore::restore(&config.data, from, *replace, progress),
        Job::Export { to } => export::export(config, to, progress),
        Job::Verify => verify::verify(config, progress),
        Job::Import { from } => import::import(config, from, progress),
    };
    progress.end();
    done
}

/// A database that is not in its place yet. Removed when dropped, unless it was put there.
struct Unfinished {
    path: PathBuf,
    placed: bool,
}

impl Unfinished {
    /// An empty file for its owner only: documents are not for every user of the machine.
    fn new(path: PathBuf) -> io::Result<(Self, File)> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        let placed = false;
        Ok((Self { path, placed }, file))
    }

    /// Gives it its real name, once it is on disk.
    fn place(mut self, to: &Path) -> io::Result<()> {
        // For writing: some systems sync nothing else.
        OpenOptions::new()
            .write(true)
            .open(&self.path)?
            .sync_all()?;
        fs::rename(&self.path, to)?;
        self.placed = true;
        sync_folder(folder_of(to))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.placed {
            for suffix in ["", "-journal", "-wal", "-shm"] {
                let _ = fs::remove_file(beside(&self.path, suffix));
            }
        }
    }
}

/// Tells the log of the accounts that documents are copied, or that they were copies. Answers the accounts; nothing where there are none, or they
/// cannot be written: that is said, and it is done all the same.
fn tell(
    data: &Path,
    action: Action,
    what: &str,
    place: &Path,
    progress: &mut Progress,
) -> Option<Accounts> {
    let place = std::path::absolute(place).unwrap_or_else(|_| place.to_path_buf());
    let way = match action {
        Action::Exported => "to",
        _ => "from",
    };
    let about = format!("{what}, {way} {}", place.display());
    let told = Accounts::visit(data).and_then(|accounts| {
        if let Some(accounts) = &accounts {
            accounts.note_copy(action, &about, Host.now_ms())?;
        }
        Ok(accounts)
    });
    told.unwrap_or_else(|error| {
        progress.say(format_args!(
            "this is not in the log of the accounts: {error}"
        ));
        None
    })
}

/// The folder that a file is in.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// `1 document`, `2 documents`.
fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
