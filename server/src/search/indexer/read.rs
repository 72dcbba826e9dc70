//! What goes into the index of a document.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Failure, Trouble};
use crate::App;
use crate::document::replay;
use crate::name::DocumentName;
use crate::search::{MAX_TEXT, words};
use crate::storage::{Entry, Lookup, StorageError};

/// The line of a document and its text, or why this one cannot be read.
pub type Read = (Entry, Result<String, Failure>);

/// What there is of a name, if it stands for a document.
pub fn read(app: &App, name: &DocumentName) -> Result<Option<Read>, Trouble> {
    let Lookup::Found(entry) = app.storage.entry(name)? else {
        return Ok(None);
    };
    // A text over which something panics does so whenever it is met.
    let read = catch_unwind(AssertUnwindSafe(|| text(app, &entry)));
    let text = match read.unwrap_or(Err(Failure::Panic)) {
        Ok(None) => return Ok(None),
        Ok(Some(text)) => Ok(text),
        Err(failure) => Err(failure),
    };
    Ok(Some((entry, text)))
}

fn text(app: &App, entry: &Entry) -> Result<Option<String>, Failure> {
    let name = &entry.name;
    let stored = match app.storage.load(name) {
        Ok(Lookup::Found(stored)) if stored.id == entry.id() => stored,
        Ok(_) => return Ok(None),
        // Whoever opens it hears of it; it is as if it had no text.
        Err(StorageError::Damaged(_)) => return Ok(Some(String::new())),
        Err(error) => return Err(error.into()),
    };
    let client = app.machine.client_id();
    let text = match replay(client, name, &stored, app.config.document_limits()) {
        Ok(document) => document.all_text(MAX_TEXT),
        Err(_) => String::new(),
    };
    Ok(Some(words::split(&text)))
}
