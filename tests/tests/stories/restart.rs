//! What was saved is there after a restart, however the server ended.

use std::collections::BTreeMap;

use ropewalk_tests::{Client, Ropewalk};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_everything() {
    let mut server = Ropewalk::start().await;
    let mut texts = BTreeMap::new();
    for (i, name) in ["plain", "a/path/of/segments", "ümlaut 💚", "日本語"]
        .into_iter()
        .enumerate()
    {
        let ann = Client::join(&server, name).await;
        let bob = Client::join(&server, name).await;
        for edit in 0..40 {
            ann.insert(0, &format!("{i}.{edit} "));
            bob.append(&format!("💚{edit} "));
            if edit % 3 == 0 {
                bob.remove(0, 1);
            }
        }
        ann.all_saved().await;
        bob.all_saved().await;
        texts.insert(name, server.text(name).await);
    }
    let before = server.get("/api/documents").await.json();
    for ending in ["asked", "killed", "asked again"] {
        match ending {
            "killed" => server.kill().await,
            _ => assert_eq!(server.terminate().await, Some(0), "{ending}"),
        }
        server.start_again().await;
        for (name, text) in &texts {
            assert_eq!(
                &server.text(name).await,
                text,
                "{name} after the server was {ending}"
            );
            assert_eq!(
                &Client::join(&server, name).await.text(),
                text,
                "{name} after the server was {ending}"
            );
        }
    }
    let mut after = server.get("/api/documents").await.json();
    for document in after["documents"].as_array_mut().unwrap() {
        document["people"] = 0.into();
    }
    let mut before = before;
    for document in before["documents"].as_array_mut().unwrap() {
        document["people"] = 0.into();
    }
    assert_eq!(after, before, "names, lengths and times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_on_after_a_restart_where_they_stopped() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "go on").await;
    ann.insert(0, "before ");
    ann.all_saved().await;
    let doc = {
        server.kill().await;
        ann.closed().await;
        ann.leave().await
    };
    ropewalk_tests::client::edit_doc(&doc, |text, txn| {
        yrs::Text::insert(text, txn, 7, "meanwhile ")
    });
    server.start_again().await;
    let ann = Client::join_with(&server, "go on", doc).await;
    ann.append("after");
    ann.all_saved().await;
    assert_eq!(server.text("go on").await, "before meanwhile after");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_written_is_not_a_document() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "only looked at").await;
    ann.all_saved().await;
    ann.leave().await;
    assert_eq!(
        server
            .get("/api/documents/only%20looked%20at/text")
            .await
            .status,
        404
    );
    server.kill().await;
    server.start_again().await;
    assert_eq!(
        server.get("/api/documents").await.json()["documents"],
        serde_json::json!([])
    );
}
