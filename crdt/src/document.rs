//! The only door to a document.

mod edit;

pub use edit::{Edit, Unit};

use crate::engine::Engine;
use crate::gate::{self, Plan, Trust};
use crate::held::Held;
use crate::ledger::Ledger;
use crate::update::{Kind, Update, limit, merge};
use crate::wire::{Reader, write_buf};
use crate::{ClientId, DeleteSet, Error, Limits, Version, VersionVector};
use ropey::Rope;
use std::sync::Arc;

/// The first byte of a saved document.
const FORMAT: u8 = 1;

/// What of the wire this version does not take in.
const REFUSED: [(Kind, &str); 4] = [
    (Kind::Format, "formatting"),
    (Kind::Doc, "subdocuments"),
    (Kind::Json, "JSON content of Yjs before 13"),
    (Kind::ForeignType, "XML hooks"),
];

/// What came of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// It said something new: it has to be kept.
    pub changed: bool,
    /// Part of it waits for updates that have not come.
    pub held: bool,
    /// What was integrated, as an update: this is what has to be passed on, and not what came. What waits may be
    /// contradicted before its turn, and what hangs at something forgotten is forgotten; peers that were told
    /// what came could end with another text.
    pub integrated: Option<Vec<u8>>,
}

/// A document.
///
/// After an [`Error::Engine`] every call but [`Document::version`] and [`Document::len_utf16`]
/// answers that error; the document has to be opened again from where it is kept.
#[derive(Debug)]
pub struct Document {
    engine: Engine,
    limits: Limits,
    ledger: Ledger,
    held: Held,
    deleted: DeleteSet,
    version: Version,
    weight: Weight,
    /// The encoded state, until the document changes.
    encoded: Option<Arc<[u8]>>,
    /// The root text that was read last, until the document changes.
    text: Option<(Box<str>, Rope)>,
}

/// Bytes of the encoded state, measured from time to time.
#[derive(Debug, Default)]
struct Weight {
    measured: u64,
    since: u64,
}

impl Document {
    /// An empty document. The edits of [`Document::edit`] are made under `client`.
    pub fn new(client: ClientId) -> Self {
        Self::with_limits(client, Limits::default())
    }

    /// An empty document with other limits.
    pub fn with_limits(client: ClientId, limits: Limits) -> Self {
        Document {
            engine: Engine::new(client & crate::wire::MAX_VAR),
            limits,
            ledger: Ledger::default(),
            held: Held::default(),
            deleted: DeleteSet::new(),
            version: Version::default(),
            weight: Weight::default(),
            encoded: None,
            text: None,
        }
    }

    /// Opens what [`Document::save`] has written. O(n).
    pub fn open(client: ClientId, saved: &[u8]) -> Result<Self, Error> {
        Self::open_with_limits(client, saved, Limits::default())
    }

    /// As [`Document::open`], with other limits for what comes later.
    pub fn open_with_limits(client: ClientId, saved: &[u8], limits: Limits) -> Result<Self, Error> {
        let mut reader = Reader::new(saved);
        if reader.byte()? != FORMAT {
            return reader.malformed("a saved document of a known format");
        }
        let state = reader.buf()?;
        let mut document = Self::with_limits(client, Limits::NONE);
        document.apply(state)?;
        if !document.held.is_empty() {
            return Err(Error::Malformed {
                what: "a saved state without gaps",
                at: 0,
            });
        }
        while reader.remaining() > 0 {
            document.admit(reader.buf()?, Trust::Lenient, |_| false)?;
        }
        document.weight = Weight {
            measured: state.len() as u64,
            since: 0,
        };
        document.limits = limits;
        Ok(document)
    }

    /// Puts other limits in force for what comes later. What is kept already is never too large to be read again.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Takes in an update of a peer. On an error other than [`Error::Engine`] nothing has changed.
    ///
    /// The cost grows with the update and with the number of concurrent insertions at the same
    /// place, not with the document.
    pub fn apply(&mut self, update: &[u8]) -> Result<Applied, Error> {
        self.admit(update, Trust::Strict, |_| false)
    }

    /// As [`Document::apply`], unless the update has new units of a client that is `foreign` to whoever sent it:
    /// whoever writes under the next clocks of somebody else takes the place of what they are about to write.
    pub fn apply_from(
        &mut self,
        update: &[u8],
        foreign: impl Fn(ClientId) -> bool,
    ) -> Result<Applied, Error> {
        self.admit(update, Trust::Strict, foreign)
    }

    fn admit(
        &mut self,
        update: &[u8],
        trust: Trust,
        foreign: impl Fn(ClientId) -> bool,
    ) -> Result<Applied, Error> {
        self.engine.alive()?;
        let update = Update::decode(update, &self.limits)?;
        for section in &update.sections {
            let client = section.client;
            if section.end > self.ledger.end(client) && foreign(client) {
                return Err(Error::Foreign { client });
            }
        }
        if let Some((_, what)) = REFUSED.iter().find(|(kind, _)| update.holds(*kind)) {
            return Err(Error::Unsupported { what });
        }
        self.ledger.begin();
        let applied = self.take_in(&update, trust, &[]);
        if applied.is_err() {
            self.ledger.rollback();
        }
        applied
    }

    /// Takes in a checked update, and what waits for it or for units of the clients `moved`.
    fn take_in(
        &mut self,
        update: &Update<'_>,
        trust: Trust,
        moved: &[ClientId],
    ) -> Result<Applied, Error> {
        let (held, deleted) = (&self.held, &self.deleted);
        let mut plan = gate::plan(
            update,
            trust,
            moved,
            &mut self.ledger,
            held,
            deleted,
            &self.limits,
        )?;
        let mut advanced: Vec<(ClientId, u32)> = self.ledger.advanced().collect();
        advanced.extend(
            moved
                .iter()
                .map(|&client| (client, self.ledger.end(client))),
        );
        for &(client, end) in &advanced {
            for (start, end) in self.held.deletes.below(client, end) {
                plan.deletes.insert(client, start, end);
            }
        }
        let bytes = plan.hold.iter().map(|piece| piece.size()).sum();
        let ranges = plan.held_deletes.ranges();
        if plan.hold.iter().any(|piece| self.held.contradicts(piece)) {
            let pieces = plan.hold.len();
            return Err(Error::HeldFull { pieces, bytes });
        }
        if !plan.hold.is_empty() || ranges > 0 {
            self.held
                .room(plan.hold.len(), bytes, ranges, &self.limits)?;
        }
        if !plan.ready.is_empty() {
            let deleted = self.deleted.units() + plan.deletes.units();
            let live = self.ledger.total().saturating_sub(deleted);
            limit("units in the document", live, self.limits.text)?;
            self.weigh(plan.ready.size() as u64)?;
        }
        let mut integrated = None;
        if !plan.ready.is_empty() || !plan.deletes.is_empty() {
            let mut updates = plan.ready.updates();
            if !plan.deletes.is_empty() {
                let mut last = vec![0];
                plan.deletes.write(&mut last);
                updates.push(last);
            }
            let deleted = self.engine.apply(&updates)?;
            self.moved(&deleted);
            let slices: Vec<&[u8]> = updates.iter().map(Vec::as_slice).collect();
            integrated = Some(merge(&slices).ok_or(Error::Engine)?);
        }
        let applied = Applied {
            integrated,
            changed: !plan.ready.is_empty()
                || !plan.deletes.is_empty()
                || !plan.hold.is_empty()
                || !plan.held_deletes.is_empty(),
            held: plan.waits,
        };
        self.settle(plan, &advanced);
        Ok(applied)
    }

    /// Refuses when `bytes` more would make the encoded state too long.
    fn weigh(&mut self, bytes: u64) -> Result<(), Error> {
        let limit = self.limits.state_bytes;
        if self.weight.measured + self.weight.since + bytes > limit {
            if self.weight.since > limit / 16 {
                self.weight = Weight {
                    measured: self.state()?.len() as u64,
                    since: 0,
                };
            }
            let size = self.weight.measured + bytes;
            crate::update::limit("bytes in the document", size, limit)?;
        }
        Ok(())
    }

    /// The engine has changed; the ledger knows what came, `deleted` is what went.
    fn moved(&mut self, deleted: &DeleteSet) {
        for (client, end) in self.ledger.advanced() {
            self.version.vector.advance(client, u64::from(end));
        }
        self.deleted.join(deleted);
        self.version.deleted = self.deleted.units();
        self.encoded = None;
        self.text = None;
    }

    /// Keeps what has to wait, and lets go of what no longer has to.
    fn settle(&mut self, plan: Plan, advanced: &[(ClientId, u32)]) {
        self.weight.since += plan.ready.size() as u64;
        for piece in &plan.woken {
            self.held.remove(piece);
        }
        for piece in plan.hold_on.into_iter().chain(plan.hold) {
            self.held.insert(piece);
        }
        self.held.deletes.join(&plan.held_deletes);
        for &(client, end) in advanced {
            self.held.deletes.remove_below(client, end);
        }
    }

    /// What a peer that knows `since` lacks, as an update, without what waits. O(n).
    pub fn diff(&mut self, since: &VersionVector) -> Result<Vec<u8>, Error> {
        if since.is_empty() {
            // Whoever joins an unchanged document gets what is encoded already.
            return self.encode();
        }
        let known = since
            .iter()
            .map(|(client, clock)| (client, clock.min(self.version.vector.get(client))))
            .collect();
        self.engine.diff(&known)
    }

    /// The whole state as an update, without what waits. O(n) when the document has changed.
    pub fn encode(&mut self) -> Result<Vec<u8>, Error> {
        Ok(self.state()?.to_vec())
    }

    fn state(&mut self) -> Result<Arc<[u8]>, Error> {
        self.engine.alive()?;
        if let Some(state) = &self.encoded {
            return Ok(state.clone());
        }
        let state: Arc<[u8]> = self.engine.diff(&VersionVector::new())?.into();
        self.encoded = Some(state.clone());
        Ok(state)
    }

    /// The document as bytes for [`Document::open`]: the state and what waits. O(n).
    pub fn save(&mut self) -> Result<Vec<u8>, Error> {
        let state = self.state()?;
        let mut out = Vec::with_capacity(state.len() + 16);
        out.push(FORMAT);
        write_buf(&mut out, &state);
        for held in self.held.updates() {
            write_buf(&mut out, &held);
        }
        Ok(out)
    }

    /// Names the current state. O(1).
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The text of root `root`, U+FFFC for each embedded element; empty when there is no such
    /// text. O(n) when the document has changed.
    pub fn text(&mut self, root: &str) -> Result<Rope, Error> {
        self.engine.alive()?;
        if let Some((name, text)) = &self.text
            && **name == *root
        {
            return Ok(text.clone());
        }
        let text = Rope::from_str(&self.engine.text(root)?);
        self.text = Some((root.into(), text.clone()));
        Ok(text)
    }

    /// UTF-16 code units of the text of root `root`; 0 when there is none or the engine has
    /// failed. O(1).
    pub fn len_utf16(&self, root: &str) -> u64 {
        self.engine.len(root)
    }
}
