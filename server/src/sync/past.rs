//! What a file has lately been. An editor that has not read it again saves what it has made of an older state: that is no wish to
//! take back what others have written meanwhile.

use std::time::Instant;

use ropewalk_crdt::{Edit, Revision};

use super::diff;

/// States that are remembered at most.
const STATES: usize = 32;
/// Bytes in all of them.
const BYTES: usize = 4 << 20;

#[derive(Debug)]
struct State {
    at: Instant,
    revision: Revision,
    text: String,
}

/// The states before others changed it. See the module.
#[derive(Debug, Default)]
pub struct Past {
    states: Vec<State>,
}

impl Past {
    /// The file had this text, which is that of the document at this revision.
    pub fn add(&mut self, revision: Revision, text: String) {
        let at = Instant::now();
        self.states.push(State { at, revision, text });
        let bytes = |states: &[State]| states.iter().map(|state| state.text.len()).sum::<usize>();
        while self.states.len() > STATES || bytes(&self.states) > BYTES {
            // Those stay that are far apart.
            let gaps = self
                .states
                .windows(3)
                .map(|three| three[2].at - three[0].at);
            let closest = gaps.enumerate().min_by_key(|&(_, gap)| gap);
            self.states.remove(closest.map_or(0, |(at, _)| at + 1));
        }
    }

    /// The state that a text was made of, if it is nearer to that than to what the file had last, and how. All states are forgotten then:
    /// whoever does the same again means it.
    pub fn base(&mut self, now: &[Edit], text: &str) -> Option<(Revision, Vec<Edit>)> {
        let mut nearest = size(now);
        let mut found = None;
        for state in self.states.iter().rev() {
            let edits = diff::edits(&state.text, text);
            if size(&edits) < nearest {
                nearest = size(&edits);
                found = Some((state.revision, edits));
            }
        }
        if found.is_some() {
            self.states.clear();
        }
        found
    }
}

/// Bytes that are deleted and inserted.
fn size(edits: &[Edit]) -> usize {
    let one = |edit: &Edit| (edit.to - edit.from) as usize + edit.insert.len();
    edits.iter().map(one).sum()
}
