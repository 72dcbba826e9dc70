//! How long things took.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds; what is longer has a bucket of its own.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Durations, counted by how long they are.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|&bound| bound < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// All of them together.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.micros.load(Relaxed))
    }

    /// Appends it as the Prometheus text format has it.
    pub fn render(&self, out: &mut String, name: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "# HELP ropewalk_{name} {help}\n# TYPE ropewalk_{name} histogram\n"
        );
        let mut count = 0;
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            count += bucket.load(Relaxed);
            let seconds = bound as f64 / 1e6;
            let _ = writeln!(out, "ropewalk_{name}_bucket{{le=\"{seconds}\"}} {count}");
        }
        count += self.buckets[BOUNDS.len()].load(Relaxed);
        let seconds = self.total().as_secs_f64();
        let _ = write!(
            out,
            "ropewalk_{name}_bucket{{le=\"+Inf\"}} {count}\nropewalk_{name}_sum {seconds}\nropewalk_{name}_count {count}\n"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_all_that_is_as_long_or_shorter() {
        let histogram = Histogram::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(histogram.count(), 5);
        let mut out = String::new();
        histogram.render(&mut out, "x_seconds", "X.");
        for line in [
            "# TYPE ropewalk_x_seconds histogram",
            "ropewalk_x_seconds_bucket{le=\"0.0005\"} 2",
            "ropewalk_x_seconds_bucket{le=\"0.001\"} 3",
            "ropewalk_x_seconds_bucket{le=\"5\"} 3",
            "ropewalk_x_seconds_bucket{le=\"10\"} 4",
            "ropewalk_x_seconds_bucket{le=\"+Inf\"} 5",
            "ropewalk_x_seconds_sum 20.001002",
            "ropewalk_x_seconds_count 5",
        ] {
            assert!(out.lines().any(|other| other == line), "{line} in\n{out}");
        }
    }
}
