//! The primitives of lib0: reading checked to the last byte, and writing.
//!
//! Numbers must be written in their shortest form. Every known writer does so, and it leaves no
//! bytes that two readers could understand differently.

use crate::Error;

/// The largest number of a varUint: what a JavaScript number holds exactly.
pub(crate) const MAX_VAR: u64 = (1 << 53) - 1;

/// What an object begins with, among the values of lib0.
pub(crate) const OBJECT: u8 = 118;

/// How deep values may nest inside one another.
pub(crate) const MAX_DEPTH: usize = 64;

/// A cursor over bytes from a peer.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// Offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Bytes from `start` to here.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn malformed<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error::Malformed { what, at: self.at })
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        match self.bytes.get(self.at) {
            Some(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => self.malformed("one more byte"),
        }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        if count > self.remaining() {
            return self.malformed("as many bytes as declared");
        }
        let start = self.at;
        self.at += count;
        Ok(&self.bytes[start..self.at])
    }

    pub(crate) fn var(&mut self) -> Result<u64, Error> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        self.groups(u64::from(first & 0x7f), 7)
    }

    /// The groups of 7 bits after the first byte, to be placed from bit `shift` on.
    fn groups(&mut self, mut value: u64, mut shift: u32) -> Result<u64, Error> {
        loop {
            let byte = self.byte()?;
            // Eight bytes hold 56 bits: more cannot be a number of 53.
            if shift > 49 {
                return self.malformed("a number of at most 53 bits");
            }
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return match byte {
                    0 => self.malformed("a number in its shortest form"),
                    _ if value > MAX_VAR => self.malformed("a number of at most 53 bits"),
                    _ => Ok(value),
                };
            }
        }
    }

    fn signed(&mut self) -> Result<(), Error> {
        let first = self.byte()?;
        if first >= 0x80 {
            self.groups(u64::from(first & 0x3f), 6)?;
        }
        Ok(())
    }

    /// A number that counts things of at least `least` bytes each, which must still follow.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, Error> {
        let count = self.var()?;
        if count > (self.remaining() / least) as u64 {
            return self.malformed("a count that the remaining bytes can hold");
        }
        Ok(count as usize)
    }

    pub(crate) fn buf(&mut self) -> Result<&'a [u8], Error> {
        let count = self.count(1)?;
        self.take(count)
    }

    pub(crate) fn string(&mut self) -> Result<&'a str, Error> {
        let at = self.at;
        std::str::from_utf8(self.buf()?).map_err(|_| Error::Malformed {
            what: "a string in UTF-8",
            at,
        })
    }

    /// A string that holds one JSON value.
    pub(crate) fn json(&mut self) -> Result<&'a str, Error> {
        let at = self.at;
        let text = self.string()?;
        if !is_json(text) {
            let what = "a JSON value of at most 64 levels";
            return Err(Error::Malformed { what, at });
        }
        Ok(text)
    }

    /// Steps over one `Any`, a value of lib0.
    pub(crate) fn any(&mut self) -> Result<(), Error> {
        self.any_within(MAX_DEPTH)
    }

    fn any_within(&mut self, depth: usize) -> Result<(), Error> {
        if depth == 0 {
            return self.malformed("values of at most 64 levels");
        }
        match self.byte()? {
            120 | 121 | 126 | 127 => Ok(()),
            125 => self.signed(),
            124 => self.take(4).map(drop),
            122 | 123 => self.take(8).map(drop),
            119 => self.string().map(drop),
            OBJECT => {
                for _ in 0..self.count(2)? {
                    self.string()?;
                    self.any_within(depth - 1)?;
                }
                Ok(())
            }
            117 => {
                for _ in 0..self.count(1)? {
                    self.any_within(depth - 1)?;
                }
                Ok(())
            }
            116 => self.buf().map(drop),
            _ => self.malformed("a known kind of value"),
        }
    }

    /// Refuses bytes after the end.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.remaining() {
            0 => Ok(()),
            _ => self.malformed("nothing after the end"),
        }
    }
}

/// Whether `text` is one JSON value that nests at most [`MAX_DEPTH`] deep.
pub(crate) fn is_json(text: &str) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

pub(crate) fn write_var(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn write_buf(out: &mut Vec<u8>, bytes: &[u8]) {
    write_var(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
