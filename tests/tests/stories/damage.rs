//! Rows of the database that went bad: the rest of the document is opened, and nobody is told that it is empty.

use ropewalk_tests::{Client, Request, Ropewalk, until};
use rusqlite::Connection;
use serde_json::Value;

use crate::maintain::{create, on, well};

const NAME: &str = "damaged";

/// Changes the database of a server that does not run; every statement has to find something.
fn damage(server: &Ropewalk, statements: &[&str]) {
    let file = Connection::open(server.database()).unwrap();
    for statement in statements {
        assert_ne!(file.execute(statement, []).unwrap(), 0, "{statement}");
    }
}

fn rows(server: &Ropewalk, query: &str) -> i64 {
    let file = Connection::open(server.database()).unwrap();
    file.query_row(query, [], |row| row.get(0)).unwrap()
}

/// A server with a document that was folded into a snapshot twice, and has a tail; the text, and the server is down.
async fn folded_twice() -> (Ropewalk, String) {
    let mut server = Ropewalk::with(&["--idle-document-seconds", "0"]).await;
    for round in 1..=2 {
        let ann = Client::join(&server, NAME).await;
        for _ in 0..100 {
            ann.append("word ");
            ann.insert(0, "é");
        }
        ann.all_saved().await;
        ann.leave().await;
        server
            .until_metric("ropewalk_compactions_total", f64::from(round))
            .await;
    }
    let ann = Client::join(&server, NAME).await;
    ann.append("tail");
    ann.all_saved().await;
    let text = ann.text();
    server.kill().await;
    (server, text)
}

async fn salvaged(server: &Ropewalk) -> (f64, f64) {
    (
        server.metric("ropewalk_documents_salvaged_total").await,
        server.metric("ropewalk_updates_lost_total").await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_row_of_a_log_comes_back_from_who_still_has_it() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, NAME).await;
    for word in ["one ", "two ", "three"] {
        ann.append(word);
        ann.all_saved().await;
    }
    let doc = ann.leave().await;
    server.kill().await;
    damage(
        &server,
        &["UPDATE log SET crc32 = crc32 + 1 WHERE first_sequence = 2"],
    );
    server.start_again().await;
    assert_eq!(server.text(NAME).await, "one ");
    assert_eq!(salvaged(&server).await, (1.0, 1.0));
    assert!(
        server.log().contains("opened what is left"),
        "{}",
        server.log()
    );
    assert_eq!(
        rows(&server, "SELECT count(*) FROM damaged WHERE what = 'log'"),
        3
    );

    // It goes on from there, and the next start finds it whole.
    let ann = Client::join_with(&server, NAME, doc).await;
    ann.append(" four");
    ann.all_saved().await;
    assert_eq!(server.text(NAME).await, "one two three four");
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text(NAME).await, "one two three four");
    assert_eq!(salvaged(&server).await, (0.0, 0.0));
    // The rows around the lost one can be read in the history.
    let data = server.data();
    assert_eq!(
        well(data.path(), &["verify"]).await,
        "Verified 1 document, 1 of them without a whole history\n"
    );
}

fn append(text: &str, key: &str) -> Request {
    Request::new("POST", &format!("/api/documents/{NAME}/append"))
        .header("Idempotency-Key", key)
        .body(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_and_what_is_written_in_its_place_have_other_versions_and_receipts() {
    let mut server = Ropewalk::start().await;
    create(&server, NAME, "begin ").await;
    let kept = server.send(append("kept ", "1")).await.json();
    server.kill().await;
    server.start_again().await;
    // Made by one process under one client id: what comes behind the lost one waits for it.
    let (lost, behind) = (append("lost! ", "2"), append("behind", "3"));
    let (told, last) = (
        server.send(lost.clone()).await.json(),
        server.send(behind.clone()).await.json(),
    );
    server.kill().await;
    damage(
        &server,
        &["UPDATE log SET crc32 = crc32 + 1 WHERE first_sequence = 3"],
    );
    for _ in 0..2 {
        server.start_again().await;
        assert_eq!(server.text(NAME).await, "begin kept ");
        let again = server.send(append("kept ", "1")).await.json();
        assert_eq!(again["version"], kept["version"]);
        server.kill().await;
    }
    server.start_again().await;
    let made = server.send(append("other ", "4")).await.json();
    assert_ne!(made["version"], told["version"]);
    // As long as the two that were lost.
    server.send(append("others", "5")).await;
    let path = format!("/api/documents/{NAME}/text");
    let read = Request::get(&path).header("If-None-Match", &tag(&last));
    assert_eq!(server.send(read).await.status, 200);
    let only = append("!", "6").header("If-Match", &tag(&last));
    assert_eq!(server.send(only).await.status, 412);
    for base in [&told, &last] {
        let body = serde_json::json!({ "base": base["version"], "edits": [] });
        let edit = Request::new("PATCH", &path).body(body.to_string());
        let refused = server.send(edit).await;
        assert_eq!((refused.status, &*refused.code()), (409, "replaced"));
    }
    // Who sends them again makes them, once.
    for _ in 0..2 {
        for request in [&lost, &behind] {
            assert_eq!(server.send(request.clone()).await.status, 200);
        }
        let text = "begin kept other otherslost! behind";
        assert_eq!(server.text(NAME).await, text);
        server.kill().await;
        server.start_again().await;
    }
    // What comes next is not taken for another document.
    let now = server.send(Request::get(&path)).await;
    server.kill().await;
    server.start_again().await;
    let same = Request::get(&path).header("If-None-Match", now.header("etag").unwrap());
    assert_eq!(server.send(same).await.status, 304);
}

fn tag(answer: &Value) -> String {
    format!("\"{}\"", answer["version"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mended_without_a_loss_has_the_versions_that_it_had() {
    let (mut server, _) = folded_twice().await;
    server.start_again().await;
    let path = format!("/api/documents/{NAME}/text");
    let before = server.send(Request::get(&path)).await;
    server.kill().await;
    damage(&server, &["DELETE FROM snapshots"]);
    server.start_again().await;
    let read = Request::get(&path).header("If-None-Match", before.header("etag").unwrap());
    assert_eq!(server.send(read).await.status, 304);
    assert_eq!(salvaged(&server).await, (1.0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_after_one_of_which_something_was_lost_has_the_same_versions_after_a_restart() {
    let mut server = Ropewalk::start().await;
    create(&server, NAME, "one").await;
    server.send(append("two", "1")).await;
    server.kill().await;
    damage(
        &server,
        &["UPDATE log SET crc32 = crc32 + 1 WHERE first_sequence = 2"],
    );
    server.start_again().await;
    assert_eq!(server.text(NAME).await, "one");
    let path = format!("/api/documents/{NAME}");
    let delete = Request::new("DELETE", &path);
    assert_eq!(server.send(delete).await.status, 204);
    let text = format!("{path}/text");
    let begin = Request::new("PUT", &path).body("again");
    assert_eq!(server.send(begin).await.status, 201);
    let begun = server.send(Request::get(&text)).await;
    server.kill().await;
    server.start_again().await;
    let read = Request::get(&text).header("If-None-Match", begun.header("etag").unwrap());
    assert_eq!(server.send(read).await.status, 304);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_made_again_from_the_one_before() {
    for change in [
        &["UPDATE snapshots SET data = zeroblob(99)"][..],
        &["DELETE FROM snapshots"],
        // Without the history up to there it is the only way.
        &[
            "UPDATE snapshots SET crc32 = crc32 + 1",
            "DELETE FROM history WHERE first_sequence = 1",
        ],
    ] {
        let (mut server, text) = folded_twice().await;
        damage(&server, change);
        server.start_again().await;
        assert_eq!(server.text(NAME).await, text);
        assert_eq!(salvaged(&server).await, (1.0, 0.0));
        server.kill().await;
        server.start_again().await;
        assert_eq!(server.text(NAME).await, text);
        assert_eq!(salvaged(&server).await, (0.0, 0.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_damaged_snapshots_are_made_again_from_the_history() {
    let (mut server, text) = folded_twice().await;
    damage(
        &server,
        &[
            "UPDATE snapshots SET crc32 = crc32 + 1",
            "UPDATE former_snapshots SET data = zeroblob(9)",
        ],
    );
    server.start_again().await;
    assert_eq!(server.text(NAME).await, text);
    assert_eq!(salvaged(&server).await, (1.0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_beginning_is_not_opened_as_if_it_were_empty() {
    let (mut server, _) = folded_twice().await;
    damage(
        &server,
        &[
            "DELETE FROM snapshots",
            "DELETE FROM former_snapshots",
            "UPDATE history SET crc32 = crc32 + 1 WHERE first_sequence = 1",
        ],
    );
    let log = rows(&server, "SELECT count(*) FROM log");
    server.start_again().await;
    let answer = server.get(&format!("/api/documents/{NAME}/text")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(salvaged(&server).await, (0.0, 0.0));
    server.terminate().await;
    assert_eq!(rows(&server, "SELECT count(*) FROM log"), log);
    assert_eq!(rows(&server, "SELECT count(*) FROM damaged"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_reads_every_document_and_compares_it_with_its_history() {
    let (mut server, _) = folded_twice().await;
    let folder = server.data();
    assert_eq!(
        well(folder.path(), &["verify"]).await,
        "Verified 1 document\n"
    );
    server.start_again().await;
    create(&server, "other", "text").await;
    assert_eq!(
        well(folder.path(), &["verify"]).await,
        "Verified 2 documents\n"
    );
    server.kill().await;

    // The snapshot of before in the place of the last, with a checksum that is right.
    let file = Connection::open(server.database()).unwrap();
    let (id, generation, through): (i64, i64, i64) = file
        .query_row(
            "SELECT document_id, generation, through FROM snapshots",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    let former: Vec<u8> = file
        .query_row("SELECT data FROM former_snapshots", [], |row| row.get(0))
        .unwrap();
    let mut crc = crc32fast::Hasher::new();
    for number in [id, generation, through] {
        crc.update(&number.to_le_bytes());
    }
    crc.update(&former);
    let change = "UPDATE snapshots SET data = ?1, crc32 = ?2";
    file.execute(change, (former, crc.finalize())).unwrap();
    drop(file);
    let found = on(folder.path(), &["verify"]).await;
    assert_eq!(found.code, Some(1), "{found:?}");
    assert_eq!(found.stdout, "Verified 1 document; damaged: 1\n");
    assert!(
        found.stderr.contains("leads to another document"),
        "{found:?}"
    );

    damage(&server, &["DELETE FROM history WHERE first_sequence = 1"]);
    assert_eq!(
        well(folder.path(), &["verify"]).await,
        "Verified 2 documents, 1 of them without a whole history\n"
    );
    damage(&server, &["UPDATE snapshots SET crc32 = crc32 + 1"]);
    let found = on(folder.path(), &["verify"]).await;
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(found.stderr.contains("damaged: \"damaged\""), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_line_of_the_list_costs_only_its_document() {
    let mut server = Ropewalk::start().await;
    let folder = server.data();
    for name in ["notes/first", "notes/short", "notes/nameless", "notes/last"] {
        create(&server, name, &format!("text of {name}")).await;
    }
    server.kill().await;
    damage(
        &server,
        &[
            "UPDATE documents SET length = -1 WHERE name = 'notes/short'",
            "UPDATE documents SET name = 'notes//nameless' WHERE name = 'notes/nameless'",
        ],
    );
    for file in ["search.db", "search.db-wal", "search.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file));
    }
    server.start_again().await;
    for target in [
        "/api/documents",
        "/api/documents?folder=notes",
        "/api/documents?limit=2",
        "/api/documents?view=recent",
    ] {
        let response = server.get(target).await;
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        let listed = response.json();
        let documents = listed["documents"].as_array().unwrap().iter();
        let names: Vec<&str> = documents.map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["notes/last", "notes/first"], "{target}");
        assert_eq!(listed["next"], Value::Null, "{target}");
        let told = listed["damaged"].to_string();
        for name in ["notes/short", "notes//nameless"] {
            assert!(told.contains(name), "{target}: {told}");
        }
    }
    assert_eq!(server.metric("ropewalk_documents_damaged").await, 2.0);
    // What is not in the list is no empty document.
    assert_eq!(server.text("notes/short").await, "text of notes/short");
    until("all others are in the index of words", || async {
        let found = server.get("/api/search?q=text").await.json();
        let documents = found["documents"].as_array()?.len();
        (documents == 2 && found["is_complete"] == true).then_some(())
    })
    .await;
    let found = on(folder.path(), &["verify"]).await;
    assert_eq!(found.code, Some(1), "{found:?}");
    assert_eq!(found.stdout, "Verified 2 documents; damaged: 2\n");
    assert!(found.stderr.contains("notes/short"), "{found:?}");
    // An edit writes the line anew.
    let edit = Request::new("POST", "/api/documents/notes/short/append").body("!");
    assert_eq!(server.send(edit).await.status, 200);
    let listed = server.get("/api/documents").await.json();
    assert_eq!(listed["documents"][0]["name"], "notes/short");
    assert_eq!(listed["damaged"].as_array().unwrap().len(), 1);
    assert_eq!(server.metric("ropewalk_documents_damaged").await, 1.0);
    let log = server.log();
    assert_eq!(
        log.matches("a document cannot be listed").count(),
        2,
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_damaged_and_is_gone_is_damaged_no_more() {
    for days in ["30", "0"] {
        let mut server = Ropewalk::with(&["--trash-days", days]).await;
        create(&server, "short", "text").await;
        create(&server, "whole", "text").await;
        server.kill().await;
        damage(
            &server,
            &["UPDATE documents SET length = -1 WHERE name = 'short'"],
        );
        server.start_again().await;
        let listed = server.get("/api/documents").await.json();
        assert_eq!(listed["damaged"].as_array().unwrap().len(), 1);
        let delete = Request::new("DELETE", "/api/documents/short");
        assert_eq!(server.send(delete).await.status, 204);
        let listed = server.get("/api/documents").await.json();
        assert_eq!(listed["damaged"], Value::Null, "{days}");
        assert_eq!(server.metric("ropewalk_documents_damaged").await, 0.0);
    }
}
