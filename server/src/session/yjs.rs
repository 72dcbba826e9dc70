//! The y-websocket wire: one document per socket, one message of y-protocols per binary frame.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use ropewalk_crdt::protocol;
use tokio::sync::oneshot;
use tokio::time::{Instant, interval_at, sleep, sleep_until, timeout};

use super::socket::{Socket, Traffic, traffic};
use super::{Close, Progress};
use crate::App;
use crate::document::peer::{Inbox, PeerId, Signals, queue};
use crate::document::{Admission, Command, Frame, Handle};
use crate::name::{BadName, DocumentName};

/// Largest state vector that is read, in bytes: about 100,000 clients.
const MAX_VECTOR_BYTES: usize = 1 << 20;
/// Largest awareness frame, in bytes: every state of a full document.
const MAX_AWARENESS_BYTES: usize = 2 << 20;
/// Between looks at the clock: keep-alive, ping, silence.
const TICK: Duration = Duration::from_secs(5);
/// y-websocket clients close after 30 s without a message; pings do not count for them.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// An awareness frame with no states in it.
const NOBODY: &[u8] = &[1, 1, 0];
/// A peer that sends nothing, not even a pong, for this long is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// A peer that is asked whether it still answers has so long.
const PROBE: Duration = Duration::from_secs(5);
/// A peer may ask for what it lacks this often; answers cost the more the larger the document. Asking sooner makes
/// it wait, and nobody else.
const ASKING: Duration = Duration::from_millis(50);
/// Frames written before the socket is flushed, at most.
const COALESCE_FRAMES: usize = 128;
/// Bytes written before the socket is flushed, about.
const COALESCE_BYTES: usize = 256 * 1024;
/// How long the close handshake may take.
const CLOSING: Duration = Duration::from_secs(3);
/// Sockets close within this time when the server stops, so that not all come back at once.
const JITTER_MS: u32 = 1500;

/// Serves one socket until it ends.
pub async fn run(
    app: Arc<App>,
    mut socket: impl Socket,
    name: Result<DocumentName, BadName>,
    progress: Arc<Progress>,
) {
    let _counted = app.metrics.connections.hold();
    let name = match name {
        Ok(name) => name,
        Err(error) => {
            tracing::info!(%error, "bad document name");
            app.metrics.refused_malformed.add_one();
            return close(&app, &mut socket, Close::BAD_NAME).await;
        }
    };
    let handle = app.hub.open(&app, &name);
    let peer = app.next_peer();
    let (outbox, inbox, mut signals) = queue(app.config.outbox_frames, app.config.outbox_bytes);
    let (reply, joined) = oneshot::channel();
    handle.send(Command::Join {
        peer,
        outbox,
        reply,
    });
    let refused = match joined.await {
        Ok(Ok(())) => None,
        Ok(Err(refused)) => Some(refused.into()),
        Err(_) => Some(Close::RESTART),
    };
    if let Some(refused) = refused {
        return close(&app, &mut socket, refused).await;
    }
    let now = Instant::now();
    let mut session = Session {
        app: app.clone(),
        handle,
        peer,
        inbox,
        progress,
        admission: None,
        outward: false,
        asked: now,
        heard: now,
        spoke: now,
        pinged: now,
        probe: None,
    };
    let end = session.serve(&mut socket, &mut signals).await;
    session.handle.send(Command::Leave(peer));
    drop(session);
    match end {
        Some(end) => close(&app, &mut socket, end).await,
        // The answer to the peer's own goodbye is still to be written.
        None => drop(timeout(CLOSING, socket.flush()).await),
    }
}

struct Session {
    app: Arc<App>,
    handle: Arc<Handle>,
    peer: PeerId,
    inbox: Inbox,
    progress: Arc<Progress>,
    /// A frame that waits for room in the mailbox; until it has it, the socket is not read.
    admission: Option<(Frame, Admission)>,
    /// Whether frames to the peer come before messages from it, this time.
    outward: bool,
    /// When the peer may ask again for what it lacks.
    asked: Instant,
    heard: Instant,
    spoke: Instant,
    pinged: Instant,
    probe: Option<Instant>,
}

impl Session {
    /// Answers how to close the socket, or nothing if it is gone already.
    async fn serve(&mut self, socket: &mut impl Socket, signals: &mut Signals) -> Option<Close> {
        let mut tick = interval_at(Instant::now() + TICK, TICK);
        let stopping = self.app.stopping.clone();
        loop {
            let reads = self.admission.is_none();
            self.outward = !self.outward;
            let flow = tokio::select! {
                biased;
                _ = signals.close.changed() => ControlFlow::Break(Some(signals.end())),
                () = stopping.cancelled() => {
                    ControlFlow::Break(Some(Close::RESTART))
                }
                _ = signals.probe.changed() => {
                    self.probe = Some(Instant::now() + PROBE);
                    self.ping(socket).await
                }
                _ = tick.tick() => self.tick(socket).await,
                room = admitted(&mut self.admission) => {
                    if let (Some((frame, _)), Some(room)) = (self.admission.take(), room) {
                        self.handle.send(Command::Frame { peer: self.peer, frame, room });
                    }
                    ControlFlow::Continue(())
                }
                traffic = traffic(&mut self.inbox, socket, reads, self.outward) => match traffic {
                    Traffic::Out(Some(frame)) => self.write(socket, frame).await,
                    Traffic::Out(None) => ControlFlow::Break(Some(signals.end())),
                    Traffic::In(Some(Ok(message))) => self.receive(socket, message).await,
                    Traffic::In(Some(Err(error))) => ControlFlow::Break(self.broken(error)),
                    Traffic::In(None) => ControlFlow::Break(None),
                },
            };
            if let ControlFlow::Break(end) = flow {
                return end;
            }
        }
    }

    async fn receive(
        &mut self,
        socket: &mut impl Socket,
        message: Message,
    ) -> ControlFlow<Option<Close>> {
        self.heard = Instant::now();
        self.probe = None;
        match message {
            Message::Binary(frame) => self.frame(&frame).await,
            Message::Text(_) => {
                self.app.metrics.refused_malformed.add_one();
                ControlFlow::Break(Some(Close::MALFORMED))
            }
            // tungstenite has queued the pong; a flush sends it.
            Message::Ping(_) => self.flush(socket).await,
            Message::Pong(_) => ControlFlow::Continue(()),
            Message::Close(_) => ControlFlow::Break(None),
        }
    }

    async fn frame(&mut self, bytes: &Bytes) -> ControlFlow<Option<Close>> {
        let metrics = &self.app.metrics;
        metrics.frames_in.add_one();
        metrics.bytes_in.add(bytes.len() as u64);
        let too_large = || {
            metrics.refused_too_large.add_one();
            ControlFlow::Break(Some(Close::TOO_LARGE))
        };
        let limit = match bytes[..] {
            [0, 0, ..] => MAX_VECTOR_BYTES,
            [1, ..] => MAX_AWARENESS_BYTES,
            _ => usize::MAX,
        };
        if bytes.len() > limit {
            return too_large();
        }
        let message = match protocol::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                tracing::info!(code = error.code(), %error, "frame refused");
                if matches!(error, ropewalk_crdt::Error::TooLarge { .. }) {
                    return too_large();
                }
                metrics.refused_malformed.add_one();
                return ControlFlow::Break(Some(Close::MALFORMED));
            }
        };
        let frame = match message {
            protocol::Message::Step1(vector) => {
                sleep_until(self.asked).await;
                self.asked = Instant::now() + ASKING;
                Frame::Step1(vector)
            }
            protocol::Message::Step2(update) => Frame::Step2(bytes.slice_ref(update)),
            protocol::Message::Update(update) => {
                if update.len() > self.app.config.max_update_bytes {
                    return too_large();
                }
                Frame::Update(bytes.slice_ref(update))
            }
            protocol::Message::Awareness(body) => Frame::Awareness(bytes.slice_ref(body)),
            protocol::Message::QueryAwareness => Frame::QueryAwareness,
            protocol::Message::Saved(payload) => Frame::Saved(bytes.slice_ref(payload)),
            protocol::Message::Ignored => return ControlFlow::Continue(()),
        };
        match self.handle.admit(bytes.len()) {
            Ok(room) => {
                self.handle.send(Command::Frame {
                    peer: self.peer,
                    frame,
                    room,
                });
            }
            Err(admission) => self.admission = Some((frame, admission)),
        }
        ControlFlow::Continue(())
    }

    /// Writes a frame and those that have piled up behind it.
    async fn write(
        &mut self,
        socket: &mut impl Socket,
        first: Bytes,
    ) -> ControlFlow<Option<Close>> {
        let (mut frames, mut bytes) = (0, 0);
        let mut next = Some(first);
        while let Some(frame) = next {
            if !frame.is_empty() {
                frames += 1;
                bytes += frame.len();
                let sending = socket.feed(Message::Binary(frame));
                progressing(
                    sending,
                    &self.progress,
                    self.app.config.write_timeout,
                    &self.app,
                )
                .await?;
            }
            let more = frames < COALESCE_FRAMES && bytes < COALESCE_BYTES;
            next = if more { self.inbox.next_now() } else { None };
        }
        self.app.metrics.frames_out.add(frames as u64);
        self.app.metrics.bytes_out.add(bytes as u64);
        self.flush(socket).await?;
        self.spoke = Instant::now();
        if self.inbox.caught_up() {
            self.handle.send(Command::CaughtUp(self.peer));
        }
        ControlFlow::Continue(())
    }

    async fn flush(&mut self, socket: &mut impl Socket) -> ControlFlow<Option<Close>> {
        progressing(
            socket.flush(),
            &self.progress,
            self.app.config.write_timeout,
            &self.app,
        )
        .await
    }

    async fn ping(&mut self, socket: &mut impl Socket) -> ControlFlow<Option<Close>> {
        self.pinged = Instant::now();
        let sending = socket.send(Message::Ping(Bytes::new()));
        progressing(
            sending,
            &self.progress,
            self.app.config.write_timeout,
            &self.app,
        )
        .await
    }

    async fn tick(&mut self, socket: &mut impl Socket) -> ControlFlow<Option<Close>> {
        let now = Instant::now();
        // A long frame on a slow line is not silence.
        let quiet = self.progress.since_read();
        let silent = now - self.heard > SILENCE && quiet > SILENCE && self.admission.is_none();
        let unanswered = self.probe.is_some_and(|due| now > due) && quiet > PROBE;
        if silent || unanswered {
            self.app.metrics.peers_stalled.add_one();
            return ControlFlow::Break(Some(Close::STALLED));
        }
        if now - self.spoke >= KEEP_ALIVE {
            self.write(socket, Bytes::from_static(NOBODY)).await?;
        }
        if now - self.heard >= KEEP_ALIVE && now - self.pinged >= KEEP_ALIVE {
            self.ping(socket).await?;
        }
        ControlFlow::Continue(())
    }

    fn broken(&self, error: axum::Error) -> Option<Close> {
        use tokio_tungstenite::tungstenite::Error as WsError;
        let error = error.into_inner();
        match error.downcast_ref::<WsError>() {
            Some(WsError::Capacity(_)) => {
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
}

/// Waits for room in the mailbox; forever if nothing wants any.
async fn admitted(
    admission: &mut Option<(Frame, Admission)>,
) -> Option<tokio::sync::OwnedSemaphorePermit> {
    match admission {
        Some((_, room)) => room.await,
        None => std::future::pending().await,
    }
}

/// Waits for a write as long as the socket takes any bytes at all.
async fn progressing(
    sending: impl Future<Output = Result<(), axum::Error>>,
    progress: &Progress,
    patience: Duration,
    app: &App,
) -> ControlFlow<Option<Close>> {
    tokio::pin!(sending);
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

/// Says goodbye, and waits a little for the answer: a socket that is closed over unread bytes is reset, and then
/// the peer may never learn why.
async fn close(app: &App, socket: &mut impl Socket, close: Close) {
    tracing::debug!(
        code = close.code,
        reason = close.reason,
        "connection closes"
    );
    if close == Close::RESTART {
        let jitter = app.machine.random() % JITTER_MS;
        sleep(Duration::from_millis(jitter.into())).await;
    }
    let frame = CloseFrame {
        code: close.code,
        reason: close.reason.into(),
    };
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
