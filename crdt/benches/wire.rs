//! Updates written by hand, as Yjs writes them: one struct, or deletes.

use ropewalk_crdt::ROOT;
use std::collections::BTreeMap;

/// A unit: the client that inserted it, and its clock.
pub type Id = (u64, u64);

/// The root of arrays.
pub const LIST: &str = "list";

/// What is inserted.
pub enum Content<'a> {
    Text(&'a str),
    Number(u8),
    /// A nested, empty array.
    Array,
}

/// Where it is inserted. Whoever has neighbours is in the same parent as they are.
pub enum Place {
    Between(Option<Id>, Option<Id>),
    /// The first of the values in the array that is the content of this unit.
    Within(Id),
}

pub fn var(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn string(out: &mut Vec<u8>, text: &str) {
    var(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn id(out: &mut Vec<u8>, (client, clock): Id) {
    var(out, client);
    var(out, clock);
}

/// The update that inserts `content` with `at` as its first unit.
pub fn insert(at: Id, place: &Place, content: &Content<'_>) -> Vec<u8> {
    let kind = match content {
        Content::Text(_) => 4,
        Content::Array => 7,
        Content::Number(_) => 8,
    };
    let mut out = vec![1, 1];
    id(&mut out, at);
    match *place {
        Place::Between(None, None) => {
            let root = if kind == 4 { ROOT } else { LIST };
            out.extend_from_slice(&[kind, 1]);
            string(&mut out, root);
        }
        Place::Between(left, right) => {
            let flag = |has: bool, flag: u8| if has { flag } else { 0 };
            out.push(kind | flag(left.is_some(), 0x80) | flag(right.is_some(), 0x40));
            for neighbour in left.into_iter().chain(right) {
                id(&mut out, neighbour);
            }
        }
        Place::Within(parent) => {
            out.extend_from_slice(&[kind, 0]);
            id(&mut out, parent);
        }
    }
    match content {
        Content::Text(text) => string(&mut out, text),
        Content::Array => out.push(0),
        // One value, a whole number of at most 6 bits.
        Content::Number(value) => out.extend_from_slice(&[1, 125, value & 0x3f]),
    }
    out.push(0);
    out
}

/// The update that deletes these units.
pub fn delete(ids: &[Id]) -> Vec<u8> {
    let mut clients: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    for (client, clock) in ids {
        let ranges = clients.entry(client).or_default();
        match ranges.last_mut() {
            Some((start, len)) if *start + *len == clock => *len += 1,
            _ => ranges.push((clock, 1)),
        }
    }
    let mut out = vec![0];
    var(&mut out, clients.len() as u64);
    for (client, ranges) in clients.into_iter().rev() {
        var(&mut out, client);
        var(&mut out, ranges.len() as u64);
        for (start, len) in ranges {
            var(&mut out, start);
            var(&mut out, len);
        }
    }
    out
}
