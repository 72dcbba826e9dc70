//! A text that is followed as it changes: server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Query;
use axum::http::{HeaderMap, Uri, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::{root_name, version};
use crate::App;
use crate::access::{Access, Who};
use crate::connections::{Connected, Present, Share};
use crate::document::edit::{Changes, Since};
use crate::document::{Command, Handle, Refused, Version};
use crate::gate;
use crate::http::error::ApiError;
use crate::http::identity::Visitor;
use crate::http::room;
use crate::json::{Edit, Unit};
use crate::metrics::Held;
use crate::name::DocumentName;

/// A comment is sent when nothing else was for so long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Longest time after which it is looked again whether a token has ended, in milliseconds: a day.
const MAX_WAIT_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangesQuery {
    since: Option<String>,
    root: Option<String>,
    #[serde(default)]
    unit: Unit,
}

/// `GET /api/documents/{name}/changes`
pub async fn changes(
    app: &Arc<App>,
    visitor: &Visitor,
    name: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let name = DocumentName::from_url(name)?;
    let Ok(Query(query)) = Query::<ChangesQuery>::try_from_uri(uri) else {
        return Err(ApiError::bad_query(
            "since and root are texts, unit is utf16, utf8 or char",
        ));
    };
    // Whoever comes back has seen more than the URL says.
    let last = headers.get("last-event-id").map(|id| id.to_str());
    let since = match last {
        Some(id) => Some(id.unwrap_or_default()),
        None => query.since.as_deref(),
    };
    let since = since.map(version).transpose()?;
    let who = &visitor.who;
    let share = room(app, visitor)?;
    let handle = gate::open(app, who, &name, Access::Read).await?;
    let connected = Connected {
        document: name,
        wire: "http",
        who: who.clone(),
        address: Some(visitor.address),
        since_ms: app.machine.now_ms(),
    };
    let mut follower = Follower {
        _present: None,
        _share: share,
        _counted: app.metrics.connections.hold(),
        app: app.clone(),
        who: who.clone(),
        // Before the first question: what comes after it is not missed.
        news: handle.news(),
        handle,
        root: root_name(query.root)?,
        unit: query.unit,
        has: since,
        told: since,
        is_over: false,
    };
    let first = follower.ask().await?;
    // Only now is it known that it may be there.
    follower._present = Some(app.connections.enter(app.next_peer(), connected));
    let start = (follower, Some(first));
    let events = stream::unfold(start, async |(mut follower, first)| {
        let event = match first {
            Some(changes) => match follower.event(changes) {
                Some(event) => Some(event),
                None => follower.next().await,
            },
            None => follower.next().await,
        };
        Some((Ok::<_, std::convert::Infallible>(event?), (follower, None)))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([(header::CACHE_CONTROL, "no-store")], events).into_response())
}

/// Somebody who follows a text. One event at a time is made, when the one before is written: whoever reads slowly gets
/// fewer and larger ones.
struct Follower {
    _counted: Held,
    _present: Option<Present>,
    _share: Option<Share>,
    app: Arc<App>,
    who: Arc<Who>,
    handle: Arc<Handle>,
    news: watch::Receiver<()>,
    root: String,
    unit: Unit,
    /// The newest version of which it has the text.
    has: Option<Version>,
    /// The version that it knows the text by.
    told: Option<Version>,
    is_over: bool,
}

/// Waits until what somebody has shown does not count any more, or somewhat longer than that: whoever asks then is told.
async fn end(app: &App, who: &Who) {
    let Some(claims) = &who.claims else {
        return std::future::pending().await;
    };
    let left = claims.expires_at_ms - app.machine.now_ms();
    if left <= 0 {
        // Whoever was told more since is here by something else.
        return std::future::pending().await;
    }
    let left = left.clamp(1, MAX_WAIT_MS).unsigned_abs();
    tokio::time::sleep(Duration::from_millis(left)).await;
}

impl Follower {
    async fn ask(&mut self) -> Result<Changes, Refused> {
        self.news.borrow_and_update();
        let (since, root, unit) = (self.has, self.root.clone(), self.unit.into());
        let asking = self.handle.ask(&self.who, 0, |reply| Command::Changes {
            since,
            root,
            unit,
            client: None,
            cursors: Vec::new(),
            reply,
        });
        asking.await
    }

    /// The next event; nothing when there will be none.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.is_over {
                return None;
            }
            tokio::select! {
                () = self.app.stopping.cancelled() => return None,
                () = end(&self.app, &self.who) => {}
                news = self.news.changed() => news.ok()?,
            }
            match self.ask().await {
                Ok(changes) => match self.event(changes) {
                    Some(event) => return Some(event),
                    None => continue,
                },
                Err(Refused::Deleted) => {
                    self.is_over = true;
                    return Some(Event::default().event("deleted").data("{}"));
                }
                // Whoever comes back hears why it has ended.
                Err(_) => return None,
            }
        }
    }

    /// What to tell of it, if the text has changed.
    fn event(&mut self, changes: Changes) -> Option<Event> {
        let Changes {
            version,
            since,
            is_replaced,
            ..
        } = changes;
        self.has = Some(version);
        let (name, data) = match since {
            Since::Edits(edits) if edits.is_empty() => return None,
            Since::Edits(edits) => {
                let edits: Vec<Edit> = edits.into_iter().map(Edit::from).collect();
                let prev = self.told.map(|told| told.to_string());
                let version = version.to_string();
                let data = json!({ "version": version, "prev": prev, "edits": edits });
                ("change", data)
            }
            Since::Text(text) => {
                let version = version.to_string();
                let text = text.to_string();
                let data = json!({ "version": version, "text": text, "replaced": is_replaced });
                ("reset", data)
            }
        };
        self.told = Some(version);
        let event = Event::default().event(name).id(version.to_string());
        Some(event.data(data.to_string()))
    }
}
