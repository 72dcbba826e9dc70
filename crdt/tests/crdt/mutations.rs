//! Hostile sequences in great number: nothing crashes or hangs, and honest text stays.

use crate::rng::Rng;
use crate::{child, history, hostile};
use ropewalk_crdt::update::Update;
use ropewalk_crdt::{Document, Error, Limits, ROOT};

/// Sequences that a plain test run makes; more by `ROPEWALK_FUZZ_SEQUENCES`.
const SEQUENCES: u64 = 2_000;

fn sequences() -> u64 {
    let more = std::env::var("ROPEWALK_FUZZ_SEQUENCES");
    more.ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(SEQUENCES)
}

fn seeds() -> impl Iterator<Item = u64> {
    let first = std::env::var("ROPEWALK_FUZZ_SEED");
    let first = first.ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    (first..).take(sequences() as usize)
}

/// Longer than any run that does its work.
fn seconds() -> u64 {
    60 + sequences() / 20
}

fn is_within(part: &str, whole: &str) -> bool {
    let mut whole = whole.chars();
    part.chars().all(|char| whole.any(|other| other == char))
}

fn sorted(text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    chars.sort_unstable();
    chars.into_iter().collect()
}

/// All that must hold of a document whatever it was told. Returns its text, and the text of what
/// was saved and opened: where neighbours contradict one another, two orders of the same structs
/// are right, but all of them are there.
fn check(document: &mut Document, seed: u64) -> [String; 2] {
    document.check();
    let text = document.text(ROOT);
    let units = document.len_utf16(ROOT);
    assert!(text.len_utf16_cu() as u64 <= units, "seed {seed}");
    let state = document.encode();
    let state = Update::decode(&state, &Limits::NONE).unwrap();
    let deleted = document.version().deleted;
    assert_eq!(state.deletes().units(), deleted, "seed {seed}");
    let saved = document.save();
    let mut opened = Document::open(2, &saved).unwrap();
    opened.check();
    assert_eq!(opened.save(), saved, "seed {seed}");
    let vector = &document.version().vector;
    assert_eq!(&opened.version().vector, vector, "seed {seed}");
    let again = opened.save();
    assert_eq!(held_part(&again), held_part(&saved), "seed {seed}");
    [text.to_string(), opened.text(ROOT).to_string()]
}

/// What a saved document holds behind its state.
fn held_part(saved: &[u8]) -> String {
    let (mut at, mut len, mut shift) = (1, 0usize, 0);
    loop {
        len |= usize::from(saved[at] & 0x7f) << shift;
        shift += 7;
        at += 1;
        if saved[at - 1] < 0x80 {
            return hex(&saved[at + len..]);
        }
    }
}

fn say(seed: u64, what: &str) {
    // A crash of the process shows the last line: it must be out before the work begins.
    if std::env::var("ROPEWALK_FUZZ_TRACE").is_ok() {
        eprintln!("seed {seed}: {what}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Updates from nothing, of clients of their own that point everywhere but delete nothing.
#[test]
fn foreign_structs_leave_honest_text() {
    child::run(
        "mutations::foreign_structs_leave_honest_text",
        seconds(),
        || {
            for seed in seeds() {
                eprintln!("seed {seed}");
                let mut rng = Rng::new(seed);
                let (replicas, steps) = (1 + rng.below(3), rng.below(12));
                let rich = history::kinds(&mut rng);
                let honest = history::history(&mut rng, replicas, steps, &rich);
                let mut document = Document::new(1);
                for update in &honest.updates {
                    document.apply(update).unwrap();
                }
                let mut clocks = honest.clocks.clone();
                let own = clocks.len();
                clocks.extend([(5, 0), (70_000, 0), (80_000, 0), ((1 << 53) - 1, 0)]);
                for _ in 0..rng.below(30) {
                    let update = hostile::update(&mut rng, &mut clocks, own, false);
                    say(seed, &hex(&update));
                    let done = document.apply(&update);
                    document.check();
                    let _ = done;
                }
                let [text, opened] = check(&mut document, seed);
                let honest = &honest.text;
                assert!(is_within(honest, &text), "seed {seed}: {honest:?} {text:?}");
                assert!(
                    is_within(&sorted(honest), &sorted(&opened)),
                    "seed {seed}: {opened:?}"
                );
            }
        },
    );
}

/// As before, with deletes, in the names of the honest clients too.
#[test]
fn hostile_structs_and_deletes_do_not_crash() {
    child::run(
        "mutations::hostile_structs_and_deletes_do_not_crash",
        seconds(),
        || {
            for seed in seeds() {
                eprintln!("seed {seed}");
                let mut rng = Rng::new(seed);
                let (replicas, steps) = (1 + rng.below(3), rng.below(12));
                let rich = history::kinds(&mut rng);
                let honest = history::history(&mut rng, replicas, steps, &rich);
                let mut document = Document::new(1);
                let mut clocks = honest.clocks.clone();
                clocks.extend([(1, 0), (70_000, 0), ((1 << 53) - 1, 0)]);
                let mut left = honest.updates.iter();
                for _ in 0..rng.below(40) {
                    let update = match rng.below(4) {
                        0 => left.next().cloned().unwrap_or_default(),
                        _ => hostile::update(&mut rng, &mut clocks, 0, true),
                    };
                    say(seed, &hex(&update));
                    let done = document.apply(&update);
                    document.check();
                    let _ = done;
                }
                check(&mut document, seed);
            }
        },
    );
}

/// Honest updates with bent bytes, in any order.
#[test]
fn bent_updates_do_not_crash() {
    child::run("mutations::bent_updates_do_not_crash", seconds(), || {
        for seed in seeds() {
            eprintln!("seed {seed}");
            let mut rng = Rng::new(seed);
            let rich = history::kinds(&mut rng);
            let mut updates = history::history(&mut rng, 3, 12, &rich).updates;
            for at in 0..updates.len() {
                let update = hostile::bent(&mut rng, &updates[at]);
                updates.push(update);
            }
            rng.shuffle(&mut updates);
            let mut document = Document::new(1);
            for update in &updates {
                say(seed, &hex(update));
                let done = document.apply(update);
                document.check();
                let _ = done;
            }
            check(&mut document, seed);
        }
    });
}
