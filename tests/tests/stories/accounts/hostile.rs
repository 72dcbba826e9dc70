//! Other sites, guessers, and those who send too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ropewalk_tests::account::{Browser, PASSWORD, secret, team, write_accounts};
use ropewalk_tests::{Request, Response, Ropewalk, until};
use serde_json::{Value, json};

const AGENT_BYTES: usize = 4000;

/// Without the headers that a browser would add.
fn bare(browser: &Browser, method: &str, target: &str) -> Request {
    let cookie = browser.cookie.as_deref().unwrap_or_default();
    Request::new(method, target).header("cookie", cookie)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_does_nothing_with_the_cookie_of_a_visitor() {
    let (server, mut ada) = team(&[]).await;
    ada.create("notes", "text").await;
    let ours = format!("http://{}", server.address);
    let send = async |request: Request| request.send(server.address).await.status;
    for (method, target) in [
        ("PUT", "/api/documents/new"),
        ("POST", "/api/documents/notes/append"),
        ("DELETE", "/api/documents/notes"),
        ("POST", "/api/tokens"),
        ("DELETE", "/api/sessions"),
        ("POST", "/d/notes/update"),
        ("POST", "/doc/new"),
    ] {
        let bare = || {
            bare(&ada, method, target)
                .body("{}")
                .header("content-type", "application/json")
        };
        for foreign in [
            "http://evil.example",
            "null",
            &ours.replace("http:", "ftp:"),
        ] {
            assert_eq!(
                send(bare().header("origin", foreign)).await,
                403,
                "{method} {target} {foreign}"
            );
        }
        // A browser that says nothing of where the request is from.
        assert_eq!(send(bare()).await, 401, "{method} {target}");
        for site in ["cross-site", "same-site"] {
            let request = bare().header("sec-fetch-site", site);
            assert_eq!(send(request).await, 401, "{method} {target} {site}");
        }
    }
    let read = || bare(&ada, "GET", "/api/documents/notes/text");
    assert_eq!(send(read()).await, 200, "reading tells other sites nothing");
    assert_eq!(
        send(read().header("origin", "http://evil.example")).await,
        403
    );
    let socket = Request::upgrade("/yjs/notes").header("cookie", ada.cookie.as_deref().unwrap());
    assert_eq!(
        send(socket.header("origin", "http://evil.example")).await,
        403
    );
    let response = ada.send(Request::get("/api/session")).await;
    assert_eq!(response.header("access-control-allow-origin"), None);
    assert_eq!(ada.text("notes").await, "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_whether_there_is_such_a_login() {
    let (server, mut ada) = team(&[]).await;
    ada.invite(&server, "bob").await;
    ada.invite(&server, "gone").await;
    ada.done("PATCH", "/api/people/gone", json!({ "is_disabled": true }))
        .await;
    let mut answers = Vec::new();
    for (login, password) in [
        ("bob", "wrong"),
        ("nobody", "wrong"),
        ("gone", "wrong"),
        ("no login at all", "wrong"),
        ("", ""),
        (&"x".repeat(5000), "wrong"),
        ("bob", &"x".repeat(5000)),
    ] {
        let mut browser = Browser::of(&server);
        let body = json!({ "login": login, "password": password });
        let answer = browser.ask("POST", "/api/session", body).await;
        assert!(browser.cookie.is_none());
        answers.push((answer.status, answer.text().to_owned()));
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    assert_eq!(answers[0].0, 401);
    // Whoever knows the password knows that there is one.
    let body = json!({ "login": "gone", "password": PASSWORD });
    let refused = Browser::of(&server)
        .fail("POST", "/api/session", body)
        .await;
    assert_eq!(refused, (403, "disabled".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_has_to_wait_and_the_owner_of_the_account_has_not() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let guess = || json!({ "login": "bob", "password": "guess" });
    let mut guesser = Browser::of(&server);
    let mut tries = 0..100;
    let refused = loop {
        tries.next().expect("an end of guessing from one address");
        let answer = guesser.ask("POST", "/api/session", guess()).await;
        if answer.status != 401 {
            break answer;
        }
    };
    assert_eq!(
        (refused.status, &*refused.code()),
        (429, "too_many_attempts")
    );
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    // From there even the right password is not looked at.
    assert_eq!(guesser.sign_in("bob").await.status, 429);
    assert_eq!(guesser.sign_in("ada").await.status, 429);
    // Many addresses together.
    let mut tries = 0..100;
    loop {
        tries
            .next()
            .expect("an end of guessing from many addresses");
        let mut guesser = Browser::of(&server);
        match guesser.ask("POST", "/api/session", guess()).await.status {
            401 => {}
            429 => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(Browser::of(&server).sign_in("bob").await.status, 429);
    bob.cookie = None;
    assert_eq!(
        bob.sign_in("bob").await.status,
        200,
        "from where he was signed in before"
    );
    assert_eq!(Browser::of(&server).sign_in("ada").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_link_is_not_guessed_either() {
    let (server, mut ada) = team(&[]).await;
    ada.create("notes", "text").await;
    let body = json!({ "access": "read", "password": "hemp" });
    let made = ada.done("POST", "/api/documents/notes/links", body).await;
    let link = secret(&made["url"]);
    let mut guest = Browser::of(&server);
    let needs = (403, "link_password".to_owned());
    assert_eq!(
        guest
            .fail("POST", "/api/follow", json!({ "link": link }))
            .await,
        needs
    );
    let wrong = json!({ "link": link, "password": "jute" });
    assert_eq!(
        guest.fail("POST", "/api/follow", wrong.clone()).await,
        needs
    );
    assert_eq!(guest.state().await, "signed_out");
    // The secret alone opens nothing, however it is brought along.
    let mut script = Browser::script(&server, &link);
    assert_eq!(
        script
            .fail("GET", "/api/documents/notes/text", Value::Null)
            .await
            .0,
        401
    );
    let right = json!({ "link": link, "password": "hemp" });
    guest.done("POST", "/api/follow", right.clone()).await;
    assert_eq!(guest.text("notes").await, "text");
    let mut tries = 0..100;
    loop {
        tries.next().expect("an end of guessing");
        let mut guesser = Browser::of(&server);
        match guesser.fail("POST", "/api/follow", wrong.clone()).await.0 {
            403 => {}
            429 => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(
        Browser::of(&server)
            .fail("POST", "/api/follow", right)
            .await
            .0,
        429
    );
    assert_eq!(guest.text("notes").await, "text", "who is in stays in");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_at_links_keeps_nobody_from_signing_in() {
    const GUESSES: usize = 16;
    let (server, mut ada) = team(&[]).await;
    ada.create("notes", "text").await;
    let mut links = Vec::new();
    for _ in 0..2 {
        let body = json!({ "access": "read", "password": "hemp" });
        let made = ada.done("POST", "/api/documents/notes/links", body).await;
        links.push(secret(&made["url"]));
    }
    let answered = Arc::new(AtomicUsize::new(0));
    let guessing: Vec<_> = (0..GUESSES)
        .map(|number| {
            let (mut guesser, answered) = (Browser::of(&server), answered.clone());
            let wrong = json!({ "link": links[number % 2], "password": "jute" });
            tokio::spawn(async move {
                let refused = guesser.fail("POST", "/api/follow", wrong).await;
                answered.fetch_add(1, Relaxed);
                assert_eq!(refused, (403, "link_password".into()));
            })
        })
        .collect();
    until("they are at it", || async {
        (answered.load(Relaxed) > 0).then_some(())
    })
    .await;
    assert_eq!(Browser::of(&server).sign_in("ada").await.status, 200);
    let before = answered.load(Relaxed);
    assert!(before < GUESSES / 2, "behind {before} of {GUESSES} guesses");
    for guess in guessing {
        guess.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_somebody_else_chose_is_never_taken_over() {
    let (server, mut ada) = team(&[]).await;
    ada.create("notes", "text").await;
    let (_, link) = ada.make_link("notes", "read").await;
    // One that a server would make, and one that this server made for a guest.
    let mut attacker = Browser::of(&server);
    attacker
        .done("POST", "/api/follow", json!({ "link": link }))
        .await;
    let made_up = "ropewalk=rws_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for planted in [made_up, attacker.cookie.as_deref().unwrap()] {
        let mut victim = Browser::of(&server);
        victim.cookie = Some(planted.to_owned());
        assert_eq!(victim.sign_in("ada").await.status, 200);
        assert_ne!(victim.cookie.as_deref(), Some(planted));
        assert_eq!(victim.state().await, "signed_in");
        victim.cookie = Some(planted.to_owned());
        assert_eq!(victim.state().await, "signed_out");
    }
    let mut guest = Browser::of(&server);
    guest.cookie = Some(made_up.to_owned());
    guest
        .done("POST", "/api/follow", json!({ "link": link }))
        .await;
    assert_ne!(guest.cookie.as_deref(), Some(made_up));
    // A session's secret is for cookies alone.
    let (_, session) = ada.cookie.as_deref().unwrap().split_once('=').unwrap();
    let mut script = Browser::script(&server, session);
    assert_eq!(
        script.fail("GET", "/api/session", Value::Null).await,
        (401, "bad_token".into())
    );
    let response = Browser::of(&server).sign_in("ada").await;
    let cookie = response.header("set-cookie").unwrap();
    for part in ["; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_pages_are_over_tls_cookies_are_for_nothing_else() {
    // The proxy before it is not trusted: nobody says how a browser came.
    let place = "https://write.example.org";
    let server = Ropewalk::with(&["--listen", "0.0.0.0:0", "--public-url", place]).await;
    let first = until("the one-time link is printed", || async {
        let output = server.output();
        let (_, first) = output.split_once(&format!("{place}/join#"))?;
        first.split_once('\n').map(|(first, _)| first.to_owned())
    })
    .await;
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
    let follow = json!({ "link": secret(&made.json()["url"]) });
    let refused = post(plain, "/api/follow", "", follow.clone()).await;
    assert_eq!(refused.code(), "other_address");
    cookie_of(&post(place, "/api/follow", "", follow).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_no_secret_whatever_it_logs() {
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
    for kind in ["rws_", "rwt_", "rwl_", "rwi_"] {
        assert!(!said.contains(kind), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_refused_and_changes_nothing() {
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
