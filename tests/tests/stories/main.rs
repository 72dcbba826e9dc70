//! Stories about the real binary. One executable, so that they are linked once and all run side by side.
#![allow(clippy::unwrap_used, missing_docs)]

mod api;
mod compaction;
mod configuration;
mod content;
mod crash;
mod damage;
mod forged;
mod formats;
mod health;
mod history;
mod honest;
mod hostile;
mod limits;
mod names;
mod openers;
mod origins;
mod presence;
mod readers;
mod restart;
mod retire;
mod shutdown;
mod stalled;
mod startup;
mod storage;
mod sync;
