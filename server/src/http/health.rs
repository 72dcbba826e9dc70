//! Health, readiness and metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::accounts;
use super::error::ApiError;
use crate::App;
use crate::access::Who;

/// A probe that takes longer has failed.
const PROBE: Duration = Duration::from_secs(5);
/// The answer of a probe is good for this long: asking often must not cost a commit each.
const FRESH: Duration = Duration::from_secs(1);

static LAST: Mutex<Option<(Instant, bool)>> = Mutex::const_new(None);

/// The process runs.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The server takes edits: it is not stopping, and storage has just committed something.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let reason = reason(&app).await;
    let status = reason.map_or(StatusCode::OK, |_| StatusCode::SERVICE_UNAVAILABLE);
    (
        status,
        Json(json!({ "ready": reason.is_none(), "reason": reason })),
    )
        .into_response()
}

/// Why the server takes no edits, if it takes none.
pub async fn reason(app: &App) -> Option<&'static str> {
    if app.stopping.is_cancelled() {
        Some("stopping")
    } else if !app.is_ready() || !writes(app).await {
        Some("storage does not take writes")
    } else {
        None
    }
}

/// Whether edits can be saved now, as far as is known for a moment.
pub async fn writes(app: &App) -> bool {
    let mut last = LAST.lock().await;
    if let Some((at, answer)) = *last
        && at.elapsed() < FRESH
    {
        return answer;
    }
    let answer = matches!(timeout(PROBE, app.journal.probe()).await, Ok(Ok(())));
    *last = Some((Instant::now(), answer));
    answer
}

/// Counters in the Prometheus text format; with accounts, for administrators and their tokens.
pub async fn metrics(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Arc<Who>>,
) -> Result<Response, ApiError> {
    if !app.gate.rules().is_open {
        accounts::admin(&app, &who)?;
    }
    let text = app.metrics.render(
        app.journal.stats(),
        app.hub.len(),
        app.storage.unlisted().len(),
        app.journal.healthy(),
    );
    Ok((
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response())
}
