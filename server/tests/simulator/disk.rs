//! A disk that fails before it has written or after, is full, is slow, and takes the power with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ropewalk::access::PersonId;
use ropewalk::name::DocumentName;
use ropewalk::storage::memory::Memory;
use ropewalk::storage::{
    Append, Aside, Compaction, Discard, DocumentId, Due, Entry, Lineage, Lookup, Pack, Past,
    Position, Receipt, Record, Salvage, Storage, StorageError, Stored, Stray, Trashed, Visit,
    Wrote,
};
use tokio::time::Instant;

use crate::rng::Rng;
use crate::server::Power;
use crate::world::World;

/// What is on it survives every server.
pub struct Disk {
    memory: Memory,
    state: Mutex<State>,
}

struct State {
    rng: Rng,
    writes: u64,
    /// Nothing works until then.
    broken_until: Option<Instant>,
}

/// What happens to a write.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Full,
    FailsBefore,
    FailsAfter,
    PowerBefore,
    PowerAfter,
}

impl Disk {
    pub fn new(rng: Rng) -> Self {
        Self {
            memory: Memory::default(),
            state: Mutex::new(State {
                rng,
                writes: 0,
                broken_until: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The document of this name in the trash.
    pub fn trashed(&self, name: &DocumentName) -> Option<DocumentId> {
        let trash = self.memory.trash(None, usize::MAX).ok()?;
        let found = trash.iter().find(|trashed| trashed.entry.name == *name);
        found.map(Trashed::id)
    }

    /// Writes so far.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }
}

/// A disk as one run of the server has it.
pub struct Mounted {
    world: Arc<World>,
    power: Power,
}

impl Mounted {
    pub fn new(world: Arc<World>, power: Power) -> Self {
        Self { world, power }
    }

    fn memory(&self) -> Result<&Memory, StorageError> {
        let failed = |why: &str| Err(StorageError::Failed(why.to_owned()));
        if !self.power.is_on() {
            return failed("there is no power");
        }
        let broken_until = self.world.disk.state().broken_until;
        if broken_until.is_some_and(|until| until > Instant::now()) && !self.world.is_rest() {
            return failed("the disk does not answer");
        }
        Ok(&self.world.disk.memory)
    }

    fn fault(&self) -> Option<Fault> {
        if self.world.is_rest() {
            return None;
        }
        let plan = &self.world.plan.disk;
        let rng = &mut self.world.disk.state().rng;
        if rng.chance(plan.full) {
            return Some(Fault::Full);
        }
        if rng.chance(plan.fails) {
            return Some(rng.pick(&[Fault::FailsBefore, Fault::FailsAfter]));
        }
        if rng.chance(plan.crashes) {
            return Some(rng.pick(&[Fault::PowerBefore, Fault::PowerAfter]));
        }
        None
    }

    /// Does a write, or some of what can happen to one. `Err` after the write was done, too.
    fn write<T>(
        &self,
        what: &str,
        work: impl FnOnce(&Memory) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let memory = self.memory()?;
        let fault = self.fault();
        if let Some(fault) = fault {
            self.world
                .trace
                .note(format_args!("disk: {what}: {fault:?}"));
        }
        let failed = Err(StorageError::Failed(format!("{fault:?}")));
        match fault {
            Some(Fault::Full) => return Err(StorageError::Full("of a simulation".to_owned())),
            Some(Fault::FailsBefore) => {
                self.breaks();
                return failed;
            }
            Some(Fault::PowerBefore) => {
                self.power.fail();
                return failed;
            }
            _ => {}
        }
        let done = work(memory);
        self.world.disk.state().writes += 1;
        match fault {
            Some(Fault::FailsAfter) => self.breaks(),
            Some(Fault::PowerAfter) => self.power.fail(),
            _ => return done,
        }
        failed
    }

    fn breaks(&self) {
        let mut state = self.world.disk.state();
        let long = state.rng.ms(0, 4_000);
        state.broken_until = Some(Instant::now() + long);
    }
}

impl Storage for Mounted {
    fn load(&self, name: &DocumentName) -> Result<Lookup, StorageError> {
        let found = self.memory()?.load(name)?;
        let stored = match &found {
            Lookup::Found(stored) => Some(stored),
            Lookup::Absent | Lookup::Deleted => None,
        };
        let note = stored.map(
            |Stored {
                 generation,
                 sequence,
                 ..
             }| (generation, sequence),
        );
        self.world
            .trace
            .note(format_args!("disk: load {name}: {note:?}"));
        if let Err(broken) = self.world.oracle().loads(name, stored) {
            self.world.fail(format_args!("{broken}"));
        }
        Ok(found)
    }

    fn append(&self, batch: &[Append]) -> Result<Vec<DocumentId>, StorageError> {
        self.write("append", |memory| {
            let refused = memory.append(batch)?;
            for append in batch {
                self.world.trace.note(format_args!(
                    "disk: append {} updates from {} to {}",
                    append.updates.len(),
                    append.first_sequence,
                    append.id.0
                ));
                if refused.contains(&append.id) {
                    self.world
                        .fail(format_args!("the disk refused {}", append.first_sequence));
                } else {
                    self.world.oracle().commits(append);
                }
            }
            Ok(refused)
        })
    }

    fn compact(&self, compaction: &Compaction) -> Result<bool, StorageError> {
        self.write("compact", |memory| {
            let done = memory.compact(compaction)?;
            self.world.trace.note(format_args!(
                "disk: compact {} through {}: {done}",
                compaction.id.0, compaction.through
            ));
            Ok(done)
        })
    }

    fn delete(&self, id: DocumentId, now_ms: i64, past: &Past) -> Result<bool, StorageError> {
        self.write("delete", |memory| memory.delete(id, now_ms, past))
    }

    fn discard(&self, discard: &Discard<'_>) -> Result<bool, StorageError> {
        self.write("discard", |memory| {
            let done = memory.discard(discard)?;
            self.world.oracle().moves(discard.id, true);
            Ok(done)
        })
    }

    fn see_time(&self, now_ms: i64, most_ms: i64) -> Result<(), StorageError> {
        self.write("see time", |memory| memory.see_time(now_ms, most_ms))
    }
    fn take_back(&self, id: DocumentId, name: &DocumentName) -> Result<bool, StorageError> {
        self.write("take back", |memory| {
            let done = memory.take_back(id, name)?;
            self.world.oracle().moves(id, false);
            Ok(done)
        })
    }

    fn erase(&self, id: DocumentId) -> Result<bool, StorageError> {
        self.write("erase", |memory| memory.erase(id))
    }

    fn erase_some(&self) -> Result<bool, StorageError> {
        self.write("erase some", Memory::erase_some)
    }

    fn set_aside(&self, id: DocumentId, stray: &Aside) -> Result<bool, StorageError> {
        self.write("set aside", |memory| memory.set_aside(id, stray))
    }

    fn drop_stray(&self, id: DocumentId, stray: i64) -> Result<bool, StorageError> {
        self.write("drop stray", |memory| memory.drop_stray(id, stray))
    }

    fn probe(&self) -> Result<(), StorageError> {
        self.write("probe", Memory::probe)
    }

    fn reopen(&self) -> Result<(), StorageError> {
        self.memory()?.reopen()
    }

    fn close(&self) -> Result<(), StorageError> {
        self.memory()?.close()
    }

    fn allocate(&self) -> DocumentId {
        self.world.disk.memory.allocate()
    }

    fn salvage(&self, name: &DocumentName) -> Result<Salvage, StorageError> {
        self.memory()?.salvage(name)
    }

    fn pack(&self, id: DocumentId, through: u64) -> Result<Vec<Pack>, StorageError> {
        self.memory()?.pack(id, through)
    }

    fn history(
        &self,
        id: DocumentId,
        each: &mut dyn FnMut(u64, Record),
    ) -> Result<(), StorageError> {
        self.memory()?.history(id, each)
    }

    fn list(
        &self,
        query: &str,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        self.memory()?.list(query, after, limit)
    }

    fn below(
        &self,
        folder: Option<&DocumentName>,
        each: &mut dyn FnMut(Entry),
    ) -> Result<(), StorageError> {
        self.memory()?.below(folder, each)
    }
    fn visit(&self, visits: &[Visit]) -> Result<(), StorageError> {
        self.write("visit", |memory| memory.visit(visits))
    }
    fn visited(&self, person: PersonId) -> Result<Vec<(Entry, i64)>, StorageError> {
        self.memory()?.visited(person)
    }
    fn hand_over(
        &self,
        id: DocumentId,
        to: PersonId,
        is_trashed: bool,
    ) -> Result<bool, StorageError> {
        self.write("hand over", |memory| memory.hand_over(id, to, is_trashed))
    }
    fn owned(
        &self,
        person: PersonId,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Vec<(Entry, bool)>, StorageError> {
        self.memory()?.owned(person, after, limit)
    }
    fn entries(&self, ids: &[DocumentId]) -> Result<Vec<Entry>, StorageError> {
        self.memory()?.entries(ids)
    }

    fn entry(&self, name: &DocumentName) -> Result<Lookup<Entry>, StorageError> {
        self.memory()?.entry(name)
    }

    fn trash(&self, after: Option<Position>, limit: usize) -> Result<Vec<Trashed>, StorageError> {
        self.memory()?.trash(after, limit)
    }

    fn trashed(&self, id: DocumentId) -> Result<Option<Trashed>, StorageError> {
        self.memory()?.trashed(id)
    }

    fn trashed_before(&self, ms: i64, limit: usize) -> Result<Due, StorageError> {
        self.memory()?.trashed_before(ms, limit)
    }

    fn receipts(&self, id: DocumentId) -> Result<Vec<Receipt>, StorageError> {
        self.memory()?.receipts(id)
    }

    fn wrote(&self, id: DocumentId) -> Result<Vec<Wrote>, StorageError> {
        self.memory()?.wrote(id)
    }

    fn lineage(&self, name: &DocumentName) -> Result<Lineage, StorageError> {
        self.memory()?.lineage(name)
    }

    fn strays(&self, id: DocumentId) -> Result<Vec<Stray>, StorageError> {
        self.memory()?.strays(id)
    }

    fn stray(&self, id: DocumentId, stray: i64) -> Result<Option<Aside>, StorageError> {
        self.memory()?.stray(id, stray)
    }
}
