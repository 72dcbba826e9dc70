//! Who may only read changes nothing, whatever they send, and is seen.

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::client::{edit_doc, new_doc};
use ropewalk_tests::frames::{self, put_buf, put_uint};
use ropewalk_tests::{Client, Ropewalk, Socket, Thin, within};
use serde_json::{Value, json};
use yrs::updates::decoder::Decode;
use yrs::{ReadTxn, StateVector, Text, Transact, Update};

const NAME: &str = "notes";

async fn begin() -> (Ropewalk, Browser, Browser) {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let bob = ada.invite(&server, "bob").await;
    owner.create(NAME, "text").await;
    owner.share(NAME, "bob", "read").await;
    (server, owner, bob)
}

fn message(kind: &[u64], what: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    kind.iter().for_each(|&number| put_uint(&mut out, number));
    put_buf(&mut out, what);
    out
}

fn addressed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_buf(&mut out, NAME.as_bytes());
    out.extend_from_slice(message);
    out
}

fn letter(letter: &str) -> Vec<u8> {
    edit_doc(&new_doc(None), |text, txn| text.insert(txn, 0, letter))
}

/// The next message under the address that begins so.
async fn until(socket: &mut Socket, head: &[u8]) -> Vec<u8> {
    let head = addressed(head);
    within("a message of that type", async {
        loop {
            let message = socket.next().await.unwrap();
            if message.starts_with(&head) {
                return message[head.len()..].to_vec();
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_changes_nothing_and_is_seen() {
    let (_server, mut owner, bob) = begin().await;
    let editor = owner.editor(NAME).await;
    editor.announce(r#"{"user":{"name":"OWNER"}}"#);
    let reader = bob.editor(NAME).await;
    reader.announce(r#"{"user":{"name":"BOB"}}"#);
    editor.until_people(&["OWNER", "BOB"]).await;
    reader.until_people(&["OWNER", "BOB"]).await;
    reader.append("no");
    reader.send(frames::step2(&letter("no")));
    reader.send(frames::update(&letter("no")));
    reader.mark();
    let denied =
        |state: &ropewalk_tests::client::State| state.denied > 0 || state.may_edit == Some(false);
    reader
        .until("it is told", |state, _| denied(state).then_some(()))
        .await;
    editor.append("!");
    reader.until_contains("!").await;
    assert!(
        reader.look(|state| state.saved.is_empty()),
        "nothing of it is saved"
    );
    editor.remove(4, 1);
    editor.all_saved().await;
    assert_eq!(owner.text(NAME).await, "text");
    assert_eq!(reader.ended(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_color_in_a_document_is_that_of_the_account() {
    let (_server, owner, mut bob) = begin().await;
    let profile = json!({ "name": "Bob", "color": "#112233" });
    bob.done("PUT", "/api/profile", profile).await;
    let editor = owner.editor(NAME).await;
    let shown = async |color: &str| {
        editor
            .until("the color is there", |state, _| {
                let mut users = state.people.values().map(|(_, json)| &json["user"]);
                let user = users.find(|user| user["color"] == color)?;
                assert_eq!(
                    (&user["name"], &user["colorLight"]),
                    (&json!("Bob"), &json!(format!("{color}33")))
                );
                Some(())
            })
            .await;
    };
    let reader = bob.editor(NAME).await;
    let owners = r##"{"user":{"name":"OWNER","color":"#ffffff","colorLight":"#ffffff33"}}"##;
    reader.announce(owners);
    shown("#112233").await;
    let profile = json!({ "name": "Bob", "color": "#445566" });
    bob.done("PUT", "/api/profile", profile).await;
    reader.announce(owners);
    shown("#445566").await;
    let white = |state: &ropewalk_tests::client::State| {
        let mut people = state.people.values();
        people.any(|(_, json)| json["user"]["color"] == "#ffffff")
    };
    assert!(!editor.look(white));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_changes_nothing_by_a_frame_that_the_wire_does_not_know() {
    let (_server, mut owner, bob) = begin().await;
    let before = owner.bytes(NAME).await;
    let update = letter("no");
    for kind in [2, 3, 4, 5, 8, 77, 100, 101, 102, 103, 104, 105, 106] {
        for body in [&update[..], &frames::update(&update), &[1], &[]] {
            let mut socket = bob.socket(&format!("/yjs/{NAME}")).await;
            socket.send(message(&[kind], body)).await;
            socket.send(message(&[kind, 2], body)).await;
            socket.send(message(&[0, 2], &update)).await;
            // The last frame is none at all: what was before it has been looked at.
            socket.send(vec![0, 9]).await;
            assert!(
                matches!(socket.closed().await.code, 4400 | 4413),
                "{kind} {body:?}"
            );
        }
    }
    assert_eq!(owner.bytes(NAME).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_changes_nothing_by_any_message_of_hocuspocus_or_of_the_text_wire() {
    let (server, mut owner, mut bob) = begin().await;
    let (_, token) = bob.make_token("own", NAME).await;
    let before = owner.bytes(NAME).await;
    let update = letter("no");
    for kind in (0..=12).chain([77, 100, 102, 104]) {
        for body in [&update[..], &frames::update(&update), &[1], &[]] {
            let mut socket = Socket::open_path(server.address, "/hocuspocus", None).await;
            let shown = message(&[2, 0], token.as_bytes());
            socket.send(addressed(&shown)).await;
            assert_eq!(until(&mut socket, &[2, 2]).await, b"\x08readonly");
            socket.send(addressed(&message(&[kind], body))).await;
            socket.send(addressed(&message(&[kind, 2], body))).await;
            socket.send(addressed(&frames::update(&update))).await;
            // No address, and no message: what was before it has been looked at.
            socket.send(vec![255]).await;
            assert_eq!(socket.closed().await.code, 4400, "{kind} {body:?}");
        }
    }
    for said in [
        json!({ "type": "edit", "id": "1", "base": "x", "edits": [{ "from": 0, "to": 0, "insert": "no" }] }),
        json!({ "type": "access", "access": "read-write" }),
        json!({ "type": "update", "update": "AAA=" }),
        json!({ "type": "reset", "text": "no" }),
        json!({ "type": "remote", "edits": [{ "from": 0, "to": 0, "insert": "no" }] }),
        json!({ "type": "hello", "client": "thin", "unit": "utf16" }),
    ] {
        let mut thin = Thin::new(NAME, "thin", "utf16").with("", &bob.headers());
        thin.connect(&server).await;
        thin.say(&said).await;
        thin.edit(vec![(0, 0, "no".to_owned())]).await;
        // It is told that it may not, or sent away.
        while let Ok(message) = thin.hear().await {
            assert_ne!(message["type"], "ack", "{said}");
            if message["type"] == "error" && message["code"] == "read_only" {
                break;
            }
        }
    }
    assert_eq!(owner.bytes(NAME).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_has_of_a_past_document_is_kept_nowhere_and_shown_to_nobody() {
    let (_server, mut owner, mut bob) = begin().await;
    owner.share(NAME, "bob", "edit").await;
    let editor = bob.editor(NAME).await;
    editor.append(" of old");
    editor.all_saved().await;
    owner
        .done("DELETE", &format!("/api/documents/{NAME}"), Value::Null)
        .await;
    assert_eq!(editor.closed().await.code, 4404);
    let doc = editor.leave().await;
    edit_doc(&doc, |text, txn| text.insert(txn, 0, "typed offline "));
    owner.create(NAME, "new").await;
    for (access, said, kept) in [
        (
            "read",
            "the document was replaced; there is no room to set aside what you had not sent",
            0,
        ),
        (
            "edit",
            "the document was replaced; what you had not sent is set aside",
            1,
        ),
    ] {
        owner.share(NAME, "bob", access).await;
        let again = new_doc(None);
        let whole = doc.transact().encode_diff_v1(&StateVector::default());
        let whole = Update::decode_v1(&whole).unwrap();
        again.transact_mut().apply_update(whole).unwrap();
        let socket = bob.socket(&format!("/yjs/{NAME}")).await;
        let client = Client::over(socket, NAME, again);
        let closed = client.closed().await;
        assert_eq!((closed.code, &*closed.reason), (4409, said), "{access}");
        let strays = format!("/api/documents/{NAME}/strays");
        let strays = bob.done("GET", &strays, Value::Null).await;
        assert_eq!(
            strays["strays"].as_array().map(Vec::len),
            Some(kept),
            "{access}: {strays}"
        );
        assert_eq!(owner.text(NAME).await, "new");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_y_sweet_client_that_may_only_read_changes_nothing() {
    let (server, mut owner, bob) = begin().await;
    let before = owner.bytes(NAME).await;
    let mut socket = bob.socket(&format!("/d/{NAME}/ws/{NAME}")).await;
    socket.send(frames::step1(&[0])).await;
    socket.send(frames::step2(&letter("no"))).await;
    socket.send(frames::update(&letter("no"))).await;
    socket.send(frames::saved(&[1])).await;
    within("it is told", async {
        loop {
            match frames::read(&socket.next().await.unwrap()).unwrap() {
                frames::Frame::Denied(_) | frames::Frame::Access(false) => break,
                frames::Frame::Saved(_) => panic!("nothing of it is saved"),
                _ => {}
            }
        }
    })
    .await;
    assert_eq!(owner.bytes(NAME).await, before);
    drop((server, socket));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_edit_after_access_is_less_changes_nothing_and_counts_when_it_is_more_again() {
    let (_server, mut owner, bob) = begin().await;
    owner.share(NAME, "bob", "edit").await;
    let editor = bob.editor(NAME).await;
    editor.append("1");
    editor.all_saved().await;
    let before = owner.bytes(NAME).await;
    owner.share(NAME, "bob", "read").await;
    editor.append("2");
    let marker = editor.mark();
    editor
        .until("it may only read", |state, _| {
            (state.may_edit == Some(false)).then_some(())
        })
        .await;
    // Its frames come one after another: an answer to the last means that all were looked at.
    let seen = owner.editor(NAME).await;
    editor.announce(r#"{"user":{"name":"BOB"}}"#);
    seen.until_people(&["BOB"]).await;
    assert_eq!(owner.bytes(NAME).await, before);
    assert!(!editor.look(|state| state.saved.contains(&marker)));
    owner.share(NAME, "bob", "edit").await;
    editor
        .until("it may edit", |state, _| {
            (state.may_edit == Some(true)).then_some(())
        })
        .await;
    // It is asked for what it has, and what it wrote meanwhile is taken in.
    seen.until_text("text12").await;
    editor.append("3");
    editor.all_saved().await;
    assert_eq!(owner.text(NAME).await, "text123");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hocuspocus_client_hears_that_an_update_is_not_saved() {
    let (server, mut owner, mut bob) = begin().await;
    let (_, token) = bob.make_token("own", NAME).await;
    let before = owner.bytes(NAME).await;
    let mut socket = Socket::open_path(server.address, "/hocuspocus", None).await;
    socket
        .send(addressed(&message(&[2, 0], token.as_bytes())))
        .await;
    assert_eq!(until(&mut socket, &[2, 2]).await, b"\x08readonly");
    for frame in [frames::step2(&letter("no")), frames::update(&letter("no"))] {
        socket.send(addressed(&frame)).await;
    }
    assert_eq!(until(&mut socket, &[8]).await, [0]);
    socket.send(addressed(&frames::update(&letter("no")))).await;
    assert_eq!(until(&mut socket, &[8]).await, [0]);
    assert_eq!(owner.bytes(NAME).await, before);
    owner.share(NAME, "bob", "edit").await;
    assert_eq!(until(&mut socket, &[2, 2]).await, b"\x0aread-write");
    socket.send(addressed(&frames::update(&letter("y")))).await;
    assert_eq!(until(&mut socket, &[8]).await, [1]);
    assert!(owner.text(NAME).await.contains('y'));
    let after = owner.bytes(NAME).await;
    owner.share(NAME, "bob", "read").await;
    socket.send(addressed(&frames::update(&letter("no")))).await;
    assert_eq!(until(&mut socket, &[8]).await, [0]);
    assert_eq!(owner.bytes(NAME).await, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_text_wire_hears_that_it_may_only_read() {
    let (server, mut owner, bob) = begin().await;
    let before = owner.bytes(NAME).await;
    let mut thin = Thin::new(NAME, "thin", "utf16").with("", &bob.headers());
    thin.connect(&server).await;
    thin.edit(vec![(0, 0, "no".to_owned())]).await;
    let refused = loop {
        let message = thin.hear().await.unwrap();
        if message["type"] == "error" {
            break message;
        }
    };
    assert_eq!(refused["code"], "read_only");
    assert_eq!(owner.bytes(NAME).await, before);
    owner.share(NAME, "bob", "edit").await;
    while thin.hear().await.unwrap() != json!({ "type": "access", "access": "read-write" }) {}
    thin.pending = None;
    thin.edit(vec![(4, 4, "!".to_owned())]).await;
    thin.acknowledged().await;
    assert_eq!(owner.text(NAME).await, "text!");
    owner.share(NAME, "bob", "read").await;
    thin.edit(vec![(0, 0, "no".to_owned())]).await;
    while thin.hear().await.unwrap()["code"] != "read_only" {}
    assert_eq!(owner.text(NAME).await, "text!");
}
