//! Runs a test in a process of its own, so that a crash, a hang or a flood of memory is a failed
//! test and not the end of all tests.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

const NAME: &str = "ROPEWALK_CHILD";

/// Lines of a failed child that are shown: seeds that went well are of no interest.
const SHOWN: usize = 60;

/// Runs `work` in a child process; `test` is the full name of the calling test. The child is killed when it
/// says nothing for `seconds`: one that works through many cases names each of them on stderr.
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
    let (send, said) = mpsc::channel();
    let streams: [Box<dyn Read + Send>; 2] = [
        Box::new(child.stdout.take().unwrap()),
        Box::new(child.stderr.take().unwrap()),
    ];
    for stream in streams {
        let send = send.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { return };
                let _ = send.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }
    drop(send);
    let mut last = VecDeque::new();
    let (mut ran, mut silent) = (false, false);
    let mut wait = Duration::from_secs(seconds);
    loop {
        match said.recv_timeout(wait) {
            Ok(line) if line.is_empty() => {}
            Ok(line) => {
                ran |= line.contains("1 passed");
                last.push_back(line);
                if last.len() > SHOWN {
                    last.pop_front();
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                silent = true;
                // Its last words may still be on the way; then both streams end.
                wait = Duration::MAX;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().unwrap();
    let all = last.make_contiguous().join("\n");
    assert!(!silent, "{test} said nothing for {seconds} s\n{all}");
    assert!(status.success(), "{test}: {status}\n{all}");
    assert!(ran, "{test} has another name\n{all}");
}
