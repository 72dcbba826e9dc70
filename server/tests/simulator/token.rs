//! Every edit of a person inserts a token that says whose it is and which: `[author.number]`. Strangers write dots
//! only, which are not looked at.

use std::fmt;

/// What strangers write.
pub const NOISE: char = '·';

/// Names an edit: the author, and the number among theirs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    pub author: u32,
    pub number: u64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}.{}]", self.author, self.number)
    }
}

/// A token in a text, in UTF-16 units.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub token: Token,
    pub start: u32,
    pub end: u32,
}

/// The text of a token, with so many letters that mean nothing.
pub fn written(token: Token, padding: usize) -> String {
    let ornament = ["", "", "é", "😀"][(token.number % 4) as usize];
    format!(
        "[{}.{}{ornament}{}]",
        token.author,
        token.number,
        "~".repeat(padding)
    )
}

/// The tokens of a text in order. `Err` says what is not one.
pub fn read(text: &str) -> Result<Vec<Place>, String> {
    // By bytes: this is done for every edit of everybody.
    let bytes = text.as_bytes();
    let mut places = Vec::new();
    let (mut at, mut byte) = (0, 0);
    let mut open: Option<(u32, [u64; 2], usize)> = None;
    while byte < bytes.len() {
        let (size, wide) = match bytes[byte] {
            0..0x80 => (1, 1),
            0xf0.. => (4, 2),
            0xe0.. => (3, 1),
            _ => (2, 1),
        };
        match (bytes[byte], &mut open) {
            (b'[', None) => open = Some((at, [0, 0], 0)),
            (b'0'..=b'9', Some((_, numbers, which @ 0..2))) => {
                numbers[*which] = numbers[*which] * 10 + u64::from(bytes[byte] - b'0');
            }
            (b'.', Some((_, _, which @ 0))) => *which = 1,
            (b'~', Some(_)) => {}
            (b']', Some((start, [author, number], 1))) => {
                let token = Token {
                    author: *author as u32,
                    number: *number,
                };
                places.push(Place {
                    token,
                    start: *start,
                    end: at + 1,
                });
                open = None;
            }
            (0x80.., open) => {
                let letter = text[byte..].chars().next();
                let ornament = open.is_some() && matches!(letter, Some('é' | '😀'));
                if !ornament && letter != Some(NOISE) {
                    return Err(format!("a stray {letter:?} at {at}"));
                }
            }
            (letter, _) => return Err(format!("a stray {:?} at {at}", char::from(letter))),
        }
        at += wide;
        byte += size;
    }
    match open {
        None => Ok(places),
        Some((start, ..)) => Err(format!("half a token at {start}")),
    }
}
