//! Who may do what here. The one place that every wire passes: it is asked for each request and whenever somebody joins, and for
//! everybody who is here when the rules change.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ropewalk_crdt::protocol;
use tokio::time::Instant;

use super::{Existence, Task};
use crate::access::{Access, Denied, Known, PersonId, Who};
use crate::document::peer::{Peer, PeerId};
use crate::document::{Command, Refused};
use crate::session::Close;
use crate::storage::Visit;

/// Questions that wait for a peer until it reads, at most.
const MAX_QUESTIONS: u32 = 64;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Task {
    /// Whether there is a document, or will be as soon as what was applied is journalled.
    pub(super) fn is_begun(&self) -> bool {
        self.existence == Existence::Stored || !self.is_all_sent()
    }

    /// What somebody may do with the document; with one that nobody has begun, everything but to delete it, if they may begin it.
    pub(super) fn access(&self, who: &Who) -> Access {
        let now_ms = self.app.machine.now_ms();
        let rules = self.rules.borrow();
        if !self.is_begun() && rules.may_begin(who, &self.name, now_ms) {
            return Access::Edit;
        }
        let known = Known {
            name: &self.name,
            id: (self.existence == Existence::Stored).then_some(self.id),
            owner: self.owner,
        };
        rules.access(who, &known, now_ms)
    }

    /// Why a command is not carried out, if it is not.
    pub(super) fn forbids(&self, command: &Command) -> Option<Refused> {
        let (who, need) = match command {
            Command::Join { who, .. } => (who, Access::Read),
            Command::Text { reply, .. } => (&reply.who, Access::Read),
            Command::State(reply) => (&reply.who, Access::Read),
            Command::Changes { reply, .. } => (&reply.who, Access::Read),
            Command::Create { reply, .. } => (&reply.who, Access::Edit),
            Command::Apply { reply, .. } => (&reply.who, Access::Edit),
            Command::Edit { reply, .. } => (&reply.who, Access::Edit),
            Command::Delete { reply, .. } if self.is_begun() => (&reply.who, Access::Own),
            Command::Delete { reply, .. } => (&reply.who, Access::Read),
            Command::HandOver { reply, .. } => (&reply.who, Access::Own),
            // About another document than that which has the name now: see `trash.rs`.
            Command::TakeBack { .. }
            | Command::Leave(_)
            | Command::CaughtUp(_)
            | Command::Renew { .. }
            | Command::Frame { .. }
            | Command::Stop => return None,
        };
        let denied = self.denies(who, self.access(who), need)?;
        self.app.metrics.refused_access.add_one();
        Some(Refused::Denied(denied))
    }

    fn denies(&self, who: &Who, access: Access, need: Access) -> Option<Denied> {
        let now_ms = self.app.machine.now_ms();
        self.rules.borrow().denies(who, access, need, now_ms)
    }

    /// Somebody begins the document: it is theirs, and others may not be welcome any more. To be called before what they did is
    /// accepted.
    pub(super) fn begun_by(&mut self, person: Option<PersonId>) {
        if self.is_begun() {
            return;
        }
        self.owner = person;
        let is_open = self.rules.borrow().is_open;
        if !is_open {
            // As soon as it is one that somebody has begun.
            self.rules.mark_changed();
        }
    }

    /// Makes the document somebody else's. Whoever only was given to own it may not: it would be taken from who shares it.
    pub(super) async fn hand_over(
        &mut self,
        to: PersonId,
        who: &Who,
    ) -> Result<Option<PersonId>, Refused> {
        self.stored()?;
        let now_ms = self.app.machine.now_ms();
        if !self.rules.borrow().may_hand_over(who, self.owner, now_ms) {
            self.app.metrics.refused_access.add_one();
            return Err(Refused::Denied(Denied::NotOwner));
        }
        let (journal, epoch) = (&self.app.journal, self.epoch);
        if !journal.hand_over(epoch, self.id, to, false).await? {
            return Err(Refused::NotFound);
        }
        let before = self.owner.replace(to);
        self.look_again();
        Ok(before)
    }

    /// Looks at everybody who is here, if the rules have changed.
    pub(super) fn look_if_changed(&mut self) {
        if self.rules.has_changed().unwrap_or(false) {
            self.look_again();
        }
    }

    /// Looks at everybody who is here: the rules have changed, or time has.
    pub(super) fn look_again(&mut self) {
        // What is asked from here on is of these rules.
        self.rules.mark_unchanged();
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.look_at(id));
        self.token_due = None;
        let tokens: Vec<Arc<Who>> = self.peers.values().map(|peer| peer.who.clone()).collect();
        tokens.iter().for_each(|who| self.wait_for_end(who));
        // Whoever follows over HTTP or has no CRDT asks again.
        self.handle.news.send_replace(());
    }

    /// A document token is in nobody's rules: its end is waited for here.
    pub(super) fn wait_for_end(&mut self, who: &Who) {
        let Some(claims) = &who.claims else {
            return;
        };
        let left = claims.expires_at_ms - self.app.machine.now_ms();
        // It has ended; whoever stays is here by something else.
        if left <= 0 {
            return;
        }
        // Not at the same moment again and again, should the two clocks differ; and a day is far enough.
        let left = left.clamp(1, DAY_MS).unsigned_abs();
        let due = Instant::now() + Duration::from_millis(left);
        self.token_due = Some(self.token_due.map_or(due, |before| before.min(due)));
    }

    /// A peer has shown anew who it is. It hears what it may do.
    pub(super) fn renew(&mut self, id: PeerId, who: Arc<Who>) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.who = who.clone();
            peer.author = None;
            self.wait_for_end(&who);
            self.know(id);
            self.look_at(id);
            self.tell_access(id);
        }
    }

    /// Remembers that somebody was here.
    pub(super) fn visited_by(&self, person: Option<PersonId>) {
        if let Some(person) = person.filter(|_| self.existence == Existence::Stored) {
            self.app.visits.note(Visit {
                person,
                id: self.id,
                at_ms: self.app.machine.now_ms(),
            });
        }
    }

    fn look_at(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let who = peer.who.clone();
        let (before, now) = (peer.access, self.access(&who));
        if let Some(denied) = self.denies(&who, now, Access::Read) {
            self.app.metrics.access_revoked.add_one();
            return self.close(id, denied.into());
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.access = now;
        }
        self.know(id);
        if (before >= Access::Edit) != (now >= Access::Edit) {
            self.tell_access(id);
            if now >= Access::Edit {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.is_refused = false;
                    peer.answered = false;
                }
                self.ask_for_all(id);
            }
        }
    }

    pub(super) fn may_edit(&self, id: PeerId) -> bool {
        let peer = self.peers.get(&id);
        peer.is_some_and(|peer| peer.access >= Access::Edit)
    }

    /// Tells a peer whether it may edit.
    pub(super) fn tell_access(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.is_lagging() {
            peer.is_untold = true;
        } else if let Some(frame) = told(peer) {
            self.send_to(id, &frame);
        }
    }

    /// Asks a peer for what it has, as soon as it reads.
    pub(super) fn ask_for_all(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.is_lagging() {
            peer.owes_answers = (peer.owes_answers + 1).min(MAX_QUESTIONS);
            return;
        }
        let question = protocol::step1(&self.document.version().vector).into();
        self.send_to(id, &question);
    }

    /// Whether a peer may not change the document. Then what it has said is looked at no further than to know whether it says anything new.
    pub(super) fn is_read_only(&mut self, id: PeerId, update: &Bytes) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else {
            return true;
        };
        if peer.access >= Access::Edit {
            return false;
        }
        let is_first = !peer.is_refused;
        let is_known = self.document.knows(update).unwrap_or(false);
        if self.doubt(id).is_some() {
            match is_known {
                true => self.let_in(id),
                // A reader can fill no disk: what it has of the past is kept nowhere.
                false if self.has_more(update) => self.close(id, Close::NOT_SET_ASIDE),
                false => self.close(id, Close::REPLACED),
            }
            return true;
        }
        if is_known {
            return true;
        }
        self.app.metrics.refused_access.add_one();
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.is_refused = true;
        }
        if is_first {
            self.tell_access(id);
        }
        true
    }
}

/// What a peer is told of whether it may edit, if it understands that.
pub(super) fn told(peer: &Peer) -> Option<Bytes> {
    let may_edit = peer.access >= Access::Edit;
    let frame = match peer.knows_access() {
        true => protocol::access(may_edit),
        false if may_edit => return None,
        false => protocol::denied(&Denied::ReadOnly.to_string()),
    };
    Some(frame.into())
}
