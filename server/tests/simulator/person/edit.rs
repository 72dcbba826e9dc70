//! What somebody writes, deletes and sends.

use tokio::time::Instant;

use super::Person;
use crate::oracle::Edit;
use crate::ranges::Said;
use crate::token::{self, Token};
use ropewalk_crdt::protocol;

/// Frames that may be sent once more.
const REMEMBERED: usize = 4;

impl Person {
    /// Writes a token or deletes some, and sends that if there is a line.
    pub(super) fn edit(&mut self) {
        let mut seen = self.screen.see();
        let author = seen.author;
        let text = seen.replica.text();
        let places = match token::read(&text) {
            Ok(places) => places,
            Err(broken) => {
                return self
                    .world
                    .fail(format_args!("author {author} reads: {broken}"));
            }
        };
        let mut edit = Edit {
            said: Said::default(),
            inserted: None,
            deleted: Vec::new(),
        };
        let update = if !places.is_empty() && self.rng.chance(self.world.plan.habits.deletes) {
            let first = self.rng.index(places.len());
            let last = (first + self.rng.index(3)).min(places.len() - 1);
            edit.deleted = places[first..=last]
                .iter()
                .map(|place| place.token)
                .collect();
            let (start, end) = (places[first].start, places[last].end);
            seen.replica.edit(start, end - start, "")
        } else {
            let token = Token {
                author,
                number: seen.edits,
            };
            let own = places.iter().filter(|place| place.token.author == author);
            let at = match own.max_by_key(|place| place.token) {
                Some(place) if self.goes_on => place.end,
                _ => match self.rng.index(places.len() + 1) {
                    0 => 0,
                    after => places[after - 1].end,
                },
            };
            edit.inserted = Some(token);
            let padding = self.world.plan.padding;
            seen.replica.edit(at, 0, &token::written(token, padding))
        };
        edit.said = Said::of(&update).expect("a replica writes updates");
        self.world
            .trace
            .note(format_args!("author {author}: {edit:?}"));
        if !seen.exchanged {
            self.world.oracle().sends_early(author, &edit.said);
        }
        seen.edits = self.world.oracle().edits(author, edit);
        if let Some(line) = &mut self.line {
            line.send(protocol::update(&update));
            self.sent.push_back(update);
            if self.sent.len() > REMEMBERED {
                self.sent.pop_front();
            }
            let soon = Instant::now() + self.rng.ms(0, 100);
            line.marks_at.get_or_insert(soon);
        }
    }

    /// Sends what it has sent before.
    pub(super) fn repeat(&mut self) {
        let mut seen = self.screen.see();
        let Some(line) = &mut self.line else {
            return;
        };
        if self.rng.chance(5_000) {
            let state = seen.replica.state();
            self.world.oracle().relays(seen.author, &state);
            line.send(protocol::step2(&state));
        } else if let Some(update) = self.sent.get(self.rng.index(self.sent.len())) {
            if !seen.exchanged
                && let Ok(said) = Said::of(update)
            {
                self.world.oracle().sends_early(seen.author, &said);
            }
            line.send(protocol::update(update));
        }
    }
}
