//! Whose documents are, and how that changes.

use rusqlite::{Transaction, params};

use super::statements::line;
use crate::access::PersonId;
use crate::storage::{DocumentId, Entry, StorageError};

/// Reads what is behind an identity: of one person there may be few among many. Administrators ask, when somebody leaves.
pub const LIST: &str =
    "SELECT id, name, length, created_at_ms, edited_at_ms, owner, sequence, deleted_at_ms IS NOT NULL FROM documents
    WHERE owner = ?1 AND id > ?2
        AND (deleted_at_ms IS NULL OR EXISTS (SELECT 1 FROM trash WHERE document_id = documents.id))
    ORDER BY id";
pub const HAND_OVER: &str = "UPDATE documents SET owner = ?2
    WHERE id = ?1 AND iif(?3, EXISTS (SELECT 1 FROM trash WHERE document_id = ?1), deleted_at_ms IS NULL)";

/// Whether anything belongs to somebody. Reads all lines where nothing does.
pub const ANY: &str = "SELECT 1 FROM documents
    WHERE owner IS NOT NULL
        AND (deleted_at_ms IS NULL OR EXISTS (SELECT 1 FROM trash WHERE document_id = documents.id))
    LIMIT 1";

/// See [`super::Sqlite::has_owners`].
pub fn any(transaction: &Transaction<'_>) -> Result<bool, StorageError> {
    Ok(transaction.prepare_cached(ANY)?.exists([])?)
}

/// See [`crate::storage::Storage::owned`].
pub fn list(
    transaction: &Transaction<'_>,
    person: PersonId,
    after: Option<DocumentId>,
    limit: usize,
    mut damaged: impl FnMut(DocumentId, String),
) -> Result<Vec<(Entry, bool)>, StorageError> {
    let mut statement = transaction.prepare_cached(LIST)?;
    let after = after.map_or(i64::MIN, |after| after.0);
    let mut rows = statement.query(params![person.0, after])?;
    let mut owned = Vec::new();
    // A page that is not full is the last one: what cannot be read does not count.
    while owned.len() < limit
        && let Some(row) = rows.next()?
    {
        match line(row) {
            Ok(entry) => owned.push((entry, row.get(7)?)),
            Err(StorageError::Damaged(why)) => damaged(DocumentId(row.get(0)?), why),
            Err(error) => return Err(error),
        }
    }
    Ok(owned)
}

/// See [`crate::storage::Storage::hand_over`].
pub fn hand_over(
    transaction: &Transaction<'_>,
    id: DocumentId,
    to: PersonId,
    is_trashed: bool,
) -> Result<bool, StorageError> {
    let mut statement = transaction.prepare_cached(HAND_OVER)?;
    Ok(statement.execute(params![id.0, to.0, is_trashed])? > 0)
}
