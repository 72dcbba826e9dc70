//! Whoever waits for others to write is looked at again when it is their turn.

use std::time::Duration;

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::{Ropewalk, until};
use rusqlite::Connection;
use serde_json::{Value, json};

/// What somebody hears who asks for something and loses what it takes while somebody else writes.
async fn waited(
    server: &Ropewalk,
    [ada, bob]: [&Browser; 2],
    (method, target, body): (&'static str, &str, Value),
    loses: &str,
) -> (u16, String) {
    let busy = Connection::open(server.data().path().join("accounts.db")).unwrap();
    busy.execute_batch(&format!(
        "BEGIN IMMEDIATE; {loses}; UPDATE state SET changes = changes + 1;"
    ))
    .unwrap();
    let waiting = tokio::spawn({
        let (mut bob, target) = (bob.clone(), target.to_owned());
        async move { bob.fail(method, &target, body).await }
    });
    // The accounts have one door, and whoever is in it waits to write.
    until("it is being done", || {
        let mut ada = ada.clone();
        async move {
            let groups = ada.ask("GET", "/api/groups", Value::Null);
            let soon = tokio::time::timeout(Duration::from_millis(100), groups);
            soon.await.is_err().then_some(())
        }
    })
    .await;
    busy.execute_batch("COMMIT").unwrap();
    waiting.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_owner_asks_for_waits_no_longer_than_they_own_it() {
    let (server, mut ada) = team(&[]).await;
    let bob = ada.invite(&server, "bob").await;
    ada.invite(&server, "eve").await;
    ada.create("notes", "text").await;
    ada.create("team/plan", "text").await;
    let (link, _) = ada.make_link("notes", "read").await;
    let own = json!({ "person": "bob", "access": "own" });
    let give = json!({ "person": "eve", "access": "edit" });
    let read = json!({ "access": "read" });
    let locked = json!({ "access": "read", "password": "wet hemp" });
    let revoke = format!("/api/documents/notes/links/{link}");
    let (document, folder) = ("/api/documents/notes", "/api/folders/team");
    let loses = "DELETE FROM grants WHERE person_id = (SELECT id FROM people WHERE login = 'bob')";
    for (method, target, body) in [
        ("PUT", format!("{document}/sharing"), &give),
        ("POST", format!("{document}/links"), &read),
        ("POST", format!("{document}/links"), &locked),
        ("DELETE", revoke, &Value::Null),
        ("PUT", format!("{folder}/sharing"), &give),
        ("POST", format!("{folder}/links"), &read),
    ] {
        for given in [document, folder] {
            let target = format!("{given}/sharing");
            ada.done("PUT", &target, own.clone()).await;
        }
        let asked = (method, &*target, body.clone());
        let heard = waited(&server, [&ada, &bob], asked, loses).await;
        assert_eq!(heard, (403, "not_owner".into()), "{method} {target}");
    }
    for (shared, links) in [(document, 1), (folder, 0)] {
        let target = format!("{shared}/sharing");
        let told = ada.done("GET", &target, Value::Null).await;
        assert_eq!(told["grants"], json!([]));
        assert_eq!(told["links"].as_array().map(Vec::len), Some(links));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_made_by_whoever_is_signed_out_meanwhile() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let (_, whole) = bob.make_token("own", "*").await;
    let script = Browser::script(&server, &whole);
    let of = "person_id = (SELECT id FROM people WHERE login = 'bob')";
    let new = json!({ "name": "x", "access": "own", "for": "*" });
    for (asks, from) in [(&bob, "sessions"), (&script, "tokens")] {
        let loses = format!("DELETE FROM {from} WHERE {of}");
        let asked = ("POST", "/api/tokens", new.clone());
        let heard = waited(&server, [&ada, asks], asked, &loses).await;
        assert_eq!(heard, (401, "sign_in".into()), "{from}");
    }
    let left = "/api/people/bob/tokens";
    let left = ada.done("GET", left, Value::Null).await;
    assert_eq!(left["tokens"], json!([]));
}
