//! One connection. Each wire that clients speak has its own file; all of them work on the same document handle.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::access::Denied;
use crate::document::Refused;

mod attachment;
mod connection;
pub mod hocuspocus;
mod socket;
pub mod text;
pub mod yjs;
mod ysweet;

pub use socket::Socket;

/// A WebSocket close code and its reason. 4400 to 4499 tell a y-websocket client not to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The close code.
    pub code: u16,
    /// Plain words for a person who reads a log.
    pub reason: &'static str,
}

impl Close {
    /// The peer sent what is not a frame, or not an update.
    pub const MALFORMED: Self = Self {
        code: 4400,
        reason: "malformed frame",
    };
    /// The part of the URL that names the document is not a name.
    pub const BAD_NAME: Self = Self {
        code: 4400,
        reason: "bad document name",
    };
    /// The update has content that this server does not hold.
    pub const UNSUPPORTED: Self = Self {
        code: 4400,
        reason: "content of this kind is not supported",
    };
    /// Nobody knows who the peer is, or that does not count any more.
    pub const NOT_KNOWN: Self = Self {
        code: 4401,
        reason: "sign in first",
    };
    /// The document is not shared with the peer, or not any more.
    pub const NOT_ALLOWED: Self = Self {
        code: 4403,
        reason: "this document is not shared with you",
    };
    /// The document was deleted.
    pub const DELETED: Self = Self {
        code: 4404,
        reason: "document deleted",
    };
    /// The peer has what the name stood for before: the document was deleted and begun again, or an older state of it was
    /// restored. Everything of it had reached the server.
    pub const REPLACED: Self = Self {
        code: 4409,
        reason: "the document was replaced",
    };
    /// The same, and the peer had more.
    pub const SET_ASIDE: Self = Self {
        code: 4409,
        reason: "the document was replaced; what you had not sent is set aside",
    };
    /// The same, and there is no room for what it had.
    pub const NOT_SET_ASIDE: Self = Self {
        code: 4409,
        reason: "the document was replaced; there is no room to set aside what you had not sent",
    };
    /// A frame, an update or the document is larger than it may be.
    pub const TOO_LARGE: Self = Self {
        code: 4413,
        reason: "too large",
    };
    /// The peer broke the WebSocket protocol itself.
    pub const PROTOCOL: Self = Self {
        code: 1002,
        reason: "websocket protocol error",
    };
    /// Storage does not answer; nothing was lost, come back.
    pub const STORAGE: Self = Self {
        code: 1011,
        reason: "storage failed",
    };
    /// The document is loaded anew, or the server restarts; come back.
    pub const RESTART: Self = Self {
        code: 1012,
        reason: "restarting",
    };
    /// The document has as many connections as it may have.
    pub const FULL: Self = Self {
        code: 1013,
        reason: "too many connections",
    };
    /// The connection has as many documents as it may have.
    pub const TOO_MANY_DOCUMENTS: Self = Self {
        code: 4429,
        reason: "too many documents on one connection",
    };
    /// The peer did not read or did not answer.
    pub const STALLED: Self = Self {
        code: 1013,
        reason: "not reading",
    };
    /// The update writes under a client id that another open connection introduced. If that connection is what is
    /// left of this one's past, it is found out soon: come back.
    pub const FOREIGN: Self = Self {
        code: 1013,
        reason: "this client id is in use",
    };
    /// More waits for what never came than the document holds; come back and sync.
    pub const HELD_FULL: Self = Self {
        code: 1013,
        reason: "too much waits for missing updates",
    };
    /// Its updates take too long to be merged; come back and sync.
    pub const TOO_MUCH_WORK: Self = Self {
        code: 1013,
        reason: "too many concurrent insertions at one place",
    };
}

impl Close {
    /// Whether trying again would not mend it.
    pub fn is_final(self) -> bool {
        (4400..4500).contains(&self.code)
    }
}

impl From<Denied> for Close {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotKnown => Self::NOT_KNOWN,
            Denied::NotAllowed | Denied::ReadOnly | Denied::NotOwner => Self::NOT_ALLOWED,
        }
    }
}

impl From<Refused> for Close {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Deleted | Refused::NotFound => Self::DELETED,
            Refused::Denied(denied) => denied.into(),
            Refused::Full => Self::FULL,
            Refused::TooLarge => Self::TOO_LARGE,
            Refused::Malformed
            | Refused::Stale
            | Refused::Moved
            | Refused::KeyUsed
            | Refused::OutOfRange { .. }
            | Refused::NotBoundary { .. }
            | Refused::Unsorted { .. }
            | Refused::NotText
            | Refused::Count { .. } => Self::MALFORMED,
            Refused::Foreign => Self::FOREIGN,
            Refused::Replaced => Self::REPLACED,
            Refused::Storage | Refused::NoRoom => Self::STORAGE,
            Refused::Exists | Refused::Again | Refused::Unsearched => Self::RESTART,
        }
    }
}

/// When a connection's socket last took and gave bytes: a peer on a slow line makes progress, a stalled one does not.
#[derive(Debug)]
pub struct Progress {
    start: Instant,
    wrote_ms: AtomicU64,
    read_ms: AtomicU64,
    blocked: AtomicBool,
    /// How many more bytes the socket may give.
    room: AtomicU64,
    address: OnceLock<IpAddr>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            wrote_ms: AtomicU64::new(0),
            read_ms: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            room: AtomicU64::new(u64::MAX),
            address: OnceLock::new(),
        }
    }
}

impl Progress {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn since(&self, ms: &AtomicU64) -> Duration {
        Duration::from_millis(self.now_ms().saturating_sub(ms.load(Relaxed)))
    }

    /// It becomes a socket of somebody who is at this address.
    pub fn comes_from(&self, address: IpAddr) {
        let _ = self.address.set(address);
    }

    /// Where the other end is, if that is known.
    pub fn address(&self) -> Option<IpAddr> {
        self.address.get().copied()
    }

    /// The socket took bytes just now.
    pub fn wrote(&self) {
        self.wrote_ms.store(self.now_ms(), Relaxed);
        self.blocked.store(false, Relaxed);
    }

    /// The socket takes no bytes at the moment.
    pub fn block(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// Whether bytes wait that the socket has not taken for so long.
    pub fn is_stalled(&self, patience: Duration) -> bool {
        self.blocked.load(Relaxed) && self.since_wrote() > patience
    }

    /// The socket gave so many bytes just now. Answers whether it may.
    pub fn read(&self, bytes: usize) -> bool {
        self.read_ms.store(self.now_ms(), Relaxed);
        let less = |room| match room {
            u64::MAX => Some(room),
            room => room.checked_sub(bytes as u64),
        };
        self.room.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    /// From now on the socket may give so many bytes.
    pub fn reads_at_most(&self, bytes: u64) {
        self.room.store(bytes, Relaxed);
    }

    /// The socket may give what it likes.
    pub fn reads_all(&self) {
        self.reads_at_most(u64::MAX);
    }

    /// How long ago it took any.
    pub fn since_wrote(&self) -> Duration {
        self.since(&self.wrote_ms)
    }

    /// How long ago it gave any.
    pub fn since_read(&self) -> Duration {
        self.since(&self.read_ms)
    }
}
