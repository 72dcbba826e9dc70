//! What a document sends, on its way to a socket that has others, too.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use ropewalk_crdt::protocol;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::message;
use super::place::Joined;
use crate::access::Who;
use crate::session::Close;
use crate::session::attachment::Outward;

/// What a socket gets of its documents.
pub enum Out {
    /// A message, with its address.
    Message(Bytes),
    /// A document wants to know whether the peer still answers.
    Probe,
    /// The document under this address has let go of the peer that has this number.
    Ended(u64, Bytes, Close),
    /// What came of joining it.
    Entered(u64, Bytes, Joined),
    /// Who it is that has sent another token to it.
    Known(u64, Bytes, Arc<Who>),
}

/// Forwards until it is dropped.
pub struct Forward {
    task: JoinHandle<()>,
}

impl Forward {
    /// `id` distinguishes the place from others under the same address. `asked`: how often the client has.
    pub fn start(
        id: u64,
        address: Bytes,
        outward: Outward,
        asked: Arc<AtomicU64>,
        out: mpsc::Sender<Out>,
    ) -> Self {
        let task = tokio::spawn(async move {
            // The socket has gone when nobody takes what is sent.
            let _ = forward(id, address, outward, &asked, out).await;
        });
        Self { task }
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    id: u64,
    address: Bytes,
    mut document: Outward,
    asked: &AtomicU64,
    out: mpsc::Sender<Out>,
) -> Result<(), mpsc::error::SendError<Out>> {
    let mut saved = (0, 0);
    loop {
        let frame = tokio::select! {
            biased;
            _ = document.signals.close.changed() => None,
            _ = document.signals.probe.changed() => {
                out.send(Out::Probe).await?;
                continue;
            }
            frame = poll_fn(|cx| document.inbox.poll_next(cx)) => frame,
        };
        let Some(frame) = frame else {
            let end = document.signals.end();
            return out.send(Out::Ended(id, address, end)).await;
        };
        match frame[..] {
            [0 | 1 | 3 | 5, ..] => {
                let message = message::addressed(&address, &frame);
                out.send(Out::Message(message)).await?;
            }
            [102 | 105, ..] => {
                // One for each update: clients count them, since they asked last.
                let (of, through) = message::marker(&frame).unwrap_or(saved);
                let from = if of == saved.0 { saved.1 } else { 0 };
                let answer = message::saved(&address, frame[0] == 102);
                for _ in from..through {
                    if of != asked.load(Relaxed) {
                        break;
                    }
                    out.send(Out::Message(answer.clone())).await?;
                }
                saved = (of, through);
            }
            [104, ..] => {
                let may_edit = protocol::read_access(&frame) == Some(true);
                let message = message::authenticated(&address, may_edit);
                out.send(Out::Message(message)).await?;
            }
            // An empty frame only wakes, and what clients of this wire do not know is not for them.
            _ => {}
        }
        document.written();
    }
}
