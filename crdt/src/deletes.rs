//! Which units are deleted: merged ranges of clocks per client.

use crate::ClientId;
use crate::wire::write_var;
use std::collections::BTreeMap;

/// A set of ids, kept as ranges that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteSet {
    /// Start to end (exclusive) of each range, by client.
    clients: BTreeMap<ClientId, BTreeMap<u32, u32>>,
    units: u64,
}

impl DeleteSet {
    /// Nothing is deleted.
    pub fn new() -> Self {
        Self::default()
    }

    /// The set of ranges that are sorted and neither touch nor overlap. O(n).
    pub(crate) fn from_sorted(ranges: &[(ClientId, u32, u32)]) -> Self {
        let clients = ranges.chunk_by(|a, b| a.0 == b.0).map(|ranges| {
            let pairs = ranges.iter().map(|&(_, start, end)| (start, end));
            (ranges[0].0, pairs.collect())
        });
        let units = ranges.iter().map(|&(_, start, end)| u64::from(end - start));
        DeleteSet {
            clients: clients.collect(),
            units: units.sum(),
        }
    }

    /// Number of deleted units. O(1).
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Whether nothing is deleted. O(1).
    pub fn is_empty(&self) -> bool {
        self.units == 0
    }

    /// Adds the clocks `start..end` of `client`; returns how many of them are new. O(log n) for
    /// each range that it merges.
    pub fn insert(&mut self, client: ClientId, start: u32, end: u32) -> u64 {
        if start >= end {
            return 0;
        }
        let ranges = self.clients.entry(client).or_default();
        if let Some((&left, right)) = ranges.range_mut(..=end).next_back()
            && left <= start
            && (start..=end).contains(right)
        {
            // It goes on where one ends, as deleting forwards does.
            let new = u64::from(end - *right);
            *right = end;
            self.units += new;
            return new;
        }
        let (mut from, mut to, mut known) = (start, end, 0);
        // The last range that starts at or before the end is the only one that can reach
        // furthest to the right; going left from it meets all that touch.
        while let Some((&left, &right)) = ranges.range(..=to).next_back() {
            if right < from {
                break;
            }
            ranges.remove(&left);
            known += u64::from(right - left);
            from = from.min(left);
            to = to.max(right);
        }
        ranges.insert(from, to);
        let new = u64::from(to - from) - known;
        self.units += new;
        new
    }

    /// Adds all of `other`.
    pub fn join(&mut self, other: &Self) {
        for (client, start, end) in other.iter() {
            self.insert(client, start, end);
        }
    }

    /// The ranges, by ascending client and clock: client, start, end (exclusive).
    pub fn iter(&self) -> impl Iterator<Item = (ClientId, u32, u32)> + '_ {
        self.clients.iter().flat_map(|(&client, ranges)| {
            ranges
                .iter()
                .map(move |(&start, &end)| (client, start, end))
        })
    }

    /// Calls `gap` for each part of `start..end` of `client` that is not in the set.
    pub(crate) fn gaps(
        &self,
        client: ClientId,
        start: u32,
        end: u32,
        mut gap: impl FnMut(u32, u32),
    ) {
        let mut at = start;
        if let Some(ranges) = self.clients.get(&client) {
            if let Some((_, &right)) = ranges.range(..=start).next_back() {
                at = at.max(right);
            }
            if at < end {
                for (&left, &right) in ranges.range(at..end) {
                    if at < left {
                        gap(at, left);
                    }
                    at = right;
                }
            }
        }
        if at < end {
            gap(at, end);
        }
    }

    /// The parts of the ranges of `client` that lie below `end`.
    pub(crate) fn below(
        &self,
        client: ClientId,
        end: u32,
    ) -> impl Iterator<Item = (u32, u32)> + '_ {
        let ranges = self.clients.get(&client).into_iter();
        ranges
            .flat_map(move |ranges| ranges.range(..end))
            .map(move |(&left, &right)| (left, right.min(end)))
    }

    /// Takes out the clocks of `client` below `end`.
    pub(crate) fn remove_below(&mut self, client: ClientId, end: u32) {
        let Some(ranges) = self.clients.get_mut(&client) else {
            return;
        };
        while let Some((&left, &right)) = ranges.first_key_value() {
            if left >= end {
                break;
            }
            ranges.remove(&left);
            self.units -= u64::from(right.min(end) - left);
            if right > end {
                ranges.insert(end, right);
            }
        }
        if ranges.is_empty() {
            self.clients.remove(&client);
        }
    }

    /// Number of ranges. O(clients).
    pub(crate) fn ranges(&self) -> usize {
        self.clients.values().map(BTreeMap::len).sum()
    }

    /// As an update that inserts nothing.
    pub(crate) fn update(&self) -> Vec<u8> {
        let mut out = vec![0];
        self.write(&mut out);
        out
    }

    /// Appends the delete set of an update, highest client first.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_var(out, self.clients.len() as u64);
        for (&client, ranges) in self.clients.iter().rev() {
            write_var(out, client);
            write_var(out, ranges.len() as u64);
            for (&start, &end) in ranges {
                write_var(out, u64::from(start));
                write_var(out, u64::from(end - start));
            }
        }
    }
}
