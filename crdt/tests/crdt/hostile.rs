//! Updates that no honest peer would write, made from nothing and from honest ones.

use crate::rng::Rng;

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

/// Clients and the clocks that they have reached, as far as the writer believes.
pub type Clocks = Vec<(u64, u64)>;

fn near(rng: &mut Rng, clock: u64) -> u64 {
    match rng.below(12) {
        0 => clock + rng.below(3) as u64,
        1 => clock.saturating_sub(rng.below(3) as u64),
        2 => [0, 1, 0x7fff_fffe, 0x7fff_ffff, 0xffff_ffff, 1 << 40][rng.below(6)],
        _ => clock,
    }
}

fn id(rng: &mut Rng, out: &mut Vec<u8>, clocks: &Clocks) {
    let (client, clock) = rng.pick(clocks);
    let within = rng.below(clock.max(1) as usize) as u64;
    var(out, client);
    let clock = if rng.chance(8) {
        near(rng, clock)
    } else {
        within
    };
    var(out, clock);
}

/// A whole update of random structs. Clients of `clocks` from `own` on insert, and their clocks
/// move on; anything is pointed at. `deletes`: also delete.
pub fn update(rng: &mut Rng, clocks: &mut Clocks, own: usize, deletes: bool) -> Vec<u8> {
    let mut writers: Vec<usize> = (own..clocks.len()).collect();
    rng.shuffle(&mut writers);
    writers.truncate(1 + rng.below(3));
    let mut out = Vec::new();
    var(&mut out, writers.len() as u64);
    for writer in writers {
        let count = 1 + rng.below(6);
        var(&mut out, count as u64);
        let (client, clock) = clocks[writer];
        var(&mut out, client);
        let mut clock = near(rng, clock);
        var(&mut out, clock);
        for _ in 0..count {
            clock += block(rng, &mut out, clocks);
            if clock < 1 << 30 {
                clocks[writer].1 = clocks[writer].1.max(clock);
            }
        }
    }
    let clients = if deletes { rng.below(3) } else { 0 };
    var(&mut out, clients as u64);
    for _ in 0..clients {
        let (client, clock) = rng.pick(clocks);
        var(&mut out, client);
        let ranges = 1 + rng.below(3);
        var(&mut out, ranges as u64);
        for _ in 0..ranges {
            var(&mut out, rng.below(clock as usize + 2) as u64);
            var(&mut out, rng.below(5) as u64);
        }
    }
    out
}

/// One struct; returns its units.
fn block(rng: &mut Rng, out: &mut Vec<u8>, clocks: &Clocks) -> u64 {
    if rng.chance(12) {
        let len = 1 + rng.below(4) as u64;
        out.push(if rng.chance(3) { 10 } else { 0 });
        var(out, len);
        return len;
    }
    let kind = rng.pick(&[1u8, 3, 4, 4, 4, 4, 5, 7, 7, 8, 8]);
    let flags = rng.pick(&[0u8, 0x20, 0x80, 0x80, 0x40, 0xc0, 0xc0, 0xe0]);
    out.push(kind | flags);
    if flags & 0x80 != 0 {
        id(rng, out, clocks);
    }
    if flags & 0x40 != 0 {
        id(rng, out, clocks);
    }
    if flags & 0xc0 == 0 {
        if rng.chance(2) {
            var(out, 1);
            string(out, rng.pick(&["text", "text", "map", "array", "xml"]));
        } else {
            var(out, 0);
            id(rng, out, clocks);
        }
        if flags & 0x20 != 0 {
            string(out, rng.pick(&["a", "b", "k"]));
        }
    }
    match kind {
        1 => {
            let len = rng.below(5) as u64;
            var(out, len);
            len
        }
        3 => {
            string(out, "bytes");
            1
        }
        4 => {
            let text = rng.pick(&["x", "yz", "é😀w", "", "long enough to be split in parts"]);
            string(out, text);
            text.encode_utf16().count() as u64
        }
        5 => {
            string(out, rng.pick(&["1", "{\"a\":[1,2]}", "null"]));
            1
        }
        7 => {
            let kind = rng.pick(&[0u8, 1, 2, 3, 4, 6]);
            out.push(kind);
            if kind == 3 {
                string(out, "p");
            }
            1
        }
        _ => {
            let len = rng.below(4) as u64;
            var(out, len);
            for _ in 0..len {
                out.extend_from_slice(rng.pick(&[&[120u8][..], &[126], &[125, 5], &[119, 1, 97]]));
            }
            len
        }
    }
}

/// An honest update with a few bytes bent.
pub fn bent(rng: &mut Rng, update: &[u8]) -> Vec<u8> {
    let mut out = update.to_vec();
    for _ in 0..1 + rng.below(3) {
        if out.is_empty() {
            break;
        }
        let at = rng.below(out.len());
        match rng.below(6) {
            0 => out[at] ^= 1 << rng.below(8),
            1 => out[at] = out[at].wrapping_add(1),
            2 => out[at] = out[at].wrapping_sub(1),
            3 => out.truncate(at),
            4 => {
                out.remove(at);
            }
            _ => out.insert(at, rng.next() as u8),
        }
    }
    out
}
