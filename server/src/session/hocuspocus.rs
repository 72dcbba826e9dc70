//! The wire of Hocuspocus: several documents per socket, each message under the address of one.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::ws::Message;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use super::attachment::{Inward, admitted, join, read};
use super::connection::{Connection, Flow, TICK};
use super::socket::Socket;
use super::{Close, Progress};
use crate::App;
use crate::access::{Access, Who};
use crate::document::{Frame, Wire};
use crate::http::identity::with_token_used;
use crate::name::DocumentName;

mod forward;
mod message;

use forward::{Forward, Out};
pub use message::KINDS;
use message::{Body, PONG};

/// Documents on one socket, at most.
const DOCUMENTS: usize = 100;
/// Addresses that are remembered as closed; a socket with more has had its time.
const CLOSED: usize = 1000;
/// A document's queue towards a client has this share of what may wait for a client.
const SHARES: usize = 8;
/// Messages of all documents of a socket that are about to be written.
const OUT: usize = 4;

const WIRE: Wire = Wire {
    name: "hocuspocus",
    greets: false,
    echoes: false,
    stateless: true,
    updates: true,
    knows_access: true,
};

/// A document on a socket.
struct Place {
    inward: Inward,
    /// Updates that it has sent: the server says of each when it is on disk.
    updates: u64,
    /// Its questions that it has not answered itself yet: it counts each as an update.
    questions: u64,
    forward: Forward,
}

struct Session<S> {
    connection: Connection<S>,
    /// Who opened the socket; tokens of documents come beside.
    who: Arc<Who>,
    places: HashMap<Bytes, Place>,
    /// Addresses that were closed for good. Clients go on sending there; only one that knocks again comes in.
    closed: HashSet<Bytes>,
    /// The address whose frame waits for room in a mailbox; until it has it, the socket is not read.
    waiting: Option<Bytes>,
    next: u64,
    out: mpsc::Sender<Out>,
}

/// Serves one socket until it ends.
pub async fn run(app: Arc<App>, socket: impl Socket, who: Arc<Who>, progress: Arc<Progress>) {
    let _counted = app.metrics.connections.hold();
    let (out, mut outgoing) = mpsc::channel(OUT);
    let mut session = Session {
        connection: Connection::new(app, socket, progress),
        who,
        places: HashMap::new(),
        closed: HashSet::new(),
        waiting: None,
        next: 0,
        out,
    };
    let end = session.serve(&mut outgoing).await;
    session.places.clear();
    session.connection.end(end).await;
}

impl<S: Socket> Session<S> {
    /// Answers how to close the socket, or nothing if it is gone already.
    async fn serve(&mut self, outgoing: &mut mpsc::Receiver<Out>) -> Option<Close> {
        let mut tick = interval_at(Instant::now() + TICK, TICK);
        let stopping = self.connection.app.stopping.clone();
        loop {
            let waiting = self.waiting.as_ref();
            let waiting = waiting.and_then(|address| self.places.get_mut(address));
            let reads = waiting.is_none();
            let flow = tokio::select! {
                () = stopping.cancelled() => ControlFlow::Break(Some(Close::RESTART)),
                _ = tick.tick() => {
                    let nobody = self.places.keys().next().map(|address| message::nobody(address));
                    self.connection.tick(!reads, nobody).await
                }
                room = admission(waiting) => {
                    self.admit(room);
                    ControlFlow::Continue(())
                }
                Some(out) = outgoing.recv() => self.forwarded(out, outgoing).await,
                message = self.connection.socket.next(), if reads => match message {
                    Some(Ok(message)) => self.receive(message).await,
                    Some(Err(error)) => ControlFlow::Break(self.connection.broken(error)),
                    None => ControlFlow::Break(None),
                },
            };
            if let ControlFlow::Break(end) = flow {
                return end;
            }
        }
    }

    fn admit(&mut self, room: Option<tokio::sync::OwnedSemaphorePermit>) {
        let place = self.waiting.as_ref();
        if let Some(place) = place.and_then(|address| self.places.get_mut(address)) {
            place.inward.admit(room);
            if place.inward.waits() {
                return;
            }
        }
        self.waiting = None;
    }

    async fn forwarded(&mut self, out: Out, outgoing: &mut mpsc::Receiver<Out>) -> Flow {
        match out {
            Out::Message(first) => {
                let mut others = Vec::new();
                let more = || match outgoing.try_recv().ok()? {
                    Out::Message(message) => Some(Message::Binary(message)),
                    other => {
                        others.push(other);
                        None
                    }
                };
                self.connection.write(Message::Binary(first), more).await?;
                for other in others {
                    self.told(other).await?;
                }
                ControlFlow::Continue(())
            }
            other => self.told(other).await,
        }
    }

    /// What a document says beside its messages.
    async fn told(&mut self, out: Out) -> Flow {
        match out {
            Out::Message(_) => ControlFlow::Continue(()),
            Out::Probe => self.connection.probe().await,
            Out::Ended(id, address, close) => {
                let is_there = |place: &Place| place.forward.id == id;
                match self.places.get(&address).is_some_and(is_there) {
                    true => self.refuse(&address, close).await,
                    false => ControlFlow::Continue(()),
                }
            }
        }
    }

    /// Ends what has to do with an address. What another try would not mend ends that alone; otherwise the socket
    /// ends, as clients try again only then.
    async fn refuse(&mut self, address: &Bytes, close: Close) -> Flow {
        self.leave(address);
        if !close.is_final() {
            return ControlFlow::Break(Some(close));
        }
        tracing::debug!(reason = close.reason, "a document on a connection closes");
        self.closed.insert(address.clone());
        if self.closed.len() > CLOSED {
            return ControlFlow::Break(Some(Close::TOO_MANY_DOCUMENTS));
        }
        let goodbye = message::closed(address, close.reason);
        self.connection
            .write(Message::Binary(goodbye), || None)
            .await
    }

    fn leave(&mut self, address: &Bytes) {
        self.places.remove(address);
        if self.waiting.as_ref() == Some(address) {
            self.waiting = None;
        }
    }

    async fn receive(&mut self, message: Message) -> Flow {
        self.connection.hears();
        match message {
            Message::Binary(bytes) => self.frame(bytes).await,
            Message::Text(_) => {
                self.connection.app.metrics.refused_malformed.add_one();
                ControlFlow::Break(Some(Close::MALFORMED))
            }
            Message::Ping(_) => self.connection.flush().await,
            Message::Pong(_) => ControlFlow::Continue(()),
            Message::Close(_) => ControlFlow::Break(None),
        }
    }

    async fn frame(&mut self, bytes: Bytes) -> Flow {
        if message::is_ping(&bytes) {
            let pong = Message::Binary(Bytes::from_static(PONG));
            return self.connection.write(pong, || None).await;
        }
        if message::is_pong(&bytes) {
            return ControlFlow::Continue(());
        }
        let Some((address, body)) = message::read(&bytes) else {
            // Without an address there is nobody to tell but the socket.
            self.connection.app.metrics.refused_malformed.add_one();
            return ControlFlow::Break(Some(Close::MALFORMED));
        };
        let is_there = self.places.contains_key(&address);
        match body {
            Body::Close => {
                self.leave(&address);
                ControlFlow::Continue(())
            }
            Body::Malformed => {
                self.connection.app.metrics.refused_malformed.add_one();
                self.refuse(&address, Close::MALFORMED).await
            }
            Body::Protocol(_) | Body::Stateless(_) if self.closed.contains(&address) => {
                ControlFlow::Continue(())
            }
            // Older clients that have no token do not send one.
            _ if !is_there => {
                self.closed.remove(&address);
                let who = match &body {
                    Body::Token(token) => who(&self.connection.app, &self.who, token).await,
                    _ => self.who.clone(),
                };
                self.enter(&address, &who).await?;
                match body {
                    Body::Token(_) => ControlFlow::Continue(()),
                    _ if self.places.contains_key(&address) => self.take(&address, body).await,
                    _ => ControlFlow::Continue(()),
                }
            }
            _ => self.take(&address, body).await,
        }
    }

    /// Lets a client into a document under an address.
    async fn enter(&mut self, address: &Bytes, who: &Arc<Who>) -> Flow {
        let app = self.connection.app.clone();
        let name = match message::name(address).map(DocumentName::new) {
            Some(Ok(name)) => name,
            _ => {
                app.metrics.refused_malformed.add_one();
                return self.refuse(address, Close::BAD_NAME).await;
            }
        };
        if self.places.len() >= DOCUMENTS {
            app.metrics.refused_full.add_one();
            return self.refuse(address, Close::TOO_MANY_DOCUMENTS).await;
        }
        let from = self.connection.progress();
        let (inward, outward) = match join(&app, &from, &name, WIRE, who, SHARES).await {
            Ok(joined) => joined,
            Err(close @ (Close::NOT_KNOWN | Close::NOT_ALLOWED)) => {
                // Clients take only this for an answer to their token.
                let denied = message::denied(address, close.reason);
                self.connection
                    .write(Message::Binary(denied), || None)
                    .await?;
                return self.refuse(address, close).await;
            }
            Err(close) => return self.refuse(address, close).await,
        };
        self.next += 1;
        let access = outward.access;
        let forward = Forward::start(self.next, address.clone(), outward, self.out.clone());
        let place = Place {
            inward,
            updates: 0,
            questions: 0,
            forward,
        };
        self.places.insert(address.clone(), place);
        self.welcome(address, access >= Access::Edit).await
    }

    async fn welcome(&mut self, address: &Bytes, may_edit: bool) -> Flow {
        let welcome = message::authenticated(address, may_edit);
        self.connection
            .write(Message::Binary(welcome), || None)
            .await
    }

    /// Takes a message to a document that the client is in.
    async fn take(&mut self, address: &Bytes, body: Body) -> Flow {
        let Some(place) = self.places.get_mut(address) else {
            return ControlFlow::Continue(());
        };
        match body {
            Body::Protocol(bytes) => match read(&self.connection.app, &bytes) {
                Ok(Some(frame)) => place.hand(bytes.len(), frame).await,
                Ok(None) => {}
                Err(close) => return self.refuse(address, close).await,
            },
            Body::Stateless(payload) => {
                place.inward.hand(payload.len(), Frame::Stateless(payload));
            }
            // It hears what it may do now.
            Body::Token(token) => {
                let who = who(&self.connection.app, &self.who, &token).await;
                if let Some(place) = self.places.get(address) {
                    place.inward.renew(who);
                }
                return ControlFlow::Continue(());
            }
            Body::Close | Body::Malformed => {}
        }
        if place.inward.waits() {
            self.waiting = Some(address.clone());
        }
        ControlFlow::Continue(())
    }
}

impl Place {
    /// Hands on a message, with what makes the answers that Hocuspocus clients count on.
    async fn hand(&mut self, bytes: usize, frame: Frame) {
        self.inward.pace(&frame).await;
        match frame {
            Frame::Step1(_) => {
                self.inward.hand(bytes, frame);
                self.questions += 1;
                self.inward.hand(0, Frame::Ask);
            }
            // It was asked once more than it has asked itself, and does not count that answer.
            Frame::Step2(_) if self.questions == 0 => self.inward.hand(bytes, frame),
            Frame::Step2(_) | Frame::Update(_) => {
                if matches!(frame, Frame::Step2(_)) {
                    self.questions -= 1;
                }
                self.inward.hand(bytes, frame);
                self.updates += 1;
                let marker = Bytes::copy_from_slice(&self.updates.to_le_bytes());
                self.inward.hand(0, Frame::Saved(marker));
            }
            frame => self.inward.hand(bytes, frame),
        }
    }
}

/// Waits for room in the mailbox of the document whose frame waits; forever if none does.
async fn admission(place: Option<&mut Place>) -> Option<tokio::sync::OwnedSemaphorePermit> {
    match place {
        Some(place) => admitted(&mut place.inward.admission).await,
        None => std::future::pending().await,
    }
}

/// Who it is that has sent this token for a document; one that opens nothing is none.
async fn who(app: &Arc<App>, who: &Arc<Who>, token: &[u8]) -> Arc<Who> {
    let token = std::str::from_utf8(token).unwrap_or_default();
    app.gate.prepare(token, &app.metrics).await;
    with_token_used(app, who, token).unwrap_or_else(|| who.clone())
}
