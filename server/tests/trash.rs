//! What storage keeps of documents that are deleted and may come back.
#![allow(clippy::unwrap_used)]

use ropewalk::access::PersonId;
use ropewalk::name::DocumentName;
use ropewalk::storage::memory::Memory;
use ropewalk::storage::sqlite::{FILE, Sqlite};
use ropewalk::storage::{
    Append, Aside, Compaction, Discard, DocumentId, Lookup, Past, Receipt, Record, Storage, Stored,
    Trashed, Wrote,
};
use ropewalk_crdt::{Revision, VersionVector};
use rusqlite::Connection;

fn on_each(test: impl Fn(&dyn Storage)) {
    let folder = tempfile::tempdir().unwrap();
    test(&Sqlite::open(folder.path()).unwrap());
    test(&Memory::default());
}

fn name(name: &str) -> DocumentName {
    DocumentName::new(name).unwrap()
}

fn record(text: &str) -> Record {
    Record::anonymous(text.as_bytes().to_vec(), 7)
}

/// A document with a snapshot, a history, a log, a receipt, a stray and a stamp.
fn create(storage: &dyn Storage, document: &str) -> DocumentId {
    let id = storage.allocate();
    let mut append = Append {
        id,
        create: Some(name(document).into()),
        first_sequence: 1,
        updates: vec![record("1"), record("2")],
        length: 3,
        edited_at_ms: 70,
        past: Some(Past {
            stamp: Some(500),
            vector: vector(400),
        }),
        wrote: vec![Wrote {
            client: 9,
            clock: 0,
            person: None,
            is_relayed: false,
        }],
        receipts: vec![Receipt {
            client: "ann".to_owned(),
            request: "1".to_owned(),
            sequence: 2,
            restores: 0,
            revision: Revision {
                inserted: 1,
                deleted: 0,
            },
            length: 3,
            digest: None,
        }],
        forgotten: Vec::new(),
    };
    assert_eq!(storage.append(std::slice::from_ref(&append)).unwrap(), []);
    let compaction = Compaction {
        id,
        generation: 0,
        through: 2,
        snapshot: b"12".to_vec(),
        packs: storage.pack(id, 2).unwrap(),
        keep_from_ms: None,
        salvaged: None,
    };
    assert!(storage.compact(&compaction).unwrap());
    (append.create, append.past, append.first_sequence) = (None, None, 3);
    (append.updates, append.receipts) = (vec![record("3")], Vec::new());
    assert_eq!(storage.append(&[append]).unwrap(), []);
    assert!(
        storage
            .set_aside(id, &stray(record("stray"), None, false))
            .unwrap()
    );
    id
}

fn stray(record: Record, person: Option<i64>, is_of_another: bool) -> Aside {
    Aside {
        record,
        person: person.map(PersonId),
        is_of_another,
    }
}

fn vector(client: u64) -> VersionVector {
    let mut vector = VersionVector::new();
    vector.advance(client, 9);
    vector
}

fn discard(storage: &dyn Storage, id: DocumentId, now_ms: i64) {
    let discard = Discard {
        id,
        now_ms,
        by: Some(PersonId(5)),
        vector: &vector(id.0 as u64),
    };
    assert!(storage.discard(&discard).unwrap());
}

fn found(storage: &dyn Storage, document: &str) -> Stored {
    match storage.load(&name(document)).unwrap() {
        Lookup::Found(stored) => stored,
        other => panic!("{document}: {other:?}"),
    }
}

fn is_deleted(storage: &dyn Storage, document: &str) -> bool {
    matches!(storage.load(&name(document)).unwrap(), Lookup::Deleted)
        && matches!(storage.entry(&name(document)).unwrap(), Lookup::Deleted)
}

/// All that is kept of a document, as one text.
fn all_of(storage: &dyn Storage, document: &str) -> String {
    let stored = found(storage, document);
    let id = stored.id;
    let mut history = Vec::new();
    let mut each = |sequence: u64, record: Record| history.push((sequence, record));
    storage.history(id, &mut each).unwrap();
    let Lookup::Found(entry) = storage.entry(&name(document)).unwrap() else {
        panic!("{document} has no line");
    };
    let (receipts, strays) = (storage.receipts(id), storage.strays(id));
    let wrote = storage.wrote(id).unwrap();
    format!("{stored:?} {entry:?} {history:?} {receipts:?} {strays:?} {wrote:?}")
}

fn clients(storage: &dyn Storage, document: &str) -> (Option<u64>, Vec<u64>) {
    let past = storage.lineage(&name(document)).unwrap().past;
    let past = past.unwrap_or_default();
    let clients = past.vector.iter().map(|(client, _)| client);
    (past.stamp, clients.collect())
}

#[test]
fn what_comes_back_from_the_trash_is_what_it_was() {
    on_each(|storage| {
        let id = create(storage, "a");
        let before = all_of(storage, "a");
        let lineage = storage.lineage(&name("a")).unwrap();
        discard(storage, id, 80);
        assert!(is_deleted(storage, "a"));
        assert_eq!(storage.list("", None, 9).unwrap(), []);
        let late = Append {
            id,
            create: None,
            first_sequence: 4,
            updates: vec![record("late")],
            length: 0,
            edited_at_ms: 0,
            past: None,
            receipts: Vec::new(),
            forgotten: Vec::new(),
            wrote: Vec::new(),
        };
        assert_eq!(storage.append(&[late]).unwrap(), [id]);
        // Whoever has it is known to have what the name stood for, and its stamp says nothing of what gets the name.
        assert_eq!(clients(storage, "a"), (None, vec![id.0 as u64]));

        let trash = storage.trash(None, 9).unwrap();
        let [trashed] = &trash[..] else {
            panic!("{trash:?}");
        };
        assert_eq!((trashed.id(), trashed.deleted_at_ms), (id, 80));
        assert_eq!(trashed.deleted_by, Some(PersonId(5)));
        assert_eq!(
            (trashed.entry.name.as_str(), trashed.entry.length),
            ("a", 3)
        );
        assert!(trashed.is_name_free);
        assert_eq!(storage.trashed(id).unwrap().as_ref(), Some(trashed));

        assert!(storage.take_back(id, &name("a")).unwrap());
        assert!(!storage.take_back(id, &name("a")).unwrap());
        assert_eq!(all_of(storage, "a"), before);
        assert_eq!(storage.lineage(&name("a")).unwrap(), lineage);
        assert_eq!(storage.trash(None, 9).unwrap(), []);
        assert_eq!(storage.trashed(id).unwrap(), None);
    });
}

#[test]
fn a_name_in_the_trash_is_free_and_what_is_taken_keeps_it() {
    on_each(|storage| {
        let first = create(storage, "a");
        discard(storage, first, 1);
        let second = create(storage, "a");
        assert!(!storage.trashed(first).unwrap().unwrap().is_name_free);
        assert!(!storage.take_back(first, &name("a")).unwrap());
        assert_eq!(found(storage, "a").id, second);
        discard(storage, second, 2);
        let trash = storage.trash(None, 9).unwrap();
        let ids: Vec<DocumentId> = trash.iter().map(Trashed::id).collect();
        assert_eq!(ids, [second, first], "the newest deletion first");
        assert!(trash.iter().all(|one| one.is_name_free));
        // Neither counts as the past of the other one any longer than that is away.
        assert!(storage.take_back(first, &name("a")).unwrap());
        let (first, second) = (first.0 as u64, second.0 as u64);
        assert_eq!(clients(storage, "a").1, [second, 400]);
        discard(storage, DocumentId(first as i64), 3);
        assert!(
            storage
                .take_back(DocumentId(second as i64), &name("a"))
                .unwrap()
        );
        assert_eq!(clients(storage, "a").1, [first, 400]);
    });
}

#[test]
fn what_comes_back_under_another_name_leaves_word_where_it_was() {
    on_each(|storage| {
        let id = create(storage, "a");
        discard(storage, id, 1);
        assert!(storage.take_back(id, &name("b")).unwrap());
        assert_eq!(found(storage, "b").id, id);
        assert!(is_deleted(storage, "a"));
        let own = (Some(500), vec![400]);
        assert_eq!(clients(storage, "b"), own);
        assert_eq!(clients(storage, "a"), (None, vec![id.0 as u64]));
        // Where another one begins, and goes for good, too.
        let other = create(storage, "a");
        let past = Past {
            stamp: None,
            vector: vector(77),
        };
        assert!(storage.delete(other, 2, &past).unwrap());
        // There again, it is nobody's past.
        discard(storage, id, 3);
        assert!(storage.take_back(id, &name("a")).unwrap());
        assert_eq!(clients(storage, "a"), (Some(500), vec![77, 400]));
        assert_eq!(clients(storage, "b"), (None, vec![id.0 as u64]));
        // Once it is gone for good it is, and for ever.
        discard(storage, id, 4);
        assert!(storage.erase(id).unwrap());
        assert_eq!(clients(storage, "a").1, [id.0 as u64, 77]);
        assert_eq!(clients(storage, "b").1, [id.0 as u64]);
        let listed = storage.list("", None, 9).unwrap();
        assert_eq!(listed, []);
    });
}

#[test]
fn what_is_gone_for_good_is_removed_bit_by_bit() {
    on_each(|storage| {
        let id = create(storage, "a");
        let kept = create(storage, "b");
        let before = all_of(storage, "b");
        assert!(!storage.erase(id).unwrap(), "it is not in the trash");
        assert!(!storage.erase_some().unwrap());
        discard(storage, id, 5);
        assert!(storage.trashed_before(5, 9).unwrap().trashed.is_empty());
        assert_eq!(storage.trashed_before(6, 9).unwrap().trashed.len(), 1);
        assert!(!storage.erase_some().unwrap(), "it is still in the trash");
        assert!(storage.erase(id).unwrap());
        assert_eq!(storage.trash(None, 9).unwrap(), []);
        assert!(!storage.take_back(id, &name("a")).unwrap());
        assert!(is_deleted(storage, "a"));
        assert_eq!(clients(storage, "a"), (None, vec![id.0 as u64]));
        while storage.erase_some().unwrap() {}
        assert_eq!(storage.receipts(id).unwrap(), []);
        assert_eq!(storage.wrote(id).unwrap(), []);
        assert_eq!(storage.strays(id).unwrap(), []);
        assert_eq!(all_of(storage, "b"), before);
        discard(storage, kept, 6);
        assert!(storage.take_back(kept, &name("a")).unwrap());
    });
}

/// Rows of a document in every table that has content.
fn rows(folder: &std::path::Path, id: DocumentId) -> i64 {
    let file = Connection::open(folder.join(FILE)).unwrap();
    let tables = "log history strays receipts wrote snapshots former_snapshots erasing trash";
    let count = |table: &str| -> i64 {
        let count = format!("SELECT count(*) FROM {table} WHERE document_id = ?1");
        file.query_row(&count, [id.0], |row| row.get(0)).unwrap()
    };
    tables.split(' ').map(count).sum()
}

#[test]
fn removing_goes_on_where_it_was_and_takes_little_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut storage = Sqlite::open(folder.path()).unwrap();
    let id = create(&storage, "a");
    for sequence in 4..104 {
        let append = Append {
            id,
            create: None,
            first_sequence: sequence,
            updates: vec![record("more")],
            length: 0,
            edited_at_ms: 0,
            past: None,
            receipts: Vec::new(),
            forgotten: Vec::new(),
            wrote: Vec::new(),
        };
        assert_eq!(storage.append(&[append]).unwrap(), []);
    }
    discard(&storage, id, 1);
    let mut left = rows(folder.path(), id);
    assert!(left > 100, "{left}");
    assert!(storage.erase(id).unwrap());
    let mut steps = 0;
    while storage.erase_some().unwrap() {
        let now = rows(folder.path(), id);
        assert!(now < left && left - now <= 16, "{left} {now}");
        (left, steps) = (now, steps + 1);
        drop(storage);
        storage = Sqlite::open(folder.path()).unwrap();
    }
    assert!(left == 0 && steps > 100 / 16, "{left} {steps}");
}

#[test]
fn a_clock_that_jumps_empties_no_trash() {
    const MOST: i64 = 100;
    on_each(|storage| {
        let id = create(storage, "a");
        storage.see_time(1_000, MOST).unwrap();
        discard(storage, id, 1_000);
        let kept_from = |now_ms| {
            storage.see_time(now_ms, MOST).unwrap();
            storage.trashed(id).unwrap().unwrap().kept_from_ms
        };
        assert_eq!(kept_from(1_100), 1_000, "time that passes counts");
        assert_eq!(kept_from(1_201), 1_001, "and of more as much");
        assert_eq!(kept_from(1_000_000), 999_700, "a jump");
        assert_eq!(kept_from(999_900), 999_700, "a little back");
        assert_eq!(kept_from(2_000), 2_000, "and all the way");
        assert_eq!(kept_from(2_100), 2_000);
        let due = storage.trashed_before(2_000, 9).unwrap();
        assert!(due.trashed.is_empty());
        assert_eq!(storage.trash(None, 1).unwrap()[0].deleted_at_ms, 1_000);
    });
}

#[test]
fn nothing_leads_to_what_is_removed_without_a_trash() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    let id = create(&storage, "a");
    discard(&storage, id, 80);
    assert!(storage.take_back(id, &name("b")).unwrap());
    let file = Connection::open(folder.path().join(FILE)).unwrap();
    let marks = || {
        let count = "SELECT count(*) FROM documents WHERE moved_to IS NOT NULL";
        file.query_row(count, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(marks(), 1);
    let past = Past {
        stamp: None,
        vector: vector(9),
    };
    assert!(storage.delete(id, 90, &past).unwrap());
    assert_eq!(marks(), 0);
}

#[test]
fn the_trash_of_the_format_before_keeps_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    for (document, at_ms) in [("a", 80), ("b", 90), ("c", 70)] {
        let id = create(&storage, document);
        discard(&storage, id, at_ms);
    }
    let before = storage.trash(None, 9).unwrap();
    drop(storage);
    let file = Connection::open(folder.path().join(FILE)).unwrap();
    file.execute_batch(
        "DROP INDEX trash_by_deletion; ALTER TABLE trash DROP COLUMN deleted_at_ms; DROP TABLE clock;
         ALTER TABLE receipts DROP COLUMN digest; ALTER TABLE strays DROP COLUMN person;
         ALTER TABLE strays DROP COLUMN is_of_another; PRAGMA user_version = 7",
    )
    .unwrap();
    drop(file);
    let storage = Sqlite::open(folder.path()).unwrap();
    let names = |trash: &[Trashed]| {
        trash
            .iter()
            .map(|one| one.entry.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&before), ["b", "a", "c"]);
    assert_eq!(storage.trash(None, 9).unwrap(), before);
}

#[test]
fn a_database_of_the_format_before_keeps_all() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    create(&storage, "a");
    let gone = create(&storage, "gone");
    let past = Past {
        stamp: None,
        vector: vector(77),
    };
    assert!(storage.delete(gone, 1, &past).unwrap());
    let file = Connection::open(folder.path().join(FILE)).unwrap();
    file.execute_batch("DELETE FROM wrote").unwrap();
    let before = all_of(&storage, "a");
    drop(storage);
    file.execute_batch(
        "DROP TABLE wrote; DROP TABLE trash; DROP TABLE clock; DROP TABLE erasing; DROP TABLE visits; DROP INDEX documents_moved;
         ALTER TABLE documents DROP COLUMN moved_to; ALTER TABLE receipts DROP COLUMN digest;
         ALTER TABLE strays DROP COLUMN person; ALTER TABLE strays DROP COLUMN is_of_another; PRAGMA user_version = 5",
    )
    .unwrap();
    drop(file);

    let storage = Sqlite::open(folder.path()).unwrap();
    assert_eq!(all_of(&storage, "a"), before);
    assert!(is_deleted(&storage, "gone"));
    assert_eq!(clients(&storage, "gone").1, [77]);
    assert_eq!(storage.trash(None, 9).unwrap(), []);
    let id = found(&storage, "a").id;
    discard(&storage, id, 2);
    assert!(storage.take_back(id, &name("a")).unwrap());
    assert_eq!(all_of(&storage, "a"), before);
}

#[test]
fn a_document_is_handed_over_where_it_is() {
    on_each(|storage| {
        let (here, away) = (create(storage, "a"), create(storage, "b"));
        discard(storage, away, 1);
        let owned = |person, after| {
            let owned = storage.owned(PersonId(person), after, 9).unwrap();
            let told = owned
                .iter()
                .map(|(entry, is_trashed)| (entry.id(), *is_trashed));
            told.collect::<Vec<_>>()
        };
        let over = |id, is_trashed| storage.hand_over(id, PersonId(8), is_trashed).unwrap();
        // Who looked for it elsewhere changes nothing: it is on its way there, or back.
        assert!(!over(here, true) && !over(away, false) && !over(DocumentId(77), false));
        assert_eq!(owned(8, None), []);
        assert!(over(here, false) && over(away, true));
        assert_eq!(owned(8, None), [(here, false), (away, true)]);
        assert_eq!(owned(8, Some(here)), [(away, true)]);
        assert_eq!(found(storage, "a").owner, Some(PersonId(8)));
        assert!(storage.take_back(away, &name("b")).unwrap());
        assert_eq!(found(storage, "b").owner, Some(PersonId(8)));
        assert!(storage.erase(away).is_ok_and(|erased| !erased));
        discard(storage, away, 2);
        assert!(storage.erase(away).unwrap());
        assert_eq!(owned(8, None), [(here, false)]);
        assert!(!over(away, true), "it is gone for good");
    });
}

#[test]
fn what_is_set_aside_says_whose_it_is_and_is_kept_once() {
    on_each(|storage| {
        let id = create(storage, "a");
        let one = |person, is_of_another| stray(record("one"), person, is_of_another);
        // Of this document once, whoever brings it; of another, once of each.
        for (aside, count) in [
            (one(Some(5), false), 2),
            (one(Some(6), false), 2),
            (one(Some(6), true), 3),
            (one(Some(6), true), 3),
            (one(Some(7), true), 4),
            (one(None, true), 5),
            (one(None, true), 5),
        ] {
            assert!(storage.set_aside(id, &aside).unwrap());
            let listed = storage.strays(id).unwrap();
            assert_eq!(listed.len(), count, "{aside:?}");
        }
        let listed = storage.strays(id).unwrap();
        let whose = listed.iter().map(|stray| {
            let read = storage.stray(id, stray.id).unwrap().unwrap();
            let of = (stray.person, stray.is_of_another);
            assert_eq!((read.person, read.is_of_another), of);
            (of.0.map(|person| person.0), of.1)
        });
        let expected = [
            (None, true),
            (Some(7), true),
            (Some(6), true),
            (Some(5), false),
            (None, false),
        ];
        assert_eq!(whose.collect::<Vec<_>>(), expected);
    });
}

#[test]
fn what_a_name_stood_for_is_told_from_what_its_document_was() {
    on_each(|storage| {
        let others = |document| {
            let others = storage.lineage(&name(document)).unwrap().others;
            others.iter().map(|(client, _)| client).collect::<Vec<_>>()
        };
        let first = create(storage, "a");
        assert_eq!((clients(storage, "a").1, others("a")), (vec![400], vec![]));
        discard(storage, first, 1);
        let second = create(storage, "a");
        assert_eq!(others("a"), [first.0 as u64]);
        let past = Past {
            stamp: None,
            vector: vector(77),
        };
        assert!(storage.delete(second, 2, &past).unwrap());
        create(storage, "a");
        assert_eq!(others("a"), [first.0 as u64, 77]);
    });
}

#[test]
fn strays_of_the_format_before_are_of_another_document_unless_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    let again = create(&storage, "again");
    discard(&storage, again, 1);
    let ids = ["restored", "again", "begun"].map(|document| create(&storage, document));
    drop(storage);
    let file = Connection::open(folder.path().join(FILE)).unwrap();
    file.execute("DELETE FROM pasts WHERE document_id = ?1", [ids[2].0])
        .unwrap();
    file.execute_batch(
        "ALTER TABLE strays DROP COLUMN person; ALTER TABLE strays DROP COLUMN is_of_another; PRAGMA user_version = 9",
    )
    .unwrap();
    drop(file);
    let storage = Sqlite::open(folder.path()).unwrap();
    for (id, is_of_another) in ids.into_iter().zip([false, true, true]) {
        let listed = storage.strays(id).unwrap();
        let [one] = &listed[..] else {
            panic!("{listed:?}")
        };
        assert_eq!((one.person, one.is_of_another), (None, is_of_another));
        let read = storage.stray(id, one.id).unwrap().unwrap();
        assert_eq!(read, stray(record("stray"), None, is_of_another));
    }
}
