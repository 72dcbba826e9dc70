//! Invitations, and accounts that are made with them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;

use super::accounts::{Body, answer, body, tries, was_no_guess, with};
use super::error::ApiError;
use super::identity::{Visitor, keeps_cookies};
use super::people::kind;
use super::sessions::begins;
use super::turns::with_password;
use crate::App;
use crate::accounts::{InviteKind, Joining, Secret, SecretKind};

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/invitation", post(invitation))
        .route("/api/join", post(join))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invited {
    secret: String,
}

/// `POST /api/invitation`: what it is for.
async fn invitation(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    sent: Body<Invited>,
) -> Result<Response, ApiError> {
    let Invited { secret } = body(sent)?;
    tries(&app, &visitor)?;
    let Some((SecretKind::Invitation, hash)) = Secret::parse(&secret) else {
        return Err(ApiError::NO_INVITATION);
    };
    let found = with(&app, move |accounts, now_ms| {
        accounts.invitation(&hash, now_ms)
    })
    .await;
    let found = found.map_err(ApiError::or_no_invitation)?;
    // Nobody guesses that.
    app.attempts.give_back(visitor.address);
    Ok(answer(json!({
        "kind": kind(found.kind),
        "login": found.login,
        "name": found.name,
        "expires_at": found.expires_at_ms,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    secret: String,
    login: Option<String>,
    name: Option<String>,
    color: Option<String>,
    password: String,
}

/// `POST /api/join`: uses an invitation.
async fn join(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    sent: Body<Join>,
) -> Result<Response, ApiError> {
    keeps_cookies(&app.config, &headers)?;
    let sent = body(sent)?;
    tries(&app, &visitor)?;
    let Some((SecretKind::Invitation, hash)) = Secret::parse(&sent.secret) else {
        return Err(ApiError::NO_INVITATION);
    };
    let begun = with_password(&app, &visitor, {
        let visitor = visitor.clone();
        move |accounts, now_ms| {
            let address = visitor.address.to_string();
            let found = accounts.invitation(&hash, now_ms)?;
            let person = match found.kind {
                InviteKind::Reset(_) => {
                    accounts.reset_password(&hash, &sent.password, Some(&address), now_ms)?
                }
                InviteKind::First | InviteKind::Person => {
                    let login = sent.login.as_deref();
                    let name = sent.name.as_deref().or(found.name.as_deref()).or(login);
                    let joining = Joining {
                        login,
                        name: name.unwrap_or_default(),
                        color: sent.color.as_deref(),
                    };
                    accounts.join(&hash, &joining, &sent.password, Some(&address), now_ms)?
                }
            };
            let begun = visitor.begin_session(accounts, Some(person), now_ms)?;
            Ok((person, begun))
        }
    });
    let (person, begun) = begun.await.map_err(ApiError::or_no_invitation)?;
    was_no_guess(&app, &visitor, person);
    Ok(begins(&app, &visitor, begun))
}
