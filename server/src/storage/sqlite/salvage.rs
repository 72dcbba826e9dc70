//! What can be read of a document of which something is damaged.

use rusqlite::{OptionalExtension, Transaction, params};

use super::statements::{FIND, SNAPSHOT, snapshot, unsigned};
use super::{history, receipts};
use crate::access::PersonId;
use crate::name::DocumentName;
use crate::storage::{DocumentId, Salvage, Salvaged, StorageError};

pub const FORMER: &str =
    "SELECT generation, through, crc32, data FROM former_snapshots WHERE document_id = ?1";
pub const SET_ASIDE_LOG: &str =
    "INSERT INTO damaged (document_id, found_at_ms, what, first_sequence, last_sequence, payload)
    SELECT document_id, ?2, 'log', first_sequence, last_sequence, payload FROM log WHERE document_id = ?1";
pub const SET_ASIDE_SNAPSHOT: &str =
    "INSERT INTO damaged (document_id, found_at_ms, what, first_sequence, last_sequence, payload)
    SELECT document_id, ?2, 'snapshot', 1, through, data FROM snapshots WHERE document_id = ?1";
pub const GO_ON: &str = "UPDATE documents SET generation = ?2 + 1, sequence = ?3
    WHERE id = ?1 AND generation = ?2 AND deleted_at_ms IS NULL";
/// Numbers by the clock, as those of restores. Where the database was restored since, no version was given yet.
pub const MOVE_ON: &str = "UPDATE documents SET restores = max(?2, restores + 1) WHERE id = ?1
    AND restores >= (SELECT coalesce(max(id), 0) FROM restores)";
pub const DROP: &str = "DELETE FROM damaged WHERE document_id = ?1";

/// Reads every snapshot and every update that is whole.
pub fn salvage(
    transaction: &Transaction<'_>,
    name: &DocumentName,
) -> Result<Salvage, StorageError> {
    let found: Option<(i64, i64, i64, Option<i64>)> = transaction
        .prepare_cached(FIND)?
        .query_row([name.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let (id, sequence, generation, owner) =
        found.ok_or_else(|| StorageError::Damaged(format!("{name} is not there any more")))?;
    let mut snapshots = Vec::new();
    for statement in [SNAPSHOT, FORMER] {
        match snapshot(transaction, statement, id) {
            Ok(Some((_, through, data))) => snapshots.push((unsigned(through)?, data)),
            Ok(None) | Err(StorageError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let mut updates = Vec::new();
    let mut take = |row: Result<history::Row, StorageError>| match row {
        Ok(row) => {
            let numbers = unsigned(row.first)?..;
            updates.extend(numbers.zip(row.records.into_iter().map(|record| record.update)));
            Ok(())
        }
        Err(StorageError::Damaged(why)) => {
            tracing::error!(why, "left out");
            Ok(())
        }
        Err(error) => Err(error),
    };
    history::packs(transaction, id, &mut take)?;
    history::rows(transaction, id, i64::MAX, take)?;
    // A row that somebody moved may stand elsewhere than its number says.
    updates.sort_by_key(|&(sequence, _)| sequence);
    updates.dedup_by_key(|&mut (sequence, _)| sequence);
    Ok(Salvage {
        owner: owner.map(PersonId),
        id: DocumentId(id),
        generation: unsigned(generation)?,
        sequence: unsigned(sequence)?,
        snapshots,
        updates,
    })
}

/// Keeps a log and a snapshot as they are, for whoever can make more of them; and what was said of what is lost does not count any more.
pub fn salvaged(
    transaction: &Transaction<'_>,
    id: i64,
    salvaged: &Salvaged,
) -> Result<(), StorageError> {
    let at_ms = salvaged.at_ms;
    for statement in [SET_ASIDE_LOG, SET_ASIDE_SNAPSHOT] {
        transaction
            .prepare_cached(statement)?
            .execute(params![id, at_ms])?;
    }
    if salvaged.is_less {
        transaction
            .prepare_cached(MOVE_ON)?
            .execute(params![id, at_ms])?;
    }
    receipts::undo(transaction, id, &salvaged.undone)
}
