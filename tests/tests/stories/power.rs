//! The power fails: every edit that was acknowledged before is on the disk, whatever else is.
//!
//! A library that is preloaded into the server records all that it writes and syncs. Afterwards the disk is put together as
//! it could be at any moment: with all that was synced, and some of the rest. `ROPEWALK_CUTS` makes more of these moments.
#![cfg(target_os = "linux")]

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use ropewalk::name::DocumentName;
use ropewalk::storage::sqlite::Sqlite;
use ropewalk::storage::{Lookup, Storage};
use ropewalk_crdt::Document;
use ropewalk_tests::Client;
use ropewalk_tests::ropewalk::folder;

use crate::crash::{random, setting};
use crate::preload::Preload;
use crate::preload::disk::{Act, Disk, Left};

/// Moments beside those at each sync.
const CUTS: u64 = 60;

const NAME: &str = "power";

/// The text of a document, as a server that starts there would find it.
pub fn text_in(storage: &Sqlite, name: &str) -> String {
    let stored = match storage.load(&DocumentName::new(name).unwrap()).unwrap() {
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
    let (mut server, preload) =
        Preload::start(Arc::new(folder()), &["--idle-document-seconds", "0"]).await;
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
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
            acknowledged.push((preload.recorded(), NAME, format!("{round}.{number}")));
        }
        // So many that a snapshot is made when nobody is there.
        for number in 30..110 {
            ann.append(&format!("<{round}.{number}>"));
        }
        ann.all_saved().await;
        let all = (30..110).map(|number| (preload.recorded(), NAME, format!("{round}.{number}")));
        acknowledged.extend(all);
        ann.leave().await;
        let retired = f64::from(round + 1);
        server
            .until_metric("ropewalk_documents_retired_total", retired)
            .await;
    }
    server.kill().await;

    let acts = preload.acts();
    let syncs = acts.iter().filter(|act| act.kind == b'S').count();
    assert!(syncs > 90, "each of 90 edits was waited for: {syncs} syncs");
    cut_everywhere(&acts, &acknowledged, &mut seed);
}

/// How long the recording was when an edit was known to be saved, its document, and what stands between `<` and `>` in it.
pub type Acknowledged = (u64, &'static str, String);

/// Cuts the power at each sync and at other moments, and looks for all edits that were acknowledged by then.
pub fn cut_everywhere(acts: &[Act], acknowledged: &[Acknowledged], seed: &mut u64) {
    let names: BTreeSet<&str> = acknowledged.iter().map(|(_, name, _)| *name).collect();
    let mut cuts: Vec<usize> = (0..setting("ROPEWALK_CUTS", CUTS))
        .map(|_| random(seed) as usize % acts.len())
        .collect();
    // Where syncs fail, it is about these and what comes after.
    let failed = acts.iter().position(|act| act.kind == b'F').unwrap_or(0);
    cuts.extend((failed..acts.len()).filter(|&at| b"SF".contains(&acts[at].kind)));
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
        let mut next = || random(seed);
        let left = match next() % 4 {
            0 => Left::All,
            1 => Left::Some(&mut next),
            _ => Left::Nothing,
        };
        let folder = folder();
        disk.write(folder.path(), left);
        let storage = Sqlite::open(folder.path()).unwrap();
        let texts = names.iter().map(|name| (*name, text_in(&storage, name)));
        let texts: Vec<(&str, String)> = texts.collect();
        let there: HashSet<(&str, &str)> = texts
            .iter()
            .flat_map(|(name, text)| text.split('<').map(move |piece| (*name, piece)))
            .filter_map(|(name, piece)| Some((name, piece.split_once('>')?.0)))
            .collect();
        for (_, name, edit) in acknowledged.iter().take_while(|(at, ..)| *at <= until) {
            assert!(
                there.contains(&(*name, edit.as_str())),
                "{edit} is lost from {name} at act {cut} of {}",
                acts.len()
            );
        }
    }
}
