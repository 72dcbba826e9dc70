//! Updates taken apart and put together again, so that anything in them can be bent.
//!
//! Not the decoder of the crate: what is under test shall not say what is tried.

mod read;
mod write;

/// A unit: client and clock.
pub type Id = (u64, u64);

#[derive(Clone, Debug, PartialEq)]
pub enum Parent {
    Root(String),
    Item(Id),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Gc(u64),
    Deleted(u64),
    Json(Vec<String>),
    Binary(Vec<u8>),
    String(String),
    Embed(String),
    Format(String, String),
    /// The number of the type, and its name where it has one.
    Type(u64, String),
    /// Values as they are on the wire.
    Any(Vec<Vec<u8>>),
    /// The options by name, each a value as it is on the wire.
    Doc(String, Vec<(String, Vec<u8>)>),
    Skip(u64),
    /// A kind that nobody should know, with its bytes.
    Other(u8, Vec<u8>),
}

pub const ORIGIN: u8 = 0x80;
pub const RIGHT: u8 = 0x40;
pub const KEY: u8 = 0x20;

/// One struct. The flags say which of its neighbours, parent and key are written.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub flags: u8,
    pub origin: Id,
    pub right: Id,
    pub parent: Parent,
    pub key: String,
    pub content: Content,
}

impl Block {
    pub fn new(content: Content) -> Self {
        Block {
            flags: 0,
            origin: (0, 0),
            right: (0, 0),
            parent: Parent::Root("text".to_owned()),
            key: String::new(),
            content,
        }
    }

    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Gc(len) | Content::Deleted(len) | Content::Skip(len) => *len,
            Content::Json(values) => values.len() as u64,
            Content::String(text) => text.encode_utf16().count() as u64,
            Content::Any(values) => values.len() as u64,
            _ => 1,
        }
    }

    pub fn origin(&self) -> Option<Id> {
        (self.flags & ORIGIN != 0).then_some(self.origin)
    }

    pub fn right(&self) -> Option<Id> {
        (self.flags & RIGHT != 0).then_some(self.right)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    pub client: u64,
    pub clock: u64,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    pub sections: Vec<Section>,
    /// Clock and length of each range, by client.
    pub deletes: Vec<(u64, Vec<(u64, u64)>)>,
}

pub fn var(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn string(out: &mut Vec<u8>, text: &str) {
    var(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}
