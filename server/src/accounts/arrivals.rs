//! People whom another system knows: who they are here, and what it says that they are here for.

use rusqlite::Transaction;

use super::audit::note;
use super::groups::{self, name_of};
use super::invitations::{open, use_up};
use super::people::{NewPerson, add, by_identity, enabled, found, is_empty, make_admin};
use super::rows::{all, execute, exists};
use super::secret::random;
use super::{Accounts, AccountsError, Action, Actor, Identity, InviteKind, Refusal, text};
use crate::access::{GroupId, Hash, PersonId};

/// Logins that are tried as they are called elsewhere, before one is made up.
const TRIES: usize = 100;

/// What somebody is here for another system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Names of groups.
    pub groups: Vec<String>,
    /// Whether they look after the accounts.
    pub is_admin: bool,
}

impl Roles {
    /// Whether they are nothing special.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && !self.is_admin
    }
}

/// Somebody who has shown elsewhere who they are.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Who.
    pub identity: &'a Identity,
    /// What they are called there.
    pub login: Option<&'a str>,
    /// Their name there.
    pub name: Option<&'a str>,
    /// What they are here for; as before if it is not said.
    pub roles: Option<&'a Roles>,
    /// What they bring along.
    pub invitation: Option<&'a Hash>,
    /// Whether they get an account without.
    pub is_welcome: bool,
}

impl Accounts {
    /// The person that this is, with the roles of now. Whoever is not known yet gets an account if they may.
    pub fn arrive(
        &self,
        arrival: &Arrival<'_>,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<PersonId, AccountsError> {
        self.change(|transaction| {
            let id = match by_identity(transaction, arrival.identity)? {
                Some(person) => enabled(transaction, person.id)?.id,
                None => join(transaction, arrival, actor, now_ms)?,
            };
            if let Some(roles) = arrival.roles {
                give(transaction, id, roles, actor, now_ms)?;
            }
            Ok(id)
        })
    }

    /// Lets somebody who has an account sign in as who they are elsewhere, and have the roles that they have there. One is given up before
    /// there is another.
    pub fn link_identity(
        &self,
        id: PersonId,
        identity: &Identity,
        roles: Option<&Roles>,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        identity.check()?;
        self.change(|transaction| {
            let person = enabled(transaction, id)?;
            if by_identity(transaction, identity)?.is_some_and(|known| known.id != id) {
                return Err(Refusal::IdentityTaken.into());
            }
            if person.identity.is_some() {
                return Err(Refusal::Linked.into());
            }
            let set = "UPDATE people SET issuer = ?2, subject = ?3 WHERE id = ?1";
            let values = rusqlite::params![id.0, identity.issuer, identity.subject];
            execute(transaction, set, values)?;
            let about = format!("{} as {}", person.login, identity.subject);
            note(transaction, actor, Action::Linked, &about, now_ms)?;
            give(
                transaction,
                id,
                roles.unwrap_or(&Roles::default()),
                actor,
                now_ms,
            )
        })
    }

    /// Lets somebody sign in here alone. What they were for the other system they are no more.
    pub fn unlink_identity(
        &self,
        id: PersonId,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            let person = found(transaction, id)?;
            if !person.has_password {
                return Err(Refusal::NoPassword.into());
            }
            let identity = person.identity.ok_or(Refusal::Missing("identity"))?;
            let set = "UPDATE people SET issuer = NULL, subject = NULL WHERE id = ?1";
            execute(transaction, set, [id.0])?;
            let about = format!("{} as {}", person.login, identity.subject);
            note(transaction, actor, Action::Unlinked, &about, now_ms)?;
            give(transaction, id, &Roles::default(), actor, now_ms)
        })
    }
}

/// Adds somebody who is not known yet.
fn join(
    transaction: &Transaction<'_>,
    arrival: &Arrival<'_>,
    actor: &Actor,
    now_ms: i64,
) -> Result<PersonId, AccountsError> {
    let is_admin = arrival.roles.is_some_and(|roles| roles.is_admin);
    let invitation = match arrival.invitation {
        Some(hash) => {
            let invitation = open(transaction, hash, now_ms)?;
            match invitation.kind {
                InviteKind::Person => {}
                InviteKind::First if is_empty(transaction)? => {}
                InviteKind::First | InviteKind::Reset(_) => return Err(Refusal::Invitation.into()),
            }
            Some(invitation)
        }
        None if arrival.is_welcome => None,
        None => return Err(Refusal::NotInvited.into()),
    };
    let invited = invitation.as_ref();
    let login = match invited.and_then(|invitation| invitation.login.clone()) {
        Some(login) => login,
        None => free_login(transaction, arrival.login.or(arrival.name))?,
    };
    let name = invited.and_then(|invitation| invitation.name.as_deref());
    let name = arrival.name.or(name).or(arrival.login);
    let name = name.map_or_else(|| login.clone(), |name| text::shown(name, &login));
    let is_invited_admin = invited.is_some_and(|invitation| invitation.is_admin);
    let person = NewPerson {
        login,
        name,
        color: None,
        identity: Some(arrival.identity.clone()),
        is_admin: is_invited_admin || is_admin,
    };
    let id = add(transaction, &person.checked()?, None, actor, now_ms)?;
    if is_admin && !is_invited_admin {
        let given = "INSERT INTO given_admins VALUES (?1)";
        execute(transaction, given, [id.0])?;
    }
    if let Some(invitation) = invited {
        let join = "INSERT INTO members SELECT group_id, ?2 FROM invitation_groups WHERE invitation_id = ?1";
        execute(transaction, join, [invitation.id.0, id.0])?;
        use_up(transaction, invitation.id)?;
    }
    Ok(id)
}

/// A login that nobody has, as near to what they are called elsewhere as one can be.
fn free_login(
    transaction: &Transaction<'_>,
    called: Option<&str>,
) -> Result<String, AccountsError> {
    let base = text::as_login(called.unwrap_or_default());
    let is_taken = |login: &str| {
        let taken = "SELECT 1 FROM people WHERE login = ?1
            UNION ALL SELECT 1 FROM invitations WHERE login = ?1";
        exists(transaction, taken, [login])
    };
    for number in 1..=TRIES {
        let login = match number {
            1 => base.clone(),
            number => format!("{base}-{number}"),
        };
        if !is_taken(&login)? {
            return Ok(login);
        }
    }
    Ok(format!("{base}-{:08x}", u32::from_le_bytes(random()?)))
}

/// Gives somebody these roles, and takes those away that they were given before in this way. What others gave them by hand stays.
fn give(
    transaction: &Transaction<'_>,
    id: PersonId,
    roles: &Roles,
    actor: &Actor,
    now_ms: i64,
) -> Result<(), AccountsError> {
    let login = found(transaction, id)?.login;
    let mut wanted = Vec::new();
    for name in &roles.groups {
        wanted.push(groups::named(transaction, name, actor, now_ms)?);
    }
    for group in &wanted {
        let join = "INSERT OR IGNORE INTO members VALUES (?1, ?2)";
        if execute(transaction, join, [group.0, id.0])? > 0 {
            let given = "INSERT INTO given_members VALUES (?1, ?2)";
            execute(transaction, given, [group.0, id.0])?;
            let about = format!("{login} in {}", name_of(transaction, *group)?);
            note(transaction, actor, Action::MemberAdded, &about, now_ms)?;
        }
    }
    let given = "SELECT group_id FROM given_members WHERE person_id = ?1";
    for group in all(transaction, given, [id.0], |row| Ok(GroupId(row.get(0)?)))? {
        if wanted.contains(&group) {
            continue;
        }
        let leave = "DELETE FROM members WHERE group_id = ?1 AND person_id = ?2";
        execute(transaction, leave, [group.0, id.0])?;
        let about = format!("{login} in {}", name_of(transaction, group)?);
        note(transaction, actor, Action::MemberRemoved, &about, now_ms)?;
    }
    give_admin(transaction, id, roles.is_admin, actor, now_ms)
}

fn give_admin(
    transaction: &Transaction<'_>,
    id: PersonId,
    is_admin: bool,
    actor: &Actor,
    now_ms: i64,
) -> Result<(), AccountsError> {
    let person = found(transaction, id)?;
    let given = "SELECT 1 FROM given_admins WHERE person_id = ?1";
    let is_given = exists(transaction, given, [id.0])?;
    if is_admin && !person.is_admin {
        make_admin(transaction, &person, true, actor, now_ms)?;
        let given = "INSERT INTO given_admins VALUES (?1)";
        execute(transaction, given, [id.0])?;
    } else if !is_admin && is_given {
        match make_admin(transaction, &person, false, actor, now_ms) {
            // Somebody has to be left who can let others in.
            Err(AccountsError::Refused(Refusal::LastAdmin)) => {}
            done => done?,
        }
    }
    Ok(())
}
