//! Sessions.

use super::*;
use crate::access::Hash;

fn begin(accounts: &Accounts, person: Option<PersonId>, now_ms: i64) -> (SessionId, Secret) {
    let begin = Begin {
        person,
        agent: "Firefox",
        address: Some("::1"),
        ..Begin::default()
    };
    accounts.begin_session(&begin, now_ms).unwrap()
}

fn of(rules: &Rules, secret: &Secret) -> Option<SessionId> {
    let (kind, hash) = Secret::parse(secret.expose()).unwrap();
    assert_eq!(kind, SecretKind::Session);
    rules.sessions.get(&hash).copied()
}

#[test]
fn sessions_end_one_by_one_all_together_and_with_their_person() {
    let (_folder, accounts, ada, bob) = peopled();
    let begin = |person| begin(&accounts, Some(person), NOW).0;
    let there = |of| -> Vec<SessionId> {
        let list = accounts.sessions(of, NOW).unwrap();
        list.into_iter().map(|session| session.id).collect()
    };
    let (a, b, c) = (begin(bob), begin(bob), begin(bob));
    assert_eq!(there(bob), [c, b, a]);
    accounts.end_session(b, &Actor::person(bob), NOW).unwrap();
    let twice = accounts.end_session(b, &Actor::person(bob), NOW);
    assert_eq!(refusal(twice), Refusal::Missing("session"));
    assert_eq!(
        accounts.end_sessions(bob, Some(c), &nobody(), NOW).unwrap(),
        1
    );
    assert_eq!(there(bob), [c]);
    let other = begin(bob);
    accounts
        .set_password(bob, PASSWORD, Some(c), &nobody(), NOW)
        .unwrap();
    assert_eq!(there(bob), [c]);
    assert!(!there(bob).contains(&other));
    accounts.set_disabled(bob, true, &nobody(), NOW).unwrap();
    assert_eq!(there(bob), []);
    let again = Begin {
        person: Some(bob),
        ..Begin::default()
    };
    assert_eq!(
        refusal(accounts.begin_session(&again, NOW)),
        Refusal::Disabled
    );
    begin(ada);
    assert_eq!(words(&accounts)[0], "signed_in");
}

#[test]
fn nothing_begins_with_a_password_that_has_changed_meanwhile() {
    let (_folder, accounts, _, bob) = peopled();
    let actor = Actor::person(bob);
    let change = |password, keep| accounts.set_password(bob, password, keep, &actor, NOW);
    change(PASSWORD, None).unwrap();
    let verified = accounts.verify("bob", PASSWORD, &nobody(), NOW);
    let verified = verified.unwrap().unwrap();
    let sign_in = || {
        let begin = Begin {
            person: Some(verified.id),
            password: Some(&verified.kept),
            ..Begin::default()
        };
        accounts.begin_session(&begin, NOW)
    };
    let (session, _) = sign_in().unwrap();
    change(OTHER, None).unwrap();
    assert_eq!(refusal(sign_in()), Refusal::WrongPassword);
    assert!(accounts.sessions(bob, NOW).unwrap().is_empty());
    // Nor does whoever is out by that change it once more.
    let out = change(PASSWORD, Some(session));
    assert_eq!(refusal(out), Refusal::Missing("session"));
    let kept = accounts.verify("bob", OTHER, &nobody(), NOW);
    assert!(kept.unwrap().is_some());
}

#[test]
fn a_session_lasts_while_it_is_seen_and_a_year_at_most() {
    let (_folder, accounts, _, bob) = peopled();
    let (id, _) = begin(&accounts, Some(bob), NOW);
    let end = || accounts.sessions(bob, NOW).unwrap()[0].expires_at_ms;
    assert_eq!(end(), NOW + 30 * DAY);
    let changes = accounts.changes().unwrap();
    for (at, ends, moved) in [
        (59_000, 30 * DAY, 0),
        (61_000, 30 * DAY, 0),
        (DAY, 31 * DAY, 1),
        (DAY + 61_000, 31 * DAY, 1),
        (30 * DAY, 60 * DAY, 2),
    ] {
        accounts.mark_session(id, NOW + at).unwrap();
        assert_eq!(end(), NOW + ends, "{at}");
        assert_eq!(accounts.changes().unwrap(), changes + moved, "{at}");
        let seen = accounts.sessions(bob, NOW).unwrap()[0].seen_at_ms;
        assert_eq!(seen, NOW + if at < 60_000 { 0 } else { at });
    }
    for day in 31..400 {
        accounts.mark_session(id, NOW + day * DAY).unwrap();
    }
    assert_eq!(end(), NOW + 365 * DAY);
    assert!(accounts.sessions(bob, NOW + 365 * DAY).unwrap().is_empty());
    assert!(
        accounts
            .rules(NOW + 365 * DAY)
            .unwrap()
            .sessions_by_id
            .is_empty()
    );
}

fn hash(secret: &Secret) -> Hash {
    Secret::parse(secret.expose()).unwrap().1
}

/// Which of these secrets count.
fn count<const N: usize>(accounts: &Accounts, secrets: [&Secret; N], now_ms: i64) -> [bool; N] {
    let rules = accounts.rules(now_ms).unwrap();
    secrets.map(|secret| of(&rules, secret).is_some())
}

#[test]
fn the_old_secret_counts_until_the_new_one_is_used() {
    let (_folder, accounts, _, bob) = peopled();
    let (id, old) = begin(&accounts, Some(bob), NOW);
    let next = |shown: &Secret, at| accounts.rotate_session(id, &hash(shown), at).unwrap();
    for early in [0, DAY - 1] {
        assert!(next(&old, NOW + early).is_none());
    }
    // The answer with this one is lost.
    let lost = next(&old, NOW + DAY).unwrap();
    assert!(next(&old, NOW + DAY).is_none());
    let rules = accounts.rules(NOW + DAY).unwrap();
    assert_eq!(rules.unused.into_iter().collect::<Vec<_>>(), [hash(&lost)]);
    accounts.end_former(&hash(&old), NOW + DAY).unwrap();
    accounts.sweep(NOW + 2 * DAY - 1).unwrap();
    let later = NOW + 2 * DAY - 1;
    assert_eq!(count(&accounts, [&old, &lost], later), [true, true]);
    // So its browser asks again with the old one. There is one from before at most.
    let new = next(&old, NOW + 2 * DAY).unwrap();
    let all = [&old, &lost, &new];
    assert_eq!(count(&accounts, all, NOW + 2 * DAY), [true, false, true]);
    // Nobody has it for longer than the session.
    assert_eq!(count(&accounts, all, NOW + 30 * DAY), [false; 3]);
    assert!(next(&old, NOW + 30 * DAY).is_none());
}

#[test]
fn a_secret_that_was_stolen_ends_with_the_first_use_of_the_next() {
    let (_folder, accounts, _, bob) = peopled();
    let (id, stolen) = begin(&accounts, Some(bob), NOW);
    let next = |shown: &Secret, at| accounts.rotate_session(id, &hash(shown), at).unwrap();
    let new = next(&stolen, NOW + DAY).unwrap();
    const USED: i64 = NOW + 2 * DAY;
    accounts.end_former(&hash(&new), USED).unwrap();
    assert!(accounts.rules(USED).unwrap().unused.is_empty());
    let changes = accounts.changes().unwrap();
    for (at, counts, moved) in [(0, true, 0), (44_999, true, 0), (45_000, false, 1)] {
        // Later uses do not put the end off.
        accounts.end_former(&hash(&new), USED + at).unwrap();
        let all = [&stolen, &new];
        assert_eq!(count(&accounts, all, USED + at), [counts, true], "{at}");
        accounts.sweep(USED + at).unwrap();
        assert_eq!(accounts.changes().unwrap(), changes + moved, "{at}");
    }
    // Nor does whoever has it get another one.
    assert!(next(&stolen, USED + DAY).is_none());
    let newer = next(&new, USED + DAY).unwrap();
    let all = [&stolen, &new, &newer];
    assert_eq!(count(&accounts, all, USED + DAY), [false, true, true]);
}

#[test]
fn a_thief_who_is_in_the_minute_of_the_old_secret_gets_no_new_one() {
    let (_folder, accounts, _, bob) = peopled();
    let (id, old) = begin(&accounts, Some(bob), NOW);
    let new = accounts
        .rotate_session(id, &hash(&old), NOW + DAY)
        .unwrap()
        .unwrap();
    accounts.end_former(&hash(&new), NOW + 2 * DAY).unwrap();
    let again = accounts.rotate_session(id, &hash(&old), NOW + 2 * DAY);
    assert!(again.unwrap().is_none());
    let all = [&old, &new];
    assert_eq!(count(&accounts, all, NOW + 2 * DAY), [true, true]);
}

#[test]
fn a_session_that_takes_the_place_of_another_keeps_its_links() {
    let (_folder, accounts, _, bob) = peopled();
    let item = document("a");
    let link = NewLink {
        item: &item,
        access: Access::Edit,
        expires_at_ms: None,
        password: None,
    };
    let (link, _) = accounts
        .create_link(&link, &Actor::person(bob), NOW)
        .unwrap();
    let (visit, _) = begin(&accounts, None, NOW);
    let follow = |session, link| accounts.follow_link(session, link, &nobody(), NOW);
    follow(visit, link).unwrap();
    follow(visit, link).unwrap();
    assert_eq!(refusal(follow(visit, LinkId(9))), Refusal::Missing("link"));
    assert_eq!(
        refusal(follow(SessionId(99), link)),
        Refusal::Missing("session")
    );
    let signed_in = Begin {
        person: Some(bob),
        former: Some(visit),
        ..Begin::default()
    };
    let (id, _) = accounts.begin_session(&signed_in, NOW).unwrap();
    let rules = accounts.rules(NOW).unwrap();
    assert_eq!(rules.sessions_by_id[&id].links, [link]);
    assert!(!rules.sessions_by_id.contains_key(&visit));
    accounts.revoke_link(link, &nobody(), NOW).unwrap();
    assert!(
        accounts.rules(NOW).unwrap().sessions_by_id[&id]
            .links
            .is_empty()
    );
}

#[test]
fn the_session_that_was_not_seen_for_longest_gives_way() {
    let (_folder, accounts, _, bob) = peopled();
    let (first, _) = begin(&accounts, Some(bob), NOW);
    for _ in 1..100 {
        begin(&accounts, Some(bob), NOW + 1);
    }
    assert_eq!(accounts.sessions(bob, NOW).unwrap().len(), 100);
    begin(&accounts, Some(bob), NOW + 2);
    let there = accounts.sessions(bob, NOW).unwrap();
    assert!(there.len() == 100 && there.iter().all(|session| session.id != first));
}

#[test]
fn whoever_begins_many_sessions_ends_no_other_guests() {
    let (_folder, accounts, ..) = peopled();
    let guest = |address, at| {
        let begin = Begin {
            address: Some(address),
            ..Begin::default()
        };
        accounts.begin_session(&begin, at).unwrap().0
    };
    let first = guest("198.51.100.1", NOW);
    let second = guest("2001:db8::", NOW);
    let oldest = guest("192.0.2.7", NOW + 1);
    let many = "WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        INSERT INTO sessions (hash, begun_at_ms, seen_at_ms, expires_at_ms, agent, address)
        SELECT randomblob(32), 0, expires, expires, '', '192.0.2.7'
        FROM n, (SELECT max(expires_at_ms) AS expires FROM sessions)";
    accounts
        .mark(|transaction| Ok(transaction.execute_batch(many)?))
        .unwrap();
    let there = || accounts.rules(NOW).unwrap().sessions_by_id;
    assert_eq!(there().len(), 10_000);
    for address in ["203.0.113.5", "192.0.2.7"] {
        let new = guest(address, NOW + 2);
        let there = there();
        assert_eq!(there.len(), 10_000);
        for kept in [first, second, new] {
            assert!(there.contains_key(&kept), "{address}");
        }
        assert!(!there.contains_key(&oldest), "{address}");
    }
    // Nor from all the networks of one site.
    let many = "DELETE FROM sessions;
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9979)
        INSERT INTO sessions (hash, begun_at_ms, seen_at_ms, expires_at_ms, agent, address)
        SELECT randomblob(32), 0, i, 1000000000000000, '', printf('2001:db8:7:%x::', i) FROM n";
    accounts
        .mark(|transaction| Ok(transaction.execute_batch(many)?))
        .unwrap();
    let office = [(); 20].map(|()| guest("198.51.100.1", NOW));
    for address in ["203.0.113.5", "2001:db8:7:ffff::", "2001:db8:8::"] {
        let new = guest(address, NOW + 2);
        let there = there();
        assert_eq!(there.len(), 10_000);
        for kept in office.iter().chain([&new]) {
            assert!(there.contains_key(kept), "{address}");
        }
    }
}
