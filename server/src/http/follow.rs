//! `POST /api/follow`: a browser follows a link that shares something, and has what it shares from then on.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;

use super::accounts::{Body, answer, body, doer, too_many, with};
use super::attempts::Tries;
use super::error::ApiError;
use super::identity::{Visitor, keeps_cookies};
use super::known;
use super::turns::guess;
use crate::App;
use crate::access::{Link, Target};
use crate::accounts::{Accounts, Secret, SecretKind};
use crate::storage::Lookup;

pub fn router() -> Router<Arc<App>> {
    Router::new().route("/api/follow", post(follow))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Follow {
    link: String,
    password: Option<String>,
}

async fn follow(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    sent: Body<Follow>,
) -> Result<Response, ApiError> {
    keeps_cookies(&app.config, &headers)?;
    let Follow { link, password } = body(sent)?;
    let Some((SecretKind::Link, hash)) = Secret::parse(&link) else {
        return Err(ApiError::NO_LINK);
    };
    let rules = app.gate.rules();
    let id = *rules.links.get(&hash).ok_or(ApiError::NO_LINK)?;
    let link = rules.links_by_id.get(&id).ok_or(ApiError::NO_LINK)?.clone();
    let mut room = None;
    if link.has_password {
        let password = password.ok_or(ApiError::LINK_PASSWORD)?;
        let (actor, address) = (doer(&app, &visitor), visitor.address);
        let right = guess(&app, Tries::Link(id, address), {
            let app = app.clone();
            move |accounts, now_ms| {
                if !accounts.check_link(id, &password, &actor, now_ms)? {
                    return Ok((None, true));
                }
                // Each makes work: whoever knows it has it looked at as often as guests may come.
                let room = app.attempts.of_guests(address);
                Ok((Some(room), room.is_err()))
            }
        });
        room = Some(right.await?.ok_or(ApiError::LINK_PASSWORD)?);
    }
    if visitor.who.session.is_none() {
        let room = room.unwrap_or_else(|| app.attempts.of_guests(visitor.address));
        room.map_err(|wait| too_many(&app, wait))?;
    }
    if !is_backed(&app, &link).await? {
        return Err(ApiError::NO_LINK);
    }
    let begun = with(&app, {
        let visitor = visitor.clone();
        let actor = doer(&app, &visitor);
        move |accounts: &Accounts, now_ms| {
            let Some(session) = visitor.who.session else {
                let (session, secret) = visitor.begin_session(accounts, None, now_ms)?;
                accounts.follow_link(session, id, &actor, now_ms)?;
                return Ok(Some(secret));
            };
            accounts.follow_link(session, id, &actor, now_ms)?;
            Ok(None)
        }
    });
    let begun = begun.await.map_err(ApiError::or_no_link)?;
    let (document, folder) = match &link.item.target {
        Target::Document(name) => (Some(name.as_str()), None),
        Target::Folder(folder) => (None, Some(folder.as_str())),
        Target::Everything => (None, Some("")),
    };
    let told = answer(json!({ "document": document, "folder": folder, "access": link.access }));
    Ok(match begun {
        Some(secret) => ([visitor.cookie(Some(secret.expose()))], told).into_response(),
        None => told,
    })
}

/// Whether who made a link may still share what it leads to.
async fn is_backed(app: &Arc<App>, link: &Link) -> Result<bool, ApiError> {
    let target = &link.item.target;
    let entry = match target {
        Target::Document(name) if link.made_by.is_some() => {
            let (storage, name) = (app.storage.clone(), name.clone());
            let reading = app.machine.blocking(move || storage.entry(&name));
            match reading.await.ok_or(ApiError::INTERNAL)?? {
                Lookup::Found(entry) => Some(entry),
                Lookup::Absent | Lookup::Deleted => None,
            }
        }
        _ => None,
    };
    let document = entry.as_ref().map(known);
    let rules = app.gate.rules();
    Ok(rules.is_backed(link.made_by, target, document.as_ref()))
}
