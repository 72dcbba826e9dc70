//! Documents in one SQLite file. See `sqlite/schema.rs` for its tables.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, RwLock};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::{
    Append, Aside, Compaction, Discard, DocumentId, Due, Entry, Lineage, Lookup, Pack, Past,
    Position, Receipt, Record, Salvage, Space, Storage, StorageError, Stray, Summary, Trashed,
    Visit, Wrote,
};
use crate::access::PersonId;
use crate::name::DocumentName;
use crate::sqlite::{BUSY, Problem, move_on_close, rewrite_journal};
use connection::{Moved, connect, move_log};
use files::Files;
use open::Folder;
use pool::Readers;

mod connection;
mod damaged;
pub(crate) mod files;
mod history;
mod lineage;
pub(crate) mod open;
mod owned;
#[cfg(test)]
mod plans;
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

pub use crate::sqlite::OpenError;
pub(crate) use connection::settle;
use damaged::Damaged;
pub use open::FILE;

/// The format of databases that are written here.
pub const FORMAT: i64 = schema::KNOWN;

/// Storage in `ropewalk.db` of a data folder, which it keeps locked against other servers.
pub struct Sqlite {
    folder: Folder,
    writer: Mutex<Writer>,
    /// Held for reading by every reader: opening again waits for all of them.
    readers: RwLock<Option<Readers>>,
    next: AtomicI64,
    damaged: Damaged,
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
            damaged: Damaged::default(),
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

    /// Whether any document belongs to somebody with an account.
    pub fn has_owners(&self) -> Result<bool, StorageError> {
        self.read(owned::any)
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
                schema::FORMAT.check(self.files.path())?;
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
        let deleted =
            self.write(|transaction| statements::delete(transaction, id, now_ms, past))?;
        self.damaged.is_gone(id);
        Ok(deleted)
    }

    fn wrote(&self, id: DocumentId) -> Result<Vec<Wrote>, StorageError> {
        self.read(|transaction| wrote::read(transaction, id))
    }

    fn discard(&self, discard: &Discard<'_>) -> Result<bool, StorageError> {
        let discarded = self.write(|transaction| trash::discard(transaction, discard))?;
        self.damaged.is_gone(discard.id);
        Ok(discarded)
    }

    fn trash(&self, after: Option<Position>, limit: usize) -> Result<Vec<Trashed>, StorageError> {
        self.read(|transaction| trash::list(transaction, after, limit))
    }

    fn trashed(&self, id: DocumentId) -> Result<Option<Trashed>, StorageError> {
        self.read(|transaction| trash::one(transaction, id))
    }

    fn trashed_before(&self, ms: i64, limit: usize) -> Result<Due, StorageError> {
        self.read(|transaction| trash::before(transaction, ms, limit))
    }

    fn see_time(&self, now_ms: i64, most_ms: i64) -> Result<(), StorageError> {
        self.write(|transaction| trash::see_time(transaction, now_ms, most_ms))
    }

    fn take_back(&self, id: DocumentId, name: &DocumentName) -> Result<bool, StorageError> {
        let tombstone = self.allocate();
        self.write(|transaction| trash::take_back(transaction, id, name, tombstone))
    }

    fn erase(&self, id: DocumentId) -> Result<bool, StorageError> {
        let erased = self.write(|transaction| trash::erase(transaction, id))?;
        self.damaged.is_gone(id);
        Ok(erased)
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

    fn set_aside(&self, id: DocumentId, stray: &Aside) -> Result<bool, StorageError> {
        self.write(|transaction| strays::set_aside(transaction, id, stray))
    }

    fn strays(&self, id: DocumentId) -> Result<Vec<Stray>, StorageError> {
        self.read(|transaction| strays::list(transaction, id))
    }

    fn stray(&self, id: DocumentId, stray: i64) -> Result<Option<Aside>, StorageError> {
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
        let mut damaged = self.damaged.notes();
        let entries = self
            .read(|transaction| statements::list(transaction, query, after, limit, &mut damaged))?;
        self.damaged.are_whole(&entries);
        Ok(entries)
    }

    fn below(
        &self,
        folder: Option<&DocumentName>,
        each: &mut dyn FnMut(Entry),
    ) -> Result<(), StorageError> {
        let mut damaged = self.damaged.notes();
        self.read(|transaction| statements::below(transaction, folder, each, &mut damaged))
    }

    fn visit(&self, some: &[Visit]) -> Result<(), StorageError> {
        self.write(|transaction| visits::keep(transaction, some))
    }

    fn visited(&self, person: PersonId) -> Result<Vec<(Entry, i64)>, StorageError> {
        let mut damaged = self.damaged.notes();
        self.read(|transaction| visits::list(transaction, person, &mut damaged))
    }

    fn hand_over(
        &self,
        id: DocumentId,
        to: PersonId,
        is_trashed: bool,
    ) -> Result<bool, StorageError> {
        self.write(|transaction| owned::hand_over(transaction, id, to, is_trashed))
    }

    fn owned(
        &self,
        person: PersonId,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Vec<(Entry, bool)>, StorageError> {
        let damaged = self.damaged.notes();
        self.read(|transaction| owned::list(transaction, person, after, limit, damaged))
    }

    fn entries(&self, ids: &[DocumentId]) -> Result<Vec<Entry>, StorageError> {
        let mut damaged = self.damaged.notes();
        self.read(|transaction| statements::entries(transaction, ids, &mut damaged))
    }

    fn entry(&self, name: &DocumentName) -> Result<Lookup<Entry>, StorageError> {
        self.read(|transaction| statements::entry(transaction, name))
    }

    fn summary(&self, most: usize) -> Result<Summary, StorageError> {
        let mut damaged = self.damaged.notes();
        self.read(|transaction| summary::summary(transaction, most, &mut damaged))
    }

    fn unlisted(&self) -> Vec<(DocumentId, String)> {
        self.damaged.all()
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
        rewrite_journal(&self.folder.file, BUSY)?;
        schema::FORMAT.check(&self.folder.file)?;
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
            Problem::Newer { found, known } => Self::Newer { found, known },
        }
    }
}
