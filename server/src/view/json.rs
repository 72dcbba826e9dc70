//! Content as JSON.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::content::{Content, Element, Insert, Piece};

/// Maps as objects, lists and fragments as arrays, a text as its delta, XML nodes as objects with a `type`.
pub fn json(content: &Content) -> String {
    // Keys are strings, and nothing here refuses to be written.
    serde_json::to_string(content).unwrap_or_default()
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => to.serialize_unit(),
            Self::Value(value) => value.serialize(to),
            Self::List(items) | Self::Fragment(items) => items.serialize(to),
            Self::Map(entries) => entries.serialize(to),
            Self::Text(pieces) => delta(pieces, to),
            Self::Element(element) => element.serialize(to),
            Self::XmlText(pieces) => {
                let mut node = to.serialize_map(Some(2))?;
                node.serialize_entry("type", "text")?;
                node.serialize_entry("delta", pieces)?;
                node.end()
            }
            Self::Document(id) => {
                let mut node = to.serialize_map(Some(2))?;
                node.serialize_entry("type", "document")?;
                node.serialize_entry("guid", id)?;
                node.end()
            }
        }
    }
}

fn delta<S: Serializer>(pieces: &[Piece], to: S) -> Result<S::Ok, S::Error> {
    let mut delta = to.serialize_seq(Some(pieces.len()))?;
    for piece in pieces {
        delta.serialize_element(piece)?;
    }
    delta.end()
}

impl Serialize for Element {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut node = to.serialize_map(Some(4))?;
        node.serialize_entry("type", "element")?;
        node.serialize_entry("name", &self.name)?;
        node.serialize_entry("attributes", &self.attributes)?;
        node.serialize_entry("children", &self.children)?;
        node.end()
    }
}

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut piece = to.serialize_map(None)?;
        match &self.insert {
            Insert::Text(text) => piece.serialize_entry("insert", text)?,
            Insert::Object(object) => piece.serialize_entry("insert", object)?,
        }
        if !self.attributes.is_empty() {
            piece.serialize_entry("attributes", &self.attributes)?;
        }
        piece.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn every_kind_has_its_shape() {
        let bold = Piece::text("b\"", &[("bold", value!(true))]);
        let image = Piece {
            insert: Insert::Object(Content::Value(value!({ "image": "x" }))),
            attributes: Default::default(),
        };
        let text = vec![Piece::text("a", &[]), bold, image];
        let delta = r#"[{"insert":"a"},{"insert":"b\"","attributes":{"bold":true}},{"insert":{"image":"x"}}]"#;
        for (content, shown) in [
            (Content::Nothing, "null"),
            (Content::Text(text.clone()), delta),
            (
                Content::XmlText(text),
                &format!(r#"{{"type":"text","delta":{delta}}}"#),
            ),
            (
                Content::Fragment(vec![Content::element(
                    "p",
                    &[("level", value!(2))],
                    vec![Content::words("x")],
                )]),
                r#"[{"type":"element","name":"p","attributes":{"level":2},"children":[{"type":"text","delta":[{"insert":"x"}]}]}]"#,
            ),
            (
                Content::Map(
                    [
                        ("b".to_owned(), Content::Value(value!([1, 2.5, null]))),
                        ("a".to_owned(), Content::Document("id".into())),
                    ]
                    .into(),
                ),
                r#"{"a":{"type":"document","guid":"id"},"b":[1,2.5,null]}"#,
            ),
            (Content::List(vec![Content::Text(vec![])]), "[[]]"),
        ] {
            assert_eq!(json(&content), shown);
        }
    }
}
