//! The command from outside: what it prints, and with which code it ends.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn ropewalk(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ropewalk"));
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROPEWALK_")) {
        command.env_remove(variable);
    }
    command
}

/// A running server, ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts it and reads the two lines that say it listens.
    fn start(data: &Path) -> (Self, [String; 2]) {
        let data = data.to_str().unwrap();
        let mut child = ropewalk(&["--listen", "127.0.0.1:0", "--data", data])
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let running = Self(child);
        let lines = [(); 2].map(|()| lines.next().unwrap().unwrap());
        (running, lines)
    }

    #[cfg(unix)]
    fn signal(&mut self, signal: &str) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &id])
                .status()
                .unwrap()
                .success()
        );
        self.0.wait().unwrap().code()
    }
}

/// Ends with `code`, says one line on stderr that holds `words`, and nothing on stdout.
fn ends(arguments: &[&str], code: i32, words: &str) {
    let Output {
        status,
        stdout,
        stderr,
    } = ropewalk(arguments).output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert_eq!(status.code(), Some(code), "{stderr}");
    assert_eq!(stdout, "");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("ropewalk: ") && stderr.contains(words),
        "{stderr}"
    );
}

#[test]
fn every_way_not_to_start_has_its_code_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let any = "127.0.0.1:0";
    ends(&["--nonsense"], 2, "--nonsense");
    ends(
        &["--listen", any, "--data", data, "--token-keys", "/nowhere"],
        2,
        "/nowhere",
    );
    ends(&["check-config", "--trust-proxy", "nowhere"], 2, "nowhere");

    let taken = TcpListener::bind(any).unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    ends(&["--listen", &addr, "--data", data], 3, &addr);

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    ends(
        &["--listen", any, "--data", file.to_str().unwrap()],
        4,
        "not usable",
    );
    let (running, _) = Running::start(folder.path());
    ends(&["--listen", any, "--data", data], 4, "in use");
    drop(running);

    let database = folder.path().join("ropewalk.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    ends(&["--listen", any, "--data", data], 6, "format 99");
    std::fs::write(&database, "not a database").unwrap();
    ends(&["--listen", any, "--data", data], 5, "damaged");

    std::fs::remove_file(&database).unwrap();
    let accounts = folder.path().join("accounts.db");
    let connection = rusqlite::Connection::open(&accounts).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    ends(&["--listen", any, "--data", data], 6, "format 99");
    std::fs::write(&accounts, "not a database").unwrap();
    ends(&["--listen", any, "--data", data], 5, "accounts.db");
}

#[test]
fn settings_come_from_the_environment_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.toml");
    std::fs::write(
        &file,
        "max_connections = 1\nqueue_updates = 1\nopen = false\n",
    )
    .unwrap();
    let output = ropewalk(&["check-config", "--queue-updates", "3"])
        .env("ROPEWALK_CONFIG", &file)
        .env("ROPEWALK_QUEUE_UPDATES", "2")
        .env("ROPEWALK_MAX_CONNECTIONS", "2")
        .env("ROPEWALK_OPEN", "true")
        .env(
            "ROPEWALK_ALLOW_ORIGIN",
            "https://a.example,https://b.example",
        )
        .env("ROPEWALK_DATA", "")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for (start, from) in [
        ("queue_updates = 3 ", "# flag --queue-updates"),
        (
            "max_connections = 2 ",
            "# environment ROPEWALK_MAX_CONNECTIONS",
        ),
        ("open = true ", "# environment ROPEWALK_OPEN"),
        (
            "allow_origin = [\"https://a.example\", \"https://b.example\"] ",
            "# environment",
        ),
        ("data = \"./ropewalk-data\" ", "# default"),
    ] {
        assert!(
            text.lines()
                .any(|line| line.starts_with(start) && line.contains(from)),
            "{text}"
        );
    }
    let wrong = ropewalk(&[])
        .env("ROPEWALK_MAX_CONNECTIONS", "many")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8(wrong.stderr)
            .unwrap()
            .contains("ROPEWALK_MAX_CONNECTIONS: `many`")
    );
}

#[cfg(unix)]
#[test]
fn it_says_where_it_listens_and_ends_on_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT"] {
        let (mut running, [ready, kept]) = Running::start(&folder.path().join("data"));
        assert!(
            ready.starts_with("Ropewalk is ready: http://127.0.0.1:"),
            "{ready}"
        );
        assert!(!ready.ends_with(":0"), "{ready}");
        let data = folder.path().join("data").canonicalize().unwrap();
        assert_eq!(kept, format!("Documents are kept in {}", data.display()));
        assert_eq!(running.signal(signal), Some(0));
    }
}

#[test]
fn a_database_that_somebody_uses_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let [data, copy] = ["data", "copy"].map(|name| folder.path().join(name));
    drop(Running::start(&data));
    let [data, copy] = [&data, &copy].map(|path| path.to_str().unwrap());
    let status = ropewalk(&["backup", copy, "--data", data])
        .status()
        .unwrap();
    assert!(status.success());

    // Somebody with a tool of their own, whose journal would end up beside the new database.
    let database = folder.path().join("data/ropewalk.db");
    let other = rusqlite::Connection::open(&database).unwrap();
    other.execute_batch("UPDATE probe SET writes = 77").unwrap();
    ends(
        &["restore", "--replace", copy, "--data", data],
        4,
        "another process",
    );
    let names = std::fs::read_dir(folder.path().join("data")).unwrap();
    for name in names.map(|entry| entry.unwrap().file_name()) {
        let name = name.to_str().unwrap().to_owned();
        assert!(!name.contains("before") && !name.contains("new"), "{name}");
    }
    let writes = |file: &Path| -> i64 {
        let connection = rusqlite::Connection::open(file).unwrap();
        let read = connection.query_row("SELECT writes FROM probe", [], |row| row.get(0));
        read.unwrap()
    };
    drop(other);
    assert_eq!(writes(&database), 77, "what it wrote is there");
    let restore = ropewalk(&["restore", "--replace", copy, "--data", data]).status();
    assert!(restore.unwrap().success());
    assert_eq!(writes(&database), 0);
}
