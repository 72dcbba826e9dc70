//! The messages of the text wire.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ropewalk_crdt::{self as crdt, ClientId};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::Edit;

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Inbound {
    /// First of all.
    Hello {
        /// A name of its own, under which its edits are known; it keeps it when it comes back.
        client: String,
        /// What offsets count.
        unit: String,
        /// The version that it has the text of.
        since: Option<String>,
        /// The root that it edits.
        root: Option<String>,
    },
    /// Its text is another than at a version.
    Edit {
        /// Names the edit.
        id: String,
        /// Which version.
        base: String,
        /// Sorted and not overlapping, all of the text at `base`.
        edits: Vec<Edit>,
    },
    /// Where it is in the text.
    Cursor {
        /// Selections; others see the first.
        ranges: Vec<Range>,
        /// The version that they are offsets of: without it the newest that it was told.
        version: Option<String>,
    },
    /// Who it is.
    Presence {
        /// As Yjs editors have it under `user`.
        user: Value,
    },
}

/// Longest message that is no edit, in bytes: what it is read into is many times as large.
pub const MAX_SMALL: usize = 64 * 1024;

/// Why a message is not taken in.
#[derive(Debug)]
pub enum Unread {
    /// It is none of this wire.
    Malformed(serde_json::Error),
    /// It is longer than such a message may be.
    TooLarge,
}

impl Inbound {
    /// Reads a message. A long one is looked at first: what is kept of an edit is not larger than the edit.
    pub fn parse(text: &str) -> Result<Self, Unread> {
        #[derive(Deserialize)]
        struct Tag<'t> {
            #[serde(rename = "type", borrow)]
            tag: Cow<'t, str>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Long {
            #[serde(rename = "type")]
            _tag: IgnoredAny,
            id: String,
            base: String,
            edits: Vec<Edit>,
        }
        if text.len() <= MAX_SMALL {
            return serde_json::from_str(text).map_err(Unread::Malformed);
        }
        let Tag { tag } = serde_json::from_str(text).map_err(Unread::Malformed)?;
        if tag != "edit" {
            return Err(Unread::TooLarge);
        }
        let Long {
            id, base, edits, ..
        } = serde_json::from_str(text).map_err(Unread::Malformed)?;
        Ok(Self::Edit { id, base, edits })
    }
}

/// A selection.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Where it began.
    pub from: u64,
    /// Where the caret is.
    pub to: u64,
}

/// What the server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Outbound<'a> {
    /// The answer to hello.
    Welcome {
        /// Names the version of the text.
        version: String,
        /// A number for people.
        rev: u64,
        /// All of the text,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// or how it has changed since the version that the client has.
        #[serde(skip_serializing_if = "Option::is_none")]
        edits: Option<Vec<Edit>>,
        /// The version that the client has is of another document, or of a state that a restore has undone.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replaced: bool,
        /// The newest edit of the client that is on disk.
        #[serde(rename = "lastAcked")]
        last_acked: Option<String>,
        /// What it may do.
        access: &'a str,
        /// The states of everybody else.
        peers: BTreeMap<ClientId, Value>,
    },
    /// What it may do has changed.
    Access {
        /// From now on.
        access: &'a str,
    },
    /// An edit is on disk.
    Ack {
        /// Which.
        id: &'a str,
        /// The version that it led to.
        version: String,
        /// Always.
        durable: bool,
        /// What others have changed since its base: edits of a text that has the edit. With them the client is at `version`.
        #[serde(skip_serializing_if = "Option::is_none")]
        edits: Option<Vec<Edit>>,
        /// It was made before: the client is at its base, and what came then, the edit too, comes as `remote`.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        repeated: bool,
    },
    /// The text has changed.
    Remote {
        /// To which version.
        version: String,
        /// From which.
        prev: String,
        /// How.
        edits: Vec<Edit>,
    },
    /// Too much has changed.
    Reset {
        /// Names the version.
        version: String,
        /// All of the text.
        text: String,
    },
    /// Who is there has changed.
    Presence {
        /// States; null of whoever has left.
        peers: BTreeMap<ClientId, Value>,
    },
    /// Where others are has changed.
    Cursors {
        /// The version that ranges are offsets of.
        version: String,
        /// Ranges; none of whoever is not in this text any more.
        peers: BTreeMap<ClientId, Vec<Range>>,
    },
    /// Something was refused.
    Error {
        /// Stable.
        code: &'a str,
        /// For people.
        message: String,
        /// Which edit.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
}

impl Outbound<'_> {
    /// As it is sent.
    pub fn json(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Edits as they are sent.
pub fn edits(edits: Vec<crdt::Edit>) -> Vec<Edit> {
    edits.into_iter().map(Edit::from).collect()
}
