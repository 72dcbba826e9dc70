//! The server under test. It loses its power at any time: what it runs goes on in the dark, without a disk and without
//! a line.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ropewalk::App;
use ropewalk::document::{Command, Refused, Reply};
use ropewalk::gate::Gate;
use ropewalk::journal::Journal;
use ropewalk::name::DocumentName;
use ropewalk::session::{Progress, yjs};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::disk::Mounted;
use crate::machine::Simulated;
use crate::network::{self, End, Wire};
use crate::world::World;

/// Whoever asks for something waits so long for the answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// On until the server stops for good.
#[derive(Clone)]
pub struct Power(Arc<(AtomicBool, Notify)>);

impl Default for Power {
    fn default() -> Self {
        Self(Arc::new((AtomicBool::new(true), Notify::new())))
    }
}

impl Power {
    pub fn is_on(&self) -> bool {
        self.0.0.load(Relaxed)
    }

    /// From now on nothing that the server does reaches anybody.
    pub fn fail(&self) {
        self.0.0.store(false, Relaxed);
        self.0.1.notify_one();
    }

    async fn failed(&self) {
        self.0.1.notified().await;
    }
}

#[derive(Default)]
pub struct Server {
    running: Mutex<Running>,
    connections: AtomicU64,
}

#[derive(Default)]
struct Running {
    power: Power,
    app: Option<Arc<App>>,
    wires: Vec<Wire>,
}

impl Server {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn power(&self) -> Power {
        self.running().power.clone()
    }

    /// Runs the server, and again whenever it has lost its power.
    pub async fn run(world: Arc<World>) {
        let began = Instant::now();
        loop {
            let power = Power::default();
            let storage = Arc::new(Mounted::new(world.clone(), power.clone()));
            let (journal, writer) = Journal::new(storage.clone(), world.plan.journal);
            tokio::spawn(Paced::new(world.clone(), writer));
            let machine = Simulated::new(world.draw(|rng| rng.fork()), began, world.plan.disk.load);
            let app = App::new(
                world.plan.config.clone(),
                storage,
                journal,
                machine,
                Gate::open(),
            );
            *world.server.running() = Running {
                power: power.clone(),
                app: app.ok(),
                wires: Vec::new(),
            };
            world.trace.note(format_args!("the server starts"));
            power.failed().await;
            world.trace.note(format_args!("the server loses its power"));
            let wires = {
                let mut running = world.server.running();
                running.app = None;
                std::mem::take(&mut running.wires)
            };
            wires.iter().for_each(|wire| wire.cut(&world));
            let down = world.draw(|rng| rng.ms(0, 3_000));
            sleep(down).await;
        }
    }

    /// Asks a document of the server that runs now for something; the server may lose its power meanwhile.
    pub async fn ask<T>(
        world: &World,
        name: &DocumentName,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, Refused> {
        let app = world.server.running().app.clone();
        let app = app.ok_or(Refused::Again)?;
        let who = Arc::default();
        let handle = app.hub.open(&app, name);
        let asking = handle.ask(&who, 0, command);
        timeout(PATIENCE, asking)
            .await
            .unwrap_or(Err(Refused::Again))
    }

    /// Lets go of it.
    pub fn end(&self) {
        *self.running() = Running::default();
    }

    /// A connection to a document, if the server answers.
    pub fn connect(world: &Arc<World>, name: &DocumentName, author: Option<u32>) -> Option<End> {
        let app = world.server.running().app.clone()?;
        if !app.is_ready() || !world.server.power().is_on() {
            return None;
        }
        let number = world.server.connections.fetch_add(1, Relaxed);
        world.oracle().connected(number, author);
        world.trace.note(format_args!(
            "author {author:?} opens connection {number} to {name}"
        ));
        let progress = Arc::new(Progress::default());
        let (client, server) = network::connect(world, number, progress.clone());
        world.server.running().wires.push(server.wire());
        let sessions = app.sessions.clone();
        sessions.spawn(yjs::run(
            app,
            server,
            Ok(name.clone()),
            Arc::default(),
            progress,
            yjs::Dialect::YWebsocket,
        ));
        Some(client)
    }
}

/// A writer that waits while the disk is busy with what it wrote before.
struct Paced<W> {
    world: Arc<World>,
    writer: Pin<Box<W>>,
    busy: Option<Pin<Box<Sleep>>>,
}

impl<W> Paced<W> {
    fn new(world: Arc<World>, writer: W) -> Self {
        Self {
            world,
            writer: Box::pin(writer),
            busy: None,
        }
    }
}

impl<W: Future<Output = ()>> Future for Paced<W> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(busy) = &mut self.busy {
            ready!(busy.as_mut().poll(cx));
            self.busy = None;
        }
        let before = self.world.disk.writes();
        let written = self.writer.as_mut().poll(cx);
        if self.world.disk.writes() != before && !self.world.is_rest() {
            let latency = self.world.plan.disk.latency;
            self.busy = Some(Box::pin(sleep(self.world.draw(|rng| rng.ms(0, latency)))));
        }
        written
    }
}
