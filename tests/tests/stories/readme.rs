//! What the README says to type works when it is typed.

use std::process::Command;

use ropewalk_tests::readme::block;
use ropewalk_tests::{Request, Ropewalk};

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_script_edits() {
    let server = Ropewalk::start().await;
    let put = Request::new("PUT", "/api/documents/notes/log.md").body("a draft\n");
    assert_eq!(server.send(put).await.status, 201);
    let script = block("$url/append").replace("127.0.0.1:4880", &server.address.to_string());
    let run = tokio::task::spawn_blocking(move || {
        let mut shell = Command::new("sh");
        shell.args(["-euc", &script.replace("curl ", "curl --fail ")]);
        shell.output().unwrap()
    });
    let output = run.await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = server.text("notes/log.md").await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        (lines.len(), &lines[..2]),
        (3, &["Hello", "a final"][..]),
        "{text}"
    );
    assert!(lines[2].contains("20"), "a date: {text}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_kept_in_step() {
    use ropewalk_tests::ropewalk::{binary, folder};

    let server = Ropewalk::start().await;
    let home = folder();
    std::fs::create_dir(home.path().join("notes")).unwrap();
    std::fs::write(home.path().join("notes/today.md"), "today\n").unwrap();
    let put = Request::new("PUT", "/api/documents/team/notes/there.md").body("there\n");
    assert_eq!(server.send(put).await.status, 201);
    let url = format!("http://{}", server.address);
    let line = block("ropewalk sync").replace("https://write.example.org", &url);
    let line = line.replacen("ropewalk", binary().to_str().unwrap(), 1);
    let path = home.path().to_owned();
    let run = tokio::task::spawn_blocking(move || {
        let mut shell = Command::new("sh");
        let script = format!("{} --once", line.trim_end());
        shell.args(["-euc", &script]).current_dir(path);
        shell.output().unwrap()
    });
    let output = run.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.text("team/notes/today.md").await, "today\n");
    let there = std::fs::read_to_string(home.path().join("notes/there.md"));
    assert_eq!(there.unwrap(), "there\n");
}
