//! What both storages promise, and that they agree.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ropewalk::access::PersonId;
use ropewalk::name::DocumentName;
use ropewalk::storage::memory::Memory;
use ropewalk::storage::sqlite::Sqlite;
use ropewalk::storage::{
    Append, Author, Compaction, Discard, DocumentId, Entry, Lookup, MAX_VISITS, Past, Receipt,
    Record, Storage, Stored, Trashed, Visit, Wrote,
};
use ropewalk_crdt::VersionVector;

/// Runs a test on every kind of storage.
fn on_each(test: impl Fn(&dyn Storage)) {
    let folder = tempfile::tempdir().unwrap();
    test(&Sqlite::open(folder.path()).unwrap());
    test(&Memory::default());
}

fn name(name: &str) -> DocumentName {
    DocumentName::new(name).unwrap()
}

/// An update by somebody of this name.
fn record(update: &str, name: Option<&str>, at_ms: i64) -> Record {
    let author = name.map(|name| Author {
        client: Some(name.len() as u64),
        name: name.to_owned(),
    });
    Record {
        update: update.as_bytes().to_vec().into(),
        author: author.unwrap_or_default().into(),
        at_ms,
    }
}

fn append(id: DocumentId, first: u64, updates: &[&str]) -> Append {
    Append {
        id,
        create: None,
        first_sequence: first,
        updates: updates
            .iter()
            .map(|update| record(update, None, 1_000 + first as i64))
            .collect(),
        length: first,
        edited_at_ms: 1_000 + first as i64,
        past: None,
        receipts: Vec::new(),
        forgotten: Vec::new(),
        wrote: Vec::new(),
    }
}

fn begin(id: DocumentId, document: &str, updates: &[&str]) -> Append {
    Append {
        create: Some(name(document).into()),
        ..append(id, 1, updates)
    }
}

fn create(storage: &dyn Storage, document: &str, updates: &[&str]) -> DocumentId {
    let id = storage.allocate();
    assert_eq!(storage.append(&[begin(id, document, updates)]).unwrap(), []);
    id
}

fn found(storage: &dyn Storage, document: &str) -> Stored {
    match storage.load(&name(document)).unwrap() {
        Lookup::Found(stored) => stored,
        other => panic!("{document}: {other:?}"),
    }
}

fn updates(stored: &Stored) -> Vec<&str> {
    stored
        .updates
        .iter()
        .map(|update| std::str::from_utf8(update).unwrap())
        .collect()
}

fn compaction(
    storage: &dyn Storage,
    id: DocumentId,
    generation: u64,
    through: u64,
    snapshot: &str,
) -> Compaction {
    Compaction {
        id,
        generation,
        through,
        snapshot: snapshot.as_bytes().to_vec(),
        packs: storage.pack(id, through).unwrap(),
        keep_from_ms: None,
        salvaged: None,
    }
}

#[test]
fn updates_come_back_in_order() {
    on_each(|storage| {
        let id = create(storage, "a", &["1", "2"]);
        storage.append(&[append(id, 3, &["3", "4", "5"])]).unwrap();
        let stored = found(storage, "a");
        assert_eq!(updates(&stored), ["1", "2", "3", "4", "5"]);
        assert_eq!((stored.id, stored.sequence, stored.generation), (id, 5, 0));
        assert_eq!(stored.snapshot, None);
        assert!(matches!(storage.load(&name("A")).unwrap(), Lookup::Absent));
    });
}

#[test]
fn a_document_may_begin_without_updates_or_with_one_that_says_nothing() {
    on_each(|storage| {
        let bare = create(storage, "bare", &[]);
        assert_eq!(found(storage, "bare").sequence, 0);
        storage.append(&[append(bare, 1, &["1"])]).unwrap();
        assert_eq!(updates(&found(storage, "bare")), ["1"]);

        let empty = create(storage, "empty", &[""]);
        let stored = found(storage, "empty");
        assert_eq!((stored.sequence, stored.updates.len()), (1, 0));
        storage.append(&[append(empty, 2, &["2"])]).unwrap();
        assert_eq!(updates(&found(storage, "empty")), ["2"]);
    });
}

#[test]
fn a_mistaken_append_is_refused_and_the_others_are_written() {
    on_each(|storage| {
        let a = create(storage, "a", &["1"]);
        let gap = create(storage, "gap", &["1"]);
        let (b, taken, unknown) = (storage.allocate(), storage.allocate(), storage.allocate());
        let refused = storage
            .append(&[
                append(gap, 3, &["3"]),
                append(unknown, 1, &["1"]),
                begin(taken, "a", &["other"]),
                append(a, 2, &["2"]),
                begin(b, "b", &["1"]),
            ])
            .unwrap();
        assert_eq!(refused, [gap, unknown, taken]);
        assert_eq!(updates(&found(storage, "a")), ["1", "2"]);
        assert_eq!(updates(&found(storage, "b")), ["1"]);
        assert_eq!(updates(&found(storage, "gap")), ["1"]);
        assert_eq!(storage.append(&[append(a, 2, &["again"])]).unwrap(), [a]);
        assert_eq!(storage.append(&[append(a, 0, &["zero"])]).unwrap(), [a]);
        assert_eq!(updates(&found(storage, "a")), ["1", "2"]);
    });
}

#[test]
fn a_snapshot_replaces_what_it_holds() {
    on_each(|storage| {
        let id = create(storage, "a", &["1", "2"]);
        storage.append(&[append(id, 3, &["3"])]).unwrap();
        storage.append(&[append(id, 4, &["4"])]).unwrap();
        assert!(
            storage
                .compact(&compaction(storage, id, 0, 3, "123"))
                .unwrap()
        );
        let stored = found(storage, "a");
        assert_eq!(stored.snapshot.as_deref(), Some(&b"123"[..]));
        assert_eq!(updates(&stored), ["4"]);
        assert_eq!((stored.generation, stored.sequence), (1, 4));
        storage.append(&[append(id, 5, &["5"])]).unwrap();
        assert!(
            storage
                .compact(&compaction(storage, id, 1, 5, "12345"))
                .unwrap()
        );
        let stored = found(storage, "a");
        assert_eq!(
            (stored.generation, stored.sequence, stored.updates.len()),
            (2, 5, 0)
        );
        storage.append(&[append(id, 6, &["6"])]).unwrap();
        assert_eq!(updates(&found(storage, "a")), ["6"]);
    });
}

#[test]
fn a_snapshot_may_end_within_a_log_row() {
    on_each(|storage| {
        let id = create(storage, "a", &["1", "2", "3", "4"]);
        storage.append(&[append(id, 5, &["5"])]).unwrap();
        for (generation, through) in [(0, 2), (1, 3)] {
            assert!(
                storage
                    .compact(&compaction(storage, id, generation, through, "…"))
                    .unwrap()
            );
            let stored = found(storage, "a");
            assert_eq!(updates(&stored), &["3", "4", "5"][through as usize - 2..]);
            assert_eq!(stored.sequence, 5);
        }
        assert!(
            storage
                .compact(&compaction(storage, id, 2, 4, "1234"))
                .unwrap()
        );
        assert_eq!(updates(&found(storage, "a")), ["5"]);
    });
}

/// Everything that was ever said: sequence number, update, author's name, time.
fn history(storage: &dyn Storage, id: DocumentId) -> Vec<(u64, Record)> {
    let mut all = Vec::new();
    let mut each = |sequence, record| all.push((sequence, record));
    storage.history(id, &mut each).unwrap();
    all
}

#[test]
fn a_snapshot_does_not_take_who_wrote_what_and_when() {
    on_each(|storage| {
        let said = [
            ("1", Some("Ann"), 50),
            ("2", None, 40),
            ("", Some("Ann"), 60),
            ("4", Some("Bo"), 61),
            ("5", Some("Ann"), 9_000),
            ("6", Some("Bo"), 9_001),
        ]
        .map(|(update, name, at_ms)| record(update, name, at_ms));
        let id = storage.allocate();
        let write = |first: u64, count: usize| {
            let from = first as usize - 1;
            let append = Append {
                updates: said[from..from + count].to_vec(),
                create: (first == 1).then(|| name("a").into()),
                ..append(id, first, &[])
            };
            assert_eq!(storage.append(&[append]).unwrap(), []);
        };
        let all = || -> Vec<(u64, Record)> { (1..).zip(said.clone()).collect() };
        write(1, 2);
        write(3, 2);
        assert_eq!(history(storage, id), all()[..4]);
        assert!(
            storage
                .compact(&compaction(storage, id, 0, 2, "12"))
                .unwrap()
        );
        assert_eq!(history(storage, id), all()[..4]);
        write(5, 1);
        assert!(
            storage
                .compact(&compaction(storage, id, 1, 5, "1245"))
                .unwrap()
        );
        assert_eq!(history(storage, id), all()[..5]);
        write(6, 1);
        assert_eq!(history(storage, id), all());
        let forgetting = Compaction {
            keep_from_ms: Some(9_000),
            ..compaction(storage, id, 2, 6, "12456")
        };
        assert!(storage.compact(&forgetting).unwrap());
        let kept = history(storage, id);
        assert!(kept.ends_with(&all()[4..]) && kept.len() < 5, "{kept:?}");
        assert!(storage.delete(id, 9, &Past::default()).unwrap());
        assert_eq!(history(storage, id), []);
    });
}

/// What came after the former snapshot is needed to make the last one again.
#[test]
fn what_the_former_snapshot_needs_is_not_forgotten() {
    on_each(|storage| {
        let id = create(storage, "a", &["1", "2"]);
        let forget = |generation, through| {
            let forgetting = Compaction {
                keep_from_ms: Some(i64::MAX),
                ..compaction(storage, id, generation, through, "…")
            };
            assert!(storage.compact(&forgetting).unwrap());
            let kept = history(storage, id).into_iter();
            kept.map(|(sequence, _)| sequence).collect::<Vec<_>>()
        };
        assert_eq!(forget(0, 2), [1, 2]);
        storage.append(&[append(id, 3, &["3", "4"])]).unwrap();
        assert_eq!(forget(1, 4), [3, 4]);
        storage.append(&[append(id, 5, &["5"])]).unwrap();
        assert_eq!(forget(2, 5), [5]);
    });
}

#[test]
fn a_compaction_that_has_not_all_of_the_log_changes_nothing() {
    on_each(|storage| {
        let id = create(storage, "a", &["1"]);
        let early = compaction(storage, id, 0, 2, "12");
        storage.append(&[append(id, 2, &["2"])]).unwrap();
        assert!(!storage.compact(&early).unwrap());
        assert_eq!(updates(&found(storage, "a")), ["1", "2"]);
        assert!(
            storage
                .compact(&compaction(storage, id, 0, 2, "12"))
                .unwrap()
        );
        assert_eq!(history(storage, id).len(), 2);
    });
}

#[test]
fn only_one_of_two_compactions_wins_and_none_loses_updates() {
    on_each(|storage| {
        let id = create(storage, "a", &["1", "2"]);
        assert!(
            !storage
                .compact(&compaction(storage, id, 0, 3, "ahead"))
                .unwrap()
        );
        assert!(
            !storage
                .compact(&compaction(storage, id, 1, 2, "from nowhere"))
                .unwrap()
        );
        assert!(
            !storage
                .compact(&compaction(storage, storage.allocate(), 0, 0, "unknown"))
                .unwrap()
        );
        assert!(
            storage
                .compact(&compaction(storage, id, 0, 1, "first"))
                .unwrap()
        );
        assert!(
            !storage
                .compact(&compaction(storage, id, 0, 2, "second"))
                .unwrap()
        );
        assert!(
            !storage
                .compact(&compaction(storage, id, 1, 0, "behind the first"))
                .unwrap()
        );
        let stored = found(storage, "a");
        assert_eq!(stored.snapshot.as_deref(), Some(&b"first"[..]));
        assert_eq!(updates(&stored), ["2"]);
    });
}

#[test]
fn a_deleted_name_is_known_and_may_begin_again() {
    on_each(|storage| {
        let first = create(storage, "a", &["1"]);
        assert!(
            storage
                .compact(&compaction(storage, first, 0, 1, "1"))
                .unwrap()
        );
        assert!(storage.delete(first, 7, &Past::default()).unwrap());
        assert!(!storage.delete(first, 8, &Past::default()).unwrap());
        assert!(
            !storage
                .delete(storage.allocate(), 8, &Past::default())
                .unwrap()
        );
        assert!(matches!(storage.load(&name("a")).unwrap(), Lookup::Deleted));
        assert_eq!(
            storage.append(&[append(first, 2, &["late"])]).unwrap(),
            [first]
        );
        assert!(
            !storage
                .compact(&compaction(storage, first, 1, 1, "late"))
                .unwrap()
        );
        assert_eq!(storage.list("", None, 10).unwrap(), []);

        let second = create(storage, "a", &["new"]);
        assert_ne!(first, second);
        assert_eq!(updates(&found(storage, "a")), ["new"]);
        assert!(storage.delete(second, 9, &Past::default()).unwrap());
        assert!(matches!(storage.load(&name("a")).unwrap(), Lookup::Deleted));
        create(storage, "a", &["newer"]);
        assert_eq!(storage.list("", None, 10).unwrap().len(), 1);
    });
}

#[test]
fn the_list_is_newest_first_and_its_pages_join() {
    on_each(|storage| {
        for i in 0..25u64 {
            let id = storage.allocate();
            // Several share a time: the identity decides.
            let edited_at_ms = (i / 4) as i64;
            let begin = Append {
                edited_at_ms,
                length: i,
                ..begin(id, &format!("d{i}"), &["1"])
            };
            storage.append(&[begin]).unwrap();
        }
        let all = storage.list("", None, 100).unwrap();
        let names: Vec<String> = all.iter().map(|entry| entry.name.to_string()).collect();
        let expected: Vec<String> = (0..25).rev().map(|i| format!("d{i}")).collect();
        assert_eq!(names, expected);
        assert_eq!(
            (all[0].length, all[0].created_at_ms, all[0].edited_at_ms),
            (24, 6, 6)
        );
        let mut paged: Vec<Entry> = Vec::new();
        loop {
            let page = storage
                .list("", paged.last().map(|last| last.position), 7)
                .unwrap();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, all);
        assert_eq!(storage.list("", None, 0).unwrap(), []);
    });
}

#[test]
fn a_document_by_name_is_its_line_of_the_list() {
    on_each(|storage| {
        let entry = |document: &str| storage.entry(&name(document)).unwrap();
        assert!(matches!(entry("a"), Lookup::Absent));
        let first = create(storage, "a", &["1"]);
        create(storage, "A", &["1", "2"]);
        for listed in storage.list("", None, 10).unwrap() {
            let Lookup::Found(found) = entry(listed.name.as_str()) else {
                panic!("{} is there", listed.name);
            };
            assert_eq!(found, listed);
        }
        assert!(storage.delete(first, 7, &Past::default()).unwrap());
        assert!(matches!(entry("a"), Lookup::Deleted));
        create(storage, "a", &["new"]);
        assert!(matches!(entry("a"), Lookup::Found(_)));
    });
}

#[test]
fn an_edit_moves_a_document_to_the_front() {
    on_each(|storage| {
        let old = create(storage, "old", &["1"]);
        create(storage, "new", &["1"]);
        let edit = Append {
            edited_at_ms: 9_999,
            length: 77,
            ..append(old, 2, &["2"])
        };
        storage.append(&[edit]).unwrap();
        let list = storage.list("", None, 10).unwrap();
        assert_eq!(list[0].name, name("old"));
        assert_eq!(
            (list[0].length, list[0].edited_at_ms, list[0].created_at_ms),
            (77, 9_999, 1_001)
        );
    });
}

#[test]
fn a_query_is_text_and_not_a_pattern() {
    on_each(|storage| {
        for document in [
            "Notes/Über 100%",
            "a_b",
            "axb",
            "Ärger/ΟΔΟΣ",
            "Straße",
            "c'est",
            "日本",
        ] {
            create(storage, document, &["1"]);
        }
        let search = |query: &str| -> Vec<String> {
            let found = storage.list(query, None, 10).unwrap();
            let mut names: Vec<_> = found.iter().map(|entry| entry.name.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(search("0%"), ["Notes/Über 100%"]);
        assert_eq!(search("%"), ["Notes/Über 100%"]);
        assert_eq!(search("_"), ["a_b"]);
        assert_eq!(search("über"), ["Notes/Über 100%"]);
        assert_eq!(search("nOTES/ÜB"), ["Notes/Über 100%"]);
        assert_eq!(search("οδος"), ["Ärger/ΟΔΟΣ"]);
        assert_eq!(search("STRASSE"), ["Straße"]);
        assert_eq!(search("'"), ["c'est"]);
        assert_eq!(search("本"), ["日本"]);
        assert_eq!(search("nothing like it"), [""; 0]);
        assert_eq!(search("\0"), [""; 0]);
        assert_eq!(search("").len(), 7);
    });
}

#[test]
fn identities_are_never_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    let id = create(&storage, "a", &["1"]);
    storage.delete(id, 1, &Past::default()).unwrap();
    storage.reopen().unwrap();
    assert!(storage.allocate() > id);
    drop(storage);
    let storage = Sqlite::open(folder.path()).unwrap();
    assert!(storage.allocate() > id, "the tombstone counts");
}

#[test]
fn after_close_everything_fails() {
    on_each(|storage| {
        create(storage, "a", &["1"]);
        storage.close().unwrap();
        assert!(storage.load(&name("a")).is_err());
        assert!(storage.probe().is_err());
        assert!(storage.append(&[]).is_err());
        assert!(storage.list("", None, 1).is_err());
    });
}

#[test]
fn the_newest_visits_of_each_are_kept() {
    on_each(|storage| {
        let ids: Vec<DocumentId> = (0..MAX_VISITS + 5)
            .map(|number| create(storage, &format!("d{number}"), &["1"]))
            .collect();
        let (ann, bob) = (PersonId(1), PersonId(2));
        let visit = |person, id, at_ms| Visit { person, id, at_ms };
        let visits: Vec<Visit> = ids.iter().map(|id| visit(ann, *id, id.0)).collect();
        storage.visit(&visits).unwrap();
        let again = [
            visit(bob, ids[0], 7),
            visit(ann, ids[9], 5_000),
            visit(ann, ids[9], 4_000),
        ];
        storage.visit(&again).unwrap();
        let visited = storage.visited(ann).unwrap();
        let (newest, at_ms) = &visited[0];
        assert_eq!(
            (newest.id(), *at_ms, visited.len()),
            (ids[9], 5_000, MAX_VISITS)
        );
        assert_eq!(visited[1].0.id(), *ids.last().unwrap());
        assert_eq!(storage.visited(bob).unwrap().len(), 1);
        // Of what is not there nothing is told, and nothing is kept.
        assert!(storage.delete(ids[9], 1, &Past::default()).unwrap());
        assert_eq!(storage.visited(ann).unwrap().len(), MAX_VISITS - 1);
        storage
            .visit(&[visit(bob, ids[9], 9), visit(bob, DocumentId(999_999), 9)])
            .unwrap();
        assert_eq!(storage.visited(bob).unwrap().len(), 1);
    });
}

#[test]
fn what_is_below_a_folder_is_no_neighbour_of_it() {
    on_each(|storage| {
        for document in ["a", "a/b", "a/b/c", "a-", "a0", "a.b", "b", "ä/b", "a/日本"] {
            create(storage, document, &["1"]);
        }
        let below = |folder: Option<&str>| {
            let mut names = Vec::new();
            let folder = folder.map(name);
            let each = &mut |entry: Entry| names.push(entry.name.to_string());
            storage.below(folder.as_ref(), each).unwrap();
            names
        };
        assert_eq!(below(Some("a")), ["a/b", "a/b/c", "a/日本"]);
        assert_eq!(below(Some("a/b")), ["a/b/c"]);
        assert_eq!(below(Some("ä")), ["ä/b"]);
        assert_eq!(below(Some("b")), [""; 0]);
        let all = below(None);
        assert!(all.len() == 9 && all.is_sorted(), "{all:?}");
    });
}

/// What the random history believes of a living document.
struct Belief {
    id: DocumentId,
    sequence: u64,
    generation: u64,
}

/// The same random history on both, with SQLite opened again now and then: every answer must be equal.
#[test]
fn sqlite_and_memory_agree() {
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut sqlite = Sqlite::open(folder.path()).unwrap();
    let memory = Memory::default();
    let names = ["a", "b", "c", "A", "ä/b"];
    let mut living: HashMap<&str, Belief> = HashMap::new();
    let mut trash: Vec<Belief> = Vec::new();
    for step in 0..800 {
        let document = names[random.random_range(0..names.len())];
        match random.random_range(0..16) {
            0..6 => {
                let known = living.get(document);
                let (id, sequence) = known.map_or_else(
                    || (fresh(&sqlite, &memory), 0),
                    |known| (known.id, known.sequence),
                );
                let wrong = random.random_ratio(1, 10);
                let count = random.random_range(1..5);
                let append = Append {
                    id,
                    create: known.is_none().then(|| name(document).into()),
                    first_sequence: sequence + 1 + u64::from(wrong),
                    updates: (0..count)
                        .map(|_| {
                            let text = "7".repeat(random.random_range(0..300));
                            let name = ["Ann", "Bo"].get(random.random_range(0..3));
                            record(&text, name.copied(), random.random_range(0..99))
                        })
                        .collect(),
                    length: random.random_range(0..1000),
                    edited_at_ms: random.random_range(0..20),
                    past: None,
                    receipts: Vec::new(),
                    forgotten: Vec::new(),
                    wrote: Vec::new(),
                };
                let refused = sqlite.append(std::slice::from_ref(&append)).unwrap();
                assert_eq!(refused, memory.append(&[append]).unwrap(), "step {step}");
                assert_eq!(refused.is_empty(), !wrong, "step {step}");
                if !wrong {
                    let fresh = Belief {
                        id,
                        sequence: 0,
                        generation: 0,
                    };
                    living.entry(document).or_insert(fresh).sequence += count;
                }
            }
            6..9 => {
                if let Some(Belief {
                    id,
                    sequence,
                    generation,
                }) = living.get_mut(document)
                {
                    let (id, snapshot) = (*id, "9".repeat(random.random_range(0..9000)));
                    let made_from = random.random_range(generation.saturating_sub(1)..=*generation);
                    let through = random.random_range(sequence.saturating_sub(4)..=*sequence + 1);
                    let compact = |storage: &dyn Storage| {
                        let compaction = compaction(storage, id, made_from, through, &snapshot);
                        storage.compact(&compaction).unwrap()
                    };
                    let done = compact(&sqlite);
                    assert_eq!(done, compact(&memory), "step {step}");
                    assert_eq!(history(&sqlite, id), history(&memory, id), "step {step}");
                    *generation += u64::from(done);
                }
            }
            9 => {
                if let Some(Belief { id, .. }) = living.remove(document) {
                    let past = Past {
                        stamp: None,
                        vector: vector(id.0 as u64, 1),
                    };
                    for storage in [&sqlite as &dyn Storage, &memory] {
                        assert!(storage.delete(id, step, &past).unwrap());
                    }
                }
            }
            10 => {
                if let Some(belief) = living.remove(document) {
                    let vector = vector(belief.id.0 as u64, belief.sequence);
                    let discard = Discard {
                        id: belief.id,
                        now_ms: step / 3,
                        by: Some(PersonId(step)).filter(|_| step % 2 == 0),
                        vector: &vector,
                    };
                    for storage in [&sqlite as &dyn Storage, &memory] {
                        assert!(storage.discard(&discard).unwrap(), "step {step}");
                        assert!(!storage.discard(&discard).unwrap(), "step {step}");
                    }
                    trash.push(belief);
                }
            }
            11 | 12 if !trash.is_empty() => {
                let at = random.random_range(0..trash.len());
                let (id, name) = (trash[at].id, name(document));
                let taken = sqlite.take_back(id, &name).unwrap();
                assert_eq!(taken, memory.take_back(id, &name).unwrap(), "step {step}");
                assert_eq!(taken, !living.contains_key(document), "step {step}");
                if taken {
                    living.insert(document, trash.swap_remove(at));
                    assert_eq!(history(&sqlite, id), history(&memory, id), "step {step}");
                }
            }
            13 if !trash.is_empty() => {
                let gone = trash.swap_remove(random.random_range(0..trash.len()));
                for storage in [&sqlite as &dyn Storage, &memory] {
                    assert!(storage.erase(gone.id).unwrap(), "step {step}");
                    assert!(!storage.erase(gone.id).unwrap(), "step {step}");
                    assert!(!storage.take_back(gone.id, &name("e")).unwrap());
                    while storage.erase_some().unwrap() {}
                }
            }
            14 => sqlite.reopen().unwrap(),
            _ => {
                drop(sqlite);
                sqlite = Sqlite::open(folder.path()).unwrap();
            }
        }
        for document in names {
            let document = name(document);
            let (left, right) = (
                sqlite.load(&document).unwrap(),
                memory.load(&document).unwrap(),
            );
            assert_eq!(format!("{left:?}"), format!("{right:?}"), "step {step}");
            let lineages = (sqlite.lineage(&document), memory.lineage(&document));
            assert_eq!(lineages.0.unwrap(), lineages.1.unwrap(), "step {step}");
        }
        let trashed = sqlite.trash(None, 9).unwrap();
        assert_eq!(trashed, memory.trash(None, 9).unwrap(), "step {step}");
        let after = trashed.get(1).map(Trashed::position);
        let rest = sqlite.trash(after, 9).unwrap();
        assert_eq!(rest, memory.trash(after, 9).unwrap(), "step {step}");
        let before = (step / 4, 3);
        assert_eq!(
            sqlite.trashed_before(before.0, before.1).unwrap(),
            memory.trashed_before(before.0, before.1).unwrap(),
            "step {step}"
        );
        let query = ["", "a", "B"][random.random_range(0..3)];
        assert_eq!(
            sqlite.list(query, None, 9).unwrap(),
            memory.list(query, None, 9).unwrap()
        );
    }
}

/// A vector with one client.
fn vector(client: u64, clock: u64) -> VersionVector {
    let mut vector = VersionVector::new();
    vector.advance(client, clock);
    vector
}

/// An identity that neither has given.
fn fresh(one: &dyn Storage, other: &dyn Storage) -> DocumentId {
    let (mut left, mut right) = (one.allocate(), other.allocate());
    while left != right {
        match left < right {
            true => left = one.allocate(),
            false => right = other.allocate(),
        }
    }
    left
}

fn receipt(request: &str, sequence: u64) -> Receipt {
    Receipt {
        client: "ann".to_owned(),
        request: request.to_owned(),
        sequence,
        restores: 1,
        revision: ropewalk_crdt::Revision {
            inserted: sequence + 7,
            deleted: 3,
        },
        length: 4,
        digest: (sequence > 2).then_some(-7),
    }
}

#[test]
fn receipts_are_kept_with_their_edits_until_they_are_forgotten() {
    on_each(|storage| {
        let id = create(storage, "a", &["1"]);
        let other = create(storage, "b", &["1"]);
        let write = |first: u64, receipts: Vec<Receipt>| {
            let updates = vec!["x"; receipts.len()];
            let append = Append {
                receipts,
                ..append(id, first, &updates)
            };
            storage.append(&[append]).unwrap()
        };
        assert_eq!(write(2, vec![receipt("2", 2), receipt("ü", 3)]), []);
        let both = [receipt("2", 2), receipt("ü", 3)];
        assert_eq!(storage.receipts(id).unwrap(), both);
        assert_eq!(write(9, vec![receipt("9", 9)]), [id], "it has no place");
        assert_eq!(storage.receipts(id).unwrap(), both);
        assert_eq!(storage.receipts(other).unwrap(), []);

        // One may be forgotten with the edits that it is of.
        let next = Append {
            receipts: vec![receipt("4", 4), receipt("5", 5)],
            forgotten: vec![2, 4],
            ..append(id, 4, &["x", "x"])
        };
        assert_eq!(storage.append(&[next]).unwrap(), []);
        let kept = [receipt("ü", 3), receipt("5", 5)];
        assert_eq!(storage.receipts(id).unwrap(), kept);

        assert!(storage.delete(id, 5_000, &Past::default()).unwrap());
        assert_eq!(storage.receipts(id).unwrap(), []);
    });
}

#[test]
fn a_damaged_receipt_is_forgotten_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    let id = create(&storage, "a", &["1"]);
    let append = Append {
        receipts: vec![receipt("2", 2), receipt("3", 3)],
        wrote: Vec::new(),
        ..append(id, 2, &["2", "3"])
    };
    storage.append(&[append]).unwrap();
    let database = rusqlite::Connection::open(storage.file()).unwrap();
    let damage = "UPDATE receipts SET inserted = inserted + 1 WHERE sequence = 2";
    assert_eq!(database.execute(damage, []).unwrap(), 1);
    assert_eq!(storage.receipts(id).unwrap(), [receipt("3", 3)]);
    assert_eq!(updates(&found(&storage, "a")), ["1", "2", "3"]);
}

fn wrote(client: u64, clock: u32, person: Option<i64>) -> Wrote {
    Wrote {
        client,
        clock,
        person: person.map(ropewalk::access::PersonId),
        is_relayed: clock > 2,
    }
}

#[test]
fn who_wrote_is_kept_with_what_they_wrote() {
    on_each(|storage| {
        let id = create(storage, "a", &["1"]);
        let other = create(storage, "b", &["1"]);
        let write = |first: u64, wrote: Vec<Wrote>| {
            let append = Append {
                wrote,
                ..append(id, first, &["x"])
            };
            storage.append(&[append]).unwrap()
        };
        let (first, second) = (wrote(9, 0, Some(5)), wrote(9, 3, None));
        let largest = wrote((1 << 53) - 1, u32::MAX, Some(-5));
        assert_eq!(write(2, vec![second, largest]), []);
        assert_eq!(write(3, vec![first]), []);
        assert_eq!(write(9, vec![wrote(1, 0, None)]), [id], "it has no place");
        assert_eq!(storage.wrote(id).unwrap(), [first, second, largest]);
        let second = wrote(9, 3, Some(6));
        assert_eq!(write(4, vec![second]), []);
        assert_eq!(
            storage.wrote(id).unwrap(),
            [first, second, largest],
            "what came in the place of what had waited"
        );
        assert_eq!(storage.wrote(other).unwrap(), []);
        assert!(storage.delete(id, 5_000, &Past::default()).unwrap());
        assert_eq!(storage.wrote(id).unwrap(), []);
    });
}

#[test]
fn who_wrote_is_not_known_where_that_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    let id = create(&storage, "a", &["1"]);
    let append = Append {
        wrote: vec![wrote(9, 0, Some(5)), wrote(9, 3, Some(6))],
        ..append(id, 2, &["2"])
    };
    storage.append(&[append]).unwrap();
    let database = rusqlite::Connection::open(storage.file()).unwrap();
    let damage = "UPDATE wrote SET person = 7 WHERE clock = 0";
    assert_eq!(database.execute(damage, []).unwrap(), 1);
    assert_eq!(storage.wrote(id).unwrap(), [wrote(9, 3, Some(6))]);
    assert_eq!(updates(&found(&storage, "a")), ["1", "2"]);
}
