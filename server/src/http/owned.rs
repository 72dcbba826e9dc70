//! The API over whose documents are: a document is handed over by whoever it belongs to, and all of somebody's by administrators.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::accounts::{At, Body, actor, admin, answer, at, body, bounded, person};
use super::error::ApiError;
use super::identity::Visitor;
use super::trash;
use crate::App;
use crate::access::{PersonId, Rules, Who};
use crate::accounts::{Action, PAGE};
use crate::document::{Command, Refused};
use crate::name::DocumentName;
use crate::storage::{DocumentId, Entry};

/// Documents that are handed over by one request, at most.
const AT_ONCE: usize = 200;
/// No other is begun after so long: whoever asks goes on where it ended.
const LONGEST: Duration = Duration::from_secs(10);

pub fn router() -> Router<Arc<App>> {
    Router::new().route(
        "/api/people/{login}/documents",
        get(list).post(hand_all_over),
    )
}

/// Somebody who can own something from now on.
fn heir(rules: &Rules, login: &str) -> Result<PersonId, ApiError> {
    let login = login.to_ascii_lowercase();
    let mut people = rules.people.iter();
    let found = people.find(|(_, person)| person.login == login && !person.is_disabled);
    found.map(|(id, _)| *id).ok_or(ApiError::NO_SUBJECT)
}

fn login(rules: &Rules, id: PersonId) -> &str {
    rules.people.get(&id).map_or("", |person| &person.login)
}

/// Makes a document the one of `to`.
pub async fn hand_over(
    app: &Arc<App>,
    visitor: &Visitor,
    name: &DocumentName,
    to: &str,
) -> Result<PersonId, ApiError> {
    let rules = app.gate.rules();
    let to = heir(&rules, to)?;
    let by = bounded(app, person(app, &visitor.who)?, visitor)?;
    let (app, name, who) = (app.clone(), name.clone(), visitor.who.clone());
    // Whoever asks may hang up: the log says so all the same.
    let handing = tokio::spawn(async move {
        let before = ask(&app, &name, &who, to).await?;
        let mut about = name.to_string();
        if let Some(before) = before {
            about += &format!(" from {}", login(&rules, before));
        }
        about += &format!(" to {}", login(&rules, to));
        trash::note(&app, by, Action::HandedOver, about).await;
        Ok(to)
    });
    handing.await.map_err(|_| ApiError::INTERNAL)?
}

async fn ask(
    app: &Arc<App>,
    name: &DocumentName,
    who: &Arc<Who>,
    to: PersonId,
) -> Result<Option<PersonId>, Refused> {
    let handle = app.hub.open(app, name);
    handle
        .ask(who, 0, |reply| Command::HandOver { to, reply })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<i64>,
}

/// The person of a login, enabled or not.
fn named(rules: &Rules, login: &str) -> Result<PersonId, ApiError> {
    let login = login.to_ascii_lowercase();
    let mut people = rules.people.iter();
    let found = people.find(|(_, person)| person.login == login);
    found.map(|(id, _)| *id).ok_or(ApiError::NOT_FOUND)
}

async fn owned(
    app: &Arc<App>,
    of: PersonId,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<(Entry, bool)>, ApiError> {
    let storage = app.storage.clone();
    let after = after.map(DocumentId);
    let reading = app
        .machine
        .blocking(move || storage.owned(of, after, limit));
    Ok(reading.await.ok_or(ApiError::INTERNAL)??)
}

/// `GET /api/people/{login}/documents`: those that belong to them, also in the trash.
async fn list(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    login: At<String>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Response, ApiError> {
    admin(&app, &visitor.who)?;
    let of = named(&app.gate.rules(), &at(login)?)?;
    let Ok(Query(Page { after })) = query else {
        return Err(ApiError::bad_query("after is where a page ended"));
    };
    let owned = owned(&app, of, after, PAGE).await?;
    let next = owned.last().filter(|_| owned.len() == PAGE);
    let next = next.map(|(entry, _)| entry.id().0);
    let owned: Vec<Value> = owned
        .iter()
        .map(|(entry, is_trashed)| json!({ "name": entry.name.as_str(), "is_trashed": is_trashed }))
        .collect();
    Ok(answer(json!({ "documents": owned, "next": next })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct All {
    to: String,
    after: Option<i64>,
}

/// `POST /api/people/{login}/documents`: hands over what belongs to them, some at once, and says where to go on.
async fn hand_all_over(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    login_of: At<String>,
    sent: Body<All>,
) -> Result<Response, ApiError> {
    let by = actor(admin(&app, &visitor.who)?, &visitor);
    let rules = app.gate.rules();
    let of = named(&rules, &at(login_of)?)?;
    let All { to, after } = body(sent)?;
    let login_to = to;
    let to = heir(&rules, &login_to)?;
    if to == of {
        return Err(ApiError::bad(
            "bad_body",
            "they belong to this person already",
        ));
    }
    let who = visitor.who;
    // Whoever asks may hang up: the log says what was done.
    let handing = tokio::spawn(async move {
        let owned = owned(&app, of, after, AT_ONCE).await?;
        let begun = Instant::now();
        let (mut handed, mut failed, mut at) = (0, 0, after);
        let mut has_more = owned.len() == AT_ONCE;
        for (entry, is_trashed) in owned {
            let may_go_on = admin(&app, &who).is_ok() && heir(&app.gate.rules(), &login_to).is_ok();
            if begun.elapsed() > LONGEST || !may_go_on {
                has_more = true;
                break;
            }
            let id = entry.id();
            let done = match is_trashed {
                true => {
                    let epoch = app.journal.epoch();
                    let done = app.journal.hand_over(epoch, id, to, true);
                    done.await.unwrap_or(false)
                }
                false => ask(&app, &entry.name, &who, to).await.is_ok(),
            };
            match done {
                true => handed += 1,
                false => failed += 1,
            }
            at = Some(id.0);
        }
        if handed > 0 {
            let (of, to) = (login(&rules, of), login(&rules, to));
            let about = format!("{handed} documents from {of} to {to}");
            trash::note(&app, by, Action::HandedOver, about).await;
        }
        // Before all of them, if there was none.
        let next = has_more.then(|| at.unwrap_or(0));
        Ok(answer(
            json!({ "handed": handed, "failed": failed, "next": next }),
        ))
    });
    handing.await.map_err(|_| ApiError::INTERNAL)?
}
