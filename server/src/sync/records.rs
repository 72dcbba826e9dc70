//! What the folder and the server had in common when both were seen last: a database in the folder's own folder.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crc32fast::hash;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use thiserror::Error;

use super::ASIDE;

/// Of a folder of this version; others are left as they are.
const VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS about (what TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS files (
        path TEXT PRIMARY KEY,
        mirror BLOB NOT NULL,
        ahead BLOB NOT NULL DEFAULT x'',
        next BLOB,
        next_aside TEXT,
        next_before BLOB,
        gone BLOB,
        removed INTEGER NOT NULL DEFAULT 0
    );
";

/// See the module.
#[derive(Debug)]
pub struct Records {
    connection: Mutex<Connection>,
    place: String,
}

/// What is known of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The document as it was when its text was that of the file, as `Document::save` writes it.
    pub mirror: Vec<u8>,
    /// What was read from the file and is not in that, as an update; or nothing.
    pub ahead: Vec<u8>,
    /// What is being written to the file.
    pub next: Option<Next>,
    /// The document was deleted on the server, when the file had the text with this digest.
    pub gone: Option<Vec<u8>>,
    /// The file was deleted here.
    pub removed: bool,
}

/// A new text on its way into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The document with this text, as `Document::save` writes it.
    pub mirror: Vec<u8>,
    /// The name under which the text lies aside, until it is exchanged with the file.
    pub aside: String,
    /// The digest of what the file is expected to have until then.
    pub before: Vec<u8>,
}

/// Why nothing can be recorded.
#[derive(Debug, Error)]
pub enum Unrecorded {
    /// The folder is kept in step with something else.
    #[error("this folder is kept in step with {0}; remove its folder {ASIDE} to begin anew")]
    Elsewhere(String),
    /// It was written by a newer Ropewalk.
    #[error("the database in {ASIDE} is from a newer Ropewalk")]
    Newer,
    /// It would lead out of the folder.
    #[error("the database in {ASIDE} was not written by Ropewalk")]
    Foreign,
    /// The database.
    #[error("the database in {ASIDE}: {0}")]
    Database(#[from] rusqlite::Error),
}

impl Records {
    /// Opens the records of a folder, for one place on one server.
    pub fn open(folder: &Path, place: &str) -> Result<Self, Unrecorded> {
        let database = folder.join(ASIDE).join("state.db");
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(database, flags)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > VERSION {
            return Err(Unrecorded::Newer);
        }
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        let known: Option<String> = connection
            .query_row("SELECT value FROM about WHERE what = 'place'", [], |row| {
                row.get(0)
            })
            .optional()?;
        match known {
            Some(known) if known != place => Err(Unrecorded::Elsewhere(known)),
            _ => Ok(Self {
                connection: Mutex::new(connection),
                place: place.to_owned(),
            }),
        }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // Statements are whole or not made, also in a panic.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Paths of all files that are known and were not deleted.
    pub fn paths(&self) -> Result<Vec<String>, Unrecorded> {
        self.texts("SELECT path FROM files WHERE NOT removed")
    }

    /// Names of what lies aside and is on its way into a file.
    pub fn asides(&self) -> Result<Vec<String>, Unrecorded> {
        self.texts("SELECT next_aside FROM files WHERE next_aside IS NOT NULL")
    }

    fn texts(&self, query: &str) -> Result<Vec<String>, Unrecorded> {
        let connection = self.connection();
        let mut all = connection.prepare_cached(query)?;
        let texts = all.query_map([], |row| row.get(0))?;
        Ok(texts.collect::<Result<_, _>>()?)
    }

    /// What is known of a file.
    pub fn get(&self, path: &str) -> Result<Option<Record>, Unrecorded> {
        let connection = self.connection();
        let mut one = connection.prepare_cached(
            "SELECT mirror, ahead, next, next_aside, next_before, gone, removed FROM files WHERE path = ?1",
        )?;
        let record = one.query_row([path], |row| {
            let mirror: Option<Vec<u8>> = row.get(2)?;
            let next = mirror.map(|mirror| {
                Ok::<_, rusqlite::Error>(Next {
                    mirror,
                    aside: row.get(3)?,
                    before: row.get(4)?,
                })
            });
            Ok(Record {
                mirror: row.get(0)?,
                ahead: row.get(1)?,
                next: next.transpose()?,
                gone: row.get(5)?,
                removed: row.get(6)?,
            })
        });
        let record = record.optional()?;
        let aside = record.as_ref().and_then(|record| record.next.as_ref());
        match aside.is_none_or(|next| next.aside.starts_with("text-") && !next.aside.contains('/'))
        {
            true => Ok(record),
            false => Err(Unrecorded::Foreign),
        }
    }

    /// Whether the document of a file that is known was deleted on the server.
    pub fn is_gone(&self, path: &str) -> Result<Option<bool>, Unrecorded> {
        let connection = self.connection();
        let mut one =
            connection.prepare_cached("SELECT gone IS NOT NULL FROM files WHERE path = ?1")?;
        Ok(one.query_row([path], |row| row.get(0)).optional()?)
    }

    /// The server has a document of its name again.
    pub fn is_back(&self, path: &str) -> Result<(), Unrecorded> {
        let connection = self.connection();
        let mut back = connection.prepare_cached("UPDATE files SET gone = NULL WHERE path = ?1")?;
        back.execute([path])?;
        Ok(())
    }

    /// Writes what is known of a file; it is on disk when this returns. From the first on, the folder belongs to its place.
    pub fn put(&self, path: &str, record: &Record) -> Result<(), Unrecorded> {
        let connection = self.connection();
        connection
            .prepare_cached("INSERT OR IGNORE INTO about VALUES ('place', ?1)")?
            .execute([&self.place])?;
        let mut put = connection.prepare_cached(
            "INSERT OR REPLACE INTO files (path, mirror, ahead, next, next_aside, next_before, gone, removed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let next = record.next.as_ref();
        put.execute(params![
            path,
            record.mirror,
            record.ahead,
            next.map(|next| &next.mirror),
            next.map(|next| &next.aside),
            next.map(|next| &next.before),
            record.gone,
            record.removed,
        ])?;
        Ok(())
    }

    /// Forgets a file.
    pub fn forget(&self, path: &str) -> Result<(), Unrecorded> {
        let connection = self.connection();
        let mut forget = connection.prepare_cached("DELETE FROM files WHERE path = ?1")?;
        forget.execute([path])?;
        Ok(())
    }
}

/// By which a text is known again.
pub fn digest(text: &str) -> Vec<u8> {
    let mut digest = (text.len() as u64).to_le_bytes().to_vec();
    digest.extend(hash(text.as_bytes()).to_le_bytes());
    digest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_folder_that_came_from_elsewhere_leads_nowhere_else() {
        let (folder, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        std::fs::create_dir(folder.path().join(ASIDE)).unwrap();
        let elsewhere = outside.path().join("file");
        let database = folder.path().join(ASIDE).join("state.db");
        std::os::unix::fs::symlink(&elsewhere, &database).unwrap();
        assert!(Records::open(folder.path(), "here").is_err());
        assert!(!elsewhere.exists());
        std::fs::remove_file(database).unwrap();
        let records = Records::open(folder.path(), "here").unwrap();
        for (aside, is_fine) in [("text-1", true), ("../../file", false), ("..", false)] {
            let next = Next {
                mirror: Vec::new(),
                aside: aside.to_owned(),
                before: Vec::new(),
            };
            let record = Record {
                next: Some(next),
                ..Record::default()
            };
            records.put("a", &record).unwrap();
            assert_eq!(records.get("a").is_ok(), is_fine, "{aside}");
        }
    }
}
