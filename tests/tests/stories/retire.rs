//! A document that nobody uses leaves memory and comes back whole.

use ropewalk_tests::{Client, Ropewalk};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_document_is_retired_and_opens_again() {
    let server = Ropewalk::with(&["--idle-document-seconds", "1"]).await;
    let mut text = String::new();
    for round in 0..3 {
        let ann = Client::join(&server, "idle").await;
        assert_eq!(ann.text(), text);
        // More than a retiring document keeps as single updates.
        for edit in 0..100 {
            ann.append(&format!("{round}.{edit} "));
        }
        text = ann.text();
        // Not a word is waited for: leaving must not be faster than saving.
        ann.all_saved().await;
        ann.leave().await;
        server.until_metric("ropewalk_documents_open", 0.0).await;
    }
    assert_eq!(server.text("idle").await, text);
    assert!(server.metric("ropewalk_documents_retired_total").await >= 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_just_before_leaving_is_there_for_who_comes_next() {
    let server = Ropewalk::with(&["--idle-document-seconds", "0"]).await;
    let mut typed = String::new();
    for i in 0..100 {
        let ann = Client::join(&server, "hasty").await;
        assert_eq!(ann.text(), typed, "visit {i}");
        let edit = format!("{i} ");
        ann.append(&edit);
        typed.push_str(&edit);
        ann.leave().await;
    }
    server.until_metric("ropewalk_documents_open", 0.0).await;
    assert_eq!(server.text("hasty").await, typed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_with_people_stays() {
    let server = Ropewalk::with(&["--idle-document-seconds", "1"]).await;
    let ann = Client::join(&server, "kept").await;
    ann.insert(0, "kept");
    ann.all_saved().await;
    // Another one comes and goes meanwhile, which shows that retiring happens.
    let bob = Client::join(&server, "gone").await;
    bob.insert(0, "gone");
    bob.all_saved().await;
    bob.leave().await;
    server
        .until_metric("ropewalk_documents_retired_total", 1.0)
        .await;
    assert_eq!(server.metric("ropewalk_documents_open").await, 1.0);
    ann.append(" and used");
    ann.all_saved().await;
    assert_eq!(ann.ended(), None);
    assert_eq!(server.text("kept").await, "kept and used");
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_back_while_it_is_being_retired_loses_nothing() {
    let server = Ropewalk::with(&["--idle-document-seconds", "0"]).await;
    let mut typed = 0;
    for round in 0..60 {
        let ann = Client::join(&server, "edge").await;
        let bob = Client::join(&server, "edge").await;
        ann.append(&format!("<a{round}>"));
        bob.append(&format!("<b{round}>"));
        ann.all_saved().await;
        typed += 2;
        // One stays until the other has gone, so that leaving and coming overlap in the next round.
        tokio::join!(ann.leave(), bob.leave());
    }
    let text = Client::join(&server, "edge").await.text();
    assert_eq!(text.matches('<').count(), typed, "{text}");
}
