//! From texts and what people ask for to what the index takes, and back.
//!
//! The index splits texts into words at all that is neither letter nor digit, and takes upper and lower case and letters with
//! and without marks for the same. Scripts that have no spaces are split into their characters before: what somebody asks for of those is
//! then found wherever it stands.

/// Stands between characters that have no space between them.
const BREAK: char = '\u{1}';
/// Before and behind a hit in a snippet. Texts have these no more when they are indexed.
pub const BEGIN: char = '\u{e000}';
/// See [`BEGIN`].
pub const END: char = '\u{e001}';

/// Longest question, in bytes.
pub const MAX_QUESTION: usize = 256;
/// Words and phrases in a question, at most.
pub const MAX_TERMS: usize = 16;

/// Whether a script is written without spaces, or with spaces at other places than between what people look for.
fn stands_alone(char: char) -> bool {
    matches!(char,
        '\u{3040}'..='\u{312f}' // Kana and Bopomofo
        | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
        | '\u{20000}'..='\u{323af}'
        | '\u{ac00}'..='\u{d7a3}' // Hangul
        | '\u{ff66}'..='\u{ff9f}')
}

/// A text as it goes into the index.
pub fn split(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = false;
    for char in text.chars() {
        let alone = stands_alone(char);
        if (alone || before) && out.chars().next_back().is_some_and(char::is_alphanumeric) {
            out.push(BREAK);
        }
        let is_word = char != BEGIN && char != END && !char.is_control();
        out.push(if is_word { char } else { ' ' });
        before = alone;
    }
    out
}

/// Characters of a snippet before its first hit, and of all that comes then.
const BEFORE: usize = 60;
const BEHIND: usize = 180;
/// Hits that are looked at to find where most of them stand together.
const LOOKED_AT: usize = 1000;
/// Bytes within which they do.
const TOGETHER: usize = 240;

/// The place of a text with marked hits where most of them stand together, in parts that are hits or not.
pub fn snippet(marked: &str) -> Vec<(String, bool)> {
    let hits: Vec<usize> = marked
        .match_indices(BEGIN)
        .map(|(at, _)| at)
        .take(LOOKED_AT)
        .collect();
    let (mut best, mut most, mut last) = (0, 0, 0);
    for (first, &at) in hits.iter().enumerate() {
        while last < hits.len() && hits[last] < at + TOGETHER {
            last += 1;
        }
        if last - first > most {
            (best, most) = (at, last - first);
        }
    }
    let before = marked[..best].char_indices().rev().nth(BEFORE);
    let from = before.map_or(0, |(at, _)| {
        let word = marked[at..best].find(char::is_whitespace);
        at + word.unwrap_or(0)
    });
    let behind = marked[best..].char_indices().nth(BEHIND);
    let to = behind.map_or(marked.len(), |(at, _)| {
        let word = marked[best..best + at].rfind(char::is_whitespace);
        best + word.filter(|&word| word > BEHIND / 2).unwrap_or(at)
    });
    let mut found = parts(&marked[from..to]);
    if let Some(first) = found.first_mut().filter(|_| from > 0) {
        first.0.insert(0, '…');
    }
    if let Some(last) = found.last_mut().filter(|_| to < marked.len()) {
        last.0.truncate(last.0.trim_end().len());
        last.0.push('…');
    }
    found
}

/// A text with marked hits, in parts. Spaces and line breaks that follow each other are one space.
fn parts(marked: &str) -> Vec<(String, bool)> {
    let mut parts = Vec::new();
    let mut part = String::new();
    // It may begin within a hit.
    let mut is_hit = marked
        .find([BEGIN, END])
        .is_some_and(|at| marked[at..].starts_with(END));
    for char in marked.chars().chain([END]) {
        match char {
            BEGIN | END => {
                if !part.is_empty() {
                    parts.push((std::mem::take(&mut part), is_hit));
                }
                is_hit = char == BEGIN;
            }
            BREAK => {}
            char if char.is_whitespace() => {
                if !part.ends_with(' ') {
                    part.push(' ');
                }
            }
            char => part.push(char),
        }
    }
    parts
}

/// Why nothing can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoQuestion {
    /// There is no word in it.
    Empty,
    /// It is longer than [`MAX_QUESTION`], or has more than [`MAX_TERMS`] words.
    TooLong,
}

/// What somebody asks for, as the index takes it: all words and phrases, the last word also as the beginning of one. Nothing of the
/// index's own language can be said.
pub fn question(asked: &str) -> Result<String, NoQuestion> {
    if asked.len() > MAX_QUESTION {
        return Err(NoQuestion::TooLong);
    }
    let mut terms: Vec<String> = Vec::new();
    let mut last_is_open = false;
    // Every second part stands between quotes, also if the last ones are missing.
    for (at, part) in asked.split('"').enumerate() {
        let is_phrase = at % 2 == 1;
        let words: Vec<&str> = match is_phrase {
            true => vec![part],
            false => part.split_whitespace().collect(),
        };
        for word in words {
            if word.chars().any(char::is_alphanumeric) {
                terms.push(split(word));
                last_is_open = !is_phrase;
            }
        }
    }
    let Some(last) = terms.last() else {
        return Err(NoQuestion::Empty);
    };
    if terms.len() > MAX_TERMS {
        return Err(NoQuestion::TooLong);
    }
    // Of one letter alone half of all there is would be found.
    let is_short = last.chars().filter(|char| char.is_alphanumeric()).count() < 2;
    let is_whole = !asked.ends_with(char::is_alphanumeric) || is_short;
    let terms: Vec<String> = terms.iter().map(|term| format!("\"{term}\"")).collect();
    let star = if last_is_open && !is_whole { " *" } else { "" };
    Ok(format!("{}{star}", terms.join(" AND ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_words_and_phrases_and_nothing_else() {
        for (asked, taken) in [
            ("rope", Ok("\"rope\" *")),
            ("rope ", Ok("\"rope\"")),
            ("wet  hemp", Ok("\"wet\" AND \"hemp\" *")),
            ("\"wet hemp\"", Ok("\"wet hemp\"")),
            ("\"wet hemp", Ok("\"wet hemp\"")),
            (
                "wet \"hemp rope\" lo",
                Ok("\"wet\" AND \"hemp rope\" AND \"lo\" *"),
            ),
            ("a", Ok("\"a\"")),
            ("a b", Ok("\"a\" AND \"b\"")),
            (
                "NOT a OR text:b*",
                Ok("\"NOT\" AND \"a\" AND \"OR\" AND \"text:b*\""),
            ),
            ("NEAR(a b)", Ok("\"NEAR(a\" AND \"b)\"")),
            ("日本", Ok("\"日\u{1}本\" *")),
            ("x日本y", Ok("\"x\u{1}日\u{1}本\u{1}y\" *")),
            ("a\0b", Ok("\"a b\" *")),
            ("", Err(NoQuestion::Empty)),
            ("\" - * ()", Err(NoQuestion::Empty)),
        ] {
            assert_eq!(question(asked), taken.map(str::to_owned), "{asked:?}");
        }
        assert_eq!(question(&"a".repeat(257)), Err(NoQuestion::TooLong));
        assert_eq!(question(&"a ".repeat(17)), Err(NoQuestion::TooLong));
        assert!(question(&"a ".repeat(16)).is_ok());
    }

    #[test]
    fn a_snippet_is_in_parts() {
        let part = |text: &str, is_hit| (text.to_owned(), is_hit);
        let mark = |text: &str| {
            let text = text.replace('<', &BEGIN.to_string());
            text.replace('>', &END.to_string())
        };
        let marked = split("a日本b\u{e000}\t\nc").replace('b', &mark("<b>"));
        let expected = [part("a日本", false), part("b", true), part(" c", false)];
        assert_eq!(snippet(&marked), expected);
        assert_eq!(snippet(""), []);
        assert_eq!(snippet("no hit"), [part("no hit", false)]);
        // Where most of them are, and not more of a long text than can be shown.
        let text = format!(
            "<hit> {} one <hit> and <hit> more {}",
            "far ".repeat(99),
            "ö".repeat(999)
        );
        let found = snippet(&mark(&text));
        let hits = found
            .iter()
            .filter(|(text, is_hit)| *is_hit && text == "hit");
        assert_eq!((found.len(), hits.count()), (5, 2), "{found:?}");
        assert!(found[0].0.starts_with("… far ") && found[0].0.ends_with("far one "));
        assert!(found[4].0.starts_with(" more") && found[4].0.ends_with('…'));
        let length: usize = found.iter().map(|(text, _)| text.chars().count()).sum();
        assert!(length <= BEFORE + BEHIND + 2, "{length}");
        // Cut within a hit.
        let found = snippet(&mark(&format!("<{}>", "a".repeat(300))));
        assert!(found.len() == 1 && found[0].1);
        let text = format!("<{} b> <c> <d>", "a".repeat(250));
        assert_eq!(snippet(&mark(&text))[0], part("… b", true));
    }
}
