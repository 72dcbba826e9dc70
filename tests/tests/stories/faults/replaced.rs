//! Files of the database are removed or replaced under a running server, which would go on writing where nobody looks.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ropewalk::storage::sqlite::Sqlite;
use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Client, Request, Ropewalk};

use super::{assert_unready, is_sent_away, until_ready, until_retried};
use crate::power::text_in;
use crate::preload::{ALWAYS, Call, EIO, Preload};

/// A server with a saved document that ann has open.
async fn with_a_document() -> (Ropewalk, Client) {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "here").await;
    ann.insert(0, "saved");
    ann.all_saved().await;
    (server, ann)
}

/// Another file of the server's folder.
fn beside(server: &Ropewalk, name: &str) -> PathBuf {
    server.data().path().join(name)
}

/// A database of another server, ended in order, that holds one document.
async fn other_database() -> (PathBuf, impl Sized) {
    let mut other = Ropewalk::start().await;
    let create = Request::new("PUT", "/api/documents/other").body("of another");
    assert_eq!(other.send(create).await.status, 201);
    assert_eq!(other.terminate().await, Some(0));
    (other.database(), other.data())
}

/// Nothing that could be taken for the document is served.
async fn assert_not_served(server: &Ropewalk) {
    let text = server.get("/api/documents/here/text").await;
    assert_eq!(text.status, 503, "{}", text.text());
    let upgrade = server.send(Request::upgrade("/yjs/here")).await;
    assert_eq!(upgrade.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_the_place_of_another_is_loaded_and_the_old_one_is_whole() {
    let (mut server, ann) = with_a_document().await;
    let idle = Client::join(&server, "idle").await;
    let (other, _kept) = other_database().await;
    // What is moved away is without its journal, where all of it is still.
    let away = folder();
    fs::rename(server.database(), away.path().join("ropewalk.db")).unwrap();
    fs::copy(other, beside(&server, "new")).unwrap();
    fs::rename(beside(&server, "new"), server.database()).unwrap();
    is_sent_away(&ann, " not saved").await;
    assert_eq!(idle.closed().await.code, 1011);
    until_ready(&server).await;
    assert_eq!(server.text("other").await, "of another");
    let here = server.get("/api/documents/here/text").await;
    assert_eq!(here.status, 404, "it is not in this one");
    let storage = Sqlite::open(away.path()).unwrap();
    let whole = text_in(&storage, "here");
    assert!(whole.starts_with("saved"), "{whole:?}");

    // Who has it, brings it.
    let ann = Client::join_with(&server, "here", ann.leave().await).await;
    ann.all_saved().await;
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("here").await, "saved not saved");
    assert_eq!(server.text("other").await, "of another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_not_begun_anew_and_works_when_it_is_back() {
    let (mut server, ann) = with_a_document().await;
    fs::remove_file(server.database()).unwrap();
    is_sent_away(&ann, " later").await;
    until_retried(&server, 2).await;
    assert_unready(&server).await;
    assert_not_served(&server).await;
    assert!(!server.database().exists(), "a new one was begun");

    // Something that is no database of ours takes its place.
    fs::write(server.database(), "no database ".repeat(1000)).unwrap();
    until_retried(&server, 2).await;
    assert_not_served(&server).await;
    assert!(
        fs::read(server.database())
            .unwrap()
            .starts_with(b"no database ")
    );

    // The server still has it open.
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let open = open
        .map(|file| file.unwrap().path())
        .find(|file| fs::read_link(file).is_ok_and(|to| to.ends_with("ropewalk.db (deleted)")));
    fs::copy(open.expect("it is open"), beside(&server, "copy")).unwrap();
    fs::rename(beside(&server, "copy"), server.database()).unwrap();
    until_ready(&server).await;
    let ann = Client::join_with(&server, "here", ann.leave().await).await;
    ann.all_saved().await;
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("here").await, "saved later");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_removed_takes_nothing_with_it() {
    for suffix in ["-wal", "-shm"] {
        let (mut server, ann) = with_a_document().await;
        fs::remove_file(beside(&server, &format!("ropewalk.db{suffix}"))).unwrap();
        is_sent_away(&ann, " and more").await;
        until_ready(&server).await;
        assert_eq!(
            &server.text("here").await[..5],
            "saved",
            "{suffix}: what was acknowledged"
        );
        let ann = Client::join_with(&server, "here", ann.leave().await).await;
        ann.all_saved().await;
        server.kill().await;
        server.start_again().await;
        assert_eq!(server.text("here").await, "saved and more", "{suffix}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_opened_from_another_database_is_not_shown_as_absent() {
    let (server, ann) = with_a_document().await;
    ann.leave().await;
    let (other, _kept) = other_database().await;
    let open = Client::join(&server, "open").await;
    fs::copy(other, beside(&server, "new")).unwrap();
    fs::rename(beside(&server, "new"), server.database()).unwrap();
    // Nobody writes. The first who reads is refused, and by that the server finds out.
    let list = server.get("/api/documents").await;
    assert_eq!(list.status, 503, "{}", list.text());
    let text = server.get("/api/documents/unheard/text").await;
    assert_eq!(text.status, 503, "{}", text.text());
    assert_eq!(open.closed().await.code, 1011);
    until_ready(&server).await;
    assert_eq!(server.text("other").await, "of another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_the_place_of_one_that_failed_does_not_meet_its_journal() {
    let (server, preload) = Preload::start(Arc::new(folder()), &[]).await;
    let ann = Client::join(&server, "here").await;
    ann.insert(0, "saved");
    ann.all_saved().await;
    preload.fail(Call::Sync, "", EIO, ALWAYS);
    is_sent_away(&ann, " not saved").await;
    until_retried(&server, 1).await;
    // Somebody takes a backup, and does not think of the journal.
    let (other, _kept) = other_database().await;
    let whole = fs::read(&other).unwrap();
    fs::copy(other, beside(&server, "new")).unwrap();
    fs::rename(beside(&server, "new"), server.database()).unwrap();
    preload.mend();
    until_retried(&server, 2).await;
    assert_unready(&server).await;
    assert_not_served(&server).await;
    assert!(server.log().contains("belongs to another database"));
    assert!(fs::read(server.database()).unwrap() == whole);
    fs::remove_file(beside(&server, "ropewalk.db-wal")).unwrap();
    until_ready(&server).await;
    assert_eq!(server.text("other").await, "of another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_without_its_database_says_so() {
    let (mut server, _ann) = with_a_document().await;
    let away = beside(&server, "away");
    fs::rename(server.database(), &away).unwrap();
    assert_eq!(server.terminate().await, Some(7));
    assert!(!server.database().exists());
    fs::rename(&away, server.database()).unwrap();
    server.start_again().await;
    assert_eq!(server.text("here").await, "saved");
}
