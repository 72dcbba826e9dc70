//! What clients were told of their edits.

use ropewalk_crdt::Revision;
use rusqlite::{Row, Transaction, params};

use super::rows::checksum;
use super::statements::{signed, unsigned};
use crate::storage::{DocumentId, Receipt, StorageError};

pub const KEEP: &str = "INSERT OR REPLACE INTO receipts
    (document_id, sequence, client, request, restores, inserted, deleted, length, digest, crc32)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
pub const FORGET: &str = "DELETE FROM receipts WHERE document_id = ?1 AND sequence = ?2";
pub const READ: &str =
    "SELECT sequence, client, request, restores, inserted, deleted, length, digest, crc32
    FROM receipts WHERE document_id = ?1 ORDER BY sequence";
pub const UNDO: &str = "DELETE FROM receipts WHERE document_id = ?1 AND sequence = ?2";
pub const DROP: &str = "DELETE FROM receipts WHERE document_id = ?1";

/// Keeps the receipts of a commit, and forgets those that make room for them.
pub fn keep(
    transaction: &Transaction<'_>,
    id: i64,
    receipts: &[Receipt],
    forgotten: &[u64],
) -> Result<(), StorageError> {
    for receipt in receipts {
        transaction.prepare_cached(KEEP)?.execute(params![
            id,
            signed(receipt.sequence)?,
            receipt.client,
            receipt.request,
            signed(receipt.restores)?,
            signed(receipt.revision.inserted)?,
            signed(receipt.revision.deleted)?,
            signed(receipt.length)?,
            receipt.digest,
            sum(id, receipt),
        ])?;
    }
    for &sequence in forgotten {
        transaction
            .prepare_cached(FORGET)?
            .execute(params![id, signed(sequence)?])?;
    }
    Ok(())
}

/// Forgets the receipts of edits that are lost.
pub fn undo(transaction: &Transaction<'_>, id: i64, sequences: &[u64]) -> Result<(), StorageError> {
    let mut undo = transaction.prepare_cached(UNDO)?;
    for &sequence in sequences {
        undo.execute(params![id, signed(sequence)?])?;
    }
    Ok(())
}

/// Oldest first. A damaged row is no reason to refuse the document: it is as if it had been forgotten.
pub fn read(transaction: &Transaction<'_>, id: DocumentId) -> Result<Vec<Receipt>, StorageError> {
    let mut statement = transaction.prepare_cached(READ)?;
    let mut rows = statement.query([id.0])?;
    let mut receipts = Vec::new();
    while let Some(row) = rows.next()? {
        match receipt(row) {
            Ok(receipt) if sum(id.0, &receipt) == row.get::<_, i64>(8)? => receipts.push(receipt),
            _ => tracing::error!(id = id.0, "a receipt cannot be read"),
        }
    }
    Ok(receipts)
}

fn receipt(row: &Row<'_>) -> Result<Receipt, StorageError> {
    Ok(Receipt {
        sequence: unsigned(row.get(0)?)?,
        client: row.get(1)?,
        request: row.get(2)?,
        restores: unsigned(row.get(3)?)?,
        revision: Revision {
            inserted: unsigned(row.get(4)?)?,
            deleted: unsigned(row.get(5)?)?,
        },
        length: unsigned(row.get(6)?)?,
        digest: row.get(7)?,
    })
}

fn sum(id: i64, receipt: &Receipt) -> i64 {
    let Receipt {
        client,
        request,
        sequence,
        restores,
        revision: Revision { inserted, deleted },
        length,
        digest,
    } = receipt;
    let mut said =
        format!("{client}\0{request}\0{sequence} {restores} {inserted} {deleted} {length}");
    // Those of before have none.
    if let Some(digest) = digest {
        said.push_str(&format!(" {digest}"));
    }
    checksum([id, 0, 0], said.as_bytes()).into()
}
