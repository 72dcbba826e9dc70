//! A long log becomes a snapshot, and nobody notices.

use ropewalk_tests::{Client, Ropewalk};

#[tokio::test(flavor = "multi_thread")]
async fn many_updates_are_folded_into_a_snapshot_that_says_the_same() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "folded").await;
    let bob = Client::join(&server, "folded").await;
    let mut edits = 0;
    // Until the server has folded twice, with everyone typing all the while.
    while server.metric("ropewalk_compactions_total").await < 2.0 {
        assert!(edits < 100_000, "two compactions in {edits} edits of each");
        for _ in 0..1000 {
            ann.insert(edits % 3, "abcd");
            bob.append("xyz 💚 ");
            if edits % 5 == 0 {
                ann.remove(edits % 3, 2);
            }
            edits += 1;
        }
        ann.all_saved().await;
        bob.all_saved().await;
    }
    let text = server.text("folded").await;
    ann.until_text(&text).await;
    bob.until_text(&text).await;
    assert_eq!(
        server.metric("ropewalk_compactions_failed_total").await,
        0.0
    );

    // Killed, so that what is read back is the snapshot and the tail as they lie there.
    let vector = ann.state_vector();
    server.kill().await;
    server.start_again().await;
    let late = Client::join(&server, "folded").await;
    assert_eq!(late.text(), text);
    assert_eq!(late.state_vector(), vector);
    late.append("and on");
    late.all_saved().await;
    assert_eq!(server.text("folded").await, format!("{text}and on"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_amid_compactions_loses_nothing() {
    let mut server = Ropewalk::start().await;
    let mut length = 0;
    for _ in 0..3 {
        let ann = Client::join(&server, "amid").await;
        assert_eq!(ann.text().len(), length, "after a kill");
        // 8 KB an edit: a log that is soon due to be folded.
        let before = server.metric("ropewalk_compactions_total").await;
        let mut rounds = 0;
        while server.metric("ropewalk_compactions_total").await == before || rounds % 3 != 2 {
            assert!(rounds < 500, "a compaction in {rounds} rounds");
            for _ in 0..20 {
                ann.append(&"8 bytes ".repeat(1024));
            }
            ann.all_saved().await;
            rounds += 1;
        }
        length = ann.text().len();
        server.kill().await;
        server.start_again().await;
    }
    assert_eq!(server.text("amid").await.len(), length);
}
