//! Connections: each is in order, as over TCP, and takes its time; it is cut at any frame, and not always do both ends
//! hear of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::extract::ws::Message;
use futures_util::{Sink, Stream};
use ropewalk::session::Progress;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::world::World;
pub use pipe::bytes;
use pipe::{Fate, Pipe};

mod pipe;

/// Two ends that hear from each other.
pub fn connect(world: &Arc<World>, number: u64, progress: Arc<Progress>) -> (End, End) {
    let pipes = [Shared::default(), Shared::default()];
    let end = |side: Side, out: usize| End {
        world: world.clone(),
        number,
        side,
        out: pipes[out].clone(),
        back: pipes[1 - out].clone(),
        sleep: None,
    };
    (
        end(Side::Client, 0),
        end(Side::Server(world.server.power(), progress), 1),
    )
}

/// One way of a connection.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Pipe>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Side {
    Client,
    /// The server's end works as long as the server has power.
    Server(crate::server::Power, Arc<Progress>),
}

/// One end of a connection.
pub struct End {
    world: Arc<World>,
    pub number: u64,
    side: Side,
    out: Shared,
    back: Shared,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// A way to cut a connection from outside.
pub struct Wire {
    pipes: [Shared; 2],
}

impl Wire {
    /// The ends hear of it at some time, or never.
    pub fn cut(&self, world: &World) {
        let (heard, after) = world.draw(|rng| (rng.chance(7_000), rng.ms(0, 500)));
        let fate = match heard {
            true => Fate::Reset(Instant::now() + after),
            false => Fate::Lost,
        };
        for pipe in &self.pipes {
            pipe.lock().end(fate);
        }
    }
}

fn broken() -> axum::Error {
    axum::Error::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
}

impl End {
    pub fn wire(&self) -> Wire {
        Wire {
            pipes: [self.out.clone(), self.back.clone()],
        }
    }

    fn has_power(&self) -> bool {
        match &self.side {
            Side::Client => true,
            Side::Server(power, _) => power.is_on(),
        }
    }

    fn name(&self) -> &'static str {
        match self.side {
            Side::Client => "client",
            Side::Server(..) => "server",
        }
    }

    /// Whether this frame is the last one, and whether it still comes to the other end.
    fn is_cut(&self) -> Option<bool> {
        let cuts = self.world.cuts();
        self.world
            .draw(|rng| rng.chance(cuts).then(|| rng.chance(5_000)))
    }
}

impl Stream for End {
    type Item = Result<Message, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if !self.has_power() {
                return Poll::Ready(None);
            }
            let due = match self.back.lock().take(cx) {
                Err(due) => due,
                Ok(None) => return Poll::Ready(None),
                Ok(Some(Err(()))) => return Poll::Ready(Some(Err(broken()))),
                Ok(Some(Ok(message))) => {
                    if let Side::Server(_, progress) = &self.side {
                        let bytes = message.clone().into_data().len();
                        assert!(progress.read(bytes), "more than it may bring");
                    }
                    self.world.saw(self.number, self.name(), "reads", &message);
                    return Poll::Ready(Some(Ok(message)));
                }
            };
            let Some(due) = due else {
                return Poll::Pending;
            };
            let mut sleep = match self.sleep.take() {
                Some(mut sleep) => {
                    sleep.as_mut().reset(due);
                    sleep
                }
                None => Box::pin(sleep_until(due)),
            };
            let slept = sleep.as_mut().poll(cx);
            self.sleep = Some(sleep);
            ready!(slept);
        }
    }
}

impl Sink<Message> for End {
    type Error = axum::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if !self.has_power() {
            return Poll::Ready(Err(broken()));
        }
        let ready = self
            .out
            .lock()
            .poll_room(self.world.plan.network.window, cx);
        if let (Poll::Pending, Side::Server(_, progress)) = (&ready, &self.side) {
            progress.block();
        }
        ready.map_err(|()| broken())
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
        if !self.has_power() {
            return Err(broken());
        }
        self.world.saw(self.number, self.name(), "sends", &message);
        if let Side::Server(_, progress) = &self.side {
            progress.wrote();
            self.world.leaves(self.number, &message);
        }
        let delay = self.world.plan.network.delay;
        let delay = self.world.draw(|rng| rng.ms(0, delay));
        let cut = self.is_cut();
        if cut != Some(false) {
            self.out.lock().put(Instant::now() + delay, message);
        }
        if cut.is_some() {
            self.world
                .trace
                .note(format_args!("connection {} is cut", self.number));
            self.wire().cut(&self.world);
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.poll_ready(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.out.lock().end(Fate::Over);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // Without power nobody says goodbye; what becomes of the connection is seen when the power fails.
        if self.has_power() {
            self.out.lock().end(Fate::Over);
            self.back.lock().end(Fate::Reset(Instant::now()));
        }
    }
}
