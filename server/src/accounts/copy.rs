//! The accounts in a copy of the documents: a backup is one file.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, MAIN_DB, OpenFlags, OptionalExtension as _};

use super::file::{BUSY, FILE, NEW};
use crate::sqlite::{Problem, beside, private, protect, remove, sync_folder};

/// Puts the accounts of a folder, as they are now, into a copy of its documents.
pub fn keep(folder: &Path, copy: &Connection) -> rusqlite::Result<()> {
    copy.execute_batch("DROP TABLE IF EXISTS accounts")?;
    let file = folder.join(FILE);
    if !file.exists() {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = Connection::open_with_flags(file, flags)?;
    protect(&from)?;
    from.busy_timeout(BUSY)?;
    let mut memory = Connection::open_in_memory()?;
    // At once: they are small beside documents.
    while Backup::new(&from, &mut memory)?.step(-1)? != StepResult::Done {}
    let data = memory.serialize(MAIN_DB)?;
    copy.execute_batch("CREATE TABLE accounts (data BLOB NOT NULL) STRICT")?;
    copy.execute("INSERT INTO accounts VALUES (?1)", [&data[..]])?;
    Ok(())
}

/// Takes the accounts out of a copy of documents, if they are in it.
pub fn take(copy: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    protect(&connection)?;
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'accounts'";
    let is_there = connection.query_row(table, [], |_| Ok(())).optional()?;
    if is_there.is_none() {
        return Ok(None);
    }
    let data = connection.query_row("SELECT data FROM accounts", [], |row| row.get(0))?;
    connection.execute_batch("DROP TABLE accounts")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(Some(data))
}

/// Such accounts on their way into a folder that nobody uses; gone if they are not put in their place.
pub struct Coming(PathBuf);

impl Drop for Coming {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes them beside their place. Everybody is signed out: since the copy was made somebody may have ended a session. And there will be
/// another key: document tokens name what they were asked for with by numbers, which will be given once more.
pub fn bring(folder: &Path, data: &[u8]) -> Result<Coming, Problem> {
    let new = folder.join(NEW);
    remove(&new)?;
    let coming = Coming(new);
    let new = &coming.0;
    private(OpenOptions::new().write(true).create_new(true))
        .open(new)?
        .write_all(data)?;
    let connection = Connection::open(new)?;
    protect(&connection)?;
    connection.execute_batch(
        "PRAGMA journal_mode = DELETE; PRAGMA foreign_keys = ON;
         DELETE FROM sessions; DELETE FROM invitations; UPDATE state SET changes = changes + 1, key = NULL;",
    )?;
    connection.close().map_err(|(_, error)| error)?;
    File::open(new)?.sync_all()?;
    Ok(coming)
}

impl Coming {
    /// Puts them in their place. Those that were there are kept under the name that is answered.
    pub fn place(self, folder: &Path, when: &str) -> Result<Option<PathBuf>, Problem> {
        let file = folder.join(FILE);
        let mut kept = None;
        if file.exists() {
            let mut before = beside(&file, &format!(".before-{when}"));
            while before.symlink_metadata().is_ok() {
                // Twice in a second.
                before = beside(&before, "-again");
            }
            // Its journal goes into it.
            let connection = Connection::open(&file)?;
            protect(&connection)?;
            connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
            connection.close().map_err(|(_, error)| error)?;
            fs::rename(&file, &before)?;
            kept = Some(before);
        }
        fs::rename(&self.0, &file)?;
        sync_folder(folder)?;
        Ok(kept)
    }
}
