//! Waiting for a state, never for a time.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, interval};

/// How long a story waits for something that must happen. Long, because only a defect waits so long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often something that cannot tell of its changes (a file, a page, a process) is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until there is an answer; panics with `what` after [`DEADLINE`].
pub async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let began = Instant::now();
    let mut ticks = interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        if let Some(answer) = look().await {
            return answer;
        }
        assert!(
            began.elapsed() < DEADLINE,
            "waited {DEADLINE:?} in vain: {what}"
        );
    }
}

/// Waits for `future` at most [`DEADLINE`]; panics with `what`.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(answer) => answer,
        Err(_) => panic!("waited {DEADLINE:?} in vain: {what}"),
    }
}
