//! What was measured, as rows of a table in Markdown.

use crate::material::rivals::{Rival, Ropewalk, Yrs};
use std::fmt::Write;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    Bytes,
}

/// One number, as exact as it was measured.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    pub value: f64,
    /// It is at least that much: whoever measured it did not wait for the end.
    pub cut: bool,
}

impl Number {
    /// It came to nothing.
    pub const REFUSED: Number = Number {
        value: f64::NAN,
        cut: false,
    };
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Number { value, cut: false }
    }
}

struct Row {
    what: String,
    unit: Unit,
    numbers: Vec<(&'static str, Number)>,
}

#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Notes what `rival` came to.
    pub fn note(&mut self, what: &str, unit: Unit, rival: &'static str, number: impl Into<Number>) {
        let number = (rival, number.into());
        match self.rows.iter_mut().find(|row| row.what == what) {
            Some(row) => row.numbers.push(number),
            None => self.rows.push(Row {
                what: what.into(),
                unit,
                numbers: vec![number],
            }),
        }
    }

    /// The last column is how many times less ours takes.
    pub fn print(&self) {
        let mut out = format!(
            "\n| | {} | {} | |\n|---|---|---|---|\n",
            Ropewalk::NAME,
            Yrs::NAME
        );
        for row in &self.rows {
            let of = |name| row.numbers.iter().find(|(rival, _)| *rival == name);
            let cell = |name| of(name).map_or("".into(), |(_, number)| show(*number, row.unit));
            let ratio = match (of(Ropewalk::NAME), of(Yrs::NAME)) {
                (Some((_, ours)), Some((_, theirs)))
                    if ours.value > 0.0 && !theirs.value.is_nan() =>
                {
                    let least = if theirs.cut && !ours.cut { "> " } else { "" };
                    format!("{least}{}x", digits(theirs.value / ours.value))
                }
                _ => String::new(),
            };
            let (ours, theirs) = (cell(Ropewalk::NAME), cell(Yrs::NAME));
            writeln!(out, "| {} | {ours} | {theirs} | {ratio} |", row.what).unwrap();
        }
        println!("{out}");
    }
}

fn show(number: Number, unit: Unit) -> String {
    let scales: &[(f64, &str)] = match unit {
        Unit::Nanoseconds => &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")],
        Unit::Bytes => &[(1e6, "MB"), (1e3, "kB"), (1.0, "B")],
    };
    let value = number.value;
    if value.is_nan() {
        return "refused".into();
    }
    let (scale, name) = scales
        .iter()
        .find(|(scale, _)| value >= *scale)
        .copied()
        .unwrap_or((1.0, scales[scales.len() - 1].1));
    let least = if number.cut { "> " } else { "" };
    format!("{least}{} {name}", digits(value / scale))
}

/// Three digits that count.
fn digits(value: f64) -> String {
    let decimals = match value {
        _ if value >= 100.0 || value == 0.0 => 0,
        _ if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// The one in the middle.
pub fn median(samples: &mut [f64]) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}
