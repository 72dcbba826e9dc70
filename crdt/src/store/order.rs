//! The order of the spans of every sequence, and how many units lie before each.
//!
//! One B+ tree a sequence, all in one arena, with parents: from a span up to its position, and from
//! a position down to its span, in O(log n). A root keeps its number for as long as its sequence
//! lives.

use super::span::{NONE, Span};
use std::cmp::Ordering;

/// Entries in a node at most.
const MAX: usize = if cfg!(feature = "small-nodes") { 4 } else { 32 };
/// Set in the parent of a root; the rest is the number of its site.
const SITE: u32 = 1 << 31;

/// A span in a leaf or a node in another node, and how many units of text are in it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    units: u32,
}

#[derive(Debug)]
struct Node {
    parent: u32,
    is_leaf: bool,
    entries: Vec<Entry>,
}

/// Makes room for one more, and never for more than a node can hold.
fn reserve(entries: &mut Vec<Entry>) {
    if entries.len() == entries.capacity() {
        let more = match entries.len() {
            few if few * 2 < MAX => few.max(1),
            many => MAX + 1 - many,
        };
        entries.reserve_exact(more);
    }
}

/// Where a span stands; good until the order changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) leaf: u32,
    pub(crate) at: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Order {
    nodes: Vec<Node>,
    free: Vec<u32>,
}

impl Order {
    fn make(&mut self, node: Node) -> u32 {
        match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = node;
                id
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    /// A new, empty sequence of no site yet; returns its root.
    pub(crate) fn plant(&mut self) -> u32 {
        self.make(Node {
            parent: SITE,
            is_leaf: true,
            entries: Vec::new(),
        })
    }

    /// Tells a root which site it belongs to.
    pub(crate) fn replant(&mut self, root: u32, site: u32) {
        self.nodes[root as usize].parent = SITE | site;
    }

    /// Fills a new sequence with spans, in order.
    pub(crate) fn fill(&mut self, root: u32, list: &[u32], spans: &mut [Span]) {
        // Room for some more in each leaf.
        const FILL: usize = MAX - MAX / 4;
        let entry = |&id: &u32| Entry {
            id,
            units: spans[id as usize].units(),
        };
        let mut level: Vec<Entry> = list.iter().map(entry).collect();
        let mut is_leaf = true;
        while level.len() > FILL {
            let nodes = level.chunks(FILL).map(|chunk| {
                let units = chunk.iter().map(|entry| entry.units).sum();
                let mut entries = Vec::with_capacity(MAX + 1);
                entries.extend_from_slice(chunk);
                (entries, units)
            });
            let nodes: Vec<_> = nodes.collect();
            level.clear();
            for (entries, units) in nodes {
                let id = self.make(Node {
                    parent: root,
                    is_leaf,
                    entries,
                });
                self.own(id, spans);
                level.push(Entry { id, units });
            }
            is_leaf = false;
        }
        let node = &mut self.nodes[root as usize];
        (node.is_leaf, node.entries) = (is_leaf, level);
        self.own(root, spans);
    }

    /// Frees a sequence, and hands each span of it to `span`.
    pub(crate) fn fell(&mut self, root: u32, mut span: impl FnMut(u32)) {
        let mut todo = vec![root];
        while let Some(id) = todo.pop() {
            let node = &mut self.nodes[id as usize];
            let entries = std::mem::take(&mut node.entries);
            match node.is_leaf {
                true => entries.iter().for_each(|entry| span(entry.id)),
                false => todo.extend(entries.iter().map(|entry| entry.id)),
            }
            self.free.push(id);
        }
    }

    fn entries(&self, node: u32) -> &[Entry] {
        &self.nodes[node as usize].entries
    }

    /// The spot of a span that is in a leaf.
    pub(crate) fn spot(&self, span: u32, leaf: u32) -> Spot {
        let at = self.entries(leaf).iter().position(|entry| entry.id == span);
        debug_assert!(at.is_some(), "a leaf holds its spans");
        Spot {
            leaf,
            at: at.unwrap_or(0),
        }
    }

    pub(crate) fn span(&self, spot: Spot) -> u32 {
        self.entries(spot.leaf)[spot.at].id
    }

    /// The site of a sequence, from one of its leaves. O(log n).
    pub(crate) fn site(&self, leaf: u32) -> u32 {
        let mut parent = self.nodes[leaf as usize].parent;
        while parent & SITE == 0 {
            parent = self.nodes[parent as usize].parent;
        }
        parent & !SITE
    }

    fn index(&self, parent: u32, node: u32) -> usize {
        let entries = self.entries(parent).iter();
        entries
            .enumerate()
            .find_map(|(at, entry)| (entry.id == node).then_some(at))
            .unwrap_or(0)
    }

    /// The first spot of a sequence.
    pub(crate) fn first(&self, root: u32) -> Option<Spot> {
        let leaf = self.outermost(root, |_| 0);
        (!self.entries(leaf).is_empty()).then_some(Spot { leaf, at: 0 })
    }

    /// The last spot of a sequence.
    pub(crate) fn last(&self, root: u32) -> Option<Spot> {
        let leaf = self.outermost(root, |len| len - 1);
        let at = self.entries(leaf).len().checked_sub(1)?;
        Some(Spot { leaf, at })
    }

    fn outermost(&self, mut node: u32, side: impl Fn(usize) -> usize) -> u32 {
        while !self.nodes[node as usize].is_leaf {
            let entries = self.entries(node);
            node = entries[side(entries.len())].id;
        }
        node
    }

    /// The spot behind. O(1) but at the ends of leaves.
    pub(crate) fn next(&self, spot: Spot) -> Option<Spot> {
        if spot.at + 1 < self.entries(spot.leaf).len() {
            return Some(Spot {
                at: spot.at + 1,
                ..spot
            });
        }
        let mut node = spot.leaf;
        loop {
            let parent = self.nodes[node as usize].parent;
            if parent & SITE != 0 {
                return None;
            }
            let at = self.index(parent, node) + 1;
            if let Some(entry) = self.entries(parent).get(at) {
                let leaf = self.outermost(entry.id, |_| 0);
                return Some(Spot { leaf, at: 0 });
            }
            node = parent;
        }
    }

    /// The spot before.
    pub(crate) fn previous(&self, spot: Spot) -> Option<Spot> {
        if let Some(at) = spot.at.checked_sub(1) {
            return Some(Spot { at, ..spot });
        }
        let mut node = spot.leaf;
        loop {
            let parent = self.nodes[node as usize].parent;
            if parent & SITE != 0 {
                return None;
            }
            if let Some(at) = self.index(parent, node).checked_sub(1) {
                let leaf = self.outermost(self.entries(parent)[at].id, |len| len - 1);
                let at = self.entries(leaf).len() - 1;
                return Some(Spot { leaf, at });
            }
            node = parent;
        }
    }

    /// Which of two spots of one sequence comes first; None when they are of different ones. O(log n).
    pub(crate) fn compare(&self, a: Spot, b: Spot) -> Option<Ordering> {
        if a.leaf == b.leaf {
            return Some(a.at.cmp(&b.at));
        }
        let (mut a, mut b) = (a.leaf, b.leaf);
        loop {
            let (above_a, above_b) = (self.nodes[a as usize].parent, self.nodes[b as usize].parent);
            if (above_a | above_b) & SITE != 0 {
                return None;
            }
            if above_a == above_b {
                return Some(self.index(above_a, a).cmp(&self.index(above_a, b)));
            }
            (a, b) = (above_a, above_b);
        }
    }

    /// Adds `units` to the span at a spot; returns how many units lie before it. O(log n).
    pub(crate) fn add(&mut self, spot: Spot, units: i64) -> u32 {
        let add = |entry: &mut Entry| entry.units = (i64::from(entry.units) + units) as u32;
        let node = &mut self.nodes[spot.leaf as usize];
        let mut before: u32 = node.entries[..spot.at]
            .iter()
            .map(|entry| entry.units)
            .sum();
        add(&mut node.entries[spot.at]);
        let (mut below, mut parent) = (spot.leaf, node.parent);
        while parent & SITE == 0 {
            let node = &mut self.nodes[parent as usize];
            for entry in &mut node.entries {
                if entry.id == below {
                    add(entry);
                    break;
                }
                before += entry.units;
            }
            (below, parent) = (parent, node.parent);
        }
        before
    }

    /// How many units lie before a spot. O(log n).
    pub(crate) fn position(&self, spot: Spot) -> u32 {
        let units = |entries: &[Entry]| entries.iter().map(|entry| entry.units).sum::<u32>();
        let mut before = units(&self.entries(spot.leaf)[..spot.at]);
        let (mut below, mut parent) = (spot.leaf, self.nodes[spot.leaf as usize].parent);
        while parent & SITE == 0 {
            before += units(&self.entries(parent)[..self.index(parent, below)]);
            (below, parent) = (parent, self.nodes[parent as usize].parent);
        }
        before
    }

    /// Units in a whole sequence.
    pub(crate) fn units(&self, root: u32) -> u32 {
        self.entries(root).iter().map(|entry| entry.units).sum()
    }

    /// The spot of the unit at a position that is not behind the last, and the units of its span
    /// before it. O(log n).
    pub(crate) fn seek(&self, root: u32, mut units: u32) -> Option<(Spot, u32)> {
        let mut node = root;
        loop {
            let entries = self.entries(node);
            let at = entries.iter().position(|entry| {
                let here = units < entry.units;
                units -= if here { 0 } else { entry.units };
                here
            })?;
            if self.nodes[node as usize].is_leaf {
                return Some((Spot { leaf: node, at }, units));
            }
            node = entries[at].id;
        }
    }

    /// Calls `span` for each span of a sequence in order, with its units.
    pub(crate) fn walk(&self, root: u32, mut span: impl FnMut(u32, u32)) {
        let mut todo = vec![root];
        while let Some(id) = todo.pop() {
            let node = &self.nodes[id as usize];
            if node.is_leaf {
                node.entries
                    .iter()
                    .for_each(|entry| span(entry.id, entry.units));
            } else {
                todo.extend(node.entries.iter().rev().map(|entry| entry.id));
            }
        }
    }

    fn own(&mut self, node: u32, spans: &mut [Span]) {
        let Node {
            is_leaf, entries, ..
        } = &self.nodes[node as usize];
        if *is_leaf {
            for entry in entries {
                spans[entry.id as usize].leaf = node;
            }
        } else {
            let children: Vec<u32> = entries.iter().map(|entry| entry.id).collect();
            for child in children {
                self.nodes[child as usize].parent = node;
            }
        }
    }

    /// Puts a span at a spot, before what is there, with no units yet; returns where it stands.
    pub(crate) fn insert(&mut self, spot: Spot, span: u32, spans: &mut [Span]) -> Spot {
        self.put(spot, Entry { id: span, units: 0 }, spans)
    }

    /// Puts the second half of a span that was cut behind the first one, with its units.
    pub(crate) fn cut(&mut self, spot: Spot, half: u32, spans: &mut [Span]) {
        let units = spans[half as usize].units();
        self.nodes[spot.leaf as usize].entries[spot.at].units -= units;
        let behind = Spot {
            at: spot.at + 1,
            ..spot
        };
        self.put(behind, Entry { id: half, units }, spans);
    }

    /// Puts an entry at a spot. The sums above have its units already.
    fn put(&mut self, spot: Spot, entry: Entry, spans: &mut [Span]) -> Spot {
        let span = entry.id;
        let entries = &mut self.nodes[spot.leaf as usize].entries;
        reserve(entries);
        entries.insert(spot.at, entry);
        spans[span as usize].leaf = spot.leaf;
        if entries.len() <= MAX {
            return spot;
        }
        let at_end = spot.at + 1 == entries.len();
        self.split(spot.leaf, at_end, spans);
        self.spot(span, spans[span as usize].leaf)
    }

    /// Halves a node that is too full, and those above that get too full by it. What grows at its
    /// end leaves full nodes behind.
    fn split(&mut self, mut node: u32, mut at_end: bool, spans: &mut [Span]) {
        while self.entries(node).len() > MAX {
            if self.nodes[node as usize].parent & SITE != 0 {
                node = self.deepen(node, spans);
            }
            let (parent, is_leaf) = {
                let node = &self.nodes[node as usize];
                (node.parent, node.is_leaf)
            };
            let keep = if at_end { MAX } else { MAX / 2 };
            let entries = self.nodes[node as usize].entries.split_off(keep);
            let units: u32 = entries.iter().map(|entry| entry.units).sum();
            let sibling = self.make(Node {
                parent,
                is_leaf,
                entries,
            });
            self.own(sibling, spans);
            let at = self.index(parent, node);
            let above = &mut self.nodes[parent as usize].entries;
            above[at].units -= units;
            reserve(above);
            above.insert(at + 1, Entry { id: sibling, units });
            at_end &= at + 2 == above.len();
            node = parent;
        }
    }

    /// Puts a new node between a root and its entries; returns it.
    fn deepen(&mut self, root: u32, spans: &mut [Span]) -> u32 {
        let node = &mut self.nodes[root as usize];
        let (is_leaf, entries) = (node.is_leaf, std::mem::take(&mut node.entries));
        let units = entries.iter().map(|entry| entry.units).sum();
        let child = self.make(Node {
            parent: root,
            is_leaf,
            entries,
        });
        self.own(child, spans);
        let node = &mut self.nodes[root as usize];
        node.is_leaf = false;
        node.entries.push(Entry { id: child, units });
        child
    }

    /// Takes out the span at a spot, which has no units any more.
    pub(crate) fn remove(&mut self, spot: Spot, spans: &mut [Span]) {
        let entry = self.nodes[spot.leaf as usize].entries.remove(spot.at);
        spans[entry.id as usize].leaf = NONE;
        let mut node = spot.leaf;
        loop {
            let parent = self.nodes[node as usize].parent;
            let len = self.entries(node).len();
            if parent & SITE != 0 {
                if len == 0 {
                    self.nodes[node as usize].is_leaf = true;
                }
                return;
            }
            if len == 0 {
                let at = self.index(parent, node);
                self.nodes[parent as usize].entries.remove(at);
                self.free.push(node);
            } else if len > MAX / 4 || !self.join(parent, node, spans) {
                return;
            }
            node = parent;
        }
    }

    /// Joins a node that is rather empty with a neighbour, if they fit into one.
    fn join(&mut self, parent: u32, node: u32, spans: &mut [Span]) -> bool {
        let at = self.index(parent, node);
        let left = if at > 0 { at - 1 } else { at };
        let pair = &self.entries(parent)[left..];
        let [a, b, ..] = pair else {
            return false;
        };
        let (a, b) = (a.id, b.id);
        if self.entries(a).len() + self.entries(b).len() > MAX / 4 * 3 {
            return false;
        }
        let moved = std::mem::take(&mut self.nodes[b as usize].entries);
        self.nodes[a as usize].entries.extend(moved);
        self.own(a, spans);
        let above = &mut self.nodes[parent as usize].entries;
        above[left].units += above[left + 1].units;
        above.remove(left + 1);
        self.free.push(b);
        true
    }

    /// Panics when a node is not what its parent or its children say. Returns the spans in order.
    pub(crate) fn check(&self, root: u32, spans: &[Span]) -> Vec<u32> {
        let mut all = Vec::new();
        let mut todo = vec![root];
        while let Some(id) = todo.pop() {
            let node = &self.nodes[id as usize];
            assert!(node.entries.len() <= MAX);
            assert!(id == root || !node.entries.is_empty(), "an empty node");
            for entry in &node.entries {
                if node.is_leaf {
                    let span = &spans[entry.id as usize];
                    assert_eq!(span.leaf, id, "a span knows its leaf");
                    assert_eq!(span.units(), entry.units, "a leaf knows its spans' units");
                    all.push(entry.id);
                } else {
                    assert_eq!(self.nodes[entry.id as usize].parent, id);
                    assert_eq!(self.units(entry.id), entry.units, "sums hold");
                }
            }
            if !node.is_leaf {
                todo.extend(node.entries.iter().rev().map(|entry| entry.id));
            }
        }
        all
    }
}
