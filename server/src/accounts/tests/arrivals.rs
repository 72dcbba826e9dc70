//! People whom another system knows.

use super::*;
use crate::accounts::schema::FIRST;

fn who(subject: &str) -> Identity {
    Identity {
        issuer: "https://id.example".into(),
        subject: subject.into(),
    }
}

fn roles(groups: &[&str], is_admin: bool) -> Roles {
    Roles {
        groups: groups.iter().map(|group| group.to_string()).collect(),
        is_admin,
    }
}

fn arrival<'a>(identity: &'a Identity, roles: Option<&'a Roles>) -> Arrival<'a> {
    Arrival {
        identity,
        login: Some("Zoe@Example.org"),
        name: Some("Zoe"),
        roles,
        invitation: None,
        is_welcome: true,
    }
}

/// The names of the groups that somebody is in, and whether they look after the accounts.
fn is(accounts: &Accounts, id: PersonId) -> (Vec<String>, bool) {
    let person = accounts.rules(NOW).unwrap().people[&id].clone();
    let all = accounts.groups().unwrap();
    let groups = all.into_iter();
    let groups = groups.filter(|group| person.groups.contains(&group.id));
    let mut names: Vec<String> = groups.map(|group| group.name).collect();
    names.sort();
    (names, person.is_admin)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

#[test]
fn somebody_is_who_they_are_elsewhere_and_nobody_else() {
    let (_folder, accounts, _, bob) = peopled();
    let arrive = |arrival: &Arrival<'_>| accounts.arrive(arrival, &nobody(), NOW);
    let zoe = who("7");
    let closed = Arrival {
        is_welcome: false,
        ..arrival(&zoe, None)
    };
    assert_eq!(refusal(arrive(&closed)), Refusal::NotInvited);
    let id = arrive(&arrival(&zoe, None)).unwrap();
    let person = accounts.person(id).unwrap().unwrap();
    assert_eq!(person.login, "zoe@example.org");
    assert!(!person.has_password && !person.is_admin);
    // Known, they are let in, whatever they are called now.
    let renamed = Arrival {
        login: Some("bob"),
        name: Some("Bob"),
        ..closed
    };
    assert_eq!(arrive(&renamed).unwrap(), id);
    assert_eq!(accounts.person(id).unwrap().unwrap(), person);
    // A login is nobody's proof.
    let other = who("8");
    let as_bob = Arrival {
        login: Some("bob"),
        ..arrival(&other, None)
    };
    let second = arrive(&as_bob).unwrap();
    assert!(second != bob && second != id);
    assert_eq!(accounts.person(second).unwrap().unwrap().login, "bob-2");
    let nameless = who("9");
    let nameless = Arrival {
        login: None,
        name: Some("\u{202e}\n"),
        ..arrival(&nameless, None)
    };
    let third = accounts
        .person(arrive(&nameless).unwrap())
        .unwrap()
        .unwrap();
    assert_eq!((&*third.login, &*third.name), ("person", "person"));
    let long = who(&"x".repeat(513));
    let too_long = refusal(arrive(&arrival(&long, None)));
    assert!(matches!(too_long, Refusal::Length { .. }));
    accounts.set_disabled(id, true, &nobody(), NOW).unwrap();
    assert_eq!(refusal(arrive(&arrival(&zoe, None))), Refusal::Disabled);
}

#[test]
fn an_invitation_is_used_up_by_whoever_arrives_with_it() {
    let (_folder, accounts, ada, bob) = peopled();
    let group = accounts.create_group("Guests", &nobody(), NOW).unwrap();
    let invite = Invite {
        login: Some("zed".into()),
        groups: vec![group],
        ..Invite::default()
    };
    let secret = accounts.invite(&invite, NOW + DAY, &nobody(), NOW).unwrap();
    let (_, hash) = Secret::parse(secret.expose()).unwrap();
    let (zoe, eve) = (who("7"), who("8"));
    let with = |identity, hash| {
        let arrival = Arrival {
            invitation: Some(hash),
            is_welcome: false,
            ..arrival(identity, None)
        };
        accounts.arrive(&arrival, &nobody(), NOW)
    };
    let id = with(&zoe, &hash).unwrap();
    assert_eq!(accounts.person(id).unwrap().unwrap().login, "zed");
    // It was given here, and no other system takes it back.
    let none = Roles::default();
    let again = arrival(&zoe, Some(&none));
    accounts.arrive(&again, &nobody(), NOW).unwrap();
    assert_eq!(is(&accounts, id), (names(&["Guests"]), false));
    assert_eq!(refusal(with(&eve, &hash)), Refusal::Invitation);
    let reset = accounts.invite_reset(bob, NOW + DAY, &Actor::person(ada), NOW);
    let (_, reset) = Secret::parse(reset.unwrap().expose()).unwrap();
    assert_eq!(refusal(with(&eve, &reset)), Refusal::Invitation);
}

#[test]
fn the_first_account_can_be_one_of_elsewhere() {
    let (_folder, accounts) = opened();
    let zoe = who("7");
    let none = arrival(&zoe, None);
    let arrive = |arrival: &Arrival<'_>| accounts.arrive(arrival, &nobody(), NOW);
    assert_eq!(refusal(arrive(&none)), Refusal::FirstAdmin);
    let secret = accounts.invite_first(NOW + DAY, &nobody(), NOW).unwrap();
    let (_, hash) = Secret::parse(secret.expose()).unwrap();
    let first = Arrival {
        invitation: Some(&hash),
        is_welcome: false,
        ..none
    };
    let id = arrive(&first).unwrap();
    assert!(is(&accounts, id).1);
    // By the invitation, not by a group there.
    let nothing = Roles::default();
    arrive(&arrival(&zoe, Some(&nothing))).unwrap();
    assert!(is(&accounts, id).1);
}

#[test]
fn what_is_given_elsewhere_is_taken_back_and_what_is_given_here_stays() {
    let (_folder, accounts, ada, _) = peopled();
    let zoe = who("7");
    let arrive = |roles: Option<&Roles>| accounts.arrive(&arrival(&zoe, roles), &nobody(), NOW);
    let id = arrive(Some(&roles(&["Editors", "editors", "Staff"], true))).unwrap();
    assert_eq!(is(&accounts, id), (names(&["Editors", "Staff"]), true));
    let by_hand = accounts.create_group("By hand", &nobody(), NOW).unwrap();
    let set = |group, is| accounts.set_member(group, id, is, &nobody(), NOW).unwrap();
    set(by_hand, true);
    // Nothing is said of groups: all is as it was.
    arrive(None).unwrap();
    assert_eq!(
        is(&accounts, id),
        (names(&["By hand", "Editors", "Staff"]), true)
    );
    arrive(Some(&roles(&["Staff", "By hand"], false))).unwrap();
    assert_eq!(is(&accounts, id), (names(&["By hand", "Staff"]), false));
    arrive(Some(&roles(&[], false))).unwrap();
    assert_eq!(is(&accounts, id), (names(&["By hand"]), false));
    let log = words(&accounts);
    let of = |word: &str| log.iter().filter(|found| *found == word).count();
    assert_eq!((of("admin_made"), of("admin_unmade")), (0, 1));
    assert_eq!((of("member_added"), of("member_removed")), (3, 2));

    // By hand as well, and then by hand alone.
    let staff = roles(&["Staff"], true);
    arrive(Some(&staff)).unwrap();
    let all = accounts.groups().unwrap();
    let staff = all.iter().find(|group| group.name == "Staff").unwrap().id;
    set(staff, true);
    accounts
        .set_admin(id, true, &Actor::person(ada), NOW)
        .unwrap();
    arrive(Some(&Roles::default())).unwrap();
    assert_eq!(is(&accounts, id), (names(&["By hand", "Staff"]), true));
    // Taken away here, it comes back as long as it is given there.
    set(staff, false);
    arrive(Some(&roles(&["Staff"], false))).unwrap();
    assert_eq!(is(&accounts, id).0, names(&["By hand", "Staff"]));
}

#[test]
fn the_last_administrator_stays_whatever_is_said_elsewhere() {
    let (_folder, accounts, ada, _) = peopled();
    let zoe = who("7");
    let arrive = |is_admin| {
        let roles = roles(&[], is_admin);
        let arrival = arrival(&zoe, Some(&roles));
        accounts.arrive(&arrival, &nobody(), NOW).unwrap()
    };
    let id = arrive(true);
    accounts.set_admin(ada, false, &nobody(), NOW).unwrap();
    arrive(false);
    assert!(is(&accounts, id).1);
    accounts.set_admin(ada, true, &nobody(), NOW).unwrap();
    arrive(false);
    assert!(!is(&accounts, id).1);
}

#[test]
fn an_administrator_who_is_made_one_here_as_well_stays_one() {
    let (_folder, accounts, ada, _) = peopled();
    let (zoe, actor) = (who("7"), Actor::person(ada));
    let arrive = |is_admin| {
        let roles = roles(&[], is_admin);
        let arrival = arrival(&zoe, Some(&roles));
        accounts.arrive(&arrival, &nobody(), NOW).unwrap()
    };
    let id = arrive(true);
    let stand = |is_admin, is_disabled| {
        let stand = accounts.set_standing(id, is_admin, is_disabled, &actor, NOW);
        stand.unwrap();
        words(&accounts)
            .iter()
            .filter(|word| *word == "admin_made")
            .count()
    };
    assert_eq!(stand(None, Some(false)), 0);
    assert_eq!(stand(Some(true), None), 1);
    arrive(false);
    assert!(is(&accounts, id).1);
    assert_eq!(stand(Some(true), None), 1, "nothing is new");
}

#[test]
fn an_account_is_linked_by_whoever_has_it() {
    let (_folder, accounts, ada, bob) = peopled();
    let (zoe, eve) = (who("7"), who("8"));
    let actor = Actor::person(bob);
    let link = |id, identity| {
        let roles = roles(&["Staff"], false);
        accounts.link_identity(id, identity, Some(&roles), &actor, NOW)
    };
    link(bob, &zoe).unwrap();
    assert_eq!(is(&accounts, bob), (names(&["Staff"]), false));
    assert_eq!(refusal(link(ada, &zoe)), Refusal::IdentityTaken);
    let arrive = accounts.arrive(&arrival(&zoe, None), &nobody(), NOW);
    assert_eq!(arrive.unwrap(), bob);
    for other in [&zoe, &eve] {
        assert_eq!(refusal(link(bob, other)), Refusal::Linked);
    }
    assert!(accounts.person_by_identity(&eve).unwrap().is_none());
    let unlink = || accounts.unlink_identity(bob, &actor, NOW);
    assert_eq!(refusal(unlink()), Refusal::NoPassword);
    accounts
        .set_password(bob, PASSWORD, None, &actor, NOW)
        .unwrap();
    unlink().unwrap();
    assert_eq!(is(&accounts, bob), (names(&[]), false));
    assert_eq!(refusal(unlink()), Refusal::Missing("identity"));
    assert_eq!(words(&accounts)[..2], ["member_removed", "unlinked"]);
    link(bob, &eve).unwrap();
    unlink().unwrap();
    accounts.set_disabled(bob, true, &nobody(), NOW).unwrap();
    assert_eq!(refusal(link(bob, &zoe)), Refusal::Disabled);
}

#[test]
fn accounts_of_the_first_format_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts.db");
    let before = Connection::open(&file).unwrap();
    before.execute_batch(FIRST).unwrap();
    let people = "INSERT INTO people (id, login, name, is_admin, added_at_ms) VALUES (5, 'ada', 'Ada', 1, 1);
        INSERT INTO groups (id, name, folded) VALUES (3, 'Staff', 'STAFF');
        INSERT INTO members VALUES (3, 5);
        PRAGMA application_id = 1383034945; PRAGMA user_version = 1;";
    before.execute_batch(people).unwrap();
    drop(before);
    let accounts = Accounts::open(folder.path()).unwrap();
    let ada = PersonId(5);
    assert_eq!(is(&accounts, ada), (names(&["Staff"]), true));
    let zoe = who("7");
    let none = Roles::default();
    let actor = Actor::person(ada);
    accounts
        .link_identity(ada, &zoe, Some(&none), &actor, NOW)
        .unwrap();
    assert_eq!(is(&accounts, ada), (names(&["Staff"]), true));
    drop(accounts);
    let version = Connection::open(&file).unwrap();
    let version: i64 = version
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 3);
}
