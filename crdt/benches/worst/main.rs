//! What the worst that somebody can send costs per item, at two sizes: where the second costs more
//! than a little more than the first, the cost grows with what is there already. Prints the rows of
//! a table. What takes too long is cut there, and costs at least what is printed.
//!
//! ```sh
//! cargo bench -p ropewalk-crdt --bench worst          # all
//! cargo bench -p ropewalk-crdt --bench worst -- array # what has this in its name
//! ```
#![allow(clippy::unwrap_used)]

mod lists;
#[path = "../material.rs"]
mod material;
mod nested;
mod places;
mod runs;

use material::rivals::{Rival, Ropewalk, Yrs};
use material::rng::Rng;
use material::table::{Number, Table, Unit};
use std::time::{Duration, Instant};

/// How long to wait for the end of a case: so long, and so much more for each item.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_micros(4));

/// yrs deletes and drops what is nested by recursion.
const STACK: usize = 1 << 30;

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let worst = Worst {
        wanted: wanted.unwrap_or_default(),
        table: Table::default(),
    };
    let all = move || {
        let mut worst = worst;
        places::measure(&mut worst);
        runs::measure(&mut worst);
        lists::measure(&mut worst);
        nested::measure(&mut worst);
        worst.table.print();
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(all);
    thread.unwrap().join().unwrap();
}

struct Worst {
    wanted: String,
    table: Table,
}

/// Something to be measured.
struct Case {
    /// What the document is before.
    before: Vec<Vec<u8>>,
    /// What then comes, one by one.
    updates: Vec<Vec<u8>>,
    /// How many items that is in all.
    items: usize,
}

impl Worst {
    /// Measures the case that `make` makes of so many items, for each of the sizes.
    fn measure(&mut self, what: &str, sizes: [usize; 2], make: impl Fn(usize) -> Case) {
        if !what.contains(&self.wanted) {
            return;
        }
        for size in sizes {
            let case = make(size);
            let what = format!("{what}, {size}");
            let ours = self.run::<Ropewalk>(&what, &case);
            let theirs = self.run::<Yrs>(&what, &case);
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                assert!(ours == theirs, "{what}: the texts differ");
            }
        }
    }

    /// The text in the end, if there was one within patience.
    fn run<R: Rival>(&mut self, what: &str, case: &Case) -> Option<String> {
        let mut document = R::new();
        let mut refuse = || {
            self.table
                .note(what, Unit::Nanoseconds, R::NAME, Number::REFUSED);
            None
        };
        if !case.before.iter().all(|update| document.takes(update)) {
            return refuse();
        }
        let patience = PATIENCE.0 + PATIENCE.1 * case.updates.len() as u32;
        let start = Instant::now();
        let mut items = case.items;
        for (at, update) in case.updates.iter().enumerate() {
            if !document.takes(update) {
                return refuse();
            }
            if at % 16 == 15 && start.elapsed() > patience {
                items = at + 1;
                break;
            }
        }
        let time = start.elapsed().as_nanos() as f64 / items as f64;
        let cut = items < case.items;
        let number = Number { value: time, cut };
        self.table.note(what, Unit::Nanoseconds, R::NAME, number);
        (!cut).then(|| document.text())
    }
}

/// An order in which things come, and what makes it of a rising one.
type Order = (&'static str, fn(&mut [usize]));

const ORDERS: [Order; 3] = [
    ("rising", |_| ()),
    ("falling", |numbers| numbers.reverse()),
    ("shuffled", |numbers| Rng::new(5).shuffle(numbers)),
];
