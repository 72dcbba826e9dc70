//! Which frames the updates of a batch become, and for whom.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use ropewalk_crdt::{merge, protocol};

use super::saving::{Accepted, Answer};
use crate::document::peer::{Peer, PeerId};

/// Sends what was applied to every peer but its sender, who gets it when it is durable.
///
/// All readers share one frame that holds the whole batch; each writer gets one without its own updates.
pub fn broadcast(peers: &BTreeMap<PeerId, Peer>, accepted: &[Accepted]) {
    let writers: HashSet<PeerId> = accepted
        .iter()
        .filter_map(|accepted| accepted.from)
        .collect();
    let mut shared = None;
    for (id, peer) in peers {
        if !peer.follows() || !peer.wire.updates {
            continue;
        }
        if writers.contains(id) {
            let others = accepted
                .iter()
                .filter(|accepted| accepted.from != Some(*id));
            let others: Vec<&Bytes> = others.filter_map(|other| other.news.as_ref()).collect();
            frames(&others).iter().for_each(|frame| peer.send(frame));
        } else {
            let all = shared.get_or_insert_with(|| {
                let all: Vec<&Bytes> = accepted
                    .iter()
                    .filter_map(|one| one.news.as_ref())
                    .collect();
                frames(&all)
            });
            all.iter().for_each(|frame| peer.send(frame));
        }
    }
}

/// One update frame for all updates if they join without gaps, otherwise one for each.
fn frames(updates: &[&Bytes]) -> Vec<Bytes> {
    match updates {
        [] => Vec::new(),
        [one] => vec![protocol::update(one).into()],
        several => {
            let slices: Vec<&[u8]> = several.iter().map(|update| update.as_ref()).collect();
            match merge(&slices) {
                Some(merged) => vec![protocol::update(&merged).into()],
                None => slices
                    .iter()
                    .map(|update| protocol::update(update).into())
                    .collect(),
            }
        }
    }
}

/// Joins the echoes of each peer that became durable together. A peer's markers stay behind its echoes.
pub fn merge_echoes(answers: Vec<Answer>) -> Vec<Answer> {
    let mut merged = Vec::with_capacity(answers.len());
    let mut echoes: BTreeMap<PeerId, (Vec<Bytes>, bool)> = BTreeMap::new();
    for answer in answers {
        match answer {
            Answer::Echo { peer, update, woke } => {
                let (updates, any_woke) = echoes.entry(peer).or_default();
                updates.push(update);
                *any_woke |= woke;
            }
            Answer::Saved(peer, _) => {
                let before = echoes.remove(&peer).unwrap_or_default();
                merged.extend(joined(peer, before));
                merged.push(answer);
            }
            other => merged.push(other),
        }
    }
    for (peer, echo) in echoes {
        merged.extend(joined(peer, echo));
    }
    merged
}

fn joined(peer: PeerId, (updates, woke): (Vec<Bytes>, bool)) -> Vec<Answer> {
    let echo = |update| Answer::Echo { peer, update, woke };
    if updates.len() > 1 {
        let slices: Vec<&[u8]> = updates.iter().map(|update| update.as_ref()).collect();
        if let Some(update) = merge(&slices) {
            return vec![echo(update.into())];
        }
    }
    updates.into_iter().map(echo).collect()
}
