//! Who may speak in whose name.

use crate::forge::{self, Block, Content, ORIGIN, Section, Update, var};
use crate::history::{ALL, History, history};
use crate::hostile::{self, Scene};
use crate::rng::{Rng, Seed, seeds};
use ropewalk_crdt::Speaker::{self, Live, Relay, Trusted};
use ropewalk_crdt::{Document, Error, Limits, ROOT, update};

/// One character of `client` at `clock`, behind the one before.
fn typed(client: u64, clock: u64) -> Vec<u8> {
    of(&[(client, clock)]).write()
}

fn of(units: &[(u64, u64)]) -> Update {
    let sections = units.iter().map(|&(client, clock)| {
        let mut block = Block::new(Content::String("x".to_owned()));
        if let Some(before) = clock.checked_sub(1) {
            block.flags = ORIGIN;
            block.origin = (client, before);
        }
        Section {
            client,
            clock,
            blocks: vec![block],
        }
    });
    Update {
        sections: sections.collect(),
        deletes: Vec::new(),
    }
}

/// Refused, and nothing has changed, nor who owns what.
fn foreign(document: &mut Document, update: &[u8], speaker: Speaker, client: u64) {
    let (version, saved) = (document.version().clone(), document.save());
    let owner = document.owner(client);
    let refused = document.apply_from(update, speaker);
    assert_eq!(refused, Err(Error::Foreign { client }), "{speaker:?}");
    document.check();
    assert_eq!(*document.version(), version);
    assert_eq!(document.save(), saved);
    assert_eq!(document.owner(client), owner);
}

fn taken(document: &mut Document, update: &[u8], speaker: Speaker) {
    let applied = document.apply_from(update, speaker).unwrap();
    assert!(applied.changed, "{speaker:?}");
    document.check();
}

#[test]
fn who_writes_live_under_a_free_id_owns_it() {
    let mut document = Document::new(1);
    taken(&mut document, &typed(7, 0), Live(1));
    assert_eq!(document.owner(7), Some(1));
    foreign(&mut document, &typed(7, 1), Live(2), 7);
    foreign(&mut document, &typed(7, 1), Relay(2), 7);
    taken(&mut document, &typed(7, 1), Live(1));
    taken(&mut document, &typed(7, 2), Relay(1));
    taken(&mut document, &typed(7, 3), Trusted);
    assert_eq!(document.owner(7), Some(1));
}

#[test]
fn who_introduces_itself_owns_its_id() {
    let mut document = Document::new(1);
    document.introduce(1, 7);
    document.introduce(2, 7);
    assert_eq!(document.owner(7), Some(1), "who was first");
    foreign(&mut document, &typed(7, 0), Live(2), 7);
    taken(&mut document, &typed(7, 0), Live(1));
    document.introduce(1, 8);
    assert_eq!((document.owner(7), document.owner(8)), (Some(1), Some(1)));
}

#[test]
fn who_writes_under_several_free_ids_owns_none() {
    let mut document = Document::new(1);
    taken(&mut document, &of(&[(8, 0), (7, 0)]).write(), Live(1));
    assert_eq!((document.owner(7), document.owner(8)), (None, None));
    taken(&mut document, &typed(7, 1), Live(2));
    assert_eq!(document.owner(7), Some(2));
    // One of its own and one that is free.
    taken(&mut document, &of(&[(9, 0), (7, 2)]).write(), Live(2));
    foreign(&mut document, &of(&[(9, 1), (7, 3)]).write(), Live(1), 7);
}

#[test]
fn a_relay_owns_nothing() {
    let mut document = Document::new(1);
    taken(&mut document, &typed(7, 0), Relay(1));
    taken(&mut document, &typed(8, 0), Trusted);
    assert_eq!((document.owner(7), document.owner(8)), (None, None));
    taken(&mut document, &typed(7, 1), Live(2));
    foreign(&mut document, &typed(7, 2), Relay(1), 7);
}

#[test]
fn who_leaves_owns_nothing_any_more() {
    let mut document = Document::new(1);
    document.introduce(1, 7);
    taken(&mut document, &typed(8, 0), Live(1));
    document.introduce(2, 9);
    document.leave(1);
    assert_eq!((document.owner(7), document.owner(8)), (None, None));
    assert_eq!(document.owner(9), Some(2));
    taken(&mut document, &typed(7, 0), Live(2));
    taken(&mut document, &typed(8, 1), Live(3));
    foreign(&mut document, &typed(8, 2), Live(1), 8);
    document.leave(4);
}

#[test]
fn to_repeat_what_is_known_is_no_offence() {
    let mut document = Document::new(1);
    document.introduce(1, 7);
    taken(&mut document, &typed(7, 0), Live(1));
    taken(&mut document, &typed(7, 1), Live(1));
    let state = document.encode();
    let applied = document.apply_from(&state, Live(2)).unwrap();
    assert!(!applied.changed);
    assert!(!document.apply_from(&state, Relay(3)).unwrap().changed);
    // What is known of 7 beside something new of its own.
    taken(&mut document, &of(&[(9, 0), (7, 0)]).write(), Live(2));
    assert_eq!(document.owner(9), Some(2));
    foreign(&mut document, &of(&[(9, 1), (7, 2)]).write(), Live(2), 7);
}

#[test]
fn everybody_may_delete() {
    let mut document = Document::new(1);
    taken(&mut document, &typed(7, 0), Live(1));
    let mut delete = vec![0, 1];
    for number in [7, 1, 0, 1] {
        var(&mut delete, number);
    }
    taken(&mut document, &delete, Live(2));
    assert_eq!(document.version().deleted, 1);
    assert_eq!(document.owner(7), Some(1));
}

/// The forgotten units that took the place of all that somebody would ever write.
#[test]
fn nobody_takes_the_place_of_what_another_will_write() {
    let mut document = Document::new(1);
    document.introduce(1, 5);
    let forgotten = [1, 1, 5, 0, 0, 0xc0, 0x84, 0x3d, 0];
    foreign(&mut document, &forgotten, Live(2), 5);
    foreign(&mut document, &forgotten, Relay(2), 5);
    let mut ahead = forgotten;
    ahead[3] = 3;
    foreign(&mut document, &ahead, Live(2), 5);
    taken(&mut document, &typed(5, 0), Live(1));
    assert_eq!(document.text(ROOT).to_string(), "x");
}

#[test]
fn what_waits_is_in_somebodys_name_too() {
    let mut document = Document::new(1);
    document.introduce(1, 7);
    foreign(&mut document, &typed(7, 4), Live(2), 7);
    foreign(&mut document, &typed(7, 4), Relay(2), 7);
    taken(&mut document, &typed(7, 1), Live(1));
    taken(&mut document, &typed(7, 0), Live(1));
    assert_eq!(document.version().vector.get(7), 2);
}

#[test]
fn a_refused_update_makes_nobody_an_owner() {
    let mut document = Document::new(1);
    document.introduce(1, 7);
    let mut bad = typed(8, 0);
    bad.push(0);
    assert!(document.apply_from(&bad, Live(2)).is_err());
    let beside = of(&[(9, 0), (7, 0)]).write();
    foreign(&mut document, &beside, Live(2), 7);
    assert_eq!((document.owner(8), document.owner(9)), (None, None));
}

/// Whatever a stranger says, as long as it deletes nothing: what others write is taken in, all of it.
#[test]
fn a_stranger_takes_nothing_from_those_who_are_here() {
    for seed in seeds(500) {
        let _seed = Seed(seed);
        let mut rng = Rng::new(seed);
        let History {
            updates, clocks, ..
        } = history(&mut rng, 3, 12, ALL);
        let mut document = Document::new(9_999_999);
        let mut scene = Scene::default();
        scene.clocks.push((70_000, 0));
        // Connection 1 brings all the honest ones, connection 2 is the stranger.
        for &(client, _) in &clocks {
            document.introduce(1, client);
        }
        for update in &updates {
            for _ in 0..rng.below(3) {
                let mut forged = forge::Update::read(&updates[rng.below(updates.len())]);
                hostile::bend(&mut rng, &scene, &mut forged);
                forged.deletes.clear();
                let bytes = match rng.chance(3) {
                    true => hostile::bent(&mut rng, &forged),
                    false => forged.write(),
                };
                let read = update::Update::decode(&bytes, &Limits::NONE);
                if read.is_ok_and(|update| update.deletes().is_empty()) {
                    let speaker = rng.pick(&[Live(2), Relay(2)]);
                    let _ = document.apply_from(&bytes, speaker);
                    document.check();
                }
            }
            document.apply_from(update, Live(1)).unwrap();
            document.check();
            scene.learn(&forge::Update::read(update));
        }
        for &(client, clock) in &clocks {
            assert_eq!(document.version().vector.get(client), clock);
        }
    }
}

/// Somebody who writes under every id there is does not own them all.
#[test]
fn a_connection_owns_so_many_ids_at_most() {
    let mut document = Document::new(1);
    for client in 100..200 {
        document.apply_from(&typed(client, 0), Live(1)).unwrap();
    }
    let owned = |document: &Document| {
        (100..200)
            .filter(|&id| document.owner(id).is_some())
            .count()
    };
    assert_eq!(owned(&document), ropewalk_crdt::MAX_IDS);
    document.apply_from(&typed(199, 1), Live(2)).unwrap();
    assert_eq!(document.owner(199), Some(2));
    document.leave(1);
    assert_eq!(owned(&document), 1);
}

/// Edits by position are made under the id of the document itself: nobody else writes under it.
#[test]
fn the_id_of_the_document_is_nobodys() {
    let mut document = Document::new(1);
    for speaker in [Live(2), Relay(2)] {
        foreign(&mut document, &typed(1, 0), speaker, 1);
        foreign(&mut document, &typed(1, 4), speaker, 1);
        foreign(&mut document, &of(&[(8, 0), (1, 0)]).write(), speaker, 1);
    }
    document.introduce(2, 1);
    foreign(&mut document, &typed(1, 0), Live(2), 1);
    taken(&mut document, &typed(1, 0), Trusted);
}

/// Well formed, in nobody's name, and too large.
#[test]
fn what_the_engine_refuses_makes_nobody_an_owner() {
    let limits = Limits {
        text: 0,
        ..Limits::default()
    };
    let mut document = Document::with_limits(1, limits);
    let refused = document.apply_from(&typed(8, 0), Live(2));
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(document.owner(8), None);
}

#[test]
fn an_id_that_belongs_to_a_person_is_written_under_by_them_alone() {
    let (ann, bob) = (-5, 7);
    let mut document = Document::new(1);
    document.speaks_for(1, Some(ann));
    document.speaks_for(2, Some(bob));
    document.introduce(2, 70);
    document.belongs(70, ann);
    assert_eq!(document.owner(70), None, "not his any more");
    document.introduce(2, 70);
    document.introduce(3, 70);
    assert_eq!(document.owner(70), None);
    foreign(&mut document, &typed(70, 0), Live(2), 70);
    foreign(&mut document, &typed(70, 0), Live(3), 70);
    // She is not here, and others may have what she wrote.
    taken(&mut document, &typed(70, 0), Relay(2));
    assert_eq!(document.owner(70), None);
    taken(&mut document, &typed(70, 1), Live(1));
    assert_eq!(document.owner(70), Some(1));
    foreign(&mut document, &typed(70, 2), Relay(2), 70);
    document.leave(1);
    foreign(&mut document, &typed(70, 2), Live(1), 70);
    document.speaks_for(4, Some(ann));
    taken(&mut document, &typed(70, 2), Live(4));
}

#[test]
fn what_is_written_says_whose_it_is() {
    let mut document = Document::new(1);
    let bring = |document: &mut Document, update: &Update, speaker| {
        let applied = document.apply_from(&update.write(), speaker).unwrap();
        document.check();
        let written = applied.written.iter();
        let written = written.map(|w| (w.client, w.clock, w.leaves_gap, w.is_own));
        written.collect::<Vec<_>>()
    };
    // As long as nobody is known, nobody is asked.
    assert_eq!(bring(&mut document, &of(&[(70, 0)]), Live(1)), []);
    document.speaks_for(1, Some(5));
    document.introduce(1, 80);
    let own = [(70, 1, false, true)];
    assert_eq!(bring(&mut document, &of(&[(70, 1)]), Live(1)), own);
    let first = [(80, 0, false, true), (90, 0, false, false)];
    let both = of(&[(80, 0), (90, 0)]);
    assert_eq!(bring(&mut document, &both, Relay(1)), first);
    assert_eq!(bring(&mut document, &both, Relay(2)), [], "known");
    let waits = [(90, 2, true, false)];
    assert_eq!(bring(&mut document, &of(&[(90, 2)]), Relay(2)), waits);
    let fills = [(90, 1, false, false)];
    assert_eq!(bring(&mut document, &of(&[(90, 1)]), Relay(2)), fills);
    assert_eq!(bring(&mut document, &of(&[(90, 3)]), Trusted), []);
}

/// Somebody passes on what another has not written yet, while that one is away.
#[test]
fn what_is_passed_on_ahead_takes_no_place_of_what_is_written_later() {
    let (ann, eve) = (5, 7);
    let ahead = |client| {
        let mut update = of(&[(client, 2)]);
        update.sections[0].blocks[0].content = Content::String("EVIL".to_owned());
        update.write()
    };
    let mut document = Document::new(1);
    document.speaks_for(1, Some(ann));
    document.speaks_for(2, Some(eve));
    document.introduce(1, 70);
    document.belongs(70, ann);
    taken(&mut document, &typed(70, 0), Live(1));
    document.leave(1);
    let _ = document.apply_from(&ahead(70), Relay(2));
    document.speaks_for(3, Some(ann));
    document.introduce(3, 70);
    for clock in 1..4 {
        let _ = document.apply_from(&typed(70, clock), Live(3)).unwrap();
    }
    document.check();
    assert_eq!(document.text(ROOT).to_string(), "xxxx");
}
