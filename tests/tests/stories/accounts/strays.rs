//! What is set aside of a document that had the name before is not for everybody who may read what has it now.

use ropewalk_tests::Client;
use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::client::{edit_doc, new_doc};
use ropewalk_tests::ropewalk::folder;
use serde_json::{Value, json};
use yrs::updates::decoder::Decode;
use yrs::{Doc, ReadTxn, StateVector, Text, Transact, Update};

use crate::maintain::{path, well};

const NAME: &str = "plan";
const SET_ASIDE: &str = "the document was replaced; what you had not sent is set aside";

/// Comes with a replica, and is sent away.
async fn comes(somebody: &Browser, doc: Doc) -> Doc {
    let client = Client::over(somebody.socket("/yjs/plan").await, NAME, doc);
    let closed = client.closed().await;
    assert_eq!((closed.code, &*closed.reason), (4409, SET_ASIDE));
    client.leave().await
}

/// The texts of what somebody is shown, the newest first.
async fn shown(somebody: &mut Browser) -> Vec<String> {
    let list = "/api/documents/plan/strays";
    let listed = somebody.done("GET", list, Value::Null).await;
    let mut texts = Vec::new();
    for stray in listed["strays"].as_array().unwrap() {
        let target = format!("{list}/{}", stray["id"]);
        let answer = somebody.ask("GET", &target, Value::Null).await;
        assert_eq!(answer.status, 200);
        texts.push(answer.text().to_owned());
    }
    texts
}

/// A replica that has this, under an id of its own.
fn with(state: &[u8]) -> Doc {
    let doc = new_doc(None);
    let state = Update::decode_v1(state).unwrap();
    doc.transact_mut().apply_update(state).unwrap();
    doc
}

fn whole(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_diff_v1(&StateVector::default())
}

fn append(doc: &Doc, words: &str) {
    edit_doc(doc, |text, txn| {
        let end = text.len(txn);
        text.insert(txn, end, words);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_document_is_not_told_to_readers_of_what_got_its_name() {
    let (mut server, mut ada) = team(&[]).await;
    let mut ann = ada.invite(&server, "ann").await;
    let mut cy = ada.invite(&server, "cy").await;
    let mut bob = ada.invite(&server, "bob").await;
    ann.create(NAME, "a secret").await;
    ann.share(NAME, "cy", "edit").await;
    let editor = cy.editor(NAME).await;
    editor.until_text("a secret").await;
    ann.done("DELETE", "/api/documents/plan", Value::Null).await;
    assert_eq!(editor.closed().await.code, 4404);
    let old = editor.leave().await;
    append(&old, " and more");
    bob.create(NAME, "everybodys").await;
    let everyone = json!({ "everyone": true, "access": "edit" });
    bob.done("PUT", "/api/documents/plan/sharing", everyone)
        .await;
    let old = comes(&cy, old).await;
    let secret = ["a secret and more"];
    assert_eq!(shown(&mut cy).await, secret);
    assert_eq!(shown(&mut ada).await, secret);
    for somebody in [&mut bob, &mut ann] {
        assert_eq!(shown(somebody).await, Vec::<String>::new());
    }
    let list = cy
        .done("GET", "/api/documents/plan/strays", Value::Null)
        .await;
    let target = format!("/api/documents/plan/strays/{}", list["strays"][0]["id"]);
    for method in ["GET", "DELETE"] {
        let missing = bob.fail(method, &target, Value::Null).await;
        assert_eq!(missing, (404, "not_found".to_owned()));
    }
    // Who has the same is not told that somebody had it before, and has it.
    comes(&ann, with(&whole(&old))).await;
    assert_eq!(shown(&mut ann).await, secret);
    assert_eq!(shown(&mut ada).await, [secret[0], secret[0]]);
    cy.done("DELETE", &target, Value::Null).await;
    assert_eq!(shown(&mut cy).await, Vec::<String>::new());
    assert_eq!(shown(&mut ann).await, secret);

    // What a restore has undone is of the same document: whoever may read it sees it, and nothing of the other one.
    let place = folder();
    let backup = path(&place, "backup.db");
    let data = server.data();
    well(data.path(), &["backup", &backup]).await;
    let editor = bob.editor(NAME).await;
    editor.append(" and later");
    editor.all_saved().await;
    let newer = with(&editor.whole());
    drop(editor);
    assert_eq!(server.terminate().await, Some(0));
    well(data.path(), &["restore", "--replace", &backup]).await;
    server.start_again().await;
    for (login, somebody) in [
        ("bob", &mut bob),
        ("ann", &mut ann),
        ("cy", &mut cy),
        ("ada", &mut ada),
    ] {
        *somebody = Browser::of(&server);
        assert_eq!(somebody.sign_in(login).await.status, 200);
    }
    comes(&bob, newer).await;
    append(&old, "!");
    comes(&cy, old).await;
    assert_eq!(shown(&mut bob).await, ["everybodys and later"]);
    assert_eq!(shown(&mut ann).await, ["everybodys and later", secret[0]]);
    let secret = format!("{}!", secret[0]);
    assert_eq!(shown(&mut cy).await, [&secret, "everybodys and later"]);
}
