//! Edits by position, for scripts.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use ropewalk_crdt as crdt;
use serde::Deserialize;
use serde_json::json;

use super::{named, root_name, whole};
use crate::App;
use crate::access::Access;
use crate::document::edit::{Change, Found, Key, MAX_EDITS, OnlyAt, Request};
use crate::document::{Command, Handle, Refused, Text, Version};
use crate::gate;
use crate::http::error::ApiError;
use crate::http::identity::Visitor;
use crate::http::search::asker;
use crate::json::{Edit, Unit};
use crate::name::DocumentName;
use crate::search::turns::NoTurn;
use crate::storage::MAX_KEY;

/// A text is looked through anew so often, if others change it just where something is to be replaced.
const MOST_LOOKS: usize = 8;
/// Somebody who looks through too many at once may try again after this time.
const LOOK: Duration = Duration::from_secs(1);
/// Names a request that may be sent twice.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    base: Option<String>,
    unit: Option<Unit>,
    root: Option<String>,
    edits: Option<Vec<Edit>>,
    find: Option<String>,
    replace: Option<String>,
    count: Option<usize>,
}

impl Patch {
    fn change(self) -> Result<Change, ApiError> {
        let shape = "either edits, with base and unit if you like, or find (not empty) and replace, with count if you like";
        match self {
            Self {
                base,
                unit,
                edits: Some(edits),
                find: None,
                replace: None,
                count: None,
                ..
            } => {
                if edits.len() > MAX_EDITS {
                    return Err(ApiError::TOO_LARGE);
                }
                Ok(Change::Edits {
                    base: base.as_deref().map(version).transpose()?,
                    unit: unit.unwrap_or_default().into(),
                    edits: edits.into_iter().map(crdt::Edit::from).collect(),
                })
            }
            Self {
                base: None,
                unit: None,
                edits: None,
                find: Some(find),
                replace: Some(replace),
                count,
                ..
            } if !find.is_empty() => Ok(Change::Replace {
                find,
                replace,
                count,
                found: None,
            }),
            _ => Err(ApiError::bad("bad_body", shape)),
        }
    }
}

fn version(text: &str) -> Result<Version, ApiError> {
    text.parse()
        .map_err(|_| ApiError::bad("bad_body", "this base did not come from here as a version"))
}

/// `PATCH /api/documents/{name}/text`
pub async fn patch(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Some((name, "text")) = named(&uri).rsplit_once('/') else {
        return Err(ApiError::METHOD_NOT_ALLOWED);
    };
    let name = DocumentName::from_url(name)?;
    let body = whole(&app, body)?;
    let mut patch: Patch = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad("bad_body", error.to_string()))?;
    let root = root_name(patch.root.take())?;
    let change = patch.change()?;
    make(&app, &visitor, &name, &headers, root, change).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AppendQuery {
    root: Option<String>,
}

/// `POST /api/documents/{name}/append`: the body is more text.
pub async fn append(
    app: &Arc<App>,
    visitor: &Visitor,
    uri: &Uri,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Some((name, "append")) = named(uri).rsplit_once('/') else {
        return Err(ApiError::METHOD_NOT_ALLOWED);
    };
    let name = DocumentName::from_url(name)?;
    let Ok(Query(query)) = Query::<AppendQuery>::try_from_uri(uri) else {
        return Err(ApiError::bad_query("root is a text"));
    };
    let root = root_name(query.root)?;
    let text = String::from_utf8(whole(app, body)?.into()).map_err(|_| ApiError::NOT_UTF8)?;
    make(app, visitor, &name, headers, root, Change::Append(text)).await
}

async fn make(
    app: &Arc<App>,
    visitor: &Visitor,
    name: &DocumentName,
    headers: &HeaderMap,
    root: String,
    change: Change,
) -> Result<Response, ApiError> {
    let key = key(headers)?;
    let mut request = Request {
        digest: key.as_ref().map(|_| change.digest(&root)),
        root,
        change,
        only_at: only_at(headers)?,
        key,
        author: Arc::default(),
    };
    let handle = gate::open(app, &visitor.who, name, Access::Edit).await?;
    let mut looks = 0..MOST_LOOKS;
    let edited = loop {
        let again = matches!(request.change, Change::Replace { .. }).then(|| request.clone());
        let asking = handle.ask(&visitor.who, request.bytes(), |reply| Command::Edit {
            request,
            reply,
        });
        match (asking.await, again) {
            (Err(Refused::Unsearched), Some(again)) if looks.next().is_some() => {
                request = looked(app, visitor, &handle, again).await?;
            }
            (edited, _) => break edited?,
        }
    };
    let version = edited.version.to_string();
    let head = [
        (header::ETAG, format!("\"{version}\"")),
        (header::CACHE_CONTROL, "no-store".into()),
    ];
    let body = json!({ "version": version, "length": edited.length });
    Ok((head, Json(body)).into_response())
}

/// The same with where it is that something is to be replaced. A person looks through one text at a time, and takes nobody's turn.
async fn looked(
    app: &Arc<App>,
    visitor: &Visitor,
    handle: &Handle,
    mut request: Request,
) -> Result<Request, ApiError> {
    let Change::Replace { find, found, .. } = &mut request.change else {
        return Ok(request);
    };
    let turn = app.finding.take(asker(app, visitor)?).await;
    let turn = turn.map_err(|why| match why {
        NoTurn::TooMany => ApiError::too_many(LOOK),
        NoTurn::Late => ApiError::OVERLOADED,
    })?;
    let root = request.root.clone();
    let reading = handle.ask(&visitor.who, 0, |reply| Command::Text { root, reply });
    let Text { rope, version } = reading.await?;
    let looking = app.machine.blocking({
        let find = find.clone();
        // Whoever has gone meanwhile has it until it is done.
        move || {
            let _turn = turn;
            Found::look(&rope, &find, version)
        }
    });
    let looked = looking.await.ok_or(ApiError::INTERNAL)?;
    *found = Some(Arc::new(looked));
    Ok(request)
}

/// `If-Match`. A tag that is no version of ours, or a weak one, is at no version.
pub fn only_at(headers: &HeaderMap) -> Result<Option<OnlyAt>, ApiError> {
    let tags = headers.get_all(header::IF_MATCH).iter();
    let tags: Vec<&str> = tags
        .flat_map(|tags| tags.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .collect();
    if tags.is_empty() {
        return Ok(None);
    }
    if tags.contains(&"*") {
        return Ok(Some(OnlyAt::Any));
    }
    let is_tag = |tag: &&str| tag.trim_start_matches("W/").starts_with('"') && tag.ends_with('"');
    if !tags.iter().all(is_tag) {
        let shape = "If-Match takes versions in quotation marks, or *";
        return Err(ApiError::bad("bad_header", shape));
    }
    let version = |tag: &str| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    let versions = tags.into_iter().filter_map(version).collect();
    Ok(Some(OnlyAt::One(versions)))
}

/// `Idempotency-Key`. Clients of other wires have names of their own; here nobody has one.
fn key(headers: &HeaderMap) -> Result<Option<Key>, ApiError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let request = key.to_str().unwrap_or_default();
    if !(1..=MAX_KEY).contains(&request.len()) || keys.next().is_some() {
        return Err(ApiError::bad(
            "bad_header",
            "an Idempotency-Key has 1 to 64 ASCII characters",
        ));
    }
    Ok(Some(Key {
        client: String::new(),
        request: request.to_owned(),
    }))
}
