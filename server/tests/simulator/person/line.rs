//! Somebody's line to the server.

use std::pin::Pin;

use axum::extract::ws::Message;
use futures_util::{Sink as _, StreamExt as _};
use ropewalk_crdt::protocol;
use tokio::time::{Instant, sleep_until};

use crate::network::End;
use crate::replica::Replica;
use crate::wire::state;

/// A connection, as its client has it.
pub struct Line {
    pub end: End,
    pub answered: bool,
    pub synced: bool,
    pub heard: Instant,
    pub marks_at: Option<Instant>,
}

impl Line {
    /// Says what a client says first.
    pub fn open(end: End, replica: &Replica) -> Self {
        let clock = end.number;
        let mut line = Self {
            end,
            answered: false,
            synced: false,
            heard: Instant::now(),
            marks_at: None,
        };
        line.send(protocol::step1(&replica.vector()));
        line.send(protocol::awareness(&state(replica.client(), clock, "{}")));
        line
    }

    pub fn send(&mut self, frame: Vec<u8>) {
        self.send_message(Message::Binary(frame.into()));
    }

    /// As a browser does: what cannot leave waits in memory.
    pub fn send_message(&mut self, message: Message) {
        let _ = Pin::new(&mut self.end).start_send(message);
    }
}

/// The next message of a line; none without one.
pub async fn heard(line: &mut Option<Line>) -> Option<Result<Message, axum::Error>> {
    match line {
        Some(line) => line.end.next().await,
        None => std::future::pending().await,
    }
}

/// Waits for a point in time; forever without one.
pub async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
