//! A connection in one document: what comes goes into its mailbox, what it sends lies in a queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ropewalk_crdt::protocol;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until};

use super::{Close, Progress};
use crate::App;
use crate::access::{Access, Who};
use crate::connections::{Connected, Present};
use crate::document::peer::{Inbox, PeerId, Signals, queue};
use crate::document::{Admission, Command, Frame, Handle, Wire};
use crate::gate;
use crate::name::DocumentName;

/// Largest state vector that is read, in bytes: about 100,000 clients.
const MAX_VECTOR_BYTES: usize = 1 << 20;
/// Largest awareness frame, in bytes: every state of a full document.
const MAX_AWARENESS_BYTES: usize = 2 << 20;
/// A peer may ask this often for what it lacks, or who is there; answers cost the more the larger the document is and the more
/// people are in it. Asking sooner makes it wait, and nobody else.
const ASKING: Duration = Duration::from_millis(50);

/// What a peer sends: into the document's mailbox. Dropped, the peer leaves.
pub struct Inward {
    handle: Arc<Handle>,
    peer: PeerId,
    /// Frames that wait for room in the mailbox, with their bytes; until they have it, the socket is not read.
    waiting: VecDeque<(usize, Frame)>,
    /// Room for the first of them.
    pub admission: Option<Admission>,
    /// When the peer may ask again.
    asked: Instant,
    present: Present,
}

/// What a document sends to a peer.
pub struct Outward {
    handle: Arc<Handle>,
    peer: PeerId,
    /// What the peer may do, when it joined.
    pub access: Access,
    /// Frames.
    pub inbox: Inbox,
    /// What it says beside.
    pub signals: Signals,
}

/// Joins a document; it is loaded if need be. `shares`: into how many the room for what waits for one client is divided.
pub async fn join(
    app: &Arc<App>,
    from: &Progress,
    name: &DocumentName,
    wire: Wire,
    who: &Arc<Who>,
    shares: usize,
) -> Result<(Inward, Outward), Close> {
    let handle = gate::open(app, who, name, Access::Read).await?;
    let peer = app.next_peer();
    let frames = (app.config.outbox_frames / shares).max(1);
    let (outbox, inbox, signals) = queue(frames, app.config.outbox_bytes / shares);
    let (reply, joined) = oneshot::channel();
    handle.send(Command::Join {
        peer,
        outbox,
        wire,
        who: who.clone(),
        reply,
    });
    let access = match joined.await {
        Ok(Ok(access)) => access,
        Ok(Err(refused)) => return Err(refused.into()),
        Err(_) => return Err(Close::RESTART),
    };
    let connected = Connected {
        document: name.clone(),
        wire: wire.name,
        who: who.clone(),
        address: from.address(),
        since_ms: app.machine.now_ms(),
    };
    let inward = Inward {
        handle: handle.clone(),
        peer,
        waiting: VecDeque::new(),
        admission: None,
        asked: Instant::now(),
        present: app.connections.enter(peer, connected),
    };
    let outward = Outward {
        handle,
        peer,
        access,
        inbox,
        signals,
    };
    Ok((inward, outward))
}

impl Inward {
    /// Waits until the peer may ask again, if that is what it does.
    pub async fn pace(&mut self, frame: &Frame) {
        if matches!(frame, Frame::Step1(_) | Frame::QueryAwareness) {
            sleep_until(self.asked).await;
            self.asked = Instant::now() + ASKING;
        }
    }

    /// Hands on a frame of so many bytes, or lets it wait for room in the mailbox.
    pub fn hand(&mut self, bytes: usize, frame: Frame) {
        self.waiting.push_back((bytes, frame));
        if self.admission.is_none() {
            self.proceed();
        }
    }

    /// The peer has shown anew who it is.
    pub fn renew(&self, who: Arc<Who>) {
        let peer = self.peer;
        self.present.renew(who.clone());
        self.handle.send(Command::Renew { peer, who });
    }

    /// Whether a frame waits for room in the mailbox: nothing more is to be handed on.
    pub fn waits(&self) -> bool {
        self.admission.is_some()
    }

    /// There is room for the first frame that waits.
    pub fn admit(&mut self, room: Option<OwnedSemaphorePermit>) {
        self.admission = None;
        if let Some(room) = room {
            self.send(room);
            self.proceed();
        }
    }

    fn proceed(&mut self) {
        while let Some(&(bytes, _)) = self.waiting.front() {
            match self.handle.admit(bytes) {
                Ok(room) => self.send(room),
                Err(admission) => {
                    self.admission = Some(admission);
                    return;
                }
            }
        }
    }

    fn send(&mut self, room: OwnedSemaphorePermit) {
        if let Some((_, frame)) = self.waiting.pop_front() {
            let peer = self.peer;
            self.handle.send(Command::Frame { peer, frame, room });
        }
    }
}

impl Drop for Inward {
    fn drop(&mut self) {
        self.handle.send(Command::Leave(self.peer));
    }
}

impl Outward {
    /// The document.
    pub fn handle(&self) -> Arc<Handle> {
        self.handle.clone()
    }

    /// To be called when what was in the queue is written: a peer that lagged is brought up to date then.
    pub fn written(&self) {
        if self.inbox.caught_up() {
            self.handle.send(Command::CaughtUp(self.peer));
        }
    }
}

/// Waits for room in the mailbox; forever if nothing wants any.
pub async fn admitted(admission: &mut Option<Admission>) -> Option<OwnedSemaphorePermit> {
    match admission {
        Some(room) => room.await,
        None => std::future::pending().await,
    }
}

/// What a message of y-protocols says; nothing if that is nothing to a server. What cannot be one ends the connection.
pub fn read(app: &App, bytes: &Bytes) -> Result<Option<Frame>, Close> {
    let metrics = &app.metrics;
    metrics.frames_in.add_one();
    metrics.bytes_in.add(bytes.len() as u64);
    let too_large = || {
        metrics.refused_too_large.add_one();
        Err(Close::TOO_LARGE)
    };
    let limit = match bytes[..] {
        [0, 0, ..] => MAX_VECTOR_BYTES,
        [1, ..] => MAX_AWARENESS_BYTES,
        _ => usize::MAX,
    };
    if bytes.len() > limit {
        return too_large();
    }
    let message = match protocol::decode(bytes) {
        Ok(message) => message,
        Err(error) => {
            tracing::info!(code = error.code(), %error, "frame refused");
            if matches!(error, ropewalk_crdt::Error::TooLarge { .. }) {
                return too_large();
            }
            metrics.refused_malformed.add_one();
            return Err(Close::MALFORMED);
        }
    };
    Ok(Some(match message {
        protocol::Message::Step1(vector) => Frame::Step1(vector),
        protocol::Message::Step2(update) => Frame::Step2(bytes.slice_ref(update)),
        protocol::Message::Update(update) => {
            if update.len() > app.config.max_update_bytes {
                return too_large();
            }
            Frame::Update(bytes.slice_ref(update))
        }
        protocol::Message::Awareness(body) => Frame::Awareness(bytes.slice_ref(body)),
        protocol::Message::QueryAwareness => Frame::QueryAwareness,
        protocol::Message::Saved(payload) => Frame::Saved(bytes.slice_ref(payload)),
        protocol::Message::Ignored => return Ok(None),
    }))
}
