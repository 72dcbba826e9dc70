//! A database read from outside the server that may be using it: without the folder's lock, and without a write.

use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior};

use super::open::FILE;
use super::schema::{APPLICATION_ID, FORMAT, KNOWN};
use super::{history, lineage, statements, trash};
use crate::name::DocumentName;
use crate::sqlite::{OpenError, Problem, protect};
use crate::storage::{DocumentId, Entry, Lookup, Record, StorageError, Trashed};

/// Pages copied between two looks at anything else: 1 MiB.
const STEP_PAGES: i32 = 256;

/// A read-only connection to the database of a data folder.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    /// Absolute path of the database.
    pub file: PathBuf,
    /// Its format.
    format: i64,
}

/// How a copy failed.
#[derive(Debug)]
pub enum CopyError<S> {
    /// One of the two databases.
    Sqlite(rusqlite::Error),
    /// Whoever watches the progress wants no more.
    Stopped(S),
}

impl<S> From<rusqlite::Error> for CopyError<S> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Reader {
    /// Opens the database in `folder`, which has to be there.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let file = folder.join(FILE);
        let problem = |problem: Problem| problem.of(folder, &file);
        let path = folder
            .canonicalize()
            .map_err(|error| problem(error.into()))?;
        if !path.join(FILE).is_file() {
            let reason = format!("there is no {FILE} in it");
            return Err(problem(Problem::NotUsable(reason)));
        }
        connect(path.join(FILE)).map_err(problem)
    }

    /// All documents as of one moment, newest edit first; and why there are some that cannot be listed.
    pub fn list(&mut self) -> Result<(Vec<Entry>, Vec<String>), StorageError> {
        // The tables of an older format are brought up to date by opening them for writing only.
        if self.format != KNOWN {
            return Err(StorageError::Failed(format!(
                "the database has the older format {}; start this ropewalk on it once",
                self.format
            )));
        }
        let transaction = self.connection.transaction()?;
        let mut damaged = Vec::new();
        let mut note = |_, why| damaged.push(why);
        let entries = statements::list(&transaction, "", None, usize::MAX, &mut note)?;
        Ok((entries, damaged))
    }

    /// Reads a document as of one moment.
    pub fn load(&mut self, name: &DocumentName) -> Result<Lookup, StorageError> {
        statements::load(&self.connection.transaction()?, name)
    }

    /// As [`Reader::load`]; hands its history and log of the same moment to `each`.
    pub fn load_with_history(
        &mut self,
        name: &DocumentName,
        each: &mut dyn FnMut(u64, Record),
    ) -> Result<Lookup, StorageError> {
        let transaction = self.connection.transaction()?;
        let lookup = statements::load(&transaction, name)?;
        if let Lookup::Found(stored) = &lookup {
            history::read(&transaction, stored.id, each)?;
        }
        Ok(lookup)
    }

    /// All documents in the trash as of one moment.
    pub fn trash(&mut self) -> Result<Vec<Trashed>, StorageError> {
        trash::all(&self.connection.transaction()?)
    }

    /// As [`Reader::load_with_history`], of a document in the trash.
    pub fn load_trashed(
        &mut self,
        id: DocumentId,
        each: &mut dyn FnMut(u64, Record),
    ) -> Result<Lookup, StorageError> {
        let transaction = self.connection.transaction()?;
        let found = transaction
            .prepare_cached(trash::FIND)?
            .query_row([id.0], statements::found)
            .optional()?;
        let Some(found) = found else {
            return Ok(Lookup::Deleted);
        };
        let stored = statements::read(&transaction, found)?;
        history::read(&transaction, stored.id, each)?;
        Ok(Lookup::Found(stored))
    }

    /// Copies the database, as it is at this moment, into the file `to`, and calls `step` with the pages done and all
    /// pages.
    ///
    /// The whole copy is made in one read transaction. In write-ahead mode that is a view of one moment for as long
    /// as it lasts: the server's writer neither waits for it nor disturbs it, and the journal only grows meanwhile.
    /// Without it SQLite would take a new view at each step, and begin anew whenever somebody had written: beside a
    /// server that is never idle, a large copy would not end. `VACUUM INTO` keeps one view as well, but says nothing
    /// of its progress, and builds every index anew instead of copying pages.
    pub fn copy<S>(
        &mut self,
        to: &mut Connection,
        mut step: impl FnMut(u64, u64) -> Result<(), S>,
    ) -> Result<(), CopyError<S>> {
        let view = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Deferred)?;
        // A transaction takes its view at its first read.
        view.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let copy = Backup::new(&view, to)?;
        loop {
            let done = match copy.step(STEP_PAGES)? {
                StepResult::Done => true,
                StepResult::More => false,
                // Nobody else has the copy, and the view is ours already.
                _ => {
                    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                    return Err(rusqlite::Error::SqliteFailure(code, None).into());
                }
            };
            let progress = copy.progress();
            let all = u64::try_from(progress.pagecount).unwrap_or(0);
            let left = u64::try_from(progress.remaining).unwrap_or(0);
            step(all.saturating_sub(left), all).map_err(CopyError::Stopped)?;
            if done {
                return Ok(());
            }
        }
    }
}

fn connect(file: PathBuf) -> Result<Reader, Problem> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&file, flags)?;
    protect(&connection)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("application_id")? != i64::from(APPLICATION_ID) {
        let reason = "it is a SQLite database, but another program's";
        return Err(Problem::Damaged(reason.to_owned()));
    }
    let format = number("user_version")?;
    if format > KNOWN {
        return Err(Problem::Newer {
            found: format,
            known: KNOWN,
        });
    }
    Ok(Reader {
        connection,
        file,
        format,
    })
}

/// Makes a copy one plain file again, whose journal is nowhere else, and checks it. `file` is not open.
pub fn seal(file: &Path) -> Result<(), Problem> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    protect(&connection)?;
    // Brings in a journal that lies beside it.
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| {
        let mode: String = row.get(0)?;
        match mode.as_str() {
            "delete" => Ok(()),
            _ => Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                Some(format!("it stays in the journal mode {mode}")),
            )),
        }
    })?;
    connection.close().map_err(|(_, error)| error)?;
    FORMAT.check(file)
}

/// Takes note in a copy that it is put into the place of what people may have seen more of. `file` is not open.
pub fn begin_anew(file: &Path, now_ms: i64) -> Result<(), Problem> {
    let mut connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    protect(&connection)?;
    FORMAT.migrate(&mut connection)?;
    connection.execute(lineage::RESTORE, [now_ms])?;
    connection.execute(trash::KEEP_LONGER, [now_ms])?;
    connection.close().map_err(|(_, error)| error.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::convert::Infallible;

    use super::*;
    use crate::sqlite::beside;
    use crate::storage::sqlite::Sqlite;
    use crate::storage::{Append, DocumentId, Storage};

    fn write(storage: &Sqlite, id: DocumentId, sequence: u64) {
        let name = DocumentName::new(&format!("document {}", id.0)).unwrap();
        let append = Append {
            id,
            create: (sequence == 1).then_some(name.into()),
            first_sequence: sequence,
            updates: vec![Record::anonymous(vec![sequence as u8; 1 << 20], 0)],
            length: 0,
            edited_at_ms: 0,
            past: None,
            receipts: Vec::new(),
            forgotten: Vec::new(),
            wrote: Vec::new(),
        };
        assert_eq!(storage.append(&[append]).unwrap(), []);
    }

    #[test]
    fn a_copy_is_of_one_moment_and_does_not_begin_anew_when_somebody_writes() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let storage = Sqlite::open(from.path()).unwrap();
        let ids = [(); 5].map(|()| storage.allocate());
        for id in ids {
            write(&storage, id, 1);
        }
        let mut reader = Reader::open(from.path()).unwrap();
        let copied = to.path().join(FILE);
        let mut copy = Connection::open(&copied).unwrap();
        let mut steps = Vec::new();
        let copying = reader.copy(&mut copy, |done, all| {
            assert!(steps.len() < 50, "it would not end: {steps:?}");
            for id in ids {
                write(&storage, id, steps.len() as u64 + 2);
            }
            steps.push((done, all));
            Ok::<_, Infallible>(())
        });
        assert!(copying.is_ok(), "{copying:?}");
        copy.close().unwrap();
        seal(&copied).unwrap();

        assert!(steps.len() >= 5, "{steps:?}");
        assert!(
            steps.is_sorted_by(|a, b| a.0 < b.0 && a.1 == b.1),
            "{steps:?}"
        );
        let copy = Sqlite::open(to.path()).unwrap();
        for id in ids {
            let name = DocumentName::new(&format!("document {}", id.0)).unwrap();
            for (storage, sequence) in [(&copy, 1), (&storage, steps.len() as u64 + 1)] {
                match storage.load(&name).unwrap() {
                    Lookup::Found(stored) => assert_eq!(stored.sequence, sequence),
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_sealed_copy_is_one_file_with_its_journal_in_it() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let storage = Sqlite::open(from.path()).unwrap();
        write(&storage, storage.allocate(), 1);
        for suffix in ["", "-wal"] {
            let [from, to] = [&from, &to].map(|f| beside(&f.path().join(FILE), suffix));
            std::fs::copy(from, to).unwrap();
        }
        seal(&to.path().join(FILE)).unwrap();
        assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 1);
        let mut reader = Reader::open(to.path()).unwrap();
        assert_eq!(reader.list().unwrap().0.len(), 1);
    }
}
