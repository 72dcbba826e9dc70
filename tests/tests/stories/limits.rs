//! What goes beyond a limit gets its own close code, and costs nobody else anything.

use ropewalk_tests::client::new_doc;
use ropewalk_tests::frames::{self, Frame};
use ropewalk_tests::{Client, Request, Ropewalk, Socket};

/// Sends one frame on a connection of its own; the close code that it gets.
async fn code_for(server: &Ropewalk, name: &str, frame: &[u8]) -> u16 {
    let mut socket = Socket::open(server, name).await;
    socket.send(frame).await;
    let closed = socket.closed().await;
    assert!(
        !closed.reason.is_empty(),
        "a close says why: {closed:?} for {:02x?}",
        &frame[..frame.len().min(20)]
    );
    closed.code
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_frames_are_closed_with_4400() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "malformed").await;
    ann.insert(0, "text");
    ann.all_saved().await;
    let good = frames::update(&ann.whole());
    let mut bad: Vec<(String, Vec<u8>)> = vec![
        ("an empty frame".into(), vec![]),
        ("an unknown type".into(), vec![9]),
        (
            "a type of 5 bytes".into(),
            vec![0xff, 0xff, 0xff, 0xff, 0x0f],
        ),
        ("an unknown sync message".into(), vec![0, 3, 0]),
        (
            "a state vector that claims 2^28 clients".into(),
            frames::step1(&[0xff, 0xff, 0xff, 0x7f]),
        ),
        (
            "an update that is no update".into(),
            frames::update(b"not an update"),
        ),
        ("an empty update body".into(), frames::update(b"")),
        (
            "awareness that is not JSON".into(),
            frames::awareness(&[(1, 1, "{")]),
        ),
        (
            "awareness that claims 2^28 clients".into(),
            vec![1, 4, 0xff, 0xff, 0xff, 0x7f],
        ),
        (
            "awareness with bytes that are not UTF-8".into(),
            vec![1, 6, 1, 1, 1, 2, 0xc3, 0x28],
        ),
    ];
    for end in 1..good.len() {
        bad.push((
            format!("an update cut at {end} of {}", good.len()),
            good[..end].to_vec(),
        ));
    }
    for extra in [&[0][..], &[0, 0, 0], &good] {
        bad.push((
            format!("{} bytes after the frame", extra.len()),
            [&good[..], extra].concat(),
        ));
        bad.push((
            format!("{} bytes after a marker", extra.len()),
            [&frames::saved(b"x")[..], extra].concat(),
        ));
    }
    for (what, frame) in &bad {
        assert_eq!(code_for(&server, "malformed", frame).await, 4400, "{what}");
    }
    ann.append(" stays");
    ann.all_saved().await;
    assert_eq!(server.text("malformed").await, "text stays");
    assert!(server.metric("ropewalk_refused_malformed_total").await >= bad.len() as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_above_16_bytes_is_closed_with_4413() {
    let server = Ropewalk::start().await;
    assert_eq!(
        code_for(&server, "marker", &frames::saved(&[7; 17])).await,
        4413
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn text_frames_are_closed_with_4400() {
    let server = Ropewalk::start().await;
    let mut socket = Socket::open(&server, "text frame").await;
    socket.send_text("{\"type\":\"hello\"}").await;
    assert_eq!(socket.closed().await.code, 4400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_frame_without_the_extension_is_closed_with_1002() {
    let server = Ropewalk::start().await;
    let mut socket = Socket::open(&server, "compressed").await;
    // FIN, RSV1, binary; masked with zeros; 3 bytes.
    socket.send_raw(&[0xc2, 0x83, 0, 0, 0, 0, 1, 1, 0]).await;
    assert_eq!(socket.closed().await.code, 1002);
    // A frame that is not masked, and a reserved opcode.
    for raw in [&[0x82, 3, 1, 1, 0][..], &[0x83, 0x83, 0, 0, 0, 0, 1, 1, 0]] {
        let mut socket = Socket::open(&server, "compressed").await;
        socket.send_raw(raw).await;
        assert_eq!(socket.closed().await.code, 1002, "{raw:02x?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_above_the_limit_is_closed_with_4413_before_it_is_read() {
    let server = Ropewalk::start().await;
    let mut socket = Socket::open(&server, "frame").await;
    // The head of a frame of 2^40 bytes, and not one byte of it.
    socket
        .send_raw(&[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        .await;
    assert_eq!(socket.closed().await.code, 4413);
    // The same in 64 MiB parts of a fragmented message must not pile up either.
    let before = server.resident_bytes();
    let mut socket = Socket::open(&server, "frame").await;
    let part = vec![0u8; 4 << 20];
    let mut head = vec![0x02, 0xff];
    head.extend_from_slice(&(part.len() as u64).to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    for _ in 0..128 {
        socket.send_raw(&head).await;
        socket.send_raw(&part).await;
        head[0] = 0x00;
    }
    let code = socket.closed().await.code;
    assert!(code == 4413 || code == 1006, "512 MiB in parts: {code}");
    let grown = server.resident_bytes().saturating_sub(before) >> 20;
    assert!(grown < 256, "{grown} MiB for frames that were refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_would_grow_too_large_is_closed_with_4413_and_stays_as_it_was() {
    let server = Ropewalk::with(&["--max-text-bytes", "100000"]).await;
    let ann = Client::join(&server, "large").await;
    let bob = Client::join(&server, "large").await;
    ann.insert(0, &"x".repeat(90_000));
    ann.all_saved().await;
    bob.until("the text", |_, doc| {
        (ropewalk_tests::client::text_of(doc).len() == 90_000).then_some(())
    })
    .await;
    ann.insert(0, &"y".repeat(20_000));
    assert_eq!(ann.closed().await.code, 4413);
    bob.append("z");
    bob.all_saved().await;
    assert_eq!(server.text("large").await.len(), 90_001);
    // Room that is made can be used.
    bob.remove(0, 50_000);
    bob.append(&"w".repeat(20_000));
    bob.all_saved().await;
    assert_eq!(server.text("large").await.len(), 60_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_paste_is_ordinary_work() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "paste").await;
    let bob = Client::join(&server, "paste").await;
    ann.insert(0, &"0123456789abcdef".repeat((4 << 20) / 16));
    ann.append("end");
    ann.all_saved().await;
    bob.until("the paste", |_, doc| {
        (ropewalk_tests::client::text_of(doc).len() == (4 << 20) + 3).then_some(())
    })
    .await;
    assert_eq!(server.text("paste").await.len(), (4 << 20) + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_awareness_state_above_2_kib_is_closed_with_4413() {
    let server = Ropewalk::start().await;
    let fits = serde_json::json!({"user": {"name": "n".repeat(1900)}}).to_string();
    let ann = Client::join(&server, "state").await;
    ann.announce(&fits);
    ann.until("our state", |state, _| {
        state.people.contains_key(&ann.id).then_some(())
    })
    .await;
    let large = serde_json::json!({"user": {"name": "n".repeat(2100)}}).to_string();
    assert_eq!(
        code_for(&server, "state", &frames::awareness(&[(5, 1, &large)])).await,
        4413
    );
    let many: Vec<_> = (0..17).map(|id| (1_000 + id, 1, "{}")).collect();
    assert_eq!(
        code_for(&server, "state", &frames::awareness(&many)).await,
        4413,
        "a connection speaks for 16 at most"
    );
    let nested = format!("{}{}", "[".repeat(500), "]".repeat(500));
    assert_eq!(
        code_for(&server, "state", &frames::awareness(&[(6, 1, &nested)])).await,
        4400,
        "a depth of 500"
    );
    // None of it is seen by others, and who sent it is gone.
    let late = Client::join(&server, "state").await;
    late.until("only Ann", |state, _| {
        (state.people.keys().eq([&ann.id])).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_closed_with_1013() {
    let server = Ropewalk::with(&["--max-connections-per-document", "3"]).await;
    let mut people = Vec::new();
    for _ in 0..3 {
        people.push(Client::join(&server, "full").await);
    }
    let late = Client::open(&server, "full", new_doc(None)).await;
    assert_eq!(late.closed().await.code, 1013);
    Client::join(&server, "another").await;
    people.pop().unwrap().leave().await;
    // The place is free as soon as the server has seen the other leave.
    ropewalk_tests::until("a place is free", || async {
        let late = Client::open(&server, "full", new_doc(None)).await;
        late.until("in or out", |state, _| {
            (state.synced || state.closed.is_some()).then_some(state.synced)
        })
        .await
        .then_some(())
    })
    .await;
    people[0].insert(0, "undisturbed");
    people[1].until_text("undisturbed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_that_wait_forever_are_bounded() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "gaps").await;
    ann.insert(0, "text");
    let before = server.resident_bytes();
    // Updates of one letter each, of which every second is missing.
    let mallory = new_doc(Some(4242));
    let mut socket = Socket::open(&server, "gaps").await;
    let mut code = None;
    for _ in 0..20_000 {
        ropewalk_tests::client::edit_doc(&mallory, |text, txn| {
            yrs::Text::insert(text, txn, 0, "gap")
        });
        let update = ropewalk_tests::client::edit_doc(&mallory, |text, txn| {
            yrs::Text::insert(text, txn, 0, "x")
        });
        socket.send(frames::update(&update)).await;
    }
    socket.send(frames::saved(b"end")).await;
    loop {
        match socket.next().await {
            Ok(frame) if frames::read(&frame) == Ok(Frame::Saved(b"end")) => break,
            Ok(_) => {}
            Err(closed) => {
                code = Some(closed.code);
                break;
            }
        }
    }
    assert!(matches!(code, Some(1013 | 4413)), "20,000 gaps: {code:?}");
    ann.append(" stays");
    ann.all_saved().await;
    assert_eq!(server.text("gaps").await, "text stays");
    let grown = server.resident_bytes().saturating_sub(before) >> 20;
    assert!(grown < 64, "{grown} MiB for updates that cannot be applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_answers_nothing_is_let_go() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "mute").await;
    // A socket that takes everything in and never answers a ping.
    let mute = Socket::open(&server, "mute").await;
    server.until_metric("ropewalk_connections", 2.0).await;
    let began = std::time::Instant::now();
    // The deadline of `until_metric` is longer than the 45 s after which a silent peer is dropped.
    server.until_metric("ropewalk_connections", 1.0).await;
    assert!(
        began.elapsed().as_secs() >= 30,
        "a silent peer gets time: {:?}",
        began.elapsed()
    );
    assert_eq!(ann.ended(), None, "who answers stays");
    drop(mute);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_over_http_has_the_limit_of_updates() {
    let arguments = ["--max-update-bytes", "4096", "--max-text-bytes", "1024"];
    let server = Ropewalk::with(&arguments).await;
    let put = Request::new("PUT", "/api/documents/a").body("text");
    assert_eq!(server.send(put).await.status, 201);
    let update = |bytes| Request::new("POST", "/d/a/update").body(vec![0xff; bytes]);
    let refused = server.send(update(4097)).await;
    assert_eq!(
        (refused.status, refused.code()),
        (413, "too_large".to_owned())
    );
    // It is read, and found to be none.
    assert_eq!(server.send(update(4096)).await.status, 400);
}
