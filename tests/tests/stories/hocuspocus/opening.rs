//! A document that is slow to open, beside others on its socket.
#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ropewalk_tests::client::text_of;
use ropewalk_tests::ropewalk::{binary, folder};
use ropewalk_tests::{Request, Ropewalk, Socket, until};
use tokio::time::timeout;

use super::{until as until_said, *};
use crate::preload::{Call, Preload};

/// Messages for documents that are not open take about so much, in bytes.
const QUEUED: usize = 1 << 20;
/// Length of the document: more than SQLite has in memory.
const TEXT: usize = 8 << 20;
/// What lies in the buffers of a socket at most.
const BUFFERS: usize = 32 << 20;

/// A server whose disk can be made to wait, with a document that is not in memory, and a socket that is in another.
pub(super) async fn beside() -> (Ropewalk, Preload, Socket) {
    let data = Arc::new(folder());
    let (mut server, preload) = Preload::start(data.clone(), &[]).await;
    let put = Request::new("PUT", "/api/documents/slow").body("x".repeat(TEXT));
    assert_eq!(server.send(put).await.status, 201);
    assert_eq!(server.terminate().await, Some(0));
    let server = preload.start_in(data, &[]).await;
    let mut socket = open(&server).await;
    enter(&mut socket, "good").await;
    edit_beside(&mut socket).await;
    preload.wait(Call::Read, "ropewalk.db");
    (server, preload, socket)
}

/// The other document takes an edit.
async fn edit_beside(socket: &mut Socket) {
    let update = frames::update(&letter());
    socket.send(addressed("good", &update)).await;
    assert_eq!(until_said(socket, "good", 8).await, [1]);
}

pub(super) fn token(address: &str) -> Vec<u8> {
    addressed(address, &said(&[2, 0], b"token"))
}

async fn answers(socket: &mut Socket) {
    socket.send([9]).await;
    assert_eq!(socket.next().await.unwrap(), [10]);
}

async fn until_people(server: &Ropewalk, name: &str, people: u64) {
    until(&format!("{people} in {name}"), || async {
        let list = server.get("/api/documents").await.json();
        let all = list["documents"].as_array().unwrap();
        let found = all.iter().find(|one| one["name"] == name)?;
        (found["people"] == people).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_none_of_them_waiting_and_then_hears_all() {
    let (server, preload, mut socket) = beside().await;
    // What is written under these before they are closed is heard of.
    for address in ["slow\0one", "slow\0two"] {
        socket.send(token(address)).await;
        let update = frames::update(&letter());
        socket.send(addressed(address, &update)).await;
        socket.send(addressed(address, &[7])).await;
    }
    socket.send(token("slow")).await;
    let doc = new_doc(None);
    for number in 0..50 {
        let update = edit_doc(&doc, |text, txn| {
            text.insert(txn, number, &format!("{}", number % 10))
        });
        socket
            .send(addressed("slow", &frames::update(&update)))
            .await;
        if number % 10 == 0 {
            edit_beside(&mut socket).await;
            answers(&mut socket).await;
        }
    }
    // One that knocks again, and one that says what is none.
    socket.send(token("slow\0two")).await;
    socket.send(token("slow\0bad")).await;
    socket.send(addressed("slow\0bad", &[77])).await;
    let refused = closed("slow\0bad", "malformed frame");
    assert_eq!(socket.next().await.unwrap(), refused);
    preload.mend();
    let (mut welcomed, mut saved) = (Vec::new(), 0);
    while welcomed.len() < 4 || saved < 50 {
        let message = socket.next().await.unwrap();
        let said_to = |address: &str, body: &[u8]| message.starts_with(&addressed(address, body));
        for address in ["slow", "slow\0one", "slow\0two", "slow\0bad"] {
            if said_to(address, &[2]) {
                welcomed.push(address);
            }
        }
        assert!(!said_to("slow", &[8, 0]));
        saved += u32::from(said_to("slow", &[8, 1]));
    }
    welcomed.sort_unstable();
    assert_eq!(welcomed, ["slow", "slow\0one", "slow\0two", "slow\0two"]);
    until_people(&server, "slow", 2).await;
    let text = server.text("slow").await;
    assert_eq!(text.len(), TEXT + 52);
    assert!(text.contains(&text_of(&doc)));
    drop(socket);
    until_people(&server, "slow", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_in_whoever_said_something_before_the_token() {
    let data = Arc::new(folder());
    let (mut server, preload) = Preload::start(data.clone(), &[]).await;
    let put = Request::new("PUT", "/api/documents/slow").body("x".repeat(TEXT));
    assert_eq!(server.send(put).await.status, 201);
    assert_eq!(server.terminate().await, Some(0));
    let run = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--data").arg(data.path());
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let password = b"seven ropes on a quay";
        child.stdin.take().unwrap().write_all(password).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["user", "add", "ann", "--admin", "--password-stdin"]);
    let create = ["token", "create", "ann", "--name", "test", "--access"];
    let said_so = run(&[&create[..], &["own"]].concat());
    let token = said_so
        .split_whitespace()
        .find(|word| word.starts_with("rwt_"));
    let server = preload.start_in(data.clone(), &[]).await;
    preload.wait(Call::Read, "ropewalk.db");
    let mut socket = open(&server).await;
    let update = frames::update(&letter());
    socket.send(addressed("slow", &update)).await;
    let knock = said(&[2, 0], token.unwrap().as_bytes());
    socket.send(addressed("slow", &knock)).await;
    socket.send(addressed("slow", &update)).await;
    answers(&mut socket).await;
    preload.mend();
    let welcome = addressed("slow", &said(&[2, 2], b"read-write"));
    assert_eq!(socket.next().await.unwrap(), welcome);
    assert_eq!(until_said(&mut socket, "slow", 8).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_among_those_that_a_socket_may_have_also_when_it_is_left() {
    let (server, preload, mut socket) = beside().await;
    for number in 0..100 {
        let address = format!("slow\0{number}");
        socket.send(token(&address)).await;
        socket.send(addressed(&address, &[7])).await;
    }
    socket.send(token("slow")).await;
    let full = closed("slow", "too many documents on one connection");
    assert_eq!(socket.next().await.unwrap(), full);
    edit_beside(&mut socket).await;
    let ann = frames::awareness(&[(77, 1, r#"{"user":{"name":"Ann"}}"#)]);
    socket.send(addressed("good", &ann)).await;
    until_said(&mut socket, "good", 1).await;
    let mut other = open(&server).await;
    enter(&mut other, "good").await;
    // A socket that ends has its place until they are through.
    drop(socket);
    while !until_said(&mut other, "good", 1).await.ends_with(b"null") {}
    assert_eq!(server.metric("ropewalk_connections").await, 2.0);
    preload.mend();
    server.until_metric("ropewalk_connections", 1.0).await;
    enter(&mut other, "slow").await;
    until_people(&server, "slow", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hears_no_more_than_there_is_room_for() {
    let (server, preload, mut socket) = beside().await;
    let before = server.resident_bytes();
    socket.send(token("slow")).await;
    let message = addressed("slow", &said(&[5], &[b'x'; 60_000]));
    let (mut sent, mut stalled) = (0, false);
    // There is room for so much, however long that takes.
    while sent < QUEUED {
        socket.send(message.clone()).await;
        sent += message.len();
    }
    while sent < QUEUED + BUFFERS && !stalled {
        let sending = socket.send(message.clone());
        stalled = timeout(Duration::from_secs(1), sending).await.is_err();
        sent += message.len();
    }
    assert!(stalled, "{sent} bytes are taken and wait");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "{} MiB more memory", grown >> 20);
    preload.mend();
    until_said(&mut socket, "slow", 2).await;
    answers(&mut socket).await;
    edit_beside(&mut socket).await;
}
