//! People in one document see one text.

use ropewalk_tests::client::{edit_doc, new_doc, text_of};
use ropewalk_tests::frames::{self, Frame};
use ropewalk_tests::{Client, Ropewalk, Socket, within};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{ReadTxn, StateVector, Text, Transact, Update};

#[tokio::test(flavor = "multi_thread")]
async fn two_people_type_at_once_and_converge() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "both").await;
    let bob = Client::join(&server, "both").await;
    for i in 0..100 {
        ann.insert(0, &format!("a{i} "));
        bob.append(&format!("b{i} "));
    }
    ann.until_contains("b99 ").await;
    bob.until_contains("a99 ").await;
    assert_eq!(ann.text(), bob.text());
    assert_eq!(ann.state_vector(), bob.state_vector());
    for i in 0..100 {
        assert!(
            ann.text().contains(&format!("a{i} ")),
            "a{i} in {:?}",
            ann.text()
        );
        assert!(
            ann.text().contains(&format!("b{i} ")),
            "b{i} in {:?}",
            ann.text()
        );
    }
    assert_eq!(server.text("both").await, ann.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_reach_everyone() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "deletes").await;
    let bob = Client::join(&server, "deletes").await;
    ann.insert(0, "one 💚 two three");
    bob.until_text("one 💚 two three").await;
    bob.remove(4, 3);
    bob.remove(7, 6);
    ann.until_text("one two").await;
    bob.all_saved().await;
    assert_eq!(server.text("deletes").await, "one two");
    Client::join(&server, "deletes")
        .await
        .until_text("one two")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_gets_everything_at_once() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "late").await;
    for i in 0..500 {
        ann.insert(0, &format!("{i} "));
    }
    ann.all_saved().await;
    // `join` waits for the answer to the first sync and for nothing else.
    let late = Client::join(&server, "late").await;
    assert_eq!(late.text(), ann.text());
    assert_eq!(late.state_vector(), ann.state_vector());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_do_not_mix() {
    let server = Ropewalk::start().await;
    let here = Client::join(&server, "mine/one").await;
    let there = Client::join(&server, "mine/two").await;
    here.insert(0, "here");
    there.insert(0, "there");
    here.all_saved().await;
    there.all_saved().await;
    assert_eq!(server.text("mine/one").await, "here");
    assert_eq!(server.text("mine/two").await, "there");
    assert_eq!((here.text(), there.text()), ("here".into(), "there".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_what_it_has_before_anything_else() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "first").await;
    ann.insert(0, "what was there before");
    ann.all_saved().await;
    let known = ann.state_vector();
    server.kill().await;
    server.start_again().await;

    // Many at once, right after the start: nobody may be told of an empty document.
    let mut sockets = Vec::new();
    for _ in 0..32 {
        sockets.push(Socket::open(&server, "first").await);
    }
    for socket in &mut sockets {
        socket
            .send(frames::step1(&StateVector::default().encode_v1()))
            .await;
    }
    for socket in &mut sockets {
        let first = socket.next().await.unwrap();
        let Ok(Frame::Step1(vector)) = frames::read(&first) else {
            panic!("the first frame is {first:02x?}")
        };
        assert_eq!(StateVector::decode_v1(vector).unwrap(), known);
        let answer = socket.next().await.unwrap();
        let Ok(Frame::Step2(update)) = frames::read(&answer) else {
            panic!("the answer is {answer:02x?}")
        };
        let doc = new_doc(None);
        doc.transact_mut()
            .apply_update(Update::decode_v1(update).unwrap())
            .unwrap();
        assert_eq!(text_of(&doc), "what was there before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_brings_only_what_is_missing() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "missing").await;
    ann.insert(0, &"long ".repeat(10_000));
    ann.all_saved().await;
    let known = ann.state_vector();
    ann.append("news");
    ann.all_saved().await;
    let mut socket = Socket::open(&server, "missing").await;
    socket.send(frames::step1(&known.encode_v1())).await;
    let step2 = loop {
        let frame = socket.next().await.unwrap();
        if let Ok(Frame::Step2(update)) = frames::read(&frame) {
            break update.to_vec();
        }
    };
    assert!(step2.len() < 100, "{} bytes for four letters", step2.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_next_to_what_the_server_lacks_is_asked_for_it() {
    let server = Ropewalk::start().await;
    let doc = new_doc(None);
    edit_doc(&doc, |text, txn| text.insert(txn, 0, "unheard"));
    let known = doc.transact().state_vector();
    edit_doc(&doc, |text, txn| text.insert(txn, 7, " of"));
    let update = doc.transact().encode_diff_v1(&known);
    let all = doc.transact().encode_diff_v1(&StateVector::default());
    let mut socket = Socket::open(&server, "asked").await;
    let asked = async |socket: &mut Socket| loop {
        if let Ok(Frame::Step1(_)) = frames::read(&socket.next().await.unwrap()) {
            break;
        }
    };
    within("the first question", asked(&mut socket)).await;
    // Says that it has nothing, as a client does to whom that was still on its way.
    socket.send(frames::step2(&[0, 0])).await;
    socket.send(frames::update(&update)).await;
    within("another question", asked(&mut socket)).await;
    socket.send(frames::step2(&all)).await;
    let ann = Client::join(&server, "asked").await;
    ann.until_contains("unheard of").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_made_apart_are_merged() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "apart").await;
    ann.insert(0, "middle");
    ann.all_saved().await;
    let bob = Client::join(&server, "apart").await;
    let (ann, bob) = (ann.leave().await, bob.leave().await);
    edit_doc(&ann, |text, txn| text.insert(txn, 0, "ann's "));
    edit_doc(&bob, |text, txn| text.insert(txn, 6, " of bob"));
    let ann = Client::join_with(&server, "apart", ann).await;
    let bob = Client::join_with(&server, "apart", bob).await;
    ann.until_text("ann's middle of bob").await;
    bob.until_text("ann's middle of bob").await;
    ann.all_saved().await;
    bob.all_saved().await;
    assert_eq!(server.text("apart").await, "ann's middle of bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_and_a_marker_come_only_after_the_edit_is_saved() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "echo").await;
    ann.insert(0, "one ");
    ann.echoed().await;
    server.kill().await;
    server.start_again().await;
    let bob = Client::join(&server, "echo").await;
    bob.until_text("one ").await;
    bob.append("two");
    bob.all_saved().await;
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("echo").await, "one two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_comes_back_with_its_own_bytes() {
    let server = Ropewalk::start().await;
    let mut socket = Socket::open(&server, "marker").await;
    for payload in [&b""[..], b"\0", b"0123456789abcdef"] {
        socket.send(frames::saved(payload)).await;
        within("the marker comes back", async {
            while socket.next().await.unwrap() != frames::saved(payload) {}
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_update_twice_changes_nothing() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "twice").await;
    let bob = Client::join(&server, "twice").await;
    ann.insert(0, "once");
    bob.until_text("once").await;
    for _ in 0..3 {
        bob.send(frames::update(&bob.whole()));
    }
    bob.all_saved().await;
    ann.append(" only");
    bob.until_text("once only").await;
    assert_eq!(server.text("twice").await, "once only");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_comes_early_waits_for_what_it_depends_on() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "early").await;
    let bob = Client::join(&server, "early").await;
    let first = ann.edit_silently(|text, txn| text.insert(txn, 0, "first "));
    let second = ann.edit_silently(|text, txn| text.insert(txn, 6, "second "));
    let third = ann.edit_silently(|text, txn| text.insert(txn, 13, "third"));
    for update in [third, second, first] {
        ann.send(frames::update(&update));
    }
    bob.until_text("first second third").await;
    ann.all_saved().await;
    assert_eq!(server.text("early").await, "first second third");
}
