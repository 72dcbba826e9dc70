//! Names of those who have no account: they choose them, and a mark says so wherever they are shown.

use crate::called;
use crate::storage::MAX_AUTHOR;

/// Stands behind such a name.
pub const MARK: &str = " (guest)";

/// A name that a guest chose, with the mark. What turns letters, is not seen or only room could hide that.
pub fn named(name: &str) -> String {
    let seen = name
        .chars()
        .filter(|char| char.is_whitespace() || !char.is_control() && !is_unseen(*char))
        .map(|char| if char.is_whitespace() { ' ' } else { char });
    let seen: String = seen.collect();
    let words = seen.split(' ').filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join(" ");
    let name = name.strip_suffix(MARK.trim_start()).unwrap_or(&name);
    let shown = called::beginning(&format!("{name}{MARK}"), called::ROOM);
    called::within(&shown, MAX_AUTHOR)
}

/// Characters that are not seen themselves: the property `Default_Ignorable_Code_Point` of Unicode 17 (DerivedCoreProperties.txt), marks of
/// direction and variation selectors among it, and the empty pattern of Braille.
pub fn is_unseen(char: char) -> bool {
    matches!(char,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_has_the_mark_however_long_the_name() {
        for filler in [
            "x",
            "e\u{301}",
            "\u{fe0f}",
            "\u{34f}",
            "\u{e0100}",
            "\u{a0}",
            "\u{2800}",
            "\u{1f9f5}",
            "\u{10ffff}",
            " (guest)",
        ] {
            for length in 33..=60 {
                let name = format!("Ada{}", filler.repeat(length));
                let name = named(&name);
                assert!(name.starts_with("Ada"), "{name}");
                assert!(name.ends_with(MARK), "{filler:?} {length}: {name}");
                assert!(name.len() <= MAX_AUTHOR, "{name}");
                assert!(name.chars().count() <= 40, "{name}");
                assert_eq!(called::beginning(&name, called::ROOM), name);
            }
            let alone = named(&filler.repeat(60));
            assert!(alone.ends_with(MARK.trim_start()), "{alone}");
            assert!(alone.len() <= MAX_AUTHOR, "{alone}");
            let bare = named(&format!("Ada{}", filler.repeat(29)));
            if filler
                .chars()
                .all(|char| is_unseen(char) || char == '\u{a0}')
            {
                assert_eq!(bare, "Ada (guest)");
            }
        }
        for (said, shown) in [
            ("", "(guest)"),
            (" (guest)", "(guest)"),
            ("Eve (guest)", "Eve (guest)"),
            ("Eve\u{2003} \tN\u{202e}.", "Eve N. (guest)"),
        ] {
            assert_eq!(named(said), shown, "{said:?}");
        }
    }
}
