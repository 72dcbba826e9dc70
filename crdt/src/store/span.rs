//! Spans: the insertions of a document, as long as they can be.

use crate::update::Kind;

/// No span, no node, no content.
pub(crate) const NONE: u32 = u32::MAX;

/// One unit, by the number that this store has given to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Unit {
    pub(crate) client: u32,
    pub(crate) clock: u32,
}

impl Unit {
    pub(crate) const NONE: Unit = Unit {
        client: NONE,
        clock: NONE,
    };

    pub(crate) fn is_none(self) -> bool {
        self.client == NONE
    }
}

/// `len` units of one client that followed one another when they were inserted, and still do. 36 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) clock: u32,
    pub(crate) len: u32,
    /// The number of the client, and the kind of content in the lowest 4 bits.
    client_kind: u32,
    /// The unit to the left when the first unit was inserted.
    pub(crate) origin: Unit,
    /// The unit to the right when they were inserted.
    pub(crate) right: Unit,
    /// The leaf of the order that holds it; [`NONE`] when its place is forgotten.
    pub(crate) leaf: u32,
    /// Where its content is; [`NONE`] when it has none, or stands in the rope.
    pub(crate) content: u32,
}

/// The largest number of a client.
pub(crate) const MAX_CLIENT: u32 = (1 << 28) - 2;

impl Span {
    pub(crate) fn new(at: Unit, len: u32, kind: Kind, origin: Unit, right: Unit) -> Self {
        Span {
            clock: at.clock,
            len,
            client_kind: at.client << 4 | kind as u32,
            origin,
            right,
            leaf: NONE,
            content: NONE,
        }
    }

    pub(crate) fn client(&self) -> u32 {
        self.client_kind >> 4
    }

    pub(crate) fn kind(&self) -> Kind {
        Kind::from_bits(self.client_kind)
    }

    pub(crate) fn set_kind(&mut self, kind: Kind) {
        self.client_kind = self.client_kind & !0xf | kind as u32;
    }

    pub(crate) fn end(&self) -> u32 {
        self.clock + self.len
    }

    pub(crate) fn first(&self) -> Unit {
        Unit {
            client: self.client(),
            clock: self.clock,
        }
    }

    pub(crate) fn last(&self) -> Unit {
        Unit {
            client: self.client(),
            clock: self.end() - 1,
        }
    }

    pub(crate) fn holds(&self, unit: Unit) -> bool {
        self.client() == unit.client && self.clock <= unit.clock && unit.clock < self.end()
    }

    /// Deleted content is dropped at once, so these kinds are all that is deleted.
    pub(crate) fn is_deleted(&self) -> bool {
        matches!(self.kind(), Kind::Deleted | Kind::Gc)
    }

    /// UTF-16 code units that it takes in a text: what is not a character but stands in one takes
    /// one, values of lists take none.
    pub(crate) fn units(&self) -> u32 {
        match self.kind() {
            Kind::String | Kind::Embed | Kind::Type => self.len,
            _ => 0,
        }
    }
}
