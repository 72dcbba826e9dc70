//! The lines of a text as editors count them, and the line breaks that they hide.

use ropewalk_crdt::Edit;
use ropey::Rope;
use serde::{Deserialize, Serialize};

use super::delta::Delta;

/// A place in a text. Lines end with a line feed and nothing else.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Position {
    /// From 0.
    pub(super) line: u64,
    /// Unicode code points before it in the line.
    pub(super) character: u64,
}

/// A part of a text, or a selection: then the end is where the cursor is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Range {
    pub(super) start: Position,
    pub(super) end: Position,
}

/// The offset of a position, in characters; None when there is no such place. O(n).
pub(super) fn offset(text: &Rope, position: Position) -> Option<u64> {
    let start = line_start(text, position.line)?;
    let rest = (text.len_chars() - start) as u64;
    if position.character > rest {
        return None;
    }
    let end = start + position.character as usize;
    let crosses = text
        .slice(start..end)
        .chunks()
        .any(|part| part.contains('\n'));
    (!crosses).then_some(end as u64)
}

/// The offset of a position, or of the nearest place before.
pub(super) fn nearest(text: &Rope, position: Position) -> u64 {
    let Some(start) = line_start(text, position.line) else {
        return text.len_chars() as u64;
    };
    let line = text.chars_at(start).take_while(|&char| char != '\n');
    let most = usize::try_from(position.character).unwrap_or(usize::MAX);
    (start + line.take(most).count()) as u64
}

fn line_start(text: &Rope, line: u64) -> Option<usize> {
    let (mut left, mut before) = (line, 0);
    if left == 0 {
        return Some(0);
    }
    for chunk in text.chunks() {
        let breaks = chunk.bytes().filter(|&byte| byte == b'\n').count() as u64;
        if breaks < left {
            (left, before) = (left - breaks, before + chunk.len());
            continue;
        }
        let mut found = chunk.match_indices('\n').skip(left as usize - 1);
        let (at, _) = found.next()?;
        return Some(text.byte_to_char(before + at + 1));
    }
    None
}

/// The position of an offset that is not behind the end. O(n).
pub(super) fn position(text: &Rope, offset: u64) -> Position {
    let head = text.slice(..(offset as usize).min(text.len_chars()));
    let (mut line, mut start, mut before) = (0, 0, 0);
    for chunk in head.chunks() {
        line += chunk.bytes().filter(|&byte| byte == b'\n').count() as u64;
        if let Some(at) = chunk.rfind('\n') {
            start = before + at + 1;
        }
        before += chunk.len();
    }
    Position {
        line,
        character: (head.len_chars() - head.byte_to_char(start)) as u64,
    }
}

/// The text with each carriage return before a line feed left out.
pub(super) fn plain(text: &Rope) -> Rope {
    let breaks = Breaks::of(text);
    if breaks.0.is_empty() {
        return text.clone();
    }
    let text = text.to_string();
    Rope::from_str(&text.replace("\r\n", "\n"))
}

/// The carriage returns of a text that stand before a line feed: editors show lines, and not these.
pub(super) struct Breaks(Vec<u64>);

impl Breaks {
    pub(super) fn of(text: &Rope) -> Self {
        let mut found = Vec::new();
        if !text.chunks().any(|chunk| chunk.as_bytes().contains(&b'\r')) {
            return Self(found);
        }
        let mut before = ' ';
        for (at, char) in (0u64..).zip(text.chars()) {
            if before == '\r' && char == '\n' {
                found.push(at - 1);
            }
            before = char;
        }
        Self(found)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The offset in the plain text.
    pub(super) fn hidden(&self, offset: u64) -> u64 {
        offset - self.0.partition_point(|&at| at < offset) as u64
    }

    /// The offset in the whole text of one in the plain text; never between the two of a line break.
    pub(super) fn shown(&self, offset: u64) -> u64 {
        let (mut low, mut high) = (0, self.0.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.0[middle] - (middle as u64) < offset {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        offset + low as u64
    }
}

/// What changes in the plain text of `old` when these edits are made in `old`.
pub(super) fn plain_delta(old: &Rope, edits: Vec<Edit>) -> Delta {
    let breaks = Breaks::of(old);
    let char = |at: u64| old.get_char(usize::try_from(at).ok()?);
    let plain = edits.into_iter().map(|mut edit| {
        // Neither end between the two of a line break, before or after.
        if edit.from > 0 && char(edit.from - 1) == Some('\r') {
            edit.from -= 1;
            edit.insert.insert(0, '\r');
        }
        if char(edit.to) == Some('\n') {
            edit.to += 1;
            edit.insert.push('\n');
        }
        let mut removed = old.slice(edit.from as usize..edit.to as usize).to_string();
        removed = removed.replace("\r\n", "\n");
        let inserted = edit.insert.replace("\r\n", "\n");
        let same = |(a, b): &(char, char)| a == b;
        let front = removed.chars().zip(inserted.chars()).take_while(same);
        let front = front.count();
        let shorter = removed.chars().count().min(inserted.chars().count());
        let back = removed.chars().rev().zip(inserted.chars().rev());
        let back = back.take(shorter - front).take_while(same).count();
        let new = inserted.chars().count() - front - back;
        Edit {
            from: breaks.hidden(edit.from) + front as u64,
            to: breaks.hidden(edit.to) - back as u64,
            insert: inserted.chars().skip(front).take(new).collect(),
        }
    });
    Delta::of(&plain.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
