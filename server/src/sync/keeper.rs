//! Begins and ends pairs: by what is in the folder, by what the system tells of it, and by what the server has.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::folder::{Stamp, Unfit};
use super::names::Names;
use super::pair::{self, End};
use super::shared::{Seen, Shared};
use super::{ASIDE, Failure, Problem};
use crate::link::{Entry, Unreachable};

/// Files that are kept in step at most; each has a connection.
pub const MAX_FILES: usize = 1000;
/// Documents that are looked at; those that were edited last.
const MAX_LISTED: usize = 10 * MAX_FILES;
/// Each so manieth time all of the server's list is read, and else what is new in it: what comes back from the trash is not.
const WHOLE: u32 = 20;
/// How often the whole folder is looked at, in case something was missed.
const SCAN: Duration = Duration::from_secs(10);
/// How often, when nobody tells of changes.
const SCAN_ALONE: Duration = Duration::from_secs(1);
/// How often the server is asked for new documents.
const LIST: Duration = Duration::from_secs(3);
/// After something has changed.
const SOON: Duration = Duration::from_millis(200);
/// How old a new file has to be: many programs write files that are gone at once.
const NEW: Duration = Duration::from_secs(2);
/// After something went wrong.
const LATER: Duration = Duration::from_secs(3);
/// The longest pause after a refusal: that may be over when somebody gives access, and else is in vain.
const REFUSED: Duration = Duration::from_secs(300);
/// How long the end may take.
const LEAVE: Duration = Duration::from_secs(10);
/// How long a run that ends by itself waits for a server.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks the server, after some time, which documents there are, those that were edited last first; no further than to a page on
/// which all are `known`.
async fn list(
    shared: Arc<Shared>,
    prefix: String,
    known: Arc<HashSet<String>>,
    after: Duration,
) -> Result<Vec<Entry>, Unreachable> {
    sleep(after).await;
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let page = shared.address.documents(&prefix, cursor.as_deref()).await?;
        let has_news = page
            .documents
            .iter()
            .any(|entry| !known.contains(&entry.name));
        entries.extend(page.documents);
        cursor = page.next;
        if cursor.is_none() || !has_news || entries.len() >= MAX_LISTED {
            return Ok(entries);
        }
    }
}

/// The pause after so many refusals.
fn pause(first: Duration, refusals: u32) -> Duration {
    (first * 2u32.pow(refusals.min(16))).min(REFUSED)
}

/// See the module.
pub struct Keeper {
    names: Names,
    shared: Arc<Shared>,
    once: bool,
    /// What looks after a file, and how that was when it began.
    tasks: JoinSet<(String, Option<Stamp>, Result<End, Problem>)>,
    /// What was said of paths that are left out.
    said: BTreeSet<String>,
    /// Files that are left out as they are.
    left_out: BTreeMap<String, Option<Stamp>>,
    /// Files that the server refuses: how often in a row, and when they are tried again.
    refused: BTreeMap<String, (u32, Instant)>,
    /// How often in a row the server has refused its list.
    lists_refused: u32,
    /// When a new file was seen.
    first_seen: BTreeMap<String, Instant>,
    /// Files whose pairs have ended since the server was asked for its list: that may be older.
    just_ended: BTreeSet<String>,
    /// Names that the server has listed.
    known: Arc<HashSet<String>>,
    /// How often it was asked for that.
    asked: u32,
    /// The server's list was read once.
    is_listed: bool,
    /// When the folder was looked at, and when it is to be.
    last_scan: Instant,
    next_scan: Instant,
}

impl Keeper {
    pub fn new(names: Names, shared: Arc<Shared>, once: bool) -> Self {
        Self {
            names,
            shared,
            once,
            tasks: JoinSet::new(),
            said: BTreeSet::new(),
            left_out: BTreeMap::new(),
            refused: BTreeMap::new(),
            lists_refused: 0,
            first_seen: BTreeMap::new(),
            just_ended: BTreeSet::new(),
            known: Arc::default(),
            asked: 0,
            is_listed: false,
            last_scan: Instant::now(),
            next_scan: Instant::now(),
        }
    }

    /// Keeps a folder in step until `stop`, or until everything is if it is only once.
    pub async fn keep(
        &mut self,
        path: &Path,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        tokio::pin!(stop);
        let (sender, mut changed) = mpsc::channel(1024);
        let tell = move |event: notify::Result<notify::Event>| {
            // What finds no room is found by the next scan.
            let _ = sender.try_send(event);
        };
        let within = Config::default().with_follow_symlinks(false);
        let watching = RecommendedWatcher::new(tell, within);
        let watching = watching.and_then(|mut watcher| {
            watcher.watch(path, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watching {
            let every = SCAN_ALONE.as_secs();
            self.shared.trouble(format_args!("The system does not tell of changes ({error}): the folder is looked at every {every} s."));
        }
        let every = if watching.is_ok() { SCAN } else { SCAN_ALONE };
        let mut listing = Box::pin(self.ask(Duration::ZERO));
        let late = Instant::now() + PATIENCE;
        self.begin_recorded();
        self.scan(every);
        loop {
            if self.once && self.is_listed && self.all_in_step() {
                break;
            }
            tokio::select! {
                () = &mut stop => break,
                () = sleep_until(late), if self.once => {
                    let failure = self.not_in_step();
                    self.end().await;
                    return Err(failure);
                }
                Some(event) = changed.recv(), if watching.is_ok() => self.changed(path, event),
                () = sleep_until(self.next_scan) => {
                    if !self.shared.folder.is_whole() {
                        self.end().await;
                        return Err(Failure::Folder {
                            path: path.to_owned(),
                            reason: format!("its folder {ASIDE} is gone"),
                        });
                    }
                    self.scan(every);
                }
                listed = &mut listing => {
                    match listed {
                        Ok(entries) => {
                            self.lists_refused = 0;
                            self.listed(&entries);
                        }
                        Err(error) => {
                            self.lists_refused += u32::from(error.is_final());
                            self.shared.offline(&error.to_string());
                        }
                    }
                    listing.set(self.ask(pause(LIST, self.lists_refused)));
                }
                Some(done) = self.tasks.join_next() => {
                    if let Ok((path, stamp, end)) = done {
                        self.ended(path, stamp, end);
                    }
                }
                () = self.shared.news.notified() => {}
            }
        }
        self.end().await;
        match self.once && self.shared.state().has_failed {
            true => Err(Failure::LeftOut),
            false => Ok(()),
        }
    }

    /// Asks for the list, after some time.
    fn ask(
        &mut self,
        after: Duration,
    ) -> impl Future<Output = Result<Vec<Entry>, Unreachable>> + use<> {
        self.just_ended.clear();
        let known = match self.asked.is_multiple_of(WHOLE) {
            true => Arc::default(),
            false => self.known.clone(),
        };
        self.asked = self.asked.wrapping_add(1);
        list(self.shared.clone(), self.names.prefix.clone(), known, after)
    }

    /// Why not everything is in step.
    fn not_in_step(&self) -> Failure {
        let state = self.shared.state();
        if let Some(why) = &state.offline {
            return Failure::Offline(why.clone());
        }
        let left = state
            .files
            .values()
            .filter(|seen| !seen.is_in_step && !seen.is_idle);
        Failure::NotInStep(left.count())
    }

    /// Begins with all files that are recorded.
    fn begin_recorded(&mut self) {
        match self.shared.records.paths() {
            Ok(paths) => paths.iter().for_each(|path| self.begin(path)),
            Err(error) => self.shared.trouble(format_args!("{error}")),
        }
    }

    fn all_in_step(&self) -> bool {
        let state = self.shared.state();
        state
            .files
            .values()
            .all(|seen| seen.is_in_step || seen.is_idle)
    }

    /// Has the folder looked at before it is its turn; however often that is asked for, it is not put off.
    fn scan_in(&mut self, wait: Duration) {
        let at = (Instant::now() + wait).max(self.last_scan + SCAN_ALONE);
        self.next_scan = self.next_scan.min(at);
    }

    fn changed(&mut self, root: &Path, event: notify::Result<notify::Event>) {
        let Ok(event) = event else {
            return self.scan_in(SOON);
        };
        if event.kind.is_access() {
            return;
        }
        let mut is_new = event.need_rescan();
        for path in &event.paths {
            let path = path.strip_prefix(root).ok().and_then(Path::to_str);
            let Some(path) = path.filter(|path| !path.starts_with(ASIDE) || *path == ASIDE) else {
                continue;
            };
            let state = self.shared.state();
            match state.files.get(path) {
                Some(seen) if !seen.is_idle => seen.touched.notify_one(),
                _ => is_new = true,
            }
        }
        if is_new {
            self.scan_in(SOON);
        }
    }

    /// Looks for files that are new, and has the others looked at.
    fn scan(&mut self, every: Duration) {
        self.last_scan = Instant::now();
        self.next_scan = self.last_scan + every;
        let found = match self.shared.folder.walk() {
            Ok(found) => found,
            Err(error) => {
                return self
                    .shared
                    .trouble(format_args!("The folder cannot be read: {error}"));
            }
        };
        for (path, why) in found.left_alone {
            self.leave_out(&path, why);
        }
        for (path, why) in found.left_out {
            self.fail(&path, why);
        }
        let now = Instant::now();
        for path in &found.files {
            match self.names.name(path) {
                None => continue,
                Some(Err(error)) => self.fail(path, &error.to_string()),
                Some(Ok(_)) => {
                    let is_known = self.shared.state().files.contains_key(path);
                    let since = *self.first_seen.entry(path.clone()).or_insert(now);
                    if is_known || self.once || now >= since + NEW {
                        self.begin(path);
                    } else {
                        self.scan_in(NEW);
                    }
                }
            }
        }
        self.first_seen
            .retain(|path, _| found.files.binary_search(path).is_ok());
        for seen in self.shared.state().files.values() {
            seen.touched.notify_one();
        }
        self.tidy();
    }

    /// Looks at what lies aside and is nobody's.
    fn tidy(&mut self) {
        let tidied = self.shared.left.look(&self.shared, Instant::now());
        if let Err(problem) = tidied {
            self.shared.trouble(format_args!("{ASIDE}: {problem}"));
        }
    }

    /// Whether a file is as it was when it was left out.
    fn is_left_out(&mut self, path: &str) -> bool {
        let Some(left_out) = self.left_out.get(path) else {
            return false;
        };
        let stamp = self.shared.folder.stamp(path).ok().flatten();
        let is_same = stamp.is_some() && *left_out == stamp;
        if !is_same {
            self.left_out.remove(path);
        }
        is_same
    }

    /// Leaves out what should be in step.
    fn fail(&mut self, path: &str, why: &str) {
        self.shared.state().has_failed = true;
        self.leave_out(path, why);
    }

    fn leave_out(&mut self, path: &str, why: &str) {
        if self.said.insert(path.to_owned()) {
            self.shared
                .trouble(format_args!("{path}: {why}; it is left out"));
        }
    }

    /// Begins with documents that are new.
    fn listed(&mut self, entries: &[Entry]) {
        self.shared.online();
        if entries.len() >= MAX_LISTED {
            let why = "there are 10,000 documents; what was edited longer ago is not looked for";
            self.fail(&self.names.prefix.clone(), why);
        }
        let known = Arc::make_mut(&mut self.known);
        if known.len() > 2 * MAX_LISTED {
            known.clear();
        }
        known.extend(entries.iter().map(|entry| entry.name.clone()));
        for entry in entries {
            let Some(path) = self.names.path(&entry.name) else {
                if entry.name.starts_with(&self.names.prefix) {
                    self.fail(&entry.name, "its name cannot be that of a file here");
                }
                continue;
            };
            match self.shared.records.is_gone(&path) {
                Ok(Some(true)) if self.is_over(&path) => {
                    // It came back from the trash, or was begun again: whoever asks is told.
                    let _ = self.shared.records.is_back(&path);
                    self.begin(&path);
                }
                Ok(None) if entry.length > 0 => self.begin(&path),
                _ => {}
            }
        }
        self.is_listed = true;
    }

    /// Whether nobody looked after a file any more when the server was asked for its list.
    fn is_over(&self, path: &str) -> bool {
        let state = self.shared.state();
        let is_idle = state.files.get(path).is_none_or(|seen| seen.is_idle);
        is_idle && !self.just_ended.contains(path)
    }

    /// Begins to look after a file, unless that is done.
    fn begin(&mut self, path: &str) {
        let Some(Ok(name)) = self.names.name(path) else {
            return;
        };
        let is_due = |&(_, due): &(u32, Instant)| Instant::now() >= due;
        if self.is_left_out(path) || !self.refused.get(path).is_none_or(is_due) {
            return;
        }
        {
            let mut state = self.shared.state();
            let count = state.files.values().filter(|seen| !seen.is_idle).count();
            match state.files.get_mut(path) {
                Some(seen) if !seen.is_idle => return,
                _ if count >= MAX_FILES => {
                    drop(state);
                    return self.fail(path, "there are 1,000 files in step already");
                }
                Some(seen) => seen.is_idle = false,
                None => drop(state.files.insert(path.to_owned(), Seen::default())),
            }
        }
        let (shared, run) = (self.shared.clone(), path.to_owned());
        self.start(path.to_owned(), async move {
            pair::run(shared, &run, name).await
        });
    }

    fn start(
        &mut self,
        path: String,
        run: impl Future<Output = Result<End, Problem>> + Send + 'static,
    ) {
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            let stamp = shared.folder.stamp(&path).ok().flatten();
            let run = AssertUnwindSafe(run).catch_unwind();
            let end = run.await.unwrap_or(Err(Problem::Panicked));
            (path, stamp, end)
        });
    }

    fn ended(&mut self, path: String, stamp: Option<Stamp>, end: Result<End, Problem>) {
        self.just_ended.insert(path.clone());
        let is_refused = matches!(
            &end,
            Err(Problem::Refused(..) | Problem::Unreachable(Unreachable::Refused(401 | 403, _)))
        );
        if is_refused {
            let now = Instant::now();
            let (times, due) = self.refused.entry(path.clone()).or_insert((0, now));
            if now > *due + REFUSED {
                // It was not, meanwhile.
                *times = 0;
            }
            *due = now + pause(SCAN, *times);
            *times += 1;
        } else {
            self.refused.remove(&path);
        }
        let (wait, is_idle) = match end {
            Ok(End::Stopped) => return,
            Ok(End::Idle) => (None, true),
            Ok(End::Again) | Err(Problem::Again) => (Some(Duration::ZERO), false),
            Err(Problem::Offline(reason)) => {
                self.shared.offline(&reason);
                (Some(LATER), false)
            }
            Err(Problem::Unreachable(error)) if !error.is_final() => {
                self.shared.offline(&error.to_string());
                (Some(LATER), false)
            }
            Err(problem) => {
                let is_by_kind = matches!(
                    &problem,
                    Problem::Unfit(Unfit::Link | Unfit::NotFile | Unfit::NotText)
                );
                self.shared.state().has_failed |= !is_by_kind;
                if is_by_kind || matches!(&problem, Problem::Unfit(Unfit::TooLarge)) {
                    self.left_out.insert(path.clone(), stamp);
                }
                if !is_refused {
                    // Anything else may be over by the next time that the folder is looked at.
                    self.leave_out(&path, &problem.to_string());
                } else if self.said.insert(path.clone()) {
                    self.shared.trouble(format_args!(
                        "{path}: {problem}; it is tried again in growing pauses"
                    ));
                }
                (None, true)
            }
        };
        let is_forgotten = is_idle && matches!(self.shared.records.get(&path), Ok(None));
        let mut state = self.shared.state();
        if is_forgotten {
            // It may come again, from either side.
            state.files.remove(&path);
        } else if let Some(seen) = state.files.get_mut(&path) {
            (seen.is_in_step, seen.is_idle) = (false, is_idle);
        }
        drop(state);
        let Some(Ok(name)) = self.names.name(&path) else {
            return;
        };
        if let Some(wait) = wait {
            let (shared, run) = (self.shared.clone(), path.clone());
            self.start(path, async move {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = shared.stopping.cancelled() => return Ok(End::Stopped),
                }
                pair::run(shared, &run, name).await
            });
        }
    }

    async fn end(&mut self) {
        self.shared.stopping.cancel();
        let ending = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(LEAVE, ending).await.is_err() {
            self.shared.trouble(format_args!(
                "Not everything could be sent; it is the next time."
            ));
        }
    }
}

#[cfg(test)]
mod tests;
