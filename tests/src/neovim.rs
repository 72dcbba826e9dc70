//! Neovim without a screen, driven over its socket.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::readme::block;
use crate::ropewalk::{Log, binary, gather};
use crate::wait::{until, within};

/// A running Neovim.
pub struct Neovim {
    child: Child,
    socket: PathBuf,
    log: Log,
    settled: AtomicU64,
}

/// The plugin: `ROPEWALK_TEAMTYPE` names the folder of Teamtype's own, otherwise it is the one that stands in for it.
fn plugin() -> PathBuf {
    match std::env::var_os("ROPEWALK_TEAMTYPE") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("neovim"),
    }
}

/// What it says of its version; None if it is not here.
async fn version() -> Option<String> {
    let mut command = Command::new("nvim");
    let output = command.arg("--version").output().await.ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(said)
}

/// What README says to put into `init.lua`, for the version that is here.
async fn configuration() -> String {
    const MARKERS: &str = "root_markers = \".ropewalk\"";
    let lines = block("require(\"teamtype\")");
    assert!(lines.contains(MARKERS), "{lines}");
    let version = version().await.expect("nvim is here");
    let is_old = (0..10).any(|minor| version.contains(&format!("NVIM v0.{minor}.")));
    match is_old {
        true => lines.replace(MARKERS, block("root_dir").trim_end()),
        false => lines,
    }
}

impl Neovim {
    /// Whether there is a Neovim on this machine.
    pub async fn is_here() -> bool {
        version().await.is_some()
    }

    /// Opens a file in it, with what README says to put into `init.lua`. `scratch` is for its socket and its notes.
    pub async fn open(file: &Path, scratch: &Path) -> Self {
        let socket = scratch.join("nvim.sock");
        let init = scratch.join("init.lua");
        let lines = format!(
            "vim.opt.runtimepath:append({plugin:?})\n\
             vim.opt.swapfile, vim.opt.more, vim.opt.cmdheight = false, false, 5\n\
             {configuration}",
            plugin = plugin(),
            configuration = configuration().await,
        );
        std::fs::write(&init, lines).expect("a file");
        let _ = std::fs::remove_file(&socket);
        let path = std::env::var("PATH").unwrap_or_default();
        let beside = binary().parent().expect("a folder").display().to_string();
        let mut command = Command::new("nvim");
        command
            .args(["--headless", "-n", "-i", "NONE", "-u"])
            .arg(&init)
            .arg("--listen")
            .arg(&socket)
            .arg(file)
            .env("PATH", format!("{beside}:{path}"))
            .env("XDG_STATE_HOME", scratch)
            .env("XDG_CACHE_HOME", scratch)
            .env("ROPEWALK_NAME", "Vi")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("nvim starts");
        let log = Log::default();
        tokio::spawn(gather(child.stderr.take().expect("piped"), log.clone()));
        tokio::spawn(gather(child.stdout.take().expect("piped"), log.clone()));
        let neovim = Self {
            child,
            socket,
            log,
            settled: AtomicU64::new(0),
        };
        until("Neovim listens", || async {
            neovim.try_ask("1").await.map(drop)
        })
        .await;
        neovim
    }

    async fn call(&self, how: &str, what: &str) -> Option<String> {
        let mut command = Command::new("nvim");
        command.arg("--server").arg(&self.socket).args([how, what]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = within(what, command.output()).await.expect("nvim runs");
        let said = if output.stdout.is_empty() {
            output.stderr
        } else {
            output.stdout
        };
        let said = String::from_utf8_lossy(&said).into_owned();
        output.status.success().then_some(said)
    }

    async fn try_ask(&self, expression: &str) -> Option<Value> {
        let said = self
            .call("--remote-expr", &format!("json_encode({expression})"))
            .await?;
        serde_json::from_str(said.trim()).ok()
    }

    /// The value of an expression.
    pub async fn ask(&self, expression: &str) -> Value {
        match self.try_ask(expression).await {
            Some(value) => value,
            None => panic!("Neovim has no answer to {expression}; {}", self.log()),
        }
    }

    /// Types keys, as `nvim_input` takes them.
    pub async fn keys(&self, keys: &str) {
        let sent = self.call("--remote-send", keys).await;
        assert!(sent.is_some(), "{keys:?} cannot be sent; {}", self.log());
    }

    /// Waits until all keys that were typed have been taken.
    pub async fn settle(&self) {
        let number = self.settled.fetch_add(1, Relaxed) + 1;
        let say = format!("<C-\\><C-n>:let g:settled = {number}<CR>");
        self.keys(&say).await;
        until("Neovim takes all keys", || async {
            (self.ask("get(g:, 'settled')").await == number).then_some(())
        })
        .await;
    }

    /// The text of the buffer, with the line break at its end that `eol` stands for.
    pub async fn text(&self) -> String {
        let lines = self.ask("[getline(1, '$'), &eol]").await;
        let text: Vec<&str> = lines[0]
            .as_array()
            .map(|lines| lines.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let end = if lines[1] == 1 { "\n" } else { "" };
        text.join("\n") + end
    }

    /// What the stand-in for the plugin complained about.
    pub async fn errors(&self) -> String {
        let errors = "luaeval('table.concat(require(\"teamtype\").errors or {}, \"; \")')";
        self.ask(errors)
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// What it has said, and the plugin.
    pub async fn messages(&self) -> String {
        let said = self.try_ask("execute('messages')").await;
        format!("{:?} {said:?}", self.errors().await)
    }

    /// What it and the command said.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Leaves it as people do.
    pub async fn quit(&mut self) {
        let _ = self.call("--remote-send", "<C-\\><C-n>:qa!<CR>").await;
        let _ = within("Neovim ends", self.child.wait()).await;
    }
}
