//! Turns to look at passwords: that takes 19 MiB and a while each, so it is a few at once, and nobody waits for it for long. Whoever is wrong
//! has one try less.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::accounts::{too_many, with};
use super::attempts::{Tries, network};
use super::error::ApiError;
use super::identity::Visitor;
use crate::App;
use crate::accounts::{Accounts, AccountsError};

/// Passwords that are looked at at once.
const OF_PEOPLE: usize = 2;
/// The same of links, beside those: whoever guesses one keeps nobody from signing in.
const OF_LINKS: usize = 1;
/// How long somebody waits for their turn.
const LONGEST: Duration = Duration::from_secs(10);
/// How many wait from one address: all of an office may.
const WAITING: usize = 100;

/// See the module.
#[derive(Debug)]
pub struct Turns {
    of_people: Arc<Semaphore>,
    of_links: Arc<Semaphore>,
    /// By whose turns they are for, and where they are.
    waiting: Mutex<HashMap<(bool, IpAddr), usize>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            of_people: Arc::new(Semaphore::new(OF_PEOPLE)),
            of_links: Arc::new(Semaphore::new(OF_LINKS)),
            waiting: Mutex::default(),
        }
    }
}

impl Turns {
    fn waiting(&self) -> MutexGuard<'_, HashMap<(bool, IpAddr), usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn, which lasts until it is dropped; an error if too many wait for one.
    async fn wait(
        &self,
        turns: &Arc<Semaphore>,
        address: IpAddr,
    ) -> Result<OwnedSemaphorePermit, ApiError> {
        let is_of_links = Arc::ptr_eq(turns, &self.of_links);
        let place = self.place((is_of_links, network(address)));
        let _place = place.ok_or(ApiError::OVERLOADED)?;
        let turn = tokio::time::timeout(LONGEST, turns.clone().acquire_owned());
        let turn = turn.await.map_err(|_| ApiError::OVERLOADED)?;
        turn.map_err(|_| ApiError::INTERNAL)
    }

    fn place(&self, of: (bool, IpAddr)) -> Option<Place<'_>> {
        let mut waiting = self.waiting();
        let there = waiting.entry(of).or_default();
        (*there < WAITING).then(|| {
            *there += 1;
            Place(self, of)
        })
    }
}

/// Somebody who waits.
struct Place<'t>(&'t Turns, (bool, IpAddr));

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        let left = waiting.get_mut(&self.1).map(|there| {
            *there -= 1;
            *there
        });
        if left == Some(0) {
            waiting.remove(&self.1);
        }
    }
}

/// Does something with the accounts that has a password in it which is nobody's guess. When it returns, what it changed counts.
pub async fn with_password<T: Send + 'static>(
    app: &Arc<App>,
    visitor: &Visitor,
    work: impl FnOnce(&Accounts, i64) -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, ApiError> {
    let turn = app.turns.wait(&app.turns.of_people, visitor.address);
    let turn = turn.await?;
    with(app, move |accounts, now_ms| {
        // Whoever hangs up meanwhile has had it all the same.
        let _turn = turn;
        work(accounts, now_ms)
    })
    .await
}

/// The same where it may be a guess. `work` says, too, whether that takes one of the tries: what never was looked at does not.
pub async fn guess<T: Send + 'static>(
    app: &Arc<App>,
    tries: Tries,
    work: impl FnOnce(&Accounts, i64) -> Result<(T, bool), AccountsError> + Send + 'static,
) -> Result<T, ApiError> {
    let too_many = |wait| too_many(app, wait);
    app.attempts.left(&tries).map_err(too_many)?;
    let turns = match tries {
        Tries::Link(_, _) => &app.turns.of_links,
        _ => &app.turns.of_people,
    };
    let turn = app.turns.wait(turns, tries.address()).await?;
    // Those who were before may have used them up.
    app.attempts.take(&tries).map_err(too_many)?;
    let app_there = app.clone();
    with(app, move |accounts, now_ms| {
        let _turn = turn;
        let done = work(accounts, now_ms);
        let is_used = done.as_ref().is_ok_and(|(_, is_used)| *is_used);
        if !is_used {
            app_there.attempts.put_back(&tries);
        }
        Ok(done?.0)
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::future::join_all;

    use super::*;
    use crate::access::LinkId;
    use crate::config::Config;
    use crate::gate::{Gate, Keys};
    use crate::journal::{Journal, JournalLimits};
    use crate::machine::Host;
    use crate::storage::memory::Memory;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn app(folder: &std::path::Path) -> Arc<App> {
        let storage = Arc::new(Memory::default());
        let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
        let accounts = Accounts::open(folder).unwrap();
        let keys = Keys::new(&accounts.key().unwrap(), &[]).unwrap();
        let gate = Gate::of(accounts, keys, false, 0).unwrap();
        App::new(Config::default(), storage, journal, Arc::new(Host), gate).unwrap()
    }

    fn left(app: &App, tries: &Tries) -> usize {
        (0..)
            .take_while(|_| app.attempts.take(tries).is_ok())
            .count()
    }

    #[tokio::test]
    async fn whoever_has_no_turn_has_used_no_try() {
        let folder = tempfile::tempdir().unwrap();
        let app = app(folder.path());
        let tries = Tries::Link(LinkId(1), HERE);
        let held = app.turns.of_links.acquire().await.unwrap();
        tokio::time::pause();
        let waiting = (0..20).map(|_| guess(&app, tries.clone(), |_, _| Ok(((), true))));
        for looked in join_all(waiting).await {
            assert_eq!(looked.unwrap_err().code(), "overloaded");
        }
        tokio::time::resume();
        drop(held);
        guess(&app, tries.clone(), |_, _| Ok(((), true)))
            .await
            .unwrap();
        guess(&app, tries.clone(), |_, _| Ok(((), false)))
            .await
            .unwrap();
        let failed = guess(&app, tries.clone(), |_, _| {
            Err::<((), bool), _>(AccountsError::Busy)
        });
        assert_eq!(failed.await.unwrap_err().code(), "overloaded");
        assert_eq!(left(&app, &tries), 9);
        let refused = guess(&app, tries, |_, _| Ok(((), false)));
        assert_eq!(refused.await.unwrap_err().code(), "too_many_attempts");
    }

    #[tokio::test]
    async fn whoever_hangs_up_has_had_the_try_and_the_turn() {
        let folder = tempfile::tempdir().unwrap();
        let app = app(folder.path());
        let tries = Tries::Link(LinkId(1), HERE);
        let (goes, waits) = std::sync::mpsc::channel::<()>();
        let (begins, begun) = tokio::sync::oneshot::channel();
        let looking = tokio::spawn({
            let (app, tries) = (app.clone(), tries.clone());
            async move {
                let looked = guess(&app, tries, move |_, _| {
                    let _ = (begins.send(()), waits.recv());
                    Ok(((), true))
                });
                let _ = looked.await;
            }
        });
        begun.await.unwrap();
        looking.abort();
        assert!(looking.await.unwrap_err().is_cancelled());
        assert!(app.turns.of_links.try_acquire().is_err());
        goes.send(()).unwrap();
        drop(app.turns.of_links.acquire().await.unwrap());
        assert_eq!(left(&app, &tries), 9);
    }

    #[tokio::test]
    async fn so_many_wait_from_one_address_and_others_do_not_mind() {
        let turns = Turns::default();
        let there = |number| IpAddr::from([10, 0, 0, number]);
        let mut waiting: Vec<_> = (0..WAITING)
            .map(|_| turns.place((true, there(1))).unwrap())
            .collect();
        assert!(turns.place((true, there(1))).is_none());
        let refused = turns.wait(&turns.of_links, there(1)).await;
        assert_eq!(refused.unwrap_err().code(), "overloaded");
        drop(turns.wait(&turns.of_links, there(2)).await.unwrap());
        waiting.pop();
        drop(turns.wait(&turns.of_links, there(1)).await.unwrap());
        waiting.clear();
        assert!(turns.waiting().is_empty());
    }
}
