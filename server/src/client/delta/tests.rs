#![allow(clippy::unwrap_used)]

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use super::*;

fn random(rng: &mut StdRng, length: usize) -> Delta {
    let (mut edits, mut at) = (Vec::new(), 0);
    for _ in 0..rng.random_range(0..4) {
        let from = rng.random_range(at..=length);
        let to = rng.random_range(from..=length.min(from + 3));
        edits.push(Edit {
            from: from as u64,
            to: to as u64,
            insert: ["", "a", "ä💚", "\n", "x\ny"][rng.random_range(0..5)].to_owned(),
        });
        at = to;
    }
    Delta::of(&edits)
}

fn after(text: &Rope, deltas: &[&Delta]) -> String {
    let mut text = text.clone();
    deltas.iter().for_each(|delta| delta.apply(&mut text));
    text.to_string()
}

#[test]
fn deltas_commute_when_they_are_made_past_one_another_and_compose() {
    for seed in 0..20_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let text = Rope::from_str(&"0ä2💚4\n6"[..[0, 1, 4, 10, 11][rng.random_range(0..4)]]);
        let a = random(&mut rng, text.len_chars());
        let b = random(&mut rng, text.len_chars());
        let again = Delta::of(&a.edits());
        assert_eq!(after(&text, &[&again]), after(&text, &[&a]), "seed {seed}");
        let (a_late, b_late) = a.past(&b);
        let both = after(&text, &[&a, &b_late]);
        assert_eq!(
            both,
            after(&text, &[&b, &a_late]),
            "seed {seed}: {a:?} {b:?}"
        );
        assert_eq!(
            both,
            after(&text, &[&a.then(&b_late)]),
            "seed {seed}: {a:?} {b_late:?}"
        );
        let (old, new) = (text.clone(), Rope::from_str(&both));
        assert_eq!(
            after(&old, &[&Delta::between(&old, &new)]),
            both,
            "seed {seed}"
        );
    }
}

#[test]
fn the_first_of_two_insertions_at_one_place_stands_first() {
    let insert = |text: &str| Delta(vec![Part::Keep(1), Part::Insert(text.into())]);
    let (a, b) = (insert("a"), insert("b"));
    let (_, b_late) = a.past(&b);
    assert_eq!(after(&Rope::from_str("<>"), &[&a, &b_late]), "<ab>");
}
