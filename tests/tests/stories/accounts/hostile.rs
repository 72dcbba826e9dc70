//! Those who send too much, or too often.

use ropewalk_tests::Request;
use ropewalk_tests::account::{Browser, PASSWORD, secret, team};
use serde_json::{Value, json};

const AGENT_BYTES: usize = 4000;

#[tokio::test(flavor = "multi_thread")]
async fn over_long_values_are_refused_and_change_nothing() {
    let (server, mut ada) = team(&[]).await;
    ada.create("notes", "text").await;
    let long = "x".repeat(5000);
    for (method, target, body) in [
        ("PUT", "/api/profile", json!({ "name": long })),
        (
            "PUT",
            "/api/profile",
            json!({ "name": "Ada", "color": long }),
        ),
        (
            "PUT",
            "/api/password",
            json!({ "old": PASSWORD, "new": long }),
        ),
        ("POST", "/api/groups", json!({ "name": long })),
        ("POST", "/api/invitations", json!({ "login": long })),
        ("POST", "/api/invitations", json!({ "name": long })),
        ("POST", "/api/invitations", json!({ "days": 366 })),
        (
            "POST",
            "/api/invitations",
            json!({ "days": 5_000_000_000_u64 }),
        ),
        (
            "POST",
            "/api/tokens",
            json!({ "name": long, "access": "read", "for": "*" }),
        ),
        (
            "POST",
            "/api/tokens",
            json!({ "name": "x", "access": "read", "for": long }),
        ),
        (
            "POST",
            "/api/tokens",
            json!({ "name": "x", "access": "none", "for": "*" }),
        ),
        (
            "PUT",
            "/api/documents/notes/sharing",
            json!({ "person": long, "access": "read" }),
        ),
        (
            "PUT",
            "/api/folders/a/b/c/d/e/f/g/h/i/sharing",
            json!({ "everyone": true, "access": "read" }),
        ),
        (
            "POST",
            "/api/documents/notes/links",
            json!({ "access": "read", "password": long }),
        ),
        ("POST", "/api/follow", json!({ "link": long })),
        (
            "POST",
            "/api/join",
            json!({ "secret": long, "password": "x" }),
        ),
        ("PATCH", "/api/people/ada", json!({ "is_admin": long })),
    ] {
        let (status, code) = ada.fail(method, target, body).await;
        assert!(
            matches!(status, 400 | 404),
            "{method} {target}: {status} {code}"
        );
    }
    let largest = json!({ "name": "x".repeat(70_000) });
    for (method, target) in [
        ("PUT", "/api/profile"),
        ("POST", "/api/groups"),
        ("POST", "/api/tokens"),
        ("POST", "/api/follow"),
        ("PUT", "/api/documents/notes/sharing"),
        ("POST", "/api/documents/notes/links"),
        ("PUT", "/api/folders/sharing"),
    ] {
        let failed = ada.fail(method, target, largest.clone()).await;
        assert_eq!(failed, (413, "too_large".into()), "{method} {target}");
    }
    for target in [
        format!("/api/people?q={long}"),
        format!("/api/people/{long}/reset"),
        format!("/api/groups/1/members/{long}"),
        "/api/groups/99999999999999999999".to_owned(),
        "/api/tokens/x".to_owned(),
    ] {
        let method = match &*target {
            _ if target.contains('?') => "GET",
            _ if target.ends_with("reset") => "POST",
            _ => "DELETE",
        };
        let (status, _) = ada.fail(method, &target, Value::Null).await;
        assert!(matches!(status, 400 | 404), "{target}: {status}");
    }
    // A name for a browser, a cookie and a token of any length are nobody's.
    let agent = "x".repeat(AGENT_BYTES);
    let request = Request::new("POST", "/api/session")
        .header("user-agent", &agent)
        .header("content-type", "application/json")
        .body(json!({ "login": "ada", "password": PASSWORD }).to_string());
    assert_eq!(Browser::of(&server).send(request).await.status, 200);
    let sessions = ada.done("GET", "/api/sessions", Value::Null).await;
    let kept = sessions["sessions"][0]["agent"].as_str().unwrap();
    assert!(kept.len() < 1000 && kept.starts_with('x'));
    let mut browser = Browser::of(&server);
    browser.cookie = Some(format!("ropewalk=rws_{agent}"));
    assert_eq!(browser.state().await, "signed_out");
    let mut script = Browser::script(&server, &agent);
    assert_eq!(script.fail("GET", "/api/session", Value::Null).await.0, 401);
    assert_eq!(ada.text("notes").await, "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fills_the_log_and_links_leave_their_marks_there() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    bob.create("notes", "text").await;
    bob.create("gone", "text").await;
    bob.done("DELETE", "/api/documents/gone", Value::Null).await;
    let trash = bob.done("GET", "/api/trash", Value::Null).await;
    let restore = format!("/api/trash/{}/restore", trash["documents"][0]["id"]);
    let locked = json!({ "access": "read", "password": "four words of it" });
    let made = bob.done("POST", "/api/documents/notes/links", locked).await;
    let link = secret(&made["url"]);
    let mut guest = Browser::of(&server);
    for (password, status) in [
        ("wrong", 403),
        ("four words of it", 200),
        ("four words of it", 200),
    ] {
        let body = json!({ "link": link, "password": password });
        assert_eq!(guest.ask("POST", "/api/follow", body).await.status, status);
    }
    let mut told = 0;
    let refused = loop {
        let access = ["read", "edit"][told % 2];
        let body = json!({ "everyone": true, "access": access });
        let answer = bob.ask("PUT", "/api/documents/notes/sharing", body).await;
        if answer.status != 200 {
            break answer;
        }
        told += 1;
        assert!(told < 2000, "there is no end of it");
    };
    assert_eq!(
        (refused.status, &*refused.code()),
        (429, "too_many_attempts")
    );
    assert!(told > 100);
    for (method, target, body) in [
        ("DELETE", "/api/documents/none", Value::Null),
        ("POST", &restore, json!({ "name": "notes" })),
    ] {
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(bob.fail(method, target, body.clone()).await.0);
        }
        assert!(answers.contains(&429), "{method} {target}: {answers:?}");
    }
    let audit = ada.done("GET", "/api/audit?limit=1000", Value::Null).await;
    let entries = audit["entries"].as_array().unwrap();
    let count = |action: &str| {
        let of_it = entries.iter().filter(|entry| entry["action"] == action);
        of_it.count()
    };
    assert_eq!((count("link_failed"), count("link_followed")), (1, 1));
    assert_eq!(count("shared"), told + 1);
    // Whoever looks after the server is not kept from it.
    for _ in 0..250 {
        let body = json!({ "everyone": true, "access": "read" });
        ada.done("PUT", "/api/documents/notes/sharing", body).await;
    }
}
