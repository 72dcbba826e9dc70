#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use tempfile::TempDir;

use super::meeting::resume;
use super::*;
use crate::link::Address;
use crate::sync::aside;
use crate::sync::folder::Folder;
use crate::sync::records::{Next, Records, digest};

const FILE: &str = "a";
const OLD: &str = "one\ntwo\n";
const NEW: &str = "zero\none\ntwo\n";

/// A folder with one file, and a server that has written more than is in it.
struct Scene {
    folder: TempDir,
    shared: Arc<Shared>,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join(FILE), OLD).unwrap();
        Self::in_folder(folder)
    }

    /// Of a process that begins.
    fn in_folder(folder: TempDir) -> Self {
        let opened = Folder::open(folder.path()).unwrap().unwrap();
        let records = Records::open(folder.path(), "here").unwrap();
        // Nobody is there.
        let address = Address::new("http://127.0.0.1:9", None).unwrap();
        let shared = Arc::new(Shared::new(opened, records, address, false));
        Self { folder, shared }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    /// As it is with nothing but the record left.
    fn again(&self) -> Pair {
        let record = self.shared.records.get(FILE).unwrap().unwrap();
        resume(&self.shared, FILE, DocumentName::new(FILE).unwrap(), record).unwrap()
    }

    /// Before the server has written anything.
    fn same(&self) -> Pair {
        let mut document = Document::new(1);
        insert(&mut document, 0, OLD);
        let record = Record {
            mirror: document.save(),
            ..Record::default()
        };
        self.shared.records.put(FILE, &record).unwrap();
        self.again()
    }

    fn pair(&self) -> Pair {
        let mut pair = self.same();
        let mut server = Document::open(2, &pair.mirror.save()).unwrap();
        let news = insert(&mut server, 0, "zero\n");
        pair.link.apply(&news).unwrap();
        pair
    }
}

fn insert(document: &mut Document, at: u64, text: &str) -> Vec<u8> {
    let base = document.version().clone();
    let insert = text.to_owned();
    let edit = Edit {
        from: at,
        to: at,
        insert,
    };
    document.edit(&base, ROOT, Unit::Utf8, &[edit]).unwrap()
}

/// What the server has: a document as it was saved.
fn hear(pair: &mut Pair, saved: &[u8]) {
    let mut server = Document::open(3, saved).unwrap();
    pair.link.apply(&server.encode()).unwrap();
}

/// Looks as often as it is to be.
async fn look(pair: &mut Pair) {
    assert!(pair.look().await.unwrap().is_none());
    while let Some(due) = pair.look {
        sleep_until(due).await;
        assert!(pair.look().await.unwrap().is_none());
    }
}

/// Looks and writes until file, mirror and link are the same.
async fn settle(scene: &Scene, pair: &mut Pair) -> String {
    for _ in 0..5 {
        pair.stamp = None;
        look(pair).await;
        assert!(pair.write().unwrap().is_none());
    }
    let text = scene.text();
    assert_eq!(pair.shown, text);
    assert_eq!(pair.mirror.text(ROOT).to_string(), text);
    assert_eq!(pair.link.document().text(ROOT).to_string(), text);
    text
}

#[tokio::test]
async fn what_is_saved_at_the_moment_of_the_exchange_is_kept() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    std::fs::write(scene.file(), "one\ntwo\nthree\n").unwrap();
    let before = pair.mirror.save();
    pair.exchange(OLD, before, None).unwrap();
    assert_eq!(scene.text(), NEW);
    assert_eq!(settle(&scene, &mut pair).await, "zero\none\ntwo\nthree\n");
}

#[tokio::test]
async fn what_is_saved_at_the_moment_of_the_look_is_seen_without_another_stamp() {
    let scene = Scene::new();
    let mut pair = scene.same();
    for (saved, again) in [("ONE\ntwo\n", "one\nTWO\n"), ("ONE\nTWO\n", OLD)] {
        std::fs::write(scene.file(), saved).unwrap();
        assert!(pair.look().await.unwrap().is_none());
        assert_eq!(pair.shown, saved);
        std::fs::write(scene.file(), again).unwrap();
        // Both are saved while the clock stands still.
        if pair.stamp.is_some() {
            pair.stamp = scene.shared.folder.stamp(FILE).unwrap();
        }
        look(&mut pair).await;
        assert_eq!(pair.shown, again);
        // From then on the stamp tells.
        assert_eq!(pair.stamp, scene.shared.folder.stamp(FILE).unwrap());
    }
}

#[tokio::test]
async fn what_is_written_to_a_file_that_was_replaced_is_an_edit() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    let mut open = std::fs::OpenOptions::new()
        .append(true)
        .open(scene.file())
        .unwrap();
    let before = pair.mirror.save();
    pair.exchange(OLD, before, None).unwrap();
    for (looks, line, end) in [(1, "late\n", "late\n"), (2, "later\n", "late\nlater\n")] {
        std::io::Write::write_all(&mut open, line.as_bytes()).unwrap();
        pair.look_at_old(Instant::now() + looks * HALF).unwrap();
        let text = settle(&scene, &mut pair).await;
        assert_eq!(text, format!("{NEW}{end}"));
    }
}

#[tokio::test]
async fn a_file_that_is_being_written_at_the_moment_of_the_exchange_deletes_nothing() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    let mut open = std::fs::File::create(scene.file()).unwrap();
    let before = pair.mirror.save();
    pair.exchange(OLD, before, None).unwrap();
    assert_eq!(settle(&scene, &mut pair).await, NEW);
    std::io::Write::write_all(&mut open, b"one\n").unwrap();
    pair.look_at_old(Instant::now() + HALF).unwrap();
    assert_eq!(settle(&scene, &mut pair).await, NEW);
    std::io::Write::write_all(&mut open, b"two\nthree\n").unwrap();
    pair.look_at_old(Instant::now() + 2 * HALF).unwrap();
    assert_eq!(settle(&scene, &mut pair).await, "zero\none\ntwo\nthree\n");
}

#[tokio::test]
async fn a_file_that_is_being_written_when_the_process_ends_is_not_forgotten() {
    for half in [&b""[..], b"one\n", b"one\ntwo\n\xf0\x9f"] {
        let scene = Scene::new();
        let mut pair = scene.pair();
        let mut open = std::fs::File::create(scene.file()).unwrap();
        let before = pair.mirror.save();
        pair.exchange(OLD, before, None).unwrap();
        std::io::Write::write_all(&mut open, half).unwrap();
        pair.look_at_all_old().unwrap();
        let left = scene.shared.folder.all_aside().unwrap();
        assert!(
            left.iter().any(|name| name.starts_with("text-")),
            "{left:?}"
        );
    }
}

/// A pair that has replaced the file, which somebody still has open.
fn replaced(scene: &Scene) -> (Pair, std::fs::File) {
    let mut pair = scene.pair();
    let open = std::fs::OpenOptions::new()
        .append(true)
        .open(scene.file())
        .unwrap();
    let before = pair.mirror.save();
    pair.exchange(OLD, before, None).unwrap();
    (pair, open)
}

/// What is aside and was kept.
fn kept(scene: &Scene) -> Vec<String> {
    let all = scene.shared.folder.all_aside().unwrap();
    let kept = all.into_iter().filter(|name| name.starts_with("removed-"));
    kept.map(|name| scene.shared.folder.read_aside(&name).unwrap().unwrap().text)
        .collect()
}

#[tokio::test]
async fn what_is_written_to_a_file_that_was_replaced_is_taken_in_by_the_next_pair() {
    let scene = Scene::new();
    let (mut pair, mut open) = replaced(&scene);
    std::io::Write::write_all(&mut open, b"late\n").unwrap();
    pair.look_at_old(Instant::now() + HALF).unwrap();
    let server = pair.link.save();
    drop(pair);
    std::io::Write::write_all(&mut open, b"later\n").unwrap();
    let mut pair = scene.again();
    hear(&mut pair, &server);
    pair.look_at_all_old().unwrap();
    let text = settle(&scene, &mut pair).await;
    assert_eq!(text, format!("{NEW}late\nlater\n"));
}

#[tokio::test]
async fn what_is_written_to_a_file_that_was_replaced_and_cannot_be_recorded_is_kept() {
    let scene = Scene::new();
    let (mut pair, mut open) = replaced(&scene);
    let database = scene.folder.path().join(".ropewalk-sync/state.db");
    let database = rusqlite::Connection::open(database).unwrap();
    let rename = |from, to| {
        let renaming = format!("ALTER TABLE {from} RENAME TO {to}");
        database.execute_batch(&renaming).unwrap();
    };
    rename("files", "away");
    std::io::Write::write_all(&mut open, b"late\n").unwrap();
    let looked = pair.look_at_all_old();
    assert!(matches!(looked, Err(Problem::Unrecorded(_))), "{looked:?}");
    assert_eq!(kept(&scene), ["one\ntwo\nlate\n"]);
    drop(pair);
    rename("away", "files");
    assert_eq!(settle(&scene, &mut scene.again()).await, NEW);
}

#[tokio::test]
async fn what_is_written_to_a_file_that_nobody_looks_after_any_more_is_kept() {
    for is_of_another_document in [false, true] {
        let scene = Scene::new();
        let (pair, mut open) = replaced(&scene);
        drop(pair);
        std::io::Write::write_all(&mut open, b"late\n").unwrap();
        if is_of_another_document {
            let mut other = Document::new(7);
            insert(&mut other, 0, NEW);
            let mirror = other.save();
            let record = Record {
                mirror,
                ..Record::default()
            };
            scene.shared.records.put(FILE, &record).unwrap();
            let mut pair = scene.again();
            pair.look_at_all_old().unwrap();
            assert_eq!(settle(&scene, &mut pair).await, NEW);
        }
        let left = &scene.shared.left;
        left.look(&scene.shared, Instant::now()).unwrap();
        assert_eq!(kept(&scene), Vec::<String>::new());
        left.look(&scene.shared, Instant::now() + LINGER).unwrap();
        assert_eq!(kept(&scene), ["one\ntwo\nlate\n"]);
    }
}

#[tokio::test]
async fn what_is_written_to_a_file_that_was_replaced_after_the_process_has_ended_is_kept() {
    // Whether somebody writes before, and after the end.
    for (before, after, left) in [
        ("", "", None),
        ("late\n", "", None),
        ("", "later\n", Some("one\ntwo\nlater\n")),
        ("late\n", "later\n", Some("one\ntwo\nlate\nlater\n")),
    ] {
        let scene = Scene::new();
        let (mut pair, mut open) = replaced(&scene);
        std::io::Write::write_all(&mut open, before.as_bytes()).unwrap();
        pair.look_at_all_old().unwrap();
        drop(pair);
        let Scene { folder, shared } = scene;
        drop(shared);
        std::io::Write::write_all(&mut open, after.as_bytes()).unwrap();
        let scene = Scene::in_folder(folder);
        aside::tidy(&scene.shared).unwrap();
        let now = Instant::now();
        scene.shared.left.look(&scene.shared, now + LINGER).unwrap();
        assert_eq!(kept(&scene), Vec::from_iter(left), "{before:?} {after:?}");
        let all = scene.shared.folder.all_aside().unwrap();
        let aside = all.iter().filter(|name| name.starts_with("text-"));
        assert_eq!(aside.count(), 0, "{all:?}");
    }
}

#[tokio::test]
async fn an_editor_that_never_reads_the_file_again_takes_nothing_from_others() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    pair.stamp = None;
    settle(&scene, &mut pair).await;
    for (saved, end) in [
        ("one\ntwo\nx\n", "zero\none\ntwo\nx\n"),
        ("one\ntwo\nx y\n", "zero\none\ntwo\nx y\n"),
        // The same again is meant.
        ("one\ntwo\nx y\n", "one\ntwo\nx y\n"),
    ] {
        std::fs::write(scene.file(), saved).unwrap();
        assert_eq!(settle(&scene, &mut pair).await, end);
    }
}

/// Writes the record that stands while a new text is exchanged with the file.
fn begin_exchange(scene: &Scene, pair: &mut Pair) -> String {
    let aside = "text-1".to_owned();
    scene.shared.folder.put_aside(&aside, NEW, FILE).unwrap();
    let record = Record {
        mirror: pair.mirror.save(),
        next: Some(Next {
            mirror: pair.link.save(),
            aside: aside.clone(),
            before: digest(OLD),
        }),
        ..Record::default()
    };
    scene.shared.records.put(FILE, &record).unwrap();
    aside
}

#[tokio::test]
async fn an_exchange_that_broke_off_at_any_point_is_finished() {
    let (three, zero_three) = ("one\ntwo\nthree\n", "zero\none\ntwo\nthree\n");
    let four = "zero\none\ntwo\n4\n";
    // Whether it was made, and what was saved before and after.
    for (is_made, before, after, end) in [
        (false, None, None, NEW),
        (true, None, None, NEW),
        (false, Some(three), None, zero_three),
        (true, Some(three), None, zero_three),
        (true, None, Some(four), four),
        (
            true,
            Some(three),
            Some("zero\none\n2\n"),
            "zero\none\n2\nthree\n",
        ),
    ] {
        let scene = Scene::new();
        let mut pair = scene.pair();
        let server = pair.link.save();
        let aside = begin_exchange(&scene, &mut pair);
        drop(pair);
        if let Some(text) = before {
            std::fs::write(scene.file(), text).unwrap();
        }
        if is_made {
            scene.shared.folder.exchange(&aside, FILE).unwrap();
        }
        if let Some(text) = after {
            std::fs::write(scene.file(), text).unwrap();
        }
        // Twice: what is finished is not done again.
        for _ in 0..2 {
            let mut pair = scene.again();
            hear(&mut pair, &server);
            let text = settle(&scene, &mut pair).await;
            assert_eq!(text, end, "{is_made} {before:?} {after:?}");
        }
    }
}

#[tokio::test]
async fn what_was_read_and_not_written_back_is_made_once() {
    for was_sent in [true, false] {
        let scene = Scene::new();
        let mut pair = scene.pair();
        let server = pair.link.save();
        std::fs::write(scene.file(), "one\ntwo\nthree\n").unwrap();
        let before = pair.mirror.save();
        pair.exchange(OLD, before, None).unwrap();
        // The process ends before the file has it.
        let server = if was_sent { pair.link.save() } else { server };
        drop(pair);
        for _ in 0..2 {
            let mut pair = scene.again();
            hear(&mut pair, &server);
            let text = settle(&scene, &mut pair).await;
            assert_eq!(text, "zero\none\ntwo\nthree\n", "{was_sent}");
        }
    }
}

#[tokio::test]
async fn a_save_without_what_others_wrote_is_merged_also_when_that_broke_off() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    pair.stamp = None;
    settle(&scene, &mut pair).await;
    // The process ends before the exchange: it fails, and the file is as it was.
    std::fs::remove_file(scene.file()).unwrap();
    let late = "one\ntwo\nthree\n";
    let cut = pair.take(late.to_owned()).await;
    assert!(matches!(cut, Err(Problem::Again)), "{cut:?}");
    let server = pair.link.save();
    drop(pair);
    std::fs::write(scene.file(), late).unwrap();
    let mut pair = scene.again();
    hear(&mut pair, &server);
    let both = "zero\none\ntwo\nthree\n";
    assert_eq!(settle(&scene, &mut pair).await, both);
}

#[tokio::test]
async fn a_save_without_what_others_wrote_whose_exchange_fails_is_taken_in_once() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    pair.stamp = None;
    settle(&scene, &mut pair).await;
    // Somebody saves what was made of the old text, and the file is not there when both are written to it.
    std::fs::remove_file(scene.file()).unwrap();
    let cut = pair.take("one\ntwo\nthree\n".to_owned()).await;
    assert!(matches!(cut, Err(Problem::Again)), "{cut:?}");
    let server = pair.link.save();
    drop(pair);
    // Meanwhile it is edited again.
    std::fs::write(scene.file(), "one\ntwo\nthree\nfour\n").unwrap();
    let mut pair = scene.again();
    hear(&mut pair, &server);
    assert_eq!(
        settle(&scene, &mut pair).await,
        "zero\none\ntwo\nthree\nfour\n"
    );
}

/// What others write, in the file.
async fn others_write(scene: &Scene, pair: &mut Pair, line: &str) {
    let mut server = Document::open(9, &pair.link.save()).unwrap();
    let news = insert(&mut server, 0, line);
    pair.link.apply(&news).unwrap();
    settle(scene, pair).await;
}

#[tokio::test]
async fn however_much_others_write_who_has_a_file_open_may_write_on() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    let mut open = std::fs::OpenOptions::new()
        .append(true)
        .open(scene.file())
        .unwrap();
    for number in 0..100 {
        others_write(&scene, &mut pair, &format!("{number}\n")).await;
    }
    std::io::Write::write_all(&mut open, b"late\n").unwrap();
    pair.look_at_old(Instant::now() + HALF).unwrap();
    assert!(settle(&scene, &mut pair).await.ends_with("\nlate\n"));
}

#[tokio::test]
async fn who_writes_on_in_a_file_that_was_replaced_has_one_client_id() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    let mut open = std::fs::OpenOptions::new()
        .append(true)
        .open(scene.file())
        .unwrap();
    pair.stamp = None;
    settle(&scene, &mut pair).await;
    let before = pair.link.document().version().vector.len();
    let now = Instant::now();
    let mut end = String::new();
    for look in 1..=100 {
        let line = format!("{look}\n");
        std::io::Write::write_all(&mut open, line.as_bytes()).unwrap();
        pair.look_at_old(now + look * HALF).unwrap();
        end += &line;
    }
    assert_eq!(settle(&scene, &mut pair).await, format!("{NEW}{end}"));
    assert_eq!(pair.link.document().version().vector.len(), before + 1);
}

#[tokio::test]
async fn who_saves_again_and_again_without_what_others_wrote_has_one_client_id() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    pair.stamp = None;
    settle(&scene, &mut pair).await;
    let before = pair.link.document().version().vector.len();
    let mut saved = OLD.to_owned();
    for save in 0..20 {
        saved += &format!("{save}\n");
        std::fs::write(scene.file(), &saved).unwrap();
        assert_eq!(settle(&scene, &mut pair).await, format!("zero\n{saved}"));
    }
    assert_eq!(pair.link.document().version().vector.len(), before + 1);
}

#[tokio::test]
async fn a_file_is_looked_at_before_it_is_forgotten() {
    let scene = Scene::new();
    let mut pair = scene.pair();
    let mut open = std::fs::OpenOptions::new()
        .append(true)
        .open(scene.file())
        .unwrap();
    pair.stamp = None;
    settle(&scene, &mut pair).await;
    std::io::Write::write_all(&mut open, b"late\n").unwrap();
    for number in 0..300 {
        others_write(&scene, &mut pair, &format!("{number}\n")).await;
    }
    assert!(settle(&scene, &mut pair).await.ends_with("\nlate\n"));
    let left = scene.shared.folder.all_aside().unwrap();
    assert!(left.len() < 270, "{}", left.len());
}

#[tokio::test]
async fn what_is_half_written_when_an_exchange_breaks_off_deletes_nothing() {
    for half in [&b"one\n"[..], b"one\ntwo\n\xf0\x9f"] {
        let scene = Scene::new();
        let mut pair = scene.pair();
        let server = pair.link.save();
        let aside = begin_exchange(&scene, &mut pair);
        drop(pair);
        let mut open = std::fs::File::create(scene.file()).unwrap();
        std::io::Write::write_all(&mut open, half).unwrap();
        scene.shared.folder.exchange(&aside, FILE).unwrap();
        let mut pair = scene.again();
        hear(&mut pair, &server);
        assert_eq!(settle(&scene, &mut pair).await, NEW);
        // It is written on in the next process.
        std::io::Seek::rewind(&mut open).unwrap();
        std::io::Write::write_all(&mut open, b"one\ntwo\nthree\n").unwrap();
        pair.look_at_old(Instant::now() + HALF).unwrap();
        let text = settle(&scene, &mut pair).await;
        assert_eq!(text, "zero\none\ntwo\nthree\n");
    }
}

#[tokio::test]
async fn who_saves_just_what_comes_does_not_double_it_when_that_broke_off() {
    for is_made in [true, false] {
        let scene = Scene::new();
        let mut pair = scene.pair();
        let server = pair.link.save();
        let aside = begin_exchange(&scene, &mut pair);
        drop(pair);
        std::fs::write(scene.file(), NEW).unwrap();
        if is_made {
            scene.shared.folder.exchange(&aside, FILE).unwrap();
        }
        let mut pair = scene.again();
        hear(&mut pair, &server);
        assert_eq!(settle(&scene, &mut pair).await, NEW);
    }
}
