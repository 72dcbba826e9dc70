//! The table of settings. It makes the flags, the environment variables, the keys of the file and the help.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use axum::http::Uri;
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use super::{Config, LogFormat, NewPeople, oidc};

/// One setting.
pub struct Setting {
    /// Key in the file; the flag is this with `-`, the environment variable this in capitals after `ROPEWALK_`.
    pub key: &'static str,
    /// Stands for the value in the help.
    pub value: &'static str,
    /// What it is, with its unit.
    pub help: &'static str,
    /// Where it lies.
    pub slot: for<'a> fn(&'a mut Config) -> Slot<'a>,
}

/// A place in [`Config`], with the rules for what may lie there.
pub enum Slot<'a> {
    /// An address with a port.
    Address(&'a mut SocketAddr),
    /// A path.
    Folder(&'a mut PathBuf),
    /// Yes or no.
    Switch(&'a mut bool),
    /// Any number of strings, each checked.
    List(&'a mut Vec<String>, fn(&str) -> Result<(), String>),
    /// Any number of networks; an address is one of itself alone.
    Networks(&'a mut Vec<IpNet>),
    /// A filter of `tracing`.
    Filter(&'a mut String),
    /// A text that is checked; there is none as long as it is empty.
    Text(&'a mut String, fn(&str) -> Result<(), String>),
    /// Who gets an account.
    NewPeople(&'a mut NewPeople),
    /// `text` or `json`.
    Format(&'a mut LogFormat),
    /// A number within bounds.
    Count(&'a mut usize, RangeInclusive<usize>),
    /// Whole seconds within bounds.
    Seconds(&'a mut Duration, RangeInclusive<u64>),
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// All settings, in the order of the help.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        value: "ADDR",
        help: "Address and port to listen on; port 0 takes any free one",
        slot: |config| Slot::Address(&mut config.listen),
    },
    Setting {
        key: "data",
        value: "DIR",
        help: "Folder of the database; made if it is missing",
        slot: |config| Slot::Folder(&mut config.data),
    },
    Setting {
        key: "open",
        value: "BOOL",
        help: "Without accounts, let everyone read and edit every document, also from other computers",
        slot: |config| Slot::Switch(&mut config.open),
    },
    Setting {
        key: "allow_origin",
        value: "ORIGIN",
        help: "Origin whose pages may connect, such as https://app.example, beside the server's own; may be repeated",
        slot: |config| Slot::List(&mut config.allow_origin, origin),
    },
    Setting {
        key: "allow_host",
        value: "HOST",
        help: "Host name, without a port, under which browsers may address the server; may be repeated",
        slot: |config| Slot::List(&mut config.allow_host, host),
    },
    Setting {
        key: "trust_proxy",
        value: "ADDR",
        help: "Address or network (10.0.0.0/8) of a proxy whose X-Forwarded-For and X-Forwarded-Proto are believed; may be repeated",
        slot: |config| Slot::Networks(&mut config.trust_proxy),
    },
    Setting {
        key: "token_keys",
        value: "SET",
        help: "JSON Web Key Set of applications that may sign document tokens (oct, Ed25519, P-256, RSA), a file or a URL (https://, or http:// on this machine); may be repeated",
        slot: |config| Slot::List(&mut config.token_keys, set_of_keys),
    },
    Setting {
        key: "public_url",
        value: "URL",
        help: "Address under which browsers reach the server, such as https://write.example.org; whoever signs in elsewhere comes back to it, the first link leads there, and with https:// cookies are for TLS only",
        slot: |config| Slot::Text(&mut config.public_url, origin),
    },
    Setting {
        key: "oidc_issuer",
        value: "URL",
        help: "OpenID Connect: who says who somebody is; https://, or http:// on this machine",
        slot: |config| Slot::Text(&mut config.oidc.issuer, oidc::issuer),
    },
    Setting {
        key: "oidc_client_id",
        value: "ID",
        help: "What this server is called there",
        slot: |config| Slot::Text(&mut config.oidc.client_id, oidc::text),
    },
    Setting {
        key: "oidc_client_secret_file",
        value: "FILE",
        help: "File with the secret that this server has there, on its first line",
        slot: |config| Slot::Text(&mut config.oidc.client_secret_file, file),
    },
    Setting {
        key: "oidc_name",
        value: "NAME",
        help: "What stands on the button behind `Sign in with`; without, the host of the issuer",
        slot: |config| Slot::Text(&mut config.oidc.name, oidc::text),
    },
    Setting {
        key: "oidc_scope",
        value: "SCOPE",
        help: "What is asked for beside openid; may be repeated",
        slot: |config| Slot::List(&mut config.oidc.scope, oidc::word),
    },
    Setting {
        key: "oidc_groups_claim",
        value: "CLAIM",
        help: "The claim that says in which groups somebody is there",
        slot: |config| Slot::Text(&mut config.oidc.groups_claim, oidc::text),
    },
    Setting {
        key: "oidc_group",
        value: "THERE=HERE",
        help: "Whoever is in this group there is in that one here, from each signing in to the next; may be repeated",
        slot: |config| Slot::List(&mut config.oidc.group, oidc::mapping),
    },
    Setting {
        key: "oidc_admin_group",
        value: "THERE",
        help: "Whoever is in this group there is an administrator here, from each signing in to the next; may be repeated",
        slot: |config| Slot::List(&mut config.oidc.admin_group, oidc::text),
    },
    Setting {
        key: "oidc_new_people",
        value: "WHO",
        help: "Who gets an account by signing in: invited, mapped (also those of a group that is named here) or everyone the issuer knows",
        slot: |config| Slot::NewPeople(&mut config.oidc.new_people),
    },
    Setting {
        key: "log",
        value: "FILTER",
        help: "What is logged on stderr: error, warn, info, debug, trace, or a filter such as ropewalk=debug",
        slot: |config| Slot::Filter(&mut config.log),
    },
    Setting {
        key: "log_format",
        value: "FORMAT",
        help: "How it is logged: text, or json with one object a line",
        slot: |config| Slot::Format(&mut config.log_format),
    },
    Setting {
        key: "max_update_bytes",
        value: "BYTES",
        help: "Largest live update that is taken from a client, in bytes",
        slot: |config| Slot::Count(&mut config.max_update_bytes, KIB..=GIB),
    },
    Setting {
        key: "max_sync_bytes",
        value: "BYTES",
        help: "Largest frame that is taken, as in the first sync of what the server lacks, in bytes",
        slot: |config| Slot::Count(&mut config.max_sync_bytes, KIB..=GIB),
    },
    Setting {
        key: "max_text_bytes",
        value: "BYTES",
        help: "Largest text of a document, in UTF-16 units, and to begin one with over HTTP, in bytes",
        slot: |config| Slot::Count(&mut config.max_text_bytes, KIB..=GIB / 4),
    },
    Setting {
        key: "max_state_bytes",
        value: "BYTES",
        help: "Largest encoded state of a document, its history included, in bytes",
        // Storage keeps a state as one value, and SQLite's largest is 1,000,000,000 bytes.
        slot: |config| Slot::Count(&mut config.max_state_bytes, KIB..=GIB / 2),
    },
    Setting {
        key: "max_connections_per_document",
        value: "COUNT",
        help: "Connections to one document, at most; of one person a quarter of them, of one link or name in document tokens half",
        slot: |config| Slot::Count(&mut config.max_connections_per_document, 1..=1_000_000),
    },
    Setting {
        key: "max_connections",
        value: "COUNT",
        help: "Connections to the server that stay, at most; of one person or network a quarter of them, of one link or name in document tokens half",
        slot: |config| Slot::Count(&mut config.max_connections, 1..=1_000_000),
    },
    Setting {
        key: "outbox_frames",
        value: "COUNT",
        help: "Frames that may wait for one client; one that lags further is brought up to date when it reads again",
        slot: |config| Slot::Count(&mut config.outbox_frames, 16..=1_000_000),
    },
    Setting {
        key: "outbox_bytes",
        value: "BYTES",
        help: "Bytes that may wait for one client",
        slot: |config| Slot::Count(&mut config.outbox_bytes, 64 * KIB..=GIB),
    },
    Setting {
        key: "queue_updates",
        value: "COUNT",
        help: "Updates of all documents that may wait for the disk, at most; then their clients wait",
        slot: |config| Slot::Count(&mut config.queue_updates, 1..=16_000_000),
    },
    Setting {
        key: "queue_bytes",
        value: "BYTES",
        help: "Bytes that may wait for the disk, at most",
        slot: |config| Slot::Count(&mut config.queue_bytes, MIB..=4 * GIB - 1),
    },
    Setting {
        key: "history_days",
        value: "DAYS",
        help: "Days that the history of documents is kept, who wrote what and when; 0 keeps it for ever",
        slot: |config| Slot::Count(&mut config.history_days, 0..=36_500),
    },
    Setting {
        key: "trash_days",
        value: "DAYS",
        help: "Days that deleted documents are kept in the trash, from where they can be restored; 0 removes them at once",
        slot: |config| Slot::Count(&mut config.trash_days, 0..=36_500),
    },
    Setting {
        key: "search",
        value: "BOOL",
        help: "Keep an index of the words in documents (search.db in the data folder), to search in them",
        slot: |config| Slot::Switch(&mut config.search),
    },
    Setting {
        key: "idle_document_seconds",
        value: "SECONDS",
        help: "How long a document that nobody has open stays in memory, in seconds",
        slot: |config| Slot::Seconds(&mut config.idle_document, 0..=86_400),
    },
    Setting {
        key: "write_timeout_seconds",
        value: "SECONDS",
        help: "A client that takes nothing for this long is let go, in seconds",
        slot: |config| Slot::Seconds(&mut config.write_timeout, 1..=3_600),
    },
    Setting {
        key: "shutdown_seconds",
        value: "SECONDS",
        help: "How long a shutdown may take, saving included, in seconds; what supervises the server should allow more",
        slot: |config| Slot::Seconds(&mut config.shutdown, 1..=29),
    },
];

impl Slot<'_> {
    /// Puts in what somebody wrote. `Err` says what is wrong with it.
    pub fn set(self, written: &[String]) -> Result<(), String> {
        if let Self::List(list, check) = self {
            written.iter().try_for_each(|one| check(one))?;
            *list = written.to_vec();
            return Ok(());
        }
        if let Self::Networks(networks) = self {
            *networks = written
                .iter()
                .map(|one| network(one))
                .collect::<Result<_, _>>()?;
            return Ok(());
        }
        let [written] = written else {
            return Err("it has one value".to_owned());
        };
        match self {
            Self::Address(address) => {
                *address = parse(written, "an address and port such as 127.0.0.1:4880")?
            }
            Self::Folder(_) if written.is_empty() => return Err("the path is empty".to_owned()),
            Self::Folder(folder) => *folder = written.into(),
            Self::Switch(switch) => {
                *switch = match written.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "on" | "1" => true,
                    "false" | "no" | "off" | "0" => false,
                    _ => return Err(format!("`{written}` is neither true nor false")),
                }
            }
            Self::Filter(filter) => {
                EnvFilter::try_new(written)
                    .map_err(|error| format!("`{written}` is not a log filter: {error}"))?;
                *filter = written.clone();
            }
            Self::Text(text, _) if written.is_empty() => text.clear(),
            Self::Text(text, check) => {
                check(written)?;
                *text = written.clone();
            }
            Self::NewPeople(who) => {
                *who = NewPeople::parse(written)
                    .ok_or_else(|| format!("`{written}` is none of invited, mapped and everyone"))?
            }
            Self::Format(format) => {
                *format = match written.as_str() {
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    _ => return Err(format!("`{written}` is neither text nor json")),
                }
            }
            Self::Count(count, range) => *count = within(written, range)?,
            Self::Seconds(time, range) => *time = Duration::from_secs(within(written, range)?),
            Self::List(..) | Self::Networks(_) => {}
        }
        Ok(())
    }

    /// How its values are written, without quotes.
    pub fn values(&self) -> Vec<String> {
        match self {
            Self::Address(address) => vec![address.to_string()],
            Self::Folder(folder) => vec![folder.display().to_string()],
            Self::Switch(switch) => vec![switch.to_string()],
            Self::List(list, _) => list.to_vec(),
            Self::Networks(networks) => networks.iter().map(written).collect(),
            Self::Text(text, _) if text.is_empty() => Vec::new(),
            Self::Text(text, _) => vec![text.to_string()],
            Self::NewPeople(who) => vec![who.as_str().to_owned()],
            Self::Filter(filter) => vec![filter.to_string()],
            Self::Format(LogFormat::Text) => vec!["text".to_owned()],
            Self::Format(LogFormat::Json) => vec!["json".to_owned()],
            Self::Count(count, _) => vec![count.to_string()],
            Self::Seconds(time, _) => vec![time.as_secs().to_string()],
        }
    }

    /// Its value as it stands in the file.
    pub fn toml(&self) -> toml::Value {
        match self {
            Self::List(..) | Self::Networks(_) => self.values().into(),
            Self::Switch(switch) => (**switch).into(),
            Self::Count(count, _) => {
                toml::Value::Integer(i64::try_from(**count).unwrap_or(i64::MAX))
            }
            Self::Seconds(time, _) => {
                toml::Value::Integer(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
            }
            Self::Address(_)
            | Self::Folder(_)
            | Self::Filter(_)
            | Self::Text(..)
            | Self::NewPeople(_)
            | Self::Format(_) => self.values().concat().into(),
        }
    }
}

fn parse<T: FromStr>(written: &str, what: &str) -> Result<T, String> {
    written
        .parse()
        .map_err(|_| format!("`{written}` is not {what}"))
}

fn within<T: FromStr + PartialOrd + Display>(
    written: &str,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    let number = parse(written, "a whole number")?;
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(format!(
            "{number} is not between {} and {}",
            range.start(),
            range.end()
        ))
    }
}

fn file(path: &str) -> Result<(), String> {
    // Its content is read at the start.
    if path.is_empty() {
        return Err("the name of a file is empty".to_owned());
    }
    Ok(())
}

fn set_of_keys(written: &str) -> Result<(), String> {
    match crate::gate::is_url(written) {
        true => oidc::secure(written),
        false => file(written),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| one())
        .map_err(|_| format!("`{text}` is no address such as 10.0.0.1 or 10.0.0.0/8"))
}

/// An address without its length.
fn written(network: &IpNet) -> String {
    match network.prefix_len() == network.max_prefix_len() {
        true => network.addr().to_string(),
        false => network.to_string(),
    }
}

/// A scheme, a host and perhaps a port, as browsers write them.
fn origin(written: &str) -> Result<(), String> {
    let bad = || {
        format!("`{written}` is not an origin such as https://app.example or http://10.0.0.7:8080")
    };
    let uri: Uri = written.parse().map_err(|_| bad())?;
    let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(bad());
    };
    let whole = written.len()
        == uri.scheme_str().map_or(0, str::len) + "://".len() + authority.as_str().len();
    if whole && !authority.as_str().contains('@') {
        Ok(())
    } else {
        Err(bad())
    }
}

/// A name or an address without a port; an IPv6 address stands in brackets.
fn host(written: &str) -> Result<(), String> {
    let authority: Option<axum::http::uri::Authority> = written.parse().ok();
    match authority {
        Some(authority) if authority.host() == written => Ok(()),
        _ => Err(format!(
            "`{written}` is not a host name such as editor.example (without a port)"
        )),
    }
}
