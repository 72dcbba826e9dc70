//! The file of a document that an editor has open, and the copies beside it.

use std::path::{Path, PathBuf};

use ropewalk_crdt::Document;
use tokio::task::spawn_blocking;

use super::disk::Settled;
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
        self.unsent.find(self.text().unwrap_or_default())
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

    /// Writes a text that the server does not have, and its document: that also if the file stays as it was.
    pub(super) async fn write_down(&mut self, text: String, document: Vec<u8>) {
        let (path, before, unsent) = (self.path.clone(), self.text.clone(), self.unsent.clone());
        let written = spawn_blocking({
            let text = text.clone();
            move || {
                let written = disk::write_down(&path, before.as_deref(), &text);
                // Not before: what is kept of a text that the file does not have is not found.
                let kept = match &written {
                    Ok(true) => unsent.keep(&text, &document),
                    Ok(false) => Ok(false),
                    Err(_) => unsent.keep(&before.unwrap_or_default(), &document),
                };
                written.and_then(|is_written| kept.map(|_| is_written))
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
            let before = self.text.as_deref();
            let (mut said, settled) = disk::settle(&self.path, before, &text, is_saved);
            let path = self.path.display();
            match (rest, settled) {
                (Rest::Nothing, _) | (Rest::OfAnother, Settled::Gone) => self.unsent.forget(),
                (Rest::OfAnother, Settled::Failed) => {
                    self.unsent.forget();
                    said.push(lost(&self.path));
                }
                (Rest::OfAnother, Settled::Has(_)) => {
                    self.unsent.forget();
                    said.push(unmerged(&self.path));
                }
                (Rest::Unsent(_), Settled::Gone) => {}
                (Rest::Unsent(document), Settled::Has(has)) => said.push(match self.unsent.keep(&has, &document) {
                    Ok(true) => format!(
                        "{path} has edits that the server does not have; they are merged when you open it again"
                    ),
                    Ok(false) => unmerged(&self.path),
                    Err(error) => format!("{}: {error}", unmerged(&self.path)),
                }),
                // Found if the file still is as it was then.
                (Rest::Unsent(document), Settled::Failed) => {
                    let kept = self.unsent.keep(before.unwrap_or_default(), &document);
                    said.push(match kept {
                        Ok(true) => format!(
                            "{path} lacks edits that the server does not have either; they are merged when you open it again"
                        ),
                        Ok(false) => lost(&self.path),
                        Err(error) => format!("{}: {error}", lost(&self.path)),
                    });
                }
            }
            said
        });
        for message in settling.await.unwrap_or_default() {
            say(&message);
        }
    }
}

fn lost(path: &Path) -> String {
    format!(
        "{} lacks edits that the server does not have either, and they could not be kept",
        path.display()
    )
}

fn unmerged(path: &Path) -> String {
    format!(
        "{} has edits that the server does not have; when you open it again they are kept as a copy and not merged",
        path.display()
    )
}
