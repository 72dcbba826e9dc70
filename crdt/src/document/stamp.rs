//! Stamps: what tells those who have seen a moment of the document from those who have not.

use super::Document;
use crate::update::{Kind, Update};
use crate::wire::write_var;
use crate::{ClientId, Error, Limits};

impl Document {
    /// The client id under which [`Document::edit`] and [`Document::stamp`] write.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// Inserts a unit that has no place and no content, and returns the update that says so. Nobody sees it, but whoever
    /// takes in this update or a later state has this document's client id in the version vector. O(1).
    pub fn stamp(&mut self) -> Result<Vec<u8>, Error> {
        let clock = self.version.vector.get(self.client);
        let mut update = vec![1, 1];
        write_var(&mut update, self.client);
        write_var(&mut update, clock);
        update.extend([Kind::Gc as u8, 1]);
        // A unit without content is a deleted one.
        update.push(1);
        write_var(&mut update, self.client);
        update.push(1);
        write_var(&mut update, clock);
        update.push(1);
        // However large the document is.
        let limits = std::mem::replace(&mut self.limits, Limits::NONE);
        let applied = self.apply(&update);
        self.limits = limits;
        applied.map(|_| update)
    }

    /// Whether everything that an update says is in the document already. What only waits is not. O(n log n).
    pub fn knows(&self, update: &[u8]) -> Result<bool, Error> {
        let update = Update::decode(update, &Limits::NONE)?;
        let inserted = update
            .sections()
            .iter()
            .all(|section| section.end <= self.store.end(section.client));
        Ok(inserted
            && update.deleted().iter().all(|&(client, start, end)| {
                let mut all = true;
                self.store
                    .deleted()
                    .gaps(client, start, end, |_, _| all = false);
                all
            }))
    }
}
