//! The API over groups of people.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, put};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{At, Body, admin_actor, answer, at, body, whole, with};
use super::error::ApiError;
use super::identity::Visitor;
use super::people::named;
use crate::App;
use crate::access::{GroupId, Person, Rules};
use crate::accounts::{Accounts, AccountsError, Group, Refusal};
use crate::config::Oidc;

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/groups", get(list).post(create))
        .route("/api/groups/{id}", patch(rename).delete(remove))
        .route(
            "/api/groups/{id}/members/{login}",
            put(add_member).delete(remove_member),
        )
}

fn told(group: &Group, rules: &Rules) -> Value {
    let is_member = |person: &&Person| person.groups.contains(&group.id);
    let mut members: Vec<&Person> = rules.people.values().filter(is_member).collect();
    members.sort_unstable_by(|one, other| one.login.cmp(&other.login));
    let members: Vec<Value> = members
        .into_iter()
        .map(|person| json!({ "login": person.login, "name": person.name }))
        .collect();
    json!({ "id": group.id.0, "name": group.name, "members": members })
}

async fn one(app: &Arc<App>, id: GroupId) -> Result<Response, ApiError> {
    let groups = with(app, |accounts, _| accounts.groups()).await?;
    let group = groups.iter().find(|group| group.id == id);
    let group = group.ok_or(ApiError::NOT_FOUND)?;
    Ok(answer(told(group, &app.gate.rules())))
}

/// `GET /api/groups`: by their names.
async fn list(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    whole(&app, &visitor.who)?;
    let groups = with(&app, |accounts, _| accounts.groups()).await?;
    let rules = app.gate.rules();
    let groups: Vec<Value> = groups.iter().map(|group| told(group, &rules)).collect();
    Ok(answer(json!({ "groups": groups })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

/// `POST /api/groups`
async fn create(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    sent: Body<Named>,
) -> Result<Response, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let Named { name } = body(sent)?;
    let created = with(&app, move |accounts, now_ms| {
        accounts.create_group(&name, &actor, now_ms)
    });
    let told = one(&app, created.await?).await?;
    Ok((StatusCode::CREATED, told).into_response())
}

/// What the settings name stays: people would leave it one by one as they sign in, and come into a new one that nothing is shared with.
fn refuse_filled(
    oidc: &Oidc,
    accounts: &Accounts,
    id: GroupId,
    name: Option<&str>,
) -> Result<(), AccountsError> {
    let folded = |name: &str| name.trim().to_uppercase();
    let groups = accounts.groups()?;
    let Some(group) = groups.into_iter().find(|group| group.id == id) else {
        return Ok(());
    };
    let of = folded(&group.name);
    let is_filled = oidc.groups().any(|(_, here)| folded(here) == of);
    match is_filled && name.map(folded) != Some(of) {
        true => Err(Refusal::GroupInSettings.into()),
        false => Ok(()),
    }
}

/// `PATCH /api/groups/{id}`
async fn rename(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: At<i64>,
    sent: Body<Named>,
) -> Result<Response, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let id = at(id)?;
    let Named { name } = body(sent)?;
    let oidc = app.config.oidc.clone();
    with(&app, move |accounts, now_ms| {
        refuse_filled(&oidc, accounts, GroupId(id), Some(&name))?;
        accounts.rename_group(GroupId(id), &name, &actor, now_ms)
    })
    .await?;
    one(&app, GroupId(id)).await
}

/// `DELETE /api/groups/{id}`: what was given to it counts no more.
async fn remove(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: At<i64>,
) -> Result<StatusCode, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let id = at(id)?;
    let oidc = app.config.oidc.clone();
    with(&app, move |accounts, now_ms| {
        refuse_filled(&oidc, accounts, GroupId(id), None)?;
        accounts.delete_group(GroupId(id), &actor, now_ms)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/groups/{id}/members/{login}`
async fn add_member(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    member: At<(i64, String)>,
) -> Result<StatusCode, ApiError> {
    set_member(&app, &visitor, member, true).await
}

/// `DELETE /api/groups/{id}/members/{login}`
async fn remove_member(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    member: At<(i64, String)>,
) -> Result<StatusCode, ApiError> {
    set_member(&app, &visitor, member, false).await
}

async fn set_member(
    app: &Arc<App>,
    visitor: &Visitor,
    member: At<(i64, String)>,
    is_member: bool,
) -> Result<StatusCode, ApiError> {
    let actor = admin_actor(app, visitor)?;
    let (id, login) = at(member)?;
    with(app, move |accounts, now_ms| {
        let person = named(accounts, &login)?;
        if !accounts.groups()?.iter().any(|group| group.id.0 == id) {
            return Err(Refusal::Missing("group").into());
        }
        accounts.set_member(GroupId(id), person, is_member, &actor, now_ms)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
