//! The API over documents: list, create, read, edit, delete, and what was set aside of them.

mod authors;
mod changes;
mod content;
mod edit;
mod strays;

pub use edit::patch;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Query, State, rejection::QueryRejection};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use ropewalk_crdt::ROOT;
use ropey::Rope;
use serde::{Deserialize, Serialize};

use super::accounts::deed;
use super::error::ApiError;
use super::identity::Visitor;
use super::sharing::Of;
use super::{found, home, known, sharing, trash};
use crate::App;
use crate::access::{Access, Who};
use crate::accounts::Action;
use crate::document::{Command, Version};
use crate::gate;
use crate::name::DocumentName;
use crate::storage::{DocumentId, Entry, Position, Storage, StorageError};

/// Documents on a page of the list unless the request says otherwise.
pub const PAGE: usize = 50;
/// Documents on a page at most.
pub const MAX_PAGE: usize = 200;
/// Documents that are read at once to find those that somebody may read.
pub const READ: usize = 500;
/// Longest search text, in bytes.
pub const MAX_QUERY: usize = 512;
/// Longest name of a root text, in bytes.
const MAX_ROOT: usize = 256;

/// Which part of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    q: String,
    folder: Option<String>,
    view: Option<View>,
}

/// Another list than that of all documents.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum View {
    /// What one has opened lately.
    Recent,
    /// What one was given.
    Shared,
}

/// What the list says of a document.
#[derive(Serialize)]
pub struct Listed {
    name: String,
    length: u64,
    created_at: i64,
    edited_at: i64,
    people: usize,
    access: Access,
}

impl Listed {
    /// As somebody sees it.
    pub fn new(app: &App, who: &Who, entry: &Entry) -> Self {
        let rules = app.gate.rules();
        Self {
            access: rules.access(who, &known(entry), app.machine.now_ms()),
            people: app.hub.people(&entry.name),
            name: entry.name.to_string(),
            length: entry.length,
            created_at: entry.created_at_ms,
            edited_at: entry.edited_at_ms,
        }
    }
}

#[derive(Serialize)]
struct List {
    documents: Vec<Listed>,
    next: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damaged: Vec<serde_json::Value>,
}

/// Documents that cannot be listed, for administrators: what can be told of them is not enough to know whose they are.
pub fn damaged(app: &App, who: &Who) -> Vec<serde_json::Value> {
    let rules = app.gate.rules();
    if !rules.is_open && !rules.is_admin(who, app.machine.now_ms()) {
        return Vec::new();
    }
    let unlisted = app.storage.unlisted().into_iter();
    unlisted
        .map(|(id, why)| serde_json::json!({ "id": id.0, "why": why }))
        .collect()
}

/// `GET /api/documents`
pub async fn list(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Arc<Who>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Ok(Query(query)) = query else {
        return Err(ApiError::bad_query(
            "limit is a number, cursor, q and folder are texts, view is recent or shared",
        ));
    };
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::bad_query("limit is a number from 1 to 200"));
    }
    if query.q.len() > MAX_QUERY {
        return Err(ApiError::bad_query("q has at most 512 bytes"));
    }
    let after = query.cursor.as_deref().map(position).transpose()?;
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    if !rules.is_known(&who, now_ms) {
        return Err(ApiError::NOT_KNOWN);
    }
    if query.view.is_some() && (query.folder.is_some() || !query.q.is_empty()) {
        return Err(ApiError::bad_query("a view has no folder and no q"));
    }
    match query.view {
        Some(View::Recent) if rules.person(&who, now_ms).is_some() => {
            return home::recent(&app, &who, limit).await;
        }
        Some(View::Shared) => return home::shared(&app, &who, after, limit).await,
        // Of nobody it is not known what they have opened: what was edited last.
        Some(View::Recent) | None => {}
    }
    if let Some(folder) = &query.folder {
        let folder = match folder.as_str() {
            "" => None,
            folder => Some(folder_name(folder)?),
        };
        return home::folder(&app, &who, folder, query.q, after, limit).await;
    }
    let storage = app.storage.clone();
    let reading = app.machine.blocking({
        let who = who.clone();
        move || {
            let may_read =
                |entry: &Entry| rules.access(&who, &known(entry), now_ms) >= Access::Read;
            page(&*storage, &query.q, after, limit + 1, may_read)
        }
    });
    let mut entries = reading.await.ok_or(ApiError::INTERNAL)??;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries
        .last()
        .filter(|_| more)
        .map(|last| cursor(last.position));
    let documents = entries
        .into_iter()
        .map(|entry| Listed::new(&app, &who, &entry))
        .collect();
    let damaged = damaged(&app, &who);
    let list = List {
        documents,
        next,
        damaged,
    };
    Ok((no_store(), Json(list)).into_response())
}

/// Entries of which `may_read` says yes, as many as are wanted.
fn page(
    storage: &dyn Storage,
    query: &str,
    mut after: Option<Position>,
    wanted: usize,
    may_read: impl Fn(&Entry) -> bool,
) -> Result<Vec<Entry>, StorageError> {
    let mut entries = Vec::new();
    loop {
        let some = storage.list(query, after, READ)?;
        let is_last = some.len() < READ;
        after = some.last().map(|last| last.position);
        entries.extend(some.into_iter().filter(|entry| may_read(entry)));
        if is_last || entries.len() >= wanted {
            entries.truncate(wanted);
            return Ok(entries);
        }
    }
}

pub fn cursor(position: Position) -> String {
    format!("{}-{}", position.edited_at_ms, position.id.0)
}

pub fn position(cursor: &str) -> Result<Position, ApiError> {
    let parse = || {
        let (edited, id) = cursor.split_once('-')?;
        Some(Position {
            edited_at_ms: edited.parse().ok()?,
            id: DocumentId(id.parse().ok()?),
        })
    };
    parse().ok_or(ApiError::bad_query("this cursor did not come from here"))
}

/// The name of a folder in a query.
pub fn folder_name(folder: &str) -> Result<DocumentName, ApiError> {
    DocumentName::new(folder)
        .map_err(|_| ApiError::bad_query("folder is a path such as notes/2026"))
}

fn no_store() -> [(header::HeaderName, &'static str); 1] {
    [(header::CACHE_CONTROL, "no-store")]
}

/// The name in a URL, behind `/api/documents/`.
fn named(uri: &Uri) -> &str {
    uri.path()
        .strip_prefix("/api/documents/")
        .unwrap_or_default()
}

fn whole(app: &App, body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            app.metrics.refused_too_large.add_one();
            ApiError::TOO_LARGE
        }
        _ => ApiError::bad_body(),
    })
}

/// `POST /api/documents/{name}/append`, or `…/links`
pub async fn post(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    match named(&uri).strip_suffix("/links") {
        Some(name) => sharing::link(&app, &visitor, Of::Document(name), body).await,
        None => edit::append(&app, &visitor, &uri, &headers, body).await,
    }
}

/// `PUT /api/documents/{name}`: the body is the initial text; or `…/sharing`.
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    if let Some(name) = named(&uri).strip_suffix("/sharing") {
        return sharing::give(&app, &visitor, Of::Document(name), body).await;
    }
    let who = visitor.who;
    let name = DocumentName::from_url(named(&uri))?;
    let text = String::from_utf8(whole(&app, body)?.into()).map_err(|_| ApiError::NOT_UTF8)?;
    let handle = gate::open(&app, &who, &name, Access::Edit).await?;
    let created = handle
        .ask(&who, text.len(), |reply| Command::Create { text, reply })
        .await?;
    let version = created.version.to_string();
    let body =
        serde_json::json!({ "name": name.as_str(), "version": version, "length": created.length });
    Ok((StatusCode::CREATED, no_store(), Json(body)).into_response())
}

/// The name and the number in `{name}/strays/{id}`.
fn stray(rest: &str) -> Option<(&str, &str)> {
    let (rest, id) = rest.rsplit_once('/')?;
    Some((rest.strip_suffix("/strays")?, id))
}

/// `DELETE /api/documents/{name}`, or `…/strays/{id}` and `…/links/{id}`
pub async fn delete(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    if let Some((name, id)) = stray(named(&uri)) {
        return strays::delete(&app, &visitor, name, id).await;
    }
    if let Some((name, id)) = sharing::link_of(named(&uri)) {
        return sharing::unlink(&app, &visitor, Of::Document(name), id).await;
    }
    let name = DocumentName::from_url(named(&uri))?;
    let handle = gate::open(&app, &visitor.who, &name, Access::Own).await?;
    let only_at = edit::only_at(&headers)?;
    let by = deed(&app, &visitor)?;
    // Whoever asks may hang up: what was given of it is forgotten all the same.
    let deleting = tokio::spawn(async move {
        let who = visitor.who.clone();
        let asking = handle.ask(&who, 0, |reply| Command::Delete { only_at, reply });
        let id = asking.await?;
        if app.config.trash_days > 0 {
            // What was given of it is kept with it.
            trash::note(&app, by, Action::Deleted, name.to_string()).await;
            return Ok(());
        }
        sharing::forget(&app, by, id, &name).await
    });
    deleting.await.map_err(|_| ApiError::INTERNAL)??;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/documents/{name}`, or `…/text`, `…/changes`, `…/content`, `…/authors`, `…/sharing`, `…/strays` and `…/strays/{id}`: the last
/// segments say what of the document.
pub async fn read(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let who = visitor.who.clone();
    if let Some((name, id)) = stray(named(&uri)) {
        return strays::read(&app, &who, name, id, &uri).await;
    }
    match named(&uri).rsplit_once('/') {
        Some((name, "text")) => text(&app, &who, name, &uri, &headers).await,
        Some((name, "changes")) => changes::changes(&app, &visitor, name, &uri, &headers).await,
        Some((name, "content")) => content::content(&app, &who, name, &uri, &headers).await,
        Some((name, "sharing")) => sharing::read(&app, &visitor, Of::Document(name)).await,
        Some((name, "authors")) => authors::list(&app, &who, name, &uri).await,
        Some((name, "strays")) => strays::list(&app, &who, name).await,
        _ => entry(&app, &who, named(&uri)).await,
    }
}

/// `GET /api/documents/{name}`: what the list says of it.
async fn entry(app: &Arc<App>, who: &Arc<Who>, name: &str) -> Result<Response, ApiError> {
    let name = DocumentName::from_url(name)?;
    let entry = found(app, who, &name, Access::Read).await?;
    let listed = Listed::new(app, who, &entry);
    Ok((no_store(), Json(listed)).into_response())
}

/// Which part of a text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextQuery {
    lines: Option<String>,
    root: Option<String>,
    version: Option<String>,
}

/// `GET /api/documents/{name}/text`
async fn text(
    app: &Arc<App>,
    who: &Arc<Who>,
    name: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let name = DocumentName::from_url(name)?;
    let Ok(Query(query)) = Query::<TextQuery>::try_from_uri(uri) else {
        return Err(ApiError::bad_query("lines, root and version are texts"));
    };
    let lines = query.lines.as_deref().map(line_range).transpose()?;
    let wanted = query.version.as_deref().map(version).transpose()?;
    let root = root_name(query.root)?;
    let handle = gate::open(app, who, &name, Access::Read).await?;
    let text = handle
        .ask(who, 0, |reply| Command::Text { root, reply })
        .await?;
    if wanted.is_some_and(|wanted| !text.version.is_state_of(&wanted)) {
        return Err(ApiError::MOVED);
    }
    let (head, known) = versioned(text.version, headers);
    if known {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let body = match lines {
        Some((first, last)) => cut(&text.rope, first, last),
        None => text.rope.to_string(),
    };
    Ok((
        head,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        body,
    )
        .into_response())
}

fn version(text: &str) -> Result<Version, ApiError> {
    text.parse()
        .map_err(|_| ApiError::bad_query("this version did not come from here"))
}

fn root_name(root: Option<String>) -> Result<String, ApiError> {
    let root = root.unwrap_or_else(|| ROOT.to_owned());
    if root.len() > MAX_ROOT {
        return Err(ApiError::bad_query("root has at most 256 bytes"));
    }
    Ok(root)
}

/// Headers that name a version, and whether whoever asks has it already.
fn versioned(version: Version, headers: &HeaderMap) -> ([(header::HeaderName, String); 2], bool) {
    let tag = format!("\"{version}\"");
    let mut tags = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .map(str::trim);
    let known = tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    let head = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".into()),
    ];
    (head, known)
}

/// `a-b`, `a-` or `a`: lines from 1, both included.
fn line_range(lines: &str) -> Result<(usize, usize), ApiError> {
    let parse = || {
        let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
        let first: usize = first.parse().ok()?;
        let last = if last.is_empty() {
            usize::MAX
        } else {
            last.parse().ok()?
        };
        (first >= 1 && first <= last).then_some((first, last))
    };
    parse().ok_or(ApiError::bad_query(
        "lines is a range such as 1-20, from 1, both included",
    ))
}

fn cut(rope: &Rope, first: usize, last: usize) -> String {
    let count = rope.len_lines();
    if first > count {
        return String::new();
    }
    let from = rope.line_to_char(first - 1);
    let to = rope.line_to_char(last.min(count));
    rope.slice(from..to).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_cut_with_their_ends() {
        let rope = Rope::from_str("one\ntwo\nthree");
        let cut = |lines| {
            let (first, last) = line_range(lines).unwrap();
            cut(&rope, first, last)
        };
        assert_eq!(cut("1-1"), "one\n");
        assert_eq!(cut("2-3"), "two\nthree");
        assert_eq!(cut("2"), "two\n");
        assert_eq!(cut("3-"), "three");
        assert_eq!(cut("2-99"), "two\nthree");
        assert_eq!(cut("4-5"), "");
        let rope = Rope::from_str("one\r\nt\rw\u{2028}o\u{c}\nthree");
        assert_eq!(super::cut(&rope, 2, 2), "t\rw\u{2028}o\u{c}\n");
        for bad in [
            "",
            "0-1",
            "2-1",
            "a-b",
            "-3",
            "1-2-3",
            "99999999999999999999",
        ] {
            assert!(line_range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cursor_names_a_place() {
        let place = Position {
            edited_at_ms: 1_700_000_000_000,
            id: DocumentId(7),
        };
        assert_eq!(position(&cursor(place)).unwrap(), place);
        assert!(position("x").is_err());
    }
}
