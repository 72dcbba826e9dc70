//! A disk that fails: nothing is acknowledged, nobody sees an empty document, and it comes back by itself.

use ropewalk_tests::client::new_doc;
use ropewalk_tests::{Client, Request, Ropewalk, Socket, until};

/// Starts to fail, and waits until the server knows.
async fn break_storage(server: &Ropewalk) {
    server.limit_files(Some(0));
    until("the server notices", || async {
        (server.get("/readyz").await.status == 503).then_some(())
    })
    .await;
}

async fn mend_storage(server: &Ropewalk) {
    server.limit_files(None);
    until("the server is ready again", || async {
        (server.get("/readyz").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_cannot_be_saved_is_not_acknowledged() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "failing").await;
    let bob = Client::join(&server, "failing").await;
    let idle = Client::join(&server, "another").await;
    ann.insert(0, "safe ");
    ann.all_saved().await;
    bob.until_text("safe ").await;
    server.limit_files(Some(0));
    ann.append("lost?");
    let marker = ann.mark();
    let closed = ann.closed().await;
    assert_eq!(closed.code, 1011, "{closed:?}");
    assert_eq!(bob.closed().await.code, 1011);
    assert_eq!(idle.closed().await.code, 1011, "nobody is left behind");
    assert!(
        !ann.look(|state| state.saved.contains(&marker)),
        "a promise that the disk did not keep"
    );

    // The replica still has the words, and brings them when the disk is back.
    let doc = ann.leave().await;
    mend_storage(&server).await;
    let ann = Client::join_with(&server, "failing", doc).await;
    ann.all_saved().await;
    assert_eq!(ann.text(), "safe lost?");
    assert_eq!(server.text("failing").await, "safe lost?");
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("failing").await, "safe lost?");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_storage_fails_nobody_is_told_of_an_empty_document() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "never empty").await;
    ann.insert(0, "what is there");
    ann.all_saved().await;
    let bob = Client::join(&server, "another").await;
    break_storage(&server).await;
    for (client, what) in [(&ann, "ann"), (&bob, "bob")] {
        client.append(" and more");
        let marker = client.mark();
        assert_eq!(client.closed().await.code, 1011, "{what}");
        assert!(
            !client.look(|state| state.saved.contains(&marker)),
            "{what}"
        );
    }

    // Every way to look at it says that storage does not answer, or tells the truth.
    let text = server.get("/api/documents/never%20empty/text").await;
    match text.status {
        200 => assert_eq!(text.text(), "what is there"),
        _ => assert_eq!((text.status, text.code()), (503, "storage".to_owned())),
    }
    let upgrade = server.send(Request::upgrade("/yjs/never%20empty")).await;
    assert_eq!(upgrade.status, 503);
    let create = server
        .send(Request::new("PUT", "/api/documents/new").body("text"))
        .await;
    assert_eq!((create.status, create.code()), (503, "storage".to_owned()));
    let delete = server
        .send(Request::new("DELETE", "/api/documents/never%20empty"))
        .await;
    assert_eq!((delete.status, delete.code()), (503, "storage".to_owned()));
    assert_eq!(server.get("/healthz").await.status, 200, "it runs");
    assert_eq!(server.metric("ropewalk_storage_healthy").await, 0.0);
    let ready = server.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.json()["ready"].clone()),
        (503, false.into())
    );
    assert!(ready.json()["reason"].is_string());

    mend_storage(&server).await;
    assert_eq!(server.text("never empty").await, "what is there");
    assert_eq!(
        Client::join(&server, "never empty").await.text(),
        "what is there"
    );
    assert_eq!(
        server.get("/api/documents/new/text").await.status,
        404,
        "what was refused did not happen"
    );
    assert_eq!(server.metric("ropewalk_storage_healthy").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_again_and_again_under_load_loses_nothing_acknowledged() {
    let mut server = Ropewalk::start().await;
    let mut doc = new_doc(None);
    let mut promised = Vec::new();
    let mut edits = 0;
    for round in 0..5 {
        let ann = Client::join_with(&server, "again", doc).await;
        let mut marked = Vec::new();
        let mut broken = false;
        while ann.ended().is_none() {
            let edit = format!("<{edits}>");
            edits += 1;
            ann.append(&edit);
            let marker = ann.mark();
            marked.push((marker, edit));
            ann.until("room", |state, _| {
                (marker < state.saved.len() as u64 + 32 || state.closed.is_some()).then_some(())
            })
            .await;
            if !broken && ann.look(|state| state.saved.len()) > 50 {
                server.limit_files(Some(0));
                broken = true;
            }
        }
        assert!(broken, "closed before anything failed: {ann:?}");
        let saved = ann.look(|state| state.saved.clone());
        promised.extend(
            marked
                .into_iter()
                .filter(|(marker, _)| saved.contains(marker))
                .map(|(_, edit)| edit),
        );
        // Half of the time the server dies while its disk is broken.
        if round % 2 == 1 {
            server.kill().await;
            server.start_again().await;
        } else {
            mend_storage(&server).await;
        }
        // Another person, whose replica is empty, must find everything that was promised.
        let text = Client::join(&server, "again").await.text();
        for edit in &promised {
            assert!(
                text.contains(edit),
                "{edit} was acknowledged and is lost in round {round}"
            );
        }
        doc = ann.leave().await;
    }
    assert!(promised.len() > 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_told_to_end_with_a_broken_disk_says_that_it_could_not_save() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "end").await;
    ann.insert(0, "safe");
    ann.all_saved().await;
    server.limit_files(Some(0));
    ann.append(" not safe");
    ann.closed().await;
    let code = server.terminate().await;
    assert!(matches!(code, Some(0 | 7)), "{code:?}");
    server.start_again().await;
    let text = server.text("end").await;
    assert!(text == "safe" || text == "safe not safe", "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_cannot_be_read_are_not_served_as_empty() {
    let mut server = Ropewalk::with(&["--idle-document-seconds", "1"]).await;
    let ann = Client::join(&server, "torn").await;
    ann.insert(0, &"many words ".repeat(20_000));
    ann.all_saved().await;
    ann.leave().await;
    assert_eq!(server.terminate().await, Some(0));
    // Bytes of the content change on disk; the structure of the database stays as it is.
    let path = server.database();
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = (0..bytes.len() - 11)
        .step_by(1)
        .filter(|&at| &bytes[at..at + 11] == b"many words ")
        .step_by(500)
        .collect();
    assert!(
        !places.is_empty(),
        "the content lies in the database as it is"
    );
    for at in places {
        bytes[at..at + 11].fill(0xff);
    }
    std::fs::write(&path, bytes).unwrap();
    server.start_again().await;
    let text = server.get("/api/documents/torn/text").await;
    assert_eq!(
        (text.status, text.code()),
        (503, "storage".to_owned()),
        "{}",
        text.text().chars().take(100).collect::<String>()
    );
    let mut socket = Socket::open(&server, "torn").await;
    assert_eq!(socket.closed().await.code, 1011);
    // Others are not concerned.
    let bob = Client::join(&server, "another").await;
    bob.insert(0, "fine");
    bob.all_saved().await;
}
