//! Updates that no honest client writes, byte by byte.

use ropewalk_tests::client::ROOT;
use ropewalk_tests::frames::{put_buf, put_uint};

pub fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// One update with one struct of client `client` at `clock`, and no deletes.
pub fn one_struct(client: u64, clock: u64, body: &[u8]) -> Vec<u8> {
    let mut update = vec![1, 1];
    put_uint(&mut update, client);
    put_uint(&mut update, clock);
    update.extend_from_slice(body);
    update.push(0);
    update
}

/// Only deletes: (client, clock, length).
pub fn deletes(ranges: &[(u64, u64, u64)]) -> Vec<u8> {
    let mut update = vec![0];
    put_uint(&mut update, ranges.len() as u64);
    for &(client, clock, length) in ranges {
        put_uint(&mut update, client);
        update.push(1);
        put_uint(&mut update, clock);
        put_uint(&mut update, length);
    }
    update
}

/// A letter with an origin and perhaps a right origin.
pub fn letter(origin: Option<(u64, u64)>, right: Option<(u64, u64)>) -> Vec<u8> {
    let mut body =
        vec![4 | if origin.is_some() { 0x80 } else { 0 } | if right.is_some() { 0x40 } else { 0 }];
    for (client, clock) in [origin, right].into_iter().flatten() {
        put_uint(&mut body, client);
        put_uint(&mut body, clock);
    }
    if origin.is_none() && right.is_none() {
        body.push(1);
        put_buf(&mut body, ROOT.as_bytes());
    }
    put_buf(&mut body, b"x");
    body
}

/// `Any` content in the root array `list`: arrays in arrays.
pub fn nested(depth: usize) -> Vec<u8> {
    let mut body = vec![8, 1, 4];
    body.extend_from_slice(b"list");
    body.push(1);
    for _ in 0..depth {
        body.extend_from_slice(&[117, 1]);
    }
    body.push(126);
    one_struct(700, 0, &body)
}
