//! The command line, the environment and the file: where settings come from, and what is asked for.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::Config;
use super::settings::{SETTINGS, Setting, Slot};
use crate::maintain::Job;
#[cfg(unix)]
use crate::sync;
use crate::view;

/// What the process is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Serve.
    Serve(Box<Config>),
    /// Do this with the data folder.
    Maintain(Box<Config>, Job),
    /// Speak with the editor that started this process.
    Client,
    /// Make a folder a project.
    Join {
        /// Of this server.
        url: String,
        /// What stands before the paths of its files in the names of documents.
        prefix: String,
        /// The file with a token.
        token_file: Option<PathBuf>,
        /// The folder.
        folder: PathBuf,
    },
    /// Keep a folder in step with a server.
    #[cfg(unix)]
    Sync(sync::Options),
    /// Read a document for the server that started this process.
    View,
    /// Print this: help, the version, or what is in force.
    Print(String),
}

/// Reads the arguments (the first is the program's name), the environment and the file they name. `Err` is one line
/// that says what is wrong.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Request::Print(error.to_string())),
        Err(error) => {
            let text = error.to_string();
            // What is missing stands in lines of its own.
            let lines: Vec<&str> = text
                .lines()
                .take_while(|line| !line.is_empty())
                .map(str::trim)
                .collect();
            let line = lines.join(" ");
            let line = line.trim_start_matches("error: ");
            return Err(format!("{line}; see ropewalk --help"));
        }
    };
    // Settings may stand before the subcommand and after it; clap brings them together in the innermost.
    let (name, matches) = match matches.subcommand() {
        Some((view::COMMAND, _)) => return Ok(Request::View),
        Some(("client", _)) => return Ok(Request::Client),
        Some(("join", inner)) => return Ok(join(inner)),
        #[cfg(unix)]
        Some(("sync", inner)) => return synced(inner),
        Some((name, inner)) => (name, inner),
        None => ("serve", &matches),
    };
    let file = read_file(matches)?;
    let mut config = Config::default();
    let mut report = String::new();
    for setting in SETTINGS {
        let from = apply(setting, matches, &file, &mut config)?;
        let value = (setting.slot)(&mut config).toml();
        let line = format!("{} = {value}", setting.key);
        // Writing to a string does not fail.
        let _ = writeln!(report, "{line:<44} # {from}");
    }
    config.check()?;
    if name == "check-config" {
        return Ok(Request::Print(report));
    }
    let config = Box::new(config);
    Ok(match job(name, matches) {
        Some(job) => Request::Maintain(config, job),
        None => Request::Serve(config),
    })
}

/// What is to be kept in step.
#[cfg(unix)]
fn synced(matches: &ArgMatches) -> Result<Request, String> {
    let missing = || "a folder and the address of a server are needed".to_owned();
    let text = |name| matches.get_one::<String>(name).cloned();
    Ok(Request::Sync(sync::Options {
        folder: matches.get_one("path").cloned().ok_or_else(missing)?,
        url: text("url").ok_or_else(missing)?,
        prefix: text("prefix"),
        deletes: matches.get_flag("delete"),
        once: matches.get_flag("once"),
    }))
}

/// What is to be done beside serving.
fn job(name: &str, matches: &ArgMatches) -> Option<Job> {
    let path = || matches.get_one::<PathBuf>("path").cloned();
    Some(match name {
        "backup" => Job::Backup { to: path()? },
        "restore" => Job::Restore {
            from: path()?,
            replace: matches.get_flag("replace"),
        },
        "export" => Job::Export { to: path()? },
        "verify" => Job::Verify,
        "import" => Job::Import { from: path()? },
        _ => return None,
    })
}

fn join(matches: &ArgMatches) -> Request {
    let text = |name| matches.get_one::<String>(name).cloned();
    let folder = matches.get_one::<PathBuf>("path").cloned();
    Request::Join {
        url: text("url").unwrap_or_default(),
        prefix: text("prefix").unwrap_or_default(),
        token_file: matches.get_one("token-file").cloned(),
        folder: folder.unwrap_or_else(|| ".".into()),
    }
}

/// What a configuration file says.
#[derive(Default)]
struct File {
    path: String,
    values: HashMap<String, Vec<String>>,
}

fn command() -> Command {
    let config = Arg::new("config")
        .long("config")
        .env("ROPEWALK_CONFIG")
        .hide_env_values(true)
        .value_name("FILE")
        .help("TOML file with settings; its keys are the flags with _ for -");
    let settings = SETTINGS.iter().map(argument);
    Command::new("ropewalk")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The collaborative editor server that people trust with their words")
        .after_help(
            "A flag goes before the environment, the environment before the file, the file before the default.",
        )
        .next_line_help(true)
        .args(settings.chain([config]).map(|arg| arg.global(true)))
        .subcommand(Command::new("serve").about("Run the server; this is also what happens without a command"))
        .subcommand(Command::new(view::COMMAND).hide(true))
        .subcommand(about(
            "backup",
            "FILE",
            "New file for the copy",
            "Copy the database into a file, also while the server runs",
        ))
        .subcommand(
            about(
                "restore",
                "FILE",
                "A copy of a database",
                "Put a copy in the place of the database; the server has to be stopped",
            )
            .arg(
                Arg::new("replace")
                    .long("replace")
                    .action(ArgAction::SetTrue)
                    .help("Also if there is a database; it is kept under another name"),
            ),
        )
        .subcommand(about(
            "export",
            "DIR",
            "Folder that is new or empty",
            "Write all documents as files, also while the server runs",
        ))
        .subcommand(Command::new("verify").about(
            "Read every document and compare it with its history, also while the server runs",
        ))
        .subcommand(about(
            "import",
            "DIR",
            "What an export wrote, or a folder of texts",
            "Make documents of files; the server has to be stopped",
        ))
        .subcommand(
            Command::new("join")
                .about("Make a folder one whose files editors share: writes .ropewalk, and says what editors need")
                .arg(Arg::new("url").value_name("URL").required(true).help("Address of the server"))
                .arg(
                    Arg::new("path")
                        .value_name("DIR")
                        .value_parser(clap::value_parser!(PathBuf))
                        .help("The folder [default: .]"),
                )
                .arg(
                    Arg::new("prefix")
                        .long("prefix")
                        .value_name("PATH")
                        .help("What stands before the paths of files in the names of documents [default: none]"),
                )
                .arg(
                    Arg::new("token-file")
                        .long("token-file")
                        .value_name("FILE")
                        .value_parser(clap::value_parser!(PathBuf))
                        .help("File with a token that is sent along [default: none]"),
                ),
        )
        .subcommand(
            Command::new("client")
                .about("Speak with the editor that runs this, over standard input and output, as Teamtype's plugins do"),
        )
        .subcommands(sync_command())
        .subcommand(Command::new("check-config").about("Print every setting in force and where it comes from"))
}

#[cfg(not(unix))]
fn sync_command() -> Option<Command> {
    None
}

#[cfg(unix)]
fn sync_command() -> Option<Command> {
    let switch = |name, help| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    let command = about(
        "sync",
        "DIR",
        "A folder of texts",
        "Keep a folder of texts in step with the documents of a server; ROPEWALK_TOKEN is sent along",
    );
    let url = Arg::new("url")
        .value_name("URL")
        .required(true)
        .help("Where the server is, such as https://write.example.org");
    let prefix = Arg::new("prefix").long("prefix").value_name("NAME").help("Only documents whose names begin with this and a slash; files have the rest [default: all]");
    Some(command.args([
        url,
        prefix,
        switch(
            "delete",
            "What is deleted on one side is deleted on the other [default: it stays]",
        ),
        switch("once", "End when everything is in step"),
    ]))
}

/// A command that is about a file or a folder.
fn about(
    name: &'static str,
    value: &'static str,
    path: &'static str,
    about: &'static str,
) -> Command {
    let path = Arg::new("path")
        .value_name(value)
        .help(path)
        .required(true)
        .value_parser(clap::value_parser!(PathBuf));
    Command::new(name).about(about).arg(path)
}

fn argument(setting: &Setting) -> Arg {
    let mut default = Config::default();
    let slot = (setting.slot)(&mut default);
    let values = slot.values();
    let default = if values.is_empty() {
        "none".to_owned()
    } else {
        values.concat()
    };
    let arg = Arg::new(setting.key)
        .long(setting.key.replace('_', "-"))
        .env(variable(setting.key))
        .hide_env_values(true)
        .value_name(setting.value)
        .help(format!("{} [default: {default}]", setting.help));
    match slot {
        Slot::List(..) => arg.action(ArgAction::Append).value_delimiter(','),
        // `--open` alone means yes.
        Slot::Switch(_) => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        _ => arg,
    }
}

fn variable(key: &str) -> String {
    format!("ROPEWALK_{}", key.to_ascii_uppercase())
}

/// Puts a setting into `config`; answers where it comes from.
fn apply(
    setting: &Setting,
    matches: &ArgMatches,
    file: &File,
    config: &mut Config,
) -> Result<String, String> {
    let key = setting.key;
    let given: Vec<String> = matches.get_many(key).unwrap_or_default().cloned().collect();
    let (from, values) = match matches.value_source(key) {
        Some(ValueSource::CommandLine) => (format!("flag --{}", key.replace('_', "-")), given),
        // An empty variable is how many tools write one that is not set.
        Some(ValueSource::EnvVariable) if given.iter().any(|value| !value.is_empty()) => {
            (format!("environment {}", variable(key)), given)
        }
        _ => match file.values.get(key) {
            Some(values) => (format!("file {}", file.path), values.clone()),
            None => return Ok("default".to_owned()),
        },
    };
    let place = match from.split_once(' ') {
        Some(("file", path)) => format!("{path}: {key}"),
        Some((_, place)) => place.to_owned(),
        None => key.to_owned(),
    };
    let set = (setting.slot)(config).set(&values);
    set.map_err(|problem| format!("{place}: {problem}"))?;
    Ok(from)
}

fn read_file(matches: &ArgMatches) -> Result<File, String> {
    let Some(path) = matches
        .get_one::<String>("config")
        .filter(|path| !path.is_empty())
    else {
        return Ok(File::default());
    };
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        format!(
            "{path}, line {line}: {}",
            error.message().replace('\n', " ")
        )
    })?;
    let mut values = HashMap::new();
    for (key, value) in table {
        if !SETTINGS.iter().any(|setting| setting.key == key) {
            return Err(format!(
                "{path}: there is no setting `{key}`; see ropewalk --help"
            ));
        }
        let written = match value {
            toml::Value::Array(list) => list.into_iter().map(plain).collect(),
            one => plain(one).map(|one| vec![one]),
        };
        let written = written.ok_or_else(|| {
            format!("{path}: {key} is a string, a number, true, false or a list of strings")
        })?;
        values.insert(key, written);
    }
    Ok(File {
        path: path.clone(),
        values,
    })
}

fn plain(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
