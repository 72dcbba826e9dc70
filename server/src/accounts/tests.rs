#![allow(clippy::unwrap_used)]

use std::fs;

use rusqlite::Connection;
use tempfile::TempDir;

use super::audit::Wanted;
use super::*;
use crate::access::{
    Access, GroupId, Item, LinkId, PersonId, Rules, SessionId, Subject, Target, TokenId, Who,
};
use crate::name::DocumentName;
use crate::storage::DocumentId;

mod arrivals;
mod copied;
mod giving;
mod joining;
mod sessions;

const NOW: i64 = 1_767_225_600_000;
const DAY: i64 = 24 * 60 * 60_000;
const PASSWORD: &str = "violet-anchor-tin-42";
const OTHER: &str = "copper-window-frog-77";

fn opened() -> (TempDir, Accounts) {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(folder.path()).unwrap();
    (folder, accounts)
}

fn nobody() -> Actor {
    Actor::nobody().at("192.0.2.1")
}

fn new(login: &str, is_admin: bool) -> NewPerson {
    NewPerson {
        login: login.to_owned(),
        name: login.to_owned(),
        is_admin,
        ..NewPerson::default()
    }
}

/// Accounts with an administrator `ada` and a person `bob`, neither with a password.
fn peopled() -> (TempDir, Accounts, PersonId, PersonId) {
    let (folder, accounts) = opened();
    let add = |login, is_admin| {
        accounts
            .add_person(&new(login, is_admin), None, &nobody(), NOW)
            .unwrap()
    };
    let (ada, bob) = (add("ada", true), add("bob", false));
    (folder, accounts, ada, bob)
}

fn refusal<T: fmt::Debug>(done: Result<T, AccountsError>) -> Refusal {
    match done.unwrap_err() {
        AccountsError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

/// The document of this name that is known by the length of that.
fn document(name: &str) -> Item {
    Item {
        target: Target::Document(DocumentName::new(name).unwrap()),
        document: Some(DocumentId(name.len() as i64)),
    }
}

/// The words of the log, newest first.
fn words(accounts: &Accounts) -> Vec<String> {
    let (log, _) = accounts.audit(&Wanted::default(), 1000).unwrap();
    log.into_iter().map(|entry| entry.action).collect()
}

#[test]
fn a_new_folder_has_nobody_and_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("data");
    let accounts = Accounts::open(&inner).unwrap();
    assert!(accounts.is_empty().unwrap());
    assert!(!accounts.rules(NOW).unwrap().is_open);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for entry in fs::read_dir(&inner).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{entry:?}");
        }
    }
    let changes = accounts.changes().unwrap();
    drop(accounts);
    assert!(!inner.join("accounts.db-wal").exists());
    assert_eq!(Accounts::open(&inner).unwrap().changes().unwrap(), changes);
}

/// Does something to a file.
type Harm = Box<dyn Fn(&Path)>;

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_is() {
    let sql = |text: &'static str| {
        move |file: &Path| {
            Connection::open(file).unwrap().execute_batch(text).unwrap();
        }
    };
    let cases: Vec<(&str, Harm)> = vec![
        ("damaged", Box::new(|file| fs::write(file, "").unwrap())),
        (
            "damaged",
            Box::new(|file| fs::write(file, "x".repeat(5000)).unwrap()),
        ),
        (
            "damaged",
            Box::new(|file| {
                let bytes = fs::read(file).unwrap();
                fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
            }),
        ),
        ("damaged", Box::new(sql("PRAGMA application_id = 7"))),
        ("damaged", Box::new(sql("DROP TABLE session_links"))),
        ("damaged", Box::new(sql("PRAGMA user_version = 0"))),
        ("has format 99", Box::new(sql("PRAGMA user_version = 99"))),
    ];
    for (at, (said, harm)) in cases.into_iter().enumerate() {
        let (folder, accounts) = opened();
        drop(accounts);
        let file = folder.path().join(FILE);
        harm(&file);
        let before = fs::read(&file).unwrap();
        let error = Accounts::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(said), "{at}: {error}");
        assert_eq!(fs::read(&file).unwrap(), before, "{at}");
        assert!(!folder.path().join("accounts.db-wal").exists(), "{at}");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("accounts.db-wal"), "x").unwrap();
    assert!(Accounts::open(folder.path()).is_err());
    assert!(!folder.path().join(FILE).exists());
}

#[test]
fn a_file_that_was_taken_away_is_not_written_to() {
    let (folder, accounts, ada, _) = peopled();
    fs::rename(folder.path().join(FILE), folder.path().join("away")).unwrap();
    for _ in 0..2 {
        let done = accounts.set_admin(ada, true, &nobody(), NOW);
        assert!(matches!(done, Err(AccountsError::Failed(_))), "{done:?}");
    }
}

#[test]
fn two_that_open_at_once_make_one_file() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for at in 0..8 {
            let path = folder.path();
            scope.spawn(move || {
                let accounts = Accounts::open(path).unwrap();
                let person = new(&format!("p{at}"), true);
                accounts.add_person(&person, None, &nobody(), NOW).unwrap();
            });
        }
    });
    let accounts = Accounts::open(folder.path()).unwrap();
    assert_eq!(accounts.people(None, 100).unwrap().len(), 8);
}

#[test]
fn the_log_is_searched_a_bounded_part_at_a_time() {
    let (_folder, accounts, ada, bob) = peopled();
    let note = |who, action, at_ms| {
        let actor = Actor::person(who);
        accounts.note(&actor, action, "", at_ms).unwrap();
    };
    note(bob, Action::Shared, NOW + 1);
    note(ada, Action::Shared, NOW + 2);
    note(ada, Action::Deleted, NOW + 3);
    let found = |wanted: &Wanted| {
        let (found, next) = accounts.audit(wanted, 100).unwrap();
        let times: Vec<i64> = found.iter().map(|entry| entry.at_ms - NOW).collect();
        (times, next)
    };
    let of = |who: &str, action: &str| Wanted {
        who: Some(who.to_owned()),
        action: Some(action.to_owned()),
        ..Wanted::default()
    };
    assert_eq!(found(&of("ada", "shared")), (vec![2], None));
    assert_eq!(found(&of("bob", "deleted")), (vec![], None));
    let between = Wanted {
        from_ms: Some(NOW + 1),
        to_ms: Some(NOW + 3),
        ..Wanted::default()
    };
    assert_eq!(found(&between), (vec![2, 1], None));
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20010)
        INSERT INTO audit (at_ms, action) SELECT 0, 'signed_in' FROM n";
    accounts
        .mark(|transaction| Ok(transaction.execute_batch(many)?))
        .unwrap();
    let first = of("ada", "shared");
    let (nothing, next) = found(&first);
    assert!(nothing.is_empty() && next.is_some());
    let rest = Wanted {
        before: next,
        ..first
    };
    assert_eq!(found(&rest), (vec![2], None));
}

#[test]
fn the_log_is_searched_for_who_did_something_and_whom_it_is_about() {
    let (_folder, accounts, ada, bob) = peopled();
    let note = |who, about: &str, at_ms| {
        let actor = Actor::person(who);
        accounts
            .note(&actor, Action::Shared, about, NOW + at_ms)
            .unwrap();
    };
    note(bob, "notes with ada to own", 1);
    note(ada, "notes with bob to read", 2);
    note(ada, "bob.txt with bobby to read", 3);
    let found = |who: &str| {
        let wanted = Wanted {
            who: Some(who.to_owned()),
            action: Some("shared".to_owned()),
            ..Wanted::default()
        };
        let (found, _) = accounts.audit(&wanted, 100).unwrap();
        let times = found.iter().map(|entry| entry.at_ms - NOW);
        times.collect::<Vec<i64>>()
    };
    assert_eq!(found("bob"), [2, 1]);
    assert_eq!(found("ada"), [3, 2, 1]);
    assert_eq!(found("bobby"), [3]);
    assert_eq!(found("eve"), [0; 0]);
}

#[test]
fn the_log_is_only_added_to_and_told_in_pages() {
    let (folder, accounts, ada, _) = peopled();
    for at in 0..PAGE + 5 {
        accounts
            .note(&Actor::person(ada), Action::Exported, &format!("{at}"), NOW)
            .unwrap();
    }
    let page = |wanted, most| accounts.audit(&wanted, most).unwrap();
    let (newest, next) = page(Wanted::default(), 2);
    assert_eq!(next, Some(newest[1].id));
    assert_eq!(newest[0].about.as_deref(), Some("1004"));
    assert_eq!(newest[0].who.as_deref(), Some("ada"));
    let before = next;
    let (next, _) = page(
        Wanted {
            before,
            ..Wanted::default()
        },
        1,
    );
    assert_eq!(next[0].about.as_deref(), Some("1002"));
    let mut lines = Vec::new();
    accounts.write_audit(&mut lines).unwrap().unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.lines().count(), 2 + PAGE + 5);
    assert_eq!(
        lines.lines().next().unwrap(),
        format!(
            r#"{{"id":1,"at_ms":{NOW},"person":null,"who":null,"action":"user_added","about":"ada","address":"192.0.2.1"}}"#
        )
    );
    let forged = accounts.mark(|transaction| {
        let replace = "INSERT OR REPLACE INTO audit (id, at_ms, action) VALUES (1, 0, 'forged')";
        Ok(transaction.execute(replace, [])?)
    });
    let refused = forged.unwrap_err().to_string();
    assert!(refused.contains("only added to"), "{refused}");
    drop(accounts);
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    for forge in ["DELETE FROM audit", "UPDATE audit SET about = ''"] {
        let refused = raw.execute(forge, []).unwrap_err().to_string();
        assert!(refused.contains("only added to"), "{refused}");
    }
}
