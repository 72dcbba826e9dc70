//! What administrators see of a server.

use std::time::Duration;

use ropewalk_tests::account::{Browser, secret, team, write_accounts};
use ropewalk_tests::ropewalk::{binary, folder};
use ropewalk_tests::{Request, until, within};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::revoked::{Shows, enter};
use crate::maintain::{on, path, well};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_is_seen_on_every_wire_and_gone_when_they_go() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    bob.create("team/notes", "secret words").await;
    let (_, link) = bob.make_link("team/notes", "edit").await;
    let everywhere = enter(&server, &Shows::Headers(&bob)).await;
    let mut guest = Browser::of(&server);
    let follow = json!({ "link": link });
    guest.done("POST", "/api/follow", follow).await;
    let editor = guest.editor("team/notes").await;

    let path = "/api/admin/connections";
    let listed = ada.done("GET", path, Value::Null).await;
    assert_eq!(listed["count"], 6);
    let all = listed["connections"].as_array().unwrap();
    let mut wires: Vec<&str> = all
        .iter()
        .map(|one| one["wire"].as_str().unwrap())
        .collect();
    wires.sort_unstable();
    let each = [
        "hocuspocus",
        "http",
        "text",
        "y-sweet",
        "y-websocket",
        "y-websocket",
    ];
    assert_eq!(wires, each);
    for one in all {
        assert_eq!(one["document"], "team/notes");
        let (login, by, at) = match one["by"].as_str() {
            Some("link") => (Value::Null, "link", &guest.at),
            _ => (json!("bob"), "session", &bob.at),
        };
        assert_eq!((&one["login"], &one["by"]), (&login, &json!(by)));
        assert_eq!(one["address"].as_str(), Some(at.as_str()), "{one}");
    }
    assert_eq!(all[0]["by"], "link", "the newest first");
    assert!(!listed.to_string().contains("secret"));
    let few = "/api/admin/connections?limit=2";
    let few = ada.done("GET", few, Value::Null).await;
    assert_eq!(few["connections"].as_array().map(Vec::len), Some(2));
    assert_eq!(few["count"], 6);
    let many = "/api/admin/connections?limit=1001";
    let refused = ada.fail("GET", many, Value::Null).await;
    assert_eq!(refused, (400, "bad_query".into()));

    drop((everywhere, editor));
    until("nobody is there", || {
        let mut ada = ada.clone();
        async move {
            let listed = ada.done("GET", path, Value::Null).await;
            (listed["count"] == 0).then_some(())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_asks_for_waits_no_longer_than_they_are_one() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let as_admin = json!({ "is_admin": true });
    ada.done("PATCH", "/api/people/bob", as_admin).await;
    bob.done("POST", "/api/groups", json!({ "name": "Bobs" }))
        .await;
    // Somebody else writes, and takes it from them.
    let busy = Connection::open(server.data().path().join("accounts.db")).unwrap();
    busy.execute_batch(
        "BEGIN IMMEDIATE; UPDATE people SET is_admin = 0 WHERE login = 'bob';
         UPDATE state SET changes = changes + 1;",
    )
    .unwrap();
    let asked = [
        ("/api/invitations", json!({ "is_admin": true })),
        ("/api/invitations", json!({ "login": "eve" })),
        ("/api/people/ada/reset", Value::Null),
        ("/api/groups", json!({ "name": "More" })),
    ];
    let waiting = asked.map(|(target, body)| {
        let mut bob = bob.clone();
        tokio::spawn(async move { bob.fail("POST", target, body).await })
    });
    // The accounts have one door, and whoever is in it waits to write.
    until("one of them is at it", || {
        let mut ada = ada.clone();
        async move {
            let groups = ada.ask("GET", "/api/groups", Value::Null);
            let soon = tokio::time::timeout(Duration::from_millis(100), groups);
            soon.await.is_err().then_some(())
        }
    })
    .await;
    busy.execute_batch("COMMIT").unwrap();
    for answer in waiting {
        assert_eq!(answer.await.unwrap(), (403, "not_admin".into()));
    }
    let open = ada.done("GET", "/api/invitations", Value::Null).await;
    assert_eq!(open["invitations"], json!([]));
    // Of themselves they may take it all at once.
    let as_admin = json!({ "is_admin": true });
    ada.done("PATCH", "/api/people/bob", as_admin).await;
    let gone = json!({ "is_admin": false, "is_disabled": true });
    let told = bob.done("PATCH", "/api/people/bob", gone).await;
    assert_eq!(
        (&told["is_admin"], &told["is_disabled"]),
        (&json!(false), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_the_provider_fills_keeps_its_name() {
    let (_server, mut ada) = team(&[
        "--public-url",
        "http://127.0.0.1:1",
        "--oidc-issuer",
        "http://127.0.0.1:2",
        "--oidc-client-id",
        "ropewalk",
        "--oidc-group",
        "staff=Editors",
    ])
    .await;
    let mut made = Vec::new();
    for name in ["editors", "Others"] {
        let group = ada.done("POST", "/api/groups", json!({ "name": name }));
        made.push(format!("/api/groups/{}", group.await["id"]));
    }
    let [filled, other] = &made[..] else {
        panic!("{made:?}")
    };
    let renamed = json!({ "name": "Writers" });
    for refused in [
        ada.ask("PATCH", filled, renamed.clone()).await,
        ada.ask("DELETE", filled, Value::Null).await,
    ] {
        assert_eq!(refused.status, 409);
        assert!(refused.text().contains("oidc_group"), "{}", refused.text());
    }
    // It is the same in capitals.
    ada.done("PATCH", filled, json!({ "name": "Editors" }))
        .await;
    ada.done("PATCH", other, renamed).await;
    ada.done("DELETE", other, Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_left_alone_unless_a_password_is_said_to_be_there() {
    let place = folder();
    let sh = async |script: &str| {
        let mut shell = tokio::process::Command::new("sh");
        shell.args(["-c", script]).arg(binary()).arg(place.path());
        let done = within("the shell ends", shell.kill_on_drop(true).output()).await;
        let done = done.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    // The next line of a loop is nobody's password.
    let each = r#"printf 'ann\nbob\n' | while read login; do "$0" user add "$login" --admin --data "$1"; done"#;
    let (code, said, _) = sh(each).await;
    let invited = said.lines().filter(|line| line.starts_with("/join#rwi_"));
    assert_eq!((code, invited.count()), (Some(0), 2), "{said}");
    // Nor is one waited for that says nothing.
    let silent = r#"sleep 600 | { "$0" user add cyd --admin --data "$1"; kill 0; }"#;
    let (_, said, _) = sh(&format!("setsid sh -c '{silent}' \"$0\" \"$1\"")).await;
    assert!(said.starts_with("/join#rwi_"), "{said}");
    let given =
        r#"echo 'violet anchor tin 42' | "$0" user add dee --admin --password-stdin --data "$1""#;
    let added = (Some(0), "Added dee\n".to_owned(), String::new());
    assert_eq!(sh(given).await, added);
    for empty in ["printf ''", "echo"] {
        let add = r#""$0" user add eve --password-stdin --data "$1""#;
        let (code, said, error) = sh(&format!("{empty} | {add}")).await;
        let why = "ropewalk: --password-stdin: there is no password on standard input\n";
        assert_eq!((code, &*said, &*error), (Some(1), "", why), "{empty}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_from_the_command_line_is_in_the_log() {
    let (mut server, mut ada) = team(&[]).await;
    ada.create("large", &"words of great value ".repeat(100_000))
        .await;
    let (data, place) = (server.data(), folder());
    let last = async |ada: &mut Browser| {
        let status = ada.done("GET", "/api/admin/status", Value::Null).await;
        status["storage"]["last_backup_at"].clone()
    };
    assert_eq!(last(&mut ada).await, Value::Null);
    well(data.path(), &["export", &path(&place, "texts")]).await;
    assert_eq!(last(&mut ada).await, Value::Null);
    well(data.path(), &["backup", &path(&place, "one.db")]).await;
    let first = last(&mut ada).await.as_i64().expect("when it was");
    // Who writes for long keeps nobody from a copy.
    let busy = Connection::open(data.path().join("accounts.db")).unwrap();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    let done = on(data.path(), &["backup", &path(&place, "not-told.db")]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("not in the log"), "{done:?}");
    busy.execute_batch("ROLLBACK").unwrap();
    drop(busy);
    server.terminate().await;
    // What is not made is not told of: no file grows beyond 512 KiB, as on a full disk.
    let mut full = std::process::Command::new("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"]);
    let none = path(&place, "none.db");
    full.arg(binary()).args(["backup", &none, "--data"]);
    let full = full.arg(data.path()).output().unwrap();
    let said = String::from_utf8_lossy(&full.stderr);
    assert!(said.contains(&format!("cannot write {none}")), "{said}");
    well(data.path(), &["backup", &path(&place, "two.db")]).await;
    server.start_again().await;
    let mut ada = ada.at(&server);
    assert!(last(&mut ada).await.as_i64() > Some(first));
    // A person may have that login.
    ada.invite(&server, "cli").await;
    let of_person = ada.done("GET", "/api/audit?who=cli", Value::Null).await;
    let of_person = of_person["entries"].as_array().unwrap();
    assert!(!of_person.is_empty() && of_person.iter().all(|entry| entry["who"] != "(cli)"));
    let told = "/api/audit?who=(cli)&action=exported";
    let told = ada.done("GET", told, Value::Null).await;
    let told: Vec<(&str, &str)> = told["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!(entry["who"], "(cli)");
            let about = entry["about"].as_str().unwrap();
            about.split_once(", to ").unwrap()
        })
        .collect();
    let copies = [
        ("a backup", path(&place, "two.db")),
        ("a backup", path(&place, "one.db")),
        ("all documents", path(&place, "texts")),
    ];
    assert_eq!(told, copies.each_ref().map(|(what, to)| (*what, &**to)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_the_command_line_is_in_the_log() {
    let (mut server, mut ada) = team(&[]).await;
    ada.create("notes", "text").await;
    let (data, place) = (server.data(), folder());
    let (texts, backup) = (path(&place, "texts"), path(&place, "one.db"));
    std::fs::create_dir(&texts).unwrap();
    for name in ["a.txt", "b.txt"] {
        std::fs::write(place.path().join("texts").join(name), "words").unwrap();
    }
    well(data.path(), &["backup", &backup]).await;
    server.terminate().await;
    well(data.path(), &["import", &texts]).await;
    // Of what was there already nothing is imported.
    assert_eq!(on(data.path(), &["import", &texts]).await.code, Some(1));
    server.start_again().await;
    let told = async |ada: &mut Browser, action: &str| {
        let log = format!("/api/audit?who=(cli)&action={action}");
        let log = ada.done("GET", &log, Value::Null).await;
        let entries = log["entries"].as_array().unwrap().iter();
        let told = entries.map(|entry| entry["about"].as_str().unwrap().to_owned());
        told.collect::<Vec<_>>()
    };
    let mut ada = ada.at(&server);
    let imported = format!("2 documents, from {texts}");
    assert_eq!(told(&mut ada, "imported").await, [imported]);
    server.terminate().await;
    well(data.path(), &["restore", &backup, "--replace"]).await;
    server.start_again().await;
    let mut ada = ada.at(&server);
    assert_eq!(ada.sign_in("ada").await.status, 200);
    let restored = format!("a backup, from {backup}");
    assert_eq!(told(&mut ada, "restored").await, [restored]);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_the_server_does_is_told_in_numbers() {
    let (server, mut ada) = team(&[]).await;
    for (name, length) in [("short", 3), ("long", 500), ("gone", 900)] {
        ada.create(name, &"x".repeat(length)).await;
    }
    let gone = ada.send(Request::new("DELETE", "/api/documents/gone"));
    assert_eq!(gone.await.status, 204);
    let status = ada.done("GET", "/api/admin/status", Value::Null).await;
    assert_eq!(status["is_ready"], true);
    assert_eq!(status["reason"], Value::Null);
    assert_eq!(status["documents"]["count"], 2);
    assert_eq!(status["documents"]["length"], 503);
    let longest = &status["documents"]["longest"];
    assert_eq!(
        (&longest[0]["name"], &longest[1]["name"]),
        (&json!("long"), &json!("short"))
    );
    let storage = &status["storage"];
    let database = server.data().path().join("ropewalk.db").metadata();
    assert_eq!(storage["database_bytes"], database.unwrap().len());
    assert!(storage["journal_bytes"].as_u64() > Some(0));
    assert!(storage["free_bytes"].as_u64() > Some(0));
    let (now, committed) = (&status["now"], &storage["last_commit_at"]);
    assert!(
        committed.as_i64() <= now.as_i64() && committed.as_i64() > status["started_at"].as_i64()
    );
    assert_eq!(status["versions"]["ropewalk"], env!("CARGO_PKG_VERSION"));
    let page = status["versions"]["page"].as_str().unwrap();
    let script = Request::get(&format!("/assets/{page}"));
    assert_eq!(script.send(server.address).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_listed_a_page_at_a_time() {
    let (server, mut ada) = team(&[]).await;
    write_accounts(
        &server,
        "INSERT INTO people (id, login, name, is_admin, added_at_ms)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
            SELECT i, printf('p%04d', i), printf('P %d', i), 0, 0 FROM n",
    );
    until("the server knows them", || async {
        let told = ada
            .clone()
            .done("GET", "/api/people?q=p1000", Value::Null)
            .await;
        (!told["people"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    let first = ada.done("GET", "/api/people", Value::Null).await;
    let people = first["people"].as_array().unwrap();
    assert_eq!((people.len(), &first["next"]), (1000, &json!("p0999")));
    assert_eq!(people[0]["login"], "ada");
    let rest = ada
        .done("GET", "/api/people?after=p0999", Value::Null)
        .await;
    assert_eq!(rest["people"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&rest["people"][0]["login"], &rest["next"]),
        (&json!("p1000"), &Value::Null)
    );
    let found = ada
        .done("GET", "/api/people?q=p0&after=p0990", Value::Null)
        .await;
    assert_eq!(found["people"].as_array().unwrap().len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_password_changes_none() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    let told = bob.done("GET", "/api/session", Value::Null).await;
    assert_eq!(told["person"]["has_password"], true);
    write_accounts(
        &server,
        "UPDATE people SET password = NULL WHERE login = 'bob'",
    );
    until("the server knows", || async {
        let told = bob.clone().done("GET", "/api/session", Value::Null).await;
        (told["person"]["has_password"] == false).then_some(())
    })
    .await;
    let change = json!({ "old": "whatever it was", "new": "seven other strands of hemp" });
    let refused = bob.fail("PUT", "/api/password", change).await;
    assert_eq!(refused, (409, "no_password".into()));
    let log = ada
        .done("GET", "/api/audit?action=sign_in_failed", Value::Null)
        .await;
    assert_eq!(log["entries"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_invited_into_groups_is_in_them_from_the_first_day() {
    let (server, mut ada) = team(&[]).await;
    let mut ids = Vec::new();
    for name in ["Editors", "Designers", "Others"] {
        let made = ada.done("POST", "/api/groups", json!({ "name": name }));
        ids.push(made.await["id"].clone());
    }
    let wanted = json!({ "login": "bob", "groups": ids[..2] });
    let made = ada.done("POST", "/api/invitations", wanted).await;
    let none = json!({ "login": "eve" });
    ada.done("POST", "/api/invitations", none).await;
    let missing = json!({ "login": "cat", "groups": [ids[0], 99] });
    let refused = ada.fail("POST", "/api/invitations", missing).await;
    assert_eq!(refused.0, 404);
    let open = ada.done("GET", "/api/invitations", Value::Null).await;
    let open = open["invitations"].as_array().unwrap();
    let into: Vec<_> = open
        .iter()
        .map(|one| (&one["login"], &one["groups"]))
        .collect();
    let both = json!(["Designers", "Editors"]);
    let expected = [(&json!("eve"), &json!([])), (&json!("bob"), &both)];
    assert_eq!(into, expected);
    let mut bob = Browser::of(&server);
    bob.accept(&secret(&made["url"]), "bob").await;
    let groups = ada.done("GET", "/api/groups", Value::Null).await;
    let members = groups["groups"].as_array().unwrap().iter().map(|group| {
        let members = group["members"].as_array().unwrap();
        (group["name"].as_str().unwrap(), members.len())
    });
    let members: Vec<_> = members.collect();
    assert_eq!(members, [("Designers", 1), ("Editors", 1), ("Others", 0)]);
}
