//! From memory to disk: what is journalled, and who waits for it.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use ropewalk_crdt::{self as crdt, protocol};

use super::{Existence, Task, at, fanout};
use crate::document::edit::{Changes, Edited};
use crate::document::peer::PeerId;
use crate::document::{Created, Reply, State, Text, Version};
use crate::journal::{Durable, Entry};
use crate::sabotage::{self, Sabotage};
use crate::storage::{Author, Begin, Past, Receipt, Wrote};

/// What a document took in, and neither its peers nor the journal know yet.
#[derive(Clone, Debug)]
pub(super) struct Accepted {
    /// Who sent it; nobody for the server's own edits.
    pub(super) from: Option<PeerId>,
    /// Who made it, for the journal.
    pub(super) author: Arc<Author>,
    /// For the journal.
    pub(super) kept: Bytes,
    /// For the peers: what was integrated. Nothing while all of it waits for other updates.
    pub(super) news: Option<Bytes>,
    /// When it is the document's stamp.
    pub(super) past: Option<Past>,
    /// What a client is told of it.
    pub(super) receipt: Option<Receipt>,
    /// Sequence numbers of receipts that make room for it.
    pub(super) forgotten: Vec<u64>,
    /// Who wrote it, where that is another than before.
    pub(super) wrote: Vec<Wrote>,
    /// There may be more in it than what came: things that had waited for that.
    pub(super) woke: bool,
}

impl Accepted {
    /// An update that peers and journal get alike.
    pub(super) fn of(update: Bytes) -> Self {
        Self {
            from: None,
            author: Arc::default(),
            news: Some(update.clone()),
            kept: update,
            past: None,
            receipt: None,
            forgotten: Vec::new(),
            wrote: Vec::new(),
            woke: false,
        }
    }
}

/// Who gets something once the journal holds `sequence`.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) sequence: u64,
    pub(super) what: Answer,
}

/// What somebody gets.
#[derive(Debug)]
pub(super) enum Answer {
    /// The sender's own update, back to it, with what had waited for it if something `woke`.
    Echo {
        peer: PeerId,
        update: Bytes,
        woke: bool,
    },
    /// A marker, back to the peer that sent it.
    Saved(PeerId, Bytes),
    /// A marker that follows what was not taken in.
    Refused(PeerId, Bytes),
    /// A text that was read.
    Text(Reply<Text>, Text),
    /// A state that was read.
    State(Reply<State>, State),
    /// An update that was applied.
    Applied(Reply<Version>, Version),
    /// An edit by position.
    Edited(Reply<Edited>, Edited),
    /// How a text has changed.
    Changes(Reply<Changes>, Changes),
    /// A document that was created.
    Created(Reply<Created>, Created),
}

impl Task {
    /// The place of the newest update that was applied: what is not journalled yet takes the next ones.
    pub(super) fn newest(&self) -> u64 {
        self.sequence + self.accepted.len() as u64
    }

    /// Whether peers were sent all that was applied.
    pub(super) fn is_all_sent(&self) -> bool {
        self.accepted.is_empty() && self.withheld.is_empty()
    }

    /// Sends or keeps an answer that must not leave before everything applied so far is on disk.
    pub(super) fn answer_when_durable(&mut self, what: Answer) {
        let sequence = self.newest();
        if sequence <= self.saved || sabotage::is(Sabotage::AcknowledgeEarly) {
            self.answer(what);
        } else {
            if let Answer::Saved(peer, _) = what {
                // Of a peer's markers for the same commit the newest says it all.
                let same = self.waiting.iter_mut().rev();
                let same = same.take_while(|waiting| waiting.sequence == sequence);
                let mut older = same
                    .filter(|waiting| matches!(waiting.what, Answer::Saved(id, _) if id == peer));
                if let Some(older) = older.next() {
                    older.what = what;
                    return;
                }
            }
            self.waiting.push_back(Waiting { sequence, what });
        }
    }

    pub(super) fn answer(&mut self, what: Answer) {
        match what {
            Answer::Echo { peer, update, woke } => {
                if woke && let Some(peer) = self.peers.get_mut(&peer) {
                    peer.misses_what_woke();
                }
                self.send_to(peer, &protocol::update(&update).into());
            }
            Answer::Saved(id, frame) | Answer::Refused(id, frame) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.send_saved(frame);
                    self.settle_peer(id);
                }
            }
            Answer::Text(reply, text) => reply.send(Ok(text)),
            Answer::State(reply, state) => reply.send(Ok(state)),
            Answer::Created(reply, created) => reply.send(Ok(created)),
            Answer::Applied(reply, version) => reply.send(Ok(version)),
            Answer::Edited(reply, edited) => reply.send(Ok(edited)),
            Answer::Changes(reply, changes) => reply.send(Ok(changes)),
        }
    }

    /// Takes note of what the journal says, and answers who waited for it.
    pub(super) fn settle_durable(&mut self) -> ControlFlow<()> {
        let Durable::Through(through) = *self.durable.1.borrow_and_update() else {
            return ControlFlow::Break(());
        };
        self.saved = through;
        self.settle_slow();
        debug_assert!(
            self.waiting
                .iter()
                .is_sorted_by_key(|waiting| waiting.sequence)
        );
        let ready = self
            .waiting
            .partition_point(|waiting| waiting.sequence <= through);
        let answers: Vec<Answer> = self
            .waiting
            .drain(..ready)
            .map(|waiting| waiting.what)
            .collect();
        for answer in fanout::merge_echoes(answers) {
            self.answer(answer);
        }
        self.handle.news.send_replace(());
        ControlFlow::Continue(())
    }

    /// Waits until everything applied is on disk.
    pub(super) async fn all_durable(&mut self) -> ControlFlow<()> {
        self.flush().await?;
        while self.saved < self.sequence {
            if self.durable.1.changed().await.is_err() {
                return ControlFlow::Break(());
            }
            self.settle_durable()?;
        }
        ControlFlow::Continue(())
    }

    /// Broadcasts and journals what was applied: the order of both is the order of application.
    ///
    /// What has a receipt is on disk before anybody sees it, and all that was applied with it. Otherwise a peer could have
    /// seen an edit that the server forgets in a crash, and bring it back beside the same one, sent again.
    pub(super) async fn flush(&mut self) -> ControlFlow<()> {
        if self.accepted.is_empty() {
            return ControlFlow::Continue(());
        }
        // Whoever may not see it goes before.
        self.look_if_changed();
        let accepted = std::mem::take(&mut self.accepted);
        let may_be_seen = |accepted: &Accepted| accepted.receipt.is_none();
        if accepted.iter().all(may_be_seen) || sabotage::is(Sabotage::ShowEarly) {
            fanout::broadcast(&self.peers, &accepted);
            self.settle_peers();
            return self.keep(accepted).await;
        }
        self.withheld = accepted.clone();
        self.keep(accepted).await?;
        self.on_disk().await?;
        self.look_if_changed();
        fanout::broadcast(&self.peers, &std::mem::take(&mut self.withheld));
        self.settle_peers();
        self.settle_durable()
    }

    /// Waits until all that was journalled is on disk. Nobody is answered meanwhile.
    async fn on_disk(&mut self) -> ControlFlow<()> {
        let mut durable = self.durable.1.clone();
        let newest = self.sequence;
        let is_over = |durable: &Durable| !matches!(durable, Durable::Through(n) if *n < newest);
        loop {
            let slow_due = self.unsaved.slow_due();
            tokio::select! {
                biased;
                last = durable.wait_for(is_over) => return match last.map(|last| *last) {
                    Ok(Durable::Through(_)) => ControlFlow::Continue(()),
                    Ok(Durable::Failed) | Err(_) => ControlFlow::Break(()),
                },
                () = at(slow_due) => self.tell_slow(),
            }
        }
    }

    /// Journals what was applied.
    async fn keep(&mut self, mut accepted: Vec<Accepted>) -> ControlFlow<()> {
        if sabotage::is(Sabotage::Reorder) {
            accepted.reverse();
        }
        let length = self.document.len_utf16(crdt::ROOT);
        let newest = self.sequence + accepted.len() as u64;
        self.unsaved.add(newest);
        for Accepted {
            from,
            author,
            kept,
            news,
            past,
            receipt,
            forgotten,
            wrote,
            woke,
        } in accepted
        {
            let create = if self.existence == Existence::Stored {
                None
            } else {
                self.id = self.app.storage.allocate();
                self.existence = Existence::Stored;
                Some(Box::new(Begin {
                    name: self.name.clone(),
                    owner: self.owner,
                }))
            };
            self.sequence += 1;
            self.log_updates += 1;
            self.log_bytes += kept.len();
            // What had waited for it the sender has to hear of, whether it wants to hear of its own or not.
            let echoes = |id: &PeerId| self.peers.get(id).is_some_and(|peer| peer.wire.echoes);
            if let Some(peer) = from.filter(|id| woke || echoes(id)) {
                let update = news.unwrap_or_else(|| kept.clone());
                let what = Answer::Echo { peer, update, woke };
                let sequence = self.sequence;
                // A marker for what came in the same breath may wait already: it stays behind the echoes.
                let behind = self.waiting.iter().rev();
                let behind = behind.take_while(|waiting| waiting.sequence >= sequence);
                let at = self.waiting.len() - behind.count();
                if sabotage::is(Sabotage::AcknowledgeEarly) {
                    self.answer(what);
                } else {
                    self.waiting.insert(at, Waiting { sequence, what });
                }
            }
            let entry = Entry {
                epoch: self.epoch,
                id: self.id,
                create,
                sequence: self.sequence,
                update: Some(kept),
                author,
                length,
                edited_at_ms: self.app.machine.now_ms(),
                past,
                receipt: receipt.map(Box::new),
                forgotten,
                wrote,
                durable: self.durable.0.clone(),
            };
            self.journal(entry).await?;
        }
        ControlFlow::Continue(())
    }

    async fn journal(&mut self, entry: Entry) -> ControlFlow<()> {
        let app = self.app.clone();
        let appending = app.journal.append(entry);
        tokio::pin!(appending);
        loop {
            let slow_due = self.unsaved.slow_due();
            tokio::select! {
                biased;
                appended = &mut appending => return match appended {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                },
                // The queue is full. Nobody's frames are read until there is room; they hear why.
                () = at(slow_due) => self.tell_slow(),
            }
        }
    }
}
