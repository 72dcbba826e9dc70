//! What a session needs of its socket.

use std::future::poll_fn;
use std::task::Poll;

use axum::extract::ws::Message;
use bytes::Bytes;
use futures_util::{Sink, Stream, StreamExt as _};

use crate::document::peer::Inbox;

/// A connection of messages, such as an upgraded request is.
pub trait Socket:
    Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin + Send
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Message, axum::Error>>
        + Sink<Message, Error = axum::Error>
        + Unpin
        + Send
{
}

/// What a socket has to do next.
pub enum Traffic {
    /// Take a frame.
    Out(Option<Bytes>),
    /// Give a message.
    In(Option<Result<Message, axum::Error>>),
}

/// Waits for a frame to the peer or a message from it. Who asks lets them take turns in being first (`outward`), so
/// that neither direction holds up the other.
pub async fn traffic(
    inbox: &mut Inbox,
    socket: &mut impl Socket,
    reads: bool,
    outward: bool,
) -> Traffic {
    poll_fn(|cx| {
        for out in [outward, !outward] {
            if out {
                if let Poll::Ready(frame) = inbox.poll_next(cx) {
                    return Poll::Ready(Traffic::Out(frame));
                }
            } else if reads && let Poll::Ready(message) = socket.poll_next_unpin(cx) {
                return Poll::Ready(Traffic::In(message));
            }
        }
        Poll::Pending
    })
    .await
}
