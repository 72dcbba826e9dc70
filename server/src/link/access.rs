//! Whether a document may be edited: the server says it, or refuses what is sent.

use ropewalk_crdt::protocol;

use super::{Event, Link, Open, State};

/// How a frame begins that says, by y-protocols, that what was sent may not be written.
const DENIED: &[u8] = &[2, 0];
/// The type of a frame that answers a marker: not all before it was taken in.
const REFUSED: u8 = 105;

impl Open {
    /// Whether this is the marker that is on its way.
    pub(super) fn is_marked(&self, marker: &[u8]) -> bool {
        self.marked
            .is_some_and(|marked| marker == marked.to_le_bytes())
    }
}

impl Link {
    /// Asks to be told when all that was sent is on disk, and once whether it may be edited; one question at a time.
    pub(super) fn mark(&mut self) {
        if let State::Open(open) = &mut self.state
            && open.told
            && open.behind.is_none()
            && open.marked.is_none()
            && match open.may_edit {
                None => true,
                Some(may_edit) => may_edit && self.saved < self.edits,
            }
        {
            open.marked = Some(self.edits);
            open.line.send(protocol::saved(&self.edits.to_le_bytes()));
        }
    }

    /// The server has said whether it may be edited.
    pub(super) fn access(&mut self, may_edit: bool) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        open.may_edit = Some(may_edit);
        if may_edit {
            open.is_refused = false;
            // Its answer may have been left out.
            open.marked = None;
        }
        if std::mem::replace(&mut self.may_edit, may_edit) != may_edit {
            self.events.push_back(Event::Access(may_edit));
        }
    }

    /// The server has not taken in what was sent, or will not.
    pub(super) fn refused(&mut self) {
        if let State::Open(open) = &mut self.state
            && !std::mem::replace(&mut open.is_refused, true)
        {
            self.events.push_back(Event::Refused);
        }
    }

    /// Takes in a frame, if it says whether the document may be edited. Whether it does.
    pub(super) fn hear_access(&mut self, frame: &[u8]) -> bool {
        let State::Open(open) = &mut self.state else {
            return false;
        };
        if let Some(may_edit) = protocol::read_access(frame) {
            // Said once more when something is not taken in; the marker behind that is not answered.
            let is_again = open.may_edit == Some(false) && !may_edit;
            self.access(may_edit);
            if is_again {
                self.refused();
            }
            return true;
        }
        if frame.starts_with(DENIED) {
            // Something was not taken in, before the first marker.
            self.access(false);
            self.refused();
            return true;
        }
        if frame.first() == Some(&REFUSED) {
            let marker = protocol::read_marker(frame);
            if marker.is_some_and(|marker| open.is_marked(marker)) {
                open.marked = None;
                // If it may be edited by now, what was refused is asked for again.
                if open.may_edit != Some(true) {
                    self.access(false);
                    self.refused();
                }
                self.mark();
            }
            return true;
        }
        false
    }
}
