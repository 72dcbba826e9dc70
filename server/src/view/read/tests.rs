#![allow(clippy::unwrap_used)]

use serde_json::json as value;
use yrs::types::Attrs;
use yrs::{
    ArrayPrelim, In, MapPrelim, StateVector, TextPrelim, WriteTxn, Xml, XmlElementPrelim,
    XmlFragment, XmlTextPrelim,
};

use super::*;
use crate::view::json::json as shown;

/// What is read back of root `r` after this edit.
fn after(edit: impl FnOnce(&mut TransactionMut<'_>)) -> Option<Content> {
    let options = Options {
        offset_kind: OffsetKind::Utf16,
        ..Options::default()
    };
    let doc = Doc::with_options(options);
    edit(&mut doc.transact_mut());
    let state = doc.transact().encode_diff_v1(&StateVector::default());
    read(&state, "r")
}

fn words(text: &str) -> Content {
    Content::Text(vec![Piece::text(text, &[])])
}

#[test]
fn characters_are_a_text() {
    let read = after(|txn| {
        let text = txn.get_or_insert_text("r");
        text.insert(txn, 0, "one 💚 two");
        text.insert(txn, 0, "so ");
        text.remove_range(txn, 4, 2);
    });
    assert_eq!(read, Some(words("so o 💚 two")));
}

#[test]
fn a_text_has_formats_and_objects() {
    let read = after(|txn| {
        let text = txn.get_or_insert_text("r");
        text.insert(txn, 0, "plain bold");
        let bold = Attrs::from([("bold".into(), true.into())]);
        text.format(txn, 6, 4, bold);
        text.insert_embed(txn, 0, yrs::any!({ "image": "x" }));
        text.insert_embed(txn, 0, MapPrelim::from([("a", 1)]));
    });
    assert_eq!(
        shown(&read.unwrap()),
        r#"[{"insert":{"a":1}},{"insert":{"image":"x"}},{"insert":"plain "},{"insert":"bold","attributes":{"bold":true}}]"#
    );
    let embed = after(|txn| {
        let text = txn.get_or_insert_text("r");
        text.insert_embed(txn, 0, yrs::any!({ "image": "x" }));
    });
    assert_eq!(shown(&embed.unwrap()), r#"[{"insert":{"image":"x"}}]"#);
}

#[test]
fn keyed_entries_alone_are_a_map() {
    let read = after(|txn| {
        let map = txn.get_or_insert_map("r");
        map.insert(txn, "gone", 1);
        map.remove(txn, "gone");
        map.insert(txn, "number", 1.5);
        map.insert(txn, "whole", 3.0);
        map.insert(txn, "bytes", vec![1_u8, 255]);
        map.insert(txn, "nan", f64::NAN);
        map.insert(txn, "list", ArrayPrelim::from(["a", "b"]));
        map.insert(txn, "text", TextPrelim::new("words"));
        map.insert(txn, "any", yrs::any!({ "b": [true, null], "a": "💚" }));
    });
    assert_eq!(
        shown(&read.unwrap()),
        r#"{"any":{"a":"💚","b":[true,null]},"bytes":[1,255],"list":["a","b"],"nan":null,"number":1.5,"text":[{"insert":"words"}],"whole":3}"#
    );
}

#[test]
fn values_and_types_are_a_list() {
    let read = after(|txn| {
        let list = txn.get_or_insert_array("r");
        list.insert_range(txn, 0, [1, 2, 3]);
        list.insert(txn, 1, "💚💚");
        list.insert(txn, 0, MapPrelim::from([("a", "b")]));
        list.remove(txn, 1);
    });
    assert_eq!(shown(&read.unwrap()), r#"[{"a":"b"},"💚💚",2,3]"#);
    let types = after(|txn| {
        let list = txn.get_or_insert_array("r");
        list.insert(txn, 0, TextPrelim::new("words"));
    });
    assert_eq!(types, Some(Content::List(vec![words("words")])));
    let mixed = after(|txn| {
        let list = txn.get_or_insert_array("r");
        list.insert(txn, 0, MapPrelim::from([("a", "b")]));
        list.insert(txn, 0, XmlElementPrelim::empty("p"));
    });
    assert!(matches!(mixed, Some(Content::List(items)) if items.len() == 2));
}

#[test]
fn xml_nodes_alone_are_xml() {
    let read = after(|txn| {
        let xml = txn.get_or_insert_xml_fragment("r");
        let heading = xml.push_back(txn, XmlElementPrelim::empty("heading"));
        heading.insert_attribute(txn, "level", 2);
        heading.push_back(txn, XmlTextPrelim::new("Title"));
        let text = xml.push_back(txn, XmlTextPrelim::new("words"));
        text.format(txn, 0, 2, Attrs::from([("italic".into(), true.into())]));
    });
    let italic = Piece::text("wo", &[("italic", value!(true))]);
    assert_eq!(
        read,
        Some(Content::Fragment(vec![
            Content::element(
                "heading",
                &[("level", value!(2))],
                vec![Content::words("Title")]
            ),
            Content::XmlText(vec![italic, Piece::text("rds", &[])]),
        ]))
    );
}

#[test]
fn what_is_not_there_is_nothing() {
    assert_eq!(after(|_| {}), Some(Content::Nothing));
    let emptied = after(|txn| {
        let text = txn.get_or_insert_text("r");
        text.insert(txn, 0, "words");
        text.remove_range(txn, 0, 5);
    });
    assert_eq!(emptied, Some(Content::Nothing));
    let other = after(|txn| txn.get_or_insert_text("s").insert(txn, 0, "words"));
    assert_eq!(other, Some(Content::Nothing));
}

#[test]
fn what_has_entries_beside_a_sequence_is_the_sequence() {
    let read = after(|txn| {
        txn.get_or_insert_text("r").insert(txn, 0, "words");
        MapRef::from(branch(&txn.get_or_insert_text("r"))).insert(txn, "key", 1);
    });
    assert_eq!(read, Some(words("words")));
}

#[test]
fn what_is_a_text_for_some_and_a_list_for_others_is_read_if_yrs_ends() {
    let both = |text: &'static str| {
        after(move |txn| {
            let root = txn.get_or_insert_text("r");
            root.insert(txn, 0, text);
            ArrayRef::from(branch(&root)).insert(txn, 0, 7);
        })
    };
    assert_eq!(shown(&both("ab").unwrap()), r#"[7,"a","b"]"#);
    assert_eq!(both("a💚"), None, "instead of for ever");
}

#[test]
fn a_state_is_read_to_its_end_or_not_at_all() {
    // A map in a map, and a hook there without a name; but for the check that would be a map as well.
    let map = b"\x01\x01\x05\x00\x27\x01\x01r\x01k\x01\x00";
    let hook = b"\x01\x01\x05\x00\x27\x01\x01r\x01k\x05\x00\x00";
    assert_eq!(shown(&read(map, "r").unwrap()), r#"{"k":{}}"#);
    assert_eq!(read(hook, "r"), None);
    assert_eq!(read(&[&map[..], b"\0"].concat(), "r"), None);
    // What it depends on is not there.
    let gap = b"\x01\x01\x05\x00\x84\x06\x00\x01a\x00";
    assert_eq!(read(gap, "r"), None);
}

#[test]
fn depth_is_bounded() {
    let deep = |types, values| {
        after(move |txn| {
            let mut list = txn.get_or_insert_array("r");
            for _ in 0..types {
                list = list.insert(txn, 0, ArrayPrelim::default());
            }
            let value = (0..values).fold(Any::Null, |any, _| Any::Array([any].into()));
            list.insert(txn, 0, In::Any(value));
        })
    };
    let (open, close) = ("[".repeat(2 * DEPTH + 1), "]".repeat(2 * DEPTH + 1));
    let deepest = deep(DEPTH, DEPTH).unwrap();
    assert_eq!(shown(&deepest), format!("{open}null{close}"));
    assert!(!crate::view::html::html(&deepest).is_empty());
    assert_eq!(deep(DEPTH + 1, 0), None);
    assert_eq!(deep(0, DEPTH + 1), None);
}
