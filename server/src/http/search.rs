//! The API over words: documents in whose texts something is found.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::answer;
use super::api::Listed;
use super::attempts::network;
use super::error::ApiError;
use super::identity::Visitor;
use super::known;
use crate::App;
use crate::access::{Access, Target, Who};
use crate::search::index::{Place, Reading, is_damage, is_late, marked_in};
use crate::search::text_now;
use crate::search::turns::{Asker, NoTurn};
use crate::search::words::{NoQuestion, question, snippet};
use crate::storage::{DocumentId, Entry};

/// Documents on a page unless the request says otherwise, and at most.
const PAGE: usize = 20;
const MAX_PAGE: usize = 50;
/// Documents on all pages of an answer.
const MAX_FOUND: usize = 200;
/// Documents that are looked at at once to find those that somebody may read.
const READ: usize = 200;
/// Documents whose text is another than the indexed one and is read for that, in one answer. The index follows soon.
const REREAD: usize = 8;
/// How long a search may take.
const PATIENCE: Duration = Duration::from_secs(1);

pub fn router() -> Router<Arc<App>> {
    Router::new().route("/api/search", get(search))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    q: String,
    limit: Option<usize>,
    cursor: Option<usize>,
    folder: Option<String>,
}

/// What is to be found.
struct Wanted {
    question: String,
    folder: Option<Target>,
    /// How many come before, of those that whoever asks may read.
    skip: usize,
    limit: usize,
}

impl Asked {
    fn wanted(self) -> Result<Wanted, ApiError> {
        let question = question(self.q.trim_start()).map_err(|why| match why {
            NoQuestion::Empty => ApiError::bad_query("there is no word in q"),
            NoQuestion::TooLong => ApiError::bad_query("q has at most 256 bytes and 16 words"),
        })?;
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(ApiError::bad_query("limit is a number from 1 to 50"));
        }
        let skip = self.cursor.unwrap_or(0);
        if skip >= MAX_FOUND {
            return Err(ApiError::bad_query("this cursor did not come from here"));
        }
        let folder = match self.folder.as_deref() {
            None | Some("") => None,
            Some(folder) => Some(Target::Folder(super::api::folder_name(folder)?)),
        };
        Ok(Wanted {
            question,
            folder,
            skip,
            limit: limit.min(MAX_FOUND - skip),
        })
    }
}

/// Parts of a text, and whether each is a hit.
type Snippet = Vec<(String, bool)>;

struct Found {
    /// Each with its snippet.
    documents: Vec<(Entry, Snippet)>,
    has_more: bool,
}

/// Why nothing was found.
enum Missed {
    TooBroad,
    /// There is none, or none any more: it is built.
    NoIndex {
        is_damaged: bool,
    },
    Failed(ApiError),
}

impl From<rusqlite::Error> for Missed {
    fn from(error: rusqlite::Error) -> Self {
        if is_late(&error) {
            return Self::TooBroad;
        }
        if is_damage(&error) {
            tracing::debug!(%error, "the index of words is damaged");
            return Self::NoIndex { is_damaged: true };
        }
        tracing::warn!(%error, "the index of words cannot be read");
        Self::Failed(ApiError::NO_INDEX)
    }
}

/// `GET /api/search`
async fn search(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Ok(Query(asked)) = query else {
        let what = "q and folder are texts, limit and cursor numbers";
        return Err(ApiError::bad_query(what));
    };
    let (who, asker) = (visitor.who.clone(), asker(&app, &visitor)?);
    let wanted = asked.wanted()?;
    let index = app.search.get().ok_or(ApiError::NO_SEARCH)?;
    let turn = index.turns.take(asker).await.map_err(|why| match why {
        NoTurn::TooMany => ApiError::too_many(PATIENCE),
        NoTurn::Late => ApiError::OVERLOADED,
    })?;
    let (skip, is_complete) = (wanted.skip, index.is_complete());
    let finding = app.machine.blocking({
        let (app, who) = (app.clone(), who.clone());
        // Whoever has gone meanwhile has it until it is done.
        move || {
            let _turn = turn;
            find(&app, &who, &wanted)
        }
    });
    let found = match finding.await.ok_or(ApiError::INTERNAL)? {
        Ok(found) => found,
        Err(Missed::TooBroad) => return Err(ApiError::TOO_BROAD),
        Err(Missed::Failed(error)) => return Err(error),
        Err(Missed::NoIndex { is_damaged }) => {
            if is_damaged && is_complete {
                index.is_damaged();
            }
            let nothing = json!({ "documents": [], "next": null, "is_complete": false });
            return Ok(answer(nothing));
        }
    };
    let next = skip + found.documents.len();
    let next = (found.has_more && next < MAX_FOUND).then(|| next.to_string());
    let documents: Vec<Value> = found
        .documents
        .iter()
        .map(|(entry, snippet)| told(&app, &who, entry, snippet))
        .collect();
    let told = json!({ "documents": documents, "next": next, "is_complete": is_complete });
    Ok(answer(told))
}

/// Who asks, if they may ask at all.
pub fn asker(app: &App, visitor: &Visitor) -> Result<Asker, ApiError> {
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    if !rules.is_known(&visitor.who, now_ms) {
        return Err(ApiError::NOT_KNOWN);
    }
    Ok(match rules.person(&visitor.who, now_ms) {
        Some((id, _)) => Asker::Person(id),
        None => Asker::Address(network(visitor.address)),
    })
}

fn told(app: &App, who: &Who, entry: &Entry, snippet: &Snippet) -> Value {
    let mut told = json!(Listed::new(app, who, entry));
    let snippet: Vec<Value> = snippet
        .iter()
        .map(|(text, is_hit)| match is_hit {
            true => json!({ "text": text, "hit": true }),
            false => json!({ "text": text }),
        })
        .collect();
    told["snippets"] = json!([snippet]);
    told
}

/// Finds a page. Who may read what is looked at before anything else is known of a document.
fn find(app: &App, who: &Who, wanted: &Wanted) -> Result<Found, Missed> {
    let until = Instant::now() + PATIENCE;
    let search = app.search.get();
    let reading = search.map(|search| Reading::open(&search.folder, until));
    let Some(reading) = reading.transpose()?.flatten() else {
        return Err(Missed::NoIndex { is_damaged: false });
    };
    let ids = reading.find(&wanted.question)?;
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    let (mut skip, mut reread, mut found) = (wanted.skip, 0, Vec::new());
    // What was found in time is shown; the next page may have more time for the rest.
    let is_late_with = |found: Vec<_>| match found.is_empty() {
        true => Err(Missed::TooBroad),
        false => Ok(Found {
            documents: found,
            has_more: true,
        }),
    };
    for some in ids.chunks(READ) {
        if Instant::now() >= until {
            return is_late_with(found);
        }
        let entries = app.storage.entries(some);
        let entries = entries.map_err(|error| Missed::Failed(error.into()))?;
        let mut entries: HashMap<DocumentId, Entry> = entries
            .into_iter()
            .map(|entry| (entry.id(), entry))
            .collect();
        for id in some {
            let Some(entry) = entries.remove(id) else {
                continue;
            };
            let is_here = wanted
                .folder
                .as_ref()
                .is_none_or(|folder| folder.covers(&entry.name));
            if !is_here || rules.access(who, &known(&entry), now_ms) < Access::Read {
                continue;
            }
            // It has changed meanwhile, or the index is of another database.
            let Some(place) = reading.place(*id)?.filter(|place| place.is_of(&entry)) else {
                continue;
            };
            // What is not in it any more may have been taken out before whoever asks could read it.
            let mut now = None;
            if place != Place::of(&entry) {
                reread += 1;
                // The rest is found on the next page, or when the index has followed.
                if reread > REREAD && !found.is_empty() {
                    return is_late_with(found);
                }
                let text = match reread <= REREAD && Instant::now() < until {
                    true => text_now(app, &entry),
                    false => None,
                };
                let marked = text.map(|text| marked_in(&text, &wanted.question, until));
                now = match marked.transpose() {
                    Ok(Some(Some(marked))) => Some(marked),
                    Ok(_) => continue,
                    Err(error) if is_late(&error) => return is_late_with(found),
                    Err(error) => return Err(error.into()),
                };
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if found.len() == wanted.limit {
                return Ok(Found {
                    documents: found,
                    has_more: true,
                });
            }
            let marked = match now {
                Some(marked) => Ok(Some((place, marked))),
                None => reading.marked(&wanted.question, *id),
            };
            match marked {
                Ok(Some((place, marked))) if place.is_of(&entry) => {
                    found.push((entry, snippet(&marked)));
                }
                Ok(_) => continue,
                Err(error) if is_late(&error) => return is_late_with(found),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(Found {
        documents: found,
        has_more: false,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::IpAddr;

    use axum::body::Body;
    use futures_util::FutureExt as _;
    use tempfile::TempDir;
    use tower::ServiceExt as _;

    use super::*;
    use crate::config::Config;
    use crate::gate::Gate;
    use crate::journal::{Journal, JournalLimits};
    use crate::listen::Peer;
    use crate::machine::Host;
    use crate::search::Search;
    use crate::storage::memory::Memory;

    struct World {
        app: Arc<App>,
        folder: TempDir,
    }

    impl World {
        fn new() -> Self {
            let storage = Arc::new(Memory::default());
            let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
            let (config, host) = (Config::default(), Arc::new(Host));
            let app = App::new(config, storage, journal, host, Gate::open()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            Self { app, folder }
        }

        fn start(&self) {
            Search::start(&self.app, self.folder.path().to_owned()).unwrap();
        }

        async fn ask(&self, address: [u8; 4]) -> Response {
            let request = axum::extract::Request::get("/api/search?q=a")
                .header("host", "127.0.0.1")
                .extension(Peer(IpAddr::from(address)))
                .body(Body::empty());
            let router = crate::http::router(self.app.clone());
            router.oneshot(request.unwrap()).await.unwrap()
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            self.app.stopping.cancel();
        }
    }

    #[tokio::test]
    async fn an_index_that_cannot_be_read_is_no_empty_answer() {
        let world = World::new();
        let file = world.folder.path().join(crate::search::index::FILE);
        std::fs::create_dir(&file).unwrap();
        world.start();
        let refused = world.ask([10, 0, 0, 1]).await;
        assert_eq!(refused.status(), 503);
        let body = axum::body::to_bytes(refused.into_body(), 1 << 16)
            .await
            .unwrap();
        let told: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(told["code"], "storage");
        // One that is built says so.
        std::fs::remove_dir(&file).unwrap();
        let answered = world.ask([10, 0, 0, 1]).await;
        assert_eq!(answered.status(), 200);
    }

    #[tokio::test]
    async fn whoever_asks_too_much_at_once_waits() {
        let world = World::new();
        world.start();
        let turns = &world.app.search.get().unwrap().turns;
        let here = Asker::Address(IpAddr::from([10, 0, 0, 1]));
        let _running = turns.take(here).await.unwrap();
        let mut waiting: Vec<_> = (0..7).map(|_| Box::pin(turns.take(here))).collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        let refused = world.ask([10, 0, 0, 1]).await;
        assert_eq!(refused.status(), 429);
        assert!(refused.headers().contains_key("retry-after"));
        let answered = world.ask([10, 0, 0, 2]).await;
        assert_eq!(answered.status(), 200);
    }

    #[test]
    fn a_folder_is_a_name() {
        let asked = |folder: &str| Asked {
            q: "a".to_owned(),
            limit: None,
            cursor: None,
            folder: Some(folder.to_owned()),
        };
        assert!(
            asked("a/b")
                .wanted()
                .is_ok_and(|wanted| wanted.folder.is_some())
        );
        assert!(
            asked("")
                .wanted()
                .is_ok_and(|wanted| wanted.folder.is_none())
        );
        assert!(asked("../a").wanted().is_err());
    }
}
