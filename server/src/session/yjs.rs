//! The y-websocket wire: one document per socket, one message of y-protocols per binary frame. y-sweet clients speak it,
//! too, with habits of their own.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::ws::Message;
use bytes::Bytes;
use tokio::time::{Instant, interval_at};

use super::attachment::{Inward, Outward, admitted, join, read};
use super::connection::{Connection, Flow, TICK};
use super::socket::{Socket, Traffic, traffic};
use super::ysweet::{self, Habits};
use super::{Close, Progress};
use crate::App;
use crate::access::Who;
use crate::document::Wire;
use crate::name::{BadName, DocumentName};

/// An awareness frame with no states in it: y-websocket clients close when they get no messages.
const NOBODY: &[u8] = &[1, 1, 0];

const WIRE: Wire = Wire {
    greets: true,
    echoes: true,
    ..Wire::plain("y-websocket")
};

/// Whose client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// y-websocket, or anything like it.
    YWebsocket,
    /// y-sweet.
    YSweet,
}

impl Dialect {
    fn wire(self) -> Wire {
        match self {
            Self::YWebsocket => WIRE,
            Self::YSweet => Wire {
                name: "y-sweet",
                ..WIRE
            },
        }
    }
}

/// Serves one socket until it ends.
pub async fn run(
    app: Arc<App>,
    socket: impl Socket,
    name: Result<DocumentName, BadName>,
    who: Arc<Who>,
    progress: Arc<Progress>,
    dialect: Dialect,
) {
    let _counted = app.metrics.connections.hold();
    let mut connection = Connection::new(app.clone(), socket, progress.clone());
    let joined = match name {
        Ok(name) => join(&app, &progress, &name, dialect.wire(), &who, 1).await,
        Err(error) => {
            tracing::info!(%error, "bad document name");
            app.metrics.refused_malformed.add_one();
            Err(Close::BAD_NAME)
        }
    };
    let end = match joined {
        Ok((inward, outward)) => {
            let habits = (dialect == Dialect::YSweet).then(Habits::default);
            serve(&mut connection, inward, outward, habits).await
        }
        Err(refused) => Some(refused),
    };
    connection.end(end).await;
}

/// Answers how to close the socket, or nothing if it is gone already.
async fn serve<S: Socket>(
    connection: &mut Connection<S>,
    mut inward: Inward,
    mut outward: Outward,
    mut habits: Option<Habits>,
) -> Option<Close> {
    let often = habits.as_ref().map_or(TICK, |_| ysweet::TICK);
    let mut tick = interval_at(Instant::now() + often, often);
    let stopping = connection.app.stopping.clone();
    // Whether frames to the peer come before messages from it, this time.
    let mut out_first = false;
    loop {
        let waits = inward.waits();
        out_first = !out_first;
        let inbox = &mut outward.inbox;
        let flow = tokio::select! {
            biased;
            _ = outward.signals.close.changed() => {
                ControlFlow::Break(Some(outward.signals.end()))
            }
            () = stopping.cancelled() => ControlFlow::Break(Some(Close::RESTART)),
            _ = outward.signals.probe.changed() => connection.probe().await,
            _ = tick.tick() => {
                let habits = habits.as_mut();
                let impatient = habits.is_some_and(|habits| habits.is_impatient(waits));
                let nobody = Bytes::from_static(NOBODY);
                match impatient {
                    true => connection.write(Message::Binary(nobody), || None).await,
                    false => connection.tick(waits, Some(nobody)).await,
                }
            }
            room = admitted(&mut inward.admission) => {
                inward.admit(room);
                ControlFlow::Continue(())
            }
            traffic = traffic(inbox, &mut connection.socket, !waits, out_first) => match traffic {
                Traffic::Out(Some(frame)) => {
                    if let Some(habits) = &mut habits {
                        habits.hears();
                    }
                    write(connection, &mut outward, frame).await
                }
                Traffic::Out(None) => ControlFlow::Break(Some(outward.signals.end())),
                Traffic::In(Some(Ok(message))) => {
                    receive(connection, &mut inward, habits.as_mut(), message).await
                }
                Traffic::In(Some(Err(error))) => ControlFlow::Break(connection.broken(error)),
                Traffic::In(None) => ControlFlow::Break(None),
            },
        };
        if let ControlFlow::Break(end) = flow {
            return end;
        }
    }
}

async fn receive<S: Socket>(
    connection: &mut Connection<S>,
    document: &mut Inward,
    habits: Option<&mut Habits>,
    message: Message,
) -> Flow {
    connection.hears();
    match message {
        Message::Binary(bytes) => {
            match read(&connection.app, &bytes) {
                Ok(Some(frame)) => {
                    document.pace(&frame).await;
                    let frames = match habits {
                        Some(habits) => habits.order(frame),
                        None => [Some(frame), None],
                    };
                    for (frame, bytes) in frames.into_iter().zip([bytes.len(), 0]) {
                        frame
                            .into_iter()
                            .for_each(|frame| document.hand(bytes, frame));
                    }
                }
                Ok(None) => {}
                Err(close) => return ControlFlow::Break(Some(close)),
            }
            ControlFlow::Continue(())
        }
        Message::Text(_) => {
            connection.app.metrics.refused_malformed.add_one();
            ControlFlow::Break(Some(Close::MALFORMED))
        }
        // tungstenite has queued the pong; a flush sends it.
        Message::Ping(_) => connection.flush().await,
        Message::Pong(_) => ControlFlow::Continue(()),
        Message::Close(_) => ControlFlow::Break(None),
    }
}

async fn write<S: Socket>(
    connection: &mut Connection<S>,
    document: &mut Outward,
    first: Bytes,
) -> Flow {
    let inbox = &mut document.inbox;
    // An empty frame only wakes the session.
    let mut next = move || {
        std::iter::from_fn(|| inbox.next_now())
            .find(|frame| !frame.is_empty())
            .map(Message::Binary)
    };
    let first = match first.is_empty() {
        true => next(),
        false => Some(Message::Binary(first)),
    };
    if let Some(first) = first {
        connection.write(first, next).await?;
    }
    document.written();
    ControlFlow::Continue(())
}
