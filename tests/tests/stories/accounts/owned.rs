//! Whose documents are, and how they become somebody else's.

use ropewalk_tests::Request;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::revoked::{NAME, NOT_ALLOWED, Shows, begin, enter};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_handed_over_and_whoever_had_it_is_out() {
    let (mut server, mut ada, mut owner, mut bob) = begin().await;
    let sharing = format!("/api/documents/{NAME}/sharing");
    let to = |login: &str| json!({ "owner": login });
    // Whoever was only given to own it shares it, and takes it from nobody.
    owner.share(NAME, "bob", "own").await;
    let denied = bob.fail("PUT", &sharing, to("bob")).await;
    assert_eq!(denied, (403, "not_owner".into()));
    let told = bob.done("GET", &sharing, Value::Null).await;
    assert_eq!(
        (&told["owner"]["login"], &told["may_hand_over"]),
        (&json!("owner"), &json!(false))
    );
    owner.share(NAME, "bob", "none").await;
    for (body, expected) in [
        (to("nobody"), (404, "no_subject")),
        (
            json!({ "owner": "bob", "access": "own" }),
            (400, "bad_body"),
        ),
        (
            json!({ "owner": "bob", "person": "bob" }),
            (400, "bad_body"),
        ),
    ] {
        let (status, code) = owner.fail("PUT", &sharing, body).await;
        assert_eq!((status, &*code), expected);
    }
    let folder = "/api/folders/team/sharing";
    assert_eq!(ada.fail("PUT", folder, to("bob")).await.0, 400);

    let before = owner.bytes(NAME).await;
    let mut somebody = enter(&server, &Shows::Headers(&owner)).await;
    let told = owner.done("PUT", &sharing, to("Bob")).await;
    assert_eq!(
        (&told["owner"]["login"], &told["may_hand_over"]),
        (&json!("bob"), &json!(false))
    );
    somebody.write().await;
    somebody.is_out(NOT_ALLOWED.0, NOT_ALLOWED.1).await;
    assert_eq!(bob.bytes(NAME).await, before);
    bob.share(NAME, "owner", "read").await;

    server.kill().await;
    server.start_again().await;
    for browser in [&mut ada, &mut owner, &mut bob] {
        browser.find_again(&server);
    }
    let told = bob.done("GET", &sharing, Value::Null).await;
    assert_eq!(
        (&told["owner"]["login"], &told["may_hand_over"]),
        (&json!("bob"), &json!(true))
    );
    let denied = owner.fail("PUT", &sharing, to("owner")).await;
    assert_eq!(denied, (403, "not_owner".into()));
    let log = ada
        .done("GET", "/api/audit?action=handed_over", Value::Null)
        .await;
    let entry = &log["entries"][0];
    assert_eq!(
        (&entry["who"], &entry["about"]),
        (&json!("owner"), &json!("team/notes from owner to bob"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_who_has_left_is_handed_over_at_once() {
    let (server, mut ada, mut owner, mut bob) = begin().await;
    for name in ["one", "two", "gone"] {
        bob.create(name, name).await;
    }
    let delete = Request::new("DELETE", "/api/documents/gone");
    assert_eq!(bob.send(delete).await.status, 204);
    let disabled = json!({ "is_disabled": true });
    ada.done("PATCH", "/api/people/bob", disabled).await;
    let his = "/api/people/bob/documents";
    let listed = ada.done("GET", his, Value::Null).await;
    let expected = json!([
        { "name": "one", "is_trashed": false },
        { "name": "two", "is_trashed": false },
        { "name": "gone", "is_trashed": true },
    ]);
    assert_eq!(
        (&listed["documents"], &listed["next"]),
        (&expected, &Value::Null)
    );
    for (to, expected) in [("bob", 404), ("nobody", 404)] {
        let failed = ada.fail("POST", his, json!({ "to": to })).await;
        assert_eq!(failed.0, expected, "{to}");
    }
    let handed = ada.done("POST", his, json!({ "to": "owner" })).await;
    assert_eq!(handed, json!({ "handed": 3, "failed": 0, "next": null }));
    assert_eq!(owner.text("one").await, "one");
    let trash = owner.done("GET", "/api/trash", Value::Null).await;
    let id = &trash["documents"][0]["id"];
    let restore = format!(
        "/api/trash/{}/restore",
        id.as_str().map_or(id.to_string(), str::to_owned)
    );
    owner.done("POST", &restore, json!({})).await;
    assert_eq!(owner.text("gone").await, "gone");
    let sharing = "/api/documents/gone/sharing";
    let told = owner.done("GET", sharing, Value::Null).await;
    assert_eq!(told["owner"]["login"], "owner");
    let listed = ada.done("GET", his, Value::Null).await;
    assert_eq!(listed["documents"], json!([]));
    let handed = ada.done("POST", his, json!({ "to": "owner" })).await;
    assert_eq!(handed["handed"], 0);
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn much_comes_and_goes_in_pages_and_past_a_line_that_cannot_be_read() {
    // Those of one request, one more, and one that is damaged.
    const HIS: usize = 202;
    let (mut server, mut ada, owner, mut bob) = begin().await;
    for number in 0..HIS {
        bob.create(&format!("his/{number}"), "x").await;
    }
    server.kill().await;
    let file = Connection::open(server.database()).unwrap();
    let damaged = "SELECT id FROM documents WHERE name = 'his/100'";
    let damaged: i64 = file.query_row(damaged, [], |row| row.get(0)).unwrap();
    // A list is made of lines alone.
    let copies =
        "INSERT INTO documents (name, folded, created_at_ms, edited_at_ms, length, sequence, owner)
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
        SELECT 'hers/' || i, 'hers/' || i, created_at_ms, edited_at_ms, length, sequence, owner
        FROM n, documents WHERE name = ?1";
    assert_eq!(file.execute(copies, [NAME]).unwrap(), 1000);
    for (name, changed) in [("his/100", "name = ''"), ("hers/500", "length = -1")] {
        let damage = format!("UPDATE documents SET {changed} WHERE name = ?1");
        assert_eq!(file.execute(&damage, [name]).unwrap(), 1);
    }
    drop(file);
    server.start_again().await;
    for browser in [&mut ada, &mut bob] {
        browser.find_again(&server);
    }
    drop(owner);
    // She began one more, and one of them is left out.
    let hers = "/api/people/owner/documents";
    let first = ada.done("GET", hers, Value::Null).await;
    let listed = first["documents"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["name"]), (1000, &json!(NAME)));
    assert_eq!(listed[999]["name"], "hers/999");
    let rest = format!("{hers}?after={}", first["next"]);
    let rest = ada.done("GET", &rest, Value::Null).await;
    assert_eq!(rest, json!({ "documents": [], "next": null }));
    let bad = ada
        .fail("GET", &format!("{hers}?after=x"), Value::Null)
        .await;
    assert_eq!(bad, (400, "bad_query".into()));
    // It is said, though nothing else has read that line.
    let told = ada.done("GET", "/api/documents?q=team", Value::Null).await;
    let told = &told["damaged"][0];
    assert!(told["why"].as_str().unwrap().contains("hers/500"), "{told}");

    let his = "/api/people/bob/documents";
    let step = ada.done("POST", his, json!({ "to": "ada" })).await;
    let next = step["next"].as_i64().expect("one is left");
    assert_eq!(step, json!({ "handed": 200, "failed": 0, "next": next }));
    let step = ada
        .done("POST", his, json!({ "to": "ada", "after": next }))
        .await;
    assert_eq!(step, json!({ "handed": 1, "failed": 0, "next": null }));
    let listed = ada.done("GET", his, Value::Null).await;
    assert_eq!(listed, json!({ "documents": [], "next": null }));
    let denied = bob
        .fail("GET", "/api/documents/his/0/text", Value::Null)
        .await;
    assert_eq!(denied.0, 403);
    let log = "/api/audit?action=handed_over";
    let log = ada.done("GET", log, Value::Null).await;
    let about: Vec<&Value> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["about"])
        .collect();
    assert_eq!(
        about,
        [
            "1 documents from bob to ada",
            "200 documents from bob to ada"
        ]
    );
    // What cannot be read is still whose it was.
    let file = Connection::open(server.database()).unwrap();
    let whose = "SELECT count(*) FROM documents WHERE id = ?1 AND owner = (SELECT owner FROM documents WHERE name = 'his/0')";
    assert_eq!(
        file.query_row(whose, [damaged], |row| row.get::<_, i64>(0))
            .unwrap(),
        0
    );
}
