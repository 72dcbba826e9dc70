//! The Ropewalk server: documents that several people edit at once, kept safely.
//!
//! [`Server::bind`] opens the data folder and the port, [`Server::run`] serves until it is told to stop and has
//! saved everything.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub mod access;
pub mod accounts;
mod called;
pub mod client;
pub mod config;
pub mod connections;
pub mod document;
pub mod error;
mod fetch;
pub mod gate;
mod guest;
pub mod http;
pub mod hub;
pub mod journal;
mod json;
pub mod link;
mod listen;
pub mod machine;
pub mod maintain;
pub mod metrics;
pub mod name;
pub mod provider;
mod sabotage;
pub mod search;
pub mod session;
mod sqlite;
pub mod storage;
#[cfg(unix)]
pub mod sync;
pub mod trash;
pub mod view;
pub mod visits;

use accounts::{Accounts, Actor, Secret};
use config::Config;
use connections::{Connections, Shares};
use document::Command;
use document::peer::PeerId;
use error::{RunError, StartError};
use gate::{Gate, Keys};
use http::attempts::Attempts;
use hub::Hub;
use journal::Journal;
use machine::{Host, Machine};
use metrics::Metrics;
use provider::Provider;
use search::Search;
use search::turns::Turns;
use storage::Storage;
use storage::sqlite::Sqlite;
use view::readers::Readers;
use visits::Visits;

/// How long the link to the first account counts, in milliseconds.
const FIRST_MS: i64 = 60 * 60 * 1000;
/// Sockets get this long to say goodbye before documents are closed under them.
const GOODBYE: Duration = Duration::from_secs(6);

/// What every part of the server shares.
pub struct App {
    /// Every setting.
    pub config: Config,
    /// Where documents are kept; for reading. All writes go through the journal.
    pub storage: Arc<dyn Storage>,
    /// The one writer.
    pub journal: Journal,
    /// Who may do what.
    pub gate: Gate,
    /// Where people can sign in beside here.
    pub provider: Option<Provider>,
    /// Documents in memory.
    pub hub: Hub,
    /// Who is connected.
    pub connections: Arc<Connections>,
    /// How many connections everybody has.
    pub shares: Arc<Shares>,
    /// What was counted of the documents.
    pub counted: http::Counted,
    /// How often passwords may be tried.
    pub attempts: Attempts,
    /// Turns to look at passwords.
    pub turns: http::Turns,
    /// Where it runs.
    pub machine: Arc<dyn Machine>,
    /// Counters.
    pub metrics: Metrics,
    /// Who has opened what, until it is written down.
    pub visits: Visits,
    /// The index of words, if one is kept.
    pub search: OnceLock<Search>,
    /// Turns to look through long texts for what is to be replaced.
    pub finding: Arc<Turns>,
    /// Processes that read rich documents.
    pub readers: Readers,
    /// Something was removed from the trash for good: its content is to be removed.
    pub erased: Notify,
    /// Tasks of documents and compactions: the server waits for them when it stops.
    pub tasks: TaskTracker,
    /// Tasks of connections.
    pub sessions: TaskTracker,
    /// Cancelled when the server begins to stop.
    pub stopping: CancellationToken,
    ready: AtomicBool,
    peers: AtomicU64,
}

impl App {
    /// A server without sockets, over an open storage and the journal that writes there.
    pub fn new(
        config: Config,
        storage: Arc<dyn Storage>,
        journal: Journal,
        machine: Arc<dyn Machine>,
        gate: Gate,
    ) -> Result<Arc<Self>, StartError> {
        Ok(Arc::new(Self {
            provider: Provider::new(&config).map_err(StartError::Provider)?,
            config,
            storage,
            journal,
            gate,
            attempts: Attempts::default(),
            turns: http::Turns::default(),
            hub: Hub::default(),
            connections: Arc::default(),
            shares: Arc::default(),
            counted: http::Counted::default(),
            machine,
            metrics: Metrics::default(),
            visits: Visits::default(),
            search: OnceLock::new(),
            finding: Arc::default(),
            readers: Readers::new()?,
            erased: Notify::new(),
            tasks: TaskTracker::new(),
            sessions: TaskTracker::new(),
            stopping: CancellationToken::new(),
            ready: AtomicBool::new(true),
            peers: AtomicU64::new(1),
        }))
    }

    /// Whether requests are welcome: not while stopping, and not while storage is known to be broken.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Relaxed) && self.journal.healthy()
    }

    /// A number for a new connection.
    pub fn next_peer(&self) -> PeerId {
        self.peers.fetch_add(1, Relaxed)
    }
}

/// A server that has its port and its data folder.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    local_addr: SocketAddr,
    first: Option<Secret>,
}

impl Server {
    /// Opens the data folder and the port. Nothing is changed in a folder that cannot be used.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        let addr = config.listen;
        let listen = |source| StartError::Listen { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;
        let storage = Sqlite::open(&config.data)?;
        let (gate, first) = gate(&config, &storage)?;
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let journal =
            Journal::start(storage.clone(), config.journal_limits()).map_err(StartError::System)?;
        let folder = config.search.then(|| config.data.clone());
        let app = App::new(config, storage, journal, Arc::new(Host), gate)?;
        if let Some(folder) = folder {
            Search::start(&app, folder).map_err(StartError::System)?;
        }
        Ok(Self {
            app,
            listener,
            local_addr,
            first,
        })
    }

    /// The secret that makes the first account, if nothing else can be done with this server. It counts for an hour.
    pub fn first(&self) -> Option<&Secret> {
        self.first.as_ref()
    }

    /// The address it really listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where people reach it: a URL without a path. Unless it was told, what stands in front of it is not known here.
    pub fn place(&self) -> String {
        let config = &self.app.config;
        if !config.public_url.is_empty() {
            return config.public_url.clone();
        }
        match config.allow_host.first() {
            Some(host) if config.trust_proxy.is_empty() => {
                format!("http://{host}:{}", self.local_addr.port())
            }
            Some(host) => format!("https://{host}"),
            None => format!("http://{}", listen::reachable(self.local_addr)),
        }
    }

    /// Serves until `shutdown` resolves, then sends everybody home, saves and closes.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), RunError> {
        let Self { app, listener, .. } = self;
        let router = http::router(app.clone());
        tokio::spawn(gate::watch(app.clone()));
        tokio::spawn(trash::sweep(app.clone()));
        tokio::spawn(visits::keep(app.clone()));
        tokio::select! {
            () = listen::serve(&app, listener, router) => {}
            () = shutdown => {}
        }
        tracing::info!("stopping");
        let patience = app.config.shutdown;
        timeout(patience, stop(&app))
            .await
            .map_err(|_| RunError::Unsaved)?
    }
}

/// The accounts of the data folder, and the secret that makes the first of them if there is none and nobody is to do anything without. Where
/// documents belong to people who are not there any more, nothing begins anew and nothing stands open unless that is asked for.
fn gate(config: &Config, storage: &Sqlite) -> Result<(Gate, Option<Secret>), StartError> {
    // What is behind a proxy others reach, wherever it listens.
    let is_near = config.listen.ip().is_loopback() && config.trust_proxy.is_empty();
    let opens = config.open || is_near;
    let refuse_lost = || match !config.open && storage.has_owners()? {
        true => Err(StartError::NoAccounts {
            file: storage.folder().join(accounts::FILE),
        }),
        false => Ok(()),
    };
    if !storage.folder().join(accounts::FILE).exists() {
        refuse_lost()?;
    }
    let accounts = Accounts::open(&config.data)?;
    let now_ms = Host.now_ms();
    let is_empty = accounts.is_empty()?;
    if is_empty && opens {
        refuse_lost()?;
    }
    let first = match is_empty && !opens {
        true => Some(accounts.invite_first(now_ms + FIRST_MS, &Actor::nobody(), now_ms)?),
        false => None,
    };
    if config.open && !is_empty {
        tracing::warn!("there are accounts: --open is ignored");
    }
    let keys = Keys::new(&accounts.key()?, &config.token_keys).map_err(StartError::Keys)?;
    Ok((Gate::of(accounts, keys, opens, now_ms)?, first))
}

async fn stop(app: &Arc<App>) -> Result<(), RunError> {
    app.ready.store(false, Relaxed);
    app.stopping.cancel();
    app.sessions.close();
    let _ = timeout(GOODBYE, app.sessions.wait()).await;
    for handle in app.hub.all() {
        handle.send(Command::Stop);
    }
    app.tasks.close();
    app.tasks.wait().await;
    app.visits.keep(app).await;
    let healthy = app.journal.healthy();
    match app.journal.clone().shutdown().await {
        Ok(()) if healthy => Ok(()),
        _ => Err(RunError::Unsaved),
    }
}
