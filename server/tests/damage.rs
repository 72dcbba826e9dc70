//! What SQLite storage does with a folder or a file that is not as it should be.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ropewalk::name::DocumentName;
use ropewalk::storage::sqlite::{FILE, OpenError, Sqlite};
use ropewalk::storage::{
    Append, Compaction, DocumentId, Lookup, Past, Record, Storage, StorageError,
};
use tempfile::TempDir;

const LOCK: &str = "ropewalk.lock";

fn name(name: &str) -> DocumentName {
    DocumentName::new(name).unwrap()
}

fn append(storage: &Sqlite, id: DocumentId, create: Option<&str>, first: u64, count: u64) {
    let append = Append {
        id,
        create: create.map(|create| name(create).into()),
        first_sequence: first,
        updates: (first..first + count)
            .map(|i| Record {
                update: format!("update {i}").into(),
                author: Arc::default(),
                at_ms: first as i64,
            })
            .collect(),
        length: first,
        edited_at_ms: first as i64,
        past: None,
        receipts: Vec::new(),
        forgotten: Vec::new(),
        wrote: Vec::new(),
    };
    assert_eq!(storage.append(&[append]).unwrap(), []);
}

/// `a` has a snapshot through 3 and rows 4, 5..=6, 7..=9; `b` has rows 1..=2 and 3; `gone` is deleted.
fn fill(storage: &Sqlite) {
    let (a, b, gone) = (storage.allocate(), storage.allocate(), storage.allocate());
    append(storage, a, Some("a"), 1, 3);
    append(storage, b, Some("b"), 1, 2);
    append(storage, gone, Some("gone"), 1, 1);
    let snapshot = vec![42; 10_000];
    assert!(
        storage
            .compact(&Compaction {
                id: a,
                generation: 0,
                through: 3,
                snapshot,
                packs: storage.pack(a, 3).unwrap(),
                keep_from_ms: None,
                salvaged: None,
            })
            .unwrap()
    );
    append(storage, a, None, 4, 1);
    append(storage, a, None, 5, 2);
    append(storage, b, None, 3, 1);
    append(storage, a, None, 7, 3);
    assert!(storage.delete(gone, 9, &Past::default()).unwrap());
}

/// A folder that a server has closed.
fn closed() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    fill(&storage);
    storage.close().unwrap();
    folder
}

/// What `kill -9` leaves: the database and its journal, copied while they are open. `last` happens just before.
fn killed(last: impl FnOnce(&rusqlite::Connection)) -> TempDir {
    let (open, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let storage = Sqlite::open(open.path()).unwrap();
    fill(&storage);
    let connection = rusqlite::Connection::open(open.path().join(FILE)).unwrap();
    last(&connection);
    for file in [FILE, "ropewalk.db-wal"] {
        fs::copy(open.path().join(file), copy.path().join(file)).unwrap();
    }
    assert!(
        fs::metadata(copy.path().join("ropewalk.db-wal"))
            .unwrap()
            .len()
            > 0
    );
    copy
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.path().is_file() && entry.file_name() != LOCK)
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

/// Opening must fail and leave every file as it was, and no new one.
fn untouched(folder: &Path) -> OpenError {
    let before = files(folder);
    let error = Sqlite::open(folder).unwrap_err();
    let after = files(folder);
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>(),
        "{error}"
    );
    for (file, bytes) in before {
        assert!(
            bytes == after[&file] || file.ends_with("-shm"),
            "{file} changed: {error}"
        );
    }
    let text = error.to_string();
    assert!(
        !text.contains('\n') && text.contains(folder.to_str().unwrap()),
        "{text}"
    );
    error
}

fn damaged(folder: &Path, words: &str) {
    match untouched(folder) {
        OpenError::Damaged { reason, .. } => assert!(reason.contains(words), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_is_made_and_found_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("x/ropewalk data");
    drop(Sqlite::open(&folder).unwrap());
    assert_eq!(files(&folder).keys().collect::<Vec<_>>(), [FILE]);
    let storage = Sqlite::open(&folder).unwrap();
    assert!(matches!(storage.load(&name("a")).unwrap(), Lookup::Absent));
    assert_eq!(storage.folder(), folder.canonicalize().unwrap());
}

#[test]
fn a_file_that_is_not_a_database_is_damage() {
    let folder = closed();
    let file = folder.path().join(FILE);
    let whole = fs::read(&file).unwrap();
    for (bytes, words) in [
        (&b""[..], "only 0 bytes"),
        (&whole[..99], "only 99 bytes"),
        (&whole[..4096], "malformed"),
        (&whole[..whole.len() - 4096], ""),
        (&[0; 8192], "not a SQLite database"),
        (&b"Dear diary, ".repeat(1000), "not a SQLite database"),
    ] {
        fs::write(&file, bytes).unwrap();
        damaged(folder.path(), words);
    }
    fs::write(&file, &whole).unwrap();
    Sqlite::open(folder.path()).unwrap();
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    let other = rusqlite::Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE documents (id INTEGER PRIMARY KEY)")
        .unwrap();
    drop(other);
    damaged(folder.path(), "another program");
}

#[test]
fn a_database_without_its_tables_is_damage() {
    for change in [
        "DROP TABLE snapshots",
        "ALTER TABLE log DROP COLUMN written_at_ms",
    ] {
        let folder = closed();
        let file = rusqlite::Connection::open(folder.path().join(FILE)).unwrap();
        file.execute_batch(change).unwrap();
        drop(file);
        damaged(folder.path(), "no ");
    }
}

#[test]
fn a_newer_format_is_left_alone() {
    let folder = closed();
    let file = rusqlite::Connection::open(folder.path().join(FILE)).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    assert!(matches!(
        untouched(folder.path()),
        OpenError::Newer {
            found: 99,
            known: 10,
            ..
        }
    ));
}

#[test]
fn a_newer_format_that_only_the_journal_knows_is_left_alone() {
    let folder = killed(|connection| connection.pragma_update(None, "user_version", 99).unwrap());
    assert!(matches!(
        untouched_but_index(folder.path()),
        OpenError::Newer { found: 99, .. }
    ));
}

#[test]
fn damage_in_a_database_with_a_journal_leaves_both() {
    let folder = killed(|connection| connection.execute_batch("DROP TABLE snapshots").unwrap());
    assert!(matches!(
        untouched_but_index(folder.path()),
        OpenError::Damaged { .. }
    ));
}

fn untouched_but_index(folder: &Path) -> OpenError {
    let error = untouched(folder);
    assert!(files(folder)["ropewalk.db-wal"].len() > 4096);
    error
}

#[test]
fn a_killed_server_loses_nothing() {
    let folder = killed(|_| {});
    let storage = Sqlite::open(folder.path()).unwrap();
    check_whole(&storage);
    let folder = killed(|_| {});
    fs::remove_file(folder.path().join(FILE)).unwrap();
    damaged(folder.path(), "its journal");
}

fn check_whole(storage: &Sqlite) {
    for document in ["a", "b", "gone", "never"] {
        assert_eq!(load(storage, document), Ok(expected(document)));
    }
}

/// A short form of what lies under a name: snapshot bytes, then updates.
fn load(storage: &Sqlite, document: &str) -> Result<String, String> {
    match storage.load(&name(document)) {
        Ok(Lookup::Found(stored)) => Ok(format!(
            "{:?} {:?} {}",
            stored
                .snapshot
                .map(|snapshot| (snapshot.len(), crc32fast::hash(&snapshot))),
            stored
                .updates
                .iter()
                .map(|u| String::from_utf8_lossy(u))
                .collect::<Vec<_>>(),
            stored.sequence
        )),
        Ok(other) => Ok(format!("{other:?}")),
        Err(error @ StorageError::Damaged(_)) => Err(error.to_string()),
        Err(other) => panic!("{document}: {other}"),
    }
}

fn expected(document: &str) -> String {
    let updates = |range: std::ops::RangeInclusive<u64>| {
        range.map(|i| format!("update {i}")).collect::<Vec<_>>()
    };
    let crc = crc32fast::hash(&[42; 10_000]);
    match document {
        "a" => format!("{:?} {:?} 9", Some((10_000, crc)), updates(4..=9)),
        "b" => format!("{:?} {:?} 3", None::<(usize, u32)>, updates(1..=3)),
        "gone" => "Deleted".to_owned(),
        _ => "Absent".to_owned(),
    }
}

/// Whatever single byte of the file goes bad: what is read is what was written, or an error.
#[test]
fn no_bad_byte_is_read_as_a_document() {
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = closed();
    let file = folder.path().join(FILE);
    let whole = fs::read(&file).unwrap();
    let (mut refused, mut noticed, mut harmless) = (0, 0, 0);
    let rounds = std::env::var("ROUNDS").map_or(300, |rounds| rounds.parse().unwrap());
    for _ in 0..rounds {
        let mut bytes = whole.clone();
        // Most of the file is empty space: aim at what is not, most of the time.
        let at = loop {
            let at = random.random_range(0..bytes.len());
            if bytes[at] != 0 || random.random_ratio(1, 200) {
                break at;
            }
        };
        bytes[at] ^= 1 << random.random_range(0..8);
        fs::write(&file, &bytes).unwrap();
        match Sqlite::open(folder.path()) {
            Err(_) => refused += 1,
            Ok(storage) => {
                let mut errors = 0;
                for document in ["a", "b", "gone", "never"] {
                    match load(&storage, document) {
                        Ok(read) => assert_eq!(read, expected(document), "byte {at} changed"),
                        Err(_) => errors += 1,
                    }
                }
                if errors > 0 {
                    noticed += 1
                } else {
                    harmless += 1
                }
            }
        }
        for side in ["ropewalk.db-wal", "ropewalk.db-shm"] {
            let _ = fs::remove_file(folder.path().join(side));
        }
    }
    println!("refused {refused}, noticed on reading {noticed}, harmless {harmless}");
    assert!(refused > 0 && noticed > 0);
}

/// A name stands in its row and in an index. Where one of them has gone bad the document must not look new.
#[test]
fn a_name_that_went_bad_is_not_a_new_document() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    let document = "particular";
    append(&storage, storage.allocate(), Some(document), 1, 1);
    drop(storage);
    let file = folder.path().join(FILE);
    let whole = fs::read(&file).unwrap();
    let places: Vec<usize> = (0..whole.len() - document.len())
        .filter(|&at| whole[at..].starts_with(document.as_bytes()))
        .collect();
    assert_eq!(places.len(), 2);
    for at in places {
        let mut bytes = whole.clone();
        bytes[at] = b'q';
        fs::write(&file, &bytes).unwrap();
        damaged(folder.path(), "");
    }
}

/// Rows that a program or a person took away or changed in a database that SQLite finds whole.
#[test]
fn a_missing_or_changed_row_is_damage_of_that_document_only() {
    for change in [
        "DELETE FROM log WHERE document_id = 1 AND first_sequence = 4",
        "DELETE FROM log WHERE document_id = 1 AND first_sequence = 5",
        "DELETE FROM log WHERE document_id = 1 AND first_sequence = 7",
        "DELETE FROM log WHERE document_id = 1",
        "DELETE FROM snapshots",
        "UPDATE documents SET generation = 0 WHERE id = 1",
        "UPDATE documents SET generation = 2 WHERE id = 1",
        "UPDATE documents SET sequence = 8 WHERE id = 1",
        "UPDATE documents SET sequence = 10 WHERE id = 1",
        "UPDATE snapshots SET through = 2",
        "UPDATE snapshots SET data = zeroblob(10000)",
        "UPDATE snapshots SET crc32 = crc32 + 1",
        "UPDATE log SET crc32 = crc32 + 1 WHERE document_id = 1 AND first_sequence = 5",
        "UPDATE log SET payload = CAST(x'00' || payload AS BLOB) WHERE document_id = 1 AND first_sequence = 5",
        "UPDATE log SET payload = x'' WHERE document_id = 1 AND first_sequence = 5",
        "UPDATE log SET last_sequence = 7 WHERE document_id = 1 AND first_sequence = 5",
        "UPDATE log SET (payload, crc32) = (SELECT payload, crc32 FROM log WHERE document_id = 2 AND first_sequence = 3)
            WHERE document_id = 1 AND first_sequence = 4",
    ] {
        let folder = closed();
        let file = rusqlite::Connection::open(folder.path().join(FILE)).unwrap();
        assert_ne!(file.execute(change, []).unwrap(), 0, "{change}");
        drop(file);
        let storage = Sqlite::open(folder.path()).unwrap();
        let problem = load(&storage, "a").unwrap_err();
        assert!(problem.contains("document 1"), "{change}: {problem}");
        assert_eq!(load(&storage, "b"), Ok(expected("b")), "{change}");
        assert_eq!(storage.list("", None, 9).unwrap().len(), 2);
    }
}

#[test]
fn a_folder_is_used_by_one_server_at_a_time() {
    let folder = closed();
    let first = Sqlite::open(folder.path()).unwrap();
    match Sqlite::open(folder.path()).unwrap_err() {
        OpenError::InUse { process, .. } => assert_eq!(process, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    check_whole(&first);
    drop(first);
    check_whole(&Sqlite::open(folder.path()).unwrap());
}

#[test]
fn a_path_that_cannot_be_a_data_folder_is_not_usable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    for path in [file.clone(), file.join("below")] {
        assert!(matches!(
            Sqlite::open(&path).unwrap_err(),
            OpenError::NotUsable { .. }
        ));
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let folder = folder.path().join("data");
    fs::create_dir_all(folder.join(FILE)).unwrap();
    assert!(matches!(untouched(&folder), OpenError::NotUsable { .. }));
}

#[test]
fn a_half_made_database_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ropewalk.db.new"), "half").unwrap();
    drop(Sqlite::open(folder.path()).unwrap());
    assert_eq!(files(folder.path()).keys().collect::<Vec<_>>(), [FILE]);
}

#[test]
fn a_database_that_vanishes_is_not_begun_again() {
    let folder = closed();
    let storage = Sqlite::open(folder.path()).unwrap();
    let (file, away) = (folder.path().join(FILE), folder.path().join("away"));
    fs::rename(&file, &away).unwrap();
    assert!(storage.reopen().is_err());
    assert!(storage.load(&name("a")).is_err());
    assert!(storage.probe().is_err());
    assert!(!file.exists());
    fs::rename(&away, &file).unwrap();
    storage.reopen().unwrap();
    check_whole(&storage);
    storage.probe().unwrap();
}

#[test]
fn readers_see_a_document_as_of_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    let id = storage.allocate();
    append(&storage, id, Some("a"), 1, 1);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut reached = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let Lookup::Found(stored) = storage.load(&name("a")).unwrap() else {
                        panic!("gone");
                    };
                    // The snapshot is as long as it holds updates.
                    let held = stored.snapshot.map_or(0, |snapshot| snapshot.len());
                    assert_eq!((held + stored.updates.len()) as u64, stored.sequence);
                    assert!(stored.sequence >= reached);
                    reached = stored.sequence;
                }
            });
        }
        for round in 0..100u64 {
            append(&storage, id, None, 2 + round, 1);
            if round % 3 == 0 {
                let (generation, through) = (round / 3, round + 1);
                let snapshot = vec![0; through as usize];
                assert!(
                    storage
                        .compact(&Compaction {
                            id,
                            generation,
                            through,
                            snapshot,
                            packs: storage.pack(id, through).unwrap(),
                            keep_from_ms: None,
                            salvaged: None,
                        })
                        .unwrap()
                );
            }
            if round % 40 == 0 {
                storage.reopen().unwrap();
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Formats 1 and 2 did not say who made an update, and when only once a row.
#[test]
fn a_log_of_an_older_format_is_read_and_goes_into_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Sqlite::open(folder.path()).unwrap();
    let id = storage.allocate();
    append(&storage, id, Some("a"), 1, 2);
    storage.close().unwrap();
    drop(storage);
    let file = rusqlite::Connection::open(folder.path().join(FILE)).unwrap();
    let payload = b"\x03one\x03two";
    let mut crc = crc32fast::Hasher::new();
    [id.0, 1, 2]
        .iter()
        .for_each(|number| crc.update(&number.to_le_bytes()));
    crc.update(payload);
    file.execute(
        "UPDATE log SET payload = ?1, crc32 = ?2, written_at_ms = 77",
        (&payload[..], crc.finalize()),
    )
    .unwrap();
    file.execute_batch(
        "ALTER TABLE log DROP COLUMN framing; DROP TABLE history; DROP TABLE former_snapshots;
         DROP TABLE damaged; DROP TABLE restores; DROP TABLE pasts; DROP TABLE strays;
         DROP TABLE receipts; DROP TABLE wrote;
         DROP TABLE trash; DROP TABLE clock; DROP TABLE erasing; DROP TABLE visits; DROP INDEX documents_moved;
         ALTER TABLE documents DROP COLUMN moved_to; ALTER TABLE documents DROP COLUMN restores; ALTER TABLE documents DROP COLUMN owner;
          PRAGMA user_version = 2",
    )
    .unwrap();
    drop(file);

    let storage = Sqlite::open(folder.path()).unwrap();
    let history = || {
        let mut all = Vec::new();
        let mut each = |sequence, record: Record| {
            let text = String::from_utf8(record.update.to_vec()).unwrap();
            assert_eq!(*record.author, ropewalk::storage::Author::default());
            all.push((sequence, text, record.at_ms));
        };
        storage.history(id, &mut each).unwrap();
        all
    };
    let expected = [(1, "one".to_owned(), 77), (2, "two".to_owned(), 77)];
    assert_eq!(history(), expected);
    let Lookup::Found(stored) = storage.load(&name("a")).unwrap() else {
        panic!("gone");
    };
    assert_eq!(stored.updates, [b"one", b"two"]);
    let compaction = Compaction {
        id,
        generation: 0,
        through: 2,
        snapshot: vec![1],
        packs: storage.pack(id, 2).unwrap(),
        keep_from_ms: None,
        salvaged: None,
    };
    assert!(storage.compact(&compaction).unwrap());
    assert_eq!(history(), expected);
}
