//! Connections to the database: their settings, and when what is in the journal beside it is moved.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::files::Files;
use super::open::{self, Problem};
use super::statements::{self, STATEMENTS};
use super::{Writer, schema};
use crate::sabotage::{self, Sabotage};
use crate::storage::StorageError;

/// How long a statement waits for another process that has the file locked (a copy under way, say).
const BUSY: Duration = Duration::from_secs(1);
/// The journal beside the database is cut back to this many bytes once it was larger.
const KEPT_JOURNAL_BYTES: u32 = 64 << 20;
/// Once the journal has this many pages, each commit moves it into the database, as far as nobody reads it.
const MOVED_PAGES: i32 = 1000;
/// Page cache of the writing connection, in KiB.
const CACHE_KIB: i32 = 16 << 10;

/// Opens the writing connection of a database that exists; also answers the highest identity in it.
pub fn connect(file: &Path) -> Result<(Writer, i64), StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    protect(&connection)?;
    move_on_close(&connection, false)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if sabotage::is(Sabotage::SkipSync) {
        connection.pragma_update(None, "synchronous", "OFF")?;
    }
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", KEPT_JOURNAL_BYTES)?;
    use_write_ahead(&connection)?;
    connection.wal_hook(Some(move_behind))?;
    schema::migrate(&mut connection)?;
    if let Moved::Busy = move_log(&connection)? {
        tracing::info!(
            "a backup is under way: the journal is moved into the database when it is done"
        );
    }
    let newest = connection.query_row(statements::NEWEST, [], |row| row.get(0))?;
    let files = Files::of(file).map_err(Problem::from)?;
    // SQLite syncs the name of a new journal, too, but does not say when that fails.
    open::sync_folder(file.parent().unwrap_or(file)).map_err(Problem::from)?;
    let writer = Writer {
        connection: Some(connection),
        files,
        failed: false,
    };
    Ok((writer, newest))
}

/// Brings everything of a database into its main file. `Ok(false)`: another process uses it.
pub(crate) fn settle(file: &Path) -> Result<bool, Problem> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    protect(&connection)?;
    let moved = move_log(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    // Whoever closes it last takes the journal away.
    Ok(matches!(moved, Moved::All) && !open::beside(file, "-wal").exists())
}

/// Settings of every connection.
pub(crate) fn protect(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS.len());
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // A read error in a mapped file is a signal that ends the process; in a read call it is an error.
    connection.pragma_update(None, "mmap_size", 0)
}

/// Puts the database into write-ahead mode, where readers and the writer do not wait for each other.
pub(crate) fn use_write_ahead(connection: &Connection) -> rusqlite::Result<()> {
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
pub(crate) fn move_behind(log: &mut Wal, pages: i32) -> rusqlite::Result<()> {
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
pub(crate) fn move_on_close(connection: &Connection, does: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !does)?;
    Ok(())
}

/// How far [`move_log`] came.
pub enum Moved {
    All,
    Busy,
}

/// Moves all of the write-ahead log into the main file, unless another process reads the log.
pub fn move_log(connection: &Connection) -> rusqlite::Result<Moved> {
    let busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(if busy { Moved::Busy } else { Moved::All })
}
