//! Invitations: secrets that make an account, or choose a password for one. Each is used once.

use rusqlite::{Row, Transaction, params};

use super::audit::note;
use super::people::{self, NewPerson, PersonEntry, add, enabled, set_hash};
use super::rows::{all, count, execute, exists, first};
use super::secret::{Secret, SecretKind};
use super::{Accounts, AccountsError, Action, Actor, Refusal, names, password, text};
use crate::access::{GroupId, Hash, PersonId};

/// Most invitations that are open.
pub const MAX_INVITATIONS: usize = 1000;

const COLUMNS: &str =
    "SELECT id, kind, person_id, login, name, is_admin, made_by, made_at_ms, expires_at_ms
    FROM invitations";

/// Names an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId(pub i64);

/// What an invitation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteKind {
    /// The first account, which looks after the others.
    First,
    /// An account.
    Person,
    /// Another password for this person.
    Reset(PersonId),
}

/// An account to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invite {
    /// What they will sign in with; they choose without.
    pub login: Option<String>,
    /// The name that is proposed.
    pub name: Option<String>,
    /// Whether they will look after the accounts.
    pub is_admin: bool,
    /// The groups they will be in.
    pub groups: Vec<GroupId>,
}

/// An invitation that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// What for.
    pub kind: InviteKind,
    /// The login that the account will have, or has.
    pub login: Option<String>,
    /// The name that is proposed, or that they have.
    pub name: Option<String>,
    /// Whether they will look after the accounts.
    pub is_admin: bool,
    /// Who made it, if it was a person.
    pub made_by: Option<PersonId>,
    /// When it was made.
    pub made_at_ms: i64,
    /// Until when it can be used.
    pub expires_at_ms: i64,
}

/// What whoever was invited chooses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Joining<'a> {
    /// What they sign in with, if the invitation does not say.
    pub login: Option<&'a str>,
    /// Their name.
    pub name: &'a str,
    /// The colour of their cursor, as `#rrggbb`.
    pub color: Option<&'a str>,
}

impl Accounts {
    /// Invites whoever makes the first account. Those that were made before do not count any more.
    pub fn invite_first(
        &self,
        expires_at_ms: i64,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<Secret, AccountsError> {
        self.invitation_for(expires_at_ms, actor, now_ms, |transaction| {
            if !people::is_empty(transaction)? {
                return Err(Refusal::NotFirst.into());
            }
            execute(
                transaction,
                "DELETE FROM invitations WHERE kind = 'first'",
                [],
            )?;
            Ok((
                "first",
                None,
                Invite {
                    is_admin: true,
                    ..Invite::default()
                },
            ))
        })
    }

    /// Invites somebody to have an account.
    pub fn invite(
        &self,
        invite: &Invite,
        expires_at_ms: i64,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<Secret, AccountsError> {
        let mut invite = invite.clone();
        invite.login = invite.login.as_deref().map(text::login).transpose()?;
        invite.name = invite.name.as_deref().map(text::name).transpose()?;
        self.invitation_for(expires_at_ms, actor, now_ms, |transaction| {
            if !invite.is_admin && people::is_empty(transaction)? {
                return Err(Refusal::FirstAdmin.into());
            }
            if let Some(login) = &invite.login
                && exists(
                    transaction,
                    "SELECT 1 FROM people WHERE login = ?1",
                    [login],
                )?
            {
                return Err(Refusal::LoginTaken(login.clone()).into());
            }
            Ok(("person", None, invite))
        })
    }

    /// Lets somebody choose another password.
    pub fn invite_reset(
        &self,
        of: PersonId,
        expires_at_ms: i64,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<Secret, AccountsError> {
        self.invitation_for(expires_at_ms, actor, now_ms, |transaction| {
            let login = Some(enabled(transaction, of)?.login);
            Ok((
                "reset",
                Some(of),
                Invite {
                    login,
                    ..Invite::default()
                },
            ))
        })
    }

    fn invitation_for(
        &self,
        expires_at_ms: i64,
        actor: &Actor,
        now_ms: i64,
        of: impl FnOnce(
            &Transaction<'_>,
        ) -> Result<(&'static str, Option<PersonId>, Invite), AccountsError>,
    ) -> Result<Secret, AccountsError> {
        text::end(Some(expires_at_ms), now_ms)?;
        let (secret, hash) = Secret::new(SecretKind::Invitation)?;
        self.mark(|transaction| {
            let (kind, of, invite) = of(transaction)?;
            let open = "SELECT count(*) FROM invitations WHERE expires_at_ms > ?1";
            if count(transaction, open, [now_ms])? >= MAX_INVITATIONS {
                let (what, max) = ("invitations", MAX_INVITATIONS);
                return Err(Refusal::TooMany { what, max }.into());
            }
            execute(
                transaction,
                "INSERT INTO invitations
                    (hash, kind, person_id, login, name, is_admin, made_by, made_at_ms, expires_at_ms)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    hash,
                    kind,
                    of.map(|id| id.0),
                    invite.login,
                    invite.name,
                    invite.is_admin,
                    actor.id().map(|id| id.0),
                    now_ms,
                    expires_at_ms
                ],
            )?;
            let id = transaction.last_insert_rowid();
            for group in &invite.groups {
                let into = "INSERT OR IGNORE INTO invitation_groups SELECT ?1, id FROM groups WHERE id = ?2";
                let twice = "SELECT 1 FROM groups WHERE id = ?1";
                execute(transaction, into, [id, group.0])?;
                if !exists(transaction, twice, [group.0])? {
                    return Err(Refusal::Missing("group").into());
                }
            }
            let about = invite.login.as_deref().unwrap_or_default();
            note(transaction, actor, Action::Invited, about, now_ms)?;
            Ok(secret)
        })
    }

    /// Those that are open, the newest first.
    pub fn invitations(&self, now_ms: i64) -> Result<Vec<Invitation>, AccountsError> {
        let list = format!("{COLUMNS} WHERE expires_at_ms > ?1 ORDER BY id DESC");
        self.read(|transaction| all(transaction, &list, [now_ms], entry))
    }

    /// Whom of those that are open an invitation puts into which groups, these by their names.
    pub fn invited_into(&self) -> Result<Vec<(InvitationId, String)>, AccountsError> {
        let list = "SELECT invitation_id, name FROM invitation_groups JOIN groups ON groups.id = group_id ORDER BY folded";
        self.read(|transaction| {
            all(transaction, list, [], |row| {
                Ok((InvitationId(row.get(0)?), row.get(1)?))
            })
        })
    }

    /// Whoever has an invitation sees what it is for.
    pub fn invitation(&self, hash: &Hash, now_ms: i64) -> Result<Invitation, AccountsError> {
        self.read(|transaction| {
            let mut invitation = open(transaction, hash, now_ms)?;
            if let Some(person) = invited(transaction, &invitation)? {
                invitation.name = Some(person.name);
            }
            Ok(invitation)
        })
    }

    /// Takes an invitation back.
    pub fn revoke_invitation(
        &self,
        id: InvitationId,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.mark(|transaction| {
            let revoke = "DELETE FROM invitations WHERE id = ?1 RETURNING ifnull(login, '')";
            let login = first(transaction, revoke, [id.0], |row| {
                Ok(row.get::<_, String>(0)?)
            })?;
            let login = login.ok_or(Refusal::Missing("invitation"))?;
            let about = format!("invitation {login}");
            note(
                transaction,
                actor,
                Action::Revoked,
                about.trim_end(),
                now_ms,
            )
        })
    }

    /// Uses an invitation to an account.
    pub fn join(
        &self,
        hash: &Hash,
        joining: &Joining<'_>,
        password: &str,
        address: Option<&str>,
        now_ms: i64,
    ) -> Result<PersonId, AccountsError> {
        let invitation = self.read(|transaction| open(transaction, hash, now_ms))?;
        if let InviteKind::Reset(_) = invitation.kind {
            return Err(Refusal::Invitation.into());
        }
        let login = invitation.login.as_deref().or(joining.login);
        let person = NewPerson {
            login: login.unwrap_or_default().to_owned(),
            name: joining.name.to_owned(),
            color: joining.color.map(str::to_owned),
            identity: None,
            is_admin: invitation.is_admin,
        };
        let person = person.checked()?;
        password::check(password, &person.login, &person.name)?;
        let kept = password::hash(password)?;
        let actor = from(address);
        self.change(|transaction| {
            // Somebody else may have been faster.
            let invitation = open(transaction, hash, now_ms)?;
            if invitation.kind == InviteKind::First && !people::is_empty(transaction)? {
                return Err(Refusal::Invitation.into());
            }
            // What the invitation says is the choice of who made it.
            if invitation.name.as_ref() != Some(&person.name) {
                names::refuse_taken(transaction, None, &person.name)?;
            }
            let id = add(transaction, &person, Some(&kept), &actor, now_ms)?;
            let join = "INSERT INTO members SELECT group_id, ?2 FROM invitation_groups WHERE invitation_id = ?1";
            execute(transaction, join, [invitation.id.0, id.0])?;
            use_up(transaction, invitation.id)?;
            drop_dead(transaction, &person.login)?;
            Ok(id)
        })
    }

    /// Uses an invitation to choose another password.
    pub fn reset_password(
        &self,
        hash: &Hash,
        password: &str,
        address: Option<&str>,
        now_ms: i64,
    ) -> Result<PersonId, AccountsError> {
        let of = |transaction: &Transaction<'_>| {
            let invitation = open(transaction, hash, now_ms)?;
            let person = invited(transaction, &invitation)?;
            let person = person.filter(|person| person.disabled_at_ms.is_none());
            person.ok_or(AccountsError::Refused(Refusal::Invitation))
        };
        let person = self.read(of)?;
        password::check(password, &person.login, &person.name)?;
        let kept = password::hash(password)?;
        self.change(|transaction| {
            // This one is among those that a new password takes back.
            let id = of(transaction)?.id;
            set_hash(transaction, id, &kept, None, &from(address), now_ms)?;
            Ok(id)
        })
    }
}

fn from(address: Option<&str>) -> Actor {
    match address {
        Some(address) => Actor::nobody().at(address),
        None => Actor::nobody(),
    }
}

pub(super) fn open(
    transaction: &Transaction<'_>,
    hash: &Hash,
    now_ms: i64,
) -> Result<Invitation, AccountsError> {
    let statement = format!("{COLUMNS} WHERE hash = ?1 AND expires_at_ms > ?2");
    let found = first(transaction, &statement, params![hash, now_ms], entry)?;
    found.ok_or_else(|| Refusal::Invitation.into())
}

/// Who is to choose another password.
fn invited(
    transaction: &Transaction<'_>,
    invitation: &Invitation,
) -> Result<Option<PersonEntry>, AccountsError> {
    match invitation.kind {
        InviteKind::Reset(id) => people::by_id(transaction, id),
        InviteKind::First | InviteKind::Person => Ok(None),
    }
}

/// Takes away invitations that nobody may use any more: somebody has the login, and there is somebody.
pub(super) fn drop_dead(transaction: &Transaction<'_>, login: &str) -> Result<(), AccountsError> {
    let dead = "DELETE FROM invitations
        WHERE kind = 'person' AND login = ?1 OR kind = 'first'";
    execute(transaction, dead, [login])?;
    Ok(())
}

pub(super) fn use_up(transaction: &Transaction<'_>, id: InvitationId) -> Result<(), AccountsError> {
    let gone = "DELETE FROM invitations WHERE id = ?1 OR kind = 'first'";
    execute(transaction, gone, [id.0])?;
    Ok(())
}

fn entry(row: &Row<'_>) -> Result<Invitation, AccountsError> {
    let (kind, person): (String, Option<i64>) = (row.get(1)?, row.get(2)?);
    let kind = match (kind.as_str(), person) {
        ("first", None) => InviteKind::First,
        ("person", None) => InviteKind::Person,
        ("reset", Some(id)) => InviteKind::Reset(PersonId(id)),
        _ => {
            return Err(super::error::damaged(format!(
                "an invitation of kind `{kind}`"
            )));
        }
    };
    Ok(Invitation {
        id: InvitationId(row.get(0)?),
        kind,
        login: row.get(3)?,
        name: row.get(4)?,
        is_admin: row.get(5)?,
        made_by: row.get::<_, Option<i64>>(6)?.map(PersonId),
        made_at_ms: row.get(7)?,
        expires_at_ms: row.get(8)?,
    })
}
