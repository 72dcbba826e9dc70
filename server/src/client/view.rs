//! A text as an editor shows it: without carriage returns, unless it shows these as characters.

use ropewalk_crdt::Edit;
use ropey::Rope;

use super::delta::Delta;
use super::lines::{Breaks, plain, plain_delta};

/// How an editor shows a text.
pub(super) struct View {
    /// It shows lines, and not how they end.
    hides_breaks: bool,
    /// New lines end with a carriage return, too.
    is_crlf: bool,
    /// It says carriage returns although it hides them, as VS Code does, and takes what is told without them for another text
    /// than what it gets. None until it has said a line break.
    says_breaks: Option<bool>,
}

impl View {
    /// That of an editor that has this text. Only one that shows carriage returns has some of its line breaks with them and some
    /// without. `texts` tell how new lines end: the first that has any.
    pub(super) fn of(editor: &Rope, texts: [&Rope; 2]) -> Self {
        let hidden = Breaks::of(editor).count();
        Self {
            hides_breaks: hidden == 0 || hidden == breaks(editor),
            is_crlf: texts.into_iter().find_map(mostly_crlf).unwrap_or(false),
            says_breaks: mostly_crlf(editor),
        }
    }

    /// What is shown.
    pub(super) fn shown(&self, text: &Rope) -> Rope {
        match self.hides_breaks {
            true => plain(text),
            false => text.clone(),
        }
    }

    /// What the editor says that it inserts, as it is shown. A carriage return of one that says none of those that it hides is
    /// a character that it shows, also before a line feed: pasted, or brought together with it.
    pub(super) fn said(&mut self, insert: String) -> String {
        if self.says_breaks.is_none() && insert.contains('\n') {
            self.says_breaks = Some(insert.contains("\r\n"));
        }
        match self.hides_breaks && self.says_breaks == Some(true) {
            true => insert.replace("\r\n", "\n"),
            false => insert,
        }
    }

    /// What is shown, as the editor would say it.
    pub(super) fn told(&self, insert: String) -> String {
        match self.hides_breaks && self.says_breaks == Some(true) {
            true => insert.replace('\n', "\r\n"),
            false => insert,
        }
    }

    /// What changes in what is shown when these edits are made in `old`.
    pub(super) fn outward(&self, old: &Rope, edits: Vec<Edit>) -> Delta {
        match self.hides_breaks {
            true => plain_delta(old, edits),
            false => Delta::of(&edits),
        }
    }

    /// What changes in `text` when this changes in what is shown of it.
    pub(super) fn inward(&self, text: &Rope, delta: &Delta) -> Vec<Edit> {
        let mut edits = delta.edits();
        if self.hides_breaks {
            let breaks = Breaks::of(text);
            for edit in &mut edits {
                edit.from = breaks.shown(edit.from);
                edit.to = breaks.shown(edit.to);
                edit.insert = edit.insert.replace("\r\n", "\n");
                if self.is_crlf {
                    edit.insert = edit.insert.replace('\n', "\r\n");
                }
            }
        }
        edits
    }

    /// The places of `text` and of what is shown of it.
    pub(super) fn places(&self, text: &Rope) -> Places {
        Places(self.hides_breaks.then(|| Breaks::of(text)))
    }
}

/// From places of a text to those of what is shown, and back.
pub(super) struct Places(Option<Breaks>);

impl Places {
    pub(super) fn outward(&self, at: u64) -> u64 {
        self.0.as_ref().map_or(at, |breaks| breaks.hidden(at))
    }

    pub(super) fn inward(&self, at: u64) -> u64 {
        self.0.as_ref().map_or(at, |breaks| breaks.shown(at))
    }
}

fn breaks(text: &Rope) -> usize {
    text.chars().filter(|&char| char == '\n').count()
}

/// Whether most lines of a text end with a carriage return and a line feed; None when it is one line.
fn mostly_crlf(text: &Rope) -> Option<bool> {
    let breaks = breaks(text);
    (breaks > 0).then(|| Breaks::of(text).count() * 2 > breaks)
}
