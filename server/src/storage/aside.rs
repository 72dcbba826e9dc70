//! What is kept beside a document: edits of somebody who had not seen what its name stands for now.

use super::{Author, Record};
use crate::access::PersonId;

/// One of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The edits, and what whoever brought them goes by.
    pub record: Record,
    /// Who brought them, if that was somebody with an account.
    pub person: Option<PersonId>,
    /// They are of another document, which had the name before: whoever may read this one may never have read that.
    pub is_of_another: bool,
}

/// One line of the list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Names it.
    pub id: i64,
    /// When it came, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who had it.
    pub author: Author,
    /// As in [`Aside`].
    pub person: Option<PersonId>,
    /// As in [`Aside`].
    pub is_of_another: bool,
    /// Bytes of the update.
    pub bytes: u64,
}

/// Strays of a document that are kept, at most.
pub const MAX_STRAYS: u64 = 128;
/// Bytes of them, at most.
pub const MAX_STRAY_BYTES: u64 = 64 << 20;
