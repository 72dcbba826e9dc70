//! Opening a data folder: what is wrong with it is found out before anything in it is touched.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::schema::{APPLICATION_ID, FORMAT, KNOWN};
use crate::sqlite::{OpenError, Problem, make_private, sync_folder};

/// Name of the database in the data folder.
pub const FILE: &str = "ropewalk.db";
/// Name of the file that a running server keeps locked, with its process id in it.
const LOCK: &str = "ropewalk.lock";
/// A new database is made under this name and takes its real one when it is whole.
pub const NEW: &str = "ropewalk.db.new";

/// A data folder that is ours while this lives.
pub struct Folder {
    /// Absolute path of the folder.
    pub path: PathBuf,
    /// Absolute path of the database.
    pub file: PathBuf,
    _lock: File,
}

/// Makes the folder if it is missing, locks it, and checks the database or makes a new one.
pub fn open(folder: &Path) -> Result<Folder, OpenError> {
    let held = hold(folder)?;
    let opened = match held.file.try_exists() {
        Ok(true) => inspect(&held.file),
        Ok(false) => FORMAT.create(&held.file, &held.path.join(NEW)),
        Err(error) => Err(error.into()),
    };
    opened.map_err(|problem| problem.of(folder, &held.file))?;
    Ok(held)
}

/// Makes the folder if it is missing and locks it, and looks at nothing in it.
pub fn hold(folder: &Path) -> Result<Folder, OpenError> {
    let io = |error: io::Error| Problem::from(error).of(folder, folder);
    if !folder.exists() {
        make_private(folder).map_err(io)?;
        sync_folder(&folder.join("..")).map_err(io)?;
    }
    let path = folder.canonicalize().map_err(io)?;
    let lock = lock(&path, folder)?;
    let file = path.join(FILE);
    Ok(Folder {
        path,
        file,
        _lock: lock,
    })
}

fn lock(path: &Path, folder: &Path) -> Result<File, OpenError> {
    let not_usable = |error: io::Error| OpenError::NotUsable {
        folder: folder.to_path_buf(),
        reason: error.to_string(),
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path.join(LOCK)).map_err(not_usable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            let process = file
                .read_to_string(&mut process)
                .ok()
                .and(process.trim().parse().ok());
            return Err(OpenError::InUse {
                folder: folder.to_path_buf(),
                process,
            });
        }
        Err(TryLockError::Error(error)) => return Err(not_usable(error)),
    }
    file.set_len(0).map_err(not_usable)?;
    writeln!(file, "{}", std::process::id()).map_err(not_usable)?;
    Ok(file)
}

/// Whether a server uses the file, and not only others in its folder.
pub fn in_use(file: &Path) -> bool {
    if file.file_name().is_none_or(|name| name != FILE) {
        return false;
    }
    let lock = File::open(file.with_file_name(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Reads an existing database without changing it.
fn inspect(file: &Path) -> Result<(), Problem> {
    // Opened for writing, to learn now whether that is allowed.
    head(OpenOptions::new().read(true).write(true).open(file)?)?;
    FORMAT.inspect(file)
}

/// Looks at the first bytes of a database, and closes it.
pub fn head(mut opened: File) -> Result<(), Problem> {
    let size = opened.metadata()?.len();
    let mut header = [0; 100];
    if size < header.len() as u64 {
        return Err(Problem::Damaged(format!("it has only {size} bytes")));
    }
    opened.read_exact(&mut header)?;
    // SQLite's locks on a file end when any descriptor of it is closed: this one before SQLite opens its own.
    drop(opened);
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(Problem::Damaged("it is not a SQLite database".to_owned()));
    }
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if word(68) != APPLICATION_ID {
        return Err(Problem::Damaged(
            "it is a SQLite database, but another program's".to_owned(),
        ));
    }
    if i64::from(word(60)) > KNOWN {
        let found = word(60).into();
        return Err(Problem::Newer {
            found,
            known: KNOWN,
        });
    }
    Ok(())
}
