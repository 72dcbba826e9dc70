//! What was typed without the server and closed: whoever runs next sees to it, whether or not the file is opened again.

use std::time::{Duration, SystemTime};

use super::*;

/// A file that was closed with edits that the server does not have.
async fn closed(scene: &Scene, name: &str) -> PathBuf {
    let path = scene.file(name, "text\n");
    let mut editor = scene.editor();
    editor.open(&path, "text\n").await.unwrap();
    scene.relay.lead(None);
    scene.relay.cut();
    editor.edit(&path, &[(0, 0, "unsent ")]).await;
    until("it is written down", || async {
        (std::fs::read_to_string(&path).unwrap() == "unsent text\n").then_some(())
    })
    .await;
    assert_eq!(editor.quit().await.code(), Some(1));
    assert_eq!(kept(scene).len(), 1);
    path
}

/// What is kept of such files.
fn kept(scene: &Scene) -> Vec<PathBuf> {
    let all = std::fs::read_dir(scene.state.path().join("ropewalk/unsent")).unwrap();
    all.map(|entry| entry.unwrap().path()).collect()
}

async fn until_none_is_kept(scene: &Scene) {
    until("nothing is kept any more", || async {
        kept(scene).is_empty().then_some(())
    })
    .await;
}

async fn until_said(editor: &Editor, what: &str) {
    until(what, || async { editor.log().contains(what).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_sent_by_the_next_one_that_runs() {
    let scene = Scene::new().await;
    let path = closed(&scene, "unsent").await;
    let ann = Client::join(&scene.server, "notes/unsent").await;
    ann.append("Ann\n");
    ann.all_saved().await;
    // Not while the server is away.
    let mut editor = scene.editor();
    until_said(&editor, "unsent has edits that the server does not have").await;
    assert_eq!(editor.quit().await.code(), Some(0));
    assert_eq!(kept(&scene).len(), 1);
    scene.relay.lead(Some(scene.server.address));
    let mut editor = scene.editor();
    ann.until_text("unsent text\nAnn\n").await;
    until_said(&editor, "what the server did not have is sent").await;
    until_none_is_kept(&scene).await;
    let disk = std::fs::read_to_string(&path).unwrap();
    assert_eq!(disk, "unsent text\n");
    // The server has that: it is nobody's alone.
    editor.open(&path, &disk).await.unwrap();
    editor.until_text(&path, "unsent text\nAnn\n").await;
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
    assert_eq!(scene.copies(&path), Vec::<String>::new());
    ann.until_text("unsent text\nAnn\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_kept_as_a_copy_if_the_file_does_not_have_it_any_more() {
    for other in [Some("other\n"), None] {
        let scene = Scene::new().await;
        let path = closed(&scene, "unsent").await;
        scene.relay.lead(Some(scene.server.address));
        match other {
            Some(other) => std::fs::write(&path, other).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        // Somebody may have it open, and be about to keep what is in it.
        let mut editor = scene.editor();
        until_said(&editor, "its file has just changed").await;
        assert_eq!(editor.quit().await.code(), Some(0));
        assert_eq!(kept(&scene).len(), 1);
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        let file = other.map(|_| path.clone());
        // Of one that ended while it wrote.
        let half = kept(&scene)[0].with_extension("half");
        std::fs::write(half, "half").unwrap();
        for path in kept(&scene).into_iter().chain(file) {
            let file = std::fs::OpenOptions::new().append(true).open(path);
            file.unwrap().set_modified(long_ago).unwrap();
        }
        let _editor = scene.editor();
        until_none_is_kept(&scene).await;
        assert_eq!(scene.copies(&path), ["unsent text\n"]);
        assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), other);
        assert_eq!(scene.server.text("notes/unsent").await, "text\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_where_it_is_if_the_folder_leads_elsewhere() {
    let scene = Scene::new().await;
    closed(&scene, "unsent").await;
    scene.relay.lead(Some(scene.server.address));
    let joined = scene.state.path().join("ropewalk/joined");
    std::fs::remove_dir_all(joined).unwrap();
    let editor = scene.editor();
    until_said(&editor, "notes/unsent on http://").await;
    assert_eq!(kept(&scene).len(), 1);
    assert_eq!(scene.server.text("notes/unsent").await, "text\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_environment_goes_to_no_server_of_another_folder() {
    let scene = Scene::new().await;
    closed(&scene, "unsent").await;
    scene.relay.lead(Some(scene.server.address));
    let elsewhere = tempfile::tempdir().unwrap();
    let token = [("ROPEWALK_TOKEN", "secret")];
    let mut editor = Editor::start(elsewhere.path(), scene.state.path(), &token);
    until_said(&editor, "ROPEWALK_TOKEN may be for another server").await;
    assert_eq!(editor.quit().await.code(), Some(0));
    assert_eq!(kept(&scene).len(), 1);
    assert_eq!(scene.server.text("notes/unsent").await, "text\n");
    // It is for that of its own.
    let editor = Editor::start(scene.folder.path(), scene.state.path(), &token);
    until_said(&editor, "what the server did not have is sent").await;
    assert_eq!(scene.server.text("notes/unsent").await, "unsent text\n");
}
