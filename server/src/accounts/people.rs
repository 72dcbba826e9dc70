//! People: who they are, whether they may do anything, and their passwords.

use super::secret::random;
use rusqlite::{Row, Transaction, params};

use super::audit::{note, permitted};
use super::rows::{all, count, execute, exists, first, limit};
use super::text::MAX_IDENTITY_BYTES;
use super::{Accounts, AccountsError, Action, Actor, Refusal, invitations, names, password, text};
use crate::access::{PersonId, SessionId};

/// Most people.
pub const MAX_PEOPLE: usize = 100_000;
/// Identities are random numbers up to here: JSON can hold them.
const MAX_ID: i64 = (1 << 53) - 1;

const COLUMNS: &str = "SELECT id, login, name, color, is_admin, disabled_at_ms, added_at_ms,
    password IS NOT NULL, issuer, subject FROM people";

/// Who somebody is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who says so.
    pub issuer: String,
    /// What they call them.
    pub subject: String,
}

impl Identity {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        text::bounded("an issuer", &self.issuer, MAX_IDENTITY_BYTES)?;
        text::bounded("a subject", &self.subject, MAX_IDENTITY_BYTES)?;
        Ok(())
    }
}

/// Somebody to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPerson {
    /// What they sign in with.
    pub login: String,
    /// The name that others see.
    pub name: String,
    /// The colour of their cursor, as `#rrggbb`.
    pub color: Option<String>,
    /// Who they are elsewhere.
    pub identity: Option<Identity>,
    /// Whether they look after the accounts.
    pub is_admin: bool,
}

/// What others see of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Their name.
    pub name: String,
    /// The colour of their cursor, as `#rrggbb`.
    pub color: Option<String>,
}

/// Somebody with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonEntry {
    /// Who.
    pub id: PersonId,
    /// What they sign in with.
    pub login: String,
    /// The name that others see.
    pub name: String,
    /// The colour of their cursor, as `#rrggbb`.
    pub color: Option<String>,
    /// Whether they look after the accounts.
    pub is_admin: bool,
    /// Since when they may do nothing.
    pub disabled_at_ms: Option<i64>,
    /// Since when they are here.
    pub added_at_ms: i64,
    /// Whether they can sign in with one.
    pub has_password: bool,
    /// Who they are elsewhere.
    pub identity: Option<Identity>,
}

/// Somebody whose password was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who.
    pub id: PersonId,
    /// What was kept of it then: it counts as long as that is kept.
    pub kept: String,
}

impl Accounts {
    /// Adds somebody. The password is in clear; without one they cannot sign in with any.
    pub fn add_person(
        &self,
        person: &NewPerson,
        password: Option<&str>,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<PersonId, AccountsError> {
        let person = person.checked()?;
        let hash = match password {
            Some(password) => {
                password::check(password, &person.login, &person.name)?;
                Some(password::hash(password)?)
            }
            None => None,
        };
        self.change(|transaction| {
            let id = add(transaction, &person, hash.as_deref(), actor, now_ms)?;
            invitations::drop_dead(transaction, &person.login)?;
            Ok(id)
        })
    }

    /// People by their logins, after one; at most [`super::PAGE`].
    pub fn people(
        &self,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<PersonEntry>, AccountsError> {
        let statement = format!("{COLUMNS} WHERE login > ?1 ORDER BY login LIMIT ?2");
        self.read(|transaction| {
            let values = params![after.unwrap_or_default(), limit(most)];
            all(transaction, &statement, values, entry)
        })
    }

    /// The person of an identity.
    pub fn person(&self, id: PersonId) -> Result<Option<PersonEntry>, AccountsError> {
        self.read(|transaction| by_id(transaction, id))
    }

    /// The person of a login.
    pub fn person_by_login(&self, login: &str) -> Result<Option<PersonEntry>, AccountsError> {
        self.read(|transaction| by_login(transaction, login))
    }

    /// The person who is known elsewhere.
    pub fn person_by_identity(
        &self,
        identity: &Identity,
    ) -> Result<Option<PersonEntry>, AccountsError> {
        self.read(|transaction| by_identity(transaction, identity))
    }

    /// Gives somebody another name and colour.
    pub fn set_profile(
        &self,
        id: PersonId,
        profile: &Profile,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        let name = text::name(&profile.name)?;
        let color = profile.color.as_deref().map(text::color).transpose()?;
        self.change(|transaction| {
            let person = found(transaction, id)?;
            let mut about = person.login;
            if name != person.name {
                names::refuse_taken(transaction, Some(id), &name)?;
                about += &format!(" from {} to {name}", person.name);
            }
            let set = "UPDATE people SET name = ?2, color = ?3 WHERE id = ?1";
            execute(transaction, set, params![id.0, name, color])?;
            note(transaction, actor, Action::UserChanged, &about, now_ms)
        })
    }

    /// Gives somebody another password. Ends their sessions but one, which has to be there still, and takes back invitations to choose a
    /// password.
    pub fn set_password(
        &self,
        id: PersonId,
        password: &str,
        keep: Option<SessionId>,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        let person = self.read(|transaction| found(transaction, id))?;
        password::check(password, &person.login, &person.name)?;
        let hash = password::hash(password)?;
        self.change(|transaction| {
            let session =
                "SELECT 1 FROM sessions WHERE id = ?1 AND person_id = ?2 AND expires_at_ms > ?3";
            if let Some(keep) = keep
                && !exists(transaction, session, [keep.0, id.0, now_ms])?
            {
                return Err(Refusal::Missing("session").into());
            }
            set_hash(transaction, id, &hash, keep, actor, now_ms)
        })
    }

    /// The person whose login and password these are. It takes as long if there is no such person; that somebody is disabled is an error only
    /// with the right password.
    pub fn verify(
        &self,
        login: &str,
        password: &str,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<Option<Verified>, AccountsError> {
        let known = text::login(login).ok();
        let known = self.read(|transaction| {
            let kept =
                "SELECT id, password, disabled_at_ms IS NOT NULL FROM people WHERE login = ?1";
            first(transaction, kept, [known.as_deref()], |row| {
                let (id, kept, is_disabled): (i64, Option<String>, bool) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok((PersonId(id), kept, is_disabled))
            })
        })?;
        let kept = known.as_ref().and_then(|(_, kept, _)| kept.as_deref());
        let is_right = password::verify(password, kept)?;
        match (known, is_right) {
            (Some((id, Some(_), true)), true) => {
                self.refused(id, actor, now_ms)?;
                Err(Refusal::Disabled.into())
            }
            (Some((id, Some(kept), false)), true) => {
                if !password::is_old(&kept) {
                    return Ok(Some(Verified { id, kept }));
                }
                match self.renew(id, &kept, password)? {
                    Some(kept) => Ok(Some(Verified { id, kept })),
                    // It was renewed by another, or is another one: what is kept now is not old.
                    None => self.verify(login, password, actor, now_ms),
                }
            }
            (known, _) => {
                // What is no login may be a password that was typed into the wrong field.
                self.refused(known.map_or(PersonId(-1), |(id, ..)| id), actor, now_ms)?;
                Ok(None)
            }
        }
    }

    /// Whether this is the password of somebody who has shown already who they are.
    pub fn is_password(
        &self,
        of: PersonId,
        password: &str,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<bool, AccountsError> {
        let login = self.person(of)?.map(|person| person.login);
        let verified = self.verify(&login.unwrap_or_default(), password, actor, now_ms)?;
        Ok(verified.is_some_and(|verified| verified.id == of))
    }

    fn refused(&self, id: PersonId, actor: &Actor, now_ms: i64) -> Result<(), AccountsError> {
        self.mark(|transaction| {
            let login = "SELECT login FROM people WHERE id = ?1";
            let about = first(transaction, login, [id.0], |row| {
                Ok(row.get::<_, String>(0)?)
            })?;
            let about = about.unwrap_or_default();
            note(transaction, actor, Action::SignInFailed, &about, now_ms)
        })
    }

    /// Keeps a password as passwords are kept now; nothing if something else is kept meanwhile.
    fn renew(
        &self,
        id: PersonId,
        kept: &str,
        password: &str,
    ) -> Result<Option<String>, AccountsError> {
        let hash = password::hash(password)?;
        self.mark(|transaction| {
            let renew = "UPDATE people SET password = ?3 WHERE id = ?1 AND password = ?2";
            let renewed = execute(transaction, renew, params![id.0, kept, hash])?;
            Ok((renewed > 0).then_some(hash))
        })
    }

    /// Lets somebody do nothing any more, and ends their sessions; or lets them do again what they might.
    pub fn set_disabled(
        &self,
        id: PersonId,
        is_disabled: bool,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            let actor = &permitted(transaction, actor)?;
            let person = found(transaction, id)?;
            disable(transaction, &person, is_disabled, actor, now_ms)
        })
    }

    /// Lets somebody look after the accounts, or not any more.
    pub fn set_admin(
        &self,
        id: PersonId,
        is_admin: bool,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            let actor = &permitted(transaction, actor)?;
            let person = found(transaction, id)?;
            make_admin(transaction, &person, is_admin, actor, now_ms)
        })
    }

    /// Both at once, where it is said and is not so yet: who was allowed to do one of it to themselves may do the other. Who is an
    /// administrator because another system says so is one for good then.
    pub fn set_standing(
        &self,
        id: PersonId,
        is_admin: Option<bool>,
        is_disabled: Option<bool>,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            let actor = &permitted(transaction, actor)?;
            let person = found(transaction, id)?;
            let given = "SELECT 1 FROM given_admins WHERE person_id = ?1";
            let is_given = exists(transaction, given, [id.0])?;
            let is_so = |is_admin| is_admin == person.is_admin && !(is_admin && is_given);
            if let Some(is_admin) = is_admin.filter(|is_admin| !is_so(*is_admin)) {
                make_admin(transaction, &person, is_admin, actor, now_ms)?;
            }
            let person = found(transaction, id)?;
            let is = person.disabled_at_ms.is_some();
            match is_disabled.filter(|is_disabled| *is_disabled != is) {
                Some(is_disabled) => disable(transaction, &person, is_disabled, actor, now_ms),
                None => Ok(()),
            }
        })
    }
}

impl NewPerson {
    /// As it is kept.
    pub(super) fn checked(&self) -> Result<Self, Refusal> {
        self.identity.as_ref().map_or(Ok(()), Identity::check)?;
        Ok(Self {
            login: text::login(&self.login)?,
            name: text::name(&self.name)?,
            color: self.color.as_deref().map(text::color).transpose()?,
            identity: self.identity.clone(),
            is_admin: self.is_admin,
        })
    }
}

pub(super) fn is_empty(transaction: &Transaction<'_>) -> Result<bool, AccountsError> {
    Ok(!exists(transaction, "SELECT 1 FROM people LIMIT 1", [])?)
}

/// Adds somebody who is [`NewPerson::checked`].
pub(super) fn add(
    transaction: &Transaction<'_>,
    person: &NewPerson,
    hash: Option<&str>,
    actor: &Actor,
    now_ms: i64,
) -> Result<PersonId, AccountsError> {
    if !person.is_admin && is_empty(transaction)? {
        return Err(Refusal::FirstAdmin.into());
    }
    if by_login(transaction, &person.login)?.is_some() {
        return Err(Refusal::LoginTaken(person.login.clone()).into());
    }
    if let Some(identity) = &person.identity {
        refuse_identity(transaction, identity)?;
    }
    if count(transaction, "SELECT count(*) FROM people", [])? >= MAX_PEOPLE {
        let (what, max) = ("people", MAX_PEOPLE);
        return Err(Refusal::TooMany { what, max }.into());
    }
    let identity = person.identity.as_ref();
    // Documents name their owner by it, in another database: where accounts are begun anew, nobody is to come by somebody else's.
    let id = i64::from_le_bytes(random()?) & MAX_ID;
    execute(
        transaction,
        "INSERT INTO people (id, login, name, color, password, is_admin, issuer, subject, added_at_ms)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            id,
            person.login,
            person.name,
            person.color,
            hash,
            person.is_admin,
            identity.map(|identity| &identity.issuer),
            identity.map(|identity| &identity.subject),
            now_ms,
        ],
    )?;
    let id = PersonId(id);
    note(transaction, actor, Action::UserAdded, &person.login, now_ms)?;
    Ok(id)
}

/// See [`Accounts::set_password`].
pub(super) fn set_hash(
    transaction: &Transaction<'_>,
    id: PersonId,
    hash: &str,
    keep: Option<SessionId>,
    actor: &Actor,
    now_ms: i64,
) -> Result<(), AccountsError> {
    let person = found(transaction, id)?;
    let set = "UPDATE people SET password = ?2 WHERE id = ?1";
    execute(transaction, set, params![id.0, hash])?;
    let end = "DELETE FROM sessions WHERE person_id = ?1 AND id IS NOT ?2";
    execute(transaction, end, params![id.0, keep.map(|keep| keep.0)])?;
    let revoke = "DELETE FROM invitations WHERE person_id = ?1";
    execute(transaction, revoke, [id.0])?;
    let action = Action::PasswordChanged;
    note(transaction, actor, action, &person.login, now_ms)
}

/// See [`Accounts::set_disabled`].
fn disable(
    transaction: &Transaction<'_>,
    person: &PersonEntry,
    is_disabled: bool,
    actor: &Actor,
    now_ms: i64,
) -> Result<(), AccountsError> {
    let id = person.id.0;
    let action = if is_disabled {
        refuse_last_admin(transaction, person)?;
        for leave in [
            "DELETE FROM sessions WHERE person_id = ?1",
            // Those they made, too: an invitation can make an administrator.
            "DELETE FROM invitations WHERE person_id = ?1 OR made_by = ?1",
        ] {
            execute(transaction, leave, [id])?;
        }
        Action::UserDisabled
    } else {
        Action::UserEnabled
    };
    let since = person.disabled_at_ms.or(Some(now_ms));
    let set = "UPDATE people SET disabled_at_ms = ?2 WHERE id = ?1";
    let values = params![id, since.filter(|_| is_disabled)];
    execute(transaction, set, values)?;
    note(transaction, actor, action, &person.login, now_ms)
}

/// See [`Accounts::set_admin`].
pub(super) fn make_admin(
    transaction: &Transaction<'_>,
    person: &PersonEntry,
    is_admin: bool,
    actor: &Actor,
    now_ms: i64,
) -> Result<(), AccountsError> {
    let id = person.id.0;
    if !is_admin {
        refuse_last_admin(transaction, person)?;
        let made = "DELETE FROM invitations WHERE made_by = ?1";
        execute(transaction, made, [id])?;
    }
    let given = "DELETE FROM given_admins WHERE person_id = ?1";
    execute(transaction, given, [id])?;
    let set = "UPDATE people SET is_admin = ?2 WHERE id = ?1";
    execute(transaction, set, params![id, is_admin])?;
    let action = match is_admin {
        true => Action::AdminMade,
        false => Action::AdminUnmade,
    };
    note(transaction, actor, action, &person.login, now_ms)
}

pub(super) fn by_identity(
    transaction: &Transaction<'_>,
    identity: &Identity,
) -> Result<Option<PersonEntry>, AccountsError> {
    let statement = format!("{COLUMNS} WHERE issuer = ?1 AND subject = ?2");
    let Identity { issuer, subject } = identity;
    first(transaction, &statement, [issuer, subject], entry)
}

pub(super) fn by_id(
    transaction: &Transaction<'_>,
    id: PersonId,
) -> Result<Option<PersonEntry>, AccountsError> {
    let statement = format!("{COLUMNS} WHERE id = ?1");
    first(transaction, &statement, [id.0], entry)
}

fn by_login(
    transaction: &Transaction<'_>,
    login: &str,
) -> Result<Option<PersonEntry>, AccountsError> {
    let Ok(login) = text::login(login) else {
        return Ok(None);
    };
    let statement = format!("{COLUMNS} WHERE login = ?1");
    first(transaction, &statement, [login], entry)
}

/// Somebody who has to be there.
pub(super) fn found(
    transaction: &Transaction<'_>,
    id: PersonId,
) -> Result<PersonEntry, AccountsError> {
    let person = by_id(transaction, id)?;
    person.ok_or_else(|| Refusal::Missing("person").into())
}

/// Somebody who has to be there, and may do something.
pub(super) fn enabled(
    transaction: &Transaction<'_>,
    id: PersonId,
) -> Result<PersonEntry, AccountsError> {
    let person = found(transaction, id)?;
    match person.disabled_at_ms {
        Some(_) => Err(Refusal::Disabled.into()),
        None => Ok(person),
    }
}

fn refuse_last_admin(
    transaction: &Transaction<'_>,
    person: &PersonEntry,
) -> Result<(), AccountsError> {
    let other = "SELECT 1 FROM people WHERE is_admin AND disabled_at_ms IS NULL AND id <> ?1";
    let counts = person.is_admin && person.disabled_at_ms.is_none();
    if counts && !exists(transaction, other, [person.id.0])? {
        return Err(Refusal::LastAdmin.into());
    }
    Ok(())
}

fn refuse_identity(
    transaction: &Transaction<'_>,
    identity: &Identity,
) -> Result<(), AccountsError> {
    match by_identity(transaction, identity)? {
        Some(_) => Err(Refusal::IdentityTaken.into()),
        None => Ok(()),
    }
}

fn entry(row: &Row<'_>) -> Result<PersonEntry, AccountsError> {
    let (issuer, subject): (Option<String>, Option<String>) = (row.get(8)?, row.get(9)?);
    Ok(PersonEntry {
        id: PersonId(row.get(0)?),
        login: row.get(1)?,
        name: row.get(2)?,
        color: row.get(3)?,
        is_admin: row.get(4)?,
        disabled_at_ms: row.get(5)?,
        added_at_ms: row.get(6)?,
        has_password: row.get(7)?,
        identity: issuer
            .zip(subject)
            .map(|(issuer, subject)| Identity { issuer, subject }),
    })
}
