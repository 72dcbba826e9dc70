//! Who else is in a document, as awareness states tell it.

use std::collections::BTreeMap;

use ropewalk_crdt::{Anchor, ClientId, Document, Error, Presence, ROOT, Unit};
use serde_json::Value;

use crate::called;

/// People that are known at most; more are not shown.
const MAX_PEOPLE: usize = 1024;

/// Somebody else in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client id.
    pub client: ClientId,
    /// The name, fit to be shown.
    pub name: String,
    /// What is selected, if it is in this text.
    pub selection: Option<Selection>,
}

/// A selection as offsets; both are the same for a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Where it began.
    pub anchor: u64,
    /// Where the cursor is.
    pub head: u64,
}

/// The newest state of everybody else, by client id, with its clock.
#[derive(Debug, Default)]
pub(super) struct People(BTreeMap<ClientId, (u64, Value)>);

/// What came of states.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) is_news: bool,
    /// We ourselves are said to have left.
    pub(super) own_has_left: bool,
}

impl People {
    pub(super) fn hear(&mut self, body: &[u8], own: ClientId) -> Result<Heard, Error> {
        let mut heard = Heard::default();
        for (client, clock, json) in Presence::read(body)? {
            if client == own {
                heard.own_has_left |= json.is_none();
                continue;
            }
            let known = self.0.get(&client).map(|&(clock, _)| clock);
            match json {
                None if known.is_some_and(|known| known <= clock) => {
                    self.0.remove(&client);
                    heard.is_news = true;
                }
                Some(json) if known.is_none_or(|known| known < clock) => {
                    if known.is_none() && self.0.len() >= MAX_PEOPLE {
                        continue;
                    }
                    let state: Value = serde_json::from_str(json).unwrap_or_default();
                    // A state that is only renewed is no news.
                    let before = self.0.insert(client, (clock, state.clone()));
                    heard.is_news |= before.is_none_or(|(_, before)| before != state);
                }
                _ => {}
            }
        }
        Ok(heard)
    }

    /// The connection is gone, and they with it.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn all(&self, document: &Document, unit: Unit) -> Vec<Peer> {
        let peers = self.0.iter().map(|(&client, (_, state))| {
            let place = |end: &str| {
                let anchor = Anchor::from_json(&state["cursor"][end], ROOT)?;
                document.locate(ROOT, unit, anchor)
            };
            let selection = place("anchor").zip(place("head"));
            Peer {
                client,
                name: shown(state["user"]["name"].as_str().unwrap_or_default()),
                selection: selection.map(|(anchor, head)| Selection { anchor, head }),
            }
        });
        peers.collect()
    }
}

/// A name as it may be shown.
fn shown(name: &str) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).collect();
    let shown = called::beginning(clean.trim(), called::ROOM);
    match shown.is_empty() {
        true => "Somebody".to_owned(),
        false => shown,
    }
}
