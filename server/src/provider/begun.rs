//! Who is on the way to a provider and back. Each way is gone once, by the browser that began it, and soon.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openidconnect::{Nonce, PkceCodeVerifier};
use tokio::time::Instant;

use super::Ticket;
use crate::access::{Hash, PersonId, SessionId};

/// How long somebody may take to sign in there.
pub const LASTS: Duration = Duration::from_secs(10 * 60);
/// Ways that are remembered; the oldest of the network that has begun most is forgotten for a new one.
const MOST: usize = 10_000;
/// The same of one browser.
const OF_BROWSER: usize = 20;

/// What somebody wants to be signed in there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be signed in here.
    SignIn,
    /// To use this invitation.
    Join(Hash),
    /// To sign in like that from now on.
    Link(PersonId, SessionId),
}

/// A way that is begun.
pub struct Way {
    /// The hash of what only this browser has.
    pub browser: Hash,
    /// The network that it is in.
    pub from: IpAddr,
    /// What for.
    pub purpose: Purpose,
    /// Where on this server it ends.
    pub next: String,
    /// What the token has to say.
    pub nonce: Nonce,
    /// What belongs to the code.
    pub verifier: PkceCodeVerifier,
    until: Instant,
}

/// See the module.
#[derive(Default)]
pub struct Begun(Mutex<HashMap<String, Way>>);

impl Begun {
    /// Remembers a way by its state; answers where it leads.
    pub fn put(
        &self,
        ticket: Ticket,
        browser: Hash,
        from: IpAddr,
        purpose: Purpose,
        next: String,
    ) -> String {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if all.len() >= MOST {
            all.retain(|_, way| way.until > now);
        }
        let of_browser = all.values().filter(|way| way.browser == browser).count();
        if all.len() >= MOST {
            let most = busiest(&all);
            forget_oldest(&mut all, |way| Some(way.from) == most);
        } else if of_browser >= OF_BROWSER {
            forget_oldest(&mut all, |way| way.browser == browser);
        }
        let way = Way {
            browser,
            from,
            purpose,
            next,
            nonce: ticket.nonce,
            verifier: ticket.verifier,
            until: now + LASTS,
        };
        all.insert(ticket.state, way);
        ticket.url
    }

    /// The way of a state, which is over then.
    pub fn take(&self, state: &str) -> Option<Way> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(state).filter(|way| way.until > Instant::now())
    }
}

/// The network that has begun most of them.
fn busiest(all: &HashMap<String, Way>) -> Option<IpAddr> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for way in all.values() {
        *counts.entry(way.from).or_default() += 1;
    }
    let busiest = counts.into_iter().max_by_key(|(_, count)| *count);
    busiest.map(|(from, _)| from)
}

fn forget_oldest(all: &mut HashMap<String, Way>, fits: impl Fn(&Way) -> bool) {
    let oldest = all.iter().filter(|(_, way)| fits(way));
    let oldest = oldest.min_by_key(|(_, way)| way.until);
    if let Some(state) = oldest.map(|(state, _)| state.clone()) {
        all.remove(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(begun: &Begun, state: &str, browser: u16) {
        put_from(begun, state, browser, 1);
    }

    fn put_from(begun: &Begun, state: &str, browser: u16, last: u8) {
        let ticket = Ticket {
            url: String::new(),
            state: state.to_owned(),
            nonce: Nonce::new(state.to_owned()),
            verifier: PkceCodeVerifier::new("v".repeat(43)),
        };
        let [one, two] = browser.to_be_bytes();
        let mut hash = [0; 32];
        (hash[0], hash[1]) = (one, two);
        let from = IpAddr::from([192, 0, 2, last]);
        begun.put(ticket, hash, from, Purpose::SignIn, "/".to_owned());
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_is_gone_once_and_soon() {
        let begun = Begun::default();
        put(&begun, "one", 1);
        put(&begun, "two", 1);
        assert!(begun.take("three").is_none());
        assert!(begun.take("one").is_some());
        assert!(begun.take("one").is_none());
        tokio::time::advance(LASTS).await;
        assert!(begun.take("two").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_has_a_bound() {
        let begun = Begun::default();
        put(&begun, "first", 1);
        for number in 0..OF_BROWSER {
            tokio::time::advance(Duration::from_millis(1)).await;
            put(&begun, &format!("of 1: {number}"), 1);
        }
        assert!(begun.take("first").is_none());
        assert!(begun.take("of 1: 1").is_some());
        for browser in 2..1002 {
            for number in 0..11 {
                put(&begun, &format!("of {browser}: {number}"), browser);
            }
        }
        let all = begun.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(all.len(), MOST);
        assert!(!all.contains_key("of 1: 2"));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_begins_many_has_none_of_others_forgotten() {
        let begun = Begun::default();
        put_from(&begun, "first", 0, 7);
        tokio::time::advance(Duration::from_millis(1)).await;
        for browser in 2..1003 {
            for number in 0..10 {
                put(&begun, &format!("of {browser}: {number}"), browser);
            }
        }
        put_from(&begun, "last", 1, 8);
        assert!(begun.take("first").is_some() && begun.take("last").is_some());
    }
}
