//! What must be true between any two calls.

use super::Store;
use super::content::Content;
use super::span::NONE;
use crate::update::Kind;
use std::collections::HashSet;

impl Store {
    /// Walks everything. Panics when something does not hold.
    pub(crate) fn check(&self) {
        let mut standing = HashSet::new();
        for (number, site) in self.types.sites.iter() {
            assert_eq!(self.order.site(site.root), number, "a root knows its site");
            let spans = self.order.check(site.root, &self.spans);
            assert!(
                site.key.is_none()
                    || spans
                        .iter()
                        .rev()
                        .skip(1)
                        .all(|&at| self.spans[at as usize].is_deleted()),
                "only the last value of a key lives"
            );
            if let Some(text) = &site.text {
                let units = self.order.units(site.root);
                text.check();
                assert_eq!(text.extent.utf16, units, "a text is its spans");
            }
            let branch = self.types.branches.get(site.branch);
            assert!(branch.is_some(), "a site has a branch");
            let mut values = 0;
            for at in spans {
                let span = &self.spans[at as usize];
                let is_value = matches!(
                    span.kind(),
                    Kind::Any | Kind::Json | Kind::Binary | Kind::Doc
                );
                values += if is_value { span.len } else { 0 };
                let in_rope = span.kind() == Kind::String && self.types.is_plain(number);
                let has_content = !in_rope && !span.is_deleted();
                assert_eq!(
                    span.content != NONE,
                    has_content,
                    "content is where it belongs"
                );
                assert!(standing.insert(at), "a span stands once");
            }
            assert_eq!(values, site.values, "values are counted");
        }
        let (mut units, mut deleted, mut spans) = (0, 0, 0);
        for (number, client) in self.clients.iter().enumerate() {
            client.timeline.check(&self.spans);
            let mut end = 0;
            for at in client.timeline.from(0) {
                let span = &self.spans[at as usize];
                assert_eq!(
                    (span.client(), span.clock),
                    (number as u32, end),
                    "clocks follow"
                );
                assert!(span.len > 0, "a span has units");
                assert_eq!(
                    span.leaf != NONE,
                    standing.contains(&at),
                    "what is not forgotten stands"
                );
                assert_eq!(span.kind() == Kind::Gc, span.leaf == NONE);
                let mut gaps = 0;
                self.deleted
                    .gaps(client.id, span.clock, span.end(), |start, end| {
                        gaps += end - start
                    });
                assert_eq!(
                    gaps,
                    if span.is_deleted() { 0 } else { span.len },
                    "the delete set is the spans'"
                );
                if let Some(Content::Type(_, branch)) = self.contents.get(span.content) {
                    let branch = self.types.branches.get(*branch);
                    assert!(
                        branch.is_some_and(|branch| branch.item == at),
                        "a branch knows its span"
                    );
                }
                end = span.end();
                units += u64::from(span.len);
                deleted += if span.is_deleted() {
                    u64::from(span.len)
                } else {
                    0
                };
                spans += 1;
            }
            assert_eq!(end, client.end, "a client ends where its last span does");
            assert_eq!(self.numbers.get(&client.id), Some(&(number as u32)));
        }
        assert_eq!((units, deleted), (self.units, self.deleted.units()));
        assert_eq!(spans + self.free.len(), self.spans.len(), "no span is lost");
    }
}
