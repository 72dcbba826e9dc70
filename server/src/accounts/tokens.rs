//! API tokens: what scripts show instead of a session.

use rusqlite::{Row, params};

use super::audit::{note, permitted};
use super::people::enabled;
use super::rows::{self, all, count, execute, first, limit, written};
use super::secret::{Secret, SecretKind};
use super::{Accounts, AccountsError, Action, Actor, Refusal, text};
use crate::access::{Access, PersonId, Target, TokenId};

const MINUTE_MS: i64 = 60_000;
/// Most tokens of a person.
pub const MAX_TOKENS: usize = 100;

/// A token to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Whose.
    pub person: PersonId,
    /// What it is for, in their words.
    pub name: String,
    /// What can be done with it, if its person may.
    pub access: Access,
    /// With what.
    pub target: Target,
    /// Until when; forever without.
    pub expires_at_ms: Option<i64>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    /// Which.
    pub id: TokenId,
    /// Whose.
    pub person: PersonId,
    /// Their login.
    pub login: String,
    /// What it is for, in their words.
    pub name: String,
    /// What can be done with it, if its person may.
    pub access: Access,
    /// With what.
    pub target: Target,
    /// Since when.
    pub made_at_ms: i64,
    /// Until when; forever without.
    pub expires_at_ms: Option<i64>,
    /// When it was used last, to the minute.
    pub used_at_ms: Option<i64>,
}

impl Accounts {
    /// Makes a token.
    pub fn create_token(
        &self,
        token: &NewToken,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(TokenId, Secret), AccountsError> {
        let name = text::name(&token.name)?;
        text::end(token.expires_at_ms, now_ms)?;
        if token.access == Access::None {
            return Err(Refusal::Access.into());
        }
        let (secret, hash) = Secret::new(SecretKind::Token)?;
        let id = self.change(|transaction| {
            let actor = &permitted(transaction, actor)?;
            let person = enabled(transaction, token.person)?;
            let there = "SELECT count(*) FROM tokens WHERE person_id = ?1";
            if count(transaction, there, [token.person.0])? >= MAX_TOKENS {
                let (what, max) = ("tokens of a person", MAX_TOKENS);
                return Err(Refusal::TooMany { what, max }.into());
            }
            let (scope, path) = written(&token.target);
            execute(
                transaction,
                "INSERT INTO tokens (hash, person_id, name, access, scope, path, made_at_ms, expires_at_ms)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    hash,
                    token.person.0,
                    name,
                    token.access.as_str(),
                    scope,
                    path,
                    now_ms,
                    token.expires_at_ms
                ],
            )?;
            let id = TokenId(transaction.last_insert_rowid());
            let about = format!("{} {name}", person.login);
            note(transaction, actor, Action::TokenCreated, &about, now_ms)?;
            Ok(id)
        })?;
        Ok((id, secret))
    }

    /// Tokens of somebody or of all, after one, also those that have ended; at most [`super::PAGE`].
    pub fn tokens(
        &self,
        of: Option<PersonId>,
        after: Option<TokenId>,
        most: usize,
    ) -> Result<Vec<TokenEntry>, AccountsError> {
        let list = "SELECT tokens.id, person_id, login, tokens.name, access, scope, path,
                made_at_ms, expires_at_ms, used_at_ms
            FROM tokens JOIN people ON people.id = person_id
            WHERE tokens.id > ?2 AND (?1 IS NULL OR person_id = ?1) ORDER BY tokens.id LIMIT ?3";
        let after = after.map_or(0, |after| after.0);
        let values = params![of.map(|of| of.0), after, limit(most)];
        self.read(|transaction| all(transaction, list, values, entry))
    }

    /// Takes a token back. `of`: only if it is this person's.
    pub fn revoke_token(
        &self,
        id: TokenId,
        of: Option<PersonId>,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            let revoke = "DELETE FROM tokens WHERE id = ?1 AND (?2 IS NULL OR person_id = ?2) RETURNING name";
            let values = params![id.0, of.map(|of| of.0)];
            let name = first(transaction, revoke, values, |row| {
                Ok(row.get::<_, String>(0)?)
            })?;
            let name = name.ok_or(Refusal::Missing("token"))?;
            let about = format!("token {name}");
            note(transaction, actor, Action::Revoked, &about, now_ms)
        })
    }

    /// A token was used. Written once a minute.
    pub fn mark_token(&self, id: TokenId, now_ms: i64) -> Result<(), AccountsError> {
        let due = "SELECT 1 FROM tokens WHERE id = ?1 AND ifnull(used_at_ms <= ?2, 1)";
        let values = [id.0, now_ms - MINUTE_MS];
        if !self.read(|transaction| rows::exists(transaction, due, values))? {
            return Ok(());
        }
        self.mark(|transaction| {
            let set = "UPDATE tokens SET used_at_ms = ?2 WHERE id = ?1";
            execute(transaction, set, [id.0, now_ms])?;
            Ok(())
        })
    }
}

fn entry(row: &Row<'_>) -> Result<TokenEntry, AccountsError> {
    Ok(TokenEntry {
        id: TokenId(row.get(0)?),
        person: PersonId(row.get(1)?),
        login: row.get(2)?,
        name: row.get(3)?,
        access: rows::access(row, 4)?,
        target: rows::target(row, 5)?,
        made_at_ms: row.get(7)?,
        expires_at_ms: row.get(8)?,
        used_at_ms: row.get(9)?,
    })
}
