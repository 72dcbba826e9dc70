//! Opening the accounts: what is wrong with the file is found out before anything in it is touched.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::AccountsError;
use super::error::not_opened;
use super::schema::{self, APPLICATION_ID, KNOWN, migrate};
use crate::storage::sqlite::files::Files;
use crate::storage::sqlite::open::{Problem, beside, make_private, rewrite_journal, sync_folder};
use crate::storage::sqlite::{move_behind, move_on_close, protect, use_write_ahead};

/// Name of the database in the data folder.
pub const FILE: &str = "accounts.db";
/// A new database is made under this name and takes its real one when it is whole.
pub const NEW: &str = "accounts.db.new";
/// Locked while one is opened or made: of two processes that find none, one makes it.
const LOCK: &str = "accounts.lock";
/// How long a statement waits for another process that writes.
pub const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements that are kept.
const STATEMENTS: usize = 128;
/// The journal is cut back to this many bytes once it was larger.
const KEPT_JOURNAL_BYTES: u32 = 4 << 20;
/// Files larger than this, in bytes, are not read from end to end on opening.
const CHECKED_WHOLE: u64 = 256 << 20;

/// A connection with the files that it has open.
type Opened = (Connection, Files);

/// Makes the folder if it is missing, and checks the database or makes a new one.
pub fn open(folder: &Path) -> Result<(PathBuf, Opened), AccountsError> {
    let opened = place(folder).map_err(|problem| not_opened(problem, folder, folder));
    let (path, lock) = opened?;
    let file = path.join(FILE);
    let opened = match file.try_exists() {
        Ok(true) => inspect(&file),
        Ok(false) => create(&path, &file),
        Err(error) => Err(error.into()),
    };
    let opened = opened.and_then(|()| connect(&file, migrate));
    drop(lock);
    match opened {
        Ok(opened) => Ok((file, opened)),
        Err(problem) => Err(not_opened(problem, folder, &file)),
    }
}

/// Opens a database that is there, and leaves it in the format that it has.
pub fn visit(folder: &Path) -> Result<Option<(PathBuf, Opened)>, AccountsError> {
    if !folder.join(FILE).exists() {
        return Ok(None);
    }
    let opened = place(folder).map_err(|problem| not_opened(problem, folder, folder));
    let (path, _lock) = opened?;
    let file = path.join(FILE);
    let opened = inspect(&file).and_then(|()| connect(&file, |_| Ok(())));
    let opened = opened.map_err(|problem| not_opened(problem, folder, &file))?;
    Ok(Some((file, opened)))
}

/// Opens them again after a failure.
pub fn reopen(file: &Path) -> Result<Opened, AccountsError> {
    let folder = file.parent().unwrap_or(file);
    let opened = inspect(file).and_then(|()| connect(file, migrate));
    opened.map_err(|problem| not_opened(problem, folder, file))
}

/// Whoever closes the file last takes the journal away.
pub fn let_go(connection: &Connection) -> rusqlite::Result<()> {
    move_on_close(connection, true)
}

/// The folder's absolute path, and its lock.
fn place(folder: &Path) -> Result<(PathBuf, File), Problem> {
    if !folder.exists() {
        make_private(folder)?;
        sync_folder(&folder.join(".."))?;
    }
    let path = folder.canonicalize()?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let lock = private(&mut options).open(path.join(LOCK))?;
    lock.lock()?;
    Ok((path, lock))
}

pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Reads an existing database without changing it.
fn inspect(file: &Path) -> Result<(), Problem> {
    let absent: Vec<PathBuf> = [beside(file, "-wal"), beside(file, "-shm")]
        .into_iter()
        .filter(|path| !path.exists())
        .collect();
    let checked = rewrite_journal(file).and_then(|()| check(file));
    if checked.is_err() {
        for left in absent {
            let _ = fs::remove_file(left);
        }
    }
    checked
}

fn check(file: &Path) -> Result<(), Problem> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    protect(&connection)?;
    connection.busy_timeout(BUSY)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    // An empty file, too: it is never taken for a server without accounts.
    if number("application_id")? != i64::from(APPLICATION_ID) {
        let reason = "it is not a database of a Ropewalk's accounts";
        return Err(Problem::Damaged(reason.to_owned()));
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
        for statement in schema::READABLE {
            connection.prepare(statement)?;
        }
    }
    Ok(())
}

/// Makes a new database beside its place and moves it there whole.
fn create(folder: &Path, file: &Path) -> Result<(), Problem> {
    if fs::metadata(beside(file, "-wal")).is_ok_and(|journal| journal.len() > 0) {
        return Err(Problem::Damaged(
            "it is missing, but its journal (-wal) is there".to_owned(),
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
    for left in [new.to_path_buf(), beside(new, "-wal"), beside(new, "-shm")] {
        if left.try_exists()? {
            fs::remove_file(left)?;
        }
    }
    private(OpenOptions::new().write(true).create_new(true)).open(new)?;
    let mut connection = Connection::open(new)?;
    migrate(&mut connection)?;
    use_write_ahead(&connection)?;
    connection.close().map_err(|(_, error)| error.into())
}

fn connect(
    file: &Path,
    prepare: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
) -> Result<Opened, Problem> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    protect(&connection)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    move_on_close(&connection, false)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", KEPT_JOURNAL_BYTES)?;
    use_write_ahead(&connection)?;
    connection.wal_hook(Some(move_behind))?;
    prepare(&mut connection)?;
    // Reading opens the journal and its index, which are looked for by name next.
    connection.query_row("SELECT changes FROM state", [], |row| row.get::<_, i64>(0))?;
    let files = Files::of(file)?;
    sync_folder(file.parent().unwrap_or(file))?;
    Ok((connection, files))
}
