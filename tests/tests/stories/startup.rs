//! What can go wrong at the start has one clear line and an exit code of its own, and nothing is touched.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use ropewalk_tests::account::{Browser, secret};
use ropewalk_tests::ropewalk::{binary, folder};
use ropewalk_tests::{Client, Failed, Ropewalk, until};

use crate::maintain::well;

/// One line for people on stderr, and nothing on stdout.
fn assert_one_clear_line(failed: &Failed, must_say: &str) {
    let lines: Vec<&str> = failed
        .stderr
        .lines()
        .filter(|line| line.starts_with("ropewalk: "))
        .collect();
    assert_eq!(
        lines.len(),
        1,
        "one line that starts with `ropewalk: `: {failed:?}"
    );
    assert!(
        lines[0].contains(must_say),
        "the line names {must_say:?}: {:?}",
        lines[0]
    );
    assert!(!failed.stderr.contains("panicked"), "{failed:?}");
    assert_eq!(failed.stdout, "", "{failed:?}");
}

/// Every file below a folder with its bytes, but the lock, which is there to be taken.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else if !path.ends_with("ropewalk.lock") {
            files.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// A folder with a database that was closed in order.
async fn written() -> Arc<tempfile::TempDir> {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "written").await;
    ann.insert(0, &"words of great value ".repeat(2_000));
    ann.all_saved().await;
    assert_eq!(server.terminate().await, Some(0));
    server.data()
}

/// Tries to start a server on a folder, which must fail and leave every byte as it is.
async fn refused(data: &Arc<tempfile::TempDir>, code: i32) {
    let before = contents(data.path());
    let failed = Ropewalk::on(data.clone(), &[])
        .await
        .err()
        .expect("the server must not start");
    assert_eq!(failed.code, Some(code), "{failed:?}");
    assert_one_clear_line(&failed, "");
    let after = contents(data.path());
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&after), names(&before), "nothing is made or removed");
    for (before, after) in before.iter().zip(&after) {
        assert!(before.1 == after.1, "no byte of {} is changed", before.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_to_go_and_where_documents_are() {
    let server = Ropewalk::start().await;
    assert_eq!(
        server.announced[0],
        format!("Ropewalk is ready: http://{}", server.address)
    );
    let data = server.announced[1]
        .strip_prefix("Documents are kept in ")
        .unwrap();
    assert_eq!(
        Path::new(data).canonicalize().unwrap(),
        server.data().path().canonicalize().unwrap()
    );
    assert!(Path::new(data).is_absolute());
    assert_eq!(server.announced.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_to_the_first_account_leads_to_where_others_reach_the_server() {
    let printed = async |arguments: &[&str]| {
        let listen = ["--listen", "0.0.0.0:0"];
        let server = Ropewalk::with(&[&listen[..], arguments].concat()).await;
        let link = until("the link is printed", || async {
            let output = server.output();
            let (before, _) = output.split_once("/join#")?;
            Some(before.rsplit(' ').next()?.to_owned())
        });
        (link.await, server.address.port())
    };
    let (link, port) = printed(&[]).await;
    let seen: std::net::SocketAddr = link.strip_prefix("http://").unwrap().parse().unwrap();
    assert!(!seen.ip().is_unspecified() && seen.port() == port, "{link}");
    let host = ["--allow-host", "write.example.org"];
    let (link, port) = printed(&host).await;
    assert_eq!(link, format!("http://write.example.org:{port}"));
    let (link, _) = printed(&[&host[..], &["--trust-proxy", "127.0.0.1"]].concat()).await;
    assert_eq!(link, "https://write.example.org");
    let told = ["--public-url", "https://ropes.example.org"];
    let (link, _) = printed(&[&host[..], &told].concat()).await;
    assert_eq!(link, "https://ropes.example.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_makes_is_its_owners_alone() {
    let data = Arc::new(folder());
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(data.path(), everybody).unwrap();
    let server = Ropewalk::on(data.clone(), &[]).await.unwrap();
    let ann = Client::join(&server, "a").await;
    ann.insert(0, "text");
    ann.all_saved().await;
    until(
        "every database and what lies beside it is there",
        || async {
            let databases = ["ropewalk.db", "search.db"];
            let is_there = |file: &str| data.path().join(file).exists();
            let mut all = databases
                .iter()
                .flat_map(|file| ["", "-wal", "-shm"].map(|beside| format!("{file}{beside}")));
            all.all(|file| is_there(&file)).then_some(())
        },
    )
    .await;
    for entry in std::fs::read_dir(data.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{entry:?} {mode:o}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_3() {
    let server = Ropewalk::start().await;
    let place = folder();
    let address = server.address.to_string();
    let failed = Ropewalk::run(&["--listen", &address, "--data", "new"], &[], place.path()).await;
    assert_eq!(failed.code, Some(3), "{failed:?}");
    assert_one_clear_line(&failed, &address);
    assert_eq!(
        server.get("/healthz").await.status,
        200,
        "the other goes on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_use_is_4() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "in use").await;
    ann.insert(0, "kept");
    ann.all_saved().await;
    let failed = Ropewalk::on(server.data(), &[])
        .await
        .err()
        .expect("a second server must not start");
    assert_eq!(failed.code, Some(4), "{failed:?}");
    assert_one_clear_line(&failed, &server.data().path().display().to_string());
    ann.append(" and on");
    ann.all_saved().await;
    assert_eq!(server.text("in use").await, "kept and on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_a_killed_server_is_not_in_use() {
    let mut server = Ropewalk::start().await;
    server.kill().await;
    server.start_again().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_one_is_4() {
    let place = folder();
    std::fs::write(place.path().join("file"), "not a folder").unwrap();
    for data in ["file", "file/below", "/proc/ropewalk", "/dev/null/data"] {
        let failed = Ropewalk::run(
            &["--listen", "127.0.0.1:0", "--data", data],
            &[],
            place.path(),
        )
        .await;
        assert_eq!(failed.code, Some(4), "{data}: {failed:?}");
        assert_one_clear_line(&failed, data);
    }
    assert_eq!(
        std::fs::read_to_string(place.path().join("file")).unwrap(),
        "not a folder"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_write_permission_is_4() {
    let place = folder();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let data = place.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o555)).unwrap();
    let program = place.path().join("ropewalk");
    std::fs::copy(binary(), &program).unwrap();
    // Root may write anywhere, so root becomes nobody for this.
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program);
        command
    } else {
        Command::new(&program)
    };
    command
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .current_dir(place.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let failed = Failed {
        code: output.status.code(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
    };
    assert_eq!(failed.code, Some(4), "{failed:?}");
    assert_one_clear_line(&failed, &data.display().to_string());
    assert!(contents(&data).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_5_and_stays_as_it_is() {
    // Not a database at all, one with its head torn off, and one cut short.
    for damage in ["garbage", "head", "cut", "pages"] {
        let data = written().await;
        let path = data.path().join("ropewalk.db");
        let mut bytes = std::fs::read(&path).unwrap();
        match damage {
            "garbage" => bytes = b"these are not the bytes of a database ".repeat(500),
            "head" => bytes[..100].fill(0xff),
            "cut" => bytes.truncate(bytes.len() / 2 + 17),
            _ => {
                let end = bytes.len();
                bytes[4096..end].fill(0xee);
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        println!("{damage}");
        refused(&data, 5).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_is_6_and_stays_as_it_is() {
    let data = written().await;
    let path = data.path().join("ropewalk.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // `user_version` in the head of a SQLite file.
    bytes[60..64].copy_from_slice(&1_000_000u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    refused(&data, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_database_is_not_taken_over() {
    let data = written().await;
    let path = data.path().join("ropewalk.db");
    let mut bytes = std::fs::read(&path).unwrap();
    // `application_id` in the head of a SQLite file.
    bytes[68..72].copy_from_slice(b"elsE");
    std::fs::write(&path, &bytes).unwrap();
    refused(&data, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_starts_again_once_it_is_mended() {
    let data = written().await;
    let path = data.path().join("ropewalk.db");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, b"damaged".repeat(1_000)).unwrap();
    refused(&data, 5).await;
    std::fs::write(&path, &good).unwrap();
    let server = Ropewalk::on(data, &[]).await.unwrap();
    assert_eq!(
        server.text("written").await,
        "words of great value ".repeat(2_000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_people_are_not_everybodys_when_the_accounts_are_gone() {
    let mut server = Ropewalk::start().await;
    let data = server.data();
    let invited = well(data.path(), &["user", "add", "ada", "--admin"]).await;
    let mut ada = Browser::of(&server);
    ada.accept(&secret(&invited.trim_end().into()), "ada").await;
    ada.create("notes", "text").await;
    assert_eq!(server.terminate().await, Some(0));
    let [accounts, kept] = ["accounts.db", "kept.db"].map(|file| data.path().join(file));
    std::fs::rename(&accounts, &kept).unwrap();
    let start = async |arguments: &[&str]| Ropewalk::on(data.clone(), arguments).await;
    let refused = async |arguments: &[&str]| {
        let failed = start(arguments).await.err().expect("it does not start");
        assert_eq!(failed.code, Some(4), "{failed:?}");
        assert_one_clear_line(&failed, "accounts.db");
    };
    let text = "/api/documents/notes/text";
    let far = ["--listen", "0.0.0.0:0"];
    for arguments in [&[][..], &far] {
        refused(arguments).await;
        assert!(!accounts.exists(), "nothing is begun anew");
    }
    let mut open = start(&["--open"]).await.unwrap();
    assert_eq!(open.get(text).await.text(), "text");
    assert_eq!(open.terminate().await, Some(0));
    // There is a file now, and nobody in it.
    refused(&[]).await;
    let mut closed = start(&far).await.unwrap();
    assert_eq!(closed.get(text).await.status, 401);
    closed.kill().await;
    std::fs::rename(&kept, &accounts).unwrap();
    let server = start(&[]).await.unwrap();
    assert_eq!(server.get(text).await.status, 401);
    let mut ada = ada.at(&server);
    assert_eq!(ada.text("notes").await, "text");
}
