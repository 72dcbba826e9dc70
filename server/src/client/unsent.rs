//! Edits of a file that the server does not have: the document with them, for when the file is opened again.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ropewalk_crdt::Document;

use super::disk::{print, state};
use super::project::Place;
use crate::link::client_id;

pub(super) mod sending;

/// Where the document of a file is kept. See the module.
#[derive(Clone)]
pub(super) struct Unsent {
    kept: Option<PathBuf>,
    /// Which document it is: the file may be another one's by now.
    whose: String,
}

impl Unsent {
    pub(super) fn of(place: &Place) -> Self {
        Self {
            kept: folder().map(|folder| folder.join(name_of(&place.path))),
            whose: format!("{}\n{}\n", place.address, place.name),
        }
    }

    /// Keeps the document of a file that has this text. Whether it is found again.
    pub(super) fn keep(&self, text: &str, document: &[u8]) -> io::Result<bool> {
        let Some(kept) = &self.kept else {
            return Ok(false);
        };
        if let Some(folder) = kept.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = kept.with_extension(format!("{:08x}", rand::random::<u32>()));
        let written = self.write(&new, text, document);
        let written = written.and_then(|()| fs::rename(&new, kept));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written.map(|()| true)
    }

    fn write(&self, new: &PathBuf, text: &str, document: &[u8]) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        // Others may not be allowed to read the file.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(new)?;
        file.write_all(self.head(text).as_bytes())?;
        file.write_all(document)?;
        file.sync_all()
    }

    /// The document of a file, if the file still has the text that it had then.
    pub(super) fn find(&self, text: &str) -> Option<Document> {
        let found = fs::read(self.kept.as_ref()?).ok()?;
        let document = found.strip_prefix(self.head(text).as_bytes())?;
        Document::open(client_id(), document).ok()
    }

    /// The server has it all, or has another document.
    pub(super) fn forget(&self) {
        if let Some(kept) = &self.kept {
            let _ = fs::remove_file(kept);
        }
    }

    fn head(&self, text: &str) -> String {
        format!("{}{}", self.whose, print(text))
    }
}

/// Where all of them are.
fn folder() -> Option<PathBuf> {
    Some(state()?.join("unsent"))
}

/// The name under which that of a file is kept.
fn name_of(path: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
