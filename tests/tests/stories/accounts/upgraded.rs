//! Data folders from before there were accounts, opened for everybody.

use std::sync::Arc;

use ropewalk::storage::sqlite::FORMAT;
use ropewalk_tests::account::{Browser, first, first_link};
use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Request, Ropewalk, until};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::maintain::well;

/// What was written by a Ropewalk of then, and what is in it.
const WRITTEN: &str = include_str!("format-4.sql");
/// The same in older formats.
const BEFORE: [&str; 3] = [
    include_str!("format-1.sql"),
    include_str!("format-2.sql"),
    include_str!("format-3.sql"),
];

fn texts() -> [(&'static str, String); 3] {
    let mut lines = "# Notes\n".to_owned();
    (1..=130).for_each(|number| lines += &format!("line {number}; "));
    lines += "end";
    [
        ("log", "one three".to_owned()),
        ("team/notes.md", lines),
        ("été", "Sommer 💚 naïve".to_owned()),
    ]
}

fn format(server: &Ropewalk) -> i64 {
    let file = Connection::open(server.database()).unwrap();
    file.pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_of_a_folder_from_before_accounts_are_whole_and_the_administrators() {
    opens(WRITTEN, "Verified 3 documents\n", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_they_are_of_a_folder_of_the_first_formats() {
    let not_whole = "Verified 3 documents, 1 of them without a whole history\n";
    let verified = [not_whole, not_whole, "Verified 3 documents\n"];
    for (written, verified) in BEFORE.into_iter().zip(verified) {
        opens(written, verified, false).await;
    }
}

/// `has_receipts`: what somebody was answered then is known.
async fn opens(written: &str, verified: &str, has_receipts: bool) {
    let data = Arc::new(folder());
    let file = Connection::open(data.path().join("ropewalk.db")).unwrap();
    file.execute_batch(written).unwrap();
    drop(file);
    let arguments = ["--listen", "0.0.0.0:0", "--trust-proxy", "127.0.0.1"];
    let mut server = Ropewalk::on(data, &arguments).await.unwrap();
    assert_eq!(format(&server), FORMAT);
    // Nobody gets at them before there is somebody.
    first_link(&server).await;
    let mut nobody = Browser::of(&server);
    assert_eq!(nobody.state().await, "setup");
    let refused = (401, "sign_in".to_owned());
    for target in ["/api/documents", "/api/documents/log/text"] {
        assert_eq!(nobody.fail("GET", target, Value::Null).await, refused);
    }
    let mut ada = first(&server).await;
    let listed = ada.done("GET", "/api/documents", Value::Null).await;
    let listed = listed["documents"].as_array().unwrap();
    let mut names: Vec<_> = listed
        .iter()
        .map(|one| (&one["name"], &one["access"]))
        .collect();
    names.sort_by_key(|(name, _)| name.to_string());
    let own = json!("own");
    let expected = texts().map(|(name, _)| json!(name));
    assert_eq!(names, expected.each_ref().map(|name| (name, &own)));
    for (name, text) in texts() {
        assert_eq!(ada.text(name).await, text);
    }
    let old = ada
        .fail("GET", "/api/documents/old/text", Value::Null)
        .await;
    assert_eq!(old, (410, "deleted".to_owned()));
    let said = well(server.data().path(), &["verify"]).await;
    assert_eq!(said, verified);
    // They are nobody else's until they are shared.
    let mut bob = ada.invite(&server, "bob").await;
    let listed = bob.done("GET", "/api/documents", Value::Null).await;
    assert_eq!(listed["documents"], json!([]));
    let text = "/api/documents/log/text";
    let refused = (403, "not_allowed".to_owned());
    assert_eq!(bob.fail("GET", text, Value::Null).await, refused);
    ada.share("log", "bob", "edit").await;
    // What was asked for then is not done twice, and what is new goes on.
    if has_receipts {
        let again = Request::new("POST", "/api/documents/log/append");
        let again = again.header("idempotency-key", "once").body("one");
        assert_eq!(bob.send(again).await.status, 200);
        assert_eq!(bob.text("log").await, "one three");
    }
    let editor = bob.editor("log").await;
    editor.append(" four");
    editor.all_saved().await;
    drop(editor);
    until("the index of words has them", || {
        let mut ada = ada.clone();
        async move {
            let found = ada
                .done("GET", "/api/search?q=na%C3%AFve", Value::Null)
                .await;
            (found["documents"][0]["name"] == "été").then_some(())
        }
    })
    .await;
    server.kill().await;
    server.start_again().await;
    ada.find_again(&server);
    assert_eq!(ada.text("log").await, "one three four");
    assert_eq!(ada.text("team/notes.md").await, texts()[1].1);
}
