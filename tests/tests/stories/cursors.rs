//! Cursors go from one wire to the other: relative positions of Yjs on one, offsets on the other.

use ropewalk_tests::thin::Thin;
use ropewalk_tests::{Client, Request, Ropewalk};
use serde_json::{Value, json};
use yrs::{Assoc, Doc, IndexedSequence, StickyIndex, Transact};

const UNITS: [&str; 3] = ["utf16", "utf8", "char"];

async fn put(server: &Ropewalk, name: &str, text: &str) {
    let request = Request::new("PUT", &format!("/api/documents/{name}")).body(text);
    assert_eq!(server.send(request).await.status, 201);
}

/// Where an end of a cursor is in the text of a Yjs editor.
fn offset(doc: &Doc, end: &Value) -> Option<u32> {
    let index: StickyIndex = serde_json::from_value(end.clone()).ok()?;
    Some(index.get_offset(&doc.transact())?.index)
}

/// Waits until a Yjs editor shows a person's selection there.
async fn until_selection(yjs: &Client, name: &str, wanted: Option<(u32, u32)>) {
    let what = format!("{name} is at {wanted:?}");
    yjs.until(&what, |state, doc| {
        let mut states = state.people.values();
        let (_, state) = states.find(|(_, state)| state["user"]["name"] == name)?;
        let cursor = &state["cursor"];
        let found = offset(doc, &cursor["anchor"]).zip(offset(doc, &cursor["head"]));
        (found == wanted).then_some(())
    })
    .await;
}

/// Has a Yjs editor point.
fn point(yjs: &Client, from: u32, to: u32) {
    let mut ends = Vec::new();
    yjs.edit_silently(|text, txn| {
        for at in [from, to] {
            let index = text.sticky_index(txn, at, Assoc::After).unwrap();
            ends.push(serde_json::to_value(index).unwrap());
        }
    });
    let cursor = json!({"anchor": ends[0], "head": ends[1]});
    yjs.announce(&json!({"user": {"name": "Yves"}, "cursor": cursor}).to_string());
}

/// The next ranges of others, when they are of the text that the client has; messages on the way are taken in.
async fn ranges(thin: &mut Thin) -> Vec<Value> {
    loop {
        let message = thin.step().await.unwrap();
        if message["type"] == "cursors" {
            assert_eq!(message["version"].as_str(), thin.version.as_deref());
            let peers = message["peers"].as_object().unwrap();
            return peers.values().cloned().collect();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thin_client_is_seen_where_it_is_by_yjs_editors() {
    let server = Ropewalk::start().await;
    for (unit, end) in UNITS.into_iter().zip([4, 6, 3]) {
        put(&server, unit, "ab💚cd").await;
        let yjs = Client::join(&server, unit).await;
        let mut ann = Thin::join(&server, unit, "ann", unit).await;
        let before = ann.version.clone();
        ann.say(json!({"type": "cursor", "ranges": [{"from": 1, "to": end}]}))
            .await;
        ann.say(json!({"type": "presence", "user": {"name": "Ann"}}))
            .await;
        until_selection(&yjs, "Ann", Some((1, 4))).await;
        // It moves with the text, without a word of hers,
        yjs.insert(0, "éé");
        until_selection(&yjs, "Ann", Some((3, 6))).await;
        // and what she says of a text that has changed meanwhile is where she meant.
        yjs.all_saved().await;
        ann.say(json!({"type": "cursor", "version": before, "ranges": [{"from": end, "to": end}]}))
            .await;
        until_selection(&yjs, "Ann", Some((6, 6))).await;
        ann.say(json!({"type": "presence", "user": {"name": "Anne"}}))
            .await;
        until_selection(&yjs, "Anne", Some((6, 6))).await;
        for nowhere in [
            json!({"type": "cursor", "ranges": []}),
            json!({"type": "cursor", "ranges": [{"from": 0, "to": 99}]}),
            json!({"type": "cursor", "version": "99-1-1.0", "ranges": [{"from": 0, "to": 0}]}),
        ] {
            ann.say(&nowhere).await;
            until_selection(&yjs, "Anne", None).await;
            ann.say(json!({"type": "cursor", "version": before, "ranges": [{"from": 0, "to": 0}]}))
                .await;
            // What others have written at her place stands behind it.
            until_selection(&yjs, "Anne", Some((0, 0))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thin_clients_see_where_yjs_editors_are() {
    let server = Ropewalk::start().await;
    for (unit, size) in UNITS.into_iter().zip([2, 4, 1]) {
        put(&server, unit, "ab💚cd").await;
        let yjs = Client::join(&server, unit).await;
        yjs.until_text("ab💚cd").await;
        point(&yjs, 2, 4);
        let mut ann = Thin::join(&server, unit, "ann", unit).await;
        let there = json!([{"from": 2, "to": 2 + size}]);
        assert_eq!(ranges(&mut ann).await, std::slice::from_ref(&there));
        // What Yves writes comes before the place behind it.
        yjs.insert(0, "💛");
        point(&yjs, 2, 2);
        let behind = json!([{"from": size, "to": size}]);
        while ranges(&mut ann).await != [behind.clone()] {}
        assert_eq!(ann.text(), "💛ab💚cd");
        // Another one without a CRDT is seen, too.
        let mut bob = Thin::join(&server, unit, "bob", "char").await;
        assert_eq!(ranges(&mut bob).await, [json!([{"from": 1, "to": 1}])]);
        bob.say(json!({"type": "cursor", "ranges": [{"from": 4, "to": 1}]}))
            .await;
        let back = json!([{"from": size + 2 + size, "to": size}]);
        while ranges(&mut ann).await != [back.clone()] {}
        yjs.announce(r#"{"user": {"name": "Yves"}, "cursor": null}"#);
        while ranges(&mut ann).await != [json!([])] {}
        bob.cut();
        loop {
            let message = ann.step().await.unwrap();
            let gone = message["peers"].as_object().cloned().unwrap_or_default();
            assert_ne!(
                message["type"], "cursors",
                "it is told that they left: {message}"
            );
            if gone.values().any(Value::is_null) {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_of_cursors_while_an_edit_was_under_way_is_said_again() {
    let server = Ropewalk::start().await;
    put(&server, "a", "abc").await;
    let yjs = Client::join(&server, "a").await;
    yjs.until_text("abc").await;
    let mut ann = Thin::join(&server, "a", "ann", "utf16").await;
    yjs.insert(3, "def");
    point(&yjs, 5, 5);
    // Ann's editor has not looked at what came when she types.
    while ann.hear().await.unwrap()["type"] != "cursors" {}
    ann.edit(vec![(0, 0, "x".into())]).await;
    ann.acknowledged().await;
    assert_eq!(ann.text(), "xabcdef");
    assert_eq!(ranges(&mut ann).await, [json!([{"from": 6, "to": 6}])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_moved_while_an_edit_was_under_way_is_told_again() {
    let server = Ropewalk::start().await;
    put(&server, "a", "abc").await;
    let yjs = Client::join(&server, "a").await;
    yjs.until_text("abc").await;
    let mut ann = Thin::join(&server, "a", "ann", "utf16").await;
    point(&yjs, 2, 2);
    // The text is the same as at her base.
    while ann.hear().await.unwrap()["type"] != "cursors" {}
    ann.edit(vec![(0, 0, "x".into())]).await;
    ann.acknowledged().await;
    assert_eq!(ranges(&mut ann).await, [json!([{"from": 3, "to": 3}])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_in_an_empty_document_is_shown_when_there_is_a_text() {
    let server = Ropewalk::start().await;
    let yjs = Client::join(&server, "new").await;
    let end = json!({"type": null, "tname": "text", "item": null, "assoc": 0});
    let cursor = json!({"anchor": end, "head": end});
    yjs.announce(&json!({"user": {"name": "Yves"}, "cursor": cursor}).to_string());
    yjs.until_people(&["Yves"]).await;
    let mut ann = Thin::join(&server, "new", "ann", "utf16").await;
    let mut bob = Thin::join(&server, "new", "bob", "utf16").await;
    bob.edit(vec![(0, 0, "abc".into())]).await;
    // The place is the end of the text, before and after.
    assert_eq!(ranges(&mut bob).await, [json!([{"from": 3, "to": 3}])]);
    assert_eq!(ranges(&mut ann).await, [json!([{"from": 3, "to": 3}])]);
}
