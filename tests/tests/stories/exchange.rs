//! Documents become files and come from files.

use std::collections::BTreeMap;
use std::sync::Arc;

use ropewalk_tests::client::{edit_doc, new_doc};
use ropewalk_tests::ropewalk::{binary, folder};
use ropewalk_tests::{Client, Request, Ropewalk, frames};
use yrs::types::Attrs;
use yrs::updates::decoder::Decode;
use yrs::{Any, ReadTxn, StateVector, Text, Transact, Update};

use crate::maintain::{contents, create, names, on, path, refused, well, written};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_and_imported_is_the_same() {
    let server = Ropewalk::start().await;
    let long = format!("{}/{}", "Lang".repeat(60), "💚".repeat(60));
    let given = [
        "plain",
        "PLAIN",
        "plain.txt",
        "plain.txt/below",
        "a/b/c d.md",
        "con",
        "nul.txt",
        "..a/.b",
        "a.",
        " ",
        "%41",
        "日本/Ü",
        "日本/ü",
        "documents.json",
        "documents.json/x",
        &long,
    ];
    for name in given {
        create(&server, name, &format!("text of {name:?}\r\n💚")).await;
    }
    create(&server, "empty", "").await;
    create(&server, "deleted", "gone").await;
    let deleted = server
        .send(Request::new("DELETE", "/api/documents/deleted"))
        .await;
    assert_eq!(deleted.status, 204);

    let ann = Client::join(&server, "rich").await;
    ann.edit(|text, txn| text.insert(txn, 0, "plain bold gone"));
    ann.remove(10, 5);
    let bold = Attrs::from([("bold".into(), Any::from(true))]);
    ann.edit(|text, txn| text.format(txn, 6, 4, bold));
    ann.all_saved().await;

    // What waits for an update that has not come goes along.
    let bob = new_doc(Some(77));
    let first = edit_doc(&bob, |text, txn| text.insert(txn, 0, "first "));
    let second = edit_doc(&bob, |text, txn| text.insert(txn, 6, "second"));
    let gap = Client::join(&server, "gap").await;
    gap.insert(0, "!");
    gap.send(frames::update(&second));
    gap.all_saved().await;
    gap.leave().await;

    let (place, data) = (folder(), Arc::new(folder()));
    let exported = path(&place, "exported");
    let said = well(server.data().path(), &["export", &exported]).await;
    assert!(
        said.contains(&format!("{} documents", given.len() + 3)),
        "{said}"
    );
    let text = std::fs::read_to_string(place.path().join("exported/a/b/c%20d.md.txt")).unwrap();
    assert_eq!(text, "text of \"a/b/c d.md\"\r\n💚");
    let twice = ["export", exported.as_str()];
    refused(server.data().path(), &twice, 2, "not empty").await;

    well(data.path(), &["import", &exported]).await;
    let again = Ropewalk::on(data, &[]).await.unwrap();
    assert_eq!(names(&again).await, names(&server).await);
    for name in names(&server).await {
        assert_eq!(
            again.text(&name).await,
            server.text(&name).await,
            "{name:?}"
        );
        let (mine, theirs) = (
            Client::join(&again, &name).await,
            Client::join(&server, &name).await,
        );
        // The same and a stamp, which is one unit of somebody else.
        let (all, theirs) = (mine.state_vector(), theirs.leave().await);
        let before = theirs.transact().state_vector();
        let more: Vec<_> = all.iter().filter(|&(id, n)| before.get(id) != *n).collect();
        assert!(matches!(more[..], [(_, 1)]), "{name:?}: {more:?}");
        let state = Update::decode_v1(&mine.whole()).unwrap();
        theirs.transact_mut().apply_update(state).unwrap();
        let whole = theirs.transact().encode_diff_v1(&StateVector::default());
        assert_eq!(mine.whole(), whole, "{name:?}");
    }
    let list = |server: serde_json::Value| -> Vec<(String, i64, i64)> {
        let entries = server["documents"].as_array().unwrap().iter();
        let entry = |entry: &serde_json::Value| {
            let name = entry["name"].as_str().unwrap().to_owned();
            let number = |key: &str| entry[key].as_i64().unwrap();
            (name, number("length"), number("edited_at"))
        };
        let mut list: Vec<_> = entries.map(entry).collect();
        list.sort();
        list
    };
    let all = "/api/documents?limit=200";
    assert_eq!(
        list(again.get(all).await.json()),
        list(server.get(all).await.json())
    );

    for server in [&server, &again] {
        let client = Client::join(server, "gap").await;
        client.send(frames::update(&first));
        client.all_saved().await;
        let text = server.text("gap").await;
        assert!(text.contains("first second"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_folder_of_texts_is_imported_and_nothing_is_written_over() {
    let (data, place) = (written("notes/kept.md", "mine").await, folder());
    for (file, text) in [
        ("notes/kept.md", "theirs"),
        ("notes/Ü 1.md", "new\n"),
        ("b", ""),
    ] {
        let file = place.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let import = ["import", place.path().to_str().unwrap()];
    let done = on(data.path(), &import).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(
        done.stderr,
        "ropewalk: skipped \"notes/kept.md\": it exists already\n"
    );
    assert!(
        done.stdout.starts_with("Imported 2 documents from "),
        "{done:?}"
    );
    assert!(done.stdout.ends_with(", 1 skipped\n"), "{done:?}");
    let server = Ropewalk::on(data, &[]).await.unwrap();
    assert_eq!(names(&server).await, ["b", "notes/kept.md", "notes/Ü 1.md"]);
    assert_eq!(server.text("notes/kept.md").await, "mine");
    assert_eq!(server.text("notes/Ü 1.md").await, "new\n");
    assert_eq!(server.text("b").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_folder_costs_what_is_wrong_with_it_alone() {
    use std::os::unix::ffi::OsStrExt as _;
    let (place, secrets, data) = (folder(), folder(), Arc::new(folder()));
    std::fs::write(secrets.path().join("secret"), "not to be read").unwrap();
    let at = |name: &str| place.path().join(name);
    std::os::unix::fs::symlink(secrets.path(), at("linked")).unwrap();
    std::os::unix::fs::symlink(secrets.path().join("secret"), at("link")).unwrap();
    std::os::unix::fs::symlink(".", at("round")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status()
            .unwrap()
            .success()
    );
    std::fs::write(at("latin"), b"caf\xe9").unwrap();
    std::fs::write(at("new\nline"), "control").unwrap();
    std::fs::write(
        place.path().join(std::ffi::OsStr::from_bytes(b"\xff")),
        "name",
    )
    .unwrap();
    std::fs::write(at("huge"), "x".repeat(2_000)).unwrap();
    std::fs::create_dir_all(at("1/2/3/4/5/6/7/8")).unwrap();
    std::fs::write(at("1/2/3/4/5/6/7/8/deep"), "deep").unwrap();
    std::fs::write(at("good"), "good").unwrap();
    let before = contents(secrets.path());

    let import = [
        "import",
        place.path().to_str().unwrap(),
        "--max-text-bytes",
        "1024",
    ];
    let done = on(data.path(), &import).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    for words in [
        "\"linked\": links",
        "\"link\": links",
        "\"round\": links",
        "\"pipe\": it is not a file",
        "\"latin\"",
        "\"new\\nline\"",
        "\"huge\"",
        "deep\"",
    ] {
        let lines = done.stderr.lines().filter(|line| line.contains(words));
        assert_eq!(lines.count(), 1, "{words}: {done:?}");
    }
    assert_eq!(done.stderr.lines().count(), 9, "{done:?}");
    assert!(
        done.stdout.contains("Imported 1 document from "),
        "{done:?}"
    );
    assert!(done.stdout.ends_with(", 9 refused\n"), "{done:?}");
    assert_eq!(contents(secrets.path()), before);
    let server = Ropewalk::on(data, &[]).await.unwrap();
    assert_eq!(names(&server).await, ["good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_index_costs_what_is_wrong_with_it_alone() {
    let server = Ropewalk::start().await;
    for name in ["broken", "cut", "edited", "large", "whole"] {
        create(&server, name, &name.repeat(100)).await;
    }
    let (place, data) = (folder(), Arc::new(folder()));
    let exported = path(&place, "exported");
    well(server.data().path(), &["export", &exported]).await;
    let at = |name: &str| place.path().join("exported").join(name);
    let second = {
        let doc = new_doc(Some(5));
        edit_doc(&doc, |text, txn| text.insert(txn, 0, "first"));
        edit_doc(&doc, |text, txn| text.insert(txn, 5, "second"))
    };
    std::fs::write(at("edited.txt"), "edited since").unwrap();
    std::fs::write(at("gap.update"), second).unwrap();
    std::fs::write(at("broken.update"), "\u{1}\u{1}broken").unwrap();
    let bytes = std::fs::read(at("cut.update")).unwrap();
    std::fs::write(at("cut.update"), &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(at("large.update"), vec![0; 3 << 20]).unwrap();
    std::fs::write(place.path().join("secret"), "not to be read").unwrap();
    std::fs::create_dir(at("inner")).unwrap();
    std::os::unix::fs::symlink(place.path(), at("out")).unwrap();

    let mut index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(at("documents.json")).unwrap()).unwrap();
    let documents = index["documents"].as_array_mut().unwrap();
    for (name, key, file) in [
        ("above", "text", "../secret"),
        ("through", "text", "out/secret"),
        ("absolute", "text", "/etc/hostname"),
        ("missing", "text", "nowhere"),
        ("folder", "text", "inner"),
        ("gap", "update", "gap.update"),
        ("a//b", "update", "whole.update"),
        ("../up", "update", "whole.update"),
        ("whole", "text", "broken.txt"),
        ("text", "text", "whole.txt"),
    ] {
        let mut entry = serde_json::json!({ "name": name, "text": "whole.txt" });
        entry[key] = file.into();
        documents.push(entry);
    }
    std::fs::write(at("documents.json"), index.to_string()).unwrap();

    let done = on(
        data.path(),
        &["import", &exported, "--max-state-bytes", "1048576"],
    )
    .await;
    assert_eq!(done.code, Some(1), "{done:?}");
    for name in [
        "above", "through", "absolute", "missing", "folder", "gap", "a//b", "../up", "broken",
        "cut", "edited", "large",
    ] {
        let start = format!("ropewalk: refused {name:?}: ");
        assert!(done.stderr.contains(&start), "{name}: {done:?}");
    }
    for why in [
        "links",
        "does not lie in",
        "is not a file",
        "depends on",
        "is not the text of",
    ] {
        assert!(done.stderr.contains(why), "{why}: {done:?}");
    }
    assert!(done.stderr.contains("skipped \"whole\""), "{done:?}");
    assert!(
        done.stdout.ends_with(", 1 skipped, 12 refused\n"),
        "{done:?}"
    );
    assert!(!done.stderr.contains("not to be read"), "{done:?}");
    let server = Ropewalk::on(data.clone(), &[]).await.unwrap();
    assert_eq!(names(&server).await, ["text", "whole"]);
    assert_eq!(server.text("whole").await, "whole".repeat(100));
    assert_eq!(server.text("text").await, "whole".repeat(100));
    drop(server);

    // Without an index that can be read, or with an export that was cut short, nothing is guessed.
    let fresh = folder();
    std::fs::write(at("documents.json"), "{}").unwrap();
    refused(fresh.path(), &["import", &exported], 2, "not the index").await;
    std::fs::rename(at("documents.json"), at("documents.json.part")).unwrap();
    refused(fresh.path(), &["import", &exported], 2, "cut short").await;
    assert_eq!(contents(fresh.path()), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_fails_leaves_nothing_behind() {
    let server = Ropewalk::start().await;
    create(&server, "a/small", "small").await;
    create(&server, "large", &"words of great value ".repeat(100_000)).await;
    let place = folder();
    for to in ["new", "empty"] {
        let to = path(&place, to);
        if to.ends_with("empty") {
            std::fs::create_dir(&to).unwrap();
        }
        let mut full = std::process::Command::new("sh");
        full.args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"]);
        full.arg(binary()).args(["export", &to, "--data"]);
        full.arg(server.data().path());
        let full = tokio::task::spawn_blocking(move || full.output().unwrap())
            .await
            .unwrap();
        let stderr = String::from_utf8(full.stderr).unwrap();
        assert_eq!(full.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("large.txt"), "{stderr}");
        let left = std::fs::read_dir(&to).map_or(0, |left| left.count());
        assert_eq!(left, 0, "{to}");
    }
    assert!(!place.path().join("new").exists());
    let file = path(&place, "file");
    std::fs::write(&file, "precious").unwrap();
    refused(server.data().path(), &["export", &file], 2, &file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_imported_while_a_server_runs() {
    let (server, place) = (Ropewalk::start().await, folder());
    std::fs::write(place.path().join("new"), "text").unwrap();
    let import = ["import", place.path().to_str().unwrap()];
    refused(server.data().path(), &import, 4, "in use").await;
    assert_eq!(names(&server).await, [""; 0]);
}
