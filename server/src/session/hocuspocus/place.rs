//! A document on a socket. It is on its way in first; what is said to it meanwhile waits, and keeps its order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::Instrument as _;

use super::WIRE;
use super::forward::{Forward, Out};
use super::message::Body;
use crate::App;
use crate::access::Who;
use crate::document::Frame;
use crate::http::identity::with_token_used;
use crate::name::DocumentName;
use crate::session::attachment::{Inward, join};
use crate::session::{Close, Progress};

/// A document's queue towards a client has this share of what may wait for a client.
const SHARES: usize = 8;
/// What a message that waits takes at least, in bytes.
const LEAST: usize = 256;

/// See the module.
pub struct Place {
    /// Distinguishes it from others under the same address.
    pub id: u64,
    /// What was said, and is taken when the errand is done.
    queue: VecDeque<Body>,
    is_on_errand: bool,
    inside: Option<Inside>,
}

struct Inside {
    inward: Inward,
    /// Updates that it has sent: the server says of each when it is on disk.
    updates: u64,
    /// Its questions that it has not answered itself yet: it counts each as an update.
    questions: u64,
    _forward: Forward,
}

impl Place {
    /// On its way in.
    pub fn new(id: u64) -> Self {
        Self {
            id,
            queue: VecDeque::new(),
            is_on_errand: true,
            inside: None,
        }
    }

    /// It is in.
    pub fn enter(&mut self, inward: Inward, forward: Forward) {
        self.is_on_errand = false;
        self.inside = Some(Inside {
            inward,
            updates: 0,
            questions: 0,
            _forward: forward,
        });
    }

    /// It is found out who it is now; until then nothing more is taken.
    pub fn asks_who(&mut self) {
        self.is_on_errand = true;
    }

    /// It has shown anew who it is.
    pub fn renew(&mut self, who: Arc<Who>) {
        self.is_on_errand = false;
        if let Some(inside) = &self.inside {
            inside.inward.renew(who);
        }
    }

    /// Whether the next message can be taken.
    pub fn takes(&self) -> bool {
        !self.is_on_errand && !self.waits()
    }

    /// Lets a message wait. Answers how much room that takes.
    pub fn queue(&mut self, body: Body) -> usize {
        let room = room(&body);
        // A copy: a small slice would keep all that was read with it.
        self.queue.push_back(body.copied());
        room
    }

    /// Whether a message waited that can be taken.
    pub fn has_next(&self) -> bool {
        !self.queue.is_empty() && self.takes()
    }

    /// The next message that waited and can be taken, with the room that it took.
    pub fn next(&mut self) -> Option<(usize, Body)> {
        if !self.takes() {
            return None;
        }
        let body = self.queue.pop_front()?;
        Some((room(&body), body))
    }

    /// The room that its messages take.
    pub fn queued(&self) -> usize {
        room_of(&self.queue)
    }

    /// Takes out the first token that waits, and what was said after it.
    pub fn knock(&mut self) -> Option<VecDeque<Body>> {
        let is_token = |body: &Body| matches!(body, Body::Token(_));
        let at = self.queue.iter().position(is_token)?;
        Some(self.queue.split_off(at))
    }

    /// Whether what it sent waits for room in the mailbox.
    pub fn waits(&self) -> bool {
        self.inside
            .as_ref()
            .is_some_and(|inside| inside.inward.waits())
    }

    /// There is room for it.
    pub fn admit(&mut self, room: Option<OwnedSemaphorePermit>) {
        if let Some(inside) = &mut self.inside {
            inside.inward.admit(room);
        }
    }

    /// Looks whether there is.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Option<OwnedSemaphorePermit>> {
        let inside = self.inside.as_mut();
        match inside.and_then(|inside| inside.inward.admission.as_mut()) {
            Some(admission) => admission.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    /// Hands on what is for everybody else.
    pub fn relay(&mut self, payload: Bytes) {
        if let Some(inside) = &mut self.inside {
            let frame = Frame::Stateless(payload.clone());
            inside.inward.hand(payload.len(), frame);
        }
    }

    /// Hands on a message, with what makes the answers that Hocuspocus clients count on.
    pub async fn hand(&mut self, bytes: usize, frame: Frame) {
        let Some(inside) = &mut self.inside else {
            return;
        };
        inside.inward.pace(&frame).await;
        match frame {
            Frame::Step1(_) => {
                inside.inward.hand(bytes, frame);
                inside.questions += 1;
                inside.inward.hand(0, Frame::Ask);
            }
            // It was asked once more than it has asked itself, and does not count that answer.
            Frame::Step2(_) if inside.questions == 0 => inside.inward.hand(bytes, frame),
            Frame::Step2(_) | Frame::Update(_) => {
                if matches!(frame, Frame::Step2(_)) {
                    inside.questions -= 1;
                }
                inside.inward.hand(bytes, frame);
                inside.updates += 1;
                let marker = Bytes::copy_from_slice(&inside.updates.to_le_bytes());
                inside.inward.hand(0, Frame::Saved(marker));
            }
            frame => inside.inward.hand(bytes, frame),
        }
    }
}

/// The room that messages take which wait.
pub fn room_of(queue: &VecDeque<Body>) -> usize {
    queue.iter().map(room).sum()
}

fn room(body: &Body) -> usize {
    LEAST + body.len()
}

/// What takes its time for a place: the socket goes on meanwhile, and hears the outcome. It is never given up halfway: a document that is
/// slow to open has as many who want in as there are sockets, and whoever fetches keys does it for others, too.
pub struct Errand {
    /// Of which place.
    pub id: u64,
    /// Its address.
    pub address: Bytes,
    /// Who opened the socket.
    pub who: Arc<Who>,
    /// What is heard of it.
    pub out: mpsc::Sender<Out>,
    /// Given back at the end.
    pub permit: OwnedSemaphorePermit,
}

impl Errand {
    /// Joins the document, as whoever has sent this token.
    pub fn enter(
        self,
        app: Arc<App>,
        from: Arc<Progress>,
        name: DocumentName,
        token: Option<Bytes>,
    ) {
        let errand = async move {
            let who = match token {
                Some(token) => who(&app, &self.who, &token).await,
                None => self.who,
            };
            let joined = join(&app, &from, &name, WIRE, &who, SHARES).await;
            // If the socket is gone this leaves the document.
            let out = Out::Entered(self.id, self.address, joined.map(Box::new));
            let _ = self.out.send(out).await;
            drop(self.permit);
        };
        tokio::spawn(errand.in_current_span());
    }

    /// Finds out who has sent this token.
    pub fn ask_who(self, app: Arc<App>, token: Bytes) {
        let errand = async move {
            let who = who(&app, &self.who, &token).await;
            let out = Out::Known(self.id, self.address, who);
            let _ = self.out.send(out).await;
            drop(self.permit);
        };
        tokio::spawn(errand.in_current_span());
    }
}

/// Who it is that has sent this token for a document; one that opens nothing is none.
async fn who(app: &Arc<App>, who: &Arc<Who>, token: &[u8]) -> Arc<Who> {
    let token = std::str::from_utf8(token).unwrap_or_default();
    app.gate.prepare(token, &app.metrics).await;
    with_token_used(app, who, token).unwrap_or_else(|| who.clone())
}

/// What came of joining.
pub type Joined = Result<Box<(Inward, crate::session::attachment::Outward)>, Close>;
