//! What clients were told of their edits: whoever asks twice is told the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem;

use data_encoding::HEXLOWER;

use super::Task;
use crate::access::{Hash, LinkId, PersonId, SessionId, Who};
use crate::document::edit::Key;
use crate::storage::Receipt;

/// Receipts of a document that are kept.
const MOST: usize = if cfg!(test) { 24 } else { 4096 };

/// The newest receipts of a document. One that is too many takes the place of the oldest of whoever has most, so that nobody
/// pushes out what others were told.
#[derive(Debug, Default)]
pub struct Receipts {
    known: HashMap<Key, Receipt>,
    /// By whose the clients are, as [`owner`] says it.
    of: BTreeMap<String, Clients>,
    /// Sequence numbers of those that are not known here any more, and are still on disk.
    forgotten: Vec<u64>,
}

/// Sequence numbers and requests of clients, the oldest first; no client without any.
type Clients = BTreeMap<String, VecDeque<(u64, String)>>;

/// Whose a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Somebody's who has an account.
    Person(PersonId),
    /// Whom document tokens name.
    Bearer(Hash),
    /// A guest's, with a browser or a script that came by links.
    Session(SessionId),
    /// That of whoever has this link.
    Link(LinkId),
    /// A guest's, in older receipts.
    Guest,
    /// Anybody's: there are no accounts.
    Anybody,
}

/// Stands before and behind the person in the name of a client.
const MARK: char = '\u{1}';
/// Whose the clients of all guests are.
const GUESTS: &str = "\u{1}";

impl Of {
    /// The name of a client as one of theirs: the same name of another person is another client. Older receipts have the
    /// name alone.
    pub fn own(self, client: &str) -> String {
        match self {
            Self::Person(person) => format!("{MARK}{}{MARK}{client}", person.0),
            Self::Bearer(hash) => format!("{MARK}b{}{MARK}{client}", HEXLOWER.encode(&hash[..16])),
            Self::Session(id) => format!("{MARK}s{}{MARK}{client}", id.0),
            Self::Link(id) => format!("{MARK}l{}{MARK}{client}", id.0),
            Self::Guest => format!("{MARK}{MARK}{client}"),
            Self::Anybody => format!("{MARK}*{MARK}{client}"),
        }
    }

    fn is_guest(self) -> bool {
        !matches!(self, Self::Person(_) | Self::Anybody)
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

/// Whose a client is, as its name in a receipt says it: all guests are one, and so are all who come without accounts, as they may take
/// as many names as they like.
fn owner(client: &str) -> &str {
    let mut marks = client.match_indices(MARK).filter(|_| !is_name(client));
    // Behind the second one is what they call it.
    let owner = marks.nth(1).map_or("", |(end, _)| &client[..end]);
    let is_guest = owner
        .chars()
        .nth(1)
        .is_some_and(|kind| kind.is_ascii_lowercase());
    if is_guest { GUESTS } else { owner }
}

impl Receipts {
    /// Adds the newest. Answers which are forgotten, by sequence number.
    pub fn add(&mut self, receipt: Receipt) -> Vec<u64> {
        self.insert(receipt);
        mem::take(&mut self.forgotten)
    }

    fn insert(&mut self, receipt: Receipt) {
        let (client, request) = (receipt.client.clone(), receipt.request.clone());
        let clients = self.of.entry(owner(&client).to_owned()).or_default();
        let requests = clients.entry(client.clone()).or_default();
        requests.push_back((receipt.sequence, request.clone()));
        if let Some(older) = self.known.insert(Key { client, request }, receipt) {
            requests.retain(|&(sequence, _)| sequence != older.sequence);
            self.forgotten.push(older.sequence);
        }
        if self.known.len() > MOST {
            self.forget_one();
        }
    }

    /// Forgets the oldest receipt of the client that has most, of the clients of whoever has most; where two have as many, that which is older.
    fn forget_one(&mut self) {
        let oldest = |requests: &VecDeque<(u64, String)>| requests.front().map(|first| first.0);
        let most = self.of.iter_mut().max_by_key(|(_, clients)| {
            let count: usize = clients.values().map(VecDeque::len).sum();
            (count, Reverse(clients.values().filter_map(oldest).min()))
        });
        let Some((owner, clients)) = most else {
            return;
        };
        let most = clients
            .iter_mut()
            .max_by_key(|(_, requests)| (requests.len(), Reverse(oldest(requests))));
        let Some((client, requests)) = most else {
            return;
        };
        let Some((sequence, request)) = requests.pop_front() else {
            return;
        };
        let (owner, client) = (owner.clone(), client.clone());
        if requests.is_empty() {
            clients.remove(&client);
        }
        if clients.is_empty() {
            self.of.remove(&owner);
        }
        self.known.remove(&Key { client, request });
        self.forgotten.push(sequence);
    }

    /// The newest request of somebody's client.
    pub fn last(&self, of: Of, client: &str) -> Option<String> {
        let names = std::iter::once(of.own(client)).chain(of.before(client));
        let newest = names.filter_map(|name| self.of.get(owner(&name))?.get(&name)?.back());
        let (_, request) = newest.max_by_key(|(sequence, _)| *sequence)?;
        Some(request.clone())
    }

    /// What somebody's client was told of a request. What was said before there were accounts is anybody's who says exactly that again, and
    /// any guest's what was said to guests before they were told apart.
    pub fn told(&self, of: Of, key: &Key, digest: Option<i64>) -> Option<&Receipt> {
        let named = |client: String| {
            let request = key.request.clone();
            self.known.get(&Key { client, request })
        };
        let is_same = |receipt: &&Receipt| digest.is_some() && receipt.digest == digest;
        named(of.own(&key.client))
            .or_else(|| of.before(&key.client).find_map(named))
            .or_else(|| named(Of::Anybody.own(&key.client)).filter(is_same))
            .or_else(|| {
                of.is_guest()
                    .then(|| named(Of::Guest.own(&key.client)))?
                    .filter(is_same)
            })
    }
}

impl FromIterator<Receipt> for Receipts {
    fn from_iter<I: IntoIterator<Item = Receipt>>(all: I) -> Self {
        let mut receipts = Self::default();
        all.into_iter().for_each(|receipt| receipts.insert(receipt));
        receipts
    }
}

impl Task {
    /// Whose the clients of somebody are now.
    pub(super) fn of(&self, who: &Who) -> Of {
        if let Some(person) = self.person(who) {
            return Of::Person(person);
        }
        match who {
            _ if self.rules.borrow().is_open => Of::Anybody,
            Who {
                claims: Some(claims),
                ..
            } => Of::Bearer(claims.bearer()),
            Who {
                session: Some(id), ..
            } => Of::Session(*id),
            Who { link: Some(id), .. } => Of::Link(*id),
            _ => Of::Guest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ropewalk_crdt::Revision;

    const ANN: Of = Of::Person(PersonId(1));
    const BOB: Of = Of::Person(PersonId(2));
    const ZOE: Of = Of::Bearer([2; 32]);

    fn receipt(client: &str, request: &str) -> Receipt {
        Receipt {
            client: client.into(),
            request: request.into(),
            sequence: request.parse().unwrap_or(0),
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
            receipt(&ZOE.own("editor"), "zoe"),
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
        // Guests that are told apart hear of what was told to all of them if that is what they ask.
        for of in [ZOE, Of::Session(SessionId(2)), Of::Link(LinkId(2))] {
            let asked = |digest| receipts.told(of, &key("editor", "2"), digest).is_some();
            assert!(asked(Some(7)) && !asked(Some(8)) && !asked(None));
            assert_eq!(told(of, "editor", "zoe").is_some(), of == ZOE);
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

    /// What there is after all of them, by whose they are, as a restart would find it.
    fn kept(all: &[(Of, String)]) -> Vec<(String, Vec<u64>)> {
        let mut receipts = Receipts::default();
        let mut disk = BTreeMap::new();
        for (sequence, (of, client)) in (1..).zip(all) {
            let receipt = receipt(&of.own(client), &sequence.to_string());
            disk.insert(sequence, receipt.clone());
            for gone in receipts.add(receipt) {
                assert!(disk.remove(&gone).is_some());
            }
            assert_eq!(disk.len(), receipts.known.len());
            if sequence % 7 == 0 {
                receipts = disk.values().cloned().collect();
            }
        }
        let mut kept: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (
            sequence,
            Receipt {
                client, request, ..
            },
        ) in disk
        {
            let key = Key { client, request };
            assert_eq!(receipts.known[&key].sequence, sequence);
            kept.entry(key.client).or_default().push(sequence);
        }
        kept.into_iter().collect()
    }

    #[test]
    fn whoever_has_most_forgets_their_own() {
        let few = [(BOB, "editor"), (Of::Guest, "a"), (BOB, "editor")];
        let few = few.map(|(of, client)| (of, client.to_owned()));
        let flood = |of: Of, client: fn(u64) -> String| {
            let flood = (0..5 * MOST as u64).map(move |n| (of, client(n)));
            few.iter().cloned().chain(flood).collect::<Vec<_>>()
        };
        let theirs = |kept: Vec<(String, Vec<u64>)>, of: Of| -> Vec<u64> {
            let theirs = kept
                .into_iter()
                .filter(|(client, _)| owner(client) == owner(&of.own("")));
            theirs.flat_map(|(_, sequences)| sequences).collect()
        };
        let ways: [fn(u64) -> String; 3] = [
            |_| "editor".to_owned(),
            |n| n.to_string(),
            // Looks like somebody else's, and is not.
            |n| format!("{MARK}2{MARK}{n}{MARK}"),
        ];
        for client in ways {
            let kept = kept(&flood(ANN, client));
            assert_eq!(theirs(kept.clone(), BOB), [1, 3]);
            assert_eq!(theirs(kept.clone(), Of::Guest), [2]);
            let newest = 3 + 5 * MOST as u64;
            let hers: Vec<u64> = (newest - MOST as u64 + 4..=newest).collect();
            let mut kept = theirs(kept, ANN);
            kept.sort_unstable();
            assert_eq!(kept, hers);
        }
        // Nor does one client of somebody push out another of theirs.
        let kept = kept(&flood(BOB, |_| "other".to_owned()));
        assert_eq!(kept[0], (Of::Guest.own("a"), vec![2]));
        assert_eq!(kept[1], (BOB.own("editor"), vec![1, 3]));
    }

    #[test]
    fn the_newest_is_known_whoever_there_is() {
        let all: Vec<_> = (0..3 * MOST as i64)
            .map(|n| (Of::Person(PersonId(n % (2 * MOST as i64))), "x".to_owned()))
            .collect();
        let mut kept: Vec<u64> = kept(&all).into_iter().flat_map(|(_, one)| one).collect();
        kept.sort_unstable();
        let newest = 3 * MOST as u64;
        assert_eq!(
            kept,
            (newest - MOST as u64 + 1..=newest).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_is_too_much_on_disk_goes_with_the_next() {
        let most = MOST as u64;
        let all = (1..=most + 2).map(|sequence| receipt("editor", &sequence.to_string()));
        let mut receipts: Receipts = all.collect();
        // The same request twice, as only damage leaves it.
        let again = Receipt {
            sequence: most + 3,
            ..receipt("editor", "7")
        };
        assert_eq!(receipts.add(again), [1, 2, 7]);
        assert_eq!(receipts.last(ANN, "editor").as_deref(), Some("7"));
    }
}
