//! What is nested behind one unit, and goes when that is deleted.

use crate::material::wire::{Content, Place, delete, insert};
use crate::{Case, Worst};

const SIZES: [usize; 2] = [2_500, 10_000];

/// As deep as is taken in, with the unit in front.
const DEEP: usize = 62;

pub fn measure(worst: &mut Worst) {
    worst.measure("arrays nested without end", SIZES, |count| Case {
        before: Vec::new(),
        updates: nest(count, count),
        items: count,
    });
    worst.measure("arrays nested 62 deep", SIZES, |count| Case {
        before: Vec::new(),
        updates: nest(count, DEEP),
        items: count,
    });
    worst.measure("arrays 62 deep deleted at once", SIZES, |count| Case {
        before: nest(count, DEEP),
        updates: vec![delete(&[(1, 0)])],
        items: count,
    });
    worst.measure("arrays in an array deleted at once", SIZES, |count| Case {
        before: nest(count, 1),
        updates: vec![delete(&[(1, 0)])],
        items: count,
    });
}

/// Chains of `depth` arrays, each array in the one before, and the first ones in unit 0.
///
/// Bound: O(log n) for each, on a stack that grows with nothing but the depth, which is bounded.
fn nest(count: usize, depth: usize) -> Vec<Vec<u8>> {
    let depth = depth as u64;
    let item = |clock: u64| {
        let place = match clock {
            0 => Place::Between(None, None),
            1 => Place::Within((1, 0)),
            _ if (clock - 1).is_multiple_of(depth) => {
                Place::Between(Some((1, clock - depth)), None)
            }
            _ => Place::Within((1, clock - 1)),
        };
        insert((1, clock), &place, &Content::Array)
    };
    (0..count as u64).map(item).collect()
}
