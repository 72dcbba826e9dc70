//! Content as plain text.

use super::content::{Content, Element, Insert, Piece};
use super::html::BREAKS;
use super::json::json;

/// Stands for what is not text within a text.
const OBJECT: char = '\u{fffc}';

/// A text without its formats; of XML the texts, each element that holds text on a line of its own; JSON of anything
/// else.
pub fn plain(content: &Content) -> String {
    let mut out = String::new();
    match content {
        Content::Nothing => {}
        Content::Text(pieces) | Content::XmlText(pieces) => text(pieces, &mut out),
        Content::Fragment(nodes) if flows(nodes) => flow(nodes, &mut out),
        Content::Fragment(nodes) => lines(nodes, &mut out),
        Content::Element(element) => line(element, &mut out),
        other => out = json(other),
    }
    out
}

fn text(pieces: &[Piece], out: &mut String) {
    for piece in pieces {
        match &piece.insert {
            Insert::Text(text) => out.push_str(text),
            Insert::Object(_) => out.push(OBJECT),
        }
    }
}

/// Whether there is text among these nodes: then they are parts of one line.
fn flows(nodes: &[Content]) -> bool {
    nodes.iter().any(|node| matches!(node, Content::XmlText(_)))
}

fn lines(nodes: &[Content], out: &mut String) {
    for node in nodes {
        match node {
            Content::Element(element) => line(element, out),
            Content::Fragment(nodes) => lines(nodes, out),
            _ => {
                out.push(OBJECT);
                out.push('\n');
            }
        }
    }
}

fn line(element: &Element, out: &mut String) {
    if element.children.is_empty() || flows(&element.children) {
        flow(&element.children, out);
        out.push('\n');
    } else {
        lines(&element.children, out);
    }
}

fn flow(nodes: &[Content], out: &mut String) {
    for node in nodes {
        match node {
            Content::XmlText(pieces) => text(pieces, out),
            Content::Element(element) if BREAKS.contains(&element.name.as_str()) => out.push('\n'),
            Content::Element(element) if !element.children.is_empty() => {
                flow(&element.children, out);
            }
            _ => out.push(OBJECT),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn a_text_is_its_characters_and_one_for_each_object() {
        let image = Piece {
            insert: Insert::Object(Content::Value(value!({ "image": "x" }))),
            attributes: Default::default(),
        };
        let text = Content::Text(vec![Piece::text("a<", &[("bold", value!(true))]), image]);
        assert_eq!(plain(&text), "a<\u{fffc}");
        assert_eq!(plain(&Content::Nothing), "");
        assert_eq!(
            plain(&Content::List(vec![text])),
            r#"[[{"insert":"a<","attributes":{"bold":true}},{"insert":{"image":"x"}}]]"#
        );
    }

    #[test]
    fn an_element_that_holds_text_is_a_line() {
        let p = |children| Content::element("paragraph", &[], children);
        let item = |text| Content::element("listItem", &[], vec![p(vec![Content::words(text)])]);
        let document = Content::Fragment(vec![
            Content::element("heading", &[], vec![Content::words("Title")]),
            p(vec![]),
            p(vec![
                Content::words("one"),
                Content::element("hardBreak", &[], vec![]),
                Content::words("two "),
                Content::element("mention", &[], vec![]),
                Content::element("span", &[], vec![Content::words("!")]),
            ]),
            Content::element("bulletList", &[], vec![item("a"), item("b")]),
        ]);
        assert_eq!(plain(&document), "Title\n\none\ntwo \u{fffc}!\na\nb\n");
    }
}
