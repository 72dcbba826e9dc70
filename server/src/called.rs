//! Names as others see them. What tells two people of one name apart stands behind it in parentheses: the login of whoever has an account, or
//! that it is a guest. Where there is no room for all of it the name is cut, and never that.

/// Most characters of a login, or of the name of an account.
pub const MAX_CHARS: usize = 64;
/// Characters that editors have room for.
pub const ROOM: usize = 40;
/// Most characters of a name with a login behind it.
pub const MAX_SHOWN: usize = MAX_CHARS + " ()".len() + MAX_CHARS;

/// The name with the login behind it.
pub fn with_login(name: &str, login: &str) -> String {
    format!("{name} ({login})")
}

/// What a login is made of.
pub fn is_of_login(char: char) -> bool {
    char.is_ascii_alphanumeric() || "._-@+".contains(char)
}

/// As much of a name as so many characters have room for, with what tells it apart: with that alone if there is no room for more.
pub fn beginning(name: &str, max_chars: usize) -> String {
    cut(name, max_chars, |_| 1)
}

/// The same in bytes.
pub fn within(name: &str, max_bytes: usize) -> String {
    cut(name, max_bytes, char::len_utf8)
}

fn cut(shown: &str, max: usize, size: impl Fn(char) -> usize) -> String {
    let (name, mark) = shown.split_at(mark_at(shown));
    let mut room = max.saturating_sub(mark.len());
    let fits = name.chars().take_while(|char| {
        let left = room.checked_sub(size(*char));
        room = left.unwrap_or_default();
        left.is_some()
    });
    let name: String = fits.collect();
    format!("{}{mark}", name.trim()).trim_start().to_owned()
}

/// Where the mark begins, and the space before it; the end if there is none.
fn mark_at(shown: &str) -> usize {
    let found = || {
        let (name, login) = shown.strip_suffix(')')?.rsplit_once(" (")?;
        let is_login = (1..=MAX_CHARS).contains(&login.len()) && login.chars().all(is_of_login);
        is_login.then_some(name.len())
    };
    found().unwrap_or(shown.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::storage::MAX_AUTHOR;

    #[test]
    fn a_name_is_cut_and_not_what_tells_it_apart() {
        // The page has the same rule.
        let cases = include_str!("../../web/src/called.json");
        let cases: Vec<(String, usize, String)> = serde_json::from_str(cases).unwrap();
        for (name, max, cut) in cases {
            assert_eq!(beginning(&name, max), cut, "{name:?} {max}");
        }
    }

    #[test]
    fn two_of_one_name_stay_apart_wherever_it_is_cut() {
        for letter in ["x", "é", "雷", "\u{10ffff}"] {
            let name = letter.repeat(MAX_CHARS);
            let both = ["ann".to_owned(), "a".repeat(MAX_CHARS)].map(|login| {
                let shown = with_login(&name, &login);
                assert!(shown.chars().count() <= MAX_SHOWN);
                let mark = format!("({login})");
                let (seen, kept) = (beginning(&shown, ROOM), within(&shown, MAX_AUTHOR));
                assert!(
                    seen.ends_with(&mark) && kept.ends_with(&mark),
                    "{seen} {kept}"
                );
                assert!(
                    kept.len() <= MAX_AUTHOR && kept.starts_with(letter),
                    "{kept}"
                );
                seen
            });
            assert!(both[0].starts_with(letter) && both[0].chars().count() == ROOM);
            assert_ne!(both[0], both[1]);
        }
    }
}
