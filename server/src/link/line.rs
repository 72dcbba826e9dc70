//! One WebSocket to a server: frames in and out, within bounds, and how it ends.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use bytes::Bytes;
use futures_util::{Sink, Stream as _};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::address::{Address, Stream, Unreachable};
use super::moved::Counted;
use crate::name::DocumentName;

/// The largest frame that is read, in bytes: a server's largest document by default, and as much again.
const MAX_FRAME: usize = 128 << 20;
/// Bytes that are read at once. Each connection holds so many, and there may be a thousand.
const READ_BUFFER: usize = 16 << 10;
/// Bytes that may wait to be written. What does not fit is sent as one update later.
const MAX_QUEUED: usize = 4 << 20;
/// A server says something every 15 s; one of which not a byte comes for so long is gone.
pub(super) const SILENCE: Duration = Duration::from_secs(35);
/// The longest time until a WebSocket is open.
const OPEN: Duration = Duration::from_secs(15);

/// Why a line has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It can be tried again.
    Lost(String),
    /// The server does not want us back: a code from 4400 to 4499, and why.
    Final(u16, String),
}

/// An open socket.
pub(super) struct Line {
    socket: WebSocketStream<Counted<Box<dyn Stream>>>,
    queue: VecDeque<Message>,
    queued: usize,
    /// What had come when the silence began, how long it may be, and when it is over.
    heard: u64,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
}

impl Line {
    /// Opens one, that ends when nothing comes for as long as `patience`.
    pub(super) async fn open(
        address: Address,
        name: DocumentName,
        patience: Duration,
    ) -> Result<Self, Unreachable> {
        let opening = async {
            let stream = Counted::new(address.connect().await?);
            let mut request = address
                .web_socket(&name)
                .into_client_request()
                .map_err(broken)?;
            if let Some(authorization) = address.authorization() {
                request
                    .headers_mut()
                    .insert(AUTHORIZATION, authorization.clone());
            }
            let bounds = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER)
                .max_message_size(Some(MAX_FRAME))
                .max_frame_size(Some(MAX_FRAME));
            let opened =
                tokio_tungstenite::client_async_with_config(request, stream, Some(bounds)).await;
            match opened {
                Ok((socket, _)) => Ok(socket),
                Err(WsError::Http(response)) => Err(Unreachable::Refused(
                    response.status().as_u16(),
                    String::new(),
                )),
                Err(error) => Err(broken(error)),
            }
        };
        let socket = match timeout(OPEN, opening).await {
            Ok(opened) => opened?,
            Err(_) => return Err(Unreachable::Late(OPEN)),
        };
        Ok(Self {
            socket,
            queue: VecDeque::new(),
            queued: 0,
            heard: 0,
            patience,
            silence: Box::pin(sleep_until(Instant::now() + patience)),
        })
    }

    /// The bytes that have come.
    pub(super) fn received(&self) -> u64 {
        self.socket.get_ref().moved.read()
    }

    /// Whether there is room for one more update.
    pub(super) fn has_room(&self) -> bool {
        self.queued < MAX_QUEUED
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Puts a frame behind those that wait.
    pub(super) fn send(&mut self, frame: Vec<u8>) {
        self.queued += frame.len();
        self.queue.push_back(Message::binary(frame));
    }

    /// Writes what waits, and reads a frame.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Ended>> {
        self.poll_write(context)?;
        loop {
            let read = Pin::new(&mut self.socket).poll_next(context);
            let Poll::Ready(read) = read else {
                break;
            };
            match read {
                Some(Ok(Message::Binary(frame))) => return Poll::Ready(Ok(frame)),
                // The pong is queued already.
                Some(Ok(Message::Ping(_))) => self.poll_write(context)?,
                Some(Ok(Message::Close(Some(close)))) => {
                    return Poll::Ready(Err(closed(close.code.into(), close.reason.as_str())));
                }
                Some(Ok(Message::Close(None))) | None => {
                    return Poll::Ready(Err(lost("the server has gone")));
                }
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(lost("the server sent a text frame")));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(failed(&error))),
            }
        }
        // A part of a long frame is no silence.
        let heard = self.received();
        if std::mem::replace(&mut self.heard, heard) != heard {
            self.silence.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Err(lost("the server is silent")))
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Result<(), Ended> {
        let mut socket = Pin::new(&mut self.socket);
        while !self.queue.is_empty() {
            match socket.as_mut().poll_ready(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(failed(&error)),
                Poll::Pending => return Ok(()),
            }
            if let Some(frame) = self.queue.pop_front() {
                self.queued -= frame.len();
                socket
                    .as_mut()
                    .start_send(frame)
                    .map_err(|error| failed(&error))?;
            }
        }
        match socket.poll_flush(context) {
            Poll::Ready(Err(error)) => Err(failed(&error)),
            _ => Ok(()),
        }
    }

    /// Says goodbye, after all that waits.
    pub(super) async fn close(mut self) {
        self.queue.push_back(Message::Close(None));
        let closing = std::future::poll_fn(|context| match self.poll(context) {
            Poll::Ready(Ok(_)) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        });
        let _ = timeout(Duration::from_secs(1), closing).await;
    }
}

fn lost(why: &str) -> Ended {
    Ended::Lost(why.to_owned())
}

fn failed(error: &WsError) -> Ended {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { size, max_size }) => Ended::Lost(
            format!("the server sent a frame of {size} bytes, more than {max_size}"),
        ),
        error => Ended::Lost(error.to_string()),
    }
}

/// What a close frame says.
fn closed(code: u16, reason: &str) -> Ended {
    let reason: String = reason.chars().filter(|c| !c.is_control()).collect();
    match code {
        4400..=4499 => Ended::Final(code, reason),
        _ if reason.is_empty() => Ended::Lost(format!("the server closed the connection ({code})")),
        _ => Ended::Lost(format!("{reason} ({code})")),
    }
}

fn broken(error: WsError) -> Unreachable {
    match error {
        WsError::Io(error) => Unreachable::System(error),
        error => Unreachable::Protocol(error.to_string()),
    }
}
