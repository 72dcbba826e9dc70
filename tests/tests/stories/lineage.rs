//! A name that stands for something else than it did: whoever comes with what was, merges nothing in and loses nothing.

use ropewalk_tests::account::team;
use ropewalk_tests::client::{edit_doc, new_doc, text_of};
use ropewalk_tests::{Client, Closed, Request, Ropewalk, Socket, frames};
use serde_json::Value;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, ReadTxn, StateVector, Text, Transact, Update};

use crate::maintain::{create, path, well};

const NAME: &str = "notes";

fn whole(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_diff_v1(&StateVector::default())
}

/// The same replica once more, under an id of its own: as a page that is opened again.
fn copy(doc: &Doc) -> Doc {
    let copy = new_doc(None);
    let state = Update::decode_v1(&whole(doc)).unwrap();
    copy.transact_mut().apply_update(state).unwrap();
    copy
}

fn append(doc: &Doc, words: &str) {
    edit_doc(doc, |text, txn| {
        let end = text.len(txn);
        text.insert(txn, end, words);
    });
}

async fn delete(server: &Ropewalk, target: &str) -> u16 {
    server.send(Request::new("DELETE", target)).await.status
}

/// Ids and bytes of what was set aside, the newest first.
async fn strays(server: &Ropewalk) -> Vec<Value> {
    let listed = server.get(&format!("/api/documents/{NAME}/strays")).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.json()["strays"].as_array().unwrap().clone()
}

async fn stray(server: &Ropewalk, of: &Value, query: &str) -> ropewalk_tests::Response {
    let target = format!("/api/documents/{NAME}/strays/{}{query}", of["id"]);
    server.get(&target).await
}

/// Comes with a replica and is sent away for good.
async fn turned_away(server: &Ropewalk, doc: Doc, words: &str) -> Doc {
    let client = Client::open(server, NAME, doc).await;
    let marker = client.mark();
    let closed = client.closed().await;
    assert_eq!(closed.code, 4409, "{closed:?}");
    assert_eq!(closed.reason, words);
    assert!(
        !client.look(|state| state.saved.contains(&marker)),
        "a promise for what was not taken in"
    );
    client.leave().await
}

const NOTHING_LOST: &str = "the document was replaced";
const SET_ASIDE: &str = "the document was replaced; what you had not sent is set aside";

/// A document with these words that somebody has open, is deleted and begun again with others.
async fn begun_again(server: &Ropewalk, words: &str, others: &str) -> Doc {
    let ann = Client::join(server, NAME).await;
    ann.insert(0, words);
    ann.all_saved().await;
    assert_eq!(delete(server, &format!("/api/documents/{NAME}")).await, 204);
    assert_eq!(ann.closed().await.code, 4404);
    create(server, NAME, others).await;
    ann.leave().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_of_a_deleted_document_does_not_merge_into_the_next_one() {
    let mut server = Ropewalk::start().await;
    let doc = begun_again(&server, "old words", "new words").await;
    let bob = Client::join(&server, NAME).await;
    assert_eq!(bob.text(), "new words");

    let doc = turned_away(&server, doc, NOTHING_LOST).await;
    assert_eq!(text_of(&doc), "old words", "nothing of the new one leaked");
    assert_eq!(strays(&server).await, Vec::<Value>::new());
    assert_eq!(server.text(NAME).await, "new words");

    // A page that is opened again has it from its offline copy, and more that it never sent.
    let again = copy(&doc);
    append(&again, " and unsent ones");
    let again = turned_away(&server, again, SET_ASIDE).await;
    bob.append("!");
    bob.all_saved().await;
    assert_eq!(server.text(NAME).await, "new words!");
    let kept = strays(&server).await;
    assert_eq!(kept.len(), 1);
    let text = stray(&server, &kept[0], "").await;
    assert_eq!(text.text(), "old words and unsent ones");
    let update = stray(&server, &kept[0], "?format=update").await.body;
    let read = new_doc(None);
    let update = Update::decode_v1(&update).unwrap();
    read.transact_mut().apply_update(update).unwrap();
    assert_eq!(text_of(&read), "old words and unsent ones");

    // However often it comes, and after a restart: the same is kept once.
    server.kill().await;
    server.start_again().await;
    let again = turned_away(&server, again, SET_ASIDE).await;
    assert_eq!(strays(&server).await, kept);
    assert_eq!(server.text(NAME).await, "new words!");

    // What it lost it may write again, as somebody who begins with the new document.
    let eve = Client::join(&server, NAME).await;
    eve.append(&text_of(&again)["old words".len()..]);
    eve.all_saved().await;
    assert_eq!(server.text(NAME).await, "new words! and unsent ones");
    let target = format!("/api/documents/{NAME}/strays/{}", kept[0]["id"]);
    assert_eq!(delete(&server, &target).await, 204);
    assert_eq!(delete(&server, &target).await, 404);
    assert_eq!(strays(&server).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_remembers_all_that_was_deleted_under_it() {
    let mut server = Ropewalk::start().await;
    let mut docs = Vec::new();
    for round in 0..3 {
        let doc = begun_again(&server, &format!("words {round}"), "").await;
        docs.push(doc);
        if round == 1 {
            server.kill().await;
            server.start_again().await;
        }
    }
    for doc in docs {
        turned_away(&server, doc, NOTHING_LOST).await;
    }
    assert_eq!(server.text(NAME).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_copy_that_is_read_late_does_not_merge_either() {
    let server = Ropewalk::start().await;
    let doc = begun_again(&server, "old words", "new words").await;
    // It has asked with nothing in hand, and then tells everything as an edit.
    for update in [whole(&doc), {
        edit_doc(&doc, |text, txn| text.remove_range(txn, 0, 3))
    }] {
        let mut socket = Socket::open(&server, NAME).await;
        socket.send(frames::step1(&[0])).await;
        socket.send(frames::update(&update)).await;
        socket.send(frames::saved(b"x")).await;
        let mut acknowledged = false;
        let closed = loop {
            match socket.next().await {
                Ok(frame) => acknowledged |= frame[0] == 102,
                Err(closed) => break closed,
            }
        };
        assert_eq!(closed.code, 4409, "{closed:?}");
        assert!(!acknowledged);
    }
    assert_eq!(server.text(NAME).await, "new words");
}

/// A server with a document whose backup is an older state than its editors have. The docs: as of the backup, with more
/// text, with less.
async fn restored() -> (Ropewalk, [Doc; 3]) {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "one two ");
    ann.all_saved().await;
    let before = new_doc(None);
    let state = Update::decode_v1(&ann.whole()).unwrap();
    before.transact_mut().apply_update(state).unwrap();
    let copies = ropewalk_tests::ropewalk::folder();
    let backup = path(&copies, "backup.db");
    let data = server.data();
    well(data.path(), &["backup", &backup]).await;

    let tag = |response: ropewalk_tests::Response| response.header("etag").unwrap().to_owned();
    let target = format!("/api/documents/{NAME}/text");
    let mut tags = vec![tag(server.get(&target).await)];
    let bob = Client::join(&server, NAME).await;
    bob.remove(0, 4);
    bob.all_saved().await;
    let less = bob.leave().await;
    ann.append("three ");
    ann.all_saved().await;
    assert_eq!(server.text(NAME).await, "two three ");
    tags.push(tag(server.get(&target).await));
    let more = ann.leave().await;
    assert_eq!(server.terminate().await, Some(0));
    well(data.path(), &["restore", "--replace", &backup]).await;
    server.start_again().await;
    // What was seen under a version before is not what the same place holds now.
    for old in tags {
        let request = Request::get(&target).header("if-none-match", &old);
        assert_eq!(server.send(request).await.status, 200);
        assert_ne!(tag(server.get(&target).await), old);
    }
    (server, [before, more, less])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backup_does_not_have_is_not_brought_back_by_a_tab() {
    let (mut server, [before, more, less]) = restored().await;
    let more = turned_away(&server, more, SET_ASIDE).await;
    let less = turned_away(&server, less, SET_ASIDE).await;
    assert_eq!(server.text(NAME).await, "one two ");
    let kept = strays(&server).await;
    assert_eq!(kept.len(), 2);
    assert_eq!(stray(&server, &kept[1], "").await.text(), "two three ");

    // Who has nothing that the backup has not goes on, and who never was there begins.
    let ann = Client::join_with(&server, NAME, before).await;
    assert_eq!(ann.text(), "one two ");
    ann.append("four ");
    ann.all_saved().await;
    let fresh = new_doc(None);
    append(&fresh, "zero ");
    let eve = Client::join_with(&server, NAME, fresh).await;
    eve.all_saved().await;
    let text = server.text(NAME).await;
    ann.until_text(&text).await;
    assert_eq!(text.len(), "one two four zero ".len(), "{text}");

    // From here on they may leave and come back with what they wrote meanwhile, over a restart as well.
    let doc = ann.leave().await;
    append(&doc, "five ");
    server.kill().await;
    server.start_again().await;
    let ann = Client::join_with(&server, NAME, doc).await;
    ann.all_saved().await;
    assert_eq!(server.text(NAME).await, ann.text());
    assert!(ann.text().ends_with("five "), "{}", ann.text());
    for doc in [more, less] {
        turned_away(&server, doc, SET_ASIDE).await;
    }
    assert_eq!(strays(&server).await.len(), 2);
    assert_eq!(server.terminate().await, Some(0));
    well(server.data().path(), &["verify"]).await;
}

/// Sends frames on a new connection, and a marker; how the connection ended, or nothing if the marker came back.
async fn tell(server: &Ropewalk, all: &[Vec<u8>]) -> Option<Closed> {
    let mut socket = Socket::open(server, NAME).await;
    for frame in all {
        socket.send(frame.clone()).await;
    }
    socket.send(frames::saved(b"end")).await;
    loop {
        match socket.next().await {
            Ok(frame) if frame == frames::saved(b"end") => return None,
            Ok(_) => {}
            Err(closed) => return Some(closed),
        }
    }
}

fn vector(doc: &Doc) -> Vec<u8> {
    doc.transact().state_vector().encode_v1()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_may_ask_again_and_loses_nothing() {
    let (server, [before, ..]) = restored().await;
    let asks = frames::step1(&vector(&before));
    let doc = copy(&before);
    let known = doc.transact().state_vector();
    append(&doc, "four ");
    let update = doc.transact().encode_diff_v1(&known);
    let told = frames::step2(&[0, 0]);
    let all = [asks.clone(), told, asks, frames::update(&update)];
    assert_eq!(tell(&server, &all).await, None);
    assert_eq!(server.text(NAME).await, "one two four ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_copy_that_is_read_late_brings_nothing_back_after_a_restore() {
    let (server, [before, more, _]) = restored().await;
    let late = more
        .transact()
        .encode_diff_v1(&before.transact().state_vector());
    let nothing = [frames::step1(&[0]), frames::step2(&[0, 0])];
    let all = [&nothing[..], &[frames::update(&late)]].concat();
    let closed = tell(&server, &all).await.expect("it is sent away");
    assert_eq!((closed.code, &*closed.reason), (4409, SET_ASIDE));
    assert_eq!(server.text(NAME).await, "one two ");
    assert_eq!(strays(&server).await.len(), 1);
    // Who was there before and goes on does so.
    let ann = Client::join_with(&server, NAME, before).await;
    ann.append("four ");
    ann.all_saved().await;
    assert_eq!(server.text(NAME).await, "one two four ");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_wire_of_hocuspocus_the_past_stays_away_too() {
    let server = Ropewalk::start().await;
    let doc = begun_again(&server, "old words", "new words").await;
    append(&doc, " and more");
    let mut socket = Socket::open_path(server.address, "/hocuspocus", None).await;
    let addressed = |message: Vec<u8>| {
        let mut out = Vec::new();
        frames::put_buf(&mut out, NAME.as_bytes());
        [out, message].concat()
    };
    socket.send(addressed(vec![2, 0, 0])).await;
    socket.send(addressed(frames::step1(&vector(&doc)))).await;
    socket.send(addressed(frames::step2(&whole(&doc)))).await;
    let closed = addressed([vec![7, SET_ASIDE.len() as u8], SET_ASIDE.into()].concat());
    while socket.next().await.unwrap() != closed {}
    // Its client does not take no for an answer, and goes on sending.
    for _ in 0..5 {
        let update = edit_doc(&doc, |text, txn| text.insert(txn, 0, "x"));
        socket.send(addressed(frames::update(&update))).await;
        socket
            .send(addressed(frames::awareness(&[(7, 1, "{}")])))
            .await;
    }
    socket.send(vec![9]).await;
    assert_eq!(socket.next().await.unwrap(), [10], "and nothing before");
    assert_eq!(strays(&server).await.len(), 1);
    assert_eq!(server.text(NAME).await, "new words");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_at_nothing_can_be_read_as_it_was_typed() {
    let server = Ropewalk::start().await;
    let doc = begun_again(&server, "old", "new").await;
    let known = doc.transact().state_vector();
    append(&doc, " and unsent");
    let update = doc.transact().encode_diff_v1(&known);
    let asks = frames::step1(&vector(&doc));
    let closed = tell(&server, &[asks, frames::step2(&update)]).await;
    assert_eq!(closed.map(|closed| closed.code), Some(4409));
    let kept = strays(&server).await;
    assert_eq!(stray(&server, &kept[0], "").await.text(), " and unsent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_backup_may_be_restored_twice() {
    let (mut server, _) = restored().await;
    let target = format!("/api/documents/{NAME}/text");
    let mut tags = std::collections::BTreeSet::new();
    let copies = ropewalk_tests::ropewalk::folder();
    let backup = path(&copies, "again.db");
    let data = server.data();
    well(data.path(), &["backup", &backup]).await;
    for round in 0..3 {
        let ann = Client::join(&server, NAME).await;
        ann.append(&format!("{round}"));
        ann.all_saved().await;
        let response = server.get(&target).await;
        assert!(tags.insert(response.header("etag").unwrap().to_owned()));
        let doc = ann.leave().await;
        assert_eq!(server.terminate().await, Some(0));
        well(data.path(), &["restore", "--replace", &backup]).await;
        server.start_again().await;
        turned_away(&server, doc, SET_ASIDE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_export_does_not_have_is_not_brought_back_either() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "one ");
    ann.all_saved().await;
    let copies = ropewalk_tests::ropewalk::folder();
    let export = path(&copies, "export");
    let data = server.data();
    well(data.path(), &["export", &export]).await;
    ann.append("two ");
    ann.all_saved().await;
    assert_eq!(
        delete(&server, &format!("/api/documents/{NAME}")).await,
        204
    );
    let doc = ann.leave().await;
    assert_eq!(server.terminate().await, Some(0));
    well(data.path(), &["import", &export]).await;
    server.start_again().await;
    turned_away(&server, doc, SET_ASIDE).await;
    assert_eq!(server.text(NAME).await, "one ");
    // Who has seen it since is of the present, though the same words were once deleted.
    let bob = Client::join(&server, NAME).await;
    let doc = bob.leave().await;
    append(&doc, "more ");
    let bob = Client::join_with(&server, NAME, doc).await;
    bob.all_saved().await;
    assert_eq!(server.text(NAME).await, "one more ");
}

#[tokio::test(flavor = "multi_thread")]
async fn strays_have_bounds_and_clear_errors() {
    let server = Ropewalk::start().await;
    let doc = begun_again(&server, "old", "new").await;
    let target = format!("/api/documents/{NAME}/strays");
    for (target, status, code) in [
        ("/api/documents/absent/strays/1", 404, "not_found"),
        (&*format!("{target}/1"), 404, "not_found"),
        (&*format!("{target}/x"), 404, "not_found"),
        (&*format!("{target}/99999999999999999999"), 404, "not_found"),
        (&*format!("{target}/1?format=pdf"), 400, "bad_query"),
    ] {
        let answer = server.get(target).await;
        assert_eq!((answer.status, &*answer.code()), (status, code), "{target}");
    }
    let absent = server.get("/api/documents/absent/strays").await.json();
    assert_eq!(absent, serde_json::json!({"strays": []}));
    let before = server.metric("ropewalk_strays_kept_total").await;
    for round in 0..129 {
        let copy = copy(&doc);
        append(&copy, &format!(" {round}"));
        let client = Client::open(&server, NAME, copy).await;
        let closed = client.closed().await;
        assert_eq!(closed.code, 4409);
        let kept = closed.reason == SET_ASIDE;
        assert_eq!(kept, round < 128, "{round}: {closed:?}");
    }
    assert_eq!(strays(&server).await.len(), 128);
    assert_eq!(
        server.metric("ropewalk_strays_kept_total").await - before,
        128.0
    );
    assert_eq!(
        delete(&server, &format!("/api/documents/{NAME}")).await,
        204
    );
    assert_eq!(server.get(&target).await.code(), "deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_deletes_what_was_set_aside_is_in_the_log() {
    let (_server, mut ada) = team(&[]).await;
    ada.create(NAME, "").await;
    let target = format!("/api/documents/{NAME}");
    let ann = ada.editor(NAME).await;
    ann.insert(0, "old words");
    ann.all_saved().await;
    ada.done("DELETE", &target, Value::Null).await;
    assert_eq!(ann.closed().await.code, 4404);
    ada.create(NAME, "new words").await;
    let doc = ann.leave().await;
    append(&doc, " and unsent ones");
    let socket = ada.socket(&format!("/yjs/{NAME}")).await;
    let closed = Client::over(socket, NAME, doc).closed().await;
    assert_eq!((closed.code, &*closed.reason), (4409, SET_ASIDE));
    let strays = format!("{target}/strays");
    let listed = ada.done("GET", &strays, Value::Null).await;
    let stray = format!("{strays}/{}", listed["strays"][0]["id"]);
    ada.done("DELETE", &stray, Value::Null).await;
    let again = ada.fail("DELETE", &stray, Value::Null).await;
    assert_eq!(again, (404, "not_found".into()));
    let log = ada.done("GET", "/api/audit?who=ada", Value::Null).await;
    let newest = &log["entries"][0];
    assert_eq!(newest["action"], "stray_deleted");
    assert_eq!(newest["about"], format!("{NAME} by ADA"));
}
