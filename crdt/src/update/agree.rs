//! Whether two sections say the same, however they are cut into structs.

use super::structs::{suffix, value_at};
use super::{Content, Id, Kind, Section, Struct, Structs};

/// A struct without its first units.
struct Rest<'a> {
    block: Struct<'a>,
    offset: u32,
}

impl Rest<'_> {
    fn origin(&self) -> Option<Id> {
        match self.offset {
            0 => self.block.origin,
            offset => Some(Id {
                client: self.block.client,
                clock: self.block.clock + offset - 1,
            }),
        }
    }

    fn len(&self) -> u32 {
        self.block.len - self.offset
    }

    /// Whether the next `units` of both are the same. What is deleted in one of them agrees with anything.
    fn agrees(&self, other: &Self, units: u32) -> bool {
        let kinds = [self, other].map(|rest| rest.block.content.kind());
        if kinds
            .iter()
            .any(|kind| matches!(kind, Kind::Gc | Kind::Deleted | Kind::Skip))
        {
            return true;
        }
        let (a, b) = (&self.block, &other.block);
        let hangs = self.origin() == other.origin()
            && a.right == b.right
            && (self.offset > 0 || other.offset > 0 || (a.parent, a.key) == (b.parent, b.key));
        let says = match (a.content, b.content) {
            (Content::String(a), Content::String(b)) => {
                let (a, b) = (suffix(a, self.offset), suffix(b, other.offset));
                let units = units as usize;
                a.encode_utf16()
                    .take(units)
                    .eq(b.encode_utf16().take(units))
            }
            (Content::Other(kind @ (Kind::Any | Kind::Json)), _) => {
                kinds[0] == kinds[1] && values(self, kind, units) == values(other, kind, units)
            }
            _ => kinds[0] == kinds[1] && a.body == b.body,
        };
        hangs && says
    }
}

/// The bytes of the next `units` values.
fn values<'a>(rest: &Rest<'a>, kind: Kind, units: u32) -> &'a [u8] {
    let bytes = rest.block.values();
    let bytes = &bytes[value_at(bytes, kind, rest.offset)..];
    &bytes[..value_at(bytes, kind, units)]
}

fn next<'a>(structs: &mut Structs<'a>) -> Option<Rest<'a>> {
    let block = structs.find(|block| block.len > 0)?;
    Some(Rest { block, offset: 0 })
}

/// Whether two sections of one client that begin at the same clock say the same about the units that both have.
pub(crate) fn agree(a: Section<'_>, b: Section<'_>) -> bool {
    let (mut left, mut right) = (a.structs(), b.structs());
    let (mut x, mut y) = (next(&mut left), next(&mut right));
    while let (Some(a), Some(b)) = (&mut x, &mut y) {
        let units = a.len().min(b.len());
        if !a.agrees(b, units) {
            return false;
        }
        a.offset += units;
        b.offset += units;
        if a.len() == 0 {
            x = next(&mut left);
        }
        if y.as_ref().is_some_and(|rest| rest.len() == 0) {
            y = next(&mut right);
        }
    }
    true
}
