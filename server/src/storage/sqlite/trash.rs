//! Documents that are deleted and kept for a while. One of these is a tombstone that has its content still.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::statements::{self, line};
use super::{lineage, receipts};
use crate::access::PersonId;
use crate::name::DocumentName;
use crate::storage::{
    Discard, DocumentId, Due, ERASED_ROWS, Position, StorageError, Trashed, fold,
};

pub const KEEP: &str =
    "INSERT INTO trash (document_id, kept_from_ms, person, crc32, vector, deleted_at_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?2)";
pub const LIST: &str = "SELECT id, name, length, created_at_ms, edited_at_ms, owner, sequence, trash.deleted_at_ms, person, kept_from_ms,
        NOT EXISTS (SELECT 1 FROM documents taken WHERE taken.name = documents.name AND taken.deleted_at_ms IS NULL)
    FROM trash CROSS JOIN documents ON documents.id = document_id WHERE (trash.deleted_at_ms, document_id) < (?1, ?2)
    ORDER BY trash.deleted_at_ms DESC, document_id DESC";
pub const ONE: &str = "SELECT id, name, length, created_at_ms, edited_at_ms, owner, sequence, trash.deleted_at_ms, person, kept_from_ms,
        NOT EXISTS (SELECT 1 FROM documents taken WHERE taken.name = documents.name AND taken.deleted_at_ms IS NULL)
    FROM trash JOIN documents ON documents.id = trash.document_id WHERE trash.document_id = ?1";
pub const OLD: &str =
    "SELECT document_id FROM trash WHERE kept_from_ms < ?1 ORDER BY kept_from_ms, document_id";
pub const FIND: &str = "SELECT id, sequence, generation, owner FROM documents
    JOIN trash ON trash.document_id = documents.id WHERE id = ?1";
pub const VECTOR: &str =
    "SELECT document_id, NULL, crc32, vector FROM trash WHERE document_id = ?1";
pub const LEAVE: &str = "DELETE FROM trash WHERE document_id = ?1";
pub const IS_FREE: &str =
    "SELECT NOT EXISTS (SELECT 1 FROM documents WHERE name = ?1 AND deleted_at_ms IS NULL)";
pub const NAME: &str = "SELECT name FROM documents WHERE id = ?1";
pub const REVIVE: &str =
    "UPDATE documents SET deleted_at_ms = NULL, name = ?2, folded = ?3 WHERE id = ?1";
/// Where it is again nothing stands for it.
pub const UNMARK_PAST: &str = "DELETE FROM pasts WHERE document_id IN
    (SELECT id FROM documents WHERE moved_to = ?1 AND name = ?2)";
pub const UNMARK: &str = "DELETE FROM documents WHERE moved_to = ?1 AND name = ?2";
/// A tombstone where it was.
pub const MARK: &str = "INSERT INTO documents
    (id, name, folded, created_at_ms, edited_at_ms, length, sequence, deleted_at_ms, moved_to)
    SELECT ?2, name, folded, created_at_ms, edited_at_ms, 0, 0, deleted_at_ms, id FROM documents WHERE id = ?1";
pub const SETTLE: &str = "UPDATE documents SET moved_to = NULL WHERE moved_to = ?1";
pub const ERASE: &str = "INSERT INTO erasing (document_id) VALUES (?1)";
pub const ERASING: &str = "SELECT document_id FROM erasing LIMIT 1";
pub const ERASED: &str = "DELETE FROM erasing WHERE document_id = ?1";
pub const VISITS: &str = "DELETE FROM visits WHERE document_id = ?1 AND person IN
    (SELECT person FROM visits WHERE document_id = ?1 LIMIT ?2)";
pub const SOME_LOG: &str = "DELETE FROM log WHERE document_id = ?1 AND first_sequence IN
    (SELECT first_sequence FROM log WHERE document_id = ?1 LIMIT ?2)";
pub const SOME_HISTORY: &str =
    "DELETE FROM history WHERE id IN (SELECT id FROM history WHERE document_id = ?1 LIMIT ?2)";
pub const SOME_STRAYS: &str =
    "DELETE FROM strays WHERE id IN (SELECT id FROM strays WHERE document_id = ?1 LIMIT ?2)";
pub const SOME_DAMAGED: &str =
    "DELETE FROM damaged WHERE id IN (SELECT id FROM damaged WHERE document_id = ?1 LIMIT ?2)";
pub const SOME_WROTE: &str = "DELETE FROM wrote WHERE document_id = ?1 AND (client, clock) IN
    (SELECT client, clock FROM wrote WHERE document_id = ?1 LIMIT ?2)";
pub const SEEN: &str = "SELECT seen_ms FROM clock WHERE id = 1";
pub const SEE: &str = "INSERT OR REPLACE INTO clock (id, seen_ms) VALUES (1, ?1)";
pub const KEEP_ON: &str = "UPDATE trash SET kept_from_ms = min(kept_from_ms + ?1, ?2)";
/// After a restore the days are counted anew.
pub const KEEP_LONGER: &str = "UPDATE trash SET kept_from_ms = max(kept_from_ms, ?1)";

/// Puts a document into the trash.
pub fn discard(transaction: &Transaction<'_>, discard: &Discard<'_>) -> Result<bool, StorageError> {
    let Discard {
        id,
        now_ms,
        by,
        vector,
    } = discard;
    let changed = transaction
        .prepare_cached(statements::DELETE)?
        .execute(params![id.0, now_ms])?;
    if changed == 0 {
        return Ok(false);
    }
    let (crc, vector) = lineage::encoded(id.0, None, vector);
    let by = by.map(|by| by.0);
    transaction
        .prepare_cached(KEEP)?
        .execute(params![id.0, now_ms, by, crc, vector])?;
    Ok(true)
}

/// One page of the list, without what cannot be read.
pub fn list(
    transaction: &Transaction<'_>,
    after: Option<Position>,
    limit: usize,
) -> Result<Vec<Trashed>, StorageError> {
    let (at, id) = after.map_or((i64::MAX, i64::MAX), |after| {
        (after.edited_at_ms, after.id.0)
    });
    let mut found = Vec::new();
    each(transaction, (at, id), &mut |trashed| {
        match trashed {
            Err(StorageError::Damaged(why)) => tracing::debug!(why, "left out of the trash"),
            trashed => found.push(trashed?),
        }
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// All of them.
pub fn all(transaction: &Transaction<'_>) -> Result<Vec<Trashed>, StorageError> {
    let mut found = Vec::new();
    each(transaction, (i64::MAX, i64::MAX), &mut |trashed| {
        found.push(trashed?);
        Ok(true)
    })?;
    Ok(found)
}

/// Hands each of them to `take`, which says whether it takes more.
fn each(
    transaction: &Transaction<'_>,
    (at, id): (i64, i64),
    take: &mut dyn FnMut(Result<Trashed, StorageError>) -> Result<bool, StorageError>,
) -> Result<(), StorageError> {
    let mut statement = transaction.prepare_cached(LIST)?;
    let mut rows = statement.query(params![at, id])?;
    while let Some(row) = rows.next()? {
        if !take(trashed(row))? {
            break;
        }
    }
    Ok(())
}

/// One of them.
pub fn one(transaction: &Transaction<'_>, id: DocumentId) -> Result<Option<Trashed>, StorageError> {
    let mut statement = transaction.prepare_cached(ONE)?;
    let mut rows = statement.query([id.0])?;
    rows.next()?.map(trashed).transpose()
}

/// Those that are kept for longest.
pub fn before(transaction: &Transaction<'_>, ms: i64, limit: usize) -> Result<Due, StorageError> {
    let mut statement = transaction.prepare_cached(OLD)?;
    let mut rows = statement.query([ms])?;
    let mut due = Due::default();
    while due.trashed.len() < limit
        && let Some(row) = rows.next()?
    {
        match one(transaction, DocumentId(row.get(0)?)) {
            Err(StorageError::Damaged(_)) => due.damaged += 1,
            trashed => due.trashed.extend(trashed?),
        }
    }
    Ok(due)
}

fn trashed(row: &Row<'_>) -> Result<Trashed, StorageError> {
    Ok(Trashed {
        entry: line(row)?,
        deleted_at_ms: row.get(7)?,
        deleted_by: row.get::<_, Option<i64>>(8)?.map(PersonId),
        kept_from_ms: row.get(9)?,
        is_name_free: row.get(10)?,
    })
}

/// See `Storage::see_time`.
pub fn see_time(
    transaction: &Transaction<'_>,
    now_ms: i64,
    most_ms: i64,
) -> Result<(), StorageError> {
    let seen: Option<i64> = transaction
        .prepare_cached(SEEN)?
        .query_row([], |row| row.get(0))
        .optional()?;
    let passed = now_ms.saturating_sub(seen.unwrap_or(now_ms));
    if passed < 0 || passed > most_ms {
        let not_counted = passed.saturating_sub(most_ms).max(0);
        transaction
            .prepare_cached(KEEP_ON)?
            .execute([not_counted, now_ms])?;
    }
    transaction.prepare_cached(SEE)?.execute([now_ms])?;
    Ok(())
}

/// Takes a document out of the trash, under a name.
pub fn take_back(
    transaction: &Transaction<'_>,
    id: DocumentId,
    name: &DocumentName,
    tombstone: DocumentId,
) -> Result<bool, StorageError> {
    let is_free: bool = transaction
        .prepare_cached(IS_FREE)?
        .query_row([name.as_str()], |row| row.get(0))?;
    if !is_free || !transaction.prepare_cached(VECTOR)?.exists([id.0])? {
        return Ok(false);
    }
    let before: String = transaction
        .prepare_cached(NAME)?
        .query_row([id.0], |row| row.get(0))?;
    if before != name.as_str() {
        transaction
            .prepare_cached(MARK)?
            .execute([id.0, tombstone.0])?;
        if let Some(vector) = lineage::vector(transaction, VECTOR, id.0)? {
            lineage::keep(transaction, tombstone.0, None, &vector)?;
        }
    }
    for statement in [UNMARK_PAST, UNMARK] {
        transaction
            .prepare_cached(statement)?
            .execute(params![id.0, name.as_str()])?;
    }
    transaction.prepare_cached(LEAVE)?.execute([id.0])?;
    transaction.prepare_cached(REVIVE)?.execute(params![
        id.0,
        name.as_str(),
        fold(name.as_str())
    ])?;
    Ok(true)
}

/// From here on it is a tombstone like others, and its content is nobody's.
pub fn erase(transaction: &Transaction<'_>, id: DocumentId) -> Result<bool, StorageError> {
    let vector = lineage::vector(transaction, VECTOR, id.0)?;
    if transaction.prepare_cached(LEAVE)?.execute([id.0])? == 0 {
        return Ok(false);
    }
    lineage::deleted(transaction, id.0, &vector.unwrap_or_default())?;
    for statement in [SETTLE, ERASE] {
        transaction.prepare_cached(statement)?.execute([id.0])?;
    }
    Ok(true)
}

/// Removes some of the content of a document that is gone.
pub fn erase_some(transaction: &Transaction<'_>) -> Result<bool, StorageError> {
    let erasing: Option<i64> = transaction
        .prepare_cached(ERASING)?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(id) = erasing else {
        return Ok(false);
    };
    let most = i64::try_from(ERASED_ROWS).unwrap_or(i64::MAX);
    for (statement, most) in [
        (SOME_LOG, most),
        (SOME_HISTORY, most),
        (SOME_STRAYS, most),
        (SOME_DAMAGED, most),
        // Those are short.
        (SOME_WROTE, most * 256),
        (VISITS, most),
    ] {
        let gone = transaction.prepare_cached(statement)?.execute([id, most])?;
        if gone > 0 {
            return Ok(true);
        }
    }
    for statement in [statements::DROP, statements::DROP_FORMER, receipts::DROP] {
        if transaction.prepare_cached(statement)?.execute([id])? > 0 {
            return Ok(true);
        }
    }
    transaction.prepare_cached(ERASED)?.execute([id])?;
    Ok(true)
}
