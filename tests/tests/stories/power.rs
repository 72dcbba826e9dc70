//! The power fails: every edit that was acknowledged before is on the disk, whatever else is.
//!
//! A library that is preloaded into the server records all that it writes and syncs. Afterwards the disk is put together as
//! it could be at any moment: with all that was synced, and some of the rest. `ROPEWALK_CUTS` makes more of these moments.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use ropewalk::name::DocumentName;
use ropewalk::storage::sqlite::Sqlite;
use ropewalk::storage::{Lookup, Storage};
use ropewalk_crdt::Document;
use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Client, Ropewalk};

use crate::crash::{random, setting};
use disk::{Disk, Left, read};

mod disk;

/// Moments beside those at each sync.
const CUTS: u64 = 60;

const NAME: &str = "power";

/// A server with the recorder in it, and where that writes.
async fn recorded() -> (Ropewalk, PathBuf, tempfile::TempDir) {
    let beside = folder();
    let library = beside.path().join("recorder.so");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/stories/power/recorder.c"
    );
    let built = std::process::Command::new(std::env::var_os("CC").unwrap_or("cc".into()))
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &PathBuf::from(source)])
        .status();
    assert!(built.is_ok_and(|status| status.success()), "cc {source}");
    let recording = beside.path().join("recording");
    let data = Arc::new(folder());
    let data_path = data.path().canonicalize().unwrap();
    let environment = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("RECORD_TO", recording.to_str().unwrap()),
        ("RECORD_FOLDER", data_path.to_str().unwrap()),
    ];
    let server = Ropewalk::in_environment(data, &["--idle-document-seconds", "0"], &environment);
    (server.await.unwrap(), recording, beside)
}

/// The text of the document in a folder, as a server that starts there would find it.
fn text_in(folder: &std::path::Path) -> String {
    let storage = Sqlite::open(folder).unwrap();
    let stored = match storage.load(&DocumentName::new(NAME).unwrap()).unwrap() {
        Lookup::Found(stored) => stored,
        Lookup::Absent => return String::new(),
        Lookup::Deleted => panic!("deleted"),
    };
    let mut document = match &stored.snapshot {
        Some(snapshot) => Document::open(1, snapshot).unwrap(),
        None => Document::new(1),
    };
    for update in &stored.updates {
        document.replay(update).unwrap();
    }
    document.text("text").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_power_cut_leaves_has_all_that_was_acknowledged() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut seed = setting("ROPEWALK_CUTS_SEED", now);
    println!("ROPEWALK_CUTS_SEED={seed}");
    let (mut server, recording, _beside) = recorded().await;
    let recorded = || std::fs::metadata(&recording).unwrap().len();
    // How long the recording was when an edit was known to be saved.
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for round in 0..3 {
        let ann = Client::join(&server, NAME).await;
        for number in 0..30 {
            let mut edit = format!("<{round}.{number}>");
            if number % 3 == 0 {
                // Longer than the journal may grow before it is moved into the database, in all.
                edit.push_str(&"-".repeat(70_000));
            }
            ann.append(&edit);
            ann.all_saved().await;
            acknowledged.push((recorded(), format!("{round}.{number}")));
        }
        // So many that a snapshot is made when nobody is there.
        for number in 30..110 {
            ann.append(&format!("<{round}.{number}>"));
        }
        ann.all_saved().await;
        let all = (30..110).map(|number| (recorded(), format!("{round}.{number}")));
        acknowledged.extend(all);
        ann.leave().await;
        let retired = f64::from(round + 1);
        server
            .until_metric("ropewalk_documents_retired_total", retired)
            .await;
    }
    server.kill().await;

    let acts = read(&std::fs::read(&recording).unwrap());
    let syncs = acts.iter().filter(|act| act.kind == b'S').count();
    assert!(syncs > 90, "each of 90 edits was waited for: {syncs} syncs");
    let mut cuts: Vec<usize> = (0..setting("ROPEWALK_CUTS", CUTS))
        .map(|_| random(&mut seed) as usize % acts.len())
        .collect();
    cuts.extend((0..acts.len()).filter(|&at| acts[at].kind == b'S'));
    cuts.sort_unstable();
    cuts.dedup();
    let mut disk = Disk::default();
    let mut done = 0;
    for cut in cuts {
        for act in &acts[done..cut] {
            disk.act(act);
        }
        done = cut;
        let until = acts[..cut].last().map_or(0, |act| act.end);
        let mut next = || random(&mut seed);
        let left = match next() % 4 {
            0 => Left::All,
            1 => Left::Some(&mut next),
            _ => Left::Nothing,
        };
        let folder = folder();
        disk.write(folder.path(), left);
        let text = text_in(folder.path());
        let saved = acknowledged.iter().take_while(|(at, _)| *at <= until);
        let pieces = text.split('<').filter_map(|piece| piece.split_once('>'));
        let there: HashSet<&str> = pieces.map(|(edit, _)| edit).collect();
        for (_, edit) in saved {
            assert!(
                there.contains(edit.as_str()),
                "{edit} is lost at act {cut} of {}",
                acts.len()
            );
        }
    }
}
