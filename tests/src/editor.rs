//! An editor that runs `ropewalk client` and speaks with it as Teamtype's plugins do.
//!
//! It obeys their one rule: an edit that was made for another revision than its own is left out.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

use crate::ropewalk::{Log, binary, command, gather};
use crate::wait::{DEADLINE, within};

/// A running editor with its command.
pub struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    state: Arc<Mutex<State>>,
    changed: watch::Receiver<()>,
    reads: watch::Sender<bool>,
    log: Log,
    asked: u64,
}

/// What it knows.
#[derive(Default)]
pub struct State {
    /// The files that are open, by URI.
    pub files: BTreeMap<String, File>,
    /// Answers by id.
    pub answers: BTreeMap<u64, Value>,
    /// Answers to nobody.
    pub errors: Vec<Value>,
    /// The cursors of others: name and ranges by id.
    pub cursors: BTreeMap<String, (String, Value)>,
    /// Edits that were left out.
    pub dropped: usize,
    is_busy: bool,
    waiting: VecDeque<Value>,
    has_ended: bool,
    wrong: Option<String>,
}

/// An open file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its text.
    pub text: String,
    own: u64,
    others: u64,
}

/// The URI of a file.
pub fn uri(path: &Path) -> String {
    let path = path.to_str().expect("UTF-8");
    format!("file://{}", crate::http::encode_name(path))
}

impl Editor {
    /// Starts one; `state` is where the command keeps notes.
    pub fn start(folder: &Path, state: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_as(command(binary()), folder, state, environment)
    }

    /// Starts one that may open so few files, unless it asks for more.
    pub fn start_with_files(most: u32, folder: &Path, state: &Path) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -S -n \"$0\"; exec \"$@\""])
            .arg(most.to_string())
            .arg(binary());
        Self::start_as(command, folder, state, &[])
    }

    fn start_as(
        mut command: Command,
        folder: &Path,
        state: &Path,
        environment: &[(&str, &str)],
    ) -> Self {
        command
            .arg("client")
            .current_dir(folder)
            .env("XDG_STATE_HOME", state)
            .env_remove("ROPEWALK_TOKEN")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the binary starts");
        let log = Log::default();
        tokio::spawn(gather(child.stderr.take().expect("piped"), log.clone()));
        let state = Arc::new(Mutex::new(State::default()));
        let (tell, changed) = watch::channel(());
        let output = child.stdout.take().expect("piped");
        let reading = state.clone();
        let (reads, mut may_read) = watch::channel(true);
        tokio::spawn(async move {
            let mut output = BufReader::new(output);
            while let Some(message) = read(&mut output).await {
                reading.lock().unwrap().hear(message);
                tell.send_replace(());
                let _ = may_read.wait_for(|&reads| reads).await;
            }
            reading.lock().unwrap().has_ended = true;
            tell.send_replace(());
        });
        Self {
            input: child.stdin.take(),
            child,
            state,
            changed,
            reads,
            log,
            asked: 0,
        }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        if let Some(input) = &mut self.input {
            let _ = within("the command reads", async {
                input.write_all(bytes).await?;
                input.flush().await
            })
            .await;
        }
    }

    /// Sends a message.
    pub async fn say(&mut self, message: &Value) {
        let body = message.to_string();
        self.send(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
            .await;
    }

    /// Sends a request; its id.
    pub async fn ask(&mut self, method: &str, parameters: Value) -> u64 {
        self.asked += 1;
        let id = self.asked;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }))
            .await;
        id
    }

    /// The answer to a request; an error as its message.
    pub async fn answer(&self, id: u64) -> Result<(), String> {
        let answer = self
            .until(&format!("an answer to {id}"), |state| {
                state.answers.get(&id).cloned()
            })
            .await;
        match answer["error"]["message"].as_str() {
            Some(message) => Err(message.to_owned()),
            None => {
                assert_eq!(answer["result"], "success", "{answer}");
                Ok(())
            }
        }
    }

    /// Opens a file with this content in the buffer.
    pub async fn open(&mut self, path: &Path, content: &str) -> Result<(), String> {
        let uri = uri(path);
        self.state.lock().unwrap().files.insert(
            uri.clone(),
            File {
                text: content.to_owned(),
                ..File::default()
            },
        );
        let id = self
            .ask("open", json!({ "uri": uri, "content": content }))
            .await;
        self.answer(id).await
    }

    /// Closes a file, and waits until that is understood.
    pub async fn close(&mut self, path: &Path) {
        let id = self.ask("close", json!({ "uri": uri(path) })).await;
        self.answer(id).await.expect("closed");
        self.state.lock().unwrap().files.remove(&uri(path));
    }

    /// Edits a file, by offsets in characters of its text now; the id of the request.
    pub async fn edit(&mut self, path: &Path, edits: &[(usize, usize, &str)]) -> u64 {
        let uri = uri(path);
        let parameters = {
            let mut state = self.state.lock().unwrap();
            let file = state.files.get_mut(&uri).expect("open");
            let delta: Vec<Value> = edits
                .iter()
                .map(|&(from, to, replacement)| {
                    let range = json!({ "start": position(&file.text, from), "end": position(&file.text, to) });
                    json!({ "range": range, "replacement": replacement })
                })
                .collect();
            let parameters = json!({ "uri": uri, "revision": file.others, "delta": delta });
            change(&mut file.text, &delta);
            file.own += 1;
            parameters
        };
        self.ask("edit", parameters).await
    }

    /// Shows a selection, by offsets in characters.
    pub async fn select(&mut self, path: &Path, anchor: usize, head: usize) {
        let id = self.point(path, anchor, head).await;
        self.answer(id).await.expect("shown");
    }

    /// The same, without waiting for the answer; the id of the request.
    pub async fn point(&mut self, path: &Path, anchor: usize, head: usize) -> u64 {
        let text = self.text(path);
        let range = json!({ "start": position(&text, anchor), "end": position(&text, head) });
        self.ask("cursor", json!({ "uri": uri(path), "ranges": [range] }))
            .await
    }

    /// The text of a file.
    pub fn text(&self, path: &Path) -> String {
        self.state.lock().unwrap().files[&uri(path)].text.clone()
    }

    /// Waits until the text of a file is this.
    pub async fn until_text(&self, path: &Path, text: &str) {
        let uri = uri(path);
        self.until(&format!("the text is {text:?}"), |state| {
            (state.files.get(&uri)?.text == text).then_some(())
        })
        .await;
    }

    /// From now on nothing that comes is looked at, or all again.
    pub fn busy(&self, is_busy: bool) {
        let mut state = self.state.lock().unwrap();
        state.is_busy = is_busy;
        while !state.is_busy
            && let Some(message) = state.waiting.pop_front()
        {
            state.notice(&message);
        }
    }

    /// From now on nothing of what the command writes is read, but for one message, or all again.
    pub fn reads(&self, reads: bool) {
        self.reads.send_replace(reads);
    }

    /// Waits until `look` finds what it wants.
    pub async fn until<T>(&self, what: &str, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let mut changed = self.changed.clone();
        let waiting = async {
            loop {
                changed.borrow_and_update();
                {
                    let state = self.state.lock().unwrap();
                    if let Some(wrong) = &state.wrong {
                        panic!("the command said {wrong}");
                    }
                    if let Some(found) = look(&state) {
                        return Some(found);
                    }
                    if state.has_ended {
                        return None;
                    }
                }
                let _ = changed.changed().await;
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(Some(found)) => found,
            Ok(None) => panic!("the command has ended before {what}; {}", self.log()),
            Err(_) => panic!(
                "waited {DEADLINE:?} in vain: {what}; {:?}; {}",
                self.state.lock().unwrap().files,
                self.log()
            ),
        }
    }

    /// What it knows.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }

    /// All that the command said on standard error.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Sends a signal to the command.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let status = std::process::Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Ends the command's input and waits until it ends.
    pub async fn quit(&mut self) -> ExitStatus {
        self.input = None;
        self.ended().await
    }

    /// Waits until the command ends.
    pub async fn ended(&mut self) -> ExitStatus {
        within("the command ends", self.child.wait())
            .await
            .expect("our child")
    }
}

impl State {
    fn hear(&mut self, message: Value) {
        if message["jsonrpc"] != "2.0" {
            self.wrong = Some(format!("{message}"));
        }
        match (message["method"].as_str(), message["id"].as_u64()) {
            (Some(_), _) if self.is_busy => self.waiting.push_back(message),
            (Some(_), _) => self.notice(&message),
            (None, Some(id)) => drop(self.answers.insert(id, message)),
            (None, None) => self.errors.push(message),
        }
    }

    fn notice(&mut self, message: &Value) {
        let parameters = &message["params"];
        let uri = parameters["uri"].as_str().unwrap_or_default();
        match message["method"].as_str() {
            Some("edit") => {
                let Some(file) = self.files.get_mut(uri) else {
                    return;
                };
                if parameters["revision"].as_u64() != Some(file.own) {
                    self.dropped += 1;
                    return;
                }
                file.others += 1;
                let delta = parameters["delta"].as_array().cloned().unwrap_or_default();
                if delta.is_empty() || !change(&mut file.text, &delta) {
                    self.wrong = Some(format!(
                        "an edit that does not fit {:?}: {message}",
                        file.text
                    ));
                }
            }
            Some("cursor") => {
                let id = parameters["userid"].as_str().unwrap_or_default().to_owned();
                let name = parameters["name"].as_str().unwrap_or_default().to_owned();
                self.cursors
                    .insert(id, (name, parameters["ranges"].clone()));
            }
            _ => self.wrong = Some(format!("{message}")),
        }
    }
}

async fn read(output: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok();
        } else if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length?];
    output.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}

/// The position of an offset in characters.
pub fn position(text: &str, offset: usize) -> Value {
    let before: String = text.chars().take(offset).collect();
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    json!({ "line": line, "character": before[start..].chars().count() })
}

/// The byte at a position.
fn byte(text: &str, position: &Value) -> Option<usize> {
    let line = position["line"].as_u64()? as usize;
    let character = position["character"].as_u64()? as usize;
    let start = match line {
        0 => 0,
        line => text.match_indices('\n').nth(line - 1)?.0 + 1,
    };
    let rest = text[start..].split('\n').next()?;
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    Some(start + ends.take(character + 1).nth(character)?)
}

/// Makes a delta, all of whose ranges are of the text before. Whether it fits.
fn change(text: &mut String, delta: &[Value]) -> bool {
    let mut edits = Vec::new();
    for change in delta {
        let from = byte(text, &change["range"]["start"]);
        let to = byte(text, &change["range"]["end"]);
        let (Some(from), Some(to), Some(insert)) = (from, to, change["replacement"].as_str())
        else {
            return false;
        };
        edits.push((from, to, insert));
    }
    edits.sort_by_key(|&(from, to, _)| (from, to));
    let is_apart = edits.windows(2).all(|pair| pair[0].1 <= pair[1].0);
    let runs_forward = edits.iter().all(|&(from, to, _)| from <= to);
    for &(from, to, insert) in edits.iter().rev() {
        if is_apart && runs_forward {
            text.replace_range(from..to, insert);
        }
    }
    is_apart && runs_forward
}
