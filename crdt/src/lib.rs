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
//! The engine is this crate's own, without `unsafe`; `INTERNALS.md` explains it. An update is taken in
//! whole, held in parts, or refused with the document unchanged. Nothing in it can fail otherwise.
//!
//! **Text.** Every root has a text: its strings in order, one U+FFFC for each embedded value or nested
//! type among them; formatting takes no room. A root that holds values (as an array does) cannot be
//! edited by position. The text of nested types is stored and merged, and not read here.
//!
//! **What it is not good at.** The links and moves of yrs are refused as [`Error::Unsupported`]. Update
//! format v2 is not read. A peer may claim neighbours that no author could have seen next to one
//! another: where such letters stand depends on the order in which updates come, as in Yjs. There is no
//! history: deleted content is gone.

#![forbid(unsafe_code)]

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
pub use document::{Anchor, Applied, Document, Edit, Integrated, Unit, past};
pub use error::Error;
pub use limits::Limits;
pub use owners::{PersonNumber, Speaker, Written};
pub use presence::{Announced, MAX_IDS, MAX_STATE, Presence};
pub use update::merge;
pub use version::{Base, Causality, Revision, Version, VersionVector};

/// Names a writer of a document: at most 53 bits, chosen at random by each session.
pub type ClientId = u64;

/// Name of the root text that editors show.
pub const ROOT: &str = "text";
