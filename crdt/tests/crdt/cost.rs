//! What an update costs: it grows with the update, not with the document.

use crate::hostile::{string, var};
use crate::rng::Rng;
use ropewalk_crdt::{Document, Limits, ROOT};
use std::time::{Duration, Instant};

/// Items in the long document. Building it takes its time without optimisation.
const LONG: u64 = if cfg!(debug_assertions) {
    100_000
} else {
    200_000
};

/// A text of `items` characters, written in turn by clients 1 and 2 so that none join.
fn scattered(items: u64) -> Document {
    let mut out = vec![2];
    for client in [2, 1] {
        var(&mut out, items / 2);
        var(&mut out, client);
        out.push(0);
        for clock in 0..items / 2 {
            if (client, clock) == (1, 0) {
                out.extend_from_slice(&[4, 1]);
                string(&mut out, ROOT);
            } else {
                out.push(0x84);
                var(&mut out, 3 - client);
                var(&mut out, if client == 1 { clock - 1 } else { clock });
            }
            string(&mut out, "x");
        }
    }
    out.push(0);
    let mut document = Document::with_limits(9, Limits::NONE);
    document.apply(&out).unwrap();
    document
}

/// Keystrokes of client 3 at random places, each with a delete of the character before it.
fn keystrokes(document: &mut Document, items: u64, count: u64) -> Duration {
    let mut rng = Rng::new(items);
    let updates: Vec<Vec<u8>> = (0..count)
        .map(|clock| {
            let at = 1 + rng.below(items as usize / 2 - 1) as u64;
            let mut out = vec![1, 1, 3];
            var(&mut out, clock);
            out.extend_from_slice(&[0xc4, 1]);
            var(&mut out, at);
            out.push(2);
            var(&mut out, at);
            string(&mut out, "y");
            out.extend_from_slice(&[1, 1, 1]);
            var(&mut out, at);
            out.push(1);
            out
        })
        .collect();
    let start = Instant::now();
    for update in &updates {
        document.apply(update).unwrap();
        document.len_utf16(ROOT);
    }
    start.elapsed() / count as u32
}

#[test]
fn a_keystroke_costs_the_same_in_a_long_document() {
    let measure = |items: u64| {
        let mut document = scattered(items);
        keystrokes(&mut document, items, 4_000)
    };
    measure(1_000);
    let (short, long) = (measure(10_000), measure(LONG));
    println!("a keystroke among 10,000 items: {short:?}, among {LONG}: {long:?}");
    // Ten times the items or more: anything that looks at all of them would show.
    assert!(
        long < short * 5,
        "{short:?} among 10,000 items, {long:?} among {LONG}"
    );
}
