//! Sessions: browsers that somebody is signed in with, or came to by links.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use rusqlite::{Row, Transaction, params};

use super::audit::note;
use super::links::told;
use super::people::{enabled, found};
use super::rows::{all, changed, count, execute, exists, first};
use super::secret::{Secret, SecretKind};
use super::text::{MAX_ADDRESS_BYTES, MAX_AGENT_BYTES, cut};
use super::{Accounts, AccountsError, Action, Actor, Refusal};
use crate::access::{Hash, LinkId, PersonId, SessionId};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// A session that is not seen for so long ends.
const IDLE_MS: i64 = 30 * DAY_MS;
/// No session lasts longer.
const LONGEST_MS: i64 = 365 * DAY_MS;
/// How long a secret counts after the one that took its place was used first: requests that are under way have the old one. With what it
/// takes until that is seen, no longer than a minute.
const FORMER_MS: i64 = 45_000;
/// Most sessions of a person; the one that was not seen for longest gives way.
pub const MAX_OF_PERSON: usize = 100;
/// Most sessions of nobody, who came by links; one of the address that has most gives way, likewise.
pub const MAX_OF_NOBODY: usize = 10_000;
/// Most links of a session; the one that was followed first gives way.
pub const MAX_LINKS: usize = 50;

/// A session to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begin<'a> {
    /// Whose; nobody's if they came by a link.
    pub person: Option<PersonId>,
    /// What was kept of their password when it was right, if that is how they sign in: it has to be kept still.
    pub password: Option<&'a str>,
    /// One of the same browser that it takes the place of. It keeps the links.
    pub former: Option<SessionId>,
    /// What the browser calls itself.
    pub agent: &'a str,
    /// Where it is; of nobody the network.
    pub address: Option<&'a str>,
}

/// A session, for whoever wants to know where they are signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEntry {
    /// Which.
    pub id: SessionId,
    /// When it began.
    pub begun_at_ms: i64,
    /// When it was seen last, to the minute.
    pub seen_at_ms: i64,
    /// When it ends.
    pub expires_at_ms: i64,
    /// What the browser calls itself.
    pub agent: String,
    /// Where it was when it began.
    pub address: Option<String>,
}

impl Accounts {
    /// Begins a session.
    pub fn begin_session(
        &self,
        begin: &Begin<'_>,
        now_ms: i64,
    ) -> Result<(SessionId, Secret), AccountsError> {
        let (secret, hash) = Secret::new(SecretKind::Session)?;
        let address = begin.address.map(|text| cut(text, MAX_ADDRESS_BYTES));
        let id = self.change(|transaction| {
            let person = begin.person.map(|id| enabled(transaction, id)).transpose()?;
            if let Some(kept) = begin.password {
                // Whoever gives themselves another one ends their sessions: none begins with the one from before.
                let is_kept = "SELECT 1 FROM people WHERE id = ?1 AND password = ?2";
                let id = begin.person.map(|id| id.0);
                if !exists(transaction, is_kept, params![id, kept])? {
                    return Err(Refusal::WrongPassword.into());
                }
            }
            make_room(transaction, begin.person)?;
            execute(
                transaction,
                "INSERT INTO sessions (hash, person_id, begun_at_ms, seen_at_ms, expires_at_ms, agent, address)
                    VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6)",
                params![
                    hash,
                    begin.person.map(|id| id.0),
                    now_ms,
                    now_ms + IDLE_MS,
                    cut(begin.agent, MAX_AGENT_BYTES),
                    address
                ],
            )?;
            let id = transaction.last_insert_rowid();
            if let Some(former) = begin.former {
                let keep = "UPDATE session_links SET session_id = ?1 WHERE session_id = ?2";
                execute(transaction, keep, [id, former.0])?;
                execute(transaction, "DELETE FROM sessions WHERE id = ?1", [former.0])?;
            }
            if let Some(person) = person {
                let mut actor = Actor::person(person.id);
                if let Some(address) = &address {
                    actor = actor.at(address);
                }
                note(transaction, &actor, Action::SignedIn, "", now_ms)?;
            }
            Ok(SessionId(id))
        })?;
        Ok((id, secret))
    }

    /// Where somebody is signed in, the newest first.
    pub fn sessions(&self, of: PersonId, now_ms: i64) -> Result<Vec<SessionEntry>, AccountsError> {
        let list = "SELECT id, begun_at_ms, seen_at_ms, expires_at_ms, agent, address FROM sessions
            WHERE person_id = ?1 AND expires_at_ms > ?2 ORDER BY seen_at_ms DESC, id DESC";
        self.read(|transaction| all(transaction, list, [of.0, now_ms], entry))
    }

    /// Ends a session.
    pub fn end_session(
        &self,
        id: SessionId,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            let end = "DELETE FROM sessions WHERE id = ?1 RETURNING person_id";
            let ended = first(transaction, end, [id.0], |row| {
                Ok(row.get::<_, Option<i64>>(0)?)
            })?;
            match ended.ok_or(Refusal::Missing("session"))? {
                Some(person) => {
                    let about = found(transaction, PersonId(person))?.login;
                    note(transaction, actor, Action::SignedOut, &about, now_ms)
                }
                None => Ok(()),
            }
        })
    }

    /// Ends all sessions of somebody but one; answers how many.
    pub fn end_sessions(
        &self,
        of: PersonId,
        keep: Option<SessionId>,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<usize, AccountsError> {
        self.change(|transaction| {
            let about = found(transaction, of)?.login;
            let end = "DELETE FROM sessions WHERE person_id = ?1 AND id IS NOT ?2";
            let ended = execute(transaction, end, params![of.0, keep.map(|keep| keep.0)])?;
            if ended > 0 {
                note(transaction, actor, Action::SignedOut, &about, now_ms)?;
            }
            Ok(ended)
        })
    }

    /// Gives a session another secret if it has had this one for a day. `shown` is the hash of what its browser has brought: that counts
    /// until the other one is used, as the answer may be lost.
    pub fn rotate_session(
        &self,
        id: SessionId,
        shown: &Hash,
        now_ms: i64,
    ) -> Result<Option<Secret>, AccountsError> {
        const DUE: &str =
            "id = ?1 AND expires_at_ms > ?2 AND ifnull(rotated_at_ms, begun_at_ms) <= ?2 - ?4
            AND (hash = ?3 OR former_hash = ?3 AND former_until_ms IS NULL)";
        let is_due = format!("SELECT 1 FROM sessions WHERE {DUE}");
        let values = params![id.0, now_ms, shown, DAY_MS];
        if !self.read(|transaction| exists(transaction, &is_due, values))? {
            return Ok(None);
        }
        let (secret, hash) = Secret::new(SecretKind::Session)?;
        self.change(|transaction| {
            let rotate = format!(
                "UPDATE sessions SET former_hash = ?3, former_until_ms = NULL, hash = ?5, rotated_at_ms = ?2
                    WHERE {DUE}"
            );
            let values = params![id.0, now_ms, shown, DAY_MS, hash];
            // Of two who ask at once one gets it.
            let rotated = execute(transaction, &rotate, values)?;
            Ok((rotated > 0).then_some(secret))
        })
    }

    /// The new secret of a session is used: its browser has it, and the one from before ends soon. Whoever else has that is then out.
    pub fn end_former(&self, used: &Hash, now_ms: i64) -> Result<(), AccountsError> {
        self.mark(|transaction| {
            let end = "UPDATE sessions SET former_until_ms = ?2
                WHERE hash = ?1 AND former_hash IS NOT NULL AND former_until_ms IS NULL";
            if execute(transaction, end, params![used, now_ms + FORMER_MS])? > 0 {
                changed(transaction)?;
            }
            Ok(())
        })
    }

    /// A session is in use, so it lasts: 30 days from now, or what is left of a year. Written once a minute, and once a day where
    /// the end is: that is a change.
    pub fn mark_session(&self, id: SessionId, now_ms: i64) -> Result<(), AccountsError> {
        let seen = "SELECT begun_at_ms, expires_at_ms FROM sessions
            WHERE id = ?1 AND seen_at_ms <= ?2 AND expires_at_ms > ?3";
        let values = [id.0, now_ms - MINUTE_MS, now_ms];
        let due = |transaction: &Transaction<'_>| {
            first(transaction, seen, values, |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })
        };
        if self.read(due)?.is_none() {
            return Ok(());
        }
        self.mark(|transaction| {
            let Some((begun, ends)) = due(transaction)? else {
                return Ok(());
            };
            let set = "UPDATE sessions SET seen_at_ms = ?2, expires_at_ms = ?3 WHERE id = ?1";
            let last = begun + LONGEST_MS;
            let next = last.min(now_ms + IDLE_MS);
            let moves = next >= ends + DAY_MS || (next == last && next > ends);
            let next = if moves { next } else { ends };
            execute(transaction, set, [id.0, now_ms, next])?;
            if moves {
                changed(transaction)?;
            }
            Ok(())
        })
    }

    /// Somebody has followed a link, and said its password if it has one.
    pub fn follow_link(
        &self,
        id: SessionId,
        link: LinkId,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        self.change(|transaction| {
            let session = "SELECT 1 FROM sessions WHERE id = ?1 AND expires_at_ms > ?2";
            if !exists(transaction, session, [id.0, now_ms])? {
                return Err(Refusal::Missing("session").into());
            }
            let known = "SELECT 1 FROM links WHERE id = ?1 AND ifnull(expires_at_ms > ?2, 1)";
            if !exists(transaction, known, [link.0, now_ms])? {
                return Err(Refusal::Missing("link").into());
            }
            let before = "SELECT 1 FROM session_links WHERE session_id = ?1 AND link_id = ?2";
            if !exists(transaction, before, [id.0, link.0])? {
                let about = told(transaction, link)?;
                note(transaction, actor, Action::LinkFollowed, &about, now_ms)?;
            }
            let follow = "INSERT INTO session_links VALUES (?1, ?2, ?3)
                ON CONFLICT DO UPDATE SET followed_at_ms = excluded.followed_at_ms";
            execute(transaction, follow, [id.0, link.0, now_ms])?;
            let leave = "DELETE FROM session_links WHERE session_id = ?1 AND link_id NOT IN
                (SELECT link_id FROM session_links WHERE session_id = ?1
                    ORDER BY followed_at_ms DESC, link_id DESC LIMIT ?2)";
            execute(transaction, leave, params![id.0, MAX_LINKS as i64])?;
            Ok(())
        })
    }
}

fn make_room(transaction: &Transaction<'_>, of: Option<PersonId>) -> Result<(), AccountsError> {
    let max = match of {
        Some(_) => MAX_OF_PERSON,
        None => MAX_OF_NOBODY,
    };
    let id = of.map(|id| id.0);
    let there = "SELECT count(*) FROM sessions WHERE person_id IS ?1";
    let there = count(transaction, there, [id])?;
    for _ in max..=there {
        // Whoever begins many ends their own, and nobody else's.
        let from = match of {
            Some(_) => None,
            None => busiest(transaction)?,
        };
        let end = "DELETE FROM sessions WHERE id =
            (SELECT id FROM sessions WHERE person_id IS ?1 AND (?2 IS NULL OR address = ?2)
                ORDER BY seen_at_ms, id LIMIT 1)";
        execute(transaction, end, params![id, from])?;
    }
    Ok(())
}

/// Where most sessions of nobody are from: of the networks of the site that has most of them.
fn busiest(transaction: &Transaction<'_>) -> Result<Option<String>, AccountsError> {
    let networks = "SELECT address, count(*) FROM sessions
        WHERE person_id IS NULL AND address IS NOT NULL GROUP BY address";
    let networks = all(transaction, networks, [], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let mut sites: HashMap<String, i64> = HashMap::new();
    for (network, count) in &networks {
        *sites.entry(site(network)).or_default() += count;
    }
    let size = |network: &str| sites.get(&site(network)).copied();
    let most = networks
        .iter()
        .max_by_key(|(network, count)| (size(network), site(network), *count));
    Ok(most.map(|(network, _)| network.clone()))
}

/// Whoever is given a network of IPv6 is often given 65,536 of them.
fn site(network: &str) -> String {
    match network.parse::<Ipv6Addr>() {
        Ok(six) => {
            let [a, b, c, ..] = six.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string()
        }
        Err(_) => network.to_owned(),
    }
}

fn entry(row: &Row<'_>) -> Result<SessionEntry, AccountsError> {
    Ok(SessionEntry {
        id: SessionId(row.get(0)?),
        begun_at_ms: row.get(1)?,
        seen_at_ms: row.get(2)?,
        expires_at_ms: row.get(3)?,
        agent: row.get(4)?,
        address: row.get(5)?,
    })
}
