//! The list of documents in an exported folder.

use serde::{Deserialize, Serialize};

/// Name of the index in the folder.
pub const FILE: &str = "documents.json";
/// Its name until the export is whole.
pub const PART: &str = "documents.json.part";
/// The format that is written here.
pub const FORMAT: u32 = 1;

/// All that was exported.
#[derive(Debug, Serialize, Deserialize)]
pub struct Index {
    /// Says what this file is, and its format.
    pub ropewalk_export: u32,
    /// Every document.
    pub documents: Vec<Exported>,
}

/// One document. Files are named by their paths in the folder, with `/`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Exported {
    /// Its name.
    pub name: String,
    /// The text of the root `text`, in UTF-8. Without an update the document is made of it; with one it may be missing.
    #[serde(default)]
    pub text: String,
    /// The state, as an update of Yjs (v1).
    pub update: Option<String>,
    /// What waits for other updates to come, as updates of Yjs (v1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
    /// Length of the text in UTF-16 units.
    #[serde(default)]
    pub length: u64,
    /// Milliseconds since the Unix epoch.
    #[serde(default)]
    pub created_at: i64,
    /// Milliseconds since the Unix epoch.
    pub edited_at: Option<i64>,
}
