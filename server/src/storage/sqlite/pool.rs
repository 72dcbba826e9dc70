//! A few read-only connections that readers share.

use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::files::Files;
use crate::sqlite::protect;

/// Most connections that read at the same time; a further reader waits.
const MAX_READERS: usize = 4;

/// Read-only connections to one database, opened when they are first needed.
pub struct Readers {
    files: Files,
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    lent: usize,
}

impl Readers {
    /// Opens nothing yet.
    pub fn new(files: Files) -> Self {
        Self {
            files,
            state: Mutex::default(),
            given_back: Condvar::new(),
        }
    }

    /// What they are to read.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Lends a connection to `read`. One that failed is closed.
    pub fn with<T, E: From<rusqlite::Error>>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut place = self.place();
        let mut connection = match place.idle.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let result = read(&mut connection);
        if result.is_ok() {
            place.idle = Some(connection);
        }
        result
    }

    /// Waits until another reader is allowed.
    fn place(&self) -> Place<'_> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .given_back
            .wait_while(state, |state| state.lent >= MAX_READERS)
            .unwrap_or_else(PoisonError::into_inner);
        state.lent += 1;
        Place {
            readers: self,
            idle: state.idle.pop(),
        }
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.files.path(), flags)?;
        protect(&connection)?;
        Ok(connection)
    }
}

/// The right to read, given back on drop, also when the reader panics.
struct Place<'a> {
    readers: &'a Readers,
    idle: Option<Connection>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self
            .readers
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.lent -= 1;
        state.idle.extend(self.idle.take());
        drop(state);
        self.readers.given_back.notify_one();
    }
}
