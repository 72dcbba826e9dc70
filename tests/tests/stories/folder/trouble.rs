//! What is in the way of a folder: no room, long names, files that come and go, and a folder that is taken away.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Client, Request, Ropewalk, Synced, until};
use tokio::time::sleep;

use super::{put, until_text};
use crate::faults::mount::Over;

/// Writes again and again, in a thread, until it is dropped.
struct Writing(Arc<AtomicBool>);

impl Writing {
    fn begin(mut write: impl FnMut() + Send + 'static) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let seen = ends.clone();
        std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                write();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self(ends)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_does_not_tell_of_changes_is_asked() {
    let server = Ropewalk::start().await;
    let library = crate::preload::library().to_str().unwrap();
    let environment = [("LD_PRELOAD", library), ("NO_INOTIFY", "1")];
    let files = Arc::new(folder());
    let here = Synced::in_environment(files, server.address, &[], &environment).await;
    here.until_said("The system does not tell of changes").await;
    here.save("a", "one");
    until_text(&server, "a", "one").await;
    here.save("a", "two");
    until_text(&server, "a", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_files_may_be_written_all_the_time() {
    let server = Ropewalk::start().await;
    let here = Synced::start(server.address, &[]).await;
    let hidden = here.path(".hidden");
    let _writing = Writing::begin(move || std::fs::write(&hidden, "x").unwrap());
    here.save("a", "one");
    until_text(&server, "a", "one").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_may_be_written_all_the_time() {
    let server = Ropewalk::start().await;
    put(&server, "a", "begin\n").await;
    let here = Synced::start(server.address, &[]).await;
    here.until("a", "begin\n").await;
    let path = here.path("a");
    let writing = Writing::begin(move || {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(b"more\n").unwrap();
    });
    until("the server has some of it", || async {
        server.text("a").await.contains("more").then_some(())
    })
    .await;
    let yjs = Client::join(&server, "a").await;
    yjs.insert(0, "theirs\n");
    until("it is in the file", || async {
        here.read("a").unwrap().starts_with("theirs").then_some(())
    })
    .await;
    drop(writing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_away_gets_what_came_meanwhile() {
    let server = Ropewalk::start().await;
    put(&server, "a", "one").await;
    let here = Synced::start(server.address, &[]).await;
    here.until("a", "one").await;
    let yjs = Client::join(&server, "a").await;
    std::fs::rename(here.path("a"), here.path(".away")).unwrap();
    yjs.append(", two");
    sleep(Duration::from_millis(700)).await;
    std::fs::rename(here.path(".away"), here.path("a")).unwrap();
    here.until("a", "one, two").await;
    std::fs::write(here.path("a"), b"one, \0").unwrap();
    here.until_said("a: it is not a text").await;
    yjs.append(", three");
    sleep(Duration::from_millis(700)).await;
    std::fs::write(here.path("a"), "one, two").unwrap();
    here.until("a", "one, two, three").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_may_come_again() {
    let server = Ropewalk::start().await;
    let here = Synced::start(server.address, &["--delete"]).await;
    here.save("a", "one");
    until_text(&server, "a", "one").await;
    std::fs::remove_file(here.path("a")).unwrap();
    here.until_said("a: deleted, here and on the server").await;
    put(&server, "a", "two").await;
    here.until("a", "two").await;
    let delete = Request::new("DELETE", "/api/documents/a");
    server.send(delete).await;
    here.until_said("a: deleted on the server, and here").await;
    put(&server, "a", "three").await;
    here.until("a", "three").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_file_with_a_long_name_is_kept() {
    let server = Ropewalk::start().await;
    let name = "ä".repeat(120) + ".md";
    let encoded = ropewalk_tests::http::encode_name(&name);
    put(&server, &encoded, "theirs").await;
    let files = Arc::new(folder());
    std::fs::write(files.path().join(&name), "ours").unwrap();
    let here = Synced::start_in(files, server.address, &[]).await;
    here.until(&name, "theirs").await;
    here.until_said("yours is kept as").await;
    assert!(here.files().iter().any(|(_, text)| text == "ours"));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_another_file_system_hides_are_not_deleted() {
    let server = Ropewalk::start().await;
    put(&server, "a", "one").await;
    put(&server, "b/c", "two").await;
    let mut here = Synced::start(server.address, &["--delete"]).await;
    here.until("a", "one").await;
    here.until("b/c", "two").await;
    let Some(over) = Over::folder(&here.path("b")) else {
        return;
    };
    // The system tells nobody.
    until("the file is missed", || async {
        let said = here.said();
        said.lines()
            .any(|line| line.starts_with("b/c: ") && line != "b/c: new here")
            .then_some(())
    })
    .await;
    assert_eq!(server.text("b/c").await, "two");
    here.until_said("b/c: it is on another file system").await;
    here.until_said("b: it is another file system; it is left out")
        .await;
    std::fs::write(here.path("b/d"), "elsewhere").unwrap();
    std::fs::remove_file(here.path("a")).unwrap();
    here.until_said("a: deleted, here and on the server").await;
    assert_eq!(server.text("b/c").await, "two");
    // Nor does a process that begins meanwhile take them for deleted.
    assert_eq!(here.terminate().await, Some(0));
    let here = Synced::start_in(here.folder.clone(), server.address, &["--delete"]).await;
    here.until_said("b/c: it is on another file system").await;
    put(&server, "e", "three").await;
    here.until("e", "three").await;
    drop(over);
    let yjs = Client::join(&server, "b/c").await;
    yjs.append(" more");
    here.until("b/c", "two more").await;
    assert_eq!(server.get("/api/documents/b/d").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_system_once_more_is_another() {
    let server = Ropewalk::start().await;
    put(&server, "b/c", "two").await;
    let here = Synced::start(server.address, &["--delete"]).await;
    here.until("b/c", "two").await;
    let Some(over) = Over::same(&here.path("b")) else {
        return;
    };
    here.until_said("b/c: it is on another file system").await;
    drop(over);
    here.save("b/c", "three");
    until_text(&server, "b/c", "three").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_taken_away_deletes_nothing() {
    let server = Ropewalk::start().await;
    put(&server, "a", "one").await;
    put(&server, "b/c", "two").await;
    let mut here = Synced::start(server.address, &["--delete"]).await;
    here.until("a", "one").await;
    here.until("b/c", "two").await;
    std::fs::remove_dir_all(here.path("")).unwrap();
    assert_eq!(here.ended().await.code(), Some(4));
    assert_eq!(server.text("a").await, "one");
    assert_eq!(server.text("b/c").await, "two");
    // Without its own folder, nobody else could tell that it is kept in step.
    std::fs::create_dir(here.path("")).unwrap();
    let mut here = Synced::start_in(here.folder.clone(), server.address, &[]).await;
    here.until("a", "one").await;
    std::fs::remove_dir_all(here.path(".ropewalk-sync")).unwrap();
    assert_eq!(here.ended().await.code(), Some(4));
    here.until_said("is gone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_on_in_a_file_that_was_replaced_edits_the_document() {
    let server = Ropewalk::start().await;
    put(&server, "a", "begin\n").await;
    let here = Synced::start(server.address, &[]).await;
    here.until("a", "begin\n").await;
    let mut held = std::fs::OpenOptions::new()
        .append(true)
        .open(here.path("a"))
        .unwrap();
    let yjs = Client::join(&server, "a").await;
    yjs.insert(0, "theirs\n");
    here.until("a", "theirs\nbegin\n").await;
    let mut all = "begin\n".to_owned();
    for line in 0..25 {
        let line = format!("{line}\n");
        held.write_all(line.as_bytes()).unwrap();
        all += &line;
        sleep(Duration::from_millis(200)).await;
    }
    let all = format!("theirs\n{all}");
    yjs.until_text(&all).await;
    here.until("a", &all).await;
    assert_eq!(here.files().len(), 1, "and no copy");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_on_while_the_process_is_killed_loses_nothing() {
    let server = Ropewalk::start().await;
    put(&server, "a", "begin\n").await;
    let mut here = Synced::start(server.address, &[]).await;
    here.until("a", "begin\n").await;
    let mut held = std::fs::OpenOptions::new()
        .append(true)
        .open(here.path("a"))
        .unwrap();
    let yjs = Client::join(&server, "a").await;
    yjs.insert(0, "theirs\n");
    here.until("a", "theirs\nbegin\n").await;
    held.write_all(b"more\n").unwrap();
    here.kill().await;
    let here = Synced::start_in(here.folder.clone(), server.address, &[]).await;
    until("it is kept", || async {
        let aside = std::fs::read_dir(here.path(".ropewalk-sync")).unwrap();
        let found = aside.flatten().any(|entry| {
            let is_kept = entry.file_name().to_str().unwrap().starts_with("removed-");
            is_kept && std::fs::read_to_string(entry.path()).unwrap() == "begin\nmore\n"
        });
        let is_in_file = here.read("a").unwrap().contains("more");
        (found || is_in_file).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_in_the_middle_of_which_the_process_ends_deletes_nothing() {
    let server = Ropewalk::start().await;
    put(&server, "a", "one\ntwo\n").await;
    let mut here = Synced::start(server.address, &[]).await;
    here.until("a", "one\ntwo\n").await;
    let mut file = std::fs::File::create(here.path("a")).unwrap();
    assert_eq!(here.terminate().await, Some(0));
    assert_eq!(server.text("a").await, "one\ntwo\n");
    file.write_all(b"one\ntwo\nthree\n").unwrap();
    let _here = Synced::start_in(here.folder.clone(), server.address, &[]).await;
    until_text(&server, "a", "one\ntwo\nthree\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_name_that_no_document_can_have_is_not_in_step() {
    let server = Ropewalk::start().await;
    let mut here = Synced::start(server.address, &["--once"]).await;
    assert_eq!(here.ended().await.code(), Some(0));
    let bad = "control\u{7}.md";
    std::fs::write(here.path(bad), "text").unwrap();
    let mut here = Synced::start_in(here.folder.clone(), server.address, &["--once"]).await;
    assert_eq!(here.ended().await.code(), Some(1));
    let said = here.said();
    assert!(said.contains("it is left out"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_limit_of_open_files_is_raised() {
    let server = Ropewalk::start().await;
    for number in 0..60 {
        put(&server, &format!("f{number}"), "text").await;
    }
    let mut command = std::process::Command::new("sh");
    let files = folder();
    let ended = tokio::task::spawn_blocking({
        let path = files.path().to_owned();
        move || {
            command
                .args(["-c", "ulimit -S -n 40; exec \"$@\"", "sh"])
                .arg(ropewalk_tests::ropewalk::binary())
                .arg("sync")
                .arg(path)
                .arg(format!("http://{}", server.address))
                .arg("--once")
                .output()
        }
    });
    let ended = ended.await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let found = std::fs::read_dir(files.path()).unwrap().count();
    assert_eq!(found, 61, "with the folder's own");
}
