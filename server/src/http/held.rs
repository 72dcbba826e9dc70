//! The API over what somebody has, or has given, that lets in: administrators see it and take it back.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{At, admin, admin_actor, answer, at, with};
use super::error::ApiError;
use super::identity::Visitor;
use super::people::named;
use super::{sessions as own_sessions, tokens as own_tokens};
use crate::App;
use crate::access::{LinkId, SessionId, TokenId};
use crate::accounts::{LinkEntry, PAGE, Refusal};

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/people/{login}/sessions", get(sessions))
        .route("/api/people/{login}/sessions/{id}", delete(end_session))
        .route("/api/people/{login}/tokens", get(tokens))
        .route("/api/people/{login}/tokens/{id}", delete(revoke_token))
        .route("/api/people/{login}/links", get(links))
        .route("/api/people/{login}/links/{id}", delete(revoke_link))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    before: Option<i64>,
}

/// `GET /api/people/{login}/links`: those that they have made, newest first.
async fn links(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    login: At<String>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Response, ApiError> {
    admin(&app, &visitor.who)?;
    let login = at(login)?;
    let Ok(Query(Page { before })) = query else {
        return Err(ApiError::bad_query("before is the number of a link"));
    };
    let made = with(&app, move |accounts, _| {
        let person = named(accounts, &login)?;
        accounts.links_by(person, before.map(LinkId), PAGE)
    });
    let made = made.await?;
    let next = made.last().filter(|_| made.len() == PAGE);
    let next = next.map(|link| link.id.0);
    let made: Vec<Value> = made.iter().map(told).collect();
    Ok(answer(json!({ "links": made, "next": next })))
}

fn told(link: &LinkEntry) -> Value {
    json!({
        "id": link.id.0,
        "for": link.item.target.to_string(),
        "access": link.access,
        "has_password": link.has_password,
        "made_at": link.made_at_ms,
        "expires_at": link.expires_at_ms,
    })
}

/// `DELETE /api/people/{login}/links/{id}`
async fn revoke_link(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    which: At<(String, i64)>,
) -> Result<StatusCode, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let (login, id) = at(which)?;
    let revoked = with(&app, move |accounts, now_ms| {
        let (person, id) = (named(accounts, &login)?, LinkId(id));
        let link = accounts.link(id)?;
        if link.is_none_or(|link| link.made_by != Some(person)) {
            return Err(Refusal::Missing("link").into());
        }
        accounts.revoke_link(id, &actor, now_ms)
    });
    revoked.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/people/{login}/sessions`: where they are signed in.
async fn sessions(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    login: At<String>,
) -> Result<Response, ApiError> {
    admin(&app, &visitor.who)?;
    let login = at(login)?;
    let all = with(&app, move |accounts, now_ms| {
        let person = named(accounts, &login)?;
        accounts.sessions(person, now_ms)
    });
    let all: Vec<Value> = all.await?.iter().map(own_sessions::told).collect();
    Ok(answer(json!({ "sessions": all })))
}

/// `DELETE /api/people/{login}/sessions/{id}`
async fn end_session(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    which: At<(String, i64)>,
) -> Result<StatusCode, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let (login, id) = at(which)?;
    let ended = with(&app, move |accounts, now_ms| {
        let (person, id) = (named(accounts, &login)?, SessionId(id));
        let theirs = accounts.sessions(person, now_ms)?;
        if !theirs.iter().any(|session| session.id == id) {
            return Err(Refusal::Missing("session").into());
        }
        accounts.end_session(id, &actor, now_ms)
    });
    ended.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/people/{login}/tokens`: theirs.
async fn tokens(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    login: At<String>,
) -> Result<Response, ApiError> {
    admin(&app, &visitor.who)?;
    let login = at(login)?;
    let all = with(&app, move |accounts, _| {
        let person = named(accounts, &login)?;
        accounts.tokens(Some(person), None, PAGE)
    });
    let all: Vec<Value> = all.await?.iter().map(own_tokens::told).collect();
    Ok(answer(json!({ "tokens": all })))
}

/// `DELETE /api/people/{login}/tokens/{id}`
async fn revoke_token(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    which: At<(String, i64)>,
) -> Result<StatusCode, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    let (login, id) = at(which)?;
    let revoked = with(&app, move |accounts, now_ms| {
        let person = named(accounts, &login)?;
        accounts.revoke_token(TokenId(id), Some(person), &actor, now_ms)
    });
    revoked.await?;
    Ok(StatusCode::NO_CONTENT)
}
