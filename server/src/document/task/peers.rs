//! Peers of a document: they come, speak, lag, catch up and go.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use ropewalk_crdt::{self as crdt, protocol};
use tokio::time::Instant;

use super::saving::{Accepted, Answer};
use super::{End, Existence, Task};
use crate::document::peer::{Peer, PeerId};
use crate::document::{Frame, Refused};
use crate::session::Close;

/// The frame that asks a client for its awareness states.
const QUERY_AWARENESS: &[u8] = &[3];

impl Task {
    pub(super) fn join(&mut self, id: PeerId, mut peer: Peer) -> Result<(), Refused> {
        if self.existence == Existence::Deleted {
            return Err(Refused::Deleted);
        }
        if self.peers.len() >= self.app.config.max_connections_per_document {
            self.app.metrics.refused_full.add_one();
            return Err(Refused::Full);
        }
        let version = self.document.version();
        peer.send(&protocol::step1(&version.vector).into());
        if self.presence.people() > 0 {
            peer.send(&protocol::awareness(&self.presence.all()).into());
        }
        peer.settle(&version.vector);
        self.peers.insert(id, peer);
        self.visited = true;
        self.handle.people.store(self.peers.len(), Relaxed);
        Ok(())
    }

    pub(super) fn leave(&mut self, peer: PeerId) {
        let Some(gone) = self.peers.remove(&peer) else {
            return;
        };
        if let Some(client) = gone.introduced {
            self.release(peer, client);
        }
        self.handle.people.store(self.peers.len(), Relaxed);
        self.idle_since = Instant::now();
        self.probed.remove(&peer);
        self.claimed.retain(|_, claimant| *claimant != peer);
        let gone = self.presence.leave(peer);
        for client in &gone {
            // Whoever spoke for a client id that is free now may do so again.
            let claimant = self
                .claimed
                .remove(client)
                .and_then(|id| self.peers.get(&id));
            if let Some(claimant) = claimant {
                claimant.send(&Bytes::from_static(QUERY_AWARENESS));
            }
        }
        self.presence_changed(gone);
    }

    pub(super) async fn frame(&mut self, peer: PeerId, frame: Frame) -> ControlFlow<End> {
        if !self.peers.contains_key(&peer) {
            // It was closed; what it had sent meanwhile was never acknowledged.
            return ControlFlow::Continue(());
        }
        match frame {
            Frame::Step1(vector) => return self.answer_step1(peer, vector).await,
            Frame::Update(update) => return self.update(peer, update).await,
            Frame::Awareness(body) => self.announce(peer, &body),
            Frame::QueryAwareness => {
                let all = protocol::awareness(&self.presence.all()).into();
                self.send_to(peer, &all);
            }
            Frame::Saved(payload) => {
                let what = Answer::Saved(peer, protocol::saved(&payload).into());
                self.answer_when_durable(what);
            }
        }
        ControlFlow::Continue(())
    }

    pub(super) async fn update(&mut self, peer: PeerId, update: Bytes) -> ControlFlow<End> {
        let metrics = &self.app.metrics;
        let writers = &self.writers;
        let foreign = |client| writers.get(&client).is_some_and(|writer| *writer != peer);
        match self.document.apply_from(&update, foreign) {
            Ok(applied) => {
                if applied.held {
                    metrics.updates_held.add_one();
                }
                if applied.integrated.is_some() {
                    self.whole = None;
                }
                if applied.changed {
                    metrics.updates_applied.add_one();
                    let news = applied.integrated.map(Bytes::from);
                    // What waits is kept as it came; everything else as it was integrated.
                    let kept = match &news {
                        Some(news) if !applied.held => news.clone(),
                        _ => update,
                    };
                    self.accepted.push(Accepted {
                        from: Some(peer),
                        kept,
                        news,
                    });
                } else {
                    metrics.updates_known.add_one();
                }
                ControlFlow::Continue(())
            }
            Err(crdt::Error::Engine) => {
                self.close(peer, Close::MALFORMED);
                ControlFlow::Break(self.reload().await)
            }
            Err(crdt::Error::Foreign { client }) => {
                tracing::info!(
                    peer,
                    client,
                    "update under another connection's client id refused"
                );
                if let Some(owner) = self.writers.get(&client).copied() {
                    self.contested(peer, owner, client);
                }
                self.close(peer, Close::FOREIGN);
                ControlFlow::Continue(())
            }
            Err(error) => {
                tracing::info!(peer, code = error.code(), %error, "update refused");
                let close = match error {
                    crdt::Error::TooLarge { .. } => {
                        metrics.refused_too_large.add_one();
                        Close::TOO_LARGE
                    }
                    crdt::Error::HeldFull { .. } => {
                        metrics.refused_full.add_one();
                        Close::HELD_FULL
                    }
                    crdt::Error::Unsupported { .. } => {
                        metrics.refused_malformed.add_one();
                        Close::UNSUPPORTED
                    }
                    _ => {
                        metrics.refused_malformed.add_one();
                        Close::MALFORMED
                    }
                };
                self.close(peer, close);
                ControlFlow::Continue(())
            }
        }
    }

    pub(super) async fn answer_step1(
        &mut self,
        id: PeerId,
        vector: crdt::VersionVector,
    ) -> ControlFlow<End> {
        let Some(peer) = self.peers.get_mut(&id) else {
            return ControlFlow::Continue(());
        };
        if peer.is_lagging() {
            // Answered when it has read what waits for it: one answer at a time, however often it asks.
            peer.lag_from(vector);
            return ControlFlow::Continue(());
        }
        match self.step2(&vector) {
            Ok(answer) => {
                self.send_to(id, &answer);
                ControlFlow::Continue(())
            }
            Err(_) => ControlFlow::Break(self.reload().await),
        }
    }

    /// The answer to somebody who has `vector`.
    fn step2(&mut self, vector: &crdt::VersionVector) -> Result<Bytes, crdt::Error> {
        if !vector.is_empty() {
            return Ok(protocol::step2(&self.document.diff(vector)?).into());
        }
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        let whole = Bytes::from(protocol::step2(&self.document.encode()?));
        self.whole = Some(whole.clone());
        Ok(whole)
    }

    pub(super) async fn catch_up(&mut self, id: PeerId) -> ControlFlow<End> {
        let Some(peer) = self.peers.get_mut(&id) else {
            return ControlFlow::Continue(());
        };
        let Some((version, saved)) = peer.catch_up() else {
            return ControlFlow::Continue(());
        };
        self.app.metrics.resyncs.add_one();
        match self.document.diff(&version) {
            Ok(update) => {
                let all = protocol::awareness(&self.presence.all());
                peer.send(&protocol::step2(&update).into());
                peer.send(&all.into());
                if let Some(saved) = saved {
                    peer.send(&saved);
                }
                // Not settled: if this answer alone fills the queue, answering again would never end.
                ControlFlow::Continue(())
            }
            Err(_) => ControlFlow::Break(self.reload().await),
        }
    }

    pub(super) fn send_to(&mut self, id: PeerId, frame: &Bytes) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.send(frame);
            let version = self.document.version();
            peer.settle(&version.vector);
        }
    }

    pub(super) fn settle_peers(&mut self) {
        let version = self.document.version();
        for peer in self.peers.values_mut() {
            peer.settle(&version.vector);
        }
    }

    pub(super) fn close(&mut self, id: PeerId, close: Close) {
        if let Some(peer) = self.peers.get(&id) {
            peer.close(close);
        }
        self.leave(id);
    }
}
