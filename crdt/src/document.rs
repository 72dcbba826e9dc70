//! The only door to a document.

mod admit;
mod anchor;
mod changes;
mod edit;
mod past;
mod stamp;

pub use anchor::Anchor;
pub use edit::{Edit, Unit};
pub use past::past;

use crate::held::Held;
use crate::intake::Trust;
use crate::owners::{Owners, PersonNumber, Speaker, Written};
use crate::store::Store;
use crate::update::Update;
use crate::wire::{Reader, write_buf};
use crate::{ClientId, Error, Limits, Revision, Version, VersionVector};
use admit::Offer;
use changes::Changes;
use ropey::Rope;
use std::sync::Arc;

/// The first byte of a saved document: state, order, and what waits.
const FORMAT: u8 = 2;
/// The same without the order, as it was written before.
const FORMAT_WITHOUT_ORDER: u8 = 1;

/// What came of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// It said something new: it has to be kept.
    pub changed: bool,
    /// Part of it waits for updates that have not come.
    pub held: bool,
    /// What has to be passed on.
    pub integrated: Integrated,
    /// More was integrated than what came, as things had waited for it: its sender lacks them, too.
    pub woke: bool,
    /// What of it waits, as updates: to be kept beside what was integrated.
    pub waiting: Vec<Vec<u8>>,
    /// What it brought, by client id. Nothing where no person is known.
    pub written: Vec<Written>,
}

/// What of an update was integrated. This is what has to be passed on, and not what came: what waits
/// may be contradicted before its turn, and what hangs at something forgotten is forgotten; peers
/// that were told what came could end with another text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Integrated {
    /// Nothing new.
    Nothing,
    /// The update as it came, all of it new.
    All,
    /// This update.
    Part(Vec<u8>),
}

impl Integrated {
    /// As an update, of which `update` came.
    pub fn bytes<'a>(&'a self, update: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Integrated::Nothing => None,
            Integrated::All => Some(update),
            Integrated::Part(part) => Some(part),
        }
    }
}

/// A document.
#[derive(Debug)]
pub struct Document {
    client: ClientId,
    store: Store,
    limits: Limits,
    held: Held,
    owners: Owners,
    /// Steps of what had waited.
    foreign_steps: u64,
    /// What it took to measure the document, in steps.
    encoding_steps: u64,
    version: Version,
    weight: Weight,
    changes: Changes,
    /// The encoded state, until the document changes.
    encoded: Option<Arc<[u8]>>,
}

/// Bytes of the encoded state, measured from time to time.
#[derive(Debug, Default)]
struct Weight {
    measured: u64,
    since: u64,
    /// Units that were deleted when it was measured.
    deleted: u64,
}

impl Document {
    /// An empty document. The edits of [`Document::edit`] are made under `client`.
    pub fn new(client: ClientId) -> Self {
        Self::with_limits(client, Limits::default())
    }

    /// An empty document with other limits.
    pub fn with_limits(client: ClientId, limits: Limits) -> Self {
        Document {
            client: client & crate::wire::MAX_VAR,
            store: Store::default(),
            limits,
            held: Held::default(),
            owners: Owners::default(),
            foreign_steps: 0,
            encoding_steps: 0,
            version: Version::default(),
            weight: Weight::default(),
            changes: Changes::default(),
            encoded: None,
        }
    }

    /// Opens what [`Document::save`] has written. O(n).
    pub fn open(client: ClientId, saved: &[u8]) -> Result<Self, Error> {
        Self::open_with_limits(client, saved, Limits::default())
    }

    /// As [`Document::open`], with other limits for what comes later.
    pub fn open_with_limits(client: ClientId, saved: &[u8], limits: Limits) -> Result<Self, Error> {
        let mut reader = Reader::new(saved);
        let format = reader.byte()?;
        let state = reader.buf()?;
        let mut document = Self::with_limits(client, Limits::NONE);
        match format {
            FORMAT => document.restore(state, reader.buf()?)?,
            FORMAT_WITHOUT_ORDER => drop(document.apply(state)?),
            _ => return reader.malformed("a saved document of a known format"),
        }
        if !document.held.is_empty() {
            return Err(Error::Malformed {
                what: "a saved state without gaps",
                at: 0,
            });
        }
        document.limits = limits;
        while reader.remaining() > 0 {
            let held = Update::decode(reader.buf()?, &Limits::NONE)?;
            let taken = document.admit(Offer {
                update: &held,
                bytes: 0,
                trust: Trust::Held,
                speaker: Speaker::Trusted,
                moved: &[],
            });
            if taken.is_err() {
                // It waited for room, and waits on.
                document.held.deletes.join(&held.deletes());
                for section in held.sections() {
                    document.held.keep(section);
                }
            }
        }
        document.weight = Weight {
            measured: state.len() as u64,
            since: 0,
            deleted: document.version.deleted,
        };
        Ok(document)
    }

    fn restore(&mut self, state: &[u8], order: &[u8]) -> Result<(), Error> {
        let update = Update::decode(state, &Limits::NONE)?;
        self.store = Store::restore(&update, order)?;
        for section in update.sections() {
            let end = u64::from(self.store.end(section.client));
            self.version.vector.advance(section.client, end);
        }
        self.version.deleted = self.store.deleted().units();
        self.encoded = Some(state.into());
        Ok(())
    }

    /// Puts other limits in force for what comes later. What is kept already is never too large to be read again.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes in an update from somebody who may speak for anyone. On an error nothing has changed.
    ///
    /// The cost is O(log n) for each insertion and deletion of the update, and a step for each concurrent insertion
    /// at the same place, which [`Limits::conflicts`] bounds.
    pub fn apply(&mut self, update: &[u8]) -> Result<Applied, Error> {
        self.apply_from(update, Speaker::Trusted)
    }

    /// Takes in an update. It is refused when it inserts under a client id that is another connection's.
    pub fn apply_from(&mut self, update: &[u8], speaker: Speaker) -> Result<Applied, Error> {
        let bytes = update.len() as u64;
        let update = Update::decode(update, &self.limits)?;
        let end = |client| self.store.end(client);
        let used = self.owners.check(&update, speaker, self.client, end)?;
        let written = self.owners.written(&update, speaker, used, end);
        let mut applied = self.admit(Offer {
            update: &update,
            bytes,
            trust: Trust::Strict,
            speaker,
            moved: &[],
        })?;
        if let Some((connection, client)) = used {
            self.owners.introduce(connection, client);
        }
        applied.written = written;
        Ok(applied)
    }

    /// Takes in an update of a log that has everything in it that was integrated, and what waited as updates of their own.
    /// What waits is not looked at until [`Document::replayed`]: when it was logged, it may have been left out.
    pub fn replay(&mut self, update: &[u8]) -> Result<(), Error> {
        let bytes = update.len() as u64;
        let update = Update::decode(update, &self.limits)?;
        self.admit(Offer {
            update: &update,
            bytes,
            trust: Trust::Logged,
            speaker: Speaker::Trusted,
            moved: &[],
        })
        .map(drop)
    }

    /// The log is at its end: what still waits and may be integrated is.
    pub fn replayed(&mut self) {
        let clients = self.held.awaited();
        self.wake(&clients);
    }

    /// A connection says that this client id is its own. From then on, until it leaves, nobody else inserts under it,
    /// if it was the first to say so. A connection owns at most [`crate::MAX_IDS`] ids.
    pub fn introduce(&mut self, connection: u64, client: ClientId) {
        self.owners.introduce(connection, client);
    }

    /// A connection is of this person, or of nobody who is known.
    pub fn speaks_for(&mut self, connection: u64, person: Option<PersonNumber>) {
        self.owners.speaks_for(connection, person);
    }

    /// A client id is this person's, for good: nobody else introduces themselves with it or inserts live under it. What others
    /// have of it they still pass on. Returns whether that is news.
    pub fn belongs(&mut self, client: ClientId, person: PersonNumber) -> bool {
        self.owners.belongs(client, person)
    }

    /// Whether a client id belongs to another person than a connection.
    pub fn is_anothers(&self, client: ClientId, connection: u64) -> bool {
        self.owners.is_anothers(client, connection)
    }

    /// A connection has gone.
    pub fn leave(&mut self, connection: u64) {
        self.owners.leave(connection);
    }

    /// Whose a client id is.
    pub fn owner(&self, client: ClientId) -> Option<u64> {
        self.owners.owner(client)
    }

    /// What a peer that knows `since` lacks, as an update, without what waits. All deletes are in it: a vector does not
    /// say which of them the peer knows. O(n).
    pub fn diff(&mut self, since: &VersionVector) -> Vec<u8> {
        if since.is_empty() {
            // Whoever joins an unchanged document gets what is encoded already.
            return self.encode().to_vec();
        }
        let from = |client| u32::try_from(since.get(client)).unwrap_or(u32::MAX);
        self.store.encode(from, self.store.deleted())
    }

    /// The whole state as an update, without what waits. O(1), O(n) when the document has changed.
    pub fn encode(&mut self) -> Arc<[u8]> {
        let encoded = self.encoded.get_or_insert_with(|| {
            let all = self.store.encode(|_| 0, self.store.deleted());
            all.into()
        });
        encoded.clone()
    }

    /// What waits for missing updates, as updates. O(n) in what waits.
    pub fn waiting(&self) -> Vec<Vec<u8>> {
        self.held.updates().collect()
    }

    /// The document as bytes for [`Document::open`]: the state, the order of what is in it, and what waits. O(n).
    pub fn save(&mut self) -> Vec<u8> {
        let state = self.encode();
        let mut out = Vec::with_capacity(state.len() + 16);
        out.push(FORMAT);
        write_buf(&mut out, &state);
        write_buf(&mut out, &self.store.encode_order());
        for held in self.held.updates() {
            write_buf(&mut out, &held);
        }
        out
    }

    /// Names the current state. O(1).
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Names the current state within this history. O(1).
    pub fn revision(&self) -> Revision {
        Revision {
            inserted: self.store.units(),
            deleted: self.version.deleted,
        }
    }

    /// The text of root `root`, U+FFFC for each embedded value or nested type; empty when there is no such text. O(log n);
    /// O(n) for a root of nothing but those.
    pub fn text(&self, root: &str) -> Rope {
        self.store.text(root).rope()
    }

    /// All text of the document, also that of types within others, as of XML: roots in the order of their names, each type on lines
    /// of its own, U+FFFC for each object in a root text. It ends within a few KiB behind `most` bytes. O(n).
    pub fn all_text(&self, most: usize) -> String {
        self.store.all_text(most)
    }

    /// UTF-16 code units of the text of root `root`, 1 for each embedded value or nested type. O(1).
    pub fn len_utf16(&self, root: &str) -> u64 {
        self.store.len(root)
    }

    /// The units of the text of root `root` in order, as client ids and the clocks from and until which they go. O(n).
    pub fn units(&self, root: &str) -> Vec<(ClientId, u32, u32)> {
        let mut ranges = Vec::new();
        self.store.ranges(root, 0, u32::MAX, &mut ranges);
        let ranges = ranges.into_iter();
        let named = ranges.map(|(number, from, until)| (self.store.id_of(number), from, until));
        named.collect()
    }

    /// Steps past concurrent insertions that all updates have taken so far, refused ones included, but not what had
    /// waited, and one for each 64 bytes that had to be encoded to measure the document: how much work somebody makes is
    /// the difference.
    pub fn steps(&self) -> u64 {
        self.store.steps() - self.foreign_steps + self.encoding_steps
    }

    /// Walks everything that must be true of the engine, and panics when it is not. For tests.
    #[doc(hidden)]
    pub fn check(&self) {
        self.store.check();
    }
}
