//! Every statement that reads or writes documents.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::history::{self, ROWS};
use super::rows::{Framing, checksum, frame};
use super::{lineage, owned, receipts, salvage, strays, trash, visits, wrote};
use crate::access::PersonId;
use crate::name::DocumentName;
use crate::sabotage::{self, Sabotage};
use crate::storage::{
    Append, Begin, Compaction, DocumentId, Entry, Lookup, Past, Position, Record, StorageError,
    Stored, fold,
};

/// All of them: a database in which one does not compile lacks a table or a column.
pub const STATEMENTS: [&str; 89] = [
    NEWEST,
    FIND,
    WAS_DELETED,
    SNAPSHOT,
    ROWS,
    history::COUNT,
    history::KEEP,
    history::READ,
    history::FORGET,
    history::DROP,
    FORMER,
    DROP_FORMER,
    salvage::FORMER,
    salvage::SET_ASIDE_LOG,
    salvage::SET_ASIDE_SNAPSHOT,
    salvage::GO_ON,
    salvage::MOVE_ON,
    salvage::DROP,
    lineage::OWN,
    lineage::TOMBSTONES,
    lineage::DISCARDED,
    lineage::OLDER,
    lineage::KEEP,
    lineage::STAMPED,
    lineage::FOLD,
    lineage::RESTORE,
    lineage::OF_ONE,
    lineage::RESTORES,
    receipts::KEEP,
    receipts::FORGET,
    receipts::READ,
    receipts::UNDO,
    receipts::DROP,
    strays::ROOM,
    strays::SAME,
    strays::KEEP,
    strays::LIST,
    strays::READ,
    strays::FORGET,
    strays::DROP,
    wrote::KEEP,
    wrote::READ,
    wrote::DROP,
    trash::KEEP,
    trash::LIST,
    trash::ONE,
    trash::OLD,
    trash::VECTOR,
    trash::LEAVE,
    trash::IS_FREE,
    trash::NAME,
    trash::REVIVE,
    trash::UNMARK_PAST,
    trash::UNMARK,
    trash::MARK,
    trash::SETTLE,
    trash::ERASE,
    trash::ERASING,
    trash::ERASED,
    trash::VISITS,
    trash::SOME_LOG,
    trash::SOME_HISTORY,
    trash::SOME_STRAYS,
    trash::SOME_DAMAGED,
    trash::SOME_WROTE,
    trash::KEEP_LONGER,
    trash::KEEP_ON,
    trash::SEEN,
    trash::SEE,
    trash::FIND,
    CREATE,
    ADVANCE,
    WRITE,
    COMPACT,
    REPLACE,
    FOLD,
    DELETE,
    DROP,
    LIST,
    ENTRY,
    ENTRY_BY_ID,
    owned::ANY,
    owned::LIST,
    owned::HAND_OVER,
    BELOW,
    visits::KEEP,
    visits::FORGET,
    visits::LIST,
    PROBE,
];

/// The highest identity ever written.
pub const NEWEST: &str = "SELECT coalesce(max(id), 0) FROM documents";
pub const FIND: &str = "SELECT id, sequence, generation, owner FROM documents WHERE name = ?1 AND deleted_at_ms IS NULL";
const WAS_DELETED: &str =
    "SELECT 1 FROM documents WHERE name = ?1 AND deleted_at_ms IS NOT NULL LIMIT 1";
pub const SNAPSHOT: &str =
    "SELECT generation, through, crc32, data FROM snapshots WHERE document_id = ?1";
const CREATE: &str =
    "INSERT INTO documents (id, name, folded, created_at_ms, edited_at_ms, length, sequence, owner, restores)
    VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, (SELECT coalesce(max(id), 0) FROM restores)) ON CONFLICT DO NOTHING";
const ADVANCE: &str = "UPDATE documents SET edited_at_ms = ?2, length = ?3, sequence = ?5
    WHERE id = ?1 AND sequence = ?4 AND deleted_at_ms IS NULL";
const WRITE: &str =
    "INSERT INTO log (document_id, first_sequence, last_sequence, written_at_ms, crc32, payload, framing)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const COMPACT: &str = "UPDATE documents SET generation = ?2 + 1
    WHERE id = ?1 AND generation = ?2 AND deleted_at_ms IS NULL AND ?3 BETWEEN
    coalesce((SELECT through FROM snapshots WHERE document_id = ?1), 0) AND sequence";
const REPLACE: &str = "INSERT INTO snapshots (document_id, generation, through, crc32, data)
    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (document_id) DO UPDATE
    SET generation = excluded.generation, through = excluded.through, crc32 = excluded.crc32, data = excluded.data";
const FORMER: &str = "INSERT OR REPLACE INTO former_snapshots
    SELECT document_id, generation, through, crc32, data FROM snapshots WHERE document_id = ?1";
pub const DROP_FORMER: &str = "DELETE FROM former_snapshots WHERE document_id = ?1";
const FOLD: &str = "DELETE FROM log WHERE document_id = ?1 AND last_sequence <= ?2";
pub const DELETE: &str =
    "UPDATE documents SET deleted_at_ms = ?2 WHERE id = ?1 AND deleted_at_ms IS NULL";
pub const DROP: &str = "DELETE FROM snapshots WHERE document_id = ?1";
const LIST: &str =
    "SELECT id, name, length, created_at_ms, edited_at_ms, owner, sequence FROM documents
    WHERE deleted_at_ms IS NULL AND (edited_at_ms, id) < (?2, ?3) AND instr(folded, ?1) > 0
    ORDER BY edited_at_ms DESC, id DESC";
const ENTRY: &str =
    "SELECT id, name, length, created_at_ms, edited_at_ms, owner, sequence FROM documents
    WHERE name = ?1 AND deleted_at_ms IS NULL";
const ENTRY_BY_ID: &str =
    "SELECT id, name, length, created_at_ms, edited_at_ms, owner, sequence FROM documents
    WHERE id = ?1 AND deleted_at_ms IS NULL";
const BELOW: &str =
    "SELECT id, name, length, created_at_ms, edited_at_ms, owner, sequence FROM documents
    WHERE name >= ?1 AND (?2 IS NULL OR name < ?2) AND deleted_at_ms IS NULL ORDER BY name";
pub const PROBE: &str = "UPDATE probe SET writes = writes + 1";

/// Reads a document and checks every row of it.
pub fn load(transaction: &Transaction<'_>, name: &DocumentName) -> Result<Lookup, StorageError> {
    let found = transaction
        .prepare_cached(FIND)?
        .query_row([name.as_str()], found)
        .optional()?;
    match found {
        Some(found) => Ok(Lookup::Found(read(transaction, found)?)),
        None => missing(transaction, name),
    }
}

/// Identity, newest sequence number, generation and owner.
type Found = (i64, i64, i64, Option<PersonId>);

/// A row of [`FIND`].
pub fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let owner: Option<i64> = row.get(3)?;
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, owner.map(PersonId)))
}

/// Reads the content of a document and checks every row of it.
pub fn read(transaction: &Transaction<'_>, found: Found) -> Result<Stored, StorageError> {
    let (id, sequence, generation, owner) = found;
    let damaged = |what: String| StorageError::Damaged(format!("document {id}: {what}"));
    let snapshot = snapshot(transaction, SNAPSHOT, id)?;
    let (through, data) = match snapshot {
        Some((made, ..)) if made != generation => {
            return Err(damaged(format!(
                "its snapshot is {made}, it should be {generation}"
            )));
        }
        None if generation != 0 => return Err(damaged("its snapshot is missing".to_owned())),
        Some((_, through, data)) => (through, Some(data)),
        None => (0, None),
    };
    let mut updates = Vec::new();
    let mut reached: i64 = through;
    history::rows(transaction, id, i64::MAX, |row| {
        let row = row?;
        let (first, last) = (row.first, row.last);
        // Only the first row may begin before its place: when the snapshot holds the first updates of that row.
        let begins = first == reached + 1 || (reached == through && first <= reached);
        if !begins || last <= reached {
            return Err(damaged(format!(
                "log row {first}..={last} does not follow {reached}"
            )));
        }
        let folded = usize::try_from(reached + 1 - first).unwrap_or(0);
        updates.extend(
            row.records
                .into_iter()
                .skip(folded)
                .map(|record| record.update.to_vec())
                .filter(|update| !update.is_empty()),
        );
        reached = last;
        Ok(())
    })?;
    if reached != sequence {
        return Err(damaged(format!(
            "its log ends at {reached}, it should end at {sequence}"
        )));
    }
    Ok(Stored {
        id: DocumentId(id),
        generation: unsigned(generation)?,
        snapshot: data,
        updates,
        sequence: unsigned(sequence)?,
        owner,
    })
}

/// Why there is no document of this name.
fn missing<T>(
    transaction: &Transaction<'_>,
    name: &DocumentName,
) -> Result<Lookup<T>, StorageError> {
    let deleted = transaction
        .prepare_cached(WAS_DELETED)?
        .exists([name.as_str()])?;
    Ok(if deleted {
        Lookup::Deleted
    } else {
        Lookup::Absent
    })
}

/// Generation, through and data of a document's snapshot, which `statement` reads.
pub fn snapshot(
    transaction: &Transaction<'_>,
    statement: &str,
    id: i64,
) -> Result<Option<(i64, i64, Vec<u8>)>, StorageError> {
    let found: Option<(i64, i64, i64, Vec<u8>)> = transaction
        .prepare_cached(statement)?
        .query_row([id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((generation, through, crc, data)) = found else {
        return Ok(None);
    };
    if crc != i64::from(checksum([id, generation, through], &data)) {
        return Err(StorageError::Damaged(format!(
            "document {id}: the checksum of its snapshot is wrong"
        )));
    }
    Ok(Some((generation, through, data)))
}

/// Writes one append. `Ok(false)`: refused, nothing written.
pub fn append(transaction: &Transaction<'_>, append: &Append) -> Result<bool, StorageError> {
    let Append {
        id,
        create,
        first_sequence,
        updates,
        length,
        edited_at_ms,
        past,
        receipts,
        forgotten,
        wrote,
    } = append;
    let first = signed(*first_sequence)?;
    let last = signed(first_sequence.saturating_add(updates.len() as u64))? - 1;
    let length = signed(*length)?;
    let changed = match create {
        Some(_) if first != 1 => 0,
        Some(Begin { name, owner }) => transaction.prepare_cached(CREATE)?.execute(params![
            id.0,
            name.as_str(),
            fold(name.as_str()),
            edited_at_ms,
            length,
            last,
            owner.map(|owner| owner.0)
        ])?,
        None => transaction.prepare_cached(ADVANCE)?.execute(params![
            id.0,
            edited_at_ms,
            length,
            first - 1,
            last
        ])?,
    };
    if changed == 0 {
        return Ok(false);
    }
    if !updates.is_empty() {
        write(transaction, id.0, first, last, *edited_at_ms, updates)?;
    }
    if let Some(past) = past {
        lineage::stamped(transaction, id.0, past)?;
    }
    receipts::keep(transaction, id.0, receipts, forgotten)?;
    wrote::keep(transaction, id.0, wrote)?;
    Ok(true)
}

fn write(
    transaction: &Transaction<'_>,
    id: i64,
    first: i64,
    last: i64,
    now_ms: i64,
    records: &[Record],
) -> Result<(), StorageError> {
    let payload = frame(records, now_ms);
    let crc = checksum([id, first, last], &payload);
    let framing = Framing::Authored as i64;
    transaction
        .prepare_cached(WRITE)?
        .execute(params![id, first, last, now_ms, crc, payload, framing])?;
    Ok(())
}

/// A log row that reaches beyond `through` stays whole; loading skips what the snapshot holds of it.
pub fn compact(
    transaction: &Transaction<'_>,
    compaction: &Compaction,
) -> Result<bool, StorageError> {
    let Compaction {
        id,
        generation,
        through,
        snapshot,
        packs,
        keep_from_ms,
        salvaged,
    } = compaction;
    let (generation, through) = (signed(*generation)?, signed(*through)?);
    let statement = match salvaged {
        Some(_) => salvage::GO_ON,
        None if !history::are_the_log(transaction, id.0, through, packs)? => return Ok(false),
        None => COMPACT,
    };
    let changed = transaction
        .prepare_cached(statement)?
        .execute(params![id.0, generation, through])?;
    if changed == 0 {
        return Ok(false);
    }
    match salvaged {
        Some(salvaged) => salvage::salvaged(transaction, id.0, salvaged)?,
        None => drop(transaction.prepare_cached(FORMER)?.execute([id.0])?),
    }
    let generation = generation + 1;
    let crc = checksum([id.0, generation, through], snapshot);
    transaction
        .prepare_cached(REPLACE)?
        .execute(params![id.0, generation, through, crc, snapshot])?;
    history::keep(transaction, id.0, packs, *keep_from_ms)?;
    let all = salvaged.is_some() || sabotage::is(Sabotage::DropRow);
    transaction
        .prepare_cached(FOLD)?
        .execute(params![id.0, if all { i64::MAX } else { through }])?;
    Ok(true)
}

/// Keeps the row as a tombstone, without its content.
pub fn delete(
    transaction: &Transaction<'_>,
    id: DocumentId,
    now_ms: i64,
    past: &Past,
) -> Result<bool, StorageError> {
    if transaction
        .prepare_cached(DELETE)?
        .execute(params![id.0, now_ms])?
        == 0
    {
        return Ok(false);
    }
    transaction
        .prepare_cached(FOLD)?
        .execute(params![id.0, i64::MAX])?;
    transaction.prepare_cached(DROP)?.execute([id.0])?;
    let beside = [receipts::DROP, strays::DROP, wrote::DROP, trash::SETTLE];
    let content = [history::DROP, DROP_FORMER, salvage::DROP];
    for statement in content.into_iter().chain(beside) {
        transaction.prepare_cached(statement)?.execute([id.0])?;
    }
    lineage::deleted(transaction, id.0, &past.vector)?;
    Ok(true)
}

/// Is told of documents whose lines cannot be read, by identity, and why.
pub type Damaged<'d> = &'d mut dyn FnMut(DocumentId, String);

/// The line of a document; nothing if it cannot be read, which costs the others nothing.
pub fn readable(row: &Row<'_>, damaged: Damaged<'_>) -> Result<Option<Entry>, StorageError> {
    match line(row) {
        Ok(entry) => Ok(Some(entry)),
        Err(StorageError::Damaged(why)) => {
            damaged(DocumentId(row.get(0)?), why);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// One page of the list.
pub fn list(
    transaction: &Transaction<'_>,
    query: &str,
    after: Option<Position>,
    limit: usize,
    damaged: Damaged<'_>,
) -> Result<Vec<Entry>, StorageError> {
    let (edited, id) = after.map_or((i64::MAX, i64::MAX), |after| {
        (after.edited_at_ms, after.id.0)
    });
    let mut statement = transaction.prepare_cached(LIST)?;
    let mut rows = statement.query(params![fold(query), edited, id])?;
    let mut entries = Vec::new();
    // A page that is not full is the last one: what cannot be read does not count.
    while entries.len() < limit
        && let Some(row) = rows.next()?
    {
        entries.extend(readable(row, damaged)?);
    }
    Ok(entries)
}

/// The line of one document.
pub fn entry(
    transaction: &Transaction<'_>,
    name: &DocumentName,
) -> Result<Lookup<Entry>, StorageError> {
    let mut statement = transaction.prepare_cached(ENTRY)?;
    match statement.query([name.as_str()])?.next()? {
        Some(row) => Ok(Lookup::Found(line(row)?)),
        None => missing(transaction, name),
    }
}

/// The lines of documents of some identities.
pub fn entries(
    transaction: &Transaction<'_>,
    ids: &[DocumentId],
    damaged: Damaged<'_>,
) -> Result<Vec<Entry>, StorageError> {
    let mut statement = transaction.prepare_cached(ENTRY_BY_ID)?;
    let mut entries = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(row) = statement.query([id.0])?.next()? {
            entries.extend(readable(row, damaged)?);
        }
    }
    Ok(entries)
}

/// The lines of all documents below a folder.
pub fn below(
    transaction: &Transaction<'_>,
    folder: Option<&DocumentName>,
    each: &mut dyn FnMut(Entry),
    damaged: Damaged<'_>,
) -> Result<(), StorageError> {
    let mut statement = transaction.prepare_cached(BELOW)?;
    // All that goes on with a slash stands before all that goes on with what comes after it.
    let from = folder.map(|folder| format!("{folder}/"));
    let to = folder.map(|folder| format!("{folder}0"));
    let mut rows = statement.query(params![from.unwrap_or_default(), to])?;
    while let Some(row) = rows.next()? {
        readable(row, damaged)?.into_iter().for_each(&mut *each);
    }
    Ok(())
}

/// The line of the list that the first columns of a row say.
pub fn line(row: &Row<'_>) -> Result<Entry, StorageError> {
    let id = DocumentId(row.get(0)?);
    // Which one it is, where that can be read.
    let of = |error| match error {
        StorageError::Damaged(why) => {
            let name = row.get(1).unwrap_or_else(|_| "?".to_owned());
            StorageError::Damaged(format!("document {} ({name:?}): {why}", id.0))
        }
        error => error,
    };
    let name = || -> Result<_, StorageError> {
        let name: String = row.get(1)?;
        DocumentName::new(&name)
            .map_err(|why| StorageError::Damaged(format!("its name is not one: {why}")))
    };
    let numbers =
        || -> Result<_, StorageError> { Ok((unsigned(row.get(2)?)?, unsigned(row.get(6)?)?)) };
    let name = name().map_err(of)?;
    let (length, sequence) = numbers().map_err(of)?;
    let edited_at_ms = row.get(4)?;
    Ok(Entry {
        name,
        owner: row.get::<_, Option<i64>>(5)?.map(PersonId),
        length,
        created_at_ms: row.get(3)?,
        edited_at_ms,
        sequence,
        position: Position { edited_at_ms, id },
    })
}

/// Changes something.
pub fn probe(transaction: &Transaction<'_>) -> Result<(), StorageError> {
    match transaction.prepare_cached(PROBE)?.execute([])? {
        1 => Ok(()),
        rows => Err(StorageError::Damaged(format!(
            "the probe table has {rows} rows"
        ))),
    }
}

pub fn signed(number: u64) -> Result<i64, StorageError> {
    i64::try_from(number)
        .map_err(|_| StorageError::Failed(format!("{number} is more than storage can count")))
}

pub fn unsigned(number: i64) -> Result<u64, StorageError> {
    u64::try_from(number)
        .map_err(|_| StorageError::Damaged(format!("{number} stands where a count belongs")))
}
