//! Connections to the database: their settings, and when what is in the journal beside it is moved.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::files::Files;
use super::statements;
use super::{Writer, schema};
use crate::sabotage::{self, Sabotage};
use crate::sqlite::{
    Problem, beside, move_behind, move_on_close, protect, sync_folder, use_write_ahead,
};
use crate::storage::StorageError;

/// The journal beside the database is cut back to this many bytes once it was larger.
const KEPT_JOURNAL_BYTES: u32 = 64 << 20;
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
    // What is gone is overwritten: no page keeps what nobody can read any more.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    connection.pragma_update(None, "journal_size_limit", KEPT_JOURNAL_BYTES)?;
    use_write_ahead(&connection)?;
    connection.wal_hook(Some(move_behind))?;
    schema::FORMAT.migrate(&mut connection)?;
    if let Moved::Busy = move_log(&connection)? {
        tracing::info!(
            "a backup is under way: the journal is moved into the database when it is done"
        );
    }
    let newest = connection.query_row(statements::NEWEST, [], |row| row.get(0))?;
    let files = Files::of(file).map_err(Problem::from)?;
    // SQLite syncs the name of a new journal, too, but does not say when that fails.
    sync_folder(file.parent().unwrap_or(file)).map_err(Problem::from)?;
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
    Ok(matches!(moved, Moved::All) && !beside(file, "-wal").exists())
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
