//! The file on disk: read when its editor opens it, written when that has closed it, and never over what nobody else has.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::project::COPY;

/// What is being written has this in its name.
const NEW: &str = "new-";
/// Nothing takes so long to write.
const WRITTEN: Duration = Duration::from_secs(600);
/// The longest name of a file, in bytes.
const MAX_NAME: usize = 255;
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
    let beside = beside(path, &format!("{NEW}{:08x}", rand::random::<u32>()))?;
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
            true => put(&beside, path, before, text),
            false => Ok(false),
        });
    if !matches!(written, Ok(true)) {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Puts what is beside a file into its place. Whether that had this text until then; if not, it has what it had.
#[cfg(target_os = "linux")]
fn put(new: &Path, path: &Path, before: &str, text: &str) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    let exchange = || renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE);
    match exchange() {
        Ok(()) => {}
        // Not all file systems can.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            return fs::rename(new, path).map(|()| true);
        }
        Err(error) => return Err(error.into()),
    }
    let is_as_before = |path, text| matches!(read(path), Ok(Some(found)) if found == text);
    if is_as_before(new, before) {
        return fs::remove_file(new).map(|()| true);
    }
    // Somebody has saved it in that moment.
    exchange()?;
    if !is_as_before(new, text) {
        // And once more.
        fs::rename(
            new,
            beside(path, &format!("{:08x}", rand::random::<u32>()))?,
        )?;
    }
    Ok(false)
}

#[cfg(not(target_os = "linux"))]
fn put(new: &Path, path: &Path, _before: &str, _text: &str) -> io::Result<bool> {
    fs::rename(new, path).map(|()| true)
}

/// Removes what a process left beside a file that ended while it wrote.
pub(super) fn tidy(path: &Path) -> io::Result<()> {
    let start = beside(path, NEW)?;
    let (Some(folder), Some(start)) = (path.parent(), start.file_name()) else {
        return Ok(());
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_one = name
            .as_encoded_bytes()
            .starts_with(start.as_encoded_bytes());
        let is_old = |age: Duration| age > WRITTEN;
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_one && age().is_some_and(is_old) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
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
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a text would be taken for another program's.
        let _ = fs::remove_file(path);
    }
    written
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
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(ErrorKind::InvalidInput)?;
    let end = format!("{COPY}{end}");
    let room = MAX_NAME.saturating_sub(end.len());
    Ok(path.with_file_name(format!("{}{end}", cut(name, room))))
}

/// The beginning of a text, of so many bytes at most.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or_default()]
}

/// What has become of a file that is closed.
pub(super) enum Settled {
    /// It has all that was in the editor, as this.
    Has(String),
    /// It is gone, and what the server does not have is kept beside.
    Gone,
    /// It is as it was.
    Failed,
}

/// Writes the text to the file that the editor had open; what is to be said about it, and what has become of it.
pub(super) fn settle(
    path: &Path,
    before: Option<&str>,
    text: &str,
    is_saved: bool,
) -> (Vec<String>, Settled) {
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
                return Ok(Settled::Has(text.to_owned()));
            }
            if !is_saved {
                let copy = keep_copy(path, text)?;
                said.push(format!(
                    "{shown} is gone; what the server does not have is in {}",
                    copy.display()
                ));
            }
            return Ok(Settled::Gone);
        };
        // A file keeps its own kind of line breaks, and its mark, as long as nothing else is different.
        let is_same = lines(&now) == lines(text);
        if !is_same {
            if before != Some(now.as_str()) && !is_known(path, &now) {
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
        let has = if is_same { now } else { text.to_owned() };
        if is_saved {
            remember(path, &has)?;
        }
        return Ok(Settled::Has(has));
    })();
    let settled = done.unwrap_or_else(|error: io::Error| {
        said.push(format!("{shown}: {error}"));
        Settled::Failed
    });
    (said, settled)
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
pub(super) fn print(text: &str) -> String {
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

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_saved_at_the_moment_of_the_write_is_kept() {
        let folder = TempDir::new().unwrap();
        let (path, new) = (folder.path().join("file"), folder.path().join("new"));
        for (found, is_put, left) in [("before", true, "text"), ("saved", false, "saved")] {
            fs::write(&path, found).unwrap();
            fs::write(&new, "text").unwrap();
            assert_eq!(put(&new, &path, "before", "text").unwrap(), is_put);
            assert_eq!(fs::read_to_string(&path).unwrap(), left);
        }
    }

    #[test]
    fn a_file_with_the_longest_name_is_written_and_copied() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("ä".repeat(127) + "x");
        fs::write(&path, "before").unwrap();
        assert!(write(&path, "before", "text").unwrap());
        let copy = keep_copy(&path, "copy").unwrap();
        assert_eq!(fs::read_to_string(copy).unwrap(), "copy");
    }

    #[test]
    fn what_a_process_left_that_ended_while_it_wrote_is_removed() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        let left = beside(&path, &format!("{NEW}1")).unwrap();
        for (age, is_left) in [(Duration::ZERO, true), (2 * WRITTEN, false)] {
            let file = fs::File::create(&left).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
            let copy = keep_copy(&path, "copy").unwrap();
            tidy(&path).unwrap();
            assert_eq!(left.exists(), is_left);
            assert!(copy.exists());
        }
    }
}
