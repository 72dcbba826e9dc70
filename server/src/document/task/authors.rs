//! Who wrote what. Client ids belong to people: whoever writes the first unit under one, and has an account, is its owner for good.

use std::collections::HashMap;

use ropewalk_crdt::{ClientId, Document, Written};

use super::Task;
use crate::access::{Holder, PersonId, Who};
use crate::document::peer::PeerId;
use crate::storage::Wrote;

/// Client ids that somebody introduced themselves with and wrote nothing under yet, and are remembered as theirs: at most so many in a
/// document, as long as it is open.
const INTRODUCED: usize = 4096;

/// Client ids of others that are written down of one update as passed on, at most: of what is under more of them it is written down that
/// nobody knows, where somebody was known to write there.
const PASSED_ON: usize = 1024;

/// Who wrote last under each client id that a person is known of.
#[derive(Debug, Default)]
pub struct Authors {
    last: HashMap<ClientId, Wrote>,
    introduced: usize,
}

impl Authors {
    /// As they are stored. Tells the document whose client ids are.
    pub fn new(stored: Vec<Wrote>, document: &mut Document) -> Self {
        let mut authors = Self::default();
        for wrote in stored {
            authors.add(wrote, document);
        }
        authors
    }

    fn add(&mut self, wrote: Wrote, document: &mut Document) {
        if let Some(person) = wrote.person
            && wrote.clock == 0
            && !wrote.is_relayed
        {
            document.belongs(wrote.client, person.0);
        }
        let last = self.last.entry(wrote.client).or_insert(wrote);
        if last.clock <= wrote.clock {
            *last = wrote;
        }
    }

    /// What has to be stored of who wrote something, if it is not what would be read anyway.
    fn wrote(&mut self, wrote: Wrote, leaves_gap: bool, document: &mut Document) -> Option<Wrote> {
        let same = match self.last.get(&wrote.client) {
            None => wrote.person.is_none(),
            Some(last) => {
                let by = |wrote: &Wrote| (wrote.person, wrote.is_relayed);
                last.clock <= wrote.clock && by(last) == by(&wrote)
            }
        };
        // Somebody else may fill the gap before it.
        let is_new = !same || (leaves_gap && wrote.person.is_some());
        is_new.then(|| {
            self.add(wrote, document);
            wrote
        })
    }
}

/// Who wrote each part of an update that somebody has brought.
fn by(person: Option<PersonId>, written: &[Written]) -> impl Iterator<Item = Wrote> {
    let mut others = 0;
    written.iter().map(move |written| {
        others += usize::from(!written.is_own);
        let person = person.filter(|_| written.is_own || others <= PASSED_ON);
        Wrote {
            client: written.client,
            clock: written.clock,
            person,
            is_relayed: person.is_some() && !written.is_own,
        }
    })
}

impl Task {
    /// The person that somebody is now.
    pub(super) fn person(&self, who: &Who) -> Option<PersonId> {
        let now_ms = self.app.machine.now_ms();
        let rules = self.rules.borrow();
        rules.person(who, now_ms).map(|(id, _)| id)
    }

    /// Whom the connections of somebody count for now.
    pub(super) fn holder(&self, who: &Who) -> Option<Holder> {
        let now_ms = self.app.machine.now_ms();
        self.rules.borrow().holder(who, now_ms)
    }

    /// Finds out who a peer is, and tells the document.
    pub(super) fn know(&mut self, id: PeerId) {
        let Some(who) = self.peers.get(&id).map(|peer| peer.who.clone()) else {
            return;
        };
        let (person, holder) = (self.person(&who), self.holder(&who));
        self.document.speaks_for(id, person.map(|person| person.0));
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.person = person;
            peer.holder = holder;
        }
    }

    /// A peer has introduced itself. A client id that nobody has written under is its person's, also while that is away.
    pub(super) fn claim(&mut self, id: PeerId, client: ClientId) {
        let is_new = self.document.version().vector.get(client) == 0;
        let person = self.peers.get(&id).and_then(|peer| peer.person);
        if let Some(person) = person
            && is_new
            && self.document.owner(client) == Some(id)
            && self.authors.introduced < INTRODUCED
            && self.document.belongs(client, person.0)
        {
            self.authors.introduced += 1;
        }
    }

    /// What has to be stored of who wrote what somebody has brought.
    pub(super) fn written_by(
        &mut self,
        person: Option<PersonId>,
        written: &[Written],
    ) -> Vec<Wrote> {
        let all = by(person, written).zip(written);
        let new = all.filter_map(|(wrote, written)| {
            self.authors
                .wrote(wrote, written.leaves_gap, &mut self.document)
        });
        new.collect()
    }

    /// Clock of what the document will insert itself.
    pub(super) fn own_end(&self) -> u64 {
        let vector = &self.document.version().vector;
        vector.get(self.document.client())
    }

    /// The same for what the document inserts itself for somebody, under its own client id, from this clock on.
    pub(super) fn written_for(&mut self, person: Option<PersonId>, from: u64) -> Vec<Wrote> {
        let Ok(from) = u32::try_from(from) else {
            return Vec::new();
        };
        if u64::from(from) == self.own_end() {
            return Vec::new();
        }
        let wrote = Wrote {
            client: self.document.client(),
            clock: from,
            person,
            is_relayed: false,
        };
        let new = self.authors.wrote(wrote, false, &mut self.document);
        new.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(clock: u32, person: Option<i64>, is_relayed: bool) -> Wrote {
        Wrote {
            client: 9,
            clock,
            person: person.map(PersonId),
            is_relayed,
        }
    }

    #[test]
    fn only_what_changes_is_stored() {
        let mut document = Document::new(1);
        let mut authors = Authors::default();
        for (said, leaves_gap, is_stored) in [
            (wrote(0, None, false), false, false),
            (wrote(1, Some(5), false), false, true),
            (wrote(2, Some(5), false), false, false),
            (wrote(3, Some(5), true), false, true),
            (wrote(4, Some(5), false), false, true),
            (wrote(9, Some(5), false), true, true),
            // Into the gap.
            (wrote(5, Some(5), false), false, true),
            (wrote(6, Some(6), true), false, true),
            (wrote(10, Some(5), false), false, false),
            (wrote(11, None, false), false, true),
            (wrote(12, None, false), false, false),
        ] {
            let stored = authors.wrote(said, leaves_gap, &mut document);
            assert_eq!(stored, is_stored.then_some(said), "{said:?}");
        }
        document.introduce(1, 9);
        assert_eq!(document.owner(9), Some(1), "she did not begin it");
    }

    #[test]
    fn nobody_is_known_of_what_is_under_too_many_ids_of_others() {
        let parts: Vec<Written> = (0..PASSED_ON as u64 + 3)
            .map(|client| Written {
                client,
                clock: 1,
                leaves_gap: false,
                is_own: client == PASSED_ON as u64 + 2,
            })
            .collect();
        let person = Some(PersonId(5));
        let all: Vec<Wrote> = by(person, &parts).collect();
        let (known, rest) = all.split_at(PASSED_ON);
        let is_passed_on = |wrote: &Wrote| wrote.person == person && wrote.is_relayed;
        assert!(known.iter().all(is_passed_on));
        let rest: Vec<_> = rest
            .iter()
            .map(|wrote| (wrote.person, wrote.is_relayed))
            .collect();
        assert_eq!(rest, [(None, false), (None, false), (person, false)]);
    }

    #[test]
    fn who_begins_an_id_owns_it() {
        let mut document = Document::new(1);
        let mut authors = Authors::default();
        authors.wrote(wrote(0, Some(5), true), false, &mut document);
        document.introduce(1, 9);
        assert_eq!(document.owner(9), Some(1), "it was only relayed");
        document.leave(1);
        Authors::new(vec![wrote(0, Some(5), false)], &mut document);
        document.introduce(2, 9);
        assert_eq!(document.owner(9), None);
    }
}
