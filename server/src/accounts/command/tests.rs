#![allow(clippy::unwrap_used)]

use super::*;
use crate::accounts::Secret;

const NOW: i64 = 1_767_225_600_000;
const PASSWORD: &str = "violet-anchor-tin-42";

fn add(login: &str, is_admin: bool) -> Order {
    Order::AddUser {
        login: login.to_owned(),
        name: Some("Ada L".to_owned()),
        is_admin,
        has_password: false,
    }
}

#[test]
fn people_and_tokens_are_made_listed_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let does = |order: &Order, password| run(folder.path(), order, password, NOW);
    let refused = |order: &Order| does(order, None).unwrap_err().to_string();
    let login = || "ada".to_owned();

    assert!(refused(&Order::ListUsers).contains("no accounts"));
    assert!(!folder.path().join(FILE).exists());
    assert!(refused(&add("bob", false)).contains("administrator"));
    assert!(does(&add("ada", true), Some("")).is_err());
    assert_eq!(
        does(&add("Ada", true), Some(PASSWORD)).unwrap(),
        "Added ada\n"
    );
    let invited = does(&add("bob", false), None).unwrap();
    assert!(invited.starts_with("/join#rwi_") && invited.len() == 6 + 47 + 1);
    let listed = does(&Order::ListUsers, None).unwrap();
    assert_eq!(
        listed,
        "LOGIN  NAME   ROLE   STATE                     SINCE\n\
         ada    Ada L  admin                            2026-01-01\n\
         bob    Ada L         invited until 2026-01-04  2026-01-01\n"
    );
    let invited = |login: &str| login.to_owned();
    for order in [
        Order::MakeAdmin {
            login: invited("bob"),
        },
        Order::ResetPassword {
            login: invited("BOB"),
        },
    ] {
        assert!(refused(&order).contains("bob is invited and has not come yet"));
    }
    let eve = does(&add("eve", true), None).unwrap();
    assert_eq!(
        does(&Order::ListInvitations, None).unwrap(),
        "ID  FOR      LOGIN  NAME   ROLE   UNTIL       SINCE\n\
         2   account  eve    Ada L  admin  2026-01-04  2026-01-01\n\
         1   account  bob    Ada L         2026-01-04  2026-01-01\n"
    );
    let revoke = Order::RevokeInvitation { id: 2 };
    assert_eq!(does(&revoke, None).unwrap(), "Revoked invitation 2\n");
    assert!(refused(&revoke).contains("no such invitation"));
    let accounts = Accounts::open(folder.path()).unwrap();
    let (_, hash) = Secret::parse(eve.trim().strip_prefix("/join#").unwrap()).unwrap();
    assert!(
        accounts.invitation(&hash, NOW).is_err(),
        "it opens nothing any more"
    );
    let bob = does(&add("bob", false), Some(PASSWORD)).unwrap();
    assert_eq!(bob, "Added bob\n");
    let listed = does(&Order::ListUsers, None).unwrap();
    assert!(
        !listed.contains("invited"),
        "what nobody can use is not there: {listed}"
    );
    let disable = Order::DisableUser {
        login: login(),
        is_disabled: true,
    };
    assert!(refused(&disable).contains("last administrator"));
    assert!(
        does(&Order::ResetPassword { login: login() }, None)
            .unwrap()
            .starts_with("/join#rwi_")
    );
    assert!(
        refused(&Order::MakeAdmin {
            login: "nobody".into()
        })
        .contains("no such person")
    );

    let token = Order::CreateToken {
        login: login(),
        name: "ci".into(),
        access: Access::Read,
        target: "team/*".parse().unwrap(),
        days: Some(3),
    };
    assert!(does(&token, None).unwrap().starts_with("rwt_"));
    for login in [None, Some(login())] {
        assert_eq!(
            does(&Order::ListTokens { login }, None).unwrap(),
            "ID  LOGIN  NAME  ACCESS  FOR     UNTIL       USED\n1   ada    ci    read    team/*  2026-01-04  never\n"
        );
    }
    assert_eq!(
        does(&Order::RevokeToken { id: 1 }, None).unwrap(),
        "Revoked token 1\n"
    );
    assert!(refused(&Order::RevokeToken { id: 1 }).contains("no such token"));
}

#[test]
fn it_works_while_a_server_has_the_accounts_open() {
    let folder = tempfile::tempdir().unwrap();
    let server = Accounts::open(folder.path()).unwrap();
    let before = server.changes().unwrap();
    run(folder.path(), &add("ada", true), Some(PASSWORD), NOW).unwrap();
    assert!(server.changes().unwrap() > before);
    let id = server
        .verify("ADA", PASSWORD, &Actor::nobody(), NOW)
        .unwrap();
    let id = id.unwrap().id;
    assert!(server.rules(NOW).unwrap().people.contains_key(&id));
}
