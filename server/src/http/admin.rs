//! What those who look after the server see of it: how it does, and who is connected. Nothing here waits on the way of an edit, and nothing
//! tells what is in a document.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::accounts::{admin, answer, with};
use super::error::ApiError;
use super::identity::Visitor;
use super::{assets, health};
use crate::App;
use crate::access::{Called, Rules, Who};
use crate::accounts;
use crate::connections::Connected;
use crate::document::peer::PeerId;
use crate::storage::{Summary, sqlite};

/// Of the longest documents so many are named.
const LONGEST: usize = 10;
/// What was counted is good for so long: it looks at every document.
const FRESH: Duration = Duration::from_secs(10);
/// Connections that are listed unless the request says otherwise.
const CONNECTIONS: usize = 200;
/// The same at most.
const MAX_CONNECTIONS: usize = 1000;

/// What was counted last, and when. Whoever asks meanwhile waits for the same.
pub type Counted = Mutex<Option<(Instant, Arc<Summary>)>>;

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/admin/status", get(status))
        .route("/api/admin/connections", get(connections))
}

/// `GET /api/admin/status`: answered also when storage is not.
async fn status(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    admin(&app, &visitor.who)?;
    let summary = summary(&app).await;
    let reason = health::reason(&app).await;
    let storage = app.storage.clone();
    let space = app.machine.blocking(move || storage.space()).await;
    let space = space.flatten();
    let backup = with(&app, |accounts, _| accounts.last_backup()).await;
    let (stats, now_ms) = (app.journal.stats(), app.machine.now_ms());
    let before = |ago: Duration| now_ms - i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    let documents = summary.map(|summary| {
        let longest: Vec<Value> = summary
            .longest
            .iter()
            .map(|entry| {
                json!({ "name": entry.name.as_str(), "length": entry.length, "edited_at": entry.edited_at_ms })
            })
            .collect();
        json!({ "count": summary.documents, "length": summary.length, "longest": longest })
    });
    let (_, connected) = app.connections.newest(0);
    let mut told = json!({
        "now": now_ms,
        "started_at": before(stats.age()),
        "is_ready": reason.is_none(),
        "reason": reason,
        "documents": documents,
        "open_documents": app.hub.len(),
        "connections": connected,
        "max_connections": app.config.max_connections,
        "storage": {
            "database_bytes": space.map(|space| space.database),
            "journal_bytes": space.map(|space| space.journal),
            "free_bytes": space.and_then(|space| space.free),
            "last_commit_at": stats.since_commit().map(before),
            "failures": stats.failures(),
            "waiting_updates": stats.queued_updates(),
            "waiting_bytes": stats.queued_bytes(),
        },
        "versions": {
            "ropewalk": env!("CARGO_PKG_VERSION"),
            "database": sqlite::FORMAT,
            "accounts": accounts::FORMAT,
            "page": assets::script(),
        },
    });
    // Never none where it is not known.
    if let Ok(at) = backup {
        told["storage"]["last_backup_at"] = at.into();
    }
    Ok(answer(told))
}

/// All documents in short, as they were a moment ago; nothing if storage does not say.
async fn summary(app: &Arc<App>) -> Option<Arc<Summary>> {
    let mut counted = app.counted.lock().await;
    if let Some((at, summary)) = &*counted
        && at.elapsed() < FRESH
    {
        return Some(summary.clone());
    }
    let storage = app.storage.clone();
    let counting = app.machine.blocking(move || storage.summary(LONGEST));
    let summary = match counting.await? {
        Ok(summary) => Arc::new(summary),
        Err(error) => {
            tracing::warn!(%error, "the documents cannot be counted");
            return None;
        }
    };
    *counted = Some((Instant::now(), summary.clone()));
    Some(summary)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    limit: Option<usize>,
}

/// `GET /api/admin/connections`: the newest first.
async fn connections(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Part>, QueryRejection>,
) -> Result<Response, ApiError> {
    admin(&app, &visitor.who)?;
    let limit = query.map(|Query(part)| part.limit.unwrap_or(CONNECTIONS));
    let Some(limit) = limit.ok().filter(|limit| *limit <= MAX_CONNECTIONS) else {
        return Err(ApiError::bad_query("limit is a number up to 1000"));
    };
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    let (newest, count) = app.connections.newest(limit);
    let newest: Vec<Value> = newest
        .iter()
        .map(|(id, connected)| told(*id, connected, &rules, now_ms))
        .collect();
    Ok(answer(json!({ "connections": newest, "count": count })))
}

fn told(id: PeerId, connected: &Connected, rules: &Rules, now_ms: i64) -> Value {
    let who = &*connected.who;
    let (login, name) = match rules.called(who, now_ms) {
        Called::Person(person) => (Some(person.login.clone()), Some(person.name.clone())),
        Called::Name(name) => (None, Some(name)),
        Called::Guest | Called::AsTheySay => (None, None),
    };
    json!({
        "id": id,
        "document": connected.document.as_str(),
        "wire": connected.wire,
        "login": login,
        "name": name,
        "by": by(who, rules, now_ms),
        "address": connected.address,
        "since": connected.since_ms,
    })
}

/// What somebody has shown who they are with.
fn by(who: &Who, rules: &Rules, now_ms: i64) -> &'static str {
    match who {
        who if rules.signed_in(who, now_ms).is_some() => "session",
        Who { token: Some(_), .. } => "api_token",
        Who {
            claims: Some(_), ..
        } => "document_token",
        _ => "link",
    }
}
