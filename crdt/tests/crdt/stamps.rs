//! A stamp is seen in the vector of whoever has synced since, and nowhere else.

use ropewalk_crdt::{Document, Edit, ROOT, Unit, VersionVector};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, GetString, ReadTxn, StateVector, Text, Transact, Update};

fn edit(document: &mut Document, from: u64, to: u64, insert: &str) -> Vec<u8> {
    let base = document.version().clone();
    let edits = [Edit {
        from,
        to,
        insert: insert.to_owned(),
    }];
    document.edit(&base, ROOT, Unit::Utf16, &edits).unwrap()
}

#[test]
fn a_stamp_moves_the_vector_and_nothing_that_people_see() {
    let mut document = Document::new(7);
    edit(&mut document, 0, 0, "words");
    let before = document.version().vector.clone();
    let stamp = document.stamp().unwrap();
    assert_eq!(document.text(ROOT).to_string(), "words");
    assert_eq!(document.version().vector.get(7), before.get(7) + 1);
    assert!(document.knows(&stamp).unwrap());
    document.check();

    // It can be edited and saved as before, and other engines take it.
    edit(&mut document, 5, 5, "!");
    edit(&mut document, 0, 1, "");
    document.check();
    let saved = document.save();
    let mut opened = Document::open(8, &saved).unwrap();
    assert_eq!(opened.version(), document.version());
    let peer = Doc::with_client_id(9);
    let text = peer.get_or_insert_text(ROOT);
    let state = Update::decode_v1(&opened.encode()).unwrap();
    peer.transact_mut().apply_update(state).unwrap();
    assert_eq!(text.get_string(&peer.transact()), "ords!");
    text.insert(&mut peer.transact_mut(), 0, "w");
    let vector = opened.version().vector.encode();
    let vector = StateVector::decode_v1(&vector).unwrap();
    let news = peer.transact().encode_diff_v1(&vector);
    opened.apply(&news).unwrap();
    assert_eq!(opened.text(ROOT).to_string(), "words!");
    let theirs = VersionVector::decode(&peer.transact().state_vector().encode_v1()).unwrap();
    assert_eq!(theirs.get(7), 7);
    opened.check();
}

#[test]
fn a_stamp_may_be_all_there_is() {
    let mut document = Document::new(7);
    document.stamp().unwrap();
    document.stamp().unwrap();
    let vector: VersionVector = [(7, 2)].into_iter().collect();
    assert_eq!(document.version().vector, vector);
    let state = document.encode();
    let mut other = Document::new(8);
    assert!(!other.knows(&state).unwrap());
    other.apply(&state).unwrap();
    assert!(other.knows(&state).unwrap());
    assert_eq!(other.version(), document.version());
    let saved = document.save();
    assert_eq!(
        Document::open(9, &saved).unwrap().version(),
        document.version()
    );
}

#[test]
fn known_is_what_would_change_nothing() {
    let mut document = Document::new(7);
    let typed = edit(&mut document, 0, 0, "abc");
    let mut other = Document::open(8, &document.save()).unwrap();
    assert!(document.knows(&typed).unwrap());
    let deleted = edit(&mut other, 1, 2, "");
    assert!(!document.knows(&deleted).unwrap(), "deletes count, too");
    let more = edit(&mut other, 2, 2, "d");
    assert!(!document.knows(&more).unwrap());
    document.apply(&deleted).unwrap();
    document.apply(&more).unwrap();
    for update in [&typed, &deleted, &more] {
        assert!(document.knows(update).unwrap());
    }
    assert!(document.knows(&[0, 0]).unwrap(), "it says nothing");
    assert!(document.knows(&[9]).is_err());
}
