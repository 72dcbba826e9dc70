//! Reading root texts.

use super::Store;
use super::content::Content;
use super::span::{NONE, Unit};
use super::text::{Text, objects};
use crate::ClientId;
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

    /// The unit at a position of a root's text, by its client and clock; None at its end. O(log n).
    pub(crate) fn unit_at(&self, root: &str, at: u32) -> Option<(ClientId, u64)> {
        let (spot, skip) = self.order.seek(self.types.list(root)?.root, at)?;
        let span = &self.spans[self.order.span(spot) as usize];
        Some((self.id_of(span.client()), u64::from(span.clock + skip)))
    }

    /// How many units of a root's text lie before a unit, and with it when `behind`. None when it is not known, or its place is
    /// forgotten, or in another text. O(log n).
    pub(crate) fn place_of(
        &self,
        root: &str,
        client: ClientId,
        clock: u32,
        behind: bool,
    ) -> Option<u32> {
        let client = self.number(client)?;
        if clock >= self.end_of(client) {
            return None;
        }
        let at = self.find(Unit { client, clock });
        let span = &self.spans[at as usize];
        if span.leaf == NONE || Some(self.order.site(span.leaf)) != self.site(root) {
            return None;
        }
        let within = match span.units() {
            0 => 0,
            _ => clock - span.clock + u32::from(behind),
        };
        Some(self.order.position(self.spot(at)) + within)
    }

    /// All text of all types, those of roots in the order of their names, each type on lines of its own; not much more than so
    /// many bytes. O(n).
    pub(crate) fn all_text(&self, most: usize) -> String {
        let mut out = String::new();
        for &branch in self.types.roots.values() {
            self.text_below(branch, most, &mut out);
        }
        out
    }

    /// Types are nested no deeper than an update may say.
    fn text_below(&self, branch: u32, most: usize, out: &mut String) {
        let Some(branch) = self.types.branches.get(branch) else {
            return;
        };
        for &site in [branch.list].iter().chain(branch.keys.values()) {
            let Some(site) = self.types.sites.get(site) else {
                continue;
            };
            if !out.is_empty() && !out.ends_with('\n') {
                out.push('\n');
            }
            let rope = site.text.as_ref().map(|text| text.rope());
            for chunk in rope.iter().flat_map(Rope::chunks) {
                if out.len() >= most {
                    return;
                }
                out.push_str(chunk);
            }
            self.order.walk(site.root, |span, _| {
                if out.len() >= most {
                    return;
                }
                match self.contents.get(self.spans[span as usize].content) {
                    Some(Content::Text(text)) => out.push_str(text),
                    Some(&Content::Type(_, inner)) => self.text_below(inner, most, out),
                    _ => {}
                }
            });
        }
    }

    /// Whether a root holds values.
    pub(crate) fn has_values(&self, root: &str) -> bool {
        self.types.list(root).is_some_and(|site| site.values > 0)
    }
}
