//! A document is deleted, or comes back from the trash.

use std::ops::ControlFlow;

use super::{Existence, Task, finished, load};
use crate::access::{Access, Denied, Known, Who};
use crate::document::Refused;
use crate::document::edit::OnlyAt;
use crate::journal::JournalError;
use crate::session::Close;
use crate::storage::{DocumentId, Past, StorageError, Trashed};

impl From<JournalError> for Refused {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Full => Self::NoRoom,
            JournalError::Failed | JournalError::Stopped => Self::Storage,
        }
    }
}

impl Task {
    /// Deletes the document: into the trash, unless nothing is kept there.
    pub(super) async fn delete(
        &mut self,
        only_at: Option<&OnlyAt>,
        who: &Who,
    ) -> Result<DocumentId, Refused> {
        self.stored()?;
        self.is_at(only_at)?;
        if self.all_durable().await.is_break() {
            return Err(Refused::Storage);
        }
        // A snapshot that is under way would be taken for one of what comes back, and no other would ever follow it.
        if self.compacting.is_some() {
            let result = finished(&mut self.compacting).await;
            self.compacted(result);
        }
        let now_ms = self.app.machine.now_ms();
        let person = self.person(who);
        // Without the past of the name: what others in the trash held is theirs, and they may come back.
        let vector = self.document.version().vector.clone();
        let past = self.all_up_to_now();
        let (journal, epoch, id) = (&self.app.journal, self.epoch, self.id);
        if self.app.config.trash_days > 0 {
            journal.discard(epoch, id, now_ms, person, vector).await?;
            self.app.metrics.documents_discarded.add_one();
        } else {
            let own = Past {
                stamp: None,
                vector,
            };
            journal.delete(epoch, id, now_ms, own).await?;
            if let Some(search) = self.app.search.get() {
                search.forget(id);
            }
        }
        self.close_all(Close::DELETED);
        let mut empty = load::Loaded::empty(&self.app, Existence::Deleted, self.epoch);
        empty.lineage.others = past.vector.clone();
        empty.lineage.past = Some(past);
        empty.lineage.restores = self.restores_of_all;
        empty.lineage.restores_of_all = self.restores_of_all;
        self.become_loaded(empty);
        Ok(id)
    }

    /// Takes a document back from the trash, under the name of this one, if there is none.
    pub(super) async fn take_back(&mut self, id: DocumentId, who: &Who) -> Result<(), Refused> {
        let trashed = self.trashed(id).await?.ok_or(Refused::NotFound)?;
        self.may_take_back(&trashed, who)?;
        if self.is_begun() {
            return Err(Refused::Exists);
        }
        let taken = self
            .app
            .journal
            .take_back(self.epoch, id, self.name.clone());
        if !taken.await? {
            // Somebody removed it for good, or took it back under another name.
            return Err(Refused::NotFound);
        }
        self.app.metrics.documents_taken_back.add_one();
        // Whoever is here waits for somebody to begin a document.
        self.close_all(Close::RESTART);
        let loaded = load::load(&self.app, &self.name).await;
        let loaded = loaded.map_err(|error| {
            tracing::error!(%error, "a document from the trash cannot be loaded");
            Refused::Storage
        })?;
        self.become_loaded(loaded);
        if let Some(search) = self.app.search.get() {
            search.hint(&self.name);
        }
        match self.begin().await {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Refused::Storage),
        }
    }

    async fn trashed(&self, id: DocumentId) -> Result<Option<Trashed>, Refused> {
        let app = self.app.clone();
        let reading = self.app.machine.blocking(move || app.storage.trashed(id));
        match reading.await {
            Some(Ok(trashed)) => Ok(trashed),
            Some(Err(StorageError::Failed(_))) | None => Err(Refused::Storage),
            Some(Err(_)) => Err(Refused::NoRoom),
        }
    }

    /// Who owns a document in the trash may take it back, under another name only where they may begin one.
    fn may_take_back(&self, trashed: &Trashed, who: &Who) -> Result<(), Refused> {
        let now_ms = self.app.machine.now_ms();
        let rules = self.rules.borrow();
        let before = Known {
            name: &trashed.entry.name,
            id: Some(trashed.id()),
            owner: trashed.entry.owner,
        };
        let access = rules.access(who, &before, now_ms);
        if access < Access::Own {
            // As if it was not there.
            let denied = rules.denies(who, access, Access::Own, now_ms);
            let is_unknown = denied == Some(Denied::NotKnown);
            return Err(match is_unknown {
                true => Refused::Denied(Denied::NotKnown),
                false => Refused::NotFound,
            });
        }
        if *before.name != self.name && !rules.may_begin(who, &self.name, now_ms) {
            return Err(Refused::Denied(Denied::NotAllowed));
        }
        Ok(())
    }

    /// Goes on as what the name stands for from now on. Nobody is here.
    fn become_loaded(&mut self, loaded: load::Loaded) {
        *self = Self::new(
            self.app.clone(),
            self.name.clone(),
            self.handle.clone(),
            loaded,
            self.failures.clone(),
        );
        self.handle.news.send_replace(());
    }
}
