//! What the files of SQLite have in common here: how one is made, and what is found out about it before anything in it is touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use thiserror::Error;

/// How long a statement waits for another process that has the file locked (a copy under way, say).
pub const BUSY: Duration = Duration::from_secs(1);
/// Prepared statements that are kept, of a connection.
const STATEMENTS: usize = 128;
/// Once the journal has this many pages, each commit moves it into the database, as far as nobody reads it.
const MOVED_PAGES: i32 = 1000;
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

/// What a check found.
#[derive(Debug)]
pub enum Problem {
    /// The system refuses.
    NotUsable(String),
    /// Not a whole database of ours.
    Damaged(String),
    /// The format of a newer Ropewalk.
    Newer {
        /// Which.
        found: i64,
        /// Newest format known here.
        known: i64,
    },
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
            Self::Newer { found, known } => OpenError::Newer {
                file: file.to_path_buf(),
                found,
                known,
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

/// What a file of ours is known by.
pub struct Format {
    /// Says in its header whose it is.
    pub application_id: u32,
    /// What is wrong with one that does not say that.
    pub foreign: &'static str,
    /// Every step from an empty file to the newest format, oldest first. Its `user_version` is how many of them it has had.
    pub migrations: &'static [&'static str],
    /// Has to be readable in a file of the newest format.
    pub readable: &'static [&'static str],
    /// Files larger than this, in bytes, are not read from end to end on opening.
    pub checked_whole: u64,
    /// How long opening waits for another process that has the file locked.
    pub busy: Duration,
}

impl Format {
    /// Newest format known here.
    pub const fn known(&self) -> i64 {
        self.migrations.len() as i64
    }

    /// Brings a file of an older format, or an empty one, to the newest, in one transaction.
    pub fn migrate(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found == self.known() {
            return Ok(());
        }
        let had = usize::try_from(found).unwrap_or(usize::MAX);
        for step in self.migrations.iter().skip(had) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", self.known())?;
        transaction.commit()
    }

    /// Reads an existing database without changing it.
    pub fn inspect(&self, file: &Path) -> Result<(), Problem> {
        // A reader may leave a journal and its index behind where there were none.
        let absent: Vec<PathBuf> = [beside(file, "-wal"), beside(file, "-shm")]
            .into_iter()
            .filter(|path| !path.exists())
            .collect();
        let checked = rewrite_journal(file, self.busy).and_then(|()| self.check(file));
        if checked.is_err() {
            for left in absent {
                let _ = fs::remove_file(left);
            }
        }
        checked
    }

    /// Checks a database that nothing here has open, without changing it: the format, every page unless the file is huge,
    /// and the tables.
    pub fn check(&self, file: &Path) -> Result<(), Problem> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        protect(&connection)?;
        connection.busy_timeout(self.busy)?;
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if number("application_id")? != i64::from(self.application_id) {
            return Err(Problem::Damaged(self.foreign.to_owned()));
        }
        let (found, known) = (number("user_version")?, self.known());
        match found {
            ..=0 => return Err(Problem::Damaged(format!("it says it has format {found}"))),
            found if found > known => return Err(Problem::Newer { found, known }),
            _ => {}
        }
        if fs::metadata(file)?.len() <= self.checked_whole {
            let verdict: String =
                connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if verdict != "ok" {
                return Err(Problem::Damaged(verdict.replace('\n', " ")));
            }
        }
        if found == known {
            for statement in self.readable {
                connection.prepare(statement)?;
            }
        }
        Ok(())
    }

    /// Makes a new database under the name `new` and moves it to its place whole: an empty or half-made file in that place is
    /// never ours, and is never taken for one in which nothing is.
    pub fn create(&self, file: &Path, new: &Path) -> Result<(), Problem> {
        if fs::metadata(beside(file, "-wal")).is_ok_and(|journal| journal.len() > 0) {
            return Err(Problem::Damaged(
                "it is missing, but its journal (-wal) with unsaved changes is there".to_owned(),
            ));
        }
        let made = self.fill(new).and_then(|()| {
            File::open(new)?.sync_all()?;
            fs::rename(new, file)?;
            Ok(sync_folder(file.parent().unwrap_or(file))?)
        });
        if made.is_err() {
            let _ = fs::remove_file(new);
        }
        made
    }

    fn fill(&self, new: &Path) -> Result<(), Problem> {
        remove(new)?;
        private(OpenOptions::new().write(true).create_new(true)).open(new)?;
        let mut connection = Connection::open(new)?;
        self.migrate(&mut connection)?;
        use_write_ahead(&connection)?;
        connection.close().map_err(|(_, error)| error.into())
    }
}

/// Removes a database that is in nobody's place, if one was left there.
pub fn remove(file: &Path) -> io::Result<()> {
    for left in [
        file.to_path_buf(),
        beside(file, "-wal"),
        beside(file, "-shm"),
    ] {
        if left.try_exists()? {
            fs::remove_file(left)?;
        }
    }
    Ok(())
}

/// Writes the journal beside a database once more, as it reads, and syncs it.
///
/// After a sync that failed the system may hold for clean what is not on the disk, and no later sync brings it there. SQLite
/// takes all that it reads in a journal as synced and moves it into the database: if the power failed then, the half of the
/// journal that is on the disk would be moved over the whole.
pub fn rewrite_journal(file: &Path, busy: Duration) -> Result<(), Problem> {
    let journal = beside(file, "-wal");
    if !fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    protect(&connection)?;
    connection.busy_timeout(busy)?;
    move_on_close(&connection, false)?;
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

/// Settings of every connection.
pub fn protect(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // A read error in a mapped file is a signal that ends the process; in a read call it is an error.
    connection.pragma_update(None, "mmap_size", 0)
}

/// Puts the database into write-ahead mode, where readers and the writer do not wait for each other.
pub fn use_write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| {
        let mode: String = row.get(0)?;
        match mode.as_str() {
            "wal" => Ok(()),
            _ => Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                Some("this file system cannot hold a write-ahead journal".to_owned()),
            )),
        }
    })
}

/// Moves a long log behind a commit. SQLite does so by itself, too, but says nothing when it fails, and syncs again.
pub fn move_behind(log: &mut Wal, pages: i32) -> rusqlite::Result<()> {
    if pages < MOVED_PAGES {
        return Ok(());
    }
    let Err(error) = log.checkpoint() else {
        return Ok(());
    };
    match error.sqlite_error_code() {
        // Another process moves it, or there is no room: the log grows meanwhile, as far as it can.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull) => Ok(()),
        _ => Err(error),
    }
}

/// Whether the last connection that is closed moves the log into the main file and takes the log away. After a failure it
/// must not: what failed to reach the disk would be synced once more, as if nothing had happened.
pub fn move_on_close(connection: &Connection, does: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !does)?;
    Ok(())
}

/// A file for its owner only, if it is made.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// The same of one that is there.
pub fn make_file_private(file: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(file)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(file, fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    Ok(())
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
