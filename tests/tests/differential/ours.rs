//! The document under test.

use crate::told::{Bytes, Told};
use ropewalk_crdt::update::Update;
use ropewalk_crdt::{Document, Error, Limits, ROOT, Speaker, Unit, Version, VersionVector};

pub struct Ours(Document);

/// What came of an update.
pub struct Outcome {
    pub changed: bool,
    pub held: bool,
    /// What is to be passed on.
    pub passed_on: Option<Bytes>,
}

impl Ours {
    pub fn new() -> Self {
        Ours(Document::new(0))
    }

    pub fn of(updates: &[Bytes]) -> Result<Self, String> {
        let mut document = Self::new();
        for update in updates {
            document.apply(update)?;
        }
        Ok(document)
    }

    /// As from a peer that has heard it of others: what is honest is never refused.
    pub fn apply(&mut self, update: &[u8]) -> Result<Outcome, String> {
        let applied = self.0.apply_from(update, Speaker::Relay(1));
        let applied = applied.map_err(|error| format!("refused: {error}"))?;
        Ok(Outcome {
            changed: applied.changed,
            held: applied.held,
            passed_on: applied.integrated.bytes(update).map(<[u8]>::to_vec),
        })
    }

    /// As if it were the letter too much, if it inserts anything.
    pub fn refuse(&mut self, update: &[u8]) -> Result<(), String> {
        let before = self.version();
        self.0.set_limits(Limits {
            text: 0,
            ..Limits::default()
        });
        let refused = self.0.apply_from(update, Speaker::Relay(1)).is_err();
        self.0.set_limits(Limits::default());
        self.0.check();
        match refused {
            true => equal("version after a refusal", &self.version(), &before),
            // It inserts nothing itself, and what had waited for it found no room: now there is some.
            false => {
                self.0.replayed();
                Ok(())
            }
        }
    }

    pub fn encode(&mut self) -> Bytes {
        self.0.encode().to_vec()
    }

    pub fn version(&self) -> Version {
        self.0.version().clone()
    }

    pub fn diff(&mut self, since: &VersionVector) -> Bytes {
        self.0.diff(since)
    }

    pub fn diff_since(&mut self, since: &Version) -> Bytes {
        self.0.diff_since(since)
    }

    /// Whether it tells how its texts have changed since `old` was at `since`.
    pub fn has_changed(&self, old: &Self, since: &Version) -> Result<(), String> {
        for root in [ROOT, "note"] {
            let edits = match self.0.changes(since, root, Unit::Utf16) {
                Ok(edits) => edits,
                // It remembers so many changes, and no more.
                Err(Error::Stale) => continue,
                Err(error) => return Err(error.to_string()),
            };
            let mut text: Vec<u16> = old.text(root).encode_utf16().collect();
            for edit in edits.iter().rev() {
                let range = edit.from as usize..edit.to as usize;
                text.splice(range, edit.insert.encode_utf16());
            }
            let text = String::from_utf16_lossy(&text);
            equal("text after the changes", &text, &self.text(root))?;
        }
        Ok(())
    }

    pub fn opened_again(&mut self) -> Result<Self, String> {
        let saved = self.0.save();
        let opened =
            Document::open(0, &saved).map_err(|error| format!("does not open: {error}"))?;
        Ok(Ours(opened))
    }

    fn text(&self, root: &str) -> String {
        self.0.text(root).to_string()
    }

    /// Whether it has all that was told.
    pub fn is(&mut self, told: &Told) -> Result<(), String> {
        self.0.check();
        let account = &told.account;
        equal("text", &self.text(ROOT), &account.text)?;
        equal("note", &self.text("note"), &account.note)?;
        let length = account.text.encode_utf16().count() as u64;
        equal("length", &self.0.len_utf16(ROOT), &length)?;
        let vector = VersionVector::decode(&account.vector).unwrap();
        equal("vector", &self.0.version().vector, &vector)?;
        let deletes = Update::decode(&account.deletes, &Limits::NONE)
            .unwrap()
            .deletes();
        equal("deleted units", &self.0.version().deleted, &deletes.units())?;
        let state = self.encode();
        let encoded = Update::decode(&state, &Limits::NONE)
            .map_err(|error| format!("does not read its own state: {error}"))?;
        equal("encoded deletes", &encoded.deletes(), &deletes)?;
        let ends = encoded
            .sections()
            .iter()
            .map(|section| (section.client, u64::from(section.end)));
        equal("encoded clocks", &ends.collect(), &vector)
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, should: &T) -> Result<(), String> {
    match is == should {
        true => Ok(()),
        false => Err(format!("{what}\n  is     {is:?}\n  should {should:?}")),
    }
}
