//! A machine whose threads take their time, and whose chance comes from the seed.

use std::sync::{Arc, Mutex, PoisonError};

use ropewalk::machine::{Machine, Work, Working};
use tokio::time::{Instant, sleep};

use crate::rng::Rng;

/// 2026-01-01, in milliseconds since the Unix epoch.
const BEGINNING: i64 = 1_767_225_600_000;

pub struct Simulated {
    rng: Mutex<Rng>,
    began: Instant,
    load: u64,
}

impl Simulated {
    pub fn new(rng: Rng, began: Instant, load: u64) -> Arc<Self> {
        Arc::new(Self {
            rng: Mutex::new(rng),
            began,
            load,
        })
    }

    fn draw<T>(&self, of: impl FnOnce(&mut Rng) -> T) -> T {
        of(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Machine for Simulated {
    fn work(&self, work: Work) -> Working {
        let (before, after) = self.draw(|rng| (rng.ms(0, self.load), rng.ms(0, self.load)));
        Box::pin(async move {
            sleep(before).await;
            work();
            sleep(after).await;
        })
    }

    fn random(&self) -> u32 {
        self.draw(Rng::next) as u32
    }

    fn now_ms(&self) -> i64 {
        BEGINNING + i64::try_from(self.began.elapsed().as_millis()).unwrap_or(0)
    }
}
