//! What an update costs, in steps that the document has to take: they grow with the update, not with the
//! document, the number of people or what waits.

use crate::forge;
use crate::forge::{Block, Content, ORIGIN, RIGHT, Section, Update, string, var};
use crate::hazards::gapped;
use crate::rng::Rng;
use crate::{child, memory};
use ropewalk_crdt::{Document, Edit, Error, Integrated, Limits, ROOT, Unit};
use yrs::{Doc, Text, Transact};

/// A unit of `client` at `clock` between two others.
fn item(client: u64, clock: u64, left: Option<forge::Id>, right: Option<forge::Id>) -> Update {
    let mut block = Block::new(Content::String("x".to_owned()));
    if let Some(left) = left {
        block.flags |= ORIGIN;
        block.origin = left;
    }
    if let Some(right) = right {
        block.flags |= RIGHT;
        block.right = right;
    }
    let blocks = vec![block];
    Update {
        sections: vec![Section {
            client,
            clock,
            blocks,
        }],
        deletes: Vec::new(),
    }
}

/// One update of what several say.
fn joined(updates: impl Iterator<Item = Update>) -> Vec<u8> {
    let mut all = Update::default();
    for section in updates.flat_map(|update| update.sections) {
        match all.sections.last_mut() {
            Some(last) if last.client == section.client => last.blocks.extend(section.blocks),
            _ => all.sections.push(section),
        }
    }
    all.write()
}

/// Steps that `work` takes.
fn steps(document: &mut Document, work: impl FnOnce(&mut Document)) -> u64 {
    let before = document.steps();
    work(document);
    document.steps() - before
}

/// Asserts that ten times as much takes ten times the steps, not a hundred.
fn assert_linear(few: u64, many: u64) {
    assert!(many <= 20 * few.max(100), "{few} steps, then {many}");
}

/// A text of `items` characters, written in turn by clients 1 and 2 so that none join.
fn scattered(items: u64) -> Document {
    let typed = |client: u64| {
        (0..items / 2).map(move |clock| {
            let left = match client {
                1 => clock.checked_sub(1).map(|clock| (2, clock)),
                _ => Some((1, clock)),
            };
            item(client, clock, left, None)
        })
    };
    let mut document = Document::with_limits(9, Limits::NONE);
    document.apply(&joined(typed(2).chain(typed(1)))).unwrap();
    document
}

#[test]
fn a_keystroke_takes_the_same_steps_in_a_long_document() {
    let measure = |items: u64| {
        let mut document = scattered(items);
        let mut rng = Rng::new(items);
        steps(&mut document, |document| {
            for clock in 0..1_000 {
                let at = 1 + rng.below(items as usize / 2 - 1) as u64;
                let mut update = item(3, clock, Some((1, at)), Some((2, at)));
                update.deletes.push((1, vec![(at, 1)]));
                document.apply(&update.write()).unwrap();
            }
        })
    };
    let (short, long) = (measure(2_000), measure(40_000));
    assert!(
        long <= short,
        "{short} steps among 2,000 items, {long} among 40,000"
    );
}

#[test]
fn each_update_that_waits_is_looked_at_once() {
    let measure = |count: u64| {
        let mut document = Document::with_limits(1, Limits::NONE);
        steps(&mut document, |document| {
            for update in gapped(count) {
                assert!(document.apply(&update).unwrap().held);
            }
        })
    };
    assert_linear(measure(500), measure(5_000));
}

/// One update waits; every unit of it lacks another unit of client 5, which come one by one.
#[test]
fn what_waits_goes_on_from_where_it_stopped() {
    let measure = |count: u64| {
        let mut document = Document::new(1);
        let waits = joined((0..count).map(|clock| item(6, clock, Some((5, clock)), None)));
        document.apply(&waits).unwrap();
        let taken = steps(&mut document, |document| {
            for clock in 0..count {
                let left = clock.checked_sub(1).map(|clock| (5, clock));
                document.apply(&item(5, clock, left, None).write()).unwrap();
            }
        });
        assert_eq!(document.version().vector.get(6), count);
        taken
    };
    assert_linear(measure(500), measure(5_000));
}

/// A document of which client 9 has typed the first line.
fn honest() -> Document {
    let peer = Doc::with_client_id(9);
    let root = peer.get_or_insert_text(ROOT);
    let mut txn = peer.transact_mut();
    root.insert(&mut txn, 0, "hello world");
    let mut document = Document::new(1);
    document.apply(&txn.encode_update_v1()).unwrap();
    document
}

#[test]
fn a_crowd_whose_places_have_to_be_searched_is_refused() {
    // Each behind the first character, and none in sight of another: the right neighbours differ, so that an
    // engine goes past all that came before.
    let crowd = |count: u64| {
        joined((0..count).map(|clock| item(5, clock, Some((9, 0)), Some((9, clock + 1)))))
    };
    let mut document = honest();
    let mut line = item(9, 11, Some((9, 10)), None);
    line.sections[0].blocks[0].content = Content::String("-".repeat(100_000));
    document.apply(&line.write()).unwrap();
    let text = document.text(ROOT);
    let (version, saved) = (document.version().clone(), document.save());
    let error = document.apply(&crowd(100_000)).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    assert_eq!(*document.version(), version);
    assert_eq!(document.save(), saved);
    assert_eq!(document.text(ROOT), text);
    document.check();
    document.apply(&crowd(1_000)).unwrap();
    let crowded = document.text(ROOT).to_string();
    assert_eq!(crowded.replace('x', ""), text.to_string());
}

#[test]
fn writing_one_line_above_the_other_is_no_crowd() {
    let mut document = honest();
    let peer = Doc::with_client_id(7);
    let root = peer.get_or_insert_text(ROOT);
    let mut txn = peer.transact_mut();
    for _ in 0..5_000 {
        root.insert(&mut txn, 0, "x");
    }
    let update = txn.encode_update_v1();
    let taken = steps(&mut document, |document| {
        document.apply(&update).unwrap();
    });
    assert!(taken <= 50_000, "{taken} steps for 5,000 lines");
}

#[test]
fn a_crowd_between_the_same_neighbours_is_jumped_over() {
    // 10,000 people who have all seen the same write at the same place, at once or one after the other.
    let crowd = |between: (Option<forge::Id>, Option<forge::Id>)| {
        let (left, right) = between;
        (0..10_000).map(move |at| item(100 + at * 7_919 % 10_000, 0, left, right))
    };
    for between in [
        (Some((9, 4)), Some((9, 5))),
        (None, Some((9, 0))),
        (Some((9, 10)), None),
    ] {
        let mut clients: Vec<Update> = crowd(between).collect();
        clients.sort_by_key(|update| std::cmp::Reverse(update.sections[0].client));
        let together = joined(clients.into_iter());
        let mut document = honest();
        let taken = steps(&mut document, |document| {
            document.apply(&together).unwrap();
        });
        assert!(
            taken <= 32 * 10_000,
            "{taken} steps for 10,000 people at once"
        );
        let mut one_by_one = honest();
        let taken = steps(&mut one_by_one, |document| {
            for update in crowd(between) {
                document.apply(&update.write()).unwrap();
            }
        });
        assert!(
            taken <= 32 * 10_000,
            "{taken} steps for 10,000 people in turn"
        );
        let text = document.text(ROOT);
        assert_eq!(one_by_one.text(ROOT), text);
        assert_eq!(text.to_string().replace('x', ""), "hello world");
        assert_eq!(one_by_one.version(), document.version());
    }
}
#[test]
fn a_refused_one_of_a_crowd_is_not_remembered() {
    // What is remembered of a crowd must not outlive an update that was taken back, with its clients.
    let mut document = honest();
    let crowd = (10..40)
        .chain([5_000])
        .map(|client| item(client, 0, Some((9, 4)), None));
    document.apply(&joined(crowd)).unwrap();
    let other = [
        1, 1, 7, 0, 4, 1, 5, b'o', b't', b'h', b'e', b'r', 1, b'z', 0,
    ];
    document.apply(&other).unwrap();
    let (version, saved) = (document.version().clone(), document.save());
    let mut refused = item(1_000, 0, Some((9, 4)), None);
    // A neighbour of another place.
    let wrong = item(1_000, 1, Some((9, 4)), Some((7, 0)));
    refused.sections[0]
        .blocks
        .extend(wrong.sections[0].blocks.clone());
    let stranger = ropewalk_crdt::Speaker::Relay(2);
    for _ in 0..2 {
        let error = document.apply_from(&refused.write(), stranger).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
        assert_eq!(*document.version(), version);
        assert_eq!(document.save(), saved);
    }
    for (client, clock) in [(5_000, 1), (2_000, 0), (50, 0), (1_000, 0), (5_000, 2)] {
        let said = item(client, clock, Some((9, 4)), None).write();
        document.apply_from(&said, stranger).unwrap();
        document.check();
    }
    let mut other = honest();
    let state = document.encode();
    other.apply(&state).unwrap();
    assert_eq!(other.text(ROOT), document.text(ROOT));
}

/// People who each wrote into the empty document, and go on behind their first letter without having heard of one
/// another.
#[test]
fn to_go_on_behind_a_letter_of_ones_own_takes_a_step_of_a_crowd() {
    let mut document = Document::with_limits(1, Limits::NONE);
    for client in 0..2_000 {
        document
            .apply(&item(10 + client, 0, None, None).write())
            .unwrap();
    }
    let taken = steps(&mut document, |document| {
        for client in 0..2_000 {
            let update = item(10 + client, 1, Some((10 + client, 0)), None);
            document.apply(&update.write()).unwrap();
        }
    });
    assert!(taken <= 2 * 2_000, "{taken} steps");
}

/// A crowd in the list of a type that is deleted, and the first of another list.
#[test]
fn a_crowd_that_is_forgotten_is_no_hint() {
    let mut document = Document::new(1);
    let holder = [1, 1, 7, 0, 7, 1, 4, b'l', b'i', b's', b't', 0, 0];
    document.apply(&holder).unwrap();
    let into = |client: u64, parent: forge::Parent, text: &str| {
        let mut update = item(client, 0, None, None);
        let block = &mut update.sections[0].blocks[0];
        block.parent = parent;
        block.content = Content::String(text.to_owned());
        update.write()
    };
    for client in 10..60 {
        let update = into(client, forge::Parent::Item((7, 0)), "x");
        document.apply(&update).unwrap();
    }
    document.apply(&[0, 1, 7, 1, 0, 1]).unwrap();
    for (client, text) in [(100, "c"), (90, "b"), (80, "a")] {
        let root = forge::Parent::Root(ROOT.to_owned());
        document.apply(&into(client, root, text)).unwrap();
        document.check();
    }
    assert_eq!(document.text(ROOT).to_string(), "abc");
}

/// A client of a refused update, and the next new one, which is not the same.
#[test]
fn a_crowd_does_not_take_one_client_for_another() {
    let mut document = honest();
    let between = |client: u64, text: &str| {
        let mut update = item(client, 0, Some((9, 4)), None);
        update.sections[0].blocks[0].content = Content::String(text.to_owned());
        update
    };
    for client in (10..44).chain([50_000]) {
        document.apply(&between(client, "-").write()).unwrap();
    }
    let other = [
        1, 1, 7, 0, 4, 1, 5, b'o', b't', b'h', b'e', b'r', 1, b'z', 0,
    ];
    document.apply(&other).unwrap();
    let mut refused = between(1_000, "?");
    let wrong = item(1_000, 1, Some((9, 4)), Some((7, 0)));
    refused.sections[0]
        .blocks
        .extend(wrong.sections[0].blocks.clone());
    document.apply(&refused.write()).unwrap_err();
    document.apply(&between(2_000, "b").write()).unwrap();
    document.apply(&between(1_500, "a").write()).unwrap();
    document.check();
    let text = document.text(ROOT).to_string();
    assert!(text.contains("-ab-"), "{text}");
}

/// What is deleted letter by letter is written as one.
#[test]
fn what_is_deleted_bit_by_bit_takes_no_room() {
    let mut document = honest();
    let mut line = item(9, 11, Some((9, 10)), None);
    line.sections[0].blocks[0].content = Content::String("-".repeat(1_000));
    document.apply(&line.write()).unwrap();
    for at in 0..1_000 {
        let clock = 11 + at * 7 % 1_000;
        let delete = Update {
            sections: Vec::new(),
            deletes: vec![(9, vec![(clock, 1)])],
        };
        document.apply(&delete.write()).unwrap();
    }
    document.check();
    let bytes = document.encode().len();
    assert!(bytes < 60, "{bytes} bytes");
}

/// In a process of its own, as all of these.
fn within(test: &str, work: impl FnOnce()) {
    child::run(test, 60, work);
}

#[test]
fn a_text_of_one_letter_takes_no_rope() {
    within("cost::a_text_of_one_letter_takes_no_rope", || {
        const ROOTS: u64 = 20_000;
        let mut update = vec![1];
        var(&mut update, ROOTS);
        update.extend_from_slice(&[7, 0]);
        for root in 0..ROOTS {
            update.extend_from_slice(&[4, 1]);
            string(&mut update, &format!("{root}"));
            string(&mut update, "v");
        }
        update.push(0);
        let most = 90 * update.len();
        let mut document = Document::new(1);
        memory::within(most, || document.apply(&update).unwrap());
        let saved = document.save();
        let opened = memory::within(most, || Document::open(1, &saved).unwrap());
        assert_eq!(opened.text("19999").to_string(), "v");
    });
}

/// A long run of client 7, with text before it.
fn run(before: &str) -> Document {
    let mut document = Document::new(7);
    for text in [&"-".repeat(1 << 20), before] {
        let base = document.version().clone();
        let edits = [Edit {
            from: 0,
            to: 0,
            insert: text.to_owned(),
        }];
        document.edit(&base, ROOT, Unit::Utf16, &edits).unwrap();
    }
    document
}

#[test]
fn a_letter_behind_a_long_run_copies_none_of_it() {
    within("cost::a_letter_behind_a_long_run_copies_none_of_it", || {
        for before in ["", "é", "😀"] {
            let mut document = run(before);
            let end = document.len_utf16(ROOT);
            let base = document.version().clone();
            let edits = [Edit {
                from: end,
                to: end,
                insert: "x".to_owned(),
            }];
            memory::within(100_000, || {
                document.edit(&base, ROOT, Unit::Utf16, &edits).unwrap();
            });
        }
    });
}

/// What is passed on of an update is not what came when part of it was known.
#[test]
fn a_part_of_an_update_is_read_from_the_text_and_not_with_all_of_it() {
    let test = "cost::a_part_of_an_update_is_read_from_the_text_and_not_with_all_of_it";
    within(test, || {
        let mut document = run("é");
        let known = item(9, 0, Some((7, 5)), Some((7, 6)));
        document.apply(&known.write()).unwrap();
        let new = (1..400).map(|clock| item(9, clock, Some((7, 1_000 + clock)), None));
        let update = joined([known].into_iter().chain(new));
        memory::within(500_000, || {
            let applied = document.apply(&update).unwrap();
            assert!(matches!(applied.integrated, Integrated::Part(_)));
        });
    });
}

/// An update that is mostly known says little that is new, and measuring a large document is much work.
#[test]
fn who_has_a_full_document_measured_has_to_answer_for_it() {
    let limits = Limits {
        state_bytes: 1_000_000,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    let mut clock = 0;
    let mut insert = |document: &mut Document, len: usize| {
        let mut update = item(9, clock, None, None);
        update.sections[0].blocks[0].content = Content::String("-".repeat(len));
        let done = document.apply(&update.write());
        if done.is_ok() {
            clock += len as u64;
        }
        done
    };
    insert(&mut document, 999_900).unwrap();
    while insert(&mut document, 1).is_ok() {}
    let delete = |document: &mut Document, at: u64| {
        let mut update = Update::default();
        update.deletes.push((9, vec![(at, 1)]));
        document.apply(&update.write()).unwrap();
    };
    let taken = steps(&mut document, |document| {
        for at in 0..10 {
            delete(document, 2 * at);
            let _ = insert(document, 1);
        }
    });
    assert!(taken > 100_000, "{taken} steps");
}
