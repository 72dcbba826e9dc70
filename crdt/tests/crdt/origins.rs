//! Neighbours that no honest peer would name: in another place, or the wrong way round.
//!
//! The wrong way round has to be believed: when Yjs undoes the deletion of a type, it can write a left neighbour that
//! stands behind the right one.

use crate::forge::{Block, Content, Id, KEY, ORIGIN, Parent, RIGHT, Section, Update};
use crate::hazards::{STRANGER, TEXT, assert_intact, honest, malformed, refuse};
use crate::rng::{Rng, Seed, seeds};
use ropewalk_crdt::{Document, ROOT};

/// `text` of `client` from `clock` on, between two units.
fn item(client: u64, clock: u64, left: Id, right: Id, text: &str) -> Update {
    let mut block = Block::new(Content::String(text.to_owned()));
    block.flags = ORIGIN | RIGHT;
    (block.origin, block.right) = (left, right);
    of(client, clock, vec![block])
}

fn of(client: u64, clock: u64, blocks: Vec<Block>) -> Update {
    let sections = vec![Section {
        client,
        clock,
        blocks,
    }];
    Update {
        sections,
        deletes: Vec::new(),
    }
}

/// The first unit of a root, or of a key of it.
fn first(client: u64, root: &str, key: Option<&str>, content: Content) -> Update {
    let mut block = Block::new(content);
    block.parent = Parent::Root(root.to_owned());
    if let Some(key) = key {
        block.flags = KEY;
        block.key = key.to_owned();
    }
    of(client, 0, vec![block])
}

fn letter(text: &str) -> Content {
    Content::String(text.to_owned())
}

/// The units of client 9 in the order of the document: "he", three deleted ones, "abc", " world".
const ORDER: [u64; 14] = [0, 1, 2, 3, 4, 11, 12, 13, 5, 6, 7, 8, 9, 10];

#[test]
fn neighbours_the_wrong_way_round_move_nobody_elses_letters() {
    for before in ORDER {
        for after in ORDER {
            let update = item(5, 0, (9, before), (9, after), "x").write();
            let mut document = honest();
            document.apply_from(&update, STRANGER).unwrap();
            document.check();
            let text = document.text(ROOT).to_string();
            assert_eq!(text.replace('x', ""), TEXT);
            let opened = Document::open(1, &document.save()).unwrap();
            assert_eq!(opened.text(ROOT).to_string(), text);
        }
    }
}

#[test]
fn nobody_is_its_own_neighbour() {
    malformed(refuse(&item(5, 0, (5, 0), (9, 5), "x").write()));
    malformed(refuse(&item(5, 0, (9, 5), (5, 0), "x").write()));
    malformed(refuse(&item(5, 0, (9, 5), (5, 1), "xyz").write()));
}

#[test]
fn one_wrong_pair_refuses_all_that_comes_with_it() {
    let mut update = first(5, "other", None, letter("right"));
    let wrong = item(5, 5, (9, 1), (5, 0), "wrong");
    update.sections[0]
        .blocks
        .extend(wrong.sections[0].blocks.clone());
    malformed(refuse(&update.write()));
    // Between units of the same update.
    let mut update = first(5, "other", None, letter("ab"));
    let wrong = item(6, 0, (5, 1), (9, 0), "wrong");
    update.sections.extend(wrong.sections);
    malformed(refuse(&update.write()));
}

#[test]
fn neighbours_are_in_the_same_place() {
    let mut document = honest();
    let inner = first(6, "list", None, Content::Type(2, String::new()));
    let within = {
        let mut block = Block::new(letter("y"));
        block.parent = Parent::Item((6, 0));
        of(6, 1, vec![block])
    };
    for update in [
        inner,
        within,
        first(7, "other", None, letter("z")),
        first(8, ROOT, Some("key"), letter("v")),
    ] {
        document.apply_from(&update.write(), STRANGER).unwrap();
    }
    let (version, saved) = (document.version().clone(), document.save());
    let places = [(9, 1), (6, 0), (6, 1), (7, 0), (8, 0)];
    for left in places {
        for right in places.into_iter().filter(|right| *right != left) {
            let refused = document.apply_from(&item(5, 0, left, right, "x").write(), STRANGER);
            malformed(refused.unwrap_err());
        }
    }
    document.check();
    assert_eq!(*document.version(), version);
    assert_eq!(document.save(), saved);
    assert_intact(&mut document);
}

/// What waits is judged when what it lacks has come, and whoever brings that is not to blame.
#[test]
fn a_wrong_pair_that_has_waited_is_forgotten() {
    let mut document = honest();
    let other = first(8, "other", None, letter("z")).write();
    document.apply_from(&other, STRANGER).unwrap();
    let waits = item(5, 0, (8, 0), (7, 0), "x").write();
    assert!(document.apply_from(&waits, STRANGER).unwrap().held);
    let comes = item(7, 0, (9, 0), (9, 1), "y").write();
    let applied = document.apply_from(&comes, STRANGER).unwrap();
    assert!(applied.changed && !applied.held);
    document.check();
    assert_eq!(document.text(ROOT).to_string(), "hyeabc world");
    assert_eq!(document.version().vector.get(5), 0);
    let opened = Document::open(1, &document.save()).unwrap();
    assert_eq!(opened.version(), document.version());
    malformed(document.apply_from(&waits, STRANGER).unwrap_err());
}

/// Honest peers that hear one another in any order, and wrong pairs in between, end at the same text.
#[test]
fn honest_peers_converge_all_the_same() {
    for seed in seeds(200) {
        let _seed = Seed(seed);
        let mut rng = Rng::new(seed);
        let mut documents = [honest(), honest()];
        for document in &mut documents {
            let other = first(8, "other", None, letter("z")).write();
            document.apply_from(&other, STRANGER).unwrap();
        }
        let mut said: Vec<Vec<u8>> = Vec::new();
        for clock in 0..12 {
            let at = rng.below(ORDER.len() - 1);
            let (left, right) = ((9, ORDER[at]), (9, ORDER[at + 1]));
            let client = 20 + clock % 4;
            said.push(item(client, clock / 4, left, right, "y").write());
        }
        for document in &mut documents {
            let mut order: Vec<usize> = (0..said.len()).collect();
            rng.shuffle(&mut order);
            for at in order {
                document.apply_from(&said[at], STRANGER).unwrap();
                let left = (9, ORDER[rng.below(ORDER.len())]);
                let wrong = item(5, 0, left, (8, 0), "wrong").write();
                malformed(document.apply_from(&wrong, STRANGER).unwrap_err());
                document.check();
            }
        }
        let [a, b] = &mut documents;
        assert_eq!(a.version(), b.version());
        assert_eq!(a.text(ROOT), b.text(ROOT));
        assert_eq!(a.encode(), b.encode());
    }
}

/// Twice the same neighbours by the same client: as in Yjs, the later one stands before.
#[test]
fn a_client_that_repeats_its_neighbours_stands_before_itself() {
    let mut document = honest();
    // So many others that a hint is left.
    let others: Vec<u64> = (10..45).collect();
    for &client in &others {
        let update = item(client, 0, (9, 12), (9, 13), "-").write();
        document.apply_from(&update, STRANGER).unwrap();
    }
    for (clock, letter) in ["x", "y", "z"].into_iter().enumerate() {
        let update = item(50, clock as u64, (9, 12), (9, 13), letter).write();
        document.apply_from(&update, STRANGER).unwrap();
        document.check();
    }
    let text = document.text(ROOT).to_string();
    assert_eq!(text, format!("heab{}zyxc world", "-".repeat(others.len())));
}

/// Letters that stand side by side are written as what they are, deleted or not.
#[test]
fn deleted_letters_keep_their_neighbours() {
    let neighbours = |document: &mut Document| {
        let update = Update::read(&document.encode());
        let sections = update.sections.into_iter();
        let blocks = sections.filter(|section| section.client == 10);
        let blocks = blocks.flat_map(|section| section.blocks);
        let all = blocks.map(|block| (block.len(), block.origin(), block.right()));
        all.collect::<Vec<_>>()
    };
    // The second one saw less to its left; the second one saw another one to its right.
    let less = [
        item(10, 0, (9, 1), (9, 2), "a"),
        item(10, 1, (9, 0), (9, 2), "b"),
    ];
    let other = [
        item(10, 0, (9, 0), (9, 1), "a"),
        item(11, 0, (10, 0), (9, 1), "x"),
        item(10, 1, (10, 0), (11, 0), "b"),
    ];
    for (updates, expected) in [
        (&less[..], ["heabab", "heab"]),
        (&other[..], ["habxeab", "hxeab"]),
    ] {
        let mut document = honest();
        for update in updates {
            document.apply_from(&update.write(), STRANGER).unwrap();
        }
        let text = document.text(ROOT).to_string();
        assert_eq!(text, expected[0].to_owned() + "c world");
        let before = neighbours(&mut document);
        assert_eq!(before.len(), 2);
        document.apply(&[0, 1, 10, 1, 0, 2]).unwrap();
        document.check();
        let text = document.text(ROOT).to_string();
        assert_eq!(text, expected[1].to_owned() + "c world");
        assert_eq!(neighbours(&mut document), before);
    }
}

/// Of the values of a key only the last one lives, even when nobody says that the others are deleted.
#[test]
fn two_values_of_a_key_by_one_client_are_one() {
    let value = || Content::Any(vec![vec![126]]);
    let mut update = first(5, "map", Some("k"), value());
    let mut second = Block::new(value());
    second.flags = ORIGIN;
    second.origin = (5, 0);
    update.sections[0].blocks.push(second);
    let mut document = Document::new(1);
    document.apply_from(&update.write(), STRANGER).unwrap();
    document.check();
    assert_eq!(document.version().deleted, 1);
}
