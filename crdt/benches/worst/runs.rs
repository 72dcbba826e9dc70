//! One long run of text, cut to pieces; and one that comes from its end.

use crate::material::rng::Rng;
use crate::material::wire::{Content, Id, Place, delete, insert};
use crate::{Case, Worst};

const SIZES: [usize; 2] = [25_000, 100_000];

pub fn measure(worst: &mut Worst) {
    worst.measure("a run split everywhere, rising", SIZES, |count| {
        splits(&(0..count as u64).collect::<Vec<_>>())
    });
    worst.measure("a run split everywhere, shuffled", SIZES, |count| {
        let mut places: Vec<u64> = (0..count as u64).collect();
        Rng::new(6).shuffle(&mut places);
        splits(&places)
    });
    worst.measure("every other character deleted", SIZES, deletes);
    worst.measure(
        "waiting, from the last to the first",
        [2_500, 10_000],
        waiting,
    );
}

fn run(len: usize) -> Vec<u8> {
    let text = "x".repeat(len);
    insert((1, 0), &Place::Between(None, None), &Content::Text(&text))
}

/// A character after every other one. Bound: O(log n) for each.
fn splits(places: &[u64]) -> Case {
    let item = |(clock, &place): (usize, &u64)| {
        let (left, right) = ((1, 2 * place), (1, 2 * place + 1));
        let place = Place::Between(Some(left), Some(right));
        insert((2, clock as u64), &place, &Content::Text("a"))
    };
    Case {
        before: vec![run(2 * places.len())],
        updates: places.iter().enumerate().map(item).collect(),
        items: places.len(),
    }
}

/// Bound: O(log n) for each.
fn deletes(count: usize) -> Case {
    Case {
        before: vec![run(2 * count)],
        updates: (0..count as u64).map(|at| delete(&[(1, 2 * at)])).collect(),
        items: count,
    }
}

/// Keys of one client, the last first: all but the first wait, and it wakes them. Bound: O(log n)
/// for each, waiting and waking together.
fn waiting(count: usize) -> Case {
    let key = |clock: u64| {
        let left: Option<Id> = clock.checked_sub(1).map(|clock| (1, clock));
        insert((1, clock), &Place::Between(left, None), &Content::Text("a"))
    };
    Case {
        before: Vec::new(),
        updates: (0..count as u64).rev().map(key).collect(),
        items: count,
    }
}
