//! A connection that counts what goes over it: a slow line is not a silent one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};

/// The bytes that a connection has brought and taken.
#[derive(Debug, Default)]
pub(super) struct Moved {
    read: AtomicU64,
    written: AtomicU64,
}

impl Moved {
    /// Those that it has brought.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// All of them.
    pub(super) fn all(&self) -> u64 {
        self.read() + self.written.load(Relaxed)
    }
}

/// See the module.
pub(super) struct Counted<S> {
    stream: S,
    pub(super) moved: Arc<Moved>,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            moved: Arc::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        self.moved.read.fetch_add(read as u64, Relaxed);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = result {
            self.moved.written.fetch_add(written as u64, Relaxed);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Waits for something as long as it goes on: until `count` has not changed for so long.
pub(super) async fn while_moving<T>(
    patience: Duration,
    work: impl Future<Output = T>,
    count: impl Fn() -> u64,
) -> Option<T> {
    tokio::pin!(work);
    let (mut last, mut since) = (count(), Instant::now());
    loop {
        match timeout(patience / 8, &mut work).await {
            Ok(done) => return Some(done),
            Err(_) if count() != last => (last, since) = (count(), Instant::now()),
            Err(_) if since.elapsed() >= patience => return None,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Reads what comes in pieces with pauses, and nothing any more after the last.
    async fn read(pieces: usize, pause: Duration, wanted: usize) -> Option<Vec<u8>> {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Counted::new(near);
        let moved = near.moved.clone();
        let sending = tokio::spawn(async move {
            for _ in 0..pieces {
                sleep(pause).await;
                far.write_all(b"piece").await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        let reading = async move {
            let mut bytes = vec![0; wanted];
            near.read_exact(&mut bytes).await.unwrap();
            bytes
        };
        let read = while_moving(PATIENCE, reading, || moved.all()).await;
        sending.abort();
        read
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_slowly_is_waited_for_and_what_does_not_come_is_not() {
        let slow = PATIENCE.mul_f64(0.7);
        assert_eq!(read(9, slow, 45).await, Some(b"piece".repeat(9)));
        assert_eq!(read(9, slow, 46).await, None);
        assert_eq!(read(1, PATIENCE * 2, 5).await, None);
    }
}
