//! The API over people: who there is, and who is invited.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{At, Body, admin, admin_actor, answer, at, body, ends, whole, with};
use super::error::ApiError;
use super::identity::Visitor;
use crate::App;
use crate::access::{GroupId, Person, PersonId};
use crate::accounts::{
    Accounts, AccountsError, Invitation, InvitationId, Invite, InviteKind, PAGE, Refusal, Secret,
};

/// For how many days an invitation counts unless the request says otherwise.
const DAYS: u32 = 3;
/// The same at most.
const MAX_DAYS: u32 = 365;
/// Longest search text, in bytes.
const MAX_QUERY: usize = 512;

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/people", get(list))
        .route("/api/people/{login}", patch(change))
        .route("/api/people/{login}/reset", post(reset))
        .route("/api/invitations", get(invitations).post(invite))
        .route("/api/invitations/{id}", delete(revoke))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    #[serde(default)]
    q: String,
    after: Option<String>,
}

fn told(person: &Person) -> Value {
    json!({
        "login": person.login,
        "name": person.name,
        "is_admin": person.is_admin,
        "is_disabled": person.is_disabled,
    })
}

/// `GET /api/people`: by their logins, a page at a time.
async fn list(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Search>, QueryRejection>,
) -> Result<Response, ApiError> {
    whole(&app, &visitor.who)?;
    let wrong = ApiError::bad_query("q is a text of at most 512 bytes, and after is a login");
    let Ok(Query(Search { q, after })) = query else {
        return Err(wrong);
    };
    if q.len() > MAX_QUERY {
        return Err(wrong);
    }
    let wanted = q.to_lowercase();
    let rules = app.gate.rules();
    let is_wanted = |person: &&Person| {
        after.as_ref().is_none_or(|after| person.login > *after)
            && (person.login.contains(&wanted) || person.name.to_lowercase().contains(&wanted))
    };
    let mut people: Vec<&Person> = rules.people.values().filter(is_wanted).collect();
    people.sort_unstable_by(|one, other| one.login.cmp(&other.login));
    let is_all = people.len() <= PAGE;
    people.truncate(PAGE);
    let next = people.last().filter(|_| !is_all);
    let next = next.map(|person| &person.login);
    let listed: Vec<Value> = people.iter().map(|person| told(person)).collect();
    Ok(answer(json!({ "people": listed, "next": next })))
}

/// The person of a login that has to be there.
pub fn named(accounts: &Accounts, login: &str) -> Result<PersonId, AccountsError> {
    let person = accounts.person_by_login(login)?;
    Ok(person.ok_or(Refusal::Missing("person"))?.id)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    is_disabled: Option<bool>,
    is_admin: Option<bool>,
}

/// `PATCH /api/people/{login}`
async fn change(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    login: At<String>,
    sent: Body<Change>,
) -> Result<Response, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let login = at(login)?;
    let Change {
        is_disabled,
        is_admin,
    } = body(sent)?;
    let changed = with(&app, move |accounts, now_ms| {
        let id = named(accounts, &login)?;
        accounts.set_standing(id, is_admin, is_disabled, &actor, now_ms)?;
        Ok(id)
    });
    let id = changed.await?;
    let rules = app.gate.rules();
    let person = rules.people.get(&id).ok_or(ApiError::NOT_FOUND)?;
    Ok(answer(told(person)))
}

/// A secret that somebody is to be given, as the address of the page that uses it.
fn given(invitation: &Invitation, secret: &Secret) -> Value {
    json!({
        "id": invitation.id.0,
        "url": format!("/join#{}", secret.expose()),
        "expires_at": invitation.expires_at_ms,
    })
}

/// What was just made with a secret.
fn made(accounts: &Accounts, secret: &Secret, now_ms: i64) -> Result<Value, AccountsError> {
    let (_, hash) = Secret::parse(secret.expose()).ok_or(Refusal::Invitation)?;
    let invitation = accounts.invitation(&hash, now_ms)?;
    Ok(given(&invitation, secret))
}

/// `POST /api/people/{login}/reset`
async fn reset(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    login: At<String>,
) -> Result<Response, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let login = at(login)?;
    let reset = with(&app, move |accounts, now_ms| {
        let person = named(accounts, &login)?;
        let secret = accounts.invite_reset(person, ends(DAYS, now_ms), &actor, now_ms)?;
        made(accounts, &secret, now_ms)
    });
    Ok((StatusCode::CREATED, answer(reset.await?)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    login: Option<String>,
    name: Option<String>,
    #[serde(default)]
    is_admin: bool,
    /// Of groups, by their numbers.
    #[serde(default)]
    groups: Vec<i64>,
    days: Option<u32>,
}

/// `POST /api/invitations`
async fn invite(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    sent: Body<NewInvitation>,
) -> Result<Response, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let NewInvitation {
        login,
        name,
        is_admin,
        groups,
        days,
    } = body(sent)?;
    let days = days.unwrap_or(DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(ApiError::bad("bad_body", "days is a number from 1 to 365"));
    }
    let invite = Invite {
        login,
        name,
        is_admin,
        groups: groups.into_iter().map(GroupId).collect(),
    };
    let invited = with(&app, move |accounts, now_ms| {
        let secret = accounts.invite(&invite, ends(days, now_ms), &actor, now_ms)?;
        made(accounts, &secret, now_ms)
    });
    Ok((StatusCode::CREATED, answer(invited.await?)).into_response())
}

/// `GET /api/invitations`: those that are open.
async fn invitations(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    admin(&app, &visitor.who)?;
    let all = with(&app, |accounts, now_ms| {
        Ok((accounts.invitations(now_ms)?, accounts.invited_into()?))
    });
    let (all, into) = all.await?;
    let all = all.iter().map(|invitation| {
        let theirs = into.iter().filter(|(id, _)| *id == invitation.id);
        open(
            invitation,
            theirs.map(|(_, group)| group.as_str()).collect(),
        )
    });
    let all: Vec<Value> = all.collect();
    Ok(answer(json!({ "invitations": all })))
}

fn open(invitation: &Invitation, groups: Vec<&str>) -> Value {
    json!({
        "id": invitation.id.0,
        "kind": kind(invitation.kind),
        "login": invitation.login,
        "name": invitation.name,
        "is_admin": invitation.is_admin,
        "groups": groups,
        "expires_at": invitation.expires_at_ms,
    })
}

/// As it is written.
pub fn kind(kind: InviteKind) -> &'static str {
    match kind {
        InviteKind::First => "first",
        InviteKind::Person => "person",
        InviteKind::Reset(_) => "reset",
    }
}

/// `DELETE /api/invitations/{id}`
async fn revoke(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: At<i64>,
) -> Result<StatusCode, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let id = at(id)?;
    with(&app, move |accounts, now_ms| {
        accounts.revoke_invitation(InvitationId(id), &actor, now_ms)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
