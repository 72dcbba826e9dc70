//! Access that ends while what somebody has asked for waits.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ropewalk::App;
use ropewalk::access::{Access, Denied, Item, PersonId, SessionId, Subject, Target, Who};
use ropewalk::accounts::{Accounts, Actor, Begin, NewPerson, NewToken};
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
use ropewalk::storage::{DocumentId, Storage as _};
use ropewalk_crdt::{Document, Edit, ROOT, Unit, protocol};
use serde_json::{Value, json};
use tower::ServiceExt as _;

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
    // A tab and an editor at least, where there is somebody else's room beside.
    for (most, theirs) in [(12, 3), (8, 2), (7, 2), (3, 2), (2, 1)] {
        let team = team(Config {
            max_connections_per_document: most,
            ..Config::default()
        });
        let name = DocumentName::new("notes").unwrap();
        let handle = team.app.hub.open(&team.app, &name);
        let (_, _, bob) = &team.bob;
        append(&handle, bob, "first").await.unwrap();
        let mut open = Vec::new();
        for peer in 0..theirs {
            open.push(join(&handle, peer, bob, 100).await);
        }
        assert!(open.iter().all(|(joined, ..)| joined.is_ok()), "{most}");
        let (more, ..) = join(&handle, 100, bob, 100).await;
        assert_eq!(more.unwrap_err(), Refused::Full, "{most}");
        let (other, ..) = join(&handle, 101, &team.ada, 100).await;
        assert!(other.is_ok(), "{most}");
    }
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

/// What is answered to an administrator who hands over all that is Bob's.
async fn hand_all_over(app: &Arc<App>, token: &str, to: &str, after: Option<i64>) -> Value {
    let body = match after {
        Some(after) => json!({ "to": to, "after": after }),
        None => json!({ "to": to }),
    };
    let request = axum::extract::Request::post("/api/people/bob/documents")
        .header("host", "127.0.0.1")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()));
    let router = ropewalk::http::router(app.clone());
    let answer = router.oneshot(request.unwrap()).await.unwrap();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 16).await;
    serde_json::from_slice(&body.unwrap()).unwrap()
}

/// Somebody leaves, of whom an administrator hands all over: three documents, the last in the trash. Their numbers, and a token to do it with.
async fn leaves(team: &Team) -> ([DocumentId; 3], String) {
    let Team { app, ada, .. } = team;
    let (bob, _, who) = &team.bob;
    for name in ["one", "two", "gone"] {
        let handle = app.hub.open(app, &DocumentName::new(name).unwrap());
        append(&handle, who, name).await.unwrap();
        if name == "gone" {
            let delete = |reply| Command::Delete {
                only_at: None,
                reply,
            };
            handle.ask(ada, 0, delete).await.unwrap();
        }
    }
    let accounts = app.gate.accounts().unwrap();
    let token = NewToken {
        person: app.gate.rules().signed_in(ada, team.now_ms).unwrap(),
        name: "script".to_owned(),
        access: Access::Own,
        target: Target::Everything,
        expires_at_ms: None,
    };
    let (_, secret) = accounts
        .create_token(&token, &team.by, team.now_ms)
        .unwrap();
    app.gate.look(team.now_ms).unwrap();
    let owned = team.storage.owned(*bob, None, 10).unwrap();
    let ids: Vec<DocumentId> = owned.iter().map(|(entry, _)| entry.id()).collect();
    (ids.try_into().unwrap(), secret.expose().to_owned())
}

/// Does something once the first of them waits for the disk.
async fn meanwhile(team: &Team, does: impl AsyncFnOnce()) {
    while team.storage.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    does().await;
    team.storage.hold(false);
}

#[tokio::test]
async fn all_is_handed_over_by_who_may_until_the_end_and_to_who_can_own_it() {
    for is_demoted in [true, false] {
        let team = team(Config::default());
        let ([first, ..], token) = leaves(&team).await;
        let (app, now_ms) = (&team.app, team.now_ms);
        let accounts = app.gate.accounts().unwrap();
        let add = |login: &str| {
            let person = NewPerson {
                login: login.to_owned(),
                name: login.to_owned(),
                color: None,
                identity: None,
                is_admin: true,
            };
            accounts
                .add_person(&person, None, &team.by, now_ms)
                .unwrap()
        };
        let (eve, ada) = (
            add("eve"),
            app.gate.rules().signed_in(&team.ada, now_ms).unwrap(),
        );
        app.gate.look(now_ms).unwrap();
        team.storage.hold(true);
        let ends = async || {
            match is_demoted {
                true => accounts.set_admin(ada, false, &team.by, now_ms).unwrap(),
                false => accounts.set_disabled(eve, true, &team.by, now_ms).unwrap(),
            }
            app.gate.look(now_ms).unwrap();
        };
        let (answer, ()) = tokio::join!(
            hand_all_over(app, &token, "eve", None),
            meanwhile(&team, ends)
        );
        // What was under way is done; the rest stays whose it was.
        assert_eq!(answer, json!({ "handed": 1, "failed": 0, "next": first.0 }));
        assert_eq!(team.storage.owned(team.bob.0, None, 10).unwrap().len(), 2);
        let refused = hand_all_over(app, &token, "eve", Some(first.0)).await;
        let code = if is_demoted {
            "not_admin"
        } else {
            "no_subject"
        };
        assert_eq!(refused["code"], code);
    }
}

#[tokio::test]
async fn what_takes_long_is_handed_over_in_several_steps() {
    let team = team(Config::default());
    let ([first, ..], token) = leaves(&team).await;
    team.storage.hold(true);
    let waits = async || {
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(10_001)).await;
        tokio::time::resume();
    };
    let (answer, ()) = tokio::join!(
        hand_all_over(&team.app, &token, "ada", None),
        meanwhile(&team, waits)
    );
    assert_eq!(answer, json!({ "handed": 1, "failed": 0, "next": first.0 }));
    let answer = hand_all_over(&team.app, &token, "ada", Some(first.0)).await;
    assert_eq!(answer, json!({ "handed": 2, "failed": 0, "next": null }));
    assert!(team.storage.owned(team.bob.0, None, 10).unwrap().is_empty());
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
