//! Who is present: states that changed leave together, and nobody speaks for another connection.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ropewalk_crdt::{self as crdt, ClientId, protocol};
use serde::Deserialize;
use tokio::time::Instant;

use super::Task;
use crate::document::peer::PeerId;
use crate::session::Close;
use crate::storage::{Author, MAX_AUTHOR};

/// Awareness states that changed within this time leave in one frame.
pub(super) const PRESENCE_INTERVAL: Duration = Duration::from_millis(50);
/// How often an owner of a contested client id is asked whether it still answers, at most.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

impl Task {
    pub(super) fn announce(&mut self, peer: PeerId, body: &[u8]) {
        match self.presence.announce(peer, body) {
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

    /// The first state that a Yjs client announces is its own, alone. From then on the client id is its connection's:
    /// nobody else writes under it while that is open.
    fn introduce(&mut self, id: PeerId, client: ClientId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.introduced.is_none() {
            peer.introduced = Some(client);
            self.document.introduce(id, client);
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
            let name = state.map(name_in).unwrap_or_default();
            Arc::new(Author { client, name })
        });
        author.clone()
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
        for peer in self.peers.values() {
            peer.send(&frame);
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
    let mut end = user.name.len().min(MAX_AUTHOR);
    while !user.name.is_char_boundary(end) {
        end -= 1;
    }
    user.name[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::name_in;

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
