//! Applications that embed documents let their own people in, with tokens that they sign.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use ropewalk_tests::account::{Browser, first, team};
use ropewalk_tests::client::new_doc;
use ropewalk_tests::{Client, Events, Request, Ropewalk, Socket, frames, within};
use serde_json::{Value, json};

use super::revoked::{NAME, NOT_ALLOWED, NOT_KNOWN, addressed, letter, said};
use crate::maintain::{on, path, well};

/// Shared with the application: 32 bytes.
const SECRET: &[u8] = b"a shared secret of thirty-two by";
const JWKS: &str =
    r#"{"keys":[{"kty":"oct","kid":"app","k":"YSBzaGFyZWQgc2VjcmV0IG9mIHRoaXJ0eS10d28gYnk"}]}"#;

/// A token that the application signs, of so many seconds.
pub fn signed(name: &str, doc: &str, access: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let payload = json!({
        "name": name,
        "doc": doc,
        "access": access,
        "exp": now.as_secs().saturating_add_signed(seconds),
    });
    let key = EncodingKey::from_secret(SECRET);
    encode(&Header::default(), &payload, &key).unwrap()
}

fn token(access: &str, seconds: i64) -> String {
    signed("Zoe", "team/*", access, seconds)
}

/// The keys of the application, as a file.
fn keys() -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("keys.json");
    std::fs::write(&file, JWKS).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (place, file)
}

/// A server for everybody that takes such tokens.
pub async fn embedding() -> (Ropewalk, Browser, tempfile::TempDir) {
    embedding_with(&[]).await
}

/// The same, with more arguments.
pub async fn embedding_with(arguments: &[&str]) -> (Ropewalk, Browser, tempfile::TempDir) {
    let (place, keys) = keys();
    let (server, ada) = team(&[&["--token-keys", &keys], arguments].concat()).await;
    (server, ada, place)
}

/// Until when a token of the server counts, in seconds since the Unix epoch.
fn end_of(token: &str) -> u64 {
    let mut unchecked = Validation::default();
    unchecked.insecure_disable_signature_validation();
    let read = decode::<Value>(token, &DecodingKey::from_secret(&[]), &unchecked);
    read.unwrap().claims["exp"].as_u64().unwrap()
}

async fn begin() -> (Ropewalk, Browser, tempfile::TempDir) {
    let (server, mut ada, place) = embedding().await;
    ada.create("team/notes", "text").await;
    ada.create("other", "text").await;
    (server, ada, place)
}

async fn enter(server: &Ropewalk, name: &str, token: &str) -> Client {
    let path = format!("/yjs/{name}?token={token}");
    let socket = Socket::open_path(server.address, &path, None).await;
    Client::over(socket, name, new_doc(None))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_in_where_it_says_and_under_its_name() {
    let (server, mut ada, _keys) = begin().await;
    let editor = ada.editor("team/notes").await;
    let zoe = enter(&server, "team/notes", &token("edit", 600)).await;
    zoe.until_text("text").await;
    zoe.announce(r#"{"user":{"name":"ada"}}"#);
    editor.until_people(&["Zoe"]).await;
    zoe.append("!");
    zoe.all_saved().await;
    assert_eq!(ada.text("team/notes").await, "text!");
    let elsewhere = enter(&server, "other", &token("edit", 600)).await;
    assert_eq!(elsewhere.closed().await.code, 4403);
    let reader = enter(&server, "team/notes", &token("read", 600)).await;
    reader.until_text("text!").await;
    reader.append("?");
    reader.mark();
    reader
        .until("it is told", |state, _| {
            (state.may_edit == Some(false)).then_some(())
        })
        .await;
    assert_eq!(ada.text("team/notes").await, "text!");
    for bad in [
        token("own", 600),
        format!("{}x", token("edit", 600)),
        "a.b.c".to_owned(),
    ] {
        let nobody = enter(&server, "team/notes", &bad).await;
        assert_eq!(nobody.closed().await.code, 4401, "{bad}");
        let asked =
            Request::get("/api/documents").header("authorization", &format!("Bearer {bad}"));
        assert_eq!(server.send(asked).await.code(), "bad_token");
    }
    let log = server.log();
    assert!(!log.contains("eyJ"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_there_is_an_administrator_a_token_opens_nothing() {
    let (_place, keys) = keys();
    let listen = ["--listen", "0.0.0.0:0", "--trust-proxy", "127.0.0.1"];
    let server = Ropewalk::with(&[&listen[..], &["--token-keys", &keys]].concat()).await;
    let token = signed("Zoe", "*", "edit", 600);
    let mut app = Browser::script(&server, &token);
    let append = Request::new("POST", "/api/documents/notes/append").body("text");
    for request in [
        Request::get("/api/documents"),
        Request::get("/api/documents/notes/text"),
        Request::new("PUT", "/api/documents/notes").body("text"),
        append.clone(),
        Request::get("/api/search?q=text"),
        Request::get("/metrics"),
        Request::get("/d/notes/as-update"),
        Request::new("POST", "/doc/new")
            .header("content-type", "application/json")
            .body("{}"),
        Request::new("POST", "/check_store"),
    ] {
        let refused = app.send(request).await;
        assert_eq!((refused.status, &*refused.code()), (401, "sign_in"));
    }
    for path in ["/yjs/notes", "/text/notes", "/d/notes/ws/notes"] {
        let path = format!("{path}?token={token}");
        let mut socket = Socket::open_path(server.address, &path, None).await;
        if path.starts_with("/text") {
            let hello = json!({ "type": "hello", "client": "a", "unit": "utf16" });
            socket.send_text(&hello.to_string()).await;
        }
        assert_eq!(socket.closed().await.code, 4401, "{path}");
    }
    let mut hocuspocus = Socket::open_path(server.address, "/hocuspocus", None).await;
    hocuspocus.send(said(&[2, 0], &token)).await;
    let refused = hocuspocus.next().await.unwrap();
    assert!(refused.ends_with(b"sign in first"), "{refused:?}");

    let mut ada = first(&server).await;
    assert_eq!(app.send(append).await.status, 200);
    assert_eq!(ada.text("notes").await, "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_token() {
    let (server, mut ada, _keys) = begin().await;
    let zoe = enter(&server, "team/notes", &token("edit", 3)).await;
    zoe.until_text("text").await;
    let closed = zoe.closed().await;
    assert_eq!(
        (closed.code, closed.reason.as_str()),
        (4401, "sign in first")
    );
    zoe.append("!");
    assert_eq!(ada.text("team/notes").await, "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_as_well_stays_when_the_token_ends() {
    let (server, mut ada, _keys) = begin().await;
    let token = token("edit", 3);
    let socket = ada.socket(&format!("/yjs/{NAME}?token={token}")).await;
    let both = Client::over(socket, NAME, new_doc(None));
    both.until_text("text").await;
    let zoe = enter(&server, NAME, &token).await;
    assert_eq!(zoe.closed().await.code, 4401);
    both.append("!");
    both.all_saved().await;
    assert_eq!(ada.text(NAME).await, "text!");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_a_quiet_text_goes_with_their_token() {
    let (server, _ada, _keys) = begin().await;
    let bearer = format!("Bearer {}", token("read", 10));
    let headers = [("authorization".to_owned(), bearer)];
    let changes = "/api/documents/team/notes/changes";
    let mut events = Events::follow_with(&server, changes, &headers).await;
    assert!(
        events
            .next()
            .await
            .is_some_and(|event| event.name == "reset")
    );
    assert!(events.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_server_is_nobodys_after_a_restore() {
    let (mut server, mut ada) = team(&[]).await;
    ada.create("team/notes", "text").await;
    let eve = ada.invite(&server, "eve").await;
    ada.share("team/notes", "eve", "edit").await;
    let place = tempfile::tempdir().unwrap();
    let copy = path(&place, "copy.db");
    let data = server.data();
    well(data.path(), &["backup", &copy]).await;
    // With a session that the backup does not have.
    let mut later = Browser::of(&server);
    assert_eq!(later.sign_in("ada").await.status, 200);
    let asked = json!({ "authorization": "full" });
    let made = later.done("POST", "/doc/team%2Fnotes/auth", asked).await;
    let mut script = Browser::script(&server, made["token"].as_str().unwrap());
    assert_eq!(script.text("team/notes").await, "text");
    server.terminate().await;
    let done = on(data.path(), &["restore", "--replace", &copy]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    server.start_again().await;
    // The next session has its number.
    let mut eve = eve.at(&server);
    assert_eq!(eve.sign_in("eve").await.status, 200);
    assert_eq!(eve.text("team/notes").await, "text");
    let mut script = script.at(&server);
    let text = Request::get("/api/documents/team/notes/text");
    assert_eq!(script.send(text).await.code(), "bad_token");
    let again = eve.done("POST", "/doc/team%2Fnotes/auth", json!({})).await;
    let mut script = Browser::script(&server, again["token"].as_str().unwrap());
    assert_eq!(script.text("team/notes").await, "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn y_sweets_clients_get_tokens_of_the_server() {
    let (server, mut ada, _keys) = begin().await;
    let mut bob = ada.invite(&server, "bob").await;
    ada.share("team/notes", "bob", "edit").await;
    let auth = "/doc/team%2Fnotes/auth";
    let ask = json!({ "authorization": "full", "userId": "Eve", "validForSeconds": 600 });
    // A token for this document would be one for a folder.
    bob.create("team/*", "").await;
    let star = bob.fail("POST", "/doc/team%2F*/auth", json!({})).await;
    assert_eq!(star, (400, "bad_name".to_owned()));
    let own = bob.done("POST", auth, ask.clone()).await;
    // Only an administrator vouches for the names of others.
    let by_admin = ada.done("POST", auth, ask).await;
    let editor = ada.editor("team/notes").await;
    for (answer, name) in [(own, "BOB"), (by_admin, "Eve")] {
        let token = answer["token"].as_str().unwrap();
        let client = enter(&server, "team/notes", token).await;
        client.announce(r#"{"user":{"name":"x"}}"#);
        editor.until_people(&[name]).await;
        client.leave().await;
    }
    let read = bob
        .done("POST", auth, json!({ "authorization": "read-only" }))
        .await;
    assert_eq!(read["authorization"], "read-only");
    let mut script = Browser::script(&server, read["token"].as_str().unwrap());
    let state = script.send(Request::get("/d/team%2Fnotes/as-update")).await;
    assert_eq!(state.status, 200);
    let update = Request::new("POST", "/d/team%2Fnotes/update").body([0, 0]);
    assert_eq!(script.send(update).await.code(), "read_only");
    let other = script.send(Request::get("/d/other/as-update")).await;
    assert_eq!(other.code(), "not_allowed");
    // What it was asked for with is worth less: so is the token, and one that it asks for itself.
    let edits = bob.done("POST", auth, json!({})).await;
    let mut edits = Browser::script(&server, edits["token"].as_str().unwrap());
    let again = edits
        .done("POST", auth, json!({ "validForSeconds": 86_400 }))
        .await;
    let mut again = Browser::script(&server, again["token"].as_str().unwrap());
    // Who may only read gets no token to edit.
    ada.share("team/notes", "bob", "read").await;
    for script in [&mut edits, &mut again] {
        let append = Request::new("POST", "/api/documents/team/notes/append").body("x");
        assert_eq!(script.send(append).await.code(), "read_only");
    }
    let refused = bob.fail("POST", auth, json!({})).await;
    assert_eq!(refused, (403, "read_only".to_owned()));
    let again = bob
        .done("POST", auth, json!({ "authorization": "read-only" }))
        .await;
    assert!(again["token"].is_string());
    let disable = json!({ "is_disabled": true });
    ada.done("PATCH", "/api/people/bob", disable).await;
    let state = script.send(Request::get("/d/team%2Fnotes/as-update")).await;
    assert_eq!(state.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_something_else_vouches_for_nobody() {
    let (server, mut ada, _keys) = begin().await;
    let mut bob = ada.invite(&server, "bob").await;
    ada.share("team/notes", "bob", "edit").await;
    let ask = json!({ "validForSeconds": 600 });
    let auth = "/doc/team%2Fnotes/auth";
    let mut scripts = Vec::new();
    // For another document, for less, and for as much but not for as long.
    for (name, access, seconds) in [
        ("other", "edit", 600),
        ("team/notes", "read", 600),
        ("team/notes", "edit", 60),
    ] {
        bob.token = Some(signed("Zoe", name, access, seconds));
        let made = bob.done("POST", auth, ask.clone()).await;
        let token = made["token"].as_str().unwrap().to_owned();
        scripts.push((token, access == "edit" && name == "team/notes"));
    }
    let append = || Request::new("POST", "/api/documents/team/notes/append").body("x");
    let mut ends = Vec::new();
    for (token, _) in &scripts {
        let sent = Browser::script(&server, token).send(append()).await;
        assert_eq!(sent.status, 200);
        ends.push(end_of(token));
    }
    // What the session vouches for counts as long as it was asked for.
    assert!(ends[0] > ends[2] + 300 && ends[1] > ends[2] + 300);
    let disable = json!({ "is_disabled": true });
    ada.done("PATCH", "/api/people/bob", disable).await;
    for (token, is_the_applications) in scripts {
        let sent = Browser::script(&server, &token).send(append()).await;
        let expected = if is_the_applications { 200 } else { 401 };
        assert_eq!(sent.status, expected, "{}", sent.text());
    }
}

/// Waits until this comes.
async fn hears(socket: &mut Socket, message: &[u8]) {
    within("what was to come", async {
        while socket.next().await.expect("the socket stays") != message {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_shown_anew_where_somebody_is_counts_from_then_on() {
    let (server, mut ada, _keys) = begin().await;
    let editor = ada.editor(NAME).await;
    let mut socket = Socket::open_path(server.address, "/hocuspocus", None).await;
    let mut bob = ada.invite(&server, "bob").await;
    ada.share(NAME, "bob", "edit").await;
    let (_, of_bob) = bob.make_token("edit", NAME).await;
    let document = |name, access| signed(name, NAME, access, 600);
    let mut clock = 0;
    for (name, token, may, text) in [
        ("Zoe", document("Zoe", "read"), "readonly", "no"),
        ("BOB", of_bob, "read-write", "B"),
        ("Eve", document("Eve", "edit"), "read-write", "E"),
        ("Max", document("Max", "read"), "readonly", "never"),
    ] {
        socket.send(said(&[2, 0], &token)).await;
        hears(&mut socket, &said(&[2, 2], may)).await;
        clock += 1;
        let present = frames::awareness(&[(7, clock, r#"{"user":{"name":"ada"}}"#)]);
        socket.send(addressed(&present)).await;
        editor.until_people(&[name]).await;
        let update = frames::update(&letter(text));
        socket.send(addressed(&update)).await;
        if may == "read-write" {
            editor.until_contains(text).await;
        }
    }
    // What opens nothing, or something else, leads out, after all that was sent before.
    let denied = [
        (signed("Max", NAME, "edit", -60), NOT_KNOWN.1),
        (signed("Max", "other", "edit", 600), NOT_ALLOWED.1),
    ];
    for (token, reason) in denied {
        socket.send(said(&[2, 0], &token)).await;
        hears(&mut socket, &said(&[7], reason)).await;
        editor.until_people(&[]).await;
        socket
            .send(said(&[2, 0], &signed("Max", NAME, "read", 600)))
            .await;
        hears(&mut socket, &said(&[2, 2], "readonly")).await;
    }
    let text = ada.text(NAME).await;
    let authors = format!("/api/documents/{NAME}/authors");
    let told = ada.done("GET", &authors, Value::Null).await;
    let mut letters = text.chars();
    let mut wrote = Vec::new();
    for run in told["runs"].as_array().unwrap() {
        let length = run["length"].as_u64().unwrap() as usize;
        let part: String = letters.by_ref().take(length).collect();
        wrote.push((part, run["login"].as_str().unwrap_or("nobody").to_owned()));
    }
    wrote.sort();
    let wrote: Vec<_> = wrote.iter().map(|(part, who)| (&**part, &**who)).collect();
    assert_eq!(wrote, [("B", "bob"), ("E", "nobody"), ("text", "ada")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_something_before_a_token_is_refused_when_none_comes() {
    let (server, mut ada, _keys) = begin().await;
    let before = ada.bytes(NAME).await;
    let mut socket = Socket::open_path(server.address, "/hocuspocus", None).await;
    for frame in [frames::update(&letter("no")), frames::step1(&[0])] {
        socket.send(addressed(&frame)).await;
    }
    assert_eq!(socket.next().await.unwrap(), said(&[2, 1], NOT_KNOWN.1));
    assert_eq!(socket.next().await.unwrap(), said(&[7], NOT_KNOWN.1));
    // After one that opens nothing no other is waited for.
    socket.send(said(&[2, 0], "rwt_made-up")).await;
    assert_eq!(socket.next().await.unwrap(), said(&[2, 1], NOT_KNOWN.1));
    assert_eq!(socket.next().await.unwrap(), said(&[7], NOT_KNOWN.1));
    assert_eq!(ada.bytes(NAME).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_no_document_brings_no_more_than_that_takes() {
    let (server, mut ada, _keys) = begin().await;
    let mut socket = Socket::open_path(server.address, "/hocuspocus", None).await;
    let message = addressed(&frames::update(&vec![0; 1 << 20]));
    for _ in 0..3 {
        socket.send(message.clone()).await;
    }
    let large = addressed(&frames::update(&vec![0; 2 << 20]));
    socket.send(large).await;
    assert_eq!(socket.closed().await.code, 4413);
    let metrics = ada.send(Request::get("/metrics")).await;
    assert!(
        metrics
            .text()
            .contains("\nropewalk_refused_too_large_total 1\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_once_a_day_of_whoever_asks_for_tokens_of_a_document() {
    let (server, mut ada, _keys) = begin().await;
    let mut bob = ada.invite(&server, "bob").await;
    ada.share(NAME, "bob", "edit").await;
    let (_, api) = bob.make_token("edit", "*").await;
    let (_, link) = ada.make_link(NAME, "edit").await;
    let auth = format!("/doc/{NAME}/auth");
    let read = json!({ "authorization": "read-only" });
    let scripts = [&api, &link].map(|token| Browser::script(&server, token));
    for _ in 0..3 {
        for mut asks in scripts.iter().chain([&bob]).cloned() {
            asks.done("POST", &auth, json!({})).await;
        }
        bob.done("POST", &auth, read.clone()).await;
        ada.done("POST", "/doc/other/auth", json!({})).await;
    }
    let refused = bob.fail("POST", "/doc/other/auth", json!({})).await;
    assert_eq!(refused, (403, "not_allowed".into()));
    let log = ada
        .done("GET", "/api/audit?action=shared", Value::Null)
        .await;
    let told: Vec<String> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| format!("{} {}", entry["who"], entry["about"]).replace('"', ""))
        .filter(|told| told.contains(" by document tokens "))
        .collect();
    let expected = [
        "ada other by document tokens to edit",
        "bob team/notes by document tokens to read",
        "bob team/notes by document tokens to edit",
    ];
    assert_eq!(told, expected);
}
