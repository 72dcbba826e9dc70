#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::config::Config;
use crate::gate::Gate;
use crate::journal::{Journal, JournalLimits};
use crate::machine::Host;
use crate::search::Search;
use crate::storage::memory::Memory;
use crate::storage::{Append, Record, Storage as _};

struct World {
    folder: TempDir,
    storage: Arc<Memory>,
    app: Arc<App>,
    indexer: Indexer,
    _hinted: Receiver<DocumentName>,
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
        let id = self.storage.allocate();
        let append = Append {
            id,
            create: Some(DocumentName::new(name).unwrap().into()),
            first_sequence: 1,
            updates: vec![Record::anonymous(Vec::new(), 7)],
            length: 0,
            edited_at_ms: 7,
            past: None,
            receipts: Vec::new(),
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
