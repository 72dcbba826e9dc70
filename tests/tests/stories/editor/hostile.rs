//! What no editor should say is answered with an error, and harms nobody.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_understood_are_answered() {
    let scene = Scene::new().await;
    let path = scene.file("x", "text");
    let mut editor = scene.editor();
    for (number, body) in [
        "",
        "{",
        "[]",
        "7",
        "{}",
        "{\"id\":{},\"method\":\"open\"}",
        "\u{0}",
        &"[".repeat(100_000),
    ]
    .iter()
    .enumerate()
    {
        let message = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        editor.send(message.as_bytes()).await;
        let error = editor
            .until("an error", |state| state.errors.get(number).cloned())
            .await;
        assert_eq!(error["error"]["code"], -32700, "{error}");
        assert!(error["id"].is_null());
    }
    for (method, parameters, code) in [
        ("shout", json!({}), -32601),
        ("open", json!({}), -32602),
        ("open", json!(7), -32602),
        ("open", json!({ "uri": "file:///x", "content": 7 }), -32602),
        (
            "edit",
            json!({ "uri": uri(&path), "revision": -1, "delta": [] }),
            -32602,
        ),
        (
            "edit",
            json!({ "uri": uri(&path), "revision": 0, "delta": [{}] }),
            -32602,
        ),
        (
            "edit",
            json!({ "uri": uri(&path), "revision": 0, "delta": [] }),
            -32000,
        ),
        ("cursor", json!({ "uri": uri(&path), "ranges": [] }), -32000),
        (
            "open",
            json!({ "uri": "http://x/y", "content": "" }),
            -32000,
        ),
        (
            "open",
            json!({ "uri": "file:///etc/passwd", "content": "" }),
            -32000,
        ),
    ] {
        let id = editor.ask(method, parameters.clone()).await;
        editor.answer(id).await.unwrap_err();
        let answer = editor.look(|state| state.answers[&id].clone());
        assert_eq!(
            answer["error"]["code"], code,
            "{method} {parameters}: {answer}"
        );
    }
    // Notifications are not answered, and it goes on.
    editor
        .say(&json!({ "jsonrpc": "2.0", "method": "shout" }))
        .await;
    editor.open(&path, "text").await.unwrap();
    assert_eq!(editor.quit().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_cannot_be_understood_end_it_with_an_error() {
    for (head, wanted) in [
        ("nonsense\r\n\r\n", "begins with"),
        ("\r\n", "begins with"),
        ("Content-Length: x\r\n\r\n", "begins with"),
        ("Content-Length: -1\r\n\r\n", "begins with"),
        (
            "Content-Length: 18446744073709551616\r\n\r\n",
            "begins with",
        ),
        ("Content-Length: 9999999999\r\n\r\n", "at most"),
        (&"x".repeat(5000), "begins with"),
        (&"a: b\r\n".repeat(100), "begins with"),
    ] {
        let scene = Scene::new().await;
        let path = scene.file("x", "text");
        let mut editor = scene.editor();
        editor.open(&path, "text").await.unwrap();
        editor.edit(&path, &[(0, 0, "my ")]).await;
        editor.send(head.as_bytes()).await;
        assert_eq!(editor.ended().await.code(), Some(1), "{head:?}");
        let error = editor.look(|state| state.errors.last().cloned()).unwrap();
        let message = error["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(wanted), "{head:?}: {message}");
        assert!(editor.log().contains(wanted), "{head:?}: {}", editor.log());
        // What was typed before is saved.
        assert_eq!(scene.server.text("notes/x").await, "my text");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_that_cannot_be_are_answered_and_do_not_reach_the_document() {
    let place = |line: u64, character: u64| json!({ "line": line, "character": character });
    for (revision, ranges) in [
        (0, vec![(place(9, 0), place(9, 0))]),
        (0, vec![(place(0, 5), place(0, 5))]),
        (0, vec![(place(0, 2), place(0, 1))]),
        (
            0,
            vec![(place(0, 0), place(0, 2)), (place(0, 1), place(0, 3))],
        ),
        (0, vec![(place(u64::MAX, 0), place(u64::MAX, u64::MAX))]),
        (1, vec![]),
        (u64::MAX, vec![]),
    ] {
        let scene = Scene::new().await;
        let path = scene.file("x", "text\n");
        let mut editor = scene.editor();
        editor.open(&path, "text\n").await.unwrap();
        let delta: Vec<_> = ranges
            .iter()
            .map(|(start, end)| json!({ "range": { "start": start, "end": end }, "replacement": "evil" }))
            .collect();
        let edit = json!({ "uri": uri(&path), "revision": revision, "delta": delta });
        let id = editor.ask("edit", edit.clone()).await;
        editor.answer(id).await.expect_err(&format!("{edit}"));
        // What it has now is not known any more, so nothing more is taken.
        let id = editor.edit(&path, &[(0, 0, "x")]).await;
        let error = editor.answer(id).await.unwrap_err();
        assert!(error.contains("open the file again"), "{error}");
        assert_eq!(scene.server.text("notes/x").await, "text\n");
        editor.open(&path, "text\n").await.unwrap();
        editor.edit(&path, &[(0, 0, "x")]).await;
        until("it is well again", || async {
            (scene.server.text("notes/x").await == "xtext\n").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_out_of_the_folder_are_refused() {
    let scene = Scene::new().await;
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("secret"), "s").unwrap();
    let folder = scene.folder.path();
    std::os::unix::fs::symlink(other.path().join("secret"), folder.join("link")).unwrap();
    std::os::unix::fs::symlink(other.path(), folder.join("out")).unwrap();
    let mut editor = scene.editor();
    for path in [
        folder.join("link"),
        folder.join("out/secret"),
        folder.join("../x"),
        folder.join(".ropewalk"),
        folder.join("1/2/3/4/5/6/7/8/9"),
        folder.to_owned(),
        PathBuf::from("/dev/zero"),
        PathBuf::from("/"),
    ] {
        let error = editor.open(&path, "s").await.unwrap_err();
        assert!(!error.is_empty(), "{path:?}");
    }
    let deep = scene.file("1/2/3/4/5/6/7/8/9", "");
    let error = editor.open(&deep, "").await.unwrap_err();
    assert!(error.contains("at most 8 segments"), "{error}");
    let bytes = scene.file("bytes", "");
    std::fs::write(&bytes, b"\xff\xfe").unwrap();
    let error = editor.open(&bytes, "\u{ff}").await.unwrap_err();
    assert!(error.contains("UTF-8"), "{error}");
    let list = scene.server.get("/api/documents").await.json();
    assert_eq!(list["documents"].as_array().unwrap().len(), 0, "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_the_document_is_taken_back() {
    let mut scene = Scene::new().await;
    scene.server.terminate().await;
    scene
        .server
        .start_again_with(&["--max-text-bytes", "1024", "--max-update-bytes", "4096"])
        .await;
    scene.relay.lead(Some(scene.server.address));
    let path = scene.file("full", "text\n");
    let mut editor = scene.editor();
    editor.open(&path, "text\n").await.unwrap();
    editor.edit(&path, &[(0, 0, &"x".repeat(5000))]).await;
    until("it is told", || async {
        editor.log().contains("4413").then_some(())
    })
    .await;
    assert_eq!(editor.quit().await.code(), Some(1));
    let disk = std::fs::read_to_string(&path).unwrap();
    assert_eq!(disk.len(), 5005);
    assert_eq!(scene.server.text("notes/full").await, "text\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_with_many_files_that_does_not_read_for_a_while_gets_all_that_is_new() {
    // More than wait for room in the queue, and as many as find it, together.
    const FILES: usize = 200;
    let scene = Scene::new().await;
    let mut editor = scene.editor();
    let mut paths = Vec::new();
    for number in 0..FILES {
        let path = scene.file(&format!("{number}"), "text\n");
        editor.open(&path, "text\n").await.unwrap();
        paths.push(path);
    }
    let last = scene.file("last", "text\n");
    editor.open(&last, "text\n").await.unwrap();
    editor.reads(false);
    // What lies in the pipe is a few of these.
    let news = "news ".repeat(4000) + "\n";
    for number in 0..FILES {
        let path = format!("/api/documents/notes/{number}/append");
        let append = Request::new("POST", &path).body(news.as_str());
        assert_eq!(scene.server.send(append).await.status, 200);
    }
    // Without an id: it waits for no answer.
    let start = json!({ "line": 0, "character": 0 });
    let range = json!({ "start": start, "end": start });
    let change = json!({ "range": range, "replacement": "mine " });
    let parameters = json!({ "uri": uri(&last), "revision": 0, "delta": [change] });
    editor
        .say(&json!({ "jsonrpc": "2.0", "method": "edit", "params": parameters }))
        .await;
    until("the command works on", || async {
        (scene.server.text("notes/last").await == "mine text\n").then_some(())
    })
    .await;
    editor.reads(true);
    for path in &paths {
        editor.until_text(path, &format!("text\n{news}")).await;
    }
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
}
