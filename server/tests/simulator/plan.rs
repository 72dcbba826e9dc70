//! What a seed decides: who is there, and how bad the world is.

use std::time::Duration;

use ropewalk::config::Config;
use ropewalk::journal::JournalLimits;

use crate::rng::Rng;

/// Chances are in ten thousand.
#[derive(Debug)]
pub struct Plan {
    pub documents: usize,
    pub people: usize,
    pub hostile: usize,
    /// Nobody honest ever loses the line, and strangers write under the ids of others.
    pub forges: bool,
    /// How long people work.
    pub work: Duration,
    /// Between two things that somebody does, in milliseconds, at most.
    pub pace: u64,
    /// Letters that an edit carries beside its token.
    pub padding: usize,
    pub habits: Habits,
    pub network: Network,
    pub disk: Disk,
    /// Times when the server loses its power.
    pub crashes: Vec<Duration>,
    /// Times when everybody leaves for a while.
    pub lulls: Vec<(Duration, Duration)>,
    /// When a document goes into the trash, which, and for how long.
    pub trash: Vec<(Duration, usize, Duration)>,
    pub config: Config,
    pub journal: JournalLimits,
}

/// What people do beside typing.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub deletes: u64,
    pub flaps: u64,
    pub goes_offline: u64,
    pub stops_reading: u64,
    pub repeats: u64,
    pub reloads: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Milliseconds from one end to the other, at most.
    pub delay: u64,
    /// Chance that a frame is the last one of its connection.
    pub cuts: u64,
    /// Bytes on their way, at most.
    pub window: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// Milliseconds that a commit takes, at most.
    pub latency: u64,
    /// Chance that a write fails.
    pub fails: u64,
    /// Chance that a write is the last thing that the server does.
    pub crashes: u64,
    /// Chance that there is no room.
    pub full: u64,
    /// Milliseconds that work on other threads takes, at most.
    pub load: u64,
}

impl Plan {
    pub fn new(rng: &mut Rng) -> Self {
        let rough = rng.chance(7_000);
        let heavy = rng.chance(800);
        let pace = if heavy {
            2_000
        } else {
            rng.pick(&[200, 800, 2_000])
        };
        // About a hundred edits of everybody.
        let work = rng.within(8, 8 + pace / 40);
        let within = |rng: &mut Rng| Duration::from_millis(rng.within(1, work * 1000));
        let crashes = (0..rng.below(if rough { 5 } else { 1 })).map(|_| within(rng));
        let crashes = crashes.collect();
        let hostile = rng.pick(&[0, 0, 1, 2]);
        let forges = !rough && hostile > 0;
        let lulls = (0..rng.below(if forges { 1 } else { 3 }))
            .map(|_| (within(rng), rng.ms(2_000, 20_000)));
        let lulls = lulls.collect();
        let odds = |rng: &mut Rng, most: u64| match rough {
            true => rng.below(most + 1),
            false => 0,
        };
        let people = rng.within(2, 6) as usize;
        let documents = rng.pick(&[1, 1, 1, 2, 3]).min(people);
        // Who forges must find everybody on their lines, and the trash cuts those.
        let trash = match forges {
            true => 0,
            false => rng.pick(&[0, 0, 0, 1, 2]),
        };
        let trash = (0..trash).map(|_| (within(rng), rng.index(documents), rng.ms(0, 5_000)));
        let mut trash: Vec<_> = trash.collect();
        trash.sort();
        Self {
            documents,
            people,
            hostile,
            forges,
            work: Duration::from_secs(work),
            pace,
            padding: if heavy { 12 << 10 } else { 0 },
            habits: Habits {
                deletes: rng.within(500, 4_000),
                flaps: odds(rng, 300),
                goes_offline: odds(rng, 300),
                stops_reading: odds(rng, 300),
                repeats: rng.below(600),
                reloads: odds(rng, 100),
            },
            network: Network {
                delay: rng.pick(&[0, 10, 100, 1_000]),
                cuts: odds(rng, 100),
                window: rng.pick(&[2 << 10, 16 << 10, 1 << 20]),
            },
            disk: Disk {
                latency: rng.pick(&[0, 5, 50, 1_500]),
                fails: odds(rng, 150),
                crashes: odds(rng, 100),
                full: odds(rng, 50),
                load: rng.pick(&[0, 5, 300]),
            },
            crashes,
            lulls,
            trash,
            config: Config {
                outbox_frames: rng.pick(&[2, 8, 1024]),
                outbox_bytes: rng.pick(&[512, 8 << 10, 4 << 20]),
                idle_document: rng.pick(&[
                    Duration::from_millis(1),
                    Duration::from_secs(1),
                    Duration::from_secs(10),
                ]),
                history_days: rng.pick(&[0, 1]),
                ..Config::default()
            },
            journal: JournalLimits {
                queue_updates: rng.pick(&[2, 64, 65_536]),
                batch_updates: rng.pick(&[1, 4, 4096]),
                ..JournalLimits::default()
            },
        }
    }
}
