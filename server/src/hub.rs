//! The only map that connections share: from a document's name to the handle of its task.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::App;
use crate::document::{self, Handle};
use crate::name::DocumentName;

/// Handles that are nobody's way to the document: this map's, and three of its task (its loop's, its guard's and its
/// state's).
const OWN: usize = 4;

/// Documents that are in memory, or being loaded.
///
/// The lock is never held across an `.await`: the handle is inserted first and its task loads, so two first
/// openers meet in one mailbox.
#[derive(Debug, Default)]
pub struct Hub {
    documents: Mutex<BTreeMap<DocumentName, Arc<Handle>>>,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<DocumentName, Arc<Handle>>> {
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The handle of a document; starts its task if there is none.
    pub fn open(&self, app: &Arc<App>, name: &DocumentName) -> Arc<Handle> {
        let mut documents = self.lock();
        if let Some(handle) = documents.get(name) {
            return handle.clone();
        }
        let handle = document::spawn(app.clone(), name.clone());
        documents.insert(name.clone(), handle.clone());
        handle
    }

    /// The handle of a document, if it is in memory.
    pub fn get(&self, name: &DocumentName) -> Option<Arc<Handle>> {
        self.lock().get(name).cloned()
    }

    /// Removes the document if nobody but its task and this map holds its handle, and nothing waits in its mailbox.
    /// Handles are only given out under the same lock, so nobody can slip in between.
    pub fn retire(&self, name: &DocumentName, handle: &Arc<Handle>) -> bool {
        let mut documents = self.lock();
        let ours = documents
            .get(name)
            .is_some_and(|held| Arc::ptr_eq(held, handle));
        if !ours {
            return true;
        }
        if Arc::strong_count(handle) > OWN || !handle.is_quiet() {
            return false;
        }
        documents.remove(name);
        true
    }

    /// Removes the document whoever holds its handle: its task is ending and answers nobody any more.
    pub fn remove(&self, name: &DocumentName, handle: &Arc<Handle>) {
        let mut documents = self.lock();
        if documents
            .get(name)
            .is_some_and(|held| Arc::ptr_eq(held, handle))
        {
            documents.remove(name);
        }
    }

    /// How many documents are in memory.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Connections to the document now.
    pub fn people(&self, name: &DocumentName) -> usize {
        self.lock().get(name).map_or(0, |handle| handle.people())
    }

    /// Every handle, to end them.
    pub fn all(&self) -> Vec<Arc<Handle>> {
        self.lock().values().cloned().collect()
    }
}
