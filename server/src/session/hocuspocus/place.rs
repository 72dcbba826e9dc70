//! A document on a socket. It is on its way in first; what is said to it meanwhile waits, and keeps its order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::WIRE;
use super::forward::{Forward, Out};
use super::message::{self, Body};
use crate::App;
use crate::access::Who;
use crate::document::Frame;
use crate::http::identity::with_token_used;
use crate::name::DocumentName;
use crate::session::attachment::{Inward, Outward, join};
use crate::session::{Close, Progress};

/// A document's queue towards a client has this share of what may wait for a client.
const SHARES: usize = 8;
/// What a message that waits takes at least, in bytes.
const LEAST: usize = 256;
/// Room that the messages of a document take which is to be tried again, in bytes: so much is not typed in that time.
const OUTSIDE: usize = 128 << 10;
/// How long it is until a document is asked again that could not be entered: the longer, the more often it could not.
const AGAIN: Duration = Duration::from_secs(5);
/// The same, at most.
const AGAIN_MOST: Duration = Duration::from_secs(30);

/// See the module.
pub struct Place {
    /// Distinguishes it from others under the same address.
    pub id: u64,
    /// What was said, and is taken when the errand is done.
    queue: VecDeque<Body>,
    is_on_errand: bool,
    /// Whether it came with a token.
    has_token: bool,
    /// Until when a token is waited for that may let it in, and how it closes without.
    knock: Option<(Instant, Close)>,
    /// When it tries to come in again, and with which token.
    again: Option<(Instant, Option<Bytes>)>,
    /// Why it could not come in, while it is tried again.
    refused: Option<Close>,
    /// How often it could not come in.
    tries: u32,
    /// Whether what had waited for the socket may come before it has answered.
    is_first: bool,
    inside: Option<Inside>,
}

struct Inside {
    inward: Inward,
    /// Of updates that it has sent since it asked last: the server says of each when it is on disk.
    updates: u64,
    /// Its questions that it has not answered itself yet: it counts the last answer as an update.
    questions: u64,
    /// Updates since it asked. All of them are in its answer: until that is on disk it hears of none.
    asking: u64,
    /// Of these it counts those that were made since it asked, and none of those that had waited for the socket: nobody knows how many.
    uncertain: u64,
    /// Whether it has sent an update lately.
    is_busy: bool,
    /// How often it has asked: each time it begins to count anew.
    asked: Arc<AtomicU64>,
    _forward: Forward,
}

impl Place {
    /// On its way in.
    pub fn new(id: u64, has_token: bool, is_first: bool) -> Self {
        Self {
            id,
            queue: VecDeque::new(),
            is_on_errand: true,
            has_token,
            knock: None,
            again: None,
            refused: None,
            tries: 0,
            is_first,
            inside: None,
        }
    }

    /// It is in.
    pub fn enter(&mut self, inward: Inward, asked: Arc<AtomicU64>, forward: Forward) {
        self.is_on_errand = false;
        self.refused = None;
        self.inside = Some(Inside {
            inward,
            updates: 0,
            questions: 0,
            asking: 0,
            uncertain: 0,
            is_busy: false,
            asked,
            _forward: forward,
        });
    }

    /// It could not come in, for now: it is tried again.
    pub fn waits_outside(&mut self, now: Instant, close: Close, token: Option<Bytes>) {
        self.refused = Some(close);
        let pause = AGAIN.saturating_mul(2u32.saturating_pow(self.tries));
        self.tries += 1;
        self.again = Some((now + pause.min(AGAIN_MOST), token));
    }

    /// Why the socket ends: what waits to come in would keep the other documents of it from being heard.
    pub fn has_too_much(&self) -> Option<Close> {
        self.refused.filter(|_| self.queued() > OUTSIDE)
    }

    /// Whether it is time to try again, and with which token.
    pub fn tries_again(&mut self, now: Instant) -> Option<Option<Bytes>> {
        self.again
            .take_if(|(at, _)| now >= *at)
            .map(|(_, token)| token)
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

    /// Takes out all that waits.
    pub fn rest(&mut self) -> VecDeque<Body> {
        std::mem::take(&mut self.queue)
    }

    /// Whether something waits that somebody has written.
    pub fn has_edits(&self) -> bool {
        self.queue.iter().any(Body::is_edit)
    }

    /// Takes out the first token that waits, and what was said after it.
    pub fn knock(&mut self) -> Option<VecDeque<Body>> {
        let is_token = |body: &Body| matches!(body, Body::Token(_));
        let at = self.queue.iter().position(is_token)?;
        Some(self.queue.split_off(at))
    }

    /// Whether what let nobody in was its token.
    pub fn has_token(&self) -> bool {
        self.has_token
    }

    /// It does not come in without a token: one is waited for. Clients that have to fetch theirs send what is typed
    /// meanwhile, and say all of it again after the token. Answers how much room is free now.
    pub fn await_knock(&mut self, until: Instant, close: Close) -> usize {
        self.knock = Some((until, close));
        room_of(&std::mem::take(&mut self.queue))
    }

    /// Whether nothing but a token is taken.
    pub fn awaits_knock(&self) -> bool {
        self.knock.is_some()
    }

    /// How it closes if no token has come in time.
    pub fn has_not_knocked(&self, now: Instant) -> Option<Close> {
        let (until, close) = self.knock?;
        (now >= until).then_some(close)
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
                inside.asked.fetch_add(1, Relaxed);
                (inside.updates, inside.asking, inside.uncertain) = (0, 0, 0);
                inside.questions += 1;
                inside.inward.hand(0, Frame::Ask);
            }
            Frame::Step2(_) => {
                inside.inward.hand(bytes, frame);
                // It was asked once more than it has asked itself, and does not count that answer.
                let is_last = inside.questions == 1;
                inside.questions = inside.questions.saturating_sub(1);
                if is_last {
                    let asking = std::mem::take(&mut inside.asking);
                    match std::mem::take(&mut self.is_first) {
                        true => inside.uncertain = asking,
                        false => inside.updates += asking,
                    }
                    inside.acknowledge(1);
                }
            }
            Frame::Update(_) => {
                inside.inward.hand(bytes, frame);
                inside.is_busy = true;
                match inside.questions {
                    0 => inside.acknowledge(1),
                    _ => inside.asking += 1,
                }
            }
            frame => inside.inward.hand(bytes, frame),
        }
    }

    /// Looks whether nothing comes at the moment. Then it hears of the updates, too, of which it may have counted none: nothing
    /// that is on its way is taken for saved.
    pub fn rests(&mut self) {
        if let Some(inside) = &mut self.inside {
            let is_busy = std::mem::take(&mut inside.is_busy) || inside.questions > 0;
            if !is_busy && inside.uncertain > 0 && !inside.inward.waits() {
                let uncertain = std::mem::take(&mut inside.uncertain);
                inside.acknowledge(uncertain);
            }
        }
    }
}

impl Inside {
    /// Says of so many more updates when they are on disk.
    fn acknowledge(&mut self, updates: u64) {
        self.updates += updates;
        let marker = message::mark(self.asked.load(Relaxed), self.updates);
        self.inward.hand(0, Frame::Saved(marker));
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
            let who = match &token {
                Some(token) => who(&app, &self.who, token).await,
                None => self.who,
            };
            let joined = join(&app, &from, &name, WIRE, &who, SHARES).await;
            let joined = joined.map(Box::new).map_err(|close| (close, token));
            // If the socket is gone this leaves the document.
            let out = Out::Entered(self.id, self.address, joined);
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

/// What came of joining, or why nothing did, with the token.
pub type Joined = Result<Box<(Inward, Outward)>, (Close, Option<Bytes>)>;
