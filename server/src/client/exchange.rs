//! Two that edit one text, and only one of them transforms: this end.
//!
//! Each edit of the editor says how many of ours it had made before. Each of ours says how many of its we had made, and the
//! editor leaves it out when it has made another one since. So what we know is the text at its last edit, and what we
//! have sent since is made past each edit that comes, and sent again.

use std::collections::VecDeque;

use ropewalk_crdt::Edit;
use ropey::Rope;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::delta::Delta;
use super::lines::{Range, offset, position};

/// Of what was sent and may not have been made yet, so much is remembered: edits, and bytes. Whoever is further behind than
/// that has not been reading for long.
const MAX_SENT: usize = 100_000;
const MAX_SENT_BYTES: usize = 64 << 20;

/// One change as the editor says it, and hears it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) range: Range,
    pub(super) replacement: String,
}

/// An edit for the editor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// How many of its edits were made before.
    pub(super) revision: u64,
    pub(super) delta: Vec<Change>,
}

/// Why an edit of the editor cannot be made. Its text is not known any more.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Misfit {
    #[error("revision {0} is not one that this editor can have")]
    Revision(u64),
    #[error("the edit is for a place that is not in the text")]
    Place,
    #[error("the edit has parts that overlap")]
    Overlap,
}

/// See the module.
pub(super) struct Exchange {
    /// The text that the editor had at its last edit.
    text: Rope,
    /// Edits of the editor that were made here.
    theirs: u64,
    /// Edits of ours that the editor had made at its last edit.
    made: u64,
    /// Those sent since.
    sent: VecDeque<Delta>,
    sent_bytes: usize,
    /// The text when it has made these.
    goal: Rope,
}

impl Exchange {
    pub(super) fn new(text: Rope) -> Self {
        Self {
            goal: text.clone(),
            text,
            theirs: 0,
            made: 0,
            sent: VecDeque::new(),
            sent_bytes: 0,
        }
    }

    /// The text that the editor has, or will have.
    pub(super) fn goal(&self) -> &Rope {
        &self.goal
    }

    /// Changes the goal; what the editor has to be told.
    pub(super) fn tell(&mut self, delta: Delta) -> Option<Told> {
        if delta.is_empty() {
            return None;
        }
        let told = Told {
            revision: self.theirs,
            delta: changes(&self.goal, &delta),
        };
        delta.apply(&mut self.goal);
        self.sent_bytes += delta.weight();
        self.sent.push_back(delta);
        while self.sent.len() > MAX_SENT || self.sent_bytes > MAX_SENT_BYTES && self.sent.len() > 1
        {
            self.make();
        }
        Some(told)
    }

    /// An edit of the editor: what it changes in the goal, and what the editor has to be told once more.
    pub(super) fn hear(
        &mut self,
        revision: u64,
        delta: Vec<Change>,
    ) -> Result<(Delta, Option<Told>), Misfit> {
        let newly = revision
            .checked_sub(self.made)
            .filter(|&newly| newly <= self.sent.len() as u64)
            .ok_or(Misfit::Revision(revision))?;
        for _ in 0..newly {
            self.make();
        }
        let edit = edits(&self.text, delta)?;
        let sent = self.sent.drain(..);
        let sent = sent.reduce(|all, next| all.then(&next)).unwrap_or_default();
        self.sent_bytes = 0;
        let (again, late) = sent.past(&edit);
        edit.apply(&mut self.text);
        self.theirs += 1;
        self.goal = self.text.clone();
        let told = self.tell(again);
        Ok((late, told))
    }

    /// The editor has made the oldest of what was sent.
    fn make(&mut self) {
        if let Some(delta) = self.sent.pop_front() {
            self.sent_bytes -= delta.weight();
            delta.apply(&mut self.text);
            self.made += 1;
        }
    }
}

/// As the editor says it.
fn changes(text: &Rope, delta: &Delta) -> Vec<Change> {
    let length = text.len_chars() as u64;
    let is_whole = length > 0 && text.char(text.len_chars() - 1) == '\n';
    let changes = delta.edits().into_iter().map(|mut edit| {
        // To Vim the line break at the end is no place of its own: whatever comes behind it takes it along, or Vim
        // would think that there is still one at the end.
        if is_whole && edit.from == length && !edit.insert.ends_with('\n') {
            edit.from -= 1;
            edit.insert.insert(0, '\n');
        }
        Change {
            range: Range {
                start: position(text, edit.from),
                end: position(text, edit.to),
            },
            replacement: edit.insert,
        }
    });
    changes.collect()
}

fn edits(text: &Rope, delta: Vec<Change>) -> Result<Delta, Misfit> {
    let mut edits = Vec::with_capacity(delta.len());
    for change in delta {
        let from = offset(text, change.range.start).ok_or(Misfit::Place)?;
        let to = offset(text, change.range.end).ok_or(Misfit::Place)?;
        if to < from {
            return Err(Misfit::Place);
        }
        edits.push(Edit {
            from,
            to,
            insert: change.replacement,
        });
    }
    edits.sort_by_key(|edit| (edit.from, edit.to));
    if edits.windows(2).any(|pair| pair[1].from < pair[0].to) {
        return Err(Misfit::Overlap);
    }
    Ok(Delta::of(&edits))
}

#[cfg(test)]
mod tests;
