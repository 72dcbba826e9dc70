//! SIGTERM while everyone types as fast as they can.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use ropewalk_tests::client::new_doc;
use ropewalk_tests::{Client, Ropewalk, until};
use tokio::task::JoinHandle;

use super::check_once;
use crate::crash::{random, setting};

const WRITERS: usize = 4;
const ROUNDS: usize = 10;
/// Acknowledged edits of a round before it is told to end, at most.
const ACKNOWLEDGED: u64 = 300;
/// Edits of a writer under way, at most.
const UNDER_WAY: u64 = 200;

/// Types until the connection ends; what was acknowledged.
fn write(client: Client, who: String, count: Arc<AtomicUsize>) -> JoinHandle<(Client, usize)> {
    tokio::spawn(async move {
        let (mut typed, mut counted) = (0, 0);
        while client.ended().is_none() {
            client.append(&format!("<{who}:{typed}>"));
            typed += 1;
            let due = client.mark().saturating_sub(UNDER_WAY);
            // A marker that comes back says the same of all before it.
            let saved = client.until("room, or the end", |state, _| {
                let newest = state.saved.last().copied().unwrap_or(0);
                (newest >= due || state.closed.is_some()).then_some(newest as usize)
            });
            let saved = saved.await;
            count.fetch_add(saved - counted, SeqCst);
            counted = saved;
        }
        let newest = client.look(|state| state.saved.last().copied());
        (client, newest.unwrap_or(0) as usize)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_told_to_end_while_everyone_types_keeps_all_that_it_acknowledged() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut seed = setting("ROPEWALK_ENDS_SEED", now);
    println!("ROPEWALK_ENDS_SEED={seed}");
    let mut server = Ropewalk::start().await;
    let names = ["ends/0", "ends/1"];
    let mut docs: Vec<_> = (0..WRITERS).map(|_| new_doc(None)).collect();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let count = Arc::new(AtomicUsize::new(0));
        let mut writers = Vec::new();
        for (number, doc) in docs.drain(..).enumerate() {
            let client = Client::join_with(&server, names[number % 2], doc).await;
            writers.push(write(client, format!("{round}.{number}"), count.clone()));
        }
        let due = 1 + random(&mut seed) % ACKNOWLEDGED;
        until("enough edits are acknowledged", || async {
            (count.load(SeqCst) as u64 >= due).then_some(())
        })
        .await;
        let began = Instant::now();
        assert_eq!(server.terminate().await, Some(0), "round {round}");
        assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
        server.start_again().await;
        let mut ended = Vec::new();
        for (number, writer) in writers.into_iter().enumerate() {
            let (client, saved) = writer.await.unwrap();
            assert_eq!(client.closed().await.code, 1012, "round {round}");
            let text = server.text(names[number % 2]).await;
            for edit in 0..saved {
                let edit = format!("<{round}.{number}:{edit}>");
                assert!(text.contains(&edit), "{edit} was acknowledged and is lost");
            }
            acknowledged += saved;
            ended.push(client.leave().await);
        }
        // With all they have, everything is there, and nothing twice.
        for (number, doc) in ended.iter().enumerate() {
            let client = Client::join_with(&server, names[number % 2], doc.clone()).await;
            client.all_saved().await;
            client.leave().await;
        }
        for (number, doc) in ended.into_iter().enumerate() {
            let client = Client::join_with(&server, names[number % 2], doc).await;
            check_once(&server, names[number % 2], &client.text()).await;
            docs.push(client.leave().await);
        }
    }
    println!("{acknowledged} acknowledged, 0 lost");
}
