//! Saved documents that cannot be: they come from disk, and are refused rather than half believed.

use crate::forge::{string, var};
use ropewalk_crdt::{Document, Error, Limits, ROOT};

/// A saved document of this state and this order.
fn saved(state: &[u8], order: &[u8]) -> Vec<u8> {
    let mut out = vec![2];
    for part in [state, order] {
        var(&mut out, part.len() as u64);
        out.extend_from_slice(part);
    }
    out
}

/// The spans of a root, or of a key of it, each as the difference to the place behind the one before.
fn sequence(root: &str, key: Option<&str>, spans: &[u8]) -> Vec<u8> {
    let mut out = vec![1];
    string(&mut out, root);
    match key {
        None => out.push(0),
        Some(key) => {
            out.push(1);
            string(&mut out, key);
        }
    }
    out.push(spans.len() as u8);
    out.extend_from_slice(spans);
    out
}

/// A letter of a client at a clock, in the root `text`.
fn letter(client: u8, clock: u8) -> Vec<u8> {
    let mut out = vec![1, client, clock, 4, 1];
    string(&mut out, ROOT);
    string(&mut out, "x");
    out
}

/// A value of a client at the key `k` of the root `map`.
fn value(client: u8) -> Vec<u8> {
    let mut out = vec![1, client, 0, 0x28, 1];
    string(&mut out, "map");
    string(&mut out, "k");
    out.extend_from_slice(&[1, 126]);
    out
}

/// Sections, and which of the units are deleted.
fn state(sections: &[Vec<u8>], deletes: &[u8]) -> Vec<u8> {
    let mut out = vec![sections.len() as u8];
    out.extend(sections.concat());
    out.extend_from_slice(deletes);
    out
}

fn open(state: &[u8], order: &[u8]) -> Result<Document, Error> {
    Document::open(1, &saved(state, order))
}

#[test]
fn what_was_saved_is_opened() {
    let one = state(&[letter(8, 0), letter(7, 0)], &[0]);
    let mut document = open(&one, &sequence(ROOT, None, &[2, 3])).unwrap();
    document.check();
    assert_eq!(document.text(ROOT).to_string(), "xx");
    assert_eq!(document.save(), saved(&one, &sequence(ROOT, None, &[2, 3])));
    let key = state(&[value(7)], &[0]);
    open(&key, &sequence("map", Some("k"), &[0]))
        .unwrap()
        .check();
}

#[test]
fn what_cannot_have_been_saved_is_refused() {
    let none = [0];
    let two = state(&[letter(8, 0), letter(7, 0)], &none);
    let gone = |deletes: &[u8]| {
        let mut section = vec![1, 7, 0, 1, 1];
        string(&mut section, ROOT);
        section.push(1);
        state(&[section], deletes)
    };
    let behind = |client: u8, clock: u8| {
        let section = vec![1, 7, 0, 0x84, client, clock, 1, b'x'];
        state(&[section], &none)
    };
    let text = |spans: &[u8]| sequence(ROOT, None, spans);
    for (state, order, why) in [
        (two.clone(), text(&[0]), "a span without a place"),
        (two.clone(), Vec::new(), "no order"),
        (two.clone(), text(&[0, 1]), "a span twice"),
        (two.clone(), text(&[0, 2]), "a span that is not there"),
        (
            two.clone(),
            [text(&[0]), text(&[2])].concat(),
            "a sequence twice",
        ),
        (
            state(&[value(8), value(7)], &none),
            sequence("map", Some("k"), &[0, 0]),
            "two values of a key",
        ),
        (state(&[letter(7, 1)], &none), text(&[0]), "a gap"),
        (gone(&none), text(&[0]), "a deleted unit that is not"),
        (
            gone(&[1, 7, 1, 0, 2]),
            text(&[0]),
            "too much that is deleted",
        ),
        (behind(9, 0), text(&[0]), "a left neighbour of nobody"),
        (
            behind(7, 1),
            text(&[0]),
            "a left neighbour that is not there",
        ),
    ] {
        let refused = open(&state, &order).map(|_| ());
        assert!(
            matches!(refused, Err(Error::Malformed { .. })),
            "{why}: {refused:?}"
        );
    }
    open(&gone(&[1, 7, 1, 0, 1]), &text(&[0])).unwrap().check();
}

#[test]
fn limits_are_those_that_a_document_is_opened_with() {
    let limits = Limits {
        text: 1,
        ..Limits::default()
    };
    let one = saved(&state(&[letter(7, 0)], &[0]), &sequence(ROOT, None, &[0]));
    let mut document = Document::open_with_limits(1, &one, limits).unwrap();
    let more = document.apply(&state(&[letter(8, 0)], &[0]));
    assert!(
        matches!(more, Err(Error::TooLarge { size: 2, .. })),
        "{more:?}"
    );
}

/// As it was written before the order was saved beside the state.
#[test]
fn a_document_without_its_order_is_opened() {
    let mut rng = crate::rng::Rng::new(5);
    let honest = crate::history::history(&mut rng, 3, 40, crate::history::ALL);
    let mut document = Document::new(1);
    for update in &honest.updates {
        document.apply(update).unwrap();
    }
    let state = document.encode();
    let mut saved = vec![1];
    crate::forge::var(&mut saved, state.len() as u64);
    saved.extend_from_slice(&state);
    let mut opened = Document::open(2, &saved).unwrap();
    opened.check();
    assert_eq!(opened.version(), document.version());
    assert_eq!(opened.encode(), state);
}
