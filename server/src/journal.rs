//! Group commit: one thread writes the updates of all documents, many in one transaction, and says what is on disk.
//!
//! There is no timer. While a commit runs the next batch gathers by itself, so a lone update waits for nobody and
//! a crowd shares its syncs.
//!
//! When storage fails, nothing that is not on disk is ever acknowledged and nothing is written again: everything
//! queued is answered [`Durable::Failed`], storage is opened afresh until it works, and a new epoch begins. What
//! documents had in memory in an older epoch may be ahead of storage; they load again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use ropewalk_crdt::VersionVector;
use thiserror::Error;
use tokio::runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::access::PersonId;
use crate::name::DocumentName;
use crate::storage::{
    Aside, Author, Begin, Compaction, Discard, DocumentId, Past, Receipt, Storage, StorageError,
    Visit, Wrote,
};

mod batch;
mod stats;
mod writer;

pub use stats::Stats;
use writer::{Command, Queued, Writer};

/// How far a document is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// Newest sequence number on disk.
    Through(u64),
    /// Nothing more will be acknowledged: load the document again.
    Failed,
}

/// One update on its way to disk.
#[derive(Debug)]
pub struct Entry {
    /// The journal's epoch when the document began to load.
    pub epoch: u64,
    /// Which document.
    pub id: DocumentId,
    /// Set on the first entry of a new document.
    pub create: Option<Box<Begin>>,
    /// Its place in the document's history: one more than the entry before, the first is 1.
    pub sequence: u64,
    /// Yjs update v1; `None` takes a place without saying anything (a document created without text).
    pub update: Option<Bytes>,
    /// Who made it.
    pub author: Arc<Author>,
    /// Length of the root text after it, in UTF-16 units.
    pub length: u64,
    /// When it was applied, in milliseconds since the Unix epoch.
    pub edited_at_ms: i64,
    /// Set when it is the stamp of a new beginning.
    pub past: Option<Past>,
    /// What a client is told of it.
    pub receipt: Option<Box<Receipt>>,
    /// Sequence numbers of receipts that make room for it.
    pub forgotten: Vec<u64>,
    /// Who wrote it, where that is another than before.
    pub wrote: Vec<Wrote>,
    /// Where the document hears what is on disk; [`Durable::Failed`] is the last that is sent.
    pub durable: watch::Sender<Durable>,
}

/// How much waits and how much is written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Entries queued or being written, at most; then `append` waits.
    pub queue_updates: usize,
    /// Bytes in them, at most (at most 4 GiB). One that is larger than this takes all of it.
    pub queue_bytes: usize,
    /// Entries in one commit, at most.
    pub batch_updates: usize,
    /// Bytes in one commit, at most; a larger entry is written alone.
    pub batch_bytes: usize,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self {
            queue_updates: 65_536,
            queue_bytes: 256 << 20,
            batch_updates: 4096,
            batch_bytes: 4 << 20,
        }
    }
}

/// Why the journal did not do what was asked.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum JournalError {
    /// Storage failed, or failed since the document was loaded: load it again.
    #[error("storage failed; what is not acknowledged is not saved")]
    Failed,
    /// The disk has no room for it. Nothing was changed and the journal goes on.
    #[error("the disk is full")]
    Full,
    /// The journal was shut down.
    #[error("the journal is shut down")]
    Stopped,
}

/// Handle to the journal; clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    commands: mpsc::UnboundedSender<Command>,
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What the handles and the writer both see.
#[derive(Debug)]
struct Shared {
    epoch: AtomicU64,
    healthy: AtomicBool,
    failures: watch::Sender<()>,
    /// Free places in the queue: entries, and bytes.
    places: Arc<Semaphore>,
    room: Arc<Semaphore>,
    limits: JournalLimits,
    stats: Stats,
}

/// A place in the queue, held until what took it is decided.
#[derive(Debug)]
struct Place {
    _entry: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
    shared: Arc<Shared>,
    bytes: u64,
    /// When it was asked for.
    since: Instant,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.stats.left_queue(self.bytes);
    }
}

impl Journal {
    /// Starts the writer over an open storage, on a thread of its own.
    pub fn start(storage: Arc<dyn Storage>, limits: JournalLimits) -> std::io::Result<Self> {
        let (journal, writing) = Self::new(storage, limits);
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || runtime.block_on(writing))?;
        *journal.thread() = Some(thread);
        Ok(journal)
    }

    /// A journal over an open storage, and its writer: somebody has to run it. It blocks while storage does.
    pub fn new(
        storage: Arc<dyn Storage>,
        limits: JournalLimits,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let limits = JournalLimits {
            queue_updates: limits.queue_updates.clamp(1, u32::MAX as usize),
            queue_bytes: limits.queue_bytes.clamp(1, u32::MAX as usize),
            ..limits
        };
        let shared = Arc::new(Shared {
            epoch: AtomicU64::new(1),
            healthy: AtomicBool::new(true),
            failures: watch::Sender::new(()),
            places: Arc::new(Semaphore::new(limits.queue_updates)),
            room: Arc::new(Semaphore::new(limits.queue_bytes)),
            limits,
            stats: Stats::default(),
        });
        let (commands, queue) = mpsc::unbounded_channel();
        let writer = Writer::new(storage, shared.clone(), queue);
        let journal = Self {
            commands,
            shared,
            thread: Arc::default(),
        };
        (journal, writer.run())
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an entry; waits while the queue is full. What becomes of it is told to `entry.durable`. Entries of one
    /// document must be queued one after the other, in the order of their sequence numbers.
    pub async fn append(&self, entry: Entry) -> Result<(), JournalError> {
        let update = entry.update.as_ref().map_or(0, Bytes::len);
        let place = self.place(update + size_of_val(&*entry.wrote)).await?;
        let current = self.shared.accepts(entry.epoch);
        let queued = Queued::new(entry, place);
        if !current {
            return Err(JournalError::Failed);
        }
        self.send(Command::Append(queued))
    }

    /// The epoch that counts now. A document reads it before it reads storage.
    pub fn epoch(&self) -> u64 {
        self.shared.epoch.load(Ordering::SeqCst)
    }

    /// Replaces a document's log by a snapshot, after everything queued before. `Ok(false)`: somebody was faster, or
    /// the document is deleted.
    pub async fn compact(&self, epoch: u64, compaction: Compaction) -> Result<bool, JournalError> {
        let bytes = compaction.snapshot.len();
        self.alone(epoch, bytes, move |storage| storage.compact(&compaction))
            .await
    }

    /// Deletes a document, after everything queued before. `Ok(false)`: it is not there.
    pub async fn delete(
        &self,
        epoch: u64,
        id: DocumentId,
        now_ms: i64,
        past: Past,
    ) -> Result<bool, JournalError> {
        self.alone(epoch, 0, move |storage| storage.delete(id, now_ms, &past))
            .await
    }

    /// Puts a document into the trash, after everything queued before. `Ok(false)`: it is not there.
    pub async fn discard(
        &self,
        epoch: u64,
        id: DocumentId,
        now_ms: i64,
        by: Option<PersonId>,
        vector: VersionVector,
    ) -> Result<bool, JournalError> {
        self.alone(epoch, 0, move |storage| {
            let vector = &vector;
            storage.discard(&Discard {
                id,
                now_ms,
                by,
                vector,
            })
        })
        .await
    }

    /// Says that it is now then. Of the time since it was said last `most_ms` counts for what is in the trash, at most.
    pub async fn see_time(&self, now_ms: i64, most_ms: i64) -> Result<(), JournalError> {
        let work = move |storage: &dyn Storage| storage.see_time(now_ms, most_ms).map(|()| true);
        self.alone(self.epoch(), 0, work).await.map(drop)
    }

    /// Takes a document out of the trash. `Ok(false)`: it is not there, or the name is taken.
    pub async fn take_back(
        &self,
        epoch: u64,
        id: DocumentId,
        name: DocumentName,
    ) -> Result<bool, JournalError> {
        self.alone(epoch, 0, move |storage| storage.take_back(id, &name))
            .await
    }

    /// Makes a document somebody else's, after everything queued before. `Ok(false)`: it is not there, or not in the trash.
    pub async fn hand_over(
        &self,
        epoch: u64,
        id: DocumentId,
        to: PersonId,
        is_trashed: bool,
    ) -> Result<bool, JournalError> {
        self.alone(epoch, 0, move |storage| {
            storage.hand_over(id, to, is_trashed)
        })
        .await
    }

    /// Removes a document from the trash for good. `Ok(false)`: it is not there.
    pub async fn erase(&self, id: DocumentId) -> Result<bool, JournalError> {
        self.alone(self.epoch(), 0, move |storage| storage.erase(id))
            .await
    }

    /// Removes some of what is left of documents that are gone for good. `Ok(false)`: nothing is.
    pub async fn erase_some(&self) -> Result<bool, JournalError> {
        self.alone(self.epoch(), 0, |storage| storage.erase_some())
            .await
    }

    /// Keeps who has visited what.
    pub async fn visit(&self, visits: Vec<Visit>) -> Result<(), JournalError> {
        let work = move |storage: &dyn Storage| storage.visit(&visits).map(|()| true);
        self.alone(self.epoch(), 0, work).await.map(drop)
    }

    /// Keeps an update beside a document. `Ok(false)`: there is no room for it, or no document.
    pub async fn set_aside(
        &self,
        epoch: u64,
        id: DocumentId,
        stray: Aside,
    ) -> Result<bool, JournalError> {
        let bytes = stray.record.update.len();
        self.alone(epoch, bytes, move |storage| storage.set_aside(id, &stray))
            .await
    }

    /// Forgets what was set aside. `Ok(false)`: it is not there.
    pub async fn drop_stray(&self, id: DocumentId, stray: i64) -> Result<bool, JournalError> {
        self.alone(self.epoch(), 0, move |storage| {
            storage.drop_stray(id, stray)
        })
        .await
    }

    /// Does something of so many bytes in a transaction of its own.
    async fn alone(
        &self,
        epoch: u64,
        bytes: usize,
        work: impl FnOnce(&dyn Storage) -> Result<bool, StorageError> + Send + 'static,
    ) -> Result<bool, JournalError> {
        let place = self.place(bytes).await?;
        self.ask(|reply| Command::Alone(epoch, Box::new(work), place, reply))
            .await
    }

    /// Writes and commits something through the writer thread; `Ok` says that edits can be saved now.
    pub async fn probe(&self) -> Result<(), JournalError> {
        if !self.healthy() {
            return Err(JournalError::Failed);
        }
        self.ask(Command::Probe).await
    }

    /// False from a failure of storage until it works again.
    pub fn healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::SeqCst)
    }

    /// Changes with each failure of storage. A document subscribes before it loads: from a failure on it has to load again,
    /// whether anything of it was under way or not.
    pub fn failures(&self) -> watch::Receiver<()> {
        self.shared.failures.subscribe()
    }

    /// Waits until everything queued before is decided.
    pub async fn flush(&self) {
        // A journal that has stopped has decided everything.
        let _: Result<(), JournalError> = self.ask(Command::Flush).await;
    }

    /// Writes what is queued, closes storage and ends the thread. Later calls of all handles answer
    /// [`JournalError::Stopped`]. `Err(Failed)`: storage could not take or close over everything.
    pub async fn shutdown(self) -> Result<(), JournalError> {
        let closed = self.ask(Command::Stop).await;
        let thread = self.thread().take();
        if let Some(thread) = thread {
            // It answered and has nothing left to do but return.
            let _ = thread.join();
        }
        closed
    }

    /// What it has done so far.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    async fn place(&self, bytes: usize) -> Result<Place, JournalError> {
        let since = Instant::now();
        let share = u32::try_from(bytes.min(self.shared.limits.queue_bytes)).unwrap_or(u32::MAX);
        // Nobody closes the semaphores.
        let entry = self.shared.places.clone().acquire_owned().await;
        let room = self.shared.room.clone().acquire_many_owned(share).await;
        let (Ok(entry), Ok(room)) = (entry, room) else {
            return Err(JournalError::Stopped);
        };
        let bytes = bytes as u64;
        self.shared.stats.entered_queue(bytes);
        Ok(Place {
            _entry: entry,
            _bytes: room,
            shared: self.shared.clone(),
            bytes,
            since,
        })
    }

    fn send(&self, command: Command) -> Result<(), JournalError> {
        self.commands
            .send(command)
            .map_err(|_| JournalError::Stopped)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, JournalError>>) -> Command,
    ) -> Result<T, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply))?;
        answer.await.unwrap_or(Err(JournalError::Stopped))
    }
}

impl Shared {
    fn accepts(&self, epoch: u64) -> bool {
        self.healthy.load(Ordering::SeqCst) && self.epoch.load(Ordering::SeqCst) == epoch
    }
}

/// Tells a document that nothing more of it will be saved.
fn fail(durable: &watch::Sender<Durable>) {
    durable
        .send_if_modified(|durable| std::mem::replace(durable, Durable::Failed) != Durable::Failed);
}

/// Tells a document how far it is on disk, unless it has failed before.
fn reached(durable: &watch::Sender<Durable>, sequence: u64) {
    durable.send_if_modified(|durable| match durable {
        Durable::Through(before) if *before < sequence => {
            *before = sequence;
            true
        }
        _ => false,
    });
}
