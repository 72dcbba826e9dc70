//! What is kept of what is done with all documents from the command line: copies are made of them, or they come from some.

use rusqlite::Transaction;

use super::audit::note;
use super::people::is_empty;
use super::rows::{execute, exists, first};
use super::{Accounts, AccountsError, Action, Actor};

impl Accounts {
    /// Tells the log of it, if there is anybody to read it.
    pub fn note_copy(&self, action: Action, about: &str, now_ms: i64) -> Result<(), AccountsError> {
        self.mark(|transaction| {
            if is_empty(transaction)? {
                return Ok(());
            }
            note(transaction, &Actor::command_line(), action, about, now_ms)
        })
    }

    /// A backup is whole, and in its place.
    pub fn backed_up(&self, now_ms: i64) -> Result<(), AccountsError> {
        self.mark(|transaction| {
            // What is in an older format has no place for it.
            if keeps_backups(transaction)? {
                let set = "UPDATE state SET backed_up_at_ms = ?1";
                execute(transaction, set, [now_ms])?;
            }
            Ok(())
        })
    }

    /// When the last one was.
    pub fn last_backup(&self) -> Result<Option<i64>, AccountsError> {
        self.read(|transaction| {
            let last = "SELECT backed_up_at_ms FROM state";
            let last = first(transaction, last, [], |row| Ok(row.get(0)?))?;
            Ok(last.flatten())
        })
    }
}

fn keeps_backups(transaction: &Transaction<'_>) -> Result<bool, AccountsError> {
    let column = "SELECT 1 FROM pragma_table_info('state') WHERE name = 'backed_up_at_ms'";
    exists(transaction, column, [])
}
