//! Who has opened which documents lately. It is written down now and then, many at once: a crash may forget the last of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::App;
use crate::access::PersonId;
use crate::storage::{DocumentId, Visit};

/// How often it is written down.
const OFTEN: Duration = Duration::from_secs(30);
/// Visits that wait for that; more are forgotten.
const MAX_WAITING: usize = 10_000;

/// Visits that are not written down yet.
#[derive(Debug, Default)]
pub struct Visits(Mutex<HashMap<(PersonId, DocumentId), i64>>);

impl Visits {
    fn waiting(&self) -> MutexGuard<'_, HashMap<(PersonId, DocumentId), i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody has opened a document, or written in it.
    pub fn note(&self, visit: Visit) {
        let mut waiting = self.waiting();
        let key = (visit.person, visit.id);
        if waiting.len() < MAX_WAITING || waiting.contains_key(&key) {
            waiting.insert(key, visit.at_ms);
        }
    }

    /// What waits of a person.
    pub fn of(&self, person: PersonId) -> Vec<(DocumentId, i64)> {
        let waiting = self.waiting();
        let of = waiting.iter().filter(|((who, _), _)| *who == person);
        of.map(|((_, id), at_ms)| (*id, *at_ms)).collect()
    }

    /// Writes down what waits.
    pub async fn keep(&self, app: &App) {
        let waiting = self.waiting().clone();
        if waiting.is_empty() {
            return;
        }
        let visit = |((person, id), at_ms): (&(PersonId, DocumentId), &i64)| Visit {
            person: *person,
            id: *id,
            at_ms: *at_ms,
        };
        let visits: Vec<Visit> = waiting.iter().map(visit).collect();
        if let Err(error) = app.journal.visit(visits).await {
            tracing::debug!(%error, "visits are written down later");
            return;
        }
        // Those since are newer.
        self.waiting()
            .retain(|key, at_ms| waiting.get(key) != Some(at_ms));
    }
}

/// Writes down the visits of a server until it stops.
pub async fn keep(app: Arc<App>) {
    let mut often = interval(OFTEN);
    often.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = often.tick() => app.visits.keep(&app).await,
        }
    }
}
