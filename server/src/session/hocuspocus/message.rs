//! The messages of Hocuspocus 4: an address, a type, and what the type says.

use bytes::Bytes;
use ropewalk_crdt::protocol;

const SYNC: u8 = 0;
const AWARENESS: u8 = 1;
const AUTH: u8 = 2;
const QUERY_AWARENESS: u8 = 3;
const STATELESS: u8 = 5;
const CLOSE: u8 = 7;
const SYNC_STATUS: u8 = 8;
const PING: u8 = 9;
const PONGS: u8 = 10;

/// All types of messages that clients send.
pub const KINDS: &[u8] = &[
    SYNC,
    AWARENESS,
    AUTH,
    QUERY_AWARENESS,
    STATELESS,
    CLOSE,
    PING,
    PONGS,
];

/// The answer to a ping, without an address like that.
pub const PONG: &[u8] = &[PONGS];

/// Longest address, in bytes: the name of a document, and of the session within the socket.
const MAX_ADDRESS: usize = 1024;
/// Longest stateless message, in bytes.
const MAX_STATELESS: usize = 64 * 1024;
/// Longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// A message of y-protocols, from its type on.
    Protocol(Bytes),
    /// "Let me in", with what shows who it is.
    Token(Bytes),
    /// For everybody else.
    Stateless(Bytes),
    /// "I leave this document."
    Close,
    /// Nothing that a client says.
    Malformed,
}

impl Body {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Protocol(bytes) | Self::Token(bytes) | Self::Stateless(bytes) => bytes.len(),
            Self::Close | Self::Malformed => 0,
        }
    }

    /// Whether somebody has written something.
    pub fn is_edit(&self) -> bool {
        matches!(self, Self::Protocol(bytes) if matches!(bytes[..], [SYNC, 1 | 2, ..]))
    }

    /// The same in memory of its own.
    pub fn copied(self) -> Self {
        let copy = |bytes: Bytes| Bytes::copy_from_slice(&bytes);
        match self {
            Self::Protocol(bytes) => Self::Protocol(copy(bytes)),
            Self::Token(bytes) => Self::Token(copy(bytes)),
            Self::Stateless(bytes) => Self::Stateless(copy(bytes)),
            Self::Close | Self::Malformed => self,
        }
    }
}

/// Whether it is a bare ping.
pub fn is_ping(message: &[u8]) -> bool {
    message == [PING]
}

/// Whether it answers one.
pub fn is_pong(message: &[u8]) -> bool {
    message == PONG
}

/// The address, with its length before it, and what is said under it; nothing if there is none.
pub fn read(message: &Bytes) -> Option<(Bytes, Body)> {
    let mut reader = Reader {
        bytes: message,
        at: 0,
    };
    let address = reader.buf(MAX_ADDRESS)?;
    std::str::from_utf8(&address).ok()?;
    let address = message.slice(..reader.at);
    let rest = message.slice(reader.at..);
    Some((address, body(rest)))
}

fn body(rest: Bytes) -> Body {
    let Some(&kind) = rest.first().filter(|kind| KINDS.contains(kind)) else {
        return Body::Malformed;
    };
    let mut reader = Reader {
        bytes: &rest,
        at: 1,
    };
    let said = match kind {
        SYNC | AWARENESS | QUERY_AWARENESS => return Body::Protocol(rest),
        // A version may follow, from 3 on.
        AUTH => match (reader.var(), reader.buf(MAX_TOKEN)) {
            (Some(0), Some(token)) => return Body::Token(token),
            _ => None,
        },
        STATELESS => reader.buf(MAX_STATELESS).map(Body::Stateless),
        CLOSE => Some(Body::Close),
        _ => None,
    };
    said.filter(|_| reader.at == rest.len())
        .unwrap_or(Body::Malformed)
}

/// The document that an address names: what stands before the name of the session, if that is there.
pub fn name(address: &Bytes) -> Option<&str> {
    let mut reader = Reader {
        bytes: address,
        at: 0,
    };
    let length = usize::try_from(reader.var()?).ok()?;
    let address = address.get(reader.at..reader.at + length)?;
    let address = std::str::from_utf8(address).ok()?;
    address.split('\0').next()
}

/// A message under an address.
pub fn addressed(address: &[u8], message: &[u8]) -> Bytes {
    [address, message].concat().into()
}

/// "You are in", and what you may do.
pub fn authenticated(address: &[u8], may_edit: bool) -> Bytes {
    let scope = if may_edit { "read-write" } else { "readonly" };
    addressed(address, &text(&[AUTH, 2], scope))
}

/// "You may not come in."
pub fn denied(address: &[u8], reason: &str) -> Bytes {
    addressed(address, &text(&[AUTH, 1], reason))
}

/// "You are out of this document."
pub fn closed(address: &[u8], reason: &str) -> Bytes {
    addressed(address, &text(&[CLOSE], reason))
}

/// "One more of your updates is on disk", or will never be.
pub fn saved(address: &[u8], is_saved: bool) -> Bytes {
    addressed(address, &[SYNC_STATUS, is_saved.into()])
}

/// An awareness message without states: clients close when they get no messages, and older ones know no ping.
pub fn nobody(address: &[u8]) -> Bytes {
    addressed(address, &[1, 1, 0])
}

fn text(head: &[u8], text: &str) -> Vec<u8> {
    // Ours are shorter than 128 bytes, whose length is one byte.
    debug_assert!(text.len() < 128);
    [head, &[text.len() as u8], text.as_bytes()].concat()
}

/// The payload of a marker: how often the client had asked, and how many updates it has sent since.
pub fn mark(asked: u64, updates: u64) -> Bytes {
    let numbers = [asked.to_le_bytes(), updates.to_le_bytes()];
    Bytes::from(numbers.concat())
}

/// Both again, whatever came of what was before the marker.
pub fn marker(frame: &[u8]) -> Option<(u64, u64)> {
    let payload = protocol::read_marker(frame)?;
    let (asked, updates) = payload.split_first_chunk()?;
    let updates = updates.try_into().ok()?;
    Some((u64::from_le_bytes(*asked), u64::from_le_bytes(updates)))
}

struct Reader<'b> {
    bytes: &'b Bytes,
    at: usize,
}

impl Reader<'_> {
    fn var(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn buf(&mut self, most: usize) -> Option<Bytes> {
        let length = usize::try_from(self.var()?).ok()?;
        let end = self.at.checked_add(length)?;
        if length > most || end > self.bytes.len() {
            return None;
        }
        let buf = self.bytes.slice(self.at..end);
        self.at = end;
        Some(buf)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(message: &'static [u8]) -> Option<(Bytes, Body)> {
        super::read(&Bytes::from_static(message))
    }

    #[test]
    fn an_address_goes_before_everything() {
        let (address, body) = read(b"\x03a/b\x00\x00\x01\x00").unwrap();
        assert_eq!(&address[..], b"\x03a/b");
        assert_eq!(name(&address), Some("a/b"));
        assert_eq!(body, Body::Protocol(Bytes::from_static(&[0, 0, 1, 0])));
        let (address, body) = read(b"\x05a\0xyz\x07").unwrap();
        assert_eq!((name(&address), body), (Some("a"), Body::Close));
        for none in [
            &b""[..],
            b"\x09",
            b"\x05abc",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
            b"\x02\xc3\x28\x00",
        ] {
            assert_eq!(super::read(&Bytes::copy_from_slice(none)), None, "{none:?}");
        }
    }

    #[test]
    fn only_what_clients_say_is_read() {
        let token = |token| Body::Token(Bytes::from_static(token));
        for (message, expected) in [
            (&b"\x01a\x02\x00\x03key"[..], token(b"key")),
            (b"\x01a\x02\x00\x00\x054.8.0", token(b"")),
            (
                b"\x01a\x05\x02hi",
                Body::Stateless(Bytes::from_static(b"hi")),
            ),
            (b"\x01a\x07", Body::Close),
            (b"\x01a\x07x", Body::Malformed),
            (b"\x01a", Body::Malformed),
            (b"\x01a\x02\x01\x00", Body::Malformed),
            (b"\x01a\x02\x00\x09k", Body::Malformed),
            (b"\x01a\x05\x09hi", Body::Malformed),
            (b"\x01a\x05\x02hi!", Body::Malformed),
            (b"\x01a\x04", Body::Malformed),
            (b"\x01a\x08\x01", Body::Malformed),
        ] {
            let (_, body) = super::read(&Bytes::copy_from_slice(message)).unwrap();
            assert_eq!(body, expected, "{message:?}");
        }
    }
}
