//! Who is connected now, for those who look after the server. Written to when a connection enters or leaves a document, and at no edit.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::{Holder, Who};
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

/// One has one in so many of the connections that there may be, or that a document may have.
const SHARES: usize = 4;

/// And at least a tab and an editor.
const LEAST: usize = 2;

/// The most of them that somebody has, but never all. A link, and the document tokens of one name, can be those of many.
pub fn share(of: Holder, most: usize) -> usize {
    let part = most / SHARES;
    let share: usize = match of {
        Holder::Person(_) | Holder::Network(_) => part.max(LEAST),
        Holder::Link(_) | Holder::Guests(_) | Holder::Bearer(_) => (most / 2).max(LEAST),
    };
    share.min(most.saturating_sub(1)).max(1)
}

/// How many connections everybody has, of all that there are.
#[derive(Debug, Default)]
pub struct Shares {
    taken: Mutex<HashMap<Holder, usize>>,
}

impl Shares {
    fn lock(&self) -> MutexGuard<'_, HashMap<Holder, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more of somebody, until what this answers is dropped, if they have less than `most`.
    pub fn take(self: &Arc<Self>, holder: Holder, most: usize) -> Option<Share> {
        let mut taken = self.lock();
        let count = taken.entry(holder).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Share {
            holder,
            all: self.clone(),
        })
    }
}

/// Room for a connection.
#[derive(Debug)]
pub struct Share {
    holder: Holder,
    all: Arc<Shares>,
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.all.lock().entry(self.holder) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::{LinkId, PersonId};

    #[test]
    fn nobody_has_more_than_their_share() {
        let shares = Arc::new(Shares::default());
        let [ann, bob] = [1, 2].map(|id| Holder::Person(PersonId(id)));
        let take = |of| shares.take(of, share(of, 8));
        let (first, second) = (take(ann), take(ann));
        assert!(first.is_some() && second.is_some());
        assert!(take(ann).is_none() && take(bob).is_some());
        drop(first);
        assert!(take(ann).is_some());
        drop(second);
        assert!(shares.lock().is_empty());
        let of = |holder| [1, 2, 3, 8, 512].map(|most| share(holder, most));
        assert_eq!(of(ann), [1, 1, 2, 2, 128]);
        assert_eq!(of(Holder::Link(LinkId(1))), [1, 1, 2, 4, 256]);
    }

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
