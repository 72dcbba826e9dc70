//! Who there is and what they were given: people, sessions, invitations, API tokens, groups, grants, links, and a log of it.
//!
//! They are in a database of their own beside the documents, as `ropewalk user` and `ropewalk token` write to it while a server
//! runs, and a failure there is none of the documents. All calls block; all times are milliseconds since the Unix epoch.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

mod arrivals;
pub mod audit;
pub mod command;
mod copied;
pub mod copy;
mod error;
mod file;
mod grants;
mod groups;
mod invitations;
mod links;
mod names;
mod password;
mod people;
mod rows;
mod rules;
mod schema;
mod secret;
mod sessions;
mod still;
mod sweep;
mod text;
mod tokens;

pub use arrivals::{Arrival, Roles};
pub use audit::{Action, Actor};
pub use error::{AccountsError, Refusal};
pub use file::FILE;
pub use groups::{Group, checked_name as group_name};
pub use invitations::{Invitation, InvitationId, Invite, InviteKind, Joining};
pub use links::{LinkEntry, NewLink};
pub use people::{Identity, NewPerson, PersonEntry, Profile, Verified};
pub(crate) use secret::random;
pub use secret::{Secret, SecretKind};
pub use sessions::{Begin, SessionEntry};
pub use still::Still;
pub use tokens::{NewToken, TokenEntry};

use crate::storage::sqlite::files::Files;

/// The format of accounts that are written here.
pub const FORMAT: i64 = schema::KNOWN;
/// Most entries of a list at once.
pub const PAGE: usize = 1000;

/// The accounts of a data folder.
pub struct Accounts {
    file: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    /// `None` after a failure: what SQLite holds for written may not be.
    connection: Option<Connection>,
    files: Files,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Accounts {
    /// Opens the accounts in `folder`; makes the folder and the database if they are missing. What cannot be opened is left as it is.
    pub fn open(folder: &Path) -> Result<Self, AccountsError> {
        Ok(Self::of(file::open(folder)?))
    }

    /// Opens those that are in `folder`, if they are, in the format that they have: a server of an older version may be using them.
    pub fn visit(folder: &Path) -> Result<Option<Self>, AccountsError> {
        Ok(file::visit(folder)?.map(Self::of))
    }

    fn of((file, (connection, files)): (PathBuf, (Connection, Files))) -> Self {
        Self {
            file,
            held: Mutex::new(Held {
                connection: Some(connection),
                files,
            }),
        }
    }

    /// Whether there is nobody at all.
    pub fn is_empty(&self) -> Result<bool, AccountsError> {
        self.read(people::is_empty)
    }

    /// Moves with every change that matters to access, whoever made it. Cheap.
    pub fn changes(&self) -> Result<u64, AccountsError> {
        self.read(counted)
    }

    /// The key that signs document tokens of this server's own; made when it is first asked for.
    pub fn key(&self) -> Result<[u8; 32], AccountsError> {
        let read = |transaction: &Transaction<'_>| {
            let kept: Option<[u8; 32]> =
                transaction.query_row("SELECT key FROM state", [], |row| row.get(0))?;
            Ok(kept)
        };
        if let Some(key) = self.read(read)? {
            return Ok(key);
        }
        let new: [u8; 32] = secret::random()?;
        self.mark(|transaction| {
            // Another process may have been faster.
            rows::execute(
                transaction,
                "UPDATE state SET key = ?1 WHERE key IS NULL",
                [new],
            )?;
            read(transaction)
        })?
        .ok_or_else(|| AccountsError::Failed("the key is not kept".to_owned()))
    }

    /// Runs `read` in one read transaction: it sees the accounts as of one moment.
    fn read<T>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> Result<T, AccountsError>,
    ) -> Result<T, AccountsError> {
        self.with(|connection| read(&connection.transaction()?))
    }

    /// Runs `write` in one write transaction that changes what somebody may do; on `Ok` it is on disk.
    fn change<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, AccountsError>,
    ) -> Result<T, AccountsError> {
        self.mark(|transaction| {
            let written = write(transaction)?;
            rows::changed(transaction)?;
            Ok(written)
        })
    }

    /// As [`Accounts::change`], for what matters to nobody's access.
    fn mark<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, AccountsError>,
    ) -> Result<T, AccountsError> {
        self.with(|connection| {
            let behavior = TransactionBehavior::Immediate;
            let transaction = connection.transaction_with_behavior(behavior)?;
            let written = write(&transaction)?;
            transaction.commit()?;
            Ok(written)
        })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, AccountsError>,
    ) -> Result<T, AccountsError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut *held;
        if held.connection.is_none() {
            held.files.check().map_err(error::gone)?;
            let (connection, files) = file::reopen(&self.file)?;
            held.files = files;
            held.connection = Some(connection);
        }
        let Some(connection) = &mut held.connection else {
            return Err(AccountsError::Failed("they are not open".to_owned()));
        };
        let done = work(connection);
        if matches!(done, Err(AccountsError::Failed(_))) {
            held.connection = None;
        }
        // Nobody would find what was written into a file that has no name any more.
        let done = done?;
        held.files.check().map_err(error::gone)?;
        Ok(done)
    }
}

fn counted(transaction: &Transaction<'_>) -> Result<u64, AccountsError> {
    let changes = "SELECT changes FROM state";
    let changes: i64 = transaction
        .prepare_cached(changes)?
        .query_row([], |row| row.get(0))?;
    Ok(changes.unsigned_abs())
}

impl Drop for Accounts {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = &held.connection
            && held.files.check().is_ok()
        {
            // Everything is on disk all the same.
            let _ = file::let_go(connection);
        }
    }
}

#[cfg(test)]
mod tests;
