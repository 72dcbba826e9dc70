//! Who wrote which part of a text.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::Query;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use ropewalk_crdt::{ClientId, Document};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{no_store, root_name};
use crate::App;
use crate::access::{Access, PersonId, Who};
use crate::document::Command;
use crate::gate;
use crate::http::error::ApiError;
use crate::name::DocumentName;
use crate::storage::Wrote;

/// Documents that are read for this at once: each is in memory once more meanwhile.
static TURNS: Semaphore = Semaphore::const_new(1);
/// How long somebody waits for their turn.
const TURN: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorsQuery {
    root: Option<String>,
}

/// Part of a text that one person wrote.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    length: u64,
    person: Option<PersonId>,
    is_relayed: bool,
}

#[derive(Serialize)]
struct Listed {
    length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<String>,
    relayed: bool,
}

#[derive(Serialize)]
struct List {
    version: String,
    runs: Vec<Listed>,
}

/// `GET /api/documents/{name}/authors`
pub async fn list(
    app: &Arc<App>,
    who: &Arc<Who>,
    name: &str,
    uri: &Uri,
) -> Result<Response, ApiError> {
    let name = DocumentName::from_url(name)?;
    let Ok(Query(query)) = Query::<AuthorsQuery>::try_from_uri(uri) else {
        return Err(ApiError::bad_query("root is a text"));
    };
    let root = root_name(query.root)?;
    gate::look(app, who, &name, Access::Read).await?;
    let turn = timeout(TURN, TURNS.acquire()).await;
    let _turn = turn.map_err(|_| ApiError::OVERLOADED)?;
    let handle = gate::open(app, who, &name, Access::Read).await?;
    let state = handle.ask(who, 0, Command::State).await?;
    let (id, version) = (state.version.id, state.version.to_string());
    let reading = app.machine.blocking({
        let (storage, client) = (app.storage.clone(), app.machine.client_id());
        let limits = app.config.document_limits();
        move || {
            let mut document = Document::with_limits(client, limits);
            document
                .apply(&state.update)
                .map_err(|_| ApiError::VIEW_FAILED)?;
            let wrote = storage.wrote(id)?;
            Ok::<_, ApiError>(runs(&document.units(&root), &wrote))
        }
    });
    let runs = reading.await.ok_or(ApiError::INTERNAL)??;
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    let knows_logins = rules.person(who, now_ms).is_some();
    let runs = runs.into_iter().map(|run| {
        let person = run.person.and_then(|id| rules.people.get(&id));
        Listed {
            length: run.length,
            name: person.map(|person| person.shown.clone()),
            login: person
                .filter(|_| knows_logins)
                .map(|person| person.login.clone()),
            relayed: run.is_relayed,
        }
    });
    let runs = runs.collect();
    Ok((no_store(), Json(List { version, runs })).into_response())
}

/// Whose these units are. `wrote` is in order.
fn runs(units: &[(ClientId, u32, u32)], wrote: &[Wrote]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &(client, start, end) in units {
        let mut from = start;
        while from < end {
            let next = wrote.partition_point(|one| (one.client, one.clock) <= (client, from));
            let here = next.checked_sub(1).map(|at| wrote[at]);
            let here = here.filter(|one| one.client == client);
            let to = match wrote.get(next) {
                Some(one) if one.client == client => one.clock.min(end),
                _ => end,
            };
            let run = Run {
                length: u64::from(to - from),
                person: here.and_then(|one| one.person),
                is_relayed: here.is_some_and(|one| one.is_relayed),
            };
            match runs.last_mut() {
                Some(last) if (last.person, last.is_relayed) == (run.person, run.is_relayed) => {
                    last.length += run.length;
                }
                _ => runs.push(run),
            }
            from = to;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_by_whoever_wrote_from_the_last_clock_before_it() {
        let wrote = |client, clock, person: i64, is_relayed| Wrote {
            client,
            clock,
            person: (person > 0).then_some(PersonId(person)),
            is_relayed,
        };
        let wrote = [
            wrote(3, 2, 1, false),
            wrote(3, 5, 2, true),
            wrote(3, 7, 0, false),
            wrote(8, 0, 1, false),
        ];
        let units = [(9, 0, 4), (3, 0, 4), (8, 0, 2), (3, 4, 9), (2, 0, 1)];
        let found = runs(&units, &wrote);
        let found: Vec<_> = found
            .iter()
            .map(|run| (run.length, run.person.map_or(0, |id| id.0), run.is_relayed))
            .collect();
        let expected = [(6, 0, false), (5, 1, false), (2, 2, true), (3, 0, false)];
        assert_eq!(found, expected);
    }
}
