//! Pages of other sites, and whoever lies about where they are, against somebody who is signed in.

use ropewalk_tests::account::{Browser, PASSWORD, first, team};
use ropewalk_tests::{Request, Ropewalk};
use serde_json::{Value, json};

use super::matrix::{NAME, request};
use super::routes::{Need, RULES};

/// What y-sweet's clients ask, which `openapi.json` does not tell of.
const OF_YSWEET: [(&str, &str); 4] = [
    ("/doc/new", "{}"),
    ("/doc/team%2Fnotes/auth", "{}"),
    ("/d/team%2Fnotes/update", "\0\0"),
    ("/check_store", "{}"),
];

/// All that a forged request could have changed.
async fn everything(ada: &mut Browser) -> Vec<Value> {
    let mut all = Vec::new();
    for target in [
        "/api/documents",
        "/api/trash",
        "/api/documents/team/notes/sharing",
        "/api/documents/team/notes/text",
        "/api/folders/team/sharing",
        "/api/folders/sharing",
        "/api/people",
        "/api/invitations",
        "/api/groups",
        "/api/tokens",
        "/api/session",
        "/api/identity",
    ] {
        let response = ada.send(Request::get(target)).await;
        all.push(json!([target, response.status, response.text()]));
    }
    let sessions = ada.done("GET", "/api/sessions", Value::Null).await;
    all.push(json!(sessions["sessions"].as_array().map(Vec::len)));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_site_request_forgery_changes_nothing_on_any_route() {
    let (server, mut ada) = team(&[]).await;
    ada.create(NAME, "text").await;
    let before = everything(&mut ada).await;
    let ours = format!("http://{}", server.address);
    let foreign = [
        "http://evil.example".to_owned(),
        "null".to_owned(),
        String::new(),
        ours.replace("http:", "ftp:"),
        format!("{ours}.evil.example"),
        format!("http://evil.example/?{ours}"),
    ];
    let changing =
        RULES
            .iter()
            .filter(|(method, ..)| *method != "GET")
            .map(|(method, path, need, body)| {
                let is_free = *need == Need::Nothing;
                (
                    format!("{method} {path}"),
                    is_free,
                    request(NAME, method, path, body),
                )
            });
    let of_ysweet = OF_YSWEET.iter().map(|(path, body)| {
        let asked = Request::new("POST", path).body(*body);
        let asked = asked.header("content-type", "application/json");
        ((*path).to_owned(), *path == "/check_store", asked)
    });
    let mut looked_at = 0;
    let cookie = ada.cookie.clone().unwrap();
    for (what, is_free, request) in changing.chain(of_ysweet) {
        let forged = request.header("cookie", &cookie);
        for origin in &foreign {
            let refused = forged.clone().header("origin", origin);
            let refused = refused.send(server.address).await;
            let said = (refused.status, &*refused.code());
            assert_eq!(said, (403, "origin_not_allowed"), "{what} {origin:?}");
            assert_eq!(refused.header("access-control-allow-origin"), None);
        }
        // Browsers that say nothing, or only that it is no page of ours: then the cookie does not count.
        let silent = forged.clone();
        let sites =
            ["cross-site", "same-site"].map(|site| forged.clone().header("sec-fetch-site", site));
        for request in [silent].into_iter().chain(sites) {
            let refused = request.send(server.address).await;
            if !is_free {
                assert_eq!(
                    (refused.status, &*refused.code()),
                    (401, "sign_in"),
                    "{what}"
                );
            }
            assert_eq!(
                refused.header("set-cookie").filter(|_| !is_free),
                None,
                "{what}"
            );
        }
        looked_at += 1;
    }
    assert!(looked_at > 40, "{looked_at}");
    assert_eq!(everything(&mut ada).await, before);
    assert_eq!(ada.state().await, "signed_in");
    // What is only read tells other sites nothing, but they may not even ask.
    let read = |target: &str| Request::get(target).header("cookie", &cookie);
    let text = "/api/documents/team/notes/text";
    assert_eq!(read(text).send(server.address).await.status, 200);
    let read = read(text).header("origin", "http://evil.example");
    assert_eq!(read.send(server.address).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_looked_at_is_not_in_the_log() {
    let (server, mut ada) = team(&[]).await;
    ada.create(NAME, "text").await;
    let log = async |ada: &mut Browser| ada.done("GET", "/api/audit", Value::Null).await;
    let before = log(&mut ada).await;
    // An image in a text that she reads asks for it, or a link on another site that she follows.
    for (_, path, ..) in RULES {
        let request = ada.dress(request(NAME, "GET", path, ""));
        request.status(server.address).await;
    }
    assert_eq!(log(&mut ada).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn clickjacking_and_injected_scripts_find_no_page_that_lets_them() {
    let (_server, mut ada) = team(&[]).await;
    ada.create(NAME, "<script>alert(1)</script>").await;
    let pages = [
        "/",
        "/join",
        "/s",
        "/admin",
        "/recent",
        "/shared",
        "/trash",
        "/in/team",
        "/edit/team/notes",
        "/edit/",
        "/none",
    ];
    let answers = [
        "/api/documents/team/notes/content?format=html",
        "/api/documents/team/notes/text",
        "/api/documents/team/none/text",
        "/api/session",
        "/yjs/notes",
    ];
    for target in pages.iter().chain(&answers) {
        let response = ada.send(Request::get(target)).await;
        let policy = response
            .header("content-security-policy")
            .unwrap_or_else(|| panic!("{target} has no policy"));
        let directive = |name: &str| {
            let mut all = policy.split(';').map(str::trim);
            all.find_map(|one| one.strip_prefix(name)).map(str::trim)
        };
        assert_eq!(directive("frame-ancestors"), Some("'none'"), "{target}");
        assert_eq!(directive("base-uri"), Some("'none'"), "{target}");
        assert_eq!(directive("default-src"), Some("'none'"), "{target}");
        assert!(
            matches!(directive("script-src"), None | Some("'self'")),
            "{target}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{target}: {policy}");
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{target}"
        );
        assert!(response.header("referrer-policy").is_some(), "{target}");
        if pages.contains(target) && response.status == 200 {
            let page = response.text();
            // Nothing stands in the page that the policy would have to allow.
            for script in page.split("<script").skip(1) {
                let (tag, rest) = script.split_once('>').unwrap();
                assert!(
                    tag.contains("src=\"/assets/") && rest.starts_with("</script>"),
                    "{target}: {script}"
                );
            }
            let lower = page.to_lowercase();
            assert!(
                !lower.contains("<style")
                    && !lower.contains(" style=")
                    && !lower.contains("javascript:"),
                "{target}"
            );
            assert!(
                !lower.contains(" onload=") && !lower.contains(" onerror="),
                "{target}"
            );
        }
    }
}

/// Where the log says that somebody was who could not sign in.
async fn seen_at(server: &Ropewalk, ada: &mut Browser, headers: &[(&str, &str)]) -> String {
    let mut request = Request::new("POST", "/api/session")
        .header("content-type", "application/json")
        .body(r#"{"login":"ada","password":"wrong"}"#);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let refused = request.send(server.address).await;
    assert_eq!(refused.status, 401);
    let audit = ada.done("GET", "/api/audit?limit=1", Value::Null).await;
    assert_eq!(audit["entries"][0]["action"], "sign_in_failed");
    audit["entries"][0]["address"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn spoofed_proxy_headers_are_believed_of_no_client() {
    let (server, mut ada) = team(&[]).await;
    // From a proxy that is trusted: what the proxy has seen, and not what the client has told it before.
    let chained = [("x-forwarded-for", "6.6.6.6, 10.9.9.9")];
    assert_eq!(seen_at(&server, &mut ada, &chained).await, "10.9.9.9");
    let twice = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "10.9.9.8"),
    ];
    assert_eq!(seen_at(&server, &mut ada, &twice).await, "10.9.9.8");
    drop(server);
    // From anybody else nothing is.
    let server = Ropewalk::with(&["--listen", "0.0.0.0:0", "--trust-proxy", "10.1.2.3"]).await;
    let mut ada = first(&server).await;
    let lies = [
        ("x-forwarded-for", "10.1.2.3, 6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=6.6.6.6"),
        ("x-real-ip", "6.6.6.6"),
    ];
    assert_eq!(seen_at(&server, &mut ada, &lies).await, "127.0.0.1");
    // Nor is a cookie made for a line that is none over TLS.
    let request = Request::new("POST", "/api/session")
        .header("content-type", "application/json")
        .header("x-forwarded-proto", "https")
        .body(json!({ "login": "ada", "password": PASSWORD }).to_string());
    let signed_in = request.send(server.address).await;
    let cookie = signed_in.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("ropewalk=") && !cookie.contains("Secure"),
        "{cookie}"
    );
    // Nor has anybody more tries.
    let mut tries = 0;
    loop {
        let lie = format!("6.6.6.{tries}");
        let request = Request::new("POST", "/api/session")
            .header("content-type", "application/json")
            .header("x-forwarded-for", &lie)
            .header("x-forwarded-proto", "https")
            .body(r#"{"login":"nobody","password":"wrong"}"#);
        let answer = request.send(server.address).await;
        match answer.status {
            401 => tries += 1,
            429 => break,
            other => panic!("{other}"),
        }
        assert!(tries < 100, "there is no end of guessing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_fixation_takes_over_no_cookie_that_somebody_else_chose() {
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
