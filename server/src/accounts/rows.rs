//! How what the rules are made of is written in rows.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Params, Row, Transaction};

use super::AccountsError;
use super::error::damaged;
use crate::access::{Access, Hash, Item, Target};
use crate::name::DocumentName;
use crate::storage::DocumentId;

/// Whoever looks at the counter learns that something has changed.
pub fn changed(transaction: &Transaction<'_>) -> Result<(), AccountsError> {
    let change = "UPDATE state SET changes = changes + 1";
    transaction.prepare_cached(change)?.execute([])?;
    Ok(())
}

/// How many rows it changed.
pub fn execute(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl Params,
) -> Result<usize, AccountsError> {
    Ok(transaction.prepare_cached(statement)?.execute(values)?)
}

/// The first row, if there is one.
pub fn first<T>(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, AccountsError>,
) -> Result<Option<T>, AccountsError> {
    let mut statement = transaction.prepare_cached(statement)?;
    let mut rows = statement.query(values)?;
    rows.next()?.map(read).transpose()
}

/// All rows.
pub fn all<T>(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, AccountsError>,
) -> Result<Vec<T>, AccountsError> {
    let mut statement = transaction.prepare_cached(statement)?;
    let mut rows = statement.query(values)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// All rows that can be read, and how many others there are.
pub fn readable<T>(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, AccountsError>,
) -> Result<(Vec<T>, usize), AccountsError> {
    let mut others = 0;
    let rows = all(transaction, statement, values, |row| match read(row) {
        Ok(row) => Ok(Some(row)),
        Err(error) if error.is_damage() => {
            others += 1;
            Ok(None)
        }
        Err(error) => Err(error),
    })?;
    Ok((rows.into_iter().flatten().collect(), others))
}

/// The only value of the only row.
pub fn count(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl Params,
) -> Result<usize, AccountsError> {
    let count: i64 = transaction
        .prepare_cached(statement)?
        .query_row(values, |row| row.get(0))?;
    usize::try_from(count).map_err(|_| damaged(format!("a count of {count}")))
}

/// Whether there is such a row.
pub fn exists(
    transaction: &Transaction<'_>,
    statement: &str,
    values: impl Params,
) -> Result<bool, AccountsError> {
    let found = transaction
        .prepare_cached(statement)?
        .query_row(values, |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// A bound as SQLite takes it.
pub fn limit(limit: usize) -> Value {
    i64::try_from(limit.min(super::PAGE)).map_or(Value::Null, Value::Integer)
}

/// The scope and the path of a target.
pub fn written(target: &Target) -> (&'static str, &str) {
    match target {
        Target::Everything => ("everything", ""),
        Target::Folder(folder) => ("folder", folder.as_str()),
        Target::Document(name) => ("document", name.as_str()),
    }
}

/// What is shared, in columns `scope`, `path` and `document`.
pub fn item(row: &Row<'_>, at: usize) -> Result<Item, AccountsError> {
    Ok(Item {
        target: target(row, at)?,
        document: row.get::<_, Option<i64>>(at + 2)?.map(DocumentId),
    })
}

/// The columns of what is shared.
pub fn columns(item: &Item) -> (&'static str, &str, Option<i64>) {
    let (scope, path) = written(&item.target);
    (scope, path, item.document.map(|id| id.0))
}

/// What [`written`] wrote into the columns `at` and the next.
pub fn target(row: &Row<'_>, at: usize) -> Result<Target, AccountsError> {
    let scope: String = row.get(at)?;
    let name = || name(row, at + 1);
    match scope.as_str() {
        "everything" => Ok(Target::Everything),
        "folder" => Ok(Target::Folder(name()?)),
        "document" => Ok(Target::Document(name()?)),
        _ => Err(damaged(format!("access to `{scope}`"))),
    }
}

/// The name in a column.
pub fn name(row: &Row<'_>, at: usize) -> Result<DocumentName, AccountsError> {
    let name: String = row.get(at)?;
    DocumentName::new(&name).map_err(|error| damaged(error.to_string()))
}

/// The access in a column.
pub fn access(row: &Row<'_>, at: usize) -> Result<Access, AccountsError> {
    let text: String = row.get(at)?;
    text.parse()
        .map_err(|_| damaged(format!("access `{text}`")))
}

/// The hash in a column.
pub fn hash(row: &Row<'_>, at: usize) -> Result<Hash, AccountsError> {
    row.get(at)
        .map_err(|_| damaged("a hash that has not 32 bytes"))
}
