//! A client of the text wire: what it has, and what is asked for it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use ropewalk_crdt::{ClientId, MAX_STATE, ROOT, Unit, protocol};
use serde_json::Value;
use tokio::sync::watch;

use super::cursors::Cursors;
use super::message::{Inbound, MAX_SMALL, Outbound, Unread, edits};
use super::people::{Heard, People};
use crate::access::{Access, Denied, Who};
use crate::called;
use crate::document::cursor::{Cursor, Place};
use crate::document::edit::{Change, Changes, Edited, Key, MAX_EDITS, Request, Since};
use crate::document::{Command, Frame, Handle, Refused, Version};
use crate::json::Edit;
use crate::session::Close;
use crate::session::attachment::Inward;
use crate::storage::{Author, MAX_AUTHOR, MAX_KEY};

/// Longest name of a root, in bytes.
const MAX_ROOT: usize = 256;

/// What is said to a client, and whether that is the last.
#[derive(Default)]
pub struct Said {
    pub texts: Vec<String>,
    pub end: Option<Close>,
}

impl From<Outbound<'_>> for Said {
    fn from(message: Outbound<'_>) -> Self {
        Self {
            texts: vec![message.json()],
            end: None,
        }
    }
}

impl Said {
    fn refusal(code: &str, message: impl ToString, id: Option<&str>) -> Self {
        let message = message.to_string();
        Outbound::Error { code, message, id }.into()
    }

    /// The client does not speak this wire.
    fn malformed(code: &str, message: impl ToString) -> Self {
        Self {
            end: Some(Close::MALFORMED),
            ..Self::refusal(code, message, None)
        }
    }

    fn end(refused: Refused) -> Self {
        Self {
            texts: Vec::new(),
            end: Some(refused.into()),
        }
    }

    /// One after the other.
    fn and(mut self, more: Self) -> Self {
        self.texts.extend(more.texts);
        self
    }
}

/// What a client has said of itself.
struct Hello {
    client: String,
    unit: &'static str,
    root: String,
}

/// What the document answers.
enum Answer {
    Hello(Result<Changes, Refused>),
    News(Result<Changes, Refused>),
    Edit {
        id: String,
        base: Version,
        made: Result<Edited, Refused>,
    },
}

/// See the module.
pub struct Client {
    handle: Arc<Handle>,
    who: Arc<Who>,
    may_edit: bool,
    news: watch::Receiver<()>,
    people: People,
    cursors: Cursors,
    hello: Option<Hello>,
    is_welcome: bool,
    /// The newest version of which it has the text.
    has: Version,
    /// The version that it knows that text by.
    told: Version,
    asking: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
}

impl Client {
    pub fn new(handle: Arc<Handle>, who: Arc<Who>, access: Access, id: ClientId) -> Self {
        Self {
            news: handle.news(),
            handle,
            who,
            may_edit: access >= Access::Edit,
            people: People::new(id),
            cursors: Cursors::default(),
            hello: None,
            is_welcome: false,
            has: Version::NOTHING,
            told: Version::NOTHING,
            asking: None,
        }
    }

    /// Whether something is asked for it: what it says next has to wait.
    pub fn waits(&self) -> bool {
        self.asking.is_some()
    }

    /// Waits for an answer, or for news to ask for.
    pub async fn next(&mut self) -> Said {
        loop {
            if let Some(asking) = &mut self.asking {
                let answer = asking.await;
                self.asking = None;
                return self.answered(answer);
            }
            if !self.is_welcome {
                return std::future::pending().await;
            }
            if !self.cursors.is_news() && self.news.changed().await.is_err() {
                return std::future::pending().await;
            }
            self.ask_for_news();
        }
    }

    /// Takes in what the client says.
    pub fn hear(&mut self, text: &str, inward: &mut Inward) -> Said {
        let message = match Inbound::parse(text) {
            Ok(message) => message,
            Err(Unread::Malformed(error)) => return Said::malformed("bad_message", error),
            Err(Unread::TooLarge) => {
                let why = format!("a message that is no edit has at most {MAX_SMALL} bytes");
                return Said::refusal("too_large", why, None);
            }
        };
        match (message, &self.hello) {
            (
                Inbound::Hello {
                    client,
                    unit,
                    since,
                    root,
                },
                None,
            ) => self.greet(client, &unit, since, root),
            (_, None) => Said::malformed("bad_message", "hello comes first"),
            (Inbound::Hello { .. }, Some(_)) => {
                Said::malformed("bad_message", "hello comes only once")
            }
            (Inbound::Edit { id, base, edits }, Some(_)) => self.edit(id, &base, edits),
            (Inbound::Cursor { ranges, version }, Some(hello)) => {
                let version = match version.map(|version| version.parse()).transpose() {
                    Ok(version) => version.unwrap_or(self.told),
                    Err(error) => return Said::malformed("bad_message", error),
                };
                let cursor = ranges.first().map_or(Cursor::Nowhere, |range| {
                    Cursor::At(Place {
                        root: hello.root.clone(),
                        unit: self.unit(),
                        version,
                        anchor: range.from,
                        head: range.to,
                    })
                });
                self.announce(cursor, inward);
                Said::default()
            }
            (Inbound::Presence { user }, Some(_)) => {
                if !self.people.call(user) {
                    return Said::refusal("too_large", "a state has at most 2048 bytes", None);
                }
                self.announce(Cursor::Stays, inward);
                Said::default()
            }
        }
    }

    /// Takes in what the document says of others.
    pub fn people(&mut self, frame: &Bytes, inward: &mut Inward) -> Said {
        if let Some(may_edit) = protocol::read_access(frame) {
            self.may_edit = may_edit;
            return match self.is_welcome {
                true => Outbound::Access {
                    access: access(may_edit),
                }
                .into(),
                false => Said::default(),
            };
        }
        match self.people.hear(frame) {
            Heard::Others(peers) => {
                self.look_at(&peers);
                Outbound::Presence { peers }.into()
            }
            Heard::Question if self.people.is_announced() => {
                self.announce(Cursor::Stays, inward);
                Said::default()
            }
            Heard::Question | Heard::Nothing => Said::default(),
        }
    }

    fn announce(&mut self, cursor: Cursor, inward: &mut Inward) {
        let pointing = Box::new(self.people.announcement(cursor));
        inward.hand(MAX_STATE, Frame::Pointing(pointing));
    }

    /// Looks where others are.
    fn look_at(&mut self, peers: &BTreeMap<ClientId, Value>) {
        let root = self.hello.as_ref().map_or(ROOT, |hello| &hello.root);
        for (&client, state) in peers {
            self.cursors.hear(client, state, root);
        }
    }

    fn greet(
        &mut self,
        client: String,
        unit: &str,
        since: Option<String>,
        root: Option<String>,
    ) -> Said {
        let unit = match unit {
            "utf16" => "utf16",
            "utf8" => "utf8",
            "char" => "char",
            _ => return Said::malformed("bad_unit", "a unit is utf16, utf8 or char"),
        };
        let root = root.unwrap_or_else(|| ROOT.to_owned());
        if !(1..=MAX_KEY).contains(&client.len()) || root.len() > MAX_ROOT {
            let why = "client has 1 to 64 bytes, root at most 256";
            return Said::malformed("bad_message", why);
        }
        let since = match since.map(|since| since.parse()).transpose() {
            Ok(since) => since,
            Err(error) => return Said::malformed("bad_message", error),
        };
        let name = client.clone();
        self.hello = Some(Hello { client, unit, root });
        self.has = since.unwrap_or(Version::NOTHING);
        self.ask_for_changes(since, Some(name), Answer::Hello);
        Said::default()
    }

    fn edit(&mut self, id: String, base: &str, edits: Vec<Edit>) -> Said {
        let Ok(base) = base.parse::<Version>() else {
            return Said::malformed("bad_message", "a base is a version");
        };
        if !(1..=MAX_KEY).contains(&id.len()) {
            return Said::malformed("bad_message", "an id has 1 to 64 bytes");
        }
        if edits.len() > MAX_EDITS {
            return self.made(&id, base, Err(Refused::TooLarge));
        }
        let Some(hello) = &self.hello else {
            return Said::default();
        };
        let change = Change::Edits {
            base: Some(base),
            unit: self.unit(),
            edits: edits.into_iter().map(Edit::into).collect(),
        };
        let request = Request {
            digest: Some(change.digest(&hello.root)),
            root: hello.root.clone(),
            change,
            only_at: None,
            key: Some(Key {
                client: hello.client.clone(),
                request: id.clone(),
            }),
            author: Arc::new(self.author()),
        };
        let (handle, who) = (self.handle.clone(), self.who.clone());
        self.asking = Some(Box::pin(async move {
            let bytes = request.bytes();
            let asking = handle.ask(&who, bytes, |reply| Command::Edit { request, reply });
            let made = asking.await;
            Answer::Edit { id, base, made }
        }));
        Said::default()
    }

    fn author(&self) -> Author {
        Author {
            client: Some(self.people.client()),
            name: called::within(self.people.name(), MAX_AUTHOR),
        }
    }

    fn unit(&self) -> Unit {
        match self.hello.as_ref().map(|hello| hello.unit) {
            Some("utf8") => Unit::Utf8,
            Some("char") => Unit::Char,
            _ => Unit::Utf16,
        }
    }

    fn ask_for_news(&mut self) {
        self.ask_for_changes(Some(self.has), None, Answer::News);
    }

    fn ask_for_changes(
        &mut self,
        since: Option<Version>,
        client: Option<String>,
        answer: fn(Result<Changes, Refused>) -> Answer,
    ) {
        // Before the question: what comes after it is not missed.
        self.news.borrow_and_update();
        let Some(hello) = &self.hello else {
            return;
        };
        let (handle, root, unit) = (self.handle.clone(), hello.root.clone(), self.unit());
        let who = self.who.clone();
        let cursors = match self.is_welcome {
            true => self.cursors.ask(),
            false => Vec::new(),
        };
        self.asking = Some(Box::pin(async move {
            let bytes = size_of_val(cursors.as_slice());
            let asking = handle.ask(&who, bytes, |reply| Command::Changes {
                since,
                root,
                unit,
                client,
                cursors,
                reply,
            });
            answer(asking.await)
        }));
    }

    fn is_at(&mut self, version: Version) {
        (self.has, self.told) = (version, version);
    }

    fn answered(&mut self, answer: Answer) -> Said {
        match answer {
            Answer::Hello(Ok(changes)) => self.welcome(changes),
            Answer::Hello(Err(Refused::NotFound)) => self.welcome(nothing(self.has)),
            Answer::News(Ok(changes)) => self.changed(changes),
            Answer::News(Err(Refused::NotFound)) if self.has == Version::NOTHING => {
                self.cursors.keep();
                Said::default()
            }
            Answer::News(Err(Refused::NotFound)) => self.changed(nothing(self.has)),
            Answer::Hello(Err(refused)) | Answer::News(Err(refused)) => Said::end(refused),
            Answer::Edit { id, base, made } => self.made(&id, base, made),
        }
    }

    fn welcome(&mut self, changes: Changes) -> Said {
        let Changes {
            version,
            since,
            is_replaced,
            last,
            ..
        } = changes;
        self.is_at(version);
        self.is_welcome = true;
        let peers = self.people.all();
        self.look_at(&peers);
        let (text, edits) = match since {
            Since::Edits(changes) => (None, Some(edits(changes))),
            Since::Text(text) => (Some(text.to_string()), None),
        };
        Outbound::Welcome {
            version: version.to_string(),
            rev: version.sequence,
            text,
            edits,
            replaced: is_replaced,
            last_acked: last,
            access: access(self.may_edit),
            peers,
        }
        .into()
    }

    fn changed(&mut self, changes: Changes) -> Said {
        let Changes {
            version,
            since,
            cursors,
            ..
        } = changes;
        if self.has == Version::NOTHING {
            self.cursors.repeat();
        }
        self.has = version;
        let said = match since {
            Since::Edits(edits) if edits.is_empty() => Said::default(),
            Since::Edits(changes) => {
                let prev = std::mem::replace(&mut self.told, version).to_string();
                let (version, edits) = (version.to_string(), edits(changes));
                Outbound::Remote {
                    version,
                    prev,
                    edits,
                }
                .into()
            }
            Since::Text(text) => {
                self.told = version;
                self.cursors.repeat();
                let (version, text) = (version.to_string(), text.to_string());
                Outbound::Reset { version, text }.into()
            }
        };
        let peers = self.cursors.found(cursors, self.told);
        if peers.is_empty() {
            return said;
        }
        let version = self.told.to_string();
        said.and(Outbound::Cursors { version, peers }.into())
    }

    fn made(&mut self, id: &str, base: Version, made: Result<Edited, Refused>) -> Said {
        let edited = match made {
            Ok(edited) => edited,
            Err(refused) => {
                let code = match refused {
                    Refused::Stale => "stale",
                    // It is not even there.
                    Refused::Replaced | Refused::NotFound => "replaced",
                    Refused::OutOfRange { .. } => "out_of_range",
                    Refused::NotBoundary { .. } => "not_boundary",
                    Refused::Unsorted { .. } => "unsorted",
                    Refused::TooLarge => "too_large",
                    Refused::NotText => "not_text",
                    Refused::KeyUsed => "key_used",
                    Refused::Denied(Denied::ReadOnly) => "read_only",
                    _ => return Said::end(refused),
                };
                self.cursors.is_back_at(base);
                self.is_at(base);
                self.ask_for_news();
                return Said::refusal(code, refused, Some(id));
            }
        };
        let version = edited.version.to_string();
        self.cursors.is_back_at(base);
        if edited.is_repeated {
            self.is_at(base);
            self.ask_for_news();
        } else {
            self.is_at(edited.version);
        }
        let others = (!edited.is_repeated).then(|| edits(edited.others));
        Outbound::Ack {
            id,
            version,
            durable: true,
            edits: others,
            repeated: edited.is_repeated,
        }
        .into()
    }
}

fn access(may_edit: bool) -> &'static str {
    if may_edit { "read-write" } else { "read-only" }
}

/// Of a document that never had content, for somebody who has seen a version of it.
fn nothing(has: Version) -> Changes {
    Changes {
        version: Version::NOTHING,
        since: Since::Text(ropey::Rope::new()),
        is_replaced: has != Version::NOTHING,
        last: None,
        cursors: Vec::new(),
    }
}
