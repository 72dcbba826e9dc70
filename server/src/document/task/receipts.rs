//! What clients were told of their edits: whoever asks twice is told the same.

use std::collections::{HashMap, VecDeque};

use super::Task;
use crate::access::{PersonId, Who};
use crate::document::edit::Key;
use crate::storage::{MAX_RECEIPTS, Receipt};

/// The newest receipts of a document.
#[derive(Debug, Default)]
pub struct Receipts {
    known: HashMap<Key, Receipt>,
    /// Oldest first.
    order: VecDeque<Key>,
}

/// Whose a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Somebody's who has an account.
    Person(PersonId),
    /// A guest's.
    Guest,
    /// Anybody's: there are no accounts.
    Anybody,
}

/// Stands before and behind the person in the name of a client.
const MARK: char = '\u{1}';

impl Of {
    /// The name of a client as one of theirs: the same name of another person is another client. Older receipts have the
    /// name alone.
    pub fn own(self, client: &str) -> String {
        match self {
            Self::Person(person) => format!("{MARK}{}{MARK}{client}", person.0),
            Self::Guest => format!("{MARK}{MARK}{client}"),
            Self::Anybody => format!("{MARK}*{MARK}{client}"),
        }
    }

    /// The names that a client of theirs may have in older receipts. Those that were made without accounts had that of a guest for a while.
    fn before(self, client: &str) -> impl Iterator<Item = String> {
        let alone = is_name(client).then(|| client.to_owned());
        let guest = (self == Self::Anybody).then(|| Self::Guest.own(client));
        alone.into_iter().chain(guest)
    }
}

/// Whether it can be the name in an older receipt, and not that of somebody's in a newer one.
fn is_name(client: &str) -> bool {
    !client.starts_with(MARK)
}

impl Receipts {
    pub fn add(&mut self, receipt: Receipt) {
        let key = Key {
            client: receipt.client.clone(),
            request: receipt.request.clone(),
        };
        if self.known.insert(key.clone(), receipt).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MAX_RECEIPTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// The newest request of somebody's client.
    pub fn last(&self, of: Of, client: &str) -> Option<String> {
        let names: Vec<String> = std::iter::once(of.own(client))
            .chain(of.before(client))
            .collect();
        let mut newest = self.order.iter().rev();
        let key = newest.find(|key| names.contains(&key.client))?;
        Some(key.request.clone())
    }

    /// What somebody's client was told of a request. What was said before there were accounts is anybody's who says exactly that again.
    pub fn told(&self, of: Of, key: &Key, digest: Option<i64>) -> Option<&Receipt> {
        let named = |client: String| {
            let request = key.request.clone();
            self.known.get(&Key { client, request })
        };
        let is_same = |receipt: &&Receipt| digest.is_some() && receipt.digest == digest;
        named(of.own(&key.client))
            .or_else(|| of.before(&key.client).find_map(named))
            .or_else(|| named(Of::Anybody.own(&key.client)).filter(is_same))
    }
}

impl FromIterator<Receipt> for Receipts {
    fn from_iter<I: IntoIterator<Item = Receipt>>(all: I) -> Self {
        let mut receipts = Self::default();
        all.into_iter().for_each(|receipt| receipts.add(receipt));
        receipts
    }
}

impl Task {
    /// Whose the clients of somebody are now.
    pub(super) fn of(&self, who: &Who) -> Of {
        match self.person(who) {
            Some(person) => Of::Person(person),
            None if self.rules.borrow().is_open => Of::Anybody,
            None => Of::Guest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ropewalk_crdt::Revision;

    const ANN: Of = Of::Person(PersonId(1));
    const BOB: Of = Of::Person(PersonId(2));

    fn receipt(client: &str, request: &str) -> Receipt {
        Receipt {
            client: client.into(),
            request: request.into(),
            sequence: 1,
            restores: 0,
            revision: Revision {
                inserted: 0,
                deleted: 0,
            },
            length: 0,
            digest: Some(7),
        }
    }

    fn key(client: &str, request: &str) -> Key {
        Key {
            client: client.into(),
            request: request.into(),
        }
    }

    #[test]
    fn the_ids_of_a_client_are_its_persons_and_older_receipts_count() {
        let receipts = [
            receipt("editor", "old"),
            receipt(&ANN.own("editor"), "1"),
            receipt(&Of::Guest.own("editor"), "2"),
        ];
        let receipts: Receipts = receipts.into_iter().collect();
        let told = |of, client: &str, request| receipts.told(of, &key(client, request), None);
        for of in [ANN, BOB, Of::Guest] {
            assert!(told(of, "editor", "old").is_some());
            assert_eq!(told(of, "editor", "1").is_some(), of == ANN);
            assert_eq!(told(of, "editor", "2").is_some(), of == Of::Guest);
            // Nobody takes the name that a client of another person has here.
            assert!(told(BOB, &of.own("editor"), "1").is_none());
            assert!(receipts.last(BOB, &of.own("editor")).is_none());
        }
        let last = |of| receipts.last(of, "editor");
        assert_eq!(last(ANN).as_deref(), Some("1"));
        assert_eq!(last(Of::Guest).as_deref(), Some("2"));
        assert_eq!(last(BOB).as_deref(), Some("old"));
    }

    #[test]
    fn what_was_said_before_there_were_accounts_is_known_to_who_says_it_again() {
        let receipts = [
            receipt(&Of::Anybody.own(""), "1"),
            receipt(&Of::Guest.own(""), "2"),
        ];
        let receipts: Receipts = receipts.into_iter().collect();
        let told = |of, request, digest| receipts.told(of, &key("", request), digest).is_some();
        for of in [ANN, Of::Guest] {
            assert!(told(of, "1", Some(7)));
            // Another edit that happens to have the same key.
            assert!(!told(of, "1", Some(8)) && !told(of, "1", None));
            assert_eq!(told(of, "2", Some(7)), of == Of::Guest);
        }
        assert!(told(Of::Anybody, "1", None) && told(Of::Anybody, "2", None));
        assert_eq!(receipts.last(Of::Anybody, "").as_deref(), Some("2"));
        assert_eq!(receipts.last(ANN, ""), None);
    }
}
