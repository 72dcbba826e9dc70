//! The way of an update into a document: taken in, deleted, passed on, or taken back.

use super::{Applied, Document, Integrated, Weight};
use crate::held::Piece;
use crate::intake::{self, Outcome, Trust};
use crate::owners::Speaker;
use crate::store::Range;
use crate::update::{Update, limit, merge};
use crate::{ClientId, DeleteSet, Error, Limits};

/// Bytes that are encoded in the time of one step.
const STEP_BYTES: u64 = 64;

/// A checked update on its way in.
#[derive(Clone, Copy)]
pub(super) struct Offer<'o, 'u> {
    pub(super) update: &'o Update<'u>,
    /// How long it was.
    pub(super) bytes: u64,
    pub(super) trust: Trust,
    pub(super) speaker: Speaker,
    /// What waits for units of these clients is looked at as well.
    pub(super) moved: &'o [ClientId],
}

impl Document {
    /// Takes in an update, and what waits for it.
    pub(super) fn admit(&mut self, offer: Offer<'_, '_>) -> Result<Applied, Error> {
        let mut outcome = Outcome {
            lets_wait: offer.trust == Trust::Logged,
            ..Outcome::default()
        };
        let taken = self.try_admit(offer, &mut outcome);
        if taken.is_ok() || outcome.woken.is_empty() {
            return taken;
        }
        // It may be the fault of what has waited for it: without that, then.
        let mut outcome = Outcome {
            lets_wait: true,
            ..Outcome::default()
        };
        let first = self.try_admit(offer, &mut outcome)?;
        let mut clients = offer.moved.to_vec();
        let sections = offer.update.sections().iter();
        clients.extend(sections.map(|section| section.client));
        let second = self.wake(&clients);
        if offer.speaker != Speaker::Trusted {
            for piece in self.held.ready(self.client, 0, u32::MAX) {
                self.held.remove(&piece);
            }
        }
        Ok(self.both(first, second))
    }

    /// Takes in what waits for units of these clients that are known by now. What cannot be true is left out; what
    /// finds no room waits on.
    pub(super) fn wake(&mut self, clients: &[ClientId]) -> Applied {
        let nothing = Update::empty();
        let offer = Offer {
            update: &nothing,
            bytes: 0,
            trust: Trust::Held,
            speaker: Speaker::Trusted,
            moved: clients,
        };
        let mut outcome = Outcome::default();
        if let Ok(applied) = self.try_admit(offer, &mut outcome) {
            return applied;
        }
        // One by one, then.
        let mut all = Applied {
            changed: false,
            held: false,
            integrated: Integrated::Nothing,
            woke: false,
            waiting: Vec::new(),
            written: Vec::new(),
        };
        for piece in outcome.woken {
            let bytes = piece.update();
            let Ok(update) = Update::decode(&bytes, &Limits::NONE) else {
                continue;
            };
            self.held.remove(&piece);
            let mut outcome = Outcome {
                lets_wait: true,
                ..Outcome::default()
            };
            let offer = Offer {
                update: &update,
                moved: &[],
                ..offer
            };
            match self.try_admit(offer, &mut outcome) {
                Ok(applied) => all = self.both(all, applied),
                Err(_) => self.held.insert(piece),
            }
        }
        all
    }

    fn both(&mut self, first: Applied, second: Applied) -> Applied {
        let parts: Vec<&[u8]> = [&first, &second]
            .into_iter()
            .filter_map(|applied| applied.integrated.bytes(&[]))
            .collect();
        let integrated = match parts[..] {
            [] => Integrated::Nothing,
            [part] => Integrated::Part(part.to_vec()),
            _ => Integrated::Part(merge(&parts).unwrap_or_else(|| self.encode().to_vec())),
        };
        Applied {
            changed: first.changed || second.changed,
            held: first.held,
            integrated,
            woke: first.woke || second.changed,
            waiting: first.waiting,
            written: Vec::new(),
        }
    }

    fn try_admit(&mut self, offer: Offer<'_, '_>, outcome: &mut Outcome) -> Result<Applied, Error> {
        let (update, moved) = (offer.update, offer.moved);
        let taken = self.take_in(offer, outcome);
        self.foreign_steps += outcome.foreign_steps;
        taken.inspect_err(|_| self.store.roll_back())?;
        let freed = self.freed_deletes(moved);
        let mut news = Vec::new();
        let new = self.store.delete(update.deleted(), &mut news);
        let as_it_came = !outcome.known
            && !update.is_odd()
            && !outcome.waits
            && !outcome.lets_wait
            && outcome.woken.is_empty()
            && outcome.deletes.is_empty()
            && freed.is_empty()
            && !self.store.altered()
            && new == update.deleted_units();
        if !freed.is_empty() {
            self.store.delete(&freed, &mut news);
        }
        let changed = !self.store.touched().is_empty() || !news.is_empty();
        let end = |client| self.store.end(client);
        let mut deletes = update.deleted().iter();
        let mut waiting: Vec<Vec<u8>> = outcome.hold.iter().map(Piece::update).collect();
        if !outcome.deletes.is_empty() {
            waiting.push(outcome.deletes.update());
        }
        let applied = Applied {
            changed: changed || !outcome.hold.is_empty() || !outcome.deletes.is_empty(),
            held: outcome.waits || deletes.any(|&(client, _, until)| until > end(client)),
            integrated: match (changed, as_it_came) {
                (false, _) => Integrated::Nothing,
                (true, true) => Integrated::All,
                (true, false) => Integrated::Part(self.part(&news)),
            },
            woke: !outcome.woken.is_empty() || !freed.is_empty() || self.store.altered(),
            waiting,
            written: Vec::new(),
        };
        if changed {
            self.moved(&news);
        }
        self.weight.since += offer.bytes;
        if !outcome.is_quiet() || !self.held.deletes.is_empty() {
            self.settle(outcome, moved, offer.speaker);
        }
        self.store.begin();
        Ok(applied)
    }

    /// The structs of an update, as far as they may be; what of its deletes has to wait.
    fn take_in(&mut self, offer: Offer<'_, '_>, outcome: &mut Outcome) -> Result<(), Error> {
        let (update, trust) = (offer.update, offer.trust);
        let (store, held) = (&mut self.store, &self.held);
        intake::take_in(
            update,
            trust,
            offer.moved,
            store,
            held,
            &self.limits,
            outcome,
        )?;
        let is_trusted = offer.speaker == Speaker::Trusted;
        // Nobody else can have seen what this document is yet to write.
        let mut hold = outcome.hold.iter();
        if !is_trusted && hold.any(|piece| piece.missing.client == self.client) {
            let client = self.client;
            return Err(Error::Foreign { client });
        }
        // What a person is yet to write is not theirs to pass on who have not seen what comes before: it would take its place.
        let ahead = outcome.hold.iter();
        let mut ahead = ahead.filter(|piece| piece.missing.client == piece.client);
        if let Some(piece) =
            ahead.find(|piece| self.owners.is_of_another(piece.client, offer.speaker))
        {
            let client = piece.client;
            return Err(Error::Foreign { client });
        }
        for &(client, start, end) in update.deleted() {
            let known = self.store.end(client);
            if end <= known {
                continue;
            }
            let is_own = client == self.client && !is_trusted;
            if is_own || self.owners.is_foreign(client, offer.speaker) {
                // Nobody deletes what another is yet to write. If it is honest, whoever says it has seen that: it comes
                // again with the rest.
                outcome.known = true;
                continue;
            }
            let deletes = &mut outcome.deletes;
            let start = start.max(known);
            self.held.deletes.gaps(client, start, end, |start, end| {
                deletes.insert(client, start, end);
            });
        }
        if !outcome.hold.is_empty() || !outcome.deletes.is_empty() {
            let size = outcome.hold.iter().map(Piece::size).sum();
            let ranges = outcome.deletes.ranges();
            let pieces = outcome.hold.len();
            self.held.room(pieces, size, ranges, &self.limits)?;
            let mut hold = outcome.hold.iter();
            if trust != Trust::Logged && hold.any(|piece| self.held.contradicts(piece)) {
                return Err(Error::HeldFull {
                    pieces,
                    bytes: size,
                });
            }
        }
        if !self.store.touched().is_empty() {
            limit("units in the document", self.store.live(), self.limits.text)?;
            self.weigh(offer.bytes, offer.bytes)?;
        }
        Ok(())
    }

    /// Held deletes of units that are known by now.
    fn freed_deletes(&self, moved: &[ClientId]) -> Vec<(ClientId, u32, u32)> {
        let mut freed = Vec::new();
        if !self.held.deletes.is_empty() {
            let touched = self.store.touched().iter();
            let touched = touched.map(|&(number, _)| self.store.id_of(number));
            for client in touched.chain(moved.iter().copied()) {
                let below = self.held.deletes.below(client, self.store.end(client));
                freed.extend(below.map(|(start, end)| (client, start, end)));
            }
        }
        freed
    }

    /// What is new since the store began, with these deletes.
    pub(super) fn part(&self, news: &[Range]) -> Vec<u8> {
        let mut deletes = DeleteSet::new();
        for &(number, start, end) in news {
            deletes.insert(self.store.id_of(number), start, end);
        }
        self.store
            .encode_parts(self.store.touched().to_vec(), &deletes)
    }

    /// Refuses when `bytes` more would make the encoded state too long. `taken`: so many of these are in it already.
    pub(super) fn weigh(&mut self, bytes: u64, taken: u64) -> Result<(), Error> {
        let most = self.limits.state_bytes;
        let weight = &mut self.weight;
        if weight.measured + weight.since + bytes > most {
            // Something has come or gone since it was measured.
            if weight.since > most / 16 || weight.deleted != self.version.deleted {
                let all = self.store.encode(|_| 0, self.store.deleted()).len() as u64;
                // Work like any other: whoever makes it is to answer for it.
                self.encoding_steps += all / STEP_BYTES;
                *weight = Weight {
                    measured: all.saturating_sub(taken),
                    since: 0,
                    deleted: self.version.deleted,
                };
            }
            limit("bytes in the document", weight.measured + bytes, most)?;
        }
        Ok(())
    }

    /// The store has changed, and has these new deletes.
    pub(super) fn moved(&mut self, deletes: &[Range]) {
        let inserted = |&(number, from)| u64::from(self.store.end_of(number) - from);
        let inserted: u64 = self.store.touched().iter().map(inserted).sum();
        let before = (self.store.units() - inserted, self.version.deleted);
        self.changes.push(before, self.store.splices(), deletes);
        for &(number, _) in self.store.touched() {
            let end = u64::from(self.store.end_of(number));
            self.version.vector.advance(self.store.id_of(number), end);
        }
        self.version.deleted = self.store.deleted().units();
        self.encoded = None;
    }

    /// Keeps what has to wait, and lets go of what no longer has to.
    fn settle(&mut self, outcome: &mut Outcome, moved: &[ClientId], speaker: Speaker) {
        for piece in &outcome.woken {
            self.held.remove(piece);
        }
        // What lacked something else before may lack a unit of this document now: see `take_in`.
        if speaker != Speaker::Trusted {
            let own = self.client;
            outcome.hold_on.retain(|piece| piece.missing.client != own);
        }
        for piece in outcome.hold_on.drain(..).chain(outcome.hold.drain(..)) {
            self.held.insert(piece);
        }
        self.held.deletes.join(&outcome.deletes);
        if !self.held.deletes.is_empty() {
            let touched = self.store.touched().iter();
            let touched = touched.map(|&(number, _)| self.store.id_of(number));
            for client in touched.chain(moved.iter().copied()) {
                let end = self.store.end(client);
                self.held.deletes.remove_below(client, end);
            }
        }
    }
}
