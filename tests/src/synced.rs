//! A folder that `ropewalk sync` keeps in step.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::process::Child;

use crate::ropewalk::{Log, binary, command, folder, gather};
use crate::wait::{until, within};

/// A running process with its folder.
pub struct Synced {
    /// The folder.
    pub folder: Arc<TempDir>,
    child: Child,
    log: Log,
}

impl Synced {
    /// Keeps a new folder in step.
    pub async fn start(server: SocketAddr, arguments: &[&str]) -> Self {
        Self::start_in(Arc::new(folder()), server, arguments).await
    }

    /// Keeps a folder in step.
    pub async fn start_in(folder: Arc<TempDir>, server: SocketAddr, arguments: &[&str]) -> Self {
        Self::in_environment(folder, server, arguments, &[]).await
    }

    /// Keeps a folder in step, with more variables in its environment.
    pub async fn in_environment(
        folder: Arc<TempDir>,
        server: SocketAddr,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = command(binary());
        command
            .envs(environment.iter().copied())
            .arg("sync")
            .arg(folder.path())
            .arg(format!("http://{server}"))
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the binary starts");
        let log = Log::default();
        tokio::spawn(gather(child.stdout.take().expect("piped"), log.clone()));
        tokio::spawn(gather(child.stderr.take().expect("piped"), log.clone()));
        let synced = Self { folder, child, log };
        synced.until_said("Keeping ").await;
        synced
    }

    /// Where a file is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// What a file has.
    pub fn read(&self, file: &str) -> Option<String> {
        let bytes = std::fs::read(self.path(file)).ok()?;
        Some(String::from_utf8(bytes).expect("UTF-8"))
    }

    /// Writes a file as most editors do: another one, put in its place.
    pub fn save(&self, file: &str, text: &str) {
        let path = self.path(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let new = path.with_extension("new~");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, path).expect("renamed");
    }

    /// All files that are not hidden, with what they have.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            // It may be gone by now.
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(self.folder.path()).expect("within");
                let name = name.to_str().expect("UTF-8").to_owned();
                if name.starts_with('.') {
                    continue;
                }
                match path.is_dir() {
                    true => folders.push(path),
                    false => files.extend(self.read(&name).map(|text| (name, text))),
                }
            }
        }
        files.sort();
        files
    }

    /// Waits until a file has a text.
    pub async fn until(&self, file: &str, text: &str) {
        until(
            &format!("{file} has {text:?}; {:?}", self.read(file)),
            || async { (self.read(file).as_deref() == Some(text)).then_some(()) },
        )
        .await;
    }

    /// What it has said.
    pub fn said(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has said something.
    pub async fn until_said(&self, what: &str) {
        until(&format!("{what:?}"), || async {
            self.said().contains(what).then_some(())
        })
        .await;
    }

    fn process(&self) -> PathBuf {
        let pid = self.child.id().expect("it runs");
        PathBuf::from(format!("/proc/{pid}"))
    }

    /// The most memory that it has held, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(self.process().join("status")).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kilobytes.expect("a number of kB") * 1024
    }

    /// How many files, sockets and the like it has open.
    pub fn descriptors(&self) -> usize {
        let all = std::fs::read_dir(self.process().join("fd")).expect("it runs");
        all.count()
    }

    /// Ends it like a power cut does.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("our child");
    }

    /// Asks it to end and waits until it has.
    pub async fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().expect("it runs").to_string();
        let told = std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status();
        assert!(told.expect("kill runs").success());
        self.ended().await.code()
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        within("it ends", self.child.wait())
            .await
            .expect("our child")
    }
}

impl Drop for Synced {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.folder.path().display(), self.said());
            for (file, text) in self.files() {
                eprintln!("{file}: {text:?}");
            }
        }
    }
}
