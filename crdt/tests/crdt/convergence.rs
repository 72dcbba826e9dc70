//! Whatever the order, the number of times and the batches: the same document.

use crate::history::{History, history};
use crate::rng::Rng;
use proptest::prelude::*;
use ropewalk_crdt::{Document, ROOT, VersionVector, merge};

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(150)
    }
}

fn assert_is(document: &mut Document, honest: &History, how: &str) {
    document.check();
    let text = document.text(ROOT).to_string();
    assert_eq!(text, honest.text, "text, {how}");
    let vector: VersionVector = honest.clocks.iter().copied().collect();
    assert_eq!(document.version().vector, vector, "vector, {how}");
    assert_eq!(document.version().deleted, honest.deleted, "deletes, {how}");
    assert_eq!(
        document.len_utf16(ROOT) as usize,
        text.encode_utf16().count(),
        "length, {how}"
    );
}

fn reopened(document: &mut Document) -> Document {
    let saved = document.save();
    let mut opened = Document::open(99, &saved).unwrap();
    opened.check();
    assert_eq!(opened.save(), saved);
    assert_eq!(
        opened.version(),
        document.version(),
        "what was opened is what was saved"
    );
    assert_eq!(opened.text(ROOT), document.text(ROOT));
    opened
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_order_twice_and_in_batches(
        seed in any::<u32>(), replicas in 2usize..=6, steps in 1usize..40, rich in any::<bool>()
    ) {
        let mut rng = Rng::new(u64::from(seed));
        let honest = history(&mut rng, replicas, steps, rich);
        let mut shuffled = honest.updates.clone();
        rng.shuffle(&mut shuffled);

        let mut in_order = Document::new(1);
        for update in &honest.updates {
            let applied = in_order.apply(update).unwrap();
            prop_assert!(!applied.held, "each comes after what it depends on");
        }
        assert_is(&mut in_order, &honest, "in order");

        let mut any_order = Document::new(1);
        for update in &shuffled {
            any_order.apply(update).unwrap();
        }
        assert_is(&mut any_order, &honest, "in any order");

        for update in &shuffled {
            let applied = any_order.apply(update).unwrap();
            prop_assert!(!applied.changed && !applied.held, "nothing new the second time");
        }
        assert_is(&mut any_order, &honest, "twice");
        assert_is(&mut reopened(&mut any_order), &honest, "opened again");

        // In any order, with a restart in the middle, when something may wait.
        let mut restarted = Document::new(1);
        for (at, update) in shuffled.iter().enumerate() {
            if at == shuffled.len() / 2 {
                restarted = reopened(&mut restarted);
            }
            restarted.apply(update).unwrap();
        }
        assert_is(&mut restarted, &honest, "with a restart between");
        let state = restarted.encode();
        prop_assert!(!restarted.apply(&state).unwrap().changed);

        // One that knows a part hears all in one update: structs that it knows half of as well.
        let mut behind = Document::new(1);
        for update in &shuffled[..rng.below(shuffled.len())] {
            behind.apply(update).unwrap();
        }
        behind.apply(&state).unwrap();
        assert_is(&mut behind, &honest, "behind, then all at once");

        // In batches: merged where that is possible, one by one where it is not.
        let mut batched = Document::new(1);
        let mut left = &honest.updates[..];
        while !left.is_empty() {
            let (batch, rest) = left.split_at(1 + rng.below(left.len()));
            left = rest;
            let parts: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
            let merged = merge(&parts).expect("updates in order join without a gap");
            batched.apply(&merged).unwrap();
        }
        assert_is(&mut batched, &honest, "in batches");

        // Merging in any order either says it cannot, or loses nothing.
        let parts: Vec<&[u8]> = shuffled.iter().map(Vec::as_slice).collect();
        if let Some(merged) = merge(&parts) {
            let mut once = Document::new(1);
            once.apply(&merged).unwrap();
            assert_is(&mut once, &honest, "merged in any order");
        }
    }

    /// A diff holds what the other lacks and this one has integrated; each exchange may free what waits.
    #[test]
    fn diffs_bring_two_documents_together(
        seed in any::<u32>(), replicas in 2usize..=4, steps in 1usize..30, rich in any::<bool>()
    ) {
        let mut rng = Rng::new(u64::from(seed));
        let honest = history(&mut rng, replicas, steps, rich);
        let mut documents = [Document::new(1), Document::new(2)];
        let mut shuffled = honest.updates.clone();
        rng.shuffle(&mut shuffled);
        for update in &shuffled {
            documents[rng.below(2)].apply(update).unwrap();
        }
        for _ in 0..=honest.updates.len() {
            let [a, b] = &mut documents;
            let to_b = a.diff(&b.version().vector);
            let to_a = b.diff(&a.version().vector);
            a.apply(&to_a).unwrap();
            b.apply(&to_b).unwrap();
        }
        for document in &mut documents {
            assert_is(document, &honest, "after an exchange of diffs");
        }
    }
}

#[test]
fn yrs_reads_what_a_document_writes() {
    use yrs::updates::decoder::Decode;
    use yrs::{Doc, GetString, Transact, Update, WriteTxn};
    for seed in 1..40 {
        let mut rng = Rng::new(seed);
        let honest = history(&mut rng, 3, 20, true);
        let mut document = Document::new(1);
        for update in &honest.updates {
            document.apply(update).unwrap();
        }
        let peer = Doc::with_client_id(5);
        let mut txn = peer.transact_mut();
        let state = document.encode();
        txn.apply_update(Update::decode_v1(&state).unwrap())
            .unwrap();
        let text = txn.get_or_insert_text(ROOT);
        assert_eq!(text.get_string(&txn), honest.text, "seed {seed}");
    }
}

#[test]
fn merging_needs_neighbours_that_join() {
    let mut rng = Rng::new(4);
    let honest = history(&mut rng, 1, 5, false);
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
        crate::hostile::string(&mut out, text);
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
