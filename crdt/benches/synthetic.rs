//! Traces of invented people, of the shape of the real ones, for when these are not at hand.

use crate::material::rng::Rng;
use crate::material::traces::{Patch, Turn};

/// Somebody who types, takes back, and goes elsewhere.
struct Author {
    cursor: usize,
    /// Keystrokes until it does something else, and whether these take back.
    left: usize,
    back: bool,
    /// How many it takes back in one go, on average.
    regret: usize,
}

impl Author {
    fn new(regret: usize) -> Self {
        Author {
            cursor: 0,
            left: 20,
            back: false,
            regret,
        }
    }

    /// The next keystroke in a text of `len` characters.
    fn key(&mut self, rng: &mut Rng, len: usize) -> Patch {
        if self.left == 0 {
            self.back = !self.back && rng.chance(2);
            self.left = rng.run(if self.back { self.regret } else { 40 });
            if !self.back {
                // Most stay near, some go anywhere.
                let reach = if rng.chance(10) { len } else { 100 };
                let from = self.cursor.saturating_sub(reach);
                self.cursor = from + rng.below((self.cursor + reach).min(len) - from + 1);
            }
        }
        self.left -= 1;
        self.cursor = self.cursor.min(len);
        if self.back && self.cursor > 0 {
            self.cursor -= 1;
            return Patch(self.cursor as u32, 1, String::new());
        }
        self.cursor += 1;
        Patch(self.cursor as u32 - 1, 0, rng.letter().to_string())
    }
}

/// `keys` keystrokes of one author.
pub fn one_author(seed: u64, keys: usize) -> Vec<Turn> {
    let mut rng = Rng::new(seed);
    let mut author = Author::new(36);
    let mut len = 0;
    (0..keys)
        .map(|_| {
            let patch = author.key(&mut rng, len);
            len = len + patch.2.len() - patch.1 as usize;
            Turn {
                parents: Vec::new(),
                agent: 0,
                patches: vec![patch],
            }
        })
        .collect()
}

/// Two authors who write at once, and hear of one another a few keystrokes late.
pub struct Pair {
    rng: Rng,
    authors: [Author; 2],
    agent: usize,
}

impl Pair {
    pub fn new(seed: u64) -> Self {
        Pair {
            rng: Rng::new(seed),
            authors: [Author::new(8), Author::new(8)],
            agent: 0,
        }
    }

    /// Whose turn it is, and how many of the other's last turns it has not heard of yet.
    pub fn turn(&mut self) -> (usize, usize) {
        if self.rng.chance(5) {
            self.agent = 1 - self.agent;
        }
        (self.agent, self.rng.below(12))
    }

    /// What that author does in a text of `len` characters.
    pub fn key(&mut self, len: usize) -> Patch {
        self.authors[self.agent].key(&mut self.rng, len)
    }
}
