//! What lies in the columns of bytes, and the checksums over it.

use bytes::Bytes;

/// Frames the updates of one log row: for each its length as a varint (LEB128), then its bytes.
pub fn frame(updates: &[Bytes]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(updates.iter().map(|update| update.len() + 5).sum());
    for update in updates {
        let mut rest = update.len() as u64;
        while rest >= 0x80 {
            payload.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        payload.push(rest as u8);
        payload.extend_from_slice(update);
    }
    payload
}

/// The updates of one log row. `None`: these bytes are not what [`frame`] makes of `count` updates.
pub fn unframe(mut payload: &[u8], count: u64) -> Option<Vec<Vec<u8>>> {
    let mut updates = Vec::new();
    while !payload.is_empty() {
        let length = usize::try_from(varint(&mut payload)?).ok()?;
        let (update, rest) = payload.split_at_checked(length)?;
        updates.push(update.to_vec());
        payload = rest;
    }
    (updates.len() as u64 == count).then_some(updates)
}

fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
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

    #[test]
    fn updates_of_every_length_survive_framing() {
        let lengths = [0, 1, 2, 127, 128, 129, 16_383, 16_384, 2_097_152];
        let updates: Vec<Bytes> = lengths
            .iter()
            .map(|&length| vec![length as u8; length].into())
            .collect();
        let payload = frame(&updates);
        assert_eq!(unframe(&payload, 9).unwrap(), updates);
        assert_eq!(unframe(&payload, 8), None);
        assert_eq!(unframe(&[], 0).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn no_cut_is_taken_for_a_whole_row() {
        let payload = frame(&[Bytes::from_static(b"abc"), Bytes::from(vec![7; 300])]);
        for end in 0..payload.len() {
            assert_eq!(unframe(&payload[..end], 2), None, "cut at {end}");
        }
        assert_eq!(unframe(&[0xff; 12], 1), None, "a length that never ends");
        assert_eq!(
            unframe(&[0xff, 0xff, 0xff, 0xff, 0x7f, 1], 1),
            None,
            "longer than the row"
        );
    }

    #[test]
    fn a_checksum_covers_the_place_and_every_byte() {
        let whole = checksum([1, 2, 3], b"abc");
        assert_ne!(whole, checksum([1, 3, 2], b"abc"));
        assert_ne!(whole, checksum([1, 2, 3], b"abd"));
    }
}
