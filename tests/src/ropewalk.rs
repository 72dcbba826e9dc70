//! The real binary on a port of its own, with a data folder of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::http::{Request, Response};
use crate::wait::{until, within};

/// A running server. Killed when dropped; its log is shown when the story failed.
pub struct Ropewalk {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it printed when it was ready.
    pub announced: Vec<String>,
    data: Arc<TempDir>,
    arguments: Vec<String>,
    child: Child,
    log: Log,
    output: Log,
}

/// A server that ended before it was ready.
#[derive(Debug)]
pub struct Failed {
    /// Its exit code, if it was not ended by a signal.
    pub code: Option<i32>,
    /// All it said on stderr.
    pub stderr: String,
    /// All it said on stdout.
    pub stdout: String,
}

pub(crate) type Log = Arc<Mutex<String>>;

impl Ropewalk {
    /// Starts a server with the default settings in a new folder.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts a server with more arguments in a new folder.
    pub async fn with(arguments: &[&str]) -> Self {
        Self::on(Arc::new(folder()), arguments)
            .await
            .unwrap_or_else(|failed| panic!("the server did not start: {failed:?}"))
    }

    /// Starts a server in a folder that is already there.
    pub async fn on(data: Arc<TempDir>, arguments: &[&str]) -> Result<Self, Failed> {
        Self::in_environment(data, arguments, &[]).await
    }

    /// As [`Ropewalk::on`], with more variables in its environment. It is started again without them.
    pub async fn in_environment(
        data: Arc<TempDir>,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, Failed> {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        let (child, address, announced, [log, output]) =
            launch(data.path(), &arguments, environment).await?;
        Ok(Self {
            address,
            announced,
            data,
            arguments,
            child,
            log,
            output,
        })
    }

    /// Runs the binary with exactly these arguments until it ends.
    pub async fn run(arguments: &[&str], environment: &[(&str, &str)], folder: &Path) -> Failed {
        let mut command = command(binary());
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(folder);
        let output = within("the command ends", command.kill_on_drop(true).output())
            .await
            .expect("the binary runs");
        Failed {
            code: output.status.code(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }

    /// The folder with the database; it lives as long as somebody holds it.
    pub fn data(&self) -> Arc<TempDir> {
        self.data.clone()
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.data.path().join("ropewalk.db")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// All it has printed since it was ready.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Ends it like a power cut does: SIGKILL.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("the server can be killed");
    }

    /// Asks it to end (SIGTERM) and waits until it has; its exit code, `None` when a signal ended it.
    pub async fn terminate(&mut self) -> Option<i32> {
        self.ask_to_end();
        self.ended().await.code()
    }

    /// Sends SIGTERM.
    pub fn ask_to_end(&self) {
        self.signal("TERM");
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status();
        assert!(status.is_ok_and(|s| s.success()), "kill -{name}");
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        within("the server ends", self.child.wait())
            .await
            .expect("the server is our child")
    }

    /// Whether the process still runs.
    pub fn runs(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the server is our child")
            .is_none()
    }

    /// Starts it again with the same arguments on the same folder, on another port.
    pub async fn start_again(&mut self) {
        let arguments: Vec<String> = self.arguments.clone();
        self.start_again_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
            .await;
    }

    /// Starts it again with other arguments.
    pub async fn start_again_with(&mut self, arguments: &[&str]) {
        assert!(!self.runs(), "it is still running");
        let again = Self::on(self.data.clone(), arguments).await;
        *self = again.unwrap_or_else(|failed| {
            panic!(
                "the server did not start again: {failed:?}\nbefore: {}",
                self.log()
            )
        });
    }

    /// Sends a request.
    pub async fn send(&self, request: Request) -> Response {
        request.send(self.address).await
    }

    /// `GET target`.
    pub async fn get(&self, target: &str) -> Response {
        Request::get(target).send(self.address).await
    }

    /// The text of a document as the API tells it.
    pub async fn text(&self, name: &str) -> String {
        let response = self
            .get(&format!(
                "/api/documents/{}/text",
                crate::http::encode_name(name)
            ))
            .await;
        assert_eq!(
            response.status,
            200,
            "text of {name:?}: {}",
            response.text()
        );
        response.text().to_owned()
    }

    /// All metrics; those with labels are summed under their name.
    pub async fn metrics(&self) -> BTreeMap<String, f64> {
        let response = self.get("/metrics").await;
        assert_eq!(response.status, 200);
        let mut metrics = BTreeMap::new();
        for line in response
            .text()
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
        {
            let (name, value) = line
                .rsplit_once(' ')
                .unwrap_or_else(|| panic!("not a metric: {line}"));
            let name = name.split('{').next().unwrap_or(name).to_owned();
            let value: f64 = value
                .parse()
                .unwrap_or_else(|_| panic!("not a number: {line}"));
            *metrics.entry(name).or_default() += value;
        }
        metrics
    }

    /// One metric.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics().await;
        *metrics
            .get(name)
            .unwrap_or_else(|| panic!("no metric {name} among {:?}", metrics.keys()))
    }

    /// Waits until a metric has a value.
    pub async fn until_metric(&self, name: &str, value: f64) {
        until(&format!("{name} = {value}"), || async {
            (self.metric(name).await == value).then_some(())
        })
        .await;
    }

    /// Memory that the process holds, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("the server runs");
        let line = status
            .lines()
            .find(|l| l.starts_with("VmRSS:"))
            .expect("VmRSS");
        line.split_whitespace()
            .nth(1)
            .and_then(|kb| kb.parse::<u64>().ok())
            .expect("a number of kB")
            * 1024
    }

    /// From now on no file may grow or be written beyond this many bytes; `None` lifts it.
    /// With 0 every write fails, as it does on a broken disk.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let soft = bytes.map_or("unlimited".to_owned(), |b| b.to_string());
        let status = std::process::Command::new("prlimit")
            .args([
                "--pid",
                &self.pid().to_string(),
                &format!("--fsize={soft}:unlimited"),
            ])
            .status();
        assert!(status.is_ok_and(|s| s.success()), "prlimit --fsize={soft}");
    }
}

impl Drop for Ropewalk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- the end of the server's log ({}):", self.address);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// A new temporary folder.
pub fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("ropewalk-test-")
        .tempdir()
        .expect("a temporary folder")
}

/// The binary under test: `ROPEWALK_BIN`, or what cargo builds beside the running test.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("ROPEWALK_BIN") {
        Some(path) => std::path::absolute(path).expect("ROPEWALK_BIN"),
        None => build(),
    })
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("…/target/<profile>/deps/<test>");
    let mut cargo = std::process::Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args(["build", "--quiet", "--package", "ropewalk", "--target-dir"])
        .arg(profile.parent().expect("a target folder"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // What cargo says of this test to it is not to be said of what is built: build scripts look at it, and all that hangs on
    // them would be built anew, each time.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_") {
            cargo.env_remove(&*name);
        }
    }
    let built = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(built.success(), "cargo could not build the server");
    profile.join("ropewalk")
}

/// A command that inherits no setting and ignores SIGXFSZ, so that a file size limit is an error and not the end.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(program);
    for (name, _) in std::env::vars_os() {
        let is_setting = name.to_string_lossy().starts_with("ROPEWALK_");
        if is_setting && name != "ROPEWALK_SABOTAGE" || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
}

async fn launch(
    data: &Path,
    arguments: &[String],
    environment: &[(&str, &str)],
) -> Result<(Child, SocketAddr, Vec<String>, [Log; 2]), Failed> {
    let mut command = command(binary());
    command.arg("serve");
    if !arguments.iter().any(|argument| argument == "--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command
        .arg("--data")
        .arg(data)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(data);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("the binary starts");
    let log = Log::default();
    let gathered = tokio::spawn(gather(child.stderr.take().expect("piped"), log.clone()));
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = async {
        let mut announced = Vec::new();
        while announced.len() < 2 {
            match lines.next_line().await {
                Ok(Some(line)) => announced.push(line),
                _ => return Err(announced.join("\n")),
            }
        }
        Ok(announced)
    };
    match within("the server says that it is ready", ready).await {
        Ok(announced) => {
            let address = announced[0]
                .strip_prefix("Ropewalk is ready: http://")
                .and_then(|a| a.parse::<SocketAddr>().ok());
            let mut address =
                address.unwrap_or_else(|| panic!("not where it listens: {:?}", announced[0]));
            if address.ip().is_unspecified() {
                address.set_ip([127, 0, 0, 1].into());
            }
            let output = Log::default();
            tokio::spawn(gather(lines.into_inner(), output.clone()));
            Ok((child, address, announced, [log, output]))
        }
        Err(stdout) => {
            let status = within("the server ends", child.wait())
                .await
                .expect("our child");
            let _ = within("its stderr ends", gathered).await;
            let stderr = log.lock().unwrap().clone();
            Err(Failed {
                code: status.code(),
                stderr,
                stdout,
            })
        }
    }
}

pub(crate) async fn gather(mut from: impl AsyncRead + Unpin, into: Log) {
    let mut bytes = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        into.lock()
            .unwrap()
            .push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}
