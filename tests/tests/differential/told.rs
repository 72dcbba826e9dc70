//! What is told of a history, and what documents say.

use ropewalk_crdt::VersionVector;

/// Bytes of one update.
pub type Bytes = Vec<u8>;

/// What a document says; two that have heard the same say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whether something waits for what has not come.
    pub waits: bool,
    /// The state vector.
    pub vector: Bytes,
    /// The delete set, as an update without structs.
    pub deletes: Bytes,
    /// Every unit that has a place, in order, and what it holds.
    pub order: String,
    /// What the methods of Yjs 13 read; empty of Yjs 14.
    pub read: String,
    /// The root `text`, U+FFFC for each embedded value or type.
    pub text: String,
    /// The root `note`, alike.
    pub note: String,
}

impl Account {
    /// Whether it is as it should be: the lines that differ otherwise.
    pub fn is(&self, should: &Self) -> Result<(), String> {
        let mut should = should.clone();
        if self.read.is_empty() {
            should.read.clear();
        }
        if *self == should {
            return Ok(());
        }
        let both = self.lines().zip(should.lines());
        let unlike = both.filter(|(is, should)| is != should);
        Err(unlike.fold(String::new(), |out, (is, should)| {
            out + &format!("\n  is     {is}\n  should {should}")
        }))
    }

    fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let state = [
            format!("waits: {}", self.waits),
            format!("vector: {:?}", VersionVector::decode(&self.vector)),
            format!("deletes: {:x?}", self.deletes),
            format!("text: {:?}", self.text),
            format!("note: {:?}", self.note),
        ];
        // Less of one than of the other is a line that differs, too.
        let end = std::iter::repeat("").map(String::from).take(8);
        let said = self.order.lines().chain(self.read.lines());
        state.into_iter().chain(said.map(String::from)).chain(end)
    }
}

/// A history, and what Yjs says of it.
#[derive(Clone, Debug)]
pub struct Told {
    /// The kinds of content that may be in it.
    pub kinds: String,
    /// One update per transaction, each after all that it depends on.
    pub updates: Vec<Bytes>,
    /// What each replica has in the end; together that is all. None when they do not agree on halves of letters.
    pub states: Vec<Bytes>,
    /// All updates in any order, some at a time merged by Yjs.
    pub parcels: Vec<Bytes>,
    /// All as one state, by Yjs.
    pub whole: Bytes,
    /// A number of updates from the first on, and what whoever knows those lacks, by Yjs.
    pub early: usize,
    pub missing: Bytes,
    pub account: Account,
}
