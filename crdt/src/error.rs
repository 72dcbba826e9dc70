//! What can go wrong, and the numbers that say how.

/// Why a call was refused. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not what they claim to be.
    #[error("malformed: {what} (at byte {at})")]
    Malformed {
        /// What was expected there.
        what: &'static str,
        /// Offset in bytes from the start of the input.
        at: usize,
    },
    /// A number is above its limit.
    #[error("too large: {size} {what}, at most {limit}")]
    TooLarge {
        /// The unit that `size` and `limit` count.
        what: &'static str,
        /// What was asked for.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The bytes are well formed, but say something that this version does not take in.
    #[error("not supported: {what}")]
    Unsupported {
        /// The kind of content.
        what: &'static str,
    },
    /// The update writes under a client id that belongs to somebody else.
    #[error("client {client} belongs to somebody else")]
    Foreign {
        /// The client id.
        client: u64,
    },
    /// The update depends on others that have not come, and no more may wait for them.
    #[error("too much waits for missing updates: {pieces} pieces, {bytes} bytes")]
    HeldFull {
        /// Pieces of updates that would wait.
        pieces: usize,
        /// Bytes that they would take.
        bytes: usize,
    },
    /// The edit was made against another version than the current one.
    #[error("made against another version")]
    Stale,
    /// An offset lies behind the end of the text.
    #[error("offset {offset} lies behind the end of the text, {length}")]
    OutOfRange {
        /// The offset, in the unit of the call.
        offset: u64,
        /// The length of the text, in the unit of the call.
        length: u64,
    },
    /// An offset lies inside a UTF-8 sequence or a surrogate pair.
    #[error("offset {offset} lies inside a character")]
    NotBoundary {
        /// The offset, in the unit of the call.
        offset: u64,
    },
    /// The edits overlap, run backwards or are not sorted.
    #[error("edit {index} overlaps the one before it or runs backwards")]
    Unsorted {
        /// Which of the edits, from 0.
        index: usize,
    },
}

impl Error {
    /// A name that stays the same from version to version, for APIs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Malformed { .. } => "malformed",
            Error::TooLarge { .. } => "too_large",
            Error::Unsupported { .. } => "unsupported",
            Error::Foreign { .. } => "foreign",
            Error::HeldFull { .. } => "held_full",
            Error::Stale => "stale",
            Error::OutOfRange { .. } => "out_of_range",
            Error::NotBoundary { .. } => "not_boundary",
            Error::Unsorted { .. } => "unsorted",
        }
    }
}
