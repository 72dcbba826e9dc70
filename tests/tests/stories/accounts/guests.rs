//! Whoever has no account is told from others all the same, and nobody takes the room of everybody.

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::client::new_doc;
use ropewalk_tests::{Client, Events, Request, Ropewalk, Socket, until};
use serde_json::json;

use super::embedded::{embedding, embedding_with, signed};

const NAME: &str = "team/notes";
const CHANGES: &str = "/api/documents/team/notes/changes";

async fn guest(server: &Ropewalk, link: &str) -> Browser {
    let mut guest = Browser::of(server);
    let follow = json!({ "link": link });
    guest.done("POST", "/api/follow", follow).await;
    guest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_that_of_whoever_sends_it() {
    let (server, mut ada, _keys) = embedding().await;
    ada.create(NAME, "").await;
    let (_, link) = ada.make_link(NAME, "edit").await;
    let (_, other) = ada.make_link(NAME, "edit").await;
    let zoe = || Browser::script(&server, &signed("Zoe", NAME, "edit", 600));
    let later = || Browser::script(&server, &signed("Zoe", "team/*", "edit", 900));
    let (first, second) = (guest(&server, &link).await, guest(&server, &link).await);
    // A token of the server is another one than that of an application for the same name.
    let ask = json!({ "userId": "Zoe" });
    let made = ada.done("POST", "/doc/team%2Fnotes/auth", ask).await;
    let ours = Browser::script(&server, made["token"].as_str().unwrap());
    let mut length = 0;
    for (mut somebody, is_new) in [
        (zoe(), true),
        (
            Browser::script(&server, &signed("Max", NAME, "edit", 600)),
            true,
        ),
        (ours, true),
        (zoe(), false),
        (later(), false),
        (first.clone(), true),
        (second, true),
        (first, false),
        (Browser::script(&server, &link), true),
        (Browser::script(&server, &other), true),
        (Browser::script(&server, &link), false),
        (ada.clone(), true),
        (ada.clone(), false),
    ] {
        let append = Request::new("POST", "/api/documents/team/notes/append");
        let append = append.header("idempotency-key", "1").body("x");
        let answer = somebody.send(append).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        length += usize::from(is_new);
        assert_eq!(ada.text(NAME).await, "x".repeat(length), "{somebody:?}");
    }
}

/// Whether an editor gets into the document.
async fn enters(somebody: &Browser, query: &str) -> Option<Client> {
    let path = format!("/yjs/team%2Fnotes{query}");
    let client = Client::over(somebody.socket(&path).await, NAME, new_doc(None));
    let came = client.until("it is in, or out", |state, _| {
        let is_in = state.synced.then_some(true);
        is_in.or(state.closed.as_ref().map(|_| false))
    });
    if came.await {
        return Some(client);
    }
    let closed = client.closed().await;
    assert_eq!(
        (closed.code, &*closed.reason),
        (1013, "too many connections")
    );
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_or_a_token_takes_its_share_of_a_document_and_no_more() {
    let (server, mut ada, _keys) = embedding_with(&["--max-connections-per-document", "8"]).await;
    ada.create(NAME, "").await;
    let (_, link) = ada.make_link(NAME, "read").await;
    let nobody = Browser::of(&server);
    let by = |token: &str| format!("?token={token}");
    let by_link = by(&link);
    let first = enters(&nobody, &by_link).await.expect("room");
    let (one, another) = (guest(&server, &link).await, guest(&server, &link).await);
    let mut held = Vec::new();
    for _ in 1..4 {
        held.push(enters(&one, "").await.expect("room"));
    }
    // As many as they like, and all by the same link.
    assert!(enters(&another, "").await.is_none());
    assert!(enters(&Browser::of(&server), &by_link).await.is_none());
    let ask = json!({ "authorization": "read-only" });
    let mut asks = one.clone();
    let minted = asks.done("POST", "/doc/team%2Fnotes/auth", ask).await;
    let minted = by(minted["token"].as_str().unwrap());
    assert!(enters(&nobody, &minted).await.is_none());
    let zoe = by(&signed("Zoe", NAME, "read", 600));
    let _zoe = enters(&nobody, &zoe).await.expect("room");
    let _own = enters(&ada, "").await.expect("room");
    assert_eq!(refused(&mut ada).await, 3.0);
    first.leave().await;
    until("there is room again", || enters(&another, "")).await;
}

/// Connections that were refused.
async fn refused(ada: &mut Browser) -> f64 {
    let metrics = ada.send(Request::get("/metrics")).await;
    let mut lines = metrics.text().lines();
    let line = lines.find_map(|line| line.strip_prefix("ropewalk_refused_full_total "));
    line.expect("the metric").parse().expect("a number")
}

/// How a request for a socket is answered that stays at most for that.
async fn asks(somebody: &Browser, path: &str) -> u16 {
    let request = somebody.dress(Request::upgrade(path));
    request.status(somebody.server()).await
}

async fn until_room(somebody: &Browser, path: &str) {
    until("there is room again", || async {
        (asks(somebody, path).await == 101).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_tokens_name_takes_a_share_of_a_document_however_many_they_have() {
    let (server, mut ada, _keys) = embedding_with(&["--max-connections-per-document", "4"]).await;
    ada.create(NAME, "").await;
    let nobody = Browser::of(&server);
    let by = |name, seconds| format!("?token={}", signed(name, NAME, "read", seconds));
    let mut held = Vec::new();
    for seconds in 600..602 {
        held.push(enters(&nobody, &by("Zoe", seconds)).await.expect("room"));
    }
    assert!(enters(&nobody, &by("Zoe", 603)).await.is_none());
    let _max = enters(&nobody, &by("Max", 600)).await.expect("room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_takes_a_share_of_all_connections_and_no_more() {
    let (server, mut ada) = team(&["--max-connections", "4"]).await;
    ada.create(NAME, "text").await;
    let (_, link) = ada.make_link(NAME, "read").await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(guest(&server, &link).await.editor(NAME).await);
    }
    let late = guest(&server, &link).await;
    assert_eq!(asks(&late, "/yjs/team%2Fnotes").await, 503);
    let by_link = format!("/yjs/team%2Fnotes?token={link}");
    assert_eq!(asks(&Browser::of(&server), &by_link).await, 503);
    let _own = ada.editor(NAME).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_all_connections_that_there_may_be() {
    let (server, mut ada) = team(&["--max-connections", "12"]).await;
    ada.create(NAME, "text").await;
    let mut bob = ada.invite(&server, "bob").await;
    ada.share(NAME, "bob", "read").await;
    // Three each. Whoever follows over HTTP has one, too, whatever they show.
    let (_, token) = bob.make_token("read", NAME).await;
    let script = Browser::script(&server, &token);
    let follow = async |somebody: &Browser| {
        let mut events = Events::follow_with(&server, CHANGES, &somebody.headers()).await;
        assert!(events.next().await.is_some());
        events
    };
    let first = follow(&bob).await;
    let _second = follow(&script).await;
    let _third = bob.editor(NAME).await;
    for somebody in [&bob, &script] {
        let follow = somebody.dress(Request::get(CHANGES));
        assert_eq!(follow.status(server.address).await, 503);
    }
    for wire in ["/yjs/team%2Fnotes", "/hocuspocus", "/text/team%2Fnotes"] {
        assert_eq!(asks(&bob, wire).await, 503, "{wire}");
    }
    assert_eq!(bob.text(NAME).await, "text");
    // Of whoever has shown nothing the network counts.
    let stranger = |at: &str| {
        let mut stranger = Browser::of(&server);
        stranger.at = at.to_owned();
        stranger
    };
    let mut strangers = Vec::new();
    for number in 1..=3 {
        let stranger = stranger(&format!("2001:db8::{number}"));
        strangers.push(stranger.socket("/hocuspocus").await);
    }
    let near = stranger("2001:db8::ffff");
    assert_eq!(asks(&near, "/hocuspocus").await, 503);
    assert_eq!(asks(&stranger("2001:db8:0:1::1"), "/hocuspocus").await, 101);
    let _own = ada.editor(NAME).await;
    assert_eq!(refused(&mut ada).await, 6.0);
    drop((first, strangers));
    until_room(&bob, "/yjs/team%2Fnotes").await;
    until_room(&near, "/hocuspocus").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_accounts_what_is_near_may_have_all_connections() {
    let server = Ropewalk::with(&["--max-connections", "8"]).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(Socket::open(&server, "notes").await);
    }
    server.until_metric("ropewalk_connections", 8.0).await;
    assert_eq!(Socket::try_open(&server, "notes").await.err(), Some(503));
}
