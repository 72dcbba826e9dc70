//! What lies in the columns of bytes, and the checksums over it.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::storage::{Author, Record};

/// How a log row says its updates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Updates alone, as up to format 2: who made them is not known, and when as the row says.
    Plain = 0,
    /// With who made each, and when.
    Authored = 1,
}

impl Framing {
    /// Its number in the column `framing`.
    pub fn read(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Plain),
            1 => Some(Self::Authored),
            _ => None,
        }
    }
}

/// Frames the records of one row. All numbers are varints (LEB128).
///
/// First the authors: how many, and for each its client id and 1, or 0 without one, and its name as length and bytes.
/// Then the records: for each which author, milliseconds since the record before (the first: since `at_ms`) in zigzag, and
/// the update as length and bytes.
pub fn frame(records: &[Record], at_ms: i64) -> Vec<u8> {
    let size = records.iter().map(|record| record.update.len() + 8).sum();
    let mut payload = Vec::with_capacity(size);
    let mut authors: Vec<&Author> = Vec::new();
    let mut by = Vec::with_capacity(records.len());
    for record in records {
        // Few write within one commit.
        let known = authors.iter().position(|author| **author == *record.author);
        by.push(known.unwrap_or(authors.len()) as u64);
        if known.is_none() {
            authors.push(&record.author);
        }
    }
    write_varint(&mut payload, authors.len() as u64);
    for author in authors {
        write_varint(
            &mut payload,
            author.client.map_or(0, |client| client.saturating_add(1)),
        );
        write_bytes(&mut payload, author.name.as_bytes());
    }
    let mut before = at_ms;
    for (record, author) in records.iter().zip(by) {
        let since = record.at_ms.wrapping_sub(before);
        before = record.at_ms;
        write_varint(&mut payload, author);
        write_varint(&mut payload, (since << 1 ^ since >> 63) as u64);
        write_bytes(&mut payload, &record.update);
    }
    payload
}

/// The records of one row. `None`: these bytes are not what [`frame`] makes of `count` records.
pub fn unframe(
    framing: Framing,
    mut payload: &[u8],
    count: u64,
    at_ms: i64,
) -> Option<Vec<Record>> {
    let mut authors = vec![Arc::default()];
    if framing == Framing::Authored {
        authors.clear();
        for _ in 0..varint(&mut payload)? {
            let client = varint(&mut payload)?.checked_sub(1);
            let name = String::from_utf8(bytes(&mut payload)?.to_vec()).ok()?;
            authors.push(Arc::new(Author { client, name }));
        }
    }
    let mut records = Vec::new();
    let (mut author, mut before) = (0, at_ms);
    while !payload.is_empty() {
        if framing == Framing::Authored {
            author = usize::try_from(varint(&mut payload)?).ok()?;
            let since = varint(&mut payload)?;
            before = before.wrapping_add((since >> 1) as i64 ^ -((since & 1) as i64));
        }
        records.push(Record {
            update: Bytes::copy_from_slice(bytes(&mut payload)?),
            author: authors.get(author)?.clone(),
            at_ms: before,
        });
    }
    (records.len() as u64 == count).then_some(records)
}

/// Compresses a framed row, as in RFC 1951.
pub fn pack(row: &[u8]) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
    // Writing into memory does not fail.
    let _ = packer.write_all(row);
    packer.finish().unwrap_or_default()
}

/// `None`: these bytes are not what [`pack`] makes of a row of `size` bytes.
pub fn unpack(payload: &[u8], size: u64) -> Option<Vec<u8>> {
    let mut row = Vec::new();
    let mut unpacker = DeflateDecoder::new(payload).take(size.saturating_add(1));
    unpacker.read_to_end(&mut row).ok()?;
    (row.len() as u64 == size).then_some(row)
}

fn write_bytes(payload: &mut Vec<u8>, bytes: &[u8]) {
    write_varint(payload, bytes.len() as u64);
    payload.extend_from_slice(bytes);
}

fn write_varint(payload: &mut Vec<u8>, mut rest: u64) {
    while rest >= 0x80 {
        payload.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    payload.push(rest as u8);
}

fn bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(from)?).ok()?;
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}

fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// CRC-32 of a row. `place` is what else the row says (document, sequence numbers, generation): a row that is
/// whole but lies in another row's place is damage, too.
pub fn checksum(place: [i64; 3], data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for number in place {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(data);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(update: &[u8], client: Option<u64>, name: &str, at_ms: i64) -> Record {
        Record {
            update: Bytes::copy_from_slice(update),
            author: Arc::new(Author {
                client,
                name: name.to_owned(),
            }),
            at_ms,
        }
    }

    #[test]
    fn records_survive_framing() {
        let lengths = [0, 1, 2, 127, 128, 129, 16_383, 16_384, 2_097_152];
        let records: Vec<Record> = (0_u8..)
            .zip(lengths)
            .map(|(at, length)| {
                let client = [None, Some(0), Some((1 << 53) - 1)][usize::from(at % 3)];
                let name = ["", "Änne"][usize::from(at % 2)];
                record(&vec![at; length], client, name, 1_000 - i64::from(at) * 300)
            })
            .chain([
                record(b"x", Some(7), "Bo", i64::MAX),
                record(b"y", None, "", i64::MIN),
            ])
            .collect();
        let payload = frame(&records, 5);
        let read = |count| unframe(Framing::Authored, &payload, count, 5);
        assert_eq!(read(11).unwrap(), records);
        assert_eq!(read(10), None);
        assert_eq!(
            unpack(&pack(&payload), payload.len() as u64).unwrap(),
            payload
        );
        assert_eq!(unpack(&pack(&payload), payload.len() as u64 - 1), None);
        let nothing = frame(&[], 0);
        assert_eq!(unframe(Framing::Authored, &nothing, 0, 0).unwrap(), []);
    }

    #[test]
    fn rows_of_older_formats_are_read() {
        let read = unframe(Framing::Plain, b"\x03abc\x00\x01d", 3, 9).unwrap();
        let expected = [b"abc" as &[u8], b"", b"d"].map(|update| record(update, None, "", 9));
        assert_eq!(read, expected);
    }

    #[test]
    fn no_cut_is_taken_for_a_whole_row() {
        let records = [
            record(b"abc", Some(1), "A", 2),
            record(&[7; 300], None, "", 3),
        ];
        let payload = frame(&records, 0);
        let read = |payload: &[u8], count| unframe(Framing::Authored, payload, count, 0);
        for end in 0..payload.len() {
            assert_eq!(read(&payload[..end], 2), None, "cut at {end}");
        }
        for bad in [
            &[0xff; 12][..],
            &[1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f, 1],
            &[1, 0, 0, 0, 0, 0xff, 0x7f, 1],
            &[1, 0, 0, 1, 0, 0],
            &[1, 0, 1, 0xff, 0, 0, 0],
        ] {
            assert_eq!(read(bad, 1), None, "{bad:?}");
        }
    }

    #[test]
    fn a_checksum_covers_the_place_and_every_byte() {
        let whole = checksum([1, 2, 3], b"abc");
        assert_ne!(whole, checksum([1, 3, 2], b"abc"));
        assert_ne!(whole, checksum([1, 2, 3], b"abd"));
    }
}
