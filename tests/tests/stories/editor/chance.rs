//! Random edits of an editor and of a Yjs peer at once, while the editor is busy at times, lines are cut and the server is
//! killed. `ROPEWALK_EDITORS` says how many seeds, `ROPEWALK_EDITOR_SEED` the first.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use yrs::Text as _;

use super::*;

const WORDS: [&str; 8] = ["ä", "💚", "👩‍👩‍👧", "\t", "\n", "x", "two words", "1\n2\n"];

pub fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(usual)
}

fn seeds() -> std::ops::Range<u64> {
    let first = setting("ROPEWALK_EDITOR_SEED", 0);
    first..first + setting("ROPEWALK_EDITORS", 8)
}

/// A random edit of a text, in characters; only insertions when `only`.
fn random(rng: &mut StdRng, text: &str, only: bool) -> (usize, usize) {
    let length = text.chars().count();
    let from = rng.random_range(0..=length);
    let most = if only { 0 } else { 4 };
    (from, rng.random_range(from..=length.min(from + most)))
}

/// A random edit as a Yjs editor makes it, in UTF-16 units: never between the two of a line break.
pub fn theirs(rng: &mut StdRng, text: &str, only: bool) -> (u32, u32) {
    let chars: Vec<char> = text.chars().collect();
    let whole = |at: usize| match at > 0 && chars[at - 1] == '\r' && chars.get(at) == Some(&'\n') {
        true => at - 1,
        false => at,
    };
    let (from, to) = random(rng, text, only);
    (utf16(text, whole(from)), utf16(text, whole(to)))
}

/// An offset in UTF-16 units.
fn utf16(text: &str, chars: usize) -> u32 {
    text.chars()
        .take(chars)
        .map(|char| char.len_utf16() as u32)
        .sum()
}

async fn play(seed: u64, only_inserts: bool, breaks: &str) {
    println!("seed {seed}, only inserts: {only_inserts}, line breaks {breaks:?}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut scene = Scene::new().await;
    let start = "first\nsecond 💚\n\nfourth";
    let disk = start.replace('\n', breaks);
    let path = scene.file("chance", &disk);
    let mut editor = scene.editor();
    editor.open(&path, start).await.unwrap();
    let mut ann = Client::join(&scene.server, "notes/chance").await;
    assert_eq!(ann.text(), disk);
    let mut tokens = Vec::new();
    for step in 0..120 {
        let word = WORDS[rng.random_range(0..WORDS.len())];
        // One character, so that nothing comes into the middle of it.
        let token = char::from_u32(0xe000 + step).unwrap();
        match rng.random_range(0..26) {
            0..8 => {
                let text = editor.text(&path);
                let (from, to) = random(&mut rng, &text, only_inserts);
                let second = random(&mut rng, &text, only_inserts);
                let insert = format!("{token}{word}");
                let mut edits = vec![(from, to, insert.as_str())];
                if second.0 > to {
                    edits.push((second.0, second.1, word));
                }
                editor.edit(&path, &edits).await;
                tokens.push(token);
            }
            8..16 => {
                let insert = format!("{token}{word}").replace('\n', breaks);
                ann.edit(|root, txn| {
                    use yrs::GetString as _;
                    let text = root.get_string(txn);
                    let (from, to) = theirs(&mut rng, &text, only_inserts);
                    root.remove_range(txn, from, to - from);
                    root.insert(txn, from, &insert);
                });
                tokens.push(token);
            }
            16 => editor.busy(true),
            17 => editor.busy(false),
            18 if rng.random_range(0..3) == 0 => {
                scene.relay.cut();
            }
            19 if rng.random_range(0..3) == 0 => {
                scene.restart().await;
                ann = back(&scene, ann, "notes/chance").await;
            }
            _ => {
                let text = editor.text(&path);
                let (anchor, head) = random(&mut rng, &text, false);
                editor.point(&path, anchor, head).await;
            }
        }
        if step % 40 == 39 {
            quiet(
                &scene,
                &editor,
                &ann,
                &path,
                &format!("seed {seed}, step {step}"),
            )
            .await;
        }
    }
    let text = ann.text();
    for (token, number) in tokens.iter().zip(0..) {
        let count = text.matches(*token).count();
        assert!(
            count <= 1,
            "seed {seed}: insertion {number} is there {count} times"
        );
        assert!(
            count == 1 || !only_inserts,
            "seed {seed}: insertion {number} is lost"
        );
    }
    let status = editor.quit().await;
    assert_eq!(status.code(), Some(0), "seed {seed}: {}", editor.log());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "seed {seed}");
    assert_eq!(scene.copies(&path), Vec::<String>::new(), "seed {seed}");
}

/// A person comes back. What others wrote last and the server lost is theirs to bring: until they have, whoever else
/// has it is sent away.
pub async fn back(scene: &Scene, ann: Client, name: &str) -> Client {
    let doc = ann.leave().await;
    loop {
        let ann = Client::open(&scene.server, name, doc.clone()).await;
        let is_in = ann.until("synced, or sent away", |state, _| match &state.closed {
            Some(closed) if closed.code != 1013 => panic!("{closed:?}"),
            Some(_) => Some(false),
            None => state.synced.then_some(true),
        });
        if is_in.await && !is_sent_away(&ann).await {
            return ann;
        }
    }
}

async fn is_sent_away(ann: &Client) -> bool {
    let marker = ann.mark();
    ann.until("a marker, or sent away", |state, _| match &state.closed {
        Some(_) => Some(true),
        None => state.saved.contains(&marker).then_some(false),
    })
    .await
}

/// Everybody has the same, when nobody types.
async fn quiet(scene: &Scene, editor: &Editor, ann: &Client, path: &Path, when: &str) {
    editor.busy(false);
    ann.all_saved().await;
    let mut last = (String::new(), String::new(), String::new());
    let equal = async {
        loop {
            last = (
                editor.text(path),
                ann.text().replace("\r\n", "\n"),
                scene
                    .server
                    .text("notes/chance")
                    .await
                    .replace("\r\n", "\n"),
            );
            if last.0 == last.1 && last.1 == last.2 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(ropewalk_tests::DEADLINE, equal).await;
    assert!(in_time.is_ok(), "{when}: {last:#?}; {}", editor.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_have_the_same_text_whatever_is_typed() {
    for seed in seeds() {
        play(seed, false, "\n").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_inserted_is_lost_or_doubled() {
    for seed in seeds() {
        play(seed + 1000, true, "\n").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn line_breaks_of_two_characters_stay_what_they_are() {
    for seed in seeds() {
        play(seed + 2000, seed % 2 == 0, "\r\n").await;
    }
}
