//! Promises broken on purpose, so that one can see which tests notice. In debug builds only: `ROPEWALK_SABOTAGE=drop-row
//! cargo test -p ropewalk-tests --test stories`. ARCHITECTURE.md says what goes red.

use std::sync::LazyLock;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Edits are acknowledged when they are applied.
    AcknowledgeEarly,
    /// Commits are not synced.
    SkipSync,
    /// A snapshot takes the place of rows that are not in it.
    DropRow,
    /// Updates are journalled in another order than they were applied.
    Reorder,
    /// A document is loaded as a new one with the same text.
    Reseed,
    /// An edit with a receipt is broadcast before its commit.
    ShowEarly,
}

static CHOSEN: LazyLock<Option<Sabotage>> = LazyLock::new(|| {
    let chosen = std::env::var("ROPEWALK_SABOTAGE").ok()?;
    match chosen.as_str() {
        "acknowledge-early" => Some(Sabotage::AcknowledgeEarly),
        "skip-sync" => Some(Sabotage::SkipSync),
        "drop-row" => Some(Sabotage::DropRow),
        "reorder" => Some(Sabotage::Reorder),
        "reseed" => Some(Sabotage::Reseed),
        "show-early" => Some(Sabotage::ShowEarly),
        _ => None,
    }
});

/// Whether this is broken.
pub fn is(what: Sabotage) -> bool {
    cfg!(debug_assertions) && *CHOSEN == Some(what)
}
