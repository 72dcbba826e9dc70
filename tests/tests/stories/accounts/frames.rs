//! Every type of frame on every wire and everybody who may send it: what comes of it follows from one table.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use ropewalk::session::hocuspocus::KINDS;
use ropewalk_crdt::{Error, protocol};
use ropewalk_tests::account::Browser;
use ropewalk_tests::frames::{self, put_buf, put_uint};
use ropewalk_tests::{Ropewalk, Socket, Thin, until, within};
use serde_json::{Value, json};

use super::embedded::embedding;
use super::matrix::{NAME, Role, roles};
use super::revoked::{NOT_ALLOWED, NOT_KNOWN, addressed, letter, said};
use super::routes::{Access, Need};

const PATH: &str = "team%2Fnotes";
/// In the state of somebody who is there before everybody else.
const WATCHER: &str = "watcher";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wire {
    YWebsocket,
    YSweet,
    Hocuspocus,
    Text,
}

use Wire::{Hocuspocus, Text, YSweet, YWebsocket};

/// What comes of frames, from whoever is let in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    /// The document has the mark, if its sender may edit.
    Changes,
    /// Others see the mark.
    Shows,
    /// Others hear the mark, if its sender may edit.
    Tells,
    /// The sender hears this: how a message begins, or what stands in a text.
    Asks(&'static [u8]),
    /// Nothing at all.
    Nothing,
    /// The connection ends, or on Hocuspocus its address.
    Ends(u16),
}

use Does::{Asks, Changes, Ends, Nothing, Shows, Tells};

enum Frame {
    Binary(Vec<u8>),
    /// Of the text wire, or of no wire at all.
    Text(String),
    /// What somebody comes in with.
    Token,
}

/// What a mark is put into.
struct Sent<'s> {
    mark: &'s str,
    /// The version of the text that the sender has.
    base: &'s str,
}

/// A type of frame, by its numbers or its name, or in brackets what is none; and the frames that say it, each after what a client says before
/// it.
type Row = (Wire, &'static str, Does, fn(&Sent<'_>) -> Vec<Frame>);

const ROWS: &[Row] = &[
    (YWebsocket, "0 0", Asks(&[0, 1]), |_| {
        binary([frames::step1(&[0])])
    }),
    (YWebsocket, "0 1", Changes, |sent| {
        binary([frames::step2(&letter(sent.mark))])
    }),
    (YWebsocket, "0 2", Changes, |sent| {
        binary([frames::update(&letter(sent.mark))])
    }),
    (YWebsocket, "1", Shows, |sent| binary([state(sent.mark)])),
    (YWebsocket, "2", Nothing, |sent| {
        binary([message(&[2, 0], sent.mark)])
    }),
    (YWebsocket, "3", Asks(&[1]), |_| binary([vec![3]])),
    (YWebsocket, "102", Asks(&[102]), |_| {
        binary([frames::saved(&[1])])
    }),
    (YWebsocket, "(stateless)", Ends(4400), |sent| {
        binary([message(&[5], sent.mark)])
    }),
    (YWebsocket, "(sync)", Ends(4400), |sent| {
        binary([message(&[0, 3], sent.mark)])
    }),
    (YWebsocket, "(text)", Ends(4400), words),
    (YSweet, "0 0", Asks(&[0, 1]), |_| {
        binary([frames::step1(&[0])])
    }),
    (YSweet, "0 1", Changes, |sent| {
        binary([frames::step2(&letter(sent.mark))])
    }),
    (YSweet, "0 2", Changes, |sent| {
        binary([frames::update(&letter(sent.mark))])
    }),
    (YSweet, "1", Shows, |sent| binary([state(sent.mark)])),
    (YSweet, "2", Nothing, |sent| {
        binary([message(&[2, 0], sent.mark)])
    }),
    // With what its client puts behind it.
    (YSweet, "3", Asks(&[1]), |_| binary([vec![3, 0]])),
    (YSweet, "102", Asks(&[102]), |_| {
        binary([frames::step2(&[0, 0]), frames::saved(&[1])])
    }),
    (YSweet, "(text)", Ends(4400), words),
    (Hocuspocus, "0 0", Asks(&[0, 1]), |_| {
        under([frames::step1(&[0])])
    }),
    (Hocuspocus, "0 1", Changes, |sent| {
        under([frames::step1(&[0]), frames::step2(&letter(sent.mark))])
    }),
    (Hocuspocus, "0 2", Changes, |sent| {
        under([frames::update(&letter(sent.mark))])
    }),
    (Hocuspocus, "1", Shows, |sent| under([state(sent.mark)])),
    (Hocuspocus, "2", Asks(&[2, 2]), |_| vec![Frame::Token]),
    (Hocuspocus, "3", Asks(&[1]), |_| under([vec![3]])),
    (Hocuspocus, "5", Tells, |sent| {
        under([message(&[5], sent.mark)])
    }),
    (Hocuspocus, "7", Nothing, |_| under([vec![7]])),
    (Hocuspocus, "9", Asks(&[10]), |_| binary([vec![9]])),
    (Hocuspocus, "10", Nothing, |_| binary([vec![10]])),
    (Hocuspocus, "(marker)", Ends(4400), |_| {
        under([frames::saved(&[1])])
    }),
    (Hocuspocus, "(status)", Ends(4400), |_| under([vec![8, 1]])),
    (Hocuspocus, "(sync)", Ends(4400), |sent| {
        under([message(&[0, 3], sent.mark)])
    }),
    // Everybody says it first, and hears whether they may edit.
    (Text, "hello", Nothing, |_| Vec::new()),
    (Text, "edit", Changes, |sent| {
        let edits = json!([{ "from": 0, "to": 0, "insert": sent.mark }]);
        texts([json!({ "type": "edit", "id": sent.mark, "base": sent.base, "edits": edits })])
    }),
    (Text, "presence", Shows, |sent| texts([person(sent.mark)])),
    (Text, "cursor", Shows, |sent| {
        let ranges = json!([{ "from": 0, "to": 0 }]);
        texts([
            person(&format!("at {}", sent.mark)),
            json!({ "type": "cursor", "ranges": ranges }),
        ])
    }),
    (Text, "(access)", Ends(4400), |_| {
        texts([json!({ "type": "access", "access": "read-write" })])
    }),
    (Text, "(binary)", Ends(4400), |sent| {
        binary([frames::update(&letter(sent.mark))])
    }),
];

fn binary<const N: usize>(frames: [Vec<u8>; N]) -> Vec<Frame> {
    frames.into_iter().map(Frame::Binary).collect()
}

fn under<const N: usize>(frames: [Vec<u8>; N]) -> Vec<Frame> {
    let frames = frames.iter().map(|frame| Frame::Binary(addressed(frame)));
    frames.collect()
}

fn texts<const N: usize>(messages: [Value; N]) -> Vec<Frame> {
    let messages = messages.iter();
    messages
        .map(|message| Frame::Text(message.to_string()))
        .collect()
}

fn words(sent: &Sent<'_>) -> Vec<Frame> {
    vec![Frame::Text(sent.mark.to_owned())]
}

fn message(kind: &[u64], what: &str) -> Vec<u8> {
    let mut out = Vec::new();
    kind.iter().for_each(|&number| put_uint(&mut out, number));
    put_buf(&mut out, what.as_bytes());
    out
}

/// An awareness state; each under a client id of its own.
fn state(mark: &str) -> Vec<u8> {
    let client = u64::from(rand::random::<u32>());
    let state = json!({ "user": { "name": "x", "mark": mark } });
    frames::awareness(&[(client, 1, &state.to_string())])
}

fn person(mark: &str) -> Value {
    json!({ "type": "presence", "user": { "name": "x", "mark": mark } })
}

/// Somebody's connection on a wire.
enum Line {
    Bytes(Socket),
    Addresses(Socket),
    Text(Box<Thin>),
}

/// What is heard: the message, without its address; or how it ended.
type Heard = Result<Vec<u8>, u16>;

impl Line {
    async fn open(server: &Ropewalk, wire: Wire, browser: &Browser) -> Self {
        let mut headers = browser.headers();
        // A token goes the way that each wire has for it.
        headers.retain(|(name, _)| name != "authorization");
        let token = browser.token.as_deref();
        let query = token.map_or(String::new(), |token| format!("?token={token}"));
        let path = match wire {
            YWebsocket => format!("/yjs/{NAME}{query}"),
            YSweet => format!("/d/{PATH}/ws/{PATH}{query}"),
            Hocuspocus => "/hocuspocus".to_owned(),
            Text => {
                let mut thin = Thin::new(NAME, "thin", "utf16").with(&query, &headers);
                thin.open(server).await;
                return Self::Text(Box::new(thin));
            }
        };
        let socket = Socket::open_with(server.address, &path, &headers).await;
        match wire {
            Hocuspocus => Self::Addresses(socket),
            _ => Self::Bytes(socket),
        }
    }

    async fn send(&mut self, frame: Frame, token: &[u8]) {
        match (self, frame) {
            (Self::Bytes(socket) | Self::Addresses(socket), Frame::Binary(bytes)) => {
                socket.send(bytes).await;
            }
            (Self::Bytes(socket) | Self::Addresses(socket), Frame::Text(text)) => {
                socket.send_text(&text).await;
            }
            (Self::Text(thin), Frame::Binary(bytes)) => thin.say_bytes(bytes).await,
            (Self::Text(thin), Frame::Text(text)) => thin.say(text).await,
            (Self::Addresses(socket), Frame::Token) => socket.send(token).await,
            (Self::Bytes(_) | Self::Text(_), Frame::Token) => {}
        }
    }

    /// What a client says at once.
    async fn introduce(&mut self, token: &[u8]) {
        let hello = json!({ "type": "hello", "client": "thin", "unit": "utf16" });
        let first = match self {
            Self::Text(_) => Frame::Text(hello.to_string()),
            _ => Frame::Token,
        };
        self.send(first, token).await;
    }

    async fn hear(&mut self) -> Heard {
        match self {
            Self::Bytes(socket) => socket.next().await.map_err(|closed| closed.code),
            Self::Addresses(socket) => {
                let message = socket.next().await.map_err(|closed| closed.code)?;
                let Some(message) = message.strip_prefix(&addressed(&[])[..]) else {
                    return Ok(message);
                };
                if message[0] != 7 {
                    return Ok(message.to_vec());
                }
                Err(match std::str::from_utf8(&message[2..]).unwrap() {
                    "malformed frame" => 4400,
                    reason if reason == NOT_KNOWN.1 => NOT_KNOWN.0,
                    reason if reason == NOT_ALLOWED.1 => NOT_ALLOWED.0,
                    reason => panic!("closed: {reason}"),
                })
            }
            Self::Text(thin) => thin.hear().await.map(|message| message.to_string().into()),
        }
    }

    /// Reads on until this comes; answers it.
    async fn until(&mut self, what: &[u8]) -> Heard {
        loop {
            let message = self.hear().await?;
            if says(&message, what) {
                return Ok(message);
            }
        }
    }

    /// Whoever is let in hears that, and in the text wire which version there is.
    async fn is_welcome(&mut self, may_edit: bool, token: &[u8]) -> Result<String, u16> {
        self.introduce(token).await;
        let access = if may_edit { "read-write" } else { "readonly" };
        match self {
            Self::Text(_) => {
                let welcome = self.until(b"welcome").await?;
                let welcome: Value = serde_json::from_slice(&welcome).unwrap();
                assert_eq!(
                    welcome["access"].as_str().unwrap().replace('-', ""),
                    access.replace('-', "")
                );
                return Ok(welcome["version"].as_str().unwrap().to_owned());
            }
            Self::Bytes(_) => {
                self.until(&[0, 0]).await?;
                self.until(WATCHER.as_bytes()).await?;
            }
            Self::Addresses(_) => {
                let (mut is_in, mut sees) = (false, false);
                while !(is_in && sees) {
                    let message = self.hear().await?;
                    sees |= says(&message, WATCHER.as_bytes());
                    if message.starts_with(&[2, 2]) {
                        assert_eq!(&message[3..], access.as_bytes());
                        is_in = true;
                    }
                }
            }
        }
        Ok(String::new())
    }

    /// It is still there, and what it sent is looked at.
    async fn stays(&mut self) -> Result<(), u16> {
        let (last, ended) = match self {
            Self::Addresses(socket) => {
                socket.send([9]).await;
                return self.until(&[10]).await.map(drop);
            }
            // A marker that is too long.
            Self::Bytes(_) => (Frame::Binary(frames::saved(&[1; 17])), 4413),
            Self::Text(_) => (Frame::Text("{}".to_owned()), 4400),
        };
        self.send(last, &[]).await;
        loop {
            match self.hear().await {
                Ok(_) => {}
                Err(code) if code == ended => return Ok(()),
                Err(code) => return Err(code),
            }
        }
    }
}

/// Whether a message begins so, or a text has this in it.
fn says(message: &[u8], what: &[u8]) -> bool {
    match what.first() {
        Some(b' '..) if what.len() > 1 && what.is_ascii() => {
            message.windows(what.len()).any(|window| window == what)
        }
        _ => message.starts_with(what),
    }
}

/// What those see and hear who are there all the time.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeSet<String>>>);

impl Seen {
    fn has(&self, mark: &str) -> bool {
        self.0.lock().unwrap().contains(mark)
    }

    async fn until(&self, mark: &str) {
        until(&format!("{mark} is seen"), || async {
            self.has(mark).then_some(())
        })
        .await;
    }

    /// The marks in awareness states.
    async fn watch(self, mut socket: Socket) {
        loop {
            let message = socket.next().await.expect("the watcher stays");
            let Ok(frames::Frame::Awareness(entries)) = frames::read(&message) else {
                continue;
            };
            let states = entries.iter().map(|entry| entry.json);
            for state in states.filter_map(|json| serde_json::from_str::<Value>(json).ok()) {
                let Some(mark) = state["user"]["mark"].as_str() else {
                    continue;
                };
                // A mark that says "at" counts with a place.
                let mark = match mark.strip_prefix("at ") {
                    Some(_) if state["cursor"].is_null() => continue,
                    Some(mark) => mark,
                    None => mark,
                };
                self.0.lock().unwrap().insert(mark.to_owned());
            }
        }
    }

    /// The marks in stateless messages.
    async fn listen(self, mut socket: Socket) {
        let head = addressed(&[5]);
        loop {
            let message = socket.next().await.expect("the listener stays");
            if let Some(said) = message.strip_prefix(&head[..]) {
                let said = String::from_utf8(said[1..].to_vec()).unwrap();
                self.0.lock().unwrap().insert(said);
            }
        }
    }
}

/// What is wrong with what came of a row from somebody, if anything is.
async fn comes_of(
    server: &Ropewalk,
    &(wire, kind, does, frames): &Row,
    role: &Role,
    mark: &str,
    seen: &Seen,
) -> Result<(), String> {
    let token = role.browser.token.as_deref().unwrap_or("any");
    let token = &said(&[2, 0], token)[..];
    let mut line = Line::open(server, wire, &role.browser).await;
    if role.document < Access::Read {
        // As clients do: without waiting.
        line.introduce(token).await;
        for frame in frames(&Sent { mark, base: "x" }) {
            line.send(frame, token).await;
        }
        if (wire, kind) == (Hocuspocus, "7") {
            // Whoever takes it back on the way in may hear nothing.
            line.introduce(token).await;
        }
        let (code, reason) = match role.may(Need::Known) {
            true => NOT_ALLOWED,
            false => NOT_KNOWN,
        };
        let denied = message(&[2, 1], reason);
        loop {
            match line.hear().await {
                Err(ended) if ended == code => return Ok(()),
                // On the way in what is malformed is found first, and whether the socket is there is everybody's to ask.
                Err(ended) if wire == Hocuspocus && does == Ends(ended) => return Ok(()),
                Ok(message) if wire == Hocuspocus && kind == "9" && message == [10] => {}
                // The only words of that wire before the end.
                Ok(message) if message == denied => {}
                other => return Err(format!("{other:?}, not {code}")),
            }
        }
    }
    let may_edit = role.document >= Access::Edit;
    let ended = |code| format!("it ended with {code}");
    let base = line.is_welcome(may_edit, token).await.map_err(ended)?;
    for frame in frames(&Sent { mark, base: &base }) {
        line.send(frame, token).await;
    }
    let refused = match wire {
        Hocuspocus => &[8, 0][..],
        Text => b"read_only",
        YWebsocket | YSweet => &[2, 0],
    };
    let done = match wire {
        Hocuspocus => &[8, 1][..],
        Text => b"\"ack\"",
        // It comes back when it is on disk.
        YWebsocket | YSweet => mark.as_bytes(),
    };
    match does {
        Changes => loop {
            let message = line.hear().await.map_err(ended)?;
            let (is_done, is_refused) = (says(&message, done), says(&message, refused));
            if is_done == may_edit && is_refused != may_edit {
                break;
            }
            if is_done || is_refused {
                return Err(format!("it may edit: {may_edit}, and hears {message:?}"));
            }
        },
        Shows => seen.until(mark).await,
        Tells if may_edit => seen.until(mark).await,
        Asks(answer) => line.until(answer).await.map(drop).map_err(ended)?,
        Tells | Nothing => {}
        Ends(code) => loop {
            match line.hear().await {
                Ok(_) => {}
                Err(ended) if ended == code => return Ok(()),
                Err(other) => return Err(format!("{kind} ended with {other}")),
            }
        },
    }
    line.stays().await.map_err(ended)
}

/// The types of y-protocols that the decoder knows, as it tells.
fn known() -> BTreeSet<String> {
    let is_known = |frame: Vec<u8>| {
        let unknown = ["a known message", "a known sync message"];
        !matches!(protocol::decode(&frame), Err(Error::Malformed { what, .. }) if unknown.contains(&what))
    };
    let number = |numbers: &[u64]| {
        let mut out = Vec::new();
        numbers
            .iter()
            .for_each(|&number| put_uint(&mut out, number));
        out
    };
    let alone = (1..1 << 14).filter(|&kind| is_known(number(&[kind])));
    let sync = (0..1 << 14).filter(|&kind| is_known(number(&[0, kind])));
    let alone = alone.map(|kind| kind.to_string());
    alone.chain(sync.map(|kind| format!("0 {kind}"))).collect()
}

/// The messages that the text wire knows, as it tells whoever says another.
async fn known_texts(server: &Ropewalk, browser: &Browser) -> BTreeSet<String> {
    let mut line = Line::open(server, Text, browser).await;
    line.send(Frame::Text(r#"{"type":"?"}"#.to_owned()), &[])
        .await;
    let told = line.until(b"bad_message").await.unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    let (_, names) = told["message"]
        .as_str()
        .unwrap()
        .split_once("one of")
        .unwrap();
    let names = names.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_does_what_the_table_says_for_everybody_and_nothing_else() {
    let (server, ada, _keys) = embedding().await;
    let mut owner = ada.clone();
    let roles = roles(&server, ada).await;
    let mut wrong = Vec::new();
    let of_hocuspocus = KINDS.iter().flat_map(|kind| match kind {
        0 => known()
            .into_iter()
            .filter(|kind| kind.starts_with("0 "))
            .collect(),
        kind => vec![kind.to_string()],
    });
    for (wire, known) in [
        (YWebsocket, known()),
        (YSweet, known()),
        (Hocuspocus, of_hocuspocus.collect()),
        (Text, known_texts(&server, &owner).await),
    ] {
        let of_wire = ROWS.iter().filter(|row| row.0 == wire).map(|row| row.1);
        let rows = of_wire.filter(|kind| !kind.starts_with('('));
        let rows: BTreeSet<String> = rows.map(str::to_owned).collect();
        if rows != known {
            wrong.push(format!(
                "{wire:?} knows {known:?}, and there are rows for {rows:?}"
            ));
        }
    }

    let seen = Seen::default();
    let mut watcher = owner.socket(&format!("/yjs/{NAME}")).await;
    watcher.send(state(WATCHER)).await;
    let mut listener = owner.socket("/hocuspocus").await;
    listener.send(said(&[2, 0], "any")).await;
    assert_eq!(listener.next().await.unwrap(), said(&[2, 2], "read-write"));
    let watches = [
        tokio::spawn(seen.clone().watch(watcher)),
        tokio::spawn(seen.clone().listen(listener)),
    ];
    seen.until(WATCHER).await;

    let (mut changed, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for (number, row) in ROWS.iter().enumerate() {
        let (wire, kind, does, _) = row;
        let each = roles.iter().enumerate().map(async |(role, who)| {
            // Followed by what stands in no other mark.
            let mark = format!("<{number}.{role}>");
            let what = format!("{kind} of {} on {wire:?}", who.what);
            let came = within(&what, comes_of(&server, row, who, &mark, &seen)).await;
            came.map_err(|wrong| format!("{what}: {wrong}")).err()
        });
        wrong.extend(join_all(each).await.into_iter().flatten());
        for (role, who) in roles.iter().enumerate() {
            let mark = format!("<{number}.{role}>");
            match does {
                Changes if who.document >= Access::Edit => changed.insert(mark),
                Tells if who.document >= Access::Edit => shown.insert(mark),
                Shows if who.document >= Access::Read => shown.insert(mark),
                _ => false,
            };
        }
    }

    let text = owner.text(NAME).await;
    let text = text.replacen("text", "", 1);
    let marks = text.split_inclusive('>');
    let marks: BTreeSet<String> = marks.map(str::to_owned).collect();
    if marks != changed {
        let but: Vec<_> = marks.symmetric_difference(&changed).collect();
        wrong.push(format!("whose edits the document has, but for {but:?}"));
    }
    // What is said last is seen last.
    let mut last = owner.socket("/hocuspocus").await;
    last.send(said(&[2, 0], "any")).await;
    last.send(addressed(&state("end"))).await;
    last.send(addressed(&message(&[5], "end of talk"))).await;
    for mark in ["end", "end of talk"] {
        seen.until(mark).await;
        shown.insert(mark.to_owned());
    }
    shown.insert(WATCHER.to_owned());
    let seen = seen.0.lock().unwrap();
    if *seen != shown {
        let but: Vec<_> = seen.symmetric_difference(&shown).collect();
        wrong.push(format!("who was seen and heard, but for {but:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(watches.iter().all(|watch| !watch.is_finished()));
}
