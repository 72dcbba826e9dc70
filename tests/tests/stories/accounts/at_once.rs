//! How soon whoever is connected feels that access was taken back: on each wire within a second, however busy the document is, and
//! between two of their own edits that wait side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ropewalk_tests::account::Browser;
use ropewalk_tests::client::{edit_doc, new_doc, text_of};
use ropewalk_tests::frames;
use ropewalk_tests::{Client, Ropewalk, Socket};
use serde_json::Value;
use yrs::Text;

use super::revoked::{NAME, NOT_ALLOWED, NOT_KNOWN, Shows, begin, enter};

/// People who type in the document, and in another one, until they are told to stop.
async fn crowd(
    owner: &mut Browser,
    typing: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<Client>> {
    owner.create("elsewhere", "").await;
    let mut all = Vec::new();
    for number in 0..8 {
        let name = if number < 6 { NAME } else { "elsewhere" };
        let editor = owner.editor(name).await;
        let typing = typing.clone();
        all.push(tokio::spawn(async move {
            let mut said = 0;
            while typing.load(Relaxed) {
                editor.append("word ");
                said += 1;
                if said % 8 == 0 {
                    editor.all_saved().await;
                }
            }
            editor.all_saved().await;
            editor
        }));
    }
    all
}

/// Takes access back while others type; how long it took until nobody was left on any wire.
async fn felt_after(
    server: &Ropewalk,
    owner: &mut Browser,
    shows: Shows<'_>,
    (code, reason): (u16, &str),
    revoke: impl AsyncFnOnce(&mut Browser),
) -> Duration {
    let mut somebody = enter(server, &shows).await;
    let began = Instant::now();
    revoke(owner).await;
    somebody.is_out(code, reason).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn revocation_is_felt_on_every_wire_within_a_second_under_load() {
    let (server, _, mut owner, mut bob) = begin().await;
    let typing = Arc::new(AtomicBool::new(true));
    let crowd = crowd(&mut owner, &typing).await;
    let grant = felt_after(
        &server,
        &mut owner,
        Shows::Headers(&bob),
        NOT_ALLOWED,
        async |owner| {
            owner.share(NAME, "bob", "none").await;
        },
    )
    .await;
    owner.share(NAME, "bob", "edit").await;
    let (id, token) = bob.make_token("edit", "*").await;
    let by_token = felt_after(
        &server,
        &mut owner,
        Shows::Token(&token),
        NOT_KNOWN,
        async |_| {
            bob.done("DELETE", &format!("/api/tokens/{id}"), Value::Null)
                .await;
        },
    )
    .await;
    let (id, link) = owner.make_link(NAME, "edit").await;
    let by_link = felt_after(
        &server,
        &mut owner,
        Shows::Token(&link),
        NOT_KNOWN,
        async |owner| {
            owner
                .done(
                    "DELETE",
                    &format!("/api/documents/{NAME}/links/{id}"),
                    Value::Null,
                )
                .await;
        },
    )
    .await;
    typing.store(false, Relaxed);
    for typist in crowd {
        assert_eq!(typist.await.unwrap().ended(), None, "nobody else feels it");
    }
    println!("felt after {grant:?}, {by_token:?}, {by_link:?}");
    for took in [grant, by_token, by_link] {
        assert!(took < Duration::from_secs(1), "felt after {took:?}");
    }
}

/// An update that takes the server a while: letters all over a text that is there.
fn scattered(doc: &yrs::Doc, round: u32) -> Vec<u8> {
    edit_doc(doc, |text, txn| {
        for place in 0..1_500 {
            text.insert(txn, (place * 7 + round) % text.len(txn), "x");
        }
    })
}

/// What somebody sends in one go waits in the document's queue and is carried out side by side. What comes after the moment at which
/// their access ends is not, though it waited there already.
#[tokio::test(flavor = "multi_thread")]
async fn revocation_counts_between_two_edits_that_wait_side_by_side() {
    let (_server, _, mut owner, bob) = begin().await;
    let seen = owner.editor(NAME).await;
    let doc = new_doc(None);
    let first = edit_doc(&doc, |text, txn| {
        text.insert(txn, 0, &"FIRST ".repeat(2_000))
    });
    let heavy: Vec<Vec<u8>> = (0..150).map(|round| scattered(&doc, round)).collect();
    let last = edit_doc(&doc, |text, txn| text.insert(txn, 0, "LAST"));
    let mut socket: Socket = bob.socket(&format!("/yjs/{NAME}")).await;
    let updates = std::iter::once(&first).chain(&heavy).chain([&last]);
    let sending = updates.map(|update| frames::update(update));
    for frame in sending {
        socket.send(frame).await;
    }
    seen.until("the first of them is seen", |_, doc| {
        text_of(doc).contains("FIRST").then_some(())
    })
    .await;
    owner.share(NAME, "bob", "none").await;
    assert_eq!(socket.closed().await.code, 4403);
    let text = owner.text(NAME).await;
    assert!(text.contains("FIRST"));
    assert!(
        !text.contains("LAST"),
        "what came after counts, too: {} letters",
        text.len()
    );
}
