//! Hostile bytes over a real socket, while two honest people go on typing in the same document.

use std::time::Instant;

use ropewalk_tests::client::{ROOT, edit_doc, new_doc, text_of};
use ropewalk_tests::frames::{self, put_buf, put_uint};
use ropewalk_tests::{Client, Closed, Ropewalk, Socket};
use yrs::block::ClientID;
use yrs::{ReadTxn, StateVector, Text, Transact};

use crate::forged::{deletes, hex, letter, nested, one_struct};
use crate::honest::HonestPair;

/// Sends frames on a new connection; how it ended, or `None` if the server kept it.
async fn send_all(server: &Ropewalk, name: &str, all: &[Vec<u8>]) -> Option<Closed> {
    let mut socket = Socket::open(server, name).await;
    for frame in all {
        socket.send(frame.clone()).await;
    }
    socket.send(frames::saved(b"end")).await;
    loop {
        match socket.next().await {
            Ok(frame) if frame == frames::saved(b"end") => return None,
            Ok(_) => {}
            Err(closed) => return Some(closed),
        }
    }
}

/// Sends updates; a refusal must be one that stops the client, or tells it to come back later.
async fn attack(server: &mut Ropewalk, name: &str, what: &str, updates: &[Vec<u8>]) {
    println!(
        "{what}: {:02x?}",
        updates
            .iter()
            .map(|u| &u[..u.len().min(60)])
            .collect::<Vec<_>>()
    );
    for wrap in [frames::update, frames::step2] {
        let all: Vec<_> = updates.iter().map(|update| wrap(update)).collect();
        let closed = send_all(server, name, &all).await;
        assert!(server.runs(), "{what} ended the server");
        if let Some(closed) = closed {
            assert!(
                matches!(closed.code, 4400 | 4403 | 4413 | 1013 | 1012),
                "{what}: {closed:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_claims_another_persons_clocks_erases_nothing() {
    let mut server = Ropewalk::start().await;
    let name = "claimed";
    let pair = HonestPair::start(&server, name).await;
    attack(
        &mut server,
        name,
        "a GC block over everything of client 5",
        &[hex("0101050000c0843d00")],
    )
    .await;
    pair.types_on().await;
    for (client, kind) in [(5, 0), (6, 0), (5, 10), (6, 10)] {
        // Clocks that the person will reach after a few more words.
        let next = Client::join(&server, name)
            .await
            .state_vector()
            .get(&ClientID::new(client));
        let mut block = vec![kind];
        put_uint(&mut block, 1_000_000);
        attack(
            &mut server,
            name,
            "a block ahead of a person",
            &[one_struct(client, u64::from(next) + 6, &block)],
        )
        .await;
        pair.types_on().await;
        pair.types_on().await;
    }
    pair.ends_whole(&mut server, name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_under_a_connected_persons_client_id() {
    let mut server = Ropewalk::start().await;
    let gone = |kind: u8| one_struct(5, 3, &[kind, 40]);
    for (what, forged) in [
        ("a letter", one_struct(5, 3, &letter(Some((5, 2)), None))),
        ("a GC block", gone(0)),
        ("a skipped block", gone(10)),
    ] {
        let name = &format!("the next clock, by {what}");
        let ann = Client::join_as(&server, name, 5).await;
        let bob = Client::join_as(&server, name, 6).await;
        // As Yjs clients do when they connect: the client id is hers from here on.
        ann.announce(r#"{"user":{"name":"ann"}}"#);
        ann.insert(0, "ann");
        ann.all_saved().await;
        bob.until_text("ann").await;
        // Her words are under way when somebody else takes the clocks that they have.
        let words = ann.edit_silently(|text, txn| text.insert(txn, 3, " goes on"));
        attack(&mut server, name, what, &[forged]).await;
        ann.send(frames::update(&words));
        ann.all_saved().await;
        bob.until_contains(" goes on").await;
        assert_eq!(server.text(name).await, "ann goes on");
    }
}

/// A crowd behind one letter, each of it with another right neighbour: whoever comes later has to be compared with all of
/// it. Who builds it is sent away before others wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn who_makes_too_much_work_is_sent_away() {
    let mut server = Ropewalk::start().await;
    let name = "crowd";
    let pair = HonestPair::start(&server, name).await;
    // 3,000 letters of client 7 as right neighbours, then those of client 70,000 in front of all of them.
    let mut text = vec![4, 1];
    put_buf(&mut text, b"list");
    put_buf(&mut text, &[b'y'; 3_000]);
    let mut socket = Socket::open(&server, name).await;
    socket.send(frames::update(&one_struct(7, 0, &text))).await;
    let mut sent = 0;
    let closed = loop {
        let letters: Vec<u8> = (sent..sent + 600)
            .flat_map(|clock| letter(None, Some((7, clock % 3_000))))
            .collect();
        let mut update = vec![1];
        put_uint(&mut update, 600);
        put_uint(&mut update, 70_000);
        put_uint(&mut update, sent);
        update.extend_from_slice(&letters);
        update.push(0);
        sent += 600;
        socket.send(frames::step2(&update)).await;
        socket.send(frames::saved(b"sent")).await;
        let answer = loop {
            match socket.next().await {
                Ok(frame) if frame == frames::saved(b"sent") => break None,
                Ok(_) => {}
                Err(closed) => break Some(closed),
            }
        };
        if let Some(closed) = answer {
            break closed;
        }
        assert!(sent < 60_000, "somebody who makes work without end is kept");
    };
    // By the second, or by the update where the machine is too slow for that.
    assert!(matches!(closed.code, 1013 | 4413), "{closed:?}");
    pair.types_on().await;
    pair.ends_whole(&mut server, name).await;
}

/// What waits for its neighbours may be sent in two versions under the same clocks. Whichever is taken, it is the
/// same one for all.
#[tokio::test(flavor = "multi_thread")]
async fn two_versions_of_what_waits_do_not_part_people() {
    let mut server = Ropewalk::start().await;
    let first = one_struct(800, 0, &{
        let mut body = vec![4, 1];
        put_buf(&mut body, ROOT.as_bytes());
        put_buf(&mut body, b"abc");
        body
    });
    let second = |clock: u64, text: &str| {
        let mut body = vec![0x84];
        put_uint(&mut body, 800);
        put_uint(&mut body, clock - 1);
        put_buf(&mut body, text.as_bytes());
        one_struct(800, clock, &body)
    };
    let gone = |clock: u64, length: u8| one_struct(800, clock, &[0, length]);
    let versions = [
        vec![second(3, "X"), second(3, "Y")],
        vec![second(3, "YZ"), second(3, "X")],
        vec![second(3, "X"), second(3, "YZW")],
        vec![second(4, "12"), second(3, "xyz"), second(3, "XYZ")],
        vec![gone(3, 2), second(3, "XY")],
        vec![second(3, "XY"), gone(3, 2)],
    ];
    for (i, waiting) in versions.iter().enumerate() {
        let name = format!("versions/{i}");
        let ann = Client::join(&server, &name).await;
        // Each over a socket of its own: who contradicts what waits is sent away.
        for update in waiting.iter().chain([&first]) {
            send_all(&server, &name, &[frames::update(update)]).await;
        }
        ann.until("the first words", |_, doc| {
            text_of(doc).contains("abc").then_some(())
        })
        .await;
        ann.append("!");
        ann.all_saved().await;
        let text = server.text(&name).await;
        assert_eq!(ann.text(), text, "version {i}: who was there all along");
        assert_eq!(
            Client::join(&server, &name).await.text(),
            text,
            "version {i}: who comes later"
        );
    }
    assert!(server.runs());
}

/// Neighbours that no honest client names together. Either they are refused, or all see the letter at one place.
#[tokio::test(flavor = "multi_thread")]
async fn neighbours_in_the_wrong_order_do_not_part_people() {
    let mut server = Ropewalk::start().await;
    let wrong = [
        ("right before left", (5, 2), (5, 0)),
        ("left is right", (5, 1), (5, 1)),
        ("right is far before left", (6, 2), (5, 0)),
        ("right is deleted and before left", (5, 2), (5, 1)),
        ("right is just before left", (6, 0), (5, 2)),
    ];
    for (what, left, right) in wrong {
        let ann = Client::join_as(&server, what, 5).await;
        let bob = Client::join_as(&server, what, 6).await;
        ann.insert(0, "w0 ");
        bob.until_text("w0 ").await;
        bob.append("w1 ");
        ann.until_text("w0 w1 ").await;
        ann.remove(1, 1);
        ann.all_saved().await;
        // Both write something before they have heard of the letter.
        let here = ann.edit_silently(|text, txn| {
            text.insert(txn, 1, "here");
            text.insert(txn, 9, "there");
        });
        let there = bob.edit_silently(|text, txn| text.insert(txn, 0, "over "));
        let update = one_struct(700, 0, &letter(Some(left), Some(right)));
        attack(&mut server, what, what, &[update]).await;
        ann.send(frames::update(&here));
        bob.send(frames::update(&there));
        ann.all_saved().await;
        bob.all_saved().await;
        ann.until_contains("over ").await;
        bob.until_contains("there").await;
        let text = server.text(what).await;
        let late = Client::join(&server, what).await.text();
        println!("{what}: {text:?}");
        assert_eq!(
            (ann.text(), bob.text(), late),
            (text.clone(), text.clone(), text),
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_that_crashed_an_engine_do_not_crash_this_one() {
    let mut server = Ropewalk::start().await;
    // The document that the bytes were made for.
    let name = "formats";
    let nine = Client::join_as(&server, name, 9).await;
    nine.insert(0, "hello world");
    nine.insert(5, "abc");
    nine.remove(2, 3);
    nine.all_saved().await;
    let text = nine.text();
    nine.leave().await;
    let bytes =
        hex("0201020346090c0162047472756503020144090d01780001060104746578740162047472756500");
    attack(&mut server, name, "formats that crashed yrs", &[bytes]).await;
    let late = Client::join(&server, name).await;
    late.append("!");
    late.all_saved().await;
    let now = server.text(name).await;
    assert!(now.starts_with(&text[..2]) && now.ends_with('!'), "{now:?}");
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text(name).await, now);
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_clocks_and_origins_harm_nobody() {
    let mut server = Ropewalk::start().await;
    let name = "clocks";
    let pair = HonestPair::start(&server, name).await;
    let most = (1 << 53) - 1;
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        (
            "itself as origin",
            vec![one_struct(700, 0, &letter(Some((700, 0)), None))],
        ),
        (
            "itself as right origin",
            vec![one_struct(701, 0, &letter(None, Some((701, 0))))],
        ),
        (
            "a later one as origin",
            vec![one_struct(702, 0, &letter(Some((702, 9)), None))],
        ),
        (
            "unknown origins",
            vec![one_struct(
                703,
                0,
                &letter(Some((9_999, 3)), Some((9_998, 4))),
            )],
        ),
        (
            "the greatest clock",
            vec![one_struct(706, most, &letter(None, None))],
        ),
        (
            "a clock of 2^32 - 1",
            vec![one_struct(707, u64::from(u32::MAX), &letter(None, None))],
        ),
        (
            "an origin of the greatest clock",
            vec![one_struct(708, 0, &letter(Some((5, most)), None))],
        ),
        (
            "the greatest client",
            vec![one_struct(most, 0, &letter(None, None))],
        ),
        (
            "a client above 2^53",
            vec![one_struct(most + 1, 0, &letter(None, None))],
        ),
        (
            "two that wait for each other",
            vec![
                one_struct(710, 0, &letter(Some((711, 0)), None)),
                one_struct(711, 0, &letter(Some((710, 0)), None)),
            ],
        ),
        (
            "a ring of four",
            (0..4)
                .map(|i| {
                    one_struct(
                        720 + i,
                        0,
                        &letter(Some((720 + (i + 1) % 4, 0)), Some((720 + (i + 3) % 4, 0))),
                    )
                })
                .collect(),
        ),
        (
            "a parent that is a letter",
            vec![one_struct(730, 0, &{
                let mut body = vec![4, 0];
                put_uint(&mut body, 5);
                put_uint(&mut body, 0);
                put_buf(&mut body, b"x");
                body
            })],
        ),
        (
            "deletes of what nobody wrote",
            vec![deletes(&[(740, 0, 1_000_000), (741, most, 1)])],
        ),
        (
            "deletes that overflow",
            vec![deletes(&[(742, most, most)]), hex("0002000206ffffffff1f")],
        ),
        ("deletes of length 0", vec![deletes(&[(743, 7, 0)])]),
        (
            "an empty string",
            vec![one_struct(744, 0, &{
                let mut body = vec![4, 1];
                put_buf(&mut body, ROOT.as_bytes());
                body.push(0);
                body
            })],
        ),
        (
            "a delete block of length 0",
            vec![one_struct(745, 0, &[1, 1, 1, b'd', 0])],
        ),
        ("a GC block of length 0", vec![one_struct(746, 0, &[0, 0])]),
        (
            "bytes that are not UTF-8",
            vec![hex("0101ca0100c4010a010b0620746865e56500")],
        ),
        (
            "counts of 2^28",
            vec![
                hex("ffffff3f"),
                hex("01ffffff3f"),
                hex("00ffffff3f"),
                hex("000101ffffff3f"),
            ],
        ),
        (
            "an unknown content",
            vec![
                one_struct(747, 0, &[11, 1, 1, b'd', 1]),
                one_struct(748, 0, &[31, 1, 1, b'd', 1]),
            ],
        ),
        ("Any that is nested 20,000 deep", vec![nested(20_000)]),
        ("Any that is nested 100 deep", vec![nested(100)]),
    ];
    for (what, updates) in &cases {
        for update in updates {
            attack(&mut server, name, what, std::slice::from_ref(update)).await;
        }
        attack(&mut server, name, what, updates).await;
        // Bare, as a frame: what is meant as an update must not be read as something else.
        for update in updates {
            send_all(&server, name, std::slice::from_ref(update)).await;
        }
    }
    pair.ends_whole(&mut server, name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_values_beyond_the_limit_are_malformed() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "nested").await;
    ann.insert(0, "text");
    ann.all_saved().await;
    let closed = send_all(&server, "nested", &[frames::update(&nested(20_000))]).await;
    assert_eq!(closed.map(|c| c.code), Some(4400));
    assert!(server.runs());
    assert_eq!(server.text("nested").await, "text");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_update_format_is_refused() {
    let server = Ropewalk::start().await;
    let doc = new_doc(Some(800));
    edit_doc(&doc, |text, txn| {
        text.insert(txn, 0, "written in the second format")
    });
    let update = doc.transact().encode_diff_v2(&StateVector::default());
    let closed = send_all(&server, "v2", &[frames::update(&update)]).await;
    assert_eq!(closed.map(|c| c.code), Some(4400));
    assert_eq!(server.get("/api/documents/v2/text").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn claimed_counts_cost_no_memory() {
    let server = Ropewalk::start().await;
    Client::join(&server, "counts").await;
    let before = server.resident_bytes();
    for claim in [hex("ffffff3f"), hex("01ffffff3f"), hex("00ffffff3f")] {
        for _ in 0..20 {
            for frame in [
                frames::update(&claim),
                frames::step2(&claim),
                frames::step1(&claim),
            ] {
                assert_eq!(
                    send_all(&server, "counts", &[frame]).await.map(|c| c.code),
                    Some(4400),
                    "{claim:02x?}"
                );
            }
        }
    }
    let grown = server.resident_bytes().saturating_sub(before) >> 20;
    assert!(grown < 32, "{grown} MiB for counts that were only claimed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_at_one_place_does_not_stop_the_others() {
    let mut server = Ropewalk::start().await;
    let name = "crowd";
    let elsewhere = HonestPair::start(&server, "elsewhere").await;
    let ann = Client::join_as(&server, name, 5).await;
    ann.insert(0, "ann");
    ann.all_saved().await;
    // Letters of thousands of clients, all with the same origin: each has to look past the others.
    let mut update = Vec::new();
    let crowd = 8_000u64;
    put_uint(&mut update, crowd);
    for client in (0..crowd).rev() {
        update.push(1);
        put_uint(&mut update, 10_000 + client);
        update.push(0);
        update.extend_from_slice(&letter(Some((5, 0)), None));
    }
    update.push(0);
    let began = Instant::now();
    attack(&mut server, name, "a crowd at one place", &[update]).await;
    elsewhere.types_on().await;
    ann.append(" goes on");
    ann.all_saved().await;
    assert!(
        began.elapsed().as_secs() < 30,
        "{:?} for {crowd} letters",
        began.elapsed()
    );
    assert!(server.text(name).await.contains(" goes on"));
    elsewhere.ends_whole(&mut server, "elsewhere").await;
}

/// Frames that differ from good ones in a few bytes.
#[tokio::test(flavor = "multi_thread")]
async fn frames_with_bytes_changed_at_random_harm_nobody() {
    let seed = match std::env::var("ROPEWALK_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64,
    };
    println!("seed: ROPEWALK_TEST_SEED={seed}");
    let mut random = Random(seed);
    let mut server = Ropewalk::start().await;
    let name = "changed";
    let other = HonestPair::start(&server, "undisturbed").await;
    let victim = Client::join(&server, name).await;
    let doc = new_doc(Some(900));
    let mut good = vec![
        frames::step1(&[0]),
        frames::awareness(&[(900, 1, "{\"user\":{\"name\":\"x\"}}")]),
        frames::saved(b"m"),
    ];
    for i in 0..30 {
        let update = edit_doc(&doc, |text, txn| {
            text.insert(txn, i / 2, "päper 💚");
            if i % 3 == 0 {
                text.remove_range(txn, 0, 2);
            }
        });
        good.push(frames::update(&update));
    }
    good.push(frames::update(
        &doc.transact().encode_diff_v1(&StateVector::default()),
    ));
    for _ in 0..1500 {
        let mut frames = Vec::new();
        for _ in 0..1 + random.below(4) {
            let mut frame = good[random.below(good.len())].clone();
            for _ in 0..random.below(5) {
                let at = random.below(frame.len());
                match random.below(4) {
                    0 => frame[at] = random.below(256) as u8,
                    1 => frame[at] ^= 1 << random.below(8),
                    2 => frame.insert(at, [0, 1, 0x7f, 0x80, 0xff][random.below(5)]),
                    _ => drop(frame.remove(at)),
                }
                if frame.is_empty() {
                    break;
                }
            }
            frames.push(frame);
        }
        if let Some(closed) = send_all(&server, name, &frames).await {
            assert!(
                matches!(closed.code, 4400 | 4403 | 4413 | 1013 | 1012),
                "seed {seed}: {closed:?} after {frames:02x?}"
            );
        }
        assert!(
            server.runs(),
            "seed {seed}: the server ended after {frames:02x?}"
        );
    }
    // Whatever was made of it, everyone sees the same, and it can be stored and loaded.
    let here = if victim.ended().is_none() {
        victim
    } else {
        Client::join(&server, name).await
    };
    here.append("still here");
    here.all_saved().await;
    let text = server.text(name).await;
    here.until_text(&text).await;
    assert_eq!(
        Client::join(&server, name).await.text(),
        text,
        "seed {seed}"
    );
    other.ends_whole(&mut server, "undisturbed").await;
    assert_eq!(
        server.text(name).await,
        text,
        "seed {seed}: after a restart"
    );
}

/// xorshift64*: enough to choose bytes.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}
