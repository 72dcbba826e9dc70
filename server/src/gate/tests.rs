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
