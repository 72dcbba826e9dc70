//! All that happens, as one hash: two runs of a seed are the same if theirs is.

use std::fmt::Arguments;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

pub struct Trace {
    began: Instant,
    prints: bool,
    hash: Mutex<(DefaultHasher, u64)>,
}

impl Trace {
    pub fn new(prints: bool) -> Self {
        Self {
            began: Instant::now(),
            prints,
            hash: Mutex::default(),
        }
    }

    pub fn note(&self, what: Arguments<'_>) {
        let at = self.began.elapsed().as_millis();
        let line = format!("{at:>7} ms  {what}");
        if self.prints {
            eprintln!("{line}");
        }
        let mut hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
        hash.0.write(line.as_bytes());
        hash.1 += 1;
    }

    /// Whether somebody reads along.
    pub fn prints(&self) -> bool {
        self.prints
    }

    /// The hash of all lines, and their number.
    pub fn end(&self) -> (u64, u64) {
        let hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
        (hash.0.finish(), hash.1)
    }
}

/// A few bytes that stand for many.
pub fn digest(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
