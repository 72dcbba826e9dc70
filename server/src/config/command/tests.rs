#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::time::Duration;

use super::*;
use crate::config::LogFormat;

fn asked(arguments: &[&str]) -> Result<Request, String> {
    parse(
        std::iter::once(&"ropewalk")
            .chain(arguments)
            .map(OsString::from),
    )
}

fn config(arguments: &[&str]) -> Config {
    match asked(arguments).unwrap() {
        Request::Serve(config) => *config,
        other => panic!("{other:?}"),
    }
}

fn printed(arguments: &[&str]) -> String {
    match asked(arguments).unwrap() {
        Request::Print(text) => text,
        other => panic!("{other:?}"),
    }
}

fn refused(arguments: &[&str]) -> String {
    let problem = asked(arguments).unwrap_err();
    assert_eq!(problem.lines().count(), 1, "{problem}");
    problem
}

fn file(text: &str) -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, path)
}

#[test]
fn without_arguments_it_serves_with_the_defaults() {
    assert_eq!(config(&[]), Config::default());
    assert_eq!(config(&["serve"]), Config::default());
}

#[test]
fn flags_set_settings_before_and_after_the_command() {
    for arguments in [
        &[
            "serve",
            "--data",
            "/x",
            "--open",
            "--idle-document-seconds",
            "7",
        ][..],
        &[
            "--data",
            "/x",
            "--open",
            "serve",
            "--idle-document-seconds",
            "7",
        ],
        &["--data=/x", "--open=yes", "--idle-document-seconds=7"],
    ] {
        let config = config(arguments);
        assert_eq!(config.data.to_str(), Some("/x"));
        assert!(config.open);
        assert_eq!(config.idle_document, Duration::from_secs(7));
    }
    let config = config(&[
        "--allow-host",
        "a.example",
        "--allow-host",
        "b.example,[::1]",
    ]);
    assert_eq!(config.allow_host, ["a.example", "b.example", "[::1]"]);
}

#[test]
fn a_flag_goes_before_the_file() {
    let (_kept, path) = file(
        "listen = \"127.0.0.1:9\"\nopen = true\nmax_connections = 7\nallow_origin = [\"https://a.example\"]\nlog_format = 'json'\n",
    );
    let config = config(&["--config", &path, "--max-connections", "8", "--open=false"]);
    assert_eq!(config.listen.port(), 9);
    assert_eq!(config.max_connections, 8);
    assert_eq!(config.allow_origin, ["https://a.example"]);
    assert_eq!(config.log_format, LogFormat::Json);
    assert!(!config.open);
}

#[test]
fn what_is_in_force_says_where_it_comes_from_and_is_a_file_itself() {
    let (_kept, path) = file("max_connections = 7\nqueue_updates = 9");
    for arguments in [
        ["check-config", "--config", &path, "--queue-updates", "10"],
        ["--config", &path, "--queue-updates", "10", "check-config"],
    ] {
        let report = printed(&arguments);
        let line = |key: &str| report.lines().find(|line| line.starts_with(key)).unwrap();
        assert!(
            line("max_connections =").starts_with("max_connections = 7 "),
            "{report}"
        );
        assert!(
            line("max_connections =").ends_with(&format!("# file {path}")),
            "{report}"
        );
        assert!(
            line("queue_updates").starts_with("queue_updates = 10 "),
            "{report}"
        );
        assert!(
            line("queue_updates").ends_with("# flag --queue-updates"),
            "{report}"
        );
        assert!(
            line("listen").starts_with("listen = \"127.0.0.1:4880\""),
            "{report}"
        );
        assert!(line("listen").ends_with("# default"), "{report}");
        let (_kept, again) = file(&report);
        let served: Vec<&str> = arguments
            .into_iter()
            .filter(|word| *word != "check-config")
            .collect();
        assert_eq!(config(&["--config", &again]), config(&served));
    }
}

#[test]
fn the_help_names_every_setting_with_its_default() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["help"]] {
        let help = printed(arguments);
        for setting in SETTINGS {
            let flag = format!("--{}", setting.key.replace('_', "-"));
            let (_, after) = help.split_once(&flag).unwrap();
            let part = after.split("\n      --").next().unwrap();
            assert!(part.contains("[default: "), "{flag}: {part}");
            assert!(part.contains(&variable(setting.key)), "{flag}: {part}");
            let unit = ["bytes", "seconds"]
                .into_iter()
                .find(|unit| setting.key.ends_with(unit));
            assert!(
                unit.is_none_or(|unit| part.to_lowercase().contains(unit)),
                "{flag}: {part}"
            );
        }
        assert!(help.contains("[default: 127.0.0.1:4880]"));
    }
    assert!(printed(&["--version"]).starts_with("ropewalk "));
}

#[test]
fn the_reader_is_nobodys_command() {
    assert_eq!(asked(&[view::COMMAND]), Ok(Request::View));
    assert!(!printed(&["--help"]).contains(view::COMMAND));
}

#[test]
fn any_address_can_be_listened_on() {
    for listen in ["0.0.0.0:80", "192.168.1.2:80", "[::]:80", "[::1]:0"] {
        assert!(!config(&["--listen", listen]).open);
        assert!(config(&["--listen", listen, "--open"]).open);
    }
}

#[test]
fn every_mistake_says_where_it_is() {
    for (arguments, words) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["dance"], "dance"),
        (
            &["--listen", "localhost"],
            "--listen: `localhost` is not an address",
        ),
        (
            &["--max-connections", "0"],
            "--max-connections: 0 is not between 1 and 1000000",
        ),
        (&["--max-connections", "-1"], "-1"),
        (
            &["--outbox-bytes", "4MiB"],
            "--outbox-bytes: `4MiB` is not a whole number",
        ),
        (
            &["--shutdown-seconds", "30"],
            "--shutdown-seconds: 30 is not between 1 and 29",
        ),
        (&["--log", "a=b=c"], "--log: `a=b=c` is not a log filter"),
        (&["--log-format", "xml"], "--log-format: `xml`"),
        (&["--open=perhaps"], "--open: `perhaps`"),
        (&["--data", ""], "--data: the path is empty"),
        (
            &["--allow-origin", "app.example"],
            "--allow-origin: `app.example` is not an origin",
        ),
        (
            &["--allow-origin", "https://app.example/"],
            "is not an origin",
        ),
        (
            &["--allow-origin", "https://me@app.example"],
            "is not an origin",
        ),
        (&["--allow-origin", "null"], "is not an origin"),
        (
            &["--allow-host", "https://app.example"],
            "is not a host name",
        ),
        (&["--allow-host", "app.example:80"], "is not a host name"),
        (&["--max-update-bytes", "100000000"], "max_sync_bytes"),
        (&["--config", "/nowhere/at.all"], "/nowhere/at.all"),
        (
            &["--oidc-issuer", "http://id.example"],
            "--oidc-issuer: `http://id.example` is not an address that begins with https://",
        ),
        (
            &["--oidc-issuer", "https://id.example"],
            "oidc_issuer needs oidc_client_id",
        ),
        (
            &[
                "--oidc-issuer",
                "https://id.example",
                "--oidc-client-id",
                "x",
            ],
            "oidc_issuer needs public_url",
        ),
        (
            &["--token-keys", "http://app.example/keys"],
            "--token-keys: `http://app.example/keys` is not an address",
        ),
        (&["--oidc-client-id", "x"], "need oidc_issuer"),
        (&["--oidc-new-people", "all"], "`all` is none of invited"),
        (&["--oidc-group", "staff"], "`staff` is not a group there"),
        (
            &["--oidc-scope", "a b"],
            "--oidc-scope: `a b` has a space in it",
        ),
    ] {
        let problem = refused(arguments);
        assert!(problem.contains(words), "{arguments:?}: {problem}");
    }
}

#[test]
fn mistakes_in_a_file_say_where_they_are() {
    for (text, words) in [
        ("listen = ", "line 1"),
        ("open = true\n\nopen = true\n", "line 3"),
        ("lisen = \"127.0.0.1:1\"", "no setting `lisen`"),
        ("[limits]\nmax_connections = 1", "no setting `limits`"),
        ("max_connections = 1.5", "max_connections is a string"),
        (
            "max_connections = [1, 2]",
            "max_connections: it has one value",
        ),
        ("max_connections = 0", "max_connections: 0 is not between"),
        ("data = []", "data: it has one value"),
    ] {
        let (_kept, path) = file(text);
        let problem = refused(&["--config", &path]);
        assert!(
            problem.contains(&path) && problem.contains(words),
            "{text}: {problem}"
        );
    }
}

#[test]
fn a_job_has_a_path_and_the_settings() {
    let job = |arguments: &[&str]| match asked(arguments).unwrap() {
        Request::Maintain(config, job) => {
            assert_eq!(config.data.to_str(), Some("/x"));
            job
        }
        other => panic!("{other:?}"),
    };
    let to = PathBuf::from("there");
    let from = to.clone();
    let backup = Job::Backup { to: to.clone() };
    assert_eq!(job(&["backup", "there", "--data", "/x"]), backup);
    assert_eq!(job(&["--data", "/x", "backup", "there"]), backup);
    assert_eq!(job(&["export", "--data=/x", "there"]), Job::Export { to });
    let import = Job::Import { from: from.clone() };
    assert_eq!(job(&["import", "--data=/x", "there"]), import);
    for replace in [false, true] {
        let from = from.clone();
        let restore = ["restore", "--data=/x", "there", "--replace"];
        let given = &restore[..3 + usize::from(replace)];
        assert_eq!(job(given), Job::Restore { from, replace });
    }
    for command in ["backup", "restore", "export", "import"] {
        let missing = refused(&[command]);
        assert!(
            missing.contains("<FILE>") || missing.contains("<DIR>"),
            "{missing}"
        );
        refused(&[command, "one", "two"]);
    }
    refused(&["backup", "there", "--replace"]);
}

#[test]
fn an_editor_and_a_folder_need_no_settings() {
    assert_eq!(asked(&["client"]), Ok(Request::Client));
    let join = |prefix: &str, folder: &str| {
        Ok(Request::Join {
            url: "https://a".into(),
            prefix: prefix.into(),
            token_file: None,
            folder: folder.into(),
        })
    };
    assert_eq!(asked(&["join", "https://a"]), join("", "."));
    let all = ["join", "https://a", "b", "--prefix", "c"];
    assert_eq!(asked(&all), join("c", "b"));
    assert!(refused(&["join"]).contains("URL"));
    assert!(refused(&["client", "x"]).contains("'x'"));
    for command in ["client", "join", "sync"] {
        assert!(!printed(&[command, "--help"]).contains("--data"));
        let wrong = refused(&[command, "--data", "x"]);
        assert!(wrong.ends_with(&format!("see ropewalk {command} --help")));
    }
}

#[test]
fn accounts_need_the_data_folder_alone() {
    let order = |arguments: &[&str]| match asked(arguments).unwrap() {
        Request::Accounts(config, order) => {
            assert_eq!(config.data.to_str(), Some("/x"), "{arguments:?}");
            order
        }
        other => panic!("{other:?}"),
    };
    let login = || "ada".to_owned();
    let add = |name: Option<&str>, is_admin| Order::AddUser {
        login: login(),
        name: name.map(str::to_owned),
        is_admin,
        has_password: is_admin,
    };
    let token = |access: &str, target: &str, days| Order::CreateToken {
        login: login(),
        name: "ci".into(),
        access: access.parse().unwrap(),
        target: target.parse().unwrap(),
        days,
    };
    let disable = |is_disabled| Order::DisableUser {
        login: login(),
        is_disabled,
    };
    for (given, meant) in [
        ("user add ada", add(None, false)),
        (
            "user add ada --name Ada --admin --password-stdin",
            add(Some("Ada"), true),
        ),
        ("user list", Order::ListUsers),
        ("user disable ada", disable(true)),
        ("user enable ada", disable(false)),
        (
            "user reset-password ada",
            Order::ResetPassword { login: login() },
        ),
        ("user make-admin ada", Order::MakeAdmin { login: login() }),
        ("user invitations", Order::ListInvitations),
        (
            "user revoke-invitation 3",
            Order::RevokeInvitation { id: 3 },
        ),
        ("token create ada --name ci", token("edit", "*", None)),
        (
            "token create ada --name ci --access own --for team/* --days 3",
            token("own", "team/*", Some(3)),
        ),
        ("token list", Order::ListTokens { login: None }),
        (
            "token list ada",
            Order::ListTokens {
                login: Some(login()),
            },
        ),
        ("token revoke 7", Order::RevokeToken { id: 7 }),
    ] {
        let words: Vec<&str> = given.split(' ').collect();
        let (_kept, path) = file("data = '/x'\nmax_connections = 7");
        let config = ["--config", path.as_str()];
        assert_eq!(order(&[&words[..], &["--data", "/x"]].concat()), meant);
        assert_eq!(order(&[&["--data", "/x"], &words[..]].concat()), meant);
        assert_eq!(order(&[&words[..], &config[..]].concat()), meant);
        assert_eq!(order(&[&config[..], &words[..]].concat()), meant);
    }
    for (given, words) in [
        ("user", "subcommand"),
        ("token", "subcommand"),
        ("user add", "LOGIN"),
        ("user list ada", "'ada'"),
        ("user list --listen 127.0.0.1:1", "--listen"),
        ("token create ada", "--name"),
        ("token create ada --name ci --access none", "none"),
        ("token create ada --name ci --for a//*", "segments"),
        ("token create ada --name ci --days 0", "0"),
        ("token revoke x", "x"),
    ] {
        let given: Vec<&str> = given.split(' ').collect();
        let problem = refused(&given);
        assert!(problem.contains(words), "{given:?}: {problem}");
    }
    let help = printed(&["user", "add", "--help"]);
    assert!(help.contains("--data") && help.contains("--config") && !help.contains("--listen"));
}
