//! Groups of people.

use rusqlite::{Row, Transaction, params};

use super::audit::{note, permitted};
use super::people::found;
use super::rows::{all, count, execute, exists, first, limit};
use super::{Accounts, AccountsError, Action, Actor, Refusal, text};
use crate::access::{GroupId, PersonId};

/// Most groups.
pub const MAX_GROUPS: usize = 1000;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which.
    pub id: GroupId,
    /// What it is called.
    pub name: String,
    /// How many are in it.
    pub members: usize,
}

/// Whether a group can be called this.
pub fn checked_name(name: &str) -> Result<(), Refusal> {
    text::name(name).map(drop)
}

impl Accounts {
    /// Makes a group.
    pub fn create_group(
        &self,
        name: &str,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<GroupId, AccountsError> {
        let name = text::name(name)?;
        self.change(|transaction| {
            refuse_name(transaction, &name, None)?;
            add(transaction, &name, actor, now_ms)
        })
    }

    /// Gives a group another name.
    pub fn rename_group(
        &self,
        id: GroupId,
        name: &str,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        let name = text::name(name)?;
        self.change(|transaction| {
            let former = name_of(transaction, id)?;
            refuse_name(transaction, &name, Some(id))?;
            let set = "UPDATE groups SET name = ?2, folded = ?3 WHERE id = ?1";
            execute(transaction, set, params![id.0, name, name.to_uppercase()])?;
            let about = format!("{former} to {name}");
            note(transaction, actor, Action::GroupRenamed, &about, now_ms)
        })
    }

    /// Deletes a group, and with it what was given to it.
    pub fn delete_group(
        &self,
        id: GroupId,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            let name = name_of(transaction, id)?;
            execute(transaction, "DELETE FROM groups WHERE id = ?1", [id.0])?;
            note(transaction, actor, Action::GroupDeleted, &name, now_ms)
        })
    }

    /// All groups, by their names.
    pub fn groups(&self) -> Result<Vec<Group>, AccountsError> {
        let list = "SELECT id, name, (SELECT count(*) FROM members WHERE group_id = id)
            FROM groups ORDER BY folded";
        self.read(|transaction| all(transaction, list, [], entry))
    }

    /// Who is in a group, after somebody; at most [`super::PAGE`].
    pub fn members(
        &self,
        id: GroupId,
        after: Option<PersonId>,
        most: usize,
    ) -> Result<Vec<PersonId>, AccountsError> {
        let list = "SELECT person_id FROM members WHERE group_id = ?1 AND person_id > ?2
            ORDER BY person_id LIMIT ?3";
        self.read(|transaction| {
            name_of(transaction, id)?;
            let values = params![id.0, after.map_or(0, |after| after.0), limit(most)];
            all(transaction, list, values, |row| Ok(PersonId(row.get(0)?)))
        })
    }

    /// Puts somebody into a group, or takes them out.
    pub fn set_member(
        &self,
        id: GroupId,
        person: PersonId,
        is_member: bool,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            // What is so already is in no log, but from now on it is by hand.
            let actor = &permitted(transaction, actor)?;
            let name = name_of(transaction, id)?;
            let login = found(transaction, person)?.login;
            let (set, action) = match is_member {
                true => (
                    "INSERT OR IGNORE INTO members VALUES (?1, ?2)",
                    Action::MemberAdded,
                ),
                false => (
                    "DELETE FROM members WHERE group_id = ?1 AND person_id = ?2",
                    Action::MemberRemoved,
                ),
            };
            // From now on it is by hand, and no other system takes it back.
            let given = "DELETE FROM given_members WHERE group_id = ?1 AND person_id = ?2";
            execute(transaction, given, [id.0, person.0])?;
            if execute(transaction, set, [id.0, person.0])? == 0 {
                return Ok(());
            }
            let about = format!("{login} in {name}");
            note(transaction, actor, action, &about, now_ms)
        })
    }
}

/// Adds a group with a name that none has.
fn add(
    transaction: &Transaction<'_>,
    name: &str,
    actor: &Actor,
    now_ms: i64,
) -> Result<GroupId, AccountsError> {
    if count(transaction, "SELECT count(*) FROM groups", [])? >= MAX_GROUPS {
        let (what, max) = ("groups", MAX_GROUPS);
        return Err(Refusal::TooMany { what, max }.into());
    }
    let make = "INSERT INTO groups (name, folded) VALUES (?1, ?2)";
    execute(transaction, make, [name, &name.to_uppercase()])?;
    let id = GroupId(transaction.last_insert_rowid());
    note(transaction, actor, Action::GroupCreated, name, now_ms)?;
    Ok(id)
}

/// The group of a name; it is made if there is none.
pub(super) fn named(
    transaction: &Transaction<'_>,
    name: &str,
    actor: &Actor,
    now_ms: i64,
) -> Result<GroupId, AccountsError> {
    let name = text::name(name)?;
    let known = "SELECT id FROM groups WHERE folded = ?1";
    let known = first(transaction, known, [name.to_uppercase()], |row| {
        Ok(GroupId(row.get(0)?))
    })?;
    known.map_or_else(|| add(transaction, &name, actor, now_ms), Ok)
}

/// The name of a group that has to be there.
pub(super) fn name_of(transaction: &Transaction<'_>, id: GroupId) -> Result<String, AccountsError> {
    let name = "SELECT name FROM groups WHERE id = ?1";
    let name = first(transaction, name, [id.0], |row| Ok(row.get(0)?))?;
    name.ok_or_else(|| Refusal::Missing("group").into())
}

fn refuse_name(
    transaction: &Transaction<'_>,
    name: &str,
    of: Option<GroupId>,
) -> Result<(), AccountsError> {
    let other = "SELECT 1 FROM groups WHERE folded = ?1 AND id IS NOT ?2";
    let values = params![name.to_uppercase(), of.map(|of| of.0)];
    match exists(transaction, other, values)? {
        true => Err(Refusal::GroupTaken.into()),
        false => Ok(()),
    }
}

fn entry(row: &Row<'_>) -> Result<Group, AccountsError> {
    let members: i64 = row.get(2)?;
    Ok(Group {
        id: GroupId(row.get(0)?),
        name: row.get(1)?,
        members: usize::try_from(members).unwrap_or_default(),
    })
}
