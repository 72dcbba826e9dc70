//! Two clients of yrs that write at once, each knowing exactly what its author knew.

use crate::material::synthetic::Pair;
use crate::material::traces::{Patch, Turn};
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, OffsetKind, Options, Text, TextRef, Transact, Update};

struct Replica {
    doc: Doc,
    text: TextRef,
    /// Turns that it knows.
    known: Vec<bool>,
}

impl Replica {
    fn new(client: u64) -> Self {
        let mut options = Options::with_client_id(yrs::block::ClientID::new(client));
        options.offset_kind = OffsetKind::Utf16;
        let doc = Doc::with_options(options);
        let text = doc.get_or_insert_text(ropewalk_crdt::ROOT);
        Replica {
            doc,
            text,
            known: Vec::new(),
        }
    }

    /// Takes in the turns `from` and all that they build on.
    fn hear(&mut self, from: &[usize], updates: &[Vec<u8>], parents: &[Vec<usize>]) {
        self.known.resize(updates.len(), false);
        let mut new = Vec::new();
        let mut open = from.to_vec();
        while let Some(turn) = open.pop() {
            if !std::mem::replace(&mut self.known[turn], true) {
                new.push(turn);
                open.extend_from_slice(&parents[turn]);
            }
        }
        new.sort_unstable();
        let mut txn = self.doc.transact_mut();
        for turn in new {
            let update = Update::decode_v1(&updates[turn]).unwrap();
            txn.apply_update(update).unwrap();
        }
    }

    fn write(&mut self, patches: &[Patch]) -> Vec<u8> {
        let mut txn = self.doc.transact_mut();
        for Patch(at, remove, insert) in patches {
            if *remove > 0 {
                self.text.remove_range(&mut txn, *at, *remove);
            }
            if !insert.is_empty() {
                self.text.insert(&mut txn, *at, insert);
            }
        }
        txn.commit();
        self.known.push(true);
        txn.encode_update_v1()
    }

    fn len(&self) -> usize {
        self.text.len(&self.doc.transact()) as usize
    }

    fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }
}

fn pair() -> [Replica; 2] {
    [Replica::new(1), Replica::new(2)]
}

/// One update for each turn, and the text in the end.
pub fn replay(turns: &[Turn]) -> (Vec<Vec<u8>>, String) {
    let parents: Vec<Vec<usize>> = turns.iter().map(|turn| turn.parents.clone()).collect();
    let mut replicas = pair();
    let mut updates = Vec::with_capacity(turns.len());
    for turn in turns {
        let replica = &mut replicas[turn.agent];
        replica.hear(&turn.parents, &updates, &parents);
        updates.push(replica.write(&turn.patches));
    }
    let [mut last, _] = replicas;
    let all: Vec<usize> = (0..turns.len()).collect();
    last.hear(&all, &updates, &parents);
    (updates, last.text())
}

/// As [`replay`], of `turns` turns that `pair` invents on the way.
pub fn invent(mut authors: Pair, turns: usize) -> (Vec<Vec<u8>>, String) {
    let mut replicas = pair();
    let mut updates = Vec::with_capacity(turns);
    let mut parents: Vec<Vec<usize>> = Vec::with_capacity(turns);
    let mut by: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    for turn in 0..turns {
        let (agent, late) = authors.turn();
        let other = by[1 - agent].iter().rev().nth(late);
        let heard: Vec<usize> = by[agent].last().into_iter().chain(other).copied().collect();
        let replica = &mut replicas[agent];
        replica.hear(&heard, &updates, &parents);
        let patch = authors.key(replica.len());
        updates.push(replica.write(&[patch]));
        parents.push(heard);
        by[agent].push(turn);
    }
    let [mut last, _] = replicas;
    let all: Vec<usize> = (0..turns).collect();
    last.hear(&all, &updates, &parents);
    (updates, last.text())
}
