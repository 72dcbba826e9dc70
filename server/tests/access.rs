//! Access that ends while what somebody has sent waits in their document.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use bytes::Bytes;
use ropewalk::App;
use ropewalk::access::{Access, Denied, Who};
use ropewalk::accounts::{Accounts, Actor, Begin, NewPerson};
use ropewalk::config::Config;
use ropewalk::document::edit::{Change, Edited, Key, Request};
use ropewalk::document::peer::queue;
use ropewalk::document::{Command, Frame, Handle, Refused, Wire};
use ropewalk::gate::{Gate, Keys};
use ropewalk::journal::{Journal, JournalLimits};
use ropewalk::machine::{Host, Machine as _};
use ropewalk::name::DocumentName;
use ropewalk::session::Close;
use ropewalk::storage::memory::Memory;
use ropewalk_crdt::{Document, Edit, ROOT, Unit};

const PEER: u64 = 1 << 40;
const WIRE: Wire = Wire {
    name: "y-websocket",
    greets: false,
    echoes: false,
    stateless: false,
    updates: true,
    knows_access: false,
};

/// What an editor sends that somebody types into.
fn letter() -> Bytes {
    let mut document = Document::new(7);
    let edit = Edit {
        from: 0,
        to: 0,
        insert: "x".to_owned(),
    };
    let base = document.version().clone();
    let update = document.edit(&base, ROOT, Unit::Utf16, &[edit]);
    update.unwrap().into()
}

/// More text at the end. With a key it is on disk before anything else is done.
async fn append(handle: &Handle, who: &Arc<Who>, text: &str) -> Result<Edited, Refused> {
    let request = Request {
        root: ROOT.to_owned(),
        change: Change::Append(text.to_owned()),
        only_at: None,
        key: Some(Key {
            client: "script".to_owned(),
            request: text.to_owned(),
        }),
        digest: None,
        author: Arc::default(),
    };
    let edit = |reply| Command::Edit { request, reply };
    handle.ask(who, 0, edit).await
}

#[tokio::test]
async fn access_that_ends_counts_between_commands_that_wait_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(folder.path()).unwrap();
    let (now_ms, by) = (Host.now_ms(), Actor::command_line());
    let add = |login: &str, is_admin| {
        let person = NewPerson {
            login: login.to_owned(),
            name: login.to_owned(),
            color: None,
            identity: None,
            is_admin,
        };
        accounts.add_person(&person, None, &by, now_ms).unwrap()
    };
    let sign_in = |person| {
        let begin = Begin {
            person: Some(person),
            ..Begin::default()
        };
        let (session, _) = accounts.begin_session(&begin, now_ms).unwrap();
        let who = Who {
            session: Some(session),
            ..Who::default()
        };
        (session, Arc::new(who))
    };
    let (_, ada) = sign_in(add("ada", true));
    let (session, who) = sign_in(add("bob", false));
    let keys = Keys::new(b"key", &[]).unwrap();
    let gate = Gate::of(accounts, keys, false, now_ms).unwrap();
    let storage = Arc::new(Memory::default());
    let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
    let host = Arc::new(Host);
    let app = App::new(Config::default(), storage.clone(), journal, host, gate).unwrap();
    let handle = app.hub.open(&app, &DocumentName::new("notes").unwrap());
    append(&handle, &who, "first").await.unwrap();
    let (outbox, _inbox, signals) = queue(100, 1 << 20);
    let (reply, joined) = tokio::sync::oneshot::channel();
    handle.send(Command::Join {
        peer: PEER,
        outbox,
        wire: WIRE,
        who: who.clone(),
        reply,
    });
    assert_eq!(joined.await.unwrap().unwrap(), Access::Own);

    // The disk takes its time with the second, and what comes after waits behind it.
    storage.hold(true);
    let edits = async {
        let nothing = Bytes::from_static(&[0, 0]);
        let third = |reply| Command::Apply {
            update: nothing,
            reply,
        };
        let typed = Command::Frame {
            peer: PEER,
            frame: Frame::Update(letter()),
            room: handle.admit(0).ok().unwrap(),
        };
        tokio::join!(
            append(&handle, &who, "second"),
            handle.ask(&who, 0, third),
            async { handle.send(typed) },
            append(&handle, &who, "fourth")
        )
    };
    let ends = async {
        while app.journal.stats().queued_updates() == 0 {
            tokio::task::yield_now().await;
        }
        let accounts = app.gate.accounts().unwrap();
        accounts.end_session(session, &by, now_ms).unwrap();
        app.gate.look(now_ms).unwrap();
        storage.hold(false);
    };
    let ((second, third, _, fourth), ()) = tokio::join!(edits, ends);
    assert_eq!(second.unwrap().length, 11);
    let denied = Refused::Denied(Denied::NotKnown);
    assert_eq!((third.unwrap_err(), fourth.unwrap_err()), (denied, denied));
    assert_eq!(signals.end(), Close::from(denied));
    let text = |reply| Command::Text {
        root: ROOT.to_owned(),
        reply,
    };
    let text = handle.ask(&ada, 0, text).await.unwrap();
    assert_eq!(text.rope.to_string(), "firstsecond");
}
