//! How far a job is: a bar for people, lines for logs.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::Failure;

/// Width of the bar, in characters.
const BAR: usize = 30;
/// A bar is drawn anew no more often than this.
const DRAWN: Duration = Duration::from_millis(100);
/// A line is written no more often than this.
const WRITTEN: Duration = Duration::from_secs(3);

/// Shows how far a job is on stderr, and ends it early when that is asked for.
#[derive(Debug)]
pub struct Progress {
    stop: Arc<AtomicBool>,
    terminal: bool,
    /// When something was shown.
    shown: Instant,
    /// A bar stands in the last line.
    drawn: bool,
}

impl Progress {
    /// Nothing is shown yet. Setting `stop` ends the job.
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self {
            stop,
            terminal: io::stderr().is_terminal(),
            shown: Instant::now(),
            drawn: false,
        }
    }

    /// `done` of `all` of `what`. An error once the job has to end.
    pub fn step(&mut self, what: &str, done: u64, all: u64) -> Result<(), Failure> {
        if self.stop.load(Relaxed) {
            return Err(Failure::Stopped);
        }
        let every = if self.terminal { DRAWN } else { WRITTEN };
        if self.shown.elapsed() >= every {
            self.shown = Instant::now();
            let percent = percent(done, all);
            let mut err = io::stderr().lock();
            // A closed stderr is no reason to end.
            let _ = if self.terminal {
                self.drawn = true;
                write!(err, "\r{} {percent:>3} % {what}\x1b[K", bar(percent))
            } else {
                writeln!(err, "ropewalk: {what}: {percent} %")
            };
            let _ = err.flush();
        }
        Ok(())
    }

    /// A line that stays.
    pub fn say(&mut self, line: fmt::Arguments<'_>) {
        self.end();
        let _ = writeln!(io::stderr(), "ropewalk: {line}");
    }

    /// Takes the bar away.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn percent(done: u64, all: u64) -> usize {
    let percent = (u128::from(done) * 100).checked_div(u128::from(all));
    percent.map_or(100, |percent| percent.min(100) as usize)
}

fn bar(percent: usize) -> String {
    let full = BAR * percent / 100;
    format!("[{}{}]", "#".repeat(full), "-".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_job_is_far() {
        assert_eq!(percent(0, 0), 100, "nothing to do is done");
        assert_eq!(percent(1, 3), 33);
        assert_eq!(percent(7, 3), 100);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        assert_eq!(bar(0), format!("[{}]", "-".repeat(30)));
        assert_eq!(bar(50), format!("[{}{}]", "#".repeat(15), "-".repeat(15)));
        assert_eq!(bar(100), format!("[{}]", "#".repeat(30)));
    }

    #[test]
    fn a_job_that_has_to_end_does() {
        let stop = Arc::new(AtomicBool::new(false));
        let mut progress = Progress::new(stop.clone());
        assert!(progress.step("pages", 1, 2).is_ok());
        stop.store(true, Relaxed);
        assert!(matches!(
            progress.step("pages", 2, 2),
            Err(Failure::Stopped)
        ));
    }
}
