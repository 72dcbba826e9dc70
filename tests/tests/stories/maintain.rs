//! Copies of the database, made while people type and put back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use ropewalk_tests::ropewalk::{binary, folder};
use ropewalk_tests::{Client, Failed, Request, Response, Ropewalk, http, until};
use tempfile::TempDir;

/// Acknowledged edits before the backup begins, and while it is made again and again.
const ACKNOWLEDGED: usize = 100;

/// Runs a command on a data folder.
pub async fn on(data: &Path, arguments: &[&str]) -> Failed {
    let all = [&["--data", data.to_str().unwrap()], arguments].concat();
    Ropewalk::run(&all, &[], Path::new("/")).await
}

/// It ends well, and says one line.
pub async fn well(data: &Path, arguments: &[&str]) -> String {
    let done = on(data, arguments).await;
    assert_eq!(done.code, Some(0), "{arguments:?}: {done:?}");
    assert_eq!(done.stderr, "", "{arguments:?}");
    assert_eq!(done.stdout.lines().count(), 1, "{done:?}");
    done.stdout
}

/// It ends with a code and one clear line.
pub async fn refused(data: &Path, arguments: &[&str], code: i32, words: &str) {
    let failed = on(data, arguments).await;
    assert_eq!(failed.code, Some(code), "{arguments:?}: {failed:?}");
    assert_eq!(failed.stdout, "", "{arguments:?}");
    assert_eq!(failed.stderr.lines().count(), 1, "{failed:?}");
    assert!(
        failed.stderr.starts_with("ropewalk: ") && failed.stderr.contains(words),
        "{words:?}: {failed:?}"
    );
}

pub fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// Every file below a folder with its bytes, but the lock, which is there to be taken.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else if !path.ends_with("ropewalk.lock") {
            files.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    files
}

pub async fn create(server: &Ropewalk, name: &str, text: &str) {
    let target = format!("/api/documents/{}", http::encode_name(name));
    let created = server.send(Request::new("PUT", &target).body(text)).await;
    assert_eq!(created.status, 201, "{name:?}: {}", created.text());
}

pub async fn names(server: &Ropewalk) -> Vec<String> {
    let list = server.get("/api/documents?limit=200").await.json();
    let names = list["documents"].as_array().unwrap().iter();
    let mut names: Vec<String> = names
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// A folder with one document, and no server any more.
pub async fn written(name: &str, text: &str) -> Arc<TempDir> {
    let mut server = Ropewalk::start().await;
    create(&server, name, text).await;
    assert_eq!(server.terminate().await, Some(0));
    server.data()
}

/// Types until it is told to stop; all of it is saved then.
async fn typing(client: Client, stop: Arc<AtomicBool>, saved: Arc<std::sync::Mutex<Vec<String>>>) {
    let mut number = 0;
    while !stop.load(SeqCst) {
        let edit = format!("<{}:{number}>", client.id);
        number += 1;
        client.append(&edit);
        client.all_saved().await;
        saved.lock().unwrap().push(edit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_while_people_type_holds_all_that_was_acknowledged_before() {
    let server = Ropewalk::start().await;
    // So much that a copy takes more than one step.
    create(&server, "large", &"words of great value ".repeat(200_000)).await;
    let stop = Arc::new(AtomicBool::new(false));
    let saved = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut writers = Vec::new();
    for _ in 0..3 {
        let client = Client::join(&server, "typing").await;
        writers.push(tokio::spawn(typing(client, stop.clone(), saved.clone())));
    }
    let copies = folder();
    let mut promised = Vec::new();
    for round in 1..=3 {
        until("people type", || async {
            (saved.lock().unwrap().len() >= ACKNOWLEDGED * round).then_some(())
        })
        .await;
        promised.push(saved.lock().unwrap().clone());
        let copy = path(&copies, &format!("{round}.db"));
        well(server.data().path(), &["backup", &copy]).await;
    }
    let after = saved.lock().unwrap().len();
    until("people type on", || async {
        (saved.lock().unwrap().len() >= after + 20).then_some(())
    })
    .await;
    stop.store(true, SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(
        std::fs::read_dir(copies.path()).unwrap().count(),
        3,
        "nothing but the copies is left"
    );
    for (round, promised) in promised.iter().enumerate() {
        let data = Arc::new(folder());
        let copy = path(&copies, &format!("{}.db", round + 1));
        well(data.path(), &["restore", &copy]).await;
        let server = Ropewalk::on(data, &[]).await.unwrap();
        let text = server.text("typing").await;
        for edit in promised {
            assert!(
                text.contains(edit),
                "{edit} is lost from copy {}",
                round + 1
            );
        }
        assert_eq!(server.text("large").await.len(), 21 * 200_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_killed_server_holds_what_it_acknowledged() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "killed").await;
    ann.insert(0, "acknowledged");
    ann.all_saved().await;
    server.kill().await;
    let copies = folder();
    let copy = path(&copies, "copy.db");
    well(server.data().path(), &["backup", &copy]).await;
    // A folder that was copied as it lay there does as well: its journal is brought along.
    for (number, copy) in [copy, path(&server.data(), "ropewalk.db")]
        .iter()
        .enumerate()
    {
        let data = Arc::new(folder());
        well(data.path(), &["restore", copy]).await;
        let restored = Ropewalk::on(data, &[]).await.unwrap();
        assert_eq!(restored.text("killed").await, "acknowledged", "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_fails_says_why_and_leaves_nothing_behind() {
    let server = Ropewalk::start().await;
    create(&server, "large", &"words of great value ".repeat(100_000)).await;
    let (data, place) = (server.data(), folder());
    let taken = path(&place, "taken");
    std::fs::write(&taken, "precious").unwrap();
    let before = contents(place.path());
    let data = data.path();
    refused(data, &["backup"], 2, "<FILE>").await;
    refused(data, &["backup", &taken], 2, "exists already").await;
    refused(data, &["backup", &path(&place, "no/copy")], 2, "folder").await;
    refused(
        data,
        &["backup", "/proc/copy"],
        1,
        "cannot write /proc/copy",
    )
    .await;
    refused(
        place.path(),
        &["backup", &path(&place, "copy")],
        4,
        "ropewalk.db",
    )
    .await;
    refused(Path::new("/nowhere"), &["backup", "x"], 4, "/nowhere").await;

    // As on a full disk: no file grows beyond 512 KiB.
    let copy = path(&place, "copy");
    let mut full = std::process::Command::new("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"]);
    full.arg(binary())
        .args(["backup", &copy, "--data"])
        .arg(data);
    let full = tokio::task::spawn_blocking(move || full.output().unwrap())
        .await
        .unwrap();
    let stderr = String::from_utf8(full.stderr).unwrap();
    assert_eq!(full.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&format!("cannot write {copy}")), "{stderr}");
    assert_eq!(contents(place.path()), before);
    well(data, &["backup", &copy]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_damaged_database_is_5_and_none_is_left() {
    let (data, place) = (written("a", &"words ".repeat(20_000)).await, folder());
    let file = data.path().join("ropewalk.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0xee);
    std::fs::write(&file, &bytes).unwrap();
    refused(
        data.path(),
        &["backup", &path(&place, "copy")],
        5,
        "damaged",
    )
    .await;
    assert_eq!(contents(place.path()), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_refuses_what_it_must_and_changes_nothing() {
    let (data, place) = (written("kept", "what was there").await, folder());
    let good = path(&place, "good");
    well(data.path(), &["backup", &good]).await;
    let bytes = std::fs::read(&good).unwrap();
    let altered = |name: &str, alter: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        alter(&mut bytes);
        std::fs::write(place.path().join(name), bytes).unwrap();
        path(&place, name)
    };
    let end = bytes.len();
    let bad = [
        (altered("text", &|b| *b = b"not a database ".repeat(500)), 5),
        (altered("short", &|b| b.truncate(50)), 5),
        (altered("cut", &|b| b.truncate(end / 2 + 17)), 5),
        (altered("pages", &|b| b[4096..end].fill(0xee)), 5),
        (
            altered("foreign", &|b| b[68..72].copy_from_slice(b"elsE")),
            5,
        ),
        (
            altered("newer", &|b| b[60..64].copy_from_slice(&[0, 1, 0, 0])),
            6,
        ),
        (path(&place, "missing"), 2),
        (place.path().to_str().unwrap().to_owned(), 2),
    ];
    let before = contents(data.path());
    for (file, code) in &bad {
        refused(data.path(), &["restore", "--replace", file], *code, file).await;
        assert!(contents(data.path()) == before, "{file}");
    }
    refused(data.path(), &["restore", &good], 2, "--replace").await;
    assert!(contents(data.path()) == before);

    // The same files, into a folder where nothing is.
    for (file, code) in &bad {
        let empty = folder();
        refused(empty.path(), &["restore", file], *code, file).await;
        assert_eq!(contents(empty.path()), BTreeMap::new(), "{file}");
    }

    let server = Ropewalk::on(data.clone(), &[]).await.unwrap();
    refused(data.path(), &["restore", &good], 4, "in use").await;
    refused(data.path(), &["restore", "--replace", &good], 4, "in use").await;
    assert_eq!(server.text("kept").await, "what was there");
    let live = path(&data, "ropewalk.db");
    refused(folder().path(), &["restore", &live], 2, "make a backup").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_replaced_is_kept_with_its_journal() {
    let (other, place) = (written("other", "from the copy").await, folder());
    let copy = path(&place, "copy");
    well(other.path(), &["backup", &copy]).await;

    // Killed: the newest edits are in the journal alone.
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "mine").await;
    ann.insert(0, "in the journal");
    ann.all_saved().await;
    server.kill().await;
    assert!(server.data().path().join("ropewalk.db-wal").exists());
    let said = well(server.data().path(), &["restore", "--replace", &copy]).await;
    let kept = said.trim_end().rsplit(' ').next().unwrap();
    assert!(kept.contains("/ropewalk.db.before-2"), "{said}");
    server.start_again().await;
    assert_eq!(names(&server).await, ["other"]);
    assert_eq!(server.text("other").await, "from the copy");
    assert_eq!(server.terminate().await, Some(0));

    // There and back, within a second.
    for file in [kept, &copy, kept] {
        well(server.data().path(), &["restore", "--replace", file]).await;
    }
    server.start_again().await;
    assert_eq!(names(&server).await, ["mine"]);
    let again = Arc::new(folder());
    well(again.path(), &["restore", kept]).await;
    let server = Ropewalk::on(again, &[]).await.unwrap();
    assert_eq!(names(&server).await, ["mine"]);
    assert_eq!(server.text("mine").await, "in the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_in_a_backup_and_come_back_signed_out() {
    let (server, place) = (Ropewalk::start().await, folder());
    let data = server.data();
    create(&server, "a", "text").await;
    let invited = well(data.path(), &["user", "add", "ann", "--admin"]).await;
    let secret = invited.trim_end().rsplit('#').next().unwrap();
    let password = "correct horse battery 7";
    let joining = serde_json::json!({ "secret": secret, "name": "Ann", "password": password });
    let joined = post(&server, "/api/join", joining).await;
    assert_eq!(joined.status, 200, "{}", joined.text());
    let cookie = joined
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(state(&server, &cookie).await, "signed_in");
    let copy = path(&place, "copy");
    well(data.path(), &["backup", &copy]).await;

    let elsewhere = Arc::new(folder());
    let said = well(elsewhere.path(), &["restore", &copy]).await;
    assert!(said.contains("with accounts"), "{said}");
    let server = Ropewalk::on(elsewhere, &[]).await.unwrap();
    // Somebody may have ended this session since the copy was made.
    assert_eq!(state(&server, &cookie).await, "signed_out");
    let who = serde_json::json!({ "login": "ann", "password": password });
    assert_eq!(post(&server, "/api/session", who).await.status, 200);
    assert_eq!(server.get("/api/documents/a/text").await.status, 401);
}

async fn post(server: &Ropewalk, target: &str, body: serde_json::Value) -> Response {
    let request = Request::new("POST", target)
        .header("origin", &format!("http://{}", server.address))
        .header("content-type", "application/json");
    server.send(request.body(body.to_string())).await
}

async fn state(server: &Ropewalk, cookie: &str) -> String {
    let request = Request::get("/api/session").header("cookie", cookie);
    let state = server.send(request).await.json()["state"].clone();
    state.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_replaced_and_kept_as_it_is() {
    let (data, place) = (written("a", "whole").await, folder());
    let copy = path(&place, "copy");
    well(data.path(), &["backup", &copy]).await;
    let file = data.path().join("ropewalk.db");
    let damage = b"garbage ".repeat(1_000);
    std::fs::write(&file, &damage).unwrap();
    std::fs::write(data.path().join("ropewalk.db-wal"), "its journal").unwrap();
    let said = well(data.path(), &["restore", "--replace", &copy]).await;
    let kept = said.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(std::fs::read(kept).unwrap(), damage);
    let journal = std::fs::read(format!("{kept}-wal")).unwrap();
    assert_eq!(journal, b"its journal");
    let server = Ropewalk::on(data, &[]).await.unwrap();
    assert_eq!(server.text("a").await, "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_while_a_backup_is_made() {
    let mut server = Ropewalk::start().await;
    create(&server, "a", "text").await;
    server.kill().await;
    // What a long backup holds all the while.
    let mut backup = rusqlite::Connection::open(server.database()).unwrap();
    let view = backup.transaction().unwrap();
    let documents = |view: &rusqlite::Transaction<'_>| -> i64 {
        view.query_row("SELECT count(*) FROM documents", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(documents(&view), 1);
    server.start_again().await;
    create(&server, "b", "more").await;
    assert_eq!(documents(&view), 1, "it is of one moment");
    drop(view);
    drop(backup);
    server.kill().await;
    server.start_again().await;
    assert_eq!(names(&server).await, ["a", "b"]);
}
