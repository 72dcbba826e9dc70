//! Turns to search, in all texts or in a long one: so many searches run at once, and of one person one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::access::PersonId;

/// Searches at once, of all.
const ALL: usize = 2;
/// Searches of one person that wait or run.
const OF_ONE: usize = 8;
/// How long somebody waits for their turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is one person here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// Somebody with an account, wherever they are.
    Person(PersonId),
    /// All others in one place.
    Address(IpAddr),
}

/// Why there is no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTurn {
    /// As many of theirs wait as may.
    TooMany,
    /// It took too long.
    Late,
}

/// See the module.
#[derive(Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    /// Those of whom something waits or runs, and how much.
    askers: Mutex<HashMap<Asker, (Arc<Semaphore>, usize)>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    _place: Place,
}

#[derive(Debug)]
struct Place {
    turns: Arc<Turns>,
    asker: Asker,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL)),
            askers: Mutex::default(),
        }
    }
}

impl Turns {
    /// Waits for a turn. Whoever asks once comes before the second question of somebody else.
    pub async fn take(self: &Arc<Self>, asker: Asker) -> Result<Turn, NoTurn> {
        let (place, own) = self.place(asker).ok_or(NoTurn::TooMany)?;
        let turn = async {
            Some(Turn {
                _own: own.acquire_owned().await.ok()?,
                _all: self.all.clone().acquire_owned().await.ok()?,
                _place: place,
            })
        };
        let turn = timeout(PATIENCE, turn).await;
        turn.ok().flatten().ok_or(NoTurn::Late)
    }

    fn place(self: &Arc<Self>, asker: Asker) -> Option<(Place, Arc<Semaphore>)> {
        let mut askers = self.askers();
        let one = || (Arc::new(Semaphore::new(1)), 0);
        let (own, count) = askers.entry(asker).or_insert_with(one);
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        let turns = self.clone();
        Some((Place { turns, asker }, own.clone()))
    }

    fn askers(&self) -> MutexGuard<'_, HashMap<Asker, (Arc<Semaphore>, usize)>> {
        self.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut askers = self.turns.askers();
        let Some((_, count)) = askers.get_mut(&self.asker) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            askers.remove(&self.asker);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_question_of_a_person_at_a_time() {
        let turns = Arc::new(Turns::default());
        let [ann, bob, cid] = [1, 2, 3].map(|id| Asker::Person(PersonId(id)));
        let first = turns.take(ann).await.unwrap();
        let mut others: Vec<_> = (1..OF_ONE).map(|_| Box::pin(turns.take(ann))).collect();
        for other in &mut others {
            assert!(other.now_or_never().is_none(), "it waits");
        }
        assert_eq!(turns.take(ann).await.err(), Some(NoTurn::TooMany));
        // The other turn is somebody else's at once, and then there is none left.
        let of_bob = turns.take(bob).now_or_never().unwrap().unwrap();
        assert_eq!(turns.take(cid).await.err(), Some(NoTurn::Late));
        let of_cid = turns.take(cid);
        tokio::pin!(of_cid);
        assert!(of_cid.as_mut().now_or_never().is_none());
        drop(first);
        let of_cid = of_cid.now_or_never().unwrap().unwrap();
        drop((of_bob, of_cid, others));
        assert!(turns.take(ann).now_or_never().unwrap().is_ok());
        assert!(turns.askers().is_empty(), "nobody is remembered");
    }
}
