#![allow(clippy::unwrap_used)]

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use super::*;

#[test]
fn positions_count_line_feeds_and_code_points() {
    // What Unicode calls line breaks are none.
    let text = Rope::from_str("a\rb\u{2028}\u{85}\n💚x\n\n");
    for (line, character, wanted) in [
        (0, 0, Some(0)),
        (0, 5, Some(5)),
        (0, 6, None),
        (1, 2, Some(8)),
        (1, 3, None),
        (2, 0, Some(9)),
        (3, 0, Some(10)),
        (3, 1, None),
        (4, 0, None),
        (u64::MAX, 0, None),
        (0, u64::MAX, None),
    ] {
        let place = Position { line, character };
        assert_eq!(offset(&text, place), wanted, "{place:?}");
        if let Some(offset) = wanted {
            assert_eq!(position(&text, offset), place);
            assert_eq!(nearest(&text, place), offset);
        }
    }
    let far = Position {
        line: 1,
        character: 99,
    };
    assert_eq!(nearest(&text, far), 8);
}

#[test]
fn positions_are_right_in_long_texts() {
    let text: String = (0..5000).map(|n| format!("ä{n}\n")).collect();
    let text = Rope::from_str(&text);
    for line in [0, 1, 999, 4999] {
        let place = Position { line, character: 2 };
        let at = offset(&text, place).unwrap();
        assert_eq!(position(&text, at), place);
    }
}

#[test]
fn a_change_of_a_text_is_one_of_its_plain_text() {
    for seed in 0..50_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut pick = |most: usize| -> String {
            let count = rng.random_range(0..=most);
            (0..count)
                .map(|_| ["\r", "\n", "\r\n", "a", "💚"][rng.random_range(0..5)])
                .collect()
        };
        let old = Rope::from_str(&pick(8));
        let (one, two) = (pick(2), pick(2));
        let length = old.len_chars();
        let mut at = [0; 4].map(|_| rng.random_range(0..=length));
        at.sort_unstable();
        let mut edits = vec![Edit {
            from: at[0] as u64,
            to: at[1] as u64,
            insert: one,
        }];
        if at[2] > at[1] {
            edits.push(Edit {
                from: at[2] as u64,
                to: at[3] as u64,
                insert: two,
            });
        }
        let mut new = old.clone();
        Delta::of(&edits).apply(&mut new);
        let mut seen = plain(&old);
        plain_delta(&old, edits.clone()).apply(&mut seen);
        assert_eq!(seen, plain(&new), "seed {seed}: {old:?} {edits:?}");
        let breaks = Breaks::of(&old);
        for at in 0..=plain(&old).len_chars() as u64 {
            assert_eq!(breaks.hidden(breaks.shown(at)), at, "seed {seed}: {old:?}");
        }
    }
}
