//! The API over the trash.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{At, Body, answer, at, body, deed, with};
use super::api::{MAX_PAGE, MAX_QUERY, PAGE, READ, position};
use super::error::ApiError;
use super::identity::Visitor;
use super::known;
use crate::App;
use crate::access::{Access, Rules, Who};
use crate::accounts::{Action, Actor};
use crate::document::{Command, Refused};
use crate::name::DocumentName;
use crate::storage::{DocumentId, Position, Storage, StorageError, Trashed, fold};
use crate::trash::{ends_ms, remove};

/// Documents that are removed at once when somebody empties the trash.
const MAX_EMPTIED: usize = 1000;

pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/api/trash", get(list).delete(empty))
        .route("/api/trash/{id}", delete(erase))
        .route("/api/trash/{id}/restore", post(restore))
}

/// Whether somebody may see a document in the trash, and decide about it.
fn owns(rules: &Rules, who: &Who, trashed: &Trashed, now_ms: i64) -> bool {
    rules.access(who, &known(&trashed.entry), now_ms) >= Access::Own
}

/// Those that are somebody's, as many as are wanted.
fn owned(
    storage: &dyn Storage,
    mut after: Option<Position>,
    wanted: usize,
    is_wanted: impl Fn(&Trashed) -> bool,
) -> Result<Vec<Trashed>, StorageError> {
    let mut found = Vec::new();
    loop {
        let some = storage.trash(after, READ)?;
        let is_last = some.len() < READ;
        after = some.last().map(Trashed::position);
        found.extend(some.into_iter().filter(&is_wanted));
        if is_last || found.len() >= wanted {
            found.truncate(wanted);
            return Ok(found);
        }
    }
}

async fn all_owned(
    app: &Arc<App>,
    who: &Arc<Who>,
    after: Option<Position>,
    wanted: usize,
    q: String,
) -> Result<Vec<Trashed>, ApiError> {
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    if !rules.is_known(who, now_ms) {
        return Err(ApiError::NOT_KNOWN);
    }
    let (storage, who, q) = (app.storage.clone(), who.clone(), fold(&q));
    let reading = app.machine.blocking(move || {
        owned(&*storage, after, wanted, |trashed| {
            fold(trashed.entry.name.as_str()).contains(&q) && owns(&rules, &who, trashed, now_ms)
        })
    });
    Ok(reading.await.ok_or(ApiError::INTERNAL)??)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    limit: Option<usize>,
    cursor: Option<String>,
    #[serde(default)]
    q: String,
}

/// `GET /api/trash`
async fn list(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Part>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Ok(Query(Part { limit, cursor, q })) = query else {
        return Err(ApiError::bad_query(
            "limit is a number, cursor and q are texts",
        ));
    };
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::bad_query("limit is a number from 1 to 200"));
    }
    if q.len() > MAX_QUERY {
        return Err(ApiError::bad_query("q has at most 512 bytes"));
    }
    let after = cursor.as_deref().map(position).transpose()?;
    let mut found = all_owned(&app, &visitor.who, after, limit + 1, q).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next = last.map(|last| super::api::cursor(last.position()));
    let rules = app.gate.rules();
    let documents: Vec<Value> = found.iter().map(|one| told(&app, &rules, one)).collect();
    let days = app.config.trash_days;
    Ok(answer(
        json!({ "documents": documents, "next": next, "days": days }),
    ))
}

fn told(app: &App, rules: &Rules, trashed: &Trashed) -> Value {
    let entry = &trashed.entry;
    let by = trashed.deleted_by.and_then(|id| rules.people.get(&id));
    json!({
        "id": trashed.id().0,
        "name": entry.name.as_str(),
        "length": entry.length,
        "created_at": entry.created_at_ms,
        "edited_at": entry.edited_at_ms,
        "deleted_at": trashed.deleted_at_ms,
        "deleted_by": by.map(|person| json!({ "login": person.login, "name": person.name })),
        "expires_at": ends_ms(app, trashed.kept_from_ms),
        "is_name_free": trashed.is_name_free,
    })
}

/// A document in the trash that is somebody's. For everybody else it is not there.
async fn one(app: &Arc<App>, who: &Who, id: i64) -> Result<Trashed, ApiError> {
    let storage = app.storage.clone();
    let reading = app
        .machine
        .blocking(move || storage.trashed(DocumentId(id)));
    let found = reading.await.ok_or(ApiError::INTERNAL)??;
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    if !rules.is_known(who, now_ms) {
        return Err(ApiError::NOT_KNOWN);
    }
    let found = found.filter(|trashed| owns(&rules, who, trashed, now_ms));
    found.ok_or(ApiError::NOT_FOUND)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    name: Option<String>,
}

/// `POST /api/trash/{id}/restore`
async fn restore(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: At<i64>,
    sent: Body<Restore>,
) -> Result<Response, ApiError> {
    let Restore { name } = body(sent)?;
    let trashed = one(&app, &visitor.who, at(id)?).await?;
    let before = trashed.entry.name.clone();
    let name = match name {
        Some(name) => DocumentName::new(&name)?,
        None => before.clone(),
    };
    let handle = app.hub.open(&app, &name);
    let by = deed(&app, &visitor)?;
    // Whoever asks may hang up: what was done is in the log all the same.
    let restoring = tokio::spawn(async move {
        let (who, id) = (visitor.who.clone(), trashed.id());
        let asking = handle.ask(&who, 0, |reply| Command::TakeBack { id, reply });
        let about = match before == name {
            true => {
                asking.await?;
                name.to_string()
            }
            false => {
                moved(&app, id, &name, asking).await?;
                format!("{before} as {name}")
            }
        };
        note(&app, by, Action::TakenBack, about).await;
        Ok::<_, ApiError>(name)
    });
    let name = restoring.await.map_err(|_| ApiError::INTERNAL)??;
    Ok(answer(json!({ "name": name.as_str() })))
}

/// Gives a document another name, and takes what was given of it there. The accounts are told before, so that they can find out after a
/// crash between the two.
async fn moved(
    app: &Arc<App>,
    id: DocumentId,
    to: &DocumentName,
    moving: impl Future<Output = Result<(), Refused>>,
) -> Result<(), ApiError> {
    if app.gate.rules().is_open {
        return Ok(moving.await?);
    }
    let name = to.clone();
    with(app, move |accounts, _| accounts.will_move(id, &name)).await?;
    let moved = moving.await;
    let name = to.clone();
    let told = with(app, move |accounts, _| match moved {
        Ok(()) => accounts.move_document(id, &name),
        // Nobody knows whether it has.
        Err(Refused::Storage | Refused::Again) => Ok(()),
        Err(_) => accounts.will_stay(id),
    });
    if told.await.is_err() {
        app.metrics.accounts_failed.add_one();
        tracing::error!("what was given of a document will follow it to its other name later");
    }
    Ok(moved?)
}

/// `DELETE /api/trash/{id}`
async fn erase(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    id: At<i64>,
) -> Result<StatusCode, ApiError> {
    let trashed = one(&app, &visitor.who, at(id)?).await?;
    let by = deed(&app, &visitor)?;
    let erasing = tokio::spawn(async move { remove(&app, &trashed, by).await });
    match erasing.await.map_err(|_| ApiError::INTERNAL)?? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NOT_FOUND),
    }
}

/// `DELETE /api/trash`
async fn empty(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let wanted = MAX_EMPTIED + 1;
    let mut found = all_owned(&app, &visitor.who, None, wanted, String::new()).await?;
    let is_empty = found.len() <= MAX_EMPTIED;
    found.truncate(MAX_EMPTIED);
    let by = deed(&app, &visitor)?;
    let erasing = tokio::spawn(async move {
        let mut removed = 0;
        for trashed in &found {
            // It takes long: they may own it no more by now, or nothing.
            let trashed = match one(&app, &visitor.who, trashed.id().0).await {
                Err(error) if error.is_absence() => continue,
                trashed => trashed?,
            };
            removed += usize::from(remove(&app, &trashed, by.clone()).await?);
        }
        Ok::<_, ApiError>(removed)
    });
    let removed = erasing.await.map_err(|_| ApiError::INTERNAL)??;
    Ok(answer(json!({ "removed": removed, "is_empty": is_empty })))
}

/// Tells the log of what was done. It is done, whether that works or not.
pub async fn note(app: &Arc<App>, by: Actor, action: Action, about: String) {
    if app.gate.rules().is_open {
        return;
    }
    let noting = with(app, move |accounts, now_ms| {
        accounts.note(&by, action, &about, now_ms)
    });
    if noting.await.is_err() {
        app.metrics.accounts_failed.add_one();
        tracing::error!(
            action = action.as_str(),
            "the log of the accounts lacks an entry"
        );
    }
}
