//! Tokens, links, groups, grants and what the rules make of them.

use super::*;
use crate::access::Known;

fn token(person: PersonId, expires_at_ms: Option<i64>) -> NewToken {
    NewToken {
        person,
        name: "ci".into(),
        access: Access::Edit,
        target: document("a").target,
        expires_at_ms,
    }
}

#[test]
fn a_token_counts_until_it_ends_or_is_taken_back() {
    let (_folder, accounts, ada, bob) = peopled();
    let make = |token: &NewToken| accounts.create_token(token, &Actor::person(bob), NOW);
    let (id, secret) = make(&token(bob, Some(NOW + DAY))).unwrap();
    let (_, hash) = Secret::parse(secret.expose()).unwrap();
    assert_eq!(accounts.rules(NOW).unwrap().tokens.get(&hash), Some(&id));
    assert!(accounts.rules(NOW + DAY).unwrap().tokens_by_id.is_empty());
    for (bad, why) in [
        (
            NewToken {
                name: "\n".into(),
                ..token(bob, None)
            },
            Refusal::Name,
        ),
        (
            NewToken {
                access: Access::None,
                ..token(bob, None)
            },
            Refusal::Access,
        ),
        (token(bob, Some(NOW)), Refusal::Ended),
        (token(PersonId(9), None), Refusal::Missing("person")),
    ] {
        assert_eq!(refusal(make(&bad)), why);
    }
    let changes = accounts.changes().unwrap();
    for (at, used) in [(1, 1), (59_000, 1), (60_001, 60_001)] {
        accounts.mark_token(id, NOW + at).unwrap();
        let found = &accounts.tokens(Some(bob), None, 9).unwrap()[0];
        assert_eq!(found.used_at_ms, Some(NOW + used));
    }
    assert_eq!(accounts.changes().unwrap(), changes);
    let (other, _) = make(&token(ada, None)).unwrap();
    let listed = |of, after| -> Vec<TokenId> {
        let page = accounts.tokens(of, after, 1).unwrap();
        page.into_iter().map(|token| token.id).collect()
    };
    assert_eq!(
        (
            listed(None, None),
            listed(None, Some(id)),
            listed(Some(ada), None)
        ),
        (vec![id], vec![other], vec![other])
    );
    let revoke = |of| accounts.revoke_token(id, of, &nobody(), NOW);
    assert_eq!(refusal(revoke(Some(ada))), Refusal::Missing("token"));
    revoke(Some(bob)).unwrap();
    assert!(!accounts.rules(NOW).unwrap().tokens.contains_key(&hash));
    for _ in 0..100 {
        make(&token(bob, None)).unwrap();
    }
    assert!(matches!(
        refusal(make(&token(bob, None))),
        Refusal::TooMany { .. }
    ));
}

#[test]
fn a_link_shares_until_it_ends_or_is_taken_back() {
    let (_folder, accounts, ada, _) = peopled();
    let item = document("a");
    let link = NewLink {
        item: &item,
        access: Access::Read,
        expires_at_ms: Some(NOW + DAY),
        password: Some("12345678"),
    };
    let make = |link: &NewLink<'_>| accounts.create_link(link, &Actor::person(ada), NOW);
    let (id, secret) = make(&link).unwrap();
    let (kind, hash) = Secret::parse(secret.expose()).unwrap();
    assert_eq!(kind, SecretKind::Link);
    let rules = accounts.rules(NOW).unwrap();
    assert_eq!(rules.links[&hash], id);
    assert!(rules.links_by_id[&id].has_password);
    let opens = |password, at| {
        let opens = accounts.check_link(id, password, &nobody(), NOW + at);
        opens.unwrap()
    };
    assert!(opens("12345678", 0) && !opens("12345679", 0) && !opens("12345678", DAY));
    // One of when they might be shorter.
    let short = crate::accounts::password::hash("1234").unwrap();
    accounts
        .mark(|transaction| Ok(transaction.execute("UPDATE links SET password = ?1", [&short])?))
        .unwrap();
    assert!(opens("1234", 0) && !opens("1235", 0));
    for (bad, why) in [
        (
            NewLink {
                access: Access::Own,
                ..link
            },
            Refusal::Access,
        ),
        (
            NewLink {
                access: Access::None,
                ..link
            },
            Refusal::Access,
        ),
        (
            NewLink {
                expires_at_ms: Some(NOW),
                ..link
            },
            Refusal::Ended,
        ),
        (
            NewLink {
                password: Some("1234567"),
                ..link
            },
            Refusal::ShortPassword(8),
        ),
    ] {
        assert_eq!(refusal(make(&bad)), why);
    }
    let (open, _) = make(&NewLink {
        password: None,
        expires_at_ms: None,
        ..link
    })
    .unwrap();
    assert!(accounts.check_link(open, "", &nobody(), NOW).unwrap());
    assert_eq!(accounts.links(&item).unwrap()[0].made_by, Some(ada));
    assert_eq!(accounts.links(&item).unwrap().len(), 2);
    assert!(
        accounts
            .rules(NOW + DAY)
            .unwrap()
            .links_by_id
            .contains_key(&open)
    );
    assert!(
        !accounts
            .rules(NOW + DAY)
            .unwrap()
            .links_by_id
            .contains_key(&id)
    );
    accounts.revoke_link(open, &nobody(), NOW).unwrap();
    assert_eq!(accounts.link(open).unwrap(), None);
    assert_eq!(
        refusal(accounts.revoke_link(open, &nobody(), NOW)),
        Refusal::Missing("link")
    );
    accounts.sweep(NOW + 31 * DAY + 1).unwrap();
    assert_eq!(accounts.link(id).unwrap(), None);
}

#[test]
fn a_group_has_one_name_and_takes_what_it_was_given_with_it() {
    let (_folder, accounts, ada, bob) = peopled();
    let make = |name| accounts.create_group(name, &nobody(), NOW);
    let team = make("Team").unwrap();
    assert_eq!(refusal(make("tEAM")), Refusal::GroupTaken);
    assert_eq!(refusal(make(" ")), Refusal::Name);
    let other = make("Other").unwrap();
    let rename = |id, name| accounts.rename_group(id, name, &nobody(), NOW);
    rename(team, "TEAM").unwrap();
    assert_eq!(refusal(rename(other, "team")), Refusal::GroupTaken);
    assert_eq!(refusal(rename(GroupId(9), "x")), Refusal::Missing("group"));
    let member = |person, is| accounts.set_member(team, person, is, &nobody(), NOW);
    member(bob, true).unwrap();
    member(bob, true).unwrap();
    member(ada, true).unwrap();
    member(ada, false).unwrap();
    assert_eq!(
        refusal(member(PersonId(9), true)),
        Refusal::Missing("person")
    );
    assert_eq!(accounts.members(team, None, 9).unwrap(), [bob]);
    assert_eq!(accounts.members(team, Some(bob), 9).unwrap(), []);
    assert_eq!(accounts.groups().unwrap()[1].members, 1);
    let give = accounts.set_grant(
        &document("a"),
        Subject::Group(team),
        Access::Read,
        &nobody(),
        NOW,
    );
    give.unwrap();
    assert_eq!(accounts.grants_of(bob, None, 9).unwrap().len(), 1);
    accounts.delete_group(team, &nobody(), NOW).unwrap();
    assert!(accounts.grants(&document("a")).unwrap().is_empty());
    assert!(accounts.rules(NOW).unwrap().people[&bob].groups.is_empty());
}

#[test]
fn a_grant_takes_the_place_of_the_former_and_a_document_forgets_only_its_own() {
    let (_folder, accounts, _, bob) = peopled();
    let give =
        |item: &Item, subject, access| accounts.set_grant(item, subject, access, &nobody(), NOW);
    let bobs = Subject::Person(bob);
    let folder = Item::from("a/*".parse::<Target>().unwrap());
    let id = give(&document("a/b"), bobs, Access::Read).unwrap();
    assert_eq!(give(&document("a/b"), bobs, Access::Edit).unwrap(), id);
    assert_eq!(
        accounts.grants(&document("a/b")).unwrap()[0].access,
        Access::Edit
    );
    give(&document("a/b"), Subject::Everyone, Access::Read).unwrap();
    give(&folder, bobs, Access::Read).unwrap();
    let gone = give(&document("a/b"), Subject::Person(PersonId(9)), Access::Read);
    assert_eq!(refusal(gone), Refusal::Missing("person"));
    let gone = give(&document("a/b"), Subject::Group(GroupId(9)), Access::Read);
    assert_eq!(refusal(gone), Refusal::Missing("group"));
    assert_eq!(give(&document("x"), bobs, Access::None).unwrap(), None);

    let name = |name| DocumentName::new(name).unwrap();
    let link = NewLink {
        item: &document("a/b"),
        access: Access::Read,
        expires_at_ms: None,
        password: None,
    };
    accounts.create_link(&link, &nobody(), NOW).unwrap();
    // One of the same name, in the trash perhaps.
    let other = Item {
        document: Some(DocumentId(99)),
        ..document("a/b")
    };
    give(&other, bobs, Access::Own).unwrap();
    assert_eq!(accounts.grants_of(bob, None, 9).unwrap().len(), 4);
    accounts
        .forget_document(DocumentId(3), &name("a/b"), Action::Deleted, &nobody(), NOW)
        .unwrap();
    assert!(accounts.grants(&document("a/b")).unwrap().is_empty());
    assert!(accounts.links(&document("a/b")).unwrap().is_empty());
    assert_eq!(accounts.grants_of(bob, None, 9).unwrap().len(), 2);
    let link = NewLink {
        item: &other,
        ..link
    };
    accounts.create_link(&link, &nobody(), NOW).unwrap();
    let moved = Item {
        target: document("c").target,
        ..other.clone()
    };
    accounts.will_move(DocumentId(99), &name("c")).unwrap();
    assert_eq!(accounts.moves().unwrap(), [(DocumentId(99), name("c"))]);
    give(&other, Subject::Everyone, Access::Edit).unwrap();
    // It has the name, and before that is said somebody shares it there.
    give(&moved, Subject::Everyone, Access::Read).unwrap();
    accounts.move_document(DocumentId(99), &name("c")).unwrap();
    assert!(accounts.moves().unwrap().is_empty());
    assert!(accounts.grants(&other).unwrap().is_empty());
    let of = |subject| {
        let grants = accounts.grants(&moved).unwrap();
        let mut of = grants.into_iter().filter(|grant| grant.subject == subject);
        let access = of.next().map(|grant| grant.access);
        assert!(of.next().is_none(), "one of each");
        access
    };
    assert_eq!(of(bobs), Some(Access::Own));
    assert_eq!(of(Subject::Everyone), Some(Access::Read));
    give(&moved, Subject::Everyone, Access::None).unwrap();
    assert_eq!(accounts.links(&moved).unwrap().len(), 1);
    give(&moved, bobs, Access::None).unwrap();
    give(&folder, bobs, Access::None).unwrap();
    assert!(accounts.rules(NOW).unwrap().grants.is_empty());
}

#[test]
fn a_document_with_the_name_of_a_folder_is_no_folder() {
    let (_folder, accounts, _, bob) = peopled();
    let (session, _) = accounts
        .begin_session(
            &Begin {
                person: Some(bob),
                ..Begin::default()
            },
            NOW,
        )
        .unwrap();
    let who = Who {
        session: Some(session),
        ..Who::default()
    };
    for name in ["*", "team/*"] {
        let name = DocumentName::new(name).unwrap();
        let item = Item {
            target: Target::Document(name.clone()),
            document: Some(DocumentId(1)),
        };
        let bobs = Subject::Person(bob);
        accounts
            .set_grant(&item, bobs, Access::Own, &nobody(), NOW)
            .unwrap();
        let rules = accounts.rules(NOW).unwrap();
        let access = |name: &DocumentName| {
            let known = Known {
                id: Some(DocumentId(1)),
                ..Known::absent(name)
            };
            rules.access(&who, &known, NOW)
        };
        assert_eq!(access(&name), Access::Own);
        for other in ["a", "team/a"] {
            let other = DocumentName::new(other).unwrap();
            assert_eq!(access(&other), Access::None);
        }
    }
}

/// Does something, given `ada` and `bob`.
type Deed = fn(&Accounts, PersonId, PersonId);

#[test]
fn whatever_changes_the_rules_moves_the_counter() {
    let deeds: [(&str, Deed); 10] = [
        ("profile", |a, _, bob| {
            a.set_profile(
                bob,
                &Profile {
                    name: "B".into(),
                    color: None,
                },
                &nobody(),
                NOW,
            )
            .unwrap()
        }),
        ("admin", |a, _, bob| {
            a.set_admin(bob, true, &nobody(), NOW).unwrap()
        }),
        ("disable", |a, _, bob| {
            a.set_disabled(bob, true, &nobody(), NOW).unwrap()
        }),
        ("person", |a, _, _| {
            let _ = a
                .add_person(&new("eve", false), None, &nobody(), NOW)
                .unwrap();
        }),
        ("session", |a, _, bob| {
            let _ = a
                .begin_session(
                    &Begin {
                        person: Some(bob),
                        ..Begin::default()
                    },
                    NOW,
                )
                .unwrap();
        }),
        ("token", |a, _, bob| {
            let _ = a.create_token(&token(bob, None), &nobody(), NOW).unwrap();
        }),
        ("grant", |a, _, bob| {
            let _ = a
                .set_grant(
                    &document("a"),
                    Subject::Person(bob),
                    Access::Read,
                    &nobody(),
                    NOW,
                )
                .unwrap();
        }),
        ("group", |a, ada, _| {
            let team = a.create_group("Team", &nobody(), NOW).unwrap();
            a.set_member(team, ada, true, &nobody(), NOW).unwrap();
        }),
        ("link", |a, _, _| {
            let item = document("a");
            let link = NewLink {
                item: &item,
                access: Access::Read,
                expires_at_ms: None,
                password: None,
            };
            let _ = a.create_link(&link, &nobody(), NOW).unwrap();
        }),
        ("end", |a, _, bob| {
            let _ = a.end_sessions(bob, None, &nobody(), NOW).unwrap();
        }),
    ];
    for (what, deed) in deeds {
        let (_folder, accounts, ada, bob) = peopled();
        accounts
            .begin_session(
                &Begin {
                    person: Some(bob),
                    ..Begin::default()
                },
                NOW,
            )
            .unwrap();
        let (before, rules) = (accounts.changes().unwrap(), accounts.rules(NOW).unwrap());
        deed(&accounts, ada, bob);
        assert!(accounts.changes().unwrap() > before, "{what}");
        assert_ne!(
            format!("{rules:?}"),
            format!("{:?}", accounts.rules(NOW).unwrap()),
            "{what}"
        );
        let now = accounts.changes().unwrap();
        accounts.note(&nobody(), Action::Exported, "", NOW).unwrap();
        accounts.sweep(NOW).unwrap();
        assert_eq!(accounts.changes().unwrap(), now, "{what}");
    }
}
