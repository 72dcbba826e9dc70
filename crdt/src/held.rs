//! What waits for updates that have not come.
//!
//! A piece is the rest of one client's structs of one update, kept as bytes and indexed by the
//! first unit that it lacks. It is looked at again only when that unit comes, and it goes on from
//! where it stopped, so all work is linear in what was said.

use crate::update::{Id, Section, agree};
use crate::wire::write_var;
use crate::{ClientId, DeleteSet, Error, Limits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What one waiting range of deletes is counted as, in bytes.
const RANGE_BYTES: usize = 16;

/// The rest of a section.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) client: ClientId,
    /// Clock of the first struct that is left.
    pub(crate) clock: u32,
    pub(crate) end: u32,
    pub(crate) count: usize,
    bytes: Arc<[u8]>,
    /// Where the structs that are left begin.
    at: usize,
    /// The first unit that it lacks.
    pub(crate) missing: Id,
}

impl Piece {
    pub(crate) fn new(section: Section<'_>, missing: Id) -> Self {
        Piece {
            client: section.client,
            clock: section.clock,
            end: section.end,
            count: section.count,
            bytes: section.raw.into(),
            at: 0,
            missing,
        }
    }

    /// Bytes that it keeps in memory.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The structs that are left.
    fn raw(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn section(&self) -> Section<'_> {
        Section {
            client: self.client,
            clock: self.clock,
            end: self.end,
            count: self.count,
            raw: self.raw(),
        }
    }

    /// Leaves only the last `count` structs, which are the last `bytes` bytes.
    pub(crate) fn shorten(&mut self, clock: u32, count: usize, bytes: usize) {
        self.clock = clock;
        self.count = count;
        self.at = self.bytes.len() - bytes;
    }

    pub(crate) fn lacking(&self, missing: Id) -> Self {
        Piece {
            missing,
            ..self.clone()
        }
    }

    /// As an update of its own.
    pub(crate) fn update(&self) -> Vec<u8> {
        let section = self.section();
        let mut out = Vec::with_capacity(section.raw.len() + 16);
        for number in [
            1,
            section.count as u64,
            section.client,
            u64::from(section.clock),
        ] {
            write_var(&mut out, number);
        }
        out.extend_from_slice(section.raw);
        out.push(0);
        out
    }

    fn key(&self) -> (ClientId, u32) {
        (self.client, self.clock)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pieces: BTreeMap<(ClientId, u32), Piece>,
    /// First missing unit, then the key of the piece.
    waiting: BTreeSet<(Id, (ClientId, u32))>,
    bytes: usize,
    pub(crate) deletes: DeleteSet,
}

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.deletes.is_empty()
    }

    /// Clients whose units some piece waits for.
    pub(crate) fn awaited(&self) -> Vec<ClientId> {
        let mut clients: Vec<ClientId> = self.waiting.iter().map(|(id, _)| id.client).collect();
        clients.extend(self.deletes.iter().map(|(client, ..)| client));
        clients.dedup();
        clients
    }

    /// Pieces that have to be looked at again when the units of `client` are known up to `end`,
    /// beyond those that were looked at when they were known up to `start`: those that wait for one of them, and those that said the same themselves.
    pub(crate) fn ready(&self, client: ClientId, start: u32, end: u32) -> Vec<Piece> {
        let from = (
            Id {
                client,
                clock: start,
            },
            (0, 0),
        );
        let to = (Id { client, clock: end }, (0, 0));
        let waiting = self.waiting.range(from..to).map(|(_, key)| *key);
        let own = self.pieces.range((client, start)..(client, end));
        waiting
            .chain(own.map(|(key, _)| *key))
            .filter_map(|key| self.pieces.get(&key).cloned())
            .collect()
    }

    /// Whether a piece that is held already says all that the section would.
    pub(crate) fn covers(&self, section: &Section<'_>) -> bool {
        let held = self.pieces.get(&(section.client, section.clock));
        held.is_some_and(|piece| piece.end >= section.end && agree(piece.section(), *section))
    }

    /// Whether a piece that is held says something else from the same clock on. Only one of them could stay, and
    /// who sent the other would take it for kept.
    pub(crate) fn contradicts(&self, piece: &Piece) -> bool {
        let held = self.pieces.get(&piece.key());
        held.is_some_and(|held| !agree(held.section(), piece.section()))
    }

    pub(crate) fn remove(&mut self, piece: &Piece) {
        if let Some(old) = self.pieces.remove(&piece.key()) {
            self.bytes -= old.bytes.len();
            self.waiting.remove(&(old.missing, old.key()));
        }
    }

    /// Keeps a section that lacks nothing but room, until the client of a neighbour is heard of again.
    pub(crate) fn keep(&mut self, section: &Section<'_>) {
        let first = section.structs().next();
        let near = first.and_then(|block| block.origin.or(block.right));
        let own = Id {
            client: section.client,
            clock: section.clock.saturating_sub(1),
        };
        self.insert(Piece::new(*section, near.unwrap_or(own)));
    }

    /// Keeps a piece, unless one that says the same and more is kept already.
    pub(crate) fn insert(&mut self, piece: Piece) {
        let from = piece.key();
        match self.pieces.get(&from).cloned() {
            Some(old) if piece.end > old.end => self.remove(&old),
            Some(_) => return,
            None => {}
        }
        self.bytes += piece.bytes.len();
        self.waiting.insert((piece.missing, from));
        self.pieces.insert(from, piece);
    }

    /// Refuses when `pieces`, `bytes` and `ranges` more would be too much.
    pub(crate) fn room(
        &self,
        pieces: usize,
        bytes: usize,
        ranges: usize,
        limits: &Limits,
    ) -> Result<(), Error> {
        let ranges = ranges + self.deletes.ranges();
        let pieces = pieces + self.pieces.len();
        let bytes = bytes + self.bytes + ranges * RANGE_BYTES;
        if pieces as u64 > limits.held_pieces || bytes as u64 > limits.held_bytes {
            return Err(Error::HeldFull { pieces, bytes });
        }
        Ok(())
    }

    /// All that is held, as one update for each piece: two pieces may disagree about the same
    /// units, and which of them is right is seen only when what they lack has come.
    pub(crate) fn updates(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let pieces = self.pieces.values().map(Piece::update);
        let deletes = (!self.deletes.is_empty()).then(|| self.deletes.update());
        pieces.chain(deletes)
    }
}
