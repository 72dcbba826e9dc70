//! Bytes that an engine could take in, and that would stop whoever reads them from it, or harm somebody later.

use crate::forge::{string, var};
use crate::hazards::{STRANGER, bytes, honest, malformed, refuse};
use ropewalk_crdt::{Document, Edit, Error, Integrated, Limits, ROOT, Speaker, Unit};

/// Text of `client` from `clock` on: behind a unit, or the first of root `text`.
fn text_of(client: u64, clock: u64, behind: Option<(u64, u64)>, text: &str) -> Vec<u8> {
    let mut out = vec![1, 1];
    var(&mut out, client);
    var(&mut out, clock);
    match behind {
        Some((client, clock)) => {
            out.push(0x84);
            var(&mut out, client);
            var(&mut out, clock);
        }
        None => {
            out.extend_from_slice(&[4, 1]);
            string(&mut out, ROOT);
        }
    }
    string(&mut out, text);
    out.push(0);
    out
}

fn deletes(client: u64, clock: u64, len: u64) -> Vec<u8> {
    let mut out = vec![0, 1];
    [client, 1, clock, len]
        .iter()
        .for_each(|&number| var(&mut out, number));
    out
}

fn insert(document: &mut Document, text: &str) -> Result<Vec<u8>, Error> {
    let base = document.version().clone();
    let edits = [Edit {
        from: 0,
        to: 0,
        insert: text.to_owned(),
    }];
    document.edit(&base, ROOT, Unit::Char, &edits)
}

/// Yjs parses them, and throws: nobody could open the document any more.
#[test]
fn values_that_yjs_cannot_parse_are_refused() {
    malformed(refuse(&bytes("010107000201036f6c6401057b6f6f707300")));
    // `undefined` is no JSON, and Yjs writes it.
    let undefined = bytes("010107000201036f6c640109756e646566696e656400");
    honest().apply(&undefined).unwrap();
}

/// Yjs looks into the options of a subdocument, and throws when they are no object.
#[test]
fn options_that_are_no_object_are_refused() {
    for options in ["7e", "7f", "7d01", "7500"] {
        let update = format!("010107000901036f6c640467756964{options}00");
        malformed(refuse(&bytes(&update)));
    }
    let object = bytes("010107000901036f6c640467756964760000");
    honest().apply(&object).unwrap();
}

/// Yjs waits for the neighbours of a struct without units for ever, or throws.
#[test]
fn structs_of_no_units_are_refused() {
    let nothing_and_something = "010207008463050004010474657874046576696c00";
    malformed(refuse(&bytes(nothing_and_something)));
    malformed(refuse(&bytes("0101070001010474657874000000")));
    malformed(refuse(&bytes("0101070008010474657874000000")));
}

/// A delete of no units within a surrogate pair would tear it at the peers who hear of it.
#[test]
fn deletes_of_no_units_are_not_passed_on() {
    let mut document = Document::new(1);
    document.apply(&text_of(9, 0, None, "😀")).unwrap();
    let mut update = text_of(5, 0, None, "x");
    update.pop();
    update.extend_from_slice(&[1, 9, 1, 1, 0]);
    let applied = document.apply(&update).unwrap();
    let Integrated::Part(part) = applied.integrated else {
        panic!("passed on as it came: {applied:?}");
    };
    assert!(part.ends_with(&[0]), "no deletes are in it: {part:?}");
}

/// They could not have seen it.
#[test]
fn nobody_deletes_what_another_is_yet_to_write() {
    let mut document = honest();
    document.introduce(1, 9);
    let ahead = deletes(9, 5, 1_000_000);
    let applied = document.apply_from(&ahead, STRANGER).unwrap();
    assert!(applied.waiting.is_empty(), "{applied:?}");
    let goes_on = text_of(9, 14, Some((9, 13)), "y");
    document.apply_from(&goes_on, Speaker::Live(1)).unwrap();
    assert!(document.text(ROOT).to_string().contains('y'));
}

/// What waited and found no room when its turn came was not integrated, and a replay of the log does not do it either.
#[test]
fn a_replay_ends_where_the_document_was() {
    let limits = Limits {
        text: 12,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits.clone());
    let mut log: Vec<Vec<u8>> = Vec::new();
    for update in [
        text_of(7, 1, Some((7, 0)), "eleven more"),
        text_of(8, 0, None, "other"),
        text_of(7, 0, None, "a"),
    ] {
        let applied = document.apply_from(&update, STRANGER).unwrap();
        log.extend(applied.integrated.bytes(&update).map(<[u8]>::to_vec));
        log.extend(applied.waiting);
        document.check();
    }
    assert_eq!(document.version().vector.get(7), 1, "no room for the rest");
    let mut replayed = Document::with_limits(1, Limits::NONE);
    for update in &log {
        replayed.replay(update).unwrap();
    }
    replayed.set_limits(limits.clone());
    replayed.replayed();
    let opened = Document::open_with_limits(1, &document.save(), limits).unwrap();
    for other in [replayed, opened] {
        assert_eq!(other.version(), document.version());
        assert_eq!(other.text(ROOT), document.text(ROOT));
    }
}

#[test]
fn an_edit_says_what_it_has_woken() {
    let mut document = Document::new(1);
    let waits = text_of(7, 0, Some((1, 1)), "W");
    assert!(document.apply(&waits).unwrap().held);
    let update = insert(&mut document, "ab").unwrap();
    let mut peer = Document::new(2);
    peer.apply(&update).unwrap();
    assert_eq!(peer.text(ROOT), document.text(ROOT));
    assert_eq!(document.text(ROOT).to_string(), "abW");
}

/// A value that was refused, or is deleted, makes no list of a text.
#[test]
fn a_text_is_a_list_only_while_it_holds_values() {
    let mut document = honest();
    let value = |client: &str| bytes(&format!("0101{client}0008010474657874017d0100"));
    document.apply(&value("07")).unwrap();
    let refused = insert(&mut document, "x");
    assert!(matches!(refused, Err(Error::Unsupported { .. })));
    document.apply(&deletes(7, 0, 1)).unwrap();
    insert(&mut document, "x").unwrap();
    document.set_limits(Limits {
        text: 1,
        ..Limits::default()
    });
    document.apply(&value("08")).unwrap_err();
    document.set_limits(Limits::default());
    insert(&mut document, "x").unwrap();
    document.check();
}

/// Two cuts of the same text that waits, one of them a struct a letter: comparing them is linear.
#[test]
fn what_waits_is_compared_however_it_is_cut() {
    const UNITS: u64 = 100_000;
    let limits = Limits {
        held_bytes: 1 << 24,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    let whole = text_of(7, 1, Some((7, 0)), &"x".repeat(UNITS as usize));
    assert!(document.apply(&whole).unwrap().held);
    let mut letters = vec![1];
    var(&mut letters, UNITS);
    letters.extend_from_slice(&[7, 1]);
    for clock in 0..UNITS {
        letters.extend_from_slice(&[0x84, 7]);
        var(&mut letters, clock);
        letters.extend_from_slice(&[1, b'x']);
    }
    letters.push(0);
    let again = document.apply(&letters).unwrap();
    assert!(again.held && !again.changed && again.waiting.is_empty());
}
