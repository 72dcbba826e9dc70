//! What everything in a simulation shares.

use std::fmt::Arguments;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Message;
use ropewalk_crdt::protocol::{self, Message as Frame};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::disk::Disk;
use crate::network::bytes;
use crate::oracle::Oracle;
use crate::plan::Plan;
use crate::ranges::Said;
use crate::rng::Rng;
use crate::server::Server;
use crate::trace::{Trace, digest};

/// What is going on.
#[derive(Clone, Copy, PartialEq)]
pub enum Phase {
    /// People work, and everything goes wrong.
    Work,
    /// Everybody stays away until then.
    Lull(Instant),
    /// Nothing goes wrong any more, and nobody writes.
    Rest,
}

pub struct World {
    pub plan: Plan,
    pub trace: Trace,
    pub server: Server,
    pub disk: Disk,
    phase: Mutex<Phase>,
    rng: Mutex<Rng>,
    oracle: Mutex<Oracle>,
    nudges: AtomicU64,
    failure: Mutex<Option<String>>,
    failed: Notify,
}

impl World {
    pub fn new(plan: Plan, mut rng: Rng, prints: bool) -> Arc<Self> {
        Arc::new(Self {
            plan,
            trace: Trace::new(prints),
            server: Server::default(),
            disk: Disk::new(rng.fork()),
            phase: Mutex::new(Phase::Work),
            rng: Mutex::new(rng),
            oracle: Mutex::default(),
            nudges: AtomicU64::new(0),
            failure: Mutex::default(),
            failed: Notify::new(),
        })
    }

    pub fn draw<T>(&self, of: impl FnOnce(&mut Rng) -> T) -> T {
        of(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, phase: Phase) {
        let name = match phase {
            Phase::Work => "everybody works",
            Phase::Lull(_) => "everybody leaves",
            Phase::Rest => "rest",
        };
        self.trace.note(format_args!("{name}"));
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub fn is_rest(&self) -> bool {
        self.phase() == Phase::Rest
    }

    /// Lets everybody connect anew.
    pub fn nudge(&self) {
        self.trace.note(format_args!("everybody connects anew"));
        self.nudges.fetch_add(1, Relaxed);
    }

    pub fn nudges(&self) -> u64 {
        self.nudges.load(Relaxed)
    }

    /// The chance that a frame is the last one of its connection.
    pub fn cuts(&self) -> u64 {
        if self.is_rest() {
            return 0;
        }
        self.plan.network.cuts
    }

    /// A promise is broken. The first one counts.
    pub fn fail(&self, what: Arguments<'_>) {
        self.trace.note(format_args!("BROKEN: {what}"));
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| what.to_string());
        self.failed.notify_one();
    }

    /// Waits for a broken promise.
    pub async fn failed(&self) {
        self.failed.notified().await;
    }

    pub fn failure(&self) -> Option<String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone()
    }

    pub fn saw(&self, connection: u64, end: &str, does: &str, message: &Message) {
        let (bytes, kind) = (bytes(message), kind(message));
        self.trace.note(format_args!(
            "connection {connection}: {end} {does} {kind}, {} bytes {:08x}",
            bytes.len(),
            digest(bytes)
        ));
        if self.trace.prints()
            && let Ok(Frame::Step2(update) | Frame::Update(update)) = protocol::decode(bytes)
        {
            eprintln!("            {:?}", Said::of(update));
        }
    }

    /// The server sends something: this is what it says, whether or not it arrives.
    pub fn leaves(&self, connection: u64, message: &Message) {
        if let Message::Binary(frame) = message
            && let Err(broken) = self.oracle().hears(connection, frame)
        {
            self.fail(format_args!("{broken}"));
        }
    }
}

fn kind(message: &Message) -> &'static str {
    match message {
        Message::Binary(frame) => match frame[..] {
            [0, 0, ..] => "a step 1",
            [0, 1, ..] => "a step 2",
            [0, 2, ..] => "an update",
            [1, ..] => "awareness",
            [3, ..] => "a query",
            [102, ..] => "a marker",
            _ => "a frame",
        },
        Message::Text(_) => "a text",
        Message::Ping(_) => "a ping",
        Message::Pong(_) => "a pong",
        Message::Close(_) => "a goodbye",
    }
}
