//! What there is altogether: see `storage/summary.rs`.

use std::fs;
use std::path::Path;

use rusqlite::Transaction;

use super::open::Folder;
use super::statements::{Damaged, readable};
use crate::sqlite::beside;
use crate::storage::{Space, StorageError, Summary};

const TOGETHER: &str =
    "SELECT count(*), ifnull(sum(length), 0) FROM documents WHERE deleted_at_ms IS NULL";
const LONGEST: &str =
    "SELECT id, name, length, created_at_ms, edited_at_ms, owner, sequence FROM documents
    WHERE deleted_at_ms IS NULL ORDER BY length DESC, id";

pub fn summary(
    transaction: &Transaction<'_>,
    most: usize,
    damaged: Damaged<'_>,
) -> Result<Summary, StorageError> {
    let (documents, length): (i64, i64) =
        transaction.query_row(TOGETHER, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut statement = transaction.prepare(LONGEST)?;
    let mut rows = statement.query([])?;
    let mut longest = Vec::new();
    while longest.len() < most
        && let Some(row) = rows.next()?
    {
        longest.extend(readable(row, damaged)?);
    }
    Ok(Summary {
        documents: documents.unsigned_abs(),
        length: length.unsigned_abs(),
        longest,
    })
}

pub fn space(folder: &Folder) -> Option<Space> {
    let bytes = |path: &Path| fs::metadata(path).map(|metadata| metadata.len());
    Some(Space {
        database: bytes(&folder.file).ok()?,
        // There is none while nothing is in it.
        journal: bytes(&beside(&folder.file, "-wal")).unwrap_or(0),
        free: free(&folder.path),
    })
}

/// Bytes for those who are not root.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free(_folder: &Path) -> Option<u64> {
    None
}
