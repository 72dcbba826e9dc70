//! A disk that takes long: whoever can be told is, then nothing more is read, and nothing is lost.
#![allow(clippy::unwrap_used, missing_docs)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ws::Message;
use futures_util::{Sink, Stream};
use ropewalk::App;
use ropewalk::config::Config;
use ropewalk::document::edit::{Change, Key, Request, Since};
use ropewalk::document::peer::queue;
use ropewalk::document::{self, Command, Refused};
use ropewalk::gate::Gate;
use ropewalk::journal::{Journal, JournalLimits};
use ropewalk::machine::Host;
use ropewalk::name::DocumentName;
use ropewalk::session::{Progress, hocuspocus, yjs};
use ropewalk::storage::memory::Memory;
use ropewalk_crdt::{Document, Edit, ROOT, Unit, merge, protocol};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Messages that wait in a socket that nobody reads.
const SOCKET: usize = 16;

/// The server's end of a socket.
struct Wire {
    from: mpsc::Receiver<Message>,
    to: mpsc::UnboundedSender<Message>,
}

impl Stream for Wire {
    type Item = Result<Message, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.from.poll_recv(cx).map(|message| message.map(Ok))
    }
}

impl Sink<Message> for Wire {
    type Error = axum::Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
        self.to.send(message).map_err(axum::Error::new)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}

/// The other end.
struct Peer {
    to: mpsc::Sender<Message>,
    from: mpsc::UnboundedReceiver<Message>,
    document: Document,
}

impl Peer {
    fn join(app: &Arc<App>, client: u64) -> Self {
        let (wire, peer) = Self::new(client);
        let name = DocumentName::new("slow");
        let progress = Arc::new(Progress::default());
        tokio::spawn(yjs::run(
            app.clone(),
            wire,
            name,
            Arc::default(),
            progress,
            yjs::Dialect::YWebsocket,
        ));
        peer
    }

    fn new(client: u64) -> (Wire, Self) {
        let (to, from_peer) = mpsc::channel(SOCKET);
        let (to_peer, from) = mpsc::unbounded_channel();
        let wire = Wire {
            from: from_peer,
            to: to_peer,
        };
        let document = Document::new(client);
        (wire, Self { to, from, document })
    }

    /// A letter at the end, as a frame.
    fn letter(&mut self) -> Message {
        let base = self.document.version().clone();
        let end = self.document.len_utf16(ROOT);
        let edit = Edit {
            from: end,
            to: end,
            insert: "x".to_owned(),
        };
        let update = self.document.edit(&base, ROOT, Unit::Utf16, &[edit]);
        Message::Binary(protocol::update(&update.unwrap()).into())
    }

    async fn send(&self, message: Message) {
        self.to.send(message).await.unwrap();
    }

    async fn mark(&self, payload: u8) {
        self.send(Message::Binary(protocol::saved(&[payload]).into()))
            .await;
    }

    /// The next frame of one of these types.
    async fn next(&mut self, types: &[u8]) -> Vec<u8> {
        let next = async {
            loop {
                match self.from.recv().await.unwrap() {
                    Message::Binary(frame) if types.contains(&frame[0]) => return frame.to_vec(),
                    _ => {}
                }
            }
        };
        timeout(Duration::from_secs(60), next).await.unwrap()
    }
}

fn server(limits: JournalLimits) -> (Arc<App>, Arc<Memory>) {
    let storage = Arc::new(Memory::default());
    let journal = Journal::start(storage.clone(), limits).unwrap();
    let app = App::new(
        Config::default(),
        storage.clone(),
        journal,
        Arc::new(Host),
        Gate::open(),
    )
    .unwrap();
    (app, storage)
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_know_markers_hear_that_saving_is_slow_and_that_it_is_not_any_more() {
    let (app, storage) = server(JournalLimits::default());
    let (mut ann, mut bob) = (Peer::join(&app, 1), Peer::join(&app, 2));
    ann.mark(1).await;
    assert_eq!(ann.next(&[102, 103]).await, protocol::saved(&[1]));
    storage.hold(true);
    let letter = ann.letter();
    ann.send(letter).await;
    ann.mark(2).await;
    let slow = ann.next(&[102, 103]).await;
    assert_eq!(
        slow[..2],
        [103, 2],
        "as many milliseconds as two bytes hold: {slow:?}"
    );
    assert_eq!(app.metrics.saving_slow.get(), 1);
    storage.hold(false);
    let after = [ann.next(&[102, 103]).await, ann.next(&[102, 103]).await];
    assert!(after.contains(&protocol::slow(0)), "{after:?}");
    assert!(after.contains(&protocol::saved(&[2])), "{after:?}");

    // A stock client is spared what it does not know.
    storage.hold(true);
    let letter = bob.letter();
    bob.send(letter).await;
    ann.next(&[103]).await;
    storage.hold(false);
    let mut echoed = false;
    while !echoed {
        let Message::Binary(frame) = bob.from.recv().await.unwrap() else {
            continue;
        };
        assert_ne!(frame[0], 103);
        // Ann's letter came as an update, too; his own is the second.
        echoed = bob.document.knows(&frame[3..]).is_ok_and(|knows| knows) && frame[..2] == [0, 2];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_too_much_waits_sockets_are_not_read_and_nothing_is_dropped() {
    let (app, storage) = server(JournalLimits {
        queue_updates: 8,
        ..JournalLimits::default()
    });
    let (mut ann, mut bob) = (Peer::join(&app, 1), Peer::join(&app, 2));
    bob.mark(1).await;
    bob.next(&[102]).await;
    storage.hold(true);
    // Each batch takes what waits in the mailbox: it fills, and then the socket does.
    let mut sent = 0;
    loop {
        let letter = ann.letter();
        match timeout(Duration::from_millis(500), ann.send(letter)).await {
            Ok(()) => sent += 1,
            Err(_) => break,
        }
        assert!(sent < 20_000, "it takes in without end");
    }
    assert!(app.journal.stats().queued_updates() <= 8);
    bob.next(&[103]).await;
    storage.hold(false);
    ann.mark(9).await;
    assert_eq!(ann.next(&[102]).await, protocol::saved(&[9]));
    let state = app
        .storage
        .load(&DocumentName::new("slow").unwrap())
        .unwrap();
    let ropewalk::storage::Lookup::Found(stored) = state else {
        panic!("not there");
    };
    assert!(stored.sequence >= sent, "{} of {sent}", stored.sequence);
}

#[tokio::test(flavor = "multi_thread")]
async fn hocuspocus_clients_hear_of_each_update_when_it_is_on_disk() {
    const ADDRESS: &[u8] = b"\x04slow";
    let (app, storage) = server(JournalLimits::default());
    let (wire, mut ann) = Peer::new(1);
    tokio::spawn(hocuspocus::run(
        app.clone(),
        wire,
        Arc::default(),
        Arc::new(Progress::default()),
    ));
    let addressed = |message: &[u8]| Message::Binary([ADDRESS, message].concat().into());
    ann.send(addressed(&[2, 0, 0])).await;
    assert_eq!(
        ann.from.recv().await.unwrap(),
        addressed(b"\x02\x02\x0aread-write")
    );
    ann.send(addressed(&protocol::step1(&Default::default())))
        .await;
    for kind in [1, 0] {
        let Message::Binary(frame) = ann.from.recv().await.unwrap() else {
            unreachable!()
        };
        assert_eq!(frame[ADDRESS.len()..][..2], [0, kind], "{frame:?}");
    }
    // What it has counts as one.
    ann.send(addressed(&protocol::step2(&[0, 0]))).await;
    assert_eq!(ann.from.recv().await.unwrap(), addressed(&[8, 1]));
    storage.hold(true);
    for _ in 0..10 {
        let Message::Binary(letter) = ann.letter() else {
            unreachable!()
        };
        ann.send(addressed(&letter)).await;
    }
    // It is answered meanwhile: the socket is not held up.
    ann.send(Message::Binary(vec![9].into())).await;
    let pong = Message::Binary(vec![10].into());
    assert_eq!(ann.from.recv().await.unwrap(), pong);
    assert!(ann.from.try_recv().is_err());
    storage.hold(false);
    for _ in 0..10 {
        assert_eq!(ann.from.recv().await.unwrap(), addressed(&[8, 1]));
    }
    assert!(ann.from.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_before_it_is_asked_for_is_not_saved_before_it_is() {
    let (app, storage) = server(JournalLimits::default());
    let name = DocumentName::new("slow").unwrap();
    let handle = app.hub.open(&app, &name);
    let text = String::new();
    handle
        .ask(&Arc::default(), 0, |reply| Command::Create { text, reply })
        .await
        .unwrap();
    let delete = |reply| Command::Delete {
        only_at: None,
        reply,
    };
    handle.ask(&Arc::default(), 0, delete).await.unwrap();
    let text = String::new();
    handle
        .ask(&Arc::default(), 0, |reply| Command::Create { text, reply })
        .await
        .unwrap();
    storage.hold(true);
    let mut ann = Peer::join(&app, 1);
    ann.letter();
    // And something that hangs in the air: it takes a place of its own in the journal.
    let mut other = Peer::new(9).1;
    other.letter();
    let known = other.document.version().vector.clone();
    other.letter();
    let all = [ann.document.encode().to_vec(), other.document.diff(&known)];
    let all = merge(&[&all[0], &all[1]]).unwrap();
    ann.send(Message::Binary(protocol::step2(&all).into()))
        .await;
    ann.mark(1).await;
    assert_eq!(ann.next(&[102, 103]).await[0], 103, "it waits");
    storage.hold(false);
    assert_eq!(ann.next(&[102]).await, protocol::saved(&[1]));
}

/// Polls a question, lets the document answer something else behind it, and sees that the question is not answered.
async fn waits<T: std::fmt::Debug>(
    bob: &mut Peer,
    asking: &mut (impl Future<Output = Result<T, Refused>> + Unpin),
) {
    let behind = async {
        bob.send(Message::Binary(vec![3].into())).await;
        bob.next(&[1]).await
    };
    tokio::select! {
        biased;
        early = &mut *asking => panic!("{early:?} before it was on disk"),
        _ = behind => {}
    }
    assert!(timeout(Duration::ZERO, asking).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_version_is_told_that_is_not_on_disk() {
    let (app, storage) = server(JournalLimits::default());
    let (mut ann, mut bob) = (Peer::join(&app, 1), Peer::join(&app, 2));
    bob.mark(1).await;
    bob.next(&[102]).await;
    storage.hold(true);
    let letter = ann.letter();
    ann.send(letter).await;
    bob.next(&[0]).await;
    let handle = app.hub.open(&app, &DocumentName::new("slow").unwrap());
    let who = Arc::default();
    let mut changes = Box::pin(handle.ask(&who, 0, |reply| Command::Changes {
        since: None,
        root: ROOT.to_owned(),
        unit: Unit::Char,
        client: None,
        cursors: Vec::new(),
        reply,
    }));
    waits(&mut bob, &mut changes).await;
    let request = Request {
        root: ROOT.to_owned(),
        change: Change::Append("y".to_owned()),
        only_at: None,
        key: None,
        digest: None,
        author: Arc::default(),
    };
    let mut edit = Box::pin(handle.ask(&who, 1, |reply| Command::Edit { request, reply }));
    waits(&mut bob, &mut edit).await;
    storage.hold(false);
    let (changes, edit) = (changes.await.unwrap(), edit.await.unwrap());
    assert!(matches!(&changes.since, Since::Text(text) if text == "x"));
    assert_eq!((edit.before, edit.length), (changes.version, 2));
}

#[tokio::test]
async fn who_is_let_in_after_a_doubt_sees_no_edit_with_a_key_before_its_commit() {
    const PEER: u64 = 1 << 40;
    for fails in [false, true] {
        let (app, storage) = server(JournalLimits::default());
        let handle = app.hub.open(&app, &DocumentName::new("slow").unwrap());
        let who = Arc::default();
        let create = |text: &str| {
            let text = text.to_owned();
            handle.ask(&who, 0, |reply| Command::Create { text, reply })
        };
        create("old").await.unwrap();
        let old = handle.ask(&who, 0, Command::State).await.unwrap();
        let only_at = None;
        let deleted = handle.ask(&who, 0, |reply| Command::Delete { only_at, reply });
        deleted.await.unwrap();
        create("new").await.unwrap();
        let (outbox, mut inbox, _signals) = queue(100, 1 << 20);
        let (reply, joined) = tokio::sync::oneshot::channel();
        let wire = document::Wire::plain("y-websocket");
        handle.send(Command::Join {
            peer: PEER,
            outbox,
            wire,
            who: Arc::default(),
            reply,
        });
        joined.await.unwrap().unwrap();
        let says = |frame| Command::Frame {
            peer: PEER,
            frame,
            room: handle.admit(0).ok().unwrap(),
        };
        let mut past = Document::new(1);
        past.apply(&old.update).unwrap();
        let has = past.version().vector.clone();
        handle.send(says(document::Frame::Step1(has)));
        handle.ask(&who, 0, Command::State).await.unwrap();
        assert!(inbox.next_now().is_none(), "it is in doubt");

        // In one breath: the edit, and what lets the peer in.
        if fails {
            storage.fail_next();
        }
        let request = Request {
            root: ROOT.to_owned(),
            change: Change::Append(", more".to_owned()),
            only_at: None,
            digest: None,
            key: Some(Key {
                client: "ann".to_owned(),
                request: "1".to_owned(),
            }),
            author: Arc::default(),
        };
        let edit = handle.ask(&who, 1, |reply| Command::Edit { request, reply });
        let nothing = document::Frame::Step2(vec![0, 0].into());
        let (edited, _) = tokio::join!(edit, async { handle.send(says(nothing)) });
        assert_eq!(edited.is_err(), fails);
        let mut seen = Document::new(2);
        while let Some(frame) = inbox.next_now() {
            if let Ok(protocol::Message::Step2(update) | protocol::Message::Update(update)) =
                protocol::decode(&frame)
            {
                seen.apply(update).unwrap();
            }
        }
        let text = if fails { "" } else { "new, more" };
        assert_eq!(seen.text(ROOT).to_string(), text);
    }
}
