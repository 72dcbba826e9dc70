//! What is said to a document that is opening is heard in the order in which it was said.

use super::opening::{beside, token};
use super::*;
use ropewalk_tests::frames::Frame;

/// So often something is said on the way in, and once more behind that.
const TIMES: u64 = 40;
/// Messages before that: while they are taken, what comes later is there already.
const BEFORE: usize = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_a_document_opens_and_then_is_heard_in_its_order() {
    let (_server, preload, mut socket) = beside().await;
    let say = |clock| {
        let here = frames::awareness(&[(77, clock, r#"{"user":{"name":"Ann"}}"#)]);
        // A question for all who are there: the answer shows what was said before it.
        [here, vec![3]].map(|message| addressed("slow", &message))
    };
    socket.send(token("slow")).await;
    for _ in 0..BEFORE {
        socket.send(addressed("slow", &said(&[5], b"x"))).await;
    }
    for message in (1..=TIMES).flat_map(say) {
        socket.send(message).await;
    }
    preload.mend();
    let welcome = addressed("slow", &said(&[2, 2], b"read-write"));
    while socket.next().await.unwrap() != welcome {}
    for message in (TIMES + 1..=2 * TIMES).flat_map(say) {
        socket.send(message).await;
    }
    let mut clocks = Vec::new();
    while clocks.last() != Some(&(2 * TIMES)) {
        let body = until(&mut socket, "slow", 1).await;
        let message = [&[1], &body[..]].concat();
        let Ok(Frame::Awareness(entries)) = frames::read(&message) else {
            panic!("{message:?}");
        };
        clocks.extend(entries.iter().map(|entry| entry.clock));
    }
    // What is sent beside the answers repeats one of them.
    clocks.dedup();
    assert_eq!(clocks, (1..=2 * TIMES).collect::<Vec<_>>());
}
