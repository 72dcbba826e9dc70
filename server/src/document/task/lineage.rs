//! What the name stood for before: a document that was deleted, or a newer state of this one that a restored copy of the
//! database does not have. Peers that come with something of that would merge it in.
//!
//! A version vector tells who they are. A new document has other client ids than the deleted one; a restored one has a
//! stamp, which everybody who has synced since has in the vector. Vectors say nothing of deletes: whoever has something of the past
//! is let in when all that it has is known here, and what it has is set aside otherwise.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use ropewalk_crdt::update::Update;
use ropewalk_crdt::{Speaker, VersionVector};

use super::Task;
use super::saving::Accepted;
use crate::document::peer::{Doubt, Has, PeerId};
use crate::journal::JournalError;
use crate::session::Close;
use crate::storage::{Aside, MAX_PAST_CLIENTS, Past, Record};

/// Bytes that a peer may have told before it asked, at most: clients ask first.
const EARLY_BYTES: usize = 16 << 10;

impl Task {
    /// Stamps a document that comes from an older copy of the database.
    pub(super) async fn begin(&mut self) -> ControlFlow<()> {
        if !std::mem::take(&mut self.is_restored) {
            return ControlFlow::Continue(());
        }
        let mut past = self.all_up_to_now();
        match self.document.stamp() {
            Ok(stamp) => {
                past.stamp = Some(self.document.client());
                self.past = Some(past.clone());
                self.accepted.push(Accepted {
                    past: Some(past),
                    ..Accepted::of(stamp.into())
                });
                self.all_durable().await
            }
            Err(error) => {
                tracing::error!(%error, "a restored document cannot be stamped; editors with a newer state will merge it in");
                ControlFlow::Continue(())
            }
        }
    }

    /// What the name will have stood for when something else comes in its place.
    pub(super) fn all_up_to_now(&self) -> Past {
        let mut vector = self.document.version().vector.clone();
        if let Some(past) = &self.past
            && past.vector.len() + vector.len() <= MAX_PAST_CLIENTS
        {
            vector.join(&past.vector);
        }
        Past {
            stamp: None,
            vector,
        }
    }

    /// Whether somebody with this vector has something of the past and has not seen what came after.
    pub(super) fn is_of_the_past(&self, vector: &VersionVector) -> bool {
        let Some(Past { vector: past, .. }) = &self.past else {
            return false;
        };
        !self.has_seen_the_stamp(vector) && vector.iter().any(|(client, _)| past.get(client) > 0)
    }

    /// Whether somebody with this vector has synced since the document was stamped.
    pub(super) fn has_seen_the_stamp(&self, vector: &VersionVector) -> bool {
        let stamp = self.past.as_ref().and_then(|past| past.stamp);
        stamp.is_some_and(|stamp| vector.get(stamp) > 0)
    }

    /// Lets a peer wait for what it asked for, until it has said what it has.
    pub(super) fn doubts(&mut self, peer: PeerId, has: Has) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            let marker = peer.doubt.take().and_then(|doubt| doubt.marker);
            peer.doubt = Some(Doubt { has, marker });
        }
    }

    pub(super) fn doubt(&mut self, peer: PeerId) -> Option<&mut Doubt> {
        self.peers.get_mut(&peer)?.doubt.as_mut()
    }

    /// Whether what a peer tells cannot be judged yet, as it has not said what it has.
    pub(super) fn comes_early(&self, peer: PeerId) -> bool {
        let peer = self.peers.get(&peer);
        self.past.is_some() && peer.is_some_and(|peer| !peer.has_asked)
    }

    /// Keeps what a peer tells until it has asked, or wants to know whether it is saved.
    pub(super) fn listen(&mut self, id: PeerId, update: Bytes) {
        self.hear(id);
        if update.len() > EARLY_BYTES {
            self.app.metrics.refused_full.add_one();
            return self.close(id, Close::HELD_FULL);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.told = Some(update);
        }
    }

    /// Takes in what a peer told before.
    pub(super) fn hear(&mut self, id: PeerId) {
        let told = self.peers.get_mut(&id).and_then(|peer| peer.told.take());
        if let Some(update) = told {
            self.update(id, Speaker::Relay(id), update);
        }
    }

    /// Whether an update is of the past, and not to be taken in.
    pub(super) fn strays(&mut self, peer: PeerId, speaker: Speaker, bytes: &Bytes) -> bool {
        let in_doubt = self.doubt(peer).is_some();
        if in_doubt && matches!(speaker, Speaker::Live(_)) {
            // It comes again with the answer to the question that is on its way to whoever is in doubt.
            return true;
        }
        let Some(update) = self.decoded(bytes) else {
            // It is refused as any other that is malformed or too large.
            return false;
        };
        let is_new = self.peers.get(&peer).is_some_and(|peer| peer.is_new);
        if !in_doubt && !self.tells_of_the_past(&update, is_new) {
            return false;
        }
        if self.document.knows(bytes).unwrap_or(false) {
            self.let_in(peer);
            return false;
        }
        if !in_doubt {
            self.doubts(peer, VersionVector::new().into());
        }
        self.strays.push((peer, bytes.clone()));
        true
    }

    /// Whether an update of somebody who is no peer is of the past, and has something that is not in the document.
    pub(super) fn is_stray(&self, bytes: &Bytes) -> bool {
        self.past.is_some()
            && self
                .decoded(bytes)
                .is_some_and(|update| self.tells_of_the_past(&update, false))
            && !self.document.knows(bytes).unwrap_or(false)
    }

    fn decoded<'b>(&self, bytes: &'b Bytes) -> Option<Update<'b>> {
        Update::decode(bytes, &self.app.config.document_limits()).ok()
    }

    /// Whether an update repeats something of the past, or goes on where the past ended though its sender is new. Live
    /// edits do not, but an offline copy that is read late does.
    fn tells_of_the_past(&self, update: &Update<'_>, is_new: bool) -> bool {
        let Some(Past { stamp, vector }) = &self.past else {
            return false;
        };
        let sections = update.sections();
        match *stamp {
            None => {
                let inserts = sections.iter().map(|section| section.client);
                let deletes = update.deletes();
                let deletes = deletes.iter().map(|(client, ..)| client);
                inserts.chain(deletes).any(|client| vector.get(client) > 0)
            }
            Some(stamp) => {
                let knows = sections.iter().any(|section| section.client == stamp);
                let known = &self.document.version().vector;
                let tells = |client, clock: u32| {
                    let (past, clock) = (vector.get(client), u64::from(clock));
                    // Nobody has gone on since, and who would is not new.
                    let goes_on = is_new && past > 0 && clock == past && known.get(client) == past;
                    clock < past || goes_on
                };
                !knows
                    && sections
                        .iter()
                        .any(|section| tells(section.client, section.clock))
            }
        }
    }

    /// All that the peer has is known: it gets what it asked for.
    pub(super) fn let_in(&mut self, id: PeerId) {
        let doubt = self.peers.get_mut(&id).and_then(|peer| peer.doubt.take());
        let Some(Doubt { has, marker }) = doubt else {
            return;
        };
        let vector = match has {
            Has::Vector(vector) => vector,
            Has::Version(_) => VersionVector::new(),
        };
        self.give(id, vector);
        if let Some(marker) = marker {
            self.mark(id, &marker);
        }
    }

    /// Whether an update has something that the server never had.
    pub(super) fn has_more(&self, update: &Bytes) -> bool {
        let (Some(past), Some(update)) = (&self.past, self.decoded(update)) else {
            return true;
        };
        // Of a restored document it is not known what came after the copy.
        past.stamp.is_some()
            || update.sections().iter().any(|section| {
                let known = &self.document.version().vector;
                let client = section.client;
                u64::from(section.end) > past.vector.get(client).max(known.get(client))
            })
    }

    /// Whether what a peer has is of another document, which had the name before: not all who may read this one may see that.
    fn is_of_another(&mut self, peer: PeerId, update: &Bytes) -> bool {
        let stamp = self.past.as_ref().and_then(|past| past.stamp);
        if stamp.is_none() {
            return true;
        }
        let vector = match self.doubt(peer).map(|doubt| &doubt.has) {
            Some(Has::Vector(vector)) => vector.clone(),
            Some(Has::Version(_)) | None => VersionVector::new(),
        };
        let Some(update) = self.decoded(update) else {
            return true;
        };
        let inserts = update.sections().iter().map(|section| section.client);
        let deletes = update.deletes();
        let deletes = deletes.iter().map(|(client, ..)| client);
        let mut clients = vector
            .iter()
            .map(|(client, _)| client)
            .chain(inserts)
            .chain(deletes);
        clients.any(|client| self.others.get(client) > 0)
    }

    /// Keeps what peers have of the past beside the document, and sends them away for good.
    pub(super) async fn set_strays_aside(&mut self) -> ControlFlow<()> {
        let mut closes = BTreeMap::new();
        for (peer, update) in std::mem::take(&mut self.strays) {
            if !self.peers.contains_key(&peer) {
                continue;
            }
            let mut close = Close::REPLACED;
            if self.has_more(&update) {
                let stray = Aside {
                    person: self.peers.get(&peer).and_then(|peer| peer.person),
                    is_of_another: self.is_of_another(peer, &update),
                    record: Record {
                        update,
                        author: self.author(peer),
                        at_ms: self.app.machine.now_ms(),
                    },
                };
                let journal = &self.app.journal;
                close = match journal.set_aside(self.epoch, self.id, stray).await {
                    Ok(true) => {
                        self.app.metrics.strays_kept.add_one();
                        Close::SET_ASIDE
                    }
                    Ok(false) => Close::NOT_SET_ASIDE,
                    // There may be room later.
                    Err(JournalError::Full) => Close::STORAGE,
                    Err(_) => return ControlFlow::Break(()),
                };
            }
            // Of several updates of a peer the one that fared worst counts.
            let worst = closes.entry(peer).or_insert(close);
            if *worst == Close::REPLACED || (*worst == Close::SET_ASIDE && close != Close::REPLACED)
            {
                *worst = close;
            }
        }
        for (peer, close) in closes {
            tracing::info!(peer, reason = close.reason, "a peer of the past");
            self.app.metrics.refused_past.add_one();
            self.close(peer, close);
        }
        ControlFlow::Continue(())
    }
}
