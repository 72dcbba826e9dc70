//! The accounts cannot be written for a while.

#![allow(clippy::unwrap_used)]

use rusqlite::Connection;

use super::*;

use crate::accounts::{Actor, Begin, FILE, NewPerson};

const NOW: i64 = 1_767_225_600_000;
const DAY: i64 = 24 * 60 * 60_000;

fn hash(secret: &Secret) -> Hash {
    Secret::parse(secret.expose()).unwrap().1
}

/// A gate of one person, and the session that she is signed in with.
fn signed_in(folder: &tempfile::TempDir) -> (Gate, Who) {
    let accounts = Accounts::open(folder.path()).unwrap();
    let nobody = Actor::nobody();
    let ada = NewPerson {
        login: "ada".to_owned(),
        name: "Ada".to_owned(),
        is_admin: true,
        ..NewPerson::default()
    };
    let person = Some(accounts.add_person(&ada, None, &nobody, NOW).unwrap());
    let begin = Begin {
        person,
        ..Begin::default()
    };
    let (session, _) = accounts.begin_session(&begin, NOW).unwrap();
    let who = Who {
        session: Some(session),
        ..Who::default()
    };
    let keys = Keys::new(&[1; 32], &[]).unwrap();
    (Gate::of(accounts, keys, true, NOW).unwrap(), who)
}

#[test]
fn a_change_that_cannot_be_read_is_waited_for_a_while_and_then_nobody_is_in() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, who) = signed_in(&folder);
    let outside = Connection::open(folder.path().join(FILE)).unwrap();
    let change = "UPDATE state SET changes = changes + 1";
    outside
        .execute_batch(&format!("{change}; ALTER TABLE grants RENAME TO elsewhere"))
        .unwrap();
    for (after_ms, is_in) in [(0, true), (4_999, true), (5_000, false), (60_000, false)] {
        gate.look(NOW + after_ms).unwrap_err();
        let rules = gate.rules();
        assert_eq!(rules.is_known(&who, NOW), is_in, "{after_ms}");
        assert!(!rules.is_open);
    }
    outside
        .execute_batch("ALTER TABLE elsewhere RENAME TO grants")
        .unwrap();
    gate.look(NOW + 60_000).unwrap();
    assert!(gate.rules().is_known(&who, NOW));
    // What is no change takes nothing from anybody.
    outside
        .execute_batch("ALTER TABLE grants RENAME TO elsewhere")
        .unwrap();
    for after_ms in [70_000, 80_000] {
        let _ = gate.look(NOW + after_ms);
        assert!(gate.rules().is_known(&who, NOW));
    }
}

#[test]
fn rows_that_cannot_be_read_give_nothing_and_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (gate, who) = signed_in(&folder);
    let outside = Connection::open(folder.path().join(FILE)).unwrap();
    let look = |change: &str, at| {
        let change = format!("{change}; UPDATE state SET changes = changes + 1");
        outside.execute_batch(&change).unwrap();
        gate.look(NOW + at).unwrap();
        gate.rules()
    };
    let rules = look(
        "INSERT INTO people (id, login, name, is_admin, added_at_ms) VALUES (7, 'bob', 'Bob', 0, 0);
         INSERT INTO grants (scope, path, person_id, access) VALUES ('folder', 'team', 7, 'edit');
         INSERT INTO tokens (hash, person_id, name, access, scope, path, made_at_ms)
            VALUES (zeroblob(32), 7, 'x', 'own', 'everything', '', 0), (zeroblob(31), 7, 'y', 'own', 'everything', '', 0);
         INSERT INTO links (hash, scope, path, access, made_at_ms) VALUES (zeroblob(32), 'nothing', '', 'read', 0);
         INSERT INTO sessions (hash, person_id, begun_at_ms, seen_at_ms, expires_at_ms, agent)
            VALUES (zeroblob(3), 7, 0, 0, 9000000000000000, '')",
        0,
    );
    assert_eq!(rules.unreadable, 3);
    let token = Who {
        token: Some(rules.tokens[&[0; 32]]),
        ..Who::default()
    };
    let may_begin = |rules: &Rules, name: &str| {
        let name = crate::name::DocumentName::new(name).unwrap();
        rules.may_begin(&token, &name, NOW)
    };
    assert!(may_begin(&rules, "team/a") && may_begin(&rules, "a"));
    // Nobody else begins anything in a folder that somebody was given, whatever that was.
    let rules = look("UPDATE grants SET access = 'all'", 1);
    assert_eq!((rules.unreadable, rules.lacks_targets), (4, false));
    assert!(!may_begin(&rules, "team/a") && may_begin(&rules, "a"));
    let rules = look("UPDATE grants SET path = '../team'", 2);
    assert_eq!((rules.unreadable, rules.lacks_targets), (4, true));
    assert!(!may_begin(&rules, "team/a") && !may_begin(&rules, "a"));
    let rules = look(
        "UPDATE people SET name = CAST(x'ff' AS TEXT) WHERE id = 7",
        3,
    );
    assert_eq!(rules.unreadable, 5);
    assert!(!rules.is_known(&token, NOW) && rules.is_known(&who, NOW));
    // Nor does the gate stand open as nobody can be read.
    let rules = look("UPDATE people SET name = CAST(x'ff' AS TEXT)", 4);
    assert!(rules.people.is_empty() && !rules.is_open);
    let nobody = Who::default();
    assert!(!rules.is_known(&who, NOW) && !rules.is_known(&nobody, NOW));
}

#[test]
fn a_use_that_could_not_be_written_down_is_again_soon_and_not_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(folder.path()).unwrap();
    let nobody = Actor::nobody();
    let ada = NewPerson {
        login: "ada".to_owned(),
        name: "Ada".to_owned(),
        is_admin: true,
        ..NewPerson::default()
    };
    let person = Some(accounts.add_person(&ada, None, &nobody, NOW).unwrap());
    let begin = Begin {
        person,
        ..Begin::default()
    };
    let (session, old) = accounts.begin_session(&begin, NOW).unwrap();
    let now = NOW + DAY;
    let new = accounts.rotate_session(session, &hash(&old), now);
    let secret = Some(hash(&new.unwrap().unwrap()));
    let keys = Keys::new(&[1; 32], &[]).unwrap();
    let gate = Gate::of(accounts, keys, false, now).unwrap();
    let who = Who {
        session: Some(session),
        ..Who::default()
    };
    let has_ended = |at| {
        gate.look(at).unwrap();
        gate.rules().unused.is_empty()
    };

    let outside = Connection::open(folder.path().join(FILE)).unwrap();
    let rename = |from, to| {
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        outside.execute_batch(&rename).unwrap();
    };
    rename("sessions", "elsewhere");
    assert!(gate.is_used(&who, secret, now));
    gate.note_use(&who, secret, now).unwrap_err();
    assert!(!gate.is_used(&who, secret, now + AGAIN_MS - 1));
    rename("elsewhere", "sessions");
    assert!(!has_ended(now));
    assert!(gate.is_used(&who, secret, now + AGAIN_MS));
    gate.note_use(&who, secret, now + AGAIN_MS).unwrap();
    assert!(has_ended(now + AGAIN_MS));
    assert!(!gate.is_used(&who, None, now + NOTED_MS));
}
