//! Bytes and shapes that have broken engines. Each in a process of its own, each with the text of
//! an honest peer that has to survive it.

use crate::forge::{string, var};
use crate::{child, memory};
use ropewalk_crdt::update::Update;
use ropewalk_crdt::{Document, Error, Integrated, Limits, ROOT, Speaker, protocol};
use yrs::{Doc, Text, Transact};

pub const SECONDS: u64 = 120;

/// Who says all this: nobody that a document trusts.
pub const STRANGER: Speaker = Speaker::Live(2);

/// What client 9 has typed: "hello world", then "abc" at 5, without 3 units at 2.
pub fn honest() -> Document {
    let peer = Doc::with_client_id(9);
    let root = peer.get_or_insert_text(ROOT);
    let mut txn = peer.transact_mut();
    root.insert(&mut txn, 0, "hello world");
    root.insert(&mut txn, 5, "abc");
    root.remove_range(&mut txn, 2, 3);
    let mut document = Document::new(1);
    document.apply(&txn.encode_update_v1()).unwrap();
    document
}

pub const TEXT: &str = "heabc world";

pub fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

pub fn assert_intact(document: &mut Document) {
    assert_eq!(document.text(ROOT).to_string(), TEXT);
    document.check();
    let opened = Document::open(1, &document.save()).unwrap();
    assert_eq!(opened.text(ROOT).to_string(), TEXT);
    assert_eq!(opened.version(), document.version());
}

/// Applies to an honest document what has to be refused, and leaves it as it was.
pub fn refuse(update: &[u8]) -> Error {
    let mut document = honest();
    let version = document.version().clone();
    let saved = document.save();
    let error = document.apply_from(update, STRANGER).unwrap_err();
    assert_eq!(*document.version(), version);
    assert_eq!(document.save(), saved);
    assert_intact(&mut document);
    error
}

/// Applies to an honest document what may be taken in or refused, but must not harm it.
pub fn survive(update: &[u8]) -> Document {
    let mut document = honest();
    let _ = document.apply_from(update, STRANGER);
    assert_intact(&mut document);
    document
}

pub fn malformed(error: Error) {
    assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
}

#[test]
fn h1_forgotten_units_take_nothing_that_is_known() {
    child::run(
        "hazards::h1_forgotten_units_take_nothing_that_is_known",
        SECONDS,
        || {
            survive(&bytes("0101050000c0843d00"));
            let mut document = honest();
            // Under another's name: what that one has typed stays. Who may use a name is the caller's.
            let mut theirs = bytes("0101050000c0843d00");
            theirs[2] = 9;
            document.apply_from(&theirs, STRANGER).unwrap();
            assert_eq!(document.text(ROOT).to_string(), TEXT);
            // Beyond the budget of an update.
            let mut long = vec![1, 1, 5, 0, 0];
            var(&mut long, 17 << 20);
            long.push(0);
            let error = refuse(&long);
            assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
            for kind in [1, 10] {
                let mut long = vec![1, 1, 5, 0, kind];
                if kind == 1 {
                    long.push(1);
                    string(&mut long, ROOT);
                }
                var(&mut long, 17 << 20);
                long.push(0);
                assert!(matches!(refuse(&long), Error::TooLarge { .. }), "{kind}");
            }
        },
    );
}

#[test]
fn h2_formats_in_deleted_text() {
    child::run("hazards::h2_formats_in_deleted_text", SECONDS, || {
        let known =
            "0201020346090c0162047472756503020144090d01780001060104746578740162047472756500";
        malformed(refuse(&bytes(known)));
        // Without the client that comes twice in it: one half, the other, and both in each order.
        let halves = [
            "0101020346090c0162047472756500",
            "0103020144090d01780001060104746578740162047472756500",
            "0101020046090c0162047472756500",
            "01020200060104746578740162047472756544090d017800",
        ];
        for first in halves {
            for second in halves {
                let mut document = honest();
                let _ = document.apply_from(&bytes(first), STRANGER);
                let _ = document.apply_from(&bytes(second), STRANGER);
                document.check();
                let text = document.text(ROOT).to_string();
                assert_eq!(text.replace('x', ""), TEXT);
                let opened = Document::open(1, &document.save()).unwrap();
                assert_eq!(opened.text(ROOT).to_string(), text);
            }
        }
    });
}

#[test]
fn h3_clocks_and_neighbours_that_cannot_be() {
    child::run(
        "hazards::h3_clocks_and_neighbours_that_cannot_be",
        SECONDS,
        || {
            let item = |clock: u64, flags: u8, ids: &[u64]| {
                let mut out = vec![1, 1, 5];
                var(&mut out, clock);
                out.push(4 | flags);
                ids.iter().for_each(|&id| var(&mut out, id));
                string(&mut out, "x");
                out.push(0);
                out
            };
            // Neighbours that are the unit itself, or later units of the same client.
            malformed(refuse(&item(0, 0x80, &[5, 0])));
            malformed(refuse(&item(3, 0xc0, &[9, 1, 5, 4])));
            // Clocks that do not fit.
            malformed(refuse(&item(0x7fff_ffff, 0x80, &[9, 0])));
            malformed(refuse(&item(0xffff_ffff, 0x80, &[9, 0])));
            malformed(refuse(&item(0, 0x80, &[9, 0xffff_ffff])));
            malformed(refuse(&item(1 << 40, 0x80, &[9, 0])));
            // A client id of more than 53 bits.
            malformed(refuse(&bytes("0101ffffffffffffff1f0084090000017800")));
            // What may come later waits, and is not asked about again.
            for update in [
                item(5, 0x80, &[9, 0]),
                item(0, 0x80, &[9, 500]),
                item(0, 0xc0, &[9, 1, 77, 0]),
                bytes("00010901900310"),
            ] {
                let mut document = honest();
                let applied = document.apply_from(&update, STRANGER).unwrap();
                assert!(applied.held, "{update:?}");
                assert_intact(&mut document);
            }
            // Deletes that wrap around.
            malformed(refuse(&bytes("00010901ffffffff0fffffffff0f")));
        },
    );
}

#[test]
fn h4_values_nested_deeply() {
    child::run("hazards::h4_values_nested_deeply", SECONDS, || {
        let nested = |depth: usize| {
            let mut out = vec![1, 1, 5, 0, 8, 1];
            string(&mut out, "list");
            out.push(1);
            for _ in 1..depth {
                out.extend_from_slice(&[117, 1]);
            }
            out.extend_from_slice(&[126, 0]);
            out
        };
        let object = |depth: usize| {
            let mut out = vec![1, 1, 5, 0, 8, 1];
            string(&mut out, "list");
            out.push(1);
            for _ in 1..depth {
                out.extend_from_slice(&[118, 1, 1, b'k']);
            }
            out.extend_from_slice(&[126, 0]);
            out
        };
        malformed(refuse(&object(20_000)));
        malformed(refuse(&object(65)));
        honest().apply(&object(64)).unwrap();
        malformed(refuse(&nested(20_000)));
        malformed(refuse(&nested(65)));
        honest().apply(&nested(64)).unwrap();
    });
}

#[test]
fn h4_types_nested_deeply() {
    child::run("hazards::h4_types_nested_deeply", SECONDS, || {
        let mut out = vec![1];
        var(&mut out, 20_000);
        out.extend_from_slice(&[5, 0, 7, 1]);
        string(&mut out, "list");
        out.push(0);
        for clock in 0..19_999 {
            out.extend_from_slice(&[7, 0, 5]);
            var(&mut out, clock);
            out.push(0);
        }
        out.push(0);
        let error = refuse(&out);
        assert!(
            matches!(error, Error::TooLarge { limit: 64, .. }),
            "{error:?}"
        );
    });
}

#[test]
fn h5_counts_beyond_the_bytes() {
    child::run("hazards::h5_counts_beyond_the_bytes", SECONDS, || {
        for known in [
            "ffffff3f",
            "01ffffff3f0500",
            "00ffffff3f",
            "000105ffffff3f",
            "010105000201046c697374ffffff3f",
            "010105000301046c697374ffffff3f",
            "010105000401046c697374ffffff3f",
            "010105000801046c697374ffffff3f",
            "010105000801046c6973740175ffffff3f",
            "010105000801046c6973740176ffffff3f",
            "010105000901046c697374016776ffffff3f",
        ] {
            memory::within(1 << 20, || malformed(refuse(&bytes(known))));
        }
    });
}

#[test]
fn h6_format_v2_is_refused() {
    child::run("hazards::h6_format_v2_is_refused", SECONDS, || {
        malformed(refuse(&bytes("0002000206ffffffff1f")));
        let peer = Doc::with_client_id(9);
        let root = peer.get_or_insert_text(ROOT);
        let mut txn = peer.transact_mut();
        root.insert(&mut txn, 0, "in the other format");
        malformed(refuse(&txn.encode_update_v2()));
        malformed(refuse(yrs::Update::EMPTY_V2));
    });
}

/// `count` updates of as many clients, each without its first unit.
pub fn gapped(count: u64) -> Vec<Vec<u8>> {
    let updates = (0..count).map(|client| {
        let mut out = vec![1, 1];
        var(&mut out, 1000 + client);
        out.extend_from_slice(&[1, 0x84]);
        var(&mut out, 1000 + client);
        out.extend_from_slice(&[0, 1, b'x', 0]);
        out
    });
    updates.collect()
}

#[test]
fn h7_gapped_updates_are_capped() {
    child::run("hazards::h7_gapped_updates_are_capped", SECONDS, || {
        let mut document = honest();
        let full = gapped(4_000)
            .iter()
            .filter(|update| {
                matches!(
                    document.apply_from(update, STRANGER),
                    Err(Error::HeldFull { .. })
                )
            })
            .count();
        assert_eq!(full, 3_000);
        assert_intact(&mut document);
    });
}

#[test]
fn h8_what_is_accepted_can_be_encoded_and_opened() {
    child::run(
        "hazards::h8_what_is_accepted_can_be_encoded_and_opened",
        SECONDS,
        || {
            // Children of what is no type, of what is forgotten, beside what is forgotten: as in Yjs,
            // they are forgotten themselves.
            let mut document = honest();
            for update in [
                "01010500040009000178",
                "010105010002",
                "0101050384050101780000",
                "010106000400050101780000",
                "01010700c409000501017800",
            ] {
                let mut update = bytes(update);
                if update.last() != Some(&0) {
                    update.push(0);
                }
                let _ = document.apply_from(&update, STRANGER);
                document.encode();
                assert_intact(&mut document);
            }
            assert!(document.version().vector.get(5) > 0);
        },
    );
}

#[test]
fn h8_several_values_under_one_key_stay_as_they_are() {
    let name = "hazards::h8_several_values_under_one_key_stay_as_they_are";
    child::run(name, SECONDS, || {
        let mut document = honest();
        let mut values = vec![1, 1, 5, 0, 0x24, 1, 3, b'm', b'a', b'p'];
        string(&mut values, "k");
        string(&mut values, "several units");
        values.push(0);
        let applied = document.apply(&values).unwrap();
        // They are taken for deleted ones, and peers hear so.
        assert!(matches!(applied.integrated, Integrated::Part(_)));
        document.apply(&bytes("0001050202030902")).unwrap();
        assert_intact(&mut document);
    });
}

#[test]
fn h9_truncated_frames_and_updates_are_refused() {
    child::run(
        "hazards::h9_truncated_frames_and_updates_are_refused",
        SECONDS,
        || {
            let state = honest().encode();
            let frame = protocol::step2(&state);
            for end in 0..frame.len() {
                assert!(protocol::decode(&frame[..end]).is_err(), "cut at {end}");
            }
            for end in 0..state.len() {
                malformed(refuse(&state[..end]));
            }
            let more: Vec<u8> = state.iter().copied().chain([0]).collect();
            malformed(refuse(&more));
        },
    );
}

#[test]
fn h10_strings_that_are_not_utf8() {
    child::run("hazards::h10_strings_that_are_not_utf8", SECONDS, || {
        malformed(refuse(&bytes("0101ca0100c4010a010b0620746865e56500")));
        let names = bytes("010105000401027fff0178");
        malformed(refuse(&[&names[..], &[0]].concat()));
    });
}

#[test]
fn memory_is_bounded_by_the_input() {
    child::run("hazards::memory_is_bounded_by_the_input", SECONDS, || {
        // Two million structs of two bytes: more than an update may hold.
        let mut out = vec![1];
        var(&mut out, 2_000_000);
        out.extend_from_slice(&[5, 0]);
        out.extend((0..2_000_000).flat_map(|_| [0, 1]));
        out.push(0);
        memory::within(4 * out.len(), || {
            let error = refuse(&out);
            assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
            assert!(Update::decode(&out, &Limits::NONE).is_ok());
        });
    });
}

/// Roots, clients and types of refused updates are forgotten again.
#[test]
fn refused_updates_take_no_memory() {
    child::run("hazards::refused_updates_take_no_memory", SECONDS, || {
        let mut document = honest();
        let mut other = vec![1, 1, 8, 0, 4, 1];
        string(&mut other, "other");
        string(&mut other, "v");
        other.push(0);
        document.apply(&other).unwrap();
        let mut refused = |round: u64| {
            // 1,000 clients of lower ids each put a type into a root of its own; then a wrong pair.
            let mut out = vec![];
            var(&mut out, 1_001);
            for client in (0..1_000).rev() {
                out.push(1);
                var(&mut out, 1_000_000 + 1_000 * round + client);
                out.extend_from_slice(&[0, 7, 1]);
                string(&mut out, &format!("a root of a long name {round} {client}"));
                out.push(0);
            }
            out.extend_from_slice(&[1, 6, 0, 0xc4, 8, 0, 9, 0, 1, b'y', 0]);
            malformed(document.apply_from(&out, STRANGER).unwrap_err());
        };
        refused(0);
        memory::within(2 << 20, || (1..50).for_each(&mut refused));
        document.check();
    });
}

#[test]
fn clients_of_an_update_are_limited_like_structs() {
    let limits = Limits {
        structs: 3,
        ..Limits::default()
    };
    // Clients without a struct.
    for (clients, fits) in [(3, true), (4, false)] {
        let mut out = vec![clients];
        (1..=clients).for_each(|client| out.extend_from_slice(&[0, client, 0]));
        out.push(0);
        assert_eq!(Update::decode(&out, &limits).is_ok(), fits, "{clients}");
    }
}
