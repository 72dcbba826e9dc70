//! Whatever the order, the number of times and the batches: the same document, and the one that yrs has.

use crate::history::{self, History, history, kinds};
use crate::rng::{Rng, Seed, seeds, setting};
use crate::{forge, view};
use ropewalk_crdt::{Document, ROOT, VersionVector, merge};

/// Histories of each test in a plain run; more by `ROPEWALK_FUZZ_HISTORIES`.
const HISTORIES: u64 = 300;

/// Calls `test` with many honest histories of all sizes and kinds.
fn each(mut test: impl FnMut(&mut Rng, &History)) {
    for seed in seeds(setting("ROPEWALK_FUZZ_HISTORIES", HISTORIES)) {
        let _seed = Seed(seed);
        let mut rng = Rng::new(seed);
        let (replicas, steps) = match rng.below(10) {
            0 => (2 + rng.below(19), 1 + rng.below(100)),
            1..4 => (2 + rng.below(4), 1 + rng.below(60)),
            _ => (2 + rng.below(3), 1 + rng.below(20)),
        };
        let kinds = kinds(&mut rng);
        let honest = history(&mut rng, replicas, steps, &kinds);
        test(&mut rng, &honest);
    }
}

fn shuffled(rng: &mut Rng, updates: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut updates = updates.to_vec();
    rng.shuffle(&mut updates);
    updates
}

/// Whether something of it was new, and whether a part waits.
fn apply(document: &mut Document, update: &[u8]) -> (bool, bool) {
    let applied = document.apply(update).unwrap();
    document.check();
    (applied.changed, applied.held)
}

/// The deleted units that an update names: client, start, end.
fn deletes(update: &[u8]) -> Vec<(u64, u32, u32)> {
    let deletes = forge::Update::read(update).deletes.into_iter();
    let ranges = deletes.flat_map(|(client, ranges)| {
        let ranges = ranges.into_iter();
        ranges.map(move |(clock, len)| (client, clock as u32, (clock + len) as u32))
    });
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    ranges
}

fn assert_is(document: &mut Document, honest: &History, how: &str) {
    document.check();
    let text = document.text(ROOT).to_string();
    assert_eq!(text, honest.text, "text, {how}");
    let vector: VersionVector = honest.clocks.iter().copied().collect();
    assert_eq!(document.version().vector, vector, "vector, {how}");
    assert_eq!(document.version().deleted, honest.deleted, "deletes, {how}");
    let units = text.encode_utf16().count() as u64;
    assert_eq!(document.len_utf16(ROOT), units, "length, {how}");
    let state = document.encode();
    assert_eq!(deletes(&state), honest.deletes, "delete set, {how}");
}

/// As [`assert_is`], and yrs sees all of it, formats and attributes too, in what the document writes.
fn assert_shows(document: &mut Document, honest: &History, how: &str) {
    assert_is(document, honest, how);
    let peer = history::peer(&[document.encode().to_vec()]);
    assert_eq!(view::all(&peer), honest.view, "view, {how}");
    assert_eq!(history::deletes(&peer), honest.deletes, "by yrs, {how}");
}

fn reopened(document: &mut Document) -> Document {
    let saved = document.save();
    let mut opened = Document::open(99, &saved).unwrap();
    opened.check();
    assert_eq!(opened.version(), document.version(), "opened as saved");
    assert_eq!(opened.save(), saved, "saved again");
    assert_eq!(opened.text(ROOT), document.text(ROOT));
    opened
}

#[test]
fn in_order_and_in_any_order_and_twice() {
    each(|rng, honest| {
        let mut document = Document::new(1);
        for update in &honest.updates {
            let (_, waits) = apply(&mut document, update);
            assert!(!waits, "each comes after what it depends on");
        }
        assert_shows(&mut document, honest, "in order");

        let updates = shuffled(rng, &honest.updates);
        let mut document = Document::new(1);
        for update in &updates {
            apply(&mut document, update);
        }
        assert_shows(&mut document, honest, "in any order");
        for update in &updates {
            let nothing = (false, false);
            assert_eq!(apply(&mut document, update), nothing, "the second time");
        }
        assert_is(&mut document, honest, "twice");
        assert_shows(&mut reopened(&mut document), honest, "opened again");
    });
}

#[test]
fn with_restarts_while_something_waits() {
    each(|rng, honest| {
        let mut document = Document::new(1);
        for update in shuffled(rng, &honest.updates) {
            if rng.chance(4) {
                document = reopened(&mut document);
            }
            apply(&mut document, &update);
        }
        assert_shows(&mut document, honest, "with restarts between");
        let state = document.encode();
        assert_eq!(apply(&mut document, &state), (false, false));
    });
}

/// What each replica knows, GC and all, among the updates: structs come in every length and form.
#[test]
fn by_whole_states_among_updates() {
    each(|rng, honest| {
        let mut document = Document::new(1);
        for state in shuffled(rng, &honest.states) {
            apply(&mut document, &state);
        }
        assert_shows(&mut document, honest, "by states alone");
        let mut document = Document::new(1);
        for update in shuffled(rng, &[&honest.states[..], &honest.updates].concat()) {
            apply(&mut document, &update);
        }
        assert_shows(&mut document, honest, "by states and updates");
    });
}

#[test]
fn in_batches_with_and_without_gaps() {
    each(|rng, honest| {
        let mut document = Document::new(1);
        let mut left = &honest.updates[..];
        while !left.is_empty() {
            let (batch, rest) = left.split_at(1 + rng.below(left.len()));
            left = rest;
            let parts: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
            let merged = merge(&parts).expect("updates in order join without a gap");
            apply(&mut document, &merged);
        }
        assert_shows(&mut document, honest, "in batches");

        // Merging in any order either says it cannot, or loses nothing.
        let updates = shuffled(rng, &honest.updates);
        let parts: Vec<&[u8]> = updates.iter().map(Vec::as_slice).collect();
        if let Some(merged) = merge(&parts) {
            let mut document = Document::new(1);
            apply(&mut document, &merged);
            assert_is(&mut document, honest, "merged in any order");
        }

        // yrs puts skips where something is missing between two updates.
        let mut document = Document::new(1);
        let mut left = &updates[..];
        while !left.is_empty() {
            let (batch, rest) = left.split_at(1 + rng.below(left.len()));
            left = rest;
            apply(&mut document, &yrs::merge_updates_v1(batch).unwrap());
        }
        assert_shows(&mut document, honest, "in batches with gaps");
    });
}

/// One that knows a part hears all in one update: structs that it knows half of as well.
#[test]
fn behind_and_then_all_at_once() {
    each(|rng, honest| {
        let mut whole = Document::new(1);
        for update in &honest.updates {
            apply(&mut whole, update);
        }
        let mut behind = Document::new(1);
        let updates = shuffled(rng, &honest.updates);
        for update in &updates[..rng.below(updates.len())] {
            apply(&mut behind, update);
        }
        let lacks = whole.diff(&behind.version().vector);
        let mut asks = reopened(&mut behind);
        apply(&mut asks, &lacks);
        assert_is(&mut asks, honest, "by a diff");
        apply(&mut behind, &whole.encode());
        assert_is(&mut behind, honest, "behind, then all at once");
    });
}

/// Who knows a version of the same history lacks what came later, deletes included, and no more.
#[test]
fn what_came_since_a_version_brings_it_up_to_date() {
    each(|rng, honest| {
        let mut document = Document::new(1);
        let mut seen = vec![(document.version().clone(), document.save())];
        for update in shuffled(rng, &honest.updates) {
            apply(&mut document, &update);
            if rng.chance(4) {
                seen.push((document.version().clone(), document.save()));
            }
        }
        for (version, saved) in seen {
            let mut behind = Document::open(2, &saved).unwrap();
            apply(&mut behind, &document.diff_since(&version));
            assert_is(&mut behind, honest, "by what came since");
        }
    });
}

/// A diff holds what the other lacks and this one has integrated; each exchange may free what waits.
#[test]
fn diffs_bring_two_documents_together() {
    each(|rng, honest| {
        let mut documents = [Document::new(1), Document::new(2)];
        for update in shuffled(rng, &honest.updates) {
            apply(&mut documents[rng.below(2)], &update);
        }
        for _ in 0..=honest.updates.len() {
            let [a, b] = &mut documents;
            let to_b = a.diff(&b.version().vector);
            let to_a = b.diff(&a.version().vector);
            let (new, _) = apply(a, &to_a);
            if !(new | apply(b, &to_b).0) {
                break;
            }
        }
        for document in &mut documents {
            assert_is(document, honest, "after an exchange of diffs");
        }
    });
}

/// Dozens who have seen the same write at the same place, and go on, while somebody deletes.
#[test]
fn a_crowd_at_one_place_stands_as_in_yrs() {
    use yrs::{ReadTxn, Text, Transact};
    for seed in seeds(setting("ROPEWALK_FUZZ_HISTORIES", HISTORIES) / 5) {
        let _seed = Seed(seed);
        let mut rng = Rng::new(seed);
        let first = history(&mut rng, 3, 12, history::LETTERS);
        let at = rng.below(first.text.encode_utf16().count() + 1) as u32;
        let mut updates = Vec::new();
        for one in 0..20 + rng.below(60) {
            let client = 10_000_000 + 100 * rng.below(1_000_000) + one;
            let doc = history::replica(client as u64, true);
            let text = doc.get_or_insert_text(ROOT);
            let mut txn = doc.transact_mut();
            for update in &first.updates {
                txn.apply_update(yrs::updates::decoder::Decode::decode_v1(update).unwrap())
                    .unwrap();
            }
            drop(txn);
            for _ in 0..1 + rng.below(3) {
                let before = doc.transact().state_vector();
                let mut txn = doc.transact_mut();
                let len = text.len(&txn);
                text.insert(&mut txn, at.min(len), rng.pick(&["x", "yz", "é"]));
                if rng.chance(4) {
                    text.remove_range(&mut txn, rng.below(len as usize) as u32, 1);
                }
                drop(txn);
                updates.push(doc.transact().encode_diff_v1(&before));
            }
        }
        let all = [&first.updates[..], &updates].concat();
        let peer = history::peer(&all);
        let mut document = Document::new(1);
        for update in shuffled(&mut rng, &all) {
            if rng.chance(50) {
                document = reopened(&mut document);
            }
            apply(&mut document, &update);
        }
        assert_eq!(document.text(ROOT).to_string(), view::text(&peer, ROOT));
        let loaded = history::peer(&[document.encode().to_vec()]);
        assert_eq!(view::all(&loaded), view::all(&peer));
        assert_eq!(deletes(&document.encode()), history::deletes(&peer));
    }
}

#[test]
fn merging_needs_neighbours_that_join() {
    let mut rng = Rng::new(4);
    let honest = history(&mut rng, 1, 5, history::LETTERS);
    let [first, second, third, ..] = &honest.updates[..] else {
        panic!("five updates");
    };
    assert!(merge(&[first, second, third]).is_some());
    assert!(merge(&[third, first, second]).is_some());
    assert_eq!(merge(&[first, third]), None);
    assert_eq!(merge(&[first, b"\x01"]), None);
    assert_eq!(merge(&[]), Some(vec![0, 0]));
    assert_eq!(merge(&[first, first]), merge(&[first]));
}

#[test]
fn a_struct_that_is_known_in_part_brings_the_rest() {
    // "a😀b" of client 7, cut after each unit; half a surrogate pair is a replacement character.
    let part = |text: &str| {
        let mut out = vec![1, 1, 7, 0, 4, 1, 4, b't', b'e', b'x', b't'];
        forge::string(&mut out, text);
        out.push(0);
        out
    };
    for (known, whole) in [("a", "a😀b"), ("ax", "ax\u{fffd}b"), ("a😀", "a😀b")] {
        let mut document = Document::new(1);
        document.apply(&part(known)).unwrap();
        assert!(document.apply(&part("a😀b")).unwrap().changed);
        assert_eq!(document.text(ROOT).to_string(), whole);
        assert_eq!(document.version().vector.get(7), 4);
        assert!(!document.apply(&part("a😀b")).unwrap().changed);
    }
}
