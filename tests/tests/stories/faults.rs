//! The disk, the file system or the database file fails under a running server: nothing that is not on disk is acknowledged,
//! everyone is sent away with their edits, and when it works again everything comes together, once.
#![cfg(target_os = "linux")]

use ropewalk_tests::{Client, Ropewalk, until};

mod device;
mod ends;
mod full;
mod locked;
pub mod mount;
mod readonly;
mod replaced;
mod sync;

/// The server says that it does not take edits.
async fn assert_unready(server: &Ropewalk) {
    assert_eq!(server.get("/readyz").await.status, 503);
    assert_eq!(server.metric("ropewalk_storage_healthy").await, 0.0);
}

/// Waits until the server takes edits again.
async fn until_ready(server: &Ropewalk) {
    until("the server is ready again", || async {
        (server.get("/readyz").await.status == 200).then_some(())
    })
    .await;
}

/// Waits until storage was opened in vain this often from now on.
async fn until_retried(server: &Ropewalk, times: usize) {
    let tries = || server.log().matches("storage still fails").count();
    let before = tries();
    until("storage is opened again in vain", || async {
        (tries() >= before + times).then_some(())
    })
    .await;
}

/// Types while something fails: the connection ends with 1011, and what was typed is not acknowledged.
async fn is_sent_away(client: &Client, edit: &str) {
    client.append(edit);
    let marker = client.mark();
    let decided = client.until("acknowledged or sent away", |state, _| {
        (state.saved.contains(&marker) || state.closed.is_some()).then_some(())
    });
    decided.await;
    let acknowledged = client.look(|state| state.saved.contains(&marker));
    assert!(!acknowledged, "{edit:?} is acknowledged and not on disk");
    assert_eq!(client.closed().await.code, 1011, "{client:?}");
}

/// The document is what its writer has, with no edit in it twice.
async fn check_once(server: &Ropewalk, name: &str, text: &str) {
    assert_eq!(server.text(name).await, text);
    let mut edits: Vec<&str> = text.split('<').collect();
    let all = edits.len();
    edits.sort_unstable();
    edits.dedup();
    assert_eq!(edits.len(), all, "an edit is there twice");
}
