//! The API over API tokens: everybody has their own.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{At, Body, answer, at, body, bounded, ends, still, whole, with};
use super::error::ApiError;
use super::identity::Visitor;
use super::sharing::Given;
use crate::App;
use crate::access::{Denied, Target, TokenId};
use crate::accounts::{NewToken, PAGE, TokenEntry};

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/tokens", get(list).post(create))
        .route("/api/tokens/{id}", delete(revoke))
}

/// `GET /api/tokens`
async fn list(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let person = whole(&app, &visitor.who)?;
    let all = with(&app, move |accounts, _| {
        accounts.tokens(Some(person), None, PAGE)
    })
    .await?;
    let all: Vec<Value> = all.iter().map(told).collect();
    Ok(answer(json!({ "tokens": all })))
}

/// What is said of a token.
pub fn told(token: &TokenEntry) -> Value {
    json!({
        "id": token.id.0,
        "name": token.name,
        "access": token.access,
        "for": token.target.to_string(),
        "made_at": token.made_at_ms,
        "expires_at": token.expires_at_ms,
        "used_at": token.used_at_ms,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    access: Given,
    r#for: String,
    days: Option<u32>,
}

/// `POST /api/tokens`. One that is made with another lasts no longer than that.
async fn create(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    sent: Body<New>,
) -> Result<Response, ApiError> {
    let person = whole(&app, &visitor.who)?;
    let New {
        name,
        access,
        r#for,
        days,
    } = body(sent)?;
    let target: Target = r#for.parse()?;
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    let with_token = match rules.signed_in(&visitor.who, now_ms) {
        Some(_) => None,
        None => visitor.who.token,
    };
    let last = with_token
        .and_then(|id| rules.tokens_by_id.get(&id))
        .and_then(|token| token.expires_at_ms);
    let who = visitor.who.clone();
    let actor = bounded(&app, person, &visitor)?;
    let actor = still(&app, &visitor, actor, move |rules, now_ms| {
        match rules.is_whole(&who, now_ms) {
            true => Ok(()),
            false => Err(Denied::NotKnown.into()),
        }
    });
    let made = with(&app, move |accounts, now_ms| {
        let token = NewToken {
            person,
            name,
            access: access.into(),
            target,
            expires_at_ms: days
                .map(|days| ends(days, now_ms))
                .into_iter()
                .chain(last)
                .min(),
        };
        accounts.create_token(&token, &actor, now_ms)
    });
    let (id, secret) = made.await?;
    let made = json!({ "id": id.0, "token": secret.expose() });
    Ok((StatusCode::CREATED, answer(made)).into_response())
}

/// `DELETE /api/tokens/{id}`
async fn revoke(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: At<i64>,
) -> Result<StatusCode, ApiError> {
    let person = whole(&app, &visitor.who)?;
    let id = at(id)?;
    let actor = bounded(&app, person, &visitor)?;
    with(&app, move |accounts, now_ms| {
        accounts.revoke_token(TokenId(id), Some(person), &actor, now_ms)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
