//! The processes that read rich documents: what becomes of the server when they fail.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use ropewalk_tests::ropewalk::binary;
use ropewalk_tests::{Request, Ropewalk, until};
use yrs::{Array, Text, WriteTxn};

use crate::content::{content, made, shown};
use crate::forged::{hex, nested};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_costs_one_answer() {
    let mut server = Ropewalk::start().await;
    // For yrs this has no end.
    let _eve = made(&server, "endless", |txn| {
        txn.get_or_insert_text("secrets")
            .insert(txn, 0, "hidden words 💚");
        txn.get_or_insert_array("secrets").insert(txn, 0, 7);
        txn.get_or_insert_text("beside").insert(txn, 0, "words");
    })
    .await;
    for format in ["text", "html", "json"] {
        let query = format!("?root=secrets&format={format}");
        let failed = content(&server, "endless", &query).await;
        let got = (failed.status, failed.code());
        assert_eq!(got, (500, "view_failed".to_owned()), "{format}");
        assert_eq!(shown(&server, "endless", "?root=beside").await, "words");
    }
    assert_eq!(server.metric("ropewalk_views_failed_total").await, 3.0);
    assert_eq!(server.metric("ropewalk_views_total").await, 3.0);
    let log = server.log();
    assert!(log.contains("a view failed"), "{log}");
    assert!(
        !log.contains("hidden words") && !log.contains("secrets"),
        "{log}"
    );
    assert!(server.runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_readers_is_answered_or_sent_away() {
    let server = Ropewalk::start().await;
    let _ann = made(&server, "crowd", |txn| {
        let list = txn.get_or_insert_array("list");
        list.insert_range(txn, 0, (0..5000).collect::<Vec<i32>>());
    })
    .await;
    let all = (0..60).map(|_| content(&server, "crowd", "?root=list"));
    let all = futures_util::future::join_all(all).await;
    let answered = all.iter().filter(|response| response.status == 200).count();
    assert!(answered >= 10, "as many as may read or wait: {answered}");
    for response in &all {
        match response.status {
            200 => assert!(response.text().ends_with(",4999]")),
            status => assert_eq!((status, response.code()), (503, "overloaded".to_owned())),
        }
    }
    assert_eq!(server.metric("ropewalk_views_total").await, answered as f64);
    assert_eq!(shown(&server, "crowd", "").await, "");
}

/// Of an edit that the disk does not take nothing is shown, however soon somebody asks.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_before_it_is_saved() {
    let server = Ropewalk::start().await;
    for round in 0..5 {
        let name = format!("lost-{round}");
        let ann = made(&server, &name, |_| {}).await;
        ann.append("safe");
        ann.all_saved().await;
        let saved = content(&server, &name, "").await;
        assert_eq!(saved.text(), "safe");
        let saved = saved.header("etag").unwrap();
        server.limit_files(Some(0));
        let asks = || async {
            while ann.ended().is_none() {
                // Which version it would be is told much faster than shown.
                let known = format!("/api/documents/{name}/content");
                let known = Request::get(&known).header("if-none-match", "*");
                let response = server.send(known).await;
                match response.status {
                    304 => assert_eq!(response.header("etag"), Some(saved)),
                    status => assert_eq!(status, 503, "{}", response.text()),
                }
            }
        };
        let types = async {
            ann.append(" lost");
            ann.closed().await
        };
        let (closed, ..) = tokio::join!(types, asks(), asks(), asks(), asks());
        assert_eq!(closed.code, 1011);
        server.limit_files(None);
        until("the server is ready again", || async {
            (server.get("/readyz").await.status == 200).then_some(())
        })
        .await;
        assert_eq!(shown(&server, &name, "").await, "safe");
    }
}

/// What the reader gets for a state, and how it ends.
fn reads(state: &[u8]) -> std::process::Output {
    let mut child = Command::new(binary())
        .arg("read-view")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let root = b"list";
    input.write_all(&[0, root.len() as u8, 0]).unwrap();
    input.write_all(root).unwrap();
    input.write_all(state).unwrap();
    drop(input);
    child.wait_with_output().unwrap()
}

#[test]
fn a_reader_that_yrs_ends_says_nothing() {
    let honest = reads(&nested(3));
    assert_eq!(honest.stdout, b"[[[[null]]]]", "{honest:?}");
    // Stacks have no room for this many arrays in arrays.
    let deep = reads(&nested(1_000_000));
    assert!(deep.status.signal().is_some(), "{deep:?}");
    assert_eq!(deep.stdout, b"");
    // Neither updates nor whole.
    for bytes in [
        "",
        "ffffff3f",
        "0101050000c0843d00ff",
        "0002000206ffffffff1f",
    ] {
        let refused = reads(&hex(bytes));
        assert_eq!(refused.stdout, b"", "{bytes}: {refused:?}");
    }
}

#[tokio::test]
async fn a_reader_bounds_itself_before_it_reads() {
    let mut child = Command::new(binary())
        .arg("read-view")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let bounded = |limits: &str, name: &str, value: &str| {
        let line = limits.lines().find(|line| line.starts_with(name));
        line.is_some_and(|line| {
            line.split_whitespace()
                .filter(|word| *word == value)
                .count()
                == 2
        })
    };
    until("the reader is bounded", || async {
        let limits = std::fs::read_to_string(&limits).unwrap();
        let all = [
            ("Max core file size", "0"),
            ("Max file size", "0"),
            ("Max cpu time", "5"),
            ("Max address space", "1073741824"),
        ];
        all.iter()
            .all(|(name, value)| bounded(&limits, name, value))
            .then_some(())
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
}
