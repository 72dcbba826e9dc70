//! What the server asks of the machine that it runs on, beside storage and sockets.

use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngExt as _;
use ropewalk_crdt::ClientId;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// Work that blocks: it waits for a disk, or computes for long.
pub type Work = Box<dyn FnOnce() + Send>;
/// Resolves when it is done.
pub type Working = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A machine.
pub trait Machine: Send + Sync + 'static {
    /// Does work where it keeps nobody waiting but whoever asked.
    fn work(&self, work: Work) -> Working;
    /// A random number.
    fn random(&self) -> u32;
    /// The date: milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// A client id for the server's own edits: random, as Yjs clients choose theirs.
    fn client_id(&self) -> ClientId {
        ClientId::from(self.random())
    }
}

impl dyn Machine {
    /// Does work that has a result; `None` if it panicked.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, mut result) = oneshot::channel();
        // Whoever asked may be gone.
        let work = move || drop(done.send(work()));
        self.work(Box::new(work)).await;
        result.try_recv().ok()
    }
}

/// The machine that this process runs on.
#[derive(Clone, Copy, Debug)]
pub struct Host;

impl Machine for Host {
    fn work(&self, work: Work) -> Working {
        let working = spawn_blocking(work);
        Box::pin(async move { drop(working.await) })
    }

    fn random(&self) -> u32 {
        rand::rng().random()
    }

    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }
}
