//! What there is altogether, for those who look after the server.

use super::{Entry, Storage, StorageError};

/// All documents in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many there are.
    pub documents: u64,
    /// Length of their root texts together, in UTF-16 units.
    pub length: u64,
    /// The longest of them, the longest first.
    pub longest: Vec<Entry>,
}

/// Where documents are kept, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The database.
    pub database: u64,
    /// What was written last and is not moved into it yet.
    pub journal: u64,
    /// What can still be written, if the system says so.
    pub free: Option<u64>,
}

/// Documents that are read at once.
const PAGE: usize = 200;

/// Counts what a storage lists.
pub(super) fn summary(
    storage: &(impl Storage + ?Sized),
    most: usize,
) -> Result<Summary, StorageError> {
    let mut summary = Summary::default();
    let mut after = None;
    loop {
        let page = storage.list("", after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(summary);
        };
        after = Some(last.position);
        summary.documents += page.len() as u64;
        summary.length += page.iter().map(|entry| entry.length).sum::<u64>();
        summary.longest.extend(page);
        summary
            .longest
            .sort_by_key(|entry| std::cmp::Reverse(entry.length));
        summary.longest.truncate(most);
    }
}
