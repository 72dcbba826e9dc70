//! Guessers: which logins and documents there are, passwords, and secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ropewalk_tests::account::{Browser, PASSWORD, secret, team};
use ropewalk_tests::{Request, Socket, until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn enumeration_tells_nobody_which_logins_there_are() {
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
async fn brute_force_has_to_wait_and_the_owner_of_the_account_has_not() {
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
    // From where he is signed in, with another browser.
    let mut here = Browser::of(&server);
    here.at.clone_from(&bob.at);
    assert_eq!(here.sign_in("bob").await.status, 200);
    // And with the browser that he was signed in with, from anywhere, where the guesser is too.
    bob.done("DELETE", "/api/sessions", Value::Null).await;
    let known = bob.known.clone().expect("what stays");
    for at in [Browser::of(&server).at, guesser.at.clone()] {
        bob.done("DELETE", "/api/session", Value::Null).await;
        assert!(bob.cookie.is_none());
        bob.at = at;
        let elsewhere = || json!({ "login": "nobody", "password": "guess" });
        let mut tries = 0..100;
        while guesser
            .ask("POST", "/api/session", elsewhere())
            .await
            .status
            == 401
        {
            tries.next().expect("an end of guessing from one address");
        }
        assert_eq!(bob.sign_in("bob").await.status, 200);
    }
    let mut thief = Browser::of(&server);
    for forged in [
        known.replacen('=', "=1", 1),
        format!("{known}x"),
        ada.known.clone().unwrap(),
    ] {
        thief.known = Some(forged);
        assert_eq!(thief.sign_in("bob").await.status, 429);
    }
    // Whoever has it has tries of their own, and no end of them.
    let mut tries = 0..100;
    loop {
        tries.next().expect("an end of guessing with one browser");
        thief.known = Some(known.clone());
        thief.at = Browser::of(&server).at;
        match thief.ask("POST", "/api/session", guess()).await.status {
            401 => {}
            429 => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(Browser::of(&server).sign_in("ada").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_behind_one_address_join_and_sign_in_without_using_up_its_tries() {
    let (server, mut ada) = team(&[]).await;
    let mut office = Browser::of(&server);
    for number in 0..6 {
        let login = format!("clerk{number}");
        let made = ada.done("POST", "/api/invitations", json!({ "login": login }));
        let link = secret(&made.await["url"]);
        office
            .done("POST", "/api/invitation", json!({ "secret": link }))
            .await;
        office.accept(&link, &login).await;
        for _ in 0..2 {
            assert_eq!(office.sign_in(&login).await.status, 200, "{login}");
        }
    }
    // A guesser who has an account there gains nothing by it.
    let guess = || json!({ "login": "clerk0", "password": "guess" });
    let mut guesses = 0;
    while office.ask("POST", "/api/session", guess()).await.status == 401 {
        guesses += 1;
        if guesses < 10 {
            assert_eq!(office.sign_in("clerk1").await.status, 200);
        }
        assert!(guesses < 100, "an end of guessing");
    }
    assert!((10..20).contains(&guesses), "{guesses}");
}

/// What is answered to all of an office, who ask at the same moment, from one address.
async fn at_once(office: &Browser, path: &'static str, body: &Value) -> Vec<u16> {
    let asking: Vec<_> = (0..40)
        .map(|_| {
            let (mut clerk, body) = (office.clone(), body.clone());
            tokio::spawn(async move {
                loop {
                    let answer = clerk.ask("POST", path, body.clone()).await;
                    // Nobody waits for their turn for long, and that they did takes no try.
                    if answer.status != 503 {
                        return answer.status;
                    }
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in asking {
        answers.push(answer.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_comes_at_the_same_moment() {
    let (server, mut ada) = team(&[]).await;
    ada.invite(&server, "bob").await;
    ada.create("notes", "text").await;
    let body = json!({ "access": "read", "password": "wet hemp" });
    let made = ada.done("POST", "/api/documents/notes/links", body).await;
    let link = secret(&made["url"]);
    let mut office = Browser::of(&server);
    let follows = |password: &str| json!({ "link": link, "password": password });
    let signs_in = |password: &str| json!({ "login": "bob", "password": password });
    let followed = at_once(&office, "/api/follow", &follows("wet hemp")).await;
    assert_eq!(followed, [200; 40]);
    let signed_in = at_once(&office, "/api/session", &signs_in(PASSWORD)).await;
    assert_eq!(signed_in, [200; 40]);
    // Who is wrong at once has no more tries than one after the other.
    for (path, body, wrong) in [
        ("/api/follow", follows("dry jute"), 403),
        ("/api/session", signs_in("guess"), 401),
    ] {
        let answers = at_once(&office, path, &body).await;
        let looked_at = answers.iter().filter(|status| **status == wrong).count();
        assert!((10..20).contains(&looked_at), "{path}: {answers:?}");
        assert_eq!(
            answers.iter().filter(|status| **status == 429).count(),
            40 - looked_at
        );
        office = Browser::of(&server);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn brute_force_has_to_wait_at_the_password_of_a_link_too() {
    let (server, mut ada) = team(&[]).await;
    ada.create("notes", "text").await;
    let body = json!({ "access": "read", "password": "wet hemp" });
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
    let wrong = json!({ "link": link, "password": "dry jute" });
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
    let right = json!({ "link": link, "password": "wet hemp" });
    guest.done("POST", "/api/follow", right.clone()).await;
    assert_eq!(guest.text("notes").await, "text");
    let mut tries = 0..100;
    let mut guesser = Browser::of(&server);
    // A try comes back from time to time, perhaps between the last guess and the right one.
    loop {
        tries.next().expect("an end of guessing");
        match guesser.fail("POST", "/api/follow", wrong.clone()).await.0 {
            403 => continue,
            429 => {}
            other => panic!("{other}"),
        }
        let answer = guesser.ask("POST", "/api/follow", right.clone()).await;
        match answer.status {
            429 => break,
            200 => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(guest.text("notes").await, "text", "who is in stays in");
    // A room full of people who know it, meanwhile.
    let room = (0..60).map(|_| {
        let (mut guest, right) = (Browser::of(&server), right.clone());
        tokio::spawn(async move {
            loop {
                let answer = guest.ask("POST", "/api/follow", right.clone()).await;
                // One is looked at at a time, and nobody waits for that for long.
                if answer.status != 503 {
                    return answer.status;
                }
            }
        })
    });
    for guest in room.collect::<Vec<_>>() {
        assert_eq!(guest.await.unwrap(), 200);
    }
}

/// The shortest time that an answer took: what else the machine does only makes it longer.
async fn shortest(server: &ropewalk_tests::Ropewalk, logins: &[&str]) -> Duration {
    let mut shortest = Duration::MAX;
    for login in logins {
        let mut guesser = Browser::of(server);
        let body = json!({ "login": login, "password": "a guess of some length" });
        let began = Instant::now();
        let answer = guesser.ask("POST", "/api/session", body).await;
        shortest = shortest.min(began.elapsed());
        assert_eq!(answer.status, 401);
    }
    shortest
}

#[tokio::test(flavor = "multi_thread")]
async fn timing_of_signing_in_tells_nobody_which_logins_there_are() {
    let (server, mut ada) = team(&[]).await;
    ada.invite(&server, "bob").await;
    ada.invite(&server, "gone").await;
    ada.done("PATCH", "/api/people/gone", json!({ "is_disabled": true }))
        .await;
    // Invited, and has no password yet.
    ada.done("POST", "/api/invitations", json!({ "login": "soon" }))
        .await;
    let others = [
        ["nobody", "no one", "none", "somebody"],
        ["gone"; 4],
        ["soon"; 4],
    ];
    let mut known = Duration::MAX;
    let mut times = [Duration::MAX; 3];
    let is_alike = |known: Duration, time: Duration| known.max(time) < known.min(time) * 3;
    // What else the machine does only makes it longer.
    for _ in 0..5 {
        known = known.min(shortest(&server, &["bob"; 4]).await);
        for (time, logins) in times.iter_mut().zip(&others) {
            *time = shortest(&server, logins).await.min(*time);
        }
        if times.iter().all(|time| is_alike(known, *time)) {
            break;
        }
    }
    assert!(
        times.iter().all(|time| is_alike(known, *time)),
        "{known:?} for somebody, {times:?} for {others:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn enumeration_tells_guests_nothing_of_documents() {
    let (server, mut ada) = team(&[]).await;
    ada.create("secret/plan", "text").await;
    ada.create("open", "text").await;
    ada.create("secret/deleted", "text").await;
    ada.done("DELETE", "/api/documents/secret/deleted", Value::Null)
        .await;
    let (_, link) = ada.make_link("open", "read").await;
    let mut guest = Browser::of(&server);
    guest
        .done("POST", "/api/follow", json!({ "link": link }))
        .await;
    let (_, token) = ada.make_token("own", "open").await;
    let limited = Browser::script(&server, &token);
    for mut asks in [Browser::of(&server), guest, limited] {
        let mut answers = Vec::new();
        for name in ["secret/plan", "secret/none", "secret/deleted"] {
            let path = format!("/api/documents/{name}");
            let mut all = Vec::new();
            for request in [
                Request::get(&path),
                Request::get(&format!("{path}/text")),
                Request::get(&format!("{path}/content")),
                Request::get(&format!("{path}/authors")),
                Request::get(&format!("{path}/strays")),
                Request::get(&format!("{path}/changes")),
                Request::get(&format!("{path}/sharing")),
                Request::new("PUT", &path).body("x"),
                Request::new("POST", &format!("{path}/append")).body("x"),
                Request::new("DELETE", &path),
                Request::get(&format!("/d/{}/as-update", name.replace('/', "%2F"))),
            ] {
                let answer = asks.send(request).await;
                all.push((answer.status, answer.text().to_owned()));
            }
            for wire in ["yjs", "text"] {
                let path = format!("/{wire}/{name}");
                let mut socket = Socket::open_with(server.address, &path, &asks.headers()).await;
                if wire == "text" {
                    let hello = json!({ "type": "hello", "client": "a", "unit": "utf16" });
                    socket.send_text(&hello.to_string()).await;
                }
                let closed = socket.closed().await;
                all.push((closed.code, closed.reason));
            }
            answers.push(all);
        }
        assert_eq!(
            answers[0], answers[1],
            "one that is there, and one that is not"
        );
        assert_eq!(answers[2], answers[1], "one in the trash");
        for (status, said) in &answers[0] {
            assert!(matches!(status, 401 | 403 | 4401 | 4403), "{status} {said}");
        }
        let listed = asks.send(Request::get("/api/documents?q=secret")).await;
        assert!(!listed.text().contains("secret"), "{}", listed.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn brute_force_has_to_wait_wherever_a_password_or_an_invitation_is_asked_for() {
    let (server, mut ada) = team(&[]).await;
    let made = ada.done("POST", "/api/invitations", json!({ "login": "bob" }));
    let made = secret(&made.await["url"]);
    let guess = format!("rwi_{}", "A".repeat(43));
    // A window that was left open, and invitations.
    let of_hers = json!({ "old": "guess", "new": "seven other strands of hemp" });
    let joins = json!({ "secret": guess, "login": "eve", "name": "Eve", "password": PASSWORD });
    for (target, method, body) in [
        ("/api/password", "PUT", of_hers),
        ("/api/join", "POST", joins),
        ("/api/invitation", "POST", json!({ "secret": guess })),
    ] {
        let mut guesser = Browser::of(&server);
        guesser.cookie.clone_from(&ada.cookie);
        let mut tries = 0;
        loop {
            let answer = guesser.ask(method, target, body.clone()).await;
            match answer.status {
                403 | 404 => tries += 1,
                429 => break,
                other => panic!("{target}: {other} {}", answer.text()),
            }
            assert!(tries < 100, "there is no end of guessing at {target}");
        }
    }
    Browser::of(&server).accept(&made, "bob").await;
    // A session that somebody has got hold of, from everywhere.
    let mut tries = 0;
    loop {
        let mut thief = Browser::of(&server);
        thief.cookie.clone_from(&ada.cookie);
        let old = json!({ "old": "guess", "new": "seven other strands of hemp" });
        match thief.ask("PUT", "/api/password", old).await.status {
            403 => tries += 1,
            429 => break,
            other => panic!("{other}"),
        }
        assert!(
            tries < 100,
            "there is no end of guessing from many addresses"
        );
    }
    assert_eq!(Browser::of(&server).sign_in("ada").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_at_links_keeps_nobody_from_signing_in() {
    const GUESSES: usize = 16;
    let (server, mut ada) = team(&[]).await;
    ada.create("notes", "text").await;
    let mut links = Vec::new();
    for _ in 0..2 {
        let body = json!({ "access": "read", "password": "wet hemp" });
        let made = ada.done("POST", "/api/documents/notes/links", body).await;
        links.push(secret(&made["url"]));
    }
    let answered = Arc::new(AtomicUsize::new(0));
    let guessing: Vec<_> = (0..GUESSES)
        .map(|number| {
            let (mut guesser, answered) = (Browser::of(&server), answered.clone());
            let wrong = json!({ "link": links[number % 2], "password": "dry jute" });
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
