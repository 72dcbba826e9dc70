//! Rows of the accounts that cannot be read.

use ropewalk_tests::account::{team, write_accounts};
use ropewalk_tests::{Request, until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_keeps_nobody_in_and_nobody_else_out() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let mut eve = ada.invite(&server, "eve").await;
    ada.create("notes", "text").await;
    for login in ["bob", "eve"] {
        ada.share("notes", login, "edit").await;
    }
    let (his, hers) = (bob.editor("notes").await, eve.editor("notes").await);
    write_accounts(
        &server,
        "UPDATE grants SET access = 'all' WHERE person_id = (SELECT id FROM people WHERE login = 'eve');
         UPDATE people SET disabled_at_ms = 1 WHERE login = 'bob'",
    );
    assert_eq!(his.closed().await.code, 4401);
    assert_eq!(hers.closed().await.code, 4403);
    let text = "/api/documents/notes/text";
    let refused = bob.fail("GET", text, Value::Null).await;
    assert_eq!(refused, (401, "sign_in".into()));
    let refused = eve.fail("GET", text, Value::Null).await;
    assert_eq!(refused, (403, "not_allowed".into()));
    assert_eq!(ada.text("notes").await, "text");
    until("it is counted", || async {
        let told = ada.clone().send(Request::get("/metrics")).await;
        let line = "\nropewalk_accounts_unreadable_rows 1\n";
        told.text().contains(line).then_some(())
    })
    .await;
    assert!(server.log().contains("rows of the accounts cannot be read"));
    // What is taken back goes on being taken back.
    let (id, token) = eve.make_token("read", "*").await;
    eve.done("DELETE", &format!("/api/tokens/{id}"), json!(null))
        .await;
    let mut script = ropewalk_tests::account::Browser::script(&server, &token);
    let refused = script.fail("GET", text, Value::Null).await;
    assert_eq!(refused, (401, "bad_token".into()));
}
