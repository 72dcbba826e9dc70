//! The `ropewalk` command.

use std::future::Future;
use std::io::{self, BufRead as _, IsTerminal, Read as _, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ropewalk::Server;
use ropewalk::accounts::{self, AccountsError, command::Order};
use ropewalk::client::{self, End};
use ropewalk::config::command::{self, Request};
use ropewalk::config::{Config, LogFormat};
use ropewalk::error::{RunError, StartError};
use ropewalk::machine::{Host, Machine as _};
use ropewalk::maintain::{self, Failure, Job, Progress};
use ropewalk::storage::StorageError;
use ropewalk::storage::sqlite::OpenError;
#[cfg(unix)]
use ropewalk::sync;
use ropewalk::view;
use tracing_subscriber::EnvFilter;

/// Not everything was imported or exported, or is whole.
const LEFT_OUT: u8 = 1;
/// Bad arguments, environment or configuration file.
const BAD_CONFIG: u8 = 2;
/// Not everything could be saved at the end.
const UNSAVED: u8 = 7;
/// After the end, calls to the system that still hang are left behind.
const LEAVE: Duration = Duration::from_secs(1);

/// Most bytes of a line with a password; longer than any that is taken.
const MAX_LINE: u64 = 4096;

fn main() -> ExitCode {
    let request = command::parse(std::env::args_os());
    #[cfg(unix)]
    if let Ok(
        Request::Serve(_)
        | Request::Accounts(..)
        | Request::Maintain(_, Job::Backup { .. } | Job::Restore { .. } | Job::Import { .. }),
    ) = &request
    {
        // What they make is nobody else's, also in a folder that others may look into.
        rustix::process::umask(rustix::fs::Mode::from(0o077));
    }
    match request {
        Ok(Request::Serve(config)) => serve(*config).unwrap_or_else(|error| {
            say(format_args!("ropewalk: {error:#}"));
            exit_code(&error).into()
        }),
        Ok(Request::Maintain(config, job)) => maintain(*config, job).unwrap_or_else(|error| {
            say(format_args!("ropewalk: {error:#}"));
            exit_code(&error).into()
        }),
        Ok(Request::Accounts(config, order)) => accounts(&config, &order).unwrap_or_else(|error| {
            say(format_args!("ropewalk: {error:#}"));
            exit_code(&error).into()
        }),
        Ok(Request::Client) => client().unwrap_or_else(failed),
        Ok(Request::Join {
            url,
            prefix,
            token_file,
            folder,
        }) => join(&url, &prefix, token_file.as_deref(), &folder).unwrap_or_else(failed),
        #[cfg(unix)]
        Ok(Request::Sync(options)) => sync(options).unwrap_or_else(|error| {
            say(format_args!("ropewalk: {error:#}"));
            exit_code(&error).into()
        }),
        Ok(Request::View) => view::child::run(),
        Ok(Request::Print(text)) => {
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(problem) => {
            say(format_args!("ropewalk: {problem}"));
            BAD_CONFIG.into()
        }
    }
}

/// Does something with the accounts.
fn accounts(config: &Config, order: &Order) -> anyhow::Result<ExitCode> {
    let password = match order.takes_password() {
        true => Some(password()?),
        false => None,
    };
    let done = accounts::command::run(&config.data, order, password.as_deref(), Host.now_ms())?;
    // It may be a secret that nobody can see again.
    io::stdout().write_all(done.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The first line of standard input.
fn password() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().lock().take(MAX_LINE).read_line(&mut line)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => anyhow::bail!("--password-stdin: there is no password on standard input"),
        password => Ok(password.to_owned()),
    }
}

/// Serves the editor that runs this.
fn client() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let end = runtime.block_on(async {
        let mut signals = signals()?;
        // A terminal that closes takes the editor with it: what it wrote last is still to be sent.
        let hung_up = hung_up()?;
        let stop = async move {
            tokio::select! {
                () = signals.recv() => {}
                () = hung_up => {}
            }
        };
        anyhow::Ok(client::run(tokio::io::stdin(), tokio::io::stdout(), stop).await)
    })?;
    // Standard input may still be waited for.
    runtime.shutdown_background();
    Ok(match end {
        End::Saved => ExitCode::SUCCESS,
        End::Failed => ExitCode::FAILURE,
    })
}

fn join(
    url: &str,
    prefix: &str,
    token_file: Option<&Path>,
    folder: &Path,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(client::join::join(url, prefix, token_file, folder))?;
    let _ = io::stdout().write_all(done.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn failed(error: anyhow::Error) -> ExitCode {
    say(format_args!("ropewalk: {error:#}"));
    ExitCode::FAILURE
}

fn serve(config: Config) -> anyhow::Result<ExitCode> {
    log(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(run(config));
    runtime.shutdown_timeout(LEAVE);
    served.map(|()| ExitCode::SUCCESS)
}

async fn run(config: Config) -> anyhow::Result<()> {
    // Before anything is opened: a signal while it opens is not lost.
    let shutdown = signalled()?;
    let data = config.data.clone();
    let server = Server::bind(config).await?;
    let data = std::path::absolute(&data)
        .and_then(|data| data.canonicalize())
        .unwrap_or(data);
    // What starts the server waits for these lines.
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "Ropewalk is ready: http://{}", server.local_addr());
    let _ = writeln!(out, "Documents are kept in {}", data.display());
    if let Some(first) = server.first() {
        let (place, first) = (server.place(), first.expose());
        let _ = writeln!(
            out,
            "There are no accounts. Whoever opens this within an hour makes the first: {place}/join#{first}"
        );
    }
    let _ = out.flush();
    drop(out);
    server.run(shutdown).await?;
    Ok(())
}

/// Does a job; a signal to stop ends it early.
fn maintain(config: Config, job: Job) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        let mut signals = signals()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut progress = Progress::new(stop.clone());
        let mut work =
            tokio::task::spawn_blocking(move || maintain::run(&config, &job, &mut progress));
        loop {
            tokio::select! {
                done = &mut work => return anyhow::Ok(done??),
                () = signals.recv() => stop.store(true, Relaxed),
            }
        }
    })?;
    let _ = writeln!(io::stdout(), "{}", done.summary);
    Ok(match done.whole {
        true => ExitCode::SUCCESS,
        false => LEFT_OUT.into(),
    })
}

/// Keeps a folder in step until a signal to stop.
#[cfg(unix)]
fn sync(options: sync::Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let token = std::env::var("ROPEWALK_TOKEN").ok();
    let synced = runtime.block_on(async {
        let mut signals = signals()?;
        anyhow::Ok(sync::run(options, token, signals.recv()).await?)
    });
    runtime.shutdown_timeout(LEAVE);
    synced.map(|()| ExitCode::SUCCESS)
}

/// Ends at the first signal to stop; a second one ends the process.
fn signalled() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut signals = signals()?;
    let (first, stop) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        signals.recv().await;
        tracing::info!("stopping; a second signal stops at once");
        let _ = first.send(());
        signals.recv().await;
        say(format_args!(
            "ropewalk: stopped at once; what was not acknowledged may not be saved"
        ));
        std::process::exit(UNSAVED.into());
    });
    Ok(async move {
        let _ = stop.await;
    })
}

#[cfg(unix)]
fn hung_up() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut signal = signal(SignalKind::hangup())?;
    Ok(async move {
        signal.recv().await;
    })
}

#[cfg(unix)]
fn signals() -> io::Result<Signals> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    })
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
fn hung_up() -> io::Result<impl Future<Output = ()>> {
    Ok(std::future::pending())
}

#[cfg(not(unix))]
fn signals() -> io::Result<Signals> {
    Ok(Signals)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    async fn recv(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}

fn log(config: &Config) -> anyhow::Result<()> {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.log)?)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
    Ok(())
}

/// The exit code of every way to fail.
fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(RunError::Unsaved) = error.downcast_ref() {
        return UNSAVED;
    }
    if let Some(failure) = error.downcast_ref() {
        return match failure {
            Failure::Argument { .. } => BAD_CONFIG,
            Failure::Open(error) => not_opened(error),
            Failure::Storage(StorageError::Damaged(_)) => 5,
            Failure::Storage(StorageError::Newer { .. }) => 6,
            Failure::Storage(_) | Failure::Write { .. } | Failure::Stopped => 1,
        };
    }
    if let Some(failure) = error.downcast_ref() {
        return without_accounts(failure);
    }
    #[cfg(unix)]
    if let Some(failure) = error.downcast_ref() {
        return match failure {
            sync::Failure::Folder { .. } => 4,
            sync::Failure::Argument(_) => BAD_CONFIG,
            sync::Failure::LeftOut | sync::Failure::Offline(_) | sync::Failure::NotInStep(_) => {
                LEFT_OUT
            }
        };
    }
    match error.downcast_ref() {
        Some(StartError::Listen { .. }) => 3,
        Some(StartError::Storage(error)) => not_opened(error),
        Some(StartError::Accounts(error)) => without_accounts(error),
        Some(StartError::NoAccounts { .. }) => 4,
        Some(StartError::Unreadable(StorageError::Damaged(_))) => 5,
        Some(StartError::Unreadable(StorageError::Newer { .. })) => 6,
        Some(StartError::Keys(_) | StartError::Provider(_)) => BAD_CONFIG,
        Some(StartError::System(_) | StartError::Unreadable(_)) | None => 1,
    }
}

fn without_accounts(error: &AccountsError) -> u8 {
    match error {
        AccountsError::Open(error) => not_opened(error),
        AccountsError::Busy => 4,
        AccountsError::Full(_) | AccountsError::Failed(_) | AccountsError::Refused(_) => 1,
    }
}

fn not_opened(error: &OpenError) -> u8 {
    match error {
        OpenError::NotUsable { .. } | OpenError::InUse { .. } => 4,
        OpenError::Damaged { .. } => 5,
        OpenError::Newer { .. } => 6,
    }
}

/// One line on stderr; a closed stderr is no reason to panic.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
