//! The habits of y-sweet clients. They send a marker with their number of edits at once, before they have told what they
//! have: that one must not be answered as if it had been saved. And they give the connection up when they hear nothing for
//! 3 s after a marker, however long the disk takes.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::document::Frame;

/// Between looks at the clock.
pub const TICK: Duration = Duration::from_millis(500);
/// A client that has sent a marker hears something within this time.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What a client has sent and waits for.
#[derive(Debug, Default)]
pub struct Habits {
    /// It has answered the server's question for what it has.
    has_told: bool,
    /// The newest marker from before.
    early: Option<Bytes>,
    /// Since when it waits to hear anything.
    waits: Option<Instant>,
}

impl Habits {
    /// What to hand on, in this order, when this comes.
    pub fn order(&mut self, frame: Frame) -> [Option<Frame>; 2] {
        match frame {
            Frame::Saved(marker) => {
                self.waits.get_or_insert_with(Instant::now);
                if self.has_told {
                    return [Some(Frame::Saved(marker)), None];
                }
                self.early = Some(marker);
                [None, None]
            }
            Frame::Step2(update) => {
                self.has_told = true;
                let marker = self.early.take().map(Frame::Saved);
                [Some(Frame::Step2(update)), marker]
            }
            frame => [Some(frame), None],
        }
    }

    /// It is sent something.
    pub fn hears(&mut self) {
        self.waits = None;
    }

    /// Whether it has to hear something now. While it is not read there may be a marker in what it sends.
    pub fn is_impatient(&mut self, is_unread: bool) -> bool {
        if is_unread {
            self.waits.get_or_insert_with(Instant::now);
        }
        let impatient = self.waits.is_some_and(|since| since.elapsed() > PATIENCE);
        if impatient {
            self.hears();
        }
        impatient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_does_not_overtake_what_the_client_has() {
        let marker = |number| Frame::Saved(Bytes::copy_from_slice(&[number]));
        let mut habits = Habits::default();
        assert!(matches!(habits.order(marker(4)), [None, None]));
        assert!(matches!(habits.order(marker(5)), [None, None]));
        let told = habits.order(Frame::Step2(Bytes::new()));
        let [Some(Frame::Step2(_)), Some(Frame::Saved(newest))] = told else {
            panic!("{told:?}");
        };
        assert_eq!(newest[..], [5]);
        let next = habits.order(marker(6));
        assert!(matches!(next, [Some(Frame::Saved(_)), None]));
        let again = habits.order(Frame::Step2(Bytes::new()));
        assert!(matches!(again, [Some(Frame::Step2(_)), None]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_hears_something_in_time() {
        let mut habits = Habits::default();
        tokio::time::advance(PATIENCE * 2).await;
        assert!(!habits.is_impatient(false), "it waits for nothing");
        habits.order(Frame::Saved(Bytes::new()));
        tokio::time::advance(PATIENCE / 2).await;
        habits.order(Frame::Saved(Bytes::new()));
        assert!(!habits.is_impatient(false));
        tokio::time::advance(PATIENCE).await;
        assert!(habits.is_impatient(false));
        assert!(!habits.is_impatient(false), "it has heard");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_not_read_hears_something_in_time() {
        let mut habits = Habits::default();
        let mut silent = Duration::ZERO;
        for _ in 0..100 {
            tokio::time::advance(TICK).await;
            silent += TICK;
            if habits.is_impatient(true) {
                silent = Duration::ZERO;
            }
            // With a look at the clock between the marker and the first that sees it not read.
            assert!(silent + TICK < Duration::from_secs(3));
        }
    }
}
