//! Document names as paths of files. A name can be told from its path, and two names never share one, also where
//! upper and lower case are the same.

use std::fmt::Write as _;

/// Bytes of one folder or file name, without the ending; systems allow 255 with it.
const PIECE: usize = 200;
/// Names that are devices on Windows, with any ending.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];
/// Ends a folder whose name goes on in what is in it.
const GOES_ON: char = '+';

/// The path of a document's files, below a folder and without an ending.
///
/// Each segment of the name is a folder or a file. Only `a-z`, `0-9`, `-`, `_` and `.` stand for themselves, everything
/// else is percent-encoded: capitals, because a file system may not tell them apart; other letters, because it may
/// write them in another way. Dots that begin or end a name or are in that of a folder are encoded too: a folder is
/// never named like a file, nor hidden. A segment that is too long goes on in a folder.
pub fn of(name: &str) -> String {
    let mut pieces = Vec::new();
    let mut segments = name.split('/').peekable();
    while let Some(segment) = segments.next() {
        pieces.extend(split(segment, segments.peek().is_some()));
    }
    pieces.join("/")
}

fn split(segment: &str, folder: bool) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = segment;
    loop {
        let mut end = rest.len();
        while encode(&rest[..end], true).len() > PIECE {
            // In the middle of a character is no place to split.
            end = rest[..end]
                .char_indices()
                .next_back()
                .map_or(0, |(at, _)| at);
        }
        let (piece, more) = rest.split_at(end);
        if more.is_empty() {
            pieces.push(encode(piece, folder));
            return pieces;
        }
        let mut piece = encode(piece, true);
        piece.push(GOES_ON);
        pieces.push(piece);
        rest = more;
    }
}

fn encode(piece: &str, folder: bool) -> String {
    let stem = piece.split('.').next().unwrap_or(piece);
    let device = DEVICES.contains(&stem);
    let last = piece.len().saturating_sub(1);
    let mut out = String::with_capacity(piece.len());
    for (at, byte) in piece.bytes().enumerate() {
        let edge = at == 0 || at == last;
        let harmless = match byte {
            b'a'..=b'z' | b'0'..=b'9' => !(device && at == 0),
            b'_' => true,
            b'-' => at > 0,
            b'.' => !edge && !folder,
            _ => false,
        };
        if harmless {
            out.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use percent_encoding::percent_decode_str;

    use super::*;
    use crate::name::DocumentName;

    /// What [`of`] was given.
    fn name(path: &str) -> String {
        let joined = path.replace("+/", "");
        percent_decode_str(&joined).decode_utf8().unwrap().into()
    }

    const NAMES: [&str; 26] = [
        "a",
        "a.txt",
        "a.txt/b",
        "a/b",
        "a/b/c.d/e",
        "a%2fb",
        "A",
        "%41",
        "notes/today.md",
        "Notes/Today.md",
        "con",
        "con.txt",
        "CON",
        "com1/lpt9.tar.gz",
        "console",
        "..a/.b",
        "...",
        "a. /b.",
        " a ",
        "-rf",
        "documents.json/documents.json",
        "ä/Ä/ä",
        "日本/💚 ü:*>\"|?<\\",
        "a+/b",
        "~1",
        "ſ/K",
    ];

    #[test]
    fn a_name_can_be_told_from_its_path() {
        let mut seen = HashMap::new();
        let long = [
            "x".repeat(512),
            "💚".repeat(128),
            ".".repeat(510) + "/a",
            "A".repeat(300),
        ];
        for given in NAMES.iter().copied().chain(long.iter().map(String::as_str)) {
            assert!(DocumentName::new(given).is_ok(), "{given}");
            let path = of(given);
            assert_eq!(name(&path), given, "{path}");
            assert!(path.is_ascii() && path == path.to_lowercase(), "{path}");
            // Folders too: none may be a file of another document.
            for ending in [".txt", ".update"] {
                let twin = seen.insert(format!("{path}{ending}"), given);
                assert_eq!(twin, None, "{given}");
            }
            let mut folder = path.as_str();
            while let Some((above, _)) = folder.rsplit_once('/') {
                assert!(!above.contains('.'), "{path}: like a file");
                folder = above;
            }
        }
    }

    #[test]
    fn every_piece_of_a_path_is_harmless() {
        let long = [
            "con".repeat(170),
            format!("{}/{}", "ü".repeat(200), "B".repeat(100)),
        ];
        for given in NAMES.iter().copied().chain(long.iter().map(String::as_str)) {
            for piece in of(given).split('/') {
                assert!(!piece.is_empty() && piece.len() + ".update".len() <= 255);
                assert!(!piece.starts_with(['.', '-', ' ']), "{piece}");
                assert!(!piece.ends_with(['.', ' ']), "{piece}");
                let stem = piece.split('.').next().unwrap();
                assert!(!DEVICES.contains(&stem), "{piece}");
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.%+".contains(c);
                assert!(piece.chars().all(plain), "{piece}");
            }
        }
    }

    #[test]
    fn a_harmless_name_is_its_own_path() {
        assert_eq!(of("notes/2026-01-31_plan.md"), "notes/2026-01-31_plan.md");
        assert_eq!(of("README.md"), "%52%45%41%44%4d%45.md");
        assert_eq!(of("con/aux.c"), "%63on/%61ux.c");
    }
}
