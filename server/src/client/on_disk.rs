//! The file of a document that an editor has open, and the copies beside it.

use std::io;
use std::path::{Path, PathBuf};

use ropewalk_crdt::Document;
use tokio::task::spawn_blocking;

use super::project::Place;
use super::unsent::Unsent;
use super::{disk, say};
use crate::name::DocumentName;

/// See the module.
pub(super) struct OnDisk {
    path: PathBuf,
    name: DocumentName,
    /// The text when it was opened, or as it was written since.
    text: Option<String>,
    /// Where the document is kept while the server does not have all of it.
    unsent: Unsent,
}

/// What the server does not have of a file that is closed.
pub(super) enum Rest {
    Nothing,
    /// It is in this document.
    Unsent(Vec<u8>),
    /// And never will, as it has another document under this name, or none.
    OfAnother,
}

impl OnDisk {
    /// A file that has this text.
    pub(super) fn new(place: &Place, text: Option<String>) -> Self {
        Self {
            path: place.path.clone(),
            name: place.name.clone(),
            text,
            unsent: Unsent::of(place),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The document that was edited without the server, if the file is as it was left then.
    pub(super) fn unsent(&self) -> Option<Document> {
        self.unsent.find(self.text()?)
    }

    /// Keeps what is on disk and not in the editor, beside the file.
    pub(super) async fn keep_disk(&self, text: String) -> Result<(), String> {
        if let Some(copy) = self.keep_alone(text).await? {
            say(&format!(
                "{} is another text on disk than in the editor; that is in {}",
                self.path.display(),
                copy.display()
            ));
        }
        Ok(())
    }

    /// Keeps what is on this machine alone, beside the file.
    pub(super) async fn keep_local(&self, text: String) -> Result<(), String> {
        if let Some(copy) = self.keep_alone(text).await? {
            say(&format!(
                "{} is another text on the server, which is shown; the one that was here is in {}",
                self.name,
                copy.display()
            ));
        }
        Ok(())
    }

    /// Keeps a text, unless the server has or had it; answers where.
    async fn keep_alone(&self, text: String) -> Result<Option<PathBuf>, String> {
        let path = self.path.clone();
        let kept = spawn_blocking(move || {
            match text.trim_matches(['\r', '\n']).is_empty() || disk::is_known(&path, &text) {
                true => Ok(None),
                false => disk::keep_copy(&path, &text).map(Some),
            }
        });
        match kept.await {
            Ok(Ok(copy)) => Ok(copy),
            Ok(Err(error)) => Err(format!(
                "{}: what is on this machine alone cannot be kept: {error}",
                self.path.display()
            )),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Takes note that the server has this.
    pub(super) async fn note(&self, text: String) {
        let path = self.path.clone();
        let noted = spawn_blocking(move || disk::remember(&path, &text)).await;
        if let Ok(Err(error)) = noted {
            say(&format!("what the server has cannot be noted: {error}"));
        }
    }

    /// Writes a text that the server does not have, and its document.
    pub(super) async fn write_down(&mut self, text: String, document: Vec<u8>) {
        let (path, before, unsent) = (self.path.clone(), self.text.clone(), self.unsent.clone());
        let written = spawn_blocking({
            let text = text.clone();
            move || {
                let is_written = disk::write_down(&path, before.as_deref(), &text)?;
                // Not before: what is kept of a text that the file does not have is not found.
                if is_written {
                    unsent.keep(&text, &document)?;
                }
                Ok::<_, io::Error>(is_written)
            }
        });
        match written.await {
            Ok(Ok(true)) => self.text = Some(text),
            // Another program has changed it; that is seen to when it is closed.
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(error)) => say(&format!("{}: {error}", self.path.display())),
        }
    }

    /// Writes the text that it has when it is closed.
    pub(super) async fn settle(self, text: String, rest: Rest) {
        let settling = spawn_blocking(move || {
            let is_saved = matches!(rest, Rest::Nothing);
            let (mut said, has) = disk::settle(&self.path, self.text, &text, is_saved);
            let path = &self.path;
            match (rest, has) {
                (Rest::Nothing, _) | (Rest::OfAnother, None) => self.unsent.forget(),
                (Rest::OfAnother, Some(_)) => {
                    self.unsent.forget();
                    said.push(unmerged(path));
                }
                (Rest::Unsent(_), None) => {}
                (Rest::Unsent(document), Some(has)) => said.push(match self.unsent.keep(&has, &document) {
                    Ok(true) => format!(
                        "{} has edits that the server does not have; they are merged when you open it again",
                        path.display()
                    ),
                    Ok(false) => unmerged(path),
                    Err(error) => format!("{}: {error}", unmerged(path)),
                }),
            }
            said
        });
        for message in settling.await.unwrap_or_default() {
            say(&message);
        }
    }
}

fn unmerged(path: &Path) -> String {
    format!(
        "{} has edits that the server does not have; when you open it again they are kept as a copy and not merged",
        path.display()
    )
}
