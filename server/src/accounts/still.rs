//! What somebody has to be allowed still when it is done what they asked for: they may have waited for others.

use std::fmt;
use std::sync::Arc;

use rusqlite::Transaction;

use super::{AccountsError, Refusal, counted, rules};
use crate::access::Rules;

type May = dyn Fn(&Rules) -> Result<(), Refusal> + Send + Sync;

/// See the module.
#[derive(Clone)]
pub struct Still {
    rules: Arc<Rules>,
    now_ms: i64,
    may: Arc<May>,
}

impl fmt::Debug for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Still").finish_non_exhaustive()
    }
}

impl Still {
    /// `may` says whether they are, by the rules of `now_ms`, which it was looked at with before, or by those of when it is their turn.
    pub fn new(
        rules: Arc<Rules>,
        now_ms: i64,
        may: impl Fn(&Rules) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        let may = Arc::new(may);
        Self { rules, now_ms, may }
    }

    /// Asks, as of this transaction. Only what has changed since is read.
    pub(super) fn check(&self, transaction: &Transaction<'_>) -> Result<(), AccountsError> {
        let is_same = counted(transaction)? == self.rules.changes;
        let may = match is_same {
            true => (self.may)(&self.rules),
            false => (self.may)(&rules::read(transaction, self.now_ms)?),
        };
        may.map_err(AccountsError::from)
    }
}
