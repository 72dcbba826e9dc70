//! A sync fails: what was written is neither on the disk nor will another sync bring it there.

use std::sync::Arc;

use ropewalk_tests::Client;
use ropewalk_tests::client::new_doc;
use ropewalk_tests::ropewalk::folder;

use rusqlite::Connection;

use super::{assert_unready, check_once, is_sent_away, until_ready, until_retried};
use crate::crash::setting;
use crate::power::{Acknowledged, cut_everywhere};
use crate::preload::{ALWAYS, Call, EIO, Preload};

const JOURNAL: &str = "ropewalk.db-wal";
const DATABASE: &str = "ropewalk.db";

/// No descriptor was synced again after that had failed there.
fn assert_never_synced_again(preload: &Preload) {
    let acts = preload.acts();
    assert!(acts.iter().any(|act| act.kind == b'F'), "no sync failed");
    let again = acts.iter().find(|act| act.kind == b'A');
    assert!(
        again.is_none(),
        "{} was synced again after that had failed",
        again.unwrap().name
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_sync_fails_is_not_acknowledged_and_comes_again() {
    let (mut server, preload) = Preload::start(Arc::new(folder()), &[]).await;
    let ann = Client::join(&server, "sync").await;
    let bob = Client::join(&server, "sync").await;
    ann.insert(0, "safe ");
    ann.all_saved().await;
    preload.fail(Call::Sync, JOURNAL, EIO, 1);
    is_sent_away(&ann, "once ").await;
    assert_eq!(preload.left(Call::Sync), 0, "it struck");
    assert_eq!(bob.closed().await.code, 1011);
    until_ready(&server).await;
    let ann = Client::join_with(&server, "sync", ann.leave().await).await;
    ann.all_saved().await;
    assert_eq!(server.text("sync").await, "safe once ");

    preload.fail(Call::Sync, JOURNAL, EIO, ALWAYS);
    is_sent_away(&ann, "twice ").await;
    until_retried(&server, 2).await;
    assert_unready(&server).await;
    preload.mend();
    until_ready(&server).await;
    let ann = Client::join_with(&server, "sync", ann.leave().await).await;
    ann.all_saved().await;
    assert_never_synced_again(&preload);
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("sync").await, "safe once twice ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_of_the_database_behind_a_commit_is_noticed() {
    let (mut server, preload) = Preload::start(Arc::new(folder()), &[]).await;
    let mut doc = new_doc(None);
    let mut typed = 0;
    for round in 0..2 {
        // In the second round it fails once more when it is opened.
        preload.fail(Call::Sync, DATABASE, EIO, 1 + round);
        let ann = Client::join_with(&server, "behind", doc).await;
        // Until the journal is so long that it is moved into the database.
        while ann.ended().is_none() && preload.left(Call::Sync) == 1 + round {
            ann.append(&format!("<{typed}>{}", "-".repeat(100_000)));
            typed += 1;
            let marker = ann.mark();
            ann.until("saved, or the end", |state, _| {
                (state.saved.contains(&marker) || state.closed.is_some()).then_some(())
            })
            .await;
        }
        assert_eq!(ann.closed().await.code, 1011, "round {round}");
        doc = ann.leave().await;
        until_ready(&server).await;
    }
    assert_never_synced_again(&preload);
    let ann = Client::join_with(&server, "behind", doc).await;
    ann.all_saved().await;
    ann.leave().await;
    server.kill().await;
    server.start_again().await;
    let text = server.text("behind").await;
    for edit in 0..typed {
        assert_eq!(text.matches(&format!("<{edit}>")).count(), 1, "{edit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_whose_name_is_not_on_disk_is_not_written_to() {
    let data = Arc::new(folder());
    let (mut server, preload) = Preload::start(data.clone(), &[]).await;
    let ann = Client::join(&server, "name").await;
    ann.insert(0, "safe");
    ann.all_saved().await;
    // In order, so that the next server begins a new journal.
    assert_eq!(server.terminate().await, Some(0));
    preload.fail(Call::Sync, ".", EIO, ALWAYS);
    let failed = preload.try_in(data.clone(), &[]).await.err();
    let failed = failed.expect("it must not start");
    assert_eq!(failed.code, Some(4), "{failed:?}");
    preload.mend();
    server = preload.start_in(data, &[]).await;
    assert_eq!(server.text("name").await, "safe");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_around_failed_syncs_leaves_all_that_was_acknowledged() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut seed = setting("ROPEWALK_CUTS_SEED", now);
    println!("ROPEWALK_CUTS_SEED={seed}");
    let data = Arc::new(folder());
    let (mut server, preload) = Preload::start(data.clone(), &[]).await;
    // What fails is about other pages than what was saved before: what of both is there must still fit together.
    let names = ["failing", "saved"];
    let mut docs = names.map(|_| new_doc(None));
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    for round in 0..6 {
        let [failing, saved] = docs;
        let failing = Client::join_with(&server, names[0], failing).await;
        let saved = Client::join_with(&server, names[1], saved).await;
        // At first so many that the two documents end in different pages.
        let edits = if round == 0 { 40 } else { 4 };
        for number in 0..edits {
            let first = round == 0 && number % 2 == 0;
            let (client, name) = match first {
                true => (&failing, names[0]),
                false => (&saved, names[1]),
            };
            let edit = format!("{round}.{number}");
            client.append(&format!("<{edit}>{}", "-".repeat(400)));
            client.all_saved().await;
            acknowledged.push((preload.recorded(), name, edit));
        }
        // Once somebody reads meanwhile, and the journal has to stay as it is.
        let reader = Connection::open(server.database()).unwrap();
        if round == 4 {
            let count = "BEGIN; SELECT count(*) FROM log;";
            reader.execute_batch(count).unwrap();
        }
        // Sometimes opening fails too, by the sync of this or of that file.
        let (file, times) = match round % 3 {
            0 => (JOURNAL, 1),
            1 => (JOURNAL, 2),
            _ => ("", 3),
        };
        preload.fail(Call::Sync, file, EIO, times);
        is_sent_away(&failing, &format!("<{round}>{}", "-".repeat(400))).await;
        assert_eq!(saved.closed().await.code, 1011);
        docs = [failing.leave().await, saved.leave().await];
        if round % 2 == 1 {
            server.kill().await;
            preload.mend();
            server = preload.start_in(data.clone(), &[]).await;
        } else {
            until_ready(&server).await;
        }
        drop(reader);
        for (name, doc) in names.into_iter().zip(&docs) {
            let client = Client::join_with(&server, name, doc.clone()).await;
            client.all_saved().await;
            check_once(&server, name, &client.text()).await;
            client.leave().await;
        }
        acknowledged.push((preload.recorded(), names[0], round.to_string()));
    }
    server.kill().await;
    cut_everywhere(&preload.acts(), &acknowledged, &mut seed);
    assert_never_synced_again(&preload);
}
