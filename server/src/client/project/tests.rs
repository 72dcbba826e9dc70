#![allow(clippy::unwrap_used)]

use super::*;

fn project(settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(MARKER), settings).unwrap();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    folder
}

#[test]
fn a_file_is_a_document_by_its_path_in_the_folder() {
    let folder = project("server = \"https://write.example.org/\"\nprefix = \"/notes/\"");
    for (file, name) in [("x.md", "notes/x.md"), ("a/b/ü 💚", "notes/a/b/ü 💚")] {
        let place = Place::of(&folder.path().join(file), |_, _| true).unwrap();
        assert_eq!(place.name.as_str(), name);
        assert_eq!(place.address.to_string(), "https://write.example.org");
    }
    let up = folder.path().join("a/../a/b/../../x.md");
    assert_eq!(
        Place::of(&up, |_, _| true).unwrap().name.as_str(),
        "notes/x.md"
    );
    // The nearest marker counts.
    fs::write(
        folder.path().join("a").join(MARKER),
        "server = \"http://localhost:1\"",
    )
    .unwrap();
    let inner = Place::of(&folder.path().join("a/b/c"), |_, _| true).unwrap();
    assert_eq!(inner.name.as_str(), "b/c");
}

#[cfg(unix)]
#[test]
fn what_is_not_a_file_of_the_folder_is_refused() {
    use std::os::unix::fs::symlink;
    let folder = project("server = \"http://localhost:1\"");
    let other = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::write(other.path().join("secret"), "s").unwrap();
    symlink(other.path().join("secret"), at("link")).unwrap();
    symlink(other.path(), at("folder")).unwrap();
    symlink(at("nothing"), at("dangling")).unwrap();
    for (path, wanted) in [
        (at("link"), "not a file"),
        (at("dangling"), "not a file"),
        (at("a"), "not a file"),
        (at(".."), "not a file"),
        (PathBuf::from("/dev/null"), "not a file"),
        (at("folder/secret"), "there is no .ropewalk"),
        (other.path().join("secret"), "there is no .ropewalk"),
        (at("../x"), "there is no .ropewalk"),
        (at("no/such/x"), "No such file"),
        (at(MARKER), "Ropewalk's own"),
        (at("x.md.ropewalk-1700000000"), "Ropewalk's own"),
        (at("new\nline"), "control characters"),
        (at(&"x".repeat(200)).join("y"), "No such file"),
    ] {
        let error = Place::of(&path, |_, _| true).unwrap_err().to_string();
        assert!(error.contains(wanted), "{path:?}: {error}");
    }
}

#[test]
fn a_marker_says_what_is_wrong_with_it() {
    for (settings, wanted) in [
        ("", "missing field `server`"),
        ("server = 7", "invalid type"),
        ("server = \"x\"\nother = 1", "unknown field"),
        ("server = \"ftp://x\"", "begins with http://"),
        (
            "server = \"http://localhost\"\ntoken_file = \"none\"",
            "No such file",
        ),
        ("[[", "keys cannot be empty"),
    ] {
        let folder = project(settings);
        let error = Place::of(&folder.path().join("x"), |_, _| true)
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{settings:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn uris_are_paths_on_this_machine() {
    assert_eq!(
        path_of("file:///a/%C3%BC%20b").unwrap(),
        PathBuf::from("/a/ü b")
    );
    for uri in [
        "",
        "a",
        "/a",
        "file://host/a",
        "http://a/b",
        "file:///%ff",
        "file:///a%00",
    ] {
        assert!(path_of(uri).is_err(), "{uri}");
    }
}
