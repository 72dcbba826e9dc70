//! A folder of plain files, kept in step with the documents of a server: any editor at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher as _};
use thiserror::Error;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::link::{Address, Entry, Unreachable};
use crate::name::DocumentName;
use folder::{Folder, Unfit};
use pair::End;
use records::{Records, Unrecorded};

mod diff;
mod folder;
mod pair;
mod past;
mod records;

/// The folder's own folder.
const ASIDE: &str = ".ropewalk-sync";
/// What stands in the names of copies.
const COPY: &str = ".ropewalk-";
/// Files that are kept in step at most; each has a connection.
const MAX_FILES: usize = 1000;
/// Files that meet their documents at once.
const AT_ONCE: usize = 16;
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
/// How long the end may take.
const LEAVE: Duration = Duration::from_secs(10);
/// How long a run that ends by itself waits for a server.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The folder.
    pub folder: PathBuf,
    /// The server.
    pub url: String,
    /// What the names of the documents begin with; a slash follows.
    pub prefix: Option<String>,
    /// What is deleted on one side is deleted on the other.
    pub deletes: bool,
    /// End when everything is in step.
    pub once: bool,
}

/// Why nothing is kept in step.
#[derive(Debug, Error)]
pub enum Failure {
    /// The folder.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address, the prefix or the token.
    #[error("{0}")]
    Argument(String),
    /// A run that ends by itself got no connection.
    #[error("{0} file(s) are not in step: {1}")]
    NotInStep(usize, String),
}

/// Why one file is not.
#[derive(Debug, Error)]
enum Problem {
    #[error("{0}")]
    Unfit(#[from] Unfit),
    #[error("{0}")]
    Unrecorded(#[from] Unrecorded),
    #[error("{0}")]
    Unreachable(#[from] Unreachable),
    #[error("{0}")]
    Document(#[from] ropewalk_crdt::Error),
    #[error("the server refuses it for good: {1} ({0})")]
    Refused(u16, String),
    #[error("{0}")]
    Offline(String),
    /// Something has come in between.
    #[error("it has just changed")]
    Again,
}

/// What all files have in common.
struct Shared {
    folder: Folder,
    records: Records,
    address: Address,
    deletes: bool,
    stopping: CancellationToken,
    turns: Semaphore,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Seen>,
    /// Why there is no connection, when that was said.
    offline: Option<String>,
}

/// A file that is looked after.
#[derive(Default)]
struct Seen {
    touched: Arc<Notify>,
    is_in_step: bool,
    /// Nothing is to be done until it is touched.
    is_idle: bool,
}

impl Shared {
    fn new(folder: Folder, records: Records, address: Address, deletes: bool) -> Self {
        Self {
            folder,
            records,
            address,
            deletes,
            stopping: CancellationToken::new(),
            turns: Semaphore::new(AT_ONCE),
            state: Mutex::default(),
            news: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what was done.
    fn say(&self, line: fmt::Arguments<'_>) {
        let _ = writeln!(std::io::stdout(), "{}", harmless(line));
    }

    /// Says what was not.
    fn trouble(&self, line: fmt::Arguments<'_>) {
        let _ = writeln!(std::io::stderr(), "{}", harmless(line));
    }

    fn online(&self) {
        if self.state().offline.take().is_some() {
            self.say(format_args!("Connected again."));
        }
    }

    fn offline(&self, reason: &str) {
        let mut state = self.state();
        if state.offline.is_none() {
            self.trouble(format_args!("No connection: {reason}. It is tried again."));
            state.offline = Some(reason.to_owned());
        }
    }

    fn touched(&self, path: &str) -> Arc<Notify> {
        let mut state = self.state();
        state
            .files
            .entry(path.to_owned())
            .or_default()
            .touched
            .clone()
    }

    fn is_in_step(&self, path: &str, is_in_step: bool) {
        let mut state = self.state();
        let seen = state.files.entry(path.to_owned()).or_default();
        if seen.is_in_step != is_in_step {
            seen.is_in_step = is_in_step;
            self.news.notify_one();
        }
    }

    /// Keeps a text beside a file. The copy is nobody's document.
    fn copy(&self, path: &str, text: &str) -> Result<String, Unfit> {
        let now = SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_secs();
        let (folder, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        for number in 0..100 {
            let number = match number {
                0 => String::new(),
                number => format!("-{number}"),
            };
            // A name has 255 bytes at most.
            let mark = format!("{COPY}{now}{number}");
            let copy = format!("{folder}{}{mark}", cut(name, 255 - mark.len()));
            match self.folder.copy_beside(&copy, text) {
                Ok(()) => return Ok(copy),
                Err(Unfit::System(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(Unfit::Restless)
    }

    /// Deletes a document that has this text. Whether it is gone.
    async fn delete(&self, name: &DocumentName, text: &str) -> Result<bool, Problem> {
        Ok(self.address.delete(name, text).await?)
    }
}

/// The beginning of a text, of so many bytes at most.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or_default()]
}

/// A line as a terminal may get it: names of files and documents can hold anything.
fn harmless(line: fmt::Arguments<'_>) -> String {
    let plain = |char: char| if char.is_control() { '\u{fffd}' } else { char };
    line.to_string().chars().map(plain).collect()
}

/// Which files have which documents.
struct Names {
    prefix: String,
}

impl Names {
    fn name(&self, path: &str) -> Option<Result<DocumentName, crate::name::BadName>> {
        let is_left_out = |segment: &str| {
            segment.starts_with(['.', '#'])
                || segment.ends_with('~')
                || segment.ends_with(".tmp")
                || segment.contains(COPY)
        };
        if path.split('/').any(is_left_out) {
            return None;
        }
        Some(DocumentName::new(&format!("{}{path}", self.prefix)))
    }

    /// The file of a document; none if its name cannot be that of a file.
    fn path(&self, name: &str) -> Option<String> {
        let path = name.strip_prefix(&self.prefix)?;
        let is_long = path.split('/').any(|segment| segment.len() > 255);
        (!is_long && matches!(self.name(path), Some(Ok(_)))).then(|| path.to_owned())
    }
}

/// Keeps a folder in step until `stop`, or until everything is if that was asked for.
pub async fn run(
    options: Options,
    token: Option<String>,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let wrong = |reason: String| Failure::Folder {
        path: options.folder.clone(),
        reason,
    };
    let address = Address::new(&options.url, token.as_deref())
        .map_err(|error| Failure::Argument(error.to_string()))?;
    let prefix = options
        .prefix
        .as_deref()
        .unwrap_or_default()
        .trim_matches('/');
    let names = Names {
        prefix: if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        },
    };
    if let Some(Err(error)) = (!prefix.is_empty()).then(|| DocumentName::new(prefix)) {
        return Err(Failure::Argument(format!("--prefix: {error}")));
    }
    let path = options
        .folder
        .canonicalize()
        .map_err(|error| wrong(error.to_string()))?;
    if let Some(above) = path
        .ancestors()
        .skip(1)
        .find(|above| above.join(ASIDE).is_dir())
    {
        return Err(wrong(format!(
            "it is in {}, which is kept in step by itself",
            above.display()
        )));
    }
    let folder = match Folder::open(&path) {
        Ok(Some(folder)) => folder,
        Ok(None) => return Err(wrong("another process keeps it in step".to_owned())),
        Err(error) => return Err(wrong(error.to_string())),
    };
    folder.can_exchange().map_err(|error| {
        wrong(format!(
            "this file system cannot exchange two files in one step: {error}"
        ))
    })?;
    let place = format!("{address}/{}", names.prefix);
    let records = Records::open(&path, &place).map_err(|error| wrong(error.to_string()))?;
    let shared = Arc::new(Shared::new(folder, records, address, options.deletes));
    tidy(&shared).map_err(|error| wrong(error.to_string()))?;
    shared.say(format_args!(
        "{} and {place} are kept in step.",
        path.display()
    ));
    let mut keeper = Keeper {
        names,
        shared,
        once: options.once,
        tasks: JoinSet::new(),
        said: BTreeSet::new(),
        first_seen: BTreeMap::new(),
        is_listed: false,
        last_scan: Instant::now(),
        next_scan: Instant::now(),
    };
    keeper.keep(&path, stop).await
}

/// Removes what an earlier process left aside and needs no more.
fn tidy(shared: &Shared) -> Result<(), Problem> {
    let needed = shared.records.asides()?;
    for aside in shared.folder.all_aside()? {
        if aside.starts_with(folder::NEW) {
            shared.folder.forget_aside(&aside)?;
        }
        if !aside.starts_with("text-") || needed.contains(&aside) {
            continue;
        }
        match shared.folder.read_aside(&aside) {
            Ok(None) => {}
            Ok(Some(found)) if pair::is_as_it_was(&aside, &found.text) => {
                shared.folder.forget_aside(&aside)?;
            }
            // The process ended before it could see that.
            _ => {
                let kept = shared.folder.keep_aside(&aside)?;
                shared.say(format_args!(
                    "Somebody wrote on in a file that was replaced; that is kept as {kept}"
                ));
            }
        }
    }
    Ok(())
}

/// Asks the server, after some time, which documents there are.
async fn list(
    shared: Arc<Shared>,
    prefix: String,
    after: Duration,
) -> Result<Vec<Entry>, Unreachable> {
    sleep(after).await;
    let (mut entries, mut cursor) = (Vec::new(), None);
    loop {
        let page = shared.address.documents(&prefix, cursor.as_deref()).await?;
        entries.extend(page.documents);
        cursor = page.next;
        if cursor.is_none() || entries.len() > 10 * MAX_FILES {
            return Ok(entries);
        }
    }
}

/// Begins and ends pairs.
struct Keeper {
    names: Names,
    shared: Arc<Shared>,
    once: bool,
    tasks: JoinSet<(String, Result<End, Problem>)>,
    /// What was said of paths that are left out.
    said: BTreeSet<String>,
    /// When a new file was seen.
    first_seen: BTreeMap<String, Instant>,
    /// The server's list was read once.
    is_listed: bool,
    /// When the folder was looked at, and when it is to be.
    last_scan: Instant,
    next_scan: Instant,
}

impl Keeper {
    async fn keep(&mut self, path: &Path, stop: impl Future<Output = ()>) -> Result<(), Failure> {
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
        let mut listing = Box::pin(list(
            self.shared.clone(),
            self.names.prefix.clone(),
            Duration::ZERO,
        ));
        let late = Instant::now() + PATIENCE;
        self.known();
        self.scan(every);
        loop {
            if self.once && self.is_listed && self.all_in_step() {
                break;
            }
            tokio::select! {
                () = &mut stop => break,
                () = sleep_until(late), if self.once => {
                    let (left, why) = self.not_in_step();
                    self.end().await;
                    return Err(Failure::NotInStep(left, why));
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
                        Ok(entries) => self.listed(&entries),
                        Err(error) => self.shared.offline(&error.to_string()),
                    }
                    listing.set(list(self.shared.clone(), self.names.prefix.clone(), LIST));
                }
                Some(done) = self.tasks.join_next() => {
                    if let Ok((path, end)) = done {
                        self.ended(path, end);
                    }
                }
                () = self.shared.news.notified() => {}
            }
        }
        self.end().await;
        Ok(())
    }

    /// How many files are not in step, and why that may be.
    fn not_in_step(&self) -> (usize, String) {
        let state = self.shared.state();
        let left = state
            .files
            .values()
            .filter(|seen| !seen.is_in_step && !seen.is_idle);
        (left.count(), state.offline.clone().unwrap_or_default())
    }

    /// Begins with all files that are recorded.
    fn known(&mut self) {
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
        for (path, why) in found.left_out {
            self.leave_out(&path, why);
        }
        let now = Instant::now();
        for path in &found.files {
            match self.names.name(path) {
                None => continue,
                Some(Err(error)) => self.leave_out(path, &error.to_string()),
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
        for entry in entries {
            let Some(path) = self.names.path(&entry.name) else {
                if entry.name.starts_with(&self.names.prefix) {
                    self.leave_out(&entry.name, "its name cannot be that of a file here");
                }
                continue;
            };
            match self.shared.records.get(&path) {
                Ok(Some(record)) if record.gone.is_some() => {
                    // It was begun again.
                    let _ = self.shared.records.forget(&path);
                    self.begin(&path);
                }
                Ok(None) if entry.length > 0 => self.begin(&path),
                _ => {}
            }
        }
        self.is_listed = true;
    }

    /// Begins to look after a file, unless that is done.
    fn begin(&mut self, path: &str) {
        let Some(Ok(name)) = self.names.name(path) else {
            return;
        };
        {
            let mut state = self.shared.state();
            let count = state.files.len();
            match state.files.get_mut(path) {
                Some(seen) if !seen.is_idle => return,
                Some(seen) => seen.is_idle = false,
                None if count >= MAX_FILES => {
                    drop(state);
                    return self.leave_out(path, "there are 1,000 files in step already");
                }
                None => drop(state.files.insert(path.to_owned(), Seen::default())),
            }
        }
        let (shared, path) = (self.shared.clone(), path.to_owned());
        self.tasks.spawn(async move {
            let end = pair::run(shared, &path, name).await;
            (path, end)
        });
    }

    fn ended(&mut self, path: String, end: Result<End, Problem>) {
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
                self.leave_out(&path, &problem.to_string());
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
            let shared = self.shared.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = shared.stopping.cancelled() => return (path, Ok(End::Stopped)),
                }
                let end = pair::run(shared, &path, name).await;
                (path, end)
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
