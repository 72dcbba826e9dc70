//! The command line, the environment and the file: where settings come from, and what is asked for.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::Config;
use super::settings::{SETTINGS, Setting};
use crate::access::Target;
use crate::accounts::command::Order;
use crate::maintain::Job;
#[cfg(unix)]
use crate::sync;
use crate::view;
use arguments::{command, variable};

mod arguments;

/// What the process is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Serve.
    Serve(Box<Config>),
    /// Do this with the data folder.
    Maintain(Box<Config>, Job),
    /// Do this with the accounts.
    Accounts(Box<Config>, Order),
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
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = command();
    let matches = match command.try_get_matches_from_mut(&arguments) {
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
            let asked = arguments.iter().skip(1);
            let of = asked
                .filter_map(|word| command.find_subcommand(word))
                .next();
            let of = of.map_or_else(String::new, |of| format!(" {}", of.get_name()));
            return Err(format!("{line}; see ropewalk{of} --help"));
        }
    };
    let (name, inner) = match matches.subcommand() {
        Some((view::COMMAND, _)) => return Ok(Request::View),
        Some(("client", _)) => return Ok(Request::Client),
        Some(("join", inner)) => return Ok(join(inner)),
        #[cfg(unix)]
        Some(("sync", inner)) => return synced(inner),
        // What is done with them stands in a command of its own.
        Some((name @ ("user" | "token"), inner)) => {
            (name, inner.subcommand().map_or(inner, |(_, it)| it))
        }
        Some((name, inner)) => (name, inner),
        None => ("serve", &matches),
    };
    // Settings may stand before the subcommand and after it.
    let given = Given {
        inner,
        outer: &matches,
    };
    let file = read_file(&given)?;
    let mut config = Config::default();
    let mut report = String::new();
    for setting in SETTINGS {
        let from = apply(setting, &given, &file, &mut config)?;
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
    let what = matches
        .subcommand()
        .and_then(|(_, it)| it.subcommand_name());
    if let Some(order) = what.and_then(|what| order(name, what, inner)) {
        return Ok(Request::Accounts(config, order));
    }
    Ok(match job(name, inner) {
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

/// What is to be done with the accounts.
fn order(name: &str, what: &str, matches: &ArgMatches) -> Option<Order> {
    let text = |name| matches.get_one::<String>(name).cloned();
    let login = || text("login");
    Some(match (name, what) {
        ("user", "add") => Order::AddUser {
            login: login()?,
            name: text("name"),
            is_admin: matches.get_flag("admin"),
            has_password: matches.get_flag("password-stdin"),
        },
        ("user", "list") => Order::ListUsers,
        ("user", "disable" | "enable") => Order::DisableUser {
            login: login()?,
            is_disabled: what == "disable",
        },
        ("user", "reset-password") => Order::ResetPassword { login: login()? },
        ("user", "make-admin") => Order::MakeAdmin { login: login()? },
        ("user", "invitations") => Order::ListInvitations,
        ("user", "revoke-invitation") => Order::RevokeInvitation {
            id: *matches.get_one("id")?,
        },
        ("token", "create") => Order::CreateToken {
            login: login()?,
            name: text("name")?,
            access: text("access")?.parse().ok()?,
            target: matches.get_one::<Target>("for")?.clone(),
            days: matches.get_one("days").copied(),
        },
        ("token", "list") => Order::ListTokens { login: login() },
        ("token", "revoke") => Order::RevokeToken {
            id: *matches.get_one("id")?,
        },
        _ => return None,
    })
}

/// What stands after a subcommand, and before it.
struct Given<'a> {
    inner: &'a ArgMatches,
    outer: &'a ArgMatches,
}

impl Given<'_> {
    /// Where a setting comes from, with its values; what is nearest counts.
    fn get(&self, key: &str) -> (Option<ValueSource>, Vec<String>) {
        let is_flag =
            |matches: &&&ArgMatches| matches.value_source(key) == Some(ValueSource::CommandLine);
        // Not every command has every setting.
        let has = |matches: &&ArgMatches| matches.try_contains_id(key).is_ok();
        let mut levels: Vec<&ArgMatches> =
            [self.inner, self.outer].into_iter().filter(has).collect();
        let at = levels.iter().position(|level| is_flag(&level)).unwrap_or(0);
        let level = levels.swap_remove(at);
        let values = level.get_many(key).unwrap_or_default().cloned();
        (level.value_source(key), values.collect())
    }
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

/// Puts a setting into `config`; answers where it comes from.
fn apply(
    setting: &Setting,
    given: &Given<'_>,
    file: &File,
    config: &mut Config,
) -> Result<String, String> {
    let key = setting.key;
    let (source, given) = given.get(key);
    let (from, values) = match source {
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

fn read_file(given: &Given<'_>) -> Result<File, String> {
    let (_, given) = given.get("config");
    let Some(path) = given.into_iter().find(|path| !path.is_empty()) else {
        return Ok(File::default());
    };
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
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
    Ok(File { path, values })
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
