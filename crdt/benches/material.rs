//! What is measured with: three documents, each recorded once per process as the updates that its
//! writers have sent; and the two engines.
#![allow(dead_code)] // Each bench uses its part of it.

pub mod replicas;
pub mod rivals;
pub mod rng;
pub mod sequence;
pub mod synthetic;
pub mod table;
pub mod traces;
pub mod wire;

use rng::Rng;
use sequence::Sequence;
use std::sync::OnceLock;
use traces::Patch;

/// How a document came to be.
pub struct Recording {
    /// For the table.
    pub name: String,
    /// One update per edit, each after what it builds on.
    pub updates: Vec<Vec<u8>>,
    /// The same edits by position. Empty when there were authors who wrote at once.
    pub patches: Vec<Patch>,
    /// The text in the end, by whoever recorded it.
    pub text: String,
}

/// The same bytes, allocated one behind the other: a frame that has just come is in the cache, and not where in the heap
/// its recorder happened to leave it.
fn in_a_row(updates: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    updates.iter().map(|update| update.to_vec()).collect()
}

/// One author: a paper, written key by key.
pub fn one_author() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let (name, turns) = match traces::read("automerge-paper") {
            Some(turns) => ("automerge-paper", turns),
            None => ("one author", synthetic::one_author(1, 260_000)),
        };
        let patches: Vec<Patch> = turns.into_iter().flat_map(|turn| turn.patches).collect();
        let mut sequence = Sequence::default();
        let mut updates = Vec::with_capacity(patches.len());
        for Patch(at, remove, insert) in &patches {
            if *remove > 0 {
                updates.push(sequence.remove(*at as usize, *remove as usize));
            }
            if !insert.is_empty() {
                updates.push(sequence.insert(1, *at as usize, insert));
            }
        }
        Recording {
            name: name.into(),
            updates: in_a_row(updates),
            patches,
            text: sequence.text(),
        }
    })
}

/// Two authors who write at once.
pub fn two_authors() -> &'static Recording {
    static RECORDING: OnceLock<Recording> = OnceLock::new();
    RECORDING.get_or_init(|| {
        let (name, (updates, text)) = match traces::read("friendsforever") {
            Some(turns) => ("friendsforever", replicas::replay(&turns)),
            None => {
                let pair = synthetic::Pair::new(2);
                ("two authors", replicas::invent(pair, 26_000))
            }
        };
        Recording {
            name: name.into(),
            updates: in_a_row(updates),
            patches: Vec::new(),
            text,
        }
    })
}

/// How large a crowd's document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 10,000 blocks.
    Small,
    /// 109,000 blocks.
    Large,
}

/// Twenty authors who write at random places, each knowing all but what the others do just now.
pub fn crowd(size: Size) -> &'static Recording {
    static RECORDINGS: [OnceLock<Recording>; 2] = [OnceLock::new(), OnceLock::new()];
    let (at, edits, name) = match size {
        Size::Small => (0, 7_520, "10k random blocks"),
        Size::Large => (1, 82_200, "109k random blocks"),
    };
    RECORDINGS[at].get_or_init(|| {
        let mut sequence = Sequence::default();
        Recording {
            name: name.into(),
            updates: in_a_row(scatter(&mut sequence, edits)),
            patches: Vec::new(),
            text: sequence.text(),
        }
    })
}

/// Rounds of one edit by each of twenty authors, who all write on top of the round before. Their
/// places are apart, so that going from the last to the first none moves another.
fn scatter(sequence: &mut Sequence, edits: usize) -> Vec<Vec<u8>> {
    const APART: usize = 8;
    let mut rng = Rng::new(3);
    let mut updates = Vec::with_capacity(edits + 20);
    while updates.len() < edits {
        let mut places: Vec<(usize, u32)> = (1..=20)
            .map(|client| (rng.below(sequence.len() + 1), client))
            .collect();
        places.sort_unstable();
        places.dedup_by(|next, last| next.0 < last.0 + APART);
        let mut round = Vec::with_capacity(places.len());
        for (at, client) in places.into_iter().rev() {
            let count = 1 + rng.below(5);
            if rng.chance(5) && at + count <= sequence.len() {
                round.push(sequence.remove(at, count));
            } else {
                let text: String = (0..count).map(|_| rng.letter()).collect();
                round.push(sequence.insert(client, at, &text));
            }
        }
        rng.shuffle(&mut round);
        updates.append(&mut round);
    }
    updates
}
