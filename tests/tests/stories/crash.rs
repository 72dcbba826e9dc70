//! A server that is killed loses nothing that it acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ropewalk_tests::{Client, Ropewalk, until};

/// Writers at once, two to a document.
const WRITERS: usize = 6;
/// Kills in a row on the same folder.
const ROUNDS: usize = 4;
/// Acknowledged edits of a round before the server is killed; everyone types on meanwhile.
const ACKNOWLEDGED: usize = 120;

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_everyone_types_loses_nothing_acknowledged() {
    let mut server = Ropewalk::start().await;
    let mut promised: Vec<(String, String)> = Vec::new();
    for round in 0..ROUNDS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let name = format!("crash/{}", writer / 2);
            let client = Client::join(&server, &name).await;
            writers.push(tokio::spawn(write(
                client,
                name,
                format!("{round}.{writer}"),
                acknowledged.clone(),
            )));
        }
        until("enough edits are acknowledged", || async {
            (acknowledged.load(SeqCst) >= ACKNOWLEDGED).then_some(())
        })
        .await;
        server.kill().await;
        for writer in writers {
            promised.extend(writer.await.unwrap());
        }
        server.start_again().await;
        for document in 0..WRITERS / 2 {
            let name = format!("crash/{document}");
            let text = Client::join(&server, &name).await.text();
            assert_eq!(server.text(&name).await, text);
            for (_, edit) in promised.iter().filter(|(n, _)| *n == name) {
                assert!(
                    text.contains(edit),
                    "{edit} was acknowledged and is lost from {name} in round {round}"
                );
            }
        }
    }
    assert!(
        promised.len() >= ROUNDS * ACKNOWLEDGED,
        "only {} promises",
        promised.len()
    );
}

/// Types until the line breaks; what the server said is saved.
async fn write(
    client: Client,
    name: String,
    who: String,
    acknowledged: Arc<AtomicUsize>,
) -> Vec<(String, String)> {
    let mut marked = Vec::new();
    let mut counted = 0;
    while client.ended().is_none() {
        let edit = format!("<{who}:{}>", marked.len());
        client.append(&edit);
        marked.push((client.mark(), (name.clone(), edit)));
        // A few edits are always under way, so that the kill finds some in every state.
        if marked.len() >= 8 {
            let due = marked[marked.len() - 8].0;
            client
                .until("an old marker or the end", |state, _| {
                    (state.saved.contains(&due) || state.closed.is_some()).then_some(())
                })
                .await;
        }
        let saved = client.look(|state| state.saved.len());
        acknowledged.fetch_add(saved - counted, SeqCst);
        counted = saved;
    }
    let saved = client.look(|state| state.saved.clone());
    marked
        .into_iter()
        .filter(|(marker, _)| saved.contains(marker))
        .map(|(_, edit)| edit)
        .collect()
}
