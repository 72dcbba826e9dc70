//! Which files have which documents.

use super::COPY;
use crate::name::{BadName, DocumentName};

/// See the module.
pub struct Names {
    /// With a slash at the end, or nothing.
    pub prefix: String,
}

impl Names {
    /// The document of a file; none if it is left alone.
    pub fn name(&self, path: &str) -> Option<Result<DocumentName, BadName>> {
        let is_left_out = |segment: &str| {
            segment.starts_with(['.', '#'])
                || segment.ends_with('~')
                || segment.ends_with(".tmp")
                || segment.contains(COPY)
        };
        if path.split('/').any(is_left_out) {
            return None;
        }
        Some(DocumentName::new(&format!("{}{path}", self.prefix)))
    }

    /// The file of a document; none if its name cannot be that of a file.
    pub fn path(&self, name: &str) -> Option<String> {
        let path = name.strip_prefix(&self.prefix)?;
        let is_long = path.split('/').any(|segment| segment.len() > 255);
        (!is_long && matches!(self.name(path), Some(Ok(_)))).then(|| path.to_owned())
    }
}
