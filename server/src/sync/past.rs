//! What a file has lately been. An editor that has not read it again saves what it has made of an older state: that is no wish to
//! take back what others have written meanwhile.

use std::time::Instant;

use ropewalk_crdt::Edit;

use super::diff;

/// States that are remembered at most.
const STATES: usize = 32;
/// Bytes in all of them.
const BYTES: usize = 8 << 20;

#[derive(Debug)]
struct State {
    at: Instant,
    /// The document then, as `Document::save` writes it.
    mirror: Vec<u8>,
    text: String,
}

/// The states before others changed it. See the module.
#[derive(Debug, Default)]
pub struct Past {
    states: Vec<State>,
    /// What was saved last without what others had written.
    late: Option<String>,
}

impl Past {
    /// The file had this text, which is that of the saved document.
    pub fn add(&mut self, mirror: Vec<u8>, text: String) {
        let at = Instant::now();
        self.states.push(State { at, mirror, text });
        let size = |state: &State| state.mirror.len() + state.text.len();
        let bytes = |states: &[State]| states.iter().map(size).sum::<usize>();
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

    /// Whether this was saved just so before, without what others had written.
    pub fn is_meant(&self, text: &str) -> bool {
        self.late.as_deref() == Some(text)
    }

    /// The state that a text was made of, if it is nearer to that than to what the file had last, and how. It is another one itself then, of
    /// an editor that still has not read the file; but whoever saves the same again means it.
    pub fn base(&mut self, now: &[Edit], text: &str) -> Option<(Vec<u8>, Vec<Edit>)> {
        if self.is_meant(text) {
            (self.late, self.states) = (None, Vec::new());
            return None;
        }
        let mut nearest = size(now);
        let mut found = None;
        for (at, state) in self.states.iter().enumerate().rev() {
            if state.text.len().abs_diff(text.len()) >= nearest {
                // No edits are smaller than that.
                continue;
            }
            let edits = diff::edits(&state.text, text);
            if size(&edits) < nearest {
                nearest = size(&edits);
                found = Some((at, edits));
            }
        }
        let (at, edits) = found?;
        let state = self.states.swap_remove(at);
        self.states.clear();
        self.late = Some(text.to_owned());
        Some((state.mirror, edits))
    }
}

/// Bytes that are deleted and inserted.
fn size(edits: &[Edit]) -> usize {
    let one = |edit: &Edit| (edit.to - edit.from) as usize + edit.insert.len();
    edits.iter().map(one).sum()
}
