//! Links: they share something with whoever has them.

use rusqlite::{Row, Transaction, params};

use super::audit::{note, permitted};
use super::rows::{self, all, count, execute, first, limit};
use super::secret::{Secret, SecretKind};
use super::{Accounts, AccountsError, Action, Actor, Refusal, password, text};
use crate::access::{Access, Item, LinkId, PersonId};

/// Most links to one document or folder.
pub const MAX_OF_TARGET: usize = 100;
/// Most links.
pub const MAX_LINKS: usize = 100_000;

/// A link to come.
#[derive(Clone, Copy, Debug)]
pub struct NewLink<'a> {
    /// What it shares.
    pub item: &'a Item,
    /// What may be done with it: read or edit.
    pub access: Access,
    /// Until when; forever without.
    pub expires_at_ms: Option<i64>,
    /// In clear.
    pub password: Option<&'a str>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEntry {
    /// Which.
    pub id: LinkId,
    /// What it shares.
    pub item: Item,
    /// What may be done with it.
    pub access: Access,
    /// It alone is not enough.
    pub has_password: bool,
    /// Who made it, if it was a person.
    pub made_by: Option<PersonId>,
    /// Since when.
    pub made_at_ms: i64,
    /// Until when; forever without.
    pub expires_at_ms: Option<i64>,
}

const COLUMNS: &str = "SELECT id, scope, path, document, access, password IS NOT NULL, made_by, made_at_ms, expires_at_ms FROM links";

impl Accounts {
    /// Makes a link.
    pub fn create_link(
        &self,
        link: &NewLink<'_>,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(LinkId, Secret), AccountsError> {
        if !matches!(link.access, Access::Read | Access::Edit) {
            return Err(Refusal::Access.into());
        }
        text::end(link.expires_at_ms, now_ms)?;
        let kept = match link.password {
            Some(password) => {
                password::bounded(password, password::MIN_LINK_CHARS)?;
                Some(password::hash(password)?)
            }
            None => None,
        };
        let (secret, hash) = Secret::new(SecretKind::Link)?;
        let (scope, path, document) = rows::columns(link.item);
        let id = self.change(|transaction| {
            let actor = &permitted(transaction, actor)?;
            let there =
                "SELECT count(*) FROM links WHERE scope = ?1 AND path = ?2 AND document IS ?3";
            let room = [
                (count(transaction, there, (scope, path, document))?, "links to one target", MAX_OF_TARGET),
                (count(transaction, "SELECT count(*) FROM links", [])?, "links", MAX_LINKS),
            ];
            if let Some((_, what, max)) = room.into_iter().find(|(there, _, max)| there >= max) {
                return Err(Refusal::TooMany { what, max }.into());
            }
            execute(
                transaction,
                "INSERT INTO links (hash, scope, path, document, access, password, made_by, made_at_ms, expires_at_ms)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    hash,
                    scope,
                    path,
                    document,
                    link.access.as_str(),
                    kept,
                    actor.id().map(|id| id.0),
                    now_ms,
                    link.expires_at_ms
                ],
            )?;
            let id = LinkId(transaction.last_insert_rowid());
            let about = format!("{} by link {} to {}", link.item.target, id.0, link.access);
            note(transaction, actor, Action::Shared, &about, now_ms)?;
            Ok(id)
        })?;
        Ok((id, secret))
    }

    /// Links to something, also those that have ended, the newest first.
    pub fn links(&self, item: &Item) -> Result<Vec<LinkEntry>, AccountsError> {
        let list =
            format!("{COLUMNS} WHERE scope = ?1 AND path = ?2 AND document IS ?3 ORDER BY id DESC");
        self.read(|transaction| all(transaction, &list, rows::columns(item), entry))
    }

    /// Links that somebody has made, the newest first, from before one on; at most [`super::PAGE`].
    pub fn links_by(
        &self,
        maker: PersonId,
        before: Option<LinkId>,
        most: usize,
    ) -> Result<Vec<LinkEntry>, AccountsError> {
        let list = format!("{COLUMNS} WHERE made_by = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
        self.read(|transaction| {
            let before = before.map_or(i64::MAX, |before| before.0);
            let values = params![maker.0, before, limit(most)];
            all(transaction, &list, values, entry)
        })
    }

    /// A link.
    pub fn link(&self, id: LinkId) -> Result<Option<LinkEntry>, AccountsError> {
        let statement = format!("{COLUMNS} WHERE id = ?1");
        self.read(|transaction| first(transaction, &statement, [id.0], entry))
    }

    /// Takes a link back, from those who have followed it, too.
    pub fn revoke_link(&self, id: LinkId, actor: &Actor, now_ms: i64) -> Result<(), AccountsError> {
        self.change(|transaction| {
            let actor = &permitted(transaction, actor)?;
            let about = told(transaction, id)?;
            execute(transaction, "DELETE FROM links WHERE id = ?1", [id.0])?;
            note(transaction, actor, Action::Revoked, &about, now_ms)
        })
    }

    /// Whether this is the password of a link that counts. A link without one needs none.
    pub fn check_link(
        &self,
        id: LinkId,
        password: &str,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<bool, AccountsError> {
        let kept = self.read(|transaction| {
            let kept = "SELECT password FROM links WHERE id = ?1 AND ifnull(expires_at_ms > ?2, 1)";
            first(transaction, kept, [id.0, now_ms], |row| {
                Ok(row.get::<_, Option<String>>(0)?)
            })
        })?;
        match kept {
            None => return Ok(false),
            Some(Some(kept)) if !password::verify(password, Some(&kept))? => {}
            Some(_) => return Ok(true),
        }
        self.mark(|transaction| {
            let about = told(transaction, id)?;
            note(transaction, actor, Action::LinkFailed, &about, now_ms)
        })?;
        Ok(false)
    }
}

/// What the log says of a link.
pub(super) fn told(transaction: &Transaction<'_>, id: LinkId) -> Result<String, AccountsError> {
    let target = "SELECT scope, path FROM links WHERE id = ?1";
    let target = first(transaction, target, [id.0], |row| rows::target(row, 0))?;
    let target = target.ok_or(Refusal::Missing("link"))?;
    Ok(format!("{target} by link {}", id.0))
}

fn entry(row: &Row<'_>) -> Result<LinkEntry, AccountsError> {
    Ok(LinkEntry {
        id: LinkId(row.get(0)?),
        item: rows::item(row, 1)?,
        access: rows::access(row, 4)?,
        has_password: row.get(5)?,
        made_by: row.get::<_, Option<i64>>(6)?.map(PersonId),
        made_at_ms: row.get(7)?,
        expires_at_ms: row.get(8)?,
    })
}
