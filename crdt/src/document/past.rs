//! Edits of others, for somebody whose own edits they have not seen.

use super::edit::{Edit, Unit};

/// The edits `theirs` as edits of a text that has `own` already: both are edits of the same text, sorted, with offsets in
/// `unit`, and `theirs` are apart, as [`super::Document::changes`] gives them. It leads to what [`super::Document::edit`] makes of `own`
/// after `theirs`: what `own` inserts stands before what they inserted at the same place, and what they inserted into a range
/// that `own` deletes stays. O((n + m) log m).
pub fn past(theirs: &[Edit], own: &[Edit], unit: Unit) -> Vec<Edit> {
    // By how much the edits up to each of them move what is behind.
    let mut moves = vec![0];
    let mut sum: i128 = 0;
    for edit in own {
        sum += i128::from(length(&edit.insert, unit)) - i128::from(edit.to - edit.from);
        moves.push(sum);
    }
    let begun = |at: u64| own.partition_point(|edit| edit.from <= at);
    let place = |at: u64| {
        let count = begun(at);
        let reached = count.checked_sub(1).map_or(at, |last| at.max(own[last].to));
        u64::try_from(i128::from(reached) + moves[count]).unwrap_or_default()
    };
    let mut edits = Vec::new();
    for edit in theirs {
        let first = begun(edit.from);
        let mut start = match first.checked_sub(1) {
            Some(last) => own[last].to.clamp(edit.from, edit.to),
            None => edit.from,
        };
        for mine in own[first..].iter().take_while(|mine| mine.from < edit.to) {
            remove(&mut edits, place(start), mine.from.saturating_sub(start));
            start = mine.to.clamp(start, edit.to);
        }
        remove(&mut edits, place(start), edit.to - start);
        if !edit.insert.is_empty() {
            let at = place(edit.to);
            match edits.last_mut() {
                Some(last) if last.to == at && last.insert.is_empty() => {
                    last.insert.clone_from(&edit.insert);
                }
                _ => edits.push(Edit {
                    from: at,
                    to: at,
                    insert: edit.insert.clone(),
                }),
            }
        }
    }
    edits
}

fn remove(edits: &mut Vec<Edit>, from: u64, count: u64) {
    match edits.last_mut() {
        _ if count == 0 => {}
        Some(last) if last.to == from && last.insert.is_empty() => last.to += count,
        _ => edits.push(Edit {
            from,
            to: from + count,
            insert: String::new(),
        }),
    }
}

fn length(text: &str, unit: Unit) -> u64 {
    let count = match unit {
        Unit::Utf8 => text.len(),
        Unit::Utf16 => text.encode_utf16().count(),
        Unit::Char => text.chars().count(),
    };
    count as u64
}
