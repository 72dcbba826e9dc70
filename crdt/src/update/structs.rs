//! The structs of an update: what one insertion says.

use crate::wire::{OBJECT, Reader, is_json, write_buf, write_var};
use crate::{ClientId, Error};

const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT: u8 = 0x40;
const HAS_KEY: u8 = 0x20;
const KIND: u8 = 0x0f;

/// One unit of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Who inserted it.
    pub client: ClientId,
    /// The how-manieth unit of that client it is, from 0.
    pub clock: u32,
}

/// The kinds of content, by their number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Forgotten units: their place is unknown.
    Gc = 0,
    /// Deleted units: their place is known, their content is not.
    Deleted = 1,
    /// JSON values, as Yjs wrote them before version 13.
    Json = 2,
    /// Bytes.
    Binary = 3,
    /// Text.
    String = 4,
    /// A JSON value within a text.
    Embed = 5,
    /// A switch of formatting within a text.
    Format = 6,
    /// A nested type: text, array, map, XML.
    Type = 7,
    /// Values.
    Any = 8,
    /// A document within the document.
    Doc = 9,
    /// Units that the update does not hold.
    Skip = 10,
}

impl Kind {
    /// The kind in the lowest 4 bits.
    pub(crate) fn from_bits(bits: u32) -> Kind {
        const KINDS: [Kind; 11] = [
            Kind::Gc,
            Kind::Deleted,
            Kind::Json,
            Kind::Binary,
            Kind::String,
            Kind::Embed,
            Kind::Format,
            Kind::Type,
            Kind::Any,
            Kind::Doc,
            Kind::Skip,
        ];
        KINDS[(bits & 0xf).min(10) as usize]
    }
}

/// Where the first item of a sequence or of a key hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parent<'a> {
    /// A root type of this name.
    Root(&'a str),
    /// The nested type that this unit holds.
    Item(Id),
}

/// What a struct holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Text, a unit per UTF-16 code unit.
    String(&'a str),
    /// Anything else, of this kind.
    Other(Kind),
}

impl Content<'_> {
    /// The kind of content.
    pub fn kind(self) -> Kind {
        match self {
            Content::String(_) => Kind::String,
            Content::Other(kind) => kind,
        }
    }
}

/// One struct: `len` units of `client` from `clock` on.
#[derive(Debug, Clone)]
pub struct Struct<'a> {
    /// Who inserted it.
    pub client: ClientId,
    /// Clock of its first unit.
    pub clock: u32,
    /// Number of units, at least one.
    pub len: u32,
    /// The unit to the left when it was inserted.
    pub origin: Option<Id>,
    /// The unit to the right when it was inserted.
    pub right: Option<Id>,
    /// Where it hangs; only when it has neither neighbour.
    pub parent: Option<Parent<'a>>,
    /// The key under which it hangs, of a map; only with a parent.
    pub key: Option<&'a str>,
    /// What it holds.
    pub content: Content<'a>,
    /// All its bytes.
    pub raw: &'a [u8],
    /// The bytes of its content.
    pub(crate) body: &'a [u8],
}

impl<'a> Struct<'a> {
    /// The values of a list of them, one behind the other.
    pub(crate) fn values(&self) -> &'a [u8] {
        let mut reader = Reader::new(self.body);
        let _ = reader.var();
        &self.body[reader.at()..]
    }

    /// The clock after its last unit.
    pub fn end(&self) -> u32 {
        self.clock + self.len
    }

    /// Appends the struct without its first `offset` units, fewer than it has.
    ///
    /// As in Yjs, half of a surrogate pair becomes U+FFFD.
    pub(crate) fn write_from(&self, offset: u32, out: &mut Vec<u8>) {
        let kind = self.content.kind();
        if offset == 0 {
            out.extend_from_slice(self.raw);
            return;
        }
        if matches!(kind, Kind::Gc | Kind::Skip) {
            out.push(kind as u8);
            write_var(out, u64::from(self.len - offset));
            return;
        }
        self.write_head(kind, offset, out);
        match self.content {
            Content::String(text) => write_buf(out, suffix(text, offset).as_bytes()),
            Content::Other(Kind::Deleted) => write_var(out, u64::from(self.len - offset)),
            Content::Other(_) => {
                // Lists of values, the only others with more than one unit.
                write_var(out, u64::from(self.len - offset));
                let values = self.values();
                out.extend_from_slice(&values[value_at(values, kind, offset)..]);
            }
        }
    }
}

impl Struct<'_> {
    /// The head of an item that follows the units before `offset`.
    fn write_head(&self, kind: Kind, offset: u32, out: &mut Vec<u8>) {
        let right = if self.right.is_some() { HAS_RIGHT } else { 0 };
        out.push(kind as u8 | HAS_ORIGIN | right);
        write_var(out, self.client);
        write_var(out, u64::from(self.clock + offset - 1));
        if let Some(right) = self.right {
            write_var(out, right.client);
            write_var(out, u64::from(right.clock));
        }
    }
}

/// `text` without its first `units` UTF-16 code units.
pub(crate) fn suffix(text: &str, units: u32) -> std::borrow::Cow<'_, str> {
    let mut left = units;
    for (at, char) in text.char_indices() {
        match left {
            0 => return text[at..].into(),
            1 if char.len_utf16() == 2 => {
                let rest = &text[at + char.len_utf8()..];
                return format!("\u{fffd}{rest}").into();
            }
            _ => left -= char.len_utf16() as u32,
        }
    }
    "".into()
}

/// The byte at which value `count` of a list of them begins.
pub(crate) fn value_at(values: &[u8], kind: Kind, count: u32) -> usize {
    let mut reader = Reader::new(values);
    let skipped = (0..count).try_for_each(|_| match kind {
        Kind::Json => reader.string().map(drop),
        _ => reader.any(),
    });
    debug_assert!(skipped.is_ok(), "checked when it was decoded");
    reader.at()
}

/// The structs of one client in an update: clocks `clock..end`, without a gap but for skips.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// Who inserted them.
    pub client: ClientId,
    /// Clock of the first struct.
    pub clock: u32,
    /// Clock after the last struct.
    pub end: u32,
    /// Number of structs.
    pub count: usize,
    /// Their bytes.
    pub raw: &'a [u8],
}

impl<'a> Section<'a> {
    /// The structs in order.
    pub fn structs(&self) -> Structs<'a> {
        Structs {
            reader: Reader::new(self.raw),
            client: self.client,
            clock: self.clock,
            left: self.count,
        }
    }
}

/// Walks the structs of a [`Section`].
#[derive(Debug, Clone)]
pub struct Structs<'a> {
    reader: Reader<'a>,
    client: ClientId,
    clock: u32,
    left: usize,
}

impl<'a> Structs<'a> {
    /// Clock, number and bytes of the structs that are still to come.
    pub(crate) fn rest(&self) -> (u32, usize, &'a [u8]) {
        let mut reader = self.reader.clone();
        let rest = reader.take(reader.remaining()).unwrap_or_default();
        (self.clock, self.left, rest)
    }
}

impl<'a> Iterator for Structs<'a> {
    type Item = Struct<'a>;

    fn next(&mut self) -> Option<Struct<'a>> {
        self.left = self.left.checked_sub(1)?;
        // Checked before: a section is only made of bytes that have been read once.
        let block = read_struct(&mut self.reader, self.client, self.clock).ok()?;
        self.clock = block.end();
        Some(block)
    }
}

pub(super) fn read_struct<'a>(
    reader: &mut Reader<'a>,
    client: ClientId,
    clock: u32,
) -> Result<Struct<'a>, Error> {
    let start = reader.at();
    let info = reader.byte()?;
    if info == Kind::Gc as u8 || info == Kind::Skip as u8 {
        let kind = if info == 0 { Kind::Gc } else { Kind::Skip };
        let body = reader.at();
        let len = read_len(reader)?;
        if len == 0 {
            return reader.malformed("a struct of at least one unit");
        }
        return Ok(Struct {
            client,
            clock,
            len,
            origin: None,
            right: None,
            parent: None,
            key: None,
            content: Content::Other(kind),
            raw: reader.since(start),
            body: reader.since(body),
        });
    }
    if info & 0x10 != 0 {
        return reader.malformed("a known kind of struct");
    }
    let read_id = |reader: &mut Reader<'_>| match read_id(reader)? {
        id if id.client == client && id.clock >= clock => {
            reader.malformed("a neighbour or parent inserted before")
        }
        id => Ok(id),
    };
    let origin = (info & HAS_ORIGIN != 0)
        .then(|| read_id(reader))
        .transpose()?;
    let right = (info & HAS_RIGHT != 0)
        .then(|| read_id(reader))
        .transpose()?;
    let (mut parent, mut key) = (None, None);
    if origin.is_none() && right.is_none() {
        parent = Some(match reader.var()? {
            1 => Parent::Root(reader.string()?),
            0 => Parent::Item(read_id(reader)?),
            _ => return reader.malformed("a parent"),
        });
        if info & HAS_KEY != 0 {
            key = Some(reader.string()?);
        }
    }
    let body = reader.at();
    let (content, len) = read_content(reader, info & KIND)?;
    if len == 0 {
        return reader.malformed("a struct of at least one unit");
    }
    Ok(Struct {
        client,
        clock,
        len,
        origin,
        right,
        parent,
        key,
        content,
        raw: reader.since(start),
        body: reader.since(body),
    })
}

fn read_id(reader: &mut Reader<'_>) -> Result<Id, Error> {
    let client = reader.var()?;
    match u32::try_from(reader.var()?) {
        Ok(clock) if clock < super::MAX_CLOCK => Ok(Id { client, clock }),
        _ => reader.malformed("a clock of at most 31 bits"),
    }
}

fn read_len(reader: &mut Reader<'_>) -> Result<u32, Error> {
    match u32::try_from(reader.var()?) {
        Ok(len) if len <= super::MAX_CLOCK => Ok(len),
        _ => reader.malformed("a length of at most 31 bits"),
    }
}

fn read_content<'a>(reader: &mut Reader<'a>, kind: u8) -> Result<(Content<'a>, u32), Error> {
    let (kind, len) = match kind {
        1 => (Kind::Deleted, read_len(reader)?),
        2 => {
            let count = reader.count(1)?;
            for _ in 0..count {
                // Readers parse it: what is no JSON would stop all of them.
                let at = reader.at();
                let text = reader.string()?;
                if text != "undefined" && !is_json(text) {
                    let what = "a JSON value of at most 64 levels";
                    return Err(Error::Malformed { what, at });
                }
            }
            (Kind::Json, count as u32)
        }
        3 => {
            reader.buf()?;
            (Kind::Binary, 1)
        }
        4 => {
            let text = reader.string()?;
            let units = text.chars().map(char::len_utf16).sum::<usize>();
            return match u32::try_from(units) {
                Ok(units) => Ok((Content::String(text), units)),
                Err(_) => reader.malformed("a length of at most 31 bits"),
            };
        }
        5 => {
            reader.json()?;
            (Kind::Embed, 1)
        }
        6 => {
            reader.string()?;
            reader.json()?;
            (Kind::Format, 1)
        }
        7 => (read_type(reader)?, 1),
        8 => {
            let count = reader.count(1)?;
            for _ in 0..count {
                reader.any()?;
            }
            (Kind::Any, count as u32)
        }
        9 => {
            reader.string()?;
            // Readers look into it.
            if reader.clone().byte()? != OBJECT {
                return reader.malformed("an object of options");
            }
            reader.any()?;
            (Kind::Doc, 1)
        }
        // What yrs alone writes.
        11 => return Err(Error::Unsupported { what: "moves" }),
        _ => return reader.malformed("a known kind of content"),
    };
    Ok((Content::Other(kind), len))
}

fn read_type(reader: &mut Reader<'_>) -> Result<Kind, Error> {
    match reader.var()? {
        0 | 1 | 2 | 4 | 6 => Ok(Kind::Type),
        3 | 5 => {
            reader.string()?;
            Ok(Kind::Type)
        }
        // The links of yrs: their length depends on flags, and nobody else reads them.
        7 => Err(Error::Unsupported { what: "links" }),
        _ => reader.malformed("a known type"),
    }
}
