//! `ropewalk join`: makes a folder a project.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::project::{MARKER, NoDocument, Settings};
use super::{disk, joined};
use crate::link::{Address, BadAddress, Unreachable};
use crate::name::{BadName, DocumentName};

/// Why a folder is no project now.
#[derive(Debug, Error)]
pub enum JoinError {
    /// The address, or the token.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// No document can have such a name.
    #[error("--prefix: {0}")]
    Prefix(#[from] BadName),
    /// The server does not answer.
    #[error("{0} does not answer as a Ropewalk does: {1}")]
    Unreachable(Address, Unreachable),
    /// There is a marker that says something else.
    #[error("{} says something else already; remove it to join another server", .0.display())]
    Taken(PathBuf),
    /// There is a marker that cannot be read.
    #[error(transparent)]
    Marker(#[from] NoDocument),
    /// It cannot be written.
    #[error("{}: {error}", path.display())]
    Write {
        /// The marker.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Makes `folder` a project of the server at `url`; answers what to do next.
pub async fn join(
    url: &str,
    prefix: &str,
    token_file: Option<&Path>,
    folder: &Path,
) -> Result<String, JoinError> {
    let token = std::env::var("ROPEWALK_TOKEN").ok();
    let address = Address::new(url, token.as_deref())?;
    let prefix = prefix.trim_matches('/');
    if !prefix.is_empty() {
        DocumentName::new(prefix)?;
    }
    let wanted = Settings {
        server: address.to_string(),
        prefix: prefix.to_owned(),
        token_file: token_file.map(Path::to_owned),
        name: None,
    };
    let path = folder.join(MARKER);
    let found = match fs::symlink_metadata(&path) {
        Ok(_) => {
            let found = Settings::read(&path)?;
            let same = found.server.trim_end_matches('/') == wanted.server
                && found.prefix.trim_matches('/') == wanted.prefix
                && found.token_file == wanted.token_file;
            if !same {
                return Err(JoinError::Taken(path));
            }
            Some(found)
        }
        Err(_) => None,
    };
    if let Err(error) = address.is_alive().await {
        return Err(JoinError::Unreachable(address, error));
    }
    let failed = |error| JoinError::Write {
        path: path.clone(),
        error,
    };
    if found.is_none() {
        write(&path, &wanted).map_err(failed)?;
    }
    let shown = fs::canonicalize(folder).map_err(failed)?;
    joined::note(&shown, found.as_ref().unwrap_or(&wanted)).map_err(failed)?;
    Ok(format!(
        r#"Files in {} are documents on {} now, once an editor opens them.

Neovim, with the plugin of Teamtype, in init.lua:

  require("teamtype").config("ropewalk", {{ cmd = {{ "ropewalk", "client" }}, root_markers = "{MARKER}" }})
  require("teamtype").enable("ropewalk")

VS Code, with the extension Teamtype, in settings.json:

  "teamtype.configs": {{ "ropewalk": {{ "cmd": ["ropewalk", "client"], "rootMarkers": ["{MARKER}"] }} }}
"#,
        shown.display(),
        wanted.server,
    ))
}

fn write(path: &Path, settings: &Settings) -> io::Result<()> {
    let text = toml::to_string(settings).map_err(io::Error::other)?;
    disk::begin(path, &text)
}
