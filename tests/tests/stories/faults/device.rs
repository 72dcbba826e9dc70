//! Reading and writing fail, as on a device that breaks or under a file system that was made read-only.

use std::sync::Arc;

use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Client, Request, Ropewalk, Socket};

use super::{assert_unready, is_sent_away, until_ready, until_retried};
use crate::preload::{ALWAYS, Call, EIO, EROFS, Preload};

const JOURNAL: &str = "ropewalk.db-wal";

/// More than a reader keeps of a database in memory.
const LARGE: usize = 3 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_once_or_for_long_loses_nothing() {
    let (mut server, preload) = Preload::start(Arc::new(folder()), &[]).await;
    let mut ann = Client::join(&server, "writes").await;
    ann.insert(0, "safe ");
    ann.all_saved().await;
    let mut text = "safe ".to_owned();
    for (round, times) in [1, 3, ALWAYS].into_iter().enumerate() {
        // A large update fails in the middle of its commit.
        let edit = format!("<{round}>{}", "-".repeat(20_000));
        preload.fail(Call::Write, JOURNAL, EIO, times);
        is_sent_away(&ann, &edit).await;
        if times == ALWAYS {
            until_retried(&server, 1).await;
            assert_unready(&server).await;
            let create = Request::new("PUT", "/api/documents/new").body("text");
            assert_eq!(server.send(create).await.status, 503);
            preload.mend();
        }
        until_ready(&server).await;
        text.push_str(&edit);
        ann = Client::join_with(&server, "writes", ann.leave().await).await;
        ann.all_saved().await;
        assert!(server.text("writes").await == text, "round {round}");
    }
    server.kill().await;
    server.start_again().await;
    assert!(server.text("writes").await == text);
    let new = server.get("/api/documents/new/text").await;
    assert_eq!(new.status, 404, "what was refused did not happen");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_shown_as_empty() {
    let data = Arc::new(folder());
    let (mut server, preload) = Preload::start(data.clone(), &[]).await;
    let ann = Client::join(&server, "read").await;
    ann.insert(0, &"words".repeat(LARGE / 5));
    ann.all_saved().await;
    ann.leave().await;
    server.kill().await;
    let arguments = ["--idle-document-seconds", "0"];
    server = preload.start_in(data.clone(), &arguments).await;
    preload.fail(Call::Read, "", EIO, ALWAYS);
    // Sent away, or not let in: the server's own looks at the disk may have failed before.
    match Socket::try_open(&server, "read").await {
        Ok(mut socket) => assert_eq!(socket.closed().await.code, 1011),
        Err(status) => assert_eq!(status, 503),
    }
    let text = server.get("/api/documents/read/text").await;
    assert_eq!((text.status, text.code()), (503, "storage".to_owned()));
    preload.mend();
    until_ready(&server).await;
    assert!(server.text("read").await == "words".repeat(LARGE / 5));

    // Nor does a server start with what it cannot read, or take it for damaged.
    server.kill().await;
    let before = std::fs::read(server.database()).unwrap();
    preload.fail(Call::Read, "", EIO, ALWAYS);
    let failed = preload.try_in(data.clone(), &[]).await;
    let failed = failed.err().expect("it must not start");
    assert_eq!(failed.code, Some(4), "{failed:?}");
    assert!(std::fs::read(server.database()).unwrap() == before);
    preload.mend();
    server = preload.start_in(data, &[]).await;
    assert!(server.text("read").await == "words".repeat(LARGE / 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_turns_read_only_and_back_loses_nothing() {
    let (mut server, preload) = Preload::start(Arc::new(folder()), &[]).await;
    let ann = Client::join(&server, "read only").await;
    ann.insert(0, "safe");
    ann.all_saved().await;
    preload.fail(Call::Write, "", EROFS, ALWAYS);
    preload.fail(Call::OpenToWrite, "", EROFS, ALWAYS);
    is_sent_away(&ann, " and sound").await;
    until_retried(&server, 2).await;
    assert_unready(&server).await;
    assert_refused(&server).await;
    preload.mend();
    until_ready(&server).await;
    let ann = Client::join_with(&server, "read only", ann.leave().await).await;
    ann.all_saved().await;
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("read only").await, "safe and sound");
}

async fn assert_refused(server: &Ropewalk) {
    let upgrade = server.send(Request::upgrade("/yjs/read%20only")).await;
    assert_eq!(upgrade.status, 503);
    let text = server.get("/api/documents/read%20only/text").await;
    assert_eq!(text.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_size_limit_in_the_middle_of_a_commit_tears_nothing() {
    let mut server = Ropewalk::start().await;
    let mut ann = Client::join(&server, "limit").await;
    let mut text = String::new();
    for round in 0..4 {
        let saved = format!("<saved {round}>");
        ann.append(&saved);
        ann.all_saved().await;
        text.push_str(&saved);
        let journal = server.database().with_file_name(JOURNAL);
        let length = std::fs::metadata(journal).unwrap().len();
        // Some of the pages of the commit still fit, the last one in part.
        server.limit_files(Some(length + 10_000 * round));
        let edit = format!("<{round}>{}", "-".repeat(100_000));
        is_sent_away(&ann, &edit).await;
        if round % 2 == 0 {
            server.limit_files(None);
            until_ready(&server).await;
        } else {
            server.kill().await;
            server.start_again().await;
        }
        assert!(server.text("limit").await == text, "round {round}");
        ann = Client::join_with(&server, "limit", ann.leave().await).await;
        ann.all_saved().await;
        text.push_str(&edit);
        assert!(server.text("limit").await == text, "round {round}");
    }
}
