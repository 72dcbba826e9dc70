//! Hostile and broken messages on the wire of Hocuspocus: each costs its document on that socket, or the socket.

use ropewalk_tests::client::{edit_doc, new_doc};
use ropewalk_tests::frames::{self, put_buf, put_uint};
use ropewalk_tests::{Client, Ropewalk, Socket, within};
use yrs::Text;

mod opening;
#[cfg(target_os = "linux")]
mod order;

async fn open(server: &Ropewalk) -> Socket {
    Socket::open_path(server.address, "/hocuspocus", None).await
}

fn addressed(address: &str, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_buf(&mut out, address.as_bytes());
    out.extend_from_slice(message);
    out
}

/// Type, and what it says.
fn said(kind: &[u64], what: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    kind.iter().for_each(|&number| put_uint(&mut out, number));
    put_buf(&mut out, what);
    out
}

fn closed(address: &str, reason: &str) -> Vec<u8> {
    addressed(address, &said(&[7], reason.as_bytes()))
}

async fn enter(socket: &mut Socket, address: &str) {
    socket
        .send(addressed(address, &said(&[2, 0], b"token")))
        .await;
    let welcome = addressed(address, &said(&[2, 2], b"read-write"));
    assert_eq!(socket.next().await.unwrap(), welcome, "{address}");
}

/// The next message of a type under an address.
async fn until(socket: &mut Socket, address: &str, kind: u8) -> Vec<u8> {
    let head = addressed(address, &[kind]);
    within("a message of that type", async {
        loop {
            let message = socket.next().await.unwrap();
            if message.starts_with(&head) {
                return message[head.len()..].to_vec();
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_a_large_document_is_asked_what_they_have() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "large").await;
    ann.insert(0, &"words".repeat(400_000));
    ann.all_saved().await;
    let mut socket = open(&server).await;
    enter(&mut socket, "large").await;
    let question = addressed("large", &frames::step1(&[0]));
    socket.send(question).await;
    let answer = until(&mut socket, "large", 0).await;
    assert_eq!(answer[0], 1, "the document");
    // Also what else comes of a queue that was full.
    while until(&mut socket, "large", 0).await[0] != 0 {}
}

fn letter() -> Vec<u8> {
    edit_doc(&new_doc(None), |text, txn| text.insert(txn, 0, "x"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_under_one_address_ends_that_one_alone() {
    let server = Ropewalk::with(&["--max-update-bytes", "1024"]).await;
    let large = vec![0; 2000];
    let mut socket = open(&server).await;
    enter(&mut socket, "good").await;
    for (what, message, reason) in [
        ("no type", vec![], "malformed frame"),
        ("a type that only servers know", vec![4], "malformed frame"),
        (
            "a status, which the server says",
            vec![8, 1],
            "malformed frame",
        ),
        ("an unknown type", vec![77, 0], "malformed frame"),
        (
            "a token that ends early",
            vec![2, 0, 9, 1],
            "malformed frame",
        ),
        (
            "what only the server says of tokens",
            said(&[2, 2], b"x"),
            "malformed frame",
        ),
        (
            "a sync message that is none",
            vec![0, 9, 0],
            "malformed frame",
        ),
        (
            "an update that is none",
            frames::update(&[1, 2, 3]),
            "malformed frame",
        ),
        (
            "awareness that is none",
            said(&[1], &[9, 9]),
            "malformed frame",
        ),
        ("bytes after a close", vec![7, 7], "malformed frame"),
        (
            "a long stateless message",
            said(&[5], &vec![b'x'; 70_000]),
            "malformed frame",
        ),
        ("a long update", frames::update(&large), "too large"),
    ] {
        enter(&mut socket, "bad").await;
        socket.send(addressed("bad", &message)).await;
        assert_eq!(
            socket.next().await.unwrap(),
            closed("bad", reason),
            "{what}"
        );
    }
    for (what, address, reason) in [
        ("no name", "", "bad document name"),
        ("only a session", "\0x", "bad document name"),
        ("a way out", "a/../b", "bad document name"),
    ] {
        socket.send(addressed(address, &said(&[2, 0], b""))).await;
        let answer = socket.next().await.unwrap();
        assert_eq!(answer, closed(address, reason), "{what}");
    }
    // A message to a document that was never entered enters it: older clients do not knock. One that was closed stays so.
    socket.send(addressed("bad", &frames::step1(&[0]))).await;
    socket.send(addressed("older", &frames::step1(&[0]))).await;
    let welcome = addressed("older", &said(&[2, 2], b"read-write"));
    assert_eq!(socket.next().await.unwrap(), welcome);
    until(&mut socket, "older", 0).await;
    socket
        .send(addressed("good", &frames::update(&letter())))
        .await;
    assert_eq!(until(&mut socket, "good", 8).await, [1]);
    assert_eq!(server.text("good").await, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_address_ends_the_socket() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "doc").await;
    for message in [
        &b""[..],
        &[5, b'a'],
        &[2, 0xc3, 0x28, 0],
        &[0xff; 12],
        &addressed(&"x".repeat(2000), &[7]),
    ] {
        let mut socket = open(&server).await;
        enter(&mut socket, "doc").await;
        socket.send(message).await;
        assert_eq!(socket.closed().await.code, 4400, "{message:?}");
    }
    let mut socket = open(&server).await;
    socket.send_text("hello").await;
    assert_eq!(socket.closed().await.code, 4400);
    let mut socket = open(&server).await;
    socket.send([9]).await;
    assert_eq!(socket.next().await.unwrap(), [10]);
    socket.send([10]).await;
    ann.append("goes on");
    ann.all_saved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_carries_a_hundred_documents_and_no_more() {
    let server = Ropewalk::start().await;
    let mut socket = open(&server).await;
    for number in 0..100 {
        enter(&mut socket, &format!("d{number}")).await;
    }
    socket.send(addressed("more", &said(&[2, 0], b""))).await;
    let full = closed("more", "too many documents on one connection");
    assert_eq!(socket.next().await.unwrap(), full);
    socket.send(addressed("d7", &[7])).await;
    enter(&mut socket, "more").await;
    for address in ["d0", "d99", "more"] {
        socket
            .send(addressed(address, &frames::update(&letter())))
            .await;
        assert_eq!(until(&mut socket, address, 8).await, [1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_in_the_name_of_another() {
    let server = Ropewalk::start().await;
    let ann = Client::join_as(&server, "doc", 77).await;
    ann.announce(r#"{"user":{"name":"Ann"}}"#);
    ann.until_people(&["Ann"]).await;
    let mut socket = open(&server).await;
    enter(&mut socket, "doc").await;
    let forged = edit_doc(&new_doc(Some(77)), |text, txn| {
        text.insert(txn, 0, "forged")
    });
    socket
        .send(addressed("doc", &frames::update(&forged)))
        .await;
    assert_eq!(socket.closed().await.code, 1013);
    ann.append("mine");
    ann.all_saved().await;
    assert_eq!(server.text("doc").await, "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_not_read_costs_little_and_nobody_else() {
    let server = Ropewalk::start().await;
    let mut slow = Socket::open_path(server.address, "/hocuspocus", Some(16 * 1024)).await;
    for number in 0..20 {
        enter(&mut slow, &format!("d{number}")).await;
    }
    for number in 0..20 {
        let ann = Client::join(&server, &format!("d{number}")).await;
        for _ in 0..30 {
            ann.append(&"words ".repeat(16_000));
        }
        ann.all_saved().await;
        drop(ann);
    }
    // When it reads again, it has everything.
    let mut len = 0;
    while len < 30 * 16_000 * 6 {
        let update = until(&mut slow, "d19", 0).await;
        len += update.len();
    }
    assert!(server.metric("ropewalk_resyncs_total").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_full_is_tried_again_and_keeps_no_other_of_its_socket_waiting() {
    let server = Ropewalk::with(&["--max-connections-per-document", "2"]).await;
    let ann = Client::join(&server, "full").await;
    let bob = Client::join(&server, "full").await;
    let mut socket = open(&server).await;
    enter(&mut socket, "good").await;
    socket.send(addressed("full", &said(&[2, 0], b""))).await;
    let update = addressed("full", &frames::update(&letter()));
    socket.send(update).await;
    server
        .until_metric("ropewalk_refused_full_total", 1.0)
        .await;
    let update = addressed("good", &frames::update(&letter()));
    socket.send(update).await;
    assert_eq!(until(&mut socket, "good", 8).await, [1]);
    drop(bob);
    let welcome = addressed("full", &said(&[2, 2], b"read-write"));
    within("the way in", async {
        while socket.next().await.unwrap() != welcome {}
    })
    .await;
    assert_eq!(until(&mut socket, "full", 8).await, [1]);
    ann.until_text("x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_a_document_that_is_full_has_a_bound() {
    let server = Ropewalk::with(&["--max-connections-per-document", "2"]).await;
    let _ann = Client::join(&server, "full").await;
    let _bob = Client::join(&server, "full").await;
    let mut socket = open(&server).await;
    enter(&mut socket, "good").await;
    socket.send(addressed("full", &said(&[2, 0], b""))).await;
    server
        .until_metric("ropewalk_refused_full_total", 1.0)
        .await;
    for _ in 0..4 {
        let message = addressed("full", &said(&[5], &[b'x'; 60_000]));
        socket.send(message).await;
    }
    assert_eq!(socket.closed().await.code, 1013);
}
