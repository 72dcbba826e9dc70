//! Whose a document in the trash is, and what was given of it.

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::until;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::NAME;

#[tokio::test(flavor = "multi_thread")]
async fn only_who_owned_it_finds_it_in_the_trash() {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let mut editor = ada.invite(&server, "editor").await;
    let mut stranger = ada.invite(&server, "stranger").await;
    owner.create(NAME, "text").await;
    owner.share(NAME, "editor", "edit").await;
    let (_, link) = owner.make_link(NAME, "edit").await;
    let (_, elsewhere) = owner.make_token("own", "other/*").await;
    let (_, edits) = owner.make_token("edit", "*").await;
    let (_, owns) = owner.make_token("own", "team/*").await;
    let target = format!("/api/documents/{NAME}");
    owner.done("DELETE", &target, Value::Null).await;

    let script = |token: &str| Browser::script(&server, token);
    let listed = |mut browser: Browser| async move {
        let trash = browser.done("GET", "/api/trash", Value::Null).await;
        trash["documents"].as_array().unwrap().clone()
    };
    let found = listed(owner.clone()).await;
    let deleted_by = json!({ "login": "owner", "name": "OWNER" });
    assert_eq!(found[0]["deleted_by"], deleted_by);
    assert_eq!(listed(ada.clone()).await, found);
    assert_eq!(listed(script(&owns)).await, found);
    let restore = format!("/api/trash/{}/restore", found[0]["id"]);
    let erase = format!("/api/trash/{}", found[0]["id"]);
    let others = [
        editor.clone(),
        stranger.clone(),
        script(&link),
        script(&elsewhere),
        script(&edits),
    ];
    for mut other in others {
        assert_eq!(listed(other.clone()).await, [Value::Null; 0]);
        let emptied = other.done("DELETE", "/api/trash", Value::Null).await;
        assert_eq!(emptied, json!({ "removed": 0, "is_empty": true }));
        for (method, target, body) in [
            ("POST", &restore, json!({})),
            ("POST", &restore, json!({ "name": "mine" })),
            ("DELETE", &erase, Value::Null),
        ] {
            let refused = other.fail(method, target, body).await;
            assert_eq!(refused, (404, "not_found".to_owned()));
        }
    }
    let mut nobody = Browser::of(&server);
    for (method, target) in [
        ("GET", "/api/trash"),
        ("DELETE", &erase),
        ("DELETE", "/api/trash"),
    ] {
        let refused = nobody.fail(method, target, Value::Null).await;
        assert_eq!(refused, (401, "sign_in".to_owned()));
    }
    assert_eq!(listed(owner.clone()).await, found);

    // Not to where they may not begin one.
    let team = json!({ "person": "stranger", "access": "edit" });
    ada.done("PUT", "/api/folders/theirs/sharing", team).await;
    let there = json!({ "name": "theirs/notes" });
    let refused = owner.fail("POST", &restore, there).await;
    assert_eq!(refused, (403, "not_allowed".to_owned()));

    owner.done("POST", &restore, json!({})).await;
    assert_eq!(editor.text(NAME).await, "text");
    assert_eq!(script(&link).text(NAME).await, "text");
    let closed = stranger.fail("GET", &target, Value::Null).await;
    assert_eq!(closed, (403, "not_allowed".to_owned()));
    ada.done("DELETE", &target, Value::Null).await;
    let found = listed(owner.clone()).await;
    assert_eq!(found[0]["deleted_by"]["login"], "ada");
    let erase = format!("/api/trash/{}", found[0]["id"]);
    owner.done("DELETE", &erase, Value::Null).await;
    assert_eq!(listed(ada.clone()).await, [Value::Null; 0]);
    let refused = owner.fail("DELETE", &erase, Value::Null).await;
    assert_eq!(refused, (404, "not_found".to_owned()));
    // What gets its name is nobody's by what was given of it.
    stranger.create(NAME, "other").await;
    let closed = editor.fail("GET", &target, Value::Null).await;
    assert_eq!(closed, (403, "not_allowed".to_owned()));

    let audit = ada.done("GET", "/api/audit", Value::Null).await;
    let told: Vec<(&str, &str)> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["about"] == NAME)
        .map(|entry| {
            (
                entry["who"].as_str().unwrap(),
                entry["action"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("owner", "erased"),
        ("ada", "deleted"),
        ("owner", "taken_back"),
        ("owner", "deleted"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_of_it_goes_with_it_and_not_with_its_name() {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let mut editor = ada.invite(&server, "editor").await;
    let mut stranger = ada.invite(&server, "stranger").await;
    owner.create(NAME, "text").await;
    owner.share(NAME, "editor", "own").await;
    let (_, link) = owner.make_link(NAME, "edit").await;
    let mut guest = Browser::script(&server, &link);
    let target = format!("/api/documents/{NAME}");
    owner.done("DELETE", &target, Value::Null).await;
    stranger.create(NAME, "other").await;
    let text = format!("{target}/text");
    for browser in [&mut editor, &mut guest, &mut owner] {
        let (status, code) = browser.fail("GET", &text, Value::Null).await;
        assert_eq!((status, &*code), (403, "not_allowed"));
    }
    let sharing = stranger
        .done("GET", &format!("{target}/sharing"), Value::Null)
        .await;
    assert_eq!(
        (&sharing["grants"], &sharing["links"]),
        (&json!([]), &json!([]))
    );
    // Who was given it to own finds it in the trash.
    let found = editor.done("GET", "/api/trash", Value::Null).await;
    let restore = format!("/api/trash/{}/restore", found["documents"][0]["id"]);
    let taken = editor.fail("POST", &restore, json!({})).await;
    assert_eq!(taken, (409, "exists".to_owned()));
    let other = json!({ "name": "team/again" });
    editor.done("POST", &restore, other).await;
    assert_eq!(editor.text("team/again").await, "text");
    assert_eq!(guest.text("team/again").await, "text");
    let sharing = "/api/documents/team/again/sharing";
    let sharing = owner.done("GET", sharing, Value::Null).await;
    assert_eq!(sharing["grants"][0]["person"], "editor");
    assert_eq!(sharing["links"].as_array().unwrap().len(), 1);
    assert_eq!(stranger.text(NAME).await, "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_empties_the_trash_does_so_as_long_as_it_is_theirs() {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let mut bob = ada.invite(&server, "bob").await;
    ada.done("PATCH", "/api/people/bob", json!({ "is_admin": true }))
        .await;
    for name in ["one", "two", "three"] {
        owner.create(name, "text").await;
        let target = format!("/api/documents/{name}");
        owner.done("DELETE", &target, Value::Null).await;
    }
    // Each that is removed is told to the accounts. Somebody else writes there, and takes the trash from them.
    let busy = Connection::open(server.data().path().join("accounts.db")).unwrap();
    busy.execute_batch(
        "BEGIN IMMEDIATE; UPDATE people SET is_admin = 0 WHERE login = 'bob';
         UPDATE state SET changes = changes + 1;",
    )
    .unwrap();
    let emptying = tokio::spawn({
        let mut bob = bob.clone();
        async move { bob.done("DELETE", "/api/trash", Value::Null).await }
    });
    let left = async || {
        let trash = owner.clone().done("GET", "/api/trash", Value::Null).await;
        trash["documents"].as_array().unwrap().len()
    };
    until("the first is removed", || async {
        (left().await == 2).then_some(())
    })
    .await;
    busy.execute_batch("COMMIT").unwrap();
    let emptied = emptying.await.unwrap();
    assert_eq!(emptied, json!({ "removed": 1, "is_empty": true }));
    assert_eq!(left().await, 2);
    let nothing = bob.done("GET", "/api/trash", Value::Null).await;
    assert_eq!(nothing["documents"], json!([]));
}
