//! Documents in one SQLite file. See `sqlite/schema.rs` for its tables.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::{
    Append, Compaction, Discard, DocumentId, Entry, Lineage, Lookup, Pack, Past, Position, Receipt,
    Record, Salvage, Space, Storage, StorageError, Stray, Summary, Trashed, Visit, Wrote,
};
use crate::access::PersonId;
use crate::name::DocumentName;
use crate::sabotage::{self, Sabotage};
use files::Files;
use open::{Folder, Problem};
use pool::Readers;
use statements::STATEMENTS;

pub(crate) mod files;
mod history;
mod lineage;
pub(crate) mod open;
mod pool;
pub(crate) mod reader;
mod receipts;
mod rows;
mod salvage;
mod schema;
mod statements;
mod strays;
mod summary;
mod trash;
mod visits;
mod wrote;

pub use open::{FILE, OpenError};

/// The format of databases that are written here.
pub const FORMAT: i64 = schema::KNOWN;

/// How long a statement waits for another process that has the file locked (a copy under way, say).
const BUSY: Duration = Duration::from_secs(1);
/// The journal beside the database is cut back to this many bytes once it was larger.
const KEPT_JOURNAL_BYTES: u32 = 64 << 20;
/// Once the journal has this many pages, each commit moves it into the database, as far as nobody reads it.
const MOVED_PAGES: i32 = 1000;
/// Page cache of the writing connection, in KiB.
const CACHE_KIB: i32 = 16 << 10;

/// Storage in `ropewalk.db` of a data folder, which it keeps locked against other servers.
pub struct Sqlite {
    folder: Folder,
    writer: Mutex<Writer>,
    /// Held for reading by every reader: opening again waits for all of them.
    readers: RwLock<Option<Readers>>,
    next: AtomicI64,
}

/// The connection that writes.
struct Writer {
    /// `None` after a failure to open again, and once closed.
    connection: Option<Connection>,
    files: Files,
    /// A write failed over it: nothing is written or synced over it any more.
    failed: bool,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("file", &self.folder.file)
            .finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens the database in `folder`; makes the folder and the database if they are missing. What cannot be
    /// opened is left as it is.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let opened = open::open(folder)?;
        let (writer, newest) = connect(&opened.file).map_err(|error| match error {
            StorageError::Damaged(reason) => OpenError::Damaged {
                file: opened.file.clone(),
                reason,
            },
            StorageError::Newer { found, known } => OpenError::Newer {
                file: opened.file.clone(),
                found,
                known,
            },
            StorageError::Full(reason) | StorageError::Failed(reason) => OpenError::NotUsable {
                folder: folder.to_path_buf(),
                reason,
            },
        })?;
        Ok(Self {
            readers: RwLock::new(Some(Readers::new(writer.files.clone()))),
            writer: Mutex::new(writer),
            next: AtomicI64::new(newest + 1),
            folder: opened,
        })
    }

    /// Absolute path of the data folder.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// Absolute path of the database.
    pub fn file(&self) -> &PathBuf {
        &self.folder.file
    }

    /// Runs `read` in one read transaction: it sees the database as of one moment.
    fn read<T>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let readers = self.readers.read().unwrap_or_else(PoisonError::into_inner);
        let readers = readers.as_ref().ok_or_else(not_open)?;
        let found = readers.with(|connection| {
            let transaction = connection.transaction()?;
            read(&transaction)
        })?;
        // A connection that was opened meanwhile may have read another file.
        readers.files().check()?;
        Ok(found)
    }

    /// Runs `write` in one write transaction; on `Ok` it is on disk.
    fn write<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write(write)
    }
}

impl Writer {
    fn write<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let connection = self.connection.as_mut().filter(|_| !self.failed);
        let written = commit(connection.ok_or_else(not_open)?, write);
        let written = written.and_then(|written| self.files.check().map(|()| written));
        self.failed = matches!(&written, Err(error) if !matches!(error, StorageError::Full(_)));
        written
    }

    /// Lets go of a connection that failed. While no database is in its place it is kept: nobody else has it.
    fn leave(&mut self) -> Result<(), StorageError> {
        if let Err(gone) = self.files.check() {
            // What is in the journal belongs to this database, wherever it is now, and to none that is put in its place.
            if let Some(connection) = &self.connection
                && let Moved::Busy = move_log(connection)?
            {
                return Err(gone);
            }
            self.files.check_place()?;
            if self.files.is_other() {
                open::check(self.files.path())?;
            }
        }
        self.connection = None;
        Ok(())
    }
}

fn commit<T>(
    connection: &mut Connection,
    write: impl FnOnce(&Transaction<'_>) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = write(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // Whoever wants to know how it ends closes it before.
        let _ = self.close();
    }
}

impl Storage for Sqlite {
    fn load(&self, name: &DocumentName) -> Result<Lookup, StorageError> {
        self.read(|transaction| statements::load(transaction, name))
    }

    fn salvage(&self, name: &DocumentName) -> Result<Salvage, StorageError> {
        self.read(|transaction| salvage::salvage(transaction, name))
    }

    fn allocate(&self) -> DocumentId {
        DocumentId(self.next.fetch_add(1, Relaxed))
    }

    fn append(&self, batch: &[Append]) -> Result<Vec<DocumentId>, StorageError> {
        self.write(|transaction| {
            let mut refused = Vec::new();
            for append in batch {
                if !statements::append(transaction, append)? {
                    refused.push(append.id);
                }
            }
            Ok(refused)
        })
    }

    fn pack(&self, id: DocumentId, through: u64) -> Result<Vec<Pack>, StorageError> {
        self.read(|transaction| history::pack_rows(transaction, id, through))
    }

    fn history(
        &self,
        id: DocumentId,
        each: &mut dyn FnMut(u64, Record),
    ) -> Result<(), StorageError> {
        self.read(|transaction| history::read(transaction, id, each))
    }

    fn compact(&self, compaction: &Compaction) -> Result<bool, StorageError> {
        self.write(|transaction| statements::compact(transaction, compaction))
    }

    fn delete(&self, id: DocumentId, now_ms: i64, past: &Past) -> Result<bool, StorageError> {
        self.write(|transaction| statements::delete(transaction, id, now_ms, past))
    }

    fn wrote(&self, id: DocumentId) -> Result<Vec<Wrote>, StorageError> {
        self.read(|transaction| wrote::read(transaction, id))
    }

    fn discard(&self, discard: &Discard<'_>) -> Result<bool, StorageError> {
        self.write(|transaction| trash::discard(transaction, discard))
    }

    fn trash(&self, after: Option<Position>, limit: usize) -> Result<Vec<Trashed>, StorageError> {
        self.read(|transaction| trash::list(transaction, after, limit))
    }

    fn trashed(&self, id: DocumentId) -> Result<Option<Trashed>, StorageError> {
        self.read(|transaction| trash::one(transaction, id))
    }

    fn trashed_before(&self, ms: i64, limit: usize) -> Result<Vec<Trashed>, StorageError> {
        self.read(|transaction| trash::before(transaction, ms, limit))
    }

    fn take_back(&self, id: DocumentId, name: &DocumentName) -> Result<bool, StorageError> {
        let tombstone = self.allocate();
        self.write(|transaction| trash::take_back(transaction, id, name, tombstone))
    }

    fn erase(&self, id: DocumentId) -> Result<bool, StorageError> {
        self.write(|transaction| trash::erase(transaction, id))
    }

    fn erase_some(&self) -> Result<bool, StorageError> {
        self.write(trash::erase_some)
    }

    fn receipts(&self, id: DocumentId) -> Result<Vec<Receipt>, StorageError> {
        self.read(|transaction| receipts::read(transaction, id))
    }

    fn lineage(&self, name: &DocumentName) -> Result<Lineage, StorageError> {
        self.read(|transaction| lineage::lineage(transaction, name))
    }

    fn set_aside(&self, id: DocumentId, stray: &Record) -> Result<bool, StorageError> {
        self.write(|transaction| strays::set_aside(transaction, id, stray))
    }

    fn strays(&self, id: DocumentId) -> Result<Vec<Stray>, StorageError> {
        self.read(|transaction| strays::list(transaction, id))
    }

    fn stray(&self, id: DocumentId, stray: i64) -> Result<Option<Record>, StorageError> {
        self.read(|transaction| strays::read(transaction, id, stray))
    }

    fn drop_stray(&self, id: DocumentId, stray: i64) -> Result<bool, StorageError> {
        self.write(|transaction| strays::forget(transaction, id, stray))
    }

    fn list(
        &self,
        query: &str,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        self.read(|transaction| statements::list(transaction, query, after, limit))
    }

    fn below(
        &self,
        folder: Option<&DocumentName>,
        each: &mut dyn FnMut(Entry),
    ) -> Result<(), StorageError> {
        self.read(|transaction| statements::below(transaction, folder, each))
    }

    fn visit(&self, some: &[Visit]) -> Result<(), StorageError> {
        self.write(|transaction| visits::keep(transaction, some))
    }

    fn visited(&self, person: PersonId) -> Result<Vec<(Entry, i64)>, StorageError> {
        self.read(|transaction| visits::list(transaction, person))
    }

    fn entries(&self, ids: &[DocumentId]) -> Result<Vec<Entry>, StorageError> {
        self.read(|transaction| statements::entries(transaction, ids))
    }

    fn entry(&self, name: &DocumentName) -> Result<Lookup<Entry>, StorageError> {
        self.read(|transaction| statements::entry(transaction, name))
    }

    fn summary(&self, most: usize) -> Result<Summary, StorageError> {
        self.read(|transaction| summary::summary(transaction, most))
    }

    fn space(&self) -> Option<Space> {
        summary::space(&self.folder)
    }

    fn probe(&self) -> Result<(), StorageError> {
        self.write(statements::probe)
    }

    fn reopen(&self) -> Result<(), StorageError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut readers = self.readers.write().unwrap_or_else(PoisonError::into_inner);
        *readers = None;
        writer.leave()?;
        open::rewrite_journal(&self.folder.file)?;
        open::check(&self.folder.file)?;
        let (opened, newest) = connect(&self.folder.file)?;
        *readers = Some(Readers::new(opened.files.clone()));
        *writer = opened;
        self.next.fetch_max(newest + 1, Relaxed);
        Ok(())
    }

    fn close(&self) -> Result<(), StorageError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut readers = self.readers.write().unwrap_or_else(PoisonError::into_inner);
        *readers = None;
        let failed = writer.failed;
        let Some(connection) = writer.connection.take().filter(|_| !failed) else {
            return Ok(());
        };
        // Somebody who copies the database meanwhile keeps it busy. Everything is on disk all the same.
        move_log(&connection)?;
        move_on_close(&connection, true)?;
        writer.files.check()
    }
}

/// Opens the writing connection of a database that exists; also answers the highest identity in it.
fn connect(file: &Path) -> Result<(Writer, i64), StorageError> {
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
enum Moved {
    All,
    Busy,
}

/// Moves all of the write-ahead log into the main file, unless another process reads the log.
fn move_log(connection: &Connection) -> rusqlite::Result<Moved> {
    let busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(if busy { Moved::Busy } else { Moved::All })
}

fn not_open() -> StorageError {
    StorageError::Failed("the database is not open".to_owned())
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType,
        };
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(_) => Self::Failed(text),
            None => match error {
                FromSqlConversionFailure(..)
                | IntegralValueOutOfRange(..)
                | InvalidColumnType(..) => Self::Damaged(text),
                _ => Self::Failed(text),
            },
        }
    }
}

impl From<Problem> for StorageError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::NotUsable(reason) => Self::Failed(reason),
            Problem::Damaged(reason) => Self::Damaged(reason),
            Problem::Newer(found) => Self::Newer {
                found,
                known: schema::KNOWN,
            },
        }
    }
}
