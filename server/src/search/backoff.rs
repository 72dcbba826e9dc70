//! Growing pauses between attempts at something that fails.

use std::time::{Duration, Instant};

/// The first pause. Each is twice as long as the one before,
const FIRST: Duration = Duration::from_secs(1);
/// up to this one.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// How often something has failed in a row, and when it may be tried again.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// It has failed. Answers whether it had worked before.
    pub fn failed(&mut self, now: Instant) -> bool {
        let pause = FIRST.saturating_mul(1 << self.failures.min(16));
        self.until = Some(now + pause.min(LONGEST));
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }

    /// It has worked. Answers whether it had failed before.
    pub fn worked(&mut self) -> bool {
        let had_failed = self.failures > 0;
        *self = Self::default();
        had_failed
    }

    /// Whether it is too early to try again.
    pub fn waits(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Lets it be tried again at once.
    #[cfg(test)]
    pub fn skip(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        assert!(!backoff.waits(now) && !backoff.worked());
        for (failures, seconds) in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
            .into_iter()
            .enumerate()
        {
            assert_eq!(backoff.failed(now), failures == 0);
            let pause = Duration::from_secs(seconds);
            assert!(backoff.waits(now + pause - Duration::from_millis(1)));
            assert!(!backoff.waits(now + pause));
        }
        for _ in 0..100 {
            assert!(!backoff.failed(now));
        }
        assert!(!backoff.waits(now + LONGEST));
        assert!(backoff.worked() && !backoff.waits(now));
        assert!(backoff.failed(now));
    }
}
