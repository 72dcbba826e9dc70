//! How much a document and an update may be.

/// What [`crate::Document`] takes in at most. What is above is answered by `TooLarge` or
/// `HeldFull`, and nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Units of a document that are not deleted: UTF-16 code units of text, elements of everything
    /// else. 16 Mi.
    pub text: u64,
    /// Bytes of the encoded state of a document. Counted generously, so that up to a sixteenth
    /// more may come. 64 MiB.
    pub state_bytes: u64,
    /// Structs in one update. 1 Mi.
    pub structs: u64,
    /// Units in one update, deleted, forgotten and skipped ones included. 16 Mi.
    pub update_units: u64,
    /// Steps past concurrent insertions in one update: the number of these that its structs have to be
    /// compared with. 2 Mi, which takes about 50 ms. What had
    /// waited gets a 256th of it for each piece, and is left out when that is not enough.
    pub conflicts: u64,
    /// Bytes that wait for missing updates. 1 MiB.
    pub held_bytes: u64,
    /// Pieces that wait for missing updates: of each update one per client. 1,000.
    pub held_pieces: u64,
}

impl Limits {
    /// No limits but those of the format.
    pub const NONE: Limits = Limits {
        text: u64::MAX,
        state_bytes: u64::MAX,
        structs: u64::MAX,
        update_units: u64::MAX,
        conflicts: u64::MAX,
        held_bytes: u64::MAX,
        held_pieces: u64::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            text: 16 << 20,
            state_bytes: 64 << 20,
            structs: 1 << 20,
            update_units: 16 << 20,
            conflicts: 2 << 20,
            held_bytes: 1 << 20,
            held_pieces: 1_000,
        }
    }
}
