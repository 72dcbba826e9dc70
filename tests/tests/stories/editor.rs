//! Editors that run `ropewalk client`, beside people with Yjs editors.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ropewalk_tests::editor::uri;
use ropewalk_tests::{Client, Editor, Relay, Request, Ropewalk, until, within};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

mod chance;
mod disk;
mod hostile;
mod join;
mod neovim;
mod unsent;

/// A server behind a relay, and a folder whose files are documents below `notes/`.
pub struct Scene {
    server: Ropewalk,
    relay: Relay,
    folder: TempDir,
    state: Arc<TempDir>,
}

impl Scene {
    async fn new() -> Self {
        let server = Ropewalk::start().await;
        let relay = Relay::to(server.address).await;
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(tempfile::tempdir().unwrap());
        let url = format!("http://{}", relay.address);
        let notes = [("XDG_STATE_HOME", state.path().to_str().unwrap())];
        let join = ["join", &url, "--prefix", "notes"];
        let joined = Ropewalk::run(&join, &notes, folder.path()).await;
        assert_eq!(joined.code, Some(0), "{joined:?}");
        Self {
            server,
            relay,
            folder,
            state,
        }
    }

    fn editor(&self) -> Editor {
        let name = [("ROPEWALK_NAME", "Vi")];
        Editor::start(self.folder.path(), self.state.path(), &name)
    }

    /// A file with this text on disk.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().canonicalize().unwrap().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn restart(&mut self) {
        self.server.kill().await;
        self.server.start_again().await;
        self.relay.lead(Some(self.server.address));
    }

    /// The copies that were kept beside a file.
    fn copies(&self, path: &Path) -> Vec<String> {
        let start = format!("{}.ropewalk-", path.file_name().unwrap().to_str().unwrap());
        let all = std::fs::read_dir(path.parent().unwrap()).unwrap();
        all.map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .starts_with(&start)
            })
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_cursors_go_both_ways() {
    let scene = Scene::new().await;
    let path = scene.file("a/ü 💚.md", "one\n💚 two\n");
    let mut editor = scene.editor();
    editor.open(&path, "one\n💚 two\n").await.unwrap();
    let ann = Client::join(&scene.server, "notes/a/ü 💚.md").await;
    assert_eq!(ann.text(), "one\n💚 two\n");
    let id = editor
        .edit(&path, &[(0, 3, "ONE"), (5, 6, "\n👩‍👩‍👧"), (9, 10, "!\n")])
        .await;
    editor.answer(id).await.unwrap();
    let text = editor.text(&path);
    ann.until_text(&text).await;
    ann.insert(0, "Ann: ");
    editor.until_text(&path, &format!("Ann: {text}")).await;
    editor.select(&path, 5, 8).await;
    let cursor = ann
        .until("the editor's cursor", |state, _| {
            let (_, vi) = state
                .people
                .values()
                .find(|(_, p)| p["user"]["name"] == "Vi")?;
            vi["cursor"]["head"]
                .is_object()
                .then(|| vi["cursor"].clone())
        })
        .await;
    assert!(cursor["anchor"]["item"]["clock"].is_u64(), "{cursor}");
    let at = json!({ "tname": "text", "item": null });
    ann.announce(
        &json!({ "user": { "name": "Ann" }, "cursor": { "anchor": at, "head": at } }).to_string(),
    );
    let end =
        ropewalk_tests::editor::position(&editor.text(&path), editor.text(&path).chars().count());
    editor
        .until("Ann's cursor", |state| {
            let (name, ranges) = state.cursors.get(&ann.id.to_string())?;
            (name == "Ann" && ranges[0]["end"] == end && ranges[0]["start"] == end).then_some(())
        })
        .await;
    let id = ann.id.to_string();
    ann.leave().await;
    editor
        .until("Ann's cursor is gone", |state| {
            let (_, ranges) = state.cursors.get(&id)?;
            ranges.as_array()?.is_empty().then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_editor_leaves_out_it_gets_again() {
    let scene = Scene::new().await;
    let path = scene.file("busy", "0123456789");
    let mut editor = scene.editor();
    editor.open(&path, "0123456789").await.unwrap();
    let ann = Client::join(&scene.server, "notes/busy").await;
    editor.busy(true);
    for n in 0..5 {
        ann.append(&format!("<{n}>"));
        editor.edit(&path, &[(0, 0, "ö"), (1, 1, "💚")]).await;
        let end = editor.text(&path).chars().count();
        editor.edit(&path, &[(end - 1, end, "")]).await;
        ann.until("the editor's edit", |_, doc| {
            let text = ropewalk_tests::client::text_of(doc);
            (text.matches('ö').count() == n + 1).then_some(())
        })
        .await;
    }
    editor.busy(false);
    until("both have the same text", || async {
        (editor.text(&path) == ann.text()).then_some(())
    })
    .await;
    assert!(
        editor.look(|state| state.dropped) > 0,
        "nothing was left out"
    );
    ann.all_saved().await;
    assert_eq!(scene.server.text("notes/busy").await, editor.text(&path));
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_and_news_at_once_take_nothing_from_one_another() {
    let scene = Scene::new().await;
    let path = scene.file("moves", "text");
    let mut editor = scene.editor();
    editor.open(&path, "text").await.unwrap();
    let ann = Client::join(&scene.server, "notes/moves").await;
    for _ in 0..40 {
        for n in 0..10 {
            ann.append(&n.to_string());
            editor.point(&path, n % 4, 4).await;
        }
        // Nothing is typed here, so what is left out now is never sent again.
        editor.until_text(&path, &ann.text()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_are_open_at_once_and_one_is_closed() {
    let scene = Scene::new().await;
    let mut editor = scene.editor();
    let paths: Vec<PathBuf> = (0..4).map(|n| scene.file(&format!("f{n}"), "")).collect();
    for path in &paths {
        editor.open(path, "").await.unwrap();
    }
    for (n, path) in paths.iter().enumerate() {
        editor.edit(path, &[(0, 0, &format!("file {n}"))]).await;
    }
    editor.close(&paths[1]).await;
    for n in 0..4 {
        until("the text", || async {
            (scene.server.text(&format!("notes/f{n}")).await == format!("file {n}")).then_some(())
        })
        .await;
    }
    let id = editor
        .ask(
            "edit",
            json!({ "uri": uri(&paths[1]), "revision": 0, "delta": [] }),
        )
        .await;
    let error = editor.answer(id).await.unwrap_err();
    assert!(error.contains("not open"), "{error}");
    // Opened again, and again without being closed.
    for _ in 0..2 {
        editor.open(&paths[1], "file 1").await.unwrap();
        editor.edit(&paths[1], &[(0, 0, "x")]).await;
        let wanted = editor.text(&paths[1]);
        until("the text", || async {
            (scene.server.text("notes/f1").await == wanted).then_some(())
        })
        .await;
        editor.close(&paths[1]).await;
        until("the file", || async {
            (std::fs::read_to_string(&paths[1]).unwrap() == wanted).then_some(())
        })
        .await;
        std::fs::write(&paths[1], "file 1").unwrap();
        scene
            .server
            .send(
                Request::new("PATCH", "/api/documents/notes/f1/text")
                    .body("{\"find\": \"x\", \"replace\": \"\"}"),
            )
            .await;
    }
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_opened_keeps_no_other_waiting() {
    let scene = Scene::new().await;
    let mut editor = scene.editor();
    let (stuck, other) = (scene.file("stuck", "text\n"), scene.file("other", ""));
    // Connections are taken there, and nothing is answered.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    scene.relay.lead(Some(silent.local_addr().unwrap()));
    let content = json!({ "uri": uri(&stuck), "content": "text\n" });
    let opening = editor.ask("open", content).await;
    let _held = within("it has connected", silent.accept()).await.unwrap();
    scene.relay.lead(Some(scene.server.address));
    let edit = json!({ "uri": uri(&stuck), "revision": 0, "delta": [] });
    let mut asked = Vec::new();
    for _ in 0..5000 {
        asked.push(editor.ask("edit", edit.clone()).await);
    }
    editor.open(&other, "").await.unwrap();
    editor.edit(&other, &[(0, 0, "typed")]).await;
    until("it is on the server", || async {
        (scene.server.text("notes/other").await == "typed").then_some(())
    })
    .await;
    let is_waiting = editor.look(|state| !state.answers.contains_key(&opening));
    assert!(is_waiting, "the other file waited for it");
    let last = asked.pop().unwrap();
    editor.answer(last).await.unwrap_err();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_small_limit_of_open_files_is_raised() {
    let scene = Scene::new().await;
    let folder = scene.folder.path();
    let mut editor = Editor::start_with_files(40, folder, scene.state.path());
    for number in 0..60 {
        let path = scene.file(&format!("f{number}"), "text\n");
        editor.open(&path, "text\n").await.unwrap();
    }
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_without_the_server_comes_when_it_is_back() {
    let mut scene = Scene::new().await;
    let path = scene.file("away", "");
    let mut editor = scene.editor();
    editor.open(&path, "").await.unwrap();
    editor.edit(&path, &[(0, 0, "before ")]).await;
    until("it arrives", || async {
        (scene.server.text("notes/away").await == "before ").then_some(())
    })
    .await;
    scene.relay.lead(None);
    scene.relay.cut();
    within("it is noticed", async {
        while !editor.log().contains("no connection") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for word in ["while ", "nobody ", "listens "] {
        let end = editor.text(&path).chars().count();
        let id = editor.edit(&path, &[(end, end, word)]).await;
        editor.answer(id).await.unwrap();
    }
    let ann = Client::join(&scene.server, "notes/away").await;
    ann.insert(0, "Ann: ");
    ann.all_saved().await;
    scene.restart().await;
    let all = "Ann: before while nobody listens ";
    editor.until_text(&path, all).await;
    until("it is saved", || async {
        (scene.server.text("notes/away").await == all).then_some(())
    })
    .await;
    assert_eq!(editor.quit().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_deleted_is_told_and_its_text_kept() {
    let scene = Scene::new().await;
    let path = scene.file("gone", "text\n");
    let mut editor = scene.editor();
    editor.open(&path, "text\n").await.unwrap();
    scene
        .server
        .send(Request::new("DELETE", "/api/documents/notes/gone"))
        .await;
    until("it is told", || async {
        editor.log().contains("4404").then_some(())
    })
    .await;
    let id = editor.edit(&path, &[(0, 0, "more ")]).await;
    let error = editor.answer(id).await.unwrap_err();
    assert!(error.contains("4404"), "{error}");
    assert_eq!(editor.quit().await.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "more text\n");
}
