//! The processes that read: started one for each view, a few at once, and ended when they are not done in time.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::{ANSWER, COMMAND, Question};

/// A reader has this long, from its start to its end.
const TIME: Duration = Duration::from_secs(5);
/// Readers at once.
const AT_ONCE: usize = 2;
/// Requests that wait for their turn; together with [`TIME`] no longer than a request may take.
const WAITING: usize = 8;

/// What a reader may take.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    time: Duration,
    answer: usize,
    at_once: usize,
    waiting: usize,
}

/// Starts readers.
#[derive(Debug)]
pub struct Readers {
    program: PathBuf,
    arguments: Vec<OsString>,
    bounds: Bounds,
    /// Of those who read and those who wait.
    places: Semaphore,
    /// Of those who read.
    turns: Semaphore,
}

/// Why there is no answer. Says nothing about the content.
#[derive(Debug, Error)]
pub enum Failed {
    /// It was not done in time.
    #[error("the reader took too long")]
    TimedOut,
    /// The answer has more bytes than it may.
    #[error("the reader wrote too much")]
    TooLong,
    /// It crashed, or gave up.
    #[error("the reader ended with {0}")]
    Ended(ExitStatus),
    /// It could not be started.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
}

/// The right to run one reader.
#[derive(Debug)]
pub struct Turn<'r> {
    readers: &'r Readers,
    _place: SemaphorePermit<'r>,
    _turn: SemaphorePermit<'r>,
}

impl Readers {
    /// Readers that are this program.
    pub fn new() -> io::Result<Self> {
        // On Linux this is the running program even after another one took its place on disk.
        let own = Path::new("/proc/self/exe");
        let program = if own.exists() {
            own.to_owned()
        } else {
            std::env::current_exe()?
        };
        let bounds = Bounds {
            time: TIME,
            answer: ANSWER,
            at_once: AT_ONCE,
            waiting: WAITING,
        };
        Ok(Self::of(program, &[COMMAND], bounds))
    }

    fn of(program: impl Into<PathBuf>, arguments: &[&str], bounds: Bounds) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            bounds,
            places: Semaphore::new(bounds.at_once + bounds.waiting),
            turns: Semaphore::new(bounds.at_once),
        }
    }

    /// Waits for the right to run a reader; nothing when too many wait already.
    pub async fn turn(&self) -> Option<Turn<'_>> {
        let place = self.places.try_acquire().ok()?;
        let turn = self.turns.acquire().await.ok()?;
        Some(Turn {
            readers: self,
            _place: place,
            _turn: turn,
        })
    }

    fn start(&self) -> io::Result<Child> {
        // What it says on stderr may quote what people wrote.
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

impl Turn<'_> {
    /// Runs a reader over a state. It is killed when it is not done in time, and when nobody waits for it any more.
    pub async fn read(self, question: &Question, state: &[u8]) -> Result<Vec<u8>, Failed> {
        let mut child = self.readers.start()?;
        let bounds = self.readers.bounds;
        let reading = exchange(&mut child, question, state, bounds.answer);
        let read = timeout(bounds.time, reading)
            .await
            .unwrap_or(Err(Failed::TimedOut));
        if read.is_err() {
            // Its turn is over when it is gone.
            let _ = child.kill().await;
        }
        read
    }
}

async fn exchange(
    child: &mut Child,
    question: &Question,
    state: &[u8],
    most: usize,
) -> Result<Vec<u8>, Failed> {
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (mut input, output) = pipes.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
    let tell = async move {
        // Whoever does not listen says why by how it ends.
        let _ = input.write_all(&question.head()).await;
        let _ = input.write_all(state).await;
    };
    let hear = async {
        let mut answer = Vec::new();
        let bytes = output
            .take(most as u64 + 1)
            .read_to_end(&mut answer)
            .await?;
        if bytes > most {
            return Err(Failed::TooLong);
        }
        Ok(answer)
    };
    tokio::pin!(tell);
    tokio::pin!(hear);
    let answer = tokio::select! {
        answer = &mut hear => answer?,
        () = &mut tell => hear.await?,
    };
    let status = child.wait().await?;
    if status.success() {
        Ok(answer)
    } else {
        Err(Failed::Ended(status))
    }
}

#[cfg(all(test, unix))]
mod tests;
