//! Places that move with the text: the relative positions of Yjs.

use super::Document;
use super::edit::{Unit, utf16};
use crate::{Base, ClientId, Error};
use serde_json::{Value, json};

/// A place in a text: before a unit, behind one, or at an end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The unit, by the client that inserted it and its clock; None at an end.
    unit: Option<(ClientId, u64)>,
    /// Behind the unit, or at the front of the text, and not before it, or at its end.
    is_behind: bool,
}

impl Anchor {
    /// The JSON of Yjs, for a place in root `root`.
    pub fn json(&self, root: &str) -> Value {
        let unit = self.unit;
        json!({
            "type": null,
            "tname": root,
            "item": unit.map(|(client, clock)| json!({ "client": client, "clock": clock })),
            "assoc": if self.is_behind { -1 } else { 0 },
        })
    }

    /// Reads the JSON of Yjs. None when it is no place in root `root`.
    pub fn from_json(json: &Value, root: &str) -> Option<Self> {
        let name = &json["tname"];
        let unit = match &json["item"] {
            // An end, of the text that is named.
            Value::Null if name.as_str() == Some(root) => None,
            Value::Null => return None,
            item => Some((item["client"].as_u64()?, item["clock"].as_u64()?)),
        };
        if name.as_str().is_some_and(|name| name != root) {
            return None;
        }
        Some(Anchor {
            unit,
            is_behind: json["assoc"].as_f64().is_some_and(|assoc| assoc < 0.0),
        })
    }
}

impl Document {
    /// The place at an offset of the text of root `root`. It stays before the unit that is there now. O(log n).
    pub fn anchor(&self, root: &str, unit: Unit, offset: u64) -> Result<Anchor, Error> {
        let at = utf16(&self.store.text(root), unit, offset)?;
        Ok(Anchor {
            unit: self.store.unit_at(root, at),
            is_behind: false,
        })
    }

    /// The place that was at an offset of the text that version `base` had. What was inserted there since is behind it.
    /// [`Error::Stale`] when `base` is too long ago, as in [`Document::changes`].
    pub fn anchor_at<'v>(
        &self,
        base: impl Into<Base<'v>>,
        root: &str,
        unit: Unit,
        offset: u64,
    ) -> Result<Anchor, Error> {
        let now = self.moved_to(base.into(), root, unit, offset)?;
        self.anchor(root, unit, now)
    }

    /// Where a place is in the text of root `root` now; where it would be, when its unit is deleted. None when it is not in this
    /// text, or not any more, or not yet. O(log n).
    pub fn locate(&self, root: &str, unit: Unit, anchor: Anchor) -> Option<u64> {
        let text = self.store.text(root);
        let at = match anchor.unit {
            Some((client, clock)) => {
                let clock = u32::try_from(clock).ok()?;
                self.store.place_of(root, client, clock, anchor.is_behind)?
            }
            None if anchor.is_behind => 0,
            None => text.extent.utf16,
        };
        let at = text.extent_at(text.char_at(at));
        Some(u64::from(match unit {
            Unit::Utf8 => at.utf8,
            Unit::Utf16 => at.utf16,
            Unit::Char => at.chars,
        }))
    }
}
