//! The Yjs update, format v1: checked completely before anything is made of it.
//!
//! An update holds, for each client, a run of structs whose clocks follow one another, and a
//! delete set. [`Update::decode`] walks all of it once, and refuses every count, length, clock and
//! string that does not hold; after that [`Section::structs`] walks again without failing. Nothing
//! is kept per struct, so the memory is a small multiple of the number of sections and ranges.

mod agree;
mod compose;
mod structs;

pub(crate) use agree::agree;
pub use compose::merge;
pub use structs::{Content, Id, Kind, Parent, Section, Struct, Structs};
pub(crate) use structs::{suffix, value_at};

use crate::wire::Reader;
use crate::{ClientId, DeleteSet, Error, Limits};
use smallvec::SmallVec;
use std::collections::HashSet;
use structs::read_struct;

/// The largest end of a run of clocks: engines count with 31 bits.
pub(crate) const MAX_CLOCK: u32 = i32::MAX as u32;

/// Most updates say one thing.
type Few<T> = SmallVec<[T; 1]>;

/// A checked update.
#[derive(Debug, Clone)]
pub struct Update<'a> {
    sections: Few<Section<'a>>,
    deletes: Few<(ClientId, u32, u32)>,
    /// It deletes ranges of no units. Readers may split what lies there.
    is_odd: bool,
    /// The only struct, read already.
    only: Option<Struct<'a>>,
}

impl<'a> Update<'a> {
    /// Checks all of `bytes`.
    pub fn decode(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let mut check = Check::new(limits);
        let count = reader.count(3)?;
        limit("clients in an update", count as u64, limits.structs)?;
        let mut sections: Few<Section<'_>> = Few::with_capacity(count);
        for _ in 0..count {
            sections.push(check.section(&mut reader)?);
        }
        if count > 1 {
            let clients: HashSet<ClientId> =
                sections.iter().map(|section| section.client).collect();
            if clients.len() < count {
                return reader.malformed("each client at most once");
            }
        }
        let mut is_odd = false;
        let deletes = read_deletes(&mut reader, &mut is_odd)?;
        reader.finish()?;
        Ok(Update {
            sections,
            deletes,
            is_odd,
            only: check.last.filter(|_| check.structs == 1),
        })
    }

    /// An update that says nothing.
    pub(crate) fn empty() -> Self {
        Update {
            sections: Few::new(),
            deletes: Few::new(),
            is_odd: false,
            only: None,
        }
    }

    /// The structs, by client, in the order of the update; each client at most once.
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// What is deleted.
    pub fn deletes(&self) -> DeleteSet {
        let mut deletes = DeleteSet::new();
        for &(client, start, end) in &self.deletes {
            deletes.insert(client, start, end);
        }
        deletes
    }

    /// What is deleted: client, start, end (exclusive). No unit is in two of these.
    pub(crate) fn deleted(&self) -> &[(ClientId, u32, u32)] {
        &self.deletes
    }

    pub(crate) fn deleted_units(&self) -> u64 {
        let ranges = self.deletes.iter();
        ranges.map(|&(_, start, end)| u64::from(end - start)).sum()
    }

    /// It says something that has no meaning, and is not to be passed on as it is.
    pub(crate) fn is_odd(&self) -> bool {
        self.is_odd
    }

    /// Its only struct, when there is one.
    pub(crate) fn only(&self) -> Option<&Struct<'a>> {
        self.only.as_ref()
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        self.sections.iter().all(|section| section.count == 0) && self.deletes.is_empty()
    }
}

/// What is counted over a whole update.
struct Check<'l, 'a> {
    limits: &'l Limits,
    structs: u64,
    units: u64,
    last: Option<Struct<'a>>,
}

impl<'l, 'a> Check<'l, 'a> {
    fn new(limits: &'l Limits) -> Self {
        Check {
            limits,
            structs: 0,
            units: 0,
            last: None,
        }
    }

    fn section(&mut self, reader: &mut Reader<'a>) -> Result<Section<'a>, Error> {
        let count = reader.count(2)?;
        self.structs += count as u64;
        limit("structs in an update", self.structs, self.limits.structs)?;
        let client = reader.var()?;
        let Ok(clock) = u32::try_from(reader.var()?) else {
            return reader.malformed("a clock of at most 31 bits");
        };
        let start = reader.at();
        let mut end = clock;
        for _ in 0..count {
            let block = read_struct(reader, client, end)?;
            end = match end.checked_add(block.len) {
                Some(end) if end <= MAX_CLOCK => end,
                _ => return reader.malformed("clocks of at most 31 bits"),
            };
            self.units += u64::from(block.len);
            limit("units in an update", self.units, self.limits.update_units)?;
            if count == 1 {
                self.last = Some(block);
            }
        }
        Ok(Section {
            client,
            clock,
            end,
            count,
            raw: reader.since(start),
        })
    }
}

fn read_deletes(
    reader: &mut Reader<'_>,
    is_odd: &mut bool,
) -> Result<Few<(ClientId, u32, u32)>, Error> {
    let mut deletes: Few<(ClientId, u32, u32)> = Few::new();
    for _ in 0..reader.count(2)? {
        let client = reader.var()?;
        for _ in 0..reader.count(2)? {
            let (start, len) = (reader.var()?, reader.var()?);
            match (u32::try_from(start), u32::try_from(start + len)) {
                (Ok(start), Ok(end)) if start == end && end <= MAX_CLOCK => *is_odd = true,
                (Ok(start), Ok(end)) if end <= MAX_CLOCK => deletes.push((client, start, end)),
                _ => return reader.malformed("clocks of at most 31 bits"),
            };
        }
    }
    if deletes.len() > 1 {
        deletes.sort_unstable();
        deletes.dedup_by(|next, last| {
            let joins = next.0 == last.0 && next.1 <= last.2;
            if joins {
                last.2 = last.2.max(next.2);
            }
            joins
        });
    }
    Ok(deletes)
}

pub(crate) fn limit(what: &'static str, size: u64, limit: u64) -> Result<(), Error> {
    if size > limit {
        return Err(Error::TooLarge { what, size, limit });
    }
    Ok(())
}
