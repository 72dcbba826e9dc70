//! The door: what the accounts say now, kept in memory, and who wants to know when that changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

mod known;
mod look;
mod remote;
mod tokens;

pub use known::{Device, Known};
pub use look::{access, knows, look, open};
pub use remote::Remote;
pub use tokens::{Keys, is_url};

use crate::App;
use crate::access::{Claims, Hash, Rules, SessionId, TokenId, Who};
use crate::accounts::{Accounts, AccountsError, Secret, SecretKind};
use crate::metrics::Metrics;
use crate::storage::{Lookup, Storage};

/// How often it is looked whether another process has changed the accounts, or time has.
const LOOK: Duration = Duration::from_millis(250);
/// How often what has ended is removed, in looks.
const SWEEP: u32 = 40;

/// A change that cannot be read for so long may be that anybody is out, in milliseconds.
const UNREAD_MS: u64 = 5_000;

/// Uses of a session or a token are written down this often at most, in milliseconds.
const NOTED_MS: i64 = 60_000;
/// If that fails it is done again after this time: writing waits for whoever has the file, so not with each request.
const AGAIN_MS: i64 = 5_000;
/// Of how many it is remembered when that was.
const REMEMBERED: usize = 10_000;

/// See the module.
#[derive(Debug)]
pub struct Gate {
    rules: watch::Sender<Arc<Rules>>,
    accounts: Option<Accounts>,
    keys: Option<Keys>,
    /// As long as there is nobody, everybody may do everything.
    opens: bool,
    seen: Mutex<Seen>,
    /// When it was last written down that a session or a token was used, in milliseconds since the Unix epoch.
    used: Mutex<HashMap<Used, i64>>,
}

/// What is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Used {
    Session(SessionId),
    Token(TokenId),
    /// The new secret of a session, for the first time.
    Secret(Hash),
}

impl Used {
    fn of(who: &Who, secret: Option<Hash>) -> impl Iterator<Item = Self> + use<> {
        let all = [
            who.session.map(Self::Session),
            who.token.map(Self::Token),
            secret.map(Self::Secret),
        ];
        all.into_iter().flatten()
    }
}

/// What the rules in memory are of.
#[derive(Debug, Default)]
struct Seen {
    changes: Option<u64>,
    /// When something that counts now will not count any more.
    next_end_ms: Option<i64>,
    /// Since when there is a change that cannot be read.
    unread_ms: Option<i64>,
}

impl Gate {
    /// One that stands open: without accounts.
    pub fn open() -> Self {
        Self {
            rules: watch::Sender::new(Arc::new(Rules::open())),
            accounts: None,
            keys: None,
            opens: true,
            seen: Mutex::default(),
            used: Mutex::default(),
        }
    }

    /// The gate of these accounts, and of whoever has a token signed with one of these keys. As long as there is nobody it stands open
    /// if it `opens`, and lets nobody in otherwise.
    pub fn of(
        accounts: Accounts,
        keys: Keys,
        opens: bool,
        now_ms: i64,
    ) -> Result<Self, AccountsError> {
        let gate = Self {
            rules: watch::Sender::new(Arc::new(Rules::default())),
            accounts: Some(accounts),
            keys: Some(keys),
            opens,
            seen: Mutex::default(),
            used: Mutex::default(),
        };
        gate.look(now_ms)?;
        Ok(gate)
    }

    /// The accounts behind it, if there can be any.
    pub fn accounts(&self) -> Option<&Accounts> {
        self.accounts.as_ref()
    }

    /// What counts now.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.borrow().clone()
    }

    /// Moves whenever something changes, and when time has made something end.
    pub fn changes(&self) -> watch::Receiver<Arc<Rules>> {
        self.rules.subscribe()
    }

    /// Sees whether the accounts have changed, or whether something has ended. If a change cannot be read for long, nobody is anybody
    /// by them until it can. Blocks.
    pub fn look(&self, now_ms: i64) -> Result<(), AccountsError> {
        let Some(accounts) = &self.accounts else {
            return Ok(());
        };
        // One at a time: older rules never take the place of newer ones.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = match (accounts.changes(), &seen.unread_ms) {
            (Err(error), Some(since_ms)) => {
                self.close_after(since_ms, now_ms);
                return Err(error);
            }
            (changes, _) => changes?,
        };
        let has_ended = seen.next_end_ms.is_some_and(|end| end <= now_ms);
        if seen.changes == Some(changes) && !has_ended && seen.unread_ms.is_none() {
            return Ok(());
        }
        let mut rules = match accounts.rules(now_ms) {
            Ok(rules) => rules,
            Err(error) => {
                if seen.changes != Some(changes) {
                    self.close_after(seen.unread_ms.get_or_insert(now_ms), now_ms);
                }
                return Err(error);
            }
        };
        // Where people cannot be read there are some.
        rules.is_open = self.opens && rules.people.is_empty() && rules.unreadable == 0;
        *seen = Seen {
            changes: Some(changes),
            next_end_ms: rules.next_end_ms(now_ms),
            unread_ms: None,
        };
        self.rules.send_replace(Arc::new(rules));
        Ok(())
    }

    fn close_after(&self, since_ms: &i64, now_ms: i64) {
        let is_closed = self.rules.borrow().is_closed();
        if is_closed || now_ms.abs_diff(*since_ms) < UNREAD_MS {
            return;
        }
        tracing::error!(
            "a change of the accounts cannot be read: nobody is anybody by them until it can"
        );
        self.rules.send_replace(Arc::default());
    }

    /// Whether it is time to write down that what somebody came with was used. `secret`: what their session is known by.
    pub fn is_used(&self, who: &Who, secret: Option<Hash>, now_ms: i64) -> bool {
        let secret = secret.filter(|hash| self.rules.borrow().unused.contains(hash));
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() > REMEMBERED {
            used.retain(|_, at| now_ms - *at < NOTED_MS);
        }
        let mut is_due = false;
        for one in Used::of(who, secret) {
            let last = used.get(&one);
            if last.is_none_or(|last| now_ms - last >= NOTED_MS) {
                used.insert(one, now_ms);
                is_due = true;
            }
        }
        is_due
    }

    /// Writes down that it was used. Blocks.
    pub fn note_use(
        &self,
        who: &Who,
        secret: Option<Hash>,
        now_ms: i64,
    ) -> Result<(), AccountsError> {
        let noted = self.write_use(who, secret, now_ms);
        if noted.is_err() {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            for one in Used::of(who, secret) {
                used.insert(one, now_ms - NOTED_MS + AGAIN_MS);
            }
        }
        noted
    }

    fn write_use(&self, who: &Who, secret: Option<Hash>, now_ms: i64) -> Result<(), AccountsError> {
        let Some(accounts) = &self.accounts else {
            return Ok(());
        };
        if let Some(secret) = secret.filter(|hash| self.rules().unused.contains(hash)) {
            accounts.end_former(&secret, now_ms)?;
        }
        if let Some(session) = who.session {
            accounts.mark_session(session, now_ms)?;
        }
        if let Some(token) = who.token {
            accounts.mark_token(token, now_ms)?;
        }
        Ok(())
    }

    /// Browsers that people were signed in with; nothing if there are no accounts.
    pub fn known(&self) -> Option<&Known> {
        self.keys.as_ref().map(Keys::known)
    }

    /// Sets of keys at URLs.
    pub fn remote(&self) -> &[Arc<Remote>] {
        self.keys.as_ref().map_or(&[], Keys::remote)
    }

    /// Sees to it that the key of a document token is known, if there is a place to ask for it. Whoever has sent the token waits.
    pub async fn prepare(&self, token: &str, metrics: &Metrics) {
        let Some(keys) = &self.keys else {
            return;
        };
        for (remote, header) in keys.lacking(token) {
            remote.look_for(|| remote.has(&header), metrics).await;
        }
    }

    /// A token that says this; nothing if there are no accounts.
    pub fn sign(&self, claims: &Claims) -> Option<String> {
        self.keys.as_ref()?.sign(claims)
    }

    /// Whoever brings this secret along, beside what else they are. Nothing if it opens nothing.
    pub fn with_secret(&self, who: &Who, secret: &str) -> Option<Who> {
        let mut who = who.clone();
        let Some((kind, hash)) = Secret::parse(secret) else {
            who.claims = Some(Arc::new(self.keys.as_ref()?.verify(secret)?));
            return Some(who);
        };
        let rules = self.rules.borrow();
        match kind {
            SecretKind::Session => who.session = Some(*rules.sessions.get(&hash)?),
            SecretKind::Token => who.token = Some(*rules.tokens.get(&hash)?),
            SecretKind::Link => who.link = Some(*rules.links.get(&hash)?),
            SecretKind::Invitation => return None,
        }
        Some(who)
    }
}

/// Keeps the gate of a server up to date until it stops.
pub async fn watch(app: Arc<App>) {
    tokio::spawn(remote::watch(app.clone()));
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut count, mut is_failing) = (0u32, false);
    tell_unreadable(&app);
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = looks.tick() => {}
        }
        let sweeps = count.is_multiple_of(SWEEP);
        count = count.wrapping_add(1);
        let done = app.machine.blocking({
            let app = app.clone();
            move || {
                let now_ms = app.machine.now_ms();
                if let Some(accounts) = app.gate.accounts().filter(|_| sweeps) {
                    accounts.sweep(now_ms)?;
                }
                app.gate.look(now_ms)?;
                match app.gate.accounts().filter(|_| sweeps) {
                    Some(accounts) => follow(accounts, &*app.storage),
                    None => Ok(()),
                }
            }
        });
        let failed = match done.await {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(error.to_string()),
            None => Some("a panic".to_owned()),
        };
        if let Some(error) = &failed {
            app.metrics.accounts_failed.add_one();
            if !is_failing {
                tracing::error!(
                    error,
                    "the accounts cannot be read; what was known of them counts on, unless they have changed"
                );
            }
        }
        is_failing = failed.is_some();
        tell_unreadable(&app);
    }
}

/// What cannot be read is left out, and does not stop the rest.
fn tell_unreadable(app: &App) {
    let rows = app.gate.rules().unreadable;
    let before = app.metrics.accounts_unreadable.set(rows as u64);
    if rows as u64 > before {
        tracing::error!(
            rows,
            "rows of the accounts cannot be read: whom they are about has nothing by them"
        );
    }
}

/// Takes what was given of documents to the names that they have got, if whoever was about to say so could not.
fn follow(accounts: &Accounts, storage: &dyn Storage) -> Result<(), AccountsError> {
    let mut followed = Ok(());
    for (id, name) in accounts.moves()? {
        // What is not there, or cannot be read now, may be there later.
        if let Ok(Lookup::Found(entry)) = storage.entry(&name)
            && entry.position.id == id
        {
            followed = followed.and(accounts.move_document(id, &name));
        }
    }
    followed
}

#[cfg(test)]
mod tests;
