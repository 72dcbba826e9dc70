//! What one replica does in one transaction.
//!
//! yrs keeps attributes and options in maps whose order is chance: at most one of them is written at
//! once, so that the same seed writes the same bytes.

use super::Kind;
use crate::rng::Rng;
use crate::view::{ARRAYS, MAP, TEXTS, XML};
use std::sync::Arc;
use yrs::types::Attrs;
use yrs::types::text::YChange;
use yrs::{
    Any, Array, ArrayPrelim, ArrayRef, Doc, Map, MapPrelim, MapRef, Options, Out, Text, TextPrelim,
    TransactionMut, WriteTxn, Xml, XmlElementPrelim, XmlFragment, XmlFragmentRef, XmlOut,
    XmlTextPrelim,
};

const WORDS: [&str; 8] = ["a", "bc", "hello ", "\n", "é", "女女", "0123456789", "z"];
const ASTRAL: [&str; 3] = ["😀", "a😀b", "👩‍👩‍👧𝄞"];
const KEYS: [&str; 3] = ["a", "b", "c"];
const MARKS: [&str; 3] = ["bold", "italic", "link"];

pub fn edit(rng: &mut Rng, txn: &mut TransactionMut<'_>, kinds: &[Kind], step: usize) {
    let mut edits = Edits { rng, kinds, step };
    for _ in 0..1 + edits.rng.below(3) {
        let rich = kinds.iter().any(|kind| {
            use Kind::{Documents, Embeds, Nested, Values};
            matches!(kind, Documents | Embeds | Nested | Values)
        });
        if rich && edits.rng.chance(2) {
            let all = types(txn);
            let at = edits.rng.below(all.len());
            edits.within(txn, &all[at]);
        } else {
            let text = txn.get_or_insert_text(TEXTS[0]);
            edits.text(txn, &text);
        }
    }
}

/// All shared types that are not deleted, the roots first.
fn types(txn: &mut TransactionMut<'_>) -> Vec<Out> {
    let mut all: Vec<Out> = TEXTS
        .map(|root| Out::YText(txn.get_or_insert_text(root)))
        .into();
    all.extend(ARRAYS.map(|root| Out::YArray(txn.get_or_insert_array(root))));
    all.push(Out::YMap(txn.get_or_insert_map(MAP)));
    all.push(Out::YXmlFragment(txn.get_or_insert_xml_fragment(XML)));
    let mut at = 0;
    while at < all.len() {
        let inner: Vec<Out> = match &all[at] {
            Out::YArray(array) => array.iter(txn).collect(),
            Out::YMap(map) => {
                let mut inner: Vec<(&str, Out)> = map.iter(txn).collect();
                inner.sort_by_key(|(key, _)| *key);
                inner.into_iter().map(|(_, value)| value).collect()
            }
            Out::YText(text) => inserts(txn, text),
            Out::YXmlText(text) => inserts(txn, text),
            Out::YXmlElement(element) => children(txn, element.as_ref()),
            Out::YXmlFragment(fragment) => children(txn, fragment),
            _ => Vec::new(),
        };
        let is_type = |value: &Out| !matches!(value, Out::Any(_) | Out::YDoc(_));
        all.extend(inner.into_iter().filter(is_type));
        at += 1;
    }
    all
}

fn inserts(txn: &TransactionMut<'_>, text: &impl Text) -> Vec<Out> {
    let parts = text.diff(txn, YChange::identity).into_iter();
    parts.map(|part| part.insert).collect()
}

fn children(txn: &TransactionMut<'_>, fragment: &XmlFragmentRef) -> Vec<Out> {
    let children = fragment.children(txn).map(|child| match child {
        XmlOut::Element(element) => Out::YXmlElement(element),
        XmlOut::Fragment(fragment) => Out::YXmlFragment(fragment),
        XmlOut::Text(text) => Out::YXmlText(text),
    });
    children.collect()
}

struct Edits<'e> {
    rng: &'e mut Rng,
    kinds: &'e [Kind],
    /// Makes names that nobody else has.
    step: usize,
}

impl Edits<'_> {
    fn with(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    fn below(&mut self, end: u32) -> u32 {
        self.rng.below(end as usize) as u32
    }

    fn within(&mut self, txn: &mut TransactionMut<'_>, inside: &Out) {
        match inside {
            Out::YText(text) => self.text(txn, text),
            Out::YXmlText(text) if self.rng.chance(4) => self.attribute(txn, text),
            Out::YXmlText(text) => self.text(txn, text),
            Out::YArray(array) => self.array(txn, array),
            Out::YMap(map) => self.map(txn, map),
            Out::YXmlElement(element) if self.rng.chance(3) => self.attribute(txn, element),
            Out::YXmlElement(element) => self.children(txn, element.as_ref()),
            Out::YXmlFragment(fragment) => self.children(txn, fragment),
            _ => {}
        }
    }

    fn word(&mut self) -> &'static str {
        match self.with(Kind::Astral) && self.rng.chance(3) {
            true => self.rng.pick(&ASTRAL),
            false => self.rng.pick(&WORDS),
        }
    }

    fn text(&mut self, txn: &mut TransactionMut<'_>, text: &impl Text) {
        let len = text.len(txn);
        let at = self.below(len + 1);
        if len > 0 && self.rng.chance(3) {
            let from = self.below(len);
            let count = 1 + self.below(4);
            return text.remove_range(txn, from, count.min(len - from));
        }
        if self.with(Kind::Formats) && self.rng.chance(3) {
            return self.format(txn, text, at);
        }
        if self.with(Kind::Embeds) && self.rng.chance(4) {
            return self.embed(txn, text, at);
        }
        text.insert(txn, at, self.word());
    }

    fn mark(&mut self) -> (Arc<str>, Any) {
        let value = match self.rng.below(3) {
            0 => Any::Null,
            1 => Any::from(true),
            _ => Any::from("red"),
        };
        (self.rng.pick(&MARKS).into(), value)
    }

    fn format(&mut self, txn: &mut TransactionMut<'_>, text: &impl Text, at: u32) {
        let (mark, value) = self.mark();
        let len = text.len(txn);
        if self.rng.chance(2) {
            // All that is in force there stays so, and one mark changes.
            let mut marks = in_force(txn, text, at);
            marks.insert(mark, value);
            if self.with(Kind::Embeds) && self.rng.chance(3) {
                let value = Any::from(self.rng.below(100) as i64);
                text.insert_embed_with_attributes(txn, at, value, marks);
            } else {
                text.insert_with_attributes(txn, at, self.word(), marks);
            }
        } else if len > 0 {
            // Between characters: where it has nothing to say, yrs cuts one in two without saying so.
            let from = boundary(txn, text, at);
            let to = from + 1 + self.below(len);
            let to = boundary(txn, text, to.min(len));
            if from < to {
                text.format(txn, from, to - from, Attrs::from([(mark, value)]));
            }
        }
    }

    fn embed(&mut self, txn: &mut TransactionMut<'_>, text: &impl Text, at: u32) {
        match self.rng.below(6) {
            0 => _ = text.insert_embed(txn, at, ArrayPrelim::from([1, 2])),
            1 => _ = text.insert_embed(txn, at, MapPrelim::from([("x", 1)])),
            2 => _ = text.insert_embed(txn, at, TextPrelim::new("in")),
            3 => _ = text.insert_embed(txn, at, XmlElementPrelim::empty("img")),
            4 => _ = text.insert_embed(txn, at, Any::from(5)),
            _ => {
                let image = Any::from_json("{\"image\":\"a😀.png\"}").unwrap();
                text.insert_embed(txn, at, image);
            }
        }
    }

    fn value(&mut self) -> Any {
        match self.rng.below(11) {
            0 => Any::Null,
            1 => Any::Undefined,
            2 => Any::from(self.rng.chance(2)),
            3 => Any::from(-70_000 + self.rng.below(140_000) as i64),
            4 => Any::from((1_i64 << 60) + 1),
            5 => Any::from(0.1 + self.rng.below(9) as f64),
            6 => Any::from(0.5_f32),
            7 => Any::from(vec![1_u8, 2, 255]),
            8 => Any::from_json("[1,[\"two\",{\"three\":null}]]").unwrap(),
            9 => Any::from(""),
            _ => Any::from("a😀 of text"),
        }
    }

    fn document(&mut self) -> Doc {
        Doc::with_options(Options {
            guid: format!("{}-{}", self.step, self.rng.below(1_000_000)).into(),
            auto_load: self.rng.chance(2),
            ..Options::default()
        })
    }

    fn array(&mut self, txn: &mut TransactionMut<'_>, array: &ArrayRef) {
        let len = array.len(txn);
        let at = self.below(len + 1);
        if len > 0 && self.rng.chance(3) {
            let from = self.below(len);
            let count = 1 + self.below(3);
            return array.remove_range(txn, from, count.min(len - from));
        }
        if self.with(Kind::Documents) && self.rng.chance(4) {
            let inner = self.document();
            array.insert(txn, at, inner);
            return;
        }
        if self.with(Kind::Nested) && self.rng.chance(2) {
            match self.rng.below(6) {
                0 => _ = array.insert(txn, at, ArrayPrelim::from([1, 2, 3])),
                1 => _ = array.insert(txn, at, MapPrelim::from([("x", 1)])),
                2 => _ = array.insert(txn, at, TextPrelim::new("in an array")),
                3 => _ = array.insert(txn, at, XmlElementPrelim::empty("p")),
                4 => _ = array.insert(txn, at, XmlTextPrelim::new("x")),
                _ => _ = array.insert(txn, at, ArrayPrelim::default()),
            }
            return;
        }
        if self.with(Kind::Values) {
            let values: Vec<Any> = (0..1 + self.rng.below(4)).map(|_| self.value()).collect();
            array.insert_range(txn, at, values);
        }
    }

    fn map(&mut self, txn: &mut TransactionMut<'_>, map: &MapRef) {
        let key = self.rng.pick(&KEYS);
        if self.rng.chance(4) {
            map.remove(txn, key);
        } else if self.with(Kind::Documents) && self.rng.chance(4) {
            let inner = self.document();
            map.insert(txn, key, inner);
        } else if self.with(Kind::Nested) && self.rng.chance(2) {
            match self.rng.below(4) {
                0 => _ = map.insert(txn, key, ArrayPrelim::from([1, 2, 3])),
                1 => _ = map.insert(txn, key, MapPrelim::from([("x", "y")])),
                2 => _ = map.insert(txn, key, TextPrelim::new("in a map")),
                _ => _ = map.insert(txn, key, XmlElementPrelim::empty("p")),
            }
        } else if self.with(Kind::Values) {
            let value = self.value();
            map.insert(txn, key, value);
        }
    }

    fn attribute(&mut self, txn: &mut TransactionMut<'_>, node: &impl Xml) {
        let name = self.rng.pick(&KEYS);
        match self.rng.below(4) {
            0 => node.remove_attribute(txn, &name),
            1 if self.with(Kind::Nested) => {
                node.insert_attribute(txn, name, TextPrelim::new("attribute"));
            }
            _ => _ = node.insert_attribute(txn, name, self.word()),
        }
    }

    fn children(&mut self, txn: &mut TransactionMut<'_>, fragment: &XmlFragmentRef) {
        if !self.with(Kind::Nested) {
            return;
        }
        let len = fragment.len(txn);
        let at = self.below(len + 1);
        if len > 0 && self.rng.chance(3) {
            let from = self.below(len);
            let count = 1 + self.below(2);
            return fragment.remove_range(txn, from, count.min(len - from));
        }
        match self.rng.below(3) {
            0 => _ = fragment.insert(txn, at, XmlTextPrelim::new(self.word())),
            1 => _ = fragment.insert(txn, at, XmlElementPrelim::empty("b")),
            _ => {
                let element = fragment.insert(txn, at, XmlElementPrelim::empty("p"));
                element.insert(txn, 0, XmlTextPrelim::new(self.word()));
            }
        }
    }
}

/// The attributes of what stands before a place.
fn in_force(txn: &TransactionMut<'_>, text: &impl Text, at: u32) -> Attrs {
    let mut end = 0;
    for part in text.diff(txn, YChange::identity) {
        end += units(&part.insert);
        if at > 0 && end >= at {
            return part.attributes.map(|all| *all).unwrap_or_default();
        }
    }
    Attrs::default()
}

/// The last place between two characters that is not behind `at`.
fn boundary(txn: &TransactionMut<'_>, text: &impl Text, at: u32) -> u32 {
    let mut end = 0;
    for part in text.diff(txn, YChange::identity) {
        if end >= at {
            return at;
        }
        let Out::Any(Any::String(string)) = &part.insert else {
            end += 1;
            continue;
        };
        for char in string.chars() {
            if end + char.len_utf16() as u32 > at {
                return end;
            }
            end += char.len_utf16() as u32;
        }
    }
    end.min(at)
}

fn units(insert: &Out) -> u32 {
    match insert {
        Out::Any(Any::String(string)) => string.encode_utf16().count() as u32,
        _ => 1,
    }
}
