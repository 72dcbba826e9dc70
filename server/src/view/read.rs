//! From a state to content. The only place that uses yrs, and only in a process that may end in the middle of it.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;

use serde_json::Value;
use yrs::branch::{Branch, BranchPtr};
use yrs::types::text::Diff;
use yrs::updates::decoder::{Decode, Decoder, DecoderV1};
use yrs::{
    Any, Array, ArrayRef, Doc, Map, MapRef, Number, OffsetKind, Options, Out, ReadTxn, Text,
    TextRef, Transact, TransactionMut, Update,
};

use super::content::{Content, DEPTH, Element, Insert, Piece};

/// What a root of a state holds; `None` when yrs cannot read the state, or it is nested too deeply.
///
/// Roots have no kind on the wire. What is in a root says it: keyed entries alone are a map, XML nodes alone are XML,
/// characters and embeds are a text, other values and types are a list.
pub fn read(state: &[u8], root: &str) -> Option<Content> {
    let options = Options {
        // In these units a character takes as many places as in the state.
        offset_kind: OffsetKind::Utf16,
        ..Options::default()
    };
    let doc = Doc::with_options(options);
    // Nothing is committed: that would change what is only read, and yrs fails there most of all.
    let mut txn = ManuallyDrop::new(doc.transact_mut());
    txn.apply_update(decode(state)?).ok()?;
    if txn.has_missing_updates() {
        return None;
    }
    match txn.get_text(root) {
        Some(root) => Walk(&txn).untyped(branch(&root), 0),
        None => Some(Content::Nothing),
    }
}

/// Of an XML hook yrs misses the name, and takes it for what comes next: then it does not end where the state ends.
fn decode(state: &[u8]) -> Option<Update> {
    let mut decoder = DecoderV1::from(state);
    let update = Update::decode(&mut decoder).ok()?;
    let rest = decoder.read_to_end().ok()?;
    rest.is_empty().then_some(update)
}

fn branch(of: &impl AsRef<Branch>) -> BranchPtr {
    BranchPtr::from(of.as_ref())
}

struct Walk<'t>(&'t TransactionMut<'t>);

impl Walk<'_> {
    fn untyped(&self, branch: BranchPtr, depth: usize) -> Option<Content> {
        let parts = self.parts(branch);
        let units: u64 = parts.iter().map(units).sum();
        // Parts are all there is but values that are neither characters nor embeds.
        let values = u64::from(branch.content_len) > units;
        let text = parts.iter().any(|part| matches!(part.insert, Out::Any(_)));
        if text && !values {
            return Some(Content::Text(self.pieces(parts, depth)?));
        }
        let xml = |out: &Out| {
            matches!(
                out,
                Out::YXmlElement(_) | Out::YXmlText(_) | Out::YXmlFragment(_)
            )
        };
        if !parts.is_empty() && !values && parts.iter().all(|part| xml(&part.insert)) {
            return Some(Content::Fragment(self.nodes(parts, depth)?));
        }
        if !parts.is_empty() || values {
            return self.list(branch, depth);
        }
        let entries = self.entries(branch, depth)?;
        Some(if entries.is_empty() {
            Content::Nothing
        } else {
            Content::Map(entries)
        })
    }

    fn typed(&self, out: Out, depth: usize) -> Option<Content> {
        Some(match out {
            Out::Any(value) => Content::Value(json(&value, 0)?),
            _ if depth > DEPTH => return None,
            Out::YText(text) => {
                let parts = self.parts(branch(&text));
                Content::Text(self.pieces(parts, depth)?)
            }
            Out::YXmlText(text) => {
                let parts = self.parts(branch(&text));
                Content::XmlText(self.pieces(parts, depth)?)
            }
            Out::YXmlElement(element) => {
                let branch = branch(&element);
                Content::Element(Element {
                    name: element.try_tag().map(|tag| tag.to_string())?,
                    attributes: self.entries(branch, depth)?,
                    children: self.nodes(self.parts(branch), depth)?,
                })
            }
            Out::YXmlFragment(fragment) => {
                let branch = branch(&fragment);
                Content::Fragment(self.nodes(self.parts(branch), depth)?)
            }
            Out::YArray(list) => return self.list(branch(&list), depth),
            Out::YMap(map) => Content::Map(self.entries(branch(&map), depth)?),
            Out::YDoc(doc) => Content::Document(doc.guid().to_string()),
            Out::UndefinedRef(branch) => return self.untyped(branch, depth),
        })
    }

    /// Characters with their formats, embeds and types, in order. Of all ways that yrs has to walk a sequence this one
    /// takes any content, and ends.
    fn parts(&self, branch: BranchPtr) -> Vec<Diff<()>> {
        TextRef::from(branch).diff(self.0, |_| ())
    }

    fn pieces(&self, parts: Vec<Diff<()>>, depth: usize) -> Option<Vec<Piece>> {
        let piece = |part: Diff<()>| {
            let insert = match part.insert {
                Out::Any(Any::String(text)) => Insert::Text(text.to_string()),
                object => Insert::Object(self.typed(object, depth + 1)?),
            };
            let mut attributes = BTreeMap::new();
            for (name, value) in part
                .attributes
                .iter()
                .flat_map(|attributes| attributes.iter())
            {
                attributes.insert(name.to_string(), json(value, 0)?);
            }
            Some(Piece { insert, attributes })
        };
        parts.into_iter().map(piece).collect()
    }

    /// XML nodes; characters right among them are a text as well.
    fn nodes(&self, parts: Vec<Diff<()>>, depth: usize) -> Option<Vec<Content>> {
        let node = |part: Diff<()>| match part.insert {
            Out::Any(_) => Some(Content::XmlText(self.pieces(vec![part], depth)?)),
            node => self.typed(node, depth + 1),
        };
        parts.into_iter().map(node).collect()
    }

    fn list(&self, branch: BranchPtr, depth: usize) -> Option<Content> {
        // yrs never ends when it walks a list with such characters among the values.
        let endless = |part: &Diff<()>| match &part.insert {
            Out::Any(Any::String(text)) => text.chars().any(|c| c.len_utf16() > 1),
            _ => false,
        };
        if self.parts(branch).iter().any(endless) {
            return None;
        }
        let list = ArrayRef::from(branch);
        let items = list.iter(self.0).map(|item| self.typed(item, depth + 1));
        Some(Content::List(items.collect::<Option<_>>()?))
    }

    fn entries(&self, branch: BranchPtr, depth: usize) -> Option<BTreeMap<String, Content>> {
        let map = MapRef::from(branch);
        let entry =
            |(key, value): (&str, Out)| Some((key.to_owned(), self.typed(value, depth + 1)?));
        map.iter(self.0).map(entry).collect()
    }
}

/// How much of a sequence a part takes.
fn units(part: &Diff<()>) -> u64 {
    match &part.insert {
        Out::Any(Any::String(text)) => text.encode_utf16().count() as u64,
        _ => 1,
    }
}

fn json(value: &Any, depth: usize) -> Option<Value> {
    if depth > DEPTH {
        return None;
    }
    Some(match value {
        Any::Null | Any::Undefined => Value::Null,
        Any::Bool(truth) => Value::Bool(*truth),
        Any::Number(Number::Int(number)) => Value::from(*number),
        // Whole numbers are told as such, whatever the wire made of them; what is no number is null, as in JavaScript.
        Any::Number(Number::Float(number)) => {
            whole(*number).map_or_else(|| Value::from(*number), Value::from)
        }
        Any::String(text) => Value::String(text.to_string()),
        Any::Buffer(bytes) => Value::from(bytes.to_vec()),
        Any::Array(items) => {
            let items = items.iter().map(|item| json(item, depth + 1));
            Value::Array(items.collect::<Option<_>>()?)
        }
        Any::Map(entries) => {
            let entry =
                |(key, value): (&String, &Any)| Some((key.clone(), json(value, depth + 1)?));
            Value::Object(entries.iter().map(entry).collect::<Option<_>>()?)
        }
    })
}

/// A number that a double holds exactly, without a fraction.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests;
