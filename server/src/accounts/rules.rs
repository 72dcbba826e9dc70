//! The accounts as one value in memory.

use std::collections::HashMap;

use rusqlite::Transaction;

use super::grants::readable_grants;
use super::rows::{self, all, readable};
use super::{Accounts, AccountsError, counted, names};
use crate::access::{
    GroupId, Link, LinkId, Person, PersonId, Rules, Session, SessionId, Token, TokenId,
};

impl Accounts {
    /// All that counts now, as of one moment. Rules are not open: that is for others to say. Rows that cannot be read are left out: whom they
    /// are about has nothing by them.
    pub fn rules(&self, now_ms: i64) -> Result<Rules, AccountsError> {
        self.read(|transaction| read(transaction, now_ms))
    }
}

/// See [`Accounts::rules`].
pub(super) fn read(transaction: &Transaction<'_>, now_ms: i64) -> Result<Rules, AccountsError> {
    let (people, unreadable) = people(transaction)?;
    let mut rules = Rules {
        changes: counted(transaction)?,
        people,
        unreadable,
        ..Rules::default()
    };
    links(transaction, &mut rules, now_ms)?;
    sessions(transaction, &mut rules, now_ms)?;
    tokens(transaction, &mut rules, now_ms)?;
    let (grants, unreadable, lacks_targets) = readable_grants(transaction)?;
    rules.unreadable += unreadable;
    rules.lacks_targets = lacks_targets;
    for grant in grants {
        let of_target = rules.grants.entry(grant.item.target.clone()).or_default();
        of_target.push(grant);
    }
    Ok(rules)
}

fn people(
    transaction: &Transaction<'_>,
) -> Result<(HashMap<PersonId, Person>, usize), AccountsError> {
    let list = "SELECT id, login, name, color, is_admin, disabled_at_ms IS NOT NULL, password IS NOT NULL FROM people";
    let (people, unreadable) = readable(transaction, list, [], |row| {
        let person = Person {
            login: row.get(1)?,
            name: row.get(2)?,
            shown: row.get(2)?,
            color: row.get(3)?,
            is_admin: row.get(4)?,
            is_disabled: row.get(5)?,
            has_password: row.get(6)?,
            groups: Vec::new(),
        };
        Ok((PersonId(row.get(0)?), person))
    })?;
    let mut people: HashMap<_, _> = people.into_iter().collect();
    names::tell_apart(&mut people);
    let members = "SELECT person_id, group_id FROM members ORDER BY group_id";
    for (person, group) in all(transaction, members, [], |row| {
        Ok((PersonId(row.get(0)?), GroupId(row.get(1)?)))
    })? {
        if let Some(person) = people.get_mut(&person) {
            person.groups.push(group);
        }
    }
    Ok((people, unreadable))
}

fn sessions(
    transaction: &Transaction<'_>,
    rules: &mut Rules,
    now_ms: i64,
) -> Result<(), AccountsError> {
    let list = "SELECT id, hash, person_id, expires_at_ms FROM sessions WHERE expires_at_ms > ?1";
    let (known, unreadable) = readable(transaction, list, [now_ms], |row| {
        let session = Session {
            id: SessionId(row.get(0)?),
            person: row.get::<_, Option<i64>>(2)?.map(PersonId),
            links: Vec::new(),
            expires_at_ms: row.get(3)?,
        };
        Ok((rows::hash(row, 1)?, session))
    })?;
    rules.unreadable += unreadable;
    for (hash, session) in known {
        rules.sessions.insert(hash, session.id);
        rules.sessions_by_id.insert(session.id, session);
    }
    let former = "SELECT former_hash, id, hash, former_until_ms IS NULL FROM sessions
        WHERE former_hash IS NOT NULL AND ifnull(former_until_ms > ?1, 1) AND expires_at_ms > ?1";
    let (known, unreadable) = readable(transaction, former, [now_ms], |row| {
        let (former, hash) = (rows::hash(row, 0)?, rows::hash(row, 2)?);
        Ok((former, SessionId(row.get(1)?), hash, row.get(3)?))
    })?;
    rules.unreadable += unreadable;
    for (former, id, hash, is_unused) in known {
        rules.sessions.insert(former, id);
        if is_unused {
            rules.unused.insert(hash);
        }
    }
    let followed = "SELECT session_id, link_id FROM session_links ORDER BY followed_at_ms, link_id";
    for (session, link) in all(transaction, followed, [], |row| {
        Ok((SessionId(row.get(0)?), LinkId(row.get(1)?)))
    })? {
        if rules.links_by_id.contains_key(&link)
            && let Some(session) = rules.sessions_by_id.get_mut(&session)
        {
            session.links.push(link);
        }
    }
    Ok(())
}

fn tokens(
    transaction: &Transaction<'_>,
    rules: &mut Rules,
    now_ms: i64,
) -> Result<(), AccountsError> {
    let list = "SELECT id, hash, person_id, access, scope, path, expires_at_ms FROM tokens
        WHERE ifnull(expires_at_ms > ?1, 1)";
    let (known, unreadable) = readable(transaction, list, [now_ms], |row| {
        let token = Token {
            person: PersonId(row.get(2)?),
            access: rows::access(row, 3)?,
            target: rows::target(row, 4)?,
            expires_at_ms: row.get(6)?,
        };
        Ok((rows::hash(row, 1)?, TokenId(row.get(0)?), token))
    })?;
    rules.unreadable += unreadable;
    for (hash, id, token) in known {
        rules.tokens.insert(hash, id);
        rules.tokens_by_id.insert(id, token);
    }
    Ok(())
}

fn links(
    transaction: &Transaction<'_>,
    rules: &mut Rules,
    now_ms: i64,
) -> Result<(), AccountsError> {
    let list =
        "SELECT id, hash, scope, path, document, access, password IS NOT NULL, expires_at_ms, made_by FROM links
        WHERE ifnull(expires_at_ms > ?1, 1)";
    let (known, unreadable) = readable(transaction, list, [now_ms], |row| {
        let link = Link {
            item: rows::item(row, 2)?,
            access: rows::access(row, 5)?,
            has_password: row.get(6)?,
            expires_at_ms: row.get(7)?,
            made_by: row.get::<_, Option<i64>>(8)?.map(PersonId),
        };
        Ok((rows::hash(row, 1)?, LinkId(row.get(0)?), link))
    })?;
    rules.unreadable += unreadable;
    for (hash, id, link) in known {
        rules.links.insert(hash, id);
        rules.links_by_id.insert(id, link);
    }
    Ok(())
}
