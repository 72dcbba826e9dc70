//! The log of a document, and the history that it goes into.

use rusqlite::{Transaction, params};

use super::rows::{Framing, checksum, frame, pack, unframe, unpack};
use super::statements::{signed, unsigned};
use crate::storage::{DocumentId, Pack, Record, StorageError};

/// Rows of a log are packed together up to so many bytes.
const PACK_BYTES: usize = 1 << 20;

pub const ROWS: &str =
    "SELECT first_sequence, last_sequence, crc32, payload, framing, written_at_ms FROM log
    WHERE document_id = ?1 AND last_sequence <= ?2 ORDER BY first_sequence";
pub const COUNT: &str = "SELECT count(*), coalesce(max(last_sequence), 0) FROM log WHERE document_id = ?1 AND last_sequence <= ?2";
pub const KEEP: &str = "INSERT INTO history
    (document_id, first_sequence, last_sequence, last_at_ms, bytes, crc32, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
pub const READ: &str =
    "SELECT first_sequence, last_sequence, crc32, payload, bytes, last_at_ms FROM history
    WHERE document_id = ?1 ORDER BY first_sequence";
pub const FORGET: &str = "DELETE FROM history WHERE document_id = ?1 AND last_at_ms < ?2";
pub const DROP: &str = "DELETE FROM history WHERE document_id = ?1";

/// One row of a log, or one pack of a history.
pub struct Row {
    /// Sequence number of its first update.
    pub first: i64,
    /// And of its last.
    pub last: i64,
    /// Its updates.
    pub records: Vec<Record>,
}

/// Reads the rows of a log that end at `through` or before, in order, and checks each.
pub fn rows(
    transaction: &Transaction<'_>,
    id: i64,
    through: i64,
    mut each: impl FnMut(Row) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let mut statement = transaction.prepare_cached(ROWS)?;
    let mut rows = statement.query([id, through])?;
    while let Some(row) = rows.next()? {
        let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
        let payload = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        if row.get::<_, i64>(2)? != i64::from(checksum([id, first, last], payload)) {
            return Err(StorageError::Damaged(format!(
                "document {id}: the checksum of log row {first}..={last} is wrong"
            )));
        }
        let (framing, at_ms) = (Framing::read(row.get(4)?), row.get(5)?);
        let count = u64::try_from(last - first + 1).unwrap_or(0);
        let records = framing.and_then(|framing| unframe(framing, payload, count, at_ms));
        let records = records.ok_or_else(|| {
            StorageError::Damaged(format!(
                "document {id}: log row {first}..={last} cannot be read"
            ))
        })?;
        each(Row {
            first,
            last,
            records,
        })?;
    }
    Ok(())
}

/// Packs the rows of a log that end at `through` or before.
pub fn pack_rows(
    transaction: &Transaction<'_>,
    id: DocumentId,
    through: u64,
) -> Result<Vec<Pack>, StorageError> {
    let mut packs = Vec::new();
    let mut open: Option<(i64, i64, u64)> = None;
    let (mut records, mut bytes) = (Vec::<Record>::new(), 0);
    let mut close = |open: Option<(i64, i64, u64)>, records: &mut Vec<Record>| {
        let (Some((first, last, rows)), Some(newest)) = (open, records.last()) else {
            return Ok::<_, StorageError>(());
        };
        let last_at_ms = newest.at_ms;
        let row = frame(records, last_at_ms);
        records.clear();
        packs.push(Pack {
            first_sequence: unsigned(first)?,
            last_sequence: unsigned(last)?,
            rows,
            last_at_ms,
            bytes: row.len() as u64,
            payload: pack(&row),
        });
        Ok(())
    };
    rows(transaction, id.0, signed(through)?, |row| {
        if bytes > PACK_BYTES {
            close(open.take(), &mut records)?;
            bytes = 0;
        }
        let (first, rows) = open.map_or((row.first, 0), |(first, _, rows)| (first, rows));
        open = Some((first, row.last, rows + 1));
        bytes += row
            .records
            .iter()
            .map(|record| record.update.len())
            .sum::<usize>();
        records.extend(row.records);
        Ok(())
    })?;
    close(open, &mut records)?;
    Ok(packs)
}

/// Whether packs hold a log up to `through`, and nothing else.
pub fn are_the_log(
    transaction: &Transaction<'_>,
    id: i64,
    through: i64,
    packs: &[Pack],
) -> Result<bool, StorageError> {
    let found: (i64, i64) = transaction
        .prepare_cached(COUNT)?
        .query_row([id, through], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: u64 = packs.iter().map(|pack| pack.rows).sum();
    let last = packs.last().map_or(0, |pack| pack.last_sequence);
    Ok(found == (signed(rows)?, signed(last)?))
}

/// Takes packs into the history, and forgets what is older than `from_ms`.
pub fn keep(
    transaction: &Transaction<'_>,
    id: i64,
    packs: &[Pack],
    from_ms: Option<i64>,
) -> Result<(), StorageError> {
    for pack in packs {
        let (first, last) = (signed(pack.first_sequence)?, signed(pack.last_sequence)?);
        let crc = checksum([id, first, last], &pack.payload);
        transaction.prepare_cached(KEEP)?.execute(params![
            id,
            first,
            last,
            pack.last_at_ms,
            signed(pack.bytes)?,
            crc,
            pack.payload
        ])?;
    }
    if let Some(from_ms) = from_ms {
        transaction
            .prepare_cached(FORGET)?
            .execute(params![id, from_ms])?;
    }
    Ok(())
}

/// Reads the history of a document and then its log, and checks each row.
pub fn read(
    transaction: &Transaction<'_>,
    id: DocumentId,
    each: &mut dyn FnMut(u64, Record),
) -> Result<(), StorageError> {
    let mut hand_out = |row: Row| {
        for (sequence, record) in (unsigned(row.first)?..).zip(row.records) {
            each(sequence, record);
        }
        Ok(())
    };
    let damaged = |first: i64, last: i64| {
        StorageError::Damaged(format!(
            "document {}: history {first}..={last} cannot be read",
            id.0
        ))
    };
    let mut statement = transaction.prepare_cached(READ)?;
    let mut packs = statement.query([id.0])?;
    while let Some(pack) = packs.next()? {
        let (first, last): (i64, i64) = (pack.get(0)?, pack.get(1)?);
        let payload = pack.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        if pack.get::<_, i64>(2)? != i64::from(checksum([id.0, first, last], payload)) {
            return Err(damaged(first, last));
        }
        let count = u64::try_from(last - first + 1).unwrap_or(0);
        let row = unpack(payload, unsigned(pack.get(4)?)?);
        // Its times count from that of its last record.
        let newest = pack.get(5)?;
        let records = row.and_then(|row| unframe(Framing::Authored, &row, count, newest));
        hand_out(Row {
            first,
            last,
            records: records.ok_or_else(|| damaged(first, last))?,
        })?;
    }
    rows(transaction, id.0, i64::MAX, hand_out)
}
