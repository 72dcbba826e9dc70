//! A document's task: the only one that touches its `ropewalk_crdt::Document`. It has a mailbox, and peers.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ropewalk_crdt::{ClientId, Revision, Unit, VersionVector};
use ropey::Rope;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot, watch};

use crate::App;
use crate::access::{Access, Denied, PersonId, Who};
use crate::name::DocumentName;
use crate::storage::DocumentId;

pub mod cursor;
pub mod edit;
pub mod peer;
mod task;

use cursor::{Pointing, Selection};
use edit::{Changes, Edited, OnlyAt, Request};
use peer::{Outbox, PeerId};
pub(crate) use task::replay;

/// Room in a mailbox, in units of [`ROOM_UNIT`] bytes; every command takes at least one.
const ROOM: u32 = 4096;
/// Bytes that one unit of room stands for.
const ROOM_UNIT: usize = 4096;

/// What a session or an API request asks of a document.
#[derive(Debug)]
pub enum Command {
    /// A connection attaches.
    Join {
        /// Which.
        peer: PeerId,
        /// Its queue.
        outbox: Outbox,
        /// What its wire is like.
        wire: Wire,
        /// Who it is.
        who: Arc<Who>,
        /// Answered once the document is loaded, with what it may do.
        reply: oneshot::Sender<Result<Access, Refused>>,
    },
    /// A connection is gone.
    Leave(PeerId),
    /// A connection that lagged has read everything.
    CaughtUp(PeerId),
    /// A connection has shown anew who it is.
    Renew {
        /// Which.
        peer: PeerId,
        /// Who it is.
        who: Arc<Who>,
    },
    /// What a peer sent; it holds room in the mailbox until it is handled.
    Frame {
        /// From whom.
        peer: PeerId,
        /// What it says.
        frame: Frame,
        /// Given back when dropped.
        room: OwnedSemaphorePermit,
    },
    /// The text of a root, once everything in it is durable.
    Text {
        /// Name of the root text.
        root: String,
        /// The answer.
        reply: Reply<Text>,
    },
    /// The whole state, once everything in it is durable.
    State(Reply<State>),
    /// Begin the document with a text.
    Create {
        /// The initial text.
        text: String,
        /// Answered once it is durable.
        reply: Reply<Created>,
    },
    /// Take in an update of somebody who stays no longer than that.
    Apply {
        /// As Yjs writes it.
        update: Bytes,
        /// Answered once it is durable.
        reply: Reply<Version>,
    },
    /// Edit a text by position.
    Edit {
        /// How.
        request: Request,
        /// Answered once it is durable.
        reply: Reply<Edited>,
    },
    /// How a text has changed, as far as it is durable.
    Changes {
        /// Since when; nothing is known without.
        since: Option<Version>,
        /// Name of the root text.
        root: String,
        /// What offsets count.
        unit: Unit,
        /// Who asks, if it names its edits.
        client: Option<String>,
        /// Where others are, to be told as offsets of the version that is answered.
        cursors: Vec<(ClientId, Selection)>,
        /// Answered once it is durable.
        reply: Reply<Changes>,
    },
    /// Delete the document: into the trash, if there is one.
    Delete {
        /// A condition.
        only_at: Option<OnlyAt>,
        /// Which it was.
        reply: Reply<DocumentId>,
    },
    /// Take a document back from the trash, under this document's name.
    TakeBack {
        /// Which.
        id: DocumentId,
        /// Answered once it is there.
        reply: Reply<()>,
    },
    /// Make it somebody else's.
    HandOver {
        /// Whose.
        to: PersonId,
        /// Answered once it is durable, with whose it was.
        reply: Reply<Option<PersonId>>,
    },
    /// The server stops: save everything and end.
    Stop,
}

/// Where an answer goes. It holds room in the mailbox until it is given: whoever asks and hangs up takes no more
/// memory than the mailbox may.
#[derive(Debug)]
pub struct Reply<T> {
    sender: oneshot::Sender<Result<T, Refused>>,
    /// Who asks.
    pub who: Arc<Who>,
    _room: OwnedSemaphorePermit,
}

impl<T> Reply<T> {
    /// Answers; whoever asked may be gone.
    pub fn send(self, answer: Result<T, Refused>) {
        let _ = self.sender.send(answer);
    }
}

/// A peer's message, cut out of its frame without copying.
#[derive(Debug)]
pub enum Frame {
    /// "This is what I have; send me the rest."
    Step1(VersionVector),
    /// An edit.
    Update(Bytes),
    /// What the peer has that the document lacks.
    Step2(Bytes),
    /// Awareness states.
    Awareness(Bytes),
    /// The awareness state of a peer that points by offsets.
    Pointing(Box<Pointing>),
    /// "Send me all awareness states."
    QueryAwareness,
    /// "Send this back when all I sent before is durable."
    Saved(Bytes),
    /// "Ask me what I have."
    Ask,
    /// A message for everybody else whose wire has such.
    Stateless(Bytes),
}

/// What a document has to know of the wire that a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// What it is called.
    pub name: &'static str,
    /// A peer is asked what it has as soon as it joins, and not when it says so.
    pub greets: bool,
    /// It gets its own updates back when they are durable.
    pub echoes: bool,
    /// It knows stateless messages.
    pub stateless: bool,
    /// It gets what others do as updates of Yjs. One that does not asks for changes when there is news.
    pub updates: bool,
    /// It is told when it may do less than before, or more, and of each marker whether what came before was taken in. Those that do not know
    /// that are told in words.
    pub knows_access: bool,
}

impl Wire {
    /// One that has updates of Yjs, and nothing else.
    pub const fn plain(name: &'static str) -> Self {
        Self {
            name,
            greets: false,
            echoes: false,
            stateless: false,
            updates: true,
            knows_access: false,
        }
    }
}

/// The text of a document at a version.
#[derive(Debug)]
pub struct Text {
    /// The text.
    pub rope: Rope,
    /// Names the version.
    pub version: Version,
}

/// The whole state of a document at a version.
#[derive(Debug)]
pub struct State {
    /// As an update.
    pub update: Arc<[u8]>,
    /// Names the version.
    pub version: Version,
}

/// What creating a document led to.
#[derive(Debug)]
pub struct Created {
    /// Names the version.
    pub version: Version,
    /// Length of the text in UTF-16 units.
    pub length: u64,
}

/// A durable version: the document's identity, its place in the journal, and which state of it that is. Unlike a state
/// vector it moves with deletes, and it is the same after a restart. Written as `7-120-345.6`, or `7.1-120-345.6` when the
/// database has been restored, or some of the document was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Which document.
    pub id: DocumentId,
    /// Grows when the database is restored, or something is lost: places and identities that were given since are given again.
    pub restores: u64,
    /// How many updates it has seen.
    pub sequence: u64,
    /// What they led to.
    pub revision: Revision,
}

impl Version {
    /// Of a document that never had content.
    pub const NOTHING: Self = Self {
        id: DocumentId(0),
        restores: 0,
        sequence: 0,
        revision: Revision {
            inserted: 0,
            deleted: 0,
        },
    };

    /// Whether both name the same state of the same document.
    pub fn is_state_of(&self, other: &Self) -> bool {
        let state = |version: &Self| (version.id, version.restores, version.revision);
        state(self) == state(other)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Revision { inserted, deleted } = self.revision;
        write!(f, "{}", self.id.0)?;
        if self.restores > 0 {
            write!(f, ".{}", self.restores)?;
        }
        write!(f, "-{}-{inserted}.{deleted}", self.sequence)
    }
}

/// This is no version.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("this did not come from here as a version")]
pub struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let parse = || {
            let mut parts = text.split('-');
            let (id, sequence, revision) = (parts.next()?, parts.next()?, parts.next()?);
            let (id, restores) = id.split_once('.').unwrap_or((id, "0"));
            let (inserted, deleted) = revision.split_once('.')?;
            let version = Self {
                id: DocumentId(id.parse().ok()?),
                restores: restores.parse().ok()?,
                sequence: sequence.parse().ok()?,
                revision: Revision {
                    inserted: inserted.parse().ok()?,
                    deleted: deleted.parse().ok()?,
                },
            };
            // Numbers can be written in several ways, versions in one.
            (parts.next().is_none() && version.to_string() == text).then_some(version)
        };
        parse().ok_or(NoVersion)
    }
}

/// Why a document does not do what it was asked.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// Whoever asks may not do this.
    #[error("{0}")]
    Denied(Denied),
    /// It never had content.
    #[error("there is no such document")]
    NotFound,
    /// It was deleted.
    #[error("this document was deleted")]
    Deleted,
    /// It cannot be created twice.
    #[error("this document exists already")]
    Exists,
    /// It has as many connections as it may have.
    #[error("this document has as many connections as it may have")]
    Full,
    /// The text, or the document with it, is too large.
    #[error("this is too large")]
    TooLarge,
    /// This is no update, or it cannot be true.
    #[error("this is not an update")]
    Malformed,
    /// The update writes in the name of somebody who is connected.
    #[error("this update writes under a client id that is in use")]
    Foreign,
    /// The update, or the version, is of what the name stood for before.
    #[error("this is of what this name stood for before")]
    Replaced,
    /// The edit is of a version that is not known any more.
    #[error("this version is too long ago")]
    Stale,
    /// The document is not at the version that was asked for.
    #[error("the document has moved on")]
    Moved,
    /// The request has the name of another one.
    #[error("this key was used for another request, and nothing is changed")]
    KeyUsed,
    /// An offset lies behind the end of the text.
    #[error("offset {offset} lies behind the end of the text, {length}")]
    OutOfRange {
        /// The offset.
        offset: u64,
        /// Length of the text that it is an offset of.
        length: u64,
    },
    /// An offset lies inside a character.
    #[error("offset {offset} lies inside a character")]
    NotBoundary {
        /// The offset.
        offset: u64,
    },
    /// The edits are not sorted, or overlap.
    #[error("edit {index} overlaps the one before it or runs backwards")]
    Unsorted {
        /// Which, from 0.
        index: usize,
    },
    /// The root holds values.
    #[error("this root is not a text")]
    NotText,
    /// There are not as many occurrences as were expected.
    #[error("the text to replace was found {found} times")]
    Count {
        /// How many there are.
        found: usize,
    },
    /// The text is to be looked through first, where that keeps nobody waiting.
    #[error("the text has changed again and again where it is to be replaced")]
    Unsearched,
    /// Storage does not answer. The document may well exist.
    #[error("storage does not answer")]
    Storage,
    /// The disk is full. Nothing has happened.
    #[error("the disk is full")]
    NoRoom,
    /// The server stops; ask again.
    #[error("try again")]
    Again,
}

/// The way to a document's task.
#[derive(Debug)]
pub struct Handle {
    mailbox: mpsc::UnboundedSender<Command>,
    room: Arc<Semaphore>,
    people: AtomicUsize,
    waiting: AtomicUsize,
    news: watch::Sender<()>,
    /// Why the task has ended, if that is worth telling.
    why: OnceLock<Refused>,
}

/// Waits for room in a mailbox.
pub type Admission = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

impl Handle {
    /// Sends a command. The mailbox is bounded by the room that frames hold and by the number of connections.
    pub fn send(&self, command: Command) -> bool {
        self.waiting.fetch_add(1, Relaxed);
        self.mailbox.send(command).is_ok()
    }

    /// Sends a command of so many bytes, of somebody who waits for the answer.
    pub async fn ask<T>(
        &self,
        who: &Arc<Who>,
        bytes: usize,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Refused> {
        let room = match self.admit(bytes) {
            Ok(room) => room,
            Err(admission) => admission.await.ok_or_else(|| self.gone())?,
        };
        let (sender, answer) = oneshot::channel();
        let reply = Reply {
            sender,
            who: who.clone(),
            _room: room,
        };
        if !self.send(command(reply)) {
            return Err(self.gone());
        }
        answer.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// What whoever came too late is told.
    fn gone(&self) -> Refused {
        self.why.get().copied().unwrap_or(Refused::Again)
    }

    /// Room for a frame of so many bytes: at once, or something to wait for.
    pub fn admit(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Admission> {
        let units = u32::try_from(bytes / ROOM_UNIT)
            .unwrap_or(ROOM)
            .saturating_add(1)
            .min(ROOM);
        match self.room.clone().try_acquire_many_owned(units) {
            Ok(room) => Ok(room),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                let room = self.room.clone();
                Err(Box::pin(async move {
                    room.acquire_many_owned(units).await.ok()
                }))
            }
        }
    }

    /// Moves when more is durable, and when the document is deleted or its task ends: then it is time to ask for changes.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Connections now.
    pub fn people(&self) -> usize {
        self.people.load(Relaxed)
    }

    /// Whether no command waits.
    pub fn is_quiet(&self) -> bool {
        self.waiting.load(Relaxed) == 0
    }
}

/// Starts the task of a document that is not in memory.
pub fn spawn(app: Arc<App>, name: DocumentName) -> Arc<Handle> {
    let (mailbox, commands) = mpsc::unbounded_channel();
    let handle = Arc::new(Handle {
        mailbox,
        room: Arc::new(Semaphore::new(ROOM as usize)),
        people: AtomicUsize::new(0),
        waiting: AtomicUsize::new(0),
        news: watch::Sender::new(()),
        why: OnceLock::new(),
    });
    let span = tracing::info_span!("document", %name);
    let task = task::run(app.clone(), name, handle.clone(), commands);
    app.tasks.spawn(tracing::Instrument::instrument(task, span));
    handle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_written_in_one_way() {
        for text in ["7-0-0.0", "7.1-120-345.6"] {
            assert_eq!(
                text.parse::<Version>().map(|v| v.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "7",
            "7-1",
            "7-1-2",
            "7.0-1-2.3",
            "07-1-2.3",
            "7-1-2.3-4",
            "7-+1-2.3",
            "7--1-2.3",
            "x-1-2.3",
            "7-1-2.99999999999999999999",
        ] {
            assert_eq!(text.parse::<Version>(), Err(NoVersion), "{text}");
        }
    }
}
