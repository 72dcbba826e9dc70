//! Edits of a text that somebody saw some time ago, and what has changed since.

use crate::rng::Rng;
use ropewalk_crdt::{Document, Edit, Error, ROOT, Unit, Version, past};

const UNITS: [Unit; 3] = [Unit::Utf8, Unit::Utf16, Unit::Char];
const PIECES: [&str; 6] = ["a", "é", "女", "😀", "👩‍👩‍👧", "plain words "];

fn size(char: char, unit: Unit) -> u64 {
    match unit {
        Unit::Utf8 => char.len_utf8() as u64,
        Unit::Utf16 => char.len_utf16() as u64,
        Unit::Char => 1,
    }
}

/// An offset between two characters.
fn offset(rng: &mut Rng, text: &str, unit: Unit) -> u64 {
    let count = rng.below(text.chars().count() + 1);
    text.chars().take(count).map(|char| size(char, unit)).sum()
}

fn random_edit(rng: &mut Rng, text: &str, unit: Unit) -> Edit {
    let (a, b) = (offset(rng, text, unit), offset(rng, text, unit));
    let insert = match rng.below(3) {
        0 => String::new(),
        _ => rng.pick(&PIECES).to_owned(),
    };
    Edit {
        from: a.min(b),
        to: if rng.chance(2) { a.max(b) } else { a.min(b) },
        insert,
    }
}

fn apply(text: &str, unit: Unit, edits: &[Edit]) -> String {
    let byte = |offset: u64| {
        let mut at = 0;
        let chars = text.char_indices();
        let found = chars.map(|(byte, char)| {
            let here = at;
            at += size(char, unit);
            (here, byte)
        });
        let found = found.collect::<Vec<_>>();
        let exact = found.iter().find(|(here, _)| *here == offset);
        exact.map_or(text.len(), |(_, byte)| *byte)
    };
    let (mut out, mut last) = (String::new(), 0);
    for edit in edits {
        out.push_str(&text[last..byte(edit.from)]);
        out.push_str(&edit.insert);
        last = byte(edit.to);
    }
    out.push_str(&text[last..]);
    out
}

fn sorted(text: &str) -> Vec<char> {
    let mut chars: Vec<char> = text.chars().collect();
    chars.sort_unstable();
    chars
}

fn text(document: &Document) -> String {
    document.text(ROOT).to_string()
}

#[test]
fn changes_lead_from_any_version_to_the_current_one() {
    for seed in 1..200 {
        let mut rng = Rng::new(seed);
        let mut document = Document::new(1);
        let mut seen: Vec<(Version, String)> = Vec::new();
        for _ in 0..30 {
            let (unit, now) = (rng.pick(&UNITS), text(&document));
            seen.push((document.version().clone(), now.clone()));
            let edit = random_edit(&mut rng, &now, unit);
            let base = document.version().clone();
            document.edit(&base, ROOT, unit, &[edit]).unwrap();
            for (version, old) in &seen {
                let unit = rng.pick(&UNITS);
                let edits = document.changes(version, ROOT, unit).unwrap();
                assert_eq!(apply(old, unit, &edits), text(&document), "seed {seed}");
            }
        }
    }
}

#[test]
fn an_edit_of_an_old_text_is_what_a_peer_would_have_sent() {
    for seed in 1..300 {
        let mut rng = Rng::new(seed);
        let mut document = Document::new(1);
        let mut seen: Vec<(Version, String, Vec<u8>)> = Vec::new();
        for _ in 0..12 {
            let (unit, now) = (rng.pick(&UNITS), text(&document));
            seen.push((document.version().clone(), now.clone(), document.save()));
            let edit = random_edit(&mut rng, &now, unit);
            let base = document.version().clone();
            document.edit(&base, ROOT, unit, &[edit]).unwrap();
        }
        let (version, old, saved) = &seen[rng.below(seen.len())];
        let unit = rng.pick(&UNITS);
        let edit = [random_edit(&mut rng, old, unit)];
        // A peer that has only seen the old version makes the same edit there.
        let mut peer = Document::open(2, saved).unwrap();
        let sent = peer.edit(version, ROOT, unit, &edit).unwrap();
        let mut other = Document::open(3, &document.save()).unwrap();
        other.apply(&sent).unwrap();
        document.edit(version, ROOT, unit, &edit).unwrap();
        document.check();
        if edit[0].insert.is_empty() {
            assert_eq!(text(&document), text(&other), "seed {seed}");
        }
        assert_eq!(
            sorted(&text(&document)),
            sorted(&text(&other)),
            "seed {seed}"
        );
    }
}

#[test]
fn what_others_inserted_into_a_deleted_range_stays() {
    let edit = |from, to, insert: &str| Edit {
        from,
        to,
        insert: insert.to_owned(),
    };
    let mut document = Document::new(1);
    let empty = document.version().clone();
    let edits = [edit(0, 0, "abcdef")];
    document.edit(&empty, ROOT, Unit::Char, &edits).unwrap();
    let base = document.version().clone();
    for (at, insert) in [(3, "XY"), (0, "_")] {
        let edits = [edit(at, at, insert)];
        document.edit(&base, ROOT, Unit::Char, &edits).unwrap();
    }
    let edits = [edit(1, 5, "-")];
    document.edit(&base, ROOT, Unit::Char, &edits).unwrap();
    assert_eq!(text(&document), "_a-XYf");
}

#[test]
fn a_version_of_long_ago_or_of_another_history_is_stale() {
    let mut document = Document::new(1);
    let typed = |from| {
        [Edit {
            from,
            to: from,
            insert: "x".to_owned(),
        }]
    };
    let old = document.version().clone();
    for at in 0..300 {
        let base = document.version().clone();
        document.edit(&base, ROOT, Unit::Char, &typed(at)).unwrap();
    }
    let stale = document.edit(&old, ROOT, Unit::Char, &typed(0));
    assert_eq!(stale, Err(Error::Stale));
    assert_eq!(document.changes(&old, ROOT, Unit::Char), Err(Error::Stale));
    let mut other = Document::new(2);
    other.edit(&old, ROOT, Unit::Char, &typed(0)).unwrap();
    let foreign = document.changes(other.version(), ROOT, Unit::Char);
    assert_eq!(foreign, Err(Error::Stale));
}

#[test]
fn a_revision_names_what_a_version_does() {
    let mut document = Document::new(1);
    let mut seen = Vec::new();
    for round in 0..100_u64 {
        seen.push((document.version().clone(), document.revision()));
        let base = document.revision();
        let len = document.len_utf16(ROOT);
        let removes = round % 3 == 2;
        let edit = Edit {
            from: len / 2,
            to: len / 2 + u64::from(removes),
            insert: if removes { "" } else { "ab" }.to_owned(),
        };
        document.edit(base, ROOT, Unit::Utf16, &[edit]).unwrap();
        assert_ne!(document.revision(), base);
    }
    for (version, revision) in seen {
        let changes = document.changes(revision, ROOT, Unit::Utf8).unwrap();
        assert_eq!(
            changes,
            document.changes(&version, ROOT, Unit::Utf8).unwrap()
        );
    }
    let mut ahead = document.revision();
    assert_eq!(document.changes(ahead, ROOT, Unit::Utf8), Ok(Vec::new()));
    ahead.inserted += 1;
    assert_eq!(document.changes(ahead, ROOT, Unit::Utf8), Err(Error::Stale));
}

#[test]
fn a_peer_that_lags_gets_only_the_deletes_that_it_lacks() {
    let mut rng = Rng::new(7);
    let mut document = Document::new(1);
    let mut edit = |document: &mut Document| {
        let now = text(document);
        let at = rng.below(now.len() + 1) as u64;
        let edits = [Edit {
            from: at,
            to: (at + 1).min(now.len() as u64),
            insert: "two".to_owned(),
        }];
        let base = document.version().clone();
        document.edit(&base, ROOT, Unit::Utf8, &edits).unwrap();
    };
    (0..2_000).for_each(|_| edit(&mut document));
    let (since, saved) = (document.version().clone(), document.save());
    (0..100).for_each(|_| edit(&mut document));
    let few = document.diff_since(&since);
    let all = document.diff(&since.vector);
    assert!(few.len() * 2 < all.len(), "{} of {}", few.len(), all.len());
    for update in [few, all] {
        let mut behind = Document::open(2, &saved).unwrap();
        behind.apply(&update).unwrap();
        assert_eq!(behind.version(), document.version());
        assert_eq!(text(&behind), text(&document));
    }
}

/// In a root that has no letter yet as well.
#[test]
fn what_stands_for_an_object_is_a_change_like_any_other() {
    let mut document = Document::new(1);
    let empty = document.version().clone();
    // An embedded 5 of client 7, and its end.
    let embed = [1, 1, 7, 0, 5, 1, 4, b't', b'e', b'x', b't', 1, b'5', 0];
    document.apply(&embed).unwrap();
    let edit = |from, to, insert: &str| Edit {
        from,
        to,
        insert: insert.to_owned(),
    };
    let came = document.changes(&empty, ROOT, Unit::Char).unwrap();
    assert_eq!(came, [edit(0, 0, "\u{fffc}")]);
    let full = document.version().clone();
    document.apply(&[0, 1, 7, 1, 0, 1]).unwrap();
    let went = document.changes(&full, ROOT, Unit::Char).unwrap();
    assert_eq!(went, [edit(0, 1, "")]);
}

fn edit(from: u64, to: u64, insert: &str) -> Edit {
    let insert = insert.to_owned();
    Edit { from, to, insert }
}

fn edited(document: &mut Document, edits: &[Edit]) {
    let base = document.version().clone();
    document.edit(&base, ROOT, Unit::Char, edits).unwrap();
}

#[test]
fn a_replacement_is_one_change() {
    let mut document = Document::new(1);
    edited(&mut document, &[edit(0, 0, "abc")]);
    let base = document.version().clone();
    edited(&mut document, &[edit(1, 2, "X")]);
    let changes = document.changes(&base, ROOT, Unit::Char);
    assert_eq!(changes, Ok(vec![edit(1, 2, "X")]));
}

#[test]
fn an_insertion_stands_before_what_others_inserted_there() {
    let mut document = Document::new(1);
    edited(&mut document, &[edit(0, 0, "ab")]);
    let base = document.version().clone();
    edited(&mut document, &[edit(1, 1, "X")]);
    document
        .edit(&base, ROOT, Unit::Char, &[edit(1, 1, "Y")])
        .unwrap();
    assert_eq!(text(&document), "aYXb");
}

/// As many units as this one had once, by somebody else.
#[test]
fn a_version_of_another_history_is_stale_however_long() {
    let (mut document, mut other) = (Document::new(1), Document::new(2));
    edited(&mut document, &[edit(0, 0, "a")]);
    edited(&mut document, &[edit(1, 1, "b")]);
    edited(&mut other, &[edit(0, 0, "x")]);
    let foreign = document.changes(other.version(), ROOT, Unit::Char);
    assert_eq!(foreign, Err(Error::Stale));
}

/// Long after the first changes are forgotten, the last ones are known.
#[test]
fn the_last_changes_are_known_for_ever() {
    let mut document = Document::new(1);
    let mut seen = Vec::new();
    for at in 0..700 {
        seen.push((document.version().clone(), text(&document)));
        let from = (at % 7).min(text(&document).len() as u64);
        let to = (from + at % 2).min(text(&document).len() as u64);
        edited(&mut document, &[edit(from, to, "xy")]);
    }
    let known = seen.iter().filter(|(version, old)| {
        let changes = document.changes(version, ROOT, Unit::Char);
        let Ok(edits) = changes else { return false };
        assert_eq!(apply(old, Unit::Char, &edits), text(&document));
        true
    });
    assert!(known.count() > 50);
}

/// Sorted edits of a text that do not overlap; some touch.
fn random_edits(rng: &mut Rng, text: &str, unit: Unit) -> Vec<Edit> {
    let mut places: Vec<u64> = (0..2 * rng.below(5))
        .map(|_| offset(rng, text, unit))
        .collect();
    places.sort_unstable();
    let pairs = places.chunks_exact(2);
    let edits = pairs.map(|pair| Edit {
        from: pair[0],
        to: if rng.chance(2) { pair[1] } else { pair[0] },
        insert: match rng.below(3) {
            0 => String::new(),
            _ => rng.pick(&PIECES).to_owned(),
        },
    });
    edits.collect()
}

#[test]
fn somebody_who_has_edited_meanwhile_gets_to_the_same_text() {
    for seed in 1..3000 {
        let mut rng = Rng::new(seed);
        let mut document = Document::new(1);
        for _ in 0..rng.below(4) {
            let (unit, now) = (rng.pick(&UNITS), text(&document));
            let edits = random_edits(&mut rng, &now, unit);
            let base = document.version().clone();
            document.edit(&base, ROOT, unit, &edits).unwrap();
        }
        let (base, old) = (document.version().clone(), text(&document));
        for _ in 0..rng.below(4) {
            let (unit, now) = (rng.pick(&UNITS), text(&document));
            let edits = random_edits(&mut rng, &now, unit);
            let base = document.version().clone();
            document.edit(&base, ROOT, unit, &edits).unwrap();
        }
        let unit = rng.pick(&UNITS);
        let own = random_edits(&mut rng, &old, unit);
        let theirs = document.changes(&base, ROOT, unit).unwrap();
        let rest = past(&theirs, &own, unit);
        document.edit(&base, ROOT, unit, &own).unwrap();
        let mine = apply(&old, unit, &own);
        assert_eq!(
            apply(&mine, unit, &rest),
            text(&document),
            "seed {seed}: {old:?} {own:?} {theirs:?} {rest:?}"
        );
    }
}

#[test]
fn an_offset_behind_the_end_of_an_old_text_is_told_in_its_own_terms() {
    let mut document = Document::new(1);
    let insert = |at, insert: &str| {
        [Edit {
            from: at,
            to: at,
            insert: insert.to_owned(),
        }]
    };
    let empty = document.version().clone();
    document
        .edit(&empty, ROOT, Unit::Char, &insert(0, "abc"))
        .unwrap();
    let base = document.version().clone();
    document
        .edit(&base, ROOT, Unit::Char, &insert(1, "12345"))
        .unwrap();
    let refused = document.edit(&base, ROOT, Unit::Char, &insert(5, "x"));
    assert_eq!(
        refused,
        Err(Error::OutOfRange {
            offset: 5,
            length: 3
        })
    );
    let end = u64::MAX;
    let refused = document.edit(&base, ROOT, Unit::Char, &insert(end, "x"));
    let length = 3;
    assert_eq!(
        refused,
        Err(Error::OutOfRange {
            offset: end,
            length
        })
    );
    assert_eq!(text(&document), "a12345bc");
}
