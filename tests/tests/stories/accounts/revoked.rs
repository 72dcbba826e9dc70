//! Whoever is connected when their access ends is out, on every wire, and nothing that they write then is taken in.

use ropewalk_tests::account::{Browser, team, write_accounts};
use ropewalk_tests::client::{edit_doc, new_doc};
use ropewalk_tests::frames::{self, put_buf, put_uint};
use ropewalk_tests::{Client, Events, Ropewalk, Socket, Thin, until, within};
use serde_json::{Value, json};
use yrs::Text;

pub const NAME: &str = "team/notes";
const PATH: &str = "team%2Fnotes";

pub fn addressed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_buf(&mut out, NAME.as_bytes());
    out.extend_from_slice(message);
    out
}

pub fn said(kind: &[u64], what: &str) -> Vec<u8> {
    let mut out = Vec::new();
    kind.iter().for_each(|&number| put_uint(&mut out, number));
    put_buf(&mut out, what.as_bytes());
    addressed(&out)
}

pub fn letter(letter: &str) -> Vec<u8> {
    edit_doc(&new_doc(None), |text, txn| text.insert(txn, 0, letter))
}

/// What somebody shows who they are with.
pub enum Shows<'b> {
    /// A cookie or a header of the connection.
    Headers(&'b Browser),
    /// A token, in the way that each wire has.
    Token(&'b str),
}

/// Somebody who is connected in every way there is.
pub struct Everywhere {
    yjs: Client,
    ysweet: Socket,
    hocuspocus: Socket,
    thin: Thin,
    events: Events,
}

pub async fn enter(server: &Ropewalk, shows: &Shows<'_>) -> Everywhere {
    let (headers, query, token) = match shows {
        Shows::Headers(browser) => (browser.headers(), String::new(), "any"),
        Shows::Token(token) => (Vec::new(), format!("?token={token}"), *token),
    };
    let open = async |path: &str| Socket::open_with(server.address, path, &headers).await;
    let yjs = open(&format!("/yjs/{NAME}{query}")).await;
    let yjs = Client::over(yjs, NAME, new_doc(None));
    yjs.synced().await;
    let mut ysweet = open(&format!("/d/{PATH}/ws/{PATH}{query}")).await;
    ysweet.next().await.expect("the greeting of a document");
    // The token of this wire comes under each address.
    let mut hocuspocus = open("/hocuspocus").await;
    hocuspocus.send(said(&[2, 0], token)).await;
    assert_eq!(
        hocuspocus.next().await.unwrap(),
        said(&[2, 2], "read-write")
    );
    let mut thin = Thin::new(NAME, "thin", "utf16").with(&query, &headers);
    thin.connect(server).await;
    let mut followed = headers.clone();
    if let Shows::Token(token) = shows {
        followed.push(("authorization".to_owned(), format!("Bearer {token}")));
    }
    let target = format!("/api/documents/{NAME}/changes");
    let mut events = Events::follow_with(server, &target, &followed).await;
    assert_eq!(events.next().await.unwrap().name, "reset");
    Everywhere {
        yjs,
        ysweet,
        hocuspocus,
        thin,
        events,
    }
}

impl Everywhere {
    /// Says something everywhere, whether anybody listens or not.
    pub async fn write(&mut self) {
        self.yjs.append("AFTER");
        self.yjs.mark();
        self.ysweet.send(frames::update(&letter("AFTER"))).await;
        let update = frames::update(&letter("AFTER"));
        self.hocuspocus.send(addressed(&update)).await;
        self.thin.edit(vec![(0, 0, "AFTER".to_owned())]).await;
    }

    /// Whoever was there is out everywhere.
    pub async fn is_out(&mut self, code: u16, reason: &str) {
        assert_eq!(self.yjs.closed().await.code, code);
        assert!(
            self.yjs.look(|state| state.saved.is_empty()),
            "nothing is saved any more"
        );
        assert_eq!(self.ysweet.closed().await.code, code);
        within("the address is closed", async {
            while self.hocuspocus.next().await.expect("the socket stays") != said(&[7], reason) {}
        })
        .await;
        let ended = loop {
            match self.thin.hear().await {
                Ok(message) => assert_ne!(message["type"], "ack", "{message}"),
                Err(ended) => break ended,
            }
        };
        assert_eq!(ended, code);
        while let Some(event) = self.events.next().await {
            assert!(!event.data.to_string().contains("AFTER"));
        }
        // Who is out under an address does not come in by writing there.
        let update = frames::update(&letter("AFTER"));
        self.hocuspocus.send(addressed(&update)).await;
        self.hocuspocus.send(vec![9]).await;
        assert_eq!(self.hocuspocus.next().await.unwrap(), [10]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_comes_with_a_document_of_hocuspocus_is_used() {
    let (server, _, _, mut bob) = begin().await;
    let (_, token) = bob.make_token("edit", "*").await;
    let used = async |bob: &mut Browser| {
        let listed = bob.done("GET", "/api/tokens", Value::Null).await;
        listed["tokens"][0]["used_at"].as_i64()
    };
    assert_eq!(used(&mut bob).await, None);
    let mut hocuspocus = Socket::open_path(server.address, "/hocuspocus", None).await;
    hocuspocus.send(said(&[2, 0], &token)).await;
    hocuspocus.next().await.expect("an answer");
    until("it is written down", || {
        let mut bob = bob.clone();
        async move { used(&mut bob).await }
    })
    .await;
}

/// Everybody who is in before is out after, and the text is what it was.
async fn ends(
    server: &Ropewalk,
    owner: &mut Browser,
    shows: Shows<'_>,
    (code, reason): (u16, &str),
    revoke: impl AsyncFnOnce(&mut Browser),
) {
    let before = owner.bytes(NAME).await;
    let mut somebody = enter(server, &shows).await;
    revoke(owner).await;
    somebody.write().await;
    somebody.is_out(code, reason).await;
    assert_eq!(owner.bytes(NAME).await, before);
}

pub const NOT_KNOWN: (u16, &str) = (4401, "sign in first");
pub const NOT_ALLOWED: (u16, &str) = (4403, "this document is not shared with you");

pub async fn begin() -> (Ropewalk, Browser, Browser, Browser) {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let bob = ada.invite(&server, "bob").await;
    owner.create(NAME, "text").await;
    owner.share(NAME, "bob", "edit").await;
    (server, ada, owner, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_taken_back() {
    let (server, _, mut owner, mut bob) = begin().await;
    let (_, token) = bob.make_token("edit", "*").await;
    for shows in [Shows::Headers(&bob), Shows::Token(&token)] {
        ends(&server, &mut owner, shows, NOT_ALLOWED, async |owner| {
            owner.share(NAME, "bob", "none").await;
        })
        .await;
        owner.share(NAME, "bob", "edit").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_taken_out_of_the_group_that_was_given_access() {
    let (server, mut ada, mut owner, bob) = begin().await;
    owner.share(NAME, "bob", "none").await;
    let group = ada
        .done("POST", "/api/groups", json!({ "name": "Editors" }))
        .await;
    let member = format!("/api/groups/{}/members/bob", group["id"]);
    ada.done("PUT", &member, Value::Null).await;
    let give = json!({ "group": "Editors", "access": "edit" });
    owner
        .done("PUT", &format!("/api/documents/{NAME}/sharing"), give)
        .await;
    ends(
        &server,
        &mut owner,
        Shows::Headers(&bob),
        NOT_ALLOWED,
        async |_| {
            ada.done("DELETE", &member, Value::Null).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_disabled() {
    let (server, mut ada, mut owner, mut bob) = begin().await;
    let (_, token) = bob.make_token("edit", "*").await;
    let signed_in = Shows::Headers(&bob);
    ends(&server, &mut owner, signed_in, NOT_KNOWN, async |_| {
        ada.done("PATCH", "/api/people/bob", json!({ "is_disabled": true }))
            .await;
    })
    .await;
    ada.done("PATCH", "/api/people/bob", json!({ "is_disabled": false }))
        .await;
    ends(
        &server,
        &mut owner,
        Shows::Token(&token),
        NOT_KNOWN,
        async |_| {
            ada.done("PATCH", "/api/people/bob", json!({ "is_disabled": true }))
                .await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_revoked() {
    let (server, _, mut owner, mut bob) = begin().await;
    let (id, token) = bob.make_token("edit", NAME).await;
    ends(
        &server,
        &mut owner,
        Shows::Token(&token),
        NOT_KNOWN,
        async |_| {
            bob.done("DELETE", &format!("/api/tokens/{id}"), Value::Null)
                .await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends() {
    let (server, _, mut owner, mut bob) = begin().await;
    let mut elsewhere = Browser::of(&server);
    elsewhere.sign_in("bob").await;
    ends(
        &server,
        &mut owner,
        Shows::Headers(&elsewhere),
        NOT_KNOWN,
        async |_| {
            bob.done("DELETE", "/api/sessions", Value::Null).await;
        },
    )
    .await;
    let signed_in = bob.clone();
    ends(
        &server,
        &mut owner,
        Shows::Headers(&signed_in),
        NOT_KNOWN,
        async |_| {
            bob.done("DELETE", "/api/session", Value::Null).await;
        },
    )
    .await;
    assert_eq!(signed_in.clone().state().await, "signed_out");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_ends_a_session_and_a_token_of_somebody() {
    let (server, mut ada, mut owner, mut bob) = begin().await;
    let (id, token) = bob.make_token("edit", NAME).await;
    for (kind, shows) in [
        ("tokens", Shows::Token(&token)),
        ("sessions", Shows::Headers(&bob)),
    ] {
        let all = format!("/api/people/bob/{kind}");
        let told = ada.done("GET", &all, Value::Null).await;
        let [one] = &told[kind].as_array().unwrap()[..] else {
            panic!("{told}");
        };
        if kind == "tokens" {
            assert_eq!((&one["id"], &one["for"]), (&json!(id), &json!(NAME)));
        }
        let one = one["id"].as_i64().unwrap();
        let others = format!("/api/people/owner/{kind}/{one}");
        assert_eq!(ada.fail("DELETE", &others, Value::Null).await.0, 404);
        ends(&server, &mut owner, shows, NOT_KNOWN, async |_| {
            ada.done("DELETE", &format!("{all}/{one}"), Value::Null)
                .await;
        })
        .await;
        let told = ada.done("GET", &all, Value::Null).await;
        assert_eq!(told[kind], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_revoked() {
    let (server, _, mut owner, _) = begin().await;
    for follows in [false, true] {
        let (id, link) = owner.make_link(NAME, "edit").await;
        let mut guest = Browser::of(&server);
        guest
            .done("POST", "/api/follow", json!({ "link": link }))
            .await;
        let shows = match follows {
            true => Shows::Headers(&guest),
            false => Shows::Token(&link),
        };
        ends(&server, &mut owner, shows, NOT_KNOWN, async |owner| {
            let target = format!("/api/documents/{NAME}/links/{id}");
            owner.done("DELETE", &target, Value::Null).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_made_a_link_may_not_share_any_more() {
    let (server, mut ada, mut owner, mut bob) = begin().await;
    owner.share(NAME, "bob", "own").await;
    let (id, link) = bob.make_link(NAME, "edit").await;
    let follow = json!({ "link": link });
    let disabled = |is_disabled: bool| json!({ "is_disabled": is_disabled });
    for (follows, disables) in [(true, true), (false, true), (true, false)] {
        let mut guest = Browser::of(&server);
        guest.done("POST", "/api/follow", follow.clone()).await;
        let shows = match follows {
            true => Shows::Headers(&guest),
            false => Shows::Token(&link),
        };
        let ending = if disables { NOT_KNOWN } else { NOT_ALLOWED };
        ends(
            &server,
            &mut owner,
            shows,
            ending,
            async |owner| match disables {
                true => {
                    ada.done("PATCH", "/api/people/bob", disabled(true)).await;
                }
                false => owner.share(NAME, "bob", "edit").await,
            },
        )
        .await;
        let mut late = Browser::of(&server);
        let failed = late.fail("POST", "/api/follow", follow.clone()).await;
        assert_eq!(failed, (404, "no_link".into()));
        let sharing = format!("/api/documents/{NAME}/sharing");
        let told = owner.done("GET", &sharing, Value::Null).await;
        let told = &told["links"][0];
        assert_eq!(told["made_by"], json!({ "login": "bob", "name": "BOB" }));
        assert_eq!(told["is_backed"], false);
        // What was followed counts again when its maker may share again.
        match disables {
            true => {
                ada.done("PATCH", "/api/people/bob", disabled(false)).await;
            }
            false => owner.share(NAME, "bob", "own").await,
        }
        assert_eq!(guest.text(NAME).await, "text");
        let told = owner.done("GET", &sharing, Value::Null).await;
        assert_eq!(told["links"][0]["is_backed"], true);
    }
    let made = ada.done("GET", "/api/people/bob/links", Value::Null).await;
    assert_eq!(
        (&made["links"][0]["for"], &made["next"]),
        (&json!(NAME), &Value::Null)
    );
    let others = format!("/api/people/owner/links/{id}");
    assert_eq!(ada.fail("DELETE", &others, Value::Null).await.0, 404);
    let his = format!("/api/people/bob/links/{id}");
    ada.done("DELETE", &his, Value::Null).await;
    let mut late = Browser::of(&server);
    late.fail("POST", "/api/follow", follow).await;
    let made = ada.done("GET", "/api/people/bob/links", Value::Null).await;
    assert_eq!(made["links"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_and_a_token_come_to_their_ends() {
    let (server, _, mut owner, mut bob) = begin().await;
    let before = owner.bytes(NAME).await;
    let (link, by_link) = owner.make_link(NAME, "edit").await;
    let (token, by_token) = bob.make_token("edit", NAME).await;
    for (table, id, secret) in [("links", link, by_link), ("tokens", token, by_token)] {
        let mut somebody = enter(&server, &Shows::Token(&secret)).await;
        // The server has to notice it by itself: nothing is written when it ends.
        let soon = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 300";
        write_accounts(
            &server,
            &format!("UPDATE {table} SET expires_at_ms = {soon} WHERE id = {id}"),
        );
        assert_eq!(somebody.yjs.closed().await.code, 4401, "{table}");
        somebody.write().await;
        somebody.is_out(NOT_KNOWN.0, NOT_KNOWN.1).await;
    }
    assert_eq!(owner.bytes(NAME).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_another_way_in_stays() {
    let (_server, _, mut owner, mut bob) = begin().await;
    let (id, link) = owner.make_link(NAME, "read").await;
    bob.done("POST", "/api/follow", json!({ "link": link }))
        .await;
    let editor = bob.editor(NAME).await;
    editor.append("!");
    editor.all_saved().await;
    let target = format!("/api/documents/{NAME}/links/{id}");
    owner.done("DELETE", &target, Value::Null).await;
    editor.append("!");
    editor.all_saved().await;
    assert_eq!(owner.text(NAME).await, "text!!");
}
