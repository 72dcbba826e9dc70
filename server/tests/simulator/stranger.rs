//! Somebody hostile: speaks nonsense, speaks in the name of others, and deletes what is not there yet.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::ws::Message;
use futures_util::{Sink as _, StreamExt as _};
use ropewalk::name::DocumentName;
use ropewalk_crdt::{Document, Edit, ROOT, Unit, VersionVector, protocol};
use tokio::time::{Instant, sleep_until};

use crate::network::End;
use crate::ranges::Said;
use crate::rng::Rng;
use crate::server::Server;
use crate::token::NOISE;
use crate::wire::{deletion, state, var};
use crate::world::{Phase, World};

/// Clocks that nobody reaches.
const FAR: u64 = 1 << 24;
/// Units ahead of what somebody has written that are theirs soon, and not yet when a frame arrives.
const SOON: u64 = 400;

pub struct Stranger {
    world: Arc<World>,
    rng: Rng,
    document: DocumentName,
    client: u64,
    replica: Document,
    line: Option<End>,
    acts_at: Instant,
}

impl Stranger {
    pub fn new(world: &Arc<World>, document: DocumentName, mut rng: Rng) -> Self {
        let client = rng.below(1 << 32);
        Self {
            world: world.clone(),
            rng,
            document,
            client,
            replica: Document::new(client),
            line: None,
            acts_at: Instant::now(),
        }
    }

    /// Runs until everybody rests.
    pub async fn run(mut self) {
        while self.world.phase() != Phase::Rest {
            tokio::select! {
                biased;
                message = heard(&mut self.line) => self.hear(message),
                () = sleep_until(self.acts_at) => self.act(),
            }
        }
    }

    fn act(&mut self) {
        self.acts_at = Instant::now() + self.rng.ms(1, 1_500);
        if self.line.is_none() {
            self.line = Server::connect(&self.world, &self.document, None);
            self.send(protocol::step1(&self.replica.version().vector));
            return;
        }
        let frame = self.frame();
        let claims = protocol::decode(&frame)
            .ok()
            .and_then(|message| match message {
                protocol::Message::Step2(update) | protocol::Message::Update(update) => {
                    Said::of(update).ok()
                }
                _ => None,
            });
        // Who may write may delete: then nobody is to blame for what is missing.
        let mut deleted = claims.iter().flat_map(|said| said.deleted.iter());
        if deleted.all(|(client, start, _)| {
            let ahead = u64::from(start) >= self.world.oracle().written(client) + SOON;
            client == self.client || ahead
        }) {
            self.send(frame);
        }
    }

    fn frame(&mut self) -> Vec<u8> {
        let victims = self.world.oracle().clients(&self.document);
        let victim = self.rng.pick(&victims);
        // Who has been answered has introduced itself, and has the server's protection while its line holds.
        let protected = self.world.oracle().has_promised(&self.document, victim, 2);
        if self.world.plan.forges && !protected {
            return protocol::update(&self.write());
        }
        match self.rng.below(12) {
            0 => {
                let len = self.rng.index(60);
                self.rng.bytes(len)
            }
            1 | 2 => self.bent(),
            3 if self.world.plan.forges => self.stolen(victim),
            3 if protected => self.forged(victim),
            4 => {
                let start = match self.world.plan.forges {
                    // What the victim is about to write.
                    true => self.world.oracle().written(victim) + SOON,
                    false => FAR + self.rng.below(1000),
                };
                protocol::update(&deletion(victim, start, self.rng.within(1, 9)))
            }
            5 => self.ahead(),
            6 => {
                let clock = self.rng.below(1 << 20);
                protocol::awareness(&state(victim, clock, r#"{"user":{"name":"me"}}"#))
            }
            7 => protocol::step1(&VersionVector::new()),
            8 => {
                let len = self.rng.index(18);
                let payload = self.rng.bytes(len);
                protocol::saved(&payload)
            }
            9 => vec![3],
            _ => protocol::update(&self.write()),
        }
    }

    /// An honest insertion of noise, anywhere.
    fn write(&mut self) -> Vec<u8> {
        let length = self.replica.text(ROOT).len_chars();
        let at = self.rng.index(length + 1) as u64;
        let edit = Edit {
            from: at,
            to: at,
            insert: NOISE.to_string(),
        };
        let base = self.replica.version().clone();
        let written = self.replica.edit(&base, ROOT, Unit::Char, &[edit]);
        written.unwrap_or_default()
    }

    /// A frame with a few wrong bytes, which must be noticed: what can be read might be what somebody means.
    fn bent(&mut self) -> Vec<u8> {
        let mut frame = protocol::update(&self.replica.encode());
        for _ in 0..self.rng.within(1, 3) {
            let at = self.rng.index(frame.len());
            frame[at] ^= 1 << self.rng.below(8);
        }
        match protocol::decode(&frame) {
            Ok(protocol::Message::Update(update) | protocol::Message::Step2(update))
                if Said::of(update).is_ok() =>
            {
                vec![0, 2, 1]
            }
            _ => frame,
        }
    }

    /// Other letters in the place of the first ones that the victim wrote.
    fn forged(&mut self, victim: u64) -> Vec<u8> {
        let mut forged = Document::new(victim);
        let edit = Edit {
            from: 0,
            to: 0,
            insert: "no".to_owned(),
        };
        let base = forged.version().clone();
        let update = forged.edit(&base, ROOT, Unit::Char, &[edit]);
        protocol::update(&update.unwrap_or_default())
    }

    /// What the victim might write next.
    fn stolen(&mut self, victim: u64) -> Vec<u8> {
        let mut stolen = Document::new(victim);
        let _ = stolen.apply(&self.replica.encode());
        let edit = Edit {
            from: 0,
            to: 0,
            insert: "stolen".to_owned(),
        };
        let base = stolen.version().clone();
        let update = stolen.edit(&base, ROOT, Unit::Char, &[edit]);
        let update = update.unwrap_or_default();
        match self.rng.chance(5_000) {
            true => protocol::update(&update),
            false => protocol::step2(&update),
        }
    }

    /// An insertion under its own id that hangs at one that never comes.
    fn ahead(&mut self) -> Vec<u8> {
        let mut update = vec![1, 1];
        var(&mut update, self.client);
        var(&mut update, FAR + self.rng.below(100));
        // A string whose left neighbour is the unit before.
        update.push(0x84);
        var(&mut update, self.client);
        var(&mut update, FAR - 1);
        update.extend([2, 0xc2, 0xb7, 0]);
        protocol::update(&update)
    }

    fn send(&mut self, frame: Vec<u8>) {
        if let Some(end) = &mut self.line {
            let _ = Pin::new(end).start_send(Message::Binary(frame.into()));
        }
    }

    fn hear(&mut self, message: Option<Result<Message, axum::Error>>) {
        match message {
            Some(Ok(Message::Binary(frame))) => {
                if let Ok(protocol::Message::Step2(update) | protocol::Message::Update(update)) =
                    protocol::decode(&frame)
                {
                    let _ = self.replica.apply(update);
                }
            }
            Some(Ok(Message::Ping(payload))) => {
                if let Some(end) = &mut self.line {
                    let _ = Pin::new(end).start_send(Message::Pong(payload));
                }
            }
            Some(Ok(Message::Text(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => self.line = None,
        }
    }
}

async fn heard(line: &mut Option<End>) -> Option<Result<Message, axum::Error>> {
    match line {
        Some(end) => end.next().await,
        None => std::future::pending().await,
    }
}
