//! A snapshot that is made while the document is deleted and comes back.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use ropewalk::App;
use ropewalk::config::Config;
use ropewalk::document::edit::{Change, Request};
use ropewalk::document::{Command, Handle};
use ropewalk::gate::Gate;
use ropewalk::journal::{Journal, JournalLimits};
use ropewalk::machine::{Host, Machine, Work, Working};
use ropewalk::name::DocumentName;
use ropewalk::storage::memory::Memory;
use ropewalk::storage::{Lookup, Storage as _};
use ropewalk_crdt::ROOT;
use tokio::sync::watch;
use tokio::time::timeout;

/// A machine whose work waits while it is held, but for what is held already.
struct Held(watch::Sender<usize>);

/// Nothing waits; the next work waits; others do not.
const FREE: usize = 0;
const NEXT: usize = 1;
const ONE: usize = 2;

impl Machine for Held {
    fn work(&self, work: Work) -> Working {
        let mut is_held = false;
        self.0.send_if_modified(|state| {
            is_held = *state == NEXT;
            if is_held {
                *state = ONE;
            }
            is_held
        });
        let mut state = self.0.subscribe();
        let working = async move {
            if is_held {
                state.wait_for(|state| *state == FREE).await.unwrap();
            }
            Host.work(work).await;
        };
        Box::pin(working)
    }

    fn random(&self) -> u32 {
        Host.random()
    }

    fn now_ms(&self) -> i64 {
        Host.now_ms()
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(60), wait).await.expect(what);
}

async fn create(handle: &Handle, text: String) {
    let create = |reply| Command::Create { text, reply };
    handle.ask(&Arc::default(), 0, create).await.unwrap();
}

/// As much as is worth a snapshot.
async fn append(handle: &Handle) {
    let request = Request {
        root: ROOT.to_owned(),
        change: Change::Append("more ".repeat(200_000)),
        only_at: None,
        key: None,
        digest: None,
        author: Arc::default(),
    };
    let edit = |reply| Command::Edit { request, reply };
    handle.ask(&Arc::default(), 0, edit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_under_way_keeps_nothing_of_what_comes_back_from_its_own() {
    let storage = Arc::new(Memory::default());
    let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
    let held = Arc::new(Held(watch::Sender::new(FREE)));
    let app = App::new(
        Config::default(),
        storage.clone(),
        journal,
        held.clone(),
        Gate::open(),
    )
    .unwrap();
    let name = DocumentName::new("a").unwrap();
    let handle = app.hub.open(&app, &name);
    // Loaded; from the next work on, which is the check of its snapshot, it takes long.
    let state = handle.ask(&Arc::default(), 0, Command::State).await;
    assert!(state.is_err(), "there is none yet");
    held.0.send_replace(NEXT);
    create(&handle, "word ".repeat(100_000)).await;
    let mut state = held.0.subscribe();
    state.wait_for(|state| *state == ONE).await.unwrap();
    let delete = |reply| Command::Delete {
        only_at: None,
        reply,
    };
    let who = Arc::default();
    let mut deleting = Box::pin(handle.ask(&who, 0, delete));
    assert!((&mut deleting).now_or_never().is_none());
    // The task has it and does nothing else from here on: who counts the snapshot is the task, before it deletes, or after it has.
    until("the task has taken it", || handle.is_quiet()).await;
    held.0.send_replace(FREE);
    deleting.await.unwrap();
    assert_eq!(app.metrics.compactions.get(), 1, "it waits for it");
    let id = storage.trash(None, 1).unwrap()[0].id();
    let restore = |reply| Command::TakeBack { id, reply };
    handle.ask(&who, 0, restore).await.unwrap();
    let is_stored = || {
        let Lookup::Found(stored) = storage.load(&name).unwrap() else {
            panic!("it is not there");
        };
        stored.snapshot.is_some()
    };
    until("the snapshot is stored", is_stored).await;
    // The next one that is due.
    let finished = || app.metrics.compactions.get() + app.metrics.compactions_failed.get();
    let before = finished();
    append(&handle).await;
    until("it is compacted", || finished() > before).await;
    assert_eq!(app.metrics.compactions_failed.get(), 0);
}
