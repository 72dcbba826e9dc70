//! Awareness states: the rules of y-protocols, and nobody speaks for another.

use crate::forge::{string, var};
use ropewalk_crdt::{Announced, Error, MAX_IDS, MAX_STATE, Presence};

fn body(states: &[(u64, u64, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    var(&mut out, states.len() as u64);
    for &(id, clock, json) in states {
        var(&mut out, id);
        var(&mut out, clock);
        string(&mut out, json);
    }
    out
}

/// What came of an announcement, but for whether it introduces somebody.
fn say(presence: &mut Presence, owner: u64, states: &[(u64, u64, &str)]) -> Announced {
    Announced {
        only: None,
        ..presence.announce(owner, &body(states)).unwrap()
    }
}

fn changed(ids: &[u64]) -> Announced {
    Announced {
        changed: ids.to_vec(),
        ..Announced::default()
    }
}

#[test]
fn one_present_state_alone_introduces_somebody() {
    let mut presence = Presence::new();
    let mut only = |states: &[(u64, u64, &str)]| {
        let announced = presence.announce(1, &body(states)).unwrap();
        announced.only
    };
    assert_eq!(only(&[(7, 1, "{}")]), Some(7));
    assert_eq!(
        only(&[(7, 1, "{}")]),
        Some(7),
        "also when it says nothing new"
    );
    assert_eq!(only(&[(7, 2, "null")]), None);
    assert_eq!(only(&[(7, 3, "{}"), (8, 1, "{}")]), None);
    assert_eq!(only(&[]), None);
}

#[test]
fn the_newer_clock_wins() {
    let mut presence = Presence::new();
    assert_eq!(say(&mut presence, 1, &[(7, 0, "{}")]), changed(&[7]));
    assert_eq!(say(&mut presence, 1, &[(7, 2, "{\"a\":1}")]), changed(&[7]));
    assert_eq!(say(&mut presence, 1, &[(7, 1, "{}")]), changed(&[]));
    assert_eq!(say(&mut presence, 1, &[(7, 2, "{}")]), changed(&[]));
    assert_eq!(presence.all(), body(&[(7, 2, "{\"a\":1}")]));
    assert_eq!(presence.frame(&[7, 8]), presence.all());
}

#[test]
fn an_equal_clock_only_removes() {
    let mut presence = Presence::new();
    say(&mut presence, 1, &[(7, 2, "{}")]);
    assert_eq!(say(&mut presence, 1, &[(7, 1, "null")]), changed(&[]));
    assert_eq!(say(&mut presence, 1, &[(7, 2, "null")]), changed(&[7]));
    assert_eq!(say(&mut presence, 1, &[(7, 2, "null")]), changed(&[]));
    assert_eq!(presence.all(), body(&[]));
    assert_eq!(presence.people(), 0);
    assert_eq!(presence.frame(&[7]), body(&[(7, 2, "null")]));
    assert_eq!(say(&mut presence, 1, &[(7, 3, "{}")]), changed(&[7]));
}

#[test]
fn an_id_belongs_to_who_was_first() {
    let mut presence = Presence::new();
    say(&mut presence, 1, &[(7, 1, "{}")]);
    let heard = say(&mut presence, 2, &[(7, 9, "null"), (8, 1, "{}")]);
    assert_eq!(heard.changed, [8]);
    assert_eq!(heard.contested, [7]);
    let repeated = say(&mut presence, 2, &[(7, 1, "{}")]);
    assert_eq!(repeated, changed(&[]), "what is known already is no claim");
    assert_eq!(presence.all(), body(&[(7, 1, "{}"), (8, 1, "{}")]));
    assert_eq!(presence.people(), 2);
}

#[test]
fn leaving_removes_what_one_has_announced() {
    let mut presence = Presence::new();
    say(
        &mut presence,
        1,
        &[(7, 4, "{}"), (9, 1, "{}"), (5, 1, "{}")],
    );
    say(&mut presence, 1, &[(5, 2, "null")]);
    say(&mut presence, 2, &[(8, 1, "{}")]);
    assert_eq!(presence.leave(1), [7, 9]);
    assert_eq!(
        presence.frame(&[7, 9]),
        body(&[(7, 4, "null"), (9, 1, "null")])
    );
    assert_eq!(presence.all(), body(&[(8, 1, "{}")]));
    assert_eq!(presence.leave(1), Vec::<u64>::new());
}

#[test]
fn an_echo_of_who_has_left_brings_nobody_back() {
    let mut presence = Presence::new();
    say(&mut presence, 1, &[(7, 4, "{}")]);
    presence.leave(1);
    let echo = say(&mut presence, 2, &[(7, 4, "{}")]);
    assert_eq!((echo.changed, echo.stale), (vec![], vec![7]));
    assert_eq!(presence.people(), 0);
    // The person comes back on another connection, and has moved.
    assert_eq!(say(&mut presence, 3, &[(7, 5, "{}")]), changed(&[7]));
    assert_eq!(presence.people(), 1);
}

#[test]
fn who_heard_nothing_for_a_while_is_told_who_has_left_since() {
    let mut presence = Presence::new();
    for id in 1..=4 {
        say(&mut presence, id, &[(id, 5, "{}")]);
    }
    presence.leave(1);
    let heard = presence.departures();
    assert_eq!(presence.since(heard), Some(presence.all()));
    presence.leave(2);
    say(&mut presence, 3, &[(3, 6, "null")]);
    // One that comes back is here, and one that leaves once more has left.
    presence.leave(4);
    say(&mut presence, 4, &[(4, 6, "{}")]);
    let told = [(3, 6, "null"), (4, 6, "{}"), (2, 5, "null")];
    assert_eq!(presence.since(heard), Some(body(&told)));
    presence.leave(4);
    let told = [(3, 6, "null"), (2, 5, "null"), (4, 6, "null")];
    assert_eq!(presence.since(heard), Some(body(&told)));
    assert_eq!(
        presence.since(presence.departures()),
        Some(body(&told[..1]))
    );
}

#[test]
fn who_missed_more_than_is_remembered_is_not_told_half_of_it() {
    let mut presence = Presence::new();
    for id in 0..2000 {
        // The same ids again and again are remembered once.
        say(&mut presence, id, &[(id % 1024, id, "{}")]);
        presence.leave(id);
    }
    assert!(presence.since(0).is_some());
    for id in 2000..2024 {
        say(&mut presence, id, &[(id, id, "{}")]);
        presence.leave(id);
    }
    assert_eq!(presence.since(0), None);
    assert_eq!(presence.since(1000 - 1), None);
    assert!(presence.since(1000).is_some());
}

#[test]
fn a_state_never_heard_of_cannot_be_removed() {
    let mut presence = Presence::new();
    assert_eq!(say(&mut presence, 1, &[(7, 4, "null")]), changed(&[]));
    assert_eq!(presence.frame(&[7]), body(&[]));
}

#[test]
fn states_and_ids_are_capped() {
    let mut presence = Presence::new();
    let fits = format!("\"{}\"", "x".repeat(MAX_STATE - 2));
    say(&mut presence, 1, &[(7, 1, &fits)]);
    let long = format!("\"{}\"", "x".repeat(MAX_STATE - 1));
    let refused = presence.announce(1, &body(&[(8, 1, "{}"), (7, 2, &long)]));
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(
        presence.all(),
        body(&[(7, 1, &fits)]),
        "nothing has changed"
    );
    let ids: Vec<(u64, u64, &str)> = (0..MAX_IDS as u64 + 1)
        .map(|id| (100 + id, 1, "{}"))
        .collect();
    let refused = presence.announce(2, &body(&ids));
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(presence.people(), 1, "nothing has changed");
    say(&mut presence, 2, &ids[..MAX_IDS - 1]);
}

#[test]
fn what_is_no_json_or_no_body_is_refused() {
    let mut presence = Presence::new();
    let deep = "[".repeat(65) + &"]".repeat(65);
    for json in ["", "{", "nul", "{} {}", "'a'", &deep] {
        let refused = presence.announce(1, &body(&[(7, 1, json)]));
        assert!(matches!(refused, Err(Error::Malformed { .. })), "{json}");
    }
    let flat = "[".repeat(64) + &"]".repeat(64);
    say(&mut presence, 1, &[(7, 1, &flat), (7, 2, "\"[[{\\\"\"")]);
    let good = body(&[(8, 1, "{}"), (9, 1, "null")]);
    for end in 0..good.len() {
        assert!(presence.announce(1, &good[..end]).is_err(), "cut at {end}");
    }
    let more: Vec<u8> = good.iter().copied().chain([0]).collect();
    assert!(presence.announce(1, &more).is_err());
    assert!(presence.announce(1, &[0xff, 0xff, 0xff, 0x3f]).is_err());
    assert_eq!(presence.people(), 1);
}
