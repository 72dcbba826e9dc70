//! The command line as clap has it.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

use crate::access::Target;
use crate::config::Config;
use crate::config::settings::{SETTINGS, Setting, Slot};
use crate::view;

/// A command with all settings.
fn set(command: Command) -> Command {
    command
        .after_help(
            "A flag goes before the environment, the environment before the file, the file before the default.",
        )
        .next_line_help(true)
        .args(SETTINGS.iter().map(argument))
        .arg(config())
}

fn config() -> Arg {
    Arg::new("config")
        .long("config")
        .env("ROPEWALK_CONFIG")
        .hide_env_values(true)
        .value_name("FILE")
        .help("TOML file with settings; its keys are the flags with _ for -")
}

/// The program, with all it can be asked for.
pub fn command() -> Command {
    set(Command::new("ropewalk"))
        .version(env!("CARGO_PKG_VERSION"))
        .about("The collaborative editor server that people trust with their words")
        .subcommands(on_the_data_folder().map(set))
        .subcommand(Command::new(view::COMMAND).hide(true))
        .subcommands([user(), token()])
        .subcommands([join(), client()])
        .subcommands(sync())
}

fn on_the_data_folder() -> [Command; 7] {
    let restore = about(
        "restore",
        "FILE",
        "A copy of a database",
        "Put a copy in the place of the database; the server has to be stopped",
    );
    [
        Command::new("serve").about("Run the server; this is also what happens without a command"),
        about(
            "backup",
            "FILE",
            "New file for the copy",
            "Copy the database into a file, also while the server runs",
        ),
        restore.arg(
            Arg::new("replace")
                .long("replace")
                .action(ArgAction::SetTrue)
                .help("Also if there is a database; it is kept under another name"),
        ),
        about(
            "export",
            "DIR",
            "Folder that is new or empty",
            "Write all documents as files, also while the server runs",
        ),
        Command::new("verify").about(
            "Read every document and compare it with its history, also while the server runs",
        ),
        about(
            "import",
            "DIR",
            "What an export wrote, or a folder of texts",
            "Make documents of files; the server has to be stopped",
        ),
        Command::new("check-config").about("Print every setting in force and where it comes from"),
    ]
}

/// A command that is about accounts needs to know the data folder, and nothing else.
fn on_accounts(name: &'static str, text: &'static str) -> Command {
    let data = SETTINGS.iter().filter(|setting| setting.key == "data");
    Command::new(name)
        .about(text)
        .next_line_help(true)
        .args(data.map(argument))
        .arg(config())
}

fn login() -> Arg {
    let login = Arg::new("login").value_name("LOGIN").required(true);
    login.help("What they sign in with")
}

fn id() -> Arg {
    let id = Arg::new("id").value_name("ID").required(true);
    id.value_parser(clap::value_parser!(i64))
        .help("As the list says")
}

fn user() -> Command {
    let name = Arg::new("name").long("name").value_name("NAME");
    let admin = Arg::new("admin").long("admin").action(ArgAction::SetTrue);
    let password = Arg::new("password-stdin").long("password-stdin");
    let password = password.action(ArgAction::SetTrue);
    let add = on_accounts(
        "add",
        "Print a path that invites somebody for 72 hours; or add them at once, with a password",
    );
    Command::new("user")
        .about("Who has an account; also while the server runs")
        .subcommand_required(true)
        .subcommands([
            add.args([
                login(),
                name.help("The name that others see [default: the login]"),
                admin.help("They look after the accounts"),
                password.help("Take their password from the first line of standard input"),
            ]),
            on_accounts("list", "Print who there is"),
            on_accounts("disable", "Let somebody do nothing any more").arg(login()),
            on_accounts("enable", "Let somebody do again what they might").arg(login()),
            on_accounts(
                "reset-password",
                "Print a path that lets somebody choose another password, once, for 72 hours",
            )
            .arg(login()),
            on_accounts("make-admin", "Have somebody look after the accounts").arg(login()),
            on_accounts(
                "invitations",
                "Print who is invited and has not come, and who may choose another password",
            ),
            on_accounts("revoke-invitation", "Take an invitation back").arg(id()),
        ])
}

fn token() -> Command {
    let flag = |name, value, help| Arg::new(name).long(name).value_name(value).help(help);
    let access = flag(
        "access",
        "ACCESS",
        "What can be done with it: read, edit or own",
    )
    .value_parser(["read", "edit", "own"])
    .default_value("edit");
    let target = flag(
        "for",
        "TARGET",
        "With which documents: *, a folder as team/*, or a name",
    )
    .value_parser(clap::value_parser!(Target))
    .default_value("*");
    let days = flag("days", "DAYS", "For how long [default: forever]")
        .value_parser(clap::value_parser!(u32).range(1..=36_500));
    Command::new("token")
        .about("Tokens for the API; also while the server runs")
        .subcommand_required(true)
        .subcommands([
            on_accounts("create", "Print a new token; it is not shown again").args([
                login(),
                flag("name", "NAME", "What it is for").required(true),
                access,
                target,
                days,
            ]),
            on_accounts("list", "Print which there are").arg(login().required(false)),
            on_accounts("revoke", "Take a token back").arg(id()),
        ])
}

fn join() -> Command {
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
                )
}

fn client() -> Command {
    Command::new("client")
                .about("Speak with the editor that runs this, over standard input and output, as Teamtype's plugins do")
}

#[cfg(not(unix))]
fn sync() -> Option<Command> {
    None
}

#[cfg(unix)]
fn sync() -> Option<Command> {
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
        Slot::List(..) | Slot::Networks(_) => arg.action(ArgAction::Append).value_delimiter(','),
        // `--open` alone means yes.
        Slot::Switch(_) => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        _ => arg,
    }
}

/// The environment variable of a setting.
pub fn variable(key: &str) -> String {
    format!("ROPEWALK_{}", key.to_ascii_uppercase())
}
