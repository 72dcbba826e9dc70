//! Files that are deleted, given other names and begun, in two folders and on the server, while others write in them.
//!
//! `ROPEWALK_STORM` goes on for more rounds, `ROPEWALK_STORM_SEED` plays another one.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{DEADLINE, Relay, Request, Response, Ropewalk, Synced};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::crash::{random, setting};

const ROUNDS: u64 = 3;
const STEPS: usize = 14;

/// Two folders, a server, and all that was ever written.
struct Storm {
    server: Ropewalk,
    relay: Relay,
    folders: [Synced; 2],
    arguments: &'static [&'static str],
    seed: u64,
    /// By whom: a folder, or 2 for the server.
    tokens: Vec<(String, usize)>,
    /// Names that no file has had.
    fresh: usize,
    /// What was deleted or given another name, by folder.
    removed: [BTreeSet<String>; 2],
    /// Where files are that were deleted.
    bin: TempDir,
    /// What was deleted with a file before the server had it.
    forgone: BTreeSet<String>,
}

impl Storm {
    async fn begin(arguments: &'static [&'static str]) -> Self {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = setting("ROPEWALK_STORM_SEED", now);
        println!("ROPEWALK_STORM_SEED={seed} {arguments:?}");
        let server = Ropewalk::start().await;
        let relay = Relay::to(server.address).await;
        let folders = [
            Synced::start(relay.address, arguments).await,
            Synced::start(relay.address, arguments).await,
        ];
        Self {
            server,
            relay,
            folders,
            arguments,
            seed,
            tokens: Vec::new(),
            fresh: 0,
            removed: [BTreeSet::new(), BTreeSet::new()],
            bin: folder(),
            forgone: BTreeSet::new(),
        }
    }

    fn chance(&mut self, most: usize) -> usize {
        random(&mut self.seed) as usize % most
    }

    /// Something that nobody has written before.
    fn token(&self) -> String {
        format!("<{}>", self.tokens.len())
    }

    fn name(&mut self) -> String {
        self.fresh += 1;
        let folder = ["", "deep/", "deep/ü 💚/"][self.chance(3)];
        format!("{folder}{}.md", self.fresh)
    }

    /// A file that is there, of a document.
    fn file(&mut self, which: usize) -> Option<String> {
        let files = self.folders[which].files();
        let mut files: Vec<_> = files.into_iter().map(|(path, _)| path).collect();
        files.retain(|path| !path.contains(".ropewalk-") && !path.ends_with('~'));
        match files.len() {
            0 => None,
            count => Some(files.swap_remove(self.chance(count))),
        }
    }

    async fn ask(&self, method: &str, name: &str, rest: &str, body: &str) -> Response {
        let name = ropewalk_tests::http::encode_name(name);
        let request = Request::new(method, &format!("/api/documents/{name}{rest}"));
        let request = request.header("content-type", "text/plain; charset=utf-8");
        self.server.send(request.body(body)).await
    }

    /// Documents that are there, with what they have.
    async fn documents(&self) -> Vec<(String, String)> {
        let list = self.server.get("/api/documents?limit=200").await.json();
        let mut all = Vec::new();
        for document in list["documents"].as_array().unwrap() {
            let name = document["name"].as_str().unwrap();
            let text = self.ask("GET", name, "/text", "").await;
            if text.status == 200 {
                all.push((name.to_owned(), text.text().to_owned()));
            }
        }
        all
    }

    async fn step(&mut self) {
        let which = self.chance(2);
        let token = self.token();
        match self.chance(14) {
            0..5 => {
                if let Some(file) = self.file(which) {
                    let how = self.chance(3);
                    if edit(&self.folders[which].path(&file), how, &token).is_ok() {
                        self.tokens.push((token, which));
                    }
                }
            }
            5..8 => {
                let documents = self.documents().await;
                if !documents.is_empty() {
                    let (name, _) = &documents[self.chance(documents.len())];
                    let body = format!("{token}\n");
                    if self.ask("POST", name, "/append", &body).await.status == 200 {
                        self.tokens.push((token, 2));
                    }
                }
            }
            8 => {
                let name = self.name();
                self.folders[which].save(&name, &format!("{token}\n"));
                self.tokens.push((token, which));
            }
            9 => {
                let name = self.name();
                let begun = self.ask("PUT", &name, "", &format!("{token}\n")).await;
                assert_eq!(begun.status, 201);
                self.tokens.push((token, 2));
            }
            // All at once, under one name.
            10 => {
                let name = self.name();
                for which in 0..2 {
                    let token = self.token();
                    self.folders[which].save(&name, &format!("{token}\n"));
                    self.tokens.push((token, which));
                }
                let token = self.token();
                let body = format!("{token}\n");
                if self.ask("PUT", &name, "", &body).await.status == 201 {
                    self.tokens.push((token, 2));
                }
            }
            11 => self.remove(which).await,
            12 => {
                if let Some(file) = self.file(which) {
                    let new = self.name();
                    let (from, to) = (
                        self.folders[which].path(&file),
                        self.folders[which].path(&new),
                    );
                    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                    if std::fs::rename(from, to).is_ok() {
                        self.removed[which].insert(file);
                    }
                }
            }
            _ => {
                let documents = self.documents().await;
                if documents.len() > 2 {
                    let (name, _) = &documents[self.chance(documents.len())];
                    self.ask("DELETE", name, "", "").await;
                }
            }
        }
    }

    /// Somebody deletes a file.
    async fn remove(&mut self, which: usize) {
        let Some(file) = self.file(which) else {
            return;
        };
        let bin = self.bin.path().join(self.tokens.len().to_string());
        if std::fs::rename(self.folders[which].path(&file), &bin).is_err() {
            return;
        }
        let had = std::fs::read_to_string(bin).unwrap();
        let known = self.ask("GET", &file, "/text", "").await;
        for (token, by) in &self.tokens {
            if *by == which && had.contains(token) && !known.text().contains(token) {
                self.forgone.insert(token.clone());
            }
        }
        self.removed[which].insert(file);
    }

    async fn trouble(&mut self) {
        match self.chance(3) {
            0 => {
                let which = self.chance(2);
                self.folders[which].kill().await;
                let files = self.folders[which].folder.clone();
                self.folders[which] =
                    Synced::start_in(files, self.relay.address, self.arguments).await;
            }
            1 => {
                self.server.kill().await;
                self.server.start_again().await;
                self.relay.lead(Some(self.server.address));
            }
            _ => self.relay.cut(),
        }
    }

    /// What is not as it should be when all is quiet.
    async fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let documents = self.documents().await;
        for (which, folder) in self.folders.iter().enumerate() {
            let files = folder.files();
            let mut say = |name: &str, what: &str| wrong.push(format!("{which} {name}: {what}"));
            for (name, text) in &files {
                if name.contains(".ropewalk-") {
                    continue;
                }
                let document = documents.iter().find(|(of, _)| of == name);
                match document {
                    Some((_, there)) if there == text => {}
                    Some(_) => say(name, "it has another text"),
                    // An edit of it would begin it again.
                    None if self.ask("GET", name, "", "").await.status == 410 => {}
                    None => say(name, "it is no document"),
                }
            }
            for (name, _) in &documents {
                let is_here = files.iter().any(|(file, _)| file == name);
                let stays_away = self.arguments.is_empty() && self.removed[which].contains(name);
                if !is_here && !stays_away {
                    say(name, "it is no file");
                }
            }
        }
        let files = self.folders.iter().flat_map(Synced::files);
        for (name, text) in files.chain(documents) {
            for (token, _) in &self.tokens {
                if text.matches(token).count() > 1 {
                    wrong.push(format!("{name} has {token} twice"));
                }
            }
        }
        wrong
    }

    async fn quiet(&self) {
        let mut wrong = Vec::new();
        let waiting = tokio::time::timeout(DEADLINE, async {
            loop {
                wrong = self.wrong().await;
                if wrong.is_empty() {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
        });
        let in_time = waiting.await.is_ok();
        assert!(in_time, "{wrong:#?}, {:#?}", self.documents().await);
    }

    /// Everything that was written is somewhere.
    async fn end(mut self) {
        for folder in &mut self.folders {
            assert_eq!(folder.terminate().await, Some(0));
        }
        let mut texts = Vec::new();
        for folder in &self.folders {
            read_all(folder.folder.path(), &mut texts);
        }
        let trash = self.server.get("/api/trash?limit=200").await.json();
        for document in trash["documents"].as_array().unwrap() {
            let id = &document["id"];
            let restore = Request::new("POST", &format!("/api/trash/{id}/restore"));
            let restore = restore.header("content-type", "application/json");
            let body = format!("{{\"name\": \"trash/{id}\"}}");
            assert_eq!(self.server.send(restore.body(body)).await.status, 200);
        }
        texts.extend(self.documents().await.into_iter().map(|(_, text)| text));
        let is_there = |token: &str| texts.iter().any(|text| text.contains(token));
        let lost: Vec<_> = self.tokens.iter().map(|(token, _)| token).collect();
        let lost: Vec<_> = lost.into_iter().filter(|token| !is_there(token)).collect();
        let lost: Vec<_> = lost
            .into_iter()
            .filter(|token| !self.forgone.contains(*token))
            .collect();
        assert_eq!(lost, Vec::<&String>::new(), "of {}", self.tokens.len());
    }
}

/// Does to a file what editors do.
fn edit(path: &Path, how: usize, token: &str) -> std::io::Result<()> {
    let text = std::fs::read_to_string(path)?;
    match how {
        // At the end, in place.
        0 => {
            let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
            file.write_all(format!("{token}\n").as_bytes())
        }
        // Another file in its place.
        1 => {
            let new = path.with_extension("new~");
            std::fs::write(&new, format!("{token}\n{text}"))?;
            std::fs::rename(new, path)
        }
        // The old one is moved away first.
        _ => {
            let old = path.with_extension("old~");
            std::fs::rename(path, &old)?;
            std::fs::write(path, format!("{token}\n{text}"))?;
            std::fs::remove_file(old)
        }
    }
}

/// What all files have, hidden ones and those of `ropewalk sync` too.
fn read_all(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, texts),
            // A database is no text.
            false => texts.extend(std::fs::read_to_string(path).ok()),
        }
    }
}

async fn play(arguments: &'static [&'static str]) {
    let mut storm = Storm::begin(arguments).await;
    for round in 0..setting("ROPEWALK_STORM", ROUNDS) {
        println!("round {round}");
        let trouble = storm.chance(STEPS);
        for step in 0..STEPS {
            storm.step().await;
            if step == trouble {
                storm.trouble().await;
            }
            let pause = storm.chance(200) as u64;
            sleep(Duration::from_millis(pause)).await;
        }
        storm.quiet().await;
    }
    storm.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_takes_nothing_along() {
    play(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_on_both_sides_takes_nothing_along() {
    play(&["--delete"]).await;
}
