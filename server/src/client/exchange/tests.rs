#![allow(clippy::unwrap_used)]

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};

use super::super::lines::Position;
use super::*;

/// An editor that obeys the rule: what was not made for its revision, it leaves out.
struct Editor {
    text: Rope,
    own: u64,
    others: u64,
    /// What has not been read yet.
    inbox: VecDeque<Told>,
    /// What was said and has not arrived yet.
    outbox: VecDeque<(u64, Vec<Change>)>,
}

impl Editor {
    fn read(&mut self) {
        if let Some(told) = self.inbox.pop_front()
            && told.revision == self.own
        {
            edits(&self.text, told.delta).unwrap().apply(&mut self.text);
            self.others += 1;
        }
    }

    fn write(&mut self, delta: &Delta) {
        self.outbox
            .push_back((self.others, changes(&self.text, delta)));
        delta.apply(&mut self.text);
        self.own += 1;
    }
}

fn random(rng: &mut StdRng, text: &Rope) -> Delta {
    let length = text.len_chars() as u64;
    let from = rng.random_range(0..=length);
    Delta::of(&[Edit {
        from,
        to: rng.random_range(from..=length.min(from + 3)),
        insert: ["", "a", "ä💚", "\n", "x\ny"][rng.random_range(0..5)].to_owned(),
    }])
}

#[test]
fn both_have_the_same_text_when_all_is_said() {
    for seed in 0..3000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = Rope::from_str("one\ntwo");
        let mut exchange = Exchange::new(start.clone());
        // The document: what the others change, and what the exchange says that the editor does.
        let mut document = start.clone();
        let mut editor = Editor {
            text: start,
            own: 0,
            others: 0,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
        };
        for step in 0..200 {
            let is_late = step > 150;
            match rng.random_range(0..4) {
                0 if !is_late => {
                    let delta = random(&mut rng, &document);
                    delta.apply(&mut document);
                    editor.inbox.extend(exchange.tell(delta));
                }
                1 if !is_late => {
                    let delta = random(&mut rng, &editor.text);
                    editor.write(&delta);
                }
                2 => editor.read(),
                _ => {
                    if let Some((revision, delta)) = editor.outbox.pop_front() {
                        let (late, told) = exchange.hear(revision, delta).unwrap();
                        late.apply(&mut document);
                        editor.inbox.extend(told);
                    }
                }
            }
            assert_eq!(exchange.goal, document, "seed {seed}");
        }
        while let Some((revision, delta)) = editor.outbox.pop_front() {
            let (late, told) = exchange.hear(revision, delta).unwrap();
            late.apply(&mut document);
            editor.inbox.extend(told);
        }
        while !editor.inbox.is_empty() {
            editor.read();
        }
        assert_eq!(editor.text, document, "seed {seed}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let place = |line, character| Position { line, character };
    let change = |start, end| Change {
        range: Range { start, end },
        replacement: "x".into(),
    };
    let hear = |revision, delta| {
        let mut exchange = Exchange::new(Rope::from_str("ab\ncd"));
        exchange.hear(revision, delta).err()
    };
    let (a, b, c) = (place(0, 0), place(0, 2), place(1, 0));
    assert_eq!(hear(0, vec![change(c, c), change(a, b)]), None);
    assert_eq!(hear(1, vec![]), Some(Misfit::Revision(1)));
    assert_eq!(hear(0, vec![change(b, a)]), Some(Misfit::Place));
    assert_eq!(hear(0, vec![change(a, place(0, 3))]), Some(Misfit::Place));
    assert_eq!(hear(0, vec![change(a, place(2, 0))]), Some(Misfit::Place));
    assert_eq!(
        hear(0, vec![change(a, c), change(b, c)]),
        Some(Misfit::Overlap)
    );
}

#[test]
fn what_comes_behind_the_last_line_break_takes_it_along() {
    let append = |text: &str, insert: &str| {
        let at = text.chars().count() as u64;
        let edit = Edit {
            from: at,
            to: at,
            insert: insert.into(),
        };
        let told = Exchange::new(Rope::from_str(text)).tell(Delta::of(&[edit]));
        let change = told.unwrap().delta.remove(0);
        let Range { start, end } = change.range;
        let places = [start.line, start.character, end.line, end.character];
        (places, change.replacement)
    };
    assert_eq!(append("a\n", "b"), ([0, 1, 1, 0], "\nb".into()));
    assert_eq!(append("a\n", "b\n"), ([1, 0, 1, 0], "b\n".into()));
    assert_eq!(append("a", "b"), ([0, 1, 0, 1], "b".into()));
    assert_eq!(append("", "b"), ([0, 0, 0, 0], "b".into()));
}
