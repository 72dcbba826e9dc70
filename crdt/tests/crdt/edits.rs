//! Edits by position, against `String`.

use crate::forge::var;
use crate::history::{self, Kind};
use crate::rng::{Rng, Seed};
use ropewalk_crdt::{Document, Edit, Error, Limits, ROOT, Unit};

const UNITS: [Unit; 3] = [Unit::Utf8, Unit::Utf16, Unit::Char];
const PIECES: [&str; 7] = ["a", "é", "女", "😀", "\r\n", "👩‍👩‍👧", "plain words "];

fn size(char: char, unit: Unit) -> usize {
    match unit {
        Unit::Utf8 => char.len_utf8(),
        Unit::Utf16 => char.len_utf16(),
        Unit::Char => 1,
    }
}

/// The byte at which an offset lies, if it lies between two characters.
fn byte(text: &str, unit: Unit, offset: u64) -> Option<usize> {
    let mut at = 0;
    for (byte, char) in text.char_indices() {
        if at == offset as usize {
            return Some(byte);
        }
        at += size(char, unit);
    }
    (at == offset as usize).then_some(text.len())
}

/// What a `String` makes of the edits; None when an offset is no boundary.
fn model(text: &str, unit: Unit, edits: &[Edit]) -> Option<String> {
    let mut out = String::new();
    let mut last = 0;
    for edit in edits {
        let from = byte(text, unit, edit.from)?;
        out.push_str(&text[last..from]);
        out.push_str(&edit.insert);
        last = byte(text, unit, edit.to)?;
    }
    out.push_str(&text[last..]);
    Some(out)
}

fn random_edits(rng: &mut Rng, length: usize) -> Vec<Edit> {
    let mut offsets: Vec<u64> = (0..2 * (1 + rng.below(3)))
        .map(|_| rng.below(length + 1) as u64)
        .collect();
    offsets.sort_unstable();
    let edits = offsets.chunks(2).map(|pair| Edit {
        from: pair[0],
        to: pair[1].min(pair[0] + 6),
        insert: (0..rng.below(3)).map(|_| rng.pick(&PIECES)).collect(),
    });
    edits.collect()
}

#[test]
fn edits_are_those_of_a_string() {
    let mut refused = 0;
    for seed in 1..400 {
        let mut rng = Rng::new(seed);
        let mut document = Document::new(1);
        let mut peer = Document::new(2);
        let mut text = String::new();
        for _ in 0..12 {
            let unit = rng.pick(&UNITS);
            let length = text.chars().map(|char| size(char, unit)).sum();
            let edits = random_edits(&mut rng, length);
            let base = document.version().clone();
            let update = document.edit(&base, ROOT, unit, &edits);
            match model(&text, unit, &edits) {
                Some(edited) => {
                    text = edited;
                    peer.apply(&update.unwrap()).unwrap();
                }
                None => {
                    refused += 1;
                    let not = matches!(update, Err(Error::NotBoundary { .. }));
                    assert!(not, "seed {seed}: {update:?}");
                    assert_eq!(*document.version(), base, "seed {seed}");
                }
            }
            assert_eq!(document.text(ROOT).to_string(), text, "seed {seed}");
            assert_eq!(peer.text(ROOT).to_string(), text, "seed {seed}");
            assert_eq!(peer.version(), document.version(), "seed {seed}");
            let units = text.encode_utf16().count() as u64;
            assert_eq!(document.len_utf16(ROOT), units, "seed {seed}");
        }
        let opened = Document::open(3, &document.save()).unwrap();
        assert_eq!(opened.text(ROOT).to_string(), text, "seed {seed}");
        assert_eq!(opened.version(), document.version(), "seed {seed}");
    }
    assert!(
        refused > 100,
        "offsets inside characters came up: {refused}"
    );
}

/// Typing, backspaces and deletions to the right from one place on, and then at another, with offsets in each unit.
#[test]
fn writing_at_one_place_is_that_of_a_string() {
    const LETTERS: [&str; 4] = ["a", "é", "女", "a longer piece "];
    for seed in 1..200 {
        let _seed = Seed(seed);
        let mut rng = Rng::new(seed);
        let mut document = document(&"plain é wörds 女 ".repeat(rng.below(50)));
        let mut peer = Document::new(2);
        peer.apply(&document.encode()).unwrap();
        let mut text = document.text(ROOT).to_string();
        let mut cursor = 0_usize;
        for _ in 0..150 {
            let chars = text.chars().count();
            let (mut from, mut to, mut insert) = (cursor, cursor, "");
            match rng.below(20) {
                0..8 => insert = rng.pick(&LETTERS),
                8..13 => from = cursor.saturating_sub(1 + rng.below(3)),
                13..16 => to = (cursor + 1 + rng.below(3)).min(chars),
                16 => (from, insert) = (cursor.saturating_sub(rng.below(4)), "new"),
                17 if rng.chance(4) => to = (cursor + rng.below(1_000)).min(chars),
                18 if rng.chance(8) => insert = "😀",
                _ => cursor = rng.below(chars + 1),
            }
            if from == to && insert.is_empty() {
                continue;
            }
            let unit = rng.pick(&UNITS);
            let offset = |char: usize| {
                let sizes = text.chars().take(char).map(|char| size(char, unit));
                sizes.sum::<usize>() as u64
            };
            let edits = [edit(offset(from), offset(to), insert)];
            let base = document.version().clone();
            let update = document.edit(&base, ROOT, unit, &edits).unwrap();
            assert_eq!(document.changes(&base, ROOT, unit).unwrap(), edits);
            text = model(&text, unit, &edits).unwrap();
            cursor = from + insert.chars().count();
            peer.apply(&update).unwrap();
            assert_eq!(document.text(ROOT), text);
            assert_eq!(peer.text(ROOT), text);
        }
        document.check();
        peer.check();
        assert_eq!(peer.version(), document.version());
        assert_eq!(peer.encode(), document.encode());
    }
}

fn edit(from: u64, to: u64, insert: &str) -> Edit {
    let insert = insert.to_owned();
    Edit { from, to, insert }
}

fn document(text: &str) -> Document {
    let mut document = Document::new(1);
    let base = document.version().clone();
    document
        .edit(&base, ROOT, Unit::Char, &[edit(0, 0, text)])
        .unwrap();
    document
}

#[test]
fn a_version_counts_deletes_too() {
    let mut document = document("abc");
    let base = document.version().clone();
    document
        .edit(&base, ROOT, Unit::Char, &[edit(0, 1, "")])
        .unwrap();
    // A delete alone makes another version, and to delete the same once more says nothing.
    assert_eq!(base.vector, document.version().vector);
    assert_ne!(base, *document.version());
    let again = document.edit(&base, ROOT, Unit::Char, &[edit(0, 1, "")]);
    assert_eq!(again, Ok(vec![0, 0]));
    assert_eq!(document.text(ROOT).to_string(), "bc");
}

#[test]
fn offsets_behind_the_end_are_refused() {
    let mut document = document("é😀");
    let base = document.version().clone();
    for (unit, length) in [(Unit::Utf8, 6), (Unit::Utf16, 3), (Unit::Char, 2)] {
        document
            .edit(&base, ROOT, unit, &[edit(length, length, "")])
            .unwrap();
        for end in [length + 1, u64::MAX] {
            let refused = document.edit(&base, ROOT, unit, &[edit(0, end, "")]);
            assert_eq!(
                refused,
                Err(Error::OutOfRange {
                    offset: end,
                    length
                })
            );
        }
    }
    assert_eq!(*document.version(), base);
}

#[test]
fn edits_that_overlap_or_run_backwards_are_refused() {
    let mut document = document("abcdef");
    let base = document.version().clone();
    for (edits, index) in [
        (vec![edit(2, 1, "")], 0),
        (vec![edit(0, 3, ""), edit(2, 4, "")], 1),
        (vec![edit(4, 4, "x"), edit(0, 0, "y")], 1),
    ] {
        let refused = document.edit(&base, ROOT, Unit::Char, &edits);
        assert_eq!(refused, Err(Error::Unsorted { index }));
    }
    // Before they are looked for in the text, also if it is another by now.
    document
        .edit(&base, ROOT, Unit::Char, &[edit(0, 0, "")])
        .unwrap();
    let far = [edit(2, 9, ""), edit(0, 9, "")];
    let refused = document.edit(&base, ROOT, Unit::Char, &far);
    assert_eq!(refused, Err(Error::Unsorted { index: 1 }));
    let edits = [edit(1, 1, "x"), edit(1, 1, "y"), edit(1, 2, "z")];
    document.edit(&base, ROOT, Unit::Char, &edits).unwrap();
    assert_eq!(document.text(ROOT).to_string(), "axyzcdef");
}

#[test]
fn what_is_not_text_counts_one() {
    use yrs::{Any, Doc, Text, Transact};
    let peer = Doc::with_client_id(9);
    let root = peer.get_or_insert_text(ROOT);
    let mut txn = peer.transact_mut();
    root.push(&mut txn, "ab");
    root.insert_embed(
        &mut txn,
        1,
        Any::from_json("{\"image\":\"a.png\"}").unwrap(),
    );
    let mut document = Document::new(1);
    document.apply(&txn.encode_update_v1()).unwrap();
    assert_eq!(document.text(ROOT).to_string(), "a\u{fffc}b");
    assert_eq!(document.len_utf16(ROOT), 3);
    let base = document.version().clone();
    document
        .edit(&base, ROOT, Unit::Char, &[edit(2, 2, "x")])
        .unwrap();
    assert_eq!(document.text(ROOT).to_string(), "a\u{fffc}xb");
}

#[test]
fn a_root_that_is_no_text_reads_as_empty() {
    let mut rng = Rng::new(3);
    let rich = history::history(&mut rng, 2, 60, &[Kind::Letters, Kind::Values]);
    let mut document = Document::new(1);
    for update in &rich.updates {
        document.apply(update).unwrap();
    }
    for root in ["map", "nowhere", ""] {
        assert_eq!(document.text(root).len_bytes(), 0, "{root}");
        assert_eq!(document.len_utf16(root), 0, "{root}");
    }
    let base = document.version().clone();
    let values = document.edit(&base, "array", Unit::Char, &[edit(0, 0, "x")]);
    assert!(
        matches!(values, Err(Error::Unsupported { .. })),
        "{values:?}"
    );
    document.text("array");
    document.text("xml");
}

#[test]
fn a_text_grows_no_further_than_its_limit() {
    let limits = ropewalk_crdt::Limits {
        text: 10,
        ..Default::default()
    };
    let mut document = Document::with_limits(1, limits);
    let base = document.version().clone();
    document
        .edit(&base, ROOT, Unit::Char, &[edit(0, 0, "0123456789")])
        .unwrap();
    let base = document.version().clone();
    let more = document.edit(&base, ROOT, Unit::Char, &[edit(0, 0, "x")]);
    assert!(matches!(
        more,
        Err(Error::TooLarge {
            size: 11,
            limit: 10,
            ..
        })
    ));
    document
        .edit(&base, ROOT, Unit::Char, &[edit(0, 1, "x")])
        .unwrap();
    let base = document.version().clone();
    document
        .edit(&base, ROOT, Unit::Char, &[edit(0, 10, "")])
        .unwrap();
}

#[test]
fn an_edit_is_no_longer_than_an_update() {
    let limits = Limits {
        update_units: 10,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    let base = document.version().clone();
    let long = document.edit(&base, ROOT, Unit::Char, &[edit(0, 0, "0123456789x")]);
    assert!(
        matches!(
            long,
            Err(Error::TooLarge {
                size: 11,
                limit: 10,
                ..
            })
        ),
        "{long:?}"
    );
    let fits = [edit(0, 0, "0123456789")];
    document.edit(&base, ROOT, Unit::Char, &fits).unwrap();
}

/// A clock has 31 bits.
#[test]
fn a_client_has_no_more_units_than_clocks() {
    const LEFT: u64 = 3;
    let mut update = vec![1, 1, 1, 0, 0];
    var(&mut update, (1 << 31) - 1 - LEFT);
    update.push(0);
    let mut document = Document::with_limits(1, Limits::NONE);
    document.apply(&update).unwrap();
    let base = document.version().clone();
    let refused = document.edit(&base, ROOT, Unit::Char, &[edit(0, 0, "four")]);
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    let update = document.edit(&base, ROOT, Unit::Char, &[edit(0, 0, "abc")]);
    Document::new(2).apply(&update.unwrap()).unwrap();
    Document::open(1, &document.save()).unwrap().check();
}

#[test]
fn a_document_grows_no_further_than_its_bytes() {
    let limits = Limits {
        state_bytes: 1_000,
        ..Limits::default()
    };
    let insert = |document: &mut Document, len: usize| {
        let base = document.version().clone();
        let edits = [edit(0, 0, &"x".repeat(len))];
        document.edit(&base, ROOT, Unit::Char, &edits)
    };
    let is_full =
        |done: Result<Vec<u8>, Error>| matches!(done, Err(Error::TooLarge { limit: 1_000, .. }));
    let update = insert(&mut Document::new(2), 200).unwrap();
    let mut document = Document::with_limits(1, limits.clone());
    assert!(is_full(insert(&mut document, 2_000)));
    insert(&mut document, 900).unwrap();
    let saved = document.save();
    let mut opened = Document::open_with_limits(3, &saved, limits).unwrap();
    for document in [&mut document, &mut opened] {
        assert!(is_full(document.apply(&update).map(|_| Vec::new())));
        assert!(is_full(insert(document, 200)));
        insert(document, 40).unwrap();
    }
    // What was written and deleted again does not count.
    let mut document = Document::with_limits(
        1,
        Limits {
            state_bytes: 1_000,
            ..Limits::default()
        },
    );
    for _ in 0..20 {
        insert(&mut document, 200).unwrap();
        let base = document.version().clone();
        let edits = [edit(0, 200, "")];
        document.edit(&base, ROOT, Unit::Char, &edits).unwrap();
    }
}

#[test]
fn a_list_of_values_stays_one_when_it_is_opened() {
    // A value of client 7 in the root `text`.
    let value = [1, 1, 7, 0, 8, 1, 4, b't', b'e', b'x', b't', 1, 126, 0];
    let mut document = Document::new(1);
    document.apply(&value).unwrap();
    let mut opened = Document::open(1, &document.save()).unwrap();
    for document in [&mut document, &mut opened] {
        let base = document.version().clone();
        let refused = document.edit(&base, ROOT, Unit::Char, &[edit(0, 0, "x")]);
        assert!(
            matches!(refused, Err(Error::Unsupported { .. })),
            "{refused:?}"
        );
    }
}

/// One edit makes a document no longer than it may be.
#[test]
fn an_edit_counts_on_top_of_what_is_there() {
    let limits = Limits {
        state_bytes: 1_000,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    let mut put = |len: usize| {
        let base = document.version().clone();
        let edits = [edit(0, 0, &"x".repeat(len))];
        document.edit(&base, ROOT, Unit::Char, &edits)
    };
    put(900).unwrap();
    put(900).unwrap_err();
}

/// A document that was full, and is no longer.
#[test]
fn who_deletes_may_write_again() {
    let limits = Limits {
        state_bytes: 1_000,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    let base = document.version().clone();
    let long = [edit(0, 0, &"x".repeat(900))];
    document.edit(&base, ROOT, Unit::Char, &long).unwrap();
    let mut other = Document::new(2);
    let base = other.version().clone();
    let short = [edit(0, 0, &"x".repeat(200))];
    let update = other.edit(&base, ROOT, Unit::Char, &short).unwrap();
    document.apply(&update).unwrap_err();
    let base = document.version().clone();
    let all = [edit(0, 900, "")];
    document.edit(&base, ROOT, Unit::Char, &all).unwrap();
    assert!(document.encode().len() < 50);
    document.apply(&update).unwrap();
}
