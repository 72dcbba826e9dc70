//! Changes of a text, in characters: one after another, and past one another.

use ropewalk_crdt::Edit;
use ropey::Rope;

/// A change of a text from front to back; what is behind the last part stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delta(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Keep(u64),
    Remove(u64),
    Insert(String),
}

impl Delta {
    /// Of edits of one text, sorted and apart.
    pub(super) fn of(edits: &[Edit]) -> Self {
        let (mut delta, mut at) = (Self::default(), 0);
        for edit in edits {
            delta.keep(edit.from - at);
            delta.insert(&edit.insert);
            delta.remove(edit.to - edit.from);
            at = edit.to;
        }
        delta.trimmed()
    }

    /// What makes one text of the other: one edit, as small as it can be.
    pub(super) fn between(old: &Rope, new: &Rope) -> Self {
        let same = |a: ropey::iter::Chars<'_>, b: ropey::iter::Chars<'_>, most: usize| {
            a.zip(b).take(most).take_while(|(a, b)| a == b).count()
        };
        let shorter = old.len_chars().min(new.len_chars());
        let front = same(old.chars(), new.chars(), shorter);
        let back = same(
            old.chars_at(old.len_chars()).reversed(),
            new.chars_at(new.len_chars()).reversed(),
            shorter - front,
        );
        Self::of(&[Edit {
            from: front as u64,
            to: (old.len_chars() - back) as u64,
            insert: new.slice(front..new.len_chars() - back).to_string(),
        }])
    }

    /// As edits of the text that it changes, sorted and apart.
    pub(super) fn edits(&self) -> Vec<Edit> {
        let (mut edits, mut at) = (Vec::<Edit>::new(), 0);
        for part in &self.0 {
            let (removed, inserted) = match part {
                Part::Keep(count) => {
                    at += count;
                    continue;
                }
                Part::Remove(count) => (*count, ""),
                Part::Insert(text) => (0, text.as_str()),
            };
            match edits.last_mut() {
                Some(last) if last.to == at => {
                    last.to += removed;
                    last.insert.push_str(inserted);
                }
                _ => edits.push(Edit {
                    from: at,
                    to: at + removed,
                    insert: inserted.to_owned(),
                }),
            }
            at += removed;
        }
        edits
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that it takes, about.
    pub(super) fn weight(&self) -> usize {
        let parts = self.0.iter().map(|part| match part {
            Part::Insert(text) => 32 + text.len(),
            _ => 32,
        });
        32 + parts.sum::<usize>()
    }

    /// Changes a text that it fits to.
    pub(super) fn apply(&self, text: &mut Rope) {
        let mut at = 0;
        for part in &self.0 {
            match part {
                Part::Keep(count) => at += *count as usize,
                Part::Remove(count) => {
                    let end = (at + *count as usize).min(text.len_chars());
                    text.remove(at.min(end)..end);
                }
                Part::Insert(insert) => {
                    text.insert(at.min(text.len_chars()), insert);
                    at += insert.chars().count();
                }
            }
        }
    }

    /// This one and then `next`, as one.
    pub(super) fn then(&self, next: &Self) -> Self {
        let (mut first, mut second) = (Parts::of(self), Parts::of(next));
        let mut both = Self::default();
        loop {
            match (first.peek(), second.peek()) {
                (_, None) => {
                    both.rest(&mut first);
                    break;
                }
                (None, _) => {
                    both.rest(&mut second);
                    break;
                }
                (Some(Part::Remove(count)), _) => {
                    both.remove(*count);
                    first.skip_all();
                }
                (_, Some(Part::Insert(text))) => {
                    both.insert(text);
                    second.skip_all();
                }
                (Some(a), Some(b)) => {
                    let count = len(a).min(len(b));
                    match (a, b) {
                        (Part::Keep(_), Part::Keep(_)) => both.keep(count),
                        (Part::Keep(_), _) => both.remove(count),
                        (Part::Insert(text), Part::Keep(_)) => {
                            both.insert(&text[..byte(text, count)]);
                        }
                        // Inserted and removed again.
                        _ => {}
                    }
                    first.skip(count);
                    second.skip(count);
                }
            }
        }
        both.trimmed()
    }

    /// Both change the same text: each as it has to be when the other was made before. Where both insert at one place, `self`
    /// stands first.
    pub(super) fn past(&self, other: &Self) -> (Self, Self) {
        let (mut ours, mut theirs) = (Parts::of(self), Parts::of(other));
        let (mut us, mut them) = (Self::default(), Self::default());
        loop {
            match (ours.peek(), theirs.peek()) {
                (Some(Part::Insert(text)), _) => {
                    us.insert(text);
                    them.keep(text.chars().count() as u64);
                    ours.skip_all();
                }
                (_, Some(Part::Insert(text))) => {
                    them.insert(text);
                    us.keep(text.chars().count() as u64);
                    theirs.skip_all();
                }
                (None, None) => break,
                (Some(_), None) => {
                    us.rest(&mut ours);
                    break;
                }
                (None, Some(_)) => {
                    them.rest(&mut theirs);
                    break;
                }
                (Some(a), Some(b)) => {
                    let count = len(a).min(len(b));
                    match (a, b) {
                        (Part::Keep(_), Part::Keep(_)) => {
                            us.keep(count);
                            them.keep(count);
                        }
                        (Part::Remove(_), Part::Keep(_)) => us.remove(count),
                        (Part::Keep(_), _) => them.remove(count),
                        // Both have removed it.
                        _ => {}
                    }
                    ours.skip(count);
                    theirs.skip(count);
                }
            }
        }
        (us.trimmed(), them.trimmed())
    }

    fn keep(&mut self, count: u64) {
        match self.0.last_mut() {
            _ if count == 0 => {}
            Some(Part::Keep(last)) => *last += count,
            _ => self.0.push(Part::Keep(count)),
        }
    }

    fn remove(&mut self, count: u64) {
        match self.0.last_mut() {
            _ if count == 0 => {}
            Some(Part::Remove(last)) => *last += count,
            _ => self.0.push(Part::Remove(count)),
        }
    }

    fn insert(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Insert(last)) => last.push_str(text),
            _ => self.0.push(Part::Insert(text.to_owned())),
        }
    }

    fn rest(&mut self, parts: &mut Parts<'_>) {
        while let Some(part) = parts.peek() {
            match part {
                Part::Keep(count) => self.keep(*count),
                Part::Remove(count) => self.remove(*count),
                Part::Insert(text) => self.insert(text),
            }
            parts.skip_all();
        }
    }

    fn trimmed(mut self) -> Self {
        if let Some(Part::Keep(_)) = self.0.last() {
            self.0.pop();
        }
        self
    }
}

fn len(part: &Part) -> u64 {
    match part {
        Part::Keep(count) | Part::Remove(count) => *count,
        Part::Insert(text) => text.chars().count() as u64,
    }
}

/// Where character `count` begins.
fn byte(text: &str, count: u64) -> usize {
    let mut starts = text.char_indices().map(|(at, _)| at);
    starts.nth(count as usize).unwrap_or(text.len())
}

/// The parts of a delta, taken bit by bit.
struct Parts<'d> {
    parts: std::slice::Iter<'d, Part>,
    front: Option<Part>,
}

impl<'d> Parts<'d> {
    fn of(delta: &'d Delta) -> Self {
        let mut parts = delta.0.iter();
        let front = parts.next().cloned();
        Self { parts, front }
    }

    fn peek(&self) -> Option<&Part> {
        self.front.as_ref()
    }

    fn skip_all(&mut self) {
        self.front = self.parts.next().cloned();
    }

    fn skip(&mut self, count: u64) {
        match &mut self.front {
            Some(Part::Keep(left) | Part::Remove(left)) if *left > count => *left -= count,
            Some(Part::Insert(text)) => {
                let at = byte(text, count);
                match at < text.len() {
                    true => drop(text.drain(..at)),
                    false => self.skip_all(),
                }
            }
            _ => self.skip_all(),
        }
    }
}

#[cfg(test)]
mod tests;
