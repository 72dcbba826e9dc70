//! Edits that are no part of a document, because whoever made them did not know what its name stands for now.

use std::sync::Arc;

use rusqlite::{Transaction, params};

use super::rows::checksum;
use super::statements::unsigned;
use crate::access::PersonId;
use crate::storage::{
    Aside, Author, DocumentId, MAX_STRAY_BYTES, MAX_STRAYS, Record, StorageError, Stray,
};

pub const ROOM: &str =
    "SELECT count(*), coalesce(sum(length(payload)), 0) FROM strays WHERE document_id = ?1
        AND is_of_another = ?2";
pub const SAME: &str = "SELECT 1 FROM strays
    WHERE document_id = ?1 AND length(payload) = length(?2) AND payload = ?2
        AND is_of_another = ?3 AND (?3 = 0 OR person IS ?4)";
pub const KEEP: &str =
    "INSERT INTO strays (document_id, at_ms, client, name, crc32, payload, person, is_of_another)
    SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM documents WHERE id = ?1 AND deleted_at_ms IS NULL";
pub const LIST: &str =
    "SELECT id, at_ms, client, name, length(payload), person, is_of_another FROM strays
    WHERE document_id = ?1 ORDER BY id DESC";
pub const READ: &str =
    "SELECT at_ms, client, name, crc32, payload, person, is_of_another FROM strays
    WHERE document_id = ?1 AND id = ?2";
pub const FORGET: &str = "DELETE FROM strays WHERE document_id = ?1 AND id = ?2";
pub const DROP: &str = "DELETE FROM strays WHERE document_id = ?1";

/// Keeps an update beside the document.
pub fn set_aside(
    transaction: &Transaction<'_>,
    id: DocumentId,
    stray: &Aside,
) -> Result<bool, StorageError> {
    let Aside {
        record,
        person,
        is_of_another,
    } = stray;
    let person = person.map(|person| person.0);
    let update: &[u8] = &record.update;
    // A tab that is opened again has the same once more.
    if transaction
        .prepare_cached(SAME)?
        .exists(params![id.0, update, is_of_another, person])?
    {
        return Ok(true);
    }
    let (count, bytes): (i64, i64) = transaction
        .prepare_cached(ROOM)?
        .query_row(params![id.0, is_of_another], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let bytes = unsigned(bytes)?.saturating_add(update.len() as u64);
    if unsigned(count)? >= MAX_STRAYS || bytes > MAX_STRAY_BYTES {
        return Ok(false);
    }
    let Author { client, name } = &*record.author;
    let client = client.and_then(|client| i64::try_from(client).ok());
    let crc = checksum([id.0, record.at_ms, person.unwrap_or_default()], update);
    let kept = transaction.prepare_cached(KEEP)?.execute(params![
        id.0,
        record.at_ms,
        client,
        name,
        crc,
        update,
        person,
        is_of_another
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
            person: row.get::<_, Option<i64>>(5)?.map(PersonId),
            is_of_another: row.get(6)?,
        });
    }
    Ok(strays)
}

/// One of these.
pub fn read(
    transaction: &Transaction<'_>,
    id: DocumentId,
    stray: i64,
) -> Result<Option<Aside>, StorageError> {
    let mut statement = transaction.prepare_cached(READ)?;
    let mut rows = statement.query(params![id.0, stray])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let (at_ms, crc): (i64, i64) = (row.get(0)?, row.get(3)?);
    let update: Vec<u8> = row.get(4)?;
    let person: Option<i64> = row.get(5)?;
    if crc != i64::from(checksum([id.0, at_ms, person.unwrap_or_default()], &update)) {
        return Err(StorageError::Damaged(format!(
            "document {}: the checksum of its stray {stray} is wrong",
            id.0
        )));
    }
    Ok(Some(Aside {
        record: Record {
            update: update.into(),
            author: Arc::new(author(row.get(1)?, row.get(2)?)),
            at_ms,
        },
        person: person.map(PersonId),
        is_of_another: row.get(6)?,
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
