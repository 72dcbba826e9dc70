//! What can go wrong with accounts.

use std::path::Path;

use rusqlite::ErrorCode;
use thiserror::Error;

use super::file::FILE;
use crate::access::Denied;
use crate::sqlite::{OpenError, Problem};
use crate::storage::StorageError;

/// Why something was not done. Nothing was changed.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The folder or the file is not what it should be.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Another process writes for long.
    #[error("the accounts are in use by another process; try again")]
    Busy,
    /// The disk is full.
    #[error("the disk is full: {0}")]
    Full(String),
    /// Reading or writing failed; whether the change is on disk is not known.
    #[error("the accounts cannot be read or written: {0}")]
    Failed(String),
    /// It cannot be done.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// What cannot be done, in words for whoever asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// Not a login.
    #[error("a login has 1 to 64 of the letters a to z, digits and . _ - @ +")]
    Login,
    /// Not a name.
    #[error("a name has 1 to 64 characters that can be seen, and none that control others")]
    Name,
    /// Not a colour.
    #[error("a color is # and six hexadecimal digits")]
    Color,
    /// A password with too few characters.
    #[error("a password has at least {0} characters")]
    ShortPassword(usize),
    /// A password with too many bytes.
    #[error("a password has at most {0} bytes")]
    LongPassword(usize),
    /// A password that is known, or that few guesses find. Says why.
    #[error("this password is too easy to guess: {0}")]
    GuessablePassword(String),
    /// A text that is longer than it may be.
    #[error("{what} has 1 to {max} bytes")]
    Length {
        /// Which text.
        what: &'static str,
        /// Most bytes.
        max: usize,
    },
    /// It was the password, and is not any more.
    #[error("this is not the password of this login")]
    WrongPassword,
    /// Somebody has this login.
    #[error("there is somebody with the login {0}")]
    LoginTaken(String),
    /// Somebody would be taken for another.
    #[error("somebody else here is known by this name: add to it what tells you apart")]
    NameTaken,
    /// Somebody has this identity.
    #[error("there is somebody with this identity")]
    IdentityTaken,
    /// A group has this name.
    #[error("there is a group with this name")]
    GroupTaken,
    /// The provider that people sign in with fills this group.
    #[error(
        "the setting oidc_group fills this group, and would make it anew: change the setting first"
    )]
    GroupInSettings,
    /// What was named is not there (any more).
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// Somebody with this login is to come, and has no account yet.
    #[error(
        "{0} is invited and has not come yet; see ropewalk user invitations, and revoke-invitation to invite them otherwise"
    )]
    NotCome(String),
    /// The person is disabled.
    #[error("this person is disabled")]
    Disabled,
    /// Whoever does it looks after the accounts no more.
    #[error("this is for administrators")]
    NotAdmin,
    /// They may not do it any more: they have waited for others.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Nobody would be left to look after the accounts.
    #[error("this is the last administrator who is not disabled")]
    LastAdmin,
    /// There is nobody yet who looks after the accounts.
    #[error("the first person has to be an administrator")]
    FirstAdmin,
    /// Somebody whom another system knows, and nobody here.
    #[error("there is no account for this person here, and they were not invited")]
    NotInvited,
    /// They sign in as somebody else there already.
    #[error("this account is linked to an account elsewhere already: unlink that first")]
    Linked,
    /// Somebody could not sign in any more.
    #[error("without a password they could not sign in any more")]
    NoPassword,
    /// There are accounts already.
    #[error("there are accounts already")]
    NotFirst,
    /// An invitation that was never given, was used or revoked, or has expired.
    #[error("this invitation is not valid any more")]
    Invitation,
    /// An access that cannot be given here.
    #[error("this access cannot be given here")]
    Access,
    /// The end lies in the past.
    #[error("the end lies in the past")]
    Ended,
    /// There is no room for one more.
    #[error("there are at most {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        max: usize,
    },
}

impl From<rusqlite::Error> for AccountsError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
        };
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(reason),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full(reason),
            Some(_) => Self::Failed(reason),
            None => match error {
                FromSqlConversionFailure(..)
                | IntegralValueOutOfRange(..)
                | InvalidColumnType(..)
                | Utf8Error(..) => damaged(reason),
                _ => Self::Failed(reason),
            },
        }
    }
}

impl AccountsError {
    /// Whether it is about what is written there, and not about reading it.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Open(OpenError::Damaged { .. }))
    }
}

/// A row that no Ropewalk wrote.
pub(super) fn damaged(reason: impl Into<String>) -> AccountsError {
    Problem::Damaged(reason.into())
        .of(Path::new(""), Path::new(FILE))
        .into()
}

/// The file that is open has lost its name.
pub(super) fn gone(error: StorageError) -> AccountsError {
    AccountsError::Failed(error.to_string())
}
