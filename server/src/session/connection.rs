//! What every wire needs of its socket: writing within a time, signs of life, and a goodbye that arrives.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::socket::Socket;
use super::{Close, Progress};
use crate::App;

/// Between looks at the clock: keep-alive, ping, silence.
pub const TICK: Duration = Duration::from_secs(5);
/// y-websocket clients close after 30 s without a message; pings do not count for them.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A peer that sends nothing, not even a pong, for this long is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// A peer that is asked whether it still answers has so long.
const PROBE: Duration = Duration::from_secs(5);
/// Frames written before the socket is flushed, at most.
const COALESCE_FRAMES: usize = 128;
/// Bytes written before the socket is flushed, about.
const COALESCE_BYTES: usize = 256 * 1024;
/// How long the close handshake may take.
const CLOSING: Duration = Duration::from_secs(3);
/// Sockets close within this time when the server stops, so that not all come back at once.
const JITTER_MS: u32 = 1500;

/// How serving a socket goes on: or how to close it, or nothing if it is gone already.
pub type Flow = ControlFlow<Option<Close>>;

/// A socket and what is known of its peer.
pub struct Connection<S> {
    pub app: Arc<App>,
    pub socket: S,
    progress: Arc<Progress>,
    heard: Instant,
    spoke: Instant,
    pinged: Instant,
    probe: Option<Instant>,
}

impl<S: Socket> Connection<S> {
    pub fn new(app: Arc<App>, socket: S, progress: Arc<Progress>) -> Self {
        let now = Instant::now();
        Self {
            app,
            socket,
            progress,
            heard: now,
            spoke: now,
            pinged: now,
            probe: None,
        }
    }

    /// The connection below the socket.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// The peer has sent something.
    pub fn hears(&mut self) {
        self.heard = Instant::now();
        self.probe = None;
    }

    /// Writes a frame and those that have piled up behind it.
    pub async fn write(
        &mut self,
        first: Message,
        mut more: impl FnMut() -> Option<Message>,
    ) -> Flow {
        let (mut frames, mut bytes) = (0, 0);
        let mut next = Some(first);
        while let Some(frame) = next {
            frames += 1;
            bytes += match &frame {
                Message::Binary(frame) => frame.len(),
                Message::Text(frame) => frame.as_str().len(),
                _ => 0,
            };
            let sending = self.socket.feed(frame);
            progressing(sending, &self.progress, &self.app).await?;
            next = if frames < COALESCE_FRAMES && bytes < COALESCE_BYTES {
                more()
            } else {
                None
            };
        }
        self.app.metrics.frames_out.add(frames as u64);
        self.app.metrics.bytes_out.add(bytes as u64);
        self.flush().await?;
        self.spoke = Instant::now();
        ControlFlow::Continue(())
    }

    pub async fn flush(&mut self) -> Flow {
        progressing(self.socket.flush(), &self.progress, &self.app).await
    }

    async fn ping(&mut self) -> Flow {
        self.pinged = Instant::now();
        let sending = self.socket.send(Message::Ping(Bytes::new()));
        progressing(sending, &self.progress, &self.app).await
    }

    /// Finds out whether the peer still answers.
    pub async fn probe(&mut self) -> Flow {
        self.probe = Some(Instant::now() + PROBE);
        self.ping().await
    }

    /// Looks at the clock. `waits`: what the peer sends is not read for the moment. `keep_alive` is written when
    /// nothing else has been for long.
    pub async fn tick(&mut self, waits: bool, keep_alive: Option<Bytes>) -> Flow {
        let now = Instant::now();
        // A long frame on a slow line is not silence.
        let quiet = self.progress.since_read();
        let silent = now - self.heard > SILENCE && quiet > SILENCE && !waits;
        let unanswered = self.probe.is_some_and(|due| now > due) && quiet > PROBE;
        if silent || unanswered {
            self.app.metrics.peers_stalled.add_one();
            return ControlFlow::Break(Some(Close::STALLED));
        }
        if let Some(frame) = keep_alive
            && now - self.spoke >= KEEP_ALIVE
        {
            self.write(Message::Binary(frame), || None).await?;
        }
        if now - self.heard >= KEEP_ALIVE && now - self.pinged >= KEEP_ALIVE {
            self.ping().await?;
        }
        ControlFlow::Continue(())
    }

    /// How to close a socket that gave an error.
    pub fn broken(&self, error: axum::Error) -> Option<Close> {
        use tokio_tungstenite::tungstenite::Error as WsError;
        let error = error.into_inner();
        match error.downcast_ref::<WsError>() {
            Some(WsError::Capacity(_)) => {
                self.app.metrics.refused_too_large.add_one();
                Some(Close::TOO_LARGE)
            }
            // More than the connection may bring.
            Some(WsError::Io(error)) if error.kind() == io::ErrorKind::QuotaExceeded => {
                self.app.metrics.refused_too_large.add_one();
                Some(Close::TOO_LARGE)
            }
            Some(WsError::Protocol(_) | WsError::Utf8(_)) => {
                self.app.metrics.refused_malformed.add_one();
                Some(Close::PROTOCOL)
            }
            _ => None,
        }
    }

    /// Ends the connection.
    pub async fn end(mut self, end: Option<Close>) {
        match end {
            Some(end) => self.close(end).await,
            // The answer to the peer's own goodbye is still to be written.
            None => drop(timeout(CLOSING, self.socket.flush()).await),
        }
    }

    /// Says goodbye, and waits a little for the answer: a socket that is closed over unread bytes is reset, and then
    /// the peer may never learn why.
    async fn close(&mut self, close: Close) {
        tracing::debug!(
            code = close.code,
            reason = close.reason,
            "connection closes"
        );
        if close == Close::RESTART {
            let jitter = self.app.machine.random() % JITTER_MS;
            sleep(Duration::from_millis(jitter.into())).await;
        }
        let frame = CloseFrame {
            code: close.code,
            reason: close.reason.into(),
        };
        let socket = &mut self.socket;
        let goodbye = async {
            if socket.send(Message::Close(Some(frame))).await.is_err() {
                return;
            }
            while let Some(Ok(_)) = socket.next().await {}
        };
        let started = Instant::now();
        let done = timeout(CLOSING, goodbye).await;
        if done.is_ok() && close == Close::TOO_LARGE {
            sleep(CLOSING.saturating_sub(started.elapsed())).await;
        }
    }
}

/// Waits for a write as long as the socket takes any bytes at all.
async fn progressing(
    sending: impl Future<Output = Result<(), axum::Error>>,
    progress: &Progress,
    app: &App,
) -> Flow {
    tokio::pin!(sending);
    let patience = app.config.write_timeout;
    let started = Instant::now();
    loop {
        match timeout(patience, &mut sending).await {
            Ok(Ok(())) => return ControlFlow::Continue(()),
            Ok(Err(_)) => return ControlFlow::Break(None),
            Err(_) => {
                let stalled = progress.since_wrote().min(started.elapsed());
                if stalled >= patience {
                    app.metrics.peers_stalled.add_one();
                    return ControlFlow::Break(Some(Close::STALLED));
                }
            }
        }
    }
}
