//! Editors that are no browsers, with a token: `ropewalk sync` and `ropewalk client`.
#![cfg(unix)]

use std::sync::Arc;

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Editor, Ropewalk, Synced, until};

const NAME: &str = "notes.md";

/// A server, the owner of a document, and the token of somebody who may read it.
async fn begin() -> (Ropewalk, Browser, String) {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let mut bob = ada.invite(&server, "bob").await;
    owner.create(NAME, "text").await;
    owner.share(NAME, "bob", "read").await;
    let (_, token) = bob.make_token("own", "*").await;
    (server, owner, token)
}

async fn until_text(owner: &mut Browser, text: &str) {
    let name = format!("/api/documents/{NAME}/text");
    let owner = tokio::sync::Mutex::new(owner);
    until(&format!("the server has {text:?}"), || async {
        let request = ropewalk_tests::Request::get(&name);
        let answer = owner.lock().await.send(request).await;
        (answer.text() == text).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_a_reader_follows_and_what_is_written_in_it_waits() {
    let (server, mut owner, token) = begin().await;
    let with_token = [("ROPEWALK_TOKEN", &*token)];
    let files = Arc::new(folder());
    std::fs::write(files.path().join(NAME), "mine").unwrap();
    let sync = |more| Synced::in_environment(files.clone(), server.address, more, &with_token);
    let mut here = sync(&[]).await;
    here.until(NAME, "text").await;
    here.until_said("yours is kept as").await;
    let editor = owner.editor(NAME).await;
    editor.append(" one");
    here.until(NAME, "text one").await;
    here.kill().await;
    // A document that was there before is looked at for what the server lacks.
    assert_eq!(sync(&["--once"]).await.ended().await.code(), Some(0));
    let mut here = sync(&[]).await;
    editor.append(" two");
    here.until(NAME, "text one two").await;
    here.save(NAME, "my text one two");
    here.until_said("may only be read").await;
    editor.append(" three");
    here.until(NAME, "my text one two three").await;
    here.save(NAME, "my own text one two three");
    editor.append(" four");
    here.until(NAME, "my own text one two three four").await;
    assert_eq!(owner.text(NAME).await, "text one two three four");
    let said = here.said();
    assert_eq!(said.matches("may only be read").count(), 1, "{said}");
    assert!(!said.contains("No connection"), "{said}");
    assert_eq!(here.terminate().await, Some(0));
    let mut once = sync(&["--once"]).await;
    assert_eq!(once.ended().await.code(), Some(1));
    let said = once.said();
    assert!(said.contains("not all files are in step"), "{said}");
    let here = sync(&[]).await;
    here.until_said("may only be read").await;
    owner.share(NAME, "bob", "edit").await;
    until_text(&mut owner, "my own text one two three four").await;
    here.save(NAME, "text one two three four");
    until_text(&mut owner, "text one two three four").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_of_a_reader_shows_the_text_and_hears_that_edits_are_not_shared() {
    let (server, mut owner, token) = begin().await;
    let (files, state) = (folder(), folder());
    let with_token = [("ROPEWALK_TOKEN", &*token)];
    let notes = state.path().to_str().unwrap();
    let environment = [with_token[0], ("XDG_STATE_HOME", notes)];
    let url = format!("http://{}", server.address);
    let joined = Ropewalk::run(&["join", &url], &environment, files.path()).await;
    assert_eq!(joined.code, Some(0), "{joined:?}");
    let path = files.path().canonicalize().unwrap().join(NAME);
    std::fs::write(&path, "mine").unwrap();
    let mut bob = Editor::start(files.path(), state.path(), &with_token);
    bob.open(&path, "mine").await.unwrap();
    bob.until_text(&path, "text").await;
    let kept = bob.log();
    assert!(kept.contains("the one that was here is in"), "{kept}");
    until_said(&bob, "may only be read").await;
    let id = bob.edit(&path, &[(0, 0, "my ")]).await;
    let refused = bob.answer(id).await.unwrap_err();
    assert!(refused.contains("what you type is not shared"), "{refused}");
    let editor = owner.editor(NAME).await;
    editor.append("!");
    bob.until_text(&path, "my text!").await;
    assert_eq!(owner.text(NAME).await, "text!");
    // What was typed meanwhile is not lost.
    owner.share(NAME, "bob", "edit").await;
    until_text(&mut owner, "my text!").await;
    until_said(&bob, "may be edited").await;
    let id = bob.edit(&path, &[(0, 2, "our")]).await;
    bob.answer(id).await.unwrap();
    until_text(&mut owner, "our text!").await;
    owner.share(NAME, "bob", "read").await;
    until("it is said again", || async {
        (bob.log().matches("may only be read").count() == 2).then_some(())
    })
    .await;
    let id = bob.edit(&path, &[(0, 0, "not ")]).await;
    bob.answer(id).await.unwrap_err();
    assert_eq!(bob.quit().await.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "not our text!");
    assert_eq!(owner.text(NAME).await, "our text!");
    let log = bob.log();
    assert!(!log.contains("no connection"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_even_read_hears_so() {
    let (server, mut owner, token) = begin().await;
    owner.share(NAME, "bob", "none").await;
    let with_token = [("ROPEWALK_TOKEN", &*token)];
    let files = Arc::new(folder());
    std::fs::write(files.path().join(NAME), "mine").unwrap();
    let mut once =
        Synced::in_environment(files.clone(), server.address, &["--once"], &with_token).await;
    assert_eq!(once.ended().await.code(), Some(1));
    let said = once.said();
    assert!(said.contains("(4403)"), "{said}");
    assert_eq!(once.read(NAME).as_deref(), Some("mine"));
    assert_eq!(owner.text(NAME).await, "text");
}

async fn until_said(editor: &Editor, what: &str) {
    until(&format!("{what:?}"), || async {
        editor.log().contains(what).then_some(())
    })
    .await;
}
