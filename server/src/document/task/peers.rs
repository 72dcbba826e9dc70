//! Peers of a document: they come, speak, lag, catch up and go.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use ropewalk_crdt::{self as crdt, Applied, Integrated, Speaker, protocol};
use tokio::time::Instant;

use super::access::told;
use super::saving::{Accepted, Answer};
use super::{Existence, Task};
use crate::access::{Access, PersonId, Who};
use crate::connections::share;
use crate::document::peer::{Has, Peer, PeerId};
use crate::document::{Frame, Refused};
use crate::session::Close;
use crate::storage::Author;

/// The frame that asks a client for its awareness states.
const QUERY_AWARENESS: &[u8] = &[3];

impl Task {
    pub(super) fn join(&mut self, id: PeerId, mut peer: Peer) -> Result<Access, Refused> {
        if self.existence == Existence::Deleted {
            return Err(Refused::Deleted);
        }
        let most = self.app.config.max_connections_per_document;
        if self.peers.len() >= most || self.has_all_of_theirs(&peer.who, most) {
            self.app.metrics.refused_full.add_one();
            return Err(Refused::Full);
        }
        peer.is_in = self.past.is_none();
        let version = self.document.version();
        if peer.wire.greets {
            peer.send(&protocol::step1(&version.vector).into());
        }
        if self.presence.people() > 0 {
            peer.send(&protocol::awareness(&self.presence.all()).into());
        }
        peer.departures = self.presence.departures();
        peer.settle(|| self.remembered.add(version));
        let access = peer.access;
        self.wait_for_end(&peer.who);
        self.peers.insert(id, peer);
        self.know(id);
        self.visited_by(self.peers.get(&id).and_then(|peer| peer.person));
        self.visited = true;
        self.handle.people.store(self.peers.len(), Relaxed);
        Ok(access)
    }

    /// Whether somebody who can be told from others has as many connections as they may: nobody keeps everybody else out.
    fn has_all_of_theirs(&self, who: &Who, most: usize) -> bool {
        self.holder(who).is_some_and(|holder| {
            let holders = self.peers.values().map(|peer| peer.holder);
            holders.filter(|of| *of == Some(holder)).count() >= share(holder, most)
        })
    }

    pub(super) fn leave(&mut self, peer: PeerId) {
        let Some(gone) = self.peers.remove(&peer) else {
            return;
        };
        self.document.leave(peer);
        if gone.has_edited {
            self.visited_by(gone.person);
        }
        if let Some(client) = gone.introduced {
            self.bequeath(client);
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

    pub(super) fn frame(&mut self, peer: PeerId, frame: Frame) {
        if !self.peers.contains_key(&peer) {
            // It was closed; what it had sent meanwhile was never acknowledged.
            return;
        }
        match frame {
            Frame::Step1(vector) => {
                self.answer_step1(peer, vector);
                self.hear(peer);
            }
            Frame::Update(update) => self.update(peer, Speaker::Live(peer), update),
            Frame::Step2(update) => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.answered = true;
                }
                match self.comes_early(peer) {
                    true => self.listen(peer, update),
                    false => self.update(peer, Speaker::Relay(peer), update),
                }
            }
            Frame::Awareness(body) => self.announce(peer, &body),
            Frame::Pointing(pointing) => self.point(peer, *pointing),
            Frame::Ask => self.ask_for_all(peer),
            Frame::Stateless(_) if !self.may_edit(peer) => {
                // Applications take them for more than talk.
                self.app.metrics.refused_access.add_one();
            }
            Frame::Stateless(payload) => {
                let frame = protocol::stateless(&payload).into();
                let others = self.peers.iter().filter(|&(id, _)| *id != peer);
                for (_, other) in others.filter(|(_, other)| other.wire.stateless) {
                    other.send(&frame);
                }
                self.settle_peers();
            }
            Frame::QueryAwareness => {
                // Who lags is told anyway when it has caught up.
                if self.peers.get(&peer).is_some_and(|peer| !peer.is_lagging()) {
                    let all = protocol::awareness(&self.presence.all()).into();
                    self.send_to(peer, &all);
                }
            }
            Frame::Saved(payload) => {
                let is_first = self
                    .peers
                    .get_mut(&peer)
                    .is_some_and(|peer| !std::mem::replace(&mut peer.marks, true));
                self.hear(peer);
                if is_first
                    && self
                        .peers
                        .get(&peer)
                        .is_some_and(|peer| peer.access < Access::Edit)
                {
                    self.tell_access(peer);
                }
                match self.doubt(peer) {
                    Some(doubt) => doubt.marker = Some(payload),
                    None => self.mark(peer, &payload),
                }
            }
        }
    }

    /// Answers a marker when all that came before it is on disk.
    pub(super) fn mark(&mut self, id: PeerId, payload: &[u8]) {
        let what = match self.peers.get(&id) {
            // Not all of it is in the document, and will not be.
            Some(peer) if peer.is_refused && !peer.wire.knows_access => return,
            Some(peer) if peer.is_refused => Answer::Refused(id, protocol::refused(payload).into()),
            _ => Answer::Saved(id, protocol::saved(payload).into()),
        };
        self.answer_when_durable(what);
    }

    pub(super) fn update(&mut self, peer: PeerId, speaker: Speaker, update: Bytes) {
        if self.is_read_only(peer, &update) {
            return;
        }
        if self.past.is_some() && self.strays(peer, speaker, &update) {
            return;
        }
        let metrics = &self.app.metrics;
        if self.peers.get_mut(&peer).is_some_and(Peer::is_overworking) {
            metrics.refused_full.add_one();
            return self.close(peer, Close::TOO_MUCH_WORK);
        }
        let before = self.document.steps();
        let applied = self.document.apply_from(&update, speaker);
        let steps = self.document.steps() - before;
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.charge(steps);
        }
        let applied = match applied {
            Ok(applied) => applied,
            Err(error) => return self.refuse(peer, &error),
        };
        if applied.held && matches!(speaker, Speaker::Live(_)) {
            self.ask_again(peer);
        }
        if !self.counts(&applied) {
            return;
        }
        let author = self.author(peer);
        let person = self.peers.get(&peer).and_then(|peer| peer.person);
        self.take(Some(peer), person, &author, &update, applied);
    }

    /// Counts what came of an update, and answers whether it said something new.
    pub(super) fn counts(&self, applied: &Applied) -> bool {
        let metrics = &self.app.metrics;
        if applied.held {
            metrics.updates_held.add_one();
        }
        match applied.changed {
            true => metrics.updates_applied.add_one(),
            false => metrics.updates_known.add_one(),
        }
        applied.changed
    }

    /// Puts what was applied on its way to peers and journal.
    pub(super) fn take(
        &mut self,
        from: Option<PeerId>,
        person: Option<PersonId>,
        author: &Arc<Author>,
        update: &Bytes,
        applied: Applied,
    ) {
        self.begun_by(person);
        let mut wrote = self.written_by(person, &applied.written);
        if let Some(peer) = from.and_then(|id| self.peers.get_mut(&id)) {
            peer.has_edited = true;
        }
        let news = match applied.integrated {
            Integrated::Nothing => None,
            Integrated::All => Some(update.clone()),
            Integrated::Part(part) => Some(part.into()),
        };
        if let Some(news) = news {
            self.whole = None;
            self.accepted.push(Accepted {
                from,
                author: author.clone(),
                woke: applied.woke,
                wrote: std::mem::take(&mut wrote),
                ..Accepted::of(news)
            });
        }
        // Kept apart: whether it is ever integrated is seen when its turn comes.
        for waiting in applied.waiting {
            self.accepted.push(Accepted {
                from,
                author: author.clone(),
                news: None,
                wrote: std::mem::take(&mut wrote),
                ..Accepted::of(waiting.into())
            });
        }
    }

    /// Asks a peer for what the document lacks: it wrote next to what it knows and the document does not, though it has
    /// answered before. What waited there for the document's own answer was not in that.
    fn ask_again(&mut self, id: PeerId) {
        let peer = self.peers.get_mut(&id);
        if let Some(peer) = peer.filter(|peer| peer.answered && !peer.is_lagging()) {
            peer.answered = false;
            let vector = &self.document.version().vector;
            // A large question for a small frame.
            peer.charge(vector.len() as u64);
            let step1 = protocol::step1(vector);
            self.send_to(id, &step1.into());
        }
    }

    /// Ends the connection of a peer whose update was refused.
    fn refuse(&mut self, peer: PeerId, error: &crdt::Error) {
        tracing::info!(peer, code = error.code(), %error, "update refused");
        let metrics = &self.app.metrics;
        let (counter, close) = match error {
            crdt::Error::Foreign { client } => {
                if let Some(owner) = self.document.owner(*client) {
                    self.contested(peer, owner, *client);
                }
                return self.close(peer, Close::FOREIGN);
            }
            crdt::Error::TooLarge { .. } => (&metrics.refused_too_large, Close::TOO_LARGE),
            crdt::Error::HeldFull { .. } => (&metrics.refused_full, Close::HELD_FULL),
            crdt::Error::Unsupported { .. } => (&metrics.refused_malformed, Close::UNSUPPORTED),
            _ => (&metrics.refused_malformed, Close::MALFORMED),
        };
        counter.add_one();
        self.close(peer, close);
    }

    fn answer_step1(&mut self, id: PeerId, vector: crdt::VersionVector) {
        let is_of_the_past = self.is_of_the_past(&vector);
        let has_seen = self.has_seen_the_stamp(&vector);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.has_asked = true;
        if is_of_the_past && !peer.is_in {
            return self.doubts(id, vector.into());
        }
        peer.is_new = !has_seen && !peer.is_in;
        self.give(id, vector);
    }

    /// Sends what somebody lacks who has `vector`.
    pub(super) fn give(&mut self, id: PeerId, vector: crdt::VersionVector) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.is_in = true;
        peer.doubt = None;
        if peer.is_lagging() {
            // Answered when it has read what waits for it: one answer at a time, however often it asks.
            peer.lag_from(vector.into());
            return;
        }
        let answer = self.step2(&vector);
        self.send_to(id, &answer);
    }

    /// The answer to somebody who has `vector`.
    fn step2(&mut self, vector: &crdt::VersionVector) -> Bytes {
        if !vector.is_empty() {
            return protocol::step2(&self.document.diff(vector)).into();
        }
        let document = &mut self.document;
        let whole = self
            .whole
            .get_or_insert_with(|| protocol::step2(&document.encode()).into());
        whole.clone()
    }

    pub(super) fn catch_up(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some((has, saved)) = peer.catch_up() else {
            return;
        };
        self.app.metrics.resyncs.add_one();
        let Some(people) = self.presence.since(peer.departures) else {
            // It would show people for good who are not there any more.
            return self.close(id, Close::STALLED);
        };
        peer.departures = self.presence.departures();
        if peer.follows() && peer.wire.updates {
            let update = match has {
                Has::Vector(vector) => self.document.diff(&vector),
                Has::Version(version) => self.document.diff_since(&version),
            };
            peer.send(&protocol::step2(&update).into());
        }
        peer.send(&protocol::awareness(&people).into());
        saved.iter().for_each(|saved| peer.send(saved));
        let owes_answers = std::mem::take(&mut peer.owes_answers);
        if std::mem::take(&mut peer.is_untold)
            && let Some(told) = told(peer)
        {
            peer.send(&told);
        }
        // As often as it was to be: some count their answers.
        if owes_answers > 0 {
            let question = protocol::step1(&self.document.version().vector).into();
            (0..owes_answers).for_each(|_| peer.send(&question));
        }
        // Not settled: if this answer alone fills the queue, answering again would never end.
    }

    pub(super) fn send_to(&mut self, id: PeerId, frame: &Bytes) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.send(frame);
            self.settle_peer(id);
        }
    }

    /// Sees whether a peer lags. What was applied and not broadcast yet it does not have: then the broadcast sees to it.
    pub(super) fn settle_peer(&mut self, id: PeerId) {
        if self.is_all_sent()
            && let Some(peer) = self.peers.get_mut(&id)
        {
            peer.settle(|| self.remembered.add(self.document.version()));
        }
    }

    pub(super) fn settle_peers(&mut self) {
        let mut has = None;
        for peer in self.peers.values_mut() {
            peer.settle(|| {
                let has = has.get_or_insert_with(|| self.remembered.add(self.document.version()));
                has.clone()
            });
        }
    }

    pub(super) fn close(&mut self, id: PeerId, close: Close) {
        if let Some(peer) = self.peers.get(&id) {
            peer.close(close);
        }
        self.leave(id);
    }
}
