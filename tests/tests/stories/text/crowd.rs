//! A crowd on one text: thin clients of the text wire, scripts that send PATCH, and Yjs editors. Lines break at any message, and what is
//! not answered is sent again. `ROPEWALK_CROWDS` says how many seeds, `ROPEWALK_CROWD_SEED` the first.

use std::collections::BTreeSet;

use ropewalk_tests::client::edit_doc;
use ropewalk_tests::thin::{Edit, Thin, size};
use ropewalk_tests::{Client, Request, Ropewalk};
use serde_json::json;
use yrs::{GetString as _, Text as _};

use super::{Rng, UNITS};
use crate::crash::setting;

const NAME: &str = "crowd";

/// What everybody has written: characters that nobody deletes, each of them once.
#[derive(Default)]
struct Marks(u32);

impl Marks {
    /// One more, of one unit of UTF-16 or of two.
    fn next(&mut self) -> char {
        self.0 += 1;
        let plane = [0xe000, 0xf_0000][self.0 as usize % 2];
        char::from_u32(plane + self.0).unwrap()
    }

    fn is_one(char: char) -> bool {
        matches!(char, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}')
    }

    /// Each is in the text, once.
    fn check(&self, text: &str) {
        let mut all = BTreeSet::new();
        for mark in text.chars().filter(|&char| Self::is_one(char)) {
            assert!(all.insert(mark), "{mark:?} is there twice: {text:?}");
        }
        assert_eq!(all.len(), self.0 as usize, "some are lost: {text:?}");
    }
}

/// An edit of one or two places, with a mark in each.
fn edit(rng: &mut Rng, marks: &mut Marks, text: &str, unit: &str) -> Vec<Edit> {
    let edits = rng.edits(text, unit).into_iter();
    let marked = edits.map(|(from, to, insert)| {
        // What a mark is in is left alone.
        let mut at = 0;
        let has_mark = text.chars().any(|char| {
            at += size(char, unit);
            (from < at && at <= to) && Marks::is_one(char)
        });
        let to = if has_mark { from } else { to };
        let mark = marks.next();
        let insert = match rng.below(2) {
            0 => format!("{insert}{mark}"),
            _ => format!("{mark}{insert}"),
        };
        (from, to, insert)
    });
    marked.collect()
}

/// Somebody who edits without a CRDT.
enum Person {
    Editor(Box<Thin>),
    Script(Script),
}

/// Sends PATCH until it is answered.
struct Script {
    name: String,
    unit: &'static str,
    count: usize,
    unanswered: Option<Request>,
}

impl Script {
    async fn edit(&mut self, server: &Ropewalk, rng: &mut Rng, marks: &mut Marks) {
        let target = format!("/api/documents/{NAME}/text");
        let seen = server.get(&target).await;
        let base = seen.header("etag").unwrap().trim_matches('"').to_owned();
        let edits = edit(rng, marks, seen.text(), self.unit).into_iter();
        let edits =
            edits.map(|(from, to, insert)| json!({"from": from, "to": to, "insert": insert}));
        let body = json!({"base": base, "unit": self.unit, "edits": edits.collect::<Vec<_>>()});
        self.count += 1;
        let key = format!("{}.{}", self.name, self.count);
        let request = Request::new("PATCH", &target).header("idempotency-key", &key);
        self.unanswered = Some(request.body(body.to_string()));
    }

    /// Sends what is not answered, or some of it.
    async fn send(&mut self, server: &Ropewalk, rng: &mut Rng) {
        let Some(request) = &self.unanswered else {
            return;
        };
        match rng.below(4) {
            0 => request.cut(server.address, rng.below(400)).await,
            // The line breaks before the answer is there.
            1 => request.cut(server.address, usize::MAX).await,
            _ => self.finish(server, rng).await,
        }
    }

    async fn finish(&mut self, server: &Ropewalk, rng: &mut Rng) {
        let Some(request) = self.unanswered.take() else {
            return;
        };
        let answer = server.send(request.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        if rng.below(3) == 0 {
            let again = server.send(request).await;
            assert_eq!((again.status, again.json()), (200, answer.json()));
        }
    }
}

impl Person {
    async fn act(&mut self, server: &Ropewalk, rng: &mut Rng, marks: &mut Marks) {
        match self {
            Self::Script(script) if script.unanswered.is_some() => script.send(server, rng).await,
            Self::Script(script) => script.edit(server, rng, marks).await,
            Self::Editor(thin) => {
                let is_cut = rng.below(4) == 0;
                match rng.below(6) {
                    0 => thin.cut(),
                    1 if thin.pending.is_some() => thin.acknowledged().await,
                    _ if thin.pending.is_some() => drop(thin.step().await),
                    chance => {
                        // Some of it is typed without a line.
                        if chance == 2 {
                            thin.cut();
                        }
                        let edits = edit(rng, marks, &thin.text(), thin.unit());
                        thin.edit(edits).await;
                    }
                }
                if is_cut {
                    thin.cut();
                }
                if !thin.is_connected() {
                    thin.connect(server).await;
                }
            }
        }
    }
}

/// A Yjs editor inserts a mark and deletes something, now or while it is away.
async fn replica(server: &Ropewalk, peer: Client, rng: &mut Rng, marks: &mut Marks) -> Client {
    let mut typing = |root: &yrs::TextRef, txn: &mut yrs::TransactionMut<'_>| {
        let text = root.get_string(txn);
        for (from, to, insert) in edit(rng, marks, &text, "utf16").iter().rev() {
            root.remove_range(txn, *from as u32, (to - from) as u32);
            root.insert(txn, *from as u32, insert);
        }
    };
    if !peer.text().len().is_multiple_of(3) {
        peer.edit(&mut typing);
        return peer;
    }
    let doc = peer.leave().await;
    edit_doc(&doc, &mut typing);
    Client::join_with(server, NAME, doc).await
}

async fn play(seed: u64) {
    println!("ROPEWALK_CROWD_SEED={seed}");
    let server = Ropewalk::start().await;
    let rng = &mut Rng(seed);
    let marks = &mut Marks::default();
    let people = 2 + (seed as usize * 3) % 9;
    let mut crowd = Vec::new();
    for number in 0..people {
        let (name, unit) = (format!("c{number}"), UNITS[rng.below(3)]);
        crowd.push(match number % 3 {
            1 => Person::Script(Script {
                name,
                unit,
                count: 0,
                unanswered: None,
            }),
            _ => Person::Editor(Box::new(Thin::join(&server, NAME, &name, unit).await)),
        });
    }
    let mut peers = Vec::new();
    for _ in 0..1 + seed % 2 {
        peers.push(Client::join(&server, NAME).await);
    }
    // Scripts change what is there.
    peers[0].append("a é 😀 b");
    peers[0].all_saved().await;
    for _ in 0..30 * people {
        if rng.below(6) == 0 {
            let peer = peers.swap_remove(rng.below(peers.len()));
            peers.push(replica(&server, peer, rng, marks).await);
        }
        let person = rng.below(people);
        crowd[person].act(&server, rng, marks).await;
    }
    for person in &mut crowd {
        match person {
            Person::Editor(thin) => thin.acknowledged().await,
            Person::Script(script) => script.finish(&server, rng).await,
        }
    }
    for peer in &peers {
        peer.all_saved().await;
    }
    let text = server.text(NAME).await;
    marks.check(&text);
    for person in &mut crowd {
        if let Person::Editor(thin) = person {
            thin.until(&text).await;
        }
    }
    for peer in &peers {
        peer.until_text(&text).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_with_one_text_that_has_each_edit_once() {
    let first = setting("ROPEWALK_CROWD_SEED", 1);
    for seed in first..first + setting("ROPEWALK_CROWDS", 6) {
        play(seed).await;
    }
}

/// Every offset of these is tried: nothing, surrogates, combining marks, joined people, a line break of two characters.
const TEXTS: [&str; 3] = ["", "ab", "é e\u{301}😀👩‍👩‍👧\r\n女\u{10ffff}"];

#[tokio::test(flavor = "multi_thread")]
async fn counts_each_offset_in_its_unit_and_refuses_those_inside_a_character() {
    let server = Ropewalk::start().await;
    for (number, text) in TEXTS.iter().enumerate() {
        for unit in UNITS {
            for is_script in [false, true] {
                let name = format!("{number}/{unit}/{is_script}");
                let put = Request::new("PUT", &format!("/api/documents/{name}")).body(*text);
                assert_eq!(server.send(put).await.status, 201);
                let mut thin = Thin::join(&server, &name, "thin", unit).await;
                let base = thin.version.clone();
                let mut tries = 0;
                let mut code = async |edit: Edit| {
                    tries += 1;
                    let (from, to, insert) = edit;
                    let edits = json!([{"from": from, "to": to, "insert": insert}]);
                    if is_script {
                        let body = json!({"base": base, "unit": unit, "edits": edits});
                        let target = format!("/api/documents/{name}/text");
                        let patch = Request::new("PATCH", &target).body(body.to_string());
                        let answer = server.send(patch).await;
                        return (answer.status != 200).then(|| answer.code());
                    }
                    let id = format!("{tries}");
                    thin.say(json!({"type": "edit", "id": id, "base": base, "edits": edits}))
                        .await;
                    loop {
                        let answer = thin.hear().await.unwrap();
                        if answer["id"] == *id {
                            return answer["code"].as_str().map(str::to_owned);
                        }
                    }
                };
                let mut ends = vec![0];
                for char in text.chars() {
                    ends.push(ends[ends.len() - 1] + size(char, unit));
                }
                let length = ends[ends.len() - 1];
                let mut expected = String::new();
                for at in 0..=length + 1 {
                    let refusal = match ends.binary_search(&at) {
                        Ok(_) => None,
                        Err(_) if at > length => Some("out_of_range"),
                        Err(_) => Some("not_boundary"),
                    };
                    let refusal = refusal.map(str::to_owned);
                    let what = format!("{text:?}, {at} of {unit}, script {is_script}");
                    if refusal.is_some() {
                        assert_eq!(code((0, at, "x".into())).await, refusal, "to {what}");
                    }
                    if refusal.is_some() && at < length {
                        assert_eq!(code((at, length, "x".into())).await, refusal, "from {what}");
                    }
                    let inserted = code((at, at, format!("<{at}>"))).await;
                    assert_eq!(inserted, refusal, "{what}");
                }
                // Offsets are those of the base, whatever was inserted since.
                for (char, two) in text.chars().zip(ends.windows(2)) {
                    expected += &format!("<{}>", two[0]);
                    if char != 'b' {
                        assert_eq!(code((two[0], two[1], String::new())).await, None);
                    } else {
                        expected.push(char);
                    }
                }
                expected += &format!("<{length}>");
                assert_eq!(server.text(&name).await, expected, "{unit} {is_script}");
            }
        }
    }
}
