//! What was set aside of a document: edits of peers that had what its name stood for before.

use std::sync::Arc;

use axum::Json;
use axum::extract::Query;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use ropewalk_crdt::update::{Content, Section, Update};
use ropewalk_crdt::{Document, Limits, ROOT};
use serde::{Deserialize, Serialize};

use super::no_store;
use crate::App;
use crate::access::{Access, PersonId, Who};
use crate::accounts::Action;
use crate::document::Command;
use crate::http::accounts::deed;
use crate::http::error::ApiError;
use crate::http::found;
use crate::http::identity::Visitor;
use crate::http::trash::note;
use crate::name::DocumentName;
use crate::storage::{DocumentId, Record, Stray};

#[derive(Serialize)]
struct Listed {
    id: i64,
    at: i64,
    by: String,
    client: Option<u64>,
    bytes: u64,
}

impl From<Stray> for Listed {
    fn from(stray: Stray) -> Self {
        Self {
            id: stray.id,
            at: stray.at_ms,
            by: stray.author.name,
            client: stray.author.client,
            bytes: stray.bytes,
        }
    }
}

#[derive(Serialize)]
struct List {
    strays: Vec<Listed>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// The text that its author saw.
    #[default]
    Text,
    /// The bytes that came, as a Yjs update v1.
    Update,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StrayQuery {
    #[serde(default)]
    format: Format,
}

/// `GET /api/documents/{name}/strays`
pub async fn list(app: &Arc<App>, who: &Arc<Who>, name: &str) -> Result<Response, ApiError> {
    let name = DocumentName::from_url(name)?;
    let strays = match found(app, who, &name, Access::Read).await {
        Ok(entry) => {
            let storage = app.storage.clone();
            let reading = app
                .machine
                .blocking(move || storage.strays(entry.position.id));
            let mut strays = reading.await.ok_or(ApiError::INTERNAL)??;
            strays.retain(|stray| may_see(app, who, stray.person, stray.is_of_another));
            strays
        }
        // Whoever begins a document may ask, too.
        Err(error) if error.is_absence() => Vec::new(),
        Err(error) => return Err(error),
    };
    let strays = strays.into_iter().map(Listed::from).collect();
    Ok((no_store(), Json(List { strays })).into_response())
}

/// `GET /api/documents/{name}/strays/{id}`
pub async fn read(
    app: &Arc<App>,
    who: &Arc<Who>,
    name: &str,
    stray: &str,
    uri: &Uri,
) -> Result<Response, ApiError> {
    let name = DocumentName::from_url(name)?;
    let Ok(Query(StrayQuery { format })) = Query::try_from_uri(uri) else {
        return Err(ApiError::bad_query("format is text or update"));
    };
    let (_, record) = find(app, who, &name, stray, Access::Read).await?;
    let (kind, body) = match format {
        Format::Update => ("application/octet-stream", record.update.to_vec()),
        Format::Text => {
            let text = text(app, who, &name, record).await?;
            ("text/plain; charset=utf-8", text.into_bytes())
        }
    };
    Ok((no_store(), [(header::CONTENT_TYPE, kind)], body).into_response())
}

/// `DELETE /api/documents/{name}/strays/{id}`
pub async fn delete(
    app: &Arc<App>,
    visitor: &Visitor,
    name: &str,
    stray: &str,
) -> Result<StatusCode, ApiError> {
    let name = DocumentName::from_url(name)?;
    let number = number(stray)?;
    let (id, record) = find(app, &visitor.who, &name, stray, Access::Edit).await?;
    let by = deed(app, visitor)?;
    let app = app.clone();
    // Whoever asks may hang up: what was done is in the log all the same.
    let dropping = tokio::spawn(async move {
        match app.journal.drop_stray(id, number).await {
            Ok(true) => {}
            Ok(false) => return Err(ApiError::NOT_FOUND),
            Err(_) => return Err(ApiError::STORAGE),
        }
        let author = &record.author.name;
        let about = match author.is_empty() {
            true => name.to_string(),
            false => format!("{name} by {author}"),
        };
        note(&app, by, Action::StrayDeleted, about).await;
        Ok(StatusCode::NO_CONTENT)
    });
    dropping.await.map_err(|_| ApiError::INTERNAL)?
}

/// What is of another document, which had the name before, is shown to who brought it and to administrators: whoever may read this one may
/// never have read that.
fn may_see(app: &App, who: &Who, person: Option<PersonId>, is_of_another: bool) -> bool {
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    let own = || rules.person(who, now_ms).map(|(id, _)| id);
    !is_of_another
        || rules.is_open
        || rules.is_admin(who, now_ms)
        || person.is_some() && person == own()
}

fn number(stray: &str) -> Result<i64, ApiError> {
    stray.parse().map_err(|_| ApiError::NOT_FOUND)
}

async fn find(
    app: &Arc<App>,
    who: &Arc<Who>,
    name: &DocumentName,
    stray: &str,
    need: Access,
) -> Result<(DocumentId, Record), ApiError> {
    let stray = number(stray)?;
    let id = found(app, who, name, need).await?.position.id;
    let storage = app.storage.clone();
    let reading = app.machine.blocking(move || storage.stray(id, stray));
    let found = reading.await.ok_or(ApiError::INTERNAL)??;
    let seen = found.filter(|stray| may_see(app, who, stray.person, stray.is_of_another));
    Ok((id, seen.ok_or(ApiError::NOT_FOUND)?.record))
}

/// What was typed, in the order in which it came.
fn letters(update: &[u8]) -> String {
    let Ok(update) = Update::decode(update, &Limits::NONE) else {
        return String::new();
    };
    let structs = update.sections().iter().flat_map(Section::structs);
    let strings = structs.filter_map(|item| match item.content {
        Content::String(text) => Some(text),
        Content::Other(_) => None,
    });
    strings.collect()
}

/// The text with what was set aside: alone, or where it needs the document, merged into that; where even that lacks something,
/// only what was typed.
async fn text(
    app: &Arc<App>,
    who: &Arc<Who>,
    name: &DocumentName,
    record: Record,
) -> Result<String, ApiError> {
    let (client, limits) = (app.machine.client_id(), app.config.document_limits());
    let read = move |state: Option<Arc<[u8]>>| {
        let mut document = Document::with_limits(client, limits.clone());
        if let Some(state) = state {
            document.apply(&state).ok()?;
        }
        let applied = document.apply(&record.update).ok()?;
        let text = match applied.held {
            // It hangs at what is not there: then its letters, as they were sent.
            true => letters(&record.update),
            false => document.text(ROOT).to_string(),
        };
        Some((!applied.held, text))
    };
    let alone = app.machine.blocking({
        let read = read.clone();
        move || read(None)
    });
    if let Some((true, text)) = alone.await.ok_or(ApiError::INTERNAL)? {
        return Ok(text);
    }
    let handle = app.hub.open(app, name);
    let state = handle.ask(who, 0, Command::State).await?.update;
    let merged = app.machine.blocking(move || read(Some(state)));
    let merged = merged.await.ok_or(ApiError::INTERNAL)?;
    merged.map(|(_, text)| text).ok_or(ApiError::VIEW_FAILED)
}
