#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::config::Config;
use crate::gate::Gate;
use crate::journal::{Journal, JournalLimits};
use crate::machine::Host;
use crate::search::Search;
use crate::storage::memory::{Broken, Memory};
use crate::storage::{Append, Record, Storage as _};

struct World {
    folder: TempDir,
    storage: Arc<Memory>,
    app: Arc<App>,
    indexer: Indexer,
    _hinted: Receiver<Hint>,
}

impl World {
    fn new(below: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(Memory::default());
        let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
        let (config, host) = (Config::default(), Arc::new(Host));
        let app = App::new(config, storage.clone(), journal, host, Gate::open()).unwrap();
        let place = folder.path().join(below);
        let (search, hinted) = Search::new(place.clone());
        app.search.set(search).unwrap();
        Self {
            indexer: Indexer::new(Arc::downgrade(&app), place),
            folder,
            storage,
            app,
            _hinted: hinted,
        }
    }

    fn create(&self, name: &str) -> DocumentId {
        self.create_at(name, 7)
    }

    fn create_at(&self, name: &str, at_ms: i64) -> DocumentId {
        let id = self.storage.allocate();
        let append = Append {
            id,
            create: Some(DocumentName::new(name).unwrap().into()),
            first_sequence: 1,
            updates: vec![Record::anonymous(Vec::new(), at_ms)],
            length: 0,
            edited_at_ms: at_ms,
            past: None,
            receipts: Vec::new(),
            forgotten: Vec::new(),
            wrote: Vec::new(),
        };
        assert_eq!(self.storage.append(&[append]).unwrap(), []);
        id
    }

    /// At once, whatever failed before.
    fn step(&mut self) {
        self.indexer.backoff.skip();
        assert!(self.indexer.step(&self.app).is_continue());
    }

    fn is_complete(&self) -> bool {
        self.app.search.get().unwrap().is_complete()
    }

    fn failures(&self) -> u64 {
        self.app.metrics.search_failed.get()
    }
}

#[test]
fn what_fails_is_not_tried_all_the_time_and_goes_on_when_it_can() {
    let mut world = World::new("missing");
    world.create("a");
    world.step();
    assert_eq!((world.failures(), world.is_complete()), (1, false));
    for _ in 0..9 {
        assert!(world.indexer.step(&world.app).is_continue());
    }
    assert_eq!(world.failures(), 1, "it waits");
    world.step();
    assert_eq!(world.failures(), 2);
    std::fs::create_dir(world.folder.path().join("missing")).unwrap();
    world.step();
    assert_eq!((world.failures(), world.is_complete()), (2, true));
    // So with storage.
    world.storage.fail(true);
    world.indexer.compared = None;
    world.step();
    assert!(world.indexer.step(&world.app).is_continue());
    assert_eq!((world.failures(), world.is_complete()), (3, false));
    world.storage.fail(false);
    world.step();
    assert!(world.is_complete());
}

#[test]
fn only_damage_costs_the_index() {
    let mut world = World::new("");
    let id = world.create("a");
    world.step();
    let mut fail = |code| {
        let error = rusqlite::ffi::Error::new(code);
        let failure = Failure::Index(rusqlite::Error::SqliteFailure(error, None));
        world.indexer.failed(&world.app, &failure);
        // What storage says is put into the index again only if it is not there.
        world.step();
        assert!(world.is_complete());
        world.app.metrics.search_indexed.get()
    };
    for passes in [
        rusqlite::ffi::SQLITE_FULL,
        rusqlite::ffi::SQLITE_BUSY,
        rusqlite::ffi::SQLITE_IOERR_WRITE,
        rusqlite::ffi::SQLITE_CANTOPEN,
        rusqlite::ffi::SQLITE_READONLY,
    ] {
        assert_eq!(fail(passes), 1, "{passes}");
    }
    assert_eq!(fail(rusqlite::ffi::SQLITE_CORRUPT_VTAB), 2);
    assert_eq!(fail(rusqlite::ffi::SQLITE_NOTADB), 3);
    let index = world.indexer.index.as_ref().unwrap();
    assert!(index.place(id).unwrap().is_some());
}

#[test]
fn a_panic_ends_nothing() {
    let mut world = World::new("");
    world.create("a");
    world.step();
    assert!(world.is_complete());
    world.create("b");
    world.indexer.compared = None;
    world.storage.panic_next();
    world.step();
    assert_eq!((world.failures(), world.is_complete()), (1, false));
    world.step();
    assert!(world.is_complete());
    assert_eq!(world.app.metrics.search_indexed.get(), 2);
}

#[test]
fn a_document_that_cannot_be_read_keeps_no_other_from_being_found() {
    for how in [Broken::Fails, Broken::Panics] {
        let mut world = World::new("");
        let [first, bad] = ["first", "bad"].map(|name| world.create(name));
        let name = DocumentName::new("bad").unwrap();
        world.storage.break_at(&name, Some(how));
        let has = |world: &World, id| {
            let index = world.indexer.index.as_ref().unwrap();
            index.place(id).unwrap().is_some()
        };
        world.step();
        assert!(has(&world, first) && !has(&world, bad), "{how:?}");
        // What comes after it, and what is told of, too.
        let second = world.create("second");
        world.indexer.compared = None;
        world.indexer.hinted.push(Hint::Gone(first));
        world.step();
        assert!(!has(&world, first) && has(&world, second), "{how:?}");
        assert_eq!(world.failures(), 2, "{how:?}");
        // It is not forgotten,
        let long_ago = Instant::now() - 4 * LATEST;
        let pending = world.indexer.pending.get_mut(&bad).unwrap();
        let rests_until = pending.rests_until.unwrap();
        assert!(rests_until > Instant::now() + AGAIN / 2, "{how:?}");
        (pending.first, pending.rests_until) = (long_ago, None);
        world.step();
        assert_eq!((world.failures(), world.is_complete()), (3, false));
        // not tried all the time,
        world.step();
        assert_eq!(world.failures(), 3, "{how:?}");
        // and in the index as soon as it can be read.
        world.storage.break_at(&name, None);
        let pending = world.indexer.pending.get_mut(&bad).unwrap();
        assert_eq!(pending.first, long_ago, "{how:?}");
        pending.rests_until = None;
        world.step();
        assert!(has(&world, bad) && world.is_complete(), "{how:?}");
    }
}

#[test]
fn what_is_edited_after_a_clock_was_ahead_is_found() {
    let mut world = World::new("");
    let now_ms = world.app.machine.now_ms();
    let minute_ms = 60_000;
    world.create_at("long ago", now_ms - 5 * minute_ms);
    world.create_at("tomorrow", now_ms + 24 * 60 * minute_ms);
    world.step();
    // The clock has been set back; what is written from then on is looked at.
    let long_ago = world.create_at("long ago, and not told of", now_ms - 5 * minute_ms);
    let new = world.create_at("new", world.app.machine.now_ms());
    world.indexer.commits = None;
    world.step();
    let is_seen = |id| world.indexer.pending.contains_key(&id);
    assert!(is_seen(new) && !is_seen(long_ago));
    // However long the look before took.
    let before = world.create_at("while it looked", now_ms - 5 * minute_ms);
    world.indexer.looked = Instant::now() - Duration::from_secs(10 * 60);
    world.indexer.commits = None;
    world.step();
    assert!(world.indexer.pending.contains_key(&before));
}

#[test]
fn what_there_is_no_room_to_tell_of_is_forgotten_too() {
    let mut world = World::new("");
    let [gone, kept] = ["gone", "kept"].map(|name| world.create(name));
    world.step();
    let has = |world: &World, id| {
        let index = world.indexer.index.as_ref().unwrap();
        index.place(id).unwrap().is_some()
    };
    assert!(has(&world, gone) && has(&world, kept));
    let vector = ropewalk_crdt::VersionVector::new();
    let past = crate::storage::Past {
        stamp: None,
        vector,
    };
    assert!(world.storage.delete(gone, 8, &past).unwrap());
    let search = world.app.search.get().unwrap();
    for _ in 0..MAX_HINTS {
        search.hint(&DocumentName::new("kept").unwrap());
    }
    search.forget(gone);
    world.step();
    assert!(!has(&world, gone) && has(&world, kept));
}
