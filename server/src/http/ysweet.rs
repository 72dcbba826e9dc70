//! What y-sweet clients and its SDK ask over HTTP: where a document is, its state, and to change it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use super::accounts::{bounded, person, with};
use super::error::ApiError;
use super::identity::Visitor;
use super::{Upgrade, health};
use crate::App;
use crate::access::{Access, Called, Claims, Target, Who};
use crate::accounts::{Accounts, Action};
use crate::called;
use crate::document::{Command, Refused};
use crate::gate;
use crate::name::DocumentName;
use crate::session::yjs::Dialect;
use crate::session::{Progress, yjs};
use crate::storage::Entry;

/// In a segment of a URL's path, as browsers write it.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// How long a token counts unless it is said, in seconds.
const VALID_S: i64 = 60 * 60;
/// And at most.
const MAX_VALID_S: i64 = 24 * 60 * 60;
/// Whoever has a token that names nobody.
const SOMEBODY: &str = "Somebody";
/// Letters of a name that nobody chose.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct New {
    doc_id: Option<String>,
}

/// `POST /doc/new`: begins a document, if there is none of this name; without one, of a random name.
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Arc<Who>>,
    body: Result<Json<New>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(New { doc_id }) = body.map_err(|_| ApiError::bad_query("the body is {\"docId\"?}"))?;
    let name = match doc_id {
        Some(name) => DocumentName::new(&name)?,
        None => DocumentName::new(&random_name(&app))?,
    };
    let handle = gate::open(&app, &who, &name, Access::Edit).await?;
    let text = String::new();
    let created = handle
        .ask(&who, 0, |reply| Command::Create { text, reply })
        .await;
    match created.err() {
        None | Some(Refused::Exists) => {}
        Some(refused) => return Err(refused.into()),
    }
    Ok(Json(json!({ "docId": name.as_str() })).into_response())
}

fn random_name(app: &App) -> String {
    let letter = |bits: u32| char::from(LETTERS[(bits & 31) as usize]);
    (0..24).map(|_| letter(app.machine.random())).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    authorization: Option<String>,
    user_id: Option<String>,
    valid_for_seconds: Option<i64>,
}

/// `POST /doc/{name}/auth`: where its sockets and its state are, and a token for a client that has none of its own.
pub async fn auth(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, ApiError> {
    let path = uri.path().strip_prefix("/doc/");
    let name = path.and_then(|path| path.strip_suffix("/auth"));
    let name = DocumentName::from_url(name.ok_or(ApiError::NOT_FOUND)?)?;
    let shape = "the body is {\"authorization\"?, \"userId\"?, \"validForSeconds\"?}";
    let Json(wanted) = body.map_err(|_| ApiError::bad_query(shape))?;
    let access = match wanted.authorization.as_deref() {
        None | Some("full") => Access::Edit,
        Some("read-only") => Access::Read,
        Some(_) => return Err(ApiError::bad_query("authorization is full or read-only")),
    };
    let is_open = app.gate.rules().is_open;
    if is_open && access == Access::Read {
        return Err(ApiError::NO_TOKENS);
    }
    let entry = super::found(&app, &visitor.who, &name, access).await?;
    let token = match is_open {
        true => None,
        false => Some(token(&app, &visitor.who, &entry, access, &wanted)?),
    };
    if token.is_some() {
        tell(&app, &visitor, &entry, access).await;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.ok_or(ApiError::HOST)?;
    // Says a proxy; it only leads whoever asks there.
    let proxied = headers.get("x-forwarded-proto");
    let secure =
        app.config.is_over_tls() || proxied.is_some_and(|scheme| scheme.as_bytes() == b"https");
    let s = if secure { "s" } else { "" };
    let segments = name.as_str().split('/');
    let encoded: Vec<String> = segments
        .map(|segment| utf8_percent_encode(segment, SEGMENT).to_string())
        .collect();
    let place = format!("{host}/d/{}", encoded.join("/"));
    let mut body = json!({
        "url": format!("ws{s}://{place}/ws"),
        "baseUrl": format!("http{s}://{place}"),
        "docId": name.as_str(),
        "authorization": if access == Access::Edit { "full" } else { "read-only" },
    });
    if let Some(token) = token {
        body["token"] = token.into();
    }
    Ok(Json(body).into_response())
}

/// Has the log say that somebody hands on what they may do: of each document once a day, as applications ask whenever a page is opened. Who has
/// no account hands on a link or a token, which the log has. Nobody is without a token because the log cannot be written.
async fn tell(app: &Arc<App>, visitor: &Visitor, entry: &Entry, access: Access) {
    let Ok(person) = person(app, &visitor.who) else {
        return;
    };
    let minted = (person, entry.id(), access);
    if !app.attempts.of_token(minted) {
        return;
    }
    let telling = async {
        let by = bounded(app, person, visitor)?;
        let about = format!("{} by document tokens to {access}", entry.name);
        let note =
            move |accounts: &Accounts, now_ms| accounts.note(&by, Action::Shared, &about, now_ms);
        with(app, note).await
    };
    if telling.await.is_err() {
        app.attempts.is_not_told(minted);
        tracing::warn!(document = %entry.name, "the log has no line of a document token");
    }
}

/// A token for somebody that whoever asks vouches for. Only an administrator says what they are called: everybody else hands on their own
/// name.
fn token(
    app: &App,
    who: &Who,
    entry: &Entry,
    access: Access,
    wanted: &Wanted,
) -> Result<String, ApiError> {
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    let said = wanted.user_id.as_deref().unwrap_or_default();
    // It never outlasts what it was asked for with, nor is it worth more; a document token that somebody has beside, for something else,
    // vouches for nothing.
    let (shown, rest) = who.apart();
    let known = super::known(entry);
    let shown = shown.filter(|alone| rules.access(alone, &known, now_ms) >= access);
    let shown = shown.and_then(|alone| alone.claims);
    let called = match rules.called(if shown.is_some() { who } else { &rest }, now_ms) {
        _ if rules.is_admin(who, now_ms) => said,
        Called::Person(person) => &person.shown,
        Called::Name(ref name) => &name.clone(),
        Called::Guest | Called::AsTheySay => "Somebody (guest)",
    };
    let called: String = called.chars().filter(|char| !char.is_control()).collect();
    let called = called::beginning(&called, called::MAX_SHOWN);
    let seconds = wanted
        .valid_for_seconds
        .unwrap_or(VALID_S)
        .clamp(1, MAX_VALID_S);
    let target = Target::Document(entry.name.clone());
    if target.to_string().parse() != Ok(target.clone()) {
        let why = "a token for this name would be one for a folder";
        return Err(ApiError::bad("bad_name", why));
    }
    let by = match &shown {
        Some(claims) => claims.by.clone(),
        None => Some(rest),
    };
    let ends = now_ms + seconds * 1000;
    let signed = app.gate.sign(&Claims {
        name: match called.is_empty() {
            true => SOMEBODY.to_owned(),
            false => called,
        },
        target,
        access,
        expires_at_ms: shown.map_or(ends, |claims| ends.min(claims.expires_at_ms)),
        by,
        issuer: None,
    });
    signed.ok_or(ApiError::INTERNAL)
}

/// `POST /check_store`: whether edits can be saved now.
pub async fn check_store(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Arc<Who>>,
) -> Result<Response, ApiError> {
    // It costs a commit.
    if !app.gate.rules().is_known(&who, app.machine.now_ms()) {
        return Err(ApiError::NOT_KNOWN);
    }
    let answer = match app.is_ready() && health::writes(&app).await {
        true => json!({ "ok": true }),
        false => json!({ "ok": false, "error": "storage does not take writes" }),
    };
    Ok(Json(answer).into_response())
}

/// `GET /d/{name}/as-update`: the whole state. `GET /d/{name}/ws/{name}`: a socket.
pub async fn get(
    State(app): State<Arc<App>>,
    Extension(progress): Extension<Arc<Progress>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let path = uri.path().strip_prefix("/d/").ok_or(ApiError::NOT_FOUND)?;
    if upgrade.is_ok() {
        let name = socket_name(path).ok_or(ApiError::NOT_FOUND)?;
        let (upgrade, share) = super::socket(&app, &visitor, upgrade)?;
        progress.comes_from(visitor.address);
        let who = visitor.who;
        let sessions = app.sessions.clone();
        return Ok(upgrade.on_upgrade(move |socket| {
            let dialect = Dialect::YSweet;
            let session = yjs::run(app, socket, Ok(name), who, progress, dialect);
            sessions.track_future(super::held(share, session))
        }));
    }
    let name = path.strip_suffix("/as-update").ok_or(ApiError::NOT_FOUND)?;
    let name = DocumentName::from_url(name)?;
    let handle = gate::open(&app, &visitor.who, &name, Access::Read).await?;
    let state = handle.ask(&visitor.who, 0, Command::State).await?;
    let update = state.update.to_vec();
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], update).into_response())
}

/// The name that stands before and behind `/ws/`: a client appends it to the URL that it was given.
fn socket_name(path: &str) -> Option<DocumentName> {
    path.match_indices("/ws/").find_map(|(at, found)| {
        let before = DocumentName::from_url(&path[..at]).ok()?;
        let behind = DocumentName::from_url(&path[at + found.len()..]).ok()?;
        (before == behind).then_some(before)
    })
}

/// `POST /d/{name}/update`: takes in a Yjs update v1; answered when it is on disk.
pub async fn update(
    State(app): State<Arc<App>>,
    Extension(who): Extension<Arc<Who>>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let path = uri.path().strip_prefix("/d/");
    let name = path.and_then(|path| path.strip_suffix("/update"));
    let name = DocumentName::from_url(name.ok_or(ApiError::NOT_FOUND)?)?;
    let update = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TOO_LARGE,
        _ => ApiError::bad_body(),
    })?;
    let handle = gate::open(&app, &who, &name, Access::Edit).await?;
    let bytes = update.len();
    handle
        .ask(&who, bytes, |reply| Command::Apply { update, reply })
        .await?;
    Ok(StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_named_twice() {
        let name = |path| socket_name(path).map(|name| name.to_string());
        assert_eq!(name("a/ws/a").as_deref(), Some("a"));
        assert_eq!(name("a%2Fb/ws/a/b").as_deref(), Some("a/b"));
        assert_eq!(name("a/ws/b/ws/a/ws/b").as_deref(), Some("a/ws/b"));
        for none in ["a/ws/b", "a/ws/", "a", "/ws/", "a/b/ws/b"] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
