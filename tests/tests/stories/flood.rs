//! Somebody who says all that a wire allows, as fast as it is taken, and reads nothing of the answers: the others notice nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use futures_util::SinkExt as _;
use ropewalk_tests::frames::{self, put_buf, put_uint};
use ropewalk_tests::{Client, Request, Ropewalk, Socket};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

/// Who floods at once.
const FLOODS: usize = 3;
/// Edits that the others make meanwhile.
const EDITS: usize = 60;
/// Memory that three floods may take: what waits to be written to each, and a mailbox.
const GROWTH_BYTES: u64 = 96 << 20;
const TEXT_BYTES: usize = 100_000;

fn yjs() -> Vec<Message> {
    let nothing = frames::step1(&[0]);
    let all = [
        nothing,
        vec![3],
        frames::awareness(&[(77, 1, r#"{"user":{"name":"Flood"}}"#)]),
        frames::saved(&[1, 2, 3]),
        frames::step2(&[0, 0]),
    ];
    all.into_iter().map(Message::binary).collect()
}

fn hocuspocus() -> Vec<Message> {
    let addressed = |body: &[u8]| {
        let mut frame = Vec::new();
        put_buf(&mut frame, b"flood");
        frame.extend_from_slice(body);
        frame
    };
    let mut token = vec![2, 0];
    put_buf(&mut token, b"token");
    let mut stateless = Vec::new();
    put_uint(&mut stateless, 5);
    put_buf(&mut stateless, &[b'x'; 1000]);
    let mut all = vec![addressed(&token)];
    for _ in 0..10 {
        all.push(addressed(&stateless));
        all.push(vec![9]);
        all.extend(
            yjs()
                .into_iter()
                .take(3)
                .map(|frame| addressed(&frame.into_data())),
        );
    }
    all.into_iter().map(Message::binary).collect()
}

fn text(base: &str) -> Vec<Message> {
    let edit = |id: usize, from: usize| {
        let edits = [json!({"from": from, "to": from, "insert": ""})];
        json!({"type": "edit", "id": format!("{id}"), "base": base, "edits": edits})
    };
    let mut all = vec![json!({"type": "hello", "client": "flood", "unit": "char"})];
    for id in 0..50 {
        all.push(edit(id, 0));
        all.push(edit(id, usize::MAX >> 12));
        all.push(json!({"type": "cursor", "ranges": [{"from": 0, "to": id}]}));
        all.push(json!({"type": "presence", "user": {"name": "Flood"}}));
    }
    all.into_iter()
        .map(|message| Message::text(message.to_string()))
        .collect()
}

/// Floods, and has two people write meanwhile. How much was said.
async fn flood(path: &str, first: usize, messages: impl Fn(&str) -> Vec<Message>) -> u64 {
    let server = Ropewalk::with(&["--write-timeout-seconds", "600"]).await;
    let put = Request::new("PUT", "/api/documents/flood").body("x".repeat(TEXT_BYTES));
    let made = server.send(put).await;
    let base = made.json()["version"].as_str().unwrap().to_owned();
    let (ann, bob) = (
        Client::join(&server, "flood").await,
        Client::join(&server, "flood").await,
    );
    ann.append("!");
    bob.until_contains("!").await;
    let memory = server.resident_bytes();
    let (said, is_over) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut floods = Vec::new();
    for _ in 0..FLOODS {
        let mut stream = Socket::open_path(server.address, path, Some(4096))
            .await
            .into_stream();
        let messages = messages(&base);
        let (said, is_over) = (said.clone(), is_over.clone());
        floods.push(tokio::spawn(async move {
            let once = messages.iter().take(first);
            let again = messages.iter().skip(first).cycle();
            for message in once.chain(again) {
                if is_over.load(SeqCst) || stream.send(message.clone()).await.is_err() {
                    break;
                }
                said.fetch_add(1, SeqCst);
            }
            // It stays, and still does not read.
            std::future::pending::<()>().await;
            drop(stream);
        }));
    }
    for edit in 0..EDITS {
        ann.insert(0, &format!("<{edit}>"));
        ann.all_saved().await;
        bob.until_contains(&format!("<{edit}>")).await;
        let grown = server.resident_bytes().saturating_sub(memory);
        assert!(
            grown < GROWTH_BYTES,
            "{path}: {} MiB more memory",
            grown >> 20
        );
    }
    is_over.store(true, SeqCst);
    assert_eq!((ann.ended(), bob.ended()), (None, None));
    let text = server.text("flood").await;
    assert_eq!(text, bob.text(), "{path}");
    assert_eq!(
        text.len(),
        TEXT_BYTES
            + 1
            + (0..EDITS)
                .map(|edit| format!("<{edit}>").len())
                .sum::<usize>()
    );
    floods.into_iter().for_each(|flood| flood.abort());
    said.load(SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_a_wire_of_yjs_and_reads_nothing_costs_only_itself() {
    assert!(flood("/yjs/flood", 0, |_| yjs()).await > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_the_wire_of_ysweet_and_reads_nothing_costs_only_itself() {
    assert!(flood("/d/flood/ws/flood", 0, |_| yjs()).await > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_the_wire_of_hocuspocus_and_reads_nothing_costs_only_itself() {
    assert!(flood("/hocuspocus", 1, |_| hocuspocus()).await > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_the_text_wire_and_reads_nothing_costs_only_itself() {
    assert!(flood("/text/flood", 1, text).await > 100);
}
