//! Documents in memory, for tests: it can be made to fail and to wait.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ropewalk_crdt::VersionVector;

use super::{
    Append, Aside, Compaction, Discard, DocumentId, Due, Entry, Lineage, Lookup, MAX_STRAY_BYTES,
    MAX_STRAYS, MAX_VISITS, Pack, Past, Position, Receipt, Record, Salvage, Storage, StorageError,
    Stored, Stray, Trashed, Visit, Wrote, fold,
};
use crate::access::PersonId;
use crate::name::DocumentName;

mod state;
mod trash;

pub use state::Broken;
use state::{Failing, Kept, State, line, place};

/// Storage that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
    released: Condvar,
    newest: AtomicI64,
    commits: AtomicU64,
    waiting: AtomicU64,
}

impl Memory {
    /// Lets the next write fail. Nothing of it is kept.
    pub fn fail_next(&self) {
        self.state().failing = Failing::Once;
    }

    /// Lets everything fail, opening again too, until it is called with `false`.
    pub fn fail(&self, failing: bool) {
        self.state().failing = if failing {
            Failing::Always
        } else {
            Failing::No
        };
    }

    /// Lets the next read panic.
    pub fn panic_next(&self) {
        self.state().failing = Failing::Panic;
    }

    /// Lets a document be loaded never more, until it is called with `None`.
    pub fn break_at(&self, name: &DocumentName, how: Option<Broken>) {
        let broken = &mut self.state().broken;
        match how {
            Some(how) => drop(broken.insert(name.clone(), how)),
            None => drop(broken.remove(name)),
        }
    }

    /// Lets writes wait, as on a slow disk, until it is called with `false`.
    pub fn hold(&self, held: bool) {
        self.state().held = held;
        self.released.notify_all();
    }

    /// How many writes wait.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// How many writes have been committed.
    pub fn commits(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> Result<MutexGuard<'_, State>, StorageError> {
        let mut state = self.state();
        match state.failing {
            Failing::Panic => {
                state.failing = Failing::No;
                panic!("as the test wants it");
            }
            _ if state.closed => Err(StorageError::Failed("closed".to_owned())),
            Failing::Always => Err(StorageError::Failed("as the test wants it".to_owned())),
            Failing::No | Failing::Once => Ok(state),
        }
    }

    fn writing(&self) -> Result<MutexGuard<'_, State>, StorageError> {
        self.waiting.fetch_add(1, Relaxed);
        let mut state = self
            .released
            .wait_while(self.state(), |state| state.held)
            .unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Relaxed);
        if state.failing == Failing::Once {
            state.failing = Failing::No;
            return Err(StorageError::Failed("as the test wants it".to_owned()));
        }
        drop(state);
        let state = self.reading()?;
        self.commits.fetch_add(1, Relaxed);
        Ok(state)
    }
}

impl Storage for Memory {
    fn load(&self, name: &DocumentName) -> Result<Lookup, StorageError> {
        let state = self.reading()?;
        match state.broken.get(name) {
            Some(Broken::Fails) => return Err(StorageError::Failed("as the test wants it".into())),
            Some(Broken::Panics) => panic!("as the test wants it"),
            None => {}
        }
        let mut lookup = Lookup::Absent;
        for (id, kept) in &state.documents {
            if kept.name != *name {
                continue;
            }
            if kept.deleted {
                lookup = Lookup::Deleted;
                continue;
            }
            let updates = kept.updates.iter().map(|(_, record)| &record.update);
            return Ok(Lookup::Found(Stored {
                id: *id,
                generation: kept.generation,
                snapshot: kept.snapshot.clone(),
                updates: updates
                    .filter(|update| !update.is_empty())
                    .map(|update| update.to_vec())
                    .collect(),
                sequence: kept.sequence,
                owner: kept.owner,
            }));
        }
        Ok(lookup)
    }

    fn salvage(&self, name: &DocumentName) -> Result<Salvage, StorageError> {
        Err(StorageError::Damaged(format!(
            "{name}: nothing is on a disk"
        )))
    }

    fn allocate(&self) -> DocumentId {
        DocumentId(self.newest.fetch_add(1, Relaxed) + 1)
    }

    fn append(&self, batch: &[Append]) -> Result<Vec<DocumentId>, StorageError> {
        let mut state = self.writing()?;
        let refused = batch.iter().filter(|append| !state.append(append));
        Ok(refused.map(|append| append.id).collect())
    }

    fn pack(&self, id: DocumentId, through: u64) -> Result<Vec<Pack>, StorageError> {
        let mut state = self.reading()?;
        let updates = state.alive(id).map(|kept| kept.updates.iter());
        let packs = updates
            .into_iter()
            .flatten()
            .filter(|&&(sequence, _)| sequence <= through);
        let packs = packs.map(|(sequence, record)| Pack {
            first_sequence: *sequence,
            last_sequence: *sequence,
            rows: 1,
            last_at_ms: record.at_ms,
            bytes: record.update.len() as u64,
            payload: record.update.to_vec(),
        });
        Ok(packs.collect())
    }

    fn compact(&self, compaction: &Compaction) -> Result<bool, StorageError> {
        let mut state = self.writing()?;
        let Compaction {
            id,
            generation,
            through,
            snapshot,
            packs,
            keep_from_ms,
            salvaged: _,
        } = compaction;
        let Some(document) = state.alive(*id) else {
            return Ok(false);
        };
        let range = document.through..=document.sequence;
        let moved = document
            .updates
            .partition_point(|(sequence, _)| sequence <= through);
        let rows: u64 = packs.iter().map(|pack| pack.rows).sum();
        if document.generation != *generation || !range.contains(through) || rows != moved as u64 {
            return Ok(false);
        }
        document.generation += 1;
        let former = std::mem::replace(&mut document.through, *through);
        document.snapshot = Some(snapshot.clone());
        document.history.extend(document.updates.drain(..moved));
        if let Some(from) = keep_from_ms {
            document
                .history
                .retain(|(sequence, record)| *sequence > former || record.at_ms >= *from);
        }
        Ok(true)
    }

    fn history(
        &self,
        id: DocumentId,
        each: &mut dyn FnMut(u64, Record),
    ) -> Result<(), StorageError> {
        let mut state = self.reading()?;
        if let Some(document) = state.alive(id) {
            for (sequence, record) in document.history.iter().chain(&document.updates) {
                each(*sequence, record.clone());
            }
        }
        Ok(())
    }

    fn delete(&self, id: DocumentId, _now_ms: i64, past: &Past) -> Result<bool, StorageError> {
        let mut state = self.writing()?;
        let Some(document) = state.alive(id) else {
            return Ok(false);
        };
        document.deleted = true;
        document.clear();
        document.past = Some(past.clone());
        Ok(true)
    }

    fn discard(&self, discard: &Discard<'_>) -> Result<bool, StorageError> {
        Ok(self.writing()?.discard(discard))
    }

    fn trash(&self, after: Option<Position>, limit: usize) -> Result<Vec<Trashed>, StorageError> {
        Ok(self.reading()?.trash(after, limit))
    }

    fn trashed(&self, id: DocumentId) -> Result<Option<Trashed>, StorageError> {
        let trashed = self.reading()?.trashed();
        Ok(trashed.into_iter().find(|one| one.id() == id))
    }

    fn trashed_before(&self, ms: i64, limit: usize) -> Result<Due, StorageError> {
        Ok(Due {
            trashed: self.reading()?.trashed_before(ms, limit),
            damaged: 0,
        })
    }

    fn see_time(&self, now_ms: i64, most_ms: i64) -> Result<(), StorageError> {
        self.writing()?.see_time(now_ms, most_ms);
        Ok(())
    }

    fn take_back(&self, id: DocumentId, name: &DocumentName) -> Result<bool, StorageError> {
        let tombstone = self.allocate();
        Ok(self.writing()?.take_back(id, name, tombstone))
    }

    fn erase(&self, id: DocumentId) -> Result<bool, StorageError> {
        Ok(self.writing()?.erase(id))
    }

    fn erase_some(&self) -> Result<bool, StorageError> {
        Ok(self.writing()?.erase_some())
    }

    fn receipts(&self, id: DocumentId) -> Result<Vec<Receipt>, StorageError> {
        let mut state = self.reading()?;
        Ok(state
            .alive(id)
            .map_or_else(Vec::new, |document| document.receipts.clone()))
    }

    fn wrote(&self, id: DocumentId) -> Result<Vec<Wrote>, StorageError> {
        let mut state = self.reading()?;
        let mut wrote = state
            .alive(id)
            .map_or_else(Vec::new, |document| document.wrote.clone());
        wrote.sort_by_key(|wrote| (wrote.client, wrote.clock));
        Ok(wrote)
    }

    fn lineage(&self, name: &DocumentName) -> Result<Lineage, StorageError> {
        let state = self.reading()?;
        let mut lineage = Lineage::default();
        let mut add = |is_other: bool, stamp: Option<_>, vector: &VersionVector| {
            let known = lineage.past.get_or_insert_default();
            known.vector.join(vector);
            if is_other {
                lineage.others.join(vector);
            }
            known.stamp = stamp.or(known.stamp);
        };
        for kept in state.documents.values().filter(|kept| kept.name == *name) {
            match (&kept.discarded, &kept.past) {
                (Some(discarded), _) => add(true, None, &discarded.vector),
                (None, Some(past)) => add(kept.deleted, past.stamp, &past.vector),
                (None, None) => {}
            }
        }
        Ok(lineage)
    }

    fn set_aside(&self, id: DocumentId, stray: &Aside) -> Result<bool, StorageError> {
        let mut state = self.writing()?;
        let Some(document) = state.alive(id) else {
            return Ok(false);
        };
        let strays = &mut document.strays;
        let is_same = |kept: &Aside| {
            kept.record.update == stray.record.update
                && kept.is_of_another == stray.is_of_another
                && (!stray.is_of_another || kept.person == stray.person)
        };
        if strays.iter().any(|(_, kept)| is_same(kept)) {
            return Ok(true);
        }
        let alike = || {
            let all = strays.iter().map(|(_, kept)| kept);
            all.filter(|kept| kept.is_of_another == stray.is_of_another)
        };
        let bytes: usize = alike().map(|kept| kept.record.update.len()).sum();
        let bytes = (bytes + stray.record.update.len()) as u64;
        if alike().count() as u64 >= MAX_STRAYS || bytes > MAX_STRAY_BYTES {
            return Ok(false);
        }
        let newest = strays.last().map_or(0, |(number, _)| *number);
        strays.push((newest + 1, stray.clone()));
        Ok(true)
    }

    fn strays(&self, id: DocumentId) -> Result<Vec<Stray>, StorageError> {
        let mut state = self.reading()?;
        let strays = state.alive(id).map(|document| document.strays.iter().rev());
        let line = |(id, kept): &(i64, Aside)| Stray {
            id: *id,
            at_ms: kept.record.at_ms,
            author: (*kept.record.author).clone(),
            person: kept.person,
            is_of_another: kept.is_of_another,
            bytes: kept.record.update.len() as u64,
        };
        Ok(strays.into_iter().flatten().map(line).collect())
    }

    fn stray(&self, id: DocumentId, stray: i64) -> Result<Option<Aside>, StorageError> {
        let mut state = self.reading()?;
        let strays = state.alive(id).map(|document| document.strays.iter());
        let found = strays.into_iter().flatten().find(|(id, _)| *id == stray);
        Ok(found.map(|(_, kept)| kept.clone()))
    }

    fn drop_stray(&self, id: DocumentId, stray: i64) -> Result<bool, StorageError> {
        let mut state = self.writing()?;
        let Some(document) = state.alive(id) else {
            return Ok(false);
        };
        let before = document.strays.len();
        document.strays.retain(|(id, _)| *id != stray);
        Ok(document.strays.len() < before)
    }

    fn list(
        &self,
        query: &str,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let state = self.reading()?;
        let query = fold(query);
        let mut entries: Vec<Entry> = state
            .documents
            .iter()
            .filter(|(_, kept)| !kept.deleted && fold(kept.name.as_str()).contains(&query))
            .map(|(id, kept)| line(*id, kept))
            .filter(|entry| after.is_none_or(|after| place(&entry.position) < place(&after)))
            .collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(place(&entry.position)));
        entries.truncate(limit);
        Ok(entries)
    }

    fn below(
        &self,
        folder: Option<&DocumentName>,
        each: &mut dyn FnMut(Entry),
    ) -> Result<(), StorageError> {
        let state = self.reading()?;
        let folder = folder
            .map(|folder| format!("{folder}/"))
            .unwrap_or_default();
        let here = |kept: &Kept| !kept.deleted && kept.name.as_str().starts_with(&folder);
        let here = state.documents.iter().filter(|(_, kept)| here(kept));
        let mut lines: Vec<Entry> = here.map(|(id, kept)| line(*id, kept)).collect();
        lines.sort_by(|one, other| one.name.cmp(&other.name));
        lines.into_iter().for_each(each);
        Ok(())
    }

    fn visit(&self, some: &[Visit]) -> Result<(), StorageError> {
        let mut state = self.writing()?;
        for visit in some {
            if state.alive(visit.id).is_none() {
                continue;
            }
            let visits = &mut state.visits;
            let same = |kept: &Visit| (kept.person, kept.id) == (visit.person, visit.id);
            match visits.iter_mut().find(|kept| same(kept)) {
                Some(kept) => kept.at_ms = kept.at_ms.max(visit.at_ms),
                None => visits.push(*visit),
            }
            visits.sort_by_key(|kept| std::cmp::Reverse((kept.at_ms, kept.id)));
            let mut count = 0;
            visits.retain(|kept| {
                count += usize::from(kept.person == visit.person);
                kept.person != visit.person || count <= MAX_VISITS
            });
        }
        Ok(())
    }

    fn visited(&self, person: PersonId) -> Result<Vec<(Entry, i64)>, StorageError> {
        let state = self.reading()?;
        let of = state.visits.iter().filter(|visit| visit.person == person);
        let there = of.filter_map(|visit| {
            let kept = state
                .documents
                .get(&visit.id)
                .filter(|kept| !kept.deleted)?;
            Some((line(visit.id, kept), visit.at_ms))
        });
        Ok(there.collect())
    }

    fn hand_over(
        &self,
        id: DocumentId,
        to: PersonId,
        is_trashed: bool,
    ) -> Result<bool, StorageError> {
        let mut state = self.writing()?;
        let there = state
            .documents
            .get_mut(&id)
            .filter(|kept| match is_trashed {
                true => kept.discarded.is_some(),
                false => !kept.deleted,
            });
        let is_there = there.is_some();
        there.into_iter().for_each(|kept| kept.owner = Some(to));
        Ok(is_there)
    }

    fn owned(
        &self,
        person: PersonId,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Vec<(Entry, bool)>, StorageError> {
        let state = self.reading()?;
        let theirs = state.documents.iter().filter(|(id, kept)| {
            kept.owner == Some(person)
                && (!kept.deleted || kept.discarded.is_some())
                && after.is_none_or(|after| **id > after)
        });
        let mut owned: Vec<_> = theirs
            .map(|(id, kept)| (line(*id, kept), kept.deleted))
            .collect();
        owned.sort_by_key(|(entry, _)| entry.id());
        owned.truncate(limit);
        Ok(owned)
    }

    fn entries(&self, ids: &[DocumentId]) -> Result<Vec<Entry>, StorageError> {
        let state = self.reading()?;
        let alive = |id: &DocumentId| {
            let kept = state.documents.get(id).filter(|kept| !kept.deleted)?;
            Some(line(*id, kept))
        };
        Ok(ids.iter().filter_map(alive).collect())
    }

    fn entry(&self, name: &DocumentName) -> Result<Lookup<Entry>, StorageError> {
        let state = self.reading()?;
        let mut lookup = Lookup::Absent;
        for (id, kept) in state
            .documents
            .iter()
            .filter(|(_, kept)| kept.name == *name)
        {
            if !kept.deleted {
                return Ok(Lookup::Found(line(*id, kept)));
            }
            lookup = Lookup::Deleted;
        }
        Ok(lookup)
    }

    fn probe(&self) -> Result<(), StorageError> {
        self.writing().map(drop)
    }

    fn reopen(&self) -> Result<(), StorageError> {
        self.state().closed = false;
        self.reading().map(drop)
    }

    fn close(&self) -> Result<(), StorageError> {
        self.state().closed = true;
        Ok(())
    }
}
