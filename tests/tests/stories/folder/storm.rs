//! Many hands at once: two folders, a Yjs editor, and kills.
//!
//! `ROPEWALK_STORM` goes on for more rounds, `ROPEWALK_STORM_SEED` plays another one.

use std::io::Write as _;

use ropewalk_tests::{Client, DEADLINE, Relay, Ropewalk, Synced};

use crate::crash::{random, setting};

const ROUNDS: u64 = 6;
const FILES: [&str; 2] = ["notes.md", "deep/down/ü 💚.txt"];

/// Does to a file what editors do, and says what it has put in.
fn edit(here: &Synced, file: &str, seed: &mut u64, token: &str) {
    let path = here.path(file);
    let Ok(bytes) = std::fs::read(&path) else {
        return;
    };
    let text = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = random(seed) as usize % (lines.len() + 1);
    let (before, behind) = lines.split_at(at);
    let new = format!("{}{token}\n{}", before.concat(), behind.concat());
    match random(seed) % 4 {
        // At the end, in place.
        0 => {
            let mut file = std::fs::OpenOptions::new()
                .append(true)
                .open(&path)
                .unwrap();
            file.write_all(format!("{token}\n").as_bytes()).unwrap();
        }
        // Another file in its place.
        1 => here.save(file, &new),
        // The old one is moved away first.
        2 => {
            let old = path.with_extension("old~");
            std::fs::rename(&path, &old).unwrap();
            std::fs::write(&path, &new).unwrap();
            std::fs::remove_file(old).unwrap();
        }
        // From the beginning, bit by bit.
        _ => {
            let mut file = std::fs::File::create(&path).unwrap();
            for part in new.as_bytes().chunks(100) {
                file.write_all(part).unwrap();
                file.flush().unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_loses_and_doubles_nothing() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut seed = setting("ROPEWALK_STORM_SEED", now);
    println!("ROPEWALK_STORM_SEED={seed}");
    let mut server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    let mut folders = [
        Synced::start(relay.address, &[]).await,
        Synced::start(relay.address, &[]).await,
    ];
    for file in FILES {
        folders[0].save(file, "begin\n");
        folders[1].until(file, "begin\n").await;
    }
    let mut tokens = Vec::new();
    for round in 0..setting("ROPEWALK_STORM", ROUNDS) {
        for step in 0..12 {
            for file in FILES {
                let token = format!("<{round}.{step}>");
                match random(&mut seed) % 3 {
                    2 => {
                        let yjs = Client::join(&server, file).await;
                        yjs.append(&format!("{token}\n"));
                        yjs.all_saved().await;
                    }
                    which => {
                        let here = &folders[which as usize];
                        edit(here, file, &mut seed, &token);
                        // The next save is that of somebody who has seen this one.
                        tokio::time::sleep(std::time::Duration::from_millis(
                            random(&mut seed) % 200,
                        ))
                        .await;
                    }
                }
                tokens.push((file, token));
            }
        }
        match random(&mut seed) % 3 {
            0 => {
                let which = random(&mut seed) as usize % 2;
                folders[which].kill().await;
                let files = folders[which].folder.clone();
                folders[which] = Synced::start_in(files, relay.address, &[]).await;
            }
            1 => {
                server.kill().await;
                server.start_again().await;
                relay.lead(Some(server.address));
            }
            _ => relay.cut(),
        }
        for file in FILES {
            quiet(&server, &folders, file, &tokens).await;
        }
    }
}

/// Waits until everybody has the same, and in that each token once.
async fn quiet(server: &Ropewalk, folders: &[Synced; 2], file: &str, tokens: &[(&str, String)]) {
    let told = std::cell::RefCell::new(String::new());
    let all = || async {
        let text = server.text(file).await;
        let files: Vec<_> = folders.iter().flat_map(Synced::files).collect();
        let mut here = files.iter().filter(|(path, _)| path == file);
        let is_same = here.all(|(_, here)| *here == text);
        let of_this = tokens.iter().filter(|(of, _)| *of == file);
        let is_right = |token: &str| match text.matches(token).count() {
            // Who wrote on in a file that was replaced has a copy.
            0 => files
                .iter()
                .any(|(path, copy)| path.contains(".ropewalk-") && copy.contains(token)),
            count => count == 1,
        };
        let wrong: Vec<_> = of_this.filter(|(_, token)| !is_right(token)).collect();
        *told.borrow_mut() = format!("{is_same}, lost or double: {wrong:?} in {text}");
        (is_same && wrong.is_empty()).then_some(())
    };
    let waiting = tokio::time::timeout(DEADLINE, async {
        while all().await.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    assert!(waiting.await.is_ok(), "{file}: {}", told.borrow());
}
