//! Where peers without a CRDT are in a text: offsets of a version for them, relative positions of Yjs for everybody else.

use ropewalk_crdt::{Anchor, ClientId, Unit};
use serde_json::{Map, Value};

use super::Version;

/// The awareness state of a peer that knows offsets only.
#[derive(Debug)]
pub struct Pointing {
    /// The client id.
    pub client: ClientId,
    /// The clock of the state.
    pub clock: u64,
    /// All of it but the cursor.
    pub state: Map<String, Value>,
    /// The cursor.
    pub cursor: Cursor,
}

/// A cursor by offsets.
#[derive(Clone, Debug)]
pub enum Cursor {
    /// Where it was.
    Stays,
    /// It is in no text.
    Nowhere,
    /// Here.
    At(Place),
}

/// A selection by offsets; both are the same for a caret.
#[derive(Clone, Debug)]
pub struct Place {
    /// Name of the root text.
    pub root: String,
    /// What the offsets count.
    pub unit: Unit,
    /// The version of the text that they are offsets of.
    pub version: Version,
    /// Where it began.
    pub anchor: u64,
    /// Where the caret is.
    pub head: u64,
}

/// A selection that moves with the text: where it began, and where the caret is.
pub type Selection = (Anchor, Anchor);
