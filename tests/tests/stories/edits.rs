//! Edits by position over plain HTTP.

use futures_util::future::join_all;
use ropewalk_tests::{Client, Request, Response, Ropewalk};
use serde_json::{Value, json};

async fn put(server: &Ropewalk, name: &str, text: &str) -> String {
    let request = Request::new("PUT", &format!("/api/documents/{name}")).body(text);
    let made = server.send(request).await;
    assert_eq!(made.status, 201, "{}", made.text());
    version(&made)
}

fn patching(name: &str, body: &Value) -> Request {
    Request::new("PATCH", &format!("/api/documents/{name}/text")).body(body.to_string())
}

async fn patch(server: &Ropewalk, name: &str, body: Value) -> Response {
    server.send(patching(name, &body)).await
}

fn appending(name: &str, text: &str) -> Request {
    Request::new("POST", &format!("/api/documents/{name}/append")).body(text)
}

fn version(response: &Response) -> String {
    let json = response.json();
    json["version"].as_str().unwrap().to_owned()
}

fn refusal(response: &Response) -> (u16, String) {
    (response.status, response.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_edits_the_text_that_it_has_seen() {
    let server = Ropewalk::start().await;
    let seen = put(&server, "a", "one two three").await;
    let ann = Client::join(&server, "a").await;
    ann.insert(0, "zero ");
    ann.all_saved().await;
    let edits = json!([
        {"from": 4, "to": 7, "insert": "2"},
        {"from": 13, "to": 13, "insert": " four"},
    ]);
    let made = patch(&server, "a", json!({"base": seen, "edits": edits})).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.json()["length"], 21);
    assert_eq!(server.text("a").await, "zero one 2 three four");
    ann.until_text("zero one 2 three four").await;
    let read = server.get("/api/documents/a/text").await;
    assert_eq!(read.header("etag"), made.header("etag"));
    assert_eq!(
        read.header("etag"),
        Some(&*format!("\"{}\"", version(&made)))
    );
    // Without a base it is the text of now.
    let made = patch(
        &server,
        "a",
        json!({"edits": [{"from": 0, "to": 5, "insert": ""}]}),
    )
    .await;
    assert_eq!(
        (made.status, made.json()["length"].as_u64()),
        (200, Some(16))
    );
    assert_eq!(server.text("a").await, "one 2 three four");
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_count_what_the_script_says() {
    let server = Ropewalk::start().await;
    for (unit, at, inside) in [
        ("utf16", 4, 3),
        ("utf8", 7, 4),
        ("char", 3, 99),
        ("utf8", 7, 6),
    ] {
        let name = format!("{unit}{inside}");
        let seen = put(&server, &name, "aé😀e\u{301}").await;
        for base in [Value::Null, seen.into()] {
            let edits = json!([{"from": inside, "to": inside, "insert": "x"}]);
            let refused = patch(
                &server,
                &name,
                json!({"base": base, "unit": unit, "edits": edits}),
            )
            .await;
            let code = if unit == "char" {
                "out_of_range"
            } else {
                "not_boundary"
            };
            assert_eq!(refusal(&refused), (400, code.to_owned()), "{unit} {inside}");
        }
        assert_eq!(server.text(&name).await, "aé😀e\u{301}");
        let edits = json!([{"from": at, "to": at, "insert": "|"}]);
        let made = patch(&server, &name, json!({"unit": unit, "edits": edits})).await;
        assert_eq!(made.status, 200, "{unit} {at}: {}", made.text());
        assert_eq!(server.text(&name).await, "aé😀|e\u{301}", "{unit} {at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_an_edit_is_refused_with_its_reason() {
    let server = Ropewalk::start().await;
    let seen = put(&server, "a", "abc").await;
    let other = put(&server, "b", "abc").await;
    let edit = |from: i64, to: i64| json!({"from": from, "to": to, "insert": "x"});
    let many = vec![edit(0, 0); 4097];
    for (body, status, code) in [
        (json!({"edits": [edit(2, 1)]}), 400, "unsorted"),
        (json!({"edits": [edit(1, 3), edit(2, 3)]}), 400, "unsorted"),
        (json!({"edits": [edit(0, 4)]}), 400, "out_of_range"),
        (
            json!({"base": seen, "edits": [edit(4, 4)]}),
            400,
            "out_of_range",
        ),
        (
            json!({"base": seen, "edits": [edit(i64::MAX, i64::MAX)]}),
            400,
            "out_of_range",
        ),
        (
            json!({"base": other, "edits": [edit(0, 0)]}),
            409,
            "replaced",
        ),
        (json!({"base": "x", "edits": [edit(0, 0)]}), 400, "bad_body"),
        (json!({"base": 7, "edits": [edit(0, 0)]}), 400, "bad_body"),
        (json!({"edits": [edit(-1, 0)]}), 400, "bad_body"),
        (json!({"edits": [{"from": 0, "to": 0}]}), 400, "bad_body"),
        (
            json!({"edits": [{"from": 0, "to": 0.5, "insert": ""}]}),
            400,
            "bad_body",
        ),
        (json!({"edits": {}}), 400, "bad_body"),
        (json!({"edits": [], "unit": "words"}), 400, "bad_body"),
        (json!({"edits": [], "more": 1}), 400, "bad_body"),
        (
            json!({"edits": [], "find": "a", "replace": "b"}),
            400,
            "bad_body",
        ),
        (json!({"find": "a"}), 400, "bad_body"),
        (json!({"find": "", "replace": "b"}), 400, "bad_body"),
        (
            json!({"find": "a", "replace": "b", "count": -1}),
            400,
            "bad_body",
        ),
        (json!({}), 400, "bad_body"),
        (json!([]), 400, "bad_body"),
        (
            json!({"edits": [], "root": "r".repeat(257)}),
            400,
            "bad_query",
        ),
        (json!({"edits": many}), 413, "too_large"),
    ] {
        let refused = patch(&server, "a", body.clone()).await;
        let body = body.to_string();
        let body = &body[..body.len().min(100)];
        assert_eq!(refusal(&refused), (status, code.to_owned()), "{body}");
    }
    let nothing = Request::new("PATCH", "/api/documents/a/text").body("{");
    assert_eq!(
        refusal(&server.send(nothing).await),
        (400, "bad_body".to_owned())
    );
    let edits = json!({"edits": [edit(0, 0)]});
    let refused = patch(&server, "nobody", edits.clone()).await;
    assert_eq!(refusal(&refused), (404, "not_found".to_owned()));
    let elsewhere = Request::new("PATCH", "/api/documents/a").body(edits.to_string());
    let refused = server.send(elsewhere).await;
    assert_eq!(refusal(&refused), (405, "method_not_allowed".to_owned()));
    let text = server.get("/api/documents/a/text").await;
    assert_eq!(text.text(), "abc");
    assert_eq!(
        text.header("etag"),
        Some(&*format!("\"{seen}\"")),
        "unchanged"
    );
    server
        .send(Request::new("DELETE", "/api/documents/a"))
        .await;
    for request in [patching("a", &edits), appending("a", "x")] {
        let refused = server.send(request).await;
        assert_eq!(refusal(&refused), (410, "deleted".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_of_long_ago_is_stale() {
    let server = Ropewalk::start().await;
    let seen = put(&server, "a", "abc").await;
    for _ in 0..300 {
        server.send(appending("a", "x")).await;
    }
    let edits = json!([{"from": 0, "to": 0, "insert": "y"}]);
    let refused = patch(&server, "a", json!({"base": seen, "edits": edits})).await;
    assert_eq!(refusal(&refused), (409, "stale".to_owned()));
    let read = server
        .get(&format!("/api/documents/a/text?version={seen}"))
        .await;
    assert_eq!(refusal(&read), (412, "version_mismatch".to_owned()));
    let now = server.get("/api/documents/a/text").await;
    let now = now.header("etag").unwrap().trim_matches('"').to_owned();
    let read = server
        .get(&format!("/api/documents/a/text?version={now}"))
        .await;
    assert_eq!((read.status, read.text().len()), (200, 303));
    let read = server.get("/api/documents/a/text?version=x").await;
    assert_eq!(refusal(&read), (400, "bad_query".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_is_replaced() {
    let server = Ropewalk::start().await;
    let seen = put(&server, "a", "💚 red, red; réd red").await;
    let replace = |count: Value| json!({"find": "red", "replace": "💛", "count": count});
    for wrong in [0, 1, 2, 4] {
        let refused = patch(&server, "a", replace(wrong.into())).await;
        assert_eq!(refusal(&refused), (409, "count_mismatch".to_owned()));
        assert_eq!(refused.json()["found"], 3);
    }
    let read = server
        .get(&format!("/api/documents/a/text?version={seen}"))
        .await;
    assert_eq!(read.text(), "💚 red, red; réd red", "unchanged");
    let made = patch(&server, "a", replace(3.into())).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(server.text("a").await, "💚 💛, 💛; réd 💛");
    let again = patch(&server, "a", replace(Value::Null)).await;
    assert_eq!(
        (again.status, version(&again)),
        (200, version(&made)),
        "none is left"
    );
    put(&server, "many", &"a".repeat(4097)).await;
    let refused = patch(&server, "many", json!({"find": "a", "replace": "b"})).await;
    assert_eq!(refusal(&refused), (413, "too_large".to_owned()));
}

/// Longer than what a document looks through itself, in UTF-16 units.
const LONG: usize = 300_000;

#[tokio::test(flavor = "multi_thread")]
async fn in_a_long_text_it_is_replaced_where_it_was_found_and_by_one() {
    let server = Ropewalk::start().await;
    let text = |words: &str| format!("{}{words}", "é ".repeat(LONG / 2));
    put(&server, "a", &text("word 0.")).await;
    let ann = Client::join(&server, "a").await;
    for round in 0..10 {
        let [old, new] = [round, round + 1].map(|n| format!("word {n}."));
        let body = json!({"find": old, "replace": new, "count": 1});
        // Somebody types meanwhile, and somebody else wants the same.
        ann.insert(0, "a");
        let keyed = patching("a", &body).header("idempotency-key", &new);
        let racing = json!({"find": format!("{old} "), "replace": format!("{new} "), "count": 1});
        let appended = server.send(appending("a", " ")).await;
        assert_eq!(appended.status, 200);
        let both = [keyed.clone(), patching("a", &racing)].map(|request| server.send(request));
        let both = join_all(both).await;
        let made = both.iter().filter(|made| made.status == 200);
        assert_eq!(made.count(), 1, "{both:?}");
        for refused in both.iter().filter(|made| made.status != 200) {
            assert_eq!(refusal(refused), (409, "count_mismatch".into()));
        }
        if both[0].status == 200 {
            let again = server.send(keyed).await;
            assert_eq!((again.status, again.text()), (200, both[0].text()));
        }
        ann.all_saved().await;
        let now = server.text("a").await;
        let words = format!("{new}{}", " ".repeat(round + 1));
        let expected = format!("{}{}", "a".repeat(round + 1), text(&words));
        assert!(now == expected, "{round}: {} bytes", now.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_one_long_text_looked_through_at_a_time() {
    let server = Ropewalk::start().await;
    put(&server, "a", &"x".repeat(8 * LONG)).await;
    let ann = Client::join(&server, "a").await;
    let wrong = json!({"find": "not there", "replace": "", "count": 1});
    let looks = (0..64).map(|_| server.send(patching("a", &wrong)));
    ann.insert(0, "typed");
    let (looks, ()) = tokio::join!(join_all(looks), ann.all_saved());
    let count = |status, code: &str| {
        let refusals = looks.iter().map(refusal);
        let such = refusals.filter(|refusal| *refusal == (status, code.to_owned()));
        such.count()
    };
    let (looked, waited) = (
        count(409, "count_mismatch"),
        count(429, "too_many_attempts"),
    );
    assert_eq!(looked + waited, looks.len(), "{looks:?}");
    assert!(looked > 0 && waited > 0, "{looked} of them");
    let once_more = patch(&server, "a", wrong).await;
    assert_eq!(refusal(&once_more), (409, "count_mismatch".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_written_too_often_is_refused_before_it_is() {
    let server = Ropewalk::start().await;
    put(&server, "a", &"a".repeat(4096)).await;
    let before = server.resident_bytes();
    let body = json!({"find": "a", "replace": "x".repeat(64 << 10)});
    let refused = patch(&server, "a", body).await;
    assert_eq!(refusal(&refused), (413, "too_large".to_owned()));
    let grown = server.resident_bytes().saturating_sub(before) >> 20;
    assert!(grown < 64, "{grown} MiB for an edit of 256");
}

#[tokio::test(flavor = "multi_thread")]
async fn if_match_is_strict() {
    let server = Ropewalk::start().await;
    let seen = put(&server, "a", "abc").await;
    let body = json!({"base": seen, "edits": [{"from": 3, "to": 3, "insert": "d"}]});
    let with = |tag: &str| patching("a", &body).header("if-match", tag);
    let tag = format!("\"{seen}\"");
    let deleting = |tag: &str| Request::new("DELETE", "/api/documents/a").header("if-match", tag);
    for (wrong, status, code) in [
        (&*format!("W/{tag}"), 412, "version_mismatch"),
        ("\"x\"", 412, "version_mismatch"),
        ("\"1-1-1.1\"", 412, "version_mismatch"),
        (&seen, 400, "bad_header"),
        ("", 400, "bad_header"),
        ("\"x\", y", 400, "bad_header"),
    ] {
        for request in [with(wrong), deleting(wrong)] {
            let refused = server.send(request).await;
            assert_eq!(refusal(&refused), (status, code.to_owned()), "{wrong}");
        }
    }
    let made = server.send(with(&format!("\"x\", {tag}"))).await;
    assert_eq!(made.status, 200);
    let refused = server.send(with(&tag)).await;
    assert_eq!(refusal(&refused), (412, "version_mismatch".to_owned()));
    assert_eq!(server.send(with("*")).await.status, 200);
    assert_eq!(server.text("a").await, "abcdd");
    assert_eq!(server.send(deleting(&tag)).await.status, 412);
    let now = server.get("/api/documents/a/text").await;
    let deleted = server.send(deleting(now.header("etag").unwrap())).await;
    assert_eq!(deleted.status, 204);
    let nobody = server
        .send(appending("nobody", "x").header("if-match", "*"))
        .await;
    assert_eq!(refusal(&nobody), (412, "version_mismatch".to_owned()));
    assert_eq!(server.get("/api/documents/nobody").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_edit_also_after_a_kill() {
    let mut server = Ropewalk::start().await;
    put(&server, "a", "").await;
    let request = appending("a", "once 💚").header("idempotency-key", "k1");
    let nothing = patching("a", &json!({"edits": []})).header("idempotency-key", "k2");
    let (first, empty) = (
        server.send(request.clone()).await,
        server.send(nothing.clone()).await,
    );
    server.send(appending("a", "!")).await;
    for _ in 0..3 {
        for (request, first) in [(&request, &first), (&nothing, &empty)] {
            // A condition that held then does not have to hold again.
            let again = server
                .send(request.clone().header("if-match", "\"x\""))
                .await;
            assert_eq!((again.status, again.json()), (200, first.json()));
            assert_eq!(again.header("etag"), first.header("etag"));
        }
        for other in [
            appending("a", "twice"),
            Request::new("POST", "/api/documents/a/append?root=other").body("once 💚"),
            patching("a", &json!({"find": "once 💚", "replace": ""})),
        ] {
            let refused = server.send(other.header("idempotency-key", "k1")).await;
            assert_eq!(refusal(&refused), (422, "key_used".to_owned()));
        }
        assert_eq!(server.text("a").await, "once 💚!");
        server.kill().await;
        server.start_again().await;
    }
    // A script that begins anew has another base.
    let seen = server.get("/api/documents/a/text").await;
    let seen = seen.header("etag").unwrap().trim_matches('"').to_owned();
    let nothing = json!({"base": seen, "edits": []});
    let again = server
        .send(patching("a", &nothing).header("idempotency-key", "k2"))
        .await;
    assert_eq!((again.status, again.json()), (200, empty.json()));
    let other = appending("a", "?").header("idempotency-key", "k3");
    assert_eq!(server.send(other).await.status, 200);
    assert_eq!(server.text("a").await, "once 💚!?");
    // Of a document that is begun again under the name it is another edit.
    server
        .send(Request::new("DELETE", "/api/documents/a"))
        .await;
    put(&server, "a", "").await;
    assert_eq!(server.send(request).await.status, 200);
    assert_eq!(server.text("a").await, "once 💚");
    for bad in ["", &*"k".repeat(65), "é"] {
        let refused = server
            .send(appending("a", "x").header("idempotency-key", bad))
            .await;
        assert_eq!(refusal(&refused), (400, "bad_header".to_owned()), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_send_the_same_key_at_once_one_edits() {
    let server = Ropewalk::start().await;
    let request = appending("race", "x").header("idempotency-key", "same");
    let all = join_all((0..30).map(|_| server.send(request.clone()))).await;
    assert!(
        all.iter()
            .all(|made| made.status == 200 && made.json() == all[0].json())
    );
    assert_eq!(server.text("race").await, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_begins_a_document_and_stands_at_its_end() {
    let mut server = Ropewalk::start().await;
    let all = join_all((0..40).map(|i| {
        let request = appending("log", &format!("line {i} 💚\n"));
        async { server.send(request).await.status }
    }));
    assert_eq!(all.await, [200; 40]);
    let text = server.text("log").await;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let mut expected: Vec<String> = (0..40).map(|i| format!("line {i} 💚")).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    let empty = server.send(appending("empty", "")).await;
    assert_eq!(
        (empty.status, empty.json()["length"].as_u64()),
        (200, Some(0))
    );
    let refused = server
        .send(appending("log", "x").header("x", "y").body(vec![0xff]))
        .await;
    assert_eq!(refusal(&refused), (400, "not_utf8".to_owned()));
    let elsewhere = server
        .send(Request::new("POST", "/api/documents/log").body("x"))
        .await;
    assert_eq!(refusal(&elsewhere), (405, "method_not_allowed".to_owned()));
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("log").await, text);
    assert_eq!(server.text("empty").await, "");
    let aside = Request::new("POST", "/api/documents/log/append?root=aside").body("beside");
    assert_eq!(server.send(aside).await.status, 200);
    assert_eq!(server.text("log").await, text);
    let read = server.get("/api/documents/log/text?root=aside").await;
    assert_eq!(read.text(), "beside");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_that_is_not_on_disk() {
    let mut server = Ropewalk::start().await;
    put(&server, "a", "saved").await;
    server.limit_files(Some(0));
    let request = appending("a", " once").header("idempotency-key", "k");
    let refused = server.send(request.clone()).await;
    assert_eq!(refusal(&refused), (503, "storage".to_owned()));
    server.limit_files(None);
    ropewalk_tests::until("it can be saved", || async {
        let made = server.send(request.clone()).await;
        (made.status == 200).then_some(())
    })
    .await;
    assert_eq!(server.send(request).await.status, 200);
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("a").await, "saved once");
}
