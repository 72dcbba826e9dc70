//! What names stood for before.

use ropewalk_crdt::{ClientId, VersionVector};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::rows::checksum;
use super::statements::{FIND, unsigned};
use crate::name::DocumentName;
use crate::storage::{Lineage, MAX_PAST_CLIENTS, MAX_PAST_READ, Past, StorageError};

pub const OWN: &str = "SELECT document_id, stamp, crc32, vector FROM pasts WHERE document_id = ?1";
/// Those without a past are rows, too: they count as read.
pub const TOMBSTONES: &str =
    "SELECT id, stamp, crc32, vector FROM documents LEFT JOIN pasts ON document_id = id AND id NOT IN (SELECT document_id FROM trash)
    WHERE name = ?1 AND deleted_at_ms IS NOT NULL ORDER BY deleted_at_ms DESC, id DESC";
/// What is in the trash keeps its own past, for when it comes back.
pub const DISCARDED: &str =
    "SELECT id, NULL, crc32, vector FROM documents LEFT JOIN trash ON document_id = id
    WHERE name = ?1 AND documents.deleted_at_ms IS NOT NULL ORDER BY documents.deleted_at_ms DESC, id DESC";
pub const KEEP: &str =
    "INSERT OR REPLACE INTO pasts (document_id, stamp, crc32, vector) VALUES (?1, ?2, ?3, ?4)";
pub const STAMPED: &str =
    "UPDATE documents SET restores = (SELECT coalesce(max(id), 0) FROM restores) WHERE id = ?1";
/// Those of a tombstone's name that nothing comes back from.
pub const OLDER: &str =
    "SELECT document_id, stamp, crc32, vector FROM pasts WHERE document_id IN (SELECT id FROM documents
    WHERE name = (SELECT name FROM documents WHERE id = ?1) AND deleted_at_ms IS NOT NULL AND id <> ?1
        AND moved_to IS NULL) AND document_id NOT IN (SELECT document_id FROM trash)";
/// A tombstone holds what these do.
pub const FOLD: &str = "DELETE FROM pasts WHERE document_id IN (SELECT id FROM documents
    WHERE name = (SELECT name FROM documents WHERE id = ?1) AND deleted_at_ms IS NOT NULL AND id <> ?1
        AND moved_to IS NULL) AND document_id NOT IN (SELECT document_id FROM trash)";
/// Numbers by the clock: a copy that is restored twice must not get the same one.
pub const RESTORE: &str = "INSERT INTO restores (id, at_ms) VALUES (max(?1, (SELECT coalesce(max(id), 0) + 1 FROM restores),
    (SELECT coalesce(max(restores), 0) + 1 FROM documents)), ?1)";
pub const RESTORES: &str = "SELECT coalesce(max(id), 0) FROM restores";
pub const OF_ONE: &str = "SELECT restores FROM documents WHERE id = ?1";

/// What a row costs, in clients, and one without a past.
const ROW: usize = 16;
const EMPTY: usize = 4;

/// How what a name stands for came to be. What it stood for longest ago is left out where that is too much.
pub fn lineage(
    transaction: &Transaction<'_>,
    name: &DocumentName,
) -> Result<Lineage, StorageError> {
    let mut past: Option<Past> = None;
    let mut others = VersionVector::new();
    let mut add = |row: &Row<'_>, is_other: bool| {
        if row.get_ref(3)? == ValueRef::Null {
            return Ok(EMPTY);
        }
        let Some(found) = read(row)? else {
            return Ok(ROW);
        };
        let known = past.get_or_insert_default();
        let is_room = known.vector.len() + found.vector.len() <= MAX_PAST_CLIENTS;
        if is_room || known.vector.is_empty() {
            known.vector.join(&found.vector);
        }
        if is_other && others.len() + found.vector.len() <= MAX_PAST_CLIENTS {
            others.join(&found.vector);
        }
        known.stamp = known.stamp.or(found.stamp);
        Ok::<_, StorageError>(ROW + found.vector.len())
    };
    let living: Option<i64> = transaction
        .prepare_cached(FIND)?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?;
    let all: i64 = transaction
        .prepare_cached(RESTORES)?
        .query_row([], |row| row.get(0))?;
    let mut own = all;
    if let Some(id) = living {
        own = transaction
            .prepare_cached(OF_ONE)?
            .query_row([id], |row| row.get(0))?;
        let mut statement = transaction.prepare_cached(OWN)?;
        if let Some(row) = statement.query([id])?.next()? {
            add(row, false)?;
        }
    }
    for statement in [TOMBSTONES, DISCARDED] {
        let mut statement = transaction.prepare_cached(statement)?;
        let mut rows = statement.query([name.as_str()])?;
        let mut room = MAX_PAST_READ;
        while room > 0
            && let Some(row) = rows.next()?
        {
            room = room.saturating_sub(add(row, true)?);
        }
    }
    Ok(Lineage {
        past,
        others,
        is_restored: own < all,
        restores: unsigned(own.max(all))?,
        restores_of_all: unsigned(all)?,
    })
}

/// A damaged row is no reason to refuse the document: it only says whom to turn away.
fn read(row: &Row<'_>) -> Result<Option<Past>, StorageError> {
    let (id, stamp): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
    let (crc, vector): (i64, Vec<u8>) = (row.get(2)?, row.get(3)?);
    let whole = crc == i64::from(checksum([id, stamp.unwrap_or(-1), 0], &vector));
    let vector = VersionVector::decode(&vector).ok().filter(|_| whole);
    if vector.is_none() {
        tracing::error!(
            id,
            "what a name stood for before cannot be read; editors of that may merge into it"
        );
    }
    Ok(vector.map(|vector| Past {
        stamp: stamp.and_then(|stamp| u64::try_from(stamp).ok()),
        vector,
    }))
}

/// The vector of a document that `statement` reads.
pub fn vector(
    transaction: &Transaction<'_>,
    statement: &str,
    id: i64,
) -> Result<Option<VersionVector>, StorageError> {
    let mut statement = transaction.prepare_cached(statement)?;
    let mut rows = statement.query([id])?;
    let found = rows.next()?.map(read).transpose()?;
    Ok(found.flatten().map(|past| past.vector))
}

/// The document has been stamped in this transaction.
pub fn stamped(transaction: &Transaction<'_>, id: i64, past: &Past) -> Result<(), StorageError> {
    keep(transaction, id, past.stamp, &past.vector)?;
    transaction.prepare_cached(STAMPED)?.execute([id])?;
    Ok(())
}

/// The document that held this has been deleted for good in this transaction.
pub fn deleted(
    transaction: &Transaction<'_>,
    id: i64,
    vector: &VersionVector,
) -> Result<(), StorageError> {
    let mut all = vector.clone();
    let mut statement = transaction.prepare_cached(OLDER)?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        if let Some(older) = read(row)?
            && older.vector.len() + all.len() <= MAX_PAST_CLIENTS
        {
            all.join(&older.vector);
        }
    }
    keep(transaction, id, None, &all)?;
    transaction.prepare_cached(FOLD)?.execute([id])?;
    Ok(())
}

/// Keeps what a name stood for with a document.
pub fn keep(
    transaction: &Transaction<'_>,
    id: i64,
    stamp: Option<ClientId>,
    vector: &VersionVector,
) -> Result<(), StorageError> {
    let stamp = stamp.and_then(|stamp| i64::try_from(stamp).ok());
    let (crc, vector) = encoded(id, stamp, vector);
    transaction
        .prepare_cached(KEEP)?
        .execute(params![id, stamp, crc, vector])?;
    Ok(())
}

/// A vector as it is kept, with its checksum.
pub fn encoded(id: i64, stamp: Option<i64>, vector: &VersionVector) -> (u32, Vec<u8>) {
    let vector = vector.encode();
    (checksum([id, stamp.unwrap_or(-1), 0], &vector), vector)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rusqlite::Connection;

    use super::*;
    use crate::storage::Salvaged;
    use crate::storage::sqlite::{salvage, schema};

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::FORMAT.migrate(&mut connection).unwrap();
        connection
    }

    fn tombstone(transaction: &Transaction<'_>, id: i64, deleted_at_ms: i64) {
        let document = "INSERT INTO documents (id, name, folded, created_at_ms, edited_at_ms, length, sequence, deleted_at_ms)
            VALUES (?1, 'a', 'A', 1, 1, 0, 0, ?2)";
        let mut document = transaction.prepare_cached(document).unwrap();
        document.execute([id, deleted_at_ms]).unwrap();
    }

    /// What a name stood for after so many documents were put into the trash, each with so many clients of its own.
    fn trashed(documents: u64, clients: u64) -> VersionVector {
        let mut connection = database();
        let transaction = connection.transaction().unwrap();
        for id in 1..=documents {
            let id = i64::try_from(id).unwrap();
            tombstone(&transaction, id, 1);
            let mut vector = VersionVector::new();
            for client in 0..clients {
                vector.advance(id.unsigned_abs() * clients + client, 1);
            }
            let (crc, vector) = encoded(id, None, &vector);
            let keep = crate::storage::sqlite::trash::KEEP;
            let mut keep = transaction.prepare_cached(keep).unwrap();
            keep.execute(params![id, 1, None::<i64>, crc, vector])
                .unwrap();
        }
        let lineage = lineage(&transaction, &DocumentName::new("a").unwrap()).unwrap();
        lineage.past.unwrap().vector
    }

    #[test]
    fn what_is_lost_counts_as_a_restore_of_its_document_alone() {
        let mut connection = database();
        let transaction = connection.transaction().unwrap();
        let begin = "INSERT INTO documents (id, name, folded, created_at_ms, edited_at_ms, length, sequence)
            VALUES (?1, ?2, ?2, 1, 1, 0, 0)";
        for (id, name) in [(1, "a"), (2, "b")] {
            transaction.execute(begin, params![id, name]).unwrap();
        }
        let of = |name| {
            let name = DocumentName::new(name).unwrap();
            let lineage = lineage(&transaction, &name).unwrap();
            (
                lineage.restores,
                lineage.restores_of_all,
                lineage.is_restored,
            )
        };
        let lose = |at_ms| {
            let salvaged = Salvaged {
                at_ms,
                is_less: true,
                undone: Vec::new(),
            };
            salvage::salvaged(&transaction, 1, &salvaged).unwrap();
        };
        lose(7);
        assert_eq!((of("a"), of("b")), ((7, 0, false), (0, 0, false)));
        // Whatever the clock says.
        lose(3);
        assert_eq!(of("a"), (8, 0, false));
        transaction.execute(RESTORE, [5]).unwrap();
        assert_eq!((of("a"), of("b")), ((9, 9, true), (9, 9, true)));
        // It is to be stamped still.
        lose(20);
        assert_eq!(of("a"), (9, 9, true));
    }

    #[test]
    fn of_what_a_name_stood_for_the_newest_is_known_up_to_a_bound() {
        let all = trashed(600, 100);
        assert_eq!(all.len(), 60_000);
        // More clients than are remembered.
        let some = trashed(10, 20_000);
        assert_eq!(some.len(), 60_000);
        assert!(some.get(10 * 20_000) == 1 && some.get(7 * 20_000) == 0);
        // One document alone is known whole.
        assert_eq!(trashed(2, 100_000).len(), 100_000);
        // More documents than are looked at.
        let some = trashed(33_000, 1);
        assert!(some.len() < 31_000 && some.get(33_000) == 1 && some.get(1) == 0);
    }

    #[test]
    fn the_newest_is_what_was_deleted_last_and_all_that_is_read_counts() {
        let mut connection = database();
        let transaction = connection.transaction().unwrap();
        let known = || {
            let lineage = lineage(&transaction, &DocumentName::new("a").unwrap()).unwrap();
            lineage.past.unwrap_or_default().vector
        };
        let of = |client: u64, clients: u64| {
            let mut vector = VersionVector::new();
            (client..client + clients).for_each(|client| vector.advance(client, 1));
            vector
        };
        // The one that lived longest, and one that was deleted before it; both are more than is remembered.
        for (id, deleted_at_ms) in [(1, 9), (2, 8)] {
            tombstone(&transaction, id, deleted_at_ms);
            let past = of(id.unsigned_abs() * 100_000, 40_000);
            keep(&transaction, id, None, &past).unwrap();
        }
        assert_eq!((known().get(100_000), known().get(200_000)), (1, 0));
        // As many without a past as are read, deleted before them and after them.
        let most = i64::try_from(MAX_PAST_READ / EMPTY).unwrap();
        for id in 3..most + 3 {
            tombstone(&transaction, id, 7);
        }
        assert_eq!(known().get(100_000), 1);
        let after = "UPDATE documents SET deleted_at_ms = 10 WHERE id > 2";
        transaction.execute(after, []).unwrap();
        assert!(known().is_empty());
    }
}
