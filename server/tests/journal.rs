//! What the journal promises: order, group commit, honest acknowledgement, and what happens when storage fails.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use ropewalk::access::PersonId;
use ropewalk::journal::{Durable, Entry, Journal, JournalError, JournalLimits};
use ropewalk::name::DocumentName;
use ropewalk::storage::memory::Memory;
use ropewalk::storage::sqlite::{FILE, Sqlite};
use ropewalk::storage::{
    Append, Aside, Compaction, Discard, DocumentId, Due, Lineage, Lookup, Pack, Past, Position,
    Receipt, Record, Salvage, Storage, StorageError, Stored, Stray, Trashed, Visit, Wrote,
};
use tokio::sync::watch;

/// The writing side of one document, as a document's task keeps it.
struct Writer {
    journal: Journal,
    epoch: u64,
    id: DocumentId,
    name: DocumentName,
    sequence: u64,
    durable: watch::Sender<Durable>,
    heard: watch::Receiver<Durable>,
}

impl Writer {
    fn new(journal: &Journal, storage: &dyn Storage, name: &str) -> Self {
        let (durable, heard) = watch::channel(Durable::Through(0));
        Self {
            journal: journal.clone(),
            epoch: journal.epoch(),
            id: storage.allocate(),
            name: DocumentName::new(name).unwrap(),
            sequence: 0,
            durable,
            heard,
        }
    }

    fn entry(&mut self) -> Entry {
        self.sequence += 1;
        Entry {
            epoch: self.epoch,
            id: self.id,
            create: (self.sequence == 1).then(|| Box::new(self.name.clone().into())),
            sequence: self.sequence,
            update: Some(format!("{} {}", self.name, self.sequence).into()),
            author: Arc::default(),
            length: self.sequence,
            edited_at_ms: self.sequence as i64,
            past: None,
            receipt: None,
            forgotten: Vec::new(),
            wrote: Vec::new(),
            durable: self.durable.clone(),
        }
    }

    async fn write(&mut self) -> Result<(), JournalError> {
        let entry = self.entry();
        self.journal.append(entry).await
    }

    /// Waits until everything written is on disk, or nothing more will be.
    async fn decided(&mut self) -> Durable {
        let sequence = self.sequence;
        let decided = |durable: &Durable| match durable {
            Durable::Through(through) => *through >= sequence,
            Durable::Failed => true,
        };
        *self.heard.wait_for(decided).await.unwrap()
    }

    fn now(&self) -> Durable {
        *self.heard.borrow()
    }

    fn stored(&self, storage: &dyn Storage) -> Option<Stored> {
        match storage.load(&self.name).unwrap() {
            Lookup::Found(stored) => Some(stored),
            Lookup::Absent | Lookup::Deleted => None,
        }
    }

    fn assert_stored(&self, storage: &dyn Storage, sequence: u64) {
        let stored = self.stored(storage).unwrap();
        let expected: Vec<_> = (1..=sequence)
            .map(|i| format!("{} {i}", self.name))
            .collect();
        assert_eq!(
            stored.updates,
            expected.iter().map(String::as_bytes).collect::<Vec<_>>()
        );
        assert_eq!(stored.sequence, sequence);
    }
}

fn memory(limits: JournalLimits) -> (Arc<Memory>, Journal) {
    let storage = Arc::new(Memory::default());
    let journal = Journal::start(storage.clone(), limits).unwrap();
    (storage, journal)
}

fn sqlite(folder: &Path) -> (Arc<Sqlite>, Journal) {
    let storage = Arc::new(Sqlite::open(folder).unwrap());
    let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
    (storage, journal)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn what_waits_is_committed_together() {
    let (storage, journal) = memory(JournalLimits::default());
    storage.hold(true);
    let mut writers: Vec<_> = (0..50)
        .map(|i| Writer::new(&journal, &*storage, &format!("d{i}")))
        .collect();
    for _ in 0..20 {
        for writer in &mut writers {
            writer.write().await.unwrap();
        }
    }
    assert_eq!(journal.stats().queued_updates(), 1000);
    assert_eq!(writers[0].now(), Durable::Through(0));
    storage.hold(false);
    for writer in &mut writers {
        assert_eq!(writer.decided().await, Durable::Through(20));
        writer.assert_stored(&*storage, 20);
    }
    journal.flush().await;
    assert_eq!(journal.stats().committed_updates(), 1000);
    assert!(
        journal.stats().commits() <= 3,
        "{} commits",
        journal.stats().commits()
    );
    assert_eq!(journal.stats().commits(), storage.commits());
    until("the queue is empty", || {
        journal.stats().queued_updates() == 0
    })
    .await;
    assert_eq!(journal.stats().queued_bytes(), 0);
}

#[tokio::test]
async fn a_batch_has_limits() {
    let limits = JournalLimits {
        batch_updates: 10,
        ..JournalLimits::default()
    };
    let (storage, journal) = memory(limits);
    storage.hold(true);
    let mut writer = Writer::new(&journal, &*storage, "a");
    for _ in 0..101 {
        writer.write().await.unwrap();
    }
    storage.hold(false);
    assert_eq!(writer.decided().await, Durable::Through(101));
    assert!(
        (11..=12).contains(&storage.commits()),
        "{} commits",
        storage.commits()
    );
    writer.assert_stored(&*storage, 101);

    let limits = JournalLimits {
        batch_bytes: 100,
        ..JournalLimits::default()
    };
    let (storage, journal) = memory(limits);
    storage.hold(true);
    let mut writer = Writer::new(&journal, &*storage, "a");
    for length in [60, 60, 500, 10, 10, 60] {
        let entry = Entry {
            update: Some(vec![1; length].into()),
            ..writer.entry()
        };
        journal.append(entry).await.unwrap();
    }
    storage.hold(false);
    assert_eq!(writer.decided().await, Durable::Through(6));
    assert_eq!(storage.commits(), 4, "60 | 60 | 500 | 10 10 60");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_keeps_its_order_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, journal) = sqlite(folder.path());
    let tasks: Vec<_> = (0..20)
        .map(|i| {
            let mut writer = Writer::new(&journal, &*storage, &format!("d{i}"));
            tokio::spawn(async move {
                for round in 0..200 {
                    writer.write().await.unwrap();
                    if round % 50 == i {
                        writer.decided().await;
                    }
                }
                writer.decided().await;
                writer
            })
        })
        .collect();
    for task in tasks {
        let writer = task.await.unwrap();
        assert_eq!(writer.now(), Durable::Through(200));
        writer.assert_stored(&*storage, 200);
    }
    let stats = journal.stats();
    assert_eq!(stats.committed_updates(), 4000);
    assert!(stats.commits() < 1000, "{} commits", stats.commits());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_before_another_reader_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, journal) = sqlite(folder.path());
    let mut writer = Writer::new(&journal, &*storage, "a");
    let mut heard = writer.heard.clone();
    let file = folder.path().join(FILE);
    let (begun, begins) = tokio::sync::oneshot::channel();
    let mut begun = Some(begun);
    let reader = tokio::task::spawn_blocking(move || {
        let connection = rusqlite::Connection::open(file).unwrap();
        let mut checks = 0;
        let handle = tokio::runtime::Handle::current();
        loop {
            let Durable::Through(through) = *heard.borrow_and_update() else {
                panic!("failed")
            };
            let stored: u64 = connection
                .query_row(
                    "SELECT coalesce(max(last_sequence), 0) FROM log",
                    [],
                    |row| row.get::<_, i64>(0),
                )
                .unwrap()
                .try_into()
                .unwrap();
            assert!(through <= stored, "{through} acknowledged, {stored} stored");
            checks += 1;
            begun.take().map(|begun| begun.send(()));
            if through == 500 {
                return checks;
            }
            handle.block_on(heard.changed()).unwrap();
        }
    });
    begins.await.unwrap();
    for _ in 0..500 {
        writer.write().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(writer.decided().await, Durable::Through(500));
    assert!(reader.await.unwrap() > 1);
}

#[tokio::test]
async fn a_failure_acknowledges_nothing_and_begins_a_new_epoch() {
    let (storage, journal) = memory(JournalLimits {
        batch_updates: 3,
        ..JournalLimits::default()
    });
    let mut saved = Writer::new(&journal, &*storage, "saved");
    saved.write().await.unwrap();
    assert_eq!(saved.decided().await, Durable::Through(1));
    until("the queue is empty", || {
        journal.stats().queued_updates() == 0
    })
    .await;

    storage.hold(true);
    let mut writers: Vec<_> = (0..10)
        .map(|i| Writer::new(&journal, &*storage, &format!("d{i}")))
        .collect();
    for _ in 0..3 {
        for writer in writers.iter_mut().chain([&mut saved]) {
            writer.write().await.unwrap();
        }
    }
    let compaction = Compaction {
        id: saved.id,
        generation: 0,
        through: 1,
        snapshot: vec![1],
        packs: storage.pack(saved.id, 1).unwrap(),
        keep_from_ms: None,
        salvaged: None,
    };
    let (compaction, deletion, probe) = (
        tokio::spawn({
            let journal = journal.clone();
            async move { journal.compact(1, compaction).await }
        }),
        tokio::spawn({
            let (journal, id) = (journal.clone(), saved.id);
            async move { journal.delete(1, id, 0, Past::default()).await }
        }),
        tokio::spawn({
            let journal = journal.clone();
            async move { journal.probe().await }
        }),
    );
    let queued = journal.stats().queued_updates();
    until("they are queued", || {
        journal.stats().queued_updates() == queued + 2
    })
    .await;
    storage.fail(true);
    storage.hold(false);
    for writer in writers.iter_mut().chain([&mut saved]) {
        assert_eq!(writer.decided().await, Durable::Failed);
    }
    assert_eq!(compaction.await.unwrap(), Err(JournalError::Failed));
    assert_eq!(deletion.await.unwrap(), Err(JournalError::Failed));
    assert_eq!(probe.await.unwrap(), Err(JournalError::Failed));
    assert!(!journal.healthy());
    assert_eq!(journal.epoch(), 1);
    assert_eq!(journal.probe().await, Err(JournalError::Failed));
    let mut during = Writer::new(&journal, &*storage, "during");
    assert_eq!(during.write().await, Err(JournalError::Failed));
    assert_eq!(during.decided().await, Durable::Failed);
    journal.flush().await;

    storage.fail(false);
    until("it works again", || journal.healthy()).await;
    assert_eq!(journal.epoch(), 2);
    assert_eq!(journal.stats().failures(), 1);
    assert_eq!(journal.stats().queued_updates(), 0);
    saved.assert_stored(&*storage, 1);
    for writer in &mut writers {
        assert!(writer.stored(&*storage).is_none());
        assert_eq!(
            writer.write().await,
            Err(JournalError::Failed),
            "of the old epoch"
        );
        assert_eq!(writer.now(), Durable::Failed);
    }
    assert_eq!(
        journal.delete(1, saved.id, 0, Past::default()).await,
        Err(JournalError::Failed),
        "of the old epoch"
    );
    let mut after = Writer::new(&journal, &*storage, "after");
    after.write().await.unwrap();
    assert_eq!(after.decided().await, Durable::Through(1));
    journal.probe().await.unwrap();
}

#[tokio::test]
async fn what_a_failed_commit_was_stays_unacknowledged_even_when_later_ones_succeed() {
    let (storage, journal) = memory(JournalLimits {
        batch_updates: 1,
        ..JournalLimits::default()
    });
    let mut writer = Writer::new(&journal, &*storage, "a");
    storage.fail_next();
    storage.hold(true);
    writer.write().await.unwrap();
    writer.write().await.unwrap();
    storage.hold(false);
    assert_eq!(writer.decided().await, Durable::Failed);
    journal.flush().await;
    assert!(
        writer.stored(&*storage).is_none(),
        "the second was written after the first had failed"
    );
    until("it works again", || journal.healthy()).await;
    assert_eq!(writer.now(), Durable::Failed);
}

#[tokio::test]
async fn one_documents_mistake_fails_only_that_document() {
    let (storage, journal) = memory(JournalLimits::default());
    let (mut good, mut bad) = (
        Writer::new(&journal, &*storage, "good"),
        Writer::new(&journal, &*storage, "bad"),
    );
    storage.hold(true);
    for _ in 0..2 {
        good.write().await.unwrap();
        bad.write().await.unwrap();
    }
    // In the same batch and in the next: what follows a hole must not be written.
    bad.sequence += 1;
    bad.write().await.unwrap();
    bad.write().await.unwrap();
    good.write().await.unwrap();
    storage.hold(false);
    assert_eq!(good.decided().await, Durable::Through(3));
    assert_eq!(bad.decided().await, Durable::Failed);
    let _ = bad.write().await;
    journal.flush().await;
    assert_eq!(bad.now(), Durable::Failed);
    assert!(journal.healthy());
    assert_eq!(journal.epoch(), 1);
    bad.assert_stored(&*storage, 2);
    good.assert_stored(&*storage, 3);

    let mut deleted = good;
    assert!(
        journal
            .delete(1, deleted.id, 0, Past::default())
            .await
            .unwrap()
    );
    deleted.write().await.unwrap();
    assert_eq!(deleted.decided().await, Durable::Failed);
    assert!(journal.healthy());
}

#[tokio::test]
async fn a_full_queue_makes_writers_wait() {
    let (storage, journal) = memory(JournalLimits {
        queue_updates: 10,
        ..JournalLimits::default()
    });
    storage.hold(true);
    let mut writer = Writer::new(&journal, &*storage, "a");
    for _ in 0..10 {
        writer
            .write()
            .now_or_never()
            .expect("there is room")
            .unwrap();
    }
    let mut waiting = Box::pin(journal.append(writer.entry()));
    assert!(
        (&mut waiting).now_or_never().is_none(),
        "the eleventh must wait"
    );
    storage.hold(false);
    waiting.await.unwrap();
    assert_eq!(writer.decided().await, Durable::Through(11));

    let (storage, journal) = memory(JournalLimits {
        queue_bytes: 1000,
        ..JournalLimits::default()
    });
    storage.hold(true);
    let mut writer = Writer::new(&journal, &*storage, "a");
    let sized = |entry: Entry, length| Entry {
        update: Some(vec![1; length].into()),
        ..entry
    };
    journal
        .append(sized(writer.entry(), 999))
        .now_or_never()
        .unwrap()
        .unwrap();
    let with_author = Entry {
        wrote: vec![Wrote {
            client: 9,
            clock: 0,
            person: None,
            is_relayed: false,
        }],
        ..sized(writer.entry(), 1)
    };
    let mut waiting = Box::pin(journal.append(with_author));
    assert!(
        (&mut waiting).now_or_never().is_none(),
        "its bytes must wait"
    );
    storage.hold(false);
    waiting.await.unwrap();
    // One that is larger than the queue waits until it is alone, and then goes.
    journal.append(sized(writer.entry(), 5000)).await.unwrap();
    assert_eq!(writer.decided().await, Durable::Through(3));
}

#[tokio::test]
async fn a_failure_lets_waiting_writers_go() {
    let (storage, journal) = memory(JournalLimits {
        queue_updates: 2,
        ..JournalLimits::default()
    });
    storage.hold(true);
    let tasks: Vec<_> = (0..20)
        .map(|i| {
            let mut writer = Writer::new(&journal, &*storage, &format!("d{i}"));
            tokio::spawn(async move {
                let _ = writer.write().await;
                writer.decided().await
            })
        })
        .collect();
    until("the queue is full", || {
        journal.stats().queued_updates() == 2
    })
    .await;
    storage.fail(true);
    storage.hold(false);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Durable::Failed);
    }
    storage.fail(false);
    until("it works again", || journal.healthy()).await;
}

#[tokio::test]
async fn compaction_and_deletion_come_in_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, journal) = sqlite(folder.path());
    let mut writer = Writer::new(&journal, &*storage, "a");
    for _ in 0..3 {
        writer.write().await.unwrap();
    }
    journal.flush().await;
    let packs = storage.pack(writer.id, 3).unwrap();
    let compaction = |through| Compaction {
        id: writer.id,
        generation: 0,
        through,
        snapshot: vec![9; 9],
        packs: packs.clone(),
        keep_from_ms: None,
        salvaged: None,
    };
    assert!(journal.compact(1, compaction(3)).await.unwrap());
    assert!(
        !journal.compact(1, compaction(3)).await.unwrap(),
        "another generation"
    );
    writer.write().await.unwrap();
    assert_eq!(writer.decided().await, Durable::Through(4));
    let stored = writer.stored(&*storage).unwrap();
    assert_eq!(stored.updates, [b"a 4"]);
    assert_eq!((stored.generation, stored.snapshot), (1, Some(vec![9; 9])));

    writer.write().await.unwrap();
    assert!(
        journal
            .delete(1, writer.id, 7, Past::default())
            .await
            .unwrap()
    );
    assert_eq!(writer.now(), Durable::Through(5));
    assert!(
        !journal
            .delete(1, writer.id, 7, Past::default())
            .await
            .unwrap()
    );
    assert!(matches!(
        storage.load(&writer.name).unwrap(),
        Lookup::Deleted
    ));
}

#[tokio::test]
async fn a_bare_creation_takes_a_place_and_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, journal) = sqlite(folder.path());
    let mut writer = Writer::new(&journal, &*storage, "a");
    let bare = Entry {
        update: None,
        ..writer.entry()
    };
    journal.append(bare).await.unwrap();
    assert_eq!(writer.decided().await, Durable::Through(1));
    assert_eq!(writer.stored(&*storage).unwrap().updates.len(), 0);
    writer.write().await.unwrap();
    assert_eq!(writer.decided().await, Durable::Through(2));
    assert_eq!(writer.stored(&*storage).unwrap().updates, [b"a 2"]);
}

#[tokio::test]
async fn shutdown_writes_what_is_queued_and_closes() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, journal) = sqlite(folder.path());
    let mut writer = Writer::new(&journal, &*storage, "a");
    for _ in 0..1000 {
        writer.write().await.unwrap();
    }
    journal.clone().shutdown().await.unwrap();
    assert_eq!(writer.now(), Durable::Through(1000));
    let journal_file = folder.path().join("ropewalk.db-wal");
    assert!(!journal_file.exists() || std::fs::metadata(journal_file).unwrap().len() == 0);

    assert_eq!(writer.write().await.unwrap_err(), JournalError::Failed);
    assert_eq!(writer.now(), Durable::Failed);
    assert_eq!(journal.probe().await, Err(JournalError::Failed));
    assert_eq!(
        journal.delete(1, writer.id, 0, Past::default()).await,
        Err(JournalError::Stopped)
    );
    journal.flush().await;
    assert_eq!(journal.clone().shutdown().await, Err(JournalError::Stopped));
    drop(storage);
    let again = Sqlite::open(folder.path()).unwrap();
    writer.assert_stored(&again, 1000);
}

#[tokio::test]
async fn shutdown_with_broken_storage_says_so_and_ends() {
    let (storage, journal) = memory(JournalLimits::default());
    let mut writer = Writer::new(&journal, &*storage, "a");
    storage.fail(true);
    writer.write().await.unwrap();
    assert_eq!(writer.decided().await, Durable::Failed);
    assert_eq!(journal.shutdown().await, Err(JournalError::Failed));
}

#[tokio::test]
async fn an_entry_that_nobody_can_write_any_more_has_failed() {
    let (storage, journal) = memory(JournalLimits::default());
    let mut writer = Writer::new(&journal, &*storage, "a");
    storage.hold(true);
    writer.write().await.unwrap();
    let stopping = tokio::spawn(journal.clone().shutdown());
    // Lets the shutdown be queued; what comes after it is behind the end.
    tokio::task::yield_now().await;
    writer.write().await.unwrap();
    storage.hold(false);
    stopping.await.unwrap().unwrap();
    assert_eq!(writer.decided().await, Durable::Failed);
    storage.reopen().unwrap();
    writer.assert_stored(&*storage, 1);
}

/// Storage with a say of its own in what is written.
struct Bent(Memory, fn(&[Append]) -> Result<(), StorageError>);

impl Bent {
    /// It panics instead of writing.
    fn panics() -> Self {
        Self(Memory::default(), |_| panic!("as the test wants it"))
    }

    /// It has room for small updates only.
    fn tight() -> Self {
        Self(Memory::default(), |batch| {
            let mut updates = batch.iter().flat_map(|append| &append.updates);
            match updates.any(|record| record.update.len() > 100) {
                true => Err(StorageError::Full("as the test wants it".to_owned())),
                false => Ok(()),
            }
        })
    }
}

impl Storage for Bent {
    fn load(&self, name: &DocumentName) -> Result<Lookup, StorageError> {
        self.0.load(name)
    }
    fn salvage(&self, name: &DocumentName) -> Result<Salvage, StorageError> {
        self.0.salvage(name)
    }
    fn allocate(&self) -> DocumentId {
        self.0.allocate()
    }
    fn append(&self, batch: &[Append]) -> Result<Vec<DocumentId>, StorageError> {
        (self.1)(batch)?;
        self.0.append(batch)
    }
    fn pack(&self, id: DocumentId, through: u64) -> Result<Vec<Pack>, StorageError> {
        self.0.pack(id, through)
    }
    fn compact(&self, compaction: &Compaction) -> Result<bool, StorageError> {
        (self.1)(&[])?;
        self.0.compact(compaction)
    }
    fn history(
        &self,
        id: DocumentId,
        each: &mut dyn FnMut(u64, Record),
    ) -> Result<(), StorageError> {
        self.0.history(id, each)
    }
    fn delete(&self, id: DocumentId, now_ms: i64, past: &Past) -> Result<bool, StorageError> {
        self.0.delete(id, now_ms, past)
    }
    fn wrote(&self, id: DocumentId) -> Result<Vec<Wrote>, StorageError> {
        self.0.wrote(id)
    }

    fn discard(&self, discard: &Discard<'_>) -> Result<bool, StorageError> {
        self.0.discard(discard)
    }
    fn trash(&self, after: Option<Position>, limit: usize) -> Result<Vec<Trashed>, StorageError> {
        self.0.trash(after, limit)
    }
    fn trashed(&self, id: DocumentId) -> Result<Option<Trashed>, StorageError> {
        self.0.trashed(id)
    }
    fn trashed_before(&self, ms: i64, limit: usize) -> Result<Due, StorageError> {
        self.0.trashed_before(ms, limit)
    }
    fn see_time(&self, now_ms: i64, most_ms: i64) -> Result<(), StorageError> {
        self.0.see_time(now_ms, most_ms)
    }
    fn take_back(&self, id: DocumentId, name: &DocumentName) -> Result<bool, StorageError> {
        self.0.take_back(id, name)
    }
    fn erase(&self, id: DocumentId) -> Result<bool, StorageError> {
        self.0.erase(id)
    }
    fn erase_some(&self) -> Result<bool, StorageError> {
        self.0.erase_some()
    }
    fn receipts(&self, id: DocumentId) -> Result<Vec<Receipt>, StorageError> {
        self.0.receipts(id)
    }
    fn lineage(&self, name: &DocumentName) -> Result<Lineage, StorageError> {
        self.0.lineage(name)
    }
    fn set_aside(&self, id: DocumentId, stray: &Aside) -> Result<bool, StorageError> {
        self.0.set_aside(id, stray)
    }
    fn strays(&self, id: DocumentId) -> Result<Vec<Stray>, StorageError> {
        self.0.strays(id)
    }
    fn stray(&self, id: DocumentId, stray: i64) -> Result<Option<Aside>, StorageError> {
        self.0.stray(id, stray)
    }
    fn drop_stray(&self, id: DocumentId, stray: i64) -> Result<bool, StorageError> {
        self.0.drop_stray(id, stray)
    }
    fn list(
        &self,
        query: &str,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<ropewalk::storage::Entry>, StorageError> {
        self.0.list(query, after, limit)
    }
    fn below(
        &self,
        folder: Option<&DocumentName>,
        each: &mut dyn FnMut(ropewalk::storage::Entry),
    ) -> Result<(), StorageError> {
        self.0.below(folder, each)
    }
    fn visit(&self, visits: &[Visit]) -> Result<(), StorageError> {
        self.0.visit(visits)
    }
    fn visited(
        &self,
        person: PersonId,
    ) -> Result<Vec<(ropewalk::storage::Entry, i64)>, StorageError> {
        self.0.visited(person)
    }
    fn hand_over(
        &self,
        id: DocumentId,
        to: PersonId,
        is_trashed: bool,
    ) -> Result<bool, StorageError> {
        self.0.hand_over(id, to, is_trashed)
    }
    fn owned(
        &self,
        person: PersonId,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Vec<(ropewalk::storage::Entry, bool)>, StorageError> {
        self.0.owned(person, after, limit)
    }
    fn entries(&self, ids: &[DocumentId]) -> Result<Vec<ropewalk::storage::Entry>, StorageError> {
        self.0.entries(ids)
    }
    fn entry(&self, name: &DocumentName) -> Result<Lookup<ropewalk::storage::Entry>, StorageError> {
        self.0.entry(name)
    }
    fn probe(&self) -> Result<(), StorageError> {
        self.0.probe()
    }
    fn reopen(&self) -> Result<(), StorageError> {
        self.0.reopen()
    }
    fn close(&self) -> Result<(), StorageError> {
        self.0.close()
    }
}

#[tokio::test]
async fn who_needs_more_room_than_there_is_keeps_nobody_else_from_saving() {
    let storage = Arc::new(Bent::tight());
    let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
    let mut writers: Vec<_> = ["a", "large", "b"]
        .map(|name| Writer::new(&journal, &*storage, name))
        .into();
    for writer in &mut writers {
        writer.write().await.unwrap();
        assert_eq!(writer.decided().await, Durable::Through(1));
    }
    // All in one commit, as nothing is decided while storage is held.
    storage.0.hold(true);
    for writer in &mut writers {
        let mut entry = writer.entry();
        if entry.create.is_none() && writer.name.as_str() == "large" {
            entry.update = Some(vec![0; 101].into());
        }
        journal.append(entry).await.unwrap();
    }
    storage.0.hold(false);
    let mut decided = Vec::new();
    for writer in &mut writers {
        decided.push(writer.decided().await);
    }
    let expected = [Durable::Through(2), Durable::Failed, Durable::Through(2)];
    assert_eq!(decided, expected);
    assert!(journal.healthy());
    assert_eq!(journal.epoch(), 1, "nobody else has to load again");
}

#[tokio::test]
async fn a_panic_in_storage_is_a_failure() {
    let storage = Arc::new(Bent::panics());
    let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
    let mut writer = Writer::new(&journal, &*storage, "a");
    writer.write().await.unwrap();
    assert_eq!(writer.decided().await, Durable::Failed);
    until("it goes on", || journal.healthy()).await;
    let compaction = Compaction {
        id: writer.id,
        generation: 0,
        through: 0,
        snapshot: vec![],
        packs: Vec::new(),
        keep_from_ms: None,
        salvaged: None,
    };
    assert_eq!(
        journal.compact(2, compaction).await,
        Err(JournalError::Failed)
    );
}

/// Needs a file system of about 8 MiB to fill: `mount -t tmpfs -o size=8m none /mnt/small`, then
/// `SMALL_DISK=/mnt/small cargo test -p ropewalk --test journal -- --ignored full_disk`.
#[tokio::test]
#[ignore = "needs a small file system"]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let disk = std::env::var_os("SMALL_DISK").expect("SMALL_DISK names a folder on a small disk");
    let folder = tempfile::tempdir_in(disk).unwrap();
    let (storage, journal) = sqlite(folder.path());
    let ballast = folder.path().join("ballast");
    let fill = || {
        let mut file = std::fs::File::create(&ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    };
    let mut writer = Writer::new(&journal, &*storage, "a");
    let big = |entry: Entry| Entry {
        update: Some(vec![7; 10_000].into()),
        ..entry
    };
    for _ in 0..20 {
        journal.append(big(writer.entry())).await.unwrap();
    }
    assert_eq!(writer.decided().await, Durable::Through(20));

    // A snapshot that does not fit costs nobody anything.
    fill();
    let snapshot = vec![9; 1_000_000];
    let compaction = Compaction {
        id: writer.id,
        generation: 0,
        through: 20,
        snapshot,
        packs: storage.pack(writer.id, 20).unwrap(),
        keep_from_ms: None,
        salvaged: None,
    };
    assert_eq!(
        journal.compact(1, compaction).await,
        Err(JournalError::Full)
    );
    assert!(journal.healthy());
    std::fs::remove_file(&ballast).unwrap();
    journal.append(big(writer.entry())).await.unwrap();
    assert_eq!(writer.decided().await, Durable::Through(21));

    fill();
    let mut saved = 21;
    loop {
        if journal.append(big(writer.entry())).await.is_err() {
            break;
        }
        match writer.decided().await {
            Durable::Through(through) => saved = through,
            Durable::Failed => break,
        }
    }
    std::fs::remove_file(&ballast).unwrap();
    until("there is room again", || journal.healthy()).await;
    assert!(journal.epoch() > 1);
    let stored = writer.stored(&*storage).unwrap();
    assert!(
        stored.sequence == saved || stored.sequence == saved + 1,
        "{}",
        stored.sequence
    );
    assert!(stored.updates.iter().all(|update| *update == [7; 10_000]));
    let mut after = Writer::new(&journal, &*storage, "after");
    after.write().await.unwrap();
    assert_eq!(after.decided().await, Durable::Through(1));
}

/// Durable updates a second with 1 to 1,000 writers, each with a document of its own and one update on its way at a
/// time: `cargo test --release -p ropewalk --test journal -- --ignored --nocapture group_commit`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn group_commit() {
    for count in [1, 10, 100, 1000] {
        let folder = match std::env::var_os("DISK") {
            Some(disk) => tempfile::tempdir_in(disk).unwrap(),
            None => tempfile::tempdir().unwrap(),
        };
        let (storage, journal) = sqlite(folder.path());
        let until = Instant::now() + Duration::from_secs(5);
        let tasks: Vec<_> = (0..count)
            .map(|i| {
                let mut writer = Writer::new(&journal, &*storage, &format!("d{i}"));
                tokio::spawn(async move {
                    let mut slowest = Duration::ZERO;
                    while Instant::now() < until {
                        let begun = Instant::now();
                        let entry = Entry {
                            update: Some(Bytes::from_static(&[7; 30])),
                            ..writer.entry()
                        };
                        writer.journal.append(entry).await.unwrap();
                        assert_eq!(writer.decided().await, Durable::Through(writer.sequence));
                        slowest = slowest.max(begun.elapsed());
                    }
                    slowest
                })
            })
            .collect();
        let mut slowest = Duration::ZERO;
        for task in tasks {
            slowest = slowest.max(task.await.unwrap());
        }
        let stats = journal.stats();
        let (updates, commits) = (stats.committed_updates(), stats.commits());
        println!(
            "{count:>5} writers: {:>7} durable updates/s, {:>5} commits/s of {:>6.1} updates, {:.2} ms a commit, slowest update {slowest:.1?}",
            updates / 5,
            commits / 5,
            updates as f64 / commits as f64,
            stats.commit_time().total().as_secs_f64() * 1000.0 / commits as f64,
        );
        journal.shutdown().await.unwrap();
    }
}
