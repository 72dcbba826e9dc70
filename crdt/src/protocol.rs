//! The frames of y-websocket: one y-protocols message per frame, checked to its last byte.

use crate::wire::{Reader, write_buf, write_var};
use crate::{Error, VersionVector};

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;
const STATELESS: u64 = 5;
const SAVED: u64 = 102;
const SLOW: u64 = 103;
const ACCESS: u64 = 104;
const REFUSED: u64 = 105;

const STEP1: u64 = 0;
const STEP2: u64 = 1;
const UPDATE: u64 = 2;

/// The longest payload of a [`Message::Saved`], in bytes.
pub const MAX_SAVED: usize = 16;

/// A message from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// What the client knows; it wants the rest.
    Step1(VersionVector),
    /// What the client has that the server lacks: an update.
    Step2(&'a [u8]),
    /// An update.
    Update(&'a [u8]),
    /// Awareness states, the body that [`crate::Presence::announce`] takes.
    Awareness(&'a [u8]),
    /// The client wants all awareness states.
    QueryAwareness,
    /// The client wants this payload back, once all that it sent before is durable.
    Saved(&'a [u8]),
    /// Something that says nothing to a server: an auth message.
    Ignored,
}

/// Reads one frame.
///
/// A query for awareness may carry more bytes, as y-sweet clients send them; everything else must
/// end where its last field ends.
pub fn decode(frame: &[u8]) -> Result<Message<'_>, Error> {
    let mut reader = Reader::new(frame);
    let message = match reader.var()? {
        SYNC => match reader.var()? {
            STEP1 => Message::Step1(VersionVector::decode(reader.buf()?)?),
            STEP2 => Message::Step2(reader.buf()?),
            UPDATE => Message::Update(reader.buf()?),
            _ => return reader.malformed("a known sync message"),
        },
        AWARENESS => Message::Awareness(reader.buf()?),
        AUTH => return Ok(Message::Ignored),
        QUERY_AWARENESS => return Ok(Message::QueryAwareness),
        SAVED => match reader.buf()? {
            payload if payload.len() <= MAX_SAVED => Message::Saved(payload),
            payload => {
                return Err(Error::TooLarge {
                    what: "bytes in a saved marker",
                    size: payload.len() as u64,
                    limit: MAX_SAVED as u64,
                });
            }
        },
        _ => return reader.malformed("a known message"),
    };
    reader.finish()?;
    Ok(message)
}

fn frame(head: &[u64], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 12);
    for &number in head {
        write_var(&mut out, number);
    }
    write_buf(&mut out, body);
    out
}

/// The frame that asks for all that `known` lacks.
pub fn step1(known: &VersionVector) -> Vec<u8> {
    frame(&[SYNC, STEP1], &known.encode())
}

/// The frame that answers a step 1 with an update.
pub fn step2(update: &[u8]) -> Vec<u8> {
    frame(&[SYNC, STEP2], update)
}

/// The frame of one update.
pub fn update(update: &[u8]) -> Vec<u8> {
    frame(&[SYNC, UPDATE], update)
}

/// The frame of awareness states; `body` is what [`crate::Presence::frame`] returns.
pub fn awareness(body: &[u8]) -> Vec<u8> {
    frame(&[AWARENESS], body)
}

/// The frame that says that all before the marker `payload` is durable.
pub fn saved(payload: &[u8]) -> Vec<u8> {
    frame(&[SAVED], payload)
}

/// The frame of a message that is no part of the document, as Hocuspocus knows it.
pub fn stateless(payload: &[u8]) -> Vec<u8> {
    frame(&[STATELESS], payload)
}

/// The frame that says for how many milliseconds the oldest edit has waited to become durable, when that is long; with 0,
/// that nothing waits long any more.
pub fn slow(waited_ms: u64) -> Vec<u8> {
    let mut body = Vec::new();
    write_var(&mut body, waited_ms);
    frame(&[SLOW], &body)
}

/// The frame that says whether the client may edit from now on.
pub fn access(may_edit: bool) -> Vec<u8> {
    frame(&[ACCESS], &[may_edit.into()])
}

/// The frame that says that something before the marker `payload` was not taken in.
pub fn refused(payload: &[u8]) -> Vec<u8> {
    frame(&[REFUSED], payload)
}

/// The marker in the frame that says what came of what was before it.
pub fn read_marker(frame: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(frame);
    let (SAVED | REFUSED) = reader.var().ok()? else {
        return None;
    };
    reader.buf().ok()
}

/// Whether the client may edit, if a frame of this server says that.
pub fn read_access(frame: &[u8]) -> Option<bool> {
    let may_edit = frame == access(true);
    (may_edit || frame == access(false)).then_some(may_edit)
}

/// The frame that says why the client may not do what it did.
pub fn denied(reason: &str) -> Vec<u8> {
    frame(&[AUTH, 0], reason.as_bytes())
}
