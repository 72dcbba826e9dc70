//! A folder of plain files beside the documents of a server.
#![cfg(unix)]

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Client, Relay, Request, Ropewalk, Synced, until};

mod many;
mod removals;
mod storm;
mod trouble;

async fn put(server: &Ropewalk, name: &str, text: &str) {
    let request = Request::new("PUT", &format!("/api/documents/{name}")).body(text);
    assert_eq!(server.send(request).await.status, 201);
}

async fn until_text(server: &Ropewalk, name: &str, text: &str) {
    until(&format!("the server has {text:?} in {name}"), || async {
        let answer = server.get(&format!("/api/documents/{name}/text")).await;
        (answer.status == 200 && answer.text() == text).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_documents_follow_each_other() {
    let server = Ropewalk::start().await;
    put(&server, "there/first.md", "one\r\ntwo 💚\r\n").await;
    let here = Synced::start(server.address, &[]).await;
    here.until("there/first.md", "one\r\ntwo 💚\r\n").await;
    let there = Synced::start(server.address, &[]).await;
    there.until("there/first.md", "one\r\ntwo 💚\r\n").await;
    here.save("a/b/new ü.txt", "no newline at the end");
    until_text(&server, "a/b/new%20%C3%BC.txt", "no newline at the end").await;
    there.until("a/b/new ü.txt", "no newline at the end").await;
    let yjs = Client::join(&server, "there/first.md").await;
    yjs.insert(0, "zero\r\n");
    here.until("there/first.md", "zero\r\none\r\ntwo 💚\r\n")
        .await;
    there
        .until("there/first.md", "zero\r\none\r\ntwo 💚\r\n")
        .await;
    there.save("there/first.md", "zero\r\none\r\ntwo 💛\r\n");
    yjs.until_text("zero\r\none\r\ntwo 💛\r\n").await;
    here.until("there/first.md", "zero\r\none\r\ntwo 💛\r\n")
        .await;
    // A script stays one.
    let script = here.path("a/run.sh");
    std::fs::write(&script, "echo\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o750)).unwrap();
    until_text(&server, "a/run.sh", "echo\n").await;
    there.until("a/run.sh", "echo\n").await;
    there.save("a/run.sh", "echo hello\n");
    here.until("a/run.sh", "echo hello\n").await;
    let mode = std::fs::metadata(&script).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_all_that_is_seen() {
    let server = Ropewalk::start().await;
    put(&server, "team/a.md", "ours").await;
    put(&server, "teams/b.md", "theirs").await;
    let mut here = Synced::start(server.address, &["--prefix", "team", "--once"]).await;
    here.save("c.md", "new");
    assert!(here.ended().await.success());
    assert_eq!(here.read("a.md").as_deref(), Some("ours"));
    assert!(here.files().iter().all(|(path, _)| !path.contains("b.md")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_meets_for_the_first_time_loses_nothing() {
    let server = Ropewalk::start().await;
    for (name, text) in [("same", "same"), ("other", "theirs"), ("empty", "theirs")] {
        put(&server, name, text).await;
    }
    put(&server, "nothing", "").await;
    let files = Arc::new(folder());
    for (name, text) in [
        ("same", "same"),
        ("other", "ours"),
        ("empty", ""),
        ("nothing", "ours"),
    ] {
        std::fs::write(files.path().join(name), text).unwrap();
    }
    let here = Synced::start_in(files, server.address, &[]).await;
    here.until("other", "theirs").await;
    here.until("empty", "theirs").await;
    until_text(&server, "nothing", "ours").await;
    here.until_said("yours is kept as other.ropewalk-").await;
    let copies: Vec<_> = here
        .files()
        .into_iter()
        .filter(|(path, _)| path.contains(".ropewalk-"))
        .collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(copies[0].1, "ours");
    assert_eq!(server.text("same").await, "same");
    // A copy is nobody's document.
    here.save("last", "x");
    until_text(&server, "last", "x").await;
    let list = server.get("/api/documents").await;
    assert!(!list.text().contains(".ropewalk-"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_on_in_a_file_that_meets_another_text_writes_in_the_copy() {
    let server = Ropewalk::start().await;
    for name in ["log", "new"] {
        put(&server, name, "theirs").await;
    }
    let files = Arc::new(folder());
    let open = |name, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::OpenOptions::new().append(true).open(path).unwrap()
    };
    let (mut log, mut new) = (open("log", "ours\n"), open("new", ""));
    let here = Synced::start_in(files.clone(), server.address, &[]).await;
    here.until("log", "theirs").await;
    here.until("new", "theirs").await;
    here.until_said("yours is kept as log.ropewalk-").await;
    log.write_all(b"more\n").unwrap();
    new.write_all(b"late\n").unwrap();
    until("both are in copies", || async {
        let copies = here.files().into_iter();
        let mut copies: Vec<_> = copies
            .filter(|(path, _)| path.contains(".ropewalk-"))
            .map(|(_, text)| text)
            .collect();
        copies.sort();
        (copies == ["late\n", "ours\nmore\n"]).then_some(())
    })
    .await;
    assert_eq!(server.text("log").await, "theirs");
    assert_eq!(server.text("new").await, "theirs");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_edited_on_both_sides_while_apart_is_merged_once() {
    let mut server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    put(&server, "a", "one\ntwo\nthree\n").await;
    let mut here = Synced::start(relay.address, &[]).await;
    here.until("a", "one\ntwo\nthree\n").await;
    for round in 0..3 {
        relay.lead(None);
        relay.cut();
        here.until_said("No connection").await;
        let text = here.read("a").unwrap();
        here.save("a", &format!("{text}here {round}\n"));
        match round {
            0 => {}
            1 => here.kill().await,
            _ => assert_eq!(here.terminate().await, Some(0)),
        }
        let yjs = Client::join(&server, "a").await;
        yjs.insert(0, &format!("there {round}\n"));
        yjs.all_saved().await;
        server.kill().await;
        server.start_again().await;
        relay.lead(Some(server.address));
        if round > 0 {
            here = Synced::start_in(here.folder.clone(), relay.address, &[]).await;
        }
        let both = format!("there {round}\n{text}here {round}\n");
        here.until("a", &both).await;
        until_text(&server, "a", &both).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_has_not_seen_what_others_wrote_is_merged() {
    let server = Ropewalk::start().await;
    put(&server, "a", "one\ntwo\nthree\n").await;
    let here = Synced::start(server.address, &[]).await;
    here.until("a", "one\ntwo\nthree\n").await;
    let yjs = Client::join(&server, "a").await;
    yjs.insert(0, "zero\n");
    here.until("a", "zero\none\ntwo\nthree\n").await;
    here.save("a", "one\ntwo\nthree\nfour\n");
    let both = "zero\none\ntwo\nthree\nfour\n";
    yjs.until_text(both).await;
    here.until("a", both).await;
    here.until_said("both are in it now").await;
    // Whoever does it again means it.
    here.save("a", "one\ntwo\nthree\nfour\n");
    yjs.until_text("one\ntwo\nthree\nfour\n").await;
    here.until_said("is kept as a.ropewalk-").await;
    // What one wrote oneself can be taken back at any time.
    here.save("a", "one\ntwo\nthree\n");
    yjs.until_text("one\ntwo\nthree\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_half_written_is_waited_for() {
    let server = Ropewalk::start().await;
    let text = "a line of some length\n".repeat(100);
    put(&server, "a", &text).await;
    let here = Synced::start(server.address, &[]).await;
    here.until("a", &text).await;
    let yjs = Client::join(&server, "a").await;
    let longer = format!("{text}and one more\n");
    for _ in 0..3 {
        use std::io::Write as _;
        let mut file = std::fs::File::create(here.path("a")).unwrap();
        for part in longer.as_bytes().chunks(800) {
            file.write_all(part).unwrap();
            // Longer than it is waited for a file to be quiet.
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
    }
    yjs.until_text(&longer).await;
    // Nothing was deleted on the way: what another one had written there would have gone astray.
    let list = server.get("/api/documents/a/text").await;
    let version = list.header("etag").unwrap().trim_matches('"').to_owned();
    assert!(version.ends_with(".0"), "{version}: nothing is deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_stay_on_their_side_unless_they_are_wanted() {
    let server = Ropewalk::start().await;
    for name in ["here", "there", "both"] {
        put(&server, name, name).await;
    }
    let delete = |name: &str| Request::new("DELETE", &format!("/api/documents/{name}"));
    let mut here = Synced::start(server.address, &[]).await;
    for name in ["here", "there", "both"] {
        here.until(name, name).await;
    }
    std::fs::remove_file(here.path("here")).unwrap();
    here.until_said("here: deleted here; the document stays")
        .await;
    server.send(delete("there")).await;
    here.until_said("there: deleted on the server; the file stays")
        .await;
    assert_eq!(server.text("here").await, "here");
    assert_eq!(here.read("there").as_deref(), Some("there"));
    // Also when it is started again.
    assert_eq!(here.terminate().await, Some(0));
    std::fs::remove_file(here.path("both")).unwrap();
    server.send(delete("both")).await;
    let mut here = Synced::start_in(here.folder.clone(), server.address, &["--once"]).await;
    assert!(here.ended().await.success());
    assert_eq!(here.files(), [("there".to_owned(), "there".to_owned())]);
    // A new file takes the document's text, and an edit begins the document again.
    let here = Synced::start_in(here.folder.clone(), server.address, &[]).await;
    here.save("here", "");
    here.until("here", "here").await;
    here.save("there", "there, again");
    until_text(&server, "there", "there, again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_comes_back_from_the_trash_is_in_step_again() {
    let server = Ropewalk::start().await;
    put(&server, "a", "one").await;
    put(&server, "b", "two").await;
    let relay = Relay::to(server.address).await;
    let here = Synced::start(relay.address, &[]).await;
    here.until("a", "one").await;
    here.until("b", "two").await;
    let delete = |name: &str| Request::new("DELETE", &format!("/api/documents/{name}"));
    for name in ["a", "b"] {
        server.send(delete(name)).await;
        here.until_said(&format!("{name}: deleted on the server; the file stays"))
            .await;
    }
    relay.lead(None);
    relay.cut();
    here.until_said("No connection").await;
    let trash = server.get("/api/trash").await.json();
    let restore = Request::new(
        "POST",
        &format!("/api/trash/{}/restore", trash["documents"][1]["id"]),
    );
    let restore = restore
        .header("content-type", "application/json")
        .body("{}");
    assert_eq!(server.send(restore).await.status, 200);
    put(&server, "b", "another").await;
    // One is the same, and goes on; the other one is another.
    let yjs = Client::join(&server, "a").await;
    yjs.insert(0, "zero ");
    yjs.all_saved().await;
    relay.lead(Some(server.address));
    here.until("a", "zero one").await;
    here.save("a", "zero one two");
    yjs.until_text("zero one two").await;
    here.until("b", "another").await;
    let files = here.files();
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let [a, b, copy] = &files[..] else {
        panic!("{files:?}");
    };
    assert_eq!(*a, text("a", "zero one two"));
    assert_eq!(*b, text("b", "another"));
    assert!(copy.0.starts_with("b.ropewalk-") && copy.1 == "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn wanted_deletions_lose_no_edit() {
    let server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    for name in ["here", "there", "edited"] {
        put(&server, name, name).await;
    }
    let here = Synced::start(relay.address, &["--delete"]).await;
    for name in ["here", "there", "edited"] {
        here.until(name, name).await;
    }
    std::fs::remove_file(here.path("here")).unwrap();
    until("it is deleted", || async {
        (server.get("/api/documents/here").await.status == 410).then_some(())
    })
    .await;
    let delete = Request::new("DELETE", "/api/documents/there");
    server.send(delete).await;
    here.until_said(
        "there: deleted on the server, and here; it is kept as .ropewalk-sync/removed-",
    )
    .await;
    assert_eq!(here.read("there"), None);
    // Others have gone on, unseen.
    relay.lead(None);
    relay.cut();
    here.until_said("No connection").await;
    std::fs::remove_file(here.path("edited")).unwrap();
    let yjs = Client::join(&server, "edited").await;
    yjs.insert(0, "just ");
    yjs.all_saved().await;
    relay.lead(Some(server.address));
    until_text(&server, "edited", "just edited").await;
    until("it is deleted or back", || async {
        let is_gone = server.get("/api/documents/edited").await.status == 410;
        (is_gone || here.read("edited").as_deref() == Some("just edited")).then_some(())
    })
    .await;
    assert_eq!(here.read("edited").as_deref(), Some("just edited"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_out_of_the_folder_is_read_or_written() {
    let server = Ropewalk::start().await;
    let outside = folder();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let files = Arc::new(folder());
    symlink(outside.path(), files.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), files.path().join("link")).unwrap();
    symlink("/nowhere/at/all", files.path().join("broken")).unwrap();
    std::fs::write(files.path().join("binary"), b"a\0b").unwrap();
    std::fs::write(files.path().join("latin"), b"\xe4\n").unwrap();
    std::fs::write(files.path().join(".hidden"), "hidden").unwrap();
    std::fs::write(files.path().join("backup~"), "backup").unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(files.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    for name in [
        "out/secret",
        "out/new",
        "link",
        "broken",
        "pipe",
        ".hidden",
        "binary",
        "..a/b",
        "c\\d",
    ] {
        let name = ropewalk_tests::http::encode_name(name);
        put(&server, &name, "from the server").await;
    }
    let here = Synced::start_in(files, server.address, &[]).await;
    here.until("c\\d", "from the server").await;
    here.save("fine", "fine");
    until_text(&server, "fine", "fine").await;
    for left_out in ["out", "link", "broken", "pipe", "binary", "latin"] {
        here.until_said(&format!("{left_out}: it is")).await;
    }
    let names: Vec<_> = std::fs::read_dir(outside.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["secret"]);
    assert_eq!(
        std::fs::read(outside.path().join("secret")).unwrap(),
        b"secret"
    );
    assert_eq!(std::fs::read(here.path("binary")).unwrap(), b"a\0b");
    assert_eq!(std::fs::read(here.path(".hidden")).unwrap(), b"hidden");
    assert_eq!(server.text("link").await, "from the server");
    for name in ["latin", "backup~"] {
        assert_eq!(
            server.get(&format!("/api/documents/{name}")).await.status,
            404
        );
    }
    // A folder that becomes a link is not followed either.
    here.save("folder/a", "a");
    until_text(&server, "folder/a", "a").await;
    std::fs::rename(here.path("folder"), here.path("moved")).unwrap();
    symlink(outside.path(), here.path("folder")).unwrap();
    let yjs = Client::join(&server, "folder/a").await;
    yjs.insert(0, "b");
    yjs.all_saved().await;
    here.until_said("below one").await;
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_folder_is_kept_by_one_process() {
    let server = Ropewalk::start().await;
    // An address where nobody is, mistyped for example, is not remembered.
    let mut here = Synced::start(([127, 0, 0, 1], 1).into(), &[]).await;
    here.until_said("No connection").await;
    assert_eq!(here.terminate().await, Some(0));
    let mut here = Synced::start_in(here.folder.clone(), server.address, &[]).await;
    here.until_said("Connected.").await;
    here.save("a", "a");
    until_text(&server, "a", "a").await;
    let url = format!("http://{}", server.address);
    let run = |path: std::path::PathBuf, url: String| async move {
        let path = path.to_str().unwrap().to_owned();
        Ropewalk::run(&["sync", &path, &url], &[], &std::env::temp_dir()).await
    };
    let second = run(here.path(""), url.clone()).await;
    assert_eq!(second.code, Some(4));
    assert!(
        second.stderr.contains("another process keeps it in step"),
        "{}",
        second.stderr
    );
    std::fs::create_dir(here.path("inner")).unwrap();
    let inner = run(here.path("inner"), url.clone()).await;
    assert_eq!(inner.code, Some(4));
    assert!(
        inner.stderr.contains("kept in step by itself"),
        "{}",
        inner.stderr
    );
    assert_eq!(here.terminate().await, Some(0));
    let elsewhere = run(here.path(""), format!("{url}/elsewhere")).await;
    assert_eq!(elsewhere.code, Some(4));
    assert!(
        elsewhere
            .stderr
            .contains("this folder is kept in step with"),
        "{}",
        elsewhere.stderr
    );
    for (path, url) in [(here.path(""), "ftp://a"), (here.path(""), "")] {
        assert_eq!(run(path, url.to_owned()).await.code, Some(2));
    }
    assert_eq!(run("/nowhere/at/all".into(), url).await.code, Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_replaced_takes_nothing_along() {
    let server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    put(&server, "a", "old").await;
    let here = Synced::start(relay.address, &[]).await;
    here.until("a", "old").await;
    relay.lead(None);
    relay.cut();
    here.until_said("No connection").await;
    here.save("a", "old, edited");
    server
        .send(Request::new("DELETE", "/api/documents/a"))
        .await;
    put(&server, "a", "new").await;
    relay.lead(Some(server.address));
    here.until("a", "new").await;
    assert_eq!(server.text("a").await, "new");
    here.until_said("yours is kept as").await;
    let files = here.files();
    assert!(
        files.iter().any(|(_, text)| text == "old, edited"),
        "{files:?}"
    );
}
