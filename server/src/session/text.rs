//! The text wire: JSON for editors and scripts without a CRDT. The server rebases; a client has a text, the version it is
//! of, and at most one edit that is not acknowledged.
//!
//! One question at a time is asked of the document, an edit or what has changed, and while it is not answered the socket is
//! not read. The document queues nothing but who is there: what has changed is asked for when there is news and what
//! was written before is gone.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes};
use tokio::time::{Instant, interval_at};

use super::attachment::{Inward, Outward, admitted, join};
use super::connection::{Connection, Flow, TICK};
use super::socket::{Socket, Traffic, traffic};
use super::{Close, Progress};
use crate::App;
use crate::access::Who;
use crate::document::Wire;
use crate::name::{BadName, DocumentName};
use client::{Client, Said};

mod client;
mod cursors;
mod message;
mod people;

/// What a client asks for when it connects.
pub const SUBPROTOCOL: &str = "ropewalk.text.v1";

const WIRE: Wire = Wire {
    name: "text",
    greets: false,
    echoes: false,
    stateless: false,
    updates: false,
    knows_access: true,
};

/// Serves one socket until it ends.
pub async fn run(
    app: Arc<App>,
    socket: impl Socket,
    name: Result<DocumentName, BadName>,
    who: Arc<Who>,
    progress: Arc<Progress>,
) {
    let _counted = app.metrics.connections.hold();
    let mut connection = Connection::new(app.clone(), socket, progress.clone());
    let joined = match name {
        Ok(name) => join(&app, &progress, &name, WIRE, &who, 1).await,
        Err(error) => {
            tracing::info!(%error, "bad document name");
            app.metrics.refused_malformed.add_one();
            Err(Close::BAD_NAME)
        }
    };
    let end = match joined {
        Ok((inward, outward)) => serve(&mut connection, who, inward, outward).await,
        Err(refused) => Some(refused),
    };
    connection.end(end).await;
}

async fn serve<S: Socket>(
    connection: &mut Connection<S>,
    who: Arc<Who>,
    mut inward: Inward,
    mut outward: Outward,
) -> Option<Close> {
    let id = connection.app.machine.client_id();
    let mut client = Client::new(outward.handle(), who, outward.access, id);
    let mut tick = interval_at(Instant::now() + TICK, TICK);
    let stopping = connection.app.stopping.clone();
    let mut out_first = false;
    loop {
        let waits = inward.waits() || client.waits();
        out_first = !out_first;
        let inbox = &mut outward.inbox;
        let flow = tokio::select! {
            biased;
            _ = outward.signals.close.changed() => {
                ControlFlow::Break(Some(outward.signals.end()))
            }
            () = stopping.cancelled() => ControlFlow::Break(Some(Close::RESTART)),
            _ = outward.signals.probe.changed() => connection.probe().await,
            _ = tick.tick() => connection.tick(waits, None).await,
            room = admitted(&mut inward.admission) => {
                inward.admit(room);
                ControlFlow::Continue(())
            }
            said = client.next() => say(connection, said).await,
            traffic = traffic(inbox, &mut connection.socket, !waits, out_first) => match traffic {
                Traffic::Out(Some(frame)) => {
                    let said = client.people(&frame, &mut inward);
                    let flow = say(connection, said).await;
                    outward.written();
                    flow
                }
                Traffic::Out(None) => ControlFlow::Break(Some(outward.signals.end())),
                Traffic::In(Some(Ok(message))) => {
                    receive(connection, &mut client, &mut inward, message).await
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

/// Says something, if there is anything to say, and ends the connection if that was the last.
async fn say<S: Socket>(connection: &mut Connection<S>, said: Said) -> Flow {
    for text in said.texts {
        let message = Message::Text(Utf8Bytes::from(text));
        connection.write(message, || None).await?;
    }
    match said.end {
        Some(end) => ControlFlow::Break(Some(end)),
        None => ControlFlow::Continue(()),
    }
}

async fn receive<S: Socket>(
    connection: &mut Connection<S>,
    client: &mut Client,
    inward: &mut Inward,
    message: Message,
) -> Flow {
    connection.hears();
    let metrics = &connection.app.metrics;
    match message {
        Message::Text(text) => {
            metrics.frames_in.add_one();
            metrics.bytes_in.add(text.len() as u64);
            let said = client.hear(text.as_str(), inward);
            if said.end == Some(Close::MALFORMED) {
                metrics.refused_malformed.add_one();
            }
            say(connection, said).await
        }
        Message::Binary(_) => {
            metrics.refused_malformed.add_one();
            ControlFlow::Break(Some(Close::MALFORMED))
        }
        // tungstenite has queued the pong; a flush sends it.
        Message::Ping(_) => connection.flush().await,
        Message::Pong(_) => ControlFlow::Continue(()),
        Message::Close(_) => ControlFlow::Break(None),
    }
}
