//! All that yrs shows of a document, in an order of its own: two documents are equal when this is.

use std::collections::BTreeMap;
use std::fmt::Write;
use yrs::types::text::YChange;
use yrs::{
    Any, Array, Map, Out, ReadTxn, Text, Transact, Xml, XmlFragment, XmlFragmentRef, XmlOut,
};

/// The roots that [`crate::history`] writes to.
pub const TEXTS: [&str; 2] = ["text", "rich"];
pub const XML: &str = "xml";
pub const MAP: &str = "map";
pub const ARRAYS: [&str; 2] = ["array", "values"];

/// The text of a root as [`ropewalk_crdt::Document::text`] has it: U+FFFC for what is not text.
pub fn text(doc: &yrs::Doc, root: &str) -> String {
    let text = doc.get_or_insert_text(root);
    let parts = text.diff(&doc.transact(), YChange::identity).into_iter();
    let parts = parts.map(|part| match part.insert {
        Out::Any(Any::String(string)) => string.to_string(),
        _ => "\u{fffc}".to_owned(),
    });
    parts.collect()
}

/// Everything that is visible, deltas and attributes included.
pub fn all(doc: &yrs::Doc) -> String {
    let texts = TEXTS.map(|root| (root, Out::YText(doc.get_or_insert_text(root))));
    let arrays = ARRAYS.map(|root| (root, Out::YArray(doc.get_or_insert_array(root))));
    let map = (MAP, Out::YMap(doc.get_or_insert_map(MAP)));
    let xml = Out::YXmlFragment(doc.get_or_insert_xml_fragment(XML));
    let roots = texts.into_iter().chain(arrays).chain([map, (XML, xml)]);
    let txn = doc.transact();
    let mut out = String::new();
    for (name, root) in roots {
        write!(out, "{name}: ").unwrap();
        show(&mut out, &txn, root);
        out.push('\n');
    }
    out
}

fn show(out: &mut String, txn: &impl ReadTxn, value: Out) {
    match value {
        Out::Any(value) => any(out, &value),
        Out::YText(text) => delta(out, txn, &text),
        Out::YXmlText(text) => {
            out.push_str("xml-text");
            attributes(out, txn, &text);
            delta(out, txn, &text);
        }
        Out::YArray(array) => {
            out.push('[');
            for value in array.iter(txn) {
                show(out, txn, value);
                out.push(',');
            }
            out.push(']');
        }
        Out::YMap(map) => object(out, txn, &map),
        Out::YXmlElement(element) => {
            write!(out, "<{}", element.tag()).unwrap();
            attributes(out, txn, &element);
            out.push('>');
            children(out, txn, element.as_ref());
        }
        Out::YXmlFragment(fragment) => children(out, txn, &fragment),
        Out::YDoc(doc) => write!(out, "doc {} {}", doc.guid(), doc.auto_load()).unwrap(),
        Out::UndefinedRef(_) => out.push('?'),
    }
}

fn delta(out: &mut String, txn: &impl ReadTxn, text: &impl Text) {
    out.push('"');
    for part in text.diff(txn, YChange::identity) {
        show(out, txn, part.insert);
        let attributes: BTreeMap<_, _> = part.attributes.into_iter().flat_map(|all| *all).collect();
        for (name, value) in attributes {
            write!(out, " {name}=").unwrap();
            any(out, &value);
        }
        out.push('|');
    }
    out.push('"');
}

fn object(out: &mut String, txn: &impl ReadTxn, map: &impl Map) {
    let values: BTreeMap<&str, Out> = map.iter(txn).collect();
    out.push('{');
    for (key, value) in values {
        write!(out, "{key}:").unwrap();
        show(out, txn, value);
        out.push(',');
    }
    out.push('}');
}

fn attributes(out: &mut String, txn: &impl ReadTxn, node: &impl Xml) {
    let values: BTreeMap<&str, Out> = node.attributes(txn).collect();
    for (name, value) in values {
        write!(out, " {name}=").unwrap();
        show(out, txn, value);
    }
}

fn children(out: &mut String, txn: &impl ReadTxn, fragment: &XmlFragmentRef) {
    out.push('(');
    for child in fragment.children(txn) {
        show(
            out,
            txn,
            match child {
                XmlOut::Element(element) => Out::YXmlElement(element),
                XmlOut::Fragment(fragment) => Out::YXmlFragment(fragment),
                XmlOut::Text(text) => Out::YXmlText(text),
            },
        );
    }
    out.push(')');
}

fn any(out: &mut String, value: &Any) {
    match value {
        Any::Map(values) => {
            let values: BTreeMap<_, _> = values.iter().collect();
            write!(out, "{values:?}").unwrap();
        }
        value => write!(out, "{value:?}").unwrap(),
    }
}
