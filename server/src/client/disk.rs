//! The file on disk: read when its editor opens it, written when that has closed it, and never over what nobody else has.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::project::COPY;

/// The largest file that is opened, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// A file's text; None when there is no file, an error when it is not UTF-8.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other("not a file")),
        Ok(found) if found.len() > MAX_FILE => Err(ErrorKind::FileTooLarge.into()),
        Ok(_) => fs::read_to_string(path).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a text into the place of a file that has this one, as a whole. Whether that was so until the last moment: to sync takes a while.
fn write(path: &Path, before: &str, text: &str) -> io::Result<bool> {
    let permissions = fs::metadata(path)?.permissions();
    let beside = beside(path, &format!("new-{}", rand::random::<u32>()))?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&beside)?;
    let written = file
        .set_permissions(permissions)
        .and_then(|()| file.write_all(text.as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| read(path))
        .and_then(|now| match now.as_deref() == Some(before) {
            true => fs::rename(&beside, path).map(|()| true),
            false => Ok(false),
        });
    if !matches!(written, Ok(true)) {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Writes a text into a file that is as it was, or begins it if there was none. Whether that was so.
pub(super) fn write_down(path: &Path, before: Option<&str>, text: &str) -> io::Result<bool> {
    let now = read(path)?;
    if now.as_deref() != before {
        return Ok(false);
    }
    match now {
        Some(now) if now == text => Ok(true),
        Some(now) => write(path, &now, text),
        None => begin(path, text).map(|()| true),
    }
}

/// A text without what is not to be seen of it.
fn lines(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.replace("\r\n", "\n")
}

/// Writes a text where no file is.
pub(super) fn begin(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Keeps a text beside a file; answers where.
pub(super) fn keep_copy(path: &Path, text: &str) -> io::Result<PathBuf> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.unwrap_or_default().as_secs();
    for more in 0..100 {
        let end = match more {
            0 => now.to_string(),
            more => format!("{now}-{more}"),
        };
        let copy = beside(path, &end)?;
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&copy);
        match file {
            Ok(mut file) => {
                if let Ok(found) = fs::metadata(path) {
                    file.set_permissions(found.permissions())?;
                }
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                return Ok(copy);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn beside(path: &Path, end: &str) -> io::Result<PathBuf> {
    let mut name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_owned();
    name.push(COPY);
    name.push(end);
    Ok(path.with_file_name(name))
}

/// Writes the text to the file that the editor had open; what is to be said about it.
pub(super) fn settle(
    path: &Path,
    before: Option<String>,
    text: &str,
    is_saved: bool,
) -> Vec<String> {
    let mut said = Vec::new();
    let shown = path.display();
    let done = (|| loop {
        let Some(now) = read(path)? else {
            if before.is_none() && !text.is_empty() {
                // There never was one.
                begin(path, text)?;
                if is_saved {
                    remember(path, text)?;
                }
                return Ok(());
            }
            if !is_saved {
                let copy = keep_copy(path, text)?;
                said.push(format!(
                    "{shown} is gone; what the server does not have is in {}",
                    copy.display()
                ));
            }
            return Ok(());
        };
        // A file keeps its own kind of line breaks, and its mark, as long as nothing else is different.
        if lines(&now) != lines(text) {
            if before.as_ref() != Some(&now) && !is_known(path, &now) {
                let copy = keep_copy(path, &now)?;
                said.push(format!(
                    "{shown} was changed by another program; that is in {}",
                    copy.display()
                ));
            }
            if !write(path, &now, text)? {
                continue;
            }
        }
        if !is_saved {
            said.push(format!(
                "{shown} has edits that the server does not have; open it again to bring both together"
            ));
            return Ok(());
        }
        return remember(path, text);
    })();
    if let Err(error) = done {
        let error: std::io::Error = error;
        said.push(format!("{shown}: {error}"));
    }
    said
}

/// Takes note that the server has, or had, all that is in this text of a file.
pub(super) fn remember(path: &Path, text: &str) -> io::Result<()> {
    let Some((folder, note)) = note(path) else {
        return Ok(());
    };
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(note), print(text))
}

/// Whether the server has, or had, all that is in this text of a file.
pub(super) fn is_known(path: &Path, text: &str) -> bool {
    let known = note(path).map(|(folder, note)| fs::read_to_string(folder.join(note)));
    known.is_some_and(|known| known.is_ok_and(|known| known == print(text)))
}

/// Where the note of a file is.
fn note(path: &Path) -> Option<(PathBuf, String)> {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let name = format!("{:016x}", hasher.finish());
    Some((state()?, name))
}

/// Where this machine's notes are.
pub(super) fn state() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|state| state.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    Some(state.join("ropewalk"))
}

/// Stands for a text. Should the same be another one in a later version, a copy more is kept.
fn print(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{} {:016x}\n", text.len(), hasher.finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_file_that_has_just_changed_is_not_written_over() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "another program's").unwrap();
        assert!(!write(&path, "before", "text").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "another program's");
        assert!(write(&path, "another program's", "text").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "text");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
