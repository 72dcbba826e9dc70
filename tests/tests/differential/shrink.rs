//! The least part of a history that still fails.

use crate::check::{Failure, check_now};
use crate::oracle::{Oracle, Yjs};
use crate::told::{Bytes, Told};

/// Takes updates out, many at a time and then one by one, as long as something still fails.
pub fn shrink(seed: u64, told: &Told, by: Yjs) -> (Vec<Bytes>, Failure) {
    let mut oracle = Oracle::start();
    // What panics does so many times.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let least = least(&mut oracle, seed, told, by);
    std::panic::set_hook(hook);
    least.unwrap_or_else(|| {
        let what = "only by the states of the replicas, if at all".into();
        let failure = Failure {
            how: "as it was",
            what,
        };
        (told.states.clone(), failure)
    })
}

fn least(oracle: &mut Oracle, seed: u64, told: &Told, by: Yjs) -> Option<(Vec<Bytes>, Failure)> {
    let mut fails = |updates: &[Bytes]| {
        let told = oracle.told(seed, &told.kinds, updates);
        // What lacks something says nothing about what it comes to.
        let whole = !told.account.waits;
        whole.then(|| check_now(oracle, &told, seed, by).err())?
    };
    let mut updates = told.updates.clone();
    let mut failure = fails(&updates)?;
    let mut size = updates.len().div_ceil(2);
    while size > 0 {
        let mut taken = false;
        let mut end = updates.len();
        while end > 0 {
            let start = end.saturating_sub(size);
            let mut fewer = updates.clone();
            fewer.drain(start..end);
            if let Some(found) = fails(&fewer) {
                (updates, failure, taken) = (fewer, found, true);
            }
            end = start;
        }
        if !taken || size > 1 {
            size /= 2;
        }
    }
    Some((updates, failure))
}
