//! As many files as can be kept in step.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{DEADLINE, Request, Ropewalk, Synced};
use tokio::time::{Instant, sleep};

/// That many are, half of them of either side.
const FILES: usize = 1000;
/// What it may hold at once, in bytes.
const MEMORY: u64 = 150 << 20;
/// What it may have open beside a connection for each file.
const DESCRIPTORS: usize = 100;

/// Asks the server, some at once.
async fn ask_all(server: &Ropewalk, requests: impl Iterator<Item = Request>, status: u16) {
    let all = stream::iter(requests).map(|request| server.send(request));
    let mut answers = all.buffer_unordered(16);
    while let Some(answer) = answers.next().await {
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

/// Waits until all is done, as long as there is more of it; it is within its bounds all the time.
async fn until_all(server: &Ropewalk, here: &Synced, what: &str, count: impl AsyncFn() -> usize) {
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let done = count().await;
        assert!(server.metric("ropewalk_connections").await <= FILES as f64);
        assert!(here.descriptors() <= FILES + DESCRIPTORS);
        if done == FILES / 2 {
            return;
        }
        if done != last {
            (last, since) = (done, Instant::now());
        }
        assert!(since.elapsed() < DEADLINE, "{what}: only {done}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_files_come_into_step_in_bounded_room() {
    let server = Ropewalk::start().await;
    let there = |n: usize| format!("there/{n}.md");
    let here_file = |n: usize| format!("here/{n}.md");
    let put = |n| Request::new("PUT", &format!("/api/documents/{}", there(n)));
    let puts = (0..FILES / 2).map(|n| put(n).body(format!("there {n}\n")));
    ask_all(&server, puts, 201).await;
    let files = Arc::new(folder());
    std::fs::create_dir(files.path().join("here")).unwrap();
    for n in 0..FILES / 2 {
        std::fs::write(files.path().join(here_file(n)), format!("here {n}\n")).unwrap();
    }
    let here = Synced::start_in(files, server.address, &[]).await;
    let said = |what: &'static str| {
        let here = &here;
        async move || here.said().matches(what).count()
    };
    until_all(&server, &here, "new here", said(": new here")).await;
    until_all(&server, &here, "begun", said(": begun on the server")).await;
    // From either side to the other one.
    let append = |n| Request::new("POST", &format!("/api/documents/{}/append", here_file(n)));
    let appends = (0..FILES / 2).map(|n| append(n).body("more there\n"));
    ask_all(&server, appends, 200).await;
    for n in 0..FILES / 2 {
        here.save(&there(n), &format!("there {n}\nmore here\n"));
    }
    let in_files = async || {
        let has = |n| here.read(&here_file(n)) == Some(format!("here {n}\nmore there\n"));
        (0..FILES / 2).filter(|&n| has(n)).count()
    };
    until_all(&server, &here, "in the files", in_files).await;
    let in_documents = async || {
        let all = stream::iter(0..FILES / 2).map(|n| {
            let server = &server;
            async move { (n, server.text(&format!("there/{n}.md")).await) }
        });
        let all: Vec<_> = all.buffer_unordered(16).collect().await;
        let is_there = |(n, text): &&(usize, String)| *text == format!("there {n}\nmore here\n");
        all.iter().filter(is_there).count()
    };
    until_all(&server, &here, "on the server", in_documents).await;
    let peak = here.peak_bytes();
    println!("{peak} bytes at most");
    assert!(peak < MEMORY, "{peak} bytes");
    // One more is too much, and takes nothing from the others.
    here.save("one more", "too much");
    here.until_said("there are 1,000 files in step already")
        .await;
    here.save(&there(0), "still\n");
    super::until_text(&server, &there(0), "still\n").await;
    assert_eq!(server.get("/api/documents/one%20more").await.status, 404);
}
