//! What a document holds besides text: maps, lists, XML, formats.

use std::sync::Arc;

use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{root_name, versioned};
use crate::App;
use crate::access::{Access, Who};
use crate::document::Command;
use crate::gate;
use crate::http::error::ApiError;
use crate::name::DocumentName;
use crate::view::readers::Failed;
use crate::view::{Format, Question};

/// What a browser may do with what people wrote: show it. It has no origin, no script and loads nothing.
const SANDBOX: &str =
    "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentQuery {
    root: Option<String>,
    #[serde(default)]
    format: Format,
}

/// `GET /api/documents/{name}/content`
pub async fn content(
    app: &Arc<App>,
    who: &Arc<Who>,
    name: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let name = DocumentName::from_url(name)?;
    let Ok(Query(query)) = Query::<ContentQuery>::try_from_uri(uri) else {
        return Err(ApiError::bad_query(
            "root is a text, format is text, html or json",
        ));
    };
    let format = query.format;
    let question = Question {
        format,
        root: root_name(query.root)?,
    };
    gate::look(app, who, &name, Access::Read).await?;
    // Before the state is asked for: of those who wait, nobody holds one.
    let turn = app.readers.turn().await.ok_or(ApiError::OVERLOADED)?;
    let handle = gate::open(app, who, &name, Access::Read).await?;
    let state = handle.ask(who, 0, Command::State).await?;
    let (head, known) = versioned(state.version, headers);
    if known {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    drop(handle);
    let body = turn
        .read(&question, &state.update)
        .await
        .map_err(|failed| unseen(app, &name, &failed))?;
    app.metrics.views.add_one();
    let kind = match format {
        Format::Text => "text/plain; charset=utf-8",
        Format::Html => "text/html; charset=utf-8",
        Format::Json => "application/json",
    };
    Ok((
        head,
        [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, SANDBOX),
        ],
        body,
    )
        .into_response())
}

fn unseen(app: &App, name: &DocumentName, failed: &Failed) -> ApiError {
    app.metrics.views_failed.add_one();
    tracing::warn!(%name, %failed, "a view failed");
    ApiError::VIEW_FAILED
}
