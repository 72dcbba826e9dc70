//! Content as plain data, between what reads it and what shows it.

use std::collections::BTreeMap;

use serde_json::Value;

/// Levels of content within content, and of lists and maps within a value, so that what walks them may recurse: as
/// many as a document takes in.
pub const DEPTH: usize = 64;

/// What a root, an entry or an element holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing, so that nobody can say of which kind.
    Nothing,
    /// A value without a history of its own.
    Value(Value),
    /// A list.
    List(Vec<Content>),
    /// A map.
    Map(BTreeMap<String, Content>),
    /// A text with formats.
    Text(Vec<Piece>),
    /// XML nodes side by side.
    Fragment(Vec<Content>),
    /// An XML element.
    Element(Element),
    /// A text among XML nodes.
    XmlText(Vec<Piece>),
    /// Another document, by its id.
    Document(String),
}

/// An XML element.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, Content>,
    pub children: Vec<Content>,
}

/// A part of a text, and its formats.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub insert: Insert,
    pub attributes: BTreeMap<String, Value>,
}

/// What a part of a text is.
#[derive(Clone, Debug, PartialEq)]
pub enum Insert {
    Text(String),
    /// It takes the room of one character.
    Object(Content),
}

#[cfg(test)]
impl Piece {
    /// A part of a text with formats.
    pub fn text(text: &str, formats: &[(&str, Value)]) -> Self {
        Self {
            insert: Insert::Text(text.into()),
            attributes: formats
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        }
    }
}

#[cfg(test)]
impl Content {
    /// A text among XML nodes, without formats.
    pub fn words(text: &str) -> Self {
        Self::XmlText(vec![Piece::text(text, &[])])
    }

    /// An XML element.
    pub fn element(name: &str, attributes: &[(&str, Value)], children: Vec<Content>) -> Self {
        Self::Element(Element {
            name: name.into(),
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Content::Value(value.clone())))
                .collect(),
            children,
        })
    }
}
