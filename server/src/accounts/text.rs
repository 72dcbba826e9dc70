//! What texts of people may be: logins, names, colours.

use icu_normalizer::ComposingNormalizerBorrowed;

use super::{AccountsError, Refusal};
use crate::called::{MAX_CHARS, is_of_login};
use crate::guest::is_unseen;

/// Most bytes of the issuer or the subject of an identity.
pub const MAX_IDENTITY_BYTES: usize = 512;
/// Bytes that are kept of what a browser calls itself.
pub const MAX_AGENT_BYTES: usize = 256;
/// Bytes that are kept of an address.
pub const MAX_ADDRESS_BYTES: usize = 64;

/// A login as it is kept: upper and lower case are the same. ASCII alone, as letters that look alike are not.
pub fn login(text: &str) -> Result<String, Refusal> {
    if (1..=MAX_CHARS).contains(&text.len()) && text.chars().all(is_of_login) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Refusal::Login)
    }
}

/// A name, without space around it.
pub fn name(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let is_seen = |c: char| !c.is_whitespace() && !is_unseen(c);
    // Those that are not seen are fine between others, as emoji and scripts need them.
    let is_fine = text.chars().count() <= MAX_CHARS
        && text.chars().any(is_seen)
        && !text.chars().any(controls);
    is_fine.then(|| text.to_owned()).ok_or(Refusal::Name)
}

/// A name as it is compared with others: case, what is written in another way for its looks alone, what has no shape, and how wide a space
/// is make no difference.
pub fn folded(name: &str) -> String {
    let forms = ComposingNormalizerBorrowed::new_nfkc();
    let is_seen = |c: &char| !is_unseen(*c);
    let seen: String = forms.normalize(name).chars().filter(is_seen).collect();
    let lower = seen.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    forms.normalize(&words.join(" ")).into_owned()
}

/// Somebody else's name as one that can be shown; if nothing is left of it, another.
pub fn shown(text: &str, other: &str) -> String {
    let clean: String = text.chars().filter(|c| !controls(*c)).collect();
    let cut: String = clean.trim().chars().take(MAX_CHARS).collect();
    name(&cut).unwrap_or_else(|_| other.to_owned())
}

/// Somebody else's word as a login, with room for a number behind it.
pub fn as_login(text: &str) -> String {
    const ROOM: usize = 10;
    let mut login = String::new();
    for c in text.chars().take(MAX_CHARS) {
        let c = c.to_ascii_lowercase();
        if is_of_login(c) {
            login.push(c);
        } else if !login.ends_with('-') {
            login.push('-');
        }
    }
    login.truncate(MAX_CHARS - ROOM);
    match login.trim_matches('-') {
        "" => "person".to_owned(),
        login => login.to_owned(),
    }
}

/// Control characters, and those that turn the direction of what stands around them or break the line.
fn controls(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A colour as `#rrggbb`.
pub fn color(text: &str) -> Result<String, Refusal> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
    let is_fine = digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    is_fine
        .then(|| text.to_ascii_lowercase())
        .ok_or(Refusal::Color)
}

/// A text that somebody else made up, and that is compared byte by byte.
pub fn bounded<'a>(what: &'static str, text: &'a str, max: usize) -> Result<&'a str, Refusal> {
    if (1..=max).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err(Refusal::Length { what, max })
    }
}

/// The beginning of a text that is kept to be shown only.
pub fn cut(text: &str, max: usize) -> String {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    text[..end.unwrap_or_default()]
        .chars()
        .filter(|c| !controls(*c))
        .collect()
}

/// An end that is to come.
pub fn end(expires_at_ms: Option<i64>, now_ms: i64) -> Result<(), AccountsError> {
    match expires_at_ms {
        Some(end) if end <= now_ms => Err(Refusal::Ended.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_somebody_is_called_elsewhere_becomes_a_login_and_a_name() {
        for (called, expected) in [
            ("Ann.Archer", "ann.archer"),
            ("ann@example.org", "ann@example.org"),
            ("CORP\\ann archer", "corp-ann-archer"),
            ("Zoë", "zo"),
            ("ÅÄÖ", "person"),
            ("", "person"),
            ("\u{202e}a\n", "a"),
            (&"x".repeat(500), &"x".repeat(54)),
        ] {
            assert_eq!(as_login(called), expected, "{called:?}");
            assert_eq!(login(&as_login(called)).as_deref(), Ok(expected));
        }
        for (called, expected) in [
            (" Zoë ", "Zoë"),
            ("a\u{202e}b\nc", "abc"),
            ("\u{200b}", "zoe"),
            ("", "zoe"),
            (&"é".repeat(65), &"é".repeat(64)),
        ] {
            assert_eq!(shown(called, "zoe"), expected, "{called:?}");
            assert_eq!(name(expected).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_login_is_folded_and_has_few_characters() {
        for (given, kept) in [
            ("a", "a"),
            ("Ada.L_o-v+1@Example.org", "ada.l_o-v+1@example.org"),
            (&"x".repeat(64), &"x".repeat(64)),
        ] {
            assert_eq!(login(given).as_deref(), Ok(kept));
        }
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "é",
            "a\n",
            "а",
            "a\u{202e}",
            "a:b",
            &"x".repeat(65),
        ] {
            assert_eq!(login(bad), Err(Refusal::Login), "{bad}");
        }
    }

    #[test]
    fn a_name_can_be_seen_and_turns_nothing_around() {
        for (given, kept) in [
            ("Ada", "Ada"),
            ("  Ada  Lovelace ", "Ada  Lovelace"),
            ("日本 👩‍🚀", "日本 👩‍🚀"),
            (&"ä".repeat(64), &"ä".repeat(64)),
        ] {
            assert_eq!(name(given).as_deref(), Ok(kept));
        }
        for bad in [
            "",
            "  ",
            "\u{200b}",
            "a\tb",
            "a\u{0}",
            "a\u{202e}b",
            "a\u{2066}b",
            "\u{200f}a\u{200f}b",
            "a\u{2028}b",
            &"ä".repeat(65),
        ] {
            assert_eq!(name(bad), Err(Refusal::Name), "{bad:?}");
        }
    }

    #[test]
    fn names_that_look_alike_are_one_folded() {
        for (name, expected) in [
            ("Bob Jones", "bob jones"),
            ("  BOB \u{3000} Jones ", "bob jones"),
            ("Bo\u{200b}b\u{ad} Jo\u{e0001}nes\u{fe0f}", "bob jones"),
            ("Ｂｏｂ\u{a0}𝐉𝐨𝐧𝐞𝐬", "bob jones"),
            ("Zoe\u{308}", "zoë"),
            ("ﬁnn", "finn"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("Bob\u{3164}", "bob"),
        ] {
            assert_eq!(folded(name), expected, "{name:?}");
        }
        assert_ne!(folded("Bob"), folded("Rob"));
    }

    #[test]
    fn a_color_has_six_digits() {
        assert_eq!(color("#aB0199").as_deref(), Ok("#ab0199"));
        for bad in [
            "", "#", "#abc", "ab0199", "#ab019g", "#ab01999", "#ab01é", "red",
        ] {
            assert_eq!(color(bad), Err(Refusal::Color), "{bad}");
        }
    }

    #[test]
    fn what_is_only_shown_is_cut_between_characters() {
        for (given, max, kept) in [
            ("abc", 8, "abc"),
            ("aéb", 2, "a"),
            ("a\u{1b}[1m", 8, "a[1m"),
        ] {
            assert_eq!(cut(given, max), kept);
        }
        assert!(bounded("it", "", 3).is_err() && bounded("it", "abcd", 3).is_err());
        assert!(bounded("it", "a\n", 3).is_err());
        assert_eq!(bounded("it", "abc", 3), Ok("abc"));
    }
}
