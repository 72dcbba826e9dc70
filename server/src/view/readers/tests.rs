//! Other programs in place of the reader, which do on purpose what a reader may do by accident.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::view::Format;

const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(60),
    answer: 1 << 20,
    at_once: 1,
    waiting: 1,
};

fn shell(script: &str, bounds: Bounds) -> Readers {
    Readers::of("/bin/sh", &["-c", script], bounds)
}

/// What never comes is a failure.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    let waited = timeout(Duration::from_secs(60), future).await;
    waited.expect("waited in vain")
}

async fn read(readers: &Readers, state: &[u8]) -> Result<Vec<u8>, Failed> {
    let question = Question {
        format: Format::Json,
        root: "r".into(),
    };
    readers.turn().await.unwrap().read(&question, state).await
}

#[tokio::test]
async fn a_reader_hears_the_question_and_the_state() {
    let readers = Readers::of("/bin/cat", &[], BOUNDS);
    let state = vec![7; 500_000];
    let answer = read(&readers, &state).await.unwrap();
    assert_eq!(answer, [&[2, 1, 0, b'r'][..], &state].concat());
}

#[tokio::test]
async fn a_reader_knows_nothing_of_our_environment() {
    assert!(std::env::var_os("PATH").is_some());
    let readers = Readers::of("/usr/bin/env", &[], BOUNDS);
    assert_eq!(read(&readers, b"").await.unwrap(), b"");
}

#[tokio::test]
async fn a_reader_that_crashes_or_gives_up_costs_one_answer() {
    for (script, words) in [
        ("exit 1", "exit status: 1"),
        ("echo half of it; exit 3", "exit status: 3"),
        ("kill -SEGV $$", "signal: 11"),
        ("echo half of it; kill -ABRT $$", "signal: 6"),
        ("cat > /dev/null; kill -KILL $$", "signal: 9"),
    ] {
        let readers = shell(script, BOUNDS);
        for _ in 0..2 {
            // More than a pipe holds: who ends without reading breaks it.
            let failed = read(&readers, &[0; 300_000]).await.unwrap_err();
            assert!(failed.to_string().contains(words), "{script}: {failed}");
        }
    }
    let none = Readers::of("/nowhere/at.all", &[], BOUNDS);
    for _ in 0..3 {
        assert!(matches!(read(&none, b"").await, Err(Failed::System(_))));
    }
}

#[tokio::test]
async fn a_reader_that_hangs_is_ended() {
    let bounds = Bounds {
        time: Duration::from_millis(50),
        ..BOUNDS
    };
    // One that does nothing, one that is done but stays, and one that does not listen.
    for script in [
        "exec sleep 1000",
        "exec >&-; exec sleep 1000",
        "exec <&-; exec sleep 1000",
    ] {
        let readers = shell(script, bounds);
        let failed = read(&readers, &[0; 300_000]).await.unwrap_err();
        assert!(matches!(failed, Failed::TimedOut), "{script}: {failed}");
    }
}

#[tokio::test]
async fn a_reader_that_never_stops_writing_is_ended() {
    let readers = Readers::of("/usr/bin/yes", &[], BOUNDS);
    let failed = read(&readers, b"").await.unwrap_err();
    assert!(matches!(failed, Failed::TooLong), "{failed}");
    let just = shell("head -c 1048576 /dev/zero", BOUNDS);
    // Commands are found without our environment: the shell knows where they are.
    assert_eq!(read(&just, b"").await.unwrap().len(), BOUNDS.answer);
    let more = shell("head -c 1048577 /dev/zero", BOUNDS);
    assert!(matches!(read(&more, b"").await, Err(Failed::TooLong)));
}

/// The process that a reader in `folder` runs as, once it runs.
async fn process(folder: &Path) -> String {
    loop {
        match std::fs::read_to_string(folder.join("pid")) {
            Ok(pid) if pid.ends_with('\n') => return pid.trim().to_owned(),
            _ => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn few_read_at_once_few_wait_and_the_rest_is_sent_away() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("echo $$ > {}/pid; exec sleep 1000", folder.path().display());
    let readers = Arc::new(shell(&script, BOUNDS));
    let start = || {
        let readers = readers.clone();
        tokio::spawn(async move { read(&readers, b"").await })
    };
    let reads = start();
    let pid = soon(process(folder.path())).await;
    let waits = start();
    soon(async {
        while readers.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(
        soon(readers.turn()).await.is_none(),
        "there is a place to wait"
    );
    assert_eq!(readers.turns.available_permits(), 0);
    // Whoever asked is gone: the process ends, and the next one has its turn.
    std::fs::remove_file(folder.path().join("pid")).unwrap();
    reads.abort();
    let next = soon(process(folder.path())).await;
    assert_ne!(next, pid);
    let dead = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    if cfg!(target_os = "linux") {
        soon(async {
            while !dead(&pid) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    waits.abort();
    let _ = waits.await;
    assert_eq!(readers.places.available_permits(), 2);
    assert_eq!(readers.turns.available_permits(), 1);
}
