//! Whether the files of an open database are still those that its names stand for.
//!
//! SQLite goes on with files that were removed or replaced, and nobody would find there what it commits.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StorageError;
use crate::sqlite::beside;

/// Device and number of a file.
type Identity = (u64, u64);

/// The files of a database, as its names stood for them when it was opened.
#[derive(Clone, Debug)]
pub struct Files {
    database: Known,
    journal: Known,
    index: Known,
}

#[derive(Clone, Debug)]
struct Known(PathBuf, Identity);

impl Files {
    /// Those of a database that SQLite has open for writing: all of them exist.
    pub fn of(file: &Path) -> io::Result<Self> {
        let known = |path: PathBuf| identity(&path).map(|identity| Known(path, identity));
        Ok(Self {
            database: known(file.to_path_buf())?,
            journal: known(beside(file, "-wal"))?,
            index: known(beside(file, "-shm"))?,
        })
    }

    /// Path of the database.
    pub fn path(&self) -> &Path {
        &self.database.0
    }

    /// Three looks at the file system.
    pub fn check(&self) -> Result<(), StorageError> {
        self.database.check()?;
        self.journal.check()?;
        self.index.check()
    }

    /// Whether another file has taken the place of the database.
    pub fn is_other(&self) -> bool {
        self.database.check().is_err()
    }

    /// Whether the names can be opened anew, now that these files are not all in their places. Not while there is no database,
    /// and not while a journal lies beside it that belongs to another one.
    pub fn check_place(&self) -> Result<(), StorageError> {
        let stays = self.database.check();
        if stays.is_err() && !self.path().exists() {
            return stays;
        }
        let empty = fs::metadata(&self.journal.0).is_ok_and(|journal| journal.len() == 0);
        if empty || stays.is_ok() == self.journal.check().is_ok() || !self.journal.0.exists() {
            return Ok(());
        }
        Err(StorageError::Failed(format!(
            "{} belongs to another database than the one that is there",
            self.journal.0.display()
        )))
    }
}

impl Known {
    fn check(&self) -> Result<(), StorageError> {
        let Self(path, known) = self;
        let what = match identity(path) {
            Ok(found) if found == *known => return Ok(()),
            Ok(_) => "was replaced while it was in use".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                "was removed while it was in use".to_owned()
            }
            Err(error) => error.to_string(),
        };
        Err(StorageError::Failed(format!("{}: {what}", path.display())))
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let found = path.metadata()?;
    Ok((found.dev(), found.ino()))
}

/// Where a file that is open cannot be removed.
#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    path.metadata().map(|_| (0, 0))
}
