//! Whether two sections say the same, however they are cut into structs.

use super::{Content, Id, Kind, Parent, Section, Struct, Structs};
use crate::wire::Reader;
use std::str::EncodeUtf16;

/// What is left of a section, and of the struct that it stands in.
struct Rest<'a> {
    structs: Structs<'a>,
    block: Struct<'a>,
    offset: u32,
    text: EncodeUtf16<'a>,
    values: Reader<'a>,
}

impl<'a> Rest<'a> {
    fn of(section: Section<'a>) -> Option<Self> {
        let mut structs = section.structs();
        let block = structs.next()?;
        let mut rest = Rest {
            structs,
            offset: 0,
            text: "".encode_utf16(),
            values: Reader::new(&[]),
            block,
        };
        rest.enter();
        Some(rest)
    }

    fn enter(&mut self) {
        self.offset = 0;
        match self.block.content {
            Content::String(text) => self.text = text.encode_utf16(),
            Content::Other(Kind::Any | Kind::Json) => {
                self.values = Reader::new(self.block.values())
            }
            Content::Other(_) => {}
        }
    }

    /// Goes on by as many units as are left of the struct at most; false at the end of the section.
    fn advance(&mut self, units: u32) -> bool {
        self.offset += units;
        if self.offset == self.block.len {
            match self.structs.next() {
                Some(block) => self.block = block,
                None => return false,
            }
            self.enter();
        }
        true
    }

    fn kind(&self) -> Kind {
        self.block.content.kind()
    }

    /// Where the next unit hangs.
    fn place(&self) -> (Option<Id>, Option<Id>, Option<Parent<'a>>, Option<&'a str>) {
        let block = &self.block;
        match self.offset {
            0 => (block.origin, block.right, block.parent, block.key),
            offset => {
                let origin = Id {
                    client: block.client,
                    clock: block.clock + offset - 1,
                };
                (Some(origin), block.right, None, None)
            }
        }
    }

    /// The bytes of the next value.
    fn value(&mut self) -> &'a [u8] {
        let start = self.values.at();
        let read = match self.kind() {
            Kind::Json => self.values.string().map(drop),
            _ => self.values.any(),
        };
        debug_assert!(read.is_ok(), "checked when it was decoded");
        self.values.since(start)
    }
}

/// Whether two sections of one client that begin at the same clock say the same about the units that both have. What is
/// deleted in one of them agrees with anything. Linear in both.
pub(crate) fn agree(a: Section<'_>, b: Section<'_>) -> bool {
    let (Some(mut a), Some(mut b)) = (Rest::of(a), Rest::of(b)) else {
        return true;
    };
    loop {
        let units = (a.block.len - a.offset).min(b.block.len - b.offset);
        let is_gone = |kind| matches!(kind, Kind::Gc | Kind::Deleted | Kind::Skip);
        let (has_a, has_b) = (!is_gone(a.kind()), !is_gone(b.kind()));
        if has_a && has_b && (a.kind() != b.kind() || a.place() != b.place()) {
            return false;
        }
        let same = match (a.kind(), b.kind()) {
            (Kind::String, Kind::String) => (0..units).all(|_| a.text.next() == b.text.next()),
            (Kind::Any | Kind::Json, Kind::Any | Kind::Json) => {
                (0..units).all(|_| a.value() == b.value())
            }
            _ => {
                for rest in [&mut a, &mut b] {
                    match rest.kind() {
                        Kind::String => rest.text.by_ref().take(units as usize).for_each(|_| {}),
                        Kind::Any | Kind::Json => (0..units).for_each(|_| {
                            rest.value();
                        }),
                        _ => {}
                    }
                }
                !(has_a && has_b) || a.block.body == b.block.body
            }
        };
        if !same {
            return false;
        }
        if !(a.advance(units) && b.advance(units)) {
            return true;
        }
    }
}
