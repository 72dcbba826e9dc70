//! Search in texts. One thread keeps an index of words beside the database; nothing waits for it.
//!
//! It asks storage which documents have changed, and reads those from there, too: documents in memory and the journal know nothing
//! of it. Up to where each document is indexed stands in the index, in the transaction that indexes it, so that it goes on
//! where it was after any end. An index that cannot be used is removed and built anew.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::App;
use crate::name::DocumentName;
use crate::storage::{DocumentId, Entry};
use indexer::Indexer;
use turns::Turns;

mod backoff;
pub mod index;
mod indexer;
pub mod turns;
pub mod words;

/// Bytes of a document's text that are indexed, about: the first.
pub const MAX_TEXT: usize = 1 << 20;
/// Documents that the thread is told of and has not looked at.
const MAX_HINTS: usize = 1024;

/// See the module.
#[derive(Debug)]
pub struct Search {
    /// The folder of the index.
    pub folder: PathBuf,
    /// Turns to search.
    pub turns: Arc<Turns>,
    /// Everything that was there when the server began has been compared, and nothing waits for long.
    is_complete: AtomicBool,
    /// Something was found wrong with the index.
    is_damaged: AtomicBool,
    /// There was no room to tell of a document that is gone.
    is_behind: AtomicBool,
    hints: SyncSender<Hint>,
}

/// The text of a document as it would be indexed now; nothing if it is not there any more, or cannot be read.
pub fn text_now(app: &App, entry: &Entry) -> Option<String> {
    let (now, text) = indexer::read(app, &entry.name).ok()??;
    text.ok().filter(|_| now.id() == entry.id())
}

/// Of what no edit tells.
enum Hint {
    /// It came back from the trash.
    Back(DocumentName),
    /// It is gone for good.
    Gone(DocumentId),
}

impl Search {
    /// Without the thread; and what it is told.
    fn new(folder: PathBuf) -> (Self, Receiver<Hint>) {
        let (hints, hinted) = sync_channel(MAX_HINTS);
        let search = Self {
            folder,
            turns: Arc::default(),
            is_complete: AtomicBool::new(false),
            is_damaged: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
            hints,
        };
        (search, hinted)
    }

    /// Starts the thread that keeps the index of a server. It ends soon after the server stops.
    pub fn start(app: &Arc<App>, folder: PathBuf) -> std::io::Result<()> {
        let (search, hinted) = Self::new(folder.clone());
        if app.search.set(search).is_err() {
            return Ok(());
        }
        let app = Arc::downgrade(app);
        let work = move || Indexer::new(app, folder).run(&hinted);
        std::thread::Builder::new()
            .name("search".to_owned())
            .spawn(work)?;
        Ok(())
    }

    /// Whether the index has all but the newest seconds.
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Relaxed)
    }

    /// The index cannot be read: it is built anew.
    pub fn is_damaged(&self) {
        self.is_damaged.store(true, Relaxed);
        self.is_complete.store(false, Relaxed);
    }

    /// A document came back from the trash.
    pub fn hint(&self, name: &DocumentName) {
        // It is found when everything is compared.
        let _ = self.hints.try_send(Hint::Back(name.clone()));
    }

    /// A document is gone for good: nothing of it is kept.
    pub fn forget(&self, id: DocumentId) {
        if self.hints.try_send(Hint::Gone(id)).is_err() {
            self.is_behind.store(true, Relaxed);
        }
    }
}
