//! Shared types, and the sequences that hang below them: one list, and one chain of values a key.

use super::Store;
use super::content::Content;
use super::slots::Slots;
use super::span::{NONE, Unit};
use super::text::Text;
use super::undo::Undo;
use crate::update::{Kind, Parent};
use std::collections::BTreeMap;

/// A shared type: a root, or the content of a span.
#[derive(Debug)]
pub(crate) struct Branch {
    /// The span that holds it; [`NONE`] for a root.
    pub(crate) item: u32,
    /// The name of a root.
    pub(crate) name: Box<str>,
    /// How many types are around it.
    pub(crate) depth: u16,
    /// The site of its list; [`NONE`] while nothing was ever inserted there.
    pub(crate) list: u32,
    pub(crate) keys: BTreeMap<Box<str>, u32>,
}

/// One sequence of spans.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) branch: u32,
    /// The key whose values these are; the last one counts, all others are deleted.
    pub(crate) key: Option<Box<str>>,
    /// The root of its order.
    pub(crate) root: u32,
    /// The text, of the list of a root, once it has any.
    pub(crate) text: Option<Box<Text>>,
    /// Values in it, as arrays hold them, that are not deleted.
    pub(crate) values: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Types {
    pub(crate) branches: Slots<Branch>,
    pub(crate) sites: Slots<Site>,
    pub(crate) roots: BTreeMap<Box<str>, u32>,
}

impl Types {
    /// The list of a root.
    pub(crate) fn list(&self, root: &str) -> Option<&Site> {
        let branch = self.branches.get(*self.roots.get(root)?)?;
        self.sites.get(branch.list)
    }

    pub(crate) fn site(&self, site: u32) -> Option<&Site> {
        self.sites.get(site)
    }

    /// Whether its text stands in a rope: the list of a root.
    pub(crate) fn is_plain(&self, site: u32) -> bool {
        self.site(site).is_some_and(|site| {
            site.key.is_none()
                && (self.branches.get(site.branch)).is_some_and(|branch| branch.item == NONE)
        })
    }

    pub(crate) fn is_keyed(&self, site: u32) -> bool {
        self.site(site).is_some_and(|site| site.key.is_some())
    }

    /// How many types are around what hangs at a site.
    pub(crate) fn depth(&self, site: u32) -> u16 {
        let branch = self
            .site(site)
            .and_then(|site| self.branches.get(site.branch));
        branch.map_or(0, |branch| branch.depth)
    }
}

impl Store {
    /// The site of what hangs at a parent and has no neighbours; None when that is no type any more.
    pub(super) fn site_of(
        &mut self,
        parent: Option<Parent<'_>>,
        item: Unit,
        key: Option<&str>,
    ) -> Option<u32> {
        let branch = match parent? {
            Parent::Root(name) => match self.types.roots.get(name) {
                Some(&branch) => branch,
                None => self.make_root(name),
            },
            Parent::Item(_) => {
                let span = self.find(item);
                match self.contents.get(self.spans[span as usize].content) {
                    Some(&Content::Type(_, branch)) => branch,
                    _ => return None,
                }
            }
        };
        let found = self.types.branches.get(branch)?;
        let site = match key {
            Some(key) => found.keys.get(key).copied().unwrap_or(NONE),
            None => found.list,
        };
        if site != NONE {
            return Some(site);
        }
        let root = self.order.plant();
        let site = self.types.sites.put(Site {
            branch,
            key: key.map(Into::into),
            root,
            text: None,
            values: 0,
        });
        self.order.replant(root, site);
        let found = self.types.branches.get_mut(branch)?;
        match key {
            Some(key) => drop(found.keys.insert(key.into(), site)),
            None => found.list = site,
        }
        self.undo.push(Undo::Site(site));
        Some(site)
    }

    fn make_root(&mut self, name: &str) -> u32 {
        let branch = self.types.branches.put(Branch {
            item: NONE,
            name: name.into(),
            depth: 0,
            list: NONE,
            keys: BTreeMap::new(),
        });
        self.types.roots.insert(name.into(), branch);
        self.undo.push(Undo::Root(branch));
        branch
    }

    pub(super) fn unmake_root(&mut self, branch: u32) {
        if let Some(branch) = self.types.branches.take(branch) {
            self.types.roots.remove(&branch.name);
        }
    }

    pub(super) fn unmake_site(&mut self, site: u32) {
        let Some(site) = self.types.sites.take(site) else {
            return;
        };
        self.order.fell(site.root, |_| {});
        if let Some(branch) = self.types.branches.get_mut(site.branch) {
            match site.key {
                Some(key) => drop(branch.keys.remove(&key)),
                None => branch.list = NONE,
            }
        }
    }

    /// Counts the values of a kind that came to a list or went.
    pub(super) fn count_values(&mut self, leaf: u32, kind: Kind, by: i64) {
        if matches!(kind, Kind::Any | Kind::Json | Kind::Binary | Kind::Doc) {
            let site = self.order.site(leaf);
            if let Some(site) = self.types.sites.get_mut(site) {
                site.values = (i64::from(site.values) + by) as u32;
            }
        }
    }

    /// A type in a new span.
    pub(super) fn make_branch(&mut self, item: u32, depth: u16) -> u32 {
        self.types.branches.put(Branch {
            item,
            name: "".into(),
            depth,
            list: NONE,
            keys: BTreeMap::new(),
        })
    }

    /// The unit that holds a type.
    pub(super) fn holder(&self, branch: &Branch) -> Unit {
        let span = &self.spans[branch.item as usize];
        debug_assert_eq!(span.kind(), Kind::Type);
        span.first()
    }
}
