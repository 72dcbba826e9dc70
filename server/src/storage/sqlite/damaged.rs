//! Documents whose line in the list cannot be read. Each costs only itself, and is told of once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::storage::{DocumentId, Entry};

/// So many are remembered; each is logged.
const MOST: usize = 1000;

/// See the module.
#[derive(Debug, Default)]
pub struct Damaged(Mutex<BTreeMap<DocumentId, String>>);

impl Damaged {
    fn found(&self) -> MutexGuard<'_, BTreeMap<DocumentId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down what is found, with why.
    pub fn notes(&self) -> impl FnMut(DocumentId, String) {
        |id, why| {
            let mut found = self.found();
            if found.len() < MOST && !found.contains_key(&id) {
                tracing::error!(%why, "a document cannot be listed; see `ropewalk verify`");
                found.insert(id, why);
            }
        }
    }

    /// These can be read, whatever was before.
    pub fn are_whole(&self, entries: &[Entry]) {
        let mut found = self.found();
        if !found.is_empty() {
            for entry in entries {
                found.remove(&entry.id());
            }
        }
    }

    /// It is in the list no more.
    pub fn is_gone(&self, id: DocumentId) {
        self.found().remove(&id);
    }

    /// All that are known.
    pub fn all(&self) -> Vec<(DocumentId, String)> {
        let found = self.found();
        found.iter().map(|(id, why)| (*id, why.clone())).collect()
    }
}
