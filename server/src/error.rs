//! Why the server did not start, and why it ended.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::accounts::AccountsError;
use crate::storage::StorageError;
use crate::storage::sqlite::OpenError;

/// Why the server did not start. Nothing is left running.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// As it was configured.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The data folder or the database cannot be opened.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The accounts cannot be opened.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// Documents belong to people, and nobody is there.
    #[error(
        "documents here belong to people, and nobody is in {}: put that back, or bring both back from a backup; with --open everybody may do everything", file.display()
    )]
    NoAccounts {
        /// Where they would be.
        file: PathBuf,
    },
    /// Documents cannot be read.
    #[error(transparent)]
    Unreadable(#[from] StorageError),
    /// The keys of document tokens cannot be read.
    #[error("{0}")]
    Keys(String),
    /// The provider that people are to sign in with cannot be what is configured.
    #[error("{0}")]
    Provider(String),
    /// The system refuses something else, such as a thread.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
}

/// Why the server did not end as it should.
#[derive(Debug, Error)]
pub enum RunError {
    /// The shutdown ran out of time, or storage failed at the end.
    #[error(
        "not every edit could be saved before the end; those that are not were not acknowledged"
    )]
    Unsaved,
}
