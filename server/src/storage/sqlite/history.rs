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
pub const FORGET: &str = "DELETE FROM history WHERE document_id = ?1 AND last_at_ms < ?2
    AND last_sequence <= (SELECT through FROM former_snapshots WHERE document_id = ?1)";
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
    mut each: impl FnMut(Result<Row, StorageError>) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let mut statement = transaction.prepare_cached(ROWS)?;
    let mut rows = statement.query([id, through])?;
    while let Some(row) = rows.next()? {
        let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
        let payload = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let (crc, at_ms): (i64, i64) = (row.get(2)?, row.get(5)?);
        let framing = Framing::read(row.get(4)?);
        let records = || {
            if i64::from(checksum([id, first, last], payload)) != crc {
                return None;
            }
            unframe(framing?, payload, count(first, last), at_ms)
        };
        each(whole(id, "log row", first, last, records()))?;
    }
    Ok(())
}

fn count(first: i64, last: i64) -> u64 {
    let count = last.checked_sub(first).and_then(|more| more.checked_add(1));
    count.map_or(0, |count| count.try_into().unwrap_or(0))
}

fn whole(
    id: i64,
    what: &str,
    first: i64,
    last: i64,
    records: Option<Vec<Record>>,
) -> Result<Row, StorageError> {
    let records = records.ok_or_else(|| {
        StorageError::Damaged(format!(
            "document {id}: {what} {first}..={last} cannot be read"
        ))
    })?;
    Ok(Row {
        first,
        last,
        records,
    })
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
        // Whoever notices will salvage; then the row is set aside.
        let Ok(row) = row else { return Ok(()) };
        // A pack counts its updates from first to last: where a row is missing, another one begins.
        let follows = open.is_none_or(|(_, last, _)| row.first == last + 1);
        if bytes > PACK_BYTES || !follows {
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

/// Takes packs into the history, and forgets what is older than `from_ms` and than the former snapshot.
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
    let mut hand_out = |row: Result<Row, StorageError>| {
        let row = row?;
        for (sequence, record) in (unsigned(row.first)?..).zip(row.records) {
            each(sequence, record);
        }
        Ok(())
    };
    packs(transaction, id.0, &mut hand_out)?;
    rows(transaction, id.0, i64::MAX, hand_out)
}

/// Reads the history of a document, and checks each pack of it.
pub fn packs(
    transaction: &Transaction<'_>,
    id: i64,
    mut each: impl FnMut(Result<Row, StorageError>) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let mut statement = transaction.prepare_cached(READ)?;
    let mut packs = statement.query([id])?;
    while let Some(pack) = packs.next()? {
        let (first, last): (i64, i64) = (pack.get(0)?, pack.get(1)?);
        let payload = pack.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        // The times in it count from that of its last record.
        let (crc, bytes, newest): (i64, i64, i64) = (pack.get(2)?, pack.get(4)?, pack.get(5)?);
        let records = || {
            if i64::from(checksum([id, first, last], payload)) != crc {
                return None;
            }
            let row = unpack(payload, bytes.try_into().ok()?)?;
            unframe(Framing::Authored, &row, count(first, last), newest)
        };
        each(whole(id, "history", first, last, records()))?;
    }
    Ok(())
}
