//! Who wrote what.

use rusqlite::{Row, Transaction, params};

use super::rows::checksum;
use super::statements::{signed, unsigned};
use crate::access::PersonId;
use crate::storage::{DocumentId, StorageError, Wrote};

pub const KEEP: &str = "INSERT INTO wrote (document_id, client, clock, person, is_relayed, crc32)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) 
    ON CONFLICT (document_id, client, clock) DO UPDATE
        SET person = excluded.person, is_relayed = excluded.is_relayed, crc32 = excluded.crc32";
pub const READ: &str = "SELECT client, clock, person, is_relayed, crc32 FROM wrote
    WHERE document_id = ?1 ORDER BY client, clock";
pub const DROP: &str = "DELETE FROM wrote WHERE document_id = ?1";

/// Where a row is, it is of something that waited and that something else has come in the place of.
pub fn keep(transaction: &Transaction<'_>, id: i64, all: &[Wrote]) -> Result<(), StorageError> {
    for wrote in all {
        transaction.prepare_cached(KEEP)?.execute(params![
            id,
            signed(wrote.client)?,
            wrote.clock,
            wrote.person.map(|person| person.0),
            wrote.is_relayed,
            sum(id, wrote),
        ])?;
    }
    Ok(())
}

/// By client id and clock. A damaged row is no reason to refuse the document: it is as if nobody knew.
pub fn read(transaction: &Transaction<'_>, id: DocumentId) -> Result<Vec<Wrote>, StorageError> {
    let mut statement = transaction.prepare_cached(READ)?;
    let mut rows = statement.query([id.0])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        match wrote(row) {
            Ok(wrote) if row.get::<_, i64>(4)? == sum(id.0, &wrote) => all.push(wrote),
            _ => tracing::error!(id = id.0, "who wrote something cannot be read"),
        }
    }
    Ok(all)
}

fn wrote(row: &Row<'_>) -> Result<Wrote, StorageError> {
    Ok(Wrote {
        client: unsigned(row.get(0)?)?,
        clock: row.get(1)?,
        person: row.get::<_, Option<i64>>(2)?.map(PersonId),
        is_relayed: row.get(3)?,
    })
}

fn sum(id: i64, wrote: &Wrote) -> i64 {
    let Wrote {
        client,
        clock,
        person,
        is_relayed,
    } = wrote;
    let person = person.map(|person| person.0);
    let said = format!("{client} {clock} {person:?} {is_relayed}");
    checksum([id, 0, 0], said.as_bytes()).into()
}
