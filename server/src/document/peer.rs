//! One connection as its document sees it: a queue of frames towards it, and what to do when it lags.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use ropewalk_crdt::{ClientId, Version, VersionVector};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Wire;
use crate::access::{Access, Holder, PersonId, Who};
use crate::session::Close;
use crate::storage::Author;

/// Names a connection for as long as the process runs.
pub type PeerId = u64;

/// What the document and the session of a peer both see.
#[derive(Debug)]
pub struct Link {
    queued_frames: AtomicUsize,
    queued_bytes: AtomicUsize,
    lagging: AtomicBool,
    close: watch::Sender<Option<Close>>,
    probe: watch::Sender<u64>,
}

/// The document's end of a peer's queue.
#[derive(Debug)]
pub struct Outbox {
    link: Arc<Link>,
    frames: mpsc::UnboundedSender<Bytes>,
    max_frames: usize,
    max_bytes: usize,
}

/// The session's end of it.
#[derive(Debug)]
pub struct Inbox {
    link: Arc<Link>,
    frames: mpsc::UnboundedReceiver<Bytes>,
}

/// What the document tells the session beside frames.
#[derive(Debug)]
pub struct Signals {
    /// Set when the connection has to end.
    pub close: watch::Receiver<Option<Close>>,
    /// Moves when the document wants to know whether the peer still answers.
    pub probe: watch::Receiver<u64>,
}

impl Signals {
    /// How to close a connection that its document has let go of.
    pub fn end(&self) -> Close {
        self.close.borrow().unwrap_or(Close::RESTART)
    }
}

/// A queue that counts as full at `max_frames` or `max_bytes`. It is bounded by who fills it: the document stops
/// pushing to a peer whose queue is full.
pub fn queue(max_frames: usize, max_bytes: usize) -> (Outbox, Inbox, Signals) {
    let (frames_in, frames_out) = mpsc::unbounded_channel();
    let (close_in, close_out) = watch::channel(None);
    let (probe_in, probe_out) = watch::channel(0);
    let link = Arc::new(Link {
        queued_frames: AtomicUsize::new(0),
        queued_bytes: AtomicUsize::new(0),
        lagging: AtomicBool::new(false),
        close: close_in,
        probe: probe_in,
    });
    let outbox = Outbox {
        link: link.clone(),
        frames: frames_in,
        max_frames,
        max_bytes,
    };
    let inbox = Inbox {
        link,
        frames: frames_out,
    };
    (
        outbox,
        inbox,
        Signals {
            close: close_out,
            probe: probe_out,
        },
    )
}

impl Outbox {
    fn push(&self, frame: Bytes) {
        self.link.queued_frames.fetch_add(1, Relaxed);
        self.link.queued_bytes.fetch_add(frame.len(), Relaxed);
        // A closed queue means that the session has ended; its leave is on the way.
        let _ = self.frames.send(frame);
    }

    fn is_full(&self) -> bool {
        self.link.queued_frames.load(Relaxed) >= self.max_frames
            || self.link.queued_bytes.load(Relaxed) >= self.max_bytes
    }
}

impl Inbox {
    /// The next frame, or who waits for it.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let frame = ready!(self.frames.poll_recv(cx));
        Poll::Ready(frame.map(|frame| self.taken(frame)))
    }

    /// The next frame, if one waits.
    pub fn next_now(&mut self) -> Option<Bytes> {
        let frame = self.frames.try_recv().ok()?;
        Some(self.taken(frame))
    }

    fn taken(&self, frame: Bytes) -> Bytes {
        self.link.queued_frames.fetch_sub(1, Relaxed);
        self.link.queued_bytes.fetch_sub(frame.len(), Relaxed);
        frame
    }

    /// Whether the peer lagged and has now read everything; says so once.
    pub fn caught_up(&self) -> bool {
        self.frames.is_empty() && self.link.lagging.swap(false, Relaxed)
    }
}

/// What a peer that lags has of the document.
#[derive(Clone, Debug)]
pub enum Has {
    /// It said so: these insertions, and nobody knows which deletes.
    Vector(VersionVector),
    /// All that it was sent: this version.
    Version(Arc<Version>),
}

/// Clients in a version that is remembered for whoever lags, however many do.
const FEW: usize = 1024;
/// Versions of more clients that are remembered at most; who lags beyond that gets the whole document.
const MANY: usize = 16;

impl From<VersionVector> for Has {
    /// As it was said, if it is not too much to be remembered for a connection.
    fn from(vector: VersionVector) -> Self {
        match vector.len() {
            ..=FEW => Self::Vector(vector),
            _ => Self::Vector(VersionVector::new()),
        }
    }
}

/// The versions that peers which lag have.
#[derive(Debug, Default)]
pub struct Remembered(Vec<Weak<Version>>);

impl Remembered {
    /// Remembers the version that a peer has been sent. Peers that begin to lag together share the answer.
    pub fn add(&mut self, version: &Version) -> Has {
        self.0.retain(|version| version.strong_count() > 0);
        if version.vector.len() > FEW && self.0.len() >= MANY {
            return Has::Vector(VersionVector::new());
        }
        let version = Arc::new(version.clone());
        self.0.push(Arc::downgrade(&version));
        Has::Version(version)
    }
}

/// A peer of a document.
#[derive(Debug)]
pub struct Peer {
    outbox: Outbox,
    /// How it speaks.
    pub wire: Wire,
    /// Who it is.
    pub who: Arc<Who>,
    /// The person that this is, as long as the rules do not change.
    pub person: Option<PersonId>,
    /// Whom it counts for, as long as they do not.
    pub holder: Option<Holder>,
    /// What it may do, as long as the rules do not change.
    pub access: Access,
    /// It has sent what it may not, which is not in the document: no marker of it is answered as if it were.
    pub is_refused: bool,
    /// It has changed the document.
    pub has_edited: bool,
    /// How many client ids had left when it was told of the last one.
    pub departures: u64,
    /// While it lags: what it has.
    lagging: Option<Has>,
    /// The client id it introduced itself with.
    pub introduced: Option<ClientId>,
    /// Who its edits are by. Nothing when it has said something new about itself since the last one.
    pub author: Option<Arc<Author>>,
    /// It has answered with what the document lacked when it was asked last.
    pub answered: bool,
    /// The answers to its newest markers while it lagged: of several alike, one after the other, the last.
    saved: Vec<Bytes>,
    /// Left out while it lagged: so often it is to be asked what it has.
    pub owes_answers: u32,
    /// Left out while it lagged: to be told what it may do.
    pub is_untold: bool,
    /// Whether it sends markers, and so knows what this server says beside y-protocols.
    pub marks: bool,
    /// While it is not known whether it may be let in with what it has.
    pub doubt: Option<Doubt>,
    /// Whether it has said what it has, by asking for the rest.
    pub has_asked: bool,
    /// Whether it was given the document: from then on it gets what others do, and its questions are answered whatever
    /// they say. On a name without a past everybody is from the start.
    pub is_in: bool,
    /// When it asked it had nothing of the past, nor had it seen what came after.
    pub is_new: bool,
    /// What it told before it asked.
    pub told: Option<Bytes>,
    work: Work,
}

/// A peer has something of what the name stood for before. Until it has said what that is, it gets nothing of the document,
/// and nothing of it is taken in.
#[derive(Debug)]
pub struct Doubt {
    /// What it asked with.
    pub has: Has,
    /// Its newest marker.
    pub marker: Option<Bytes>,
}

/// Steps past concurrent insertions that the updates of one connection may cost within a second, before no more are
/// taken: about 25 ms of the document's task.
const MAX_WORK: u64 = 1 << 20;

/// The steps that updates have cost in the current second.
#[derive(Debug)]
struct Work {
    since: Instant,
    steps: u64,
}

impl Peer {
    /// A peer that has everything up to now.
    pub fn new(outbox: Outbox, wire: Wire, who: Arc<Who>, access: Access) -> Self {
        Self {
            outbox,
            wire,
            who,
            person: None,
            holder: None,
            access,
            is_refused: false,
            has_edited: false,
            departures: 0,
            lagging: None,
            introduced: None,
            author: None,
            answered: false,
            saved: Vec::new(),
            owes_answers: 0,
            is_untold: false,
            marks: false,
            doubt: None,
            has_asked: false,
            is_in: true,
            is_new: false,
            told: None,
            work: Work {
                since: Instant::now(),
                steps: 0,
            },
        }
    }

    /// Whether it understands when it is told what it may do.
    pub fn knows_access(&self) -> bool {
        self.wire.knows_access || self.marks
    }

    /// Whether it gets what others do to the document as they do it.
    pub fn follows(&self) -> bool {
        self.lagging.is_none() && self.is_in
    }

    /// Sends a frame that the peer gets again in another form if it lags.
    pub fn send(&self, frame: &Bytes) {
        if self.lagging.is_none() {
            self.outbox.push(frame.clone());
        }
    }

    /// Sends the answer to a marker; the newest one survives lagging, and those before it that said something else.
    pub fn send_saved(&mut self, frame: Bytes) {
        if self.lagging.is_none() {
            self.outbox.push(frame);
            return;
        }
        match self.saved.last_mut() {
            Some(last) if last.first() == frame.first() => *last = frame,
            _ => self.saved.push(frame),
        }
    }

    /// Takes note of what an update has cost.
    pub fn charge(&mut self, steps: u64) {
        self.work.steps += steps;
    }

    /// Whether its updates have cost so much lately that the next one has to wait for another connection.
    pub fn is_overworking(&mut self) -> bool {
        if self.work.steps > 0 && self.work.since.elapsed() > Duration::from_secs(1) {
            self.work = Work {
                since: Instant::now(),
                steps: 0,
            };
        }
        self.work.steps > MAX_WORK
    }

    /// Whether frames are held back until the peer has read what waits for it.
    pub fn is_lagging(&self) -> bool {
        self.lagging.is_some()
    }

    /// To be called after frames were sent, with what they lead to: from here on a peer whose queue is full lags.
    pub fn settle(&mut self, has: impl FnOnce() -> Has) {
        if self.lagging.is_none() && self.outbox.is_full() {
            self.lag_from(has());
        }
    }

    /// Remembers what a lagging peer has.
    pub fn lag_from(&mut self, has: Has) {
        if self.lagging.replace(has).is_none() {
            self.outbox.link.lagging.store(true, Relaxed);
            // The session may have emptied its queue just before; this wakes it once more.
            self.outbox.push(Bytes::new());
        }
    }

    /// An update of its own has woken what had waited for it, and it is not told so while it lags: whatever it was taken
    /// to have, it gets the whole document.
    pub fn misses_what_woke(&mut self) {
        if let Some(has) = &mut self.lagging {
            *has = Has::Vector(VersionVector::new());
        }
    }

    /// The peer has read everything: what it has, and the answers to its markers. It gets frames again.
    pub fn catch_up(&mut self) -> Option<(Has, Vec<Bytes>)> {
        let has = self.lagging.take()?;
        Some((has, std::mem::take(&mut self.saved)))
    }

    /// Ends the connection.
    pub fn close(&self, close: Close) {
        self.outbox.link.close.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(close);
            }
            first
        });
    }

    /// Asks the session to find out whether the peer still answers.
    pub fn probe(&self) {
        self.outbox.link.probe.send_modify(|n| *n += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(clients: u64) -> Version {
        let mut version = Version::default();
        (0..clients).for_each(|client| version.vector.advance(client, 1));
        version
    }

    #[test]
    fn large_versions_are_remembered_for_few() {
        let mut remembered = Remembered::default();
        let (small, large) = (version(FEW as u64), version(FEW as u64 + 1));
        let kept: Vec<Has> = (0..100).map(|_| remembered.add(&small)).collect();
        assert!(kept.iter().all(|has| matches!(has, Has::Version(_))));
        let nothing = |has: &Has| matches!(has, Has::Vector(vector) if vector.is_empty());
        assert!(nothing(&remembered.add(&large)));
        drop(kept);
        let mut kept: Vec<Has> = (0..100).map(|_| remembered.add(&large)).collect();
        assert_eq!(kept.iter().filter(|has| nothing(has)).count(), 100 - MANY);
        kept.remove(0);
        assert!(!nothing(&remembered.add(&large)), "one has caught up");
        assert!(nothing(&large.vector.into()));
    }
}
