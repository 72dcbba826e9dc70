//! Where others are, as offsets of the client's text.

use std::collections::BTreeMap;

use ropewalk_crdt::{Anchor, ClientId};
use serde_json::Value;

use super::message::Range;
use crate::document::Version;
use crate::document::cursor::Selection;

/// What a client knows of the cursors of others, and what is to be told.
#[derive(Default)]
pub struct Cursors {
    told: BTreeMap<ClientId, Selection>,
    /// None of whoever is not in the text any more.
    news: BTreeMap<ClientId, Option<Selection>>,
    asked: BTreeMap<ClientId, Option<Selection>>,
    /// The newest place in the journal of which the client was told any.
    sequence: u64,
}

impl Cursors {
    /// Takes in a state; null of whoever has left.
    pub fn hear(&mut self, client: ClientId, state: &Value, root: &str) {
        if state.is_null() {
            self.told.remove(&client);
            self.news.remove(&client);
            self.asked.remove(&client);
            return;
        }
        let end = |end: &str| Anchor::from_json(&state["cursor"][end], root);
        let selection = end("anchor").zip(end("head"));
        let is_known = self.told.contains_key(&client) || self.asked.contains_key(&client);
        if selection.is_some() || is_known {
            self.news.insert(client, selection);
        } else {
            self.news.remove(&client);
        }
    }

    /// Whether there is something to ask for.
    pub fn is_news(&self) -> bool {
        !(self.news.is_empty() && self.asked.is_empty())
    }

    /// What to ask for.
    pub fn ask(&mut self) -> Vec<(ClientId, Selection)> {
        // An edit that came between may have taken the place of the question before.
        self.asked.append(&mut self.news);
        let asked = self.asked.iter();
        let asked = asked.filter_map(|(&client, selection)| Some((client, (*selection)?)));
        asked.collect()
    }

    /// What to tell, of a version.
    pub fn found(
        &mut self,
        found: Vec<(ClientId, Option<(u64, u64)>)>,
        version: Version,
    ) -> BTreeMap<ClientId, Vec<Range>> {
        let found: BTreeMap<_, _> = found.into_iter().collect();
        let mut peers = BTreeMap::new();
        for (client, selection) in std::mem::take(&mut self.asked) {
            let place = found.get(&client).copied().flatten();
            match selection.zip(place) {
                Some((selection, (from, to))) => {
                    self.told.insert(client, selection);
                    peers.insert(client, vec![Range { from, to }]);
                }
                None if self.told.remove(&client).is_some() => {
                    peers.insert(client, Vec::new());
                }
                None => {}
            }
        }
        if !peers.is_empty() {
            self.sequence = version.sequence;
        }
        peers
    }

    /// There is no text yet: what was asked is told when there is.
    pub fn keep(&mut self) {
        for (client, selection) in std::mem::take(&mut self.asked) {
            match selection {
                Some(selection) => self.told.insert(client, selection),
                None => self.told.remove(&client),
            };
        }
        self.sequence = u64::MAX;
    }

    /// The client's text is another: all is to be told again.
    pub fn repeat(&mut self) {
        for (&client, &selection) in &self.told {
            self.news.entry(client).or_insert(Some(selection));
        }
    }

    /// An edit of the client is answered. What it was told meanwhile it has left out, also at the base.
    pub fn is_back_at(&mut self, base: Version) {
        if self.sequence >= base.sequence {
            self.repeat();
            self.sequence = 0;
        }
    }
}
