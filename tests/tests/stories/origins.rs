//! Other web sites cannot reach the server through a visitor's browser.

use ropewalk_tests::{Request, Ropewalk};

/// Where a socket is asked for, by each wire.
const WIRES: [&str; 5] = [
    "/yjs/origins",
    "/hocuspocus",
    "/text/origins",
    "/d/origins/ws/origins",
    "/yjs",
];

async fn upgrade(server: &Ropewalk, origin: Option<&str>) -> u16 {
    upgrade_at(server, WIRES[0], origin).await
}

async fn upgrade_at(server: &Ropewalk, path: &str, origin: Option<&str>) -> u16 {
    let mut request = Request::upgrade(path);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    server.send(request).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_site_sockets_are_refused_on_every_wire() {
    let server = Ropewalk::start().await;
    let (address, port) = (server.address, server.address.port());
    assert_eq!(upgrade(&server, None).await, 101, "not a browser");
    assert_eq!(
        upgrade(&server, Some(&format!("http://{address}"))).await,
        101
    );
    for foreign in [
        "http://evil.example".to_owned(),
        format!("http://evil.example:{port}"),
        "null".to_owned(),
        "".to_owned(),
        format!("http://{address}.evil.example"),
        format!("http://127.0.0.1.evil.example:{port}"),
        format!("http://evil127.0.0.1:{port}"),
        format!("http://{address}@evil.example"),
        format!("http://evil.example/{address}"),
        format!("http://evil.example?{address}"),
        format!("http://evil.example#{address}"),
        "http://127.0.0.1:1".to_owned(),
        "http://127.0.0.1".to_owned(),
        format!("file://{address}"),
        format!("{address}"),
        format!("http://{address}, http://evil.example"),
    ] {
        for wire in WIRES {
            let status = upgrade_at(&server, wire, Some(&foreign)).await;
            assert_eq!(status, 403, "{wire} {foreign:?}");
        }
    }
    for wire in WIRES {
        let own = format!("http://{address}");
        assert_eq!(upgrade_at(&server, wire, Some(&own)).await, 101, "{wire}");
    }
    let twice = Request::upgrade("/yjs/origins")
        .header("origin", &format!("http://{address}"))
        .header("origin", "http://evil.example");
    let status = server.send(twice).await.status;
    assert!(status == 403 || status == 400, "two origins: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_origins_are_welcome_and_nothing_like_them() {
    let server = Ropewalk::with(&[
        "--allow-origin",
        "https://write.example",
        "--allow-origin",
        "http://other.example:8080",
    ])
    .await;
    for welcome in ["https://write.example", "http://other.example:8080"] {
        assert_eq!(upgrade(&server, Some(welcome)).await, 101, "{welcome}");
    }
    for foreign in [
        "http://write.example",
        "https://write.example.evil.example",
        "https://evil-write.example",
        "https://write.example:8443",
        "https://other.example:8080",
        "http://other.example",
        "null",
    ] {
        assert_eq!(upgrade(&server, Some(foreign)).await, 403, "{foreign}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_site_requests_change_nothing_where_there_are_no_accounts() {
    let server = Ropewalk::start().await;
    let own = format!("http://{}", server.address);
    let put = |origin: &str| {
        Request::new("PUT", "/api/documents/csrf")
            .header("origin", origin)
            .body("mine")
    };
    for foreign in ["http://evil.example", "null"] {
        let refused = server.send(put(foreign)).await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, "origin_not_allowed".to_owned())
        );
        assert_eq!(refused.header("access-control-allow-origin"), None);
    }
    assert_eq!(server.get("/api/documents/csrf/text").await.status, 404);
    assert_eq!(server.send(put(&own)).await.status, 201);
    for foreign in ["http://evil.example", "null"] {
        let refused = server
            .send(Request::new("DELETE", "/api/documents/csrf").header("origin", foreign))
            .await;
        assert_eq!(
            (refused.status, refused.code()),
            (403, "origin_not_allowed".to_owned())
        );
    }
    assert_eq!(server.text("csrf").await, "mine");
    assert_eq!(
        server
            .send(Request::new("DELETE", "/api/documents/csrf").header("origin", &own))
            .await
            .status,
        204
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dns_rebinding_reaches_nothing_on_a_loopback_server() {
    let server = Ropewalk::start().await;
    let port = server.address.port();
    for own in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("LOCALHOST:{port}"),
        format!("[::1]:{port}"),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
    ] {
        assert_eq!(
            server
                .send(Request::get("/api/documents").host(&own))
                .await
                .status,
            200,
            "{own}"
        );
    }
    for rebound in [
        format!("evil.example:{port}"),
        "evil.example".to_owned(),
        format!("localhost.evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("evil-localhost:{port}"),
        format!("evil@localhost:{port}"),
        format!("192.168.0.1:{port}"),
        format!("0.0.0.0:{port}"),
        "".to_owned(),
    ] {
        for path in ["/", "/api/documents", "/edit/a", "/metrics"] {
            let refused = server.send(Request::get(path).host(&rebound)).await;
            assert!(
                matches!(refused.status, 400 | 403),
                "{rebound:?} {path}: {}",
                refused.status
            );
        }
        // The page of a rebound name has that name for its origin.
        let request = Request::upgrade("/yjs/rebound")
            .host(&rebound)
            .header("origin", &format!("http://{rebound}"));
        let status = server.send(request).await.status;
        assert!(matches!(status, 400 | 403), "{rebound:?} upgrade: {status}");
    }
    let refused = server
        .send(Request::get("/api/documents").host("evil.example"))
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (403, "host_not_allowed".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_host_name_is_answered() {
    let server = Ropewalk::with(&["--allow-host", "docs.example"]).await;
    let own = Request::upgrade("/yjs/hosts")
        .host("docs.example")
        .header("origin", "http://docs.example");
    assert_eq!(server.send(own).await.status, 101);
    assert_eq!(
        server
            .send(Request::get("/api/documents").host("docs.example"))
            .await
            .status,
        200
    );
    assert_eq!(
        server
            .send(Request::get("/api/documents").host("docs.example.evil.example"))
            .await
            .status,
        403
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_pages_are_over_tls_one_of_plain_http_is_foreign() {
    let place = "https://write.example.org";
    let listen = ["--listen", "0.0.0.0:0"];
    let proxied = [&listen[..], &["--trust-proxy", "127.0.0.1"]].concat();
    let told = [&listen[..], &["--public-url", place]].concat();
    for (arguments, said, status) in [
        (&proxied, Some("https"), 403),
        // It says itself where people reach it.
        (&told, None, 400),
        (&proxied, Some("http"), 101),
        (&proxied, None, 101),
        // Anybody can say so.
        (&listen.to_vec(), Some("https"), 101),
    ] {
        let server = Ropewalk::with(arguments).await;
        let dressed = |request: Request, origin: &str| {
            let request = request.host("write.example.org").header("origin", origin);
            match said {
                Some(said) => request.header("x-forwarded-proto", said),
                None => request,
            }
        };
        for wire in WIRES {
            for (origin, expected) in [(place, 101), ("http://write.example.org", status)] {
                let answer = server.send(dressed(Request::upgrade(wire), origin)).await;
                let what = format!("{wire} {origin} {said:?} {arguments:?}");
                assert_eq!(answer.status, expected, "{what}");
            }
        }
        let put = Request::new("PUT", "/api/documents/csrf").body("mine");
        let put = dressed(put, "http://write.example.org");
        let code = match status {
            101 => "sign_in",
            400 => "other_address",
            _ => "origin_not_allowed",
        };
        assert_eq!(
            server.send(put).await.code(),
            code,
            "{said:?} {arguments:?}"
        );
    }
}
