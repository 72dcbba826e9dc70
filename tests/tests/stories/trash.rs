//! Documents that are deleted and come back, or do not.

use std::time::Duration;

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::client::{edit_doc, new_doc, text_of};
use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Client, Events, Request, Ropewalk, until};
use rusqlite::Connection;
use serde_json::{Value, json};
use yrs::updates::decoder::Decode;
use yrs::{Doc, ReadTxn, StateVector, Text, Transact, Update};

use crate::maintain::{create, names, path, well};

const NAME: &str = "team/notes";

async fn delete(server: &Ropewalk, name: &str) {
    let target = format!("/api/documents/{name}");
    let deleted = server.send(Request::new("DELETE", &target)).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
}

async fn trash(server: &Ropewalk) -> Vec<Value> {
    let listed = server.get("/api/trash").await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    listed.json()["documents"].as_array().unwrap().clone()
}

/// Status and body of an attempt to take a document back.
async fn restore(server: &Ropewalk, trashed: &Value, body: Value) -> (u16, Value) {
    let target = format!("/api/trash/{}/restore", trashed["id"]);
    let request = Request::new("POST", &target)
        .header("content-type", "application/json")
        .body(body.to_string());
    let response = server.send(request).await;
    (response.status, response.json())
}

async fn until_text(server: &Ropewalk, name: &str, text: &str) {
    until(&format!("{name} is {text:?}"), || async {
        (server.text(name).await == text).then_some(())
    })
    .await;
}

fn copy(doc: &Doc) -> Doc {
    let copy = new_doc(None);
    let state = doc.transact().encode_diff_v1(&StateVector::default());
    let state = Update::decode_v1(&state).unwrap();
    copy.transact_mut().apply_update(state).unwrap();
    copy
}

fn append(doc: &Doc, words: &str) {
    edit_doc(doc, |text, txn| {
        let end = text.len(txn);
        text.insert(txn, end, words);
    });
}

/// Writes into a database that nobody has open.
fn write(server: &Ropewalk, statement: &str) {
    let file = Connection::open(server.database()).unwrap();
    file.execute_batch(statement).unwrap();
}

fn count(server: &Ropewalk, table: &str) -> i64 {
    let file = Connection::open(server.database()).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    file.query_row(&count, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_merges_with_what_was_written_meanwhile() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "one two");
    ann.all_saved().await;
    // Bob goes on without the server, and Cid has a copy that is opened again.
    let bob = Client::join(&server, NAME).await.leave().await;
    let cid = copy(&bob);
    append(&bob, " of bob");
    append(&cid, " of cid");

    delete(&server, NAME).await;
    assert_eq!(ann.closed().await.code, 4404);
    let ann = ann.leave().await;
    append(&ann, " of ann");
    // It is as gone as ever was.
    let bob = Client::open(&server, NAME, bob).await;
    assert_eq!(bob.closed().await.code, 4404);
    let bob = bob.leave().await;
    let gone = server.get(&format!("/api/documents/{NAME}")).await;
    assert_eq!((gone.status, gone.code()), (410, "deleted".to_owned()));
    assert_eq!(names(&server).await, [""; 0]);

    server.kill().await;
    server.start_again().await;
    let trashed = trash(&server).await;
    let [trashed] = &trashed[..] else {
        panic!("{trashed:?}");
    };
    assert_eq!(trashed["name"], NAME);
    assert_eq!(
        (&trashed["length"], &trashed["is_name_free"]),
        (&json!(7), &json!(true))
    );
    assert_eq!(trashed["deleted_by"], Value::Null);
    let kept = trashed["expires_at"].as_i64().unwrap() - trashed["deleted_at"].as_i64().unwrap();
    assert_eq!(kept, 30 * 24 * 60 * 60 * 1000);
    let (status, body) = restore(&server, trashed, json!({})).await;
    assert_eq!((status, body), (200, json!({ "name": NAME })));
    assert_eq!(trash(&server).await, [Value::Null; 0]);
    assert_eq!(server.text(NAME).await, "one two");
    assert_eq!(restore(&server, trashed, json!({})).await.0, 404);

    let mut people = Vec::new();
    for doc in [ann, bob, cid] {
        people.push(Client::open(&server, NAME, doc).await);
    }
    // What somebody has alone comes with the answer to the server's question.
    let whole = until("all have come with theirs", || async {
        let text = server.text(NAME).await;
        (text.len() >= "one two of ann of bob of cid".len()).then_some(text)
    })
    .await;
    assert_eq!(whole.len(), "one two of ann of bob of cid".len(), "{whole}");
    for part in ["one two", " of ann", " of bob", " of cid"] {
        assert_eq!(whole.matches(part).count(), 1, "{whole}");
    }
    for person in &people {
        person.until_text(&whole).await;
    }
    let strays = server.get(&format!("/api/documents/{NAME}/strays")).await;
    assert_eq!(strays.json()["strays"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_the_trash_is_free_and_what_had_it_needs_another() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "old words");
    ann.all_saved().await;
    delete(&server, NAME).await;
    let doc = ann.leave().await;
    append(&doc, " and more");
    create(&server, NAME, "new words").await;

    // Whoever has the old one merges nothing into the new one.
    let stale = Client::open(&server, NAME, copy(&doc)).await;
    assert_eq!(stale.closed().await.code, 4409);
    assert_eq!(server.text(NAME).await, "new words");
    let trashed = &trash(&server).await[0];
    assert_eq!(trashed["is_name_free"], false);
    let (status, body) = restore(&server, trashed, json!({})).await;
    assert_eq!((status, &body["code"]), (409, &json!("exists")));
    for (name, code) in [("a//b", "bad_name"), ("", "bad_name")] {
        let (status, body) = restore(&server, trashed, json!({ "name": name })).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{name}");
    }
    let (status, body) = restore(&server, trashed, json!({ "name": "old" })).await;
    assert_eq!((status, &body["name"]), (200, &json!("old")));
    assert_eq!(server.text("old").await, "old words");

    // There it is what it was; where it was it is still something else.
    let _here = Client::open(&server, "old", copy(&doc)).await;
    until_text(&server, "old", "old words and more").await;
    let stale = Client::open(&server, NAME, copy(&doc)).await;
    assert_eq!(stale.closed().await.code, 4409);
    // And back again, when both are in the trash.
    delete(&server, NAME).await;
    delete(&server, "old").await;
    let [old, new] = &trash(&server).await[..] else {
        panic!("two are in the trash");
    };
    assert_eq!((&old["name"], &new["name"]), (&json!("old"), &json!(NAME)));
    let (status, _) = restore(&server, old, json!({ "name": NAME })).await;
    assert_eq!(status, 200);
    append(&doc, " there");
    let _back = Client::open(&server, NAME, doc).await;
    until_text(&server, NAME, "old words and more there").await;
    let (status, _) = restore(&server, new, json!({ "name": "old" })).await;
    assert_eq!(status, 200);
    assert_eq!(server.text("old").await, "new words");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_or_asks_twice_goes_on_where_they_were() {
    let server = Ropewalk::start().await;
    create(&server, NAME, "a").await;
    let edit = || {
        Request::new("PATCH", &format!("/api/documents/{NAME}/text"))
            .header("idempotency-key", "once")
            .body(r#"{"edits":[{"from":0,"to":0,"insert":"b"}]}"#)
    };
    let first = server.send(edit()).await;
    let mut events = Events::follow(&server, &format!("/api/documents/{NAME}/changes"), None).await;
    let reset = events.next().await.unwrap();
    assert_eq!(reset.name, "reset");
    let since_reset = events.last.clone().unwrap();
    delete(&server, NAME).await;
    assert_eq!(events.next().await.unwrap().name, "deleted");
    let trashed = &trash(&server).await[0];
    assert_eq!(restore(&server, trashed, json!({})).await.0, 200);
    let again = server.send(edit()).await;
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(server.text(NAME).await, "ba");
    let target = format!("/api/documents/{NAME}/changes?since={since_reset}");
    let mut events = Events::follow(&server, &target, None).await;
    let request = Request::new("POST", &format!("/api/documents/{NAME}/append")).body("c");
    assert_eq!(server.send(request).await.status, 200);
    assert_eq!(events.next().await.unwrap().name, "change", "no reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_owned_it_finds_it_in_the_trash() {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let mut editor = ada.invite(&server, "editor").await;
    let mut stranger = ada.invite(&server, "stranger").await;
    owner.create(NAME, "text").await;
    owner.share(NAME, "editor", "edit").await;
    let (_, link) = owner.make_link(NAME, "edit").await;
    let (_, elsewhere) = owner.make_token("own", "other/*").await;
    let (_, edits) = owner.make_token("edit", "*").await;
    let (_, owns) = owner.make_token("own", "team/*").await;
    let target = format!("/api/documents/{NAME}");
    owner.done("DELETE", &target, Value::Null).await;

    let script = |token: &str| Browser::script(&server, token);
    let listed = |mut browser: Browser| async move {
        let trash = browser.done("GET", "/api/trash", Value::Null).await;
        trash["documents"].as_array().unwrap().clone()
    };
    let found = listed(owner.clone()).await;
    let deleted_by = json!({ "login": "owner", "name": "OWNER" });
    assert_eq!(found[0]["deleted_by"], deleted_by);
    assert_eq!(listed(ada.clone()).await, found);
    assert_eq!(listed(script(&owns)).await, found);
    let restore = format!("/api/trash/{}/restore", found[0]["id"]);
    let erase = format!("/api/trash/{}", found[0]["id"]);
    let others = [
        editor.clone(),
        stranger.clone(),
        script(&link),
        script(&elsewhere),
        script(&edits),
    ];
    for mut other in others {
        assert_eq!(listed(other.clone()).await, [Value::Null; 0]);
        let emptied = other.done("DELETE", "/api/trash", Value::Null).await;
        assert_eq!(emptied, json!({ "removed": 0, "is_empty": true }));
        for (method, target, body) in [
            ("POST", &restore, json!({})),
            ("POST", &restore, json!({ "name": "mine" })),
            ("DELETE", &erase, Value::Null),
        ] {
            let refused = other.fail(method, target, body).await;
            assert_eq!(refused, (404, "not_found".to_owned()));
        }
    }
    let mut nobody = Browser::of(&server);
    for (method, target) in [
        ("GET", "/api/trash"),
        ("DELETE", &erase),
        ("DELETE", "/api/trash"),
    ] {
        let refused = nobody.fail(method, target, Value::Null).await;
        assert_eq!(refused, (401, "sign_in".to_owned()));
    }
    assert_eq!(listed(owner.clone()).await, found);

    // Not to where they may not begin one.
    let team = json!({ "person": "stranger", "access": "edit" });
    ada.done("PUT", "/api/folders/theirs/sharing", team).await;
    let there = json!({ "name": "theirs/notes" });
    let refused = owner.fail("POST", &restore, there).await;
    assert_eq!(refused, (403, "not_allowed".to_owned()));

    owner.done("POST", &restore, json!({})).await;
    assert_eq!(editor.text(NAME).await, "text");
    assert_eq!(script(&link).text(NAME).await, "text");
    let closed = stranger.fail("GET", &target, Value::Null).await;
    assert_eq!(closed, (403, "not_allowed".to_owned()));
    ada.done("DELETE", &target, Value::Null).await;
    let found = listed(owner.clone()).await;
    assert_eq!(found[0]["deleted_by"]["login"], "ada");
    let erase = format!("/api/trash/{}", found[0]["id"]);
    owner.done("DELETE", &erase, Value::Null).await;
    assert_eq!(listed(ada.clone()).await, [Value::Null; 0]);
    let refused = owner.fail("DELETE", &erase, Value::Null).await;
    assert_eq!(refused, (404, "not_found".to_owned()));
    // What gets its name is nobody's by what was given of it.
    stranger.create(NAME, "other").await;
    let closed = editor.fail("GET", &target, Value::Null).await;
    assert_eq!(closed, (403, "not_allowed".to_owned()));

    let audit = ada.done("GET", "/api/audit", Value::Null).await;
    let told: Vec<(&str, &str)> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["about"] == NAME)
        .map(|entry| {
            (
                entry["who"].as_str().unwrap(),
                entry["action"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("owner", "erased"),
        ("ada", "deleted"),
        ("owner", "taken_back"),
        ("owner", "deleted"),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_of_it_goes_with_it_and_not_with_its_name() {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let mut editor = ada.invite(&server, "editor").await;
    let mut stranger = ada.invite(&server, "stranger").await;
    owner.create(NAME, "text").await;
    owner.share(NAME, "editor", "own").await;
    let (_, link) = owner.make_link(NAME, "edit").await;
    let mut guest = Browser::script(&server, &link);
    let target = format!("/api/documents/{NAME}");
    owner.done("DELETE", &target, Value::Null).await;
    stranger.create(NAME, "other").await;
    let text = format!("{target}/text");
    for browser in [&mut editor, &mut guest, &mut owner] {
        let (status, code) = browser.fail("GET", &text, Value::Null).await;
        assert_eq!((status, &*code), (403, "not_allowed"));
    }
    let sharing = stranger
        .done("GET", &format!("{target}/sharing"), Value::Null)
        .await;
    assert_eq!(
        (&sharing["grants"], &sharing["links"]),
        (&json!([]), &json!([]))
    );
    // Who was given it to own finds it in the trash.
    let found = editor.done("GET", "/api/trash", Value::Null).await;
    let restore = format!("/api/trash/{}/restore", found["documents"][0]["id"]);
    let taken = editor.fail("POST", &restore, json!({})).await;
    assert_eq!(taken, (409, "exists".to_owned()));
    let other = json!({ "name": "team/again" });
    editor.done("POST", &restore, other).await;
    assert_eq!(editor.text("team/again").await, "text");
    assert_eq!(guest.text("team/again").await, "text");
    let sharing = "/api/documents/team/again/sharing";
    let sharing = owner.done("GET", sharing, Value::Null).await;
    assert_eq!(sharing["grants"][0]["person"], "editor");
    assert_eq!(sharing["links"].as_array().unwrap().len(), 1);
    assert_eq!(stranger.text(NAME).await, "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_for_long_enough_goes_for_good() {
    let mut server = Ropewalk::with(&["--trash-days", "2"]).await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "old words");
    ann.all_saved().await;
    create(&server, "kept", "words").await;
    create(&server, "damaged", "words").await;
    delete(&server, NAME).await;
    delete(&server, "kept").await;
    delete(&server, "damaged").await;
    let doc = ann.leave().await;
    server.kill().await;
    write(
        &server,
        "UPDATE trash SET kept_from_ms = kept_from_ms - 172801000
            WHERE document_id = (SELECT id FROM documents WHERE name = 'team/notes');
         UPDATE trash SET kept_from_ms = kept_from_ms - 172802000
            WHERE document_id = (SELECT id FROM documents WHERE name = 'damaged');
         UPDATE documents SET name = 'a//b' WHERE name = 'damaged';
         UPDATE trash SET kept_from_ms = kept_from_ms - 86400000
            WHERE document_id = (SELECT id FROM documents WHERE name = 'kept')",
    );
    server.start_again().await;
    server
        .until_metric("ropewalk_documents_erased_total", 1.0)
        .await;
    // What cannot be read, and would come first, is counted and keeps nothing up.
    server.until_metric("ropewalk_trash_damaged", 1.0).await;
    let left = trash(&server).await;
    assert_eq!((left.len(), &left[0]["name"]), (1, &json!("kept")));
    until("its content is gone", || async {
        (count(&server, "erasing") == 0).then_some(())
    })
    .await;
    assert_eq!(count(&server, "log"), 2, "those of the others");
    // It is known all the same who has it.
    create(&server, NAME, "new words").await;
    let stale = Client::open(&server, NAME, doc).await;
    assert_eq!(stale.closed().await.code, 4409);
    assert_eq!(server.text(NAME).await, "new words");

    // As if ten years had passed, over night.
    server.terminate().await;
    write(
        &server,
        "UPDATE trash SET kept_from_ms = kept_from_ms - 315360000000;
         UPDATE clock SET seen_ms = seen_ms - 315360000000",
    );
    server.start_again_with(&["--trash-days", "3"]).await;
    let left = until("the trash is looked at", || async {
        let left = trash(&server).await;
        let deleted_at = left[0]["deleted_at"].as_i64().unwrap();
        (left[0]["expires_at"].as_i64().unwrap() > deleted_at).then_some(left)
    })
    .await;
    assert_eq!(left[0]["name"], "kept");
    assert_eq!(server.metric("ropewalk_documents_erased_total").await, 0.0);

    // Without a trash nothing is kept, and what is there goes.
    server.terminate().await;
    server.start_again_with(&["--trash-days", "0"]).await;
    server
        .until_metric("ropewalk_documents_erased_total", 1.0)
        .await;
    delete(&server, NAME).await;
    assert_eq!(trash(&server).await, [Value::Null; 0]);
    until("all other content is gone", || async {
        (count(&server, "log") == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_has_the_trash_in_it() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, NAME).await;
    ann.insert(0, "words");
    ann.all_saved().await;
    delete(&server, NAME).await;
    let doc = ann.leave().await;
    let verified = well(server.data().path(), &["verify"]).await;
    assert_eq!(verified, "Verified 1 document\n");
    let copies = folder();
    let copied = path(&copies, "copy.db");
    well(server.data().path(), &["backup", &copied]).await;
    // Afterwards it comes back and goes on.
    let trashed = &trash(&server).await[0];
    assert_eq!(restore(&server, trashed, json!({})).await.0, 200);
    append(&doc, " and more");
    let ann = Client::open(&server, NAME, doc).await;
    until_text(&server, NAME, "words and more").await;
    server.terminate().await;
    let doc = ann.leave().await;
    // A copy that was made long ago is not emptied at once.
    Connection::open(&copied)
        .unwrap()
        .execute_batch("UPDATE trash SET kept_from_ms = 1")
        .unwrap();
    let verified = well(server.data().path(), &["verify"]).await;
    assert_eq!(verified, "Verified 1 document\n");
    well(server.data().path(), &["restore", &copied, "--replace"]).await;
    server.start_again().await;
    let trashed = &trash(&server).await[0];
    let now = trashed["deleted_at"].as_i64().unwrap();
    assert!(trashed["expires_at"].as_i64().unwrap() > now);
    assert_eq!(restore(&server, trashed, json!({})).await.0, 200);
    assert_eq!(server.text(NAME).await, "words");
    // Whoever had seen more does not bring it back, as with every restored document.
    let stale = Client::open(&server, NAME, doc).await;
    assert_eq!(stale.closed().await.code, 4409);
    let doc = stale.leave().await;
    assert_eq!(text_of(&doc), "words and more");
    let strays = server.get(&format!("/api/documents/{NAME}/strays")).await;
    assert_eq!(strays.json()["strays"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_who_restores_and_who_erases_one_wins() {
    let mut server = Ropewalk::start().await;
    let (mut restored, mut erased) = (0, 0);
    for round in 0.. {
        if round >= 12 && restored > 0 && erased > 0 {
            break;
        }
        assert!(round < 64, "{restored} {erased}");
        let name = format!("{NAME}{round}");
        create(&server, &name, "words").await;
        delete(&server, &name).await;
        let id = trash(&server).await[0]["id"].clone();
        let restore = Request::new("POST", &format!("/api/trash/{id}/restore"))
            .header("content-type", "application/json")
            .body("{}");
        let erase = Request::new("DELETE", &format!("/api/trash/{id}"));
        // Each has a start over the other, more and more: none at first, in the end seconds.
        let start = Duration::from_micros(50) * ((1 << (round / 4)) - 1);
        let wait = |waits: bool| tokio::time::sleep(if waits { start } else { Duration::ZERO });
        let (one, other) = tokio::join!(
            async {
                wait(round % 2 == 0).await;
                server.send(restore).await.status
            },
            async {
                wait(round % 2 == 1).await;
                server.send(erase).await.status
            }
        );
        assert_eq!(trash(&server).await, [Value::Null; 0]);
        match (one, other) {
            (200, 404) => {
                restored += 1;
                assert_eq!(server.text(&name).await, "words");
            }
            (404, 204) => {
                erased += 1;
                let gone = server.get(&format!("/api/documents/{name}")).await;
                assert_eq!((gone.status, gone.code()), (410, "deleted".to_owned()));
            }
            both => panic!("{both:?}"),
        }
    }
    // Nothing is left of those that are gone, and all of those that are not.
    until("what is erased is gone", || async {
        (count(&server, "erasing") == 0).then_some(())
    })
    .await;
    server.kill().await;
    server.start_again().await;
    let names = names(&server).await;
    assert_eq!(names.len(), restored);
    for name in names {
        assert_eq!(server.text(&name).await, "words");
    }
    assert_eq!(count(&server, "log"), i64::try_from(restored).unwrap());
}

/// When the server is killed: after it was too early much later, so that what was asked is answered, then earlier bit by bit, until both have
/// happened often enough.
struct Aim {
    rounds: usize,
    wait: Duration,
    early: usize,
    late: usize,
}

impl Aim {
    fn new() -> Self {
        Self {
            rounds: 0,
            wait: Duration::from_micros(400),
            early: 0,
            late: 0,
        }
    }

    fn goes_on(&mut self) -> bool {
        let goes_on = self.rounds < 12 || self.early == 0 || self.late == 0;
        assert!(!goes_on || self.rounds < 40, "{} {}", self.early, self.late);
        self.rounds += 1;
        goes_on
    }

    fn was(&mut self, late: bool) {
        if late {
            self.late += 1;
            self.wait = self.wait * 2 / 3;
        } else {
            self.early += 1;
            self.wait = self.wait * 3 + Duration::from_micros(50);
        }
    }
}

/// The server is killed while a document comes back under another name: it is in the trash or there, and whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_what_comes_back_elsewhere_in_one_place() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "0").await;
    ann.insert(0, &"words ".repeat(1000));
    ann.all_saved().await;
    let doc = ann.leave().await;
    let mut here = "0".to_owned();
    let mut aim = Aim::new();
    while aim.goes_on() {
        delete(&server, &here).await;
        let there = aim.rounds.to_string();
        let id = trash(&server).await[0]["id"].clone();
        let restore = Request::new("POST", &format!("/api/trash/{id}/restore"))
            .header("content-type", "application/json")
            .body(json!({ "name": there }).to_string());
        let address = server.address;
        let asking = tokio::spawn(async move { restore.try_send(address).await });
        tokio::time::sleep(aim.wait).await;
        server.kill().await;
        let answer = asking.await.unwrap();
        server.start_again().await;
        let (is_there, trashed) = (names(&server).await, trash(&server).await);
        aim.was(!is_there.is_empty());
        if is_there.is_empty() {
            assert!(answer.is_err(), "it was promised");
            assert_eq!((trashed.len(), &trashed[0]["name"]), (1, &json!(here)));
            let (status, body) = self::restore(&server, &trashed[0], json!({})).await;
            assert_eq!((status, body), (200, json!({ "name": here })));
        } else {
            assert_eq!((&is_there, trashed.len()), (&vec![there.clone()], 0));
            let target = format!("/api/documents/{here}");
            assert_eq!(server.get(&target).await.status, 410, "a mark is there");
            here = there;
        }
        assert_eq!(server.text(&here).await.len(), 6000);
    }
    let ann = Client::open(&server, &here, doc).await;
    ann.append("more");
    ann.all_saved().await;
    assert_eq!(server.text(&here).await.len(), 6004);
}

/// The server is killed while a document goes into the trash or comes back: it is in one of the two places, and whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_it_here_or_there() {
    let mut server = Ropewalk::start().await;
    let text = "words ".repeat(1000);
    create(&server, NAME, &text).await;
    let mut aim = Aim::new();
    while aim.goes_on() {
        let trashed = trash(&server).await;
        let request = match trashed.first() {
            None => Request::new("DELETE", &format!("/api/documents/{NAME}")),
            Some(trashed) => Request::new("POST", &format!("/api/trash/{}/restore", trashed["id"]))
                .header("content-type", "application/json")
                .body("{}"),
        };
        let address = server.address;
        let asking = tokio::spawn(async move { request.try_send(address).await });
        tokio::time::sleep(aim.wait).await;
        server.kill().await;
        let answered = asking
            .await
            .unwrap()
            .is_ok_and(|answer| answer.status < 300);
        server.start_again().await;
        let (is_there, now) = (names(&server).await == [NAME], trash(&server).await);
        assert_ne!(is_there, now.len() == 1, "{now:?}");
        aim.was(is_there != trashed.is_empty());
        if answered {
            assert_eq!(is_there, !trashed.is_empty(), "it was promised");
        }
        if is_there {
            assert_eq!(server.text(NAME).await, text);
        } else {
            assert_eq!((now.len(), &now[0]["length"]), (1, &json!(6000)));
        }
    }
}
