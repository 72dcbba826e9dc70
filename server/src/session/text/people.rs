//! Who is there, as awareness states that Yjs editors see, too.

use std::collections::BTreeMap;

use bytes::Bytes;
use ropewalk_crdt::protocol::{self, Message};
use ropewalk_crdt::{ClientId, MAX_STATE, Presence};
use serde_json::{Map, Value};

use crate::document::cursor::{Cursor, Pointing};

/// A client among the people of a document.
pub struct People {
    client: ClientId,
    clock: u64,
    state: Map<String, Value>,
    /// Who was there before the client was welcome.
    before: Option<BTreeMap<ClientId, Value>>,
}

/// What a frame says.
pub enum Heard {
    /// States of others; null of whoever has left.
    Others(BTreeMap<ClientId, Value>),
    /// Somebody asks who is there.
    Question,
    /// Nothing.
    Nothing,
}

impl People {
    pub fn new(client: ClientId) -> Self {
        Self {
            client,
            clock: 0,
            state: Map::new(),
            before: Some(BTreeMap::new()),
        }
    }

    /// A name in the client's state, if it is a text.
    pub fn name(&self) -> &str {
        let user = self.state.get("user");
        let name = user.and_then(|user| user.get("name"));
        name.and_then(Value::as_str).unwrap_or_default()
    }

    pub fn client(&self) -> ClientId {
        self.client
    }

    /// Sets who the client is, if that is not too long.
    pub fn call(&mut self, user: Value) -> bool {
        let state = Map::from_iter([("user".to_owned(), user)]);
        let fits = Value::from(state.clone()).to_string().len() <= MAX_STATE;
        if fits {
            self.state = state;
        }
        fits
    }

    /// The state, as newer than before.
    pub fn announcement(&mut self, cursor: Cursor) -> Pointing {
        self.clock += 1;
        Pointing {
            client: self.client,
            clock: self.clock,
            state: self.state.clone(),
            cursor,
        }
    }

    /// Whether the client has said who it is.
    pub fn is_announced(&self) -> bool {
        self.clock > 0
    }

    /// Everybody else, for a client that is welcome now.
    pub fn all(&mut self) -> BTreeMap<ClientId, Value> {
        self.before.take().unwrap_or_default()
    }

    pub fn hear(&mut self, frame: &Bytes) -> Heard {
        let body = match protocol::decode(frame) {
            Ok(Message::Awareness(body)) => body,
            Ok(Message::QueryAwareness) => return Heard::Question,
            _ => return Heard::Nothing,
        };
        let entries = Presence::read(body).unwrap_or_default();
        let others = entries.into_iter().filter(|(id, ..)| *id != self.client);
        let others: BTreeMap<ClientId, Value> = others
            .map(|(id, _, state)| {
                let state = state.and_then(|state| serde_json::from_str(state).ok());
                (id, state.unwrap_or_default())
            })
            .collect();
        let Some(before) = &mut self.before else {
            return match others.is_empty() {
                true => Heard::Nothing,
                false => Heard::Others(others),
            };
        };
        before.extend(others);
        before.retain(|_, state| !state.is_null());
        Heard::Nothing
    }
}
