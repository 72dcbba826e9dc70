//! Many insertions at one place. All have the same neighbour to the left, and each has to find its
//! place among those that are there. Yjs walks past them: n insertions take n² steps.

use crate::material::wire::{Content, Place, insert};
use crate::{Case, ORDERS, Worst};

const SIZES: [usize; 2] = [2_500, 10_000];

/// The client that wrote the text that is there.
const FIRST: u64 = 1 << 20;

pub fn measure(worst: &mut Worst) {
    worst.measure("one place, one client, same neighbours", SIZES, same);
    for (order, arrange) in ORDERS {
        let arranged = |count: usize| {
            let mut numbers: Vec<usize> = (0..count).collect();
            arrange(&mut numbers);
            numbers
        };
        let what = format!("one place, one client, right neighbours {order}");
        worst.measure(&what, SIZES, |count| differing(&arranged(count)));
        let what = format!("one place, a client each, {order}");
        worst.measure(&what, SIZES, |count| crowd(&arranged(count)));
    }
}

/// A text of `len` characters.
fn text(len: usize) -> Vec<u8> {
    let text = "x".repeat(len);
    insert(
        (FIRST, 0),
        &Place::Between(None, None),
        &Content::Text(&text),
    )
}

/// Bound: O(log n) for each, whatever the order.
fn same(count: usize) -> Case {
    let place = Place::Between(Some((FIRST, 0)), Some((FIRST, 1)));
    let item = |clock| insert((1, clock), &place, &Content::Text("a"));
    Case {
        before: vec![text(2)],
        updates: (0..count as u64).map(item).collect(),
        items: count,
    }
}

/// No honest client does so: what it inserts is between neighbours. Bound: as above.
fn differing(rights: &[usize]) -> Case {
    let item = |(clock, &right): (usize, &usize)| {
        let place = Place::Between(Some((FIRST, 0)), Some((FIRST, 1 + right as u64)));
        insert((1, clock as u64), &place, &Content::Text("a"))
    };
    Case {
        before: vec![text(1 + rights.len())],
        updates: rights.iter().enumerate().map(item).collect(),
        items: rights.len(),
    }
}

/// Bound: as above.
fn crowd(clients: &[usize]) -> Case {
    let place = Place::Between(Some((FIRST, 0)), Some((FIRST, 1)));
    let item = |&client: &usize| insert((1 + client as u64, 0), &place, &Content::Text("a"));
    Case {
        before: vec![text(2)],
        updates: clients.iter().map(item).collect(),
        items: clients.len(),
    }
}
