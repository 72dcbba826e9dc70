//! What is on disk is not destroyed, and what the server has is shown.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_document_begins_with_the_file_as_it_is() {
    let scene = Scene::new().await;
    let mut editor = scene.editor();
    for (name, disk, buffer) in [
        ("plain", "a\nb\n", "a\nb\n"),
        ("no end", "a\nb", "a\nb"),
        ("empty", "", ""),
        ("crlf", "a\r\nb\r\n", "a\nb\n"),
        ("crlf too", "a\r\nb", "a\r\nb"),
        ("mixed", "a\r\nb\nc\r", "a\r\nb\nc\r"),
        ("mark", "\u{feff}a\n", "a\n"),
    ] {
        let path = scene.file(name, disk);
        editor.open(&path, buffer).await.unwrap();
        let text = scene.server.text(&format!("notes/{name}")).await;
        assert_eq!(text, disk.trim_start_matches('\u{feff}'), "{name}");
        let end = buffer.chars().count();
        editor.edit(&path, &[(end, end, "💚\n")]).await;
        let wanted = match name.contains("crlf") {
            true => format!("{text}💚\r\n"),
            false => format!("{text}💚\n"),
        };
        until(name, || async {
            (scene.server.text(&format!("notes/{name}")).await == wanted).then_some(())
        })
        .await;
        assert_eq!(editor.text(&path), format!("{buffer}💚\n"), "{name}");
        assert_eq!(scene.copies(&path), Vec::<String>::new(), "{name}");
    }
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
    let path = scene.folder.path().join("crlf");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "a\r\nb\r\n💚\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_carriage_returns_is_told_them() {
    let scene = Scene::new().await;
    let mut editor = scene.editor();
    for (name, start) in [("whole", "a\r\nb\r\n"), ("one line", "a")] {
        let path = scene.file(name, start);
        editor.open(&path, start).await.unwrap();
        let ann = Client::join(&scene.server, &format!("notes/{name}")).await;
        ann.until_text(start).await;
        editor.edit(&path, &[(1, 1, "\r\n💚")]).await;
        let text = editor.text(&path);
        until(name, || async { ann.text().contains('💚').then_some(()) }).await;
        ann.insert(0, "as one\nas both\r\n");
        let text = format!("as one\r\nas both\r\n{text}");
        editor.until_text(&path, &text).await;
    }
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carriage_return_that_is_shown_becomes_a_part_of_its_line_break() {
    let scene = Scene::new().await;
    let mut editor = scene.editor();
    for (name, disk, wanted) in [
        ("crlf", "a\r\nb\r\n", "a\r\n💚\r\nb\r\n"),
        ("lf", "a\nb\n", "a\n💚\nb\n"),
    ] {
        let path = scene.file(name, disk);
        editor.open(&path, "a\nb\n").await.unwrap();
        // As a line is pasted in which somebody has typed behind the carriage return, and that was deleted.
        editor.edit(&path, &[(1, 1, "\r\n💚")]).await;
        editor.until_text(&path, "a\n💚\nb\n").await;
        until(name, || async {
            (scene.server.text(&format!("notes/{name}")).await == wanted).then_some(())
        })
        .await;
    }
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_alone_is_kept_beside() {
    let scene = Scene::new().await;
    let ann = Client::join(&scene.server, "notes/both").await;
    ann.append("the server's\ntext\n");
    ann.all_saved().await;
    let path = scene.file("both", "mine\n");
    let mut editor = scene.editor();
    editor.open(&path, "mine\n").await.unwrap();
    editor.until_text(&path, "the server's\ntext\n").await;
    assert_eq!(scene.copies(&path), ["mine\n"]);
    assert!(editor.log().contains("both.ropewalk-"), "{}", editor.log());
    editor.close(&path).await;
    until("the file is written", || async {
        (std::fs::read_to_string(&path).unwrap() == "the server's\ntext\n").then_some(())
    })
    .await;
    // What was written last is nothing that is here alone, however much the server has now.
    ann.append("more\n");
    ann.all_saved().await;
    editor.open(&path, "the server's\ntext\n").await.unwrap();
    editor.until_text(&path, "the server's\ntext\nmore\n").await;
    assert_eq!(scene.copies(&path).len(), 1);
    editor.close(&path).await;
    until("the file is written", || async {
        std::fs::read_to_string(&path)
            .unwrap()
            .contains("more")
            .then_some(())
    })
    .await;
    // But what another program wrote meanwhile is.
    std::fs::write(&path, "another program's\n").unwrap();
    editor.open(&path, "another program's\n").await.unwrap();
    editor.until_text(&path, "the server's\ntext\nmore\n").await;
    let copies = scene.copies(&path);
    assert_eq!(copies.len(), 2);
    assert!(
        copies.contains(&"another program's\n".to_owned()),
        "{copies:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_on_disk_that_the_editor_does_not_show_is_kept_beside() {
    let scene = Scene::new().await;
    let mut editor = scene.editor();
    for (name, disk, copies) in [
        ("restored", "on disk\n", &["on disk\n"][..]),
        ("no end", "in the buffer", &[]),
    ] {
        let path = scene.file(name, disk);
        editor.open(&path, "in the buffer\n").await.unwrap();
        assert_eq!(scene.copies(&path), copies, "{name}");
        editor.close(&path).await;
        editor.open(&path, "in the buffer\n").await.unwrap();
        assert_eq!(scene.copies(&path), copies, "{name}");
    }
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_types_without_a_pause_has_the_file_left_alone_while_the_server_is_there() {
    let scene = Scene::new().await;
    let path = scene.file("typed", "text\n");
    let mut editor = scene.editor();
    editor.open(&path, "text\n").await.unwrap();
    // Where a disk takes a second to sync, the server is late indeed; but not each time.
    let mut is_left_alone = false;
    for _ in 0..3 {
        let before = std::fs::read_to_string(&path).unwrap();
        let began = std::time::Instant::now();
        // There is no moment without an edit on its way.
        while began.elapsed().as_millis() < 2200 {
            editor.edit(&path, &[(0, 0, "x")]).await;
            editor.edit(&path, &[(0, 0, "y")]).await;
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
        is_left_alone = std::fs::read_to_string(&path).unwrap() == before;
        if is_left_alone {
            break;
        }
    }
    assert!(is_left_alone, "{}", editor.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_program_writes_while_a_file_is_open_is_kept_beside() {
    let scene = Scene::new().await;
    let path = scene.file("written", "one\n");
    let mut editor = scene.editor();
    editor.open(&path, "one\n").await.unwrap();
    editor.edit(&path, &[(0, 0, "zero\n")]).await;
    std::fs::write(&path, "by a formatter\n").unwrap();
    assert_eq!(editor.quit().await.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "zero\none\n");
    assert_eq!(scene.copies(&path), ["by a formatter\n"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_server_a_file_is_not_opened_and_nothing_is_merged() {
    let scene = Scene::new().await;
    let path = scene.file("offline", "text\n");
    scene.relay.lead(None);
    let mut editor = scene.editor();
    let error = editor.open(&path, "text\n").await.unwrap_err();
    assert!(error.contains("cannot be opened"), "{error}");
    let id = editor.edit(&path, &[(0, 0, "x")]).await;
    let error = editor.answer(id).await.unwrap_err();
    assert!(error.contains("not open"), "{error}");
    scene.relay.lead(Some(scene.server.address));
    editor.open(&path, "text\n").await.unwrap();
    assert_eq!(scene.server.text("notes/offline").await, "text\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "text\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_sent_is_in_the_file_and_is_not_forgotten() {
    let scene = Scene::new().await;
    let path = scene.file("unsent", "text\n");
    let mut editor = scene.editor();
    editor.open(&path, "text\n").await.unwrap();
    scene.relay.lead(None);
    scene.relay.cut();
    editor.edit(&path, &[(0, 0, "unsent ")]).await;
    until("it is written down", || async {
        (std::fs::read_to_string(&path).unwrap() == "unsent text\n").then_some(())
    })
    .await;
    let log = editor.log();
    assert_eq!(log.matches("no connection").count(), 1, "{log}");
    assert_eq!(editor.quit().await.code(), Some(1));
    let log = editor.log();
    assert!(log.contains("they are merged when you open it"), "{log}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "unsent text\n");
    let ann = Client::join(&scene.server, "notes/unsent").await;
    ann.append("Ann\n");
    ann.all_saved().await;
    scene.relay.lead(Some(scene.server.address));
    // Twice: what was merged is not merged again.
    for text in ["unsent text\n", "unsent text\nAnn\n"] {
        let mut editor = scene.editor();
        editor.open(&path, text).await.unwrap();
        editor.until_text(&path, "unsent text\nAnn\n").await;
        ann.until_text("unsent text\nAnn\n").await;
        assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
        let disk = std::fs::read_to_string(&path).unwrap();
        assert_eq!(disk, "unsent text\nAnn\n");
        assert_eq!(scene.copies(&path), Vec::<String>::new());
    }
}

/// Waits until a document is kept that the server does not have, and not only half of it.
async fn until_kept(scene: &Scene) {
    let kept = scene.state.path().join("ropewalk/unsent");
    until("it is kept", || async {
        let mut kept = std::fs::read_dir(&kept).ok()?.flatten();
        kept.any(|kept| kept.path().extension().is_none())
            .then_some(())
    })
    .await;
}

/// A file with the longest path that there is: nothing can be put beside it, as without room or permission.
async fn deepest(scene: &Scene, name: &str) -> PathBuf {
    const LONGEST: usize = 4095;
    let mut folder = scene.folder.path().canonicalize().unwrap();
    loop {
        let left = LONGEST - folder.as_os_str().len() - name.len() - 2;
        folder.push("d".repeat(if left > 250 { 200 } else { left }));
        if left <= 250 {
            break;
        }
    }
    std::fs::create_dir_all(&folder).unwrap();
    let url = format!("http://{}", scene.relay.address);
    let notes = [("XDG_STATE_HOME", scene.state.path().to_str().unwrap())];
    let join = ["join", &url, "--prefix", "deep"];
    let joined = Ropewalk::run(&join, &notes, &folder).await;
    assert_eq!(joined.code, Some(0), "{joined:?}");
    folder.join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_sent_nor_written_is_merged_when_the_file_is_opened_again() {
    for is_killed in [false, true] {
        let scene = Scene::new().await;
        let name = "n".repeat(60);
        let path = deepest(&scene, &name).await;
        std::fs::write(&path, "text\n").unwrap();
        let mut editor = scene.editor();
        editor.open(&path, "text\n").await.unwrap();
        scene.relay.lead(None);
        scene.relay.cut();
        editor.edit(&path, &[(0, 0, "unsent ")]).await;
        if is_killed {
            until_kept(&scene).await;
            editor.signal("KILL");
            editor.ended().await;
        } else {
            assert_eq!(editor.quit().await.code(), Some(1));
            let log = editor.log();
            assert!(log.contains("they are merged when you open it"), "{log}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text\n");
        let ann = Client::join(&scene.server, &format!("deep/{name}")).await;
        ann.append("Ann\n");
        ann.all_saved().await;
        scene.relay.lead(Some(scene.server.address));
        let mut editor = scene.editor();
        editor.open(&path, "text\n").await.unwrap();
        editor.until_text(&path, "unsent text\nAnn\n").await;
        ann.until_text("unsent text\nAnn\n").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_without_the_server_before_a_crash_is_merged_where_it_belongs() {
    let unsent = "unsent text\n";
    // What the server did meanwhile, what the file and the editor have then, what is shown in the end, and the copies.
    for (deletes, disk, buffer, shown, copies) in [
        (false, unsent, unsent, "unsent text\nAnn\n", &[][..]),
        (false, unsent, "other\n", "unsent text\nAnn\n", &["other\n"]),
        (false, "other\n", "other\n", "text\nAnn\n", &["other\n"]),
        (true, unsent, unsent, "Ann\n", &[unsent]),
    ] {
        let scene = Scene::new().await;
        let path = scene.file("crash", "text\n");
        let mut editor = scene.editor();
        editor.open(&path, "text\n").await.unwrap();
        scene.relay.lead(None);
        scene.relay.cut();
        editor.edit(&path, &[(0, 0, "unsent ")]).await;
        until_kept(&scene).await;
        editor.signal("KILL");
        editor.ended().await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), unsent);
        if deletes {
            let delete = Request::new("DELETE", "/api/documents/notes/crash");
            scene.server.send(delete).await;
            let begin = Request::new("PUT", "/api/documents/notes/crash");
            assert_eq!(scene.server.send(begin).await.status, 201);
        }
        let ann = Client::join(&scene.server, "notes/crash").await;
        ann.append("Ann\n");
        ann.all_saved().await;
        scene.relay.lead(Some(scene.server.address));
        std::fs::write(&path, disk).unwrap();
        let mut editor = scene.editor();
        editor.open(&path, buffer).await.unwrap();
        editor.until_text(&path, shown).await;
        assert_eq!(scene.copies(&path), copies, "{disk:?} {buffer:?}");
        ann.until_text(shown).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_in_order() {
    for signal in ["TERM", "INT", "HUP"] {
        let scene = Scene::new().await;
        let path = scene.file("signal", "");
        let mut editor = scene.editor();
        editor.open(&path, "").await.unwrap();
        let id = editor.edit(&path, &[(0, 0, signal)]).await;
        editor.answer(id).await.unwrap();
        editor.signal(signal);
        assert_eq!(editor.ended().await.code(), Some(0), "{signal}");
        assert_eq!(scene.server.text("notes/signal").await, signal);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), signal);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_not_there_is_when_it_is_closed() {
    let scene = Scene::new().await;
    let path = scene.file("new", "");
    std::fs::remove_file(&path).unwrap();
    let mut editor = scene.editor();
    editor.open(&path, "").await.unwrap();
    let id = editor.edit(&path, &[(0, 0, "text\n")]).await;
    editor.answer(id).await.unwrap();
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "text\n");
    assert_eq!(scene.copies(&path), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_have_is_in_the_file_before_it_is_closed() {
    let scene = Scene::new().await;
    let path = scene.file("away", "base\n");
    let mut editor = scene.editor();
    editor.open(&path, "base\n").await.unwrap();
    scene.relay.lead(None);
    scene.relay.cut();
    editor.edit(&path, &[(5, 5, "typed\n")]).await;
    until("it is in the file", || async {
        (std::fs::read_to_string(&path).unwrap() == "base\ntyped\n").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_its_line_breaks_and_its_mark() {
    let scene = Scene::new().await;
    for (name, disk) in [("breaks", "a\r\nb\r\n"), ("mark", "\u{feff}a\nb\n")] {
        let ann = Client::join(&scene.server, &format!("notes/{name}")).await;
        ann.append("a\nb\n");
        ann.all_saved().await;
        let path = scene.file(name, disk);
        let mut editor = scene.editor();
        editor.open(&path, "a\nb\n").await.unwrap();
        assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), disk);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_its_own_line_breaks_is_known_when_it_is_opened_again() {
    let scene = Scene::new().await;
    let ann = Client::join(&scene.server, "notes/known").await;
    ann.append("a\nb\n");
    ann.all_saved().await;
    let path = scene.file("known", "a\r\nb\r\n");
    let mut editor = scene.editor();
    editor.open(&path, "a\nb\n").await.unwrap();
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
    ann.append("c\n");
    ann.all_saved().await;
    let mut editor = scene.editor();
    editor.open(&path, "a\nb\n").await.unwrap();
    editor.until_text(&path, "a\nb\nc\n").await;
    assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
    assert_eq!(scene.copies(&path), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_document_begins_with_what_the_editor_has() {
    let scene = Scene::new().await;
    // Neovim has a line break in a buffer of nothing.
    for (name, there, buffer) in [("nothing", None, "\n"), ("text", Some("mine\n"), "mine\n")] {
        let put = Request::new("PUT", &format!("/api/documents/notes/{name}"));
        assert_eq!(scene.server.send(put).await.status, 201);
        let path = scene.file(name, there.unwrap_or_default());
        if there.is_none() {
            std::fs::remove_file(&path).unwrap();
        }
        let mut editor = scene.editor();
        editor.open(&path, buffer).await.unwrap();
        let end = buffer.chars().count();
        let id = editor.edit(&path, &[(end, end, "more\n")]).await;
        editor.answer(id).await.unwrap();
        assert_eq!(editor.quit().await.code(), Some(0), "{}", editor.log());
        let text = format!("{buffer}more\n");
        assert_eq!(scene.server.text(&format!("notes/{name}")).await, text);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(scene.copies(&path), Vec::<String>::new(), "{name}");
    }
}
