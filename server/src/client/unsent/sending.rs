//! Edits of files that nobody has opened again: whoever runs next sends them. What cannot be sent stays, and is said; what its
//! file does not have any more is kept as a copy.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ropewalk_crdt::{Document, ROOT};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Unsent, folder, name_of};
use crate::client::joined::{self, is_joined};
use crate::client::project::{MARKER, Place};
use crate::client::{disk, say};
use crate::link::{Event, Link, NotSynced, client_id};

/// The longest wait for a server of which nothing comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest time until the server has saved what it was sent.
const SAVED: Duration = Duration::from_secs(60);
/// A file that was written since may be open, and what is kept of it about to be.
const SETTLED: Duration = Duration::from_secs(600);
/// So many are named.
const NAMED: usize = 10;

/// One that is kept.
struct Kept {
    entry: PathBuf,
    bytes: Vec<u8>,
    server: String,
    name: String,
    /// Its file, if that is in a folder that was joined here.
    path: Option<PathBuf>,
}

/// What has become of its file.
enum Now {
    /// It is as it was left.
    Same(Box<(Place, Document, String)>),
    /// It has another text, or is gone.
    Other,
}

/// Why it is not sent.
enum Left {
    /// Nor are others of this server.
    Offline(String),
    Here(String),
}

impl<E: std::error::Error> From<E> for Left {
    fn from(error: E) -> Self {
        Self::Here(error.to_string())
    }
}

/// Sends what can be sent, one after the other.
pub(in crate::client) async fn send_all() {
    let entries = spawn_blocking(entries).await.unwrap_or_default();
    let (mut offline, mut left) = (BTreeSet::new(), Vec::new());
    for entry in entries {
        let Ok(Some(kept)) = spawn_blocking(|| Kept::read(entry)).await else {
            continue;
        };
        let (shown, server) = (kept.shown(), kept.server.clone());
        if offline.contains(&server) {
            left.push((shown, "its server does not answer".to_owned()));
            continue;
        }
        match kept.settle().await {
            Ok(said) => say(&said),
            Err(Left::Here(why)) => left.push((shown, why)),
            Err(Left::Offline(why)) => {
                offline.insert(server);
                left.push((shown, why));
            }
        }
    }
    for (shown, why) in left.iter().take(NAMED) {
        say(&format!(
            "{shown} has edits that the server does not have: {why}; it is tried again the next time"
        ));
    }
    if left.len() > NAMED {
        say(&format!("and {} more files have", left.len() - NAMED));
    }
}

fn entries() -> Vec<PathBuf> {
    let all = folder().map(fs::read_dir).into_iter().flatten();
    let all = all.flatten().flatten().map(|entry| entry.path());
    let is_whole = |path: &PathBuf| {
        // With another ending it is being written, or whoever did has ended.
        let is_new = path.extension().is_some();
        if is_new && !is_young(path) {
            let _ = fs::remove_file(path);
        }
        !is_new
    };
    all.filter(is_whole).collect()
}

/// Whether it was written a short time ago.
fn is_young(path: &Path) -> bool {
    let age = || {
        Some(
            fs::metadata(path)
                .ok()?
                .modified()
                .ok()?
                .elapsed()
                .unwrap_or_default(),
        )
    };
    age().is_some_and(|age| age < SETTLED)
}

impl Kept {
    fn read(entry: PathBuf) -> Option<Self> {
        let bytes = fs::read(&entry).ok()?;
        let mut lines = bytes.split(|&byte| byte == b'\n');
        let mut line = || String::from_utf8(lines.next()?.to_vec()).ok();
        let (server, name) = (line()?, line()?);
        let own = entry.file_name()?;
        let path = joined::paths(&server, &name)
            .into_iter()
            .find(|path| own == &*name_of(path));
        Some(Self {
            path,
            entry,
            bytes,
            server,
            name,
        })
    }

    /// As people know it.
    fn shown(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => format!("{} on {}", self.name, self.server),
        }
    }

    /// The document behind the three lines of the head.
    fn document(&self) -> Option<Document> {
        let document = self.bytes.splitn(4, |&byte| byte == b'\n').nth(3)?;
        Document::open(client_id(), document).ok()
    }

    /// Sends it, or keeps a copy; what is to be said of that.
    async fn settle(self) -> Result<String, Left> {
        let Some(path) = self.path.clone() else {
            return Err(Left::Here("its folder is not joined any more".to_owned()));
        };
        let looking = spawn_blocking(move || self.look(&path).map(|now| (now, self)));
        let (now, kept) = looking.await??;
        match now {
            Now::Other => spawn_blocking(move || kept.keep_copy()).await?,
            Now::Same(same) => {
                let (place, document, text) = *same;
                let path = place.path.clone();
                let mut link = Link::new(place.address, place.name, document);
                let is_sent = send(&mut link).await;
                link.leave().await;
                let is_sent = is_sent?;
                spawn_blocking(move || kept.sent(&path, &text, is_sent)).await?
            }
        }
    }

    fn look(&self, path: &Path) -> Result<Now, Left> {
        if !may_go_to(path) {
            let why = "ROPEWALK_TOKEN may be for another server than that of its folder";
            return Err(Left::Here(why.to_owned()));
        }
        let place = Place::of(path, is_joined)?;
        if place.address.to_string() != self.server || place.name.as_str() != self.name {
            return Err(Left::Here("its folder is joined to something else".into()));
        }
        // One that could not be made has no text.
        let text = disk::read(path)?.unwrap_or_default();
        if let Some(document) = Unsent::of(&place).find(&text) {
            return Ok(Now::Same(Box::new((place, document, text))));
        }
        match is_young(path) || is_young(&self.entry) {
            true => Err(Left::Here("its file has just changed".to_owned())),
            false => Ok(Now::Other),
        }
    }

    fn keep_copy(&self) -> Result<String, Left> {
        let (Some(path), Some(document)) = (&self.path, self.document()) else {
            return Err(Left::Here("it cannot be read".to_owned()));
        };
        let copy = disk::keep_copy(path, &document.text(ROOT).to_string())?;
        self.forget()?;
        Ok(format!(
            "{} is not as it was when the server was away; what it had then is in {}",
            path.display(),
            copy.display()
        ))
    }

    /// The server has it all, or has another document.
    fn sent(&self, path: &Path, text: &str, is_sent: bool) -> Result<String, Left> {
        let has_more = |document: Document| document.text(ROOT) != *text;
        if !is_sent && self.document().is_some_and(has_more) {
            return self.keep_copy();
        }
        if is_sent && disk::read(path)?.as_deref() == Some(text) {
            disk::remember(path, text)?;
        }
        self.forget()?;
        let path = path.display();
        Ok(match is_sent {
            true => format!("{path}: what the server did not have is sent"),
            false => format!(
                "{path} has edits of a document that the server does not have any more; when you open it they are kept as a copy"
            ),
        })
    }

    /// Removes it, unless there is something newer by now.
    fn forget(&self) -> io::Result<()> {
        match fs::read(&self.entry) {
            Ok(now) if now == self.bytes => fs::remove_file(&self.entry),
            _ => Ok(()),
        }
    }
}

/// Whether what this process knows of tokens is for the server of a file. A token in the environment is for that of the folder
/// in which the editor runs, and nobody else is to get it.
fn may_go_to(path: &Path) -> bool {
    if std::env::var_os("ROPEWALK_TOKEN").is_none_or(|token| token.is_empty()) {
        return true;
    }
    let here = std::env::current_dir().and_then(fs::canonicalize);
    here.is_ok_and(|here| {
        let root = here
            .ancestors()
            .find(|folder| folder.join(MARKER).is_file());
        root.is_some_and(|root| path.starts_with(root))
    })
}

/// Sends what the server does not have. Whether it has it then; else it has another document, or none.
async fn send(link: &mut Link) -> Result<bool, Left> {
    match link.synced(PATIENCE).await {
        Ok(()) => {}
        Err(NotSynced::Closed(4404 | 4409, _)) => return Ok(false),
        Err(NotSynced::Closed(_, why)) => return Err(Left::Here(why)),
        Err(NotSynced::Offline(why)) => return Err(Left::Offline(why)),
    }
    let saving = async {
        while !link.is_saved() {
            if link.is_refused() {
                return Err(Left::Here("it may only be read".to_owned()));
            }
            match link.next().await {
                Event::Closed(4404 | 4409, _) => return Ok(false),
                Event::Closed(_, why) => return Err(Left::Here(why)),
                _ => {}
            }
        }
        Ok(true)
    };
    let saved = timeout(SAVED, saving).await;
    saved.unwrap_or(Err(Left::Offline("it does not save".to_owned())))
}
