//! One way of a connection.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use axum::extract::ws::Message;
use tokio::time::Instant;

/// What becomes of a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Fate {
    #[default]
    Open,
    /// What is in it still arrives.
    Over,
    /// From then on neither end can use it.
    Reset(Instant),
    /// Nothing arrives any more, and nobody hears of it.
    Lost,
}

/// What is on its way, and since when it may arrive.
#[derive(Default)]
pub struct Pipe {
    queue: VecDeque<(Instant, Message)>,
    bytes: usize,
    fate: Fate,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

pub fn bytes(message: &Message) -> &[u8] {
    match message {
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes,
        Message::Text(text) => text.as_bytes(),
        Message::Close(_) => &[],
    }
}

impl Pipe {
    /// What the reader gets: a message, an error or the end; or when to look again, which may be never.
    #[allow(clippy::type_complexity)]
    pub fn take(
        &mut self,
        cx: &Context<'_>,
    ) -> Result<Option<Result<Message, ()>>, Option<Instant>> {
        let now = Instant::now();
        if let Fate::Reset(at) = self.fate
            && at <= now
        {
            return Ok(Some(Err(())));
        }
        let head = self.queue.front().filter(|_| self.fate != Fate::Lost);
        let due = head.map(|(at, _)| *at);
        if due.is_some_and(|at| at <= now)
            && let Some((_, message)) = self.queue.pop_front()
        {
            self.bytes -= bytes(&message).len();
            wake(&mut self.writer);
            return Ok(Some(Ok(message)));
        }
        if due.is_none() && self.fate == Fate::Over {
            return Ok(None);
        }
        self.reader = Some(cx.waker().clone());
        let reset = match self.fate {
            Fate::Reset(at) => Some(at),
            _ => None,
        };
        Err(due.into_iter().chain(reset).min())
    }

    /// Whether the writer may write.
    pub fn poll_room(&mut self, window: usize, cx: &Context<'_>) -> Poll<Result<(), ()>> {
        match self.fate {
            Fate::Over => return Poll::Ready(Err(())),
            Fate::Reset(at) if at <= Instant::now() => return Poll::Ready(Err(())),
            _ if self.bytes < window => return Poll::Ready(Ok(())),
            _ => {}
        }
        self.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Sends a message that arrives then, or after those before it. Behind a cut nothing does.
    pub fn put(&mut self, at: Instant, message: Message) {
        if self.fate != Fate::Open {
            self.bytes += bytes(&message).len();
            return;
        }
        let last = self.queue.back().map_or(at, |(last, _)| at.max(*last));
        self.bytes += bytes(&message).len();
        self.queue.push_back((last, message));
        wake(&mut self.reader);
    }

    /// Sets its fate; the first one counts, but what was lost or over can still be reset.
    pub fn end(&mut self, fate: Fate) {
        match (self.fate, fate) {
            (Fate::Open, _) | (Fate::Over | Fate::Lost, Fate::Reset(_)) => self.fate = fate,
            _ => {}
        }
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
