//! A server that is killed loses nothing that it acknowledged.
//!
//! `ROPEWALK_KILLS` kills it more often, `ROPEWALK_KILLS_SEED` at the moments of another run.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ropewalk_tests::{Client, Ropewalk, until};

/// Writers at once, two to a document.
const WRITERS: usize = 6;
/// Kills in a row on the same folder.
const KILLS: u64 = 50;
/// Acknowledged edits of a round before the server is killed, at most; everyone types on meanwhile.
const ACKNOWLEDGED: u64 = 120;

pub fn setting(name: &str, usual: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(usual, |number| number.parse().expect("a number"))
}

/// Pseudo-random numbers, the same for a seed (splitmix64).
pub fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_everyone_types_lose_nothing_acknowledged() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut seed = setting("ROPEWALK_KILLS_SEED", now);
    println!("ROPEWALK_KILLS_SEED={seed}");
    let mut server = Ropewalk::start().await;
    let mut promised: HashSet<(String, String)> = HashSet::new();
    let (mut seen_and_gone, mut seen) = (0, 0);
    for round in 0..setting("ROPEWALK_KILLS", KILLS) {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            let name = format!("crash/{}/{}", round / 10, writer / 2);
            let client = Client::join(&server, &name).await;
            let (who, acknowledged) = (format!("{round}.{writer}"), acknowledged.clone());
            writers.push(tokio::spawn(write(client, name, who, acknowledged)));
        }
        let due = (1 + random(&mut seed) % ACKNOWLEDGED) as usize;
        until("enough edits are acknowledged", || async {
            (acknowledged.load(SeqCst) >= due).then_some(())
        })
        .await;
        server.kill().await;
        let mut stories = Vec::new();
        for writer in writers {
            stories.push(writer.await.unwrap());
        }
        server.start_again().await;
        for story in stories {
            let text = text(&server, &story.name).await;
            // What others wrote and this one saw: nobody was told that it is saved.
            let own = format!("<{}:", story.who);
            for edit in edits(&story.text).filter(|edit| !edit.starts_with(&own)) {
                seen += 1;
                seen_and_gone += usize::from(!text.contains(edit));
            }
            promised.extend(
                story
                    .saved
                    .into_iter()
                    .map(|edit| (story.name.clone(), edit)),
            );
        }
        // Nobody is here who could bring something back.
        let names: HashSet<&String> = promised.iter().map(|(name, _)| name).collect();
        for name in names {
            let text = server.text(name).await;
            let there: HashSet<&str> = edits(&text).collect();
            for (_, edit) in promised.iter().filter(|(of, _)| of == name) {
                assert!(
                    there.contains(edit.as_str()),
                    "{edit} was acknowledged and is lost from {name} in round {round}"
                );
            }
            assert_eq!(edits(&text).count(), there.len(), "nothing is there twice");
        }
    }
    println!(
        "{} acknowledged, 0 lost; of {seen} that somebody had seen {seen_and_gone} were not acknowledged and are gone",
        promised.len()
    );
}

/// A text, or nothing while nothing of the document was saved.
async fn text(server: &Ropewalk, name: &str) -> String {
    let answer = server.get(&format!("/api/documents/{name}/text")).await;
    match answer.status {
        404 => String::new(),
        _ => server.text(name).await,
    }
}

/// The edits in a text: `<who:number>`, of which an edit under way may have cut none.
fn edits(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('>')
}

/// What became of a writer.
struct Story {
    name: String,
    who: String,
    /// Edits that it was told are saved.
    saved: Vec<String>,
    /// What it saw at the end.
    text: String,
}

/// Types until the line breaks; what the server said is saved.
async fn write(client: Client, name: String, who: String, acknowledged: Arc<AtomicUsize>) -> Story {
    let mut marked = Vec::new();
    let mut counted = 0;
    while client.ended().is_none() {
        let edit = format!("<{who}:{}>", marked.len());
        client.append(&edit);
        marked.push((client.mark(), edit));
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
    let saved = marked
        .into_iter()
        .filter(|(marker, _)| saved.contains(marker))
        .map(|(_, edit)| edit);
    Story {
        saved: saved.collect(),
        text: client.text(),
        name,
        who,
    }
}
