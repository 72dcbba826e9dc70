//! The one that writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::batch::Batch;
use super::{Entry, JournalError, Place, Shared, fail};
use crate::storage::{Append, DocumentId, Storage, StorageError};

/// How long after a failure storage is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// Where an answer goes.
type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// What storage is asked to do.
type Work = Box<dyn FnOnce(&dyn Storage) -> Result<bool, StorageError> + Send>;

/// What the handles ask for.
pub enum Command {
    /// See [`super::Journal::append`].
    Append(Queued),
    /// What has a transaction of its own, for documents of this epoch.
    Alone(u64, Work, Place, Reply<bool>),
    /// See [`super::Journal::probe`].
    Probe(Reply<()>),
    /// See [`super::Journal::flush`].
    Flush(Reply<()>),
    /// See [`super::Journal::shutdown`].
    Stop(Reply<()>),
}

/// An entry that is not decided yet. One that is dropped, wherever that happens, has failed: its document must
/// never wait for an answer that does not come.
pub struct Queued(Option<(Entry, Place)>);

impl Queued {
    /// Puts an entry into the place that it was given.
    pub fn new(entry: Entry, place: Place) -> Self {
        Self(Some((entry, place)))
    }

    fn epoch(&self) -> Option<u64> {
        self.0.as_ref().map(|(entry, _)| entry.epoch)
    }

    fn bytes(&self) -> usize {
        self.0
            .as_ref()
            .and_then(|(entry, _)| entry.update.as_ref())
            .map_or(0, Bytes::len)
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some((entry, _)) = &self.0 {
            fail(&entry.durable);
        }
    }
}

impl Command {
    /// Answers without doing it.
    pub fn refuse(self, why: JournalError) {
        match self {
            Self::Append(entry) => drop(entry),
            Self::Alone(.., reply) => drop(reply.send(Err(why))),
            Self::Probe(reply) | Self::Stop(reply) => drop(reply.send(Err(why))),
            Self::Flush(reply) => drop(reply.send(Ok(()))),
        }
    }
}

/// The writing end of the queue.
pub struct Writer {
    storage: Arc<dyn Storage>,
    shared: Arc<Shared>,
    queue: mpsc::UnboundedReceiver<Command>,
}

/// What comes after a batch.
#[derive(Default)]
struct After {
    /// Answered by the commit itself.
    probes: Vec<Reply<()>>,
    flushes: Vec<Reply<()>>,
    /// Ends the batch, because it must come after it.
    next: Option<Command>,
}

impl Writer {
    /// Writes `queue` into `storage`.
    pub fn new(
        storage: Arc<dyn Storage>,
        shared: Arc<Shared>,
        queue: mpsc::UnboundedReceiver<Command>,
    ) -> Self {
        Self {
            storage,
            shared,
            queue,
        }
    }

    /// Runs until it is told to stop or nobody can ask for anything any more. It calls storage in place, between two
    /// calls everybody else on its thread has a turn.
    pub async fn run(mut self) {
        let mut next = None;
        loop {
            let command = match next.take() {
                Some(command) => command,
                None => match self.queue.recv().await {
                    Some(command) => command,
                    None => return,
                },
            };
            match command {
                Command::Stop(reply) => return self.stop(reply),
                Command::Alone(epoch, work, _place, reply) => {
                    next = self.alone(epoch, work, reply).await;
                }
                Command::Append(..) | Command::Probe(_) | Command::Flush(_) => {
                    let (batch, after) = self.gather(command);
                    next = self.commit(batch, after).await;
                }
            }
            yield_now().await;
        }
    }

    /// Takes what waits, up to the limits of a batch or to what must come after it.
    fn gather(&mut self, first: Command) -> (Batch, After) {
        let limits = &self.shared.limits;
        let mut batch = Batch::default();
        let mut after = After::default();
        let mut command = Some(first);
        while let Some(taken) = command {
            match taken {
                Command::Append(mut queued) => {
                    let full = batch.updates() >= limits.batch_updates
                        || batch.bytes().saturating_add(queued.bytes()) > limits.batch_bytes;
                    if batch.updates() > 0 && full {
                        after.next = Some(Command::Append(queued));
                        break;
                    }
                    if queued
                        .epoch()
                        .is_some_and(|epoch| self.shared.accepts(epoch))
                        && let Some((entry, place)) = queued.0.take()
                    {
                        batch.add(entry, place);
                    }
                }
                Command::Probe(reply) => after.probes.push(reply),
                Command::Flush(reply) => after.flushes.push(reply),
                other => {
                    after.next = Some(other);
                    break;
                }
            }
            command = self.queue.try_recv().ok();
        }
        (batch, after)
    }

    /// Writes a batch, and answers. Returns the command to go on with.
    async fn commit(&mut self, batch: Batch, after: After) -> Option<Command> {
        let After {
            probes,
            flushes,
            mut next,
        } = after;
        let begun = Instant::now();
        let outcome = if batch.updates() > 0 {
            self.guarded(|storage| match storage.append(batch.appends()) {
                Err(StorageError::Full(_)) => one_by_one(storage, batch.appends()),
                appended => appended,
            })
        } else if probes.is_empty() {
            Ok(Vec::new())
        } else {
            self.guarded(|storage| storage.probe()).map(|()| Vec::new())
        };
        match outcome {
            Ok(refused) => {
                if batch.updates() > 0 {
                    self.shared
                        .stats
                        .committed(batch.updates() as u64, begun.elapsed());
                }
                batch.committed(&refused);
                answer(probes, Ok(()));
                answer(flushes, Ok(()));
            }
            Err(error) => {
                self.fails(&error);
                batch.failed();
                answer(probes, Err(JournalError::Failed));
                answer(flushes, Ok(()));
                next = self.recover(next).await;
            }
        }
        next
    }

    /// Does what has a transaction of its own. Returns the command to go on with.
    async fn alone(&mut self, epoch: u64, work: Work, reply: Reply<bool>) -> Option<Command> {
        if !self.shared.accepts(epoch) {
            let _ = reply.send(Err(JournalError::Failed));
            return None;
        }
        match self.guarded(work) {
            Ok(done) => {
                let _ = reply.send(Ok(done));
                None
            }
            // A snapshot needs more room than an update; while updates fit, nobody need be sent away.
            Err(StorageError::Full(reason)) => {
                tracing::warn!(reason, "no room on the disk for more than an update");
                let _ = reply.send(Err(JournalError::Full));
                None
            }
            Err(error) => {
                self.fails(&error);
                let _ = reply.send(Err(JournalError::Failed));
                self.recover(None).await
            }
        }
    }

    /// Calls storage; a panic in there is a failure like any other.
    fn guarded<T>(
        &self,
        work: impl FnOnce(&dyn Storage) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        catch_unwind(AssertUnwindSafe(|| work(&*self.storage)))
            .unwrap_or_else(|_| Err(StorageError::Failed("a panic in storage".to_owned())))
    }

    /// From here on nothing is accepted, before anybody hears of the failure.
    fn fails(&self, error: &StorageError) {
        tracing::error!(%error, "storage failed; nothing is saved until it works again");
        self.shared.healthy.store(false, Ordering::SeqCst);
        self.shared.failures.send_replace(());
        self.shared.stats.failed();
    }

    /// Refuses everything until storage is open again and takes a write; then a new epoch begins. Returns a command
    /// that must be handled afterwards.
    async fn recover(&mut self, pending: Option<Command>) -> Option<Command> {
        let mut retry_at = Instant::now() + RETRY;
        let mut received = pending;
        loop {
            match received.take() {
                Some(stop @ Command::Stop(_)) => return Some(stop),
                Some(command) => command.refuse(JournalError::Failed),
                None => {}
            }
            if Instant::now() >= retry_at {
                match self.guarded(|storage| storage.reopen().and_then(|()| storage.probe())) {
                    Ok(()) => break,
                    Err(error) => tracing::warn!(%error, "storage still fails"),
                }
                retry_at = Instant::now() + RETRY;
            }
            match timeout_at(retry_at, self.queue.recv()).await {
                Ok(Some(command)) => received = Some(command),
                // Nobody is left who could see it work again.
                Ok(None) => return None,
                Err(_) => {}
            }
        }
        let epoch = self.shared.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        self.shared.healthy.store(true, Ordering::SeqCst);
        tracing::info!(epoch, "storage works again");
        None
    }

    fn stop(self, reply: Reply<()>) {
        let healthy = self.shared.healthy.swap(false, Ordering::SeqCst);
        let closed = self.guarded(|storage| storage.close());
        if let Err(error) = &closed {
            tracing::error!(%error, "the database could not be closed cleanly");
        }
        // What came later is dropped with the queue, which is an answer.
        drop(self.queue);
        let done = if healthy && closed.is_ok() {
            Ok(())
        } else {
            Err(JournalError::Failed)
        };
        let _ = reply.send(done);
    }
}

/// Writes what there is room for: somebody whose update is too large for the disk must not keep the others from saving. Nothing
/// of the batch has been written before. Fails if there is no room for anything.
fn one_by_one(storage: &dyn Storage, appends: &[Append]) -> Result<Vec<DocumentId>, StorageError> {
    let mut refused = Vec::new();
    for append in appends {
        match storage.append(slice::from_ref(append)) {
            Ok(mistaken) => refused.extend(mistaken),
            Err(StorageError::Full(reason)) => {
                tracing::warn!(
                    id = append.id.0,
                    reason,
                    "no room on the disk for an update"
                );
                refused.push(append.id);
            }
            Err(error) => return Err(error),
        }
    }
    storage.probe().map(|()| refused)
}

fn answer(replies: Vec<Reply<()>>, what: Result<(), JournalError>) {
    for reply in replies {
        // Who asked may have gone.
        let _ = reply.send(what);
    }
}
