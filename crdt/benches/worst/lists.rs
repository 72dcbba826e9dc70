//! An array of a million values.

use crate::material::wire::{Content, Id, Place, delete, insert};
use crate::{Case, Worst};

const SIZES: [usize; 2] = [100_000, 1_000_000];

pub fn measure(worst: &mut Worst) {
    worst.measure("values pushed to an array", SIZES, |count| Case {
        before: Vec::new(),
        updates: pushes(count),
        items: count,
    });
    worst.measure("every other value of an array deleted", SIZES, |count| {
        Case {
            before: pushes(count),
            updates: deletes(count),
            items: count / 2,
        }
    });
}

/// Bound: O(1) for each but for the index of positions, O(log n).
fn pushes(count: usize) -> Vec<Vec<u8>> {
    let push = |clock: u64| {
        let left: Option<Id> = clock.checked_sub(1).map(|clock| (1, clock));
        let place = Place::Between(left, None);
        insert((1, clock), &place, &Content::Number(clock as u8))
    };
    (0..count as u64).map(push).collect()
}

/// Bound: O(log n) for each. The values are one run before.
fn deletes(count: usize) -> Vec<Vec<u8>> {
    (0..count as u64)
        .step_by(2)
        .map(|clock| delete(&[(1, clock)]))
        .collect()
}
