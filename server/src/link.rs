//! The other end of the wire: keeps a document of a server in step with one of this process.
//!
//! A [`Link`] owns a [`Document`], which is the truth: it takes edits at any time, also without a connection. The two
//! are brought together by their state vectors at every connection, so nothing is lost, and nothing is there twice. All
//! work is done while somebody awaits [`Link::next`], which may be dropped at any time.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use ropewalk::link::{Address, Event, Link};
//! use ropewalk::name::DocumentName;
//! use ropewalk_crdt::{Document, Edit, Unit};
//!
//! let address = Address::new("https://write.example.org", None)?;
//! let name = DocumentName::new("notes/today.md")?;
//! let mut link = Link::new(address, name, Document::new(ropewalk::link::client_id()));
//! loop {
//!     match link.next().await {
//!         Event::Synced => link.edit(
//!             &link.document().version().clone(),
//!             Unit::Char,
//!             &[Edit { from: 0, to: 0, insert: "Hello\n".into() }],
//!         )?,
//!         Event::Saved => break,
//!         Event::Closed(code, reason) => return Err(format!("{reason} ({code})").into()),
//!         Event::Refused => return Err("may only be read".into()),
//!         Event::Changed | Event::People | Event::Access(_) | Event::Offline(_) => {}
//!     }
//! }
//! link.leave().await;
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rand::RngExt as _;
use ropewalk_crdt::protocol::{self, Message};
use ropewalk_crdt::{Base, ClientId, Document, Edit, Error, ROOT, Unit, Version, VersionVector};
use thiserror::Error;
use tokio::time::{Sleep, sleep};

use crate::name::DocumentName;
use line::{Ended, Line};
use moved::while_moving;
use people::People;
use presence::Presence;

mod access;
pub(crate) mod address;
mod line;
mod moved;
mod people;
mod presence;
mod request;

pub use address::{Address, BadAddress, Unreachable};
pub use people::{Peer, Selection};
pub use request::{Created, Entry, Listed};

/// The shortest wait before a lost connection is made anew.
const SOON: Duration = Duration::from_millis(200);
/// The longest.
const LATER: Duration = Duration::from_millis(2500);
/// The longest if the server refuses it: that may be over when somebody gives access, and else is in vain.
const REFUSED_LATER: Duration = Duration::from_secs(60);
/// The type of a frame that says that saving is slow.
const SLOW: u8 = 103;
/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// All that the server has is here; after each connection.
    Synced,
    /// Others have changed the document.
    Changed,
    /// All that was edited here is on the server's disk.
    Saved,
    /// Somebody came, left, or moved: see [`Link::people`].
    People,
    /// From now on the document may be edited, or only read. Until this is said it may be edited.
    Access(bool),
    /// It may only be read, and something was edited here: that stays here until it may be edited. Once in each connection.
    Refused,
    /// There is no connection, for this reason; it is tried again.
    Offline(String),
    /// There will be none any more: a code from 4400 to 4499, and why. 4404: the document was deleted. 4409: it was
    /// replaced. 4413: something is too large.
    Closed(u16, String),
}

/// Why what the server has is not here.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotSynced {
    /// There will be no connection any more, as with [`Event::Closed`].
    #[error("{1} ({0})")]
    Closed(u16, String),
    /// There is none that brings anything, for this reason.
    #[error("{0}")]
    Offline(String),
}

/// A document that is kept in step with a server's. See the module.
pub struct Link {
    address: Address,
    name: DocumentName,
    document: Document,
    state: State,
    /// Connections in a row that came to nothing.
    failures: u32,
    /// Edits that were made here, and how many of them are on the server's disk.
    edits: u64,
    saved: u64,
    /// What was said last of whether it may be edited.
    may_edit: bool,
    presence: Presence,
    people: People,
    events: VecDeque<Event>,
    /// How long a server may be silent.
    patience: Duration,
    /// The most that a connection has brought, in bytes.
    received: Arc<AtomicU64>,
}

enum State {
    Waiting(Pin<Box<Sleep>>),
    Connecting(Pin<Box<dyn Future<Output = Result<Line, Unreachable>> + Send>>),
    Open(Box<Open>),
    Ended,
}

/// A connection.
struct Open {
    line: Line,
    /// The server was told what it lacks: from now on edits go out as they are made.
    told: bool,
    synced: bool,
    /// The marker that is on its way.
    marked: Option<u64>,
    /// Whether it may be edited, as far as the server has said; it says so with the first answer to a marker.
    may_edit: Option<bool>,
    /// Something that was sent was not taken in.
    is_refused: bool,
    /// The version from which on edits are still to be sent, as there was no room for them.
    behind: Option<Version>,
}

/// A random client id, for a [`Document`] of its own.
pub fn client_id() -> ClientId {
    ClientId::from(rand::rng().random::<u32>())
}

impl Link {
    /// A link that begins to connect with the first [`Link::next`]. The document may have edits that the server lacks.
    pub fn new(address: Address, name: DocumentName, document: Document) -> Self {
        let is_new = document.version().vector.is_empty();
        Self {
            presence: Presence::new(document.client()),
            address,
            name,
            document,
            state: State::Waiting(Box::pin(sleep(Duration::ZERO))),
            failures: 0,
            edits: u64::from(!is_new),
            saved: 0,
            may_edit: true,
            people: People::default(),
            events: VecDeque::new(),
            patience: line::SILENCE,
            received: Arc::default(),
        }
    }

    /// A server of which not a byte comes for so long is taken for gone; 35 s unless this is said.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits until all that the server has is here, as long as more of it comes; if nothing does for `patience`, or there will be
    /// no connection any more, why.
    pub async fn synced(&mut self, patience: Duration) -> Result<(), NotSynced> {
        let mut reason = String::from("it does not answer");
        let received = self.received.clone();
        let syncing = async {
            loop {
                match self.next().await {
                    Event::Synced => return Ok(()),
                    Event::Offline(why) => reason = why,
                    Event::Closed(code, why) => return Err(NotSynced::Closed(code, why)),
                    _ => {}
                }
            }
        };
        let synced = while_moving(patience, syncing, || received.load(Relaxed)).await;
        synced.unwrap_or(Err(NotSynced::Offline(reason)))
    }

    /// The next thing that happens. Never resolves after [`Event::Closed`].
    pub async fn next(&mut self) -> Event {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// The document as it is here.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What [`Document::save`] writes, to open the document again later.
    pub fn save(&mut self) -> Vec<u8> {
        self.document.save()
    }

    /// Edits the text, as [`Document::edit`] does, and sends it when there is a connection.
    pub fn edit<'v>(
        &mut self,
        base: impl Into<Base<'v>>,
        unit: Unit,
        edits: &[Edit],
    ) -> Result<(), Error> {
        if edits.is_empty() {
            return Ok(());
        }
        let full = self.full();
        let update = self.document.edit(base, ROOT, unit, edits)?;
        self.send(full, &update);
        Ok(())
    }

    /// Takes in an update of another replica, as an edit that is made here.
    pub fn apply(&mut self, update: &[u8]) -> Result<(), Error> {
        let full = self.full();
        if self.document.apply(update)?.changed {
            self.send(full, update);
        }
        Ok(())
    }

    /// What somebody who has `vector` lacks of what is here.
    pub fn diff(&mut self, vector: &VersionVector) -> Vec<u8> {
        self.document.diff(vector)
    }

    /// The document's name.
    pub fn name(&self) -> &DocumentName {
        &self.name
    }

    /// The version from which on edits are to be sent later, if there is no room for one now.
    fn full(&self) -> Option<Version> {
        match &self.state {
            State::Open(open) if open.told && open.behind.is_none() && !open.line.has_room() => {
                Some(self.document.version().clone())
            }
            _ => None,
        }
    }

    fn send(&mut self, full: Option<Version>, update: &[u8]) {
        self.edits += 1;
        if let State::Open(open) = &mut self.state
            && open.told
        {
            match full {
                Some(version) => open.behind = Some(version),
                None if open.behind.is_none() => open.line.send(protocol::update(update)),
                None => {}
            }
            if open.may_edit == Some(false) {
                self.refused();
            }
            self.mark();
        }
    }

    /// How many edits were made here.
    pub fn edits(&self) -> u64 {
        self.edits
    }

    /// Whether so many of them are on the server's disk.
    pub fn has_saved(&self, edits: u64) -> bool {
        self.saved >= edits
    }

    /// Whether all that was edited here is on the server's disk.
    pub fn is_saved(&self) -> bool {
        self.saved == self.edits
    }

    /// Whether the server does not take what was edited here, as it may only be read.
    pub fn is_refused(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.is_refused) && !self.is_saved()
    }

    /// Whether there is a connection, and all that the server had is here.
    pub fn is_synced(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.synced)
    }

    /// Tells the others a name and a colour, such as `#217a3c`.
    pub fn introduce(&mut self, name: &str, color: &str) {
        self.presence.introduce(name, color);
    }

    /// Shows the others a selection, in `unit`; none when it is `None`, or not in the text.
    pub fn select(&mut self, unit: Unit, selection: Option<Selection>) {
        let cursor = selection.and_then(|Selection { anchor, head }| {
            let anchor = self.document.anchor(ROOT, unit, anchor).ok()?;
            let head = self.document.anchor(ROOT, unit, head).ok()?;
            Some((anchor, head))
        });
        self.presence.point(cursor);
    }

    /// Who else is in the document, with selections of the text as it is here, in `unit`.
    pub fn people(&self, unit: Unit) -> Vec<Peer> {
        self.people.all(&self.document, unit)
    }

    /// Leaves in order. What is not sent yet is, if that is quick.
    pub async fn leave(mut self) {
        let left = self.presence.left();
        if let State::Open(mut open) = self.state {
            open.line.send(protocol::awareness(&left));
            open.line.close().await;
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            match &mut self.state {
                State::Ended => return Poll::Pending,
                State::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(context));
                    let line = Line::open(self.address.clone(), self.name.clone(), self.patience);
                    self.state = State::Connecting(Box::pin(line));
                }
                State::Connecting(line) => match ready!(line.as_mut().poll(context)) {
                    Ok(line) => self.begin(line),
                    Err(error) => self.wait(error.to_string(), error.is_final()),
                },
                State::Open(open) => {
                    if let Some(state) = self.presence.poll(context) {
                        open.line.send(protocol::awareness(&state));
                    }
                    let heard = open.line.poll(context);
                    // One connection after the other that brings the same is no progress.
                    self.received.fetch_max(open.line.received(), Relaxed);
                    let heard = match heard {
                        Poll::Ready(heard) => heard,
                        Poll::Pending if self.catch_up() => continue,
                        Poll::Pending => return Poll::Pending,
                    };
                    match heard.and_then(|frame| self.hear(&frame)) {
                        Ok(()) => {}
                        Err(ended) => self.end(ended),
                    }
                }
            }
        }
    }

    fn begin(&mut self, mut line: Line) {
        line.send(protocol::step1(&self.document.version().vector));
        self.presence.renew();
        self.state = State::Open(Box::new(Open {
            line,
            told: false,
            synced: false,
            marked: None,
            may_edit: None,
            is_refused: false,
            behind: None,
        }));
    }

    fn end(&mut self, ended: Ended) {
        if !self.people.is_empty() {
            self.people.clear();
            self.events.push_back(Event::People);
        }
        match ended {
            Ended::Final(code, reason) => {
                self.state = State::Ended;
                self.events.push_back(Event::Closed(code, reason));
            }
            Ended::Lost(reason) => self.wait(reason, false),
        }
    }

    /// Waits before the next try.
    fn wait(&mut self, reason: String, is_refused: bool) {
        let longest = pause(self.failures, is_refused);
        self.failures += 1;
        // Not all at once who lost the same server.
        let wait = longest.mul_f64(rand::rng().random_range(0.5..1.0));
        self.state = State::Waiting(Box::pin(sleep(wait)));
        self.events.push_back(Event::Offline(reason));
    }

    /// Sends what there was no room for. Whether there was anything.
    fn catch_up(&mut self) -> bool {
        let State::Open(open) = &mut self.state else {
            return false;
        };
        if !open.line.is_idle() {
            return false;
        }
        let Some(version) = open.behind.take() else {
            return false;
        };
        let update = self.document.diff_since(&version);
        open.line.send(protocol::update(&update));
        self.mark();
        true
    }

    /// Takes in a frame.
    fn hear(&mut self, frame: &[u8]) -> Result<(), Ended> {
        if frame.first() == Some(&SLOW) {
            return Ok(());
        }
        if self.hear_access(frame) {
            return Ok(());
        }
        let State::Open(open) = &mut self.state else {
            return Ok(());
        };
        match protocol::decode(frame).map_err(unreadable)? {
            Message::Step1(known) => {
                let lacks = self.document.diff(&known);
                open.line.send(protocol::step2(&lacks));
                for waiting in self.document.waiting() {
                    open.line.send(protocol::update(&waiting));
                }
                open.told = true;
                self.mark();
            }
            Message::Step2(update) => {
                let applied = self.document.apply(update).map_err(unreadable)?;
                if !open.synced {
                    open.synced = true;
                    self.failures = 0;
                    self.events.push_back(Event::Synced);
                }
                if applied.changed {
                    self.events.push_back(Event::Changed);
                }
            }
            Message::Update(update) => {
                if self.document.apply(update).map_err(unreadable)?.changed {
                    self.events.push_back(Event::Changed);
                }
            }
            Message::Awareness(states) => {
                let own = self.document.client();
                let heard = self.people.hear(states, own).map_err(unreadable)?;
                if heard.own_has_left {
                    self.presence.renew();
                }
                if heard.is_news {
                    self.events.push_back(Event::People);
                }
            }
            Message::QueryAwareness => self.presence.renew(),
            Message::Saved(marker) => {
                if let Some(marked) = open.marked
                    && open.is_marked(marker)
                {
                    open.marked = None;
                    let is_first = open.may_edit.is_none();
                    let is_news = self.saved < marked;
                    self.saved = marked;
                    if is_first {
                        self.access(true);
                    }
                    if is_news && self.is_saved() {
                        self.events.push_back(Event::Saved);
                    }
                    self.mark();
                }
            }
            Message::Ignored => {}
        }
        Ok(())
    }
}

/// The pause after so many failures.
fn pause(failures: u32, is_refused: bool) -> Duration {
    let most = if is_refused { REFUSED_LATER } else { LATER };
    most.min(SOON * 2u32.pow(failures.min(16)))
}

fn unreadable(error: Error) -> Ended {
    Ended::Lost(format!("the server sent what cannot be taken in: {error}"))
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({} of {})", self.name, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_asks_less_and_less() {
        assert_eq!(pause(0, true), SOON);
        assert_eq!(pause(1000, false), LATER);
        assert_eq!(pause(1000, true), REFUSED_LATER);
    }
}
