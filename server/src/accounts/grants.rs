//! Grants: access that people, groups or everyone with an account were given.

use rusqlite::{Row, Transaction, params};

use super::audit::note;
use super::groups::name_of;
use super::people::found;
use super::rows::{self, all, count, execute, first, limit, written};
use super::{Accounts, AccountsError, Action, Actor, Refusal};
use crate::access::{Access, Grant, GrantId, GroupId, PersonId, Subject, Target};
use crate::name::DocumentName;

/// Most grants of one document or folder.
pub const MAX_OF_TARGET: usize = 1000;

const COLUMNS: &str = "SELECT id, scope, path, person_id, group_id, access FROM grants";

impl Accounts {
    /// Gives access, in the place of what the same subject had there; [`Access::None`] takes it away.
    pub fn set_grant(
        &self,
        target: &Target,
        subject: Subject,
        access: Access,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<Option<GrantId>, AccountsError> {
        self.change(|transaction| {
            let whom = called(transaction, subject)?;
            let (id, action) = if access == Access::None {
                let (scope, path) = written(target);
                let (person, group) = columns(subject);
                let remove = "DELETE FROM grants
                    WHERE scope = ?1 AND path = ?2 AND person_id IS ?3 AND group_id IS ?4";
                let values = params![scope, path, person, group];
                if execute(transaction, remove, values)? == 0 {
                    return Ok(None);
                }
                (None, Action::Revoked)
            } else {
                let id = give(transaction, target, subject, access)?;
                (Some(id), Action::Shared)
            };
            let about = match id {
                Some(_) => format!("{target} with {whom} to {access}"),
                None => format!("{target} with {whom}"),
            };
            note(transaction, actor, action, &about, now_ms)?;
            Ok(id)
        })
    }

    /// What was given of a target.
    pub fn grants(&self, target: &Target) -> Result<Vec<Grant>, AccountsError> {
        let (scope, path) = written(target);
        let list = format!("{COLUMNS} WHERE scope = ?1 AND path = ?2 ORDER BY id");
        self.read(|transaction| all(transaction, &list, [scope, path], entry))
    }

    /// What somebody was given, also by their groups and as everyone, after a grant; at most [`super::PAGE`].
    pub fn grants_of(
        &self,
        id: PersonId,
        after: Option<GrantId>,
        most: usize,
    ) -> Result<Vec<Grant>, AccountsError> {
        let list = format!(
            "{COLUMNS} WHERE id > ?2 AND (person_id = ?1
                OR group_id IN (SELECT group_id FROM members WHERE members.person_id = ?1)
                OR (person_id IS NULL AND group_id IS NULL))
            ORDER BY id LIMIT ?3"
        );
        self.read(|transaction| {
            let values = params![id.0, after.map_or(0, |after| after.0), limit(most)];
            all(transaction, &list, values, entry)
        })
    }

    /// Whoever begins a document owns it.
    pub fn begin_document(
        &self,
        name: &DocumentName,
        person: PersonId,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<GrantId, AccountsError> {
        let target = Target::Document(name.clone());
        self.change(|transaction| {
            found(transaction, person)?;
            let id = give(transaction, &target, Subject::Person(person), Access::Own)?;
            note(transaction, actor, Action::Created, name.as_str(), now_ms)?;
            Ok(id)
        })
    }

    /// Takes back what was given of exactly this document, by links, too: it is gone, and another one may get its name.
    pub fn forget_document(
        &self,
        name: &DocumentName,
        action: Action,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            for forget in [
                "DELETE FROM grants WHERE scope = 'document' AND path = ?1",
                "DELETE FROM links WHERE scope = 'document' AND path = ?1",
            ] {
                execute(transaction, forget, [name.as_str()])?;
            }
            note(transaction, actor, action, name.as_str(), now_ms)
        })
    }
}

fn give(
    transaction: &Transaction<'_>,
    target: &Target,
    subject: Subject,
    access: Access,
) -> Result<GrantId, AccountsError> {
    let (scope, path) = written(target);
    let (person, group) = columns(subject);
    let there = "SELECT count(*) FROM grants WHERE scope = ?1 AND path = ?2
        AND (person_id IS NOT ?3 OR group_id IS NOT ?4)";
    let values = params![scope, path, person, group];
    if count(transaction, there, values)? >= MAX_OF_TARGET {
        let (what, max) = ("grants of one target", MAX_OF_TARGET);
        return Err(Refusal::TooMany { what, max }.into());
    }
    let give =
        "INSERT INTO grants (scope, path, person_id, group_id, access) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (scope, path, ifnull(person_id, 0), ifnull(group_id, 0))
            DO UPDATE SET access = excluded.access
        RETURNING id";
    let values = params![scope, path, person, group, access.as_str()];
    let id = first(transaction, give, values, |row| Ok(GrantId(row.get(0)?)))?;
    id.ok_or_else(|| AccountsError::Failed("nothing was written".to_owned()))
}

/// The columns `person_id` and `group_id`.
fn columns(subject: Subject) -> (Option<i64>, Option<i64>) {
    match subject {
        Subject::Person(id) => (Some(id.0), None),
        Subject::Group(id) => (None, Some(id.0)),
        Subject::Everyone => (None, None),
    }
}

/// How a subject is called that has to be there.
fn called(transaction: &Transaction<'_>, subject: Subject) -> Result<String, AccountsError> {
    Ok(match subject {
        Subject::Person(id) => found(transaction, id)?.login,
        Subject::Group(id) => format!("the group {}", name_of(transaction, id)?),
        Subject::Everyone => "everyone".to_owned(),
    })
}

pub(super) fn all_grants(transaction: &Transaction<'_>) -> Result<Vec<Grant>, AccountsError> {
    all(transaction, COLUMNS, [], entry)
}

fn entry(row: &Row<'_>) -> Result<Grant, AccountsError> {
    let (person, group): (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
    let subject = match (person, group) {
        (Some(id), _) => Subject::Person(PersonId(id)),
        (None, Some(id)) => Subject::Group(GroupId(id)),
        (None, None) => Subject::Everyone,
    };
    Ok(Grant {
        id: GrantId(row.get(0)?),
        target: rows::target(row, 1)?,
        subject,
        access: rows::access(row, 5)?,
    })
}
