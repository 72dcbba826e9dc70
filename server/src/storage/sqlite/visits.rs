//! Who has opened which documents, and when last.

use rusqlite::{Transaction, params};

use super::statements::{Damaged, readable, signed};
use crate::access::PersonId;
use crate::storage::{Entry, MAX_VISITS, StorageError, Visit};

pub const KEEP: &str = "INSERT INTO visits (person, document_id, at_ms)
    SELECT ?1, id, ?3 FROM documents WHERE id = ?2 AND deleted_at_ms IS NULL
    ON CONFLICT (person, document_id) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)";
pub const FORGET: &str = "DELETE FROM visits WHERE person = ?1 AND document_id NOT IN
    (SELECT document_id FROM visits WHERE person = ?1 ORDER BY at_ms DESC, document_id DESC LIMIT ?2)";
pub const LIST: &str =
    "SELECT id, name, length, created_at_ms, edited_at_ms, owner, sequence, at_ms
    FROM visits JOIN documents ON documents.id = visits.document_id
    WHERE person = ?1 AND deleted_at_ms IS NULL ORDER BY at_ms DESC, id DESC";

/// Keeps visits.
pub fn keep(transaction: &Transaction<'_>, visits: &[Visit]) -> Result<(), StorageError> {
    let most = signed(MAX_VISITS as u64)?;
    for Visit { person, id, at_ms } in visits {
        transaction
            .prepare_cached(KEEP)?
            .execute(params![person.0, id.0, at_ms])?;
        transaction
            .prepare_cached(FORGET)?
            .execute(params![person.0, most])?;
    }
    Ok(())
}

/// What somebody has visited.
pub fn list(
    transaction: &Transaction<'_>,
    person: PersonId,
    damaged: Damaged<'_>,
) -> Result<Vec<(Entry, i64)>, StorageError> {
    let mut statement = transaction.prepare_cached(LIST)?;
    let mut rows = statement.query([person.0])?;
    let mut visited = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(entry) = readable(row, damaged)? {
            visited.push((entry, row.get(7)?));
        }
    }
    Ok(visited)
}
