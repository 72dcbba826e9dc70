//! Another process has the database locked.

use ropewalk_tests::{Client, Ropewalk};
use rusqlite::Connection;

use super::{assert_unready, is_sent_away, until_ready, until_retried};

/// Locks a server's database as another program would.
fn lock(server: &Ropewalk, how: &str) -> Connection {
    let other = Connection::open(server.database()).unwrap();
    // The server commits meanwhile.
    other.busy_timeout(ropewalk_tests::wait::DEADLINE).unwrap();
    other.execute_batch(&format!("BEGIN {how}")).unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_short_lock_is_told_nothing_of_it() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "locked").await;
    let bob = Client::join(&server, "locked").await;
    ann.insert(0, "before ");
    ann.all_saved().await;
    for (how, edit) in [("IMMEDIATE", "one "), ("EXCLUSIVE", "two ")] {
        let other = lock(&server, how);
        ann.append(edit);
        let marker = ann.mark();
        bob.until_contains(edit).await;
        assert!(
            !ann.look(|state| state.saved.contains(&marker)),
            "{how}: it cannot be on disk"
        );
        other.execute_batch("ROLLBACK").unwrap();
        ann.saved(marker).await;
    }
    assert_eq!(ann.ended(), None);
    assert_eq!(server.metric("ropewalk_storage_healthy").await, 1.0);
    assert_eq!(server.log(), "", "nothing failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_stays_is_a_failure_until_it_goes() {
    let mut server = Ropewalk::start().await;
    let mut ann = Client::join(&server, "locked").await;
    ann.insert(0, "before ");
    ann.all_saved().await;
    for (how, edit) in [("IMMEDIATE", "one "), ("EXCLUSIVE", "two ")] {
        let other = lock(&server, how);
        is_sent_away(&ann, edit).await;
        until_retried(&server, 1).await;
        assert_unready(&server).await;
        other.execute_batch("ROLLBACK").unwrap();
        drop(other);
        until_ready(&server).await;
        ann = Client::join_with(&server, "locked", ann.leave().await).await;
        ann.all_saved().await;
    }
    // Nor does a server start meanwhile.
    server.kill().await;
    let other = lock(&server, "IMMEDIATE");
    let failed = Ropewalk::on(server.data(), &[]).await.err();
    let failed = failed.expect("it must not start");
    assert_eq!(failed.code, Some(4), "{failed:?}");
    assert!(failed.stderr.contains("locked"), "{failed:?}");
    drop(other);
    server.start_again().await;
    assert_eq!(server.text("locked").await, "before one two ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stays_does_not_keep_a_server_from_coming_back() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "read meanwhile").await;
    ann.insert(0, "before ");
    ann.all_saved().await;
    let reader = Connection::open(server.database()).unwrap();
    let count = "SELECT count(*) FROM log";
    reader.execute_batch("BEGIN").unwrap();
    let rows: i64 = reader.query_row(count, [], |row| row.get(0)).unwrap();
    server.limit_files(Some(0));
    is_sent_away(&ann, "after").await;
    server.limit_files(None);
    until_ready(&server).await;
    let ann = Client::join_with(&server, "read meanwhile", ann.leave().await).await;
    ann.all_saved().await;
    let still: i64 = reader.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(still, rows, "it sees what it saw");
    server.kill().await;
    server.start_again().await;
    drop(reader);
    assert_eq!(server.text("read meanwhile").await, "before after");
}
