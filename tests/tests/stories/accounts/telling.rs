//! Whether there is a document of a name is not told to those who could not begin it.

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::frames::{put_buf, put_uint};
use ropewalk_tests::{Request, Ropewalk, Socket, Thin};
use serde_json::{Value, json};

use super::matrix::request;
use super::routes::{Need, RULES};

/// One that is there, one that never was, one that was deleted, and one that is deleted for good.
const NAMES: [&str; 4] = ["team/there", "team/none", "team/trash", "team/gone"];

/// All that can be asked of a document: how, where and with what.
fn ways() -> Vec<(&'static str, &'static str, &'static str)> {
    let ways = [
        ("GET", "/d/{name}/as-update", ""),
        ("POST", "/d/{name}/update", "x"),
        ("POST", "/doc/{name}/auth", "{}"),
        ("GET", "/edit/{name}", ""),
    ];
    let of_documents = RULES.iter().filter_map(|(method, path, need, body)| {
        matches!(need, Need::Document(_)).then_some((*method, *path, *body))
    });
    of_documents.chain(ways).collect()
}

/// What the wires say to somebody who opens a document.
async fn opened(server: &Ropewalk, somebody: &Browser, name: &str) -> Vec<String> {
    let headers = somebody.headers();
    let mut said = Vec::new();
    for path in [format!("/yjs/{name}"), format!("/d/{name}/ws/{name}")] {
        let mut socket = Socket::open_with(server.address, &path, &headers).await;
        said.push(format!("{:?}", socket.closed().await));
    }
    let mut thin = Thin::new(name, "thin", "utf16").with("", &headers);
    thin.open(server).await;
    thin.say(json!({ "type": "hello", "client": "thin", "unit": "utf16" }))
        .await;
    let code = loop {
        match thin.hear().await {
            Ok(message) => said.push(message.to_string()),
            Err(code) => break code,
        }
    };
    said.push(code.to_string());
    let mut socket = Socket::open_with(server.address, "/hocuspocus", &headers).await;
    let mut hello = Vec::new();
    put_buf(&mut hello, name.as_bytes());
    [2, 0]
        .iter()
        .for_each(|&number| put_uint(&mut hello, number));
    put_buf(&mut hello, b"any");
    socket.send(hello).await;
    let answer = socket.next().await.expect("an answer under the address");
    let answer = answer[1 + name.len()..].to_vec();
    said.push(String::from_utf8_lossy(&answer).into_owned());
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_could_not_begin_a_document_does_not_hear_whether_there_is_one() {
    let (server, mut ada) = team(&[]).await;
    ada.invite(&server, "bob").await;
    let mut eve = ada.invite(&server, "eve").await;
    for name in ["team/there", "team/trash", "team/gone", "other"] {
        ada.create(name, "text").await;
    }
    for name in ["team/trash", "team/gone"] {
        let path = format!("/api/documents/{name}");
        ada.done("DELETE", &path, Value::Null).await;
    }
    let trash = ada.done("GET", "/api/trash", Value::Null).await;
    let mut trash = trash["documents"].as_array().unwrap().iter();
    let gone = trash.find(|one| one["name"] == "team/gone").unwrap();
    ada.done("DELETE", &format!("/api/trash/{}", gone["id"]), Value::Null)
        .await;
    // The folder is somebody's: nobody else begins documents there.
    let landlord = json!({ "person": "bob", "access": "read" });
    ada.done("PUT", "/api/folders/team/sharing", landlord).await;
    let (_, link) = ada.make_link("other", "edit").await;
    let mut guest = Browser::of(&server);
    let follow = json!({ "link": link });
    guest.done("POST", "/api/follow", follow).await;
    let (_, limited) = ada.make_token("own", "other").await;
    let (_, reads) = eve.make_token("read", "*").await;
    let ways = ways();
    for (who, mut somebody) in [
        ("nobody", Browser::of(&server)),
        ("a guest", guest),
        ("a script with a link", Browser::script(&server, &link)),
        (
            "a token for something else",
            Browser::script(&server, &limited),
        ),
        (
            "a token to read of a stranger",
            Browser::script(&server, &reads),
        ),
        ("a stranger", eve),
    ] {
        for (method, path, body) in &ways {
            let mut told = Vec::new();
            for name in NAMES {
                let answer = somebody.send(request(name, method, path, body)).await;
                let is_page = path.starts_with("/edit/");
                assert_eq!(answer.status == 200, is_page, "{who} {method} {path}");
                told.push((answer.status, answer.text().to_owned()));
            }
            assert!(
                told.iter().all(|one| *one == told[0]),
                "{who} {method} {path}: {told:?}"
            );
        }
        let there = opened(&server, &somebody, NAMES[0]).await;
        for name in &NAMES[1..] {
            assert_eq!(
                opened(&server, &somebody, name).await,
                there,
                "{who} {name}"
            );
        }
    }
    // Nor was one begun by that.
    let none = ada.send(Request::get("/api/documents/team/none")).await;
    assert_eq!(none.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_loaded_for_who_may_not_read_it() {
    let (mut server, mut ada) = team(&[]).await;
    let eve = ada.invite(&server, "eve").await;
    ada.create("team/there", "text").await;
    ada.create("other", "text").await;
    let (_, link) = ada.make_link("other", "edit").await;
    server.terminate().await;
    server.start_again().await;
    ada.find_again(&server);
    for mut somebody in [
        Browser::of(&server),
        eve.at(&server),
        Browser::script(&server, &link),
    ] {
        for (method, path, body) in ways() {
            let asked = request("team/there", method, path, body);
            let status = somebody.send(asked).await.status;
            let expected: &[u16] = if path.starts_with("/edit") {
                &[200]
            } else {
                &[401, 403]
            };
            assert!(expected.contains(&status), "{method} {path}: {status}");
        }
        let begin = json!({ "docId": "team/there" });
        let begun = somebody.ask("POST", "/doc/new", begin).await.status;
        assert!(matches!(begun, 401 | 403), "{begun}");
        opened(&server, &somebody, "team/there").await;
    }
    let loaded = async |ada: &mut Browser| {
        let metrics = ada.send(Request::get("/metrics")).await;
        let line = "ropewalk_documents_opened_total 0";
        !metrics.text().lines().any(|one| one == line)
    };
    assert!(!loaded(&mut ada).await);
    assert_eq!(ada.text("team/there").await, "text");
    assert!(loaded(&mut ada).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_nobody_is_answered_before_they_have_sent_anything() {
    let (server, _ada) = team(&[]).await;
    for (method, target) in [
        ("PUT", "/api/documents/notes"),
        ("PATCH", "/api/documents/notes/text"),
        ("POST", "/api/documents/notes/append"),
        ("PUT", "/api/documents/notes/sharing"),
        ("POST", "/d/notes/update"),
        ("POST", "/doc/notes/auth"),
        ("POST", "/doc/new"),
    ] {
        // It never comes.
        let announced = Request::new(method, target)
            .header("content-type", "application/json")
            .header("content-length", "1000000");
        let answer = server.send(announced).await;
        let told = (answer.status, answer.code());
        assert_eq!(told, (401, "sign_in".to_owned()), "{method} {target}");
    }
}
