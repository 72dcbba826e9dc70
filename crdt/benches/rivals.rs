//! The two engines, behind the same verbs.

use ropewalk_crdt::{Document, Edit, Limits, ROOT, Unit, Version};
use yrs::updates::decoder::Decode;
use yrs::{
    Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, TextRef, Transact, Update,
};

/// An engine. Updates and positions are taken for good: anything else is a mistake of the bench.
pub trait Rival: Sized {
    const NAME: &'static str;
    /// What a client knows, to be told what it lacks.
    type Known: Default;

    /// An empty document.
    fn new() -> Self;
    /// Takes in an update; false when it is refused.
    fn takes(&mut self, update: &[u8]) -> bool;
    /// Replaces `remove` characters from `at` on.
    fn edit(&mut self, at: u32, remove: u32, insert: &str);
    fn len(&self) -> u32;
    fn text(&mut self) -> String;
    /// The whole state as an update, the way that a server gets it for whoever joins.
    fn encode(&mut self) -> impl AsRef<[u8]> + use<Self>;
    fn known(&self) -> Self::Known;
    fn diff(&mut self, since: &Self::Known) -> Vec<u8>;

    fn apply(&mut self, update: &[u8]) {
        assert!(self.takes(update), "{} refuses {update:?}", Self::NAME);
    }

    /// A document of these updates.
    fn replay(updates: &[Vec<u8>]) -> Self {
        let mut document = Self::new();
        for update in updates {
            document.apply(update);
        }
        document
    }
}

/// This crate. All calls of it are here.
pub struct Ropewalk(Document);

impl Rival for Ropewalk {
    const NAME: &'static str = "ropewalk";
    type Known = Version;

    fn new() -> Self {
        Ropewalk(Document::with_limits(u64::from(u32::MAX), Limits::NONE))
    }

    fn takes(&mut self, update: &[u8]) -> bool {
        self.0.apply(update).is_ok()
    }

    fn edit(&mut self, at: u32, remove: u32, insert: &str) {
        let base = self.0.version().clone();
        let edit = Edit {
            from: u64::from(at),
            to: u64::from(at + remove),
            insert: insert.into(),
        };
        self.0.edit(&base, ROOT, Unit::Char, &[edit]).unwrap();
    }

    fn len(&self) -> u32 {
        self.0.len_utf16(ROOT) as u32
    }

    fn text(&mut self) -> String {
        self.0.text(ROOT).to_string()
    }

    fn encode(&mut self) -> impl AsRef<[u8]> + use<> {
        self.0.encode()
    }

    fn known(&self) -> Version {
        self.0.version().clone()
    }

    fn diff(&mut self, since: &Version) -> Vec<u8> {
        self.0.diff(&since.vector)
    }
}

impl Ropewalk {
    /// As [`Rival::diff`], for a reader of whom the deletes are known too.
    pub fn diff_since(&mut self, since: &Version) -> Vec<u8> {
        self.0.diff_since(since)
    }

    pub fn save(&mut self) -> Vec<u8> {
        self.0.save()
    }

    pub fn open(saved: &[u8]) -> Self {
        Ropewalk(Document::open(u64::from(u32::MAX), saved).unwrap())
    }
}

pub struct Yrs {
    doc: Doc,
    text: TextRef,
}

impl Rival for Yrs {
    const NAME: &'static str = "yrs";
    type Known = StateVector;

    fn new() -> Self {
        let mut options = Options::with_client_id(yrs::block::ClientID::new(u64::from(u32::MAX)));
        options.offset_kind = OffsetKind::Utf16;
        let doc = Doc::with_options(options);
        let text = doc.get_or_insert_text(ROOT);
        Yrs { doc, text }
    }

    fn takes(&mut self, update: &[u8]) -> bool {
        let Ok(update) = Update::decode_v1(update) else {
            return false;
        };
        self.doc.transact_mut().apply_update(update).is_ok()
    }

    fn edit(&mut self, at: u32, remove: u32, insert: &str) {
        let mut txn = self.doc.transact_mut();
        if remove > 0 {
            self.text.remove_range(&mut txn, at, remove);
        }
        if !insert.is_empty() {
            self.text.insert(&mut txn, at, insert);
        }
    }

    fn len(&self) -> u32 {
        self.text.len(&self.doc.transact())
    }

    fn text(&mut self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    fn encode(&mut self) -> impl AsRef<[u8]> + use<> {
        let txn = self.doc.transact();
        txn.encode_state_as_update_v1(&StateVector::default())
    }

    fn known(&self) -> StateVector {
        self.doc.transact().state_vector()
    }

    fn diff(&mut self, since: &StateVector) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(since)
    }
}
