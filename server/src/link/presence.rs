//! Who we are to the others: an awareness state, told when it changes and again before it is forgotten.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use ropewalk_crdt::{Anchor, ClientId, Presence as States, ROOT};
use serde_json::{Value, json};
use tokio::time::{Instant, Sleep, sleep};

/// The server takes ten states a second.
const OFTEN: Duration = Duration::from_millis(120);
/// Others forget a state after 30 s.
const RARELY: Duration = Duration::from_secs(12);

/// Our own state.
pub(super) struct Presence {
    client: ClientId,
    clock: u64,
    user: Option<Value>,
    cursor: Value,
    is_new: bool,
    told: Option<Instant>,
    due: Pin<Box<Sleep>>,
}

impl Presence {
    pub(super) fn new(client: ClientId) -> Self {
        Self {
            client,
            clock: 0,
            user: None,
            cursor: Value::Null,
            is_new: false,
            told: None,
            due: Box::pin(sleep(Duration::ZERO)),
        }
    }

    pub(super) fn introduce(&mut self, name: &str, color: &str) {
        self.user = Some(json!({
            "name": name,
            "color": color,
            "colorLight": format!("{color}33"),
        }));
        self.is_new = true;
    }

    pub(super) fn point(&mut self, cursor: Option<(Anchor, Anchor)>) {
        let cursor = cursor.map_or(
            Value::Null,
            |(anchor, head)| json!({ "anchor": anchor.json(ROOT), "head": head.json(ROOT) }),
        );
        self.is_new |= self.cursor != cursor;
        self.cursor = cursor;
    }

    /// To be told again: somebody may not know it.
    pub(super) fn renew(&mut self) {
        self.is_new = true;
    }

    /// What is to be told now, if anything is; it is told.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Option<Vec<u8>> {
        let user = self.user.as_ref()?;
        let wait = if self.is_new { OFTEN } else { RARELY };
        let now = Instant::now();
        let due = self.told.map_or(now, |told| told + wait);
        if due > now {
            self.due.as_mut().reset(due);
            if self.due.as_mut().poll(context).is_pending() {
                return None;
            }
        }
        let state = json!({ "user": user, "cursor": self.cursor }).to_string();
        self.clock += 1;
        self.is_new = false;
        self.told = Some(now);
        // For the next one.
        self.due.as_mut().reset(now + RARELY);
        let _ = self.due.as_mut().poll(context);
        Some(States::write(vec![(self.client, self.clock, Some(&state))]))
    }

    /// That we have left.
    pub(super) fn left(&mut self) -> Vec<u8> {
        match self.user {
            Some(_) => States::write(vec![(self.client, self.clock + 1, None)]),
            None => States::write(Vec::new()),
        }
    }
}
