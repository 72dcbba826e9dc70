//! The task itself: load, serve, retire.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use ropewalk_crdt::{ClientId, Document, Presence, VersionVector};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::peer::{Peer, PeerId, Remembered};
use super::{Command, Frame, Handle, Refused};
use crate::App;
use crate::access::{PersonId, Rules};
use crate::journal::Durable;
use crate::name::DocumentName;
use crate::session::Close;
use crate::storage::{DocumentId, Past, StorageError};

mod access;
mod authors;
mod compaction;
mod edit;
mod fanout;
mod lineage;
mod load;
mod peers;
mod present;
mod receipts;
mod requests;
mod saving;
mod slow;
mod trash;

use authors::Authors;
pub use load::replay;
use present::PRESENCE_INTERVAL;
use receipts::Receipts;
use saving::{Accepted, Answer, Waiting};
use slow::Unsaved;

/// Commands handled between two looks at anything else.
const BATCH: usize = 256;
/// A document that nobody ever connected to stays in memory no longer than this.
const UNVISITED: Duration = Duration::from_secs(1);
/// A retiring document leaves a snapshot if its log has more updates than this.
const RETIRE_UPDATES: u64 = 64;

/// Whether the name stands for a stored document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Existence {
    Absent,
    Deleted,
    Stored,
}

/// Why serving a document ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Idle: saved, and out of the hub.
    Retired,
    /// The server stops; everything is saved.
    Stopped,
    /// Storage failed; what is in memory is ahead of it for good.
    StorageFailed,
}

struct Task {
    app: Arc<App>,
    name: DocumentName,
    handle: Arc<Handle>,
    document: Document,
    existence: Existence,
    id: DocumentId,
    /// Who began it.
    owner: Option<PersonId>,
    epoch: u64,
    generation: u64,
    /// Newest update applied.
    sequence: u64,
    /// Newest update on disk.
    saved: u64,
    durable: (watch::Sender<Durable>, watch::Receiver<Durable>),
    failures: watch::Receiver<()>,
    rules: watch::Receiver<Arc<Rules>>,
    peers: BTreeMap<PeerId, Peer>,
    remembered: Remembered,
    presence: Presence,
    /// The answer to whoever has nothing yet, until the document changes: a crowd that joins shares it.
    whole: Option<Bytes>,
    /// Client ids whose state has changed since the last awareness frame.
    present: BTreeSet<ClientId>,
    presence_due: Option<Instant>,
    /// When the document token of a peer ends.
    token_due: Option<Instant>,
    presence_sent: Instant,
    probed: HashMap<PeerId, Instant>,
    /// Who spoke for a client id of another connection.
    claimed: HashMap<ClientId, PeerId>,
    /// What the name stood for before.
    past: Option<Past>,
    /// What in that is of other documents.
    others: VersionVector,
    /// The content is that of an older copy of the database, and nobody has seen it yet.
    is_restored: bool,
    restores: u64,
    /// What a document has that begins under this name.
    restores_of_all: u64,
    receipts: Receipts,
    authors: Authors,
    /// What peers had that is no part of the document: to be set aside.
    strays: Vec<(PeerId, Bytes)>,
    /// Applied, and neither broadcast nor journalled yet.
    accepted: Vec<Accepted>,
    /// On its way to disk, and not broadcast yet.
    withheld: Vec<Accepted>,
    waiting: VecDeque<Waiting>,
    unsaved: Unsaved,
    /// Bytes and updates in the log behind the snapshot.
    log_bytes: usize,
    log_updates: u64,
    snapshot_bytes: usize,
    compacting: Option<oneshot::Receiver<Option<usize>>>,
    visited: bool,
    idle_since: Instant,
}

/// Runs a document from its first opener until it retires.
pub async fn run(
    app: Arc<App>,
    name: DocumentName,
    handle: Arc<Handle>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) {
    let _gone = Gone {
        app: app.clone(),
        name: name.clone(),
        handle: handle.clone(),
    };
    let failures = app.journal.failures();
    let end = match load::load(&app, &name).await {
        Ok(loaded) => {
            app.metrics.documents_opened.add_one();
            let mut task = Task::new(app.clone(), name.clone(), handle.clone(), loaded, failures);
            let end = match task.begin().await {
                ControlFlow::Continue(()) => task.serve(&mut commands).await,
                ControlFlow::Break(()) => task.storage_failed(),
            };
            tracing::debug!(?end, "document ends");
            end
        }
        Err(error) => {
            tracing::error!(%error, "document cannot be loaded");
            // Only a write finds out whether it is more than this document.
            if let StorageError::Failed(_) = error {
                let _ = app.journal.probe().await;
            }
            End::StorageFailed
        }
    };
    handle.people.store(0, Relaxed);
    let why = match end {
        End::Retired => return app.metrics.documents_retired.add_one(),
        End::Stopped => Refused::Again,
        End::StorageFailed => Refused::Storage,
    };
    let _ = handle.why.set(why);
    app.hub.remove(&name, &handle);
    commands.close();
    while let Some(command) = commands.recv().await {
        refuse(command, why);
    }
}

/// Takes the document out of the hub when its task ends, however it ends: a name must not lead to a task that is gone.
struct Gone {
    app: Arc<App>,
    name: DocumentName,
    handle: Arc<Handle>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.app.hub.remove(&self.name, &self.handle);
        self.handle.news.send_replace(());
    }
}

/// Answers a command that nobody will handle.
fn refuse(command: Command, why: Refused) {
    match command {
        Command::Join { reply, .. } => drop(reply.send(Err(why))),
        Command::Text { reply, .. } => reply.send(Err(why)),
        Command::State(reply) => reply.send(Err(why)),
        Command::Create { reply, .. } => reply.send(Err(why)),
        Command::Apply { reply, .. } => reply.send(Err(why)),
        Command::Edit { reply, .. } => reply.send(Err(why)),
        Command::Changes { reply, .. } => reply.send(Err(why)),
        Command::Delete { reply, .. } => reply.send(Err(why)),
        Command::TakeBack { reply, .. } => reply.send(Err(why)),
        Command::HandOver { reply, .. } => reply.send(Err(why)),
        Command::Leave(_)
        | Command::CaughtUp(_)
        | Command::Renew { .. }
        | Command::Frame { .. }
        | Command::Stop => {}
    }
}

impl Task {
    fn new(
        app: Arc<App>,
        name: DocumentName,
        handle: Arc<Handle>,
        mut loaded: load::Loaded,
        failures: watch::Receiver<()>,
    ) -> Self {
        let now = Instant::now();
        Self {
            rules: app.gate.changes(),
            app,
            name,
            handle,
            authors: Authors::new(loaded.wrote, &mut loaded.document),
            document: loaded.document,
            existence: loaded.existence,
            id: loaded.id,
            owner: loaded.owner,
            epoch: loaded.epoch,
            generation: loaded.generation,
            sequence: loaded.sequence,
            saved: loaded.sequence,
            durable: watch::channel(Durable::Through(loaded.sequence)),
            failures,
            peers: BTreeMap::new(),
            remembered: Remembered::default(),
            presence: Presence::default(),
            whole: None,
            present: BTreeSet::new(),
            presence_due: None,
            token_due: None,
            presence_sent: now.checked_sub(PRESENCE_INTERVAL).unwrap_or(now),
            probed: HashMap::new(),
            claimed: HashMap::new(),
            past: loaded.lineage.past,
            others: loaded.lineage.others,
            is_restored: loaded.lineage.is_restored,
            restores: loaded.lineage.restores,
            restores_of_all: loaded.lineage.restores_of_all,
            receipts: loaded.receipts,
            strays: Vec::new(),
            accepted: Vec::new(),
            withheld: Vec::new(),
            waiting: VecDeque::new(),
            unsaved: Unsaved::default(),
            log_bytes: loaded.log_bytes,
            log_updates: loaded.log_updates,
            snapshot_bytes: loaded.snapshot_bytes,
            compacting: None,
            visited: false,
            idle_since: now,
        }
    }

    async fn serve(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> End {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let presence_due = self.presence_due;
            let token_due = self.token_due;
            let slow_due = self.unsaved.slow_due();
            let idle_due = self.idle_due();
            tokio::select! {
                biased;
                changed = self.durable.1.changed() => {
                    if changed.is_err() || self.settle_durable().is_break() {
                        return self.storage_failed();
                    }
                }
                _ = self.failures.changed() => return self.storage_failed(),
                // Kept by the server as long as it runs.
                Ok(()) = self.rules.changed() => self.look_again(),
                result = finished(&mut self.compacting) => self.compacted(result),
                () = at(presence_due) => self.send_presence(),
                () = at(token_due) => self.look_again(),
                () = at(slow_due) => self.tell_slow(),
                n = commands.recv_many(&mut batch, BATCH) => {
                    if n == 0 {
                        return End::Stopped;
                    }
                    self.handle.waiting.fetch_sub(n, Relaxed);
                    for command in batch.drain(..) {
                        if let ControlFlow::Break(end) = self.handle(command).await {
                            return end;
                        }
                    }
                    if self.set_strays_aside().await.is_break() || self.flush().await.is_break() {
                        return self.storage_failed();
                    }
                    self.compact_if_due();
                }
                () = at(idle_due) => {
                    if let ControlFlow::Break(end) = self.retire().await {
                        return end;
                    }
                }
            }
        }
    }

    async fn handle(&mut self, command: Command) -> ControlFlow<End> {
        self.look_if_changed();
        let waits = match &command {
            // What comes in one breath is broadcast and journalled as one; but who says what it has of the past may be let in.
            Command::Frame {
                frame: Frame::Step2(_),
                ..
            } => self.past.is_some(),
            Command::Frame { frame, .. } => !matches!(
                frame,
                Frame::Update(_) | Frame::Awareness(_) | Frame::Pointing(_)
            ),
            // Answered when all that was applied is on disk; but what begins a document gives it its identity.
            Command::Edit { .. }
            | Command::Changes { .. }
            | Command::Text { .. }
            | Command::State(_) => self.existence != Existence::Stored,
            _ => true,
        };
        if waits && self.flush().await.is_break() {
            refuse(command, Refused::Storage);
            return ControlFlow::Break(self.storage_failed());
        }
        // That may have taken long.
        self.look_if_changed();
        if let Some(refused) = self.forbids(&command) {
            refuse(command, refused);
            return ControlFlow::Continue(());
        }
        match command {
            Command::Join {
                peer,
                outbox,
                wire,
                who,
                reply,
            } => {
                let access = self.access(&who);
                let answer = self.join(peer, Peer::new(outbox, wire, who, access));
                let joined = answer.is_ok();
                if reply.send(answer).is_err() && joined {
                    self.leave(peer);
                }
            }
            Command::Leave(peer) => self.leave(peer),
            Command::CaughtUp(peer) => self.catch_up(peer),
            Command::Renew { peer, who } => self.renew(peer, who),
            Command::Frame { peer, frame, room } => {
                self.frame(peer, frame);
                drop(room);
            }
            Command::Text { root, reply } => self.text(&root, reply),
            Command::State(reply) => self.state(reply),
            Command::Create { text, reply } => return self.create(text, reply).await,
            Command::Apply { update, reply } => return self.apply(update, reply).await,
            Command::Edit { request, reply } => return self.edit(request, reply).await,
            Command::Changes {
                since,
                root,
                unit,
                client,
                cursors,
                reply,
            } => {
                let last = |client: String| self.receipts.last(self.of(&reply.who), &client);
                let last = client.and_then(last);
                self.changes(since, &root, unit, last, &cursors, reply);
            }
            Command::Delete { only_at, reply } => {
                let answer = self.delete(only_at.as_ref(), &reply.who).await;
                let failed = answer == Err(Refused::Storage);
                reply.send(answer);
                if failed {
                    return ControlFlow::Break(self.storage_failed());
                }
            }
            Command::TakeBack { id, reply } => {
                let answer = self.take_back(id, &reply.who).await;
                let failed = answer == Err(Refused::Storage);
                reply.send(answer);
                if failed {
                    return ControlFlow::Break(self.storage_failed());
                }
            }
            Command::HandOver { to, reply } => {
                let answer = self.hand_over(to, &reply.who).await;
                let failed = answer == Err(Refused::Storage);
                reply.send(answer);
                if failed {
                    return ControlFlow::Break(self.storage_failed());
                }
            }
            Command::Stop => {
                self.close_all(Close::RESTART);
                return ControlFlow::Break(match self.all_durable().await {
                    ControlFlow::Continue(()) => End::Stopped,
                    ControlFlow::Break(()) => self.storage_failed(),
                });
            }
        }
        ControlFlow::Continue(())
    }

    fn close_all(&mut self, close: Close) {
        for peer in self.peers.values() {
            peer.close(close);
        }
        self.peers.clear();
        self.handle.people.store(0, Relaxed);
    }

    fn storage_failed(&mut self) -> End {
        self.close_all(Close::STORAGE);
        for waiting in self.waiting.drain(..) {
            match waiting.what {
                Answer::Echo { .. } | Answer::Saved(..) | Answer::Refused(..) => {}
                Answer::Text(reply, _) => reply.send(Err(Refused::Storage)),
                Answer::State(reply, _) => reply.send(Err(Refused::Storage)),
                Answer::Created(reply, _) => reply.send(Err(Refused::Storage)),
                Answer::Applied(reply, _) => reply.send(Err(Refused::Storage)),
                Answer::Edited(reply, _) => reply.send(Err(Refused::Storage)),
                Answer::Changes(reply, _) => reply.send(Err(Refused::Storage)),
            }
        }
        End::StorageFailed
    }

    fn idle_due(&self) -> Option<Instant> {
        if !self.peers.is_empty() || self.compacting.is_some() {
            return None;
        }
        if self.app.stopping.is_cancelled() {
            return Some(self.idle_since);
        }
        let stay = if self.visited && self.existence == Existence::Stored {
            self.app.config.idle_document
        } else {
            self.app.config.idle_document.min(UNVISITED)
        };
        Some(self.idle_since + stay)
    }

    async fn retire(&mut self) -> ControlFlow<End> {
        if self.all_durable().await.is_break() {
            return ControlFlow::Break(self.storage_failed());
        }
        if self.log_updates > RETIRE_UPDATES && self.compact() {
            return ControlFlow::Continue(());
        }
        if self.app.hub.retire(&self.name, &self.handle) {
            return ControlFlow::Break(End::Retired);
        }
        self.idle_since = Instant::now();
        ControlFlow::Continue(())
    }
}

/// Waits for a point in time; forever without one.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Waits for a compaction; forever without one.
async fn finished(compacting: &mut Option<oneshot::Receiver<Option<usize>>>) -> Option<usize> {
    match compacting {
        Some(result) => result.await.ok().flatten(),
        None => std::future::pending().await,
    }
}
