//! What is in the trash for long enough is removed for good, bit by bit: nobody's edit waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::App;
use crate::accounts::{Action, Actor};
use crate::journal::JournalError;
use crate::storage::{StorageError, Trashed};

/// How often it is looked whether the time of something is over.
const LOOK: Duration = Duration::from_secs(10);
/// Documents that are looked at at once.
const AT_ONCE: usize = 16;
/// Between two transactions, so that there is room for everybody else's.
const PAUSE: Duration = Duration::from_millis(20);
/// Of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How often it is written down what time it is.
const SEEN_MS: i64 = 60 * 60 * 1000;
/// Of the time between two of these so much counts, at most: a clock may have jumped.
const COUNTED_MS: i64 = DAY_MS;

/// When a document that is kept since then is removed, in milliseconds since the Unix epoch.
pub fn ends_ms(app: &App, kept_from_ms: i64) -> i64 {
    let days = i64::try_from(app.config.trash_days).unwrap_or(i64::MAX);
    kept_from_ms.saturating_add(days.saturating_mul(DAY_MS))
}

/// Looks after the trash of a server until it stops.
pub async fn sweep(app: Arc<App>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen_ms = None;
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = app.erased.notified() => {}
            _ = looks.tick() => {}
        }
        tokio::select! {
            () = app.stopping.cancelled() => return,
            swept = sweep_once(&app, &mut seen_ms) => if let Err(error) = swept {
                tracing::warn!(error, "the trash is looked after later");
            }
        }
    }
}

async fn sweep_once(app: &Arc<App>, seen_ms: &mut Option<i64>) -> Result<(), String> {
    let wrong = |error: JournalError| error.to_string();
    let now_ms = app.machine.now_ms();
    if seen_ms.is_none_or(|seen_ms| now_ms.abs_diff(seen_ms) >= SEEN_MS.unsigned_abs()) {
        let seeing = app.journal.see_time(now_ms, COUNTED_MS);
        seeing.await.map_err(wrong)?;
        *seen_ms = Some(now_ms);
    }
    let before = now_ms.saturating_sub(ends_ms(app, 0)).saturating_add(1);
    loop {
        let reading = app.machine.blocking({
            let app = app.clone();
            move || app.storage.trashed_before(before, AT_ONCE)
        });
        let due = reading.await.ok_or("a panic")?.map_err(|e| e.to_string())?;
        for trashed in &due.trashed {
            let removed = remove(app, trashed, Actor::nobody()).await;
            removed.map_err(|error| error.to_string())?;
            sleep(PAUSE).await;
        }
        if due.trashed.len() < AT_ONCE {
            tell_damaged(app, due.damaged);
            break;
        }
    }
    while app.journal.erase_some().await.map_err(wrong)? {
        sleep(PAUSE).await;
    }
    Ok(())
}

/// What cannot be read stays where it is, and does not stop the rest.
fn tell_damaged(app: &App, damaged: usize) {
    let before = app.metrics.trash_damaged.set(damaged as u64);
    if damaged as u64 > before {
        tracing::error!(
            damaged,
            "documents in the trash cannot be read and are not removed; see `ropewalk verify`"
        );
    }
}

/// Removes a document from the trash for good, and then what was given of it: that counts for this document alone, and it may have been
/// taken back before. `Ok(false)`: it is not there.
pub async fn remove(app: &Arc<App>, trashed: &Trashed, actor: Actor) -> Result<bool, StorageError> {
    let (id, name) = (trashed.id(), trashed.entry.name.clone());
    let failed = |why: String| StorageError::Failed(why);
    let erased = app.journal.erase(id).await;
    if !erased.map_err(|error| failed(error.to_string()))? {
        return Ok(false);
    }
    app.metrics.documents_erased.add_one();
    if let Some(search) = app.search.get() {
        search.forget(id);
    }
    app.erased.notify_one();
    let forgetting = app.machine.blocking({
        let app = app.clone();
        move || {
            let rules = app.gate.rules();
            let Some(accounts) = app.gate.accounts().filter(|_| !rules.is_open) else {
                return Ok(());
            };
            let now_ms = app.machine.now_ms();
            accounts.forget_document(id, &name, Action::Erased, &actor, now_ms)?;
            app.gate.look(now_ms)
        }
    });
    let forgotten = forgetting
        .await
        .ok_or_else(|| failed("a panic".to_owned()))?;
    forgotten.map_err(|error| failed(error.to_string()))?;
    Ok(true)
}
