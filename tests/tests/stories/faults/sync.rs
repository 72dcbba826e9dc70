//! A sync fails: what was written is neither on the disk nor will another sync bring it there.

use std::sync::Arc;

use ropewalk_tests::Client;
use ropewalk_tests::ropewalk::folder;

use super::{is_sent_away, until_ready, until_retried, until_unready};
use crate::preload::{ALWAYS, Call, EIO, Preload};

const JOURNAL: &str = "ropewalk.db-wal";

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
    assert_eq!(server.get("/readyz").await.status, 503);
    until_ready(&server).await;
    let ann = Client::join_with(&server, "sync", ann.leave().await).await;
    ann.all_saved().await;
    assert_eq!(server.text("sync").await, "safe once ");

    preload.fail(Call::Sync, JOURNAL, EIO, ALWAYS);
    is_sent_away(&ann, "twice ").await;
    until_retried(&server, 2).await;
    until_unready(&server).await;
    preload.mend();
    until_ready(&server).await;
    let ann = Client::join_with(&server, "sync", ann.leave().await).await;
    ann.all_saved().await;
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("sync").await, "safe once twice ");
}
