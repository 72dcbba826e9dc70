//! Someone who stops reading costs only themselves.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ropewalk_tests::client::{new_doc, text_of};
use ropewalk_tests::frames::{self, Frame};
use ropewalk_tests::{Client, Ropewalk, Socket, within};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, StateVector, Text, Transact, Update};

/// One edit replaces the whole text, so that the document stays small and only queues could grow.
const EDIT_BYTES: usize = 64 * 1024;
/// What goes through the document while somebody does not read.
const TRAFFIC_BYTES: usize = 96 << 20;
/// What may be added to the server's memory meanwhile.
const GROWTH_BYTES: u64 = 48 << 20;

/// Replaces the text `edits` times and waits until each is saved; the longest wait.
async fn replace(writer: &Client, reader: &Client, edits: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for i in 0..edits {
        let letter = char::from(b'a' + (i % 26) as u8);
        let began = Instant::now();
        let text = letter.to_string().repeat(EDIT_BYTES);
        writer.edit(|root, txn| {
            let length = root.len(txn);
            root.remove_range(txn, 0, length);
            root.insert(txn, 0, &text);
        });
        reader
            .until("the other's edit", |_, doc| {
                (text_of(doc) == text).then_some(())
            })
            .await;
        writer.all_saved().await;
        longest = longest.max(began.elapsed());
    }
    longest
}

/// Reads until the replica has the text, or the server has let us go.
async fn read_up_to(socket: &mut Socket, doc: &Doc, text: &str) -> Option<u16> {
    within("who reads again catches up", async {
        while text_of(doc) != text {
            match socket.next().await {
                Ok(frame) => match frames::read(&frame).unwrap() {
                    Frame::Step2(update) | Frame::Update(update) => {
                        doc.transact_mut()
                            .apply_update(Update::decode_v1(update).unwrap())
                            .unwrap();
                    }
                    _ => {}
                },
                Err(closed) => return Some(closed.code),
            }
        }
        None
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_and_nobody_waits_for_who_does_not_read() {
    let server = Ropewalk::start().await;
    let (ann, bob) = (
        Client::join(&server, "stalled").await,
        Client::join(&server, "stalled").await,
    );
    // Everything that a server needs for such traffic is allocated before anything is measured.
    let before_stall = replace(&ann, &bob, 200).await;
    let memory = server.resident_bytes();

    let mut stalled = Vec::new();
    for _ in 0..3 {
        let mut socket = Socket::open_narrow(&server, "stalled").await;
        socket
            .send(frames::step1(&StateVector::default().encode_v1()))
            .await;
        stalled.push((socket, new_doc(None)));
    }
    let edits = TRAFFIC_BYTES / EDIT_BYTES;
    let mut longest = Duration::ZERO;
    for _ in 0..8 {
        longest = longest.max(replace(&ann, &bob, edits / 8).await);
        let grown = server.resident_bytes().saturating_sub(memory);
        assert!(
            grown < GROWTH_BYTES,
            "{} MiB more memory while 3 peers do not read",
            grown >> 20
        );
    }
    let bound = before_stall * 4 + Duration::from_secs(2);
    assert!(
        longest < bound,
        "an edit took {longest:?}, before {before_stall:?}"
    );
    assert_eq!((ann.ended(), bob.ended()), (None, None));

    let text = ann.text();
    for (socket, doc) in &mut stalled {
        match read_up_to(socket, doc, &text).await {
            None => {}
            Some(code) => {
                assert_eq!(code, 1013, "let go as too slow");
                let back = Client::join_with(&server, "stalled", doc.clone()).await;
                back.until_text(&text).await;
            }
        }
    }
}

/// Long enough that nobody is let go in these stories.
const PATIENT: [&str; 2] = ["--write-timeout-seconds", "600"];

#[tokio::test(flavor = "multi_thread")]
async fn who_lags_is_brought_up_to_date_and_not_given_a_gap() {
    let server = Ropewalk::with(&PATIENT).await;
    let (ann, bob) = (
        Client::join(&server, "lag").await,
        Client::join(&server, "lag").await,
    );
    let mut socket = Socket::open_narrow(&server, "lag").await;
    let doc = new_doc(None);
    socket
        .send(frames::step1(&StateVector::default().encode_v1()))
        .await;
    for round in 0..3 {
        // More than the queue and the kernel's buffers hold, in edits that build on each other.
        replace(&ann, &bob, 400).await;
        ann.append(&format!(" round {round}"));
        ann.all_saved().await;
        assert_eq!(read_up_to(&mut socket, &doc, &ann.text()).await, None);
        assert!(server.metric("ropewalk_resyncs_total").await >= f64::from(round + 1));
        // From here on it is an ordinary peer again.
        ann.append(" and on");
        assert_eq!(read_up_to(&mut socket, &doc, &ann.text()).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lags_hears_who_has_left_meanwhile() {
    let server = Ropewalk::with(&PATIENT).await;
    let ann = Client::join(&server, "ghosts").await;
    let (bob, cy) = (
        Client::join(&server, "ghosts").await,
        Client::join(&server, "ghosts").await,
    );
    for (client, name) in [(&ann, "Ann"), (&bob, "Bob"), (&cy, "Cy")] {
        client.announce(&format!("{{\"user\":{{\"name\":\"{name}\"}}}}"));
    }
    ann.until_people(&["Ann", "Bob", "Cy"]).await;
    let mut socket = Socket::open_narrow(&server, "ghosts").await;
    let doc = new_doc(None);
    socket
        .send(frames::step1(&StateVector::default().encode_v1()))
        .await;
    replace(&ann, &ann, 400).await;
    // One closes the connection, and one says goodbye and stays.
    let gone = BTreeSet::from([bob.id, cy.id]);
    bob.leave().await;
    cy.announce("null");
    ann.until_people(&["Ann"]).await;

    let mut people = BTreeSet::new();
    within("who reads again hears of everybody", async {
        while !people.is_disjoint(&gone) || text_of(&doc) != ann.text() {
            let frame = socket.next().await.unwrap();
            match frames::read(&frame).unwrap() {
                Frame::Step2(update) | Frame::Update(update) => {
                    let update = Update::decode_v1(update).unwrap();
                    doc.transact_mut().apply_update(update).unwrap();
                }
                Frame::Awareness(entries) => {
                    for entry in entries {
                        match entry.json {
                            "null" => people.remove(&entry.client),
                            _ => people.insert(entry.client),
                        };
                    }
                }
                _ => {}
            }
        }
    })
    .await;
    assert!(server.metric("ropewalk_resyncs_total").await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_of_who_lags_comes_back_after_its_edits_are_saved() {
    let mut server = Ropewalk::with(&PATIENT).await;
    let ann = Client::join(&server, "lagging writer").await;
    let mut socket = Socket::open_narrow(&server, "lagging writer").await;
    let doc = new_doc(None);
    replace(&ann, &ann, 400).await;
    let update = ropewalk_tests::client::edit_doc(&doc, |text, txn| {
        text.insert(txn, 0, "<typed while lagging>")
    });
    socket.send(frames::update(&update)).await;
    socket.send(frames::saved(b"mine")).await;
    while socket.next().await.unwrap() != frames::saved(b"mine") {}
    assert!(server.metric("ropewalk_resyncs_total").await >= 1.0);
    server.kill().await;
    server.start_again().await;
    let text = server.text("lagging writer").await;
    assert!(text.contains("<typed while lagging>"), "promised and lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_for_too_long_is_let_go_and_can_come_back() {
    let server = Ropewalk::with(&["--write-timeout-seconds", "2"]).await;
    let ann = Client::join(&server, "let go").await;
    let mut socket = Socket::open_narrow(&server, "let go").await;
    let doc = new_doc(None);
    replace(&ann, &ann, 400).await;
    server.until_metric("ropewalk_connections", 1.0).await;
    assert_eq!(server.metric("ropewalk_peers_stalled_total").await, 1.0);
    assert_eq!(ann.ended(), None);
    let text = ann.text();
    // What was on its way comes first; then it is over, one way or the other.
    if let Some(code) = read_up_to(&mut socket, &doc, &text).await {
        assert!(matches!(code, 1013 | 1006), "{code}");
    }
    Client::join_with(&server, "let go", doc)
        .await
        .until_text(&text)
        .await;
}
