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
