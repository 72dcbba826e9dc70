//! The documents of Ropewalk: a text CRDT that speaks the Yjs wire.
//!
//! A [`Document`] takes in updates of peers in any order, any number of times, and ends at the
//! same text. [`VersionVector`] is its vector clock, [`Presence`] knows who is there, and
//! [`protocol`] reads and writes the frames between them. The crate does no I/O, reads no clock
//! and starts no thread.
//!
//! Everything that a peer may send is checked before it is believed: [`update::Update::decode`]
//! checks the bytes, and a gate checks that what is said can be true. What depends on updates that
//! have not come is held, within limits.
//!
//! **Units.** A *unit* is one UTF-16 code unit of text, or one element of anything else: clocks
//! and [`Version::deleted`] count units. [`Document::edit`] takes offsets in the [`Unit`] of the
//! caller. Limits say their unit in [`Limits`].
//!
//! **What it is not good at.** Formatting, subdocuments, links, XML hooks and the JSON content of
//! Yjs before 13 are refused as [`Error::Unsupported`]; plain text, embedded values, arrays, maps
//! and XML elements work. An embedded string reads as text, every other embedded value as U+FFFC.
//! Update format v2 is not read. An insertion by [`Document::edit`] looks for its place along the
//! whole document. Who may speak for which client id is not its question: the caller has to know.
//! A peer may claim neighbours that contradict one another: no text is lost by it, but the order
//! of what lies between them may differ from one opening to the next, as in Yjs. How far the engine
//! searches for a place is bounded for a crowd behind one unit, not for every shape.

mod deletes;
mod document;
mod error;
mod held;
mod intake;
mod limits;
mod owners;
mod presence;
pub mod protocol;
mod store;
pub mod update;
mod version;
mod wire;

pub use deletes::DeleteSet;
pub use document::{Applied, Document, Edit, Integrated, Unit};
pub use error::Error;
pub use limits::Limits;
pub use owners::Speaker;
pub use presence::{Announced, MAX_IDS, MAX_STATE, Presence};
pub use update::merge;
pub use version::{Causality, Version, VersionVector};

/// Names a writer of a document: at most 53 bits, chosen at random by each session.
pub type ClientId = u64;

/// Name of the root text that editors show.
pub const ROOT: &str = "text";
