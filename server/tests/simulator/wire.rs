//! Bodies of frames that no engine writes.

/// The awareness state of one client, as a body.
pub fn state(client: u64, clock: u64, json: &str) -> Vec<u8> {
    let mut body = vec![1];
    var(&mut body, client);
    var(&mut body, clock);
    var(&mut body, json.len() as u64);
    body.extend(json.as_bytes());
    body
}

/// A number as lib0 writes it.
pub fn var(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(0x80 | number as u8);
        number >>= 7;
    }
    out.push(number as u8);
}

/// An update that deletes so many units of a client.
pub fn deletion(client: u64, start: u64, units: u64) -> Vec<u8> {
    let mut update = vec![0, 1];
    var(&mut update, client);
    update.push(1);
    var(&mut update, start);
    var(&mut update, units);
    update
}
