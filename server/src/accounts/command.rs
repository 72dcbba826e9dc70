//! `ropewalk user` and `ropewalk token`: the accounts from the command line, also while a server runs.

use std::path::Path;

use super::file::FILE;
use super::{
    Accounts, AccountsError, Actor, InvitationId, Invite, InviteKind, NewPerson, NewToken,
    PersonEntry, Refusal,
};
use crate::access::{Access, Target, TokenId};
use crate::maintain::utc;
use crate::sqlite::Problem;

const HOUR_MS: i64 = 60 * 60_000;
/// How long an invitation that is printed counts.
const INVITED_MS: i64 = 72 * HOUR_MS;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Add somebody with a password, or invite them.
    AddUser {
        /// What they sign in with.
        login: String,
        /// The name that others see; the login without.
        name: Option<String>,
        /// Whether they look after the accounts.
        is_admin: bool,
        /// Whether there is a password on standard input, which is not touched otherwise.
        has_password: bool,
    },
    /// Print who there is.
    ListUsers,
    /// Let somebody do nothing any more, or again what they might.
    DisableUser {
        /// Whom.
        login: String,
        /// Or enable.
        is_disabled: bool,
    },
    /// Let somebody choose another password.
    ResetPassword {
        /// Whom.
        login: String,
    },
    /// Have somebody look after the accounts.
    MakeAdmin {
        /// Whom.
        login: String,
    },
    /// Print who is invited and has not come, and who may choose another password.
    ListInvitations,
    /// Take an invitation back.
    RevokeInvitation {
        /// Which.
        id: i64,
    },
    /// Make an API token.
    CreateToken {
        /// Whose.
        login: String,
        /// What it is for, in their words.
        name: String,
        /// What can be done with it.
        access: Access,
        /// With what.
        target: Target,
        /// For how many days; forever without.
        days: Option<u32>,
    },
    /// Print the API tokens.
    ListTokens {
        /// Of whom; all without.
        login: Option<String>,
    },
    /// Take an API token back.
    RevokeToken {
        /// Which.
        id: i64,
    },
}

impl Order {
    /// Whether it takes a password.
    pub fn takes_password(&self) -> bool {
        match self {
            Self::AddUser { has_password, .. } => *has_password,
            _ => false,
        }
    }
}

/// Does it with the accounts in `folder`; answers what is to be printed.
pub fn run(
    folder: &Path,
    order: &Order,
    password: Option<&str>,
    now_ms: i64,
) -> Result<String, AccountsError> {
    let begins = matches!(order, Order::AddUser { .. });
    if !begins && !folder.join(FILE).exists() {
        let nobody = Problem::NotUsable("there are no accounts in it".to_owned());
        return Err(nobody.of(folder, folder).into());
    }
    let accounts = Accounts::open(folder)?;
    let actor = &Actor::command_line();
    let of = |login: &str| {
        if let Some(person) = accounts.person_by_login(login)? {
            return Ok(person);
        }
        let login = login.to_ascii_lowercase();
        let invited = accounts.invitations(now_ms)?;
        let is_invited = invited
            .iter()
            .any(|one| one.login.as_deref() == Some(&*login));
        Err(AccountsError::Refused(match is_invited {
            true => Refusal::NotCome(login),
            false => Refusal::Missing("person"),
        }))
    };
    Ok(match order {
        Order::AddUser {
            login,
            name,
            is_admin,
            has_password: _,
        } => {
            let name = name.as_ref().unwrap_or(login).clone();
            let (login, is_admin) = (login.clone(), *is_admin);
            if let Some(password) = password {
                let person = NewPerson {
                    login,
                    name,
                    is_admin,
                    ..NewPerson::default()
                };
                accounts.add_person(&person, Some(password), actor, now_ms)?;
                format!("Added {}\n", person.login.to_ascii_lowercase())
            } else {
                let invite = Invite {
                    login: Some(login),
                    name: Some(name),
                    is_admin,
                    groups: Vec::new(),
                };
                let end = now_ms + INVITED_MS;
                let secret = accounts.invite(&invite, end, actor, now_ms)?;
                format!("/join#{}\n", secret.expose())
            }
        }
        Order::ListUsers => users(&accounts, now_ms)?,
        Order::DisableUser { login, is_disabled } => {
            let person = of(login)?;
            accounts.set_disabled(person.id, *is_disabled, actor, now_ms)?;
            let done = match is_disabled {
                true => "Disabled",
                false => "Enabled",
            };
            format!("{done} {}\n", person.login)
        }
        Order::ResetPassword { login } => {
            let end = now_ms + INVITED_MS;
            let secret = accounts.invite_reset(of(login)?.id, end, actor, now_ms)?;
            format!("/join#{}\n", secret.expose())
        }
        Order::MakeAdmin { login } => {
            let person = of(login)?;
            accounts.set_admin(person.id, true, actor, now_ms)?;
            format!("{} is an administrator\n", person.login)
        }
        Order::ListInvitations => invitations(&accounts, now_ms)?,
        Order::RevokeInvitation { id } => {
            accounts.revoke_invitation(InvitationId(*id), actor, now_ms)?;
            format!("Revoked invitation {id}\n")
        }
        Order::CreateToken {
            login,
            name,
            access,
            target,
            days,
        } => {
            let token = NewToken {
                person: of(login)?.id,
                name: name.clone(),
                access: *access,
                target: target.clone(),
                expires_at_ms: days.map(|days| now_ms + i64::from(days) * 24 * HOUR_MS),
            };
            let (_, secret) = accounts.create_token(&token, actor, now_ms)?;
            format!("{}\n", secret.expose())
        }
        Order::ListTokens { login } => {
            let person = login.as_deref().map(of).transpose()?;
            tokens(&accounts, person.as_ref(), now_ms)?
        }
        Order::RevokeToken { id } => {
            accounts.revoke_token(TokenId(*id), None, actor, now_ms)?;
            format!("Revoked token {id}\n")
        }
    })
}

/// The people, and after them whoever is invited and has not come yet.
fn users(accounts: &Accounts, now_ms: i64) -> Result<String, AccountsError> {
    let mut rows = vec![["LOGIN", "NAME", "ROLE", "STATE", "SINCE"].map(str::to_owned)];
    loop {
        let after = (rows.len() > 1).then(|| rows[rows.len() - 1][0].clone());
        let page = accounts.people(after.as_deref(), super::PAGE)?;
        if page.is_empty() {
            let mut invited = accounts.invitations(now_ms)?;
            invited.retain(|invitation| !matches!(invitation.kind, InviteKind::Reset(_)));
            rows.extend(invited.into_iter().map(|invitation| {
                let role = if invitation.is_admin { "admin" } else { "" };
                [
                    invitation.login.unwrap_or_else(|| "-".to_owned()),
                    invitation.name.unwrap_or_default(),
                    role.to_owned(),
                    format!("invited until {}", day(invitation.expires_at_ms)),
                    day(invitation.made_at_ms),
                ]
            }));
            return Ok(table(&rows));
        }
        rows.extend(page.into_iter().map(|person| {
            let role = if person.is_admin { "admin" } else { "" };
            let is_disabled = person.disabled_at_ms.is_some();
            let state = if is_disabled { "disabled" } else { "" };
            [
                person.login,
                person.name,
                role.to_owned(),
                state.to_owned(),
                day(person.added_at_ms),
            ]
        }));
    }
}

fn invitations(accounts: &Accounts, now_ms: i64) -> Result<String, AccountsError> {
    let head = ["ID", "FOR", "LOGIN", "NAME", "ROLE", "UNTIL", "SINCE"];
    let open = accounts.invitations(now_ms)?.into_iter().map(|one| {
        let what = match one.kind {
            InviteKind::First => "first account",
            InviteKind::Person => "account",
            InviteKind::Reset(_) => "new password",
        };
        let role = if one.is_admin { "admin" } else { "" };
        [
            one.id.0.to_string(),
            what.to_owned(),
            one.login.unwrap_or_else(|| "-".to_owned()),
            one.name.unwrap_or_default(),
            role.to_owned(),
            day(one.expires_at_ms),
            day(one.made_at_ms),
        ]
    });
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned))
        .chain(open)
        .collect();
    Ok(table(&rows))
}

fn tokens(
    accounts: &Accounts,
    of: Option<&PersonEntry>,
    now_ms: i64,
) -> Result<String, AccountsError> {
    let head = ["ID", "LOGIN", "NAME", "ACCESS", "FOR", "UNTIL", "USED"];
    let mut rows = vec![head.map(str::to_owned)];
    let mut after = None;
    loop {
        let page = accounts.tokens(of.map(|of| of.id), after, super::PAGE)?;
        let Some(last) = page.last() else {
            return Ok(table(&rows));
        };
        after = Some(last.id);
        rows.extend(page.into_iter().map(|token| {
            let until = match token.expires_at_ms {
                Some(end) if end <= now_ms => "ended".to_owned(),
                Some(end) => day(end),
                None => "forever".to_owned(),
            };
            [
                token.id.0.to_string(),
                token.login,
                token.name,
                token.access.to_string(),
                token.target.to_string(),
                until,
                token.used_at_ms.map_or("never".to_owned(), day),
            ]
        }));
    }
}

fn day(at_ms: i64) -> String {
    let written = utc(at_ms);
    match (written.get(..4), written.get(4..6), written.get(6..8)) {
        (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}"),
        _ => written,
    }
}

/// Columns that are as wide as what is in them.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for row in rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        table += line.join("  ").trim_end();
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests;
