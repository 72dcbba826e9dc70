//! People, their passwords and how they come to be.

use super::*;
use crate::accounts::audit::Wanted;

#[test]
fn people_are_added_once_under_a_folded_login() {
    let (_folder, accounts) = opened();
    let add = |person: &NewPerson| accounts.add_person(person, None, &nobody(), NOW);
    assert_eq!(refusal(add(&new("bob", false))), Refusal::FirstAdmin);
    let identity = Identity {
        issuer: "https://id".into(),
        subject: "7".into(),
    };
    let ada = NewPerson {
        color: Some("#AABBCC".into()),
        identity: Some(identity.clone()),
        ..new("Ada", true)
    };
    let id = add(&ada).unwrap();
    let found = accounts.person_by_login("aDA").unwrap().unwrap();
    assert_eq!((found.id, found.login.as_str()), (id, "ada"));
    assert_eq!(
        (found.name.as_str(), found.color.as_deref()),
        ("Ada", Some("#aabbcc"))
    );
    assert!(found.is_admin && !found.has_password);
    assert_eq!(
        accounts.person_by_identity(&identity).unwrap().unwrap().id,
        id
    );
    assert_eq!(accounts.person(PersonId(99)).unwrap(), None);
    assert_eq!(accounts.person_by_login("a b").unwrap(), None);
    let again = NewPerson {
        identity: Some(identity.clone()),
        ..new("bob", false)
    };
    for (person, why) in [
        (new("ADA", false), Refusal::LoginTaken("ada".into())),
        (new("a b", false), Refusal::Login),
        (
            NewPerson {
                name: "\u{202e}x".into(),
                ..new("b", false)
            },
            Refusal::Name,
        ),
        (
            NewPerson {
                color: Some("red".into()),
                ..new("b", false)
            },
            Refusal::Color,
        ),
        (again, Refusal::IdentityTaken),
    ] {
        assert_eq!(refusal(add(&person)), why);
    }
    let bob = add(&new("bob", false)).unwrap();
    let logins = |after| -> Vec<String> {
        let page = accounts.people(after, 1).unwrap();
        page.into_iter().map(|person| person.login).collect()
    };
    assert_eq!(
        (logins(None), logins(Some("ada")), logins(Some("bob"))),
        (vec!["ada".into()], vec!["bob".into()], vec![])
    );
    let profile = |name: &str| Profile {
        name: name.into(),
        color: None,
    };
    accounts
        .set_profile(bob, &profile("Robert"), &nobody(), NOW)
        .unwrap();
    assert_eq!(accounts.rules(NOW).unwrap().people[&bob].name, "Robert");
    assert_eq!(
        refusal(accounts.set_profile(bob, &profile(""), &nobody(), NOW)),
        Refusal::Name
    );
    let missing = accounts.set_profile(PersonId(99), &profile("x"), &nobody(), NOW);
    assert_eq!(refusal(missing), Refusal::Missing("person"));
}

#[test]
fn the_last_administrator_stays() {
    let (_folder, accounts, ada, bob) = peopled();
    let disable = |id, is| accounts.set_disabled(id, is, &nobody(), NOW);
    let admin = |id, is| accounts.set_admin(id, is, &nobody(), NOW);
    assert_eq!(refusal(disable(ada, true)), Refusal::LastAdmin);
    assert_eq!(refusal(admin(ada, false)), Refusal::LastAdmin);
    admin(bob, true).unwrap();
    disable(bob, true).unwrap();
    assert_eq!(refusal(admin(ada, false)), Refusal::LastAdmin);
    disable(bob, false).unwrap();
    disable(ada, true).unwrap();
    assert_eq!(refusal(disable(bob, true)), Refusal::LastAdmin);
    assert!(accounts.rules(NOW).unwrap().people[&ada].is_disabled);
    let log = words(&accounts);
    assert_eq!(
        log[..4],
        [
            "user_disabled",
            "user_enabled",
            "user_disabled",
            "admin_made"
        ]
    );
}

/// What an administrator does, given `ada`.
type Deed = fn(&Accounts, PersonId, &Actor) -> Result<(), AccountsError>;

#[test]
fn whoever_acts_as_an_administrator_is_one_when_it_is_done() {
    let deeds: [(&str, Deed); 9] = [
        ("invite", |accounts, _, actor| {
            let invite = Invite {
                is_admin: true,
                ..Invite::default()
            };
            accounts.invite(&invite, NOW + DAY, actor, NOW).map(drop)
        }),
        ("reset", |accounts, ada, actor| {
            accounts.invite_reset(ada, NOW + DAY, actor, NOW).map(drop)
        }),
        ("revoke", |accounts, _, actor| {
            let open = accounts.invitations(NOW)?[0].id;
            accounts.revoke_invitation(open, actor, NOW)
        }),
        ("disable", |accounts, ada, actor| {
            accounts.set_disabled(ada, true, actor, NOW)
        }),
        ("admin", |accounts, ada, actor| {
            accounts.set_admin(ada, false, actor, NOW)
        }),
        ("both", |accounts, ada, actor| {
            accounts.set_standing(ada, Some(false), Some(true), actor, NOW)
        }),
        ("group", |accounts, _, actor| {
            let name = format!("Theirs, after {}", accounts.groups()?.len());
            accounts.create_group(&name, actor, NOW).map(drop)
        }),
        ("member", |accounts, ada, actor| {
            let group = accounts.groups()?[0].id;
            accounts.set_member(group, ada, true, actor, NOW)
        }),
        ("log", |accounts, _, actor| {
            accounts.note(actor, Action::Exported, "", NOW)
        }),
    ];
    let unmade: Deed = |accounts, bob, actor| accounts.set_admin(bob, false, actor, NOW);
    let disabled: Deed = |accounts, bob, actor| accounts.set_disabled(bob, true, actor, NOW);
    for (what, deed) in deeds {
        for end in [unmade, disabled] {
            let (_folder, accounts, ada, bob) = peopled();
            let group = accounts.create_group("Team", &nobody(), NOW).unwrap();
            accounts
                .set_member(group, ada, true, &nobody(), NOW)
                .unwrap();
            let other = Actor::command_line();
            let invite = Invite::default();
            accounts.invite(&invite, NOW + DAY, &other, NOW).unwrap();
            let actor = Actor::person(bob).as_admin();
            accounts.set_admin(bob, true, &other, NOW).unwrap();
            deed(&accounts, bob, &actor).unwrap();
            // They may do all of it to themselves. The command line needs nobody.
            accounts
                .set_standing(bob, Some(true), Some(false), &other, NOW)
                .unwrap();
            end(&accounts, bob, &other).unwrap();
            accounts.invite(&invite, NOW + DAY, &other, NOW).unwrap();
            let log = words(&accounts);
            let refused = refusal(deed(&accounts, ada, &actor));
            assert_eq!(refused, Refusal::NotAdmin, "{what}");
            assert_eq!(words(&accounts), log, "{what}");
        }
    }
}

#[test]
fn a_wrong_login_and_a_wrong_password_are_the_same() {
    let (folder, accounts, ada, bob) = peopled();
    let verify = |login: &str, password: &str| {
        let verified = accounts.verify(login, password, &nobody(), NOW).unwrap();
        verified.map(|verified| verified.id)
    };
    accounts
        .set_password(ada, PASSWORD, None, &nobody(), NOW)
        .unwrap();
    assert_eq!(verify("ADA", PASSWORD), Some(ada));
    for (login, about) in [
        ("ada", Some("ada")),
        ("bob", Some("bob")),
        ("eve", None),
        ("a b", None),
    ] {
        assert_eq!(verify(login, OTHER), None, "{login}");
        let newest = accounts.audit(&Wanted::default(), 1).unwrap().0.remove(0);
        assert_eq!(
            (newest.action.as_str(), newest.about.as_deref()),
            ("sign_in_failed", about)
        );
    }
    accounts.set_admin(bob, true, &nobody(), NOW).unwrap();
    accounts.set_disabled(ada, true, &nobody(), NOW).unwrap();
    assert_eq!(verify("ada", OTHER), None);
    let disabled = accounts.verify("ada", PASSWORD, &nobody(), NOW);
    assert_eq!(refusal(disabled), Refusal::Disabled);
    accounts.set_disabled(ada, false, &nobody(), NOW).unwrap();

    let kept = || -> String {
        let raw = Connection::open(folder.path().join(FILE)).unwrap();
        raw.query_row(
            "SELECT password FROM people WHERE login = 'ada'",
            [],
            |row| row.get(0),
        )
        .unwrap()
    };
    let old = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$";
    let weak = {
        use argon2::password_hash::PasswordHasher as _;
        let params = argon2::Params::new(8, 1, 1, None).unwrap();
        let weak = argon2::Argon2::from(params);
        let hash = weak.hash_password_with_salt(PASSWORD.as_bytes(), b"saltsaltsalt");
        hash.unwrap().to_string()
    };
    assert!(weak.starts_with(old), "{weak}");
    let set = "UPDATE people SET password = ?1 WHERE login = 'ada'";
    Connection::open(folder.path().join(FILE))
        .unwrap()
        .execute(set, [&weak])
        .unwrap();
    assert_eq!((verify("ada", OTHER), kept()), (None, weak));
    // Of two at once one renews it, and both count on what is kept then.
    let both = std::thread::scope(|scope| {
        let sign_in = || {
            let verified = accounts.verify("ada", PASSWORD, &nobody(), NOW);
            verified.unwrap().unwrap()
        };
        let other = scope.spawn(sign_in);
        [sign_in(), other.join().unwrap()]
    });
    let renewed = Verified {
        id: ada,
        kept: kept(),
    };
    assert_eq!(both, [renewed.clone(), renewed]);
    assert!(kept().contains("m=19456,t=2"));
    assert_eq!(verify("ada", PASSWORD), Some(ada));
}

#[test]
fn the_first_link_ends_when_somebody_is_added_without_it() {
    let (_folder, accounts) = opened();
    let first = accounts.invite_first(NOW + DAY, &nobody(), NOW).unwrap();
    let (_, first) = Secret::parse(first.expose()).unwrap();
    accounts
        .add_person(&new("ada", true), Some(PASSWORD), &nobody(), NOW)
        .unwrap();
    let joining = Joining {
        login: Some("eve"),
        name: "Eve",
        color: None,
    };
    let joined = accounts.join(&first, &joining, PASSWORD, None, NOW);
    assert_eq!(refusal(joined), Refusal::Invitation);
}

#[test]
fn an_invitation_is_used_once() {
    let (_folder, accounts) = opened();
    let hash = |secret: Secret| Secret::parse(secret.expose()).unwrap().1;
    let until = NOW + DAY;
    let joining = |login: Option<&'static str>| Joining {
        login,
        name: login.unwrap_or("Somebody"),
        color: None,
    };
    let join = |hash: &Hash, login, at| accounts.join(hash, &joining(login), PASSWORD, None, at);

    let older = hash(accounts.invite_first(until, &nobody(), NOW).unwrap());
    let first = hash(accounts.invite_first(until, &nobody(), NOW).unwrap());
    assert_eq!(refusal(join(&older, Some("eve"), NOW)), Refusal::Invitation);
    assert_eq!(
        refusal(join(&first, Some("ada"), until)),
        Refusal::Invitation
    );
    assert_eq!(refusal(join(&first, None, NOW)), Refusal::Login);
    let weak = accounts.join(&first, &joining(Some("ada")), "password12", None, NOW);
    assert!(matches!(refusal(weak), Refusal::GuessablePassword(_)));
    let ada = join(&first, Some("ada"), NOW).unwrap();
    assert!(accounts.person(ada).unwrap().unwrap().is_admin);
    assert_eq!(refusal(join(&first, Some("bob"), NOW)), Refusal::Invitation);
    assert_eq!(
        refusal(accounts.invite_first(until, &nobody(), NOW)),
        Refusal::NotFirst
    );

    let group = accounts.create_group("Team", &nobody(), NOW).unwrap();
    let invite = Invite {
        login: Some("Bob".into()),
        groups: vec![group],
        ..Invite::default()
    };
    let invited = |invite: &Invite| accounts.invite(invite, until, &Actor::person(ada), NOW);
    let second = hash(invited(&invite).unwrap());
    let shown = accounts.invitation(&second, NOW).unwrap();
    assert_eq!(
        (shown.kind, shown.login.as_deref()),
        (InviteKind::Person, Some("bob"))
    );
    assert_eq!(shown.made_by, Some(ada));
    let bob = join(&second, Some("somebody-else"), NOW).unwrap();
    let rules = accounts.rules(NOW).unwrap();
    assert_eq!(
        (
            rules.people[&bob].login.as_str(),
            &rules.people[&bob].groups
        ),
        ("bob", &vec![group])
    );
    assert_eq!(refusal(join(&second, None, NOW)), Refusal::Invitation);
    for (bad, why) in [
        (
            Invite {
                login: Some("ada".into()),
                ..Invite::default()
            },
            Refusal::LoginTaken("ada".into()),
        ),
        (
            Invite {
                groups: vec![GroupId(9)],
                ..Invite::default()
            },
            Refusal::Missing("group"),
        ),
        (
            Invite {
                name: Some(String::new()),
                ..Invite::default()
            },
            Refusal::Name,
        ),
    ] {
        assert_eq!(refusal(invited(&bad)), why);
    }
    assert_eq!(
        refusal(accounts.invite(&invite, NOW, &nobody(), NOW)),
        Refusal::Ended
    );

    let open = hash(invited(&Invite::default()).unwrap());
    let listed = accounts.invitations(NOW).unwrap();
    assert_eq!(listed.len(), 1);
    assert!(accounts.invitations(until).unwrap().is_empty());
    accounts
        .revoke_invitation(listed[0].id, &nobody(), NOW)
        .unwrap();
    assert_eq!(refusal(join(&open, Some("eve"), NOW)), Refusal::Invitation);
    let twice = accounts.revoke_invitation(listed[0].id, &nobody(), NOW);
    assert_eq!(refusal(twice), Refusal::Missing("invitation"));
}

#[test]
fn a_reset_sets_a_password_once_and_ends_sessions() {
    let (_folder, accounts, ada, bob) = peopled();
    let hash = |secret: Secret| Secret::parse(secret.expose()).unwrap().1;
    let reset = || {
        hash(
            accounts
                .invite_reset(bob, NOW + DAY, &nobody(), NOW)
                .unwrap(),
        )
    };
    let (one, two) = (reset(), reset());
    let begin = Begin {
        person: Some(bob),
        ..Begin::default()
    };
    accounts.begin_session(&begin, NOW).unwrap();
    let join = accounts.join(&one, &Joining::default(), PASSWORD, None, NOW);
    assert_eq!(refusal(join), Refusal::Invitation);
    assert_eq!(
        accounts.reset_password(&one, PASSWORD, None, NOW).unwrap(),
        bob
    );
    assert!(accounts.sessions(bob, NOW).unwrap().is_empty());
    let verified = accounts.verify("bob", PASSWORD, &nobody(), NOW).unwrap();
    assert_eq!(verified.unwrap().id, bob);
    for used in [one, two] {
        let again = accounts.reset_password(&used, OTHER, None, NOW);
        assert_eq!(refusal(again), Refusal::Invitation);
    }
    let three = reset();
    accounts
        .set_password(bob, OTHER, None, &Actor::person(ada), NOW)
        .unwrap();
    assert_eq!(
        refusal(accounts.reset_password(&three, PASSWORD, None, NOW)),
        Refusal::Invitation
    );
    let four = reset();
    accounts.set_disabled(bob, true, &nobody(), NOW).unwrap();
    assert_eq!(
        refusal(accounts.reset_password(&four, PASSWORD, None, NOW)),
        Refusal::Invitation
    );
    let disabled = accounts.invite_reset(bob, NOW + DAY, &nobody(), NOW);
    assert_eq!(refusal(disabled), Refusal::Disabled);
}

type Hash = crate::access::Hash;
