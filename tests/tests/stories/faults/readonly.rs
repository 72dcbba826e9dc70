//! The file system is read-only, from the start or since an error. That one turns and turns back under a running server is in
//! `device.rs`: the system does not do it while files are open for writing, but after errors, and then for good.

use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Client, Ropewalk};

use super::mount::Mount;
use super::{assert_unready, is_sent_away, until_retried};

#[tokio::test(flavor = "multi_thread")]
async fn on_a_read_only_file_system_a_server_does_not_start_and_changes_nothing() {
    let Some(disk) = Mount::memory(16) else {
        return;
    };
    let mut server = Ropewalk::on(disk.folder(), &[]).await.unwrap();
    let ann = Client::join(&server, "kept").await;
    ann.insert(0, "kept");
    ann.all_saved().await;
    // With a journal beside the database, and without.
    for orderly in [false, true] {
        if orderly {
            assert_eq!(server.terminate().await, Some(0));
        } else {
            server.kill().await;
        }
        disk.remount("ro");
        let failed = Ropewalk::on(disk.folder(), &[]).await.err();
        let failed = failed.expect("it must not start");
        assert_eq!(failed.code, Some(4), "{failed:?}");
        assert!(failed.stderr.contains("not usable"), "{failed:?}");
        disk.remount("rw");
        server.start_again().await;
        assert_eq!(server.text("kept").await, "kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_meets_an_error_under_a_server_loses_nothing_acknowledged() {
    let beside = folder();
    let image = beside.path().join("image");
    let Some(disk) = Mount::ext4(&image) else {
        return;
    };
    let mut server = Ropewalk::on(disk.folder(), &[]).await.unwrap();
    let ann = Client::join(&server, "error").await;
    for number in 0..50 {
        ann.append(&format!("<{number}>"));
        ann.all_saved().await;
    }
    let saved = ann.text();
    disk.meet_an_error();
    is_sent_away(&ann, "<later>").await;
    until_retried(&server, 1).await;
    assert_unready(&server).await;
    server.kill().await;
    disk.mount_again(&image);
    server.start_again().await;
    assert!(server.text("error").await.starts_with(&saved));
    let ann = Client::join_with(&server, "error", ann.leave().await).await;
    ann.all_saved().await;
    assert_eq!(server.text("error").await, saved + "<later>");
}
