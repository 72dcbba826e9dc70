//! What the API asks of a document.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use ropewalk_crdt::{self as crdt, Edit, Speaker, Unit};

use super::saving::{Accepted, Answer};
use super::{End, Existence, Task};
use crate::access::Who;
use crate::document::{Created, Refused, Reply, State, Text, Version};

impl Task {
    pub(super) fn text(&mut self, root: &str, reply: Reply<Text>) {
        match self.stored() {
            Err(refused) => reply.send(Err(refused)),
            Ok(()) => {
                let text = Text {
                    rope: self.document.text(root),
                    version: self.version(),
                };
                self.answer_when_durable(Answer::Text(reply, text));
            }
        }
    }

    pub(super) fn state(&mut self, reply: Reply<State>) {
        match self.stored() {
            Err(refused) => reply.send(Err(refused)),
            Ok(()) => {
                let state = State {
                    update: self.document.encode(),
                    version: self.version(),
                };
                self.answer_when_durable(Answer::State(reply, state));
            }
        }
    }

    /// Whether there is a document to read.
    pub(super) fn stored(&self) -> Result<(), Refused> {
        match self.existence {
            Existence::Absent => Err(Refused::NotFound),
            Existence::Deleted => Err(Refused::Deleted),
            Existence::Stored => Ok(()),
        }
    }

    pub(super) async fn create(&mut self, text: String, reply: Reply<Created>) -> ControlFlow<End> {
        if self.existence == Existence::Stored {
            reply.send(Err(Refused::Exists));
            return ControlFlow::Continue(());
        }
        let edits = [Edit {
            from: 0,
            to: 0,
            insert: text,
        }];
        let base = self.document.version().clone();
        let from = self.own_end();
        let update = match self.document.edit(&base, crdt::ROOT, Unit::Utf8, &edits) {
            Ok(update) => update,
            Err(_) => {
                self.app.metrics.refused_too_large.add_one();
                reply.send(Err(Refused::TooLarge));
                return ControlFlow::Continue(());
            }
        };
        let person = self.person(&reply.who);
        self.begun_by(person);
        // Without text this is an update that says nothing; it still begins the document's log.
        self.whole = None;
        let wrote = self.written_for(person, from);
        self.accepted.push(Accepted {
            author: self.named(Arc::default(), &reply.who),
            wrote,
            ..Accepted::of(update.into())
        });
        if self.flush().await.is_break() {
            reply.send(Err(Refused::Storage));
            return ControlFlow::Break(self.storage_failed());
        }
        let created = Created {
            version: self.version(),
            length: self.document.len_utf16(crdt::ROOT),
        };
        self.answer_when_durable(Answer::Created(reply, created));
        ControlFlow::Continue(())
    }

    /// Takes in an update of somebody who is no peer.
    pub(super) async fn apply(&mut self, update: Bytes, reply: Reply<Version>) -> ControlFlow<End> {
        let taken = self.stored();
        let taken = taken.and_then(|()| self.take_from_outside(&update, &reply.who));
        if let Err(refused) = taken {
            reply.send(Err(refused));
            return ControlFlow::Continue(());
        }
        if self.flush().await.is_break() {
            reply.send(Err(Refused::Storage));
            return ControlFlow::Break(self.storage_failed());
        }
        let version = self.version();
        self.answer_when_durable(Answer::Applied(reply, version));
        ControlFlow::Continue(())
    }

    fn take_from_outside(&mut self, update: &Bytes, who: &Who) -> Result<(), Refused> {
        if self.is_stray(update) {
            self.app.metrics.refused_past.add_one();
            return Err(Refused::Replaced);
        }
        let outside = self.app.next_peer();
        let person = self.person(who);
        self.document
            .speaks_for(outside, person.map(|person| person.0));
        let applied = self.document.apply_from(update, Speaker::Relay(outside));
        self.document.leave(outside);
        let metrics = &self.app.metrics;
        let applied = applied.map_err(|error| match error {
            crdt::Error::Foreign { .. } => Refused::Foreign,
            crdt::Error::TooLarge { .. } | crdt::Error::HeldFull { .. } => {
                metrics.refused_too_large.add_one();
                Refused::TooLarge
            }
            _ => {
                metrics.refused_malformed.add_one();
                Refused::Malformed
            }
        })?;
        if self.counts(&applied) {
            let author = self.named(Arc::default(), who);
            self.take(None, person, &author, update, applied);
        }
        Ok(())
    }

    pub(super) fn version(&self) -> Version {
        Version {
            id: self.id,
            restores: self.restores,
            sequence: self.newest(),
            revision: self.document.revision(),
        }
    }
}
