//! The disk is full, by others or by what is written here, and has room again.

use ropewalk_tests::client::new_doc;
use ropewalk_tests::{Client, Ropewalk, until};

use super::mount::Mount;
use super::{assert_unready, check_once, is_sent_away, until_ready};

/// What the log says when storage was opened again, in vain and not.
const FAILS: &str = "storage still fails";
const WORKS: &str = "storage works again";

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_others_fill_while_people_type_loses_nothing_acknowledged() {
    let Some(disk) = Mount::memory(16) else {
        return;
    };
    let mut server = Ropewalk::on(disk.folder(), &[]).await.unwrap();
    let mut doc = new_doc(None);
    let mut saved: Vec<String> = Vec::new();
    for round in 0..3 {
        let log = |line: &str| server.log().matches(line).count();
        let (fails, works) = (log(FAILS), log(WORKS));
        let ann = Client::join_with(&server, "full", doc).await;
        let mut marked = Vec::new();
        while ann.ended().is_none() {
            let edit = format!("<{round}.{}>", marked.len());
            // The longer ones need room of their own in the journal.
            ann.append(&format!("{edit}{}", "-".repeat(marked.len() % 7 * 1000)));
            marked.push((ann.mark(), edit));
            let newest = marked.len() as u64;
            ann.until("room", |state, _| {
                (newest < state.saved.len() as u64 + 16 || state.closed.is_some()).then_some(())
            })
            .await;
            if marked.len() == 50 {
                disk.fill(0);
            }
        }
        assert_eq!(ann.closed().await.code, 1011);
        assert!(marked.len() > 50, "sent away before the disk was full");
        let acknowledged = ann.look(|state| state.saved.clone());
        let acknowledged = marked.into_iter().filter(|(m, _)| acknowledged.contains(m));
        saved.extend(acknowledged.map(|(_, edit)| edit));
        // The index of words is on the disk, too: what it gives back may be room enough to go on.
        let is_stuck = until("it is looked whether there is room", || async {
            let is_stuck = log(FAILS) > fails;
            (is_stuck || log(WORKS) > works).then_some(is_stuck)
        })
        .await;
        if is_stuck {
            assert_unready(&server).await;
        }
        if round == 1 {
            // It is killed on the full disk, too.
            server.kill().await;
            disk.free();
            server.start_again().await;
        } else {
            disk.free();
            until_ready(&server).await;
        }
        let text = server.text("full").await;
        for edit in &saved {
            assert!(text.contains(edit), "{edit} was acknowledged and is lost");
        }
        doc = ann.leave().await;
    }
    let ann = Client::join_with(&server, "full", doc).await;
    ann.all_saved().await;
    check_once(&server, "full", &ann.text()).await;
    assert!(saved.len() > 100, "{}", saved.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_of_documents_works_again_when_it_is_larger() {
    let Some(disk) = Mount::memory(6) else {
        return;
    };
    let mut server = Ropewalk::on(disk.folder(), &[]).await.unwrap();
    let ann = Client::join(&server, "long").await;
    let mut edits = 0;
    while ann.ended().is_none() {
        ann.append(&format!("<{edits}>{}", "-".repeat(100_000)));
        edits += 1;
        let marker = ann.mark();
        ann.until("saved, or the end", |state, _| {
            (state.saved.contains(&marker) || state.closed.is_some()).then_some(())
        })
        .await;
    }
    // A snapshot that is being written beside the journal takes its room, too.
    assert!(edits > 8, "sent away after {edits} edits");
    let saved = ann.look(|state| state.saved.len());
    disk.remount("size=64m");
    until_ready(&server).await;
    let text = server.text("long").await;
    for edit in 0..saved {
        assert!(text.contains(&format!("<{edit}>")), "{edit} is lost");
    }
    let ann = Client::join_with(&server, "long", ann.leave().await).await;
    ann.all_saved().await;
    check_once(&server, "long", &ann.text()).await;
    server.kill().await;
    server.start_again().await;
    check_once(&server, "long", &ann.text()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_a_server_says_so_or_serves_and_changes_nothing() {
    let Some(disk) = Mount::memory(8) else {
        return;
    };
    // No room at all, for the lock, and for the first pages of a database.
    for left in [0, 4 << 10, 40 << 10] {
        disk.fill(left);
        let failed = Ropewalk::on(disk.folder(), &[]).await.err();
        let failed = failed.expect("there is no room for a database");
        assert_eq!(failed.code, Some(4), "{left}: {failed:?}");
        let line = failed.stderr.contains("ropewalk: the data folder");
        assert!(line, "{left}: {failed:?}");
        let database = disk.folder().path().join("ropewalk.db");
        assert!(!database.exists(), "{left}: half of a database is there");
        disk.free();
    }

    let mut server = Ropewalk::on(disk.folder(), &[]).await.unwrap();
    let ann = Client::join(&server, "start").await;
    ann.insert(0, "safe");
    ann.all_saved().await;
    server.kill().await;
    disk.fill(0);
    let before = std::fs::read(server.database()).unwrap();
    match Ropewalk::on(disk.folder(), &[]).await {
        Ok(mut server) => {
            assert_eq!(server.text("start").await, "safe");
            let bob = Client::join(&server, "start").await;
            is_sent_away(&bob, &"-".repeat(1 << 20)).await;
            server.kill().await;
        }
        Err(failed) => {
            assert_eq!(failed.code, Some(4), "{failed:?}");
            assert!(failed.stderr.contains("full"), "{failed:?}");
            assert!(std::fs::read(server.database()).unwrap() == before);
        }
    }
    disk.free();
    server.start_again().await;
    assert_eq!(server.text("start").await, "safe");
}
