//! Orders and choices by chance. They hang on the seed and on what is ordered alone: what is left of a history when a
//! part is taken out stays in the same order.

use crate::told::Bytes;

#[derive(Clone, Copy)]
pub struct Chance(pub u64);

impl Chance {
    /// A number below `end`, another for each `why`.
    pub fn below(self, end: usize, why: &str) -> usize {
        (self.number(why.as_bytes()) % end as u64) as usize
    }

    /// The same updates in another order, another for each `why`.
    pub fn shuffled(self, updates: &[Bytes], why: &str) -> Vec<Bytes> {
        let salted = Chance(self.number(why.as_bytes()));
        let mut out = updates.to_vec();
        out.sort_by_cached_key(|update| salted.number(update));
        out
    }

    /// As [`Chance::shuffled`], cut somewhere.
    pub fn parted(self, updates: &[Bytes], why: &str) -> (Vec<Bytes>, Vec<Bytes>) {
        let salted = Chance(self.number(why.as_bytes()));
        let cut = salted.number(b"cut");
        let mut before = self.shuffled(updates, why);
        let after = before.split_off(before.partition_point(|update| salted.number(update) < cut));
        (before, after)
    }

    /// FNV-1a, and the last step of MurmurHash, as FNV mixes the last bytes too little.
    fn number(self, of: &[u8]) -> u64 {
        let seed = self.0.to_le_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for &byte in seed.iter().chain(of) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^ (hash >> 33)
    }
}
