#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::access::Claims;

const ANN: PersonId = PersonId(1);
const BOB: PersonId = PersonId(2);
const CAT: PersonId = PersonId(3);
const EDITORS: GroupId = GroupId(1);
const NOW: i64 = 1000;

fn name(name: &str) -> DocumentName {
    DocumentName::new(name).unwrap()
}

fn access(rules: &Rules, who: &Who, document: &str, now_ms: i64) -> Access {
    let name = name(document);
    let known = Known {
        name: &name,
        id: Some(DocumentId(1)),
        owner: (document == "bobs").then_some(BOB),
    };
    rules.access(who, &known, now_ms)
}

/// Ann is an administrator, Bob is in a group, Cat in none; each has a session of the same number.
fn rules() -> Rules {
    let mut rules = Rules::default();
    for (id, is_admin, groups) in [
        (ANN, true, vec![]),
        (BOB, false, vec![EDITORS]),
        (CAT, false, vec![]),
    ] {
        let person = Person {
            login: format!("p{}", id.0),
            name: format!("P{}", id.0),
            shown: format!("P{}", id.0),
            color: None,
            is_admin,
            is_disabled: false,
            has_password: true,
            groups,
        };
        rules.people.insert(id, person);
        let session = Session {
            id: SessionId(id.0),
            person: Some(id),
            links: Vec::new(),
            expires_at_ms: NOW + 1,
        };
        rules.sessions_by_id.insert(session.id, session);
    }
    rules
}

fn give(rules: &mut Rules, target: &str, subject: Subject, access: Access) {
    let target: Target = target.parse().unwrap();
    let grant = Grant {
        id: GrantId(0),
        item: target.clone().into(),
        subject,
        access,
    };
    rules.grants.entry(target).or_default().push(grant);
}

fn with_session(id: PersonId) -> Who {
    Who {
        session: Some(SessionId(id.0)),
        ..Who::default()
    }
}

#[test]
fn an_open_server_lets_everybody_do_everything() {
    let rules = Rules::open();
    assert_eq!(access(&rules, &Who::default(), "a", NOW), Access::Own);
    assert!(rules.may_begin(&Who::default(), &name("a"), NOW));
    assert!(!rules.is_admin(&Who::default(), NOW));
}

#[test]
fn without_anything_nobody_may_do_anything() {
    for rules in [Rules::default(), rules()] {
        assert_eq!(access(&rules, &Who::default(), "a", NOW), Access::None);
        assert!(!rules.may_begin(&Who::default(), &name("a"), NOW));
        assert!(!rules.is_known(&Who::default(), NOW));
    }
}

#[test]
fn people_have_what_they_their_groups_and_everyone_were_given() {
    let mut rules = rules();
    give(&mut rules, "a", Subject::Person(CAT), Access::Own);
    give(&mut rules, "team/*", Subject::Group(EDITORS), Access::Edit);
    give(&mut rules, "team/x", Subject::Everyone, Access::Read);
    for (who, document, expected) in [
        (ANN, "z", Access::Own),
        (BOB, "a", Access::None),
        (CAT, "a", Access::Own),
        (BOB, "team/y/z", Access::Edit),
        (BOB, "team", Access::None),
        (BOB, "team/x", Access::Edit),
        (CAT, "team/x", Access::Read),
        (CAT, "team/y", Access::None),
        (BOB, "bobs", Access::Own),
        (CAT, "bobs", Access::None),
    ] {
        assert_eq!(
            access(&rules, &with_session(who), document, NOW),
            expected,
            "{who:?} {document}"
        );
    }
    give(&mut rules, "*", Subject::Everyone, Access::Comment);
    assert_eq!(
        access(&rules, &with_session(CAT), "any/thing", NOW),
        Access::Comment
    );
}

#[test]
fn who_is_disabled_or_whose_session_ended_may_do_nothing() {
    let mut rules = rules();
    give(&mut rules, "a", Subject::Everyone, Access::Edit);
    assert_eq!(access(&rules, &with_session(BOB), "a", NOW), Access::Edit);
    assert_eq!(
        access(&rules, &with_session(BOB), "a", NOW + 1),
        Access::None
    );
    rules.people.get_mut(&BOB).unwrap().is_disabled = true;
    assert_eq!(access(&rules, &with_session(BOB), "a", NOW), Access::None);
    assert!(!rules.is_known(&with_session(BOB), NOW));
    rules.people.get_mut(&ANN).unwrap().is_disabled = true;
    assert!(!rules.is_admin(&with_session(ANN), NOW));
}

#[test]
fn documents_are_begun_by_people_where_no_folder_was_given_to_others() {
    let mut rules = rules();
    give(&mut rules, "team/*", Subject::Group(EDITORS), Access::Edit);
    for (who, document, may) in [
        (CAT, "new", true),
        (CAT, "own/new", true),
        (CAT, "team/new", false),
        (BOB, "team/new", true),
        (ANN, "team/new", true),
    ] {
        assert_eq!(
            rules.may_begin(&with_session(who), &name(document), NOW),
            may,
            "{who:?} {document}"
        );
    }
}

#[test]
fn a_token_can_do_no_more_than_its_person_and_than_it_says() {
    let mut rules = rules();
    give(&mut rules, "a/*", Subject::Person(CAT), Access::Edit);
    let mut with = |person, access, target: &str, expires_at_ms| {
        let id = TokenId(rules.tokens_by_id.len() as i64);
        let token = Token {
            person,
            access,
            target: target.parse().unwrap(),
            expires_at_ms,
        };
        rules.tokens_by_id.insert(id, token);
        Who {
            token: Some(id),
            ..Who::default()
        }
    };
    let reads = with(CAT, Access::Read, "a/*", None);
    let owns = with(CAT, Access::Own, "*", None);
    let ended = with(CAT, Access::Own, "*", Some(NOW));
    let admin = with(ANN, Access::Own, "*", None);
    let narrow = with(ANN, Access::Own, "a/*", None);
    let access = |who, document| access(&rules, who, document, NOW);
    assert_eq!(access(&reads, "a/b"), Access::Read);
    assert_eq!(access(&reads, "b"), Access::None);
    assert_eq!(access(&owns, "a/b"), Access::Edit);
    assert_eq!(access(&ended, "a/b"), Access::None);
    assert_eq!(access(&narrow, "b"), Access::None);
    assert_eq!(access(&narrow, "a/b"), Access::Own);
    assert!(
        rules.is_admin(&admin, NOW) && !rules.is_admin(&narrow, NOW) && !rules.is_admin(&owns, NOW)
    );
    let begins = |who, document| rules.may_begin(who, &name(document), NOW);
    assert!(!begins(&reads, "new") && begins(&owns, "new") && !begins(&ended, "new"));
    assert!(!begins(&narrow, "new") && begins(&narrow, "a/new"));
}

#[test]
fn a_link_shares_what_it_is_for_until_it_ends() {
    let mut rules = rules();
    let mut link = |target: &str, access, expires_at_ms, has_password| {
        let id = LinkId(rules.links_by_id.len() as i64);
        let link = Link {
            item: target.parse::<Target>().unwrap().into(),
            access,
            expires_at_ms,
            has_password,
            made_by: None,
        };
        rules.links_by_id.insert(id, link);
        id
    };
    let reads = link("a", Access::Read, None, false);
    let edits = link("b/*", Access::Edit, Some(NOW + 1), false);
    let locked = link("a", Access::Edit, None, true);
    let with = |link| Who {
        link: Some(link),
        ..Who::default()
    };
    let guest = Session {
        id: SessionId(9),
        person: None,
        links: vec![reads, locked],
        expires_at_ms: NOW + 1,
    };
    rules.sessions_by_id.insert(guest.id, guest);
    let access = |who: &Who, document, now| access(&rules, who, document, now);
    assert_eq!(access(&with(reads), "a", NOW), Access::Read);
    assert_eq!(access(&with(reads), "b", NOW), Access::None);
    assert_eq!(access(&with(edits), "b/c", NOW), Access::Edit);
    assert_eq!(access(&with(edits), "b/c", NOW + 1), Access::None);
    assert!(!rules.is_known(&with(edits), NOW + 1));
    // Its password opens it for a session; the link alone does not.
    assert_eq!(access(&with(locked), "a", NOW), Access::None);
    assert!(!rules.is_known(&with(locked), NOW) && rules.is_known(&with(reads), NOW));
    assert_eq!(access(&with_session(PersonId(9)), "a", NOW), Access::Edit);
    assert_eq!(rules.next_end_ms(NOW), Some(NOW + 1));
    assert_eq!(rules.next_end_ms(NOW + 1), None);
    // With a link nobody begins documents elsewhere.
    assert!(!rules.may_begin(&with_session(PersonId(9)), &name("new"), NOW));
    assert!(rules.may_begin(&with(edits), &name("b/new"), NOW));
}

#[test]
fn a_link_counts_while_who_made_it_may_share_what_it_is_to() {
    let mut rules = rules();
    for (id, target, maker) in [
        (1, "bobs", BOB),
        (2, "bobs", CAT),
        (3, "a/*", BOB),
        (4, "bobs", ANN),
        (5, "bobs", PersonId(77)),
    ] {
        let link = Link {
            item: target.parse::<Target>().unwrap().into(),
            access: Access::Edit,
            expires_at_ms: None,
            has_password: false,
            made_by: Some(maker),
        };
        rules.links_by_id.insert(LinkId(id), link);
    }
    let bearer = |link| Who {
        link: Some(LinkId(link)),
        ..Who::default()
    };
    let opens =
        |rules: &Rules, link, document| access(rules, &bearer(link), document, NOW) == Access::Edit;
    // The owner's and an administrator's; not those of whoever may not share it, and of nobody who is known.
    for (link, expected) in [(1, true), (2, false), (4, true), (5, false)] {
        assert_eq!(opens(&rules, link, "bobs"), expected, "{link}");
    }
    assert!(!rules.is_known(&bearer(5), NOW));
    give(&mut rules, "bobs", Subject::Person(CAT), Access::Edit);
    assert!(!opens(&rules, 2, "bobs"));
    give(&mut rules, "bobs", Subject::Person(CAT), Access::Own);
    assert!(opens(&rules, 2, "bobs"));
    // Of a folder it takes to own all of it.
    give(&mut rules, "a/b", Subject::Person(BOB), Access::Own);
    assert!(!opens(&rules, 3, "a/b") && !rules.is_known(&bearer(3), NOW));
    give(&mut rules, "a/*", Subject::Group(EDITORS), Access::Own);
    assert!(opens(&rules, 3, "a/b") && rules.is_known(&bearer(3), NOW));
    rules.people.get_mut(&BOB).unwrap().groups.clear();
    assert!(!opens(&rules, 3, "a/b"));
    rules.people.get_mut(&BOB).unwrap().is_disabled = true;
    assert!(!opens(&rules, 1, "bobs") && !rules.is_known(&bearer(1), NOW));
    rules.people.get_mut(&ANN).unwrap().is_admin = false;
    assert!(!opens(&rules, 4, "bobs"));
}

#[test]
fn a_document_token_counts_until_it_ends() {
    let claims = Claims {
        name: "Zoe".into(),
        target: "a/*".parse().unwrap(),
        access: Access::Edit,
        expires_at_ms: NOW + 1,
        by: None,
        issuer: None,
    };
    let who = Who {
        claims: Some(Arc::new(claims)),
        ..Who::default()
    };
    let rules = rules();
    assert_eq!(access(&rules, &who, "a/b", NOW), Access::Edit);
    assert_eq!(access(&rules, &who, "b", NOW), Access::None);
    assert_eq!(access(&rules, &who, "a/b", NOW + 1), Access::None);
}

#[test]
fn a_token_is_worth_no_more_beside_the_session_of_a_guest() {
    let mut rules = rules();
    let token = Token {
        person: ANN,
        access: Access::Read,
        target: Target::Document(name("a")),
        expires_at_ms: None,
    };
    rules.tokens_by_id.insert(TokenId(1), token);
    let guest = Session {
        id: SessionId(9),
        person: None,
        links: Vec::new(),
        expires_at_ms: NOW + 1,
    };
    rules.sessions_by_id.insert(guest.id, guest);
    for session in [None, Some(SessionId(9)), Some(SessionId(10))] {
        let who = Who {
            session,
            token: Some(TokenId(1)),
            ..Who::default()
        };
        assert_eq!(access(&rules, &who, "a", NOW), Access::Read);
        assert!(!rules.is_whole(&who, NOW) && !rules.is_admin(&who, NOW));
        assert!(!rules.may_begin(&who, &name("new"), NOW), "{session:?}");
        assert_eq!(rules.signed_in(&who, NOW), None);
    }
    let who = Who {
        session: Some(SessionId(ANN.0)),
        token: Some(TokenId(1)),
        ..Who::default()
    };
    assert!(rules.is_whole(&who, NOW) && rules.is_admin(&who, NOW));
}

#[test]
fn whoever_owns_a_folder_owns_those_in_it_and_no_other() {
    let mut rules = rules();
    give(&mut rules, "a/*", Subject::Group(EDITORS), Access::Own);
    give(&mut rules, "b/*", Subject::Everyone, Access::Edit);
    give(&mut rules, "c", Subject::Everyone, Access::Own);
    let token = |target: &str, access| Token {
        person: BOB,
        access,
        target: target.parse().unwrap(),
        expires_at_ms: None,
    };
    for (id, token) in [
        token("a/*", Access::Own),
        token("*", Access::Edit),
        token("a/b", Access::Own),
    ]
    .into_iter()
    .enumerate()
    {
        rules.tokens_by_id.insert(TokenId(id as i64), token);
    }
    let session = |id: PersonId| Who {
        session: Some(SessionId(id.0)),
        ..Who::default()
    };
    let token = |id| Who {
        token: Some(TokenId(id)),
        ..Who::default()
    };
    for (who, owned) in [
        (session(ANN), &["*", "a/*", "a/b/*", "b/*", "c/*"][..]),
        (session(BOB), &["a/*", "a/b/*"]),
        (session(CAT), &[]),
        (token(0), &["a/*", "a/b/*"]),
        (token(1), &[]),
        (token(2), &[]),
        (Who::default(), &[]),
    ] {
        for target in ["*", "a/*", "a/b/*", "b/*", "c/*"] {
            let owns = rules.owns_all(&who, &target.parse().unwrap(), NOW);
            assert_eq!(owns, owned.contains(&target), "{who:?} {target}");
        }
    }
}

#[test]
fn a_token_of_the_server_is_worth_what_who_vouches_for_it_may_do() {
    let mut rules = rules();
    let by = |access| Who {
        claims: Some(Arc::new(Claims {
            name: "Zoe".into(),
            target: "bobs".parse().unwrap(),
            access,
            expires_at_ms: NOW + 1,
            by: Some(with_session(BOB)),
            issuer: None,
        })),
        ..Who::default()
    };
    assert_eq!(access(&rules, &by(Access::Edit), "bobs", NOW), Access::Edit);
    assert!(rules.is_known(&by(Access::Edit), NOW));
    rules.people.get_mut(&BOB).unwrap().is_disabled = true;
    assert_eq!(access(&rules, &by(Access::Edit), "bobs", NOW), Access::None);
    assert!(!rules.is_known(&by(Access::Edit), NOW));
}

#[test]
fn what_was_given_of_a_document_is_not_for_another_one_of_its_name() {
    let mut rules = rules();
    let item = Item {
        target: "a".parse().unwrap(),
        document: Some(DocumentId(7)),
    };
    let grant = Grant {
        id: GrantId(0),
        item: item.clone(),
        subject: Subject::Person(CAT),
        access: Access::Own,
    };
    rules.grants.insert(item.target.clone(), vec![grant]);
    let link = Link {
        item,
        access: Access::Edit,
        expires_at_ms: None,
        has_password: false,
        made_by: None,
    };
    rules.links_by_id.insert(LinkId(5), link);
    let guest = Who {
        link: Some(LinkId(5)),
        ..Who::default()
    };
    let (this, moved) = (name("a"), name("b"));
    for (known, id, of_cat, of_guest) in [
        (&this, Some(7), Access::Own, Access::Edit),
        (&this, Some(8), Access::None, Access::None),
        (&this, None, Access::None, Access::None),
        // Numbers come again when an older copy of the documents is restored.
        (&moved, Some(7), Access::None, Access::None),
    ] {
        let known = Known {
            name: known,
            id: id.map(DocumentId),
            owner: None,
        };
        let of = |who: &Who| rules.access(who, &known, NOW);
        assert_eq!(
            (of(&with_session(CAT)), of(&guest)),
            (of_cat, of_guest),
            "{known:?}"
        );
    }
    assert!(!rules.may_begin(&guest, &this, NOW));
}
