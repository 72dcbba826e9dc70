//! A folder whose files are documents: the file `.ropewalk` in it says where.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::link::{Address, BadAddress};
use crate::name::{BadName, DocumentName};

/// The file that makes a folder a project.
pub const MARKER: &str = ".ropewalk";
/// What stands in the names of copies that are kept beside a file.
pub(super) const COPY: &str = ".ropewalk-";
/// Colours that others see, as the page has them.
const COLORS: [&str; 8] = [
    "#b3265e", "#b04a09", "#6b6a0b", "#217a3c", "#0b7285", "#2b5fc7", "#6b48c8", "#9b3193",
];

/// What `.ropewalk` says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the server, such as `https://write.example.org`.
    pub server: String,
    /// What stands before the path of each file in the name of its document.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// File with a token; relative to the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The name that others see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Why a file is no document.
#[derive(Debug, Error)]
pub enum NoDocument {
    /// Only files have documents.
    #[error("`{0}` is not the URI of a file on this machine")]
    Uri(String),
    /// The system says so.
    #[error("{}: {error}", path.display())]
    System {
        /// Of what.
        path: PathBuf,
        /// What it says.
        error: std::io::Error,
    },
    /// There is no [`MARKER`] in any folder above.
    #[error("{}: there is no {MARKER} in the folders above; `ropewalk join` makes one", .0.display())]
    NoProject(PathBuf),
    /// The marker came from elsewhere, or was changed since.
    #[error("{}: it leads to {server}, and nobody has joined that on this machine; `ropewalk join` does", path.display())]
    NotJoined {
        /// The marker.
        path: PathBuf,
        /// What it says.
        server: String,
    },
    /// The marker cannot be read.
    #[error("{}: {problem}", path.display())]
    Marker {
        /// The marker.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It is a link to another file, or none at all: a folder, a device.
    #[error("{}: not a file, or a link to one", .0.display())]
    NotFile(PathBuf),
    /// It is the marker, or a copy that was kept.
    #[error("{}: this file is Ropewalk's own", .0.display())]
    Own(PathBuf),
    /// What is hidden is the business of the machine.
    #[error("{}: hidden files are left alone", .0.display())]
    Hidden(PathBuf),
    /// The server would refuse it.
    #[error("{}: {error}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// Why.
        error: BadName,
    },
    /// The server's address, or the token.
    #[error("{}: {error}", path.display())]
    Address {
        /// The marker.
        path: PathBuf,
        /// Why.
        error: BadAddress,
    },
}

/// A file, and the document that it is.
#[derive(Debug)]
pub(super) struct Place {
    /// Without links in it.
    pub(super) path: PathBuf,
    pub(super) name: DocumentName,
    pub(super) address: Address,
    /// The name that others see, and a colour.
    pub(super) person: (String, &'static str),
}

/// The path in a `file:` URI.
pub(super) fn path_of(uri: &str) -> Result<PathBuf, NoDocument> {
    let bad = || NoDocument::Uri(uri.to_owned());
    let rest = uri.strip_prefix("file://").ok_or_else(bad)?;
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = percent_decode_str(rest).decode_utf8().map_err(|_| bad())?;
    let path = PathBuf::from(path.into_owned());
    match path.is_absolute() && !path.as_os_str().as_encoded_bytes().contains(&0) {
        true => Ok(path),
        false => Err(bad()),
    }
}

impl Place {
    /// Finds the project of a file, and its document. Reads files, and asks git for a name.
    pub(super) fn of(
        path: &Path,
        is_joined: impl Fn(&Path, &Settings) -> bool,
    ) -> Result<Self, NoDocument> {
        let system = |path: &Path| {
            let path = path.to_owned();
            |error| NoDocument::System { path, error }
        };
        let not_file = || NoDocument::NotFile(path.to_owned());
        let folder = path.parent().ok_or_else(not_file)?;
        let Some(Component::Normal(file)) = path.components().next_back() else {
            return Err(not_file());
        };
        // Links among the folders are followed first, so that none leads out of the project.
        let folder = fs::canonicalize(folder).map_err(system(folder))?;
        let path = folder.join(file);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(not_file()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(system(&path)(error)),
        }
        let root = folder
            .ancestors()
            .find(|folder| folder.join(MARKER).is_file())
            .ok_or_else(|| NoDocument::NoProject(path.clone()))?;
        let is_own = |name: &str| name == MARKER || name.contains(COPY);
        if file.to_str().is_some_and(is_own) {
            return Err(NoDocument::Own(path));
        }
        let within = path.strip_prefix(root).unwrap_or(&path);
        let is_hidden = |part: Component<'_>| part.as_os_str().as_encoded_bytes().starts_with(b".");
        if within.components().any(is_hidden) {
            return Err(NoDocument::Hidden(path));
        }
        let settings = Settings::read(&root.join(MARKER))?;
        let name = settings.name_of(path.strip_prefix(root).unwrap_or(&path));
        let name = name.map_err(|error| NoDocument::Name {
            path: path.clone(),
            error,
        })?;
        if !is_joined(root, &settings) {
            return Err(NoDocument::NotJoined {
                path: root.join(MARKER),
                server: settings.server,
            });
        }
        let token = settings.token(root)?;
        let address = Address::new(&settings.server, token.as_deref());
        let address = address.map_err(|error| NoDocument::Address {
            path: root.join(MARKER),
            error,
        })?;
        let person = settings.person(root);
        Ok(Self {
            path,
            name,
            address,
            person,
        })
    }
}

impl Settings {
    /// Reads a marker.
    pub fn read(path: &Path) -> Result<Self, NoDocument> {
        let wrong = |problem: String| NoDocument::Marker {
            path: path.to_owned(),
            problem: problem.trim().replace('\n', " "),
        };
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        toml::from_str(&text).map_err(|error: toml::de::Error| wrong(error.message().to_owned()))
    }

    /// The name of the document of a file, by its path in the folder.
    fn name_of(&self, path: &Path) -> Result<DocumentName, BadName> {
        let prefix = self.prefix.trim_matches('/');
        let parts = path.components().map(|part| part.as_os_str().to_str());
        let parts: Option<Vec<&str>> = parts.collect();
        let path = parts.ok_or(BadName::NotUtf8)?.join("/");
        match prefix {
            "" => DocumentName::new(&path),
            prefix => DocumentName::new(&format!("{prefix}/{path}")),
        }
    }

    fn token(&self, root: &Path) -> Result<Option<String>, NoDocument> {
        if let Ok(token) = std::env::var("ROPEWALK_TOKEN")
            && !token.trim().is_empty()
        {
            return Ok(Some(token));
        }
        let Some(file) = &self.token_file else {
            return Ok(None);
        };
        let file = match (file.strip_prefix("~"), std::env::home_dir()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => root.join(file),
        };
        match fs::read_to_string(&file) {
            Ok(token) => Ok(Some(token.trim().to_owned())),
            Err(error) => Err(NoDocument::System { path: file, error }),
        }
    }

    /// Who others see: what is set for this, what git knows, or the name at this machine.
    fn person(&self, root: &Path) -> (String, &'static str) {
        let git = || {
            let mut git = Command::new("git");
            git.args(["config", "user.name"]).current_dir(root);
            let output = git.stdin(Stdio::null()).stderr(Stdio::null()).output();
            String::from_utf8(output.ok()?.stdout).ok()
        };
        let known = |name: String| Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        let set = |name| std::env::var(name).ok().and_then(known);
        let name = set("ROPEWALK_NAME")
            .or_else(|| self.name.clone().and_then(known))
            .or_else(|| git().and_then(known))
            .or_else(|| set("USER"))
            .unwrap_or_else(|| "Somebody".to_owned());
        let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let color = COLORS[hasher.finish() as usize % COLORS.len()];
        (name, color)
    }
}

#[cfg(test)]
mod tests;
