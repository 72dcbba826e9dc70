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

#[derive(Debug)]
struct Run {
    /// Clock of the first unit.
    start: u32,
    spans: Vec<u32>,
}

/// Where a span stands; good until the timeline changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    run: usize,
    at: usize,
}

impl Timeline {
    /// The place of the span that holds a clock, which has to be known. O(log n).
    pub(crate) fn find(&self, clock: u32, spans: &[Span]) -> Place {
        let run = match self.runs.last() {
            Some(last) if last.start <= clock => self.runs.len(),
            _ => self.runs.partition_point(|run| run.start <= clock),
        };
        let run = run.saturating_sub(1);
        let list = &self.runs[run].spans;
        let at = match list.last() {
            Some(&last) if spans[last as usize].clock <= clock => list.len(),
            _ => list.partition_point(|&span| spans[span as usize].clock <= clock),
        };
        Place {
            run,
            at: at.saturating_sub(1),
        }
    }

    pub(crate) fn get(&self, place: Place) -> u32 {
        self.runs[place.run].spans[place.at]
    }

    pub(crate) fn last(&self) -> Option<u32> {
        self.runs.last()?.spans.last().copied()
    }

    /// The place before; None at the start.
    pub(crate) fn before(&self, place: Place) -> Option<Place> {
        match place.at.checked_sub(1) {
            Some(at) => Some(Place { at, ..place }),
            None => {
                let run = place.run.checked_sub(1)?;
                let at = self.runs[run].spans.len() - 1;
                Some(Place { run, at })
            }
        }
    }

    /// The place behind; None at the end.
    pub(crate) fn behind(&self, place: Place) -> Option<Place> {
        if place.at + 1 < self.runs[place.run].spans.len() {
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
            Some(run) if run.spans.len() < MAX => run.spans.push(span),
            _ => self.runs.push(Run {
                start: clock,
                spans: vec![span],
            }),
        }
    }

    /// Takes off the newest span.
    pub(crate) fn pop(&mut self) {
        if let Some(run) = self.runs.last_mut() {
            run.spans.pop();
            if run.spans.is_empty() {
                self.runs.pop();
            }
        }
    }

    /// Puts a span behind another, of which it was a part.
    pub(crate) fn insert_behind(&mut self, place: Place, span: u32, spans: &[Span]) {
        let run = &mut self.runs[place.run];
        run.spans.insert(place.at + 1, span);
        if run.spans.len() > MAX {
            let half = run.spans.split_off(MAX / 2);
            let start = spans[half[0] as usize].clock;
            self.runs.insert(place.run + 1, Run { start, spans: half });
        }
    }

    /// Takes out a span whose units another one has taken over.
    pub(crate) fn remove(&mut self, place: Place, spans: &[Span]) {
        let run = &mut self.runs[place.run];
        run.spans.remove(place.at);
        match run.spans.first() {
            None => drop(self.runs.remove(place.run)),
            Some(&first) => run.start = spans[first as usize].clock,
        }
    }

    /// The places from the one that holds `clock` on.
    pub(crate) fn from(
        &self,
        clock: u32,
        spans: &[Span],
    ) -> impl Iterator<Item = u32> + Clone + '_ {
        let place = match self.runs.is_empty() {
            true => Place { run: 0, at: 0 },
            false => self.find(clock, spans),
        };
        let rest = self.runs.get(place.run).map(|run| &run.spans[place.at..]);
        let others = self.runs.iter().skip(place.run + 1);
        rest.into_iter()
            .flatten()
            .chain(others.flat_map(|run| &run.spans))
            .copied()
    }

    /// Number of spans from the one that holds `clock` on.
    pub(crate) fn count_from(&self, clock: u32, spans: &[Span]) -> usize {
        if self.runs.is_empty() {
            return 0;
        }
        let place = self.find(clock, spans);
        let all = self.runs[place.run..].iter().map(|run| run.spans.len());
        all.sum::<usize>() - place.at
    }

    /// Panics when a run is empty, too long or begins elsewhere than it says.
    pub(crate) fn check(&self, spans: &[Span]) {
        for run in &self.runs {
            assert!(!run.spans.is_empty() && run.spans.len() <= MAX);
            assert!(run.start == spans[run.spans[0] as usize].clock);
        }
    }
}
