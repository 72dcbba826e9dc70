//! The name of a document: a short path of segments. It is data, never a path in the file system.

use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// Longest name, in bytes of UTF-8.
pub const MAX_BYTES: usize = 512;
/// Most segments in a name.
pub const MAX_SEGMENTS: usize = 8;

/// A checked document name. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentName(Arc<str>);

/// Why a string is not a document name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadName {
    /// Longer than [`MAX_BYTES`]; the number is its length in bytes.
    #[error("a document name has at most {MAX_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// More than [`MAX_SEGMENTS`]; the number is how many.
    #[error("a document name has at most {MAX_SEGMENTS} segments, this one has {0}")]
    TooManySegments(usize),
    /// Nothing between two slashes, or nothing at all.
    #[error("a document name has no empty segments")]
    EmptySegment,
    /// `.` or `..`: URLs drop these, so no browser could ever open the document.
    #[error("`.` and `..` cannot be segments of a document name")]
    DotSegment,
    /// A character of Unicode's category Cc.
    #[error("a document name has no control characters")]
    ControlCharacter,
    /// The percent-decoded bytes are not UTF-8.
    #[error("a document name is UTF-8")]
    NotUtf8,
}

impl DocumentName {
    /// Checks `name`, which is already decoded.
    pub fn new(name: &str) -> Result<Self, BadName> {
        if name.len() > MAX_BYTES {
            return Err(BadName::TooLong(name.len()));
        }
        let segments = name.split('/').count();
        if segments > MAX_SEGMENTS {
            return Err(BadName::TooManySegments(segments));
        }
        if name.split('/').any(str::is_empty) {
            return Err(BadName::EmptySegment);
        }
        if name.split('/').any(|s| s == "." || s == "..") {
            return Err(BadName::DotSegment);
        }
        if name.chars().any(char::is_control) {
            return Err(BadName::ControlCharacter);
        }
        Ok(Self(name.into()))
    }

    /// Decodes and checks the part of a URL's path that names a document.
    pub fn from_url(path: &str) -> Result<Self, BadName> {
        let name = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| BadName::NotUtf8)?;
        Self::new(&name)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_any_script_are_names() {
        for name in [
            "a",
            "notes/today.md",
            "日本/💚 ü:*>",
            "..a/.b",
            "1/2/3/4/5/6/7/8",
        ] {
            assert!(DocumentName::new(name).is_ok(), "{name}");
        }
        assert_eq!(
            DocumentName::from_url("a%2Fb%20c"),
            DocumentName::new("a/b c")
        );
    }

    #[test]
    fn what_is_not_a_name_says_why() {
        assert_eq!(DocumentName::new(""), Err(BadName::EmptySegment));
        assert_eq!(DocumentName::new("a//b"), Err(BadName::EmptySegment));
        assert_eq!(DocumentName::new("a/"), Err(BadName::EmptySegment));
        assert_eq!(DocumentName::new("a/../b"), Err(BadName::DotSegment));
        assert_eq!(DocumentName::new("a\0b"), Err(BadName::ControlCharacter));
        assert_eq!(
            DocumentName::new("a\u{85}b"),
            Err(BadName::ControlCharacter)
        );
        assert_eq!(
            DocumentName::new("1/2/3/4/5/6/7/8/9"),
            Err(BadName::TooManySegments(9))
        );
        assert_eq!(
            DocumentName::new(&"ä".repeat(257)),
            Err(BadName::TooLong(514))
        );
        assert_eq!(DocumentName::from_url("%ff"), Err(BadName::NotUtf8));
    }
}
