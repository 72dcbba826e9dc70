//! What the server asks of the machine that it runs on, beside storage and sockets.

use std::pin::Pin;

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
}
