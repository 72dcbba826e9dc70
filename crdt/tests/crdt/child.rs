//! Runs a test in a process of its own, so that a crash of the engine is a failed test and not
//! the end of all tests.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const NAME: &str = "ROPEWALK_CHILD";

/// Runs `work` in a child process; `test` is the full name of the calling test. The child may take
/// `seconds`.
pub fn run(test: &str, seconds: u64, work: impl FnOnce()) {
    if std::env::var(NAME).is_ok_and(|name| name == test) {
        return work();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(NAME, test)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (send, output) = mpsc::channel();
    let streams: [Box<dyn Read + Send>; 2] = [
        Box::new(child.stdout.take().unwrap()),
        Box::new(child.stderr.take().unwrap()),
    ];
    for mut stream in streams {
        let send = send.clone();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stream.read_to_end(&mut text);
            let _ = send.send(String::from_utf8_lossy(&text).into_owned());
        });
    }
    let wait = Duration::from_secs(seconds);
    let first = output.recv_timeout(wait);
    if first.is_err() {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    let rest = output.iter().take(2 - usize::from(first.is_ok()));
    let all: String = first.iter().cloned().chain(rest).collect();
    let ran = all.contains("1 passed");
    // The seeds that went well are of no interest.
    let lines: Vec<&str> = all.lines().filter(|line| !line.is_empty()).collect();
    let all = lines[lines.len().saturating_sub(60)..].join("\n");
    assert!(first.is_ok(), "{test} took more than {seconds} s\n{all}");
    assert!(status.success(), "{test}: {status}\n{all}");
    assert!(ran, "{test} has another name\n{all}");
}
