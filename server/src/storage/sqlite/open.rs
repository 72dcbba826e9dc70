//! Opening a data folder: what is wrong with it is found out before anything in it is touched.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use thiserror::Error;

use super::schema::{self, APPLICATION_ID, KNOWN};

/// Name of the database in the data folder.
pub const FILE: &str = "ropewalk.db";
/// Name of the file that a running server keeps locked, with its process id in it.
const LOCK: &str = "ropewalk.lock";
/// A new database is made under this name and takes its real one when it is whole.
pub const NEW: &str = "ropewalk.db.new";
/// Files larger than this, in bytes, are not read from end to end on opening; every row is still checked when read.
/// What only the whole check finds is an index that lost a name: its document would look as if it never was.
const CHECKED_WHOLE: u64 = 1 << 30;
/// Bytes of a journal that are written at once.
const BLOCK: usize = 1 << 20;

/// Why a data folder was not opened. The database was not changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It cannot be made, read or written.
    #[error("the data folder {} is not usable: {reason}", folder.display())]
    NotUsable {
        /// The folder as it was given.
        folder: PathBuf,
        /// What failed.
        reason: String,
    },
    /// Another server has it open.
    #[error("the data folder {} is in use by another ropewalk{}", folder.display(),
        process.as_ref().map(|id| format!(" (process {id})")).unwrap_or_default())]
    InUse {
        /// The folder as it was given.
        folder: PathBuf,
        /// Process id of the other server, where it is known.
        process: Option<u32>,
    },
    /// The database is not what a Ropewalk wrote.
    #[error("the database {} is damaged: {reason}; nothing was changed, bring it back from a copy", file.display())]
    Damaged {
        /// The database.
        file: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The database was written by a newer Ropewalk.
    #[error("the database {} has format {found}, this ropewalk knows formats up to {known}; nothing was changed, use a newer ropewalk", file.display())]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its format.
        found: i64,
        /// Newest format known here.
        known: i64,
    },
}

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
        Ok(false) => create(&held.path, &held.file),
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

/// What a check found.
#[derive(Debug)]
pub enum Problem {
    /// The system refuses.
    NotUsable(String),
    /// Not a whole database of ours.
    Damaged(String),
    /// The format of a newer Ropewalk.
    Newer(i64),
}

impl Problem {
    /// As the error of opening `folder` with the database `file`.
    pub fn of(self, folder: &Path, file: &Path) -> OpenError {
        match self {
            Self::NotUsable(reason) => OpenError::NotUsable {
                folder: folder.to_path_buf(),
                reason,
            },
            Self::Damaged(reason) => OpenError::Damaged {
                file: file.to_path_buf(),
                reason,
            },
            Self::Newer(found) => OpenError::Newer {
                file: file.to_path_buf(),
                found,
                known: KNOWN,
            },
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::NotUsable(error.to_string())
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        if let rusqlite::Error::SqlInputError { msg, .. } = error {
            // A column is not there.
            return Self::Damaged(msg);
        }
        match error.sqlite_error_code() {
            // "Unknown" is SQLite's general error: a table or a column is not there.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::NotUsable(error.to_string()),
        }
    }
}

/// Makes the folder for its owner only: documents are not for every user of the machine.
pub fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
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
    // A reader may leave a journal and its index behind where there were none.
    let absent: Vec<PathBuf> = [beside(file, "-wal"), beside(file, "-shm")]
        .into_iter()
        .filter(|p| !p.exists())
        .collect();
    let checked = rewrite_journal(file).and_then(|()| check(file));
    if checked.is_err() {
        for left in absent {
            let _ = fs::remove_file(left);
        }
    }
    checked
}

/// Writes the journal beside a database once more, as it reads, and syncs it.
///
/// After a sync that failed the system may hold for clean what is not on the disk, and no later sync brings it there. SQLite
/// takes all that it reads in a journal as synced and moves it into the database: if the power failed then, the half of the
/// journal that is on the disk would be moved over the whole.
pub fn rewrite_journal(file: &Path) -> Result<(), Problem> {
    let journal = beside(file, "-wal");
    if !fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    super::protect(&connection)?;
    super::move_on_close(&connection, false)?;
    // No other process writes meanwhile.
    let _hold = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut opened = OpenOptions::new().read(true).write(true).open(journal)?;
    let mut block = vec![0; BLOCK];
    loop {
        let at = opened.stream_position()?;
        let read = opened.read(&mut block)?;
        if read == 0 {
            return Ok(opened.sync_all()?);
        }
        opened.seek(SeekFrom::Start(at))?;
        opened.write_all(&block[..read])?;
    }
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
        return Err(Problem::Newer(word(60).into()));
    }
    Ok(())
}

/// Checks a database that nothing here has open, without changing it: the format, every page unless the file is huge,
/// and the tables.
pub fn check(file: &Path) -> Result<(), Problem> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    super::protect(&connection)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("application_id")? != i64::from(APPLICATION_ID) {
        return Err(Problem::Damaged(
            "its mark as a Ropewalk database is gone".to_owned(),
        ));
    }
    let found = number("user_version")?;
    match found {
        ..=0 => return Err(Problem::Damaged(format!("it says it has format {found}"))),
        found if found > KNOWN => return Err(Problem::Newer(found)),
        _ => {}
    }
    if fs::metadata(file)?.len() <= CHECKED_WHOLE {
        let verdict: String =
            connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(Problem::Damaged(verdict.replace('\n', " ")));
        }
    }
    if found == KNOWN {
        for statement in super::STATEMENTS {
            connection.prepare(statement)?;
        }
    }
    Ok(())
}

/// Makes a new database beside its place and moves it there whole: an empty or half-made file in that place is
/// never ours, and is never taken for a server without documents.
fn create(folder: &Path, file: &Path) -> Result<(), Problem> {
    if fs::metadata(beside(file, "-wal")).is_ok_and(|journal| journal.len() > 0) {
        return Err(Problem::Damaged(
            "it is missing, but its journal (-wal) with unsaved changes is there".to_owned(),
        ));
    }
    let new = folder.join(NEW);
    let made = fill(&new).and_then(|()| {
        File::open(&new)?.sync_all()?;
        fs::rename(&new, file)?;
        Ok(sync_folder(folder)?)
    });
    if made.is_err() {
        let _ = fs::remove_file(&new);
    }
    made
}

fn fill(new: &Path) -> Result<(), Problem> {
    if new.try_exists()? {
        fs::remove_file(new)?;
    }
    let mut connection = Connection::open(new)?;
    schema::migrate(&mut connection)?;
    super::use_write_ahead(&connection)?;
    connection.close().map_err(|(_, error)| error.into())
}

/// The database's path with something appended to its name.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes new names in a folder survive a power cut, where the system can.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
