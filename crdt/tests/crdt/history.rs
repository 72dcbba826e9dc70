//! Honest histories: replicas of yrs that edit concurrently and hear of one another by chance.

mod edits;

use crate::forge::{self, Block, Content, ORIGIN, Parent, Section};
use crate::rng::Rng;
use crate::view;
use std::collections::HashSet;
use yrs::updates::decoder::Decode;
use yrs::{Doc, IdSet, OffsetKind, Options, ReadTxn, StateVector, Transact, Update};

/// What a history is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Letters come and go; always.
    Letters,
    /// Characters of two units, and edits between the two.
    Astral,
    /// Values of every sort in arrays and maps.
    Values,
    /// Texts, arrays, maps and XML within one another, deleted while others edit in them.
    Nested,
    /// Embedded values and types within texts.
    Embeds,
    /// Formats in texts.
    Formats,
    /// Documents within the document.
    Documents,
    /// Bytes, which yrs reads, but only Yjs writes. JSON and hooks of Yjs are nothing that yrs reads.
    Bytes,
}

/// Plain text and nothing else.
pub const LETTERS: &[Kind] = &[Kind::Letters];

/// Everything.
pub const ALL: &[Kind] = &[
    Kind::Letters,
    Kind::Astral,
    Kind::Values,
    Kind::Nested,
    Kind::Embeds,
    Kind::Formats,
    Kind::Documents,
    Kind::Bytes,
];

/// Letters, and each other kind or not.
pub fn kinds(rng: &mut Rng) -> Vec<Kind> {
    let mut kinds = ALL.to_vec();
    kinds.retain(|&kind| kind == Kind::Letters || rng.chance(2));
    kinds
}

pub struct History {
    /// One update per transaction, in an order in which each comes after what it depends on.
    pub updates: Vec<Vec<u8>>,
    /// What each replica knows in the end, as an update.
    pub states: Vec<Vec<u8>>,
    /// The text in the end, by yrs.
    pub text: String,
    /// All that is to be seen in the end, by yrs.
    pub view: String,
    /// The state vector and the deleted units in the end, by yrs: client, start, end.
    pub clocks: Vec<(u64, u64)>,
    pub deletes: Vec<(u64, u32, u32)>,
    pub deleted: u64,
}

/// A document of yrs. `tidy`: it deletes formats that do nothing any more whenever it hears of others.
pub fn replica(client: u64, tidy: bool) -> Doc {
    let mut options = Options::with_client_id(yrs::block::ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    options.cleanup_formatting = tidy;
    Doc::with_options(options)
}

/// What yrs makes of updates.
pub fn peer(updates: &[Vec<u8>]) -> Doc {
    let doc = replica(9_999_999, false);
    let mut txn = doc.transact_mut();
    for update in updates {
        let update = Update::decode_v1(update).unwrap();
        txn.apply_update(update).unwrap();
    }
    drop(txn);
    doc
}

/// What is deleted in a document of yrs: client, start, end.
pub fn deletes(doc: &Doc) -> Vec<(u64, u32, u32)> {
    let snapshot = doc.transact().snapshot();
    let ranges = snapshot.delete_set.iter();
    let ranges = ranges.flat_map(|(client, ranges)| {
        let ranges = ranges.iter();
        ranges.map(|range| (client.get(), range.start, range.end))
    });
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    ranges
}

/// A client id of 1 to 53 bits that nobody has.
fn client(rng: &mut Rng, taken: &mut HashSet<u64>) -> u64 {
    loop {
        let bits = 1 + rng.below(53);
        let id = rng.next() & ((1 << bits) - 1);
        if id != 9_999_999 && taken.insert(id) {
            return id;
        }
    }
}

/// The order of options in a document within the document is chance in yrs.
fn settled(update: Vec<u8>, kinds: &[Kind]) -> Vec<u8> {
    if !kinds.contains(&Kind::Documents) {
        return update;
    }
    let mut update = forge::Update::read(&update);
    let blocks = update
        .sections
        .iter_mut()
        .flat_map(|section| &mut section.blocks);
    for block in blocks {
        if let Content::Doc(_, options) = &mut block.content {
            options.sort();
        }
    }
    update.write()
}

/// An update that deletes and says nothing else.
fn deleting(units: &IdSet) -> Vec<u8> {
    let mut update = forge::Update::default();
    for (client, ranges) in units.iter() {
        let ranges = ranges.iter().map(|range| {
            let len = range.end - range.start;
            (u64::from(range.start), u64::from(len))
        });
        update.deletes.push((client.get(), ranges.collect()));
    }
    update.write()
}

/// `steps` transactions of `replicas` replicas.
pub fn history(rng: &mut Rng, replicas: usize, steps: usize, kinds: &[Kind]) -> History {
    let mut taken = HashSet::new();
    let docs: Vec<Doc> = (0..replicas)
        .map(|_| replica(client(rng, &mut taken), true))
        .collect();
    let mut scribes: Vec<Option<Scribe>> = docs.iter().map(|_| None).collect();
    let mut updates: Vec<Vec<u8>> = Vec::new();
    let mut heard = vec![0; replicas];
    for step in 0..steps {
        let at = rng.below(replicas);
        if rng.chance(3) {
            let until = heard[at] + rng.below(updates.len() - heard[at] + 1);
            let mut txn = docs[at].transact_mut();
            for update in &updates[heard[at]..until] {
                let update = Update::decode_v1(update).unwrap();
                txn.apply_update(update).unwrap();
            }
            heard[at] = until;
            txn.commit();
            // Who tidies up says so.
            let tidied = txn.cleanups().clone();
            if tidied.iter().next().is_some() {
                updates.push(deleting(&tidied));
            }
        }
        if kinds.contains(&Kind::Bytes) && rng.chance(8) {
            let scribe = scribes[at].get_or_insert_with(|| Scribe {
                client: client(rng, &mut taken),
                clock: 0,
            });
            let update = scribe.write(rng);
            let read = Update::decode_v1(&update).unwrap();
            docs[at].transact_mut().apply_update(read).unwrap();
            updates.push(update);
            continue;
        }
        let mut txn = docs[at].transact_mut();
        edits::edit(rng, &mut txn, kinds, step);
        txn.commit();
        updates.push(settled(txn.encode_update_v1(), kinds));
    }
    let states = docs.iter().map(|doc| {
        let state = doc.transact().encode_diff_v1(&StateVector::default());
        settled(state, kinds)
    });
    let last = peer(&updates);
    let deletes = deletes(&last);
    let snapshot = last.transact().snapshot();
    let clocks = snapshot.state_map.iter();
    let mut clocks: Vec<(u64, u64)> = clocks
        .map(|(client, &clock)| (client.get(), u64::from(clock)))
        .collect();
    clocks.sort_unstable();
    History {
        states: states.collect(),
        updates,
        text: view::text(&last, "text"),
        view: view::all(&last),
        clocks,
        deleted: deletes
            .iter()
            .map(|(_, from, to)| u64::from(to - from))
            .sum(),
        deletes,
    }
}

/// A client beside a replica that writes by hand, into a list, and never hears of others.
struct Scribe {
    client: u64,
    clock: u64,
}

impl Scribe {
    fn write(&mut self, rng: &mut Rng) -> Vec<u8> {
        let mut block = Block::new(Content::Binary(vec![7; rng.below(4)]));
        block.parent = Parent::Root("values".to_owned());
        if let Some(last) = self.clock.checked_sub(1) {
            block.flags = ORIGIN;
            block.origin = (self.client, last);
        }
        let mut update = forge::Update::default();
        update.sections.push(Section {
            client: self.client,
            clock: self.clock,
            blocks: vec![block],
        });
        self.clock += 1;
        update.write()
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    for seed in 0..300 {
        let write = || {
            let mut rng = Rng::new(seed);
            let kinds = kinds(&mut rng);
            history(&mut rng, 2 + seed as usize % 4, 30, &kinds)
        };
        let (once, again) = (write(), write());
        assert_eq!(once.updates, again.updates, "seed {seed}");
        assert_eq!(once.states, again.states, "seed {seed}");
        assert_eq!(once.view, again.view, "seed {seed}");
    }
}
