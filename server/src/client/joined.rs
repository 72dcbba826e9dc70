//! Which folders were joined on this machine. A `.ropewalk` that came along with a folder leads nowhere: whoever wrote it would get the
//! texts that are opened, and a token.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::state;
use super::project::Settings;

/// Takes note that somebody has joined a folder here.
pub(super) fn note(root: &Path, settings: &Settings) -> io::Result<()> {
    let Some(path) = place(root) else {
        return Ok(());
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, said(root, settings))
}

/// Whether somebody has joined this folder here, to this server and with this token.
pub(super) fn is_joined(root: &Path, settings: &Settings) -> bool {
    let known = place(root).map(fs::read_to_string);
    known.is_some_and(|known| known.is_ok_and(|known| known == said(root, settings)))
}

/// The files that a document of a server may be, in the folders that were joined here.
pub(super) fn paths(server: &str, name: &str) -> Vec<PathBuf> {
    let notes = state().map(|state| fs::read_dir(state.join("joined")));
    let notes = notes.into_iter().flatten().flatten().flatten();
    let path = |said: String| {
        let mut lines = said.lines();
        let (root, at, prefix) = (lines.next()?, lines.next()?, lines.next()?);
        let within = match prefix {
            "" => name,
            prefix => name.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        (at == server).then(|| Path::new(root).join(within))
    };
    notes
        .filter_map(|note| path(fs::read_to_string(note.path()).ok()?))
        .collect()
}

fn place(root: &Path) -> Option<PathBuf> {
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    let name = format!("{:016x}", hasher.finish());
    Some(state()?.join("joined").join(name))
}

fn said(root: &Path, settings: &Settings) -> String {
    let server = settings.server.trim_end_matches('/');
    let token = settings.token_file.as_deref().unwrap_or(Path::new(""));
    let prefix = settings.prefix.trim_matches('/');
    format!(
        "{}\n{server}\n{prefix}\n{}\n",
        root.display(),
        token.display()
    )
}
