//! Names of documents are data: any of them works everywhere, and none is a path, a pattern or a command.

use std::path::Path;

use ropewalk_tests::http::encode_name;
use ropewalk_tests::{Client, Request, Ropewalk, Socket};

/// Names that have meant something to some program.
fn strange() -> Vec<String> {
    let mut names: Vec<String> = [
        ":",
        "*",
        ">",
        "?",
        "#",
        "%",
        "%2f",
        "%00",
        "a b",
        " ",
        "a:b*c>d<e|f\"g",
        "'; DROP TABLE documents; --",
        "${HOME}",
        "`id`",
        "$(id)",
        "...",
        "..a",
        "a..",
        "~",
        "~root",
        "-rf",
        "--help",
        "con",
        "NUL.txt",
        "C:\\windows",
        "\\\\host\\share",
        "\\",
        "..\\..\\x",
        "💚",
        "👩‍👩‍👧",
        "ü",
        "u\u{308}",
        "日本語",
        "עברית",
        "\u{202e}txt.exe",
        "\u{feff}",
        "a\u{a0}b",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "text",
        "api",
        "healthz",
        "assets",
        "a/text",
        "edit/a",
        "yjs/a",
        "null",
        "true",
        "0",
        "__proto__",
        "constructor",
        "1/2/3/4/5/6/7/8",
        "a/%2e%2e/b",
        ".hidden",
        "&amp;",
        "a+b",
        "a=b&c=d",
        "_",
        "a_c",
        "a%c",
        "A",
        "a",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(512));
    names.push("💚".repeat(128));
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_strange_name_is_a_document_of_its_own() {
    let mut server = Ropewalk::start().await;
    for (i, name) in strange().iter().enumerate() {
        let ann = Client::join(&server, name).await;
        assert_eq!(ann.text(), "", "{name:?} is new");
        ann.insert(0, &format!("document {i}"));
        ann.all_saved().await;
    }
    server.kill().await;
    server.start_again().await;
    for (i, name) in strange().iter().enumerate() {
        assert_eq!(
            server.text(name).await,
            format!("document {i}"),
            "{name:?} by the API"
        );
        assert_eq!(
            Client::join(&server, name).await.text(),
            format!("document {i}"),
            "{name:?} by the wire"
        );
        let page = server.get(&format!("/edit/{}", encode_name(name))).await;
        assert_eq!(page.status, 200, "{name:?} on the page");
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{name:?}"
        );
    }
    // The list has them all, exactly as they were written.
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server
            .get(&format!("/api/documents?limit=10{cursor}"))
            .await
            .json();
        listed.extend(
            page["documents"]
                .as_array()
                .unwrap()
                .iter()
                .map(|d| d["name"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encode_name(next).replace('/', "%2F")),
            None => break,
        }
    }
    let mut names = strange();
    names.sort();
    listed.sort();
    assert_eq!(listed, names);
    for name in strange() {
        let query = encode_name(&name).replace('/', "%2F");
        let found = server
            .get(&format!("/api/documents?limit=200&q={query}"))
            .await
            .json();
        let found: Vec<_> = found["documents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["name"].as_str().unwrap().to_owned())
            .collect();
        assert!(
            found.contains(&name),
            "{name:?} is found by itself: {found:?}"
        );
        assert!(
            found
                .iter()
                .all(|f| f.to_lowercase().contains(&name.to_lowercase())),
            "only what contains {name:?}: {found:?}"
        );
    }
    // Nothing in the data folder is named after a document.
    let files: Vec<_> = std::fs::read_dir(server.data().path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        files
            .iter()
            .all(|file| file.starts_with("ropewalk") || file.starts_with("accounts")),
        "{files:?}"
    );
    for name in strange() {
        assert_eq!(
            server
                .send(Request::new(
                    "DELETE",
                    &format!("/api/documents/{}", encode_name(&name))
                ))
                .await
                .status,
            204,
            "{name:?}"
        );
    }
    assert_eq!(
        server.get("/api/documents").await.json()["documents"],
        serde_json::json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_slash_is_a_slash() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "a/b").await;
    ann.insert(0, "one document");
    ann.all_saved().await;
    for path in ["a/b", "a%2Fb", "a%2fb", "%61/%62"] {
        assert_eq!(
            server
                .get(&format!("/api/documents/{path}/text"))
                .await
                .text(),
            "one document",
            "{path}"
        );
        let mut socket = Socket::open_path(server.address, &format!("/yjs/{path}"), None).await;
        assert!(
            socket.next().await.unwrap().len() > 4,
            "{path}: a state vector that is not empty"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_name_is_refused_everywhere() {
    let server = Ropewalk::start().await;
    let long = "x".repeat(513);
    let huge = "x".repeat(10_000);
    let hearts = encode_name(&"💚".repeat(129));
    for path in [
        "",
        "%00",
        "a%00b",
        "a%0ab",
        "%7f",
        "%c2%85",
        "a//b",
        "/a",
        "a/",
        "%2f",
        "a%2f%2fb",
        ".",
        "..",
        "%2e%2e",
        "a/../b",
        "a%2f..%2fb",
        "a/%2e/b",
        "..%2f..%2f..%2fetc%2fpasswd",
        "1/2/3/4/5/6/7/8/9",
        "%ff",
        "%c3%28",
        "%ed%a0%80",
        &long,
        &huge,
        &hearts,
    ] {
        let mut socket = Socket::open_path(server.address, &format!("/yjs/{path}"), None).await;
        let closed = socket.closed().await;
        assert_eq!(
            closed.code,
            4400,
            "{:?} by the wire: {closed:?}",
            path.chars().take(40).collect::<String>()
        );
        for request in [
            Request::new("PUT", &format!("/api/documents/{path}")).body("text"),
            Request::new("DELETE", &format!("/api/documents/{path}")),
            Request::get(&format!("/api/documents/{path}/text")),
        ] {
            let response = server.send(request.clone()).await;
            let refused = response.status == 400 && response.code() == "bad_name";
            // Without any name it is another URL.
            let elsewhere = path.is_empty() && matches!(response.status, 404 | 405);
            assert!(
                refused || elsewhere,
                "{request:?}: {} {}",
                response.status,
                response.text()
            );
        }
    }
    assert_eq!(
        server.get("/api/documents").await.json()["documents"],
        serde_json::json!([])
    );
    assert!(!Path::new("/etc/passwd.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_ends_like_a_part_of_another_document_is_one_of_its_own() {
    let server = Ropewalk::start().await;
    for name in ["a", "a%2Ftext", "a%2Fstrays%2F1", "a%2Flinks%2F1"] {
        let target = format!("/api/documents/{name}");
        let put = server.send(Request::new("PUT", &target).body(name)).await;
        assert_eq!(put.status, 201, "{}", put.text());
    }
    assert_eq!(server.get("/api/documents/a/text").await.text(), "a");
    for name in ["a%2Ftext", "a%2Fstrays%2F1", "a%2Flinks%2F1"] {
        let target = format!("/api/documents/{name}");
        assert_eq!(server.get(&format!("{target}/text")).await.text(), name);
        let entry = server.get(&target).await.json();
        assert_eq!(entry["name"], name.replace("%2F", "/"));
        let deleted = server.send(Request::new("DELETE", &target)).await;
        assert_eq!(deleted.status, 204, "{}", deleted.text());
    }
    assert_eq!(server.text("a").await, "a");
}
