//! A small generator of numbers: the same seed gives the same documents on every machine.

pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        rng.next();
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            _ => (self.next() % end as u64) as usize,
        }
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// A length of at least 1: most are short, few are long, `mean` on average.
    pub fn run(&mut self, mean: usize) -> usize {
        let unit = (self.below(1 << 20) + 1) as f64 / (1 << 20) as f64;
        1 + (-unit.ln() * (mean - 1) as f64) as usize
    }

    pub fn letter(&mut self) -> char {
        const LETTERS: &[u8] = b"eeeetttaaooiinnsshhrrdllucmfwypvbgk     \n";
        LETTERS[self.below(LETTERS.len())] as char
    }

    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for at in (1..of.len()).rev() {
            of.swap(at, self.below(at + 1));
        }
    }
}
