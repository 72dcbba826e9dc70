//! Edits that are no part of a document, because whoever made them did not know what its name stands for now.

use std::sync::Arc;

use rusqlite::{Transaction, params};

use super::rows::checksum;
use super::statements::unsigned;
use crate::storage::{
    Author, DocumentId, MAX_STRAY_BYTES, MAX_STRAYS, Record, StorageError, Stray,
};

pub const ROOM: &str =
    "SELECT count(*), coalesce(sum(length(payload)), 0) FROM strays WHERE document_id = ?1";
pub const SAME: &str = "SELECT 1 FROM strays
    WHERE document_id = ?1 AND length(payload) = length(?2) AND payload = ?2";
pub const KEEP: &str = "INSERT INTO strays (document_id, at_ms, client, name, crc32, payload)
    SELECT id, ?2, ?3, ?4, ?5, ?6 FROM documents WHERE id = ?1 AND deleted_at_ms IS NULL";
pub const LIST: &str = "SELECT id, at_ms, client, name, length(payload) FROM strays
    WHERE document_id = ?1 ORDER BY id DESC";
pub const READ: &str = "SELECT at_ms, client, name, crc32, payload FROM strays
    WHERE document_id = ?1 AND id = ?2";
pub const FORGET: &str = "DELETE FROM strays WHERE document_id = ?1 AND id = ?2";
pub const DROP: &str = "DELETE FROM strays WHERE document_id = ?1";

/// Keeps an update beside the document.
pub fn set_aside(
    transaction: &Transaction<'_>,
    id: DocumentId,
    stray: &Record,
) -> Result<bool, StorageError> {
    let update: &[u8] = &stray.update;
    // A tab that is opened again has the same once more.
    if transaction
        .prepare_cached(SAME)?
        .exists(params![id.0, update])?
    {
        return Ok(true);
    }
    let (count, bytes): (i64, i64) = transaction
        .prepare_cached(ROOM)?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let bytes = unsigned(bytes)?.saturating_add(update.len() as u64);
    if unsigned(count)? >= MAX_STRAYS || bytes > MAX_STRAY_BYTES {
        return Ok(false);
    }
    let Author { client, name } = &*stray.author;
    let client = client.and_then(|client| i64::try_from(client).ok());
    let crc = checksum([id.0, stray.at_ms, 0], update);
    let kept = transaction.prepare_cached(KEEP)?.execute(params![
        id.0,
        stray.at_ms,
        client,
        name,
        crc,
        update
    ])?;
    Ok(kept == 1)
}

/// What was set aside, the newest first.
pub fn list(transaction: &Transaction<'_>, id: DocumentId) -> Result<Vec<Stray>, StorageError> {
    let mut statement = transaction.prepare_cached(LIST)?;
    let mut rows = statement.query([id.0])?;
    let mut strays = Vec::new();
    while let Some(row) = rows.next()? {
        strays.push(Stray {
            id: row.get(0)?,
            at_ms: row.get(1)?,
            author: author(row.get(2)?, row.get(3)?),
            bytes: unsigned(row.get(4)?)?,
        });
    }
    Ok(strays)
}

/// One of these.
pub fn read(
    transaction: &Transaction<'_>,
    id: DocumentId,
    stray: i64,
) -> Result<Option<Record>, StorageError> {
    let mut statement = transaction.prepare_cached(READ)?;
    let mut rows = statement.query(params![id.0, stray])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let (at_ms, crc): (i64, i64) = (row.get(0)?, row.get(3)?);
    let update: Vec<u8> = row.get(4)?;
    if crc != i64::from(checksum([id.0, at_ms, 0], &update)) {
        return Err(StorageError::Damaged(format!(
            "document {}: the checksum of its stray {stray} is wrong",
            id.0
        )));
    }
    Ok(Some(Record {
        update: update.into(),
        author: Arc::new(author(row.get(1)?, row.get(2)?)),
        at_ms,
    }))
}

fn author(client: Option<i64>, name: String) -> Author {
    let client = client.and_then(|client| u64::try_from(client).ok());
    Author { client, name }
}

/// Forgets one of these.
pub fn forget(
    transaction: &Transaction<'_>,
    id: DocumentId,
    stray: i64,
) -> Result<bool, StorageError> {
    let gone = transaction
        .prepare_cached(FORGET)?
        .execute(params![id.0, stray])?;
    Ok(gone == 1)
}
