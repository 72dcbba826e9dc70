//! Which kinds of content are taken in.

use crate::child;
use crate::forge::{Block, Content, Id, ORIGIN, Parent, RIGHT, Section, Update, string};
use crate::hazards::{SECONDS, bytes, malformed, refuse, survive};
use crate::rng::Rng;
use ropewalk_crdt::{Document, Error};

/// One struct of client 5 in the root `list`.
fn with(content: &[u8]) -> Vec<u8> {
    let mut out = vec![1, 1, 5, 0, content[0], 1];
    string(&mut out, "list");
    out.extend_from_slice(&content[1..]);
    out.push(0);
    out
}

#[test]
fn every_kind_of_yjs_is_taken_in() {
    child::run("kinds::every_kind_of_yjs_is_taken_in", SECONDS, || {
        for content in [
            &[1, 3][..],
            &[
                2, 2, 1, b'1', 9, b'u', b'n', b'd', b'e', b'f', b'i', b'n', b'e', b'd',
            ],
            &[3, 2, 0, 255],
            &[4, 1, b'x'],
            &[5, 2, b'{', b'}'],
            &[6, 1, b'b', 4, b't', b'r', b'u', b'e'],
            &[7, 0],
            &[7, 1],
            &[7, 2],
            &[7, 3, 1, b'p'],
            &[7, 4],
            &[7, 5, 1, b'h'],
            &[7, 6],
            &[8, 2, 126, 127],
            &[9, 1, b'g', 118, 0],
        ] {
            let mut document = survive(&with(content));
            assert!(document.version().vector.get(5) > 0, "{content:?}");
            let state = document.encode();
            let mut other = Document::new(1);
            other.apply(&state).unwrap();
            assert_eq!(other.version(), document.version(), "{content:?}");
        }
    });
}

#[test]
fn what_only_yrs_knows_is_refused_whole() {
    child::run(
        "kinds::what_only_yrs_knows_is_refused_whole",
        SECONDS,
        || {
            for content in [&[7, 7, 0, 5, 0][..], &[11, 0, 5, 0, 0], &[11]] {
                let error = refuse(&with(content));
                assert!(
                    matches!(error, Error::Unsupported { .. }),
                    "{content:?}: {error:?}"
                );
            }
            for content in [&[7, 8][..], &[7, 15], &[12], &[15], &[16], &[0x14, 1, b'x']] {
                malformed(refuse(&with(content)));
            }
            // The same client twice; a number that is not in its shortest form.
            malformed(refuse(&bytes("02010500000101050000010000")));
            malformed(refuse(&bytes("8100010500000100")));
        },
    );
}

fn json(client: u64, clock: u64, between: Option<(Id, Id)>, values: &[&str]) -> Vec<u8> {
    let values = values.iter().map(|&value| value.to_owned());
    let mut block = Block::new(Content::Json(values.collect()));
    block.parent = Parent::Root("list".to_owned());
    if let Some((left, right)) = between {
        block.flags = ORIGIN | RIGHT;
        (block.origin, block.right) = (left, right);
    }
    let blocks = vec![block];
    let section = Section {
        client,
        clock,
        blocks,
    };
    let mut update = Update::default();
    update.sections.push(section);
    update.write()
}

/// What an update says of each unit: client, clock, and the value, or nothing when it is deleted.
fn units(update: &[u8]) -> Vec<(u64, u64, String)> {
    let mut units = Vec::new();
    for section in Update::read(update).sections {
        let mut clock = section.clock;
        for block in section.blocks {
            let values = match &block.content {
                Content::Json(values) => values.clone(),
                Content::Deleted(len) => vec![String::new(); *len as usize],
                content => panic!("{content:?}"),
            };
            for value in values {
                units.push((section.client, clock, value));
                clock += 1;
            }
        }
    }
    units.sort();
    units
}

/// yrs reads one value too many of the JSON content of old Yjs documents: it is no oracle here.
#[test]
fn json_values_are_cut_deleted_and_written_again() {
    let updates = [
        json(5, 0, None, &["1", "\"two\"", "{\"a\":[3]}", "undefined"]),
        json(5, 0, None, &["1", "\"two\""]),
        json(6, 0, Some(((5, 0), (5, 1))), &["null", "\"é😀\""]),
        // Deletes the unit 2 of 5, and the unit 1 of 6.
        vec![0, 2, 6, 1, 1, 1, 5, 1, 2, 1],
    ];
    let expected = [
        (5, 0, "1"),
        (5, 1, "\"two\""),
        (5, 2, ""),
        (5, 3, "undefined"),
        (6, 0, "null"),
        (6, 1, ""),
    ];
    let expected = expected.map(|(client, clock, value)| (client, clock, value.to_owned()));
    let mut rng = Rng::new(1);
    for _ in 0..100 {
        let mut document = Document::new(1);
        let mut order = updates.to_vec();
        rng.shuffle(&mut order);
        for update in &order {
            document.apply(update).unwrap();
            document.check();
        }
        assert_eq!(units(&document.encode()), expected);
        assert_eq!(document.version().deleted, 2);
        let mut opened = Document::open(1, &document.save()).unwrap();
        assert_eq!(units(&opened.encode()), expected);
        let mut late = Document::new(1);
        late.apply(&order[0]).unwrap();
        let lacks = document.diff(&late.version().vector);
        late.apply(&lacks).unwrap();
        assert_eq!(late.version(), document.version());
    }
}

/// Values, and a text within a list: cut within, by somebody who knows only the first units.
#[test]
fn a_diff_may_begin_within_values_and_nested_text() {
    let section = |clock: u64, blocks: Vec<Block>| Section {
        client: 5,
        clock,
        blocks,
    };
    let list = |content: Content| {
        let mut block = Block::new(content);
        block.parent = Parent::Root("list".to_owned());
        block
    };
    let within = |text: &str| {
        let mut block = Block::new(Content::String(text.to_owned()));
        block.parent = Parent::Item((5, 0));
        block
    };
    let of = |blocks: Vec<Block>| {
        let mut update = Update::default();
        update.sections.push(section(0, blocks));
        update.write()
    };
    let values = |bytes: &[u8]| {
        list(Content::Any(
            bytes.iter().map(|&value| vec![value]).collect(),
        ))
    };
    let text = || list(Content::Type(2, String::new()));
    for (known, all) in [
        (
            of(vec![values(&[126])]),
            of(vec![values(&[126, 127, 121, 120])]),
        ),
        (
            of(vec![text(), within("a")]),
            of(vec![text(), within("abcd")]),
        ),
    ] {
        let mut document = Document::new(1);
        document.apply(&all).unwrap();
        let mut late = Document::new(1);
        late.apply(&known).unwrap();
        let lacks = document.diff(&late.version().vector);
        assert_eq!(lacks.len(), Update::read(&lacks).write().len());
        late.apply(&lacks).unwrap();
        assert_eq!(late.encode(), document.encode());
    }
}

/// As before, of many letters.
#[test]
fn a_diff_of_many_spans_may_begin_within_one() {
    let mut document = Document::new(1);
    let typed = |client: u64, clock: u64, left: Option<Id>, text: &str| {
        let mut block = Block::new(Content::String(text.to_owned()));
        if let Some(left) = left {
            block.flags = ORIGIN;
            block.origin = left;
        }
        let section = Section {
            client,
            clock,
            blocks: vec![block],
        };
        let mut update = Update::default();
        update.sections.push(section);
        update.write()
    };
    let mut late = Document::new(1);
    document.apply(&typed(5, 0, None, "abé😀cd")).unwrap();
    late.apply(&typed(5, 0, None, "abé")).unwrap();
    // Each before the one before, so that none join.
    for clock in 0..300 {
        document.apply(&typed(6, clock, Some((5, 6)), "é")).unwrap();
    }
    let lacks = document.diff(&late.version().vector);
    late.apply(&lacks).unwrap();
    assert_eq!(late.text("text"), document.text("text"));
    assert_eq!(late.encode(), document.encode());
}

/// Types that were nested before the document was opened count like those that come later.
#[test]
fn types_nest_no_deeper_in_a_document_that_was_opened() {
    let nested = |clocks: std::ops::Range<u64>| {
        let blocks = clocks.clone().map(|clock| {
            let mut block = Block::new(Content::Type(0, String::new()));
            block.parent = match clock.checked_sub(1) {
                Some(above) => Parent::Item((5, above)),
                None => Parent::Root("list".to_owned()),
            };
            block
        });
        let mut update = Update::default();
        update.sections.push(Section {
            client: 5,
            clock: clocks.start,
            blocks: blocks.collect(),
        });
        update.write()
    };
    let mut document = Document::new(1);
    document.apply(&nested(0..40)).unwrap();
    let mut opened = Document::open(1, &document.save()).unwrap();
    for document in [&mut document, &mut opened] {
        let deep = document.apply(&nested(40..65));
        assert!(
            matches!(deep, Err(Error::TooLarge { limit: 64, .. })),
            "{deep:?}"
        );
        document.apply(&nested(40..64)).unwrap();
    }
}

/// A text within a list is whole again when what has cut it is refused. What is saved is what was encoded before: it
/// would not show.
#[test]
fn nested_text_that_was_cut_is_joined_again() {
    for cut in 0..3 {
        let mut document = Document::new(1);
        let mut blocks = vec![
            Block::new(Content::Type(2, String::new())),
            Block::new(Content::String("a😀b".to_owned())),
            Block::new(Content::String("z".to_owned())),
        ];
        blocks[0].parent = Parent::Root("list".to_owned());
        blocks[1].parent = Parent::Item((5, 0));
        blocks[2].parent = Parent::Root("other".to_owned());
        let of = |client: u64, blocks: Vec<Block>| {
            let mut update = Update::default();
            update.sections.push(Section {
                client,
                clock: 0,
                blocks,
            });
            update.write()
        };
        document.apply(&of(5, blocks)).unwrap();
        let whole = |document: &mut Document| document.diff(&[(99, 1)].into_iter().collect());
        let before = whole(&mut document);
        let between = |left: Id, right: Id| {
            let mut block = Block::new(Content::String("x".to_owned()));
            block.flags = ORIGIN | RIGHT;
            (block.origin, block.right) = (left, right);
            block
        };
        let within = between((5, 1 + cut), (5, 2 + cut));
        let wrong = between((5, 1), (5, 5));
        malformed(document.apply(&of(6, vec![within, wrong])).unwrap_err());
        document.check();
        assert_eq!(whole(&mut document), before, "written anew");
    }
}
