//! The spans of one client by their clocks.
//!
//! A list cut into runs, so that neither finding nor inserting gets slow when there are millions.

use super::span::Span;

/// Spans in a run at most.
const MAX: usize = if cfg!(feature = "small-nodes") {
    4
} else {
    512
};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    runs: Vec<Run>,
}

/// Spans with the clocks of their first units.
type Run = Vec<Entry>;

#[derive(Debug, Clone, Copy)]
struct Entry {
    clock: u32,
    span: u32,
}

/// Makes room for one more and some, and never for more than a run can hold.
fn reserve(run: &mut Run) {
    if run.len() == run.capacity() {
        run.reserve_exact((1 + run.len() / 4).min(MAX + 1 - run.len()));
    }
}

/// Where a span stands; good until the timeline changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    run: usize,
    at: usize,
}

impl Timeline {
    /// The place of the span that holds a clock, which has to be known. O(log n).
    pub(crate) fn find(&self, clock: u32) -> Place {
        let run = match self.runs.last() {
            Some(last) if last[0].clock <= clock => self.runs.len(),
            _ => self.runs.partition_point(|run| run[0].clock <= clock),
        };
        let run = run.saturating_sub(1);
        let list = &self.runs[run];
        let at = match list.last() {
            Some(last) if last.clock <= clock => list.len(),
            _ => list.partition_point(|entry| entry.clock <= clock),
        };
        Place {
            run,
            at: at.saturating_sub(1),
        }
    }

    pub(crate) fn get(&self, place: Place) -> u32 {
        self.runs[place.run][place.at].span
    }

    /// Gives a span another start, between those of its neighbours.
    pub(crate) fn set(&mut self, place: Place, clock: u32) {
        self.runs[place.run][place.at].clock = clock;
    }

    pub(crate) fn last(&self) -> Option<u32> {
        Some(self.runs.last()?.last()?.span)
    }

    /// The place before; None at the start.
    pub(crate) fn before(&self, place: Place) -> Option<Place> {
        match place.at.checked_sub(1) {
            Some(at) => Some(Place { at, ..place }),
            None => {
                let run = place.run.checked_sub(1)?;
                let at = self.runs[run].len() - 1;
                Some(Place { run, at })
            }
        }
    }

    /// The place behind; None at the end.
    pub(crate) fn behind(&self, place: Place) -> Option<Place> {
        if place.at + 1 < self.runs[place.run].len() {
            return Some(Place {
                at: place.at + 1,
                ..place
            });
        }
        let run = place.run + 1;
        (run < self.runs.len()).then_some(Place { run, at: 0 })
    }

    /// Appends the newest span.
    pub(crate) fn push(&mut self, span: u32, clock: u32) {
        match self.runs.last_mut() {
            Some(run) if run.len() < MAX => {
                reserve(run);
                run.push(Entry { clock, span });
            }
            _ => self.runs.push(vec![Entry { clock, span }]),
        }
    }

    /// Takes off the newest span.
    pub(crate) fn pop(&mut self) {
        if let Some(run) = self.runs.last_mut() {
            run.pop();
            if run.is_empty() {
                self.runs.pop();
            }
        }
    }

    /// Puts a span behind another, of which it was a part; returns its place.
    pub(crate) fn insert_behind(&mut self, place: Place, span: u32, clock: u32) -> Place {
        let run = &mut self.runs[place.run];
        let at = place.at + 1;
        reserve(run);
        run.insert(at, Entry { clock, span });
        if run.len() <= MAX {
            return Place { at, ..place };
        }
        let half = run.split_off(MAX / 2);
        run.shrink_to(MAX / 2 + MAX / 8);
        let run = place.run + 1;
        self.runs.insert(run, half);
        match at.checked_sub(MAX / 2) {
            Some(at) => Place { run, at },
            None => Place { at, ..place },
        }
    }

    /// Takes out a span whose units the one before has taken over.
    pub(crate) fn remove(&mut self, place: Place) {
        let run = &mut self.runs[place.run];
        run.remove(place.at);
        if run.is_empty() {
            self.runs.remove(place.run);
        }
    }

    /// The spans from the one that holds `clock` on.
    pub(crate) fn from(&self, clock: u32) -> impl Iterator<Item = u32> + '_ {
        let place = match self.runs.is_empty() {
            true => Place { run: 0, at: 0 },
            false => self.find(clock),
        };
        let rest = self.runs.get(place.run).map(|run| &run[place.at..]);
        let others = self.runs.iter().skip(place.run + 1).flatten();
        let all = rest.into_iter().flatten().chain(others);
        all.map(|entry| entry.span)
    }

    /// Number of spans from the one that holds `clock` on.
    pub(crate) fn count_from(&self, clock: u32) -> usize {
        if self.runs.is_empty() {
            return 0;
        }
        let place = self.find(clock);
        self.runs[place.run..].iter().map(Vec::len).sum::<usize>() - place.at
    }

    /// Panics when a run is empty or too long, or has a clock that is not its span's.
    pub(crate) fn check(&self, spans: &[Span]) {
        for run in &self.runs {
            assert!(!run.is_empty() && run.len() <= MAX);
            let clock = |entry: &Entry| spans[entry.span as usize].clock;
            assert!(run.iter().all(|entry| entry.clock == clock(entry)));
        }
    }
}
