//! Access that ends while what somebody has sent waits in their document.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use bytes::Bytes;
use ropewalk::App;
use ropewalk::access::{Access, Denied, Item, PersonId, SessionId, Subject, Target, Who};
use ropewalk::accounts::{Accounts, Actor, Begin, NewPerson};
use ropewalk::config::Config;
use ropewalk::document::edit::{Change, Edited, Key, Request};
use ropewalk::document::peer::{Inbox, PeerId, Signals, queue};
use ropewalk::document::{Command, Frame, Handle, Refused, Wire};
use ropewalk::gate::{Gate, Keys};
use ropewalk::journal::{Journal, JournalLimits};
use ropewalk::machine::{Host, Machine as _};
use ropewalk::name::DocumentName;
use ropewalk::session::Close;
use ropewalk::storage::memory::Memory;
use ropewalk_crdt::{Document, Edit, ROOT, Unit, protocol};

const PEER: u64 = 1 << 40;

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

/// A team of an administrator and somebody who was invited, and sessions of both.
struct Team {
    app: Arc<App>,
    storage: Arc<Memory>,
    by: Actor,
    now_ms: i64,
    ada: Arc<Who>,
    bob: (PersonId, SessionId, Arc<Who>),
    _folder: tempfile::TempDir,
}

fn team(config: Config) -> Team {
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
    let bob = add("bob", false);
    let (session, who) = sign_in(bob);
    let keys = Keys::new(b"key", &[]).unwrap();
    let gate = Gate::of(accounts, keys, false, now_ms).unwrap();
    let storage = Arc::new(Memory::default());
    let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
    let app = App::new(config, storage.clone(), journal, Arc::new(Host), gate).unwrap();
    Team {
        app,
        storage,
        by,
        now_ms,
        ada,
        bob: (bob, session, who),
        _folder: folder,
    }
}

async fn join(
    handle: &Handle,
    peer: PeerId,
    who: &Arc<Who>,
    frames: usize,
) -> (Result<Access, Refused>, Inbox, Signals) {
    let (outbox, inbox, signals) = queue(frames, 1 << 20);
    let (reply, joined) = tokio::sync::oneshot::channel();
    handle.send(Command::Join {
        peer,
        outbox,
        wire: Wire {
            knows_access: true,
            ..Wire::plain("y-websocket")
        },
        who: who.clone(),
        reply,
    });
    (joined.await.unwrap(), inbox, signals)
}

#[tokio::test]
async fn nobody_keeps_everybody_else_out_of_a_document() {
    let team = team(Config {
        max_connections_per_document: 8,
        ..Config::default()
    });
    let handle = team
        .app
        .hub
        .open(&team.app, &DocumentName::new("notes").unwrap());
    let (_, _, bob) = &team.bob;
    append(&handle, bob, "first").await.unwrap();
    let mut open = Vec::new();
    for peer in 0..2 {
        open.push(join(&handle, peer, bob, 100).await);
    }
    assert!(open.iter().all(|(joined, ..)| joined.is_ok()));
    let (third, ..) = join(&handle, 3, bob, 100).await;
    assert_eq!(third.unwrap_err(), Refused::Full);
    let (other, ..) = join(&handle, 4, &team.ada, 100).await;
    assert!(other.is_ok());
}

#[tokio::test]
async fn who_may_edit_since_they_read_no_more_hears_it_when_they_do_and_is_asked() {
    let team = team(Config::default());
    let name = DocumentName::new("notes").unwrap();
    let handle = team.app.hub.open(&team.app, &name);
    append(&handle, &team.ada, "first").await.unwrap();
    let (bob, _, who) = &team.bob;
    let accounts = team.app.gate.accounts().unwrap();
    let item = Item::from(Target::Document(name));
    let give = |access| {
        let whom = Subject::Person(*bob);
        let given = accounts.set_grant(&item, whom, access, &team.by, team.now_ms);
        given.unwrap();
        team.app.gate.look(team.now_ms).unwrap();
    };
    give(Access::Read);
    let (joined, mut inbox, _signals) = join(&handle, PEER, who, 1).await;
    assert_eq!(joined.unwrap(), Access::Read);
    append(&handle, &team.ada, "second").await.unwrap();
    append(&handle, &team.ada, "third").await.unwrap();
    give(Access::Edit);
    // All that comes before is done when this is.
    append(&handle, &team.ada, "fourth").await.unwrap();
    while inbox.next_now().is_some() {}
    assert!(inbox.caught_up());
    handle.send(Command::CaughtUp(PEER));
    append(&handle, &team.ada, "fifth").await.unwrap();
    let frames: Vec<Bytes> = std::iter::from_fn(|| inbox.next_now()).collect();
    assert!(
        frames.contains(&protocol::access(true).into()),
        "{frames:?}"
    );
    assert!(
        frames.iter().any(|frame| frame.starts_with(&[0, 0])),
        "{frames:?}"
    );
}

#[tokio::test]
async fn access_that_ends_counts_between_commands_that_wait_side_by_side() {
    let team = team(Config::default());
    let (app, storage, ada) = (&team.app, &team.storage, &team.ada);
    let (_, session, who) = &team.bob;
    let handle = app.hub.open(app, &DocumentName::new("notes").unwrap());
    append(&handle, who, "first").await.unwrap();
    let (joined, _inbox, signals) = join(&handle, PEER, who, 100).await;
    assert_eq!(joined.unwrap(), Access::Own);

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
            append(&handle, who, "second"),
            handle.ask(who, 0, third),
            async { handle.send(typed) },
            append(&handle, who, "fourth")
        )
    };
    let ends = async {
        while app.journal.stats().queued_updates() == 0 {
            tokio::task::yield_now().await;
        }
        let accounts = app.gate.accounts().unwrap();
        accounts
            .end_session(*session, &team.by, team.now_ms)
            .unwrap();
        app.gate.look(team.now_ms).unwrap();
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
    let text = handle.ask(ada, 0, text).await.unwrap();
    assert_eq!(text.rope.to_string(), "firstsecond");
}

#[tokio::test]
async fn whoever_waits_where_somebody_else_begins_a_document_sees_nothing_of_it() {
    for is_keyed in [false, true] {
        let team = team(Config::default());
        let name = DocumentName::new("notes").unwrap();
        let handle = team.app.hub.open(&team.app, &name);
        let (joined, mut inbox, signals) = join(&handle, PEER, &team.bob.2, 100).await;
        assert_eq!(joined.unwrap(), Access::Edit);
        while inbox.next_now().is_some() {}
        if is_keyed {
            append(&handle, &team.ada, "words").await.unwrap();
        } else {
            let text = "words".to_owned();
            let create = |reply| Command::Create { text, reply };
            handle.ask(&team.ada, 0, create).await.unwrap();
        }
        assert_eq!(signals.end(), Close::NOT_ALLOWED);
        assert_eq!(inbox.next_now(), None);
    }
}

#[tokio::test]
async fn access_that_ends_while_an_edit_is_written_ends_before_it_is_shown() {
    let team = team(Config::default());
    let (app, storage) = (&team.app, &team.storage);
    let handle = app.hub.open(app, &DocumentName::new("notes").unwrap());
    let (_, session, bob) = &team.bob;
    append(&handle, bob, "first").await.unwrap();
    let (joined, mut inbox, signals) = join(&handle, PEER, bob, 100).await;
    assert_eq!(joined.unwrap(), Access::Own);
    while inbox.next_now().is_some() {}
    storage.hold(true);
    let ends = async {
        while app.journal.stats().queued_updates() == 0 {
            tokio::task::yield_now().await;
        }
        let accounts = app.gate.accounts().unwrap();
        accounts
            .end_session(*session, &team.by, team.now_ms)
            .unwrap();
        app.gate.look(team.now_ms).unwrap();
        storage.hold(false);
    };
    let (second, ()) = tokio::join!(append(&handle, &team.ada, "second"), ends);
    assert!(second.is_ok());
    assert_eq!(signals.end(), Close::NOT_KNOWN);
    assert_eq!(inbox.next_now(), None);
}
