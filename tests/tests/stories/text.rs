//! Editors and scripts without a CRDT, on the text wire.

use ropewalk_tests::thin::{Edit, Thin, size};
use ropewalk_tests::{Client, Request, Ropewalk, Socket};
use serde_json::{Value, json};

mod crowd;

const UNITS: [&str; 3] = ["utf16", "utf8", "char"];
const PIECES: [&str; 7] = ["a", "é", "女", "😀", "e\u{301}", "👩‍👩‍👧", "plain words "];

/// Numbers that look like chance.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % end
    }

    fn edits(&mut self, text: &str, unit: &str) -> Vec<Edit> {
        let mut places = vec![0];
        for char in text.chars() {
            places.push(places[places.len() - 1] + size(char, unit));
        }
        let mut chosen: Vec<u64> = (0..2 + 2 * self.below(2))
            .map(|_| places[self.below(places.len())])
            .collect();
        chosen.sort_unstable();
        let pairs: Vec<(u64, u64)> = chosen.chunks_exact(2).map(|two| (two[0], two[1])).collect();
        let edits = pairs.into_iter().map(|(from, end)| {
            let to = if self.below(3) == 0 && end - from < 12 {
                end
            } else {
                from
            };
            let insert = match self.below(4) {
                0 => "",
                _ => PIECES[self.below(PIECES.len())],
            };
            (from, to, insert.to_owned())
        });
        edits.collect()
    }
}

fn insert(at: u64, text: &str) -> Vec<Edit> {
    vec![(at, at, text.to_owned())]
}

async fn put(server: &Ropewalk, name: &str, text: &str) {
    let request = Request::new("PUT", &format!("/api/documents/{name}")).body(text);
    assert_eq!(server.send(request).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn thin_clients_and_yjs_editors_write_one_text() {
    let server = Ropewalk::start().await;
    let mut ann = Thin::join(&server, "a", "ann", "utf16").await;
    assert_eq!(ann.text(), "");
    ann.edit(insert(0, "Hello 💚")).await;
    ann.acknowledged().await;
    assert_eq!(server.text("a").await, "Hello 💚", "it is on disk");
    let mut bob = Thin::join(&server, "a", "bob", "char").await;
    assert_eq!(bob.text(), "Hello 💚");
    let cleo = Client::join(&server, "a").await;
    cleo.insert(5, ",");
    ann.until("Hello, 💚").await;
    bob.until("Hello, 💚").await;
    bob.edit(vec![(0, 5, "Bye".into()), (7, 8, "💛!".into())])
        .await;
    bob.acknowledged().await;
    ann.until("Bye, 💛!").await;
    cleo.until_text("Bye, 💛!").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_made_once_wherever_the_connection_breaks() {
    let mut server = Ropewalk::start().await;
    put(&server, "a", "0123456789").await;
    let mut other = Thin::join(&server, "a", "other", "utf16").await;
    let mut text = "0123456789".to_owned();
    for unit in UNITS {
        for cut in ["before", "sent", "made", "killed", "others"] {
            let mut ann = Thin::join(&server, "a", &format!("{unit}{cut}"), unit).await;
            other.until(&text).await;
            if cut == "before" {
                ann.cut();
            }
            ann.edit(insert(5, "x")).await;
            text.insert(5, 'x');
            match cut {
                "made" => other.until(&text).await,
                "killed" => {
                    other.until(&text).await;
                    server.kill().await;
                    server.start_again().await;
                    other.cut();
                    other.connect(&server).await;
                }
                "others" => {
                    other.until(&text).await;
                    other.edit(vec![(0, 1, "éé".into())]).await;
                    other.acknowledged().await;
                    text = format!("éé{}", &text[text.chars().next().unwrap().len_utf8()..]);
                }
                _ => {}
            }
            ann.cut();
            ann.connect(&server).await;
            ann.until(&text).await;
            assert_eq!(server.text("a").await, text, "{unit} {cut}");
        }
        // Offsets of the next round count from here.
        other.edit(vec![(0, 2, "0".into())]).await;
        other.acknowledged().await;
        text = format!("0{}", text.trim_start_matches('é'));
    }
}

fn letter(first: &str, number: u8) -> String {
    char::from(first.as_bytes()[0] + number - 1).to_string()
}

/// Two people write; one of them breaks off after so many messages that came, and goes on.
async fn cut_after(server: &Ropewalk, name: &str, unit: &str, messages: usize, seed: u64) -> bool {
    let rng = &mut Rng(seed);
    put(server, name, "a é 😀 b").await;
    let mut ann = Thin::join(server, name, "ann", unit).await;
    let mut bob = Thin::join(server, name, "bob", "char").await;
    let (mut heard, mut made, mut was_cut) = (1, 0, false);
    // The welcome was one.
    while made < 4 || ann.pending.is_some() {
        if heard == messages && !was_cut {
            was_cut = true;
            ann.cut();
            ann.connect(server).await;
        }
        if ann.pending.is_none() {
            made += 1;
            let at = rng.edits(&ann.text(), unit)[0].0;
            ann.edit(insert(at, &letter("A", made))).await;
            let at = rng.edits(&bob.text(), "char")[0].0;
            bob.edit(insert(at, &letter("W", made))).await;
            bob.acknowledged().await;
        }
        ann.step().await.unwrap();
        heard += 1;
    }
    let text = server.text(name).await;
    ann.until(&text).await;
    bob.until(&text).await;
    for letter in (1..=made).flat_map(|made| [letter("A", made), letter("W", made)]) {
        assert_eq!(text.matches(&letter).count(), 1, "{letter} in {text}");
    }
    was_cut
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_made_once_wherever_between_two_messages_the_connection_breaks() {
    let server = Ropewalk::start().await;
    for unit in UNITS {
        let mut messages = 1;
        while cut_after(
            &server,
            &format!("{unit}/{messages}"),
            unit,
            messages,
            messages as u64,
        )
        .await
        {
            messages += 1;
        }
        assert!(messages > 4, "{messages} messages in all");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_edit_again_gets_the_same_answer() {
    let mut server = Ropewalk::start().await;
    put(&server, "a", "abc").await;
    let mut ann = Thin::join(&server, "a", "ann", "utf8").await;
    let edit = |base: &Option<String>| {
        let edits = json!([{"from": 1, "to": 2, "insert": "é"}]);
        json!({"type": "edit", "id": "one", "base": base, "edits": edits})
    };
    let base = ann.version.clone();
    ann.say(edit(&base)).await;
    let first = ann.hear().await.unwrap();
    assert_eq!(
        (&first["type"], &first["edits"]),
        (&"ack".into(), &json!([]))
    );
    for _ in 0..2 {
        ann.say(edit(&base)).await;
        let again = ann.hear().await.unwrap();
        assert_eq!(
            (&again["type"], &again["version"]),
            (&"ack".into(), &first["version"])
        );
        assert_eq!(again["repeated"], true);
        // From the base on it hears all, its own edit too.
        let remote = ann.hear().await.unwrap();
        assert_eq!(
            (&remote["type"], &remote["prev"]),
            (&"remote".into(), &json!(base))
        );
        assert_eq!(
            remote["edits"],
            json!([{"from": 1, "to": 2, "insert": "é"}])
        );
        server.kill().await;
        server.start_again().await;
        ann.version = None;
        ann.connect(&server).await;
    }
    assert_eq!(server.text("a").await, "aéc");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_stood_for_another_edit_is_refused() {
    let mut server = Ropewalk::start().await;
    put(&server, "a", "abc").await;
    let mut first = Thin::join(&server, "a", "script", "utf16").await;
    first.edit(insert(0, "x")).await;
    first.acknowledged().await;
    // The next run counts from 1 again.
    let mut next = Thin::join(&server, "a", "script", "utf16").await;
    next.edit(insert(0, "y")).await;
    let refused = next.hear().await.unwrap();
    assert_eq!(
        (&refused["code"], &refused["id"]),
        (&"key_used".into(), &"1".into())
    );
    server.kill().await;
    server.start_again().await;
    next.pending = None;
    next.connect(&server).await;
    let (base, id) = (next.version.clone(), "2");
    let edits = json!([{"from": 0, "to": 0, "insert": "y"}]);
    next.say(json!({"type": "edit", "id": id, "base": base, "edits": edits}))
        .await;
    assert_eq!(next.hear().await.unwrap()["type"], "ack");
    assert_eq!(server.text("a").await, "yxabc");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_hears_only_what_was_missed() {
    let server = Ropewalk::start().await;
    put(&server, "a", "one").await;
    let mut ann = Thin::join(&server, "a", "ann", "utf16").await;
    let since = ann.version.clone();
    ann.cut();
    let bob = Client::join(&server, "a").await;
    bob.append(" two");
    bob.all_saved().await;
    ann.open(&server).await;
    let hello = |since: &Option<String>| json!({"type": "hello", "client": "ann", "unit": "utf16", "since": since});
    ann.say(hello(&since)).await;
    let welcome = ann.hear().await.unwrap();
    assert_eq!(
        welcome["edits"],
        json!([{"from": 3, "to": 3, "insert": " two"}])
    );
    assert_eq!(welcome["text"], Value::Null);
    assert_eq!(welcome["access"], "read-write");
    for _ in 0..300 {
        bob.append("x");
        bob.all_saved().await;
    }
    ann.open(&server).await;
    ann.say(hello(&since)).await;
    let welcome = ann.hear().await.unwrap();
    assert_eq!(welcome["text"].as_str().map(str::len), Some(307));
    // An edit of then is too old.
    ann.say(json!({"type": "edit", "id": "1", "base": since, "edits": []}))
        .await;
    let refused = ann.hear().await.unwrap();
    assert_eq!(
        (&refused["code"], &refused["id"]),
        (&"stale".into(), &"1".into())
    );
    assert_eq!(ann.hear().await.unwrap()["type"], "reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_an_edit_is_refused_and_the_next_is_made() {
    let server = Ropewalk::start().await;
    put(&server, "a", "a😀b").await;
    put(&server, "b", "a😀b").await;
    let foreign = Thin::join(&server, "b", "x", "char").await.version;
    let many = vec![json!({"from": 0, "to": 0, "insert": ""}); 4097];
    for (unit, inside, end) in [
        ("utf16", Some(2), 4),
        ("utf8", Some(3), 6),
        ("char", None, 3),
    ] {
        let mut ann = Thin::join(&server, "a", unit, unit).await;
        let bob = Client::join(&server, "a").await;
        let base = ann.version.clone();
        let edit = |from: u64, to: u64| json!([{"from": from, "to": to, "insert": "x"}]);
        let two = json!([{"from": 1, "to": end, "insert": ""}, {"from": 0, "to": 0, "insert": ""}]);
        let mut wrong = vec![
            (base.clone(), edit(end + 1, end + 1), "out_of_range"),
            (base.clone(), edit(u64::MAX, u64::MAX), "out_of_range"),
            (base.clone(), edit(1, 0), "unsorted"),
            (base.clone(), two, "unsorted"),
            (base.clone(), many.clone().into(), "too_large"),
            (foreign.clone(), edit(0, 0), "replaced"),
        ];
        wrong.extend(inside.map(|at| (base.clone(), edit(at, at), "not_boundary")));
        for (at, (base, edits, code)) in wrong.into_iter().enumerate() {
            let message =
                json!({"type": "edit", "id": format!("{at}"), "base": base, "edits": edits});
            ann.say(message).await;
            let refused = loop {
                let message = ann.hear().await.unwrap();
                if message["type"] == "error" {
                    break message;
                }
            };
            assert_eq!(
                (&refused["code"], &refused["id"]),
                (&code.into(), &format!("{at}").into())
            );
            assert!(
                refused["message"]
                    .as_str()
                    .is_some_and(|why| !why.is_empty())
            );
        }
        assert_eq!(server.text("a").await, "a😀b");
        ann.edit(insert(end, "c")).await;
        ann.acknowledged().await;
        bob.until_text("a😀bc").await;
        bob.remove(4, 1);
        bob.all_saved().await;
        ann.until("a😀b").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_edit_has_too_many_parts_goes_on_from_its_base() {
    let server = Ropewalk::start().await;
    put(&server, "a", "abc").await;
    let mut ann = Thin::join(&server, "a", "ann", "utf16").await;
    let mut bob = Thin::join(&server, "a", "bob", "utf16").await;
    bob.edit(insert(0, "1")).await;
    // Ann's editor has left out what came while she edits.
    while ann.hear().await.unwrap()["type"] != "remote" {}
    let many = vec![json!({"from": 0, "to": 0, "insert": ""}); 4097];
    ann.say(json!({"type": "edit", "id": "many", "base": ann.version, "edits": many}))
        .await;
    let refused = ann.hear().await.unwrap();
    assert_eq!(
        (&refused["code"], &refused["id"]),
        (&json!("too_large"), &json!("many"))
    );
    bob.acknowledged().await;
    bob.edit(insert(4, "2")).await;
    ann.until("1abc2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_edit_is_short() {
    let server = Ropewalk::start().await;
    put(&server, "a", "abc").await;
    let mut ann = Thin::join(&server, "a", "ann", "utf16").await;
    let before = server.resident_bytes();
    // Read into values it would be many times as large.
    let zeros = "0,".repeat(4 << 20);
    ann.say(format!(r#"{{"type":"presence","user":[{zeros}0]}}"#))
        .await;
    let refused = ann.hear().await.unwrap();
    assert_eq!(refused["code"], "too_large", "{refused}");
    let grown = server.resident_bytes().saturating_sub(before) >> 20;
    assert!(grown < 96, "{grown} MiB for a message of 8");
    let long = "x".repeat(1 << 20);
    ann.edit(insert(3, &long)).await;
    ann.acknowledged().await;
    assert_eq!(ann.text(), format!("abc{long}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_ends_that_connection_alone() {
    let server = Ropewalk::start().await;
    put(&server, "a", "abc").await;
    let mut bob = Thin::join(&server, "a", "bob", "utf16").await;
    let hello = json!({"type": "hello", "client": "x", "unit": "utf8"});
    let edit = |base: &str| json!({"type": "edit", "id": "1", "base": base, "edits": []});
    let long = "x".repeat(65);
    let bare: Vec<(Vec<Value>, &str)> = vec![
        (vec![edit("1-1-1.1")], "bad_message"),
        (
            vec![json!({"type": "hello", "client": "x", "unit": "words"})],
            "bad_unit",
        ),
        (
            vec![json!({"type": "hello", "client": "", "unit": "utf8"})],
            "bad_message",
        ),
        (
            vec![json!({"type": "hello", "client": long, "unit": "utf8"})],
            "bad_message",
        ),
        (
            vec![json!({"type": "hello", "client": 7, "unit": "utf8"})],
            "bad_message",
        ),
        (
            vec![json!({"type": "hello", "unit": "utf8"})],
            "bad_message",
        ),
        (
            vec![json!({"type": "hello", "client": "x", "unit": "utf8", "since": "x"})],
            "bad_message",
        ),
        (
            vec![json!({"type": "hello", "client": "x", "unit": "utf8", "root": "r".repeat(257)})],
            "bad_message",
        ),
        (vec![json!({"type": "nothing"})], "bad_message"),
        (vec![json!({})], "bad_message"),
        (vec![json!([])], "bad_message"),
        (vec![Value::Null], "bad_message"),
        (vec![json!({"type": "cursor", "ranges": []})], "bad_message"),
        (vec![hello.clone(), hello.clone()], "bad_message"),
        (vec![hello.clone(), edit("x")], "bad_message"),
        (
            vec![
                hello.clone(),
                json!({"type": "edit", "id": long, "base": "1-1-1.1", "edits": []}),
            ],
            "bad_message",
        ),
        (
            vec![
                hello.clone(),
                json!({"type": "edit", "id": "1", "base": "1-1-1.1", "edits": [{"from": -1, "to": 0, "insert": ""}]}),
            ],
            "bad_message",
        ),
        (
            vec![
                hello.clone(),
                json!({"type": "edit", "id": "1", "base": "1-1-1.1", "edits": [{"from": 0, "to": 0.5, "insert": ""}]}),
            ],
            "bad_message",
        ),
        (
            vec![
                hello.clone(),
                json!({"type": "edit", "id": "1", "base": "1-1-1.1", "edits": [{"from": 0, "to": 0, "insert": 1}]}),
            ],
            "bad_message",
        ),
        (
            vec![hello.clone(), json!({"type": "cursor", "ranges": [7]})],
            "bad_message",
        ),
    ];
    for (messages, code) in bare {
        let mut ann = Thin::new("a", "ann", "utf8");
        ann.open(&server).await;
        for message in &messages {
            ann.say(message).await;
        }
        let mut codes = Vec::new();
        let close = loop {
            match ann.hear().await {
                Ok(message) if message["type"] == "error" => codes.push(message["code"].clone()),
                Ok(_) => {}
                Err(close) => break close,
            }
        };
        assert_eq!(
            (codes, close),
            (vec![Value::from(code)], 4400),
            "{messages:?}"
        );
    }
    for text in ["{", "", "\"hello\""] {
        let mut ann = Thin::new("a", "ann", "utf8");
        ann.open(&server).await;
        ann.say(text).await;
        assert_eq!(ann.hear().await.unwrap()["code"], "bad_message");
        assert_eq!(ann.hear().await, Err(4400));
    }
    let mut ann = Thin::join(&server, "a", "ann", "utf8").await;
    ann.say("x".repeat(64 << 20)).await;
    assert_eq!(ann.hear().await, Err(4413));
    let mut raw = Socket::open_path(server.address, "/text/a", None).await;
    raw.send(vec![0]).await;
    assert_eq!(raw.closed().await.code, 4400);
    let mut raw = Socket::open_path(server.address, "/text/a//b", None).await;
    assert_eq!(raw.closed().await.code, 4400);
    bob.edit(insert(3, "d")).await;
    bob.acknowledged().await;
    assert_eq!(server.text("a").await, "abcd");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_is_seen_on_both_wires() {
    let server = Ropewalk::start().await;
    put(&server, "a", "abc").await;
    let yjs = Client::join(&server, "a").await;
    let mut ann = Thin::join(&server, "a", "ann", "utf16").await;
    yjs.announce(r#"{"user": {"name": "Yves"}}"#);
    loop {
        let message = ann.hear().await.unwrap();
        let peers = message["peers"].as_object().cloned().unwrap_or_default();
        if peers.values().any(|state| state["user"]["name"] == "Yves") {
            break;
        }
    }
    ann.say(json!({"type": "presence", "user": {"name": "Ann"}}))
        .await;
    yjs.until_people(&["Yves", "Ann"]).await;
    let mut bob = Thin::join(&server, "a", "bob", "char").await;
    bob.say(json!({"type": "presence", "user": {"name": "x".repeat(3000)}}))
        .await;
    loop {
        let message = bob.hear().await.unwrap();
        if message["type"] == "error" {
            assert_eq!(message["code"], "too_large");
            break;
        }
    }
    ann.cut();
    yjs.until("Ann has left", |state, _| {
        let mut states = state.people.values();
        states
            .all(|(_, state)| state["user"]["name"] != "Ann")
            .then_some(())
    })
    .await;
    // Whoever was there hears it, too.
    loop {
        let message = bob.hear().await.unwrap();
        let peers = message["peers"].as_object().cloned().unwrap_or_default();
        if peers.values().any(Value::is_null) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_document_ends_the_connection_for_good() {
    let server = Ropewalk::start().await;
    put(&server, "a", "abc").await;
    let mut ann = Thin::join(&server, "a", "ann", "utf16").await;
    server
        .send(Request::new("DELETE", "/api/documents/a"))
        .await;
    assert_eq!(ann.hear().await, Err(4404));
    ann.open(&server).await;
    assert_eq!(ann.hear().await, Err(4404));
    // What is begun again under the name is another document.
    put(&server, "a", "new").await;
    let since = ann.version.clone();
    ann.open(&server).await;
    ann.say(json!({"type": "hello", "client": "ann", "unit": "utf16", "since": since}))
        .await;
    let welcome = ann.hear().await.unwrap();
    assert_eq!(
        (&welcome["text"], &welcome["replaced"]),
        (&"new".into(), &true.into())
    );
    ann.say(json!({"type": "edit", "id": "1", "base": since, "edits": []}))
        .await;
    assert_eq!(ann.hear().await.unwrap()["code"], "replaced");
    assert_eq!(ann.hear().await.unwrap()["text"], "new");
    // Never heard of here: a backup may be older than the name.
    let mut bob = Thin::new("never", "bob", "utf16");
    bob.open(&server).await;
    bob.say(json!({"type": "hello", "client": "bob", "unit": "utf16", "since": since}))
        .await;
    let welcome = bob.hear().await.unwrap();
    assert_eq!(
        (&welcome["text"], &welcome["replaced"]),
        (&"".into(), &true.into())
    );
    bob.say(json!({"type": "edit", "id": "1", "base": since, "edits": []}))
        .await;
    assert_eq!(bob.hear().await.unwrap()["code"], "replaced");
    assert_eq!(bob.hear().await.unwrap()["text"], "");
}
