//! Grants: access that people, groups or everyone with an account were given.

use rusqlite::{Row, Transaction, params};

use super::audit::{note, permitted};
use super::groups::name_of;
use super::people::found;
use super::rows::{self, all, count, execute, first, limit, readable};
use super::{Accounts, AccountsError, Action, Actor, Refusal};
use crate::access::{Access, Grant, GrantId, GroupId, Item, PersonId, Subject};
use crate::name::DocumentName;
use crate::storage::DocumentId;

/// Most grants of one document or folder.
pub const MAX_OF_TARGET: usize = 1000;

const COLUMNS: &str = "SELECT id, scope, path, document, person_id, group_id, access FROM grants";

impl Accounts {
    /// Gives access, in the place of what the same subject had there; [`Access::None`] takes it away.
    pub fn set_grant(
        &self,
        item: &Item,
        subject: Subject,
        access: Access,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<Option<GrantId>, AccountsError> {
        self.change(|transaction| {
            let actor = &permitted(transaction, actor)?;
            let whom = called(transaction, subject)?;
            let (id, action) = if access == Access::None {
                let (scope, path, document) = rows::columns(item);
                let (person, group) = columns(subject);
                let remove = "DELETE FROM grants WHERE scope = ?1 AND path = ?2
                    AND document IS ?3 AND person_id IS ?4 AND group_id IS ?5";
                let values = params![scope, path, document, person, group];
                if execute(transaction, remove, values)? == 0 {
                    return Ok(None);
                }
                (None, Action::Revoked)
            } else {
                let id = give(transaction, item, subject, access)?;
                (Some(id), Action::Shared)
            };
            let target = &item.target;
            let about = match id {
                Some(_) => format!("{target} with {whom} to {access}"),
                None => format!("{target} with {whom}"),
            };
            note(transaction, actor, action, &about, now_ms)?;
            Ok(id)
        })
    }

    /// What was given of something.
    pub fn grants(&self, item: &Item) -> Result<Vec<Grant>, AccountsError> {
        let list =
            format!("{COLUMNS} WHERE scope = ?1 AND path = ?2 AND document IS ?3 ORDER BY id");
        self.read(|transaction| all(transaction, &list, rows::columns(item), entry))
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

    /// Takes back what was given of a document, by links, too: it is gone.
    pub fn forget_document(
        &self,
        id: DocumentId,
        name: &DocumentName,
        action: Action,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            for forget in [
                "DELETE FROM grants WHERE document = ?1",
                "DELETE FROM links WHERE document = ?1",
                "DELETE FROM moves WHERE document = ?1",
            ] {
                execute(transaction, forget, [id.0])?;
            }
            note(transaction, actor, action, name.as_str(), now_ms)
        })
    }

    /// A document is about to get another name. Should nobody come to say that it has it, [`Accounts::moves`] knows where to look.
    pub fn will_move(&self, id: DocumentId, to: &DocumentName) -> Result<(), AccountsError> {
        self.mark(|transaction| {
            let will = "INSERT INTO moves (document, path) VALUES (?1, ?2)
                ON CONFLICT (document) DO UPDATE SET path = excluded.path";
            execute(transaction, will, params![id.0, to.as_str()])?;
            Ok(())
        })
    }

    /// It keeps the name that it has.
    pub fn will_stay(&self, id: DocumentId) -> Result<(), AccountsError> {
        self.mark(|transaction| {
            execute(transaction, "DELETE FROM moves WHERE document = ?1", [id.0])?;
            Ok(())
        })
    }

    /// Documents that were about to get another name, and nobody has said whether they did; at most [`super::PAGE`].
    pub fn moves(&self) -> Result<Vec<(DocumentId, DocumentName)>, AccountsError> {
        let list = "SELECT document, path FROM moves LIMIT ?1";
        self.read(|transaction| {
            all(transaction, list, [limit(super::PAGE)], |row| {
                Ok((DocumentId(row.get(0)?), rows::name(row, 1)?))
            })
        })
    }

    /// A document has another name from now on: what was given of it stays given.
    pub fn move_document(&self, id: DocumentId, to: &DocumentName) -> Result<(), AccountsError> {
        self.change(|transaction| {
            for follow in [
                // What was given again under the new name counts.
                "DELETE FROM grants WHERE document = ?1 AND path <> ?2 AND EXISTS
                    (SELECT 1 FROM grants AS new WHERE new.document = ?1 AND new.path = ?2
                        AND new.person_id IS grants.person_id AND new.group_id IS grants.group_id)",
                "UPDATE grants SET path = ?2 WHERE document = ?1",
                "UPDATE links SET path = ?2 WHERE document = ?1",
                "DELETE FROM moves WHERE document = ?1 AND path = ?2",
            ] {
                execute(transaction, follow, params![id.0, to.as_str()])?;
            }
            Ok(())
        })
    }
}

fn give(
    transaction: &Transaction<'_>,
    item: &Item,
    subject: Subject,
    access: Access,
) -> Result<GrantId, AccountsError> {
    let (scope, path, document) = rows::columns(item);
    let (person, group) = columns(subject);
    let there = "SELECT count(*) FROM grants WHERE scope = ?1 AND path = ?2 AND document IS ?3
        AND (person_id IS NOT ?4 OR group_id IS NOT ?5)";
    let values = params![scope, path, document, person, group];
    if count(transaction, there, values)? >= MAX_OF_TARGET {
        let (what, max) = ("grants of one target", MAX_OF_TARGET);
        return Err(Refusal::TooMany { what, max }.into());
    }
    let give = "INSERT INTO grants (scope, path, document, person_id, group_id, access)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (scope, path, ifnull(document, 0), ifnull(person_id, 0), ifnull(group_id, 0))
            DO UPDATE SET access = excluded.access
        RETURNING id";
    let values = params![scope, path, document, person, group, access.as_str()];
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

/// All grants, and how many of them cannot be read: of those that still say what they are for there is one that gives nothing, and whether
/// there are others.
pub(super) fn readable_grants(
    transaction: &Transaction<'_>,
) -> Result<(Vec<Grant>, usize, bool), AccountsError> {
    let mut unreadable = 0;
    let (grants, lost) = readable(transaction, COLUMNS, [], |row| match entry(row) {
        Err(error) if error.is_damage() => {
            let grant = granted(row, Access::None)?;
            unreadable += 1;
            Ok(grant)
        }
        read => read,
    })?;
    Ok((grants, unreadable + lost, lost > 0))
}

fn entry(row: &Row<'_>) -> Result<Grant, AccountsError> {
    granted(row, rows::access(row, 6)?)
}

fn granted(row: &Row<'_>, access: Access) -> Result<Grant, AccountsError> {
    let (person, group): (Option<i64>, Option<i64>) = (row.get(4)?, row.get(5)?);
    let subject = match (person, group) {
        (Some(id), _) => Subject::Person(PersonId(id)),
        (None, Some(id)) => Subject::Group(GroupId(id)),
        (None, None) => Subject::Everyone,
    };
    Ok(Grant {
        id: GrantId(row.get(0)?),
        item: rows::item(row, 1)?,
        subject,
        access,
    })
}
