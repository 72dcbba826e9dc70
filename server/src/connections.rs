//! Who is connected now, for those who look after the server. Written to when a connection enters or leaves a document, and at no edit.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::Who;
use crate::document::peer::PeerId;
use crate::name::DocumentName;

/// A connection to a document. A socket with several documents is one for each.
#[derive(Clone, Debug)]
pub struct Connected {
    /// To which.
    pub document: DocumentName,
    /// What it speaks.
    pub wire: &'static str,
    /// Who it is.
    pub who: Arc<Who>,
    /// Where it comes from, if that is known.
    pub address: Option<IpAddr>,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: i64,
}

/// All of them. As many as there may be connections.
#[derive(Debug, Default)]
pub struct Connections {
    all: Mutex<BTreeMap<PeerId, Connected>>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PeerId, Connected>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One is there, until what this answers is dropped.
    pub fn enter(self: &Arc<Self>, id: PeerId, connected: Connected) -> Present {
        self.lock().insert(id, connected);
        Present {
            id,
            all: self.clone(),
        }
    }

    /// The newest, at most so many, and how many there are.
    pub fn newest(&self, most: usize) -> (Vec<(PeerId, Connected)>, usize) {
        let all = self.lock();
        let newest = all.iter().rev().take(most);
        let newest = newest.map(|(id, connected)| (*id, connected.clone()));
        (newest.collect(), all.len())
    }
}

/// A connection that is there.
#[derive(Debug)]
pub struct Present {
    id: PeerId,
    all: Arc<Connections>,
}

impl Present {
    /// It has shown anew who it is.
    pub fn renew(&self, who: Arc<Who>) {
        if let Some(connected) = self.all.lock().get_mut(&self.id) {
            connected.who = who;
        }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_leaves_is_not_there_any_more() {
        let all = Arc::new(Connections::default());
        let enter = |id| {
            let connected = Connected {
                document: DocumentName::new("a").unwrap(),
                wire: "text",
                who: Arc::default(),
                address: None,
                since_ms: 0,
            };
            all.enter(id, connected)
        };
        let present: Vec<Present> = (1..=5).map(enter).collect();
        let ids = |most| {
            let (newest, count) = all.newest(most);
            let ids: Vec<PeerId> = newest.into_iter().map(|(id, _)| id).collect();
            (ids, count)
        };
        assert_eq!(ids(2), (vec![5, 4], 5));
        drop(present);
        assert_eq!(ids(2), (vec![], 0));
    }
}
