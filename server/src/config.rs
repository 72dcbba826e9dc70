//! Every setting of the server. `config/settings.rs` says how each is written, `config/command.rs` where from.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use ipnet::IpNet;
use ropewalk_crdt::Limits;

use crate::journal::JournalLimits;

pub mod command;
pub mod oidc;
mod settings;

pub use oidc::{NewPeople, Oidc};

/// What is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Address and port to listen on; port 0 takes any free one. Default 127.0.0.1:4880.
    pub listen: SocketAddr,
    /// Folder of the database, from the working directory. Default ./ropewalk-data.
    pub data: PathBuf,
    /// As long as there are no accounts, everybody who reaches the server may read and edit everything, also from other computers. Default false.
    pub open: bool,
    /// Origins beside the server's own whose pages may connect, such as `https://app.example`. Default none.
    pub allow_origin: Vec<String>,
    /// Names, without ports, under which browsers may address the server beside its own. Default none.
    pub allow_host: Vec<String>,
    /// Addresses of proxies, such as `127.0.0.1` or `10.0.0.0/8`, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Default none.
    pub trust_proxy: Vec<IpNet>,
    /// Keys of those who may sign document tokens, JSON Web Key Sets in files and at URLs. Default none.
    pub token_keys: Vec<String>,
    /// The address under which browsers reach the server, such as `https://write.example.org`; people who sign in elsewhere come back to it. With `https://` cookies are for TLS only. Default none.
    pub public_url: String,
    /// Signing in with accounts of another system.
    pub oidc: Oidc,
    /// What is logged, as a filter of `tracing`. Default `info`.
    pub log: String,
    /// How it is logged. Default text.
    pub log_format: LogFormat,
    /// Largest live update that is taken from a client, in bytes. Default 16 MiB.
    pub max_update_bytes: usize,
    /// Largest frame, as in the first sync of what the server lacks, in bytes. Default 64 MiB.
    pub max_sync_bytes: usize,
    /// Largest text of a document in UTF-16 units, and to begin one with in bytes. Default 16 MiB.
    pub max_text_bytes: usize,
    /// Largest encoded state of a document, its history included, in bytes. Default 64 MiB.
    pub max_state_bytes: usize,
    /// Connections to one document, at most; of one person a quarter, of one link half. Default 512.
    pub max_connections_per_document: usize,
    /// Connections to the server that stay, at most; of one person or network a quarter, of one link half. Default 10,000.
    pub max_connections: usize,
    /// Frames that may wait for one client; then it is brought up to date later, when it reads. Default 1,024.
    pub outbox_frames: usize,
    /// Bytes that may wait for one client. Default 4 MiB.
    pub outbox_bytes: usize,
    /// Updates of all documents that may wait for the disk; then clients wait. Default 65,536.
    pub queue_updates: usize,
    /// Bytes that may wait for the disk. Default 256 MiB.
    pub queue_bytes: usize,
    /// Days that the history of a document is kept: who wrote what, and when. 0 keeps it for ever. Default 0.
    pub history_days: usize,
    /// Days that deleted documents are kept in the trash; 0: they are not.
    pub trash_days: usize,
    /// Whether an index of the words in documents is kept, to search in them.
    pub search: bool,
    /// How long a document that nobody has open stays in memory. Default 30 s.
    pub idle_document: Duration,
    /// A client that takes nothing for this long is let go. Default 30 s.
    pub write_timeout: Duration,
    /// How long a shutdown may take, saving included. Default 25 s.
    pub shutdown: Duration,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 4880).into(),
            data: "./ropewalk-data".into(),
            open: false,
            allow_origin: Vec::new(),
            allow_host: Vec::new(),
            trust_proxy: Vec::new(),
            token_keys: Vec::new(),
            public_url: String::new(),
            oidc: Oidc::default(),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            max_update_bytes: 16 << 20,
            max_sync_bytes: 64 << 20,
            max_text_bytes: 16 << 20,
            max_state_bytes: 64 << 20,
            max_connections_per_document: 512,
            max_connections: 10_000,
            outbox_frames: 1024,
            outbox_bytes: 4 << 20,
            queue_updates: 65_536,
            queue_bytes: 256 << 20,
            history_days: 0,
            trash_days: 30,
            search: true,
            idle_document: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            shutdown: Duration::from_secs(25),
        }
    }
}

impl Config {
    /// What a document may become.
    pub fn document_limits(&self) -> Limits {
        let default = Limits::default();
        let text = self.max_text_bytes as u64;
        Limits {
            text,
            state_bytes: self.max_state_bytes as u64,
            update_units: default.update_units.max(text),
            ..default
        }
    }

    /// Up to when history is forgotten, in milliseconds since the Unix epoch.
    pub fn history_from(&self, now_ms: i64) -> Option<i64> {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let days = i64::try_from(self.history_days).unwrap_or(i64::MAX);
        (days > 0).then(|| now_ms.saturating_sub(days.saturating_mul(DAY_MS)))
    }

    /// What may wait for the disk.
    pub fn journal_limits(&self) -> JournalLimits {
        JournalLimits {
            queue_updates: self.queue_updates,
            queue_bytes: self.queue_bytes,
            ..JournalLimits::default()
        }
    }

    /// Whether people reach the pages over TLS and in no other way.
    pub fn is_over_tls(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// Whether all of that host can be over TLS, as browsers would take it: beside another port there may be something without.
    pub fn has_tls_host(&self) -> bool {
        let has_port = |uri: Uri| uri.port_u16().is_some_and(|port| port != 443);
        self.is_over_tls() && !self.public_url.parse().is_ok_and(has_port)
    }

    /// What no single setting can say: why these do not go together.
    fn check(&self) -> Result<(), String> {
        if self.max_update_bytes > self.max_sync_bytes {
            return Err(format!(
                "max_update_bytes ({}) is more than max_sync_bytes ({}), which bounds every frame",
                self.max_update_bytes, self.max_sync_bytes
            ));
        }
        self.oidc.check(&self.public_url)
    }
}
