//! A connection in one document: what comes goes into its mailbox, what it sends lies in a queue.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ropewalk_crdt::protocol;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until};

use super::Close;
use crate::App;
use crate::document::peer::{Inbox, PeerId, Signals, queue};
use crate::document::{Admission, Command, Frame, Handle};
use crate::name::DocumentName;

/// Largest state vector that is read, in bytes: about 100,000 clients.
const MAX_VECTOR_BYTES: usize = 1 << 20;
/// Largest awareness frame, in bytes: every state of a full document.
const MAX_AWARENESS_BYTES: usize = 2 << 20;
/// A peer may ask for what it lacks this often; answers cost the more the larger the document. Asking sooner makes
/// it wait, and nobody else.
const ASKING: Duration = Duration::from_millis(50);

/// A peer of a document, as its session sees it. Dropped, it leaves.
pub struct Attachment {
    handle: Arc<Handle>,
    peer: PeerId,
    /// What the document sends.
    pub inbox: Inbox,
    /// What it says beside.
    pub signals: Signals,
    /// A frame that waits for room in the mailbox; until it has it, the socket is not read.
    pub admission: Option<(Frame, Admission)>,
    /// When the peer may ask again for what it lacks.
    asked: Instant,
}

impl Attachment {
    /// Joins a document; it is loaded if need be.
    pub async fn join(app: &Arc<App>, name: &DocumentName) -> Result<Self, Close> {
        let handle = app.hub.open(app, name);
        let peer = app.next_peer();
        let (outbox, inbox, signals) = queue(app.config.outbox_frames, app.config.outbox_bytes);
        let (reply, joined) = oneshot::channel();
        handle.send(Command::Join {
            peer,
            outbox,
            reply,
        });
        match joined.await {
            Ok(Ok(())) => {}
            Ok(Err(refused)) => return Err(refused.into()),
            Err(_) => return Err(Close::RESTART),
        }
        Ok(Self {
            handle,
            peer,
            inbox,
            signals,
            admission: None,
            asked: Instant::now(),
        })
    }

    /// Hands on a message of y-protocols. What cannot be one ends the connection.
    pub async fn receive(&mut self, app: &App, bytes: &Bytes) -> Result<(), Close> {
        let Some(frame) = read(app, bytes)? else {
            return Ok(());
        };
        if matches!(frame, Frame::Step1(_)) {
            sleep_until(self.asked).await;
            self.asked = Instant::now() + ASKING;
        }
        self.hand(bytes.len(), frame);
        Ok(())
    }

    /// Hands on a frame of so many bytes, or lets it wait for room in the mailbox.
    pub fn hand(&mut self, bytes: usize, frame: Frame) {
        let peer = self.peer;
        match self.handle.admit(bytes) {
            Ok(room) => drop(self.handle.send(Command::Frame { peer, frame, room })),
            Err(admission) => self.admission = Some((frame, admission)),
        }
    }

    /// Whether a frame waits for room in the mailbox: nothing more may be handed on.
    pub fn waits(&self) -> bool {
        self.admission.is_some()
    }

    /// Hands on the frame that waits: there is room.
    pub fn admit(&mut self, room: Option<OwnedSemaphorePermit>) {
        if let (Some((frame, _)), Some(room)) = (self.admission.take(), room) {
            let peer = self.peer;
            self.handle.send(Command::Frame { peer, frame, room });
        }
    }

    /// To be called when what was in the queue is written: a peer that lagged is brought up to date then.
    pub fn written(&self) {
        if self.inbox.caught_up() {
            self.handle.send(Command::CaughtUp(self.peer));
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.handle.send(Command::Leave(self.peer));
    }
}

/// Waits for room in the mailbox; forever if nothing wants any.
pub async fn admitted(admission: &mut Option<(Frame, Admission)>) -> Option<OwnedSemaphorePermit> {
    match admission {
        Some((_, room)) => room.await,
        None => std::future::pending().await,
    }
}

/// What a frame says; nothing if that is nothing to a server.
fn read(app: &App, bytes: &Bytes) -> Result<Option<Frame>, Close> {
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
