//! Content as HTML that can do nothing: names that HTML gives a meaning to are only written if that meaning is
//! harmless, and all else is an attribute `data-…`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::content::{Content, Element, Insert, Piece};
use super::json::json;

/// Elements that are written as they are.
const HARMLESS: [&str; 43] = [
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "caption",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "tr",
    "u",
    "ul",
];
/// Elements of Tiptap and ProseMirror that HTML has another name for. A heading has its level as well.
const RENAMED: [(&str, &str); 20] = [
    ("bulletList", "ul"),
    ("bullet_list", "ul"),
    ("codeBlock", "pre"),
    ("code_block", "pre"),
    ("hardBreak", "br"),
    ("hard_break", "br"),
    ("horizontalRule", "hr"),
    ("horizontal_rule", "hr"),
    ("image", "img"),
    ("listItem", "li"),
    ("list_item", "li"),
    ("orderedList", "ol"),
    ("ordered_list", "ol"),
    ("paragraph", "p"),
    ("tableCell", "td"),
    ("tableHeader", "th"),
    ("tableRow", "tr"),
    ("table_cell", "td"),
    ("table_header", "th"),
    ("table_row", "tr"),
];
/// Elements that break a line.
pub const BREAKS: [&str; 3] = ["br", "hardBreak", "hard_break"];
/// Elements that have no content and no end.
const VOID: [&str; 3] = ["br", "hr", "img"];
/// Attributes that are written as they are.
const PLAIN: [&str; 9] = [
    "alt", "colspan", "dir", "height", "lang", "rowspan", "start", "title", "width",
];
/// Formats of Quill, Tiptap and ProseMirror, from the outermost in.
const MARKS: [(&str, &str); 7] = [
    ("bold", "strong"),
    ("strong", "strong"),
    ("italic", "em"),
    ("em", "em"),
    ("underline", "u"),
    ("strike", "s"),
    ("code", "code"),
];
/// Longest name of an attribute, in bytes.
const NAME: usize = 64;

/// XML and texts as elements; anything else as JSON in a `pre`.
pub fn html(content: &Content) -> String {
    let mut out = String::new();
    write(content, &mut out);
    out
}

fn write(content: &Content, out: &mut String) {
    match content {
        Content::Nothing => {}
        Content::Text(pieces) => text(pieces, "<br>\n", out),
        Content::XmlText(pieces) => text(pieces, "\n", out),
        Content::Fragment(nodes) => nodes.iter().for_each(|node| write(node, out)),
        Content::Element(node) => element(node, out),
        other => {
            out.push_str("<pre>");
            escape(&json(other), out);
            out.push_str("</pre>");
        }
    }
}

fn element(node: &Element, out: &mut String) {
    let tag = tag(node);
    out.push('<');
    out.push_str(tag.unwrap_or("div"));
    if tag.is_none() {
        attribute("data-element", &node.name, out);
    }
    for (name, value) in &node.attributes {
        let value = match value {
            Content::Value(Value::Null) => continue,
            Content::Value(Value::String(text)) => text.clone(),
            other => json(other),
        };
        let name = name.as_str();
        match (tag, name) {
            (Some("a"), "href") | (Some("img"), "src") if safe(&value) => {
                attribute(name, &value, out);
            }
            _ if PLAIN.contains(&name) => attribute(name, &value, out),
            _ if valid(name) => attribute(&format!("data-{name}"), &value, out),
            _ => {}
        }
    }
    out.push('>');
    node.children.iter().for_each(|child| write(child, out));
    let tag = tag.unwrap_or("div");
    if !VOID.contains(&tag) {
        let _ = write!(out, "</{tag}>");
    }
}

/// What HTML calls an element, if that is harmless.
fn tag(node: &Element) -> Option<&'static str> {
    let name = node.name.as_str();
    if name == "heading" {
        let level = match node.attributes.get("level") {
            Some(Content::Value(level)) => level.as_u64().unwrap_or(1),
            _ => 1,
        };
        let headings = ["h1", "h2", "h3", "h4", "h5", "h6"];
        return headings
            .get(usize::try_from(level).ok()?.checked_sub(1)?)
            .copied();
    }
    let same = HARMLESS.iter().find(|tag| **tag == name).copied();
    let renamed = || RENAMED.iter().find(|(theirs, _)| *theirs == name);
    same.or_else(|| renamed().map(|(_, tag)| *tag))
}

fn valid(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME).contains(&name.len()) && name.bytes().all(letter)
}

/// Whether following or loading it runs nothing.
fn safe(address: &str) -> bool {
    let begins = |scheme: &str| {
        let start = address.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins("http://") || begins("https://") || begins("mailto:")
}

fn text(pieces: &[Piece], line_end: &str, out: &mut String) {
    for Piece { insert, attributes } in pieces {
        let on = |name: &str| {
            let value = attributes.get(name);
            value.is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
        };
        let link = link(attributes);
        if let Some(address) = link {
            out.push_str("<a");
            attribute("href", address, out);
            out.push('>');
        }
        let marks: Vec<&str> = MARKS
            .iter()
            .filter(|(name, _)| on(name))
            .map(|(_, tag)| *tag)
            .collect();
        for tag in &marks {
            let _ = write!(out, "<{tag}>");
        }
        match insert {
            Insert::Text(text) => {
                let mut lines = text.split('\n');
                escape(lines.next().unwrap_or_default(), out);
                for line in lines {
                    out.push_str(line_end);
                    escape(line, out);
                }
            }
            Insert::Object(
                node @ (Content::Element(_) | Content::XmlText(_) | Content::Fragment(_)),
            ) => write(node, out),
            Insert::Object(object) => {
                out.push_str("<span");
                attribute("data-embed", &json(object), out);
                out.push_str("></span>");
            }
        }
        for tag in marks.iter().rev() {
            let _ = write!(out, "</{tag}>");
        }
        if link.is_some() {
            out.push_str("</a>");
        }
    }
}

/// Where a text leads: Quill has the address as the value, Tiptap as its `href`.
fn link(attributes: &BTreeMap<String, Value>) -> Option<&str> {
    let link = attributes.get("link")?;
    let address = link.as_str().or_else(|| link.get("href")?.as_str())?;
    safe(address).then_some(address)
}

fn attribute(name: &str, value: &str, out: &mut String) {
    let _ = write!(out, " {name}=\"");
    escape(value, out);
    out.push('"');
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // HTML has no place for these.
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
