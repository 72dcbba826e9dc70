//! How fast the engine is beside yrs. Prints the rows of a table when it is done.
//!
//! ```sh
//! cargo bench -p ropewalk-crdt --bench speed              # all
//! cargo bench -p ropewalk-crdt --bench speed -- keystroke # what has this in its name
//! ROPEWALK_TRACES=<folder> cargo bench -p ropewalk-crdt   # traces of real people
//! ```
#![allow(clippy::unwrap_used)]

mod edit;
mod join;
mod keystroke;
mod load;
#[path = "../material.rs"]
mod material;

use criterion::{Criterion, SamplingMode, Throughput};
use material::table::{Table, Unit, median};
use std::time::{Duration, Instant};

const SAMPLES: usize = 10;

fn main() {
    let mut speed = Speed {
        criterion: Criterion::default().configure_from_args(),
        table: Table::default(),
    };
    keystroke::measure(&mut speed);
    edit::measure(&mut speed);
    load::measure(&mut speed);
    join::measure(&mut speed);
    speed.criterion.final_summary();
    speed.table.print();
}

struct Speed {
    criterion: Criterion,
    table: Table,
}

/// Which of the samples goes into the table.
enum Middle {
    Median,
    /// Of samples that are each another part of the work.
    Mean,
}

impl Speed {
    /// Measures `work`, which does `count` operations on what `setup` has made, and returns how
    /// long they took.
    fn median<S>(
        &mut self,
        what: &str,
        rival: &'static str,
        count: usize,
        setup: impl Fn() -> S,
        work: impl FnMut(&mut S) -> Duration,
    ) {
        self.measure(Middle::Median, what, rival, count, setup, work);
    }

    fn measure<S>(
        &mut self,
        middle: Middle,
        what: &str,
        rival: &'static str,
        count: usize,
        setup: impl Fn() -> S,
        mut work: impl FnMut(&mut S) -> Duration,
    ) {
        let mut group = self.criterion.benchmark_group(what);
        group
            .sample_size(SAMPLES)
            .sampling_mode(SamplingMode::Flat)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(1))
            .throughput(Throughput::Elements(count as u64));
        // Not before it is known to be wanted, and not once for each sample.
        let mut state = None;
        let mut samples = Vec::new();
        group.bench_function(rival, |bencher| {
            let state = state.get_or_insert_with(&setup);
            bencher.iter_custom(|iterations| {
                let time: Duration = (0..iterations).map(|_| work(state)).sum();
                samples.push(time.as_nanos() as f64 / (iterations as f64 * count as f64));
                time
            });
        });
        group.finish();
        // Those before were to warm up.
        let mut samples = samples.split_off(samples.len().saturating_sub(SAMPLES));
        if samples.is_empty() {
            return;
        }
        let time = match middle {
            Middle::Median => median(&mut samples),
            Middle::Mean => samples.iter().sum::<f64>() / samples.len() as f64,
        };
        self.table.note(what, Unit::Nanoseconds, rival, time);
    }
}

/// How long `work` takes, without dropping what it returns.
fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let done = std::hint::black_box(work());
    let time = start.elapsed();
    drop(done);
    time
}
