//! The whole server in one thread, with people, strangers, a network, a disk and a power line that are all made up: from
//! one number follows all that happens.
//!
//! `ROPEWALK_SIMULATIONS=100000 cargo test -p ropewalk --test simulator` tries so many seeds.
//! `ROPEWALK_SIMULATION_SEED=7 cargo test -p ropewalk --test simulator -- --nocapture` runs one and tells what happens.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

mod disk;
mod machine;
mod network;
mod oracle;
mod person;
mod plan;
mod ranges;
mod replica;
mod rng;
mod run;
mod server;
mod stranger;
mod token;
mod trace;
mod wire;
mod world;

/// Seeds that are tried unless it is said otherwise.
const USUAL: u64 = 200;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn everybody_converges_and_nothing_saved_is_lost() {
    if let Some(seed) = setting("ROPEWALK_SIMULATION_SEED") {
        let outcome = run::run(seed, true);
        assert_eq!(outcome.failure, None, "seed {seed}");
        return;
    }
    let count = setting("ROPEWALK_SIMULATIONS").unwrap_or(USUAL);
    let next = AtomicU64::new(1);
    let failed = Mutex::new(None::<(u64, String)>);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed > count {
                        return;
                    }
                    if let Some(failure) = run::run(seed, false).failure {
                        next.store(count + 1, Relaxed);
                        let mut failed = failed.lock().expect("no panic");
                        if failed.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *failed = Some((seed, failure));
                        }
                    }
                }
            });
        }
    });
    if let Some((seed, failure)) = failed.into_inner().expect("no panic") {
        panic!(
            "seed {seed}: {failure}\nreplay it: ROPEWALK_SIMULATION_SEED={seed} \
             cargo test -p ropewalk --test simulator -- --nocapture everybody"
        );
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 1..=10 {
        let first = run::run(seed, false);
        assert!(first.trace.1 > 100, "seed {seed} does nothing");
        assert_eq!(first, run::run(seed, false), "seed {seed}");
    }
}
