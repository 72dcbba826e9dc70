//! `ropewalk client`: what an editor runs, and speaks with over standard input and output, as Teamtype's plugins do.
//!
//! Each file that is open is served by a task of its own (`file`): a [`crate::link::Link`] to its document, an exchange
//! of edits with the editor, and the file on disk.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use disk::cut;
use file::{Ask, Opening};
use rpc::{BadInput, Call, Request};

mod delta;
mod disk;
mod exchange;
mod file;
pub mod join;
mod joined;
mod lines;
mod on_disk;
pub mod project;
mod rpc;
mod unsent;
mod view;

/// Files that one editor may have open.
const MAX_FILES: usize = 1000;
/// Messages that wait for the editor, or to be looked at. Then whoever sends them waits.
const QUEUE: usize = 64;
/// Messages that wait for a file. While it is open, the editor waits then; one that is being opened is given up.
const FILE_QUEUE: usize = 4096;
/// What may be open at once: a connection for each file, and what else there is.
#[cfg(unix)]
const DESCRIPTORS: u64 = MAX_FILES as u64 + 200;
/// The longest time for all files to be closed at the end.
const LAST: Duration = Duration::from_secs(15);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All that was written is on the server's disk.
    Saved,
    /// Something is not, or the input could not be understood; it was said on standard error.
    Failed,
}

/// Serves an editor until its messages end, or `stop` resolves.
pub async fn run(
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> End {
    #[cfg(unix)]
    match rlimit::increase_nofile_limit(DESCRIPTORS) {
        Ok(limit) if limit < DESCRIPTORS => say(&format!(
            "this process may open only {limit} files; for {MAX_FILES} it takes {DESCRIPTORS} (ulimit -Hn)"
        )),
        _ => {}
    }
    let (out, outgoing) = mpsc::channel(QUEUE);
    let writing = tokio::spawn(write(output, outgoing));
    let (heard, mut messages) = mpsc::channel(QUEUE);
    // To read a message cannot be broken off.
    let reading = tokio::spawn(async move {
        let mut input = BufReader::new(input);
        loop {
            let message = rpc::read(&mut input).await.transpose();
            let Some(message) = message else { return };
            let is_bad = message.is_err();
            if heard.send(message).await.is_err() || is_bad {
                return;
            }
        }
    });
    // Not what is open; who opens a file merges what is kept of it just the same.
    let sending = AbortOnDropHandle::new(tokio::spawn(unsent::sending::send_all()));
    let mut client = Client {
        out: out.clone(),
        files: HashMap::new(),
        closing: HashMap::new(),
        unsaved: Arc::new(AtomicBool::new(false)),
    };
    let mut is_bad = false;
    tokio::pin!(stop);
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(Ok(body)) => client.hear(&body).await,
                Some(Err(error)) => {
                    is_bad = true;
                    client.bad(&error).await;
                    break;
                }
                None => break,
            },
            () = &mut stop => break,
            () = out.closed() => break,
        }
    }
    reading.abort();
    drop(sending);
    let unsaved = client.unsaved.clone();
    let in_time = timeout(LAST, client.close()).await.is_ok();
    if !in_time {
        say("not everything could be closed in time");
    }
    drop(out);
    let _ = timeout(Duration::from_secs(1), writing).await;
    match is_bad || !in_time || unsaved.load(Relaxed) {
        true => End::Failed,
        false => End::Saved,
    }
}

async fn write(mut output: impl AsyncWrite + Unpin, mut messages: Receiver<Value>) {
    while let Some(message) = messages.recv().await {
        let sent = async {
            output.write_all(&rpc::frame(&message)).await?;
            output.flush().await
        };
        if sent.await.is_err() {
            return;
        }
    }
}

/// A file that the editor has open.
struct Open {
    asks: Sender<Ask>,
    task: JoinHandle<()>,
    /// What it is asked for is done soon; while it is being opened the server may be waited for.
    is_ready: Arc<AtomicBool>,
}

struct Client {
    out: Sender<Value>,
    files: HashMap<PathBuf, Open>,
    /// Files that were closed and may not be written yet.
    closing: HashMap<PathBuf, JoinHandle<()>>,
    unsaved: Arc<AtomicBool>,
}

impl Client {
    async fn hear(&mut self, body: &[u8]) {
        let mut request = match Request::read(body) {
            Ok(request) => request,
            Err(answer) => return drop(self.out.send(answer).await),
        };
        let id = request.id.clone();
        let done = match request.call() {
            Ok(call) => self.call(call, id.clone()).await,
            Err(problem) => Err(problem),
        };
        let answer = match (done, id) {
            // The file answers.
            (Ok(false), _) => return,
            (Ok(true), Some(id)) => rpc::success(&id),
            (Err((code, message)), Some(id)) => rpc::failure(&id, code, &message),
            (Err((_, message)), None) => return say(&message),
            (Ok(true), None) => return,
        };
        let _ = self.out.send(answer).await;
    }

    /// Does what the editor asks for. Whether that is all there is to it.
    async fn call(&mut self, call: Call, id: Option<Value>) -> Result<bool, (i32, String)> {
        let (Call::Open { uri, .. }
        | Call::Close { uri }
        | Call::Edit { uri, .. }
        | Call::Cursor { uri, .. }) = &call;
        let path = project::path_of(uri).map_err(|error| (rpc::REFUSED, error.to_string()))?;
        let ask = match call {
            Call::Open { uri, content } => {
                self.open(id, uri, path, content)?;
                return Ok(false);
            }
            Call::Close { .. } => {
                self.close_file(path);
                return Ok(true);
            }
            Call::Edit {
                revision, delta, ..
            } => Ask::Edit {
                id,
                revision,
                delta,
            },
            Call::Cursor { ranges, .. } => Ask::Cursor { id, ranges },
        };
        let not_open = || {
            (
                rpc::REFUSED,
                format!("{}: this file is not open", path.display()),
            )
        };
        let open = self.files.get(&path).ok_or_else(not_open)?;
        match open.asks.try_send(ask) {
            Ok(()) => Ok(false),
            Err(TrySendError::Full(ask)) if open.is_ready.load(Relaxed) => {
                open.asks.send(ask).await.map_err(|_| not_open())?;
                Ok(false)
            }
            Err(TrySendError::Full(_)) => {
                // The others need not wait for its server.
                let message = format!(
                    "{}: too much is to be done before it is open; open it again",
                    path.display()
                );
                self.close_file(path);
                Err((rpc::REFUSED, message))
            }
            Err(TrySendError::Closed(_)) => Err(not_open()),
        }
    }

    fn close_file(&mut self, path: PathBuf) {
        if let Some(Open { asks, task, .. }) = self.files.remove(&path) {
            drop(asks);
            self.closing.retain(|_, task| !task.is_finished());
            self.closing.insert(path, task);
        }
    }

    fn open(
        &mut self,
        id: Option<Value>,
        uri: String,
        path: PathBuf,
        content: String,
    ) -> Result<(), (i32, String)> {
        let is_open = self.files.contains_key(&path);
        if !is_open && self.files.len() >= MAX_FILES {
            let message = format!("at most {MAX_FILES} files can be open");
            return Err((rpc::REFUSED, message));
        }
        self.close_file(path.clone());
        let before = self.closing.remove(&path);
        let (asks, asked) = mpsc::channel(FILE_QUEUE);
        let is_ready = Arc::new(AtomicBool::new(false));
        let opening = Opening {
            id,
            uri,
            path: path.clone(),
            content,
            before,
            is_ready: is_ready.clone(),
        };
        let task = file::run(opening, asked, self.out.clone(), self.unsaved.clone());
        let task = tokio::spawn(task);
        self.files.insert(
            path,
            Open {
                asks,
                task,
                is_ready,
            },
        );
        Ok(())
    }

    async fn bad(&self, error: &BadInput) {
        say(&error.to_string());
        let answer = rpc::failure(&Value::Null, rpc::NOT_JSON, &error.to_string());
        let _ = timeout(Duration::from_secs(1), self.out.send(answer)).await;
    }

    /// Closes all files.
    async fn close(self) {
        let open = self.files.into_values().map(|open| open.task);
        let tasks: Vec<_> = open.chain(self.closing.into_values()).collect();
        for task in tasks {
            let _ = task.await;
        }
    }
}

/// One line on standard error; standard output is for the editor.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "ropewalk: {line}");
}
