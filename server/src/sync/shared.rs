//! What all files of a folder have in common.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::folder::{Folder, Unfit};
use super::pair::Left;
use super::records::Records;
use super::{COPY, Problem};
use crate::client::cut;
use crate::link::Address;
use crate::name::DocumentName;

/// Files that meet their documents at once.
const AT_ONCE: usize = 16;

/// See the module.
pub struct Shared {
    pub folder: Folder,
    pub records: Records,
    pub address: Address,
    pub deletes: bool,
    pub stopping: CancellationToken,
    pub turns: Semaphore,
    state: Mutex<State>,
    pub news: Notify,
    pub left: Left,
}

#[derive(Default)]
/// What changes of it.
pub struct State {
    pub files: BTreeMap<String, Seen>,
    /// There was a connection.
    was_online: bool,
    /// Why there is no connection, when that was said.
    pub offline: Option<String>,
    /// A file could not be brought into step, or is left out that should not be.
    pub has_failed: bool,
}

/// A file that is looked after.
#[derive(Default)]
pub struct Seen {
    pub touched: Arc<Notify>,
    pub is_in_step: bool,
    /// Nothing is to be done until it is touched.
    pub is_idle: bool,
    /// It may only be read, and that was said.
    pub is_read_only: bool,
}

impl Shared {
    pub fn new(folder: Folder, records: Records, address: Address, deletes: bool) -> Self {
        Self {
            folder,
            records,
            address,
            deletes,
            stopping: CancellationToken::new(),
            turns: Semaphore::new(AT_ONCE),
            state: Mutex::default(),
            news: Notify::new(),
            left: Left::default(),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what was done.
    pub fn say(&self, line: fmt::Arguments<'_>) {
        let _ = writeln!(std::io::stdout(), "{}", harmless(line));
    }

    /// Says what was not.
    pub fn trouble(&self, line: fmt::Arguments<'_>) {
        let _ = writeln!(std::io::stderr(), "{}", harmless(line));
    }

    pub fn online(&self) {
        let mut state = self.state();
        let was_online = std::mem::replace(&mut state.was_online, true);
        let was_offline = state.offline.take().is_some();
        // Whoever reads what is said may be slow.
        drop(state);
        if was_offline && was_online {
            self.say(format_args!("Connected again."));
        } else if !was_online {
            self.say(format_args!("Connected."));
        }
    }

    pub fn offline(&self, reason: &str) {
        let mut state = self.state();
        if state.offline.is_none() {
            state.offline = Some(reason.to_owned());
            drop(state);
            self.trouble(format_args!("No connection: {reason}. It is tried again."));
        }
    }

    pub fn touched(&self, path: &str) -> Arc<Notify> {
        let mut state = self.state();
        state
            .files
            .entry(path.to_owned())
            .or_default()
            .touched
            .clone()
    }

    pub fn is_in_step(&self, path: &str, is_in_step: bool) {
        let mut state = self.state();
        let seen = state.files.entry(path.to_owned()).or_default();
        if seen.is_in_step != is_in_step {
            seen.is_in_step = is_in_step;
            self.news.notify_one();
        }
    }

    /// What was written to a file stays here, as its document may only be read.
    pub fn read_only(&self, path: &str) {
        let mut state = self.state();
        state.has_failed = true;
        let seen = state.files.entry(path.to_owned()).or_default();
        let was_said = std::mem::replace(&mut seen.is_read_only, true);
        drop(state);
        if !was_said {
            self.trouble(format_args!(
                "{path}: its document may only be read; what is written here stays here"
            ));
        }
    }

    /// It may be edited.
    pub fn not_read_only(&self, path: &str) {
        if let Some(seen) = self.state().files.get_mut(path) {
            seen.is_read_only = false;
        }
    }

    /// Keeps a text beside a file. The copy is nobody's document.
    pub fn copy(&self, path: &str, text: &str) -> Result<String, Unfit> {
        beside(path, |copy| self.folder.copy_beside(copy, text))
    }

    /// Keeps beside a file what is aside, as it is.
    pub fn keep_beside(&self, path: &str, aside: &str) -> Result<String, Unfit> {
        beside(path, |copy| match self.folder.place_new(aside, copy)? {
            true => Ok(()),
            false => Err(Unfit::System(ErrorKind::AlreadyExists.into())),
        })
    }

    /// Deletes a document that has this text. Whether it is gone.
    pub async fn delete(&self, name: &DocumentName, text: &str) -> Result<bool, Problem> {
        Ok(self.address.delete(name, text).await?)
    }
}

/// Finds a name for a copy of a file that is free.
fn beside(path: &str, place: impl Fn(&str) -> Result<(), Unfit>) -> Result<String, Unfit> {
    let now = SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs();
    let (folder, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
    for number in 0..100 {
        let number = match number {
            0 => String::new(),
            number => format!("-{number}"),
        };
        // A name has 255 bytes at most.
        let mark = format!("{COPY}{now}{number}");
        let copy = format!("{folder}{}{mark}", cut(name, 255 - mark.len()));
        match place(&copy) {
            Ok(()) => return Ok(copy),
            Err(Unfit::System(error)) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(Unfit::Restless)
}

/// A line as a terminal may get it: names of files and documents can hold anything.
fn harmless(line: fmt::Arguments<'_>) -> String {
    let plain = |char: char| if char.is_control() { '\u{fffd}' } else { char };
    line.to_string().chars().map(plain).collect()
}
