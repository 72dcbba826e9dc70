//! What waits for updates that have not come.

use crate::forge::{string, var};
use crate::history::{ALL, history};
use crate::rng::Rng;
use ropewalk_crdt::{Document, Edit, Error, Integrated, Limits, ROOT, Speaker, Unit};

/// What applying said: whether it changed something, and whether a part waits.
const NEW: (bool, bool) = (true, false);
const WAITS: (bool, bool) = (true, true);
const KNOWN: (bool, bool) = (false, false);

/// One character of `client` at `clock`, behind the one before.
fn typed(client: u64, clock: u64, char: &str) -> Vec<u8> {
    let mut out = vec![1, 1];
    var(&mut out, client);
    var(&mut out, clock);
    if clock == 0 {
        out.extend_from_slice(&[4, 1]);
        string(&mut out, ROOT);
    } else {
        out.push(0x84);
        var(&mut out, client);
        var(&mut out, clock - 1);
    }
    string(&mut out, char);
    out.push(0);
    out
}

fn deleted(client: u64, clock: u64, len: u64) -> Vec<u8> {
    let mut out = vec![0, 1];
    for number in [client, 1, clock, len] {
        var(&mut out, number);
    }
    out
}

fn text(document: &mut Document) -> String {
    document.text(ROOT).to_string()
}

fn apply(document: &mut Document, update: &[u8]) -> (bool, bool) {
    let applied = document.apply(update).unwrap();
    (applied.changed, applied.held)
}

#[test]
fn structs_wait_for_the_ones_before() {
    let mut document = Document::new(1);
    assert_eq!(apply(&mut document, &typed(7, 1, "b")), WAITS);
    let again = document.apply(&typed(7, 1, "b")).unwrap();
    assert!(!again.changed && again.held, "held already");
    assert_eq!(text(&mut document), "");
    assert!(document.version().vector.is_empty());
    assert_eq!(apply(&mut document, &typed(7, 0, "a")), NEW);
    assert_eq!(text(&mut document), "ab");
    assert_eq!(apply(&mut document, &typed(7, 1, "b")), KNOWN);
}

#[test]
fn an_update_that_wakes_something_says_so() {
    let mut document = Document::new(1);
    let mut woke = |update: &[u8]| document.apply(update).unwrap().woke;
    assert!(!woke(&typed(7, 1, "b")));
    assert!(woke(&typed(7, 0, "a")), "an insertion");
    assert!(!woke(&deleted(8, 0, 1)));
    assert!(woke(&typed(8, 0, "c")), "a deletion");
    let again = ropewalk_crdt::merge(&[&typed(7, 1, "b"), &typed(7, 2, "d")]).unwrap();
    assert!(!woke(&again), "only that some of it is known");
}

#[test]
fn deletes_wait_for_what_they_delete() {
    let mut document = Document::new(1);
    assert_eq!(apply(&mut document, &deleted(7, 1, 1)), WAITS);
    assert_eq!(document.version().deleted, 0);
    let again = document.apply(&deleted(7, 1, 1)).unwrap();
    assert!(!again.changed && again.held, "held already");
    let mut document = Document::open(1, &document.save()).unwrap();
    document.apply(&typed(7, 0, "a")).unwrap();
    document.apply(&typed(7, 1, "b")).unwrap();
    assert_eq!(text(&mut document), "a");
    assert_eq!(document.version().deleted, 1);
    assert_eq!(apply(&mut document, &deleted(7, 1, 1)), KNOWN);
}

#[test]
fn the_ready_part_of_an_update_does_not_wait() {
    let mut document = Document::new(1);
    // Client 8 is ready; client 7 is not.
    let mut both = vec![2];
    both.extend_from_slice(&typed(8, 0, "x")[1..]);
    both.pop();
    both.extend_from_slice(&typed(7, 1, "b")[1..]);
    assert_eq!(apply(&mut document, &both), WAITS);
    assert_eq!(text(&mut document), "x");
    document.apply(&typed(7, 0, "a")).unwrap();
    assert_eq!(document.version().vector.get(7), 2);
}

#[test]
fn peers_hear_what_was_integrated_and_nothing_that_waits() {
    let mut document = Document::new(1);
    let mut peer = Document::new(2);
    let mut hear = |document: &mut Document, update: &[u8]| {
        let applied = document.apply(update).unwrap();
        if let Some(integrated) = applied.integrated.bytes(update) {
            peer.apply(integrated).unwrap();
        }
        let waits = document.apply(&typed(7, 5, "z")).unwrap();
        assert_eq!(waits.integrated, Integrated::Nothing);
        assert_eq!(peer.version(), document.version());
    };
    hear(&mut document, &typed(7, 1, "b"));
    assert!(matches!(
        document.apply(&typed(7, 1, "xyz")),
        Err(Error::HeldFull { .. })
    ));
    hear(&mut document, &deleted(7, 0, 1));
    hear(&mut document, &typed(7, 0, "a"));
    assert_eq!(text(&mut peer), text(&mut document));
    let mut late = Document::new(3);
    let diff = document.diff(&late.version().vector);
    assert!(!late.apply(&diff).unwrap().held);
    assert_eq!(text(&mut late), text(&mut document));
}

#[test]
fn own_edits_wake_what_waits_for_them() {
    let mut document = Document::new(1);
    // Somebody types behind a character that this document is yet to insert, and deletes it.
    let mut behind = vec![1, 1, 7, 0, 0x84, 1, 0];
    string(&mut behind, "b");
    behind.push(0);
    assert_eq!(apply(&mut document, &behind), WAITS);
    assert_eq!(apply(&mut document, &deleted(1, 1, 1)), WAITS);
    let base = document.version().clone();
    let insert = "ac".to_owned();
    let edits = [Edit {
        from: 0,
        to: 0,
        insert,
    }];
    document.edit(&base, ROOT, Unit::Char, &edits).unwrap();
    assert_eq!(text(&mut document), "ab");
    assert_eq!(document.version().vector.get(7), 1);
    assert_eq!(document.version().deleted, 1);
}

/// A character of `client` at clock 0 between two others.
fn between(client: u64, left: (u64, u64), right: (u64, u64)) -> Vec<u8> {
    let mut out = vec![1, 1];
    for number in [client, 0] {
        var(&mut out, number);
    }
    out.push(0xc4);
    for number in [left.0, left.1, right.0, right.1] {
        var(&mut out, number);
    }
    string(&mut out, "b");
    out.push(0);
    out
}

#[test]
fn nobody_else_waits_for_what_a_document_is_yet_to_write() {
    for speaker in [Speaker::Live(1), Speaker::Relay(1)] {
        let mut document = Document::new(1);
        let deletes = document.apply_from(&deleted(1, 0, 1 << 20), speaker);
        let deletes = deletes.unwrap();
        assert!(!deletes.changed && deletes.waiting.is_empty());
        let behind = between(7, (1, 0), (1, 1));
        let refused = document.apply_from(&behind, speaker);
        assert_eq!(refused.unwrap_err(), Error::Foreign { client: 1 });
        // Nor does what lacks something else first.
        let later = between(8, (9, 0), (1, 0));
        assert!(document.apply_from(&later, speaker).unwrap().held);
        assert!(
            document
                .apply_from(&typed(9, 0, "x"), speaker)
                .unwrap()
                .changed
        );

        let base = document.version().clone();
        let edits = [Edit {
            from: 0,
            to: 0,
            insert: "words".to_owned(),
        }];
        document.edit(&base, ROOT, Unit::Char, &edits).unwrap();
        assert_eq!(text(&mut document), "wordsx");
        assert_eq!(document.version().vector.get(8), 0);
        assert_eq!(document.version().deleted, 0);
    }
}

#[test]
fn no_more_may_wait_than_the_limit() {
    let limits = Limits {
        held_pieces: 3,
        held_bytes: 60,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    for client in 10..13 {
        assert_eq!(apply(&mut document, &typed(client, 1, "b")), WAITS);
    }
    let full = Err(Error::HeldFull {
        pieces: 4,
        bytes: 20,
    });
    assert_eq!(document.apply(&typed(13, 1, "b")), full);
    let long = Document::with_limits(
        1,
        Limits {
            held_bytes: 60,
            ..Limits::default()
        },
    )
    .apply(&typed(13, 1, &"x".repeat(60)));
    assert!(matches!(long, Err(Error::HeldFull { .. })), "{long:?}");
    // What is ready is still taken in, and makes room.
    assert_eq!(apply(&mut document, &typed(10, 0, "a")), NEW);
    assert_eq!(apply(&mut document, &typed(13, 1, "b")), WAITS);
}

#[test]
fn a_refused_update_leaves_no_trace() {
    let mut document = Document::new(1);
    document.apply(&typed(7, 0, "a")).unwrap();
    document.apply(&typed(7, 2, "c")).unwrap();
    let saved = document.save();
    // Ready text of client 8, then an item between neighbours that hang at different places.
    let mut out = vec![2, 1, 8, 0, 4, 1];
    string(&mut out, "other");
    string(&mut out, "x");
    out.extend_from_slice(&[1, 6, 0, 0xc4, 8, 0, 7, 0]);
    string(&mut out, "y");
    out.push(0);
    let refused = document.apply(&out);
    assert!(
        matches!(refused, Err(Error::Malformed { .. })),
        "{refused:?}"
    );
    assert_eq!(document.save(), saved);
    assert_eq!(apply(&mut document, &typed(7, 1, "b")), NEW);
    assert_eq!(text(&mut document), "abc");
}

#[test]
fn the_delete_set_of_a_reconnecting_client_is_nothing_new() {
    use yrs::{ReadTxn, Text, Transact};
    let peer = yrs::Doc::with_client_id(9);
    let root = peer.get_or_insert_text(ROOT);
    let mut document = Document::new(1);
    {
        let mut txn = peer.transact_mut();
        root.push(&mut txn, "hello world");
        root.remove_range(&mut txn, 2, 3);
        root.remove_range(&mut txn, 5, 2);
        document.apply(&txn.encode_update_v1()).unwrap();
    }
    let all = peer.transact().encode_diff_v1(&yrs::StateVector::default());
    assert_eq!(apply(&mut document, &all), KNOWN);
    root.remove_range(&mut peer.transact_mut(), 0, 1);
    let all = peer.transact().encode_diff_v1(&yrs::StateVector::default());
    assert_eq!(apply(&mut document, &all), NEW, "one more delete");
    assert_eq!(document.version().deleted, 6);
}

#[test]
fn nothing_waits_when_all_has_come_in_reverse() {
    let mut rng = Rng::new(11);
    let honest = history(&mut rng, 4, 200, ALL);
    let mut document = Document::new(1);
    for update in honest.updates.iter().rev() {
        document.apply(update).unwrap();
    }
    assert_eq!(text(&mut document), honest.text);
    let mut fresh = Document::new(1);
    fresh.apply(&document.encode()).unwrap();
    assert_eq!(fresh.version(), document.version());
}

fn tight() -> Limits {
    Limits {
        text: 5,
        ..Limits::default()
    }
}

/// Four letters of client 7 behind the first unit of another.
fn behind(client: u64) -> Vec<u8> {
    let mut out = vec![1, 1, 7, 0, 0x84];
    var(&mut out, client);
    out.push(0);
    string(&mut out, "long");
    out.push(0);
    out
}

/// What waits came from somebody else: who frees it is not to blame for its size.
#[test]
fn what_is_freed_and_too_large_is_left_out() {
    let mut document = Document::with_limits(1, tight());
    assert_eq!(apply(&mut document, &behind(8)), WAITS);
    assert_eq!(apply(&mut document, &typed(8, 0, "abc")), NEW);
    assert_eq!(text(&mut document), "abc");
}

/// As before; and an edit that was made is never answered by an error.
#[test]
fn what_an_edit_frees_and_is_too_large_is_left_out() {
    let mut document = Document::with_limits(1, tight());
    assert_eq!(apply(&mut document, &behind(1)), WAITS);
    let base = document.version().clone();
    let insert = "abc".to_owned();
    let edits = [Edit {
        from: 0,
        to: 0,
        insert,
    }];
    document.edit(&base, ROOT, Unit::Char, &edits).unwrap();
    assert_eq!(text(&mut document), "abc");
}

/// Deletes that waited for units of the document itself wait no longer.
#[test]
fn own_edits_leave_nothing_waiting_that_they_have_freed() {
    let mut document = Document::new(1);
    assert_eq!(apply(&mut document, &deleted(1, 0, 2)), WAITS);
    let base = document.version().clone();
    let insert = "abc".to_owned();
    let edits = [Edit {
        from: 0,
        to: 0,
        insert,
    }];
    document.edit(&base, ROOT, Unit::Char, &edits).unwrap();
    assert_eq!(text(&mut document), "c");
    let saved = document.save();
    let mut opened = Document::open(1, &saved).unwrap();
    assert_eq!(opened.version(), document.version());
    assert_eq!(opened.save(), saved, "nothing waits");
}

/// What waited and is left out leaves no cut behind: a character of two units stays whole.
#[test]
fn what_is_left_out_cuts_nothing() {
    let limits = Limits {
        conflicts: 4,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    let behind = |client: u64, clock: u64, left: u64, text: &str| {
        let mut out = vec![1, 1];
        var(&mut out, client);
        var(&mut out, clock);
        out.extend_from_slice(&[0x84, 9]);
        var(&mut out, left);
        string(&mut out, text);
        out.push(0);
        out
    };
    document.apply(&typed(9, 0, "😀")).unwrap();
    for client in (20..30).rev() {
        document.apply(&behind(client, 0, 1, "z")).unwrap();
    }
    let whole = text(&mut document);
    // Between the halves, and too many steps from there.
    assert_eq!(apply(&mut document, &behind(40, 1, 0, "w")), WAITS);
    let mut first = vec![1, 1, 40, 0, 4, 1];
    string(&mut first, "other");
    string(&mut first, "v");
    first.push(0);
    document.apply(&first).unwrap();
    document.check();
    assert_eq!(document.version().vector.get(40), 1, "it is left out");
    assert_eq!(text(&mut document), whole);
}

/// Letters that go on with what is known, a character that is cut, and units that came deleted, all of them refused.
#[test]
fn what_is_refused_counts_for_nothing() {
    let limits = Limits {
        text: 6,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    document.apply(&typed(7, 0, "a😀")).unwrap();
    let mut other = vec![1, 1, 8, 0, 4, 1];
    string(&mut other, "other");
    string(&mut other, "v");
    other.push(0);
    document.apply(&other).unwrap();
    let saved = document.save();
    // "bc" behind the text, two deleted units, "x" within the character, and "y" between different places.
    let mut refused = vec![2, 2, 7, 3, 0x84, 7, 2];
    string(&mut refused, "bc");
    refused.extend_from_slice(&[0x81, 7, 4, 2, 2, 6, 0, 0xc4, 7, 1, 7, 2]);
    string(&mut refused, "x");
    refused.extend_from_slice(&[0xc4, 8, 0, 7, 0]);
    string(&mut refused, "y");
    refused.push(0);
    let error = document.apply(&refused).unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
    document.check();
    assert_eq!(document.save(), saved);
    let long = document.apply(&typed(7, 3, "bcd"));
    assert!(
        matches!(long, Err(Error::TooLarge { size: 7, .. })),
        "{long:?}"
    );
    assert_eq!(apply(&mut document, &typed(7, 3, "b")), NEW);
    assert_eq!(text(&mut document), "a😀b");
}

#[test]
fn units_that_came_deleted_are_no_text() {
    let mut document = Document::with_limits(1, tight());
    let mut gone = vec![1, 1, 7, 0, 1, 1];
    string(&mut gone, ROOT);
    gone.extend_from_slice(&[100, 1, 7, 1, 0, 100]);
    let applied = document.apply(&gone).unwrap();
    assert_eq!(applied.integrated, Integrated::All);
    assert_eq!(document.version().deleted, 100);
    assert_eq!(apply(&mut document, &typed(7, 100, "abcde")), NEW);
}

/// The longer one of two that say the same is the one to keep.
#[test]
fn the_longer_of_two_waits() {
    for order in [["b", "bc"], ["bc", "b"]] {
        let mut document = Document::new(1);
        for said in order {
            assert!(apply(&mut document, &typed(7, 1, said)).1);
        }
        document.apply(&typed(7, 0, "a")).unwrap();
        assert_eq!(text(&mut document), "abc");
    }
}

/// The same letters at another place are something else.
#[test]
fn what_waits_at_another_place_is_contradicted() {
    let at = |flags: u8, place: &[u8]| {
        let mut out = vec![1, 1, 7, 1, 4 | flags];
        out.extend_from_slice(place);
        string(&mut out, "b");
        out.push(0);
        out
    };
    let places = [
        at(0x80, &[7, 0]),
        at(0x80, &[8, 0]),
        at(0x40, &[7, 0]),
        at(0, &[1, 1, b'x']),
        at(0, &[1, 1, b'y']),
        at(0x20, &[1, 1, b'x', 1, b'k']),
    ];
    for first in &places {
        for second in places.iter().filter(|second| *second != first) {
            let mut document = Document::new(1);
            assert_eq!(apply(&mut document, first), WAITS);
            let refused = document.apply(second);
            assert!(
                matches!(refused, Err(Error::HeldFull { .. })),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn deletes_that_wait_take_room() {
    let limits = Limits {
        held_bytes: 60,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    for clock in [1, 3, 5] {
        assert_eq!(apply(&mut document, &deleted(7, clock, 1)), WAITS);
    }
    let full = document.apply(&deleted(7, 7, 1));
    assert!(matches!(full, Err(Error::HeldFull { .. })), "{full:?}");
}

/// An update that is passed on as it came does not depend on what the one before was.
#[test]
fn what_is_altered_is_altered_once() {
    let mut document = Document::new(1);
    document.apply(&typed(9, 0, "a")).unwrap();
    // Below what is no type: it is forgotten.
    let mut below = vec![1, 1, 8, 0, 4, 0, 9, 0];
    string(&mut below, "x");
    below.push(0);
    let applied = document.apply(&below).unwrap();
    assert!(
        matches!(applied.integrated, Integrated::Part(_)),
        "{applied:?}"
    );
    let applied = document.apply(&typed(9, 1, "b")).unwrap();
    assert_eq!(applied.integrated, Integrated::All);
}

/// It was taken for kept: it comes in when there is room, and its neighbour is heard of again.
#[test]
fn what_finds_no_room_waits_on() {
    let mut document = Document::with_limits(1, tight());
    assert_eq!(apply(&mut document, &behind(8)), WAITS);
    assert_eq!(apply(&mut document, &typed(8, 0, "abc")), NEW);
    assert_eq!(document.version().vector.get(7), 0);
    let mut opened = Document::open_with_limits(1, &document.save(), tight()).unwrap();
    assert_eq!(opened.version(), document.version());
    for document in [&mut document, &mut opened] {
        document.set_limits(Limits::default());
        document.apply(&typed(8, 3, "d")).unwrap();
        assert_eq!(document.version().vector.get(7), 4);
    }
}

/// What comes back as it came is all of it new; of anything else only what was integrated is passed on.
#[test]
fn what_is_known_or_waits_is_not_passed_on() {
    let mut document = Document::new(1);
    let mut part = |update: &[u8], expected: &[u8]| {
        let applied = document.apply(update).unwrap();
        assert_eq!(applied.integrated, Integrated::Part(expected.to_vec()));
    };
    // A letter, and a delete of a unit that is to come.
    let letter = typed(7, 0, "a");
    let mut both = letter.clone();
    both.pop();
    both.extend_from_slice(&[1, 7, 1, 5, 1]);
    part(&both, &letter);
    part(&typed(7, 0, "ab"), &typed(7, 1, "b"));
    // Deletes both, and then one of them with a letter.
    document.apply(&deleted(7, 0, 2)).unwrap();
    let letter = typed(8, 0, "x");
    let mut both = letter.clone();
    both.pop();
    both.extend_from_slice(&deleted(7, 0, 1)[1..]);
    let applied = document.apply(&both).unwrap();
    let Integrated::Part(part) = applied.integrated else {
        panic!("{applied:?}");
    };
    assert_eq!(part.last(), Some(&0), "without the delete");
}

/// Letters that wait fit only when the deletes that come with what frees them are done: peers hear of both.
#[test]
fn what_is_freed_and_fits_in_the_end_is_passed_on() {
    let mut document = Document::with_limits(1, tight());
    let mut peer = Document::new(2);
    for update in [typed(9, 0, "abcd"), behind(8)] {
        let applied = document.apply(&update).unwrap();
        if let Some(heard) = applied.integrated.bytes(&update) {
            peer.apply(heard).unwrap();
        }
    }
    let mut frees = typed(8, 0, "x");
    frees.pop();
    frees.extend_from_slice(&deleted(9, 0, 4)[1..]);
    let applied = document.apply(&frees).unwrap();
    peer.apply(applied.integrated.bytes(&frees).unwrap())
        .unwrap();
    assert_eq!(text(&mut document).len(), 5);
    assert_eq!(text(&mut peer), text(&mut document));
    assert_eq!(peer.version(), document.version());
}

#[test]
fn what_waits_no_longer_makes_room() {
    let limits = Limits {
        held_bytes: 60,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    for client in 10..60 {
        assert_eq!(apply(&mut document, &typed(client, 1, "bbbbbbbb")), WAITS);
        assert_eq!(apply(&mut document, &typed(client, 0, "a")), NEW);
    }
}

/// Nor a change of the text that somebody would hear of.
#[test]
fn what_is_left_out_is_no_change() {
    let limits = Limits {
        conflicts: 4,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    let behind = |client: u64, clock: u64, left: u64, text: &str| {
        let mut out = vec![1, 1];
        var(&mut out, client);
        var(&mut out, clock);
        out.extend_from_slice(&[0x84, 9]);
        var(&mut out, left);
        string(&mut out, text);
        out.push(0);
        out
    };
    document.apply(&typed(9, 0, "😀")).unwrap();
    for client in (20..30).rev() {
        document.apply(&behind(client, 0, 1, "z")).unwrap();
    }
    assert_eq!(apply(&mut document, &behind(40, 1, 0, "w")), WAITS);
    let base = document.version().clone();
    let mut first = vec![1, 1, 40, 0, 4, 1];
    string(&mut first, "other");
    string(&mut first, "v");
    first.push(0);
    document.apply(&first).unwrap();
    for unit in [Unit::Utf8, Unit::Utf16, Unit::Char] {
        assert_eq!(document.changes(&base, ROOT, unit), Ok(vec![]));
    }
}

/// Values that were refused make no list of a text.
#[test]
fn a_refused_value_leaves_a_text() {
    let mut document = Document::new(1);
    document.apply(&typed(7, 0, "a")).unwrap();
    document.apply(&typed(8, 0, "b")).unwrap();
    let mut other = vec![1, 1, 9, 0, 4, 1];
    string(&mut other, "other");
    string(&mut other, "v");
    other.push(0);
    document.apply(&other).unwrap();
    // A value in the text, then a letter between neighbours at different places.
    let mut refused = vec![1, 2, 10, 0, 0x88, 7, 0, 1, 126, 0xc4, 9, 0, 7, 0];
    string(&mut refused, "y");
    refused.push(0);
    let error = document.apply(&refused).unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
    let base = document.version().clone();
    let insert = "x".to_owned();
    let edits = [Edit {
        from: 0,
        to: 0,
        insert,
    }];
    document.edit(&base, ROOT, Unit::Char, &edits).unwrap();
    assert_eq!(text(&mut document), "xab");
}

/// Two wait for the same unit, and only one of them is too large: the other one is somebody's, and was taken for kept.
#[test]
fn what_is_too_large_takes_nothing_else_with_it() {
    for small in [6, 10] {
        let mut document = Document::with_limits(1, tight());
        assert_eq!(apply(&mut document, &behind(8)), WAITS);
        let mut waits = vec![1, 1, small, 0, 0x84, 8, 0];
        string(&mut waits, "y");
        waits.push(0);
        assert_eq!(apply(&mut document, &waits), WAITS);
        assert_eq!(apply(&mut document, &typed(8, 0, "abc")), NEW);
        assert_eq!(text(&mut document).len(), 4, "{small}");
        assert_eq!(document.version().vector.get(small.into()), 1);
    }
}
