//! Copies of the documents.

use super::*;
use crate::accounts::audit::Entry;
use crate::accounts::schema::FIRST;

fn visit(folder: &TempDir) -> Accounts {
    Accounts::visit(folder.path()).unwrap().unwrap()
}

#[test]
fn a_copy_is_told_of_where_there_are_people_and_the_last_backup_everywhere() {
    let (folder, accounts) = opened();
    assert_eq!(accounts.last_backup().unwrap(), None);
    let outside = visit(&folder);
    outside
        .note_copy(Action::Exported, "a backup, to x", NOW)
        .unwrap();
    outside.backed_up(NOW + 1).unwrap();
    assert!(words(&accounts).is_empty());
    assert_eq!(accounts.last_backup().unwrap(), Some(NOW + 1));
    let (folder, accounts, ..) = peopled();
    visit(&folder)
        .note_copy(Action::Exported, "a backup, to x", NOW)
        .unwrap();
    let (newest, _) = accounts.audit(&Wanted::default(), 1).unwrap();
    let Entry {
        who, action, about, ..
    } = &newest[0];
    let told = (who.as_deref(), &**action, about.as_deref());
    assert_eq!(told, (Some("(cli)"), "exported", Some("a backup, to x")));
    assert!(accounts.last_backup().unwrap().is_none());
}

#[test]
fn accounts_of_an_older_format_keep_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Accounts::visit(folder.path()).unwrap().is_none());
    let file = folder.path().join("accounts.db");
    let older = Connection::open(&file).unwrap();
    older.execute_batch(FIRST).unwrap();
    let person =
        "INSERT INTO people (login, name, is_admin, added_at_ms) VALUES ('ada', 'Ada', 1, 1);
        INSERT INTO audit (at_ms, login, action) VALUES (1, 'cli', 'exported');
        INSERT INTO audit (at_ms, person_id, login, action) VALUES (1, 1, 'cli', 'exported');
        PRAGMA application_id = 1383034945; PRAGMA user_version = 1;";
    older.execute_batch(person).unwrap();
    let outside = visit(&folder);
    outside
        .note_copy(Action::Exported, "all documents, to x", NOW)
        .unwrap();
    outside.backed_up(NOW).unwrap();
    let number = |of: &str| -> i64 { older.query_row(of, [], |row| row.get(0)).unwrap() };
    assert_eq!(number("PRAGMA user_version"), 1);
    assert_eq!(
        number("SELECT count(*) FROM audit WHERE action = 'exported'"),
        3
    );
    // Who did it was written in another way.
    let who = |who: &str| {
        let wanted = Wanted {
            who: Some(who.to_owned()),
            ..Wanted::default()
        };
        let (found, _) = outside.audit(&wanted, 9).unwrap();
        found.iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!((who("(cli)"), who("cli")), (vec![3, 1], vec![2]));
    let all = outside.audit_from(0).map(|entry| entry.unwrap().who);
    let all: Vec<_> = all.map(Option::unwrap).collect();
    assert_eq!(all, ["(cli)", "cli", "(cli)"]);
}
