//! The documents, against yrs as the honest peer, against models, and against hostile bytes.
#![allow(clippy::unwrap_used)]

mod anchors;
mod child;
mod clocks;
mod convergence;
mod cost;
mod deletes;
mod edits;
mod forge;
mod frames;
mod hazards;
mod history;
mod holding;
mod hostile;
mod kinds;
mod memory;
mod mutations;
mod origins;
mod owners;
mod poison;
mod presence;
mod rebase;
mod rng;
mod saved;
mod stamps;
mod view;
