//! `ropewalk join` makes a folder a project, and says what editors need.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_joined_once_and_to_one_server() {
    let server = Ropewalk::start().await;
    let folder = tempfile::tempdir().unwrap();
    let notes = [("XDG_STATE_HOME", folder.path().to_str().unwrap())];
    let run = async |arguments: &[&str]| Ropewalk::run(arguments, &notes, folder.path()).await;
    let url = format!("http://{}", server.address);
    let nobody = run(&["join", "http://127.0.0.1:1"]).await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.stderr.contains("does not answer"), "{nobody:?}");
    assert!(!folder.path().join(".ropewalk").exists());
    for round in 0..2 {
        let joined = run(&["join", &format!("{url}/"), "--prefix", "/notes/"]).await;
        assert_eq!(joined.code, Some(0), "{round}: {joined:?}");
        assert!(
            joined
                .stdout
                .contains("require(\"teamtype\").config(\"ropewalk\"")
        );
        assert!(joined.stdout.contains("\"teamtype.configs\""));
        let marker = std::fs::read_to_string(folder.path().join(".ropewalk")).unwrap();
        assert_eq!(marker, format!("server = \"{url}\"\nprefix = \"notes\"\n"));
    }
    for other in [
        &["join", url.as_str()][..],
        &["join", "https://example.org", "--prefix", "notes"],
    ] {
        let refused = run(other).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("something else"), "{refused:?}");
        assert_eq!(refused.stderr.lines().count(), 1);
    }
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let joined = run(&["join", &url, "inner"]).await;
    assert_eq!(joined.code, Some(0), "{joined:?}");
    assert!(inner.join(".ropewalk").exists());
    let bad = run(&["join", &url, "inner", "--prefix", "a//b"]).await;
    assert!(
        bad.code == Some(1) && bad.stderr.contains("--prefix"),
        "{bad:?}"
    );
    let bad = run(&["join", "nowhere"]).await;
    assert_eq!(bad.code, Some(1), "{bad:?}");
    let none = run(&["join"]).await;
    assert_eq!(none.code, Some(2), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_joined_can_be_edited() {
    let server = Ropewalk::start().await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}", server.address);
    let path = folder.path().canonicalize().unwrap().join("x.md");
    std::fs::write(&path, "text\n").unwrap();
    // A folder with a marker of somebody else's.
    let marker = folder.path().join(".ropewalk");
    let to = |token: &str| format!("server = \"{url}\"\n{token}");
    std::fs::write(&marker, to("")).unwrap();
    let open = async || {
        let mut editor = Editor::start(folder.path(), folder.path(), &[]);
        editor.open(&path, "text\n").await
    };
    let refused = open().await.unwrap_err().to_string();
    assert!(refused.contains("nobody has joined that"), "{refused}");
    assert_eq!(server.get("/api/documents/x.md").await.status, 404);
    let notes = [("XDG_STATE_HOME", folder.path().to_str().unwrap())];
    let joined = Ropewalk::run(&["join", &url], &notes, folder.path()).await;
    assert_eq!(joined.code, Some(0), "{joined:?}");
    open().await.unwrap();
    assert_eq!(server.text("x.md").await, "text\n");
    // And one that was changed since.
    std::fs::write(folder.path().join("key"), "secret").unwrap();
    std::fs::write(&marker, to("token_file = \"key\"\n")).unwrap();
    let refused = open().await.unwrap_err().to_string();
    assert!(refused.contains("nobody has joined that"), "{refused}");
}
