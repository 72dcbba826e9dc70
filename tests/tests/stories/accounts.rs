//! People with accounts, and what they give each other.

mod admin;
mod at_once;
mod authors;
mod embedded;
mod files;
mod frames;
mod guessing;
mod guests;
mod hostile;
mod matrix;
mod moved;
mod named;
mod other_sites;
mod owned;
mod reader;
mod revoked;
mod routes;
mod secrets;
mod strays;
mod telling;
mod unreadable;
mod upgraded;
mod waiting;

use ropewalk_tests::account::{Browser, secret, team};
use ropewalk_tests::{Request, until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_shared_with_people_groups_and_everyone() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let mut eve = ada.invite(&server, "eve").await;
    bob.create("team/notes", "bobs").await;
    let sharing = "/api/documents/team/notes/sharing";
    let text = "/api/documents/team/notes/text";
    assert_eq!(
        eve.fail("GET", text, Value::Null).await,
        (403, "not_allowed".into())
    );
    let group = ada
        .done("POST", "/api/groups", json!({ "name": "Editors" }))
        .await;
    let member = format!("/api/groups/{}/members/eve", group["id"]);
    ada.done("PUT", &member, Value::Null).await;
    for (whom, access, able) in [
        (json!({ "person": "eve" }), "read", true),
        (json!({ "person": "eve" }), "none", false),
        (json!({ "group": "Editors" }), "read", true),
        (json!({ "group": "Editors" }), "none", false),
        (json!({ "everyone": true }), "edit", true),
        (json!({ "everyone": true }), "none", false),
    ] {
        let mut body = whom.clone();
        body["access"] = access.into();
        let told = bob.done("PUT", sharing, body).await;
        assert_eq!(told["owner"], json!({ "login": "bob", "name": "BOB" }));
        let grants = told["grants"].as_array().unwrap();
        assert_eq!(grants.len(), usize::from(able), "{told}");
        assert_eq!(
            eve.send(Request::get(text)).await.status == 200,
            able,
            "{whom} {access}"
        );
    }
    for (body, expected) in [
        (
            json!({ "person": "nobody", "access": "read" }),
            (404, "no_subject"),
        ),
        (
            json!({ "group": "nobody", "access": "read" }),
            (404, "no_subject"),
        ),
        (json!({ "access": "read" }), (400, "bad_body")),
        (
            json!({ "person": "eve", "everyone": true, "access": "read" }),
            (400, "bad_body"),
        ),
        (
            json!({ "person": "eve", "access": "comment" }),
            (400, "bad_body"),
        ),
        (
            json!({ "person": "eve", "access": "read", "x": 1 }),
            (400, "bad_body"),
        ),
    ] {
        let (status, code) = bob.fail("PUT", sharing, body.clone()).await;
        assert_eq!((status, &*code), expected, "{body}");
    }
    bob.share("team/notes", "eve", "edit").await;
    let not_hers = json!({ "person": "eve", "access": "own" });
    assert_eq!(
        eve.fail("PUT", sharing, not_hers).await,
        (403, "not_owner".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_shared_by_administrators_and_by_whoever_owns_it() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let mut eve = ada.invite(&server, "eve").await;
    ada.create("team/sub/a", "a").await;
    ada.create("other", "b").await;
    let team = "/api/folders/team/sharing";
    let give = |login: &str, access: &str| json!({ "person": login, "access": access });
    assert_eq!(
        bob.fail("GET", team, Value::Null).await,
        (403, "not_owner".into())
    );
    ada.done("PUT", team, give("bob", "own")).await;
    assert_eq!(bob.text("team/sub/a").await, "a");
    bob.done("PUT", "/api/folders/team/sub/sharing", give("eve", "read"))
        .await;
    assert_eq!(eve.text("team/sub/a").await, "a");
    for outside in [
        "/api/folders/sharing",
        "/api/folders/teams/sharing",
        "/api/folders/other/sharing",
    ] {
        let (status, _) = bob.fail("PUT", outside, give("bob", "own")).await;
        assert_eq!(status, 403, "{outside}");
    }
    let told = bob
        .done("GET", "/api/documents/team/sub/a/sharing", Value::Null)
        .await;
    let inherited = json!([
        { "folder": "team", "person": "bob", "name": "BOB", "access": "own" },
        { "folder": "team/sub", "person": "eve", "name": "EVE", "access": "read" },
    ]);
    assert_eq!(told["inherited"], inherited);
    ada.done(
        "PUT",
        "/api/folders/sharing",
        json!({ "everyone": true, "access": "read" }),
    )
    .await;
    assert_eq!(eve.text("other").await, "b");
    // Where a folder was given to anybody, only those may begin something who may edit there.
    let begin = Request::new("PUT", "/api/documents/team/sub/new").body("x");
    assert_eq!(eve.send(begin).await.status, 403);
    let made = bob
        .done(
            "POST",
            "/api/folders/team/links",
            json!({ "access": "read" }),
        )
        .await;
    let mut guest = Browser::of(&server);
    let followed = json!({ "link": secret(&made["url"]) });
    let followed = guest.done("POST", "/api/follow", followed).await;
    assert_eq!(
        followed,
        json!({ "document": null, "folder": "team", "access": "read" })
    );
    assert_eq!(guest.text("team/sub/a").await, "a");
    // It is told of all that is below, also to who can take it back only there.
    ada.done("PUT", "/api/folders/team/sub/sharing", give("eve", "own"))
        .await;
    for (mut browser, inside, may_revoke) in [
        (bob.clone(), "documents/team/sub/a", true),
        (eve.clone(), "documents/team/sub/a", false),
        (eve.clone(), "folders/team/sub", false),
    ] {
        let target = format!("/api/{inside}/sharing");
        let told = browser.done("GET", &target, Value::Null).await;
        let links = told["inherited_links"].as_array().unwrap();
        assert_eq!(links.len(), 1, "{inside}: {told}");
        let link = &links[0];
        assert_eq!(
            (
                &link["id"],
                &link["folder"],
                &link["access"],
                &link["may_revoke"]
            ),
            (
                &made["id"],
                &json!("team"),
                &json!("read"),
                &json!(may_revoke)
            )
        );
        assert_eq!(link["made_by"]["login"], "bob");
        assert!(told["links"].as_array().unwrap().is_empty());
    }
    let told = ada
        .done("GET", "/api/documents/other/sharing", Value::Null)
        .await;
    assert_eq!(told["inherited_links"], json!([]));
    // With a link to edit there documents are begun, and the page knows.
    let mut writer = Browser::of(&server);
    let edit = json!({ "access": "edit" });
    let edits = bob.done("POST", "/api/folders/team/links", edit).await;
    let followed = json!({ "link": secret(&edits["url"]) });
    writer.done("POST", "/api/follow", followed).await;
    for (mut browser, folder, may_begin) in [
        (guest.clone(), "team", false),
        (writer.clone(), "team", true),
        (writer.clone(), "team/sub", true),
        (writer.clone(), "", false),
        (eve.clone(), "", true),
    ] {
        let target = format!("/api/documents?folder={folder}");
        let told = browser.done("GET", &target, Value::Null).await;
        assert_eq!(told["may_begin"], may_begin, "{folder}");
    }
    writer.create("team/begun", "text").await;
    bob.done(
        "DELETE",
        &format!("/api/folders/team/links/{}", edits["id"]),
        Value::Null,
    )
    .await;
    let revoke = format!("/api/folders/team/links/{}", made["id"]);
    assert_eq!(eve.fail("DELETE", &revoke, Value::Null).await.0, 403);
    let elsewhere = format!("/api/folders/team/sub/links/{}", made["id"]);
    assert_eq!(bob.fail("DELETE", &elsewhere, Value::Null).await.0, 404);
    bob.done("DELETE", &revoke, Value::Null).await;
    assert_eq!(guest.state().await, "signed_out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_followed_and_taken_back() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    bob.create("notes", "text").await;
    let (id, link) = bob.make_link("notes", "read").await;
    let mut guest = Browser::of(&server);
    let follow = |link: &str| json!({ "link": link });
    let followed = guest.done("POST", "/api/follow", follow(&link)).await;
    assert_eq!(
        followed,
        json!({ "document": "notes", "folder": null, "access": "read" })
    );
    assert_eq!(
        (guest.state().await, guest.text("notes").await),
        ("guest".into(), "text".into())
    );
    // It is the same browser, which may have more from now on.
    let cookie = guest.cookie.clone();
    let (_, edits) = bob.make_link("notes", "edit").await;
    guest.done("POST", "/api/follow", follow(&edits)).await;
    assert_eq!(guest.cookie, cookie);
    let append = Request::new("POST", "/api/documents/notes/append").body("!");
    assert_eq!(guest.send(append).await.status, 200);
    // What was followed stays with the browser when somebody signs in there.
    guest.sign_in("ada").await;
    assert_eq!(guest.state().await, "signed_in");
    assert_ne!(guest.cookie, cookie);
    let told = bob
        .done("GET", "/api/documents/notes/sharing", Value::Null)
        .await;
    assert_eq!(told["links"].as_array().unwrap().len(), 2);
    assert!(!told.to_string().contains("rwl_"), "a link is shown once");
    bob.done(
        "DELETE",
        &format!("/api/documents/notes/links/{id}"),
        Value::Null,
    )
    .await;
    let mut late = Browser::of(&server);
    for gone in [&*link, "rwl_x", "", &edits.replace("rwl_", "rwt_")] {
        let failed = late.fail("POST", "/api/follow", follow(gone)).await;
        assert_eq!(failed, (404, "no_link".into()), "{gone}");
    }
    assert!(late.cookie.is_none());
    for bad in [
        json!({ "access": "own" }),
        json!({ "access": "none" }),
        json!({ "access": "read", "days": 0 }),
        json!({ "access": "read", "days": -1 }),
        json!({ "access": "read", "password": "seven c" }),
        json!({ "access": "read", "password": "x".repeat(2000) }),
    ] {
        let (status, _) = bob
            .fail("POST", "/api/documents/notes/links", bad.clone())
            .await;
        assert_eq!(status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_of_a_document_goes_with_it() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let mut eve = ada.invite(&server, "eve").await;
    bob.create("notes", "old").await;
    bob.share("notes", "eve", "own").await;
    let (_, link) = bob.make_link("notes", "edit").await;
    let mut guest = Browser::of(&server);
    guest
        .done("POST", "/api/follow", json!({ "link": link }))
        .await;
    bob.done("DELETE", "/api/documents/notes", Value::Null)
        .await;
    bob.create("notes", "new").await;
    let text = "/api/documents/notes/text";
    assert_eq!(eve.fail("GET", text, Value::Null).await.0, 403);
    assert_eq!(guest.fail("GET", text, Value::Null).await.0, 403);
    let told = bob
        .done("GET", "/api/documents/notes/sharing", Value::Null)
        .await;
    assert_eq!((&told["grants"], &told["links"]), (&json!([]), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_look_after_people_and_groups() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let people = bob.done("GET", "/api/people?q=B", Value::Null).await;
    let only_bob =
        json!([{ "login": "bob", "name": "BOB", "is_admin": false, "is_disabled": false }]);
    assert_eq!(people["people"], only_bob);
    // The last one stays, whatever is asked for.
    for change in [json!({ "is_admin": false }), json!({ "is_disabled": true })] {
        let failed = ada.fail("PATCH", "/api/people/ada", change).await;
        assert_eq!(failed, (409, "bad_account".into()));
    }
    let told = ada
        .done("PATCH", "/api/people/bob", json!({ "is_admin": true }))
        .await;
    assert_eq!(told["is_admin"], true);
    bob.done("GET", "/api/invitations", Value::Null).await;
    let changed = json!({ "is_admin": false, "is_disabled": true });
    let told = ada.done("PATCH", "/api/people/bob", changed).await;
    assert_eq!(
        (&told["is_admin"], &told["is_disabled"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(bob.state().await, "signed_out");
    let refused = bob.sign_in("bob").await;
    assert_eq!((refused.status, &*refused.code()), (403, "disabled"));
    ada.done("PATCH", "/api/people/bob", json!({ "is_disabled": false }))
        .await;
    let reset = ada.done("POST", "/api/people/bob/reset", Value::Null).await;
    bob.accept(&secret(&reset["url"]), "bob").await;
    assert_eq!(bob.state().await, "signed_in");

    let made = ada
        .done(
            "POST",
            "/api/invitations",
            json!({ "name": "Cy", "days": 1 }),
        )
        .await;
    let open = ada.done("GET", "/api/invitations", Value::Null).await;
    assert_eq!(open["invitations"][0]["id"], made["id"]);
    assert_eq!(open["invitations"][0]["kind"], "person");
    assert!(!open.to_string().contains("rwi_"));
    ada.done(
        "DELETE",
        &format!("/api/invitations/{}", made["id"]),
        Value::Null,
    )
    .await;
    let used = json!({ "secret": secret(&made["url"]) });
    let failed = Browser::of(&server)
        .fail("POST", "/api/invitation", used)
        .await;
    assert_eq!(failed, (404, "no_invitation".into()));

    let group = ada
        .done("POST", "/api/groups", json!({ "name": "Editors" }))
        .await;
    let path = format!("/api/groups/{}", group["id"]);
    assert_eq!(
        ada.fail("POST", "/api/groups", json!({ "name": "editors" }))
            .await
            .0,
        409
    );
    ada.done("PUT", &format!("{path}/members/bob"), Value::Null)
        .await;
    let renamed = ada.done("PATCH", &path, json!({ "name": "Writers" })).await;
    let members = json!([{ "login": "bob", "name": "BOB" }]);
    assert_eq!(
        (&renamed["name"], &renamed["members"]),
        (&json!("Writers"), &members)
    );
    assert_eq!(
        bob.done("GET", "/api/groups", Value::Null).await["groups"],
        json!([renamed])
    );
    ada.done("DELETE", &format!("{path}/members/bob"), Value::Null)
        .await;
    assert_eq!(
        ada.fail("PUT", &format!("{path}/members/nobody"), Value::Null)
            .await
            .0,
        404
    );
    ada.done("DELETE", &path, Value::Null).await;
    assert_eq!(
        ada.done("GET", "/api/groups", Value::Null).await["groups"],
        json!([])
    );
    for path in [&path, &format!("{path}/members/bob")] {
        assert_eq!(ada.fail("DELETE", path, Value::Null).await.0, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_worth_no_more_than_whoever_made_it() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    bob.create("bobs", "text").await;
    ada.create("adas", "text").await;
    let (_, limited) = bob.make_token("own", "bobs").await;
    let (id, whole) = bob.make_token("own", "*").await;
    let (_, adas) = ada.make_token("edit", "*").await;
    let mut limited = Browser::script(&server, &limited);
    let mut whole = Browser::script(&server, &whole);
    let mut adas = Browser::script(&server, &adas);
    assert_eq!(whole.text("bobs").await, "text");
    let not_his = whole
        .fail("GET", "/api/documents/adas/text", Value::Null)
        .await;
    assert_eq!(not_his, (403, "not_allowed".into()));
    let own = json!({ "name": "more", "access": "own", "for": "*" });
    for script in [&mut limited, &mut adas] {
        for (method, target, body) in [
            ("POST", "/api/tokens", own.clone()),
            ("GET", "/api/tokens", Value::Null),
            ("DELETE", &format!("/api/tokens/{id}"), Value::Null),
            ("GET", "/api/people", Value::Null),
            ("POST", "/api/invitations", json!({})),
            ("PATCH", "/api/people/bob", json!({ "is_admin": true })),
        ] {
            let failed = script.fail(method, target, body).await;
            assert_eq!(failed, (403, "limited_token".into()), "{method} {target}");
        }
        // A session of a guest beside it makes it no better.
        let (_, link) = bob.make_link("bobs", "read").await;
        script
            .done("POST", "/api/follow", json!({ "link": link }))
            .await;
        assert!(script.cookie.is_some());
        for (method, target, body, status) in [
            ("POST", "/api/tokens", own.clone(), 403),
            ("PATCH", "/api/people/bob", json!({ "is_admin": true }), 403),
            ("PUT", "/api/profile", json!({ "name": "X" }), 401),
            ("GET", "/api/sessions", Value::Null, 401),
        ] {
            assert_eq!(
                script.fail(method, target, body).await.0,
                status,
                "{method} {target}"
            );
        }
    }
    let elsewhere = Request::new("PUT", "/api/documents/new").body("x");
    assert_eq!(limited.send(elsewhere).await.status, 403);
    // What is made with a token lasts no longer than that.
    let short = json!({ "name": "short", "access": "own", "for": "*", "days": 1 });
    let short = bob.done("POST", "/api/tokens", short).await;
    let mut short = Browser::script(&server, short["token"].as_str().unwrap());
    short.make_token("own", "*").await;
    let all = bob.done("GET", "/api/tokens", Value::Null).await;
    let ends: Vec<_> = all["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| &token["expires_at"])
        .collect();
    assert_eq!(ends.len(), 4);
    assert!(
        ends[2].is_i64() && ends[2] == ends[3] && ends[0].is_null(),
        "{all}"
    );
    assert!(!all.to_string().contains("rwt_"));
    // Whoever looks after the accounts looks after no tokens of others.
    assert_eq!(
        ada.fail("DELETE", &format!("/api/tokens/{id}"), Value::Null)
            .await
            .0,
        404
    );
    bob.done("DELETE", &format!("/api/tokens/{id}"), Value::Null)
        .await;
    assert_eq!(
        whole.fail("GET", "/api/session", Value::Null).await,
        (401, "bad_token".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_who_did_what_and_no_secret() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    bob.create("notes", "text").await;
    ada.share("notes", "bob", "own").await;
    let (id, link) = bob.make_link("notes", "read").await;
    bob.done(
        "DELETE",
        &format!("/api/documents/notes/links/{id}"),
        Value::Null,
    )
    .await;
    let (_, token) = bob.make_token("read", "*").await;
    bob.done("DELETE", "/api/documents/notes", Value::Null)
        .await;
    assert_eq!(
        bob.fail("GET", "/api/audit", Value::Null).await,
        (403, "not_admin".into())
    );
    let exported = ada.send(Request::new("POST", "/api/audit.jsonl")).await;
    let exported = exported.text();
    let lines: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let has = |who: &str, action: &str, about: Option<&str>| {
        let is = |line: &&Value| {
            line["who"] == who
                && line["action"] == action
                && about.is_none_or(|about| line["about"] == about)
        };
        let line = lines.iter().find(is);
        let line = line.unwrap_or_else(|| panic!("{who} {action} in {exported}"));
        assert!(
            line["address"]
                .as_str()
                .is_some_and(|at| at.starts_with("10.")),
            "{line}"
        );
    };
    has("bob", "signed_in", None);
    has("ada", "shared", Some("notes with bob to own"));
    has(
        "bob",
        "shared",
        Some(&format!("notes by link {id} to read")),
    );
    has("bob", "revoked", Some(&format!("notes by link {id}")));
    has("bob", "token_created", None);
    has("bob", "deleted", Some("notes"));
    has("ada", "exported", Some("the audit log"));
    for secret in [&link, &token, ropewalk_tests::account::PASSWORD] {
        assert!(!exported.contains(secret));
    }
    let mut before = String::new();
    let mut paged = Vec::new();
    loop {
        let page = ada
            .done("GET", &format!("/api/audit?limit=5{before}"), Value::Null)
            .await;
        paged.extend(page["entries"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_i64() else {
            break;
        };
        before = format!("&before={next}");
    }
    paged.reverse();
    assert_eq!(paged, lines);
    for bad in ["limit=0", "limit=1001", "before=x", "y=1"] {
        let failed = ada
            .fail("GET", &format!("/api/audit?{bad}"), Value::Null)
            .await;
        assert_eq!(failed, (400, "bad_query".into()), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_seen_when_a_token_was_used_last() {
    let (server, mut ada) = team(&[]).await;
    let (_, token) = ada.make_token("read", "*").await;
    let used = |listed: &Value| listed["tokens"][0]["used_at"].clone();
    let listed = ada.done("GET", "/api/tokens", Value::Null).await;
    assert_eq!(used(&listed), Value::Null);
    let mut script = Browser::script(&server, &token);
    let asked = script.send(Request::get("/api/documents")).await;
    assert_eq!(asked.status, 200);
    // Nobody waits for it.
    until("it is written down", || {
        let mut ada = ada.clone();
        async move {
            let listed = ada.done("GET", "/api/tokens", Value::Null).await;
            used(&listed).is_number().then_some(())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_go_with_the_administrator_who_made_them() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    for ending in [json!({ "is_disabled": true }), json!({ "is_admin": false })] {
        let whole = json!({ "is_admin": true, "is_disabled": false });
        ada.done("PATCH", "/api/people/bob", whole).await;
        bob.sign_in("bob").await;
        let eve = json!({ "login": "eve", "is_admin": true });
        let invited = bob.done("POST", "/api/invitations", eve).await;
        let reset = bob.done("POST", "/api/people/ada/reset", Value::Null).await;
        ada.done("PATCH", "/api/people/bob", ending).await;
        for made in [invited, reset] {
            let asked = json!({ "secret": secret(&made["url"]) });
            let refused = Browser::of(&server)
                .fail("POST", "/api/invitation", asked)
                .await;
            assert_eq!(refused, (404, "no_invitation".to_owned()));
        }
    }
}
