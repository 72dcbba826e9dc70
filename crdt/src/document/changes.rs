//! What has changed lately: from a version that somebody saw to the current one.

use super::Document;
use super::edit::{Edit, Unit, length};
use crate::store::{Extent, Range, Splice};
use crate::{Base, Error, Revision, Version};
use std::collections::VecDeque;

/// Changes that are remembered at most.
const CHANGES: usize = 256;
/// Splices, and ranges of deletes, that are remembered at most in all of them.
const PARTS: usize = 1024;

/// The last changes of a document, oldest first.
#[derive(Debug, Default)]
pub(super) struct Changes {
    marks: VecDeque<Mark>,
    splices: VecDeque<Splice>,
    deletes: VecDeque<Range>,
    /// Splices and deletes that were forgotten.
    forgotten: (u64, u64),
}

/// A version before a change: how many units were known and deleted, and how many splices and deletes
/// there had been. Within one history the first two name it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    units: u64,
    deleted: u64,
    splices: u64,
    deletes: u64,
}

/// A stretch of a text: of an old version, from this offset on, or new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    old: Option<u64>,
    len: u64,
}

impl Changes {
    /// Takes note of a change: the version before it as units and deleted units, and what it did.
    pub(super) fn push(&mut self, before: (u64, u64), splices: &[Splice], deletes: &[Range]) {
        if splices.len() > PARTS || deletes.len() > PARTS {
            // Too much to be remembered, and what was before cannot be counted from here.
            self.forgotten.0 += (self.splices.len() + splices.len()) as u64;
            self.forgotten.1 += (self.deletes.len() + deletes.len()) as u64;
            self.marks.clear();
            self.splices.clear();
            self.deletes.clear();
            return;
        }
        self.marks.push_back(Mark {
            units: before.0,
            deleted: before.1,
            splices: self.forgotten.0 + self.splices.len() as u64,
            deletes: self.forgotten.1 + self.deletes.len() as u64,
        });
        self.splices.extend(splices);
        self.deletes.extend(deletes);
        while self.marks.len() > CHANGES || self.splices.len() > PARTS || self.deletes.len() > PARTS
        {
            self.marks.pop_front();
            let end = self.marks.front().copied();
            let splices = end.map_or(u64::MAX, |mark| mark.splices);
            while self.forgotten.0 < splices && self.splices.pop_front().is_some() {
                self.forgotten.0 += 1;
            }
            let deletes = end.map_or(u64::MAX, |mark| mark.deletes);
            while self.forgotten.1 < deletes && self.deletes.pop_front().is_some() {
                self.forgotten.1 += 1;
            }
        }
    }

    /// The change that began at a version.
    fn mark(&self, revision: Revision) -> Option<Mark> {
        let wanted = (revision.inserted, revision.deleted);
        let at = self
            .marks
            .partition_point(|mark| (mark.units, mark.deleted) < wanted);
        let mark = *self.marks.get(at)?;
        ((mark.units, mark.deleted) == wanted).then_some(mark)
    }

    fn deletes_since(&self, mark: Mark) -> impl Iterator<Item = Range> + '_ {
        let skip = (mark.deletes - self.forgotten.1) as usize;
        self.deletes.iter().skip(skip).copied()
    }

    /// How the text of a site has changed since: where, how much went, and how much came, one after the other.
    fn splices_since(
        &self,
        mark: Mark,
        site: u32,
        unit: Unit,
    ) -> impl Iterator<Item = [u64; 3]> + '_ {
        let pick = move |extent: Extent| {
            u64::from(match unit {
                Unit::Utf8 => extent.utf8,
                Unit::Utf16 => extent.utf16,
                Unit::Char => extent.chars,
            })
        };
        let skip = (mark.splices - self.forgotten.0) as usize;
        let since = self.splices.iter().skip(skip);
        since
            .filter(move |splice| splice.site == site)
            .map(move |splice| [splice.at, splice.removed, splice.inserted].map(pick))
    }

    /// The current text of a site as stretches of what it was.
    fn stretches(&self, mark: Mark, site: u32, unit: Unit) -> Vec<Stretch> {
        let mut all = vec![Stretch {
            old: Some(0),
            len: u64::MAX / 2,
        }];
        for [at, removed, len] in self.splices_since(mark, site, unit) {
            let first = cut(&mut all, at);
            let last = cut(&mut all, at + removed);
            let new = (len > 0).then_some(Stretch { old: None, len });
            all.splice(first..last, new);
        }
        all
    }
}

/// Cuts the stretches at an offset of the current text; returns which begins there.
fn cut(all: &mut Vec<Stretch>, at: u64) -> usize {
    let mut left = at;
    for index in 0..all.len() {
        let Stretch { old, len } = all[index];
        if left == 0 {
            return index;
        }
        if left < len {
            all[index].len = left;
            let rest = Stretch {
                old: old.map(|old| old + left),
                len: len - left,
            };
            all.insert(index + 1, rest);
            return index + 1;
        }
        left -= len;
    }
    all.len()
}

impl Document {
    fn mark(&self, since: Base<'_>) -> Result<Option<Mark>, Error> {
        let revision = match since {
            Base::Revision(revision) if revision == self.revision() => return Ok(None),
            Base::Revision(revision) => revision,
            Base::Version(since) if *since == self.version => return Ok(None),
            Base::Version(since) if !self.version.vector.covers(&since.vector) => {
                return Err(Error::Stale);
            }
            Base::Version(since) => Revision {
                inserted: since.vector.iter().map(|(_, clock)| clock).sum(),
                deleted: since.deleted,
            },
        };
        self.changes.mark(revision).map(Some).ok_or(Error::Stale)
    }

    /// How the text of root `root` has changed since a version that somebody saw: edits of that version's text,
    /// with offsets in `unit`, sorted and apart. [`Error::Stale`] when that is too long ago: the last 256 changes are
    /// remembered, fewer when they are of more than 1,024 parts, and none before one that has more itself. O(k²) in the
    /// number of parts since.
    pub fn changes<'v>(
        &self,
        since: impl Into<Base<'v>>,
        root: &str,
        unit: Unit,
    ) -> Result<Vec<Edit>, Error> {
        let Some(mark) = self.mark(since.into())? else {
            return Ok(Vec::new());
        };
        let Some(site) = self.store.site(root) else {
            return Ok(Vec::new());
        };
        let text = self.store.text(root);
        let (mut edits, mut old, mut now) = (Vec::<Edit>::new(), 0, 0);
        for stretch in self.changes.stretches(mark, site, unit) {
            let from = stretch.old.unwrap_or(old);
            let insert = match stretch.old {
                Some(_) => String::new(),
                None => {
                    let at = |offset| super::edit::char_index(&text, unit, offset);
                    text.slice(at(now), at(now + stretch.len)).into_owned()
                }
            };
            if from > old || !insert.is_empty() {
                match edits.last_mut() {
                    Some(last) if last.to == old => {
                        last.to = from;
                        last.insert.push_str(&insert);
                    }
                    _ => edits.push(Edit {
                        from: old,
                        to: from,
                        insert,
                    }),
                }
            }
            old = from + stretch.old.map_or(0, |_| stretch.len);
            now += stretch.len;
        }
        Ok(edits)
    }

    /// What somebody who knows the version `since` lacks, as an update. Of the deletes only those that came later, when
    /// that is not too long ago; otherwise as [`Document::diff`].
    pub fn diff_since(&mut self, since: &Version) -> Vec<u8> {
        let mark = match self.mark(since.into()) {
            Ok(Some(mark)) => mark,
            Ok(None) => return vec![0, 0],
            Err(_) => return self.diff(&since.vector),
        };
        let mut deletes = crate::DeleteSet::new();
        for (number, start, end) in self.changes.deletes_since(mark) {
            deletes.insert(self.store.id_of(number), start, end);
        }
        let from = |client| u32::try_from(since.vector.get(client)).unwrap_or(u32::MAX);
        self.store.encode(from, &deletes)
    }

    /// Edits of the text that version `base` had as edits of the current text. What was inserted since stays, what was
    /// deleted since is deleted.
    pub(super) fn rebase(
        &self,
        base: Base<'_>,
        root: &str,
        unit: Unit,
        edits: &[Edit],
    ) -> Result<Option<Vec<Edit>>, Error> {
        let Some(mark) = self.mark(base)? else {
            return Ok(None);
        };
        let site = self.store.site(root).unwrap_or(u32::MAX);
        let length = self.length_before(mark, root, unit);
        let stretches = self.changes.stretches(mark, site, unit);
        let mut rebased = Vec::new();
        // The last old stretch before the edit, and where that is now.
        let (mut first, mut before) = (0, 0);
        for edit in edits {
            let offset = edit.to;
            if offset > length {
                return Err(Error::OutOfRange { offset, length });
            }
            let (mut now, mut insert_at, mut parts) = (before, 0, Vec::new());
            for (index, stretch) in stretches.iter().enumerate().skip(first) {
                if let Some(old) = stretch.old {
                    if old >= edit.to {
                        break;
                    }
                    let (start, end) = (old.max(edit.from), (old + stretch.len).min(edit.to));
                    if start < end {
                        parts.push((now + start - old, now + end - old));
                    }
                    if old < edit.from {
                        insert_at = now + stretch.len.min(edit.from - old);
                        (first, before) = (index, now);
                    }
                }
                now += stretch.len;
            }
            let mut insert = edit.insert.clone();
            if parts.first().is_none_or(|&(from, _)| from > insert_at) {
                parts.insert(0, (insert_at, insert_at));
            }
            for (from, to) in parts {
                rebased.push(Edit {
                    from,
                    to,
                    insert: std::mem::take(&mut insert),
                });
            }
        }
        Ok(Some(rebased))
    }

    /// A place of the text that version `base` had in the current text: behind what is left of what was before it. O(k) in the
    /// number of parts since.
    pub(super) fn moved_to(
        &self,
        base: Base<'_>,
        root: &str,
        unit: Unit,
        offset: u64,
    ) -> Result<u64, Error> {
        let Some(mark) = self.mark(base)? else {
            return Ok(offset);
        };
        let length = self.length_before(mark, root, unit);
        if offset > length {
            return Err(Error::OutOfRange { offset, length });
        }
        let site = self.store.site(root).unwrap_or(u32::MAX);
        let splices = self.changes.splices_since(mark, site, unit);
        Ok(splices.fold(offset, |now, [at, removed, inserted]| {
            match now > at + removed {
                true => now - removed + inserted,
                false => now.min(at),
            }
        }))
    }

    /// The length that a text had.
    fn length_before(&self, mark: Mark, root: &str, unit: Unit) -> u64 {
        let site = self.store.site(root).unwrap_or(u32::MAX);
        let now = length(&self.store.text(root), unit);
        let (more, less) = self
            .changes
            .splices_since(mark, site, unit)
            .fold((now, 0), |(more, less), [_, removed, inserted]| {
                (more + removed, less + inserted)
            });
        more.saturating_sub(less)
    }
}
