//! Somebody with an editor: types, loses the line, is away, closes the page, and never loses a word for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::Message;
use ropewalk::name::DocumentName;
use ropewalk_crdt::protocol;
use tokio::time::{Instant, sleep_until};

use crate::oracle;
use crate::replica::Replica;
use crate::rng::Rng;
use crate::server::Server;
use crate::world::{Phase, World};

/// A y-websocket client gives up a line that is silent for so long.
const SILENCE: Duration = Duration::from_secs(30);

mod edit;
mod line;

use line::{Line, at, heard};

/// What others may see of a person.
pub struct Seen {
    pub document: DocumentName,
    pub author: u32,
    pub replica: Replica,
    pub edits: u64,
    pub saved: u64,
    /// Both sides have had what the other had.
    pub exchanged: bool,
}

#[derive(Clone)]
pub struct Screen(Arc<Mutex<Seen>>);

impl Screen {
    pub fn see(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Person {
    world: Arc<World>,
    rng: Rng,
    screen: Screen,
    goes_on: bool,
    line: Option<Line>,
    sent: VecDeque<Vec<u8>>,
    acts_at: Instant,
    /// Offline until then.
    away_until: Option<Instant>,
    /// Does not read until then.
    dazed_until: Option<Instant>,
    nudges: u64,
}

impl Person {
    pub fn new(world: &Arc<World>, document: DocumentName, mut rng: Rng) -> Self {
        let goes_on = rng.chance(5_000);
        let acts_at = Instant::now() + rng.ms(0, 3_000);
        let seen = born(world, &mut rng, document, goes_on);
        Self {
            world: world.clone(),
            rng,
            screen: Screen(Arc::new(Mutex::new(seen))),
            goes_on,
            line: None,
            sent: VecDeque::new(),
            acts_at,
            away_until: None,
            dazed_until: None,
            nudges: 0,
        }
    }

    pub fn screen(&self) -> Screen {
        self.screen.clone()
    }

    pub async fn run(mut self) {
        loop {
            let now = Instant::now();
            let reads = self.dazed_until.is_none_or(|until| until <= now);
            let marks_at = self.line.as_ref().and_then(|line| line.marks_at);
            tokio::select! {
                biased;
                message = heard(&mut self.line), if reads => self.hear(message),
                () = at(marks_at) => self.mark(),
                () = sleep_until(self.acts_at) => self.act(),
            }
        }
    }

    fn act(&mut self) {
        let now = Instant::now();
        if self
            .line
            .as_ref()
            .is_some_and(|line| now - line.heard > SILENCE)
        {
            self.hang_up("silence");
        }
        let pace = self.world.plan.pace;
        self.acts_at = now + self.rng.ms(1, pace);
        match self.world.phase() {
            Phase::Rest => {
                (self.away_until, self.dazed_until) = (None, None);
                if self.nudges < self.world.nudges() {
                    self.nudges = self.world.nudges();
                    self.hang_up("comes again");
                }
                self.connect();
            }
            Phase::Lull(until) if until > now => {
                self.hang_up("a lull");
                self.acts_at = until + self.rng.ms(0, 2_000);
                if self.rng.chance(3_000) {
                    self.edit();
                }
            }
            Phase::Work | Phase::Lull(_) => self.work(now),
        }
    }

    fn work(&mut self, now: Instant) {
        let habits = self.world.plan.habits;
        if self.away_until.is_none_or(|until| until <= now) {
            self.away_until = None;
            self.connect();
        }
        if self.rng.chance(habits.flaps) {
            self.hang_up("flaps");
        } else if self.rng.chance(habits.flaps)
            && let Some(line) = &self.line
        {
            line.end.wire().cut(&self.world);
        } else if self.rng.chance(habits.goes_offline) {
            self.hang_up("goes offline");
            self.away_until = Some(now + self.rng.ms(1_000, 30_000));
        } else if self.rng.chance(habits.stops_reading) {
            self.dazed_until = Some(now + self.rng.ms(100, 45_000));
        } else if self.rng.chance(habits.repeats) {
            self.repeat();
        } else if self.rng.chance(habits.reloads) {
            self.reload();
        } else {
            self.edit();
        }
    }

    fn connect(&mut self) {
        if self.line.is_some() {
            return;
        }
        let mut seen = self.screen.see();
        let Some(end) = Server::connect(&self.world, &seen.document, Some(seen.author)) else {
            return;
        };
        seen.exchanged = false;
        self.line = Some(Line::open(end, &seen.replica));
    }

    fn hang_up(&mut self, why: &str) {
        let mut seen = self.screen.see();
        seen.exchanged = false;
        if let Some(line) = self.line.take() {
            let number = line.end.number;
            self.world.trace.note(format_args!(
                "author {} leaves {number}: {why}",
                seen.author
            ));
        }
    }

    fn reload(&mut self) {
        self.hang_up("closes the page");
        self.sent.clear();
        let mut seen = self.screen.see();
        self.world.oracle().leaves(seen.author);
        let document = seen.document.clone();
        *seen = born(&self.world, &mut self.rng, document, self.goes_on);
    }

    fn mark(&mut self) {
        let seen = self.screen.see();
        if let Some(line) = &mut self.line {
            line.marks_at = None;
            if seen.exchanged {
                let marker = oracle::marker(seen.author, line.end.number, seen.edits);
                line.send(protocol::saved(&marker));
            }
        }
    }

    fn hear(&mut self, message: Option<Result<Message, axum::Error>>) {
        let retry = self.rng.ms(1, 2_500);
        self.acts_at = self.acts_at.max(Instant::now());
        match message {
            Some(Ok(Message::Binary(frame))) => self.frame(&frame),
            Some(Ok(Message::Ping(payload))) => {
                if let Some(line) = &mut self.line {
                    line.send_message(Message::Pong(payload));
                }
            }
            Some(Ok(Message::Close(close))) => {
                self.hang_up("a goodbye");
                self.acts_at = Instant::now() + retry;
                let close = close.map(|close| (close.code, close.reason.to_string()));
                let is_trash = |code: u16| code == 4404 && !self.world.plan.trash.is_empty();
                if let Some((code @ 4400..4500, reason)) = close
                    && !is_trash(code)
                {
                    self.world.fail(format_args!(
                        "somebody honest is sent away: {code} {reason}"
                    ));
                }
            }
            Some(Ok(Message::Text(_) | Message::Pong(_))) => {}
            Some(Err(_)) | None => {
                self.hang_up("a broken line");
                self.acts_at = Instant::now() + retry;
            }
        }
    }

    fn frame(&mut self, frame: &[u8]) {
        let mut seen = self.screen.see();
        let Some(line) = &mut self.line else {
            return;
        };
        line.heard = Instant::now();
        if oracle::is_slow(frame) {
            return;
        }
        let applied = match protocol::decode(frame) {
            Ok(protocol::Message::Step1(vector)) => {
                let lacking = seen.replica.diff(&vector);
                self.world.oracle().relays(seen.author, &lacking);
                line.send(protocol::step2(&lacking));
                line.answered = true;
                Ok(())
            }
            Ok(protocol::Message::Step2(update)) => {
                line.synced = true;
                seen.replica.apply(update)
            }
            Ok(protocol::Message::Update(update)) => seen.replica.apply(update),
            Ok(protocol::Message::Saved(payload)) => {
                if let Some((author, connection, edits)) = oracle::marked(payload)
                    && (author, connection) == (seen.author, line.end.number)
                {
                    seen.saved = seen.saved.max(edits);
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = applied {
            self.world
                .fail(format_args!("author {} cannot read: {error}", seen.author));
        }
        if line.answered && line.synced && !seen.exchanged {
            seen.exchanged = true;
            line.marks_at = Some(Instant::now());
        }
    }
}

/// A page that was just opened.
fn born(world: &World, rng: &mut Rng, document: DocumentName, goes_on: bool) -> Seen {
    let client = rng.below(1 << 32);
    let author = world.oracle().author(document.clone(), client, goes_on);
    let yjs = rng.chance(3_000);
    world.trace.note(format_args!(
        "author {author} opens {document} as {client}, Yjs: {yjs}"
    ));
    Seen {
        document,
        author,
        replica: Replica::new(client, yjs),
        edits: 0,
        saved: 0,
        exchanged: false,
    }
}
