//! The index of words, in a database of its own. It holds nothing that documents do not, and may be removed at any time.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};

use super::words::{BEGIN, END};
use crate::sqlite::{beside, make_file_private, private, protect, use_write_ahead};
use crate::storage::{DocumentId, Entry};

/// Name of the index in the data folder.
pub const FILE: &str = "search.db";
/// Says in the file's header what it is: "RopS".
const APPLICATION_ID: u32 = 0x526f_7053;
/// An index of another format is built anew.
const FORMAT: i64 = 3;
/// How many instructions of SQLite between two looks at the clock.
const LOOK: i32 = 1000;
/// How long something waits for a moment's lock.
const BUSY: Duration = Duration::from_millis(500);
/// Page cache, in KiB.
const CACHE_KIB: i32 = 4 << 10;

/// How texts are split into words.
const TEXTS: &str =
    r#"CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = "unicode61 remove_diacritics 2");"#;
/// `secure-delete` takes words out where they stand. It is on from the first text on: what was only marked as gone before is not found
/// by it any more, would stand there for good, and be found again.
const SCHEMA: &str = r#"
INSERT INTO texts (texts, rank) VALUES ('secure-delete', 1);
CREATE TABLE indexed (
    document_id   INTEGER PRIMARY KEY,
    sequence      INTEGER NOT NULL,
    edited_at_ms  INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;
"#;

/// Up to where a document is indexed. A restored database gives identities and places a second time, at other times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    sequence: i64,
    edited_at_ms: i64,
    created_at_ms: i64,
}

impl Place {
    /// Where a document is now.
    pub fn of(entry: &Entry) -> Self {
        Self {
            sequence: i64::try_from(entry.sequence).unwrap_or(i64::MAX),
            edited_at_ms: entry.edited_at_ms,
            created_at_ms: entry.created_at_ms,
        }
    }

    /// Whether it is the same document.
    pub fn is_of(&self, entry: &Entry) -> bool {
        self.created_at_ms == entry.created_at_ms
    }
}

/// The connection that writes.
pub struct Index {
    connection: Connection,
}

impl Index {
    /// Opens the index in a folder, or makes a new one. What is there and is none is removed; what cannot be read now is not.
    pub fn open(folder: &Path) -> rusqlite::Result<Self> {
        let file = folder.join(FILE);
        if file.try_exists().map_err(not_usable)? {
            keep_private(&file);
            match connect(&file) {
                Ok(connection) => return Ok(Self { connection }),
                Err(error) if is_damage(&error) => {
                    tracing::warn!(%error, "the index of words cannot be used; it is built anew");
                }
                Err(error) => return Err(error),
            }
        }
        remove(folder).map_err(not_usable)?;
        make(&file).map(|connection| Self { connection })
    }

    /// Up to where a document is indexed.
    pub fn place(&self, id: DocumentId) -> rusqlite::Result<Option<Place>> {
        place(&self.connection, id)
    }

    /// Takes texts in, in one transaction.
    pub fn put(&mut self, texts: &[(DocumentId, Place, String)]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for (id, place, text) in texts {
            forget(&transaction, *id)?;
            transaction
                .prepare_cached("INSERT INTO texts (rowid, text) VALUES (?1, ?2)")?
                .execute(params![id.0, text])?;
            transaction
                .prepare_cached("INSERT INTO indexed VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![
                    id.0,
                    place.sequence,
                    place.edited_at_ms,
                    place.created_at_ms
                ])?;
        }
        transaction.commit()
    }

    /// Identities that are indexed, after one.
    pub fn after(&self, id: DocumentId, limit: usize) -> rusqlite::Result<Vec<DocumentId>> {
        let all =
            "SELECT document_id FROM indexed WHERE document_id > ?1 ORDER BY document_id LIMIT ?2";
        let mut statement = self.connection.prepare_cached(all)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids = statement.query_map([id.0, limit], |row| Ok(DocumentId(row.get(0)?)))?;
        ids.collect()
    }

    /// Forgets a document, and overwrites what there was of it. `Ok(false)`: it is not there.
    pub fn forget(&mut self, id: DocumentId) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction()?;
        let was_there = forget(&transaction, id)?;
        transaction.commit()?;
        Ok(was_there)
    }

    /// Leaves nothing in the journal of the index. `Ok(false)`: somebody reads it.
    pub fn empty_journal(&self) -> rusqlite::Result<bool> {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.connection
            .query_row(checkpoint, [], |row| Ok(row.get::<_, i64>(0)? == 0))
    }
}

fn forget(connection: &Connection, id: DocumentId) -> rusqlite::Result<bool> {
    let known = connection
        .prepare_cached("DELETE FROM indexed WHERE document_id = ?1")?
        .execute([id.0])?;
    if known > 0 {
        connection
            .prepare_cached("DELETE FROM texts WHERE rowid = ?1")?
            .execute([id.0])?;
    }
    Ok(known > 0)
}

fn place(connection: &Connection, id: DocumentId) -> rusqlite::Result<Option<Place>> {
    connection
        .prepare_cached(
            "SELECT sequence, edited_at_ms, created_at_ms FROM indexed WHERE document_id = ?1",
        )?
        .query_row([id.0], |row| {
            Ok(Place {
                sequence: row.get(0)?,
                edited_at_ms: row.get(1)?,
                created_at_ms: row.get(2)?,
            })
        })
        .optional()
}

/// A connection that reads, until then.
pub struct Reading {
    connection: Connection,
}

impl Reading {
    /// Opens the index in a folder. What is asked of it after `until` fails. `Ok(None)`: there is none, or it is being made.
    pub fn open(folder: &Path, until: Instant) -> rusqlite::Result<Option<Self>> {
        let file = folder.join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = match Connection::open_with_flags(&file, flags) {
            Err(_) if !file.try_exists().map_err(not_usable)? => return Ok(None),
            opened => opened?,
        };
        protect(&connection)?;
        connection.busy_timeout(BUSY)?;
        connection.progress_handler(LOOK, Some(move || Instant::now() >= until))?;
        // The last that is said of one that is made.
        let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((format == FORMAT).then_some(Self { connection }))
    }

    /// All documents in which something is found, the newest edit first. How well it fits would tell of other texts: what counts as
    /// rare depends on all of them.
    pub fn find(&self, question: &str) -> rusqlite::Result<Vec<DocumentId>> {
        let find = "SELECT document_id FROM texts CROSS JOIN indexed ON document_id = texts.rowid
            WHERE texts MATCH ?1 ORDER BY edited_at_ms DESC, document_id DESC";
        let mut statement = self.connection.prepare(find)?;
        let found = statement.query_map([question], |row| Ok(DocumentId(row.get(0)?)))?;
        found.collect()
    }

    /// Up to where a document is indexed.
    pub fn place(&self, id: DocumentId) -> rusqlite::Result<Option<Place>> {
        place(&self.connection, id)
    }

    /// The text of a document with what was asked for marked. (What SQLite has for snippets takes the square of the number of hits.)
    pub fn marked(
        &self,
        question: &str,
        id: DocumentId,
    ) -> rusqlite::Result<Option<(Place, String)>> {
        let Some(place) = place(&self.connection, id)? else {
            return Ok(None);
        };
        let marked = marked(&self.connection, question, id)?;
        Ok(marked.map(|marked| (place, marked)))
    }
}

/// The same of a text that is not in the index, until then.
pub fn marked_in(text: &str, question: &str, until: Instant) -> rusqlite::Result<Option<String>> {
    let mut connection = Connection::open_in_memory()?;
    connection.progress_handler(LOOK, Some(move || Instant::now() >= until))?;
    connection.execute_batch(TEXTS)?;
    connection.execute("INSERT INTO texts (rowid, text) VALUES (1, ?1)", [text])?;
    marked(&connection, question, DocumentId(1))
}

fn marked(
    connection: &Connection,
    question: &str,
    id: DocumentId,
) -> rusqlite::Result<Option<String>> {
    let marked =
        "SELECT highlight(texts, 0, ?3, ?4) FROM texts WHERE texts MATCH ?1 AND rowid = ?2";
    let (begin, end) = (BEGIN.to_string(), END.to_string());
    connection
        .prepare_cached(marked)?
        .query_row(params![question, id.0, begin, end], |row| row.get(0))
        .optional()
}

/// Whether the index is none, whatever is done with it. Everything else may pass: a full disk, a lock.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Whether something took too long.
pub fn is_late(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    prepare(&connection)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = (number("application_id")?, number("user_version")?);
    if found != (i64::from(APPLICATION_ID), FORMAT) {
        return Err(damaged("it is of another format"));
    }
    for statement in [
        "SELECT document_id, sequence, edited_at_ms, created_at_ms FROM indexed LIMIT 1",
        "SELECT rowid, text FROM texts LIMIT 1",
    ] {
        match connection.prepare(statement) {
            // A table or a column is not there.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
                return Err(damaged("it is of another format"));
            }
            prepared => prepared?.exists([])?,
        };
    }
    // Of all tables it would split every text into words again. Damage there is met by whoever reads it.
    let check = "PRAGMA quick_check('indexed')";
    let verdict: String = connection.query_row(check, [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(damaged(&verdict));
    }
    Ok(connection)
}

fn damaged(why: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(why.to_owned()))
}

/// What the system says, as an error of the index.
pub fn not_usable(error: io::Error) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
    rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
}

/// One that was made for everybody is for its owner from now on.
fn keep_private(file: &Path) {
    for file in [
        file.to_path_buf(),
        beside(file, "-wal"),
        beside(file, "-shm"),
    ] {
        match make_file_private(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, file = %file.display(), "others may read the index of words");
            }
            _ => {}
        }
    }
}

fn make(file: &Path) -> rusqlite::Result<Connection> {
    let mut options = OpenOptions::new();
    let made = private(options.write(true).create_new(true)).open(file);
    made.map_err(not_usable)?;
    let connection = Connection::open(file)?;
    prepare(&connection)?;
    connection.execute_batch(TEXTS)?;
    connection.execute_batch(SCHEMA)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    Ok(connection)
}

/// Nothing is synced but when the journal is moved: after a power cut the index is what it was a while before.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    protect(connection)?;
    connection.busy_timeout(BUSY)?;
    use_write_ahead(connection)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // What is forgotten is overwritten.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)
}

/// Removes the index of a folder.
pub fn remove(folder: &Path) -> io::Result<()> {
    let file = folder.join(FILE);
    for left in [beside(&file, "-wal"), beside(&file, "-shm"), file] {
        match fs::remove_file(PathBuf::from(&left)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn put(index: &mut Index, id: i64, text: &str) {
        let place = Place {
            sequence: 1,
            edited_at_ms: 2,
            created_at_ms: 3,
        };
        let text = (DocumentId(id), place, text.to_owned());
        index.put(&[text]).unwrap();
    }

    fn has(folder: &Path, id: i64) -> bool {
        let index = Index::open(folder).unwrap();
        index.place(DocumentId(id)).unwrap().is_some()
    }

    #[cfg(unix)]
    #[test]
    fn it_is_for_its_owner_only_whoever_it_was_made_for() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let modes = || {
            let files = fs::read_dir(folder.path()).unwrap();
            let mode = |file: fs::DirEntry| file.metadata().unwrap().permissions().mode() & 0o777;
            files.map(|file| mode(file.unwrap())).collect::<Vec<_>>()
        };
        let mut index = Index::open(folder.path()).unwrap();
        put(&mut index, 1, "hemp");
        assert_eq!(modes(), [0o600; 3]);
        for file in fs::read_dir(folder.path()).unwrap() {
            let everybody = fs::Permissions::from_mode(0o644);
            fs::set_permissions(file.unwrap().path(), everybody).unwrap();
        }
        let _again = Index::open(folder.path()).unwrap();
        assert_eq!(modes(), [0o600; 3]);
    }

    #[test]
    fn what_cannot_be_opened_now_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        put(&mut Index::open(folder.path()).unwrap(), 1, "hemp");
        let other = Connection::open(folder.path().join(FILE)).unwrap();
        other
            .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
            .unwrap();
        let busy = Index::open(folder.path()).err().unwrap();
        assert_eq!(busy.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
        assert!(!is_damage(&busy));
        drop(other);
        assert!(has(folder.path(), 1));
    }

    #[test]
    fn nothing_is_left_of_what_is_forgotten_and_of_what_was_edited_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = Index::open(folder.path()).unwrap();
        let holds = |word: &str| {
            [FILE, "search.db-wal"].iter().any(|file| {
                let bytes = fs::read(folder.path().join(file)).unwrap_or_default();
                bytes
                    .windows(word.len())
                    .any(|some| some == word.as_bytes())
            })
        };
        // Of words the index keeps what follows the one before.
        let gone = ["xylophone", "ylophone", "quartz", "uartz"];
        for round in 1..4 {
            for id in 1..50 {
                let text = match (id, round) {
                    (7, 1) => "xylophone ".repeat(2000) + "quartz",
                    (7, _) => "quartz".to_owned(),
                    _ => "hemp rope ".repeat(id),
                };
                put(&mut index, id as i64, &text);
            }
            assert!(index.empty_journal().unwrap() && holds("quartz"));
            assert_eq!(holds("ylophone"), round == 1, "{round}");
        }
        assert!(index.forget(DocumentId(7)).unwrap());
        assert!(!index.forget(DocumentId(7)).unwrap());
        assert!(index.empty_journal().unwrap());
        for word in gone {
            assert!(!holds(word), "{word}");
        }
        assert!(holds("hemp"));
        let fits = "INSERT INTO texts (texts) VALUES ('integrity-check')";
        index.connection.execute(fits, []).unwrap();
    }

    #[test]
    fn to_open_it_no_text_is_read() {
        let folder = tempfile::tempdir().unwrap();
        put(&mut Index::open(folder.path()).unwrap(), 1, "hemp");
        let other = Connection::open(folder.path().join(FILE)).unwrap();
        let damage = "UPDATE texts_content SET c0 = 'other words than those that are indexed'";
        assert_eq!(other.execute(damage, []), Ok(1));
        drop(other);
        assert!(has(folder.path(), 1));
    }

    #[test]
    fn what_is_no_index_is_built_anew() {
        for damage in [
            "DROP TABLE indexed",
            "DROP TABLE texts",
            "PRAGMA user_version = 99",
            "PRAGMA application_id = 99",
        ] {
            let folder = tempfile::tempdir().unwrap();
            put(&mut Index::open(folder.path()).unwrap(), 1, "hemp");
            let other = Connection::open(folder.path().join(FILE)).unwrap();
            other.execute_batch(damage).unwrap();
            drop(other);
            put(&mut Index::open(folder.path()).unwrap(), 2, "hemp");
            assert!(!has(folder.path(), 1), "{damage}");
            assert!(has(folder.path(), 2), "{damage}");
        }
    }
}
