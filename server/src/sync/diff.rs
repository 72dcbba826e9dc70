//! What somebody did to a text, of the text before and after.

use std::ops::Range;
use std::time::{Duration, Instant};

use ropewalk_crdt::Edit;
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

/// Then what is not told apart yet is one edit.
const PATIENCE: Duration = Duration::from_millis(300);

/// Edits that make `after` of `before`, in bytes, sorted: lines that differ, and in these the words (Myers, "An O(ND) Difference
/// Algorithm and Its Variations").
pub fn edits(before: &str, after: &str) -> Vec<Edit> {
    let deadline = Instant::now() + PATIENCE;
    let mut edits = Vec::new();
    let lines = (split(before, line), split(after, line));
    for (old, new) in changed(before, after, &lines, deadline) {
        let words = (
            split(&before[old.clone()], word),
            split(&after[new.clone()], word),
        );
        let inner = changed(&before[old.clone()], &after[new.clone()], &words, deadline);
        edits.extend(inner.into_iter().map(|(from, to)| {
            let from = old.start + from.start..old.start + from.end;
            edit(
                before,
                from,
                &after[new.start + to.start..new.start + to.end],
            )
        }));
    }
    edits
}

/// Ranges that differ, in both texts.
fn changed(
    before: &str,
    after: &str,
    parts: &(Vec<Range<usize>>, Vec<Range<usize>>),
    deadline: Instant,
) -> Vec<(Range<usize>, Range<usize>)> {
    let (old, new) = parts;
    let texts = |whole: &'_ str, parts: &[Range<usize>]| -> Vec<String> {
        parts
            .iter()
            .map(|part| whole[part.clone()].to_owned())
            .collect()
    };
    let (olds, news) = (texts(before, old), texts(after, new));
    let ops = capture_diff_slices_deadline(Algorithm::Myers, &olds, &news, Some(deadline));
    let range = |parts: &[Range<usize>], whole: &str, range: Range<usize>| {
        let at = |index: usize| parts.get(index).map_or(whole.len(), |part| part.start);
        at(range.start)..at(range.end)
    };
    let mut changed: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for op in ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. })) {
        let old = range(old, before, op.old_range());
        let new = range(new, after, op.new_range());
        match changed.last_mut() {
            // A deletion beside an insertion is one change.
            Some((last, to)) if last.end == old.start && to.end == new.start => {
                (last.end, to.end) = (old.end, new.end);
            }
            _ => changed.push((old, new)),
        }
    }
    changed
}

/// One edit, without what is the same at both ends.
fn edit(before: &str, range: Range<usize>, insert: &str) -> Edit {
    let old = &before[range.clone()];
    let same = |(a, b): &(char, char)| a == b;
    let start: usize = old
        .chars()
        .zip(insert.chars())
        .take_while(same)
        .map(|(char, _)| char.len_utf8())
        .sum();
    let (left, right) = (&old[start..], &insert[start..]);
    let end: usize = left
        .chars()
        .rev()
        .zip(right.chars().rev())
        .take_while(same)
        .map(|(char, _)| char.len_utf8())
        .sum();
    Edit {
        from: (range.start + start) as u64,
        to: (range.end - end) as u64,
        insert: right[..right.len() - end].to_owned(),
    }
}

/// A text in parts; `next` is the length of the first one.
fn split(text: &str, next: fn(&str) -> usize) -> Vec<Range<usize>> {
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let end = at + next(&text[at..]);
        parts.push(at..end);
        at = end;
    }
    parts
}

fn line(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |at| at + 1)
}

/// A word, or any other character.
fn word(text: &str) -> usize {
    let end = text.find(|char: char| !char.is_alphanumeric());
    match end {
        Some(0) => text.chars().next().map_or(0, char::len_utf8),
        Some(end) => end,
        None => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(before: &str, edits: &[Edit]) -> String {
        let (mut after, mut last) = (String::new(), 0);
        for edit in edits {
            assert!(edit.from >= last as u64 && edit.to >= edit.from);
            after += &before[last..edit.from as usize];
            after += &edit.insert;
            last = edit.to as usize;
        }
        after + &before[last..]
    }

    #[test]
    fn edits_make_the_one_text_of_the_other() {
        let pieces = [
            "",
            "a",
            "ä",
            "💚",
            "one two",
            "\n",
            "\r\n",
            "one, two\n",
            "👩‍👩‍👧",
            "x\ny\nz\n",
        ];
        for a in pieces {
            for b in pieces {
                for c in pieces {
                    let (before, after) = (format!("{a}{b}{c}"), format!("{c}{a}!{b}"));
                    let edits = edits(&before, &after);
                    assert_eq!(apply(&before, &edits), after, "{before:?}: {edits:?}");
                }
            }
        }
    }

    #[test]
    fn only_what_differs_is_touched() {
        let before = "one\ntwo three four\nfive\n";
        let after = "one\ntwo 3 four\nfive\nsix\n";
        let edits = edits(before, after);
        let told: Vec<_> = edits
            .iter()
            .map(|edit| (edit.from, edit.to, &*edit.insert))
            .collect();
        assert_eq!(told, [(8, 13, "3"), (24, 24, "six\n")]);
        assert!(super::edits(before, before).is_empty());
    }
}
