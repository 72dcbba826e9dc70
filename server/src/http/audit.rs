//! The API over the log of who did what.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::accounts::{admin, admin_actor, answer, with};
use super::error::ApiError;
use super::identity::Visitor;
use crate::App;
use crate::accounts::audit::Wanted;
use crate::accounts::{AccountsError, Action, PAGE};

/// Entries on a page unless the request says otherwise.
const ENTRIES: usize = 100;
/// Longest word that is searched for, in bytes.
const MAX_WORD: usize = 64;
/// Lines that wait to be written to whoever exports the log.
const LINES: usize = 64;

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/audit", get(list))
        .route("/api/audit.jsonl", post(export))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    before: Option<i64>,
    limit: Option<usize>,
    who: Option<String>,
    action: Option<String>,
    from: Option<i64>,
    to: Option<i64>,
}

/// `GET /api/audit`: the newest first.
async fn list(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Part>, QueryRejection>,
) -> Result<Response, ApiError> {
    admin(&app, &visitor.who)?;
    let wrong = ApiError::bad_query(
        "before, from and to are numbers, limit is one from 1 to 1000, who and action are texts of at most 64 bytes",
    );
    let Ok(Query(part)) = query else {
        return Err(wrong);
    };
    let limit = part.limit.unwrap_or(ENTRIES);
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > MAX_WORD);
    if !(1..=PAGE).contains(&limit) || is_long(&part.who) || is_long(&part.action) {
        return Err(wrong);
    }
    let wanted = Wanted {
        before: part.before,
        who: part.who.map(|who| who.to_lowercase()),
        action: part.action,
        from_ms: part.from,
        to_ms: part.to,
    };
    let found = with(&app, move |accounts, _| accounts.audit(&wanted, limit));
    let (entries, next) = found.await?;
    Ok(answer(json!({ "entries": entries, "next": next })))
}

/// `POST /api/audit.jsonl`: all of it as lines of JSON, the oldest first, with that it was exported. That is why a link or an image that
/// somebody is shown does not ask for it. Cut short, it has no last line break.
async fn export(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let actor = admin_actor(&app, &visitor)?;
    with(&app, move |accounts, now_ms| {
        accounts.note(&actor, Action::Exported, "the audit log", now_ms)
    })
    .await?;
    let (lines, written) = mpsc::channel::<Result<Bytes, AccountsError>>(LINES);
    tokio::spawn({
        let app = app.clone();
        async move {
            let machine = app.machine.clone();
            let reading = machine.blocking(move || {
                let Some(accounts) = app.gate.accounts() else {
                    return;
                };
                for entry in accounts.audit_from(0) {
                    let line = entry.map(|entry| Bytes::from(json!(entry).to_string() + "\n"));
                    if lines.blocking_send(line).is_err() {
                        return;
                    }
                }
            });
            reading.await
        }
    });
    let body = stream::unfold(written, async |mut written| {
        Some((written.recv().await?, written))
    });
    let head = [
        (header::CONTENT_TYPE, "application/jsonl"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"audit.jsonl\"",
        ),
    ];
    Ok((head, Body::from_stream(body)).into_response())
}
