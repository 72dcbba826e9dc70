//! A view of a rich document: what a root holds, as text, HTML or JSON.
//!
//! The server itself only reads text. Everything else is read by yrs, which does not stand whatever a peer may have
//! written: so it runs in a process of its own, [`child`], that has bounds of its own. [`readers`] starts it, and a
//! fault there costs one answer.

use serde::Deserialize;

pub mod child;
mod content;
mod html;
mod json;
mod plain;
mod read;
pub mod readers;

/// The argument that makes the binary a reader.
pub const COMMAND: &str = "read-view";
/// Bytes that an answer may have.
const ANSWER: usize = 64 << 20;

/// How content is shown.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// As plain text.
    #[default]
    Text,
    /// As HTML without any power.
    Html,
    /// As JSON.
    Json,
}

/// What is asked of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// How to show it.
    pub format: Format,
    /// Name of the root.
    pub root: String,
}

impl Question {
    /// What a reader gets before the state.
    fn head(&self) -> Vec<u8> {
        let format = match self.format {
            Format::Text => 0,
            Format::Html => 1,
            Format::Json => 2,
        };
        // The API takes no name longer than this.
        let length = u16::try_from(self.root.len()).unwrap_or(u16::MAX);
        let mut head = vec![format];
        head.extend(length.to_le_bytes());
        head.extend(self.root.bytes());
        head
    }

    /// Takes the question off the front of what a reader got; the rest is the state.
    fn split(input: &[u8]) -> Option<(Self, &[u8])> {
        let ([format, low, high], rest) = input.split_first_chunk()?;
        let format = match format {
            0 => Format::Text,
            1 => Format::Html,
            2 => Format::Json,
            _ => return None,
        };
        let (root, state) = rest.split_at_checked(u16::from_le_bytes([*low, *high]).into())?;
        let root = String::from_utf8(root.to_vec()).ok()?;
        Some((Self { format, root }, state))
    }
}

/// Answers what a reader got. Only for a process that may end in the middle of it.
fn answer(input: &[u8]) -> Option<Vec<u8>> {
    let (question, state) = Question::split(input)?;
    let content = read::read(state, &question.root)?;
    let shown = match question.format {
        Format::Text => plain::plain(&content),
        Format::Html => html::html(&content),
        Format::Json => json::json(&content),
    };
    (shown.len() <= ANSWER).then_some(shown.into_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_question_comes_back_from_its_bytes() {
        for (format, root) in [
            (Format::Text, ""),
            (Format::Html, "text"),
            (Format::Json, "ü\0\n"),
        ] {
            let question = Question {
                format,
                root: root.into(),
            };
            let mut bytes = question.head();
            bytes.extend([0, 0]);
            assert_eq!(Question::split(&bytes).unwrap(), (question, &[0, 0][..]));
        }
        for bad in [
            &[][..],
            &[0, 0],
            &[3, 0, 0],
            &[0, 2, 0, b'a'],
            &[0, 1, 0, 0xff],
        ] {
            assert!(Question::split(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_state_that_is_none_has_no_answer() {
        let head = |root: &str| {
            let root = root.into();
            let format = Format::Json;
            Question { format, root }.head()
        };
        let empty = [head("text"), vec![0, 0]].concat();
        assert_eq!(answer(&empty).unwrap(), b"null");
        for bad in [&[][..], &[1], &[0xff; 8], &[0, 1]] {
            let input = [head("text"), bad.to_vec()].concat();
            assert!(answer(&input).is_none(), "{bad:?}");
        }
    }
}
