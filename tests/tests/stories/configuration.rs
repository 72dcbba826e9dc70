//! Settings come from flags, then the environment, then a file; what is wrong is said before anything is done.

use std::sync::Arc;

use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Failed, Request, Ropewalk};

/// Runs it in a folder of its own.
async fn run(
    arguments: &[&str],
    environment: &[(&str, &str)],
    file: &str,
) -> (Failed, tempfile::TempDir) {
    let place = folder();
    std::fs::write(place.path().join("ropewalk.toml"), file).unwrap();
    let failed = Ropewalk::run(arguments, environment, place.path()).await;
    (failed, place)
}

/// Must be refused with 2, one line and nothing made.
async fn refused(arguments: &[&str], environment: &[(&str, &str)], file: &str, must_say: &str) {
    let (failed, place) = run(arguments, environment, file).await;
    assert_eq!(
        failed.code,
        Some(2),
        "{arguments:?} {environment:?} {file:?}: {failed:?}"
    );
    assert!(
        failed.stderr.contains(must_say),
        "{must_say:?} is named: {failed:?}"
    );
    assert!(!failed.stderr.contains("panicked"), "{failed:?}");
    let made: Vec<_> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(made, ["ropewalk.toml"], "nothing is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_2() {
    refused(&["--no-such-flag"], &[], "", "no-such-flag").await;
    refused(&["--listen", "nowhere"], &[], "", "listen").await;
    refused(&["--listen", "127.0.0.1"], &[], "", "listen").await;
    refused(
        &["--idle-document-seconds", "soon"],
        &[],
        "",
        "idle-document-seconds",
    )
    .await;
    refused(&["--idle-document-seconds", "-1"], &[], "", "").await;
    refused(&["--log-format", "xml"], &[], "", "log-format").await;
    refused(
        &["--allow-origin", "not an origin"],
        &[],
        "",
        "not an origin",
    )
    .await;
    refused(&["dance"], &[], "", "dance").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_environment_is_2() {
    refused(&[], &[("ROPEWALK_LISTEN", "nowhere")], "", "nowhere").await;
    refused(
        &[],
        &[("ROPEWALK_IDLE_DOCUMENT_SECONDS", "soon")],
        "",
        "soon",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_is_2() {
    let file = ["--config", "ropewalk.toml"];
    refused(&file, &[], "this is not TOML", "ropewalk.toml").await;
    refused(&file, &[], "lissten = \"127.0.0.1:0\"", "lissten").await;
    refused(
        &file,
        &[],
        "idle_document_seconds = \"soon\"",
        "idle_document_seconds",
    )
    .await;
    refused(&file, &[], "listen = 4880", "listen").await;
    refused(&["--config", "absent.toml"], &[], "", "absent.toml").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_nothing_is_open_unless_it_is_said_to_be() {
    for (arguments, state, status) in [
        (&["--listen", "0.0.0.0:0"][..], "setup", 401),
        (&["--listen", "[::]:0"], "setup", 401),
        (&["--listen", "0.0.0.0:0", "--open"], "open", 200),
        (&["--listen", "127.0.0.1:0"], "open", 200),
    ] {
        let server = Ropewalk::on(Arc::new(folder()), arguments).await.unwrap();
        let asked = server.get("/api/session").await;
        assert_eq!(asked.json()["state"], state, "{arguments:?}");
        for path in ["/api/documents", "/metrics"] {
            assert_eq!(
                server.get(path).await.status,
                status,
                "{arguments:?} {path}"
            );
        }
        let begin = Request::new("PUT", "/api/documents/a").body("a");
        let begun = server.send(begin).await.status;
        assert_eq!(
            begun,
            if status == 200 { 201 } else { 401 },
            "{arguments:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_go_before_the_environment_and_that_before_the_file() {
    let file = "listen = \"127.0.0.1:1001\"\ndata = \"from-file\"\nidle_document_seconds = 11";
    let environment = [
        ("ROPEWALK_LISTEN", "127.0.0.1:1002"),
        ("ROPEWALK_DATA", "from-environment"),
    ];
    let arguments = [
        "check-config",
        "--config",
        "ropewalk.toml",
        "--listen",
        "127.0.0.1:1003",
    ];
    let (shown, place) = run(&arguments, &environment, file).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for in_force in ["127.0.0.1:1003", "from-environment", "11"] {
        assert!(shown.stdout.contains(in_force), "{in_force}: {shown:?}");
    }
    for overridden in ["127.0.0.1:1001", "127.0.0.1:1002", "from-file"] {
        assert!(
            !shown.stdout.contains(overridden),
            "{overridden}: {shown:?}"
        );
    }
    assert_eq!(
        std::fs::read_dir(place.path()).unwrap().count(),
        1,
        "check-config makes nothing"
    );
    let (shown, _) = run(
        &["check-config"],
        &[("ROPEWALK_CONFIG", "ropewalk.toml")],
        file,
    )
    .await;
    assert!(shown.stdout.contains("127.0.0.1:1001"), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_check_config_shows_can_be_used_as_the_file() {
    let (shown, _) = run(&["check-config"], &[], "").await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(
        shown.stdout.contains("127.0.0.1:4880") && shown.stdout.contains("ropewalk-data"),
        "{shown:?}"
    );
    let (again, _) = run(
        &["check-config", "--config", "ropewalk.toml"],
        &[],
        &shown.stdout,
    )
    .await;
    assert_eq!(again.code, Some(0), "{again:?}\n{}", shown.stdout);
    let settings = |shown: &Failed| -> Vec<String> {
        // Behind the `#` stands where the setting comes from.
        shown
            .stdout
            .lines()
            .map(|line| line.split(" #").next().unwrap().trim_end().to_owned())
            .collect()
    };
    assert_eq!(settings(&again), settings(&shown));
}

#[tokio::test(flavor = "multi_thread")]
async fn help_explains_every_setting() {
    let (shown, _) = run(&["--help"], &[], "").await;
    assert_eq!(shown.code, Some(0));
    for flag in [
        "--listen",
        "--data",
        "--open",
        "--config",
        "--allow-origin",
        "--allow-host",
        "--log",
        "--idle-document-seconds",
    ] {
        assert!(shown.stdout.contains(flag), "{flag}: {}", shown.stdout);
    }
    for default in ["127.0.0.1:4880", "ropewalk-data"] {
        assert!(
            shown.stdout.contains(default),
            "{default}: {}",
            shown.stdout
        );
    }
    let (version, _) = run(&["--version"], &[], "").await;
    assert_eq!(version.code, Some(0));
    assert!(version.stdout.starts_with("ropewalk "), "{version:?}");
}
