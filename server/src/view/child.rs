//! The process that reads: a question and a state on stdin, the answer on stdout. Whatever becomes of it, whoever
//! started it only believes an answer if it ends well.

use std::io::{self, Read, Write};
use std::process::ExitCode;

/// Memory that the process may have, in bytes of address space.
#[cfg(unix)]
const MEMORY: u64 = 1 << 30;
/// Time that it may compute, in seconds.
#[cfg(unix)]
const COMPUTING: u64 = 5;

/// Reads one question, answers it and ends.
pub fn run() -> ExitCode {
    let answer = || -> io::Result<()> {
        confine()?;
        let mut input = Vec::new();
        io::stdin().lock().read_to_end(&mut input)?;
        let answer = super::answer(&input).ok_or(io::ErrorKind::InvalidData)?;
        let mut out = io::stdout().lock();
        out.write_all(&answer)?;
        out.flush()
    };
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Bounds this process before it reads a byte: memory and time, no file to write and no core dump that holds what
/// people wrote.
#[cfg(unix)]
fn confine() -> io::Result<()> {
    use rlimit::Resource;

    for (resource, bound) in [
        (Resource::CORE, 0),
        (Resource::FSIZE, 0),
        (Resource::CPU, COMPUTING),
        (Resource::AS, MEMORY),
    ] {
        let (_, most) = resource.get()?;
        let bound = bound.min(most);
        let bounded = resource.set(bound, bound);
        // Some systems know no bound of address space.
        if cfg!(target_os = "linux") {
            bounded?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn confine() -> io::Result<()> {
    Ok(())
}
