//! Reading root texts.

use super::Store;
use super::text::{Text, objects};
use ropey::Rope;
use std::borrow::Cow;

impl Store {
    /// The text of a root, U+FFFC for each object in it.
    pub(crate) fn text(&self, root: &str) -> Cow<'_, Text> {
        match self.types.list(root) {
            None => Cow::default(),
            Some(site) => match &site.text {
                Some(text) => Cow::Borrowed(text),
                None => {
                    let objects = objects(self.order.units(site.root));
                    Cow::Owned(Rope::from_str(&objects).into())
                }
            },
        }
    }

    /// The number of a root's text.
    pub(crate) fn site(&self, root: &str) -> Option<u32> {
        let branch = self.types.branches.get(*self.types.roots.get(root)?)?;
        Some(branch.list)
    }

    /// UTF-16 code units of the text of a root. O(1).
    pub(crate) fn len(&self, root: &str) -> u64 {
        let site = self.types.list(root);
        site.map_or(0, |site| u64::from(self.order.units(site.root)))
    }

    /// Whether a root holds values.
    pub(crate) fn has_values(&self, root: &str) -> bool {
        self.types.list(root).is_some_and(|site| site.values > 0)
    }
}
