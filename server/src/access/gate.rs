//! The rules of now, and who wants to know when they change.

use std::sync::Arc;

use tokio::sync::watch;

use super::Rules;

/// See the module.
#[derive(Debug)]
pub struct Gate {
    rules: watch::Sender<Arc<Rules>>,
}

impl Gate {
    /// A gate with these rules.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules: watch::Sender::new(Arc::new(rules)),
        }
    }

    /// What counts now.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.borrow().clone()
    }

    /// Moves whenever something changes, and when time has made something end.
    pub fn changes(&self) -> watch::Receiver<Arc<Rules>> {
        self.rules.subscribe()
    }

    /// From now on these count, also for those who are inside.
    pub fn set(&self, rules: Rules) {
        self.rules.send_replace(Arc::new(rules));
    }

    /// Has everybody who is inside looked at again: something has ended.
    pub fn look_again(&self) {
        self.rules.send_modify(|_| {});
    }
}
