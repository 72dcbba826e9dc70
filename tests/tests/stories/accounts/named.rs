//! Nobody is taken for another by their name.

use ropewalk_tests::account::{Browser, secret, team, write_accounts};
use ropewalk_tests::until;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_a_name_that_another_is_known_by() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let mut mallory = ada.invite(&server, "mallory").await;
    let called = |name: &str| json!({ "name": name });
    bob.done("PUT", "/api/profile", called("Bob Jones")).await;
    for name in [
        "Bob Jones",
        "bob  JONES",
        "Bo\u{200b}b Jones",
        "Ｂｏｂ Jones",
        "Bob",
        "Mallory (bob)",
    ] {
        let refused = mallory.fail("PUT", "/api/profile", called(name)).await;
        assert_eq!(refused, (409, "bad_account".into()), "{name}");
    }
    let invited = ada.done("POST", "/api/invitations", json!({})).await;
    let joining = |name: &str| json!({ "secret": secret(&invited["url"]), "login": "eve", "name": name, "password": "seven strands of hemp" });
    let mut eve = Browser::of(&server);
    let refused = eve.fail("POST", "/api/join", joining("BOB JONES")).await;
    assert_eq!(refused, (409, "bad_account".into()));
    eve.done("POST", "/api/join", joining("Eve")).await;

    // One's own login, and what one is called already, is nobody else's.
    for (name, color) in [
        ("Mallory M.", "#112233"),
        ("mallory", "#112233"),
        ("mallory", "#445566"),
    ] {
        let profile = json!({ "name": name, "color": color });
        mallory.done("PUT", "/api/profile", profile).await;
    }
    let log = ada
        .done(
            "GET",
            "/api/audit?action=user_changed&who=mallory",
            Value::Null,
        )
        .await;
    let entries = log["entries"].as_array().unwrap();
    let about: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["about"].as_str())
        .collect();
    assert_eq!(
        about,
        [
            "mallory",
            "mallory from Mallory M. to mallory",
            "mallory from MALLORY to Mallory M."
        ]
    );

    // What others have given two of them is told apart.
    bob.create("notes", "text").await;
    bob.share("notes", "mallory", "edit").await;
    write_accounts(
        &server,
        "UPDATE people SET name = 'bob jones' WHERE login = 'mallory'",
    );
    until("the server knows", || async {
        let mut ada = ada.clone();
        let told = ada.done("GET", "/api/people?q=mallory", Value::Null).await;
        (told["people"][0]["name"] == "bob jones").then_some(())
    })
    .await;
    let (bobs, mallorys) = (bob.editor("notes").await, mallory.editor("notes").await);
    for (editor, claimed) in [(&bobs, "Bob"), (&mallorys, "Ada")] {
        editor.announce(&json!({ "user": { "name": claimed } }).to_string());
    }
    bobs.until_people(&["Bob Jones (bob)", "bob jones (mallory)"])
        .await;
}
