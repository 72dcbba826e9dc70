//! The wire of Hocuspocus: several documents per socket, each message under the address of one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::Message;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, interval_at};

use super::attachment::read;
use super::connection::{Connection, Flow, TICK};
use super::socket::Socket;
use super::{Close, Progress};
use crate::App;
use crate::access::{Access, Who};
use crate::document::{Frame, Wire};
use crate::name::DocumentName;

mod forward;
mod message;
mod place;

use forward::{Forward, Out};
pub use message::KINDS;
use message::{Body, PONG};
use place::{Errand, Joined, Place};

/// Documents on one socket, at most.
const DOCUMENTS: usize = 100;
/// Addresses that are remembered as closed; a socket with more has had its time.
const CLOSED: usize = 1000;
/// Room that all messages to documents take which are not open yet, in bytes. With more the socket is not read.
const QUEUED: usize = 1 << 20;
/// What a client may send before it is in a document, in bytes.
const BEFORE: u64 = 4 << 20;
/// How long a token is waited for where something was said before it, at least.
const KNOCK: Duration = Duration::from_secs(10);
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

struct Session<S> {
    connection: Connection<S>,
    /// Who opened the socket; tokens of documents come beside.
    who: Arc<Who>,
    places: HashMap<Bytes, Place>,
    /// Addresses that were closed for good. Clients go on sending there; only one that knocks again comes in.
    closed: HashSet<Bytes>,
    /// Room that all messages take which wait in the places.
    queued: usize,
    next: u64,
    /// Whether the client has answered anything: before, it sends what had waited for the socket.
    has_answered: bool,
    /// For errands of places, of those that were left, too.
    errands: Arc<Semaphore>,
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
        queued: 0,
        next: 0,
        has_answered: false,
        errands: Arc::new(Semaphore::new(DOCUMENTS)),
        out,
    };
    session.connection.progress().reads_at_most(BEFORE);
    let end = session.serve(&mut outgoing).await;
    session.places.clear();
    drop(outgoing);
    let (errands, stopping) = (session.errands, session.connection.app.stopping.clone());
    session.connection.end(end).await;
    // A document that is slow to open has no more who want in than this socket may have, however often it comes anew.
    let all = errands.acquire_many(DOCUMENTS as u32);
    tokio::select! {
        _ = all => {}
        () = stopping.cancelled() => {}
    }
}

impl<S: Socket> Session<S> {
    /// Answers how to close the socket, or nothing if it is gone already.
    async fn serve(&mut self, outgoing: &mut mpsc::Receiver<Out>) -> Option<Close> {
        let mut tick = interval_at(Instant::now() + TICK, TICK);
        let stopping = self.connection.app.stopping.clone();
        loop {
            // What waits for room in a mailbox or for its way in has a bound: then the socket is not read.
            let reads = self.queued < QUEUED && !self.places.values().any(Place::waits);
            let flow = tokio::select! {
                () = stopping.cancelled() => ControlFlow::Break(Some(Close::RESTART)),
                _ = tick.tick() => self.tick(!reads).await,
                (address, turn) = turn(&mut self.places) => self.go_on(&address, turn).await,
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

    async fn tick(&mut self, waits: bool) -> Flow {
        let now = Instant::now();
        let silent = |(address, place): (&Bytes, &Place)| {
            Some((address.clone(), place.has_not_knocked(now)?))
        };
        let silent: Vec<_> = self.places.iter().filter_map(silent).collect();
        for (address, close) in silent {
            self.deny(&address, close).await?;
        }
        self.try_again(now);
        self.places.values_mut().for_each(Place::rests);
        let nobody = self
            .places
            .keys()
            .next()
            .map(|address| message::nobody(address));
        self.connection.tick(waits, nobody).await
    }

    /// Takes a message of a place that has waited: one at a time, as some take theirs.
    async fn go_on(&mut self, address: &Bytes, turn: Turn) -> Flow {
        let Some(place) = self.places.get_mut(address) else {
            return ControlFlow::Continue(());
        };
        match turn {
            Turn::Room(room) => place.admit(room),
            Turn::Message => {
                let Some((room, body)) = place.next() else {
                    return ControlFlow::Continue(());
                };
                self.queued -= room;
                if matches!(body, Body::Close) {
                    let rest = place.rest();
                    return self.enter_anew(address, rest).await;
                }
                return self.take(address, body).await;
            }
        }
        ControlFlow::Continue(())
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
            Out::Ended(id, address, close) if self.is_there(id, &address) => {
                self.refuse(&address, close).await
            }
            Out::Entered(id, address, joined) if self.is_there(id, &address) => {
                self.entered(&address, joined).await
            }
            Out::Known(id, address, who) if self.is_there(id, &address) => {
                if let Some(place) = self.places.get_mut(&address) {
                    place.renew(who);
                }
                ControlFlow::Continue(())
            }
            // The address was left meanwhile.
            Out::Ended(..) | Out::Entered(..) | Out::Known(..) => ControlFlow::Continue(()),
        }
    }

    fn is_there(&self, id: u64, address: &Bytes) -> bool {
        self.places.get(address).is_some_and(|place| place.id == id)
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
        if let Some(place) = self.places.remove(address) {
            self.queued -= place.queued();
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
        match body {
            Body::Close => {
                match self.places.get_mut(&address) {
                    // What was written before is heard first.
                    Some(place) if place.has_edits() => self.queued += place.queue(Body::Close),
                    _ => self.leave(&address),
                }
                ControlFlow::Continue(())
            }
            Body::Malformed => {
                self.connection.app.metrics.refused_malformed.add_one();
                self.refuse(&address, Close::MALFORMED).await
            }
            Body::Protocol(_) | Body::Stateless(_) if self.closed.contains(&address) => {
                ControlFlow::Continue(())
            }
            body => self.say(&address, body).await,
        }
    }

    /// Lets a client into a document under an address, as soon as it is there.
    async fn enter(&mut self, address: &Bytes, body: Body) -> Flow {
        let app = self.connection.app.clone();
        let name = match message::name(address).map(DocumentName::new) {
            Some(Ok(name)) => name,
            _ => {
                app.metrics.refused_malformed.add_one();
                return self.refuse(address, Close::BAD_NAME).await;
            }
        };
        let id = self.next + 1;
        let errand = match self.errand(id, address) {
            Some(errand) if self.places.len() < DOCUMENTS => errand,
            _ => {
                app.metrics.refused_full.add_one();
                return self.refuse(address, Close::TOO_MANY_DOCUMENTS).await;
            }
        };
        self.next = id;
        let mut place = Place::new(id, matches!(body, Body::Token(_)), !self.has_answered);
        let token = match body {
            Body::Token(token) => Some(token),
            // Older clients that have no token do not send one; others may have to fetch theirs.
            body => {
                self.queued += place.queue(body);
                None
            }
        };
        self.places.insert(address.clone(), place);
        errand.enter(app, self.connection.progress(), name, token);
        ControlFlow::Continue(())
    }

    /// Nothing if there are too many.
    fn errand(&self, id: u64, address: &Bytes) -> Option<Errand> {
        let permit = self.errands.clone().try_acquire_owned().ok()?;
        Some(Errand {
            id,
            address: address.clone(),
            who: self.who.clone(),
            out: self.out.clone(),
            permit,
        })
    }

    async fn entered(&mut self, address: &Bytes, joined: Joined) -> Flow {
        let (inward, outward) = match joined {
            Ok(joined) => *joined,
            Err((close @ (Close::NOT_KNOWN | Close::NOT_ALLOWED), _)) => {
                return self.not_let_in(address, close).await;
            }
            Err((close, _)) if close.is_final() => return self.refuse(address, close).await,
            // The other documents of the socket have nothing to do with it.
            Err((close, token)) => {
                tracing::debug!(reason = close.reason, "a document is tried again");
                if let Some(place) = self.places.get_mut(address) {
                    place.waits_outside(Instant::now(), close, token);
                }
                return ControlFlow::Continue(());
            }
        };
        let may_edit = outward.access >= Access::Edit;
        if let Some(place) = self.places.get_mut(address) {
            let (out, asked) = (self.out.clone(), Arc::default());
            let forward =
                Forward::start(place.id, address.clone(), outward, Arc::clone(&asked), out);
            place.enter(inward, asked, forward);
        }
        self.connection.progress().reads_all();
        self.welcome(address, may_edit).await
    }

    /// Asks once more for documents that could not be entered.
    fn try_again(&mut self, now: Instant) {
        let due = |(address, place): (&Bytes, &mut Place)| {
            Some((place.id, address.clone(), place.tries_again(now)?))
        };
        let due: Vec<_> = self.places.iter_mut().filter_map(due).collect();
        for (id, address, token) in due {
            let name = message::name(&address).and_then(|name| DocumentName::new(name).ok());
            match self.errand(id, &address).zip(name) {
                Some((errand, name)) => {
                    let (app, from) = (self.connection.app.clone(), self.connection.progress());
                    errand.enter(app, from, name, token);
                }
                None => {
                    if let Some(place) = self.places.get_mut(&address) {
                        place.waits_outside(now, Close::FULL, token);
                    }
                }
            }
        }
    }

    /// Whoever said something before the token is refused only with that.
    async fn not_let_in(&mut self, address: &Bytes, close: Close) -> Flow {
        let Some(place) = self.places.get_mut(address) else {
            return ControlFlow::Continue(());
        };
        if let Some(rest) = place.knock() {
            return self.enter_anew(address, rest).await;
        }
        if place.has_token() {
            return self.deny(address, close).await;
        }
        self.queued -= place.await_knock(Instant::now() + KNOCK, close);
        ControlFlow::Continue(())
    }

    /// Clients take only this for an answer to their token.
    async fn deny(&mut self, address: &Bytes, close: Close) -> Flow {
        let denied = message::denied(address, close.reason);
        self.connection
            .write(Message::Binary(denied), || None)
            .await?;
        self.refuse(address, close).await
    }

    /// Whoever knocked on the way in is let in as who that is.
    async fn enter_anew(&mut self, address: &Bytes, rest: VecDeque<Body>) -> Flow {
        self.queued -= place::room_of(&rest);
        self.leave(address);
        for body in rest {
            self.say(address, body).await?;
        }
        ControlFlow::Continue(())
    }

    async fn welcome(&mut self, address: &Bytes, may_edit: bool) -> Flow {
        let welcome = message::authenticated(address, may_edit);
        self.connection
            .write(Message::Binary(welcome), || None)
            .await
    }

    /// A message under an address: it enters there, or is taken when all before it are.
    async fn say(&mut self, address: &Bytes, body: Body) -> Flow {
        match self.places.get_mut(address) {
            Some(place) if place.takes() && !place.has_next() => self.take(address, body).await,
            Some(place) if place.awaits_knock() => match body {
                Body::Token(_) => {
                    self.leave(address);
                    self.enter(address, body).await
                }
                _ => ControlFlow::Continue(()),
            },
            Some(place) => {
                self.queued += place.queue(body);
                match place.has_too_much() {
                    Some(close) => ControlFlow::Break(Some(close)),
                    None => ControlFlow::Continue(()),
                }
            }
            None if matches!(body, Body::Close) => ControlFlow::Continue(()),
            None => {
                self.closed.remove(address);
                self.enter(address, body).await
            }
        }
    }

    /// Takes a message to a document that the client is in.
    async fn take(&mut self, address: &Bytes, body: Body) -> Flow {
        let Some(place) = self.places.get_mut(address) else {
            return ControlFlow::Continue(());
        };
        match body {
            Body::Protocol(bytes) => match read(&self.connection.app, &bytes) {
                Ok(Some(frame)) => {
                    self.has_answered |= matches!(frame, Frame::Step2(_));
                    place.hand(bytes.len(), frame).await;
                }
                Ok(None) => {}
                Err(close) => return self.refuse(address, close).await,
            },
            Body::Stateless(payload) => place.relay(payload),
            // It hears what it may do now.
            Body::Token(token) => {
                place.asks_who();
                let id = place.id;
                let Some(errand) = self.errand(id, address) else {
                    return self.refuse(address, Close::TOO_MANY_DOCUMENTS).await;
                };
                errand.ask_who(self.connection.app.clone(), token);
            }
            Body::Close | Body::Malformed => {}
        }
        ControlFlow::Continue(())
    }
}

/// What a place can go on with.
enum Turn {
    /// There is room in the mailbox for what waits for that.
    Room(Option<tokio::sync::OwnedSemaphorePermit>),
    /// A message that has waited can be taken.
    Message,
}

/// Waits until a place can go on; forever if none waits.
async fn turn(places: &mut HashMap<Bytes, Place>) -> (Bytes, Turn) {
    poll_fn(|cx| {
        for (address, place) in places.iter_mut() {
            if let Poll::Ready(room) = place.poll_room(cx) {
                return Poll::Ready((address.clone(), Turn::Room(room)));
            }
            if place.has_next() {
                return Poll::Ready((address.clone(), Turn::Message));
            }
        }
        Poll::Pending
    })
    .await
}
