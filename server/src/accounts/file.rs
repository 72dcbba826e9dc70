//! Opening the accounts: what is wrong with the file is found out before anything in it is touched.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::AccountsError;
use super::schema::FORMAT;
use crate::sqlite::{
    Problem, make_private, move_behind, move_on_close, private, protect, sync_folder,
    use_write_ahead,
};
use crate::storage::sqlite::files::Files;

/// Name of the database in the data folder.
pub const FILE: &str = "accounts.db";
/// A new database is made under this name and takes its real one when it is whole.
pub const NEW: &str = "accounts.db.new";
/// Locked while one is opened or made: of two processes that find none, one makes it.
const LOCK: &str = "accounts.lock";
/// How long a statement waits for another process that writes.
pub const BUSY: Duration = Duration::from_secs(5);
/// The journal is cut back to this many bytes once it was larger.
const KEPT_JOURNAL_BYTES: u32 = 4 << 20;

/// A connection with the files that it has open.
type Opened = (Connection, Files);

/// Makes the folder if it is missing, and checks the database or makes a new one.
pub fn open(folder: &Path) -> Result<(PathBuf, Opened), AccountsError> {
    let placed = place(folder).map_err(|problem| problem.of(folder, folder));
    let (path, lock) = placed?;
    let file = path.join(FILE);
    let opened = match file.try_exists() {
        Ok(true) => FORMAT.inspect(&file),
        Ok(false) => FORMAT.create(&file, &path.join(NEW)),
        Err(error) => Err(error.into()),
    };
    let opened = opened.and_then(|()| connect(&file, migrate));
    drop(lock);
    let opened = opened.map_err(|problem| problem.of(folder, &file))?;
    Ok((file, opened))
}

/// Opens a database that is there, and leaves it in the format that it has.
pub fn visit(folder: &Path) -> Result<Option<(PathBuf, Opened)>, AccountsError> {
    if !folder.join(FILE).exists() {
        return Ok(None);
    }
    let placed = place(folder).map_err(|problem| problem.of(folder, folder));
    let (path, _lock) = placed?;
    let file = path.join(FILE);
    let opened = FORMAT
        .inspect(&file)
        .and_then(|()| connect(&file, |_| Ok(())));
    let opened = opened.map_err(|problem| problem.of(folder, &file))?;
    Ok(Some((file, opened)))
}

/// Opens them again after a failure.
pub fn reopen(file: &Path) -> Result<Opened, AccountsError> {
    let folder = file.parent().unwrap_or(file);
    let opened = FORMAT.inspect(file).and_then(|()| connect(file, migrate));
    Ok(opened.map_err(|problem| problem.of(folder, file))?)
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

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    FORMAT.migrate(connection)
}

fn connect(
    file: &Path,
    prepare: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
) -> Result<Opened, Problem> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    protect(&connection)?;
    connection.busy_timeout(BUSY)?;
    move_on_close(&connection, false)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A row that another takes the place of is deleted, and the triggers of the log are asked for that, too.
    connection.pragma_update(None, "recursive_triggers", true)?;
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
