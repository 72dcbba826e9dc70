//! A folder of plain files, kept in step with the documents of a server: any editor at all.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::link::{Address, Unreachable};
use crate::name::DocumentName;
use folder::{Folder, Unfit};
use keeper::Keeper;
use names::Names;
use records::{Records, Unrecorded};
use shared::Shared;

mod aside;
mod diff;
mod folder;
mod keeper;
mod names;
mod pair;
mod past;
mod records;
mod shared;

/// The folder's own folder.
const ASIDE: &str = ".ropewalk-sync";
/// What stands in the names of copies.
const COPY: &str = ".ropewalk-";
/// What may be open at once: a connection for each file, and what else there is.
const DESCRIPTORS: u64 = keeper::MAX_FILES as u64 + 200;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The folder.
    pub folder: PathBuf,
    /// The server.
    pub url: String,
    /// What the names of the documents begin with; a slash follows.
    pub prefix: Option<String>,
    /// What is deleted on one side is deleted on the other.
    pub deletes: bool,
    /// End when everything is in step.
    pub once: bool,
}

/// Why nothing is kept in step.
#[derive(Debug, Error)]
pub enum Failure {
    /// The folder.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address, the prefix or the token.
    #[error("{0}")]
    Argument(String),
    /// A run that ends by itself could not bring all into step.
    #[error("not all files are in step")]
    LeftOut,
    /// A run that ends by itself got no connection.
    #[error("no connection within {wait} s: {0}", wait = keeper::PATIENCE.as_secs())]
    Offline(String),
    /// It had one, and was not done in time.
    #[error("{0} file(s) are not in step after {wait} s", wait = keeper::PATIENCE.as_secs())]
    NotInStep(usize),
}

/// Why one file is not.
#[derive(Debug, Error)]
enum Problem {
    #[error("{0}")]
    Unfit(#[from] Unfit),
    #[error("{0}")]
    Unrecorded(#[from] Unrecorded),
    #[error("{0}")]
    Unreachable(#[from] Unreachable),
    #[error("{0}")]
    Document(#[from] ropewalk_crdt::Error),
    #[error("the server refuses it: {1} ({0})")]
    Refused(u16, String),
    #[error("{0}")]
    Offline(String),
    #[error("Ropewalk itself has failed")]
    Panicked,
    /// Something has come in between.
    #[error("it has just changed")]
    Again,
}

/// Keeps a folder in step until `stop`, or until everything is if that was asked for.
pub async fn run(
    options: Options,
    token: Option<String>,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let wrong = |reason: String| Failure::Folder {
        path: options.folder.clone(),
        reason,
    };
    let address = Address::new(&options.url, token.as_deref())
        .map_err(|error| Failure::Argument(error.to_string()))?;
    let prefix = options
        .prefix
        .as_deref()
        .unwrap_or_default()
        .trim_matches('/');
    let names = Names {
        prefix: if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        },
    };
    if let Some(Err(error)) = (!prefix.is_empty()).then(|| DocumentName::new(prefix)) {
        return Err(Failure::Argument(format!("--prefix: {error}")));
    }
    let path = options
        .folder
        .canonicalize()
        .map_err(|error| wrong(error.to_string()))?;
    if let Some(above) = path
        .ancestors()
        .skip(1)
        .find(|above| above.join(ASIDE).is_dir())
    {
        return Err(wrong(format!(
            "it is in {}, which is kept in step by itself",
            above.display()
        )));
    }
    let folder = match Folder::open(&path) {
        Ok(Some(folder)) => folder,
        Ok(None) => return Err(wrong("another process keeps it in step".to_owned())),
        Err(error) => return Err(wrong(error.to_string())),
    };
    folder.can_exchange().map_err(|error| {
        wrong(format!(
            "this file system cannot exchange two files in one step: {error}"
        ))
    })?;
    let place = format!("{address}/{}", names.prefix);
    let records = Records::open(&path, &place).map_err(|error| wrong(error.to_string()))?;
    let shared = Arc::new(Shared::new(folder, records, address, options.deletes));
    match rlimit::increase_nofile_limit(DESCRIPTORS) {
        Ok(limit) if limit < DESCRIPTORS => shared.trouble(format_args!(
            "This process may open only {limit} files; to keep 1,000 in step takes {DESCRIPTORS} (ulimit -Hn)."
        )),
        _ => {}
    }
    aside::tidy(&shared).map_err(|error| wrong(error.to_string()))?;
    shared.say(format_args!(
        "Keeping {} in step with {place}.",
        path.display()
    ));
    let mut keeper = Keeper::new(names, shared, options.once);
    keeper.keep(&path, stop).await
}
