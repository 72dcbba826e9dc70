//! People see who else is there, and nobody speaks in another person's name.

use std::time::{Duration, Instant};

use ropewalk_tests::client::new_doc;
use ropewalk_tests::frames::{self, Frame};
use ropewalk_tests::{Client, Ropewalk, Socket};

fn named(name: &str) -> String {
    serde_json::json!({"user": {"name": name, "color": "#30bced"}, "cursor": null}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_attaches_sees_everyone_who_is_there() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "people").await;
    let bob = Client::join(&server, "people").await;
    ann.announce(&named("Ann"));
    bob.announce(&named("Bob"));
    ann.until_people(&["Ann", "Bob"]).await;
    bob.until_people(&["Ann", "Bob"]).await;
    let cy = Client::join(&server, "people").await;
    cy.until_people(&["Ann", "Bob"]).await;
    assert_eq!(
        server.get("/api/documents?q=people").await.json()["documents"]
            .as_array()
            .unwrap()
            .len(),
        0,
        "nothing was written"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_comes_back_to_who_announced_it() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "alone").await;
    for name in ["Ann", "Anna", "Anne"] {
        ann.announce(&named(name));
        ann.until_people(&[name]).await;
    }
    // Saying the same again is answered too: a stock client that is alone lives on it.
    let before = ann.look(|state| state.frame_count);
    ann.send(frames::awareness(&[(ann.id, 4, &named("Anne"))]));
    ann.until("an answer", |state, _| {
        (state.frame_count > before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_gone_for_everyone() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "ghosts").await;
    let bob = Client::join(&server, "ghosts").await;
    let cy = Client::join(&server, "ghosts").await;
    for (client, name) in [(&ann, "Ann"), (&bob, "Bob"), (&cy, "Cy")] {
        client.announce(&named(name));
    }
    ann.until_people(&["Ann", "Bob", "Cy"]).await;
    bob.leave().await;
    ann.until_people(&["Ann", "Cy"]).await;
    // A line that breaks without a word.
    drop(cy);
    ann.until_people(&["Ann"]).await;
    let dan = Client::join(&server, "ghosts").await;
    dan.until_people(&["Ann"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_goodbye_and_stays_is_gone_and_can_come_back() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "bye").await;
    let bob = Client::join(&server, "bye").await;
    ann.announce(&named("Ann"));
    bob.until_people(&["Ann"]).await;
    ann.announce("null");
    bob.until_people(&[]).await;
    ann.announce(&named("Ann again"));
    bob.until_people(&["Ann again"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_borrows_another_persons_name() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "borrowed").await;
    let bob = Client::join(&server, "borrowed").await;
    let mallory = Client::join(&server, "borrowed").await;
    ann.announce(&named("Ann"));
    bob.announce(&named("Bob"));
    mallory.until_people(&["Ann", "Bob"]).await;

    // With a newer clock, in one frame with a state of her own, and as a removal.
    mallory.send(frames::awareness(&[
        (ann.id, 1_000, &named("Not Ann")),
        (mallory.id, 1, &named("Mallory")),
    ]));
    bob.until_people(&["Ann", "Bob", "Mallory"]).await;
    mallory.send(frames::awareness(&[(ann.id, 2_000, "null")]));
    mallory.send(frames::awareness(&[(
        mallory.id,
        2,
        &named("Mallory was here"),
    )]));
    bob.until_people(&["Ann", "Bob", "Mallory was here"]).await;
    assert_eq!(
        mallory.ended(),
        None,
        "who repeats what it hears is not sent away"
    );

    // What she claimed does not leave with her.
    mallory.leave().await;
    bob.until_people(&["Ann", "Bob"]).await;
    Client::join(&server, "borrowed")
        .await
        .until_people(&["Ann", "Bob"])
        .await;
    ann.announce(&named("Ann still speaks"));
    bob.until_people(&["Ann still speaks", "Bob"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_free_again_when_its_owner_has_left() {
    let server = Ropewalk::start().await;
    let ann = Client::join_as(&server, "again", 77).await;
    let bob = Client::join(&server, "again").await;
    ann.announce(&named("Ann"));
    bob.until_people(&["Ann"]).await;
    ann.leave().await;
    bob.until_people(&[]).await;
    // The same replica on a new connection: its clock goes on, as a stock client's does.
    let again = Client::join_as(&server, "again", 77).await;
    again.send(frames::awareness(&[(77, 50, &named("Ann"))]));
    bob.until_people(&["Ann"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_for_awareness_is_answered() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "asked").await;
    ann.announce(&named("Ann"));
    ann.until_people(&["Ann"]).await;
    let mut socket = Socket::open(&server, "asked").await;
    let mut seen = 0;
    // Type 3, bare and with the trailing bytes that some clients send.
    for ask in [vec![3], vec![3, 0]] {
        socket.send(ask).await;
        seen += 1;
        let mut heard = 0;
        // One on attach, and one per question.
        while heard < if seen == 1 { 2 } else { 1 } {
            let frame = socket.next().await.unwrap();
            if let Ok(Frame::Awareness(entries)) = frames::read(&frame) {
                heard += usize::from(entries.iter().any(|entry| entry.client == ann.id));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_again_and_again_who_is_there_has_to_wait() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "asked often").await;
    ann.announce(&named("Ann"));
    ann.until_people(&["Ann"]).await;
    let mut socket = Socket::open(&server, "asked often").await;
    let began = Instant::now();
    for _ in 0..21 {
        socket.send(vec![3]).await;
    }
    let mut heard = 0;
    // And once when it came.
    while heard < 22 {
        let frame = socket.next().await.unwrap();
        if let Ok(Frame::Awareness(entries)) = frames::read(&frame) {
            heard += usize::from(entries.iter().any(|entry| entry.client == ann.id));
        }
    }
    // It may ask every 50 ms; nothing here depends on how fast the machine is.
    assert!(began.elapsed() >= Duration::from_millis(20 * 50));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_moves_of_a_caret_are_told_in_few_frames() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "caret").await;
    let bob = Client::join(&server, "caret").await;
    for place in 0..500 {
        ann.announce(&serde_json::json!({"user": {"name": "Ann"}, "cursor": place}).to_string());
    }
    bob.until("the last place", |state, _| {
        let (_, json) = state.people.get(&ann.id)?;
        (json["cursor"] == 499).then_some(())
    })
    .await;
    let frames = bob.look(|state| state.frame_count);
    assert!(frames < 250, "{frames} frames for 500 moves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_kept_alive() {
    let server = Ropewalk::start().await;
    // No awareness, no edits: a stock client would give up after 30 s without a message.
    let silent = Client::open(&server, "silent", new_doc(None)).await;
    silent
        .until("two keep-alive frames", |state, _| {
            (state.keep_alives >= 2).then_some(())
        })
        .await;
    let kept = silent.look(|state| {
        state
            .frames
            .iter()
            .filter(|f| f[..] == frames::KEEP_ALIVE)
            .count()
    });
    assert_eq!(kept, 2);
    assert_eq!(silent.ended(), None);
}
