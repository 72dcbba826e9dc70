//! Secrets: what is kept of them, what is said of them, and when they end.

use ropewalk_tests::account::{Browser, PASSWORD, first_link, secret, team, write_accounts};
use ropewalk_tests::frames::put_buf;
use ropewalk_tests::{Request, Response, Ropewalk, until};
use rusqlite::Connection;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn no_log_has_a_token_a_cookie_or_a_password() {
    let (mut server, mut ada) = team(&["--log", "trace"]).await;
    let first = server.output();
    let mut bob = ada.invite(&server, "bob").await;
    bob.create("notes", "text").await;
    let (_, token) = bob.make_token("edit", "*").await;
    let (_, link) = bob.make_link("notes", "edit").await;
    let with_password = json!({ "access": "read", "password": "coir and sisal" });
    let made = bob
        .done("POST", "/api/documents/notes/links", with_password)
        .await;
    let locked = secret(&made["url"]);
    let invitation = ada
        .done("POST", "/api/invitations", json!({ "login": "cy" }))
        .await;
    let invitation = secret(&invitation["url"]);
    let mut guest = Browser::of(&server);
    guest
        .done("POST", "/api/follow", json!({ "link": link }))
        .await;
    guest
        .done(
            "POST",
            "/api/follow",
            json!({ "link": locked, "password": "coir and sisal" }),
        )
        .await;
    guest
        .fail(
            "POST",
            "/api/session",
            json!({ "login": "a secret typed here", "password": "another one" }),
        )
        .await;
    guest
        .fail(
            "POST",
            "/api/join",
            json!({ "secret": invitation, "password": "short" }),
        )
        .await;
    guest
        .fail(
            "POST",
            "/api/join",
            json!({ "secret": invitation, "password": 7, "x": "y" }),
        )
        .await;
    Browser::script(&server, &token).text("notes").await;
    for (path, secret) in [
        ("/yjs/notes", &token),
        ("/text/notes", &link),
        ("/d/notes/ws/notes", &token),
    ] {
        let mut socket = ropewalk_tests::Socket::open_path(
            server.address,
            &format!("{path}?token={secret}"),
            None,
        )
        .await;
        socket.send(vec![77]).await;
        socket.closed().await;
    }
    let mut hocuspocus =
        ropewalk_tests::Socket::open_path(server.address, "/hocuspocus", None).await;
    for shown in [
        &token,
        &"eyJhbGciOiJIUzI1NiJ9.a-document-token.signed".to_owned(),
    ] {
        let mut frame = Vec::new();
        put_buf(&mut frame, b"notes");
        frame.extend([2, 0]);
        put_buf(&mut frame, shown.as_bytes());
        hocuspocus.send(frame).await;
        hocuspocus.next().await.expect("an answer");
    }
    let cookies: Vec<String> = [&ada, &bob, &guest]
        .iter()
        .map(|browser| {
            browser
                .cookie
                .as_deref()
                .unwrap()
                .split_once('=')
                .unwrap()
                .1
                .to_owned()
        })
        .collect();
    server.terminate().await;
    let said = server.log() + &server.output();
    assert!(said.len() > 1000, "{said}");
    let (_, once) = first.split_once("/join#").unwrap();
    let said = said.replace(once.trim(), "");
    let others = [&token, &link, &locked, &invitation].map(String::clone);
    let typed = [
        PASSWORD,
        "coir and sisal",
        "a secret typed here",
        "another one",
    ]
    .map(str::to_owned);
    for secret in cookies.into_iter().chain(others).chain(typed) {
        assert!(!said.contains(&secret), "{secret}");
    }
    for kind in ["rws_", "rwt_", "rwl_", "rwi_", "a-document-token"] {
        assert!(!said.contains(kind), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_gets_another_secret_each_day_and_the_old_one_ends() {
    let (server, mut ada) = team(&[]).await;
    let mut stolen = ada.clone();
    assert_eq!(ada.state().await, "signed_in");
    assert_eq!(ada.cookie, stolen.cookie, "not more often");
    const A_DAY: &str = "UPDATE sessions SET begun_at_ms = begun_at_ms - 86400000,
        rotated_at_ms = rotated_at_ms - 86400000";
    write_accounts(&server, A_DAY);
    // An answer that is lost: the browser has the old one still.
    assert_eq!(stolen.clone().state().await, "signed_in");
    write_accounts(&server, A_DAY);
    assert_eq!(ada.state().await, "signed_in");
    assert_ne!(ada.cookie, stolen.cookie);
    assert_eq!(
        stolen.state().await,
        "signed_in",
        "nobody has used the new one"
    );
    let used = "UPDATE sessions SET former_until_ms = former_until_ms - 60001
        WHERE former_until_ms IS NOT NULL";
    write_accounts(&server, used);
    assert_eq!(stolen.state().await, "signed_in", "it has no end yet");
    assert_eq!(ada.state().await, "signed_in");
    until("the old one has ended", || {
        write_accounts(&server, used);
        let mut stolen = stolen.clone();
        async move { (stolen.state().await == "signed_out").then_some(()) }
    })
    .await;
    assert_eq!(ada.state().await, "signed_in");
}

/// A letter for each byte, to be searched.
fn letters(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The bytes that a secret is written for.
fn decoded(random: &str) -> Vec<u8> {
    const SIX_BITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_usize, 0);
    for letter in random.chars() {
        bits = bits << 6 | SIX_BITS.find(letter).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    assert_eq!(bytes.len(), 32);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_links_and_tokens_is_hopeless_and_the_data_folder_has_none_of_them() {
    let (mut server, mut ada) = team(&[]).await;
    ada.create("notes", "text").await;
    let mut secrets = vec![
        ada.cookie
            .clone()
            .unwrap()
            .split_once('=')
            .unwrap()
            .1
            .to_owned(),
    ];
    for _ in 0..8 {
        let (_, token) = ada.make_token("edit", "*").await;
        let (_, link) = ada.make_link("notes", "read").await;
        let made = ada.done("POST", "/api/invitations", json!({})).await;
        secrets.extend([token, link, secret(&made["url"])]);
    }
    let locked = json!({ "access": "read", "password": "coir and sisal" });
    ada.done("POST", "/api/documents/notes/links", locked).await;
    for one in &secrets {
        let (kind, random) = one.split_at(4);
        assert!(matches!(kind, "rws_" | "rwt_" | "rwl_" | "rwi_"), "{one}");
        // Six bits a letter, so more than the 128 that are too many to try; and none is like another.
        assert_eq!(random.len(), 43, "{one}");
        let alike = secrets
            .iter()
            .filter(|other| other[4..10] == random[..6])
            .count();
        assert_eq!(alike, 1, "{one}");
    }
    for place in 4..47 {
        let letters: std::collections::BTreeSet<u8> =
            secrets.iter().map(|one| one.as_bytes()[place]).collect();
        assert!(
            letters.len() > 5,
            "letter {place} of all secrets is one of {letters:?}"
        );
    }
    server.terminate().await;
    let mut looked_at = 0;
    for entry in std::fs::read_dir(server.data().path()).unwrap() {
        let path = entry.unwrap().path();
        let kept = letters(&std::fs::read(&path).unwrap());
        for one in &secrets {
            let random = &one[4..];
            assert!(!kept.contains(random), "{one} in {path:?}");
            let bytes = letters(&decoded(random));
            assert!(!kept.contains(&bytes), "the bytes of {one} in {path:?}");
        }
        for password in [PASSWORD, "coir and sisal"] {
            assert!(!kept.contains(password), "{password} in {path:?}");
        }
        looked_at += usize::from(kept.contains("argon2id"));
    }
    assert_eq!(looked_at, 1, "the accounts are looked at");
    let mut guest = Browser::of(&server);
    server.start_again().await;
    guest.find_again(&server);
    let (_, link) = secrets[1].split_at(4);
    for near in [
        format!("rwl_{link}"),
        format!("rwt_{}", &link[1..]),
        "rwt_".to_owned(),
    ] {
        let mut script = Browser::script(&server, &near);
        let refused = script.send(Request::get("/api/documents")).await;
        assert_eq!(refused.status, 401, "{near}");
    }
    let refused = guest
        .fail("POST", "/api/follow", json!({ "link": "rwl_" }))
        .await;
    assert_eq!(refused, (404, "no_link".into()));
    assert_eq!(
        guest.done("GET", "/api/session", Value::Null).await["state"],
        "signed_out"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_pages_are_over_tls_cookies_are_for_nothing_else() {
    // The proxy before it is not trusted: nobody says how a browser came.
    let place = "https://write.example.org";
    let server = Ropewalk::with(&["--listen", "0.0.0.0:0", "--public-url", place]).await;
    let first = first_link(&server).await;
    let first = first.strip_prefix(&format!("{place}/join#")).unwrap();
    let post = async |origin: &str, target: &str, cookie: &str, body: Value| {
        let request = Request::new("POST", target)
            .host("write.example.org")
            .header("origin", origin)
            .header("cookie", cookie)
            .header("content-type", "application/json");
        request.body(body.to_string()).send(server.address).await
    };
    let cookie_of = |response: &Response| {
        let cookie = response.header("set-cookie").unwrap_or_default();
        assert!(
            cookie.starts_with("__Host-ropewalk=rws_") && cookie.ends_with("; Secure"),
            "{} {cookie}",
            response.text()
        );
        cookie.split(';').next().unwrap().to_owned()
    };
    let join = json!({ "secret": first, "login": "ada", "password": PASSWORD });
    // A browser would not keep the cookie there, and the link would be used.
    let plain = "http://write.example.org";
    let refused = post(plain, "/api/join", "", join.clone()).await;
    assert_eq!((refused.status, &*refused.code()), (400, "other_address"));
    // Nor does it come that way again.
    let tls_only = |response: &Response| {
        let said = response.header("strict-transport-security");
        said.map(str::to_owned)
    };
    assert_eq!(tls_only(&refused).as_deref(), Some("max-age=31536000"));
    let joined = post(place, "/api/join", "", join).await;
    let cookie = cookie_of(&joined);
    let sign_in = json!({ "login": "ada", "password": PASSWORD });
    let refused = post(plain, "/api/session", "", sign_in.clone()).await;
    assert_eq!(refused.code(), "other_address");
    cookie_of(&post(place, "/api/session", "", sign_in).await);
    let made = post(
        place,
        "/api/folders/team/links",
        &cookie,
        json!({ "access": "read" }),
    )
    .await;
    post(place, "/doc/new", &cookie, json!({ "docId": "notes" })).await;
    let auth = post(place, "/doc/notes/auth", &cookie, json!({})).await;
    let socket = "wss://write.example.org/d/notes/ws";
    assert_eq!(auth.json()["url"], socket, "{}", auth.text());
    let follow = json!({ "link": secret(&made.json()["url"]) });
    let refused = post(plain, "/api/follow", "", follow.clone()).await;
    assert_eq!(refused.code(), "other_address");
    cookie_of(&post(place, "/api/follow", "", follow).await);
    // Where it may be one of many servers on a host, it says nothing of the others.
    for place in ["http://write.example.org", "https://write.example.org:8443"] {
        let server = Ropewalk::with(&["--public-url", place]).await;
        let page = Request::get("/").send(server.address).await;
        assert_eq!((page.status, tls_only(&page)), (200, None), "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_link_ends_after_an_hour() {
    let server = Ropewalk::with(&["--listen", "0.0.0.0:0"]).await;
    let first = secret(&first_link(&server).await.into());
    let accounts = Connection::open(server.data().path().join("accounts.db")).unwrap();
    let counts = "SELECT expires_at_ms - made_at_ms FROM invitations";
    let counts: i64 = accounts.query_row(counts, [], |row| row.get(0)).unwrap();
    assert_eq!(counts, 60 * 60 * 1000);
    let now = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
    let end = format!("UPDATE invitations SET expires_at_ms = {now}");
    write_accounts(&server, &end);
    let join = json!({ "secret": first, "login": "ada", "password": PASSWORD });
    let late = Browser::of(&server).fail("POST", "/api/join", join).await;
    assert_eq!(late, (404, "no_invitation".to_owned()));
}
