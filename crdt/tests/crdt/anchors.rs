//! Places that move with the text, against those of yrs.

use crate::rng::Rng;
use ropewalk_crdt::{Anchor, Document, Edit, Error, ROOT, Revision, Unit};
use serde_json::json;
use yrs::updates::decoder::Decode;
use yrs::{
    Assoc, Doc, GetString, IndexedSequence, OffsetKind, Options, StickyIndex, Text, Transact,
    Update,
};

fn edit(from: u64, to: u64, insert: &str) -> Edit {
    Edit {
        from,
        to,
        insert: insert.into(),
    }
}

#[test]
fn a_place_stays_at_its_letter() {
    let mut document = Document::new(1);
    let now = document.version().clone();
    document
        .edit(&now, ROOT, Unit::Char, &[edit(0, 0, "ab💚cd")])
        .unwrap();
    let places: Vec<Anchor> = (0..=5)
        .map(|at| document.anchor(ROOT, Unit::Char, at).unwrap())
        .collect();
    assert!(document.anchor(ROOT, Unit::Char, 6).is_err());
    let now = document.version().clone();
    let edits = [edit(0, 0, "xx"), edit(1, 4, ""), edit(5, 5, "yy")];
    document.edit(&now, ROOT, Unit::Char, &edits).unwrap();
    assert_eq!(document.text(ROOT).to_string(), "xxadyy");
    let found: Vec<_> = places
        .iter()
        .map(|&place| document.locate(ROOT, Unit::Char, place))
        .collect();
    // What is deleted was between `a` and `d`; the end stays the end.
    assert_eq!(found, [2, 3, 3, 3, 3, 6].map(Some));
}

#[test]
fn a_place_of_an_older_text_is_where_it_was_meant() {
    let mut document = Document::new(1);
    let empty = document.revision();
    let now = document.version().clone();
    let text = [edit(0, 0, "ab💚cd")];
    document.edit(&now, ROOT, Unit::Char, &text).unwrap();
    let seen = document.revision();
    let now = document.version().clone();
    let edits = [edit(0, 0, "xx"), edit(1, 3, ""), edit(5, 5, "yy")];
    document.edit(&now, ROOT, Unit::Char, &edits).unwrap();
    assert_eq!(document.text(ROOT).to_string(), "xxacdyy");
    let place = |at| {
        let place = document.anchor_at(seen, ROOT, Unit::Utf16, at)?;
        Ok(document.locate(ROOT, Unit::Utf16, place).unwrap())
    };
    // What was inserted at a place is behind it.
    let found: Vec<_> = [0, 1, 2, 4, 5, 6].map(place).into_iter().collect();
    assert_eq!(found, [0, 3, 3, 3, 4, 5].map(Ok));
    let length = 6;
    let offset = 7;
    assert_eq!(place(7), Err(Error::OutOfRange { offset, length }));
    let place = |base, at| document.anchor_at(base, ROOT, Unit::Char, at).is_ok();
    assert!(place(document.revision(), 7) && !place(document.revision(), 8));
    assert!(place(empty, 0) && !place(empty, 1));
    let never = Revision {
        inserted: 1,
        deleted: 1,
    };
    assert!(!place(never, 0));
}

#[test]
fn what_is_no_place_of_this_text_is_none() {
    let mut document = Document::new(1);
    let now = document.version().clone();
    document
        .edit(&now, ROOT, Unit::Char, &[edit(0, 0, "abc")])
        .unwrap();
    document.edit(&now, "other", Unit::Char, &[]).unwrap();
    for json in [
        json!(null),
        json!({}),
        json!([]),
        json!("x"),
        json!({"tname": "other", "item": null}),
        json!({"tname": "other", "item": {"client": 1, "clock": 0}}),
        json!({"item": {"client": -1, "clock": 0}}),
        json!({"item": {"client": 1}}),
        json!({"type": {"client": 1, "clock": 0}}),
    ] {
        assert_eq!(Anchor::from_json(&json, ROOT), None, "{json}");
    }
    for item in [
        json!({"client": 1, "clock": 3000}),
        json!({"client": 7, "clock": 0}),
        json!({"client": 1, "clock": u64::MAX}),
    ] {
        let place = Anchor::from_json(&json!({"tname": ROOT, "item": item}), ROOT).unwrap();
        assert_eq!(document.locate(ROOT, Unit::Char, place), None, "{item}");
    }
}

#[test]
fn places_are_those_of_yrs() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let mut document = Document::new(1);
        let doc = Doc::with_options(Options {
            offset_kind: OffsetKind::Utf16,
            ..Options::default()
        });
        let root = doc.get_or_insert_text(ROOT);
        let mut places = Vec::new();
        for _ in 0..30 {
            let now = document.version().clone();
            let length = document.text(ROOT).len_chars();
            let from = rng.below(length + 1);
            let to = from + rng.below((length - from).min(4) + 1);
            let insert = rng.pick(&["", "a", "ä", "💚", "xyz"]);
            let change = edit(from as u64, to as u64, insert);
            let update = document.edit(&now, ROOT, Unit::Char, &[change]).unwrap();
            let mut txn = doc.transact_mut();
            txn.apply_update(Update::decode_v1(&update).unwrap())
                .unwrap();
            assert_eq!(root.get_string(&txn), document.text(ROOT).to_string());
            let length = root.len(&txn);
            let char = rng.below(document.text(ROOT).len_chars() + 1);
            let at = document.text(ROOT).char_to_utf16_cu(char) as u32;
            let ours = document.anchor(ROOT, Unit::Char, char as u64).unwrap();
            if let Some(theirs) = root.sticky_index(&txn, at, Assoc::After)
                && at < length
            {
                let json = serde_json::to_value(&theirs).unwrap();
                let read = Anchor::from_json(&json, ROOT);
                assert_eq!(read, Some(ours), "seed {seed}: {json} at {at}");
                places.push((ours, theirs));
            }
            for (ours, theirs) in &places {
                let wanted = StickyIndex::get_offset(theirs, &txn).map(|o| u64::from(o.index));
                let found = document.locate(ROOT, Unit::Utf16, *ours);
                assert_eq!(found, wanted, "seed {seed}: {theirs:?}");
            }
            drop(txn);
            document.check();
        }
    }
}
