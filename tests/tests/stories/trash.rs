//! Documents that are deleted and come back, or do not.

mod owners;
mod races;

use ropewalk_tests::client::{edit_doc, new_doc, text_of};
use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Client, Events, Request, Ropewalk, until};
use rusqlite::Connection;
use serde_json::{Value, json};
use yrs::updates::decoder::Decode;
use yrs::{Doc, ReadTxn, StateVector, Text, Transact, Update};

use crate::maintain::{create, names, path, well};

const NAME: &str = "team/notes";

async fn delete(server: &Ropewalk, name: &str) {
    let target = format!("/api/documents/{name}");
    let deleted = server.send(Request::new("DELETE", &target)).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
}

async fn trash(server: &Ropewalk) -> Vec<Value> {
    let listed = server.get("/api/trash").await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    listed.json()["documents"].as_array().unwrap().clone()
}

/// Status and body of an attempt to take a document back.
async fn restore(server: &Ropewalk, trashed: &Value, body: Value) -> (u16, Value) {
    let target = format!("/api/trash/{}/restore", trashed["id"]);
    let request = Request::new("POST", &target)
        .header("content-type", "application/json")
        .body(body.to_string());
    let response = server.send(request).await;
    (response.status, response.json())
}

async fn until_text(server: &Ropewalk, name: &str, text: &str) {
    until(&format!("{name} is {text:?}"), || async {
        (server.text(name).await == text).then_some(())
    })
    .await;
}

fn copy(doc: &Doc) -> Doc {
    let copy = new_doc(None);
    let state = doc.transact().encode_diff_v1(&StateVector::default());
    let state = Update::decode_v1(&state).unwrap();
    copy.transact_mut().apply_update(state).unwrap();
    copy
}

fn append(doc: &Doc, words: &str) {
    edit_doc(doc, |text, txn| {
        let end = text.len(txn);
        text.insert(txn, end, words);
    });
}

/// Writes into a database that nobody has open.
fn write(server: &Ropewalk, statement: &str) {
    let file = Connection::open(server.database()).unwrap();
    file.execute_batch(statement).unwrap();
}

fn count(server: &Ropewalk, table: &str) -> i64 {
    let file = Connection::open(server.database()).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    file.query_row(&count, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_merges_with_what_was_written_meanwhile() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "one two");
    ann.all_saved().await;
    // Bob goes on without the server, and Cid has a copy that is opened again.
    let bob = Client::join(&server, NAME).await.leave().await;
    let cid = copy(&bob);
    append(&bob, " of bob");
    append(&cid, " of cid");

    delete(&server, NAME).await;
    assert_eq!(ann.closed().await.code, 4404);
    let ann = ann.leave().await;
    append(&ann, " of ann");
    // It is as gone as ever was.
    let bob = Client::open(&server, NAME, bob).await;
    assert_eq!(bob.closed().await.code, 4404);
    let bob = bob.leave().await;
    let gone = server.get(&format!("/api/documents/{NAME}")).await;
    assert_eq!((gone.status, gone.code()), (410, "deleted".to_owned()));
    assert_eq!(names(&server).await, [""; 0]);

    server.kill().await;
    server.start_again().await;
    let trashed = trash(&server).await;
    let [trashed] = &trashed[..] else {
        panic!("{trashed:?}");
    };
    assert_eq!(trashed["name"], NAME);
    assert_eq!(
        (&trashed["length"], &trashed["is_name_free"]),
        (&json!(7), &json!(true))
    );
    assert_eq!(trashed["deleted_by"], Value::Null);
    let kept = trashed["expires_at"].as_i64().unwrap() - trashed["deleted_at"].as_i64().unwrap();
    assert_eq!(kept, 30 * 24 * 60 * 60 * 1000);
    let (status, body) = restore(&server, trashed, json!({})).await;
    assert_eq!((status, body), (200, json!({ "name": NAME })));
    assert_eq!(trash(&server).await, [Value::Null; 0]);
    assert_eq!(server.text(NAME).await, "one two");
    assert_eq!(restore(&server, trashed, json!({})).await.0, 404);

    let mut people = Vec::new();
    for doc in [ann, bob, cid] {
        people.push(Client::open(&server, NAME, doc).await);
    }
    // What somebody has alone comes with the answer to the server's question.
    let whole = until("all have come with theirs", || async {
        let text = server.text(NAME).await;
        (text.len() >= "one two of ann of bob of cid".len()).then_some(text)
    })
    .await;
    assert_eq!(whole.len(), "one two of ann of bob of cid".len(), "{whole}");
    for part in ["one two", " of ann", " of bob", " of cid"] {
        assert_eq!(whole.matches(part).count(), 1, "{whole}");
    }
    for person in &people {
        person.until_text(&whole).await;
    }
    let strays = server.get(&format!("/api/documents/{NAME}/strays")).await;
    assert_eq!(strays.json()["strays"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_the_trash_is_free_and_what_had_it_needs_another() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "old words");
    ann.all_saved().await;
    delete(&server, NAME).await;
    let doc = ann.leave().await;
    append(&doc, " and more");
    create(&server, NAME, "new words").await;

    // Whoever has the old one merges nothing into the new one.
    let stale = Client::open(&server, NAME, copy(&doc)).await;
    assert_eq!(stale.closed().await.code, 4409);
    assert_eq!(server.text(NAME).await, "new words");
    let trashed = &trash(&server).await[0];
    assert_eq!(trashed["is_name_free"], false);
    let (status, body) = restore(&server, trashed, json!({})).await;
    assert_eq!((status, &body["code"]), (409, &json!("exists")));
    for (name, code) in [("a//b", "bad_name"), ("", "bad_name")] {
        let (status, body) = restore(&server, trashed, json!({ "name": name })).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{name}");
    }
    let (status, body) = restore(&server, trashed, json!({ "name": "old" })).await;
    assert_eq!((status, &body["name"]), (200, &json!("old")));
    assert_eq!(server.text("old").await, "old words");

    // There it is what it was; where it was it is still something else.
    let _here = Client::open(&server, "old", copy(&doc)).await;
    until_text(&server, "old", "old words and more").await;
    let stale = Client::open(&server, NAME, copy(&doc)).await;
    assert_eq!(stale.closed().await.code, 4409);
    // And back again, when both are in the trash.
    delete(&server, NAME).await;
    delete(&server, "old").await;
    let trashed = trash(&server).await;
    let named = |name: &str| trashed.iter().find(|trashed| trashed["name"] == name);
    let (old, new) = (named("old").unwrap(), named(NAME).unwrap());
    let (status, _) = restore(&server, old, json!({ "name": NAME })).await;
    assert_eq!(status, 200);
    append(&doc, " there");
    let _back = Client::open(&server, NAME, doc).await;
    until_text(&server, NAME, "old words and more there").await;
    let (status, _) = restore(&server, new, json!({ "name": "old" })).await;
    assert_eq!(status, 200);
    assert_eq!(server.text("old").await, "new words");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_or_asks_twice_goes_on_where_they_were() {
    let server = Ropewalk::start().await;
    create(&server, NAME, "a").await;
    let edit = || {
        Request::new("PATCH", &format!("/api/documents/{NAME}/text"))
            .header("idempotency-key", "once")
            .body(r#"{"edits":[{"from":0,"to":0,"insert":"b"}]}"#)
    };
    let first = server.send(edit()).await;
    let mut events = Events::follow(&server, &format!("/api/documents/{NAME}/changes"), None).await;
    let reset = events.next().await.unwrap();
    assert_eq!(reset.name, "reset");
    let since_reset = events.last.clone().unwrap();
    delete(&server, NAME).await;
    assert_eq!(events.next().await.unwrap().name, "deleted");
    let trashed = &trash(&server).await[0];
    assert_eq!(restore(&server, trashed, json!({})).await.0, 200);
    let again = server.send(edit()).await;
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(server.text(NAME).await, "ba");
    let target = format!("/api/documents/{NAME}/changes?since={since_reset}");
    let mut events = Events::follow(&server, &target, None).await;
    let request = Request::new("POST", &format!("/api/documents/{NAME}/append")).body("c");
    assert_eq!(server.send(request).await.status, 200);
    assert_eq!(events.next().await.unwrap().name, "change", "no reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_for_long_enough_goes_for_good() {
    let mut server = Ropewalk::with(&["--trash-days", "2"]).await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "old words");
    ann.all_saved().await;
    create(&server, "kept", "words").await;
    create(&server, "damaged", "words").await;
    delete(&server, NAME).await;
    delete(&server, "kept").await;
    delete(&server, "damaged").await;
    let doc = ann.leave().await;
    server.kill().await;
    write(
        &server,
        "UPDATE trash SET kept_from_ms = kept_from_ms - 172801000
            WHERE document_id = (SELECT id FROM documents WHERE name = 'team/notes');
         UPDATE trash SET kept_from_ms = kept_from_ms - 172802000
            WHERE document_id = (SELECT id FROM documents WHERE name = 'damaged');
         UPDATE documents SET name = 'a//b' WHERE name = 'damaged';
         UPDATE trash SET kept_from_ms = kept_from_ms - 86400000
            WHERE document_id = (SELECT id FROM documents WHERE name = 'kept')",
    );
    server.start_again().await;
    server
        .until_metric("ropewalk_documents_erased_total", 1.0)
        .await;
    // What cannot be read, and would come first, is counted and keeps nothing up.
    server.until_metric("ropewalk_trash_damaged", 1.0).await;
    let left = trash(&server).await;
    assert_eq!((left.len(), &left[0]["name"]), (1, &json!("kept")));
    until("its content is gone", || async {
        (count(&server, "erasing") == 0).then_some(())
    })
    .await;
    assert_eq!(count(&server, "log"), 2, "those of the others");
    // It is known all the same who has it.
    create(&server, NAME, "new words").await;
    let stale = Client::open(&server, NAME, doc).await;
    assert_eq!(stale.closed().await.code, 4409);
    assert_eq!(server.text(NAME).await, "new words");

    // As if ten years had passed, over night.
    server.terminate().await;
    write(
        &server,
        "UPDATE trash SET kept_from_ms = kept_from_ms - 315360000000;
         UPDATE clock SET seen_ms = seen_ms - 315360000000",
    );
    server.start_again_with(&["--trash-days", "3"]).await;
    let left = until("the trash is looked at", || async {
        let left = trash(&server).await;
        let deleted_at = left[0]["deleted_at"].as_i64().unwrap();
        (left[0]["expires_at"].as_i64().unwrap() > deleted_at).then_some(left)
    })
    .await;
    assert_eq!(left[0]["name"], "kept");
    assert_eq!(server.metric("ropewalk_documents_erased_total").await, 0.0);

    // Without a trash nothing is kept, and what is there goes.
    server.terminate().await;
    server.start_again_with(&["--trash-days", "0"]).await;
    server
        .until_metric("ropewalk_documents_erased_total", 1.0)
        .await;
    delete(&server, NAME).await;
    assert_eq!(trash(&server).await, [Value::Null; 0]);
    until("all other content is gone", || async {
        (count(&server, "log") == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_for_good_is_overwritten() {
    let mut server = Ropewalk::start().await;
    create(&server, "kept", "hemp").await;
    // As much as takes a page, and as several.
    let texts = [10, 1000].map(|times| format!("jute of {times} strands ").repeat(times));
    let folder = server.data();
    let is_in = |text: &str, files: &[&str]| {
        let read = |file: &&str| std::fs::read(folder.path().join(file)).unwrap_or_default();
        let bytes: Vec<u8> = files.iter().flat_map(read).collect();
        let beginning = &text.as_bytes()[..20];
        bytes
            .windows(beginning.len())
            .any(|window| window == beginning)
    };
    for (name, text) in ["short", "long"].into_iter().zip(&texts) {
        create(&server, name, text).await;
        assert!(is_in(text, &["ropewalk.db", "ropewalk.db-wal"]));
        delete(&server, name).await;
        let id = &trash(&server).await[0]["id"];
        let remove = Request::new("DELETE", &format!("/api/trash/{id}"));
        assert_eq!(server.send(remove).await.status, 204);
    }
    until("their content is gone", || async {
        (count(&server, "erasing") == 0).then_some(())
    })
    .await;
    server.terminate().await;
    for text in &texts {
        assert!(
            !is_in(text, &["ropewalk.db", "ropewalk.db-wal"]),
            "{}",
            &text[..20]
        );
    }
    server.start_again().await;
    assert_eq!(server.text("kept").await, "hemp");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_the_trash_in_it() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "words");
    ann.all_saved().await;
    delete(&server, NAME).await;
    let doc = ann.leave().await;
    let verified = well(server.data().path(), &["verify"]).await;
    assert_eq!(verified, "Verified 1 document\n");
    let copies = folder();
    let copied = path(&copies, "copy.db");
    well(server.data().path(), &["backup", &copied]).await;
    // Afterwards it comes back and goes on.
    let trashed = &trash(&server).await[0];
    assert_eq!(restore(&server, trashed, json!({})).await.0, 200);
    append(&doc, " and more");
    let ann = Client::open(&server, NAME, doc).await;
    until_text(&server, NAME, "words and more").await;
    server.terminate().await;
    let doc = ann.leave().await;
    // A copy that was made long ago is not emptied at once.
    Connection::open(&copied)
        .unwrap()
        .execute_batch("UPDATE trash SET kept_from_ms = 1")
        .unwrap();
    let verified = well(server.data().path(), &["verify"]).await;
    assert_eq!(verified, "Verified 1 document\n");
    well(server.data().path(), &["restore", &copied, "--replace"]).await;
    server.start_again().await;
    let trashed = &trash(&server).await[0];
    let now = trashed["deleted_at"].as_i64().unwrap();
    assert!(trashed["expires_at"].as_i64().unwrap() > now);
    assert_eq!(restore(&server, trashed, json!({})).await.0, 200);
    assert_eq!(server.text(NAME).await, "words");
    // Whoever had seen more does not bring it back, as with every restored document.
    let stale = Client::open(&server, NAME, doc).await;
    assert_eq!(stale.closed().await.code, 4409);
    let doc = stale.leave().await;
    assert_eq!(text_of(&doc), "words and more");
    let strays = server.get(&format!("/api/documents/{NAME}/strays")).await;
    assert_eq!(strays.json()["strays"].as_array().unwrap().len(), 1);
}
