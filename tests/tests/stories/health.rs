//! What an operator looks at.

use ropewalk_tests::http::encode_name;
use ropewalk_tests::{Client, Request, Ropewalk};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_runs_is_healthy_and_ready() {
    let server = Ropewalk::start().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    let ready = server.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.json()["ready"].clone()),
        (200, true.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_and_name_no_document() {
    let server = Ropewalk::start().await;
    let name = "a secret plan 💚";
    let ann = Client::join(&server, name).await;
    for _ in 0..10 {
        ann.append("secret words ");
        ann.all_saved().await;
    }
    let metrics = server.metrics().await;
    assert_eq!(metrics["ropewalk_connections"], 1.0);
    assert_eq!(metrics["ropewalk_documents_open"], 1.0);
    assert_eq!(metrics["ropewalk_updates_applied_total"], 10.0);
    assert_eq!(metrics["ropewalk_storage_healthy"], 1.0);
    assert!(
        metrics["ropewalk_store_commits_total"] >= 10.0,
        "each was waited for"
    );
    assert_eq!(metrics["ropewalk_edit_durable_seconds_count"], 10.0);
    assert_eq!(
        metrics["ropewalk_store_commit_seconds_count"],
        metrics["ropewalk_store_commits_total"]
    );
    let longest = metrics["ropewalk_edit_durable_seconds_sum"];
    assert!(longest >= metrics["ropewalk_store_commit_seconds_sum"]);
    let response = server.get("/metrics").await;
    assert!(
        response
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    for hidden in [name, "secret", &encode_name(name)] {
        assert!(!response.text().contains(hidden), "{hidden}");
    }
    for line in response.text().lines() {
        let comment = line.starts_with("# HELP ropewalk_") || line.starts_with("# TYPE ropewalk_");
        assert!(comment || line.starts_with("ropewalk_"), "{line}");
    }
    ann.leave().await;
    server.until_metric("ropewalk_connections", 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_say_nothing_of_the_content() {
    let mut server = Ropewalk::with(&["--log", "trace", "--log-format", "json"]).await;
    let ann = Client::join(&server, "logged").await;
    ann.insert(0, "WORDS-OF-ANN");
    ann.announce(r#"{"user":{"name":"NAME-OF-ANN"}}"#);
    ann.send(vec![0, 2, 3, b'B', b'A', b'D']);
    ann.closed().await;
    let create = Request::new("PUT", "/api/documents/made")
        .body("BODY-OF-ANN")
        .header("authorization", "Bearer TOKEN-OF-ANN");
    assert_eq!(server.send(create).await.status, 201);
    let read = server.get("/api/documents/made/text?root=QUERY-OF-ANN");
    assert_eq!(read.await.status, 200);
    assert_eq!(server.terminate().await, Some(0));
    let log = ropewalk_tests::until("the log's last line", || async {
        let log = server.log();
        log.contains("4400").then_some(log)
    })
    .await;
    for line in log.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "a line of JSON: {line}"
        );
    }
    for content in [
        "WORDS-OF-ANN",
        "NAME-OF-ANN",
        "BODY-OF-ANN",
        "TOKEN-OF-ANN",
        "QUERY-OF-ANN",
    ] {
        let line = log.lines().find(|line| line.contains(content));
        assert_eq!(line, None, "{content} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_with_its_safeguards() {
    let server = Ropewalk::start().await;
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        server.get("/edit/any/name").await.body,
        page.body,
        "one page"
    );
    let policy = page.header("content-security-policy").expect("a CSP");
    assert!(
        policy.contains("default-src") && policy.contains("frame-ancestors"),
        "{policy}"
    );
    let scripts = policy
        .split(';')
        .map(str::trim)
        .find(|d| d.starts_with("script-src"))
        .or(policy
            .split(';')
            .find(|d| d.trim().starts_with("default-src")))
        .unwrap();
    assert!(
        !scripts.contains("unsafe-inline")
            && !scripts.contains("unsafe-eval")
            && !scripts.contains('*'),
        "{scripts}"
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(page.header("referrer-policy").is_some());
    assert!(
        !page
            .header("cache-control")
            .unwrap_or_default()
            .contains("immutable")
    );

    let html = page.text();
    let asset = html
        .split('"')
        .find(|part| part.starts_with("/assets/") && part.ends_with(".js"))
        .expect("a script");
    for (accepted, coding) in [
        ("br, gzip", Some("br")),
        ("gzip", Some("gzip")),
        ("identity", None),
    ] {
        let file = server
            .send(Request::get(asset).header("accept-encoding", accepted))
            .await;
        assert_eq!(
            (file.status, file.header("content-encoding")),
            (200, coding),
            "{accepted}"
        );
        assert!(file.header("cache-control").unwrap().contains("immutable"));
        assert!(
            file.header("content-type")
                .unwrap()
                .starts_with("text/javascript")
        );
    }
    assert_eq!(server.get("/assets/absent.js").await.status, 404);
    for outside in [
        "/assets/../index.html",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/..%2f..%2fCargo.toml",
    ] {
        assert_eq!(server.get(outside).await.status, 404, "{outside}");
    }
}
