//! Who is present: states that changed leave together, and nobody speaks for another connection.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ropewalk_crdt::{self as crdt, ClientId, MAX_STATE, Presence, protocol};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Task;
use crate::access::{Called, Who};
use crate::called;
use crate::document::cursor::{Cursor, Place, Pointing};
use crate::document::peer::PeerId;
use crate::guest;
use crate::session::Close;
use crate::storage::{Author, MAX_AUTHOR};

/// Awareness states that changed within this time leave in one frame.
pub(super) const PRESENCE_INTERVAL: Duration = Duration::from_millis(50);
/// How often an owner of a contested client id is asked whether it still answers, at most.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

impl Task {
    pub(super) fn announce(&mut self, peer: PeerId, body: &[u8]) {
        let body = self.in_their_name(peer, body);
        match self.presence.announce(peer, &body) {
            Ok(announced) => {
                if let Some(client) = announced.only {
                    self.introduce(peer, client);
                }
                for client in announced.contested {
                    if let Some(owner) = self.presence.owner(client) {
                        self.contested(peer, owner, client);
                    }
                }
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.author = None;
                }
                self.presence_changed(announced.changed);
                if !announced.stale.is_empty() {
                    let left = protocol::awareness(&self.presence.frame(&announced.stale));
                    self.send_to(peer, &left.into());
                }
            }
            Err(error) => {
                tracing::info!(peer, code = error.code(), %error, "awareness refused");
                let close = match error {
                    crdt::Error::TooLarge { .. } => {
                        self.app.metrics.refused_too_large.add_one();
                        Close::TOO_LARGE
                    }
                    _ => {
                        self.app.metrics.refused_malformed.add_one();
                        Close::MALFORMED
                    }
                };
                self.close(peer, close);
            }
        }
    }

    /// A peer announces a state with offsets in it: for everybody else they are relative positions.
    pub(super) fn point(&mut self, peer: PeerId, pointing: Pointing) {
        let Pointing {
            client,
            clock,
            mut state,
            cursor,
        } = pointing;
        let cursor = match cursor {
            Cursor::Nowhere => Value::Null,
            Cursor::At(place) => self.relative(&place).unwrap_or_default(),
            Cursor::Stays => {
                let before = self
                    .presence
                    .state(client)
                    .map(serde_json::from_str::<Value>);
                let before = before.and_then(Result::ok);
                let cursor = before.and_then(|before| before.get("cursor").cloned());
                cursor.unwrap_or_default()
            }
        };
        state.insert("cursor".to_owned(), cursor);
        let mut json = Value::from(state.clone()).to_string();
        if json.len() > MAX_STATE {
            state.remove("cursor");
            json = Value::from(state).to_string();
        }
        self.announce(peer, &Presence::write(vec![(client, clock, Some(&json))]));
    }

    /// A selection as the editors of Yjs have it; none when it is not of this text, or of one too long ago.
    fn relative(&self, place: &Place) -> Option<Value> {
        let Place {
            root,
            unit,
            version,
            anchor,
            head,
        } = place;
        if !self.has(version) {
            return None;
        }
        let anchored = |offset| {
            let place = self
                .document
                .anchor_at(version.revision, root, *unit, offset);
            Some(place.ok()?.json(root))
        };
        Some(json!({ "anchor": anchored(*anchor)?, "head": anchored(*head)? }))
    }

    /// What a peer announces, with the name and the colour that it has, and without the client ids of other people: nobody speaks in
    /// the name of others.
    fn in_their_name<'b>(&self, id: PeerId, body: &'b [u8]) -> Cow<'b, [u8]> {
        let Some(peer) = self.peers.get(&id) else {
            return body.into();
        };
        let rules = self.rules.borrow();
        let called = rules.called(&peer.who, self.app.machine.now_ms());
        let Ok(states) = Presence::read(body) else {
            // That is found again, and refused.
            return body.into();
        };
        if called == Called::AsTheySay {
            return body.into();
        }
        let own = states.iter();
        let own = own.filter(|(client, ..)| !self.document.is_anothers(*client, id));
        let renamed: Vec<_> = own
            .map(|&(id, clock, state)| (id, clock, state.map(|state| bounded(state, &called))))
            .collect();
        let states = renamed
            .iter()
            .map(|(id, clock, state)| (*id, *clock, state.as_deref()));
        Presence::write(states.collect()).into()
    }

    /// The first state that a Yjs client announces is its own, alone. From then on the client id is its connection's:
    /// nobody else writes under it while that is open.
    fn introduce(&mut self, id: PeerId, client: ClientId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.introduced.is_none() {
            peer.introduced = Some(client);
            self.document.introduce(id, client);
            self.claim(id, client);
        }
    }

    /// Who the edits of a connection are by: the id and the name in the state that it introduced itself with.
    pub(super) fn author(&mut self, id: PeerId) -> Arc<Author> {
        let Some(peer) = self.peers.get_mut(&id) else {
            return Arc::default();
        };
        let author = peer.author.get_or_insert_with(|| {
            let client = peer.introduced;
            let owned = client.filter(|&client| self.presence.owner(client) == Some(id));
            let state = owned.and_then(|client| self.presence.state(client));
            let said = state.map(name_in).unwrap_or_default();
            let rules = self.rules.borrow();
            let name = match rules.called(&peer.who, self.app.machine.now_ms()) {
                Called::Person(person) => person.shown.clone(),
                Called::Name(name) => name,
                Called::AsTheySay | Called::Guest => said,
            };
            let name = called::within(&name, MAX_AUTHOR);
            Arc::new(Author { client, name })
        });
        author.clone()
    }

    /// Who an edit is by that no connection made: somebody with an account, whatever they say.
    pub(super) fn named(&self, said: Arc<Author>, who: &Who) -> Arc<Author> {
        let rules = self.rules.borrow();
        let name = match rules.called(who, self.app.machine.now_ms()) {
            Called::Person(person) => called::within(&person.shown, MAX_AUTHOR),
            Called::Name(name) => called::within(&name, MAX_AUTHOR),
            Called::Guest if !said.name.is_empty() => guest::named(&said.name),
            Called::AsTheySay | Called::Guest => return said,
        };
        let client = said.client;
        Arc::new(Author { client, name })
    }

    /// The connection of a client id is gone: it goes to whoever else introduced itself with it.
    pub(super) fn bequeath(&mut self, client: ClientId) {
        let next = self
            .peers
            .iter()
            .find(|(_, peer)| peer.introduced == Some(client));
        if let Some((next, _)) = next {
            self.document.introduce(*next, client);
        }
    }

    /// A peer spoke for a client id of another connection. That is ignored; but the other connection may be the
    /// same tab's before its line broke, so it has to show that it still answers.
    pub(super) fn contested(&mut self, claimant: PeerId, owner: PeerId, client: ClientId) {
        self.app.metrics.contested.add_one();
        self.claimed.insert(client, claimant);
        let now = Instant::now();
        let asked = self.probed.get(&owner).copied();
        if asked.is_none_or(|at| now - at >= PROBE_INTERVAL)
            && let Some(peer) = self.peers.get(&owner)
        {
            peer.probe();
            self.probed.insert(owner, now);
        }
    }

    pub(super) fn presence_changed(&mut self, clients: Vec<ClientId>) {
        if clients.is_empty() {
            return;
        }
        self.present.extend(clients);
        if self.presence_due.is_none() {
            self.presence_due = Some(self.presence_sent + PRESENCE_INTERVAL);
        }
    }

    pub(super) fn send_presence(&mut self) {
        self.presence_due = None;
        self.presence_sent = Instant::now();
        let clients: Vec<ClientId> = std::mem::take(&mut self.present).into_iter().collect();
        let frame: Bytes = protocol::awareness(&self.presence.frame(&clients)).into();
        for peer in self.peers.values_mut() {
            peer.send(&frame);
            if !peer.is_lagging() {
                peer.departures = self.presence.departures();
            }
        }
        self.settle_peers();
    }
}

/// The name of the user in an awareness state, where the editors of Yjs put it.
fn name_in(state: &str) -> String {
    #[derive(Deserialize)]
    struct State<'s> {
        #[serde(borrow)]
        user: User<'s>,
    }
    #[derive(Deserialize)]
    struct User<'s> {
        #[serde(borrow)]
        name: Cow<'s, str>,
    }
    let Ok(State { user }) = serde_json::from_str(state) else {
        return String::new();
    };
    called::within(&user.name, MAX_AUTHOR)
}

/// The same, not longer than a state may be, if it was not before: what we add is nobody's fault. What is said beside who they are goes then.
fn bounded(state: &str, called: &Called<'_>) -> String {
    let named = renamed(state, called);
    if named.len() <= MAX_STATE || state.len() > MAX_STATE {
        return named;
    }
    let user = json!({ "user": { "name": name_in(state) } });
    renamed(&user.to_string(), called)
}

/// An awareness state in which its user is called so. A state without a user stays without.
fn renamed(state: &str, called: &Called<'_>) -> String {
    let Ok(Value::Object(mut state)) = serde_json::from_str(state) else {
        // It says nothing that others could show; what is no JSON could say anything to somebody.
        return "{}".to_owned();
    };
    if let Some(user) = state.get_mut("user") {
        if !user.is_object() {
            *user = json!({});
        }
        match called {
            Called::AsTheySay => {}
            Called::Person(person) => {
                user["name"] = person.shown.clone().into();
                if let Some(color) = &person.color {
                    user["color"] = color.clone().into();
                    user["colorLight"] = format!("{color}33").into();
                }
            }
            Called::Name(name) => user["name"] = name.clone().into(),
            Called::Guest => {
                user["name"] = guest::named(user["name"].as_str().unwrap_or_default()).into();
            }
        }
    }
    // Some editors have it there.
    if let Some(name) = state.get_mut("name") {
        *name = match called {
            Called::Person(person) => person.shown.clone().into(),
            Called::Name(name) => name.clone().into(),
            Called::Guest => guest::named(name.as_str().unwrap_or_default()).into(),
            Called::AsTheySay => return Value::Object(state).to_string(),
        };
    }
    Value::Object(state).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Person;

    #[test]
    fn a_user_has_the_name_that_is_theirs() {
        let person = Person {
            login: "ann".into(),
            name: "Ann Archer".into(),
            shown: "Ann".into(),
            color: Some("#112233".into()),
            is_admin: false,
            is_disabled: false,
            has_password: true,
            groups: Vec::new(),
        };
        let person = Called::Person(&person);
        let ann = r##"{"user":{"color":"#112233","colorLight":"#11223333","name":"Ann"}}"##;
        for (state, called, expected) in [
            (r#"{"user":{"name":"Eve"}}"#, &person, ann),
            (
                r#"{"user":{"name":"Eve"},"user":{"name":"Eva"}}"#,
                &person,
                ann,
            ),
            (r#"{"user":"Eve"}"#, &person, ann),
            (r#"{"cursor":1}"#, &person, r#"{"cursor":1}"#),
            ("\"Eve\"", &person, "{}"),
            ("{", &person, "{}"),
            (
                r#"{"user":{"name":"Eve"}}"#,
                &Called::Guest,
                r#"{"user":{"name":"Eve (guest)"}}"#,
            ),
            (
                r#"{"user":{"name":"Eve (guest)"}}"#,
                &Called::Guest,
                r#"{"user":{"name":"Eve (guest)"}}"#,
            ),
            (r#"{"name":"Eve"}"#, &person, r#"{"name":"Ann"}"#),
            (
                "{\"user\":{\"name\":\"E\u{202e}ve\"}}",
                &Called::Guest,
                r#"{"user":{"name":"Eve (guest)"}}"#,
            ),
            (
                r#"{"user":{}}"#,
                &Called::Guest,
                r#"{"user":{"name":"(guest)"}}"#,
            ),
            (
                r##"{"user":{"color":"#fff"}}"##,
                &Called::Name("Zoe".into()),
                r##"{"user":{"color":"#fff","name":"Zoe"}}"##,
            ),
        ] {
            assert_eq!(renamed(state, called), expected, "{state}");
        }
    }

    #[test]
    fn what_is_added_to_a_state_makes_nobody_leave() {
        let state = |padding: usize| {
            let padding = "x".repeat(padding);
            format!(r#"{{"user":{{"name":"Eve"}},"padding":"{padding}"}}"#)
        };
        let called = Called::Name("Zoe".repeat(20));
        let room = MAX_STATE - state(0).len();
        let named = bounded(&state(room), &called);
        assert_eq!(
            named,
            format!(r#"{{"user":{{"name":"{}"}}}}"#, "Zoe".repeat(20))
        );
        assert!(bounded(&state(room - 100), &called).len() > MAX_STATE - 100);
        // What was too long before is found to be.
        assert!(bounded(&state(room + 1), &called).len() > MAX_STATE);
        let guest = bounded(&state(room), &Called::Guest);
        assert_eq!(guest, r#"{"user":{"name":"Eve (guest)"}}"#);
    }

    #[test]
    fn a_name_is_where_editors_put_it() {
        let named = r##"{"cursor": null, "user": {"color": "#fff", "name": "A\u0301nne \"x\""}}"##;
        assert_eq!(name_in(named), "A\u{301}nne \"x\"");
        for nameless in [
            "{}",
            r#"{"user": {}}"#,
            r#"{"user": {"name": 7}}"#,
            r#"{"user": 1}"#,
        ] {
            assert_eq!(name_in(nameless), "", "{nameless}");
        }
        let long = format!(r#"{{"user": {{"name": "x{}"}}}}"#, "é".repeat(100));
        assert_eq!(name_in(&long), format!("x{}", "é".repeat(63)));
    }
}
