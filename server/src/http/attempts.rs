//! How often somebody may try a password: per address, and per account from places where its owner was never signed in. And how much of
//! the log somebody may fill.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::access::{Access, LinkId, PersonId};
use crate::called::MAX_CHARS;
use crate::gate::Device;
use crate::storage::DocumentId;

/// Tries that an address has at once, and how long it takes until it has one more.
const OF_ADDRESS: Allowance = Allowance {
    most: 10,
    every: Duration::from_secs(6),
};
/// The same for an account from all addresses together.
const OF_ACCOUNT: Allowance = Allowance {
    most: 20,
    every: Duration::from_secs(30),
};
/// The same for the password of a link, which a whole room may be about to type: a right one is no try.
const OF_LINK: Allowance = Allowance {
    most: 100,
    every: Duration::from_secs(1),
};
/// Links that are followed without a password, by browsers that are not known yet: a class may be behind one address.
const OF_GUESTS: Allowance = Allowance {
    most: 100,
    every: Duration::from_secs(1),
};
/// The same for an account from a browser that its owner was signed in with.
const OF_DEVICE: Allowance = OF_ACCOUNT;
/// The same for somebody who is signed in and is asked for the password once more: whoever has got hold of that session keeps its owner from
/// signing in nowhere.
const OF_PERSON: Allowance = OF_ACCOUNT;
/// What somebody who is no administrator may do that is written into the log.
const OF_DEEDS: Allowance = Allowance {
    most: 200,
    every: Duration::from_secs(1),
};
/// Document tokens of one kind for one document that somebody asks for: the log tells of them once a day.
const OF_TOKENS: Allowance = Allowance {
    most: 1,
    every: Duration::from_secs(24 * 60 * 60),
};
/// Addresses and accounts that are remembered, at most.
const REMEMBERED: usize = 10_000;
/// So many are forgotten at once when there are more.
const FORGOTTEN: usize = REMEMBERED / 8;

#[derive(Clone, Copy, Debug)]
struct Allowance {
    most: u32,
    every: Duration,
}

/// Whose tries a wrong password takes, beside those of the address that it comes from.
#[derive(Clone, Debug)]
pub enum Tries {
    /// Nobody's.
    Address(IpAddr),
    /// Of what somebody wants to sign in as, whether there is such an account or not.
    Account(String, IpAddr),
    /// Of a browser that somebody was signed in with, at their account.
    Device(Device, IpAddr),
    /// Of somebody who is signed in.
    Person(PersonId, IpAddr),
    /// Of a link, where an address has tries of its own.
    Link(LinkId, IpAddr),
}

impl Tries {
    /// Those of an account, however its login is written.
    pub fn account(login: &str, address: IpAddr) -> Self {
        let login: String = login.chars().take(MAX_CHARS).collect();
        Self::Account(login.to_lowercase(), address)
    }

    /// Where the password comes from.
    pub fn address(&self) -> IpAddr {
        match self {
            Self::Address(address)
            | Self::Account(_, address)
            | Self::Device(_, address)
            | Self::Person(_, address)
            | Self::Link(_, address) => *address,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Attempts {
    addresses: Mutex<HashMap<IpAddr, Instant>>,
    accounts: Mutex<HashMap<String, Instant>>,
    devices: Mutex<HashMap<Device, Instant>>,
    people: Mutex<HashMap<PersonId, Instant>>,
    links: Mutex<HashMap<LinkId, Instant>>,
    links_from: Mutex<HashMap<(LinkId, IpAddr), Instant>>,
    guests: Mutex<HashMap<IpAddr, Instant>>,
    deeds: Mutex<HashMap<PersonId, Instant>>,
    tokens: Mutex<HashMap<Minted, Instant>>,
}

/// Who asks for document tokens, for what, and what can be done with them.
pub type Minted = (PersonId, DocumentId, Access);

impl Attempts {
    /// Takes one try of an address; or says how long it has to wait.
    pub fn of_address(&self, address: IpAddr) -> Result<(), Duration> {
        take(&self.addresses, network(address), OF_ADDRESS)
    }

    /// Gives an address a try back: whoever took it was who they said.
    pub fn give_back(&self, address: IpAddr) {
        put_back(&self.addresses, &network(address), OF_ADDRESS);
    }

    /// Whether there is one left; or how long it takes until there is.
    pub fn left(&self, tries: &Tries) -> Result<(), Duration> {
        let at = network(tries.address());
        match tries {
            Tries::Link(link, _) => left(&self.links_from, &(*link, at), OF_ADDRESS)?,
            // Whoever else guesses from there keeps nobody out.
            Tries::Device(..) | Tries::Person(..) => {}
            _ => left(&self.addresses, &at, OF_ADDRESS)?,
        }
        match tries {
            Tries::Address(_) => Ok(()),
            Tries::Account(login, _) => left(&self.accounts, login, OF_ACCOUNT),
            Tries::Device(device, _) => left(&self.devices, device, OF_DEVICE),
            Tries::Person(person, _) => left(&self.people, person, OF_PERSON),
            Tries::Link(link, _) => left(&self.links, link, OF_LINK),
        }
    }

    /// Takes one, if there is one left.
    pub fn take(&self, tries: &Tries) -> Result<(), Duration> {
        let at = network(tries.address());
        match tries {
            Tries::Link(link, _) => take(&self.links_from, (*link, at), OF_ADDRESS)?,
            Tries::Device(..) | Tries::Person(..) => {}
            _ => take(&self.addresses, at, OF_ADDRESS)?,
        }
        let taken = match tries {
            Tries::Address(_) => Ok(()),
            Tries::Account(login, _) => take(&self.accounts, login.clone(), OF_ACCOUNT),
            Tries::Device(device, _) => take(&self.devices, *device, OF_DEVICE),
            Tries::Person(person, _) => take(&self.people, *person, OF_PERSON),
            Tries::Link(link, _) => take(&self.links, *link, OF_LINK),
        };
        taken.inspect_err(|_| self.put_back_there(tries))
    }

    /// Gives back one that was taken: it was no guess.
    pub fn put_back(&self, tries: &Tries) {
        self.put_back_there(tries);
        match tries {
            Tries::Address(_) => {}
            Tries::Account(login, _) => put_back(&self.accounts, login, OF_ACCOUNT),
            Tries::Device(device, _) => put_back(&self.devices, device, OF_DEVICE),
            Tries::Person(person, _) => put_back(&self.people, person, OF_PERSON),
            Tries::Link(link, _) => put_back(&self.links, link, OF_LINK),
        }
    }

    /// The same of the address alone.
    fn put_back_there(&self, tries: &Tries) {
        let at = network(tries.address());
        match tries {
            Tries::Link(link, _) => put_back(&self.links_from, &(*link, at), OF_ADDRESS),
            Tries::Device(..) | Tries::Person(..) => {}
            _ => put_back(&self.addresses, &at, OF_ADDRESS),
        }
    }

    /// Takes one of the guests that may come from an address.
    pub fn of_guests(&self, address: IpAddr) -> Result<(), Duration> {
        take(&self.guests, network(address), OF_GUESTS)
    }

    /// Takes one deed of a person.
    pub fn of_deeds(&self, person: PersonId) -> Result<(), Duration> {
        take(&self.deeds, person, OF_DEEDS)
    }

    /// Whether the log is to tell of a document token.
    pub fn of_token(&self, minted: Minted) -> bool {
        take(&self.tokens, minted, OF_TOKENS).is_ok()
    }

    /// It could not.
    pub fn is_not_told(&self, minted: Minted) {
        put_back(&self.tokens, &minted, OF_TOKENS);
    }
}

/// Whoever has one address of IPv6 has many: what counts is its network.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

fn lock<K>(all: &Mutex<HashMap<K, Instant>>) -> MutexGuard<'_, HashMap<K, Instant>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each try moves the moment at which all tries are back by one step; it may not be further away than all of them.
fn take<K: Eq + Hash>(
    all: &Mutex<HashMap<K, Instant>>,
    key: K,
    Allowance { most, every }: Allowance,
) -> Result<(), Duration> {
    let mut all = lock(all);
    let now = Instant::now();
    if all.len() >= REMEMBERED && !all.contains_key(&key) {
        make_room(&mut all, now);
    }
    let whole = all.entry(key).or_insert(now);
    let next = (*whole).max(now) + every;
    let room = now + every * most;
    if next > room {
        return Err(next - room);
    }
    *whole = next;
    Ok(())
}

/// Whether [`take`] would.
fn left<K: Eq + Hash>(
    all: &Mutex<HashMap<K, Instant>>,
    key: &K,
    Allowance { most, every }: Allowance,
) -> Result<(), Duration> {
    let now = Instant::now();
    let whole = lock(all).get(key).copied().unwrap_or(now);
    let next = whole.max(now) + every;
    let room = now + every * most;
    if next > room {
        return Err(next - room);
    }
    Ok(())
}

/// Undoes one [`take`].
fn put_back<K: Eq + Hash>(all: &Mutex<HashMap<K, Instant>>, key: &K, of: Allowance) {
    let mut all = lock(all);
    if let Some(whole) = all.get_mut(key) {
        *whole = whole.checked_sub(of.every).unwrap_or(*whole);
    }
}

/// Forgets those that have all of their tries, and if that is not enough, those that have most: whoever is at their bound is remembered
/// longest, and nobody is refused because of others. Many at once, so that whoever has been forgotten is not right away again.
fn make_room<K: Eq + Hash>(all: &mut HashMap<K, Instant>, now: Instant) {
    all.retain(|_, whole| *whole > now);
    let most = REMEMBERED - FORGOTTEN;
    if all.len() <= most {
        return;
    }
    let left = all.len() - most;
    let mut ends: Vec<Instant> = all.values().copied().collect();
    let (_, last, _) = ends.select_nth_unstable(left - 1);
    let last = *last;
    // All that end before the last of them, and as many as have to of those that end with it.
    all.retain(|_, whole| *whole >= last);
    let mut left = all.len() - most;
    all.retain(|_, whole| {
        let goes = *whole == last && left > 0;
        left -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_run_out_and_come_back() {
        let attempts = Attempts::default();
        let (here, there) = (IpAddr::from([1, 2, 3, 4]), IpAddr::from([1, 2, 3, 5]));
        for _ in 0..10 {
            assert_eq!(attempts.of_address(here), Ok(()));
        }
        assert_eq!(attempts.of_address(here), Err(OF_ADDRESS.every));
        assert_eq!(attempts.of_address(there), Ok(()));
        tokio::time::advance(OF_ADDRESS.every).await;
        assert_eq!(attempts.of_address(here), Ok(()));
        assert!(attempts.of_address(here).is_err());
        tokio::time::advance(OF_ADDRESS.every * 100).await;
        for _ in 0..10 {
            assert_eq!(attempts.of_address(here), Ok(()));
        }
        assert!(attempts.of_address(here).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_is_given_back_is_one_and_no_more() {
        let attempts = Attempts::default();
        let (here, there) = (IpAddr::from([1, 2, 3, 4]), IpAddr::from([1, 2, 3, 5]));
        for _ in 0..100 {
            assert_eq!(attempts.of_address(here), Ok(()));
            attempts.give_back(here);
        }
        attempts.give_back(there);
        for address in [here, there] {
            for _ in 0..10 {
                assert_eq!(attempts.of_address(address), Ok(()));
            }
            assert!(attempts.of_address(address).is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_is_the_same_in_capitals_and_a_network_one_address() {
        let attempts = Attempts::default();
        let of = |login: &str, number: u8| Tries::account(login, IpAddr::from([1, 2, 3, number]));
        for number in 0..10 {
            assert_eq!(attempts.take(&of("Ann", number)), Ok(()));
            assert_eq!(attempts.take(&of("ann", number)), Ok(()));
        }
        assert!(attempts.left(&of("ANN", 100)).is_err());
        assert!(attempts.take(&of("ANN", 100)).is_err());
        for last in 0..10 {
            let address = IpAddr::from([1, 2, 3, 4, 5, 6, 7, last]);
            assert_eq!(attempts.of_address(address), Ok(()));
        }
        assert!(
            attempts
                .of_address(IpAddr::from([1, 2, 3, 4, 9, 9, 9, 9]))
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_lets_a_room_in_and_no_guesser() {
        let attempts = Attempts::default();
        let of = |link, number: u32| Tries::Link(LinkId(link), number.to_be_bytes().into());
        for number in 0..3 * OF_LINK.most {
            assert_eq!(attempts.take(&of(1, number)), Ok(()), "{number}");
            attempts.put_back(&of(1, number));
        }
        let guesser = of(1, u32::MAX);
        for _ in 0..OF_ADDRESS.most {
            assert_eq!(attempts.left(&guesser), Ok(()));
            assert_eq!(attempts.take(&guesser), Ok(()));
        }
        assert_eq!(attempts.left(&guesser), Err(OF_ADDRESS.every));
        assert_eq!(attempts.take(&guesser), Err(OF_ADDRESS.every));
        assert_eq!(attempts.take(&of(2, u32::MAX)), Ok(()));
        // Many of them share what is left.
        for number in OF_ADDRESS.most..OF_LINK.most {
            assert_eq!(attempts.take(&of(1, number)), Ok(()));
        }
        let late = of(1, u32::MAX - 1);
        for _ in 0..2 * OF_ADDRESS.most {
            assert_eq!(attempts.left(&late), Err(OF_LINK.every));
            assert_eq!(attempts.take(&late), Err(OF_LINK.every));
        }
        // What is not there for all is not taken of the address either.
        tokio::time::advance(OF_LINK.every * OF_ADDRESS.most).await;
        for _ in 0..OF_ADDRESS.most {
            assert_eq!(attempts.take(&late), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_signed_in_guesses_from_everywhere_together_and_signs_in_elsewhere() {
        let attempts = Attempts::default();
        let at = |number: u32| IpAddr::from(number.to_be_bytes());
        for number in 0..OF_PERSON.most {
            assert_eq!(
                attempts.take(&Tries::Person(PersonId(1), at(number))),
                Ok(())
            );
        }
        let here = at(u32::MAX);
        let refused = attempts.take(&Tries::Person(PersonId(1), here));
        assert_eq!(refused, Err(OF_PERSON.every));
        assert_eq!(attempts.take(&Tries::Person(PersonId(2), here)), Ok(()));
        assert_eq!(attempts.take(&Tries::account("ann", here)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn many_others_neither_lock_somebody_out_nor_give_tries_back() {
        let attempts = Attempts::default();
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        let guesser = address(u32::MAX);
        for _ in 0..OF_ADDRESS.most {
            assert_eq!(attempts.of_address(guesser), Ok(()));
        }
        // Each of them has nine tries left.
        for number in 0..3 * REMEMBERED as u32 {
            assert_eq!(attempts.of_address(address(number)), Ok(()), "{number}");
            assert!(attempts.of_address(guesser).is_err(), "{number}");
        }
        let there = || attempts.addresses.lock().unwrap().len();
        assert!((REMEMBERED - FORGOTTEN..=REMEMBERED).contains(&there()));
        // Also when everybody is at their bound, somebody new gets theirs.
        for number in 0..REMEMBERED as u32 + 1 {
            for _ in 0..OF_ADDRESS.most {
                let _ = attempts.of_address(address(number));
            }
        }
        assert_eq!(attempts.of_address(address(u32::MAX - 1)), Ok(()));
        assert!(there() <= REMEMBERED);
        // Those that have all of their tries again go first.
        tokio::time::advance(OF_ADDRESS.every * OF_ADDRESS.most).await;
        for number in 0..REMEMBERED as u32 + 1 {
            assert_eq!(attempts.of_address(address(number)), Ok(()));
        }
        assert!(there() <= REMEMBERED);
    }
}
