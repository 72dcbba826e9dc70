//! Documents that are deleted and kept for a while.

use std::cmp::Reverse;

use ropewalk_crdt::VersionVector;

use super::state::{Kept, State, line, place};
use crate::access::PersonId;
use crate::name::DocumentName;
use crate::storage::{Discard, DocumentId, Past, Position, Trashed};

#[derive(Debug)]
pub struct Discarded {
    pub at_ms: i64,
    pub kept_from_ms: i64,
    pub by: Option<PersonId>,
    pub vector: VersionVector,
}

impl State {
    pub fn trashed(&self) -> Vec<Trashed> {
        let trashed = |(id, kept): (&DocumentId, &Kept)| {
            let discarded = kept.discarded.as_ref()?;
            Some(Trashed {
                entry: line(*id, kept),
                deleted_at_ms: discarded.at_ms,
                deleted_by: discarded.by,
                kept_from_ms: discarded.kept_from_ms,
                is_name_free: !self.is_taken(&kept.name),
            })
        };
        self.documents.iter().filter_map(trashed).collect()
    }

    pub fn discard(&mut self, discard: &Discard<'_>) -> bool {
        let Some(document) = self.alive(discard.id) else {
            return false;
        };
        document.deleted = true;
        document.discarded = Some(Discarded {
            at_ms: discard.now_ms,
            kept_from_ms: discard.now_ms,
            by: discard.by,
            vector: discard.vector.clone(),
        });
        true
    }

    pub fn trash(&self, after: Option<Position>, limit: usize) -> Vec<Trashed> {
        let mut trashed = self.trashed();
        trashed.retain(|one| after.is_none_or(|after| place(&one.position()) < place(&after)));
        trashed.sort_by_key(|one| Reverse(place(&one.position())));
        trashed.truncate(limit);
        trashed
    }

    pub fn trashed_before(&self, ms: i64, limit: usize) -> Vec<Trashed> {
        let mut trashed = self.trashed();
        trashed.retain(|one| one.kept_from_ms < ms);
        trashed.sort_by_key(|one| (one.kept_from_ms, one.id()));
        trashed.truncate(limit);
        trashed
    }

    pub fn see_time(&mut self, now_ms: i64, most_ms: i64) {
        let passed = now_ms.saturating_sub(self.seen_ms.unwrap_or(now_ms));
        self.seen_ms = Some(now_ms);
        if (0..=most_ms).contains(&passed) {
            return;
        }
        let not_counted = passed.saturating_sub(most_ms).max(0);
        let documents = self.documents.values_mut();
        for discarded in documents.filter_map(|kept| kept.discarded.as_mut()) {
            discarded.kept_from_ms = (discarded.kept_from_ms + not_counted).min(now_ms);
        }
    }

    pub fn take_back(
        &mut self,
        id: DocumentId,
        name: &DocumentName,
        tombstone: DocumentId,
    ) -> bool {
        let is_taken = self.is_taken(name);
        let Some(document) = self.documents.get_mut(&id) else {
            return false;
        };
        let Some(discarded) = document.discarded.take_if(|_| !is_taken) else {
            return false;
        };
        document.deleted = false;
        let before = std::mem::replace(&mut document.name, name.clone());
        let is_mark = |kept: &Kept| kept.moved_to == Some(id) && kept.name == *name;
        self.documents.retain(|_, kept| !is_mark(kept));
        if before != *name {
            let mark = Kept {
                deleted: true,
                moved_to: Some(id),
                past: Some(Past {
                    stamp: None,
                    vector: discarded.vector,
                }),
                ..Kept::new(&before.into(), discarded.at_ms, 0)
            };
            self.documents.insert(tombstone, mark);
        }
        true
    }

    pub fn erase(&mut self, id: DocumentId) -> bool {
        let Some(document) = self.documents.get_mut(&id) else {
            return false;
        };
        let Some(discarded) = document.discarded.take() else {
            return false;
        };
        document.past = Some(Past {
            stamp: None,
            vector: discarded.vector,
        });
        true
    }

    pub fn erase_some(&mut self) -> bool {
        let mut gone = self.documents.values_mut();
        let mut gone = gone
            .by_ref()
            .filter(|kept| kept.deleted && kept.discarded.is_none());
        gone.any(Kept::clear)
    }
}
