//! Documents over plain HTTP.

use std::collections::BTreeSet;

use ropewalk_tests::{Client, Request, Response, Ropewalk};

async fn put(server: &Ropewalk, name: &str, text: impl Into<Vec<u8>>) -> Response {
    server
        .send(Request::new("PUT", &format!("/api/documents/{name}")).body(text))
        .await
}

async fn delete(server: &Ropewalk, name: &str) -> Response {
    server
        .send(Request::new("DELETE", &format!("/api/documents/{name}")))
        .await
}

fn names(page: &Response) -> Vec<String> {
    assert_eq!(page.status, 200, "{}", page.text());
    page.json()["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_s_url_says_what_it_is_for() {
    let server = Ropewalk::start().await;
    for path in ["/yjs/a", "/text/a", "/hocuspocus"] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status, answer.code()),
            (426, "upgrade_required".to_owned()),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn put_creates_once() {
    let mut server = Ropewalk::start().await;
    let made = put(&server, "made", "some 💚 text\nin lines\n").await;
    assert_eq!(made.status, 201);
    let json = made.json();
    assert_eq!(
        (json["name"].as_str(), json["length"].as_u64()),
        (Some("made"), Some(22))
    );
    assert!(json["version"].as_str().is_some_and(|v| !v.is_empty()));
    let again = put(&server, "made", "other text").await;
    assert_eq!((again.status, again.code()), (409, "exists".to_owned()));
    assert_eq!(server.text("made").await, "some 💚 text\nin lines\n");
    // It is there for editors too, at once and after a kill.
    let ann = Client::join(&server, "made").await;
    assert_eq!(ann.text(), "some 💚 text\nin lines\n");
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("made").await, "some 💚 text\nin lines\n");
    assert_eq!(
        put(&server, "made", "").await.status,
        409,
        "known after a restart"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn put_without_text_makes_an_empty_document() {
    let mut server = Ropewalk::start().await;
    assert_eq!(put(&server, "empty", "").await.status, 201);
    assert_eq!(
        server
            .send(Request::new("PUT", "/api/documents/bare"))
            .await
            .status,
        201,
        "no body at all"
    );
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("empty").await, "");
    assert_eq!(server.text("bare").await, "");
    assert_eq!(
        names(&server.get("/api/documents").await),
        ["bare", "empty"]
    );
    assert_eq!(put(&server, "empty", "text").await.code(), "exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_create_at_once_one_wins() {
    let server = Ropewalk::start().await;
    let all =
        futures_util::future::join_all((0..30).map(|i| put(&server, "race", format!("text {i}"))))
            .await;
    let created: Vec<_> = all.iter().filter(|r| r.status == 201).collect();
    assert_eq!(created.len(), 1);
    assert!(all.iter().all(|r| r.status == 201 || r.code() == "exists"));
    let winner = all.iter().position(|r| r.status == 201).unwrap();
    assert_eq!(server.text("race").await, format!("text {winner}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn put_refuses_what_is_not_a_text() {
    let server = Ropewalk::with(&["--max-text-bytes", "100000"]).await;
    let bad = put(&server, "bytes", vec![b'a', 0xff, 0xfe]).await;
    assert_eq!((bad.status, bad.code()), (400, "not_utf8".to_owned()));
    let large = put(&server, "large", "x".repeat(100_001)).await;
    assert_eq!((large.status, large.code()), (413, "too_large".to_owned()));
    let huge = put(&server, "huge", "x".repeat(64 << 20)).await;
    assert_eq!((huge.status, huge.code()), (413, "too_large".to_owned()));
    assert!(names(&server.get("/api/documents").await).is_empty());
    assert_eq!(put(&server, "fits", "x".repeat(99_000)).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn put_reaches_who_has_the_document_open() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "open").await;
    assert_eq!(put(&server, "open", "from outside").await.status, 201);
    ann.until_text("from outside").await;
    ann.append(" and inside");
    ann.all_saved().await;
    assert_eq!(server.text("open").await, "from outside and inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_has_a_version_that_moves_with_every_edit() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "versions").await;
    let mut seen = BTreeSet::new();
    let mut last = String::new();
    for step in 0..4 {
        match step {
            0 => ann.insert(0, "one two three"),
            1 => ann.remove(3, 4),
            2 => ann.remove(0, 9),
            _ => ann.insert(0, "again"),
        }
        ann.all_saved().await;
        let text = server.get("/api/documents/versions/text").await;
        assert_eq!(text.text(), ann.text());
        assert_eq!(
            text.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        last = text.header("etag").unwrap().to_owned();
        assert!(last.starts_with('"') && last.ends_with('"'), "{last}");
        assert!(
            seen.insert(last.clone()),
            "step {step}: {last} was seen before"
        );
        let known = Request::get("/api/documents/versions/text").header("if-none-match", &last);
        let same = server.send(known).await;
        assert_eq!((same.status, same.body.len()), (304, 0));
        assert_eq!(same.header("etag"), Some(last.as_str()));
    }
    for old in seen.iter().filter(|old| **old != last) {
        let known = Request::get("/api/documents/versions/text").header("if-none-match", old);
        assert_eq!(server.send(known).await.status, 200);
    }
    // A version names the same text after a restart.
    server.kill().await;
    server.start_again().await;
    assert_eq!(
        server
            .get("/api/documents/versions/text")
            .await
            .header("etag"),
        Some(last.as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn text_by_lines() {
    let server = Ropewalk::start().await;
    put(&server, "lines", "one\ntwo 💚\n\nfour\nfive").await;
    for (lines, text) in [
        ("1-1", "one\n"),
        ("2-3", "two 💚\n\n"),
        ("4-5", "four\nfive"),
        ("5-99", "five"),
        ("1-5", "one\ntwo 💚\n\nfour\nfive"),
        ("6-7", ""),
    ] {
        let response = server
            .get(&format!("/api/documents/lines/text?lines={lines}"))
            .await;
        assert_eq!((response.status, response.text()), (200, text), "{lines}");
    }
    for bad in [
        "0-1",
        "3-2",
        "a-b",
        "1-2-3",
        "-1",
        "",
        "99999999999999999999-1",
        "1-x",
        "1&line=2",
    ] {
        let response = server
            .get(&format!("/api/documents/lines/text?lines={bad}"))
            .await;
        assert_eq!(
            (response.status, response.code()),
            (400, "bad_query".to_owned()),
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_another_root() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "roots").await;
    let notes = ann.edit_silently(|_, txn| {
        let notes = yrs::WriteTxn::get_or_insert_text(txn, "notes");
        yrs::Text::insert(&notes, txn, 0, "in the margin");
    });
    ann.send(ropewalk_tests::frames::update(&notes));
    ann.insert(0, "in the middle");
    ann.all_saved().await;
    assert_eq!(
        server
            .get("/api/documents/roots/text?root=notes")
            .await
            .text(),
        "in the margin"
    );
    assert_eq!(server.text("roots").await, "in the middle");
    assert_eq!(
        server
            .get("/api/documents/roots/text?root=none")
            .await
            .text(),
        ""
    );
    assert_eq!(
        server.get("/api/documents").await.json()["documents"][0]["length"],
        13
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_newest_first_and_complete_page_by_page() {
    let server = Ropewalk::start().await;
    for i in 0..25 {
        put(&server, &format!("list/{i:02}"), "x".repeat(i)).await;
    }
    // An edit brings a document to the front.
    let ann = Client::join(&server, "list/03").await;
    ann.append("💚");
    ann.all_saved().await;
    let first = server.get("/api/documents?limit=1").await;
    let json = first.json();
    let front = &json["documents"][0];
    assert_eq!(
        (
            front["name"].as_str(),
            front["length"].as_u64(),
            front["people"].as_u64()
        ),
        (Some("list/03"), Some(5), Some(1))
    );
    assert!(front["created_at"].as_i64() <= front["edited_at"].as_i64());
    assert!(front["edited_at"].as_i64() > Some(1_700_000_000_000));

    for limit in [1, 7, 24, 25, 26, 200] {
        let mut all = Vec::new();
        let mut edited = i64::MAX;
        let mut cursor = String::new();
        loop {
            let page = server
                .get(&format!("/api/documents?limit={limit}{cursor}"))
                .await;
            let json = page.json();
            let documents = json["documents"].as_array().unwrap();
            assert!(
                documents.len() <= limit && !documents.is_empty(),
                "limit {limit}: {}",
                documents.len()
            );
            for document in documents {
                let at = document["edited_at"].as_i64().unwrap();
                assert!(at <= edited, "newest first");
                edited = at;
            }
            all.extend(names(&page));
            match json["next"].as_str() {
                Some(next) => {
                    cursor = format!("&cursor={}", ropewalk_tests::http::encode_name(next))
                }
                None => break,
            }
        }
        assert_eq!(all.len(), 25, "limit {limit}: {all:?}");
        assert_eq!(
            all.iter().collect::<BTreeSet<_>>().len(),
            25,
            "limit {limit}: none twice"
        );
    }
    for bad in [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=-1",
        "cursor=nonsense",
        "cursor=%00",
    ] {
        let response = server.get(&format!("/api/documents?{bad}")).await;
        assert_eq!(
            (response.status, response.code()),
            (400, "bad_query".to_owned()),
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_searched_by_name() {
    let server = Ropewalk::start().await;
    for name in [
        "Notes/Monday",
        "notes/tuesday",
        "plan%25",
        "plan_b",
        "%C3%9Cbung",
        "other",
    ] {
        assert_eq!(
            put(&server, name, "notes are in the text too").await.status,
            201
        );
    }
    for (query, found) in [
        ("notes", &["notes/tuesday", "Notes/Monday"][..]),
        ("MON", &["Notes/Monday"]),
        ("s%2Ft", &["notes/tuesday"]),
        ("%25", &["plan%"]),
        ("_", &["plan_b"]),
        ("%C3%BCbung", &["Übung"]),
        ("nothing", &[]),
    ] {
        assert_eq!(
            names(&server.get(&format!("/api/documents?q={query}")).await),
            found,
            "{query}"
        );
    }
    let page = server.get("/api/documents?q=n&limit=2").await;
    assert_eq!(names(&page).len(), 2);
    let next = page.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(
        names(
            &server
                .get(&format!("/api/documents?q=n&limit=2&cursor={next}"))
                .await
        )
        .len(),
        2,
        "Monday, and both plans hold an n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_counts_people() {
    let server = Ropewalk::start().await;
    put(&server, "people", "").await;
    let people = || async {
        server.get("/api/documents").await.json()["documents"][0]["people"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(people().await, 0);
    let ann = Client::join(&server, "people").await;
    let bob = Client::join(&server, "people").await;
    assert_eq!(people().await, 2);
    ann.leave().await;
    ropewalk_tests::until("one is left", || async {
        (people().await == 1).then_some(())
    })
    .await;
    drop(bob);
    ropewalk_tests::until("none is left", || async {
        (people().await == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_by_its_name_is_what_the_list_says_of_it() {
    let mut server = Ropewalk::start().await;
    put(&server, "notes/other", "").await;
    put(&server, "notes/one%20%F0%9F%92%9A%3F", "abc").await;
    let ann = Client::join(&server, "notes/one 💚?").await;
    ann.append("💚");
    ann.all_saved().await;
    let path = "/api/documents/notes/one%20%F0%9F%92%9A%3F";
    let one = server.get(path).await;
    assert_eq!(one.status, 200, "{}", one.text());
    let json = one.json();
    assert_eq!(
        json,
        server.get("/api/documents").await.json()["documents"][0]
    );
    assert_eq!(
        (
            json["name"].as_str(),
            json["length"].as_u64(),
            json["people"].as_u64()
        ),
        (Some("notes/one 💚?"), Some(5), Some(1))
    );
    for (path, status, code) in [
        ("/api/documents/notes", 404, "not_found"),
        ("/api/documents/notes//one", 400, "bad_name"),
    ] {
        let response = server.get(path).await;
        assert_eq!(
            (response.status, response.code()),
            (status, code.to_owned()),
            "{path}"
        );
    }
    assert_eq!(server.send(Request::new("DELETE", path)).await.status, 204);
    for round in ["at once", "after a restart"] {
        let gone = server.get(path).await;
        assert_eq!(
            (gone.status, gone.code()),
            (410, "deleted".to_owned()),
            "{round}"
        );
        server.kill().await;
        server.start_again().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_sends_everyone_away_and_leaves_a_tombstone() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "doomed").await;
    ann.insert(0, "last words");
    ann.all_saved().await;
    assert_eq!(delete(&server, "doomed").await.status, 204);
    assert_eq!(ann.closed().await.code, 4404);
    for round in ["at once", "after a restart"] {
        let text = server.get("/api/documents/doomed/text").await;
        assert_eq!(
            (text.status, text.code()),
            (410, "deleted".to_owned()),
            "{round}"
        );
        // Whoever still has the words cannot bring it back to life by opening it.
        let again = Client::open(&server, "doomed", ropewalk_tests::client::new_doc(None)).await;
        assert_eq!(again.closed().await.code, 4404, "{round}");
        assert!(
            names(&server.get("/api/documents").await).is_empty(),
            "{round}"
        );
        let twice = delete(&server, "doomed").await;
        assert!(
            matches!(twice.status, 404 | 410),
            "{round}: {}",
            twice.status
        );
        server.kill().await;
        server.start_again().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_name_can_be_used_again_for_a_new_document() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "reused").await;
    ann.insert(0, "old words");
    ann.all_saved().await;
    let old = server
        .get("/api/documents/reused/text")
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    delete(&server, "reused").await;
    ann.closed().await;
    assert_eq!(put(&server, "reused", "").await.status, 201);
    assert_eq!(server.text("reused").await, "");
    let bob = Client::join(&server, "reused").await;
    assert_eq!(bob.text(), "", "nothing of the old one");
    bob.insert(0, "new words");
    bob.all_saved().await;
    server.kill().await;
    server.start_again().await;
    let text = server.get("/api/documents/reused/text").await;
    assert_eq!(text.text(), "new words");
    assert_ne!(text.header("etag"), Some(old.as_str()), "another document");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_at_an_unknown_address_gets_the_page_that_says_so() {
    let server = Ropewalk::start().await;
    let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    let page = server.get("/").await;
    let tag = page.header("etag").unwrap();
    for path in ["/nothing/here", "/edit", "/assets/none.js"] {
        let asked = Request::get(path)
            .header("accept", accept)
            .header("if-none-match", tag);
        let missing = server.send(asked).await;
        assert_eq!(
            (missing.status, missing.text()),
            (404, page.text()),
            "{path}"
        );
    }
    for (method, path) in [
        ("GET", "/api/absent"),
        ("GET", "/api/documents/absent"),
        ("POST", "/nothing/here"),
    ] {
        let missing = server
            .send(Request::new(method, path).header("accept", accept))
            .await;
        assert_eq!(
            (missing.status, missing.code()),
            (404, "not_found".to_owned()),
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_to_be_not_there() {
    let server = Ropewalk::start().await;
    for (method, target) in [
        ("GET", "/api/documents/absent/text"),
        ("DELETE", "/api/documents/absent"),
        ("GET", "/api/absent"),
        ("GET", "/absent"),
    ] {
        let response = server.send(Request::new(method, target)).await;
        assert_eq!(
            (response.status, response.code()),
            (404, "not_found".to_owned()),
            "{method} {target}"
        );
    }
    for (method, target) in [
        ("POST", "/api/documents"),
        ("POST", "/api/documents/a"),
        ("PUT", "/healthz"),
        ("DELETE", "/metrics"),
    ] {
        let response = server.send(Request::new(method, target)).await;
        assert_eq!(
            (response.status, response.code()),
            (405, "method_not_allowed".to_owned()),
            "{method} {target}"
        );
    }
    assert!(
        names(&server.get("/api/documents").await).is_empty(),
        "asking makes nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_openapi_describes_is_there() {
    let server = Ropewalk::start().await;
    let described = server.get("/api/openapi.json").await;
    assert_eq!(described.header("content-type"), Some("application/json"));
    let described = described.json();
    assert_eq!(described["openapi"], "3.1.0");
    put(&server, "made", "some text").await;
    let mut count = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if method == "parameters" {
                continue;
            }
            count += 1;
            // What is deleted is another document, and what was set aside is not there.
            let name = match (method.as_str(), path.as_str()) {
                ("delete", _) => "gone",
                _ => "made",
            };
            let _ = put(&server, "gone", "some text").await;
            let target = path
                .replace("{name}", name)
                .replace("{path}", "folder")
                .replace("{login}", "nobody")
                .replace("{id}", "1");
            let request = Request::new(&method.to_uppercase(), &target).body("{");
            let answer = match path.ends_with("/changes") {
                // It does not end by itself.
                true => server.get(&format!("{target}?since=x")).await,
                false => server.send(request).await,
            };
            let is_missing = path.ends_with("{id}") && answer.status == 404;
            assert!(
                is_missing || !matches!(answer.status, 404 | 405),
                "{method} {path}: {}",
                answer.status
            );
        }
    }
    assert!(count > 50, "{count} routes");
}
