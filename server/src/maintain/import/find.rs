//! What there is in a folder to import, and nothing of what lies outside it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::maintain::Failure;
use crate::maintain::index::{self, Exported, Index};

/// What is to become a document.
pub enum Found {
    /// As the index tells it.
    Exported(Exported),
    /// A text, by its path below the folder.
    Text(PathBuf),
    /// What cannot become one, and why.
    Other(PathBuf, &'static str),
}

impl Found {
    /// What people know it by.
    pub fn label(&self) -> String {
        match self {
            Self::Exported(one) => one.name.clone(),
            Self::Text(path) | Self::Other(path, _) => path.display().to_string(),
        }
    }
}

/// All of it.
pub fn find(from: &Path) -> Result<Vec<Found>, Failure> {
    let refuse = |error: io::Error| Failure::argument(from, error.to_string());
    if from.join(index::PART).symlink_metadata().is_ok() {
        let reason = "this export was cut short; export again";
        return Err(Failure::argument(from, reason));
    }
    let index = from.join(index::FILE);
    if index.symlink_metadata().is_err() {
        let mut found = Vec::new();
        walk(from, &mut found).map_err(refuse)?;
        return Ok(found);
    }
    let bad = |reason: String| Failure::argument(&index, reason);
    let read: Index = regular(from, index::FILE, u64::MAX)
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
        .map_err(|reason| bad(format!("this is not the index of an export: {reason}")))?;
    match read.ropewalk_export {
        index::FORMAT => Ok(read.documents.into_iter().map(Found::Exported).collect()),
        other => Err(bad(format!(
            "it has format {other}, this ropewalk knows {}",
            index::FORMAT
        ))),
    }
}

/// Everything below a folder, one folder after the other.
fn walk(from: &Path, found: &mut Vec<Found>) -> io::Result<()> {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(from.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if folder.as_os_str().is_empty() => return Err(error),
            Err(_) => {
                found.push(Found::Other(folder, "the folder cannot be read"));
                continue;
            }
        };
        let mut inner = Vec::new();
        for entry in entries {
            let entry = entry?;
            // Of the entry itself: what a link leads to may lie anywhere.
            inner.push((folder.join(entry.file_name()), entry.file_type()?));
        }
        inner.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, kind) in inner {
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.push(Found::Text(path));
            } else if kind.is_symlink() {
                found.push(Found::Other(path, "links are not followed"));
            } else {
                found.push(Found::Other(path, "it is not a file"));
            }
        }
    }
    Ok(())
}

/// Reads a file below the folder, if it is one, of at most `most` bytes.
pub fn regular(from: &Path, path: impl AsRef<Path>, most: u64) -> Result<Vec<u8>, String> {
    let path = path.as_ref();
    let mut whole = from.to_path_buf();
    for component in path.components() {
        let Component::Normal(piece) = component else {
            return Err(format!("{path:?} does not lie in the folder"));
        };
        whole.push(piece);
        let kind = whole
            .symlink_metadata()
            .map_err(|error| format!("{path:?}: {error}"))?;
        if kind.is_symlink() {
            return Err(format!("{path:?}: links are not followed"));
        }
    }
    let failed = |error: io::Error| format!("{path:?}: {error}");
    // Opening a pipe would wait.
    if !whole.metadata().map_err(failed)?.is_file() {
        return Err(format!("{path:?} is not a file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(&whole).map_err(failed)?;
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(format!("{path:?} is larger than {most} bytes"));
    }
    Ok(bytes)
}
