//! What the stories in `tests/tests/stories` are told with: the real binary, real sockets, a real Yjs replica.
//!
//! Nothing here uses the server's own crates: a mistake in them must not hide itself.
#![allow(clippy::unwrap_used)]

pub mod account;
pub mod client;
pub mod editor;
pub mod events;
pub mod frames;
pub mod http;
pub mod neovim;
pub mod readme;
pub mod relay;
pub mod ropewalk;
pub mod socket;
pub mod synced;
pub mod thin;
pub mod wait;

pub use account::Browser;
pub use client::Client;
pub use editor::Editor;
pub use events::Events;
pub use http::{Request, Response};
pub use relay::Relay;
pub use ropewalk::{Failed, Ropewalk};
pub use socket::{Closed, Socket};
pub use synced::Synced;
pub use thin::Thin;
pub use wait::{DEADLINE, until, within};
