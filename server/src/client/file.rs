//! One file that an editor has open: its document, its editor, and the disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ropewalk_crdt::{ClientId, Document, ROOT, Revision, Unit};
use ropey::Rope;
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout};

use super::delta::Delta;
use super::exchange::{Change, Exchange, Told};
use super::joined::is_joined;
use super::lines::{Range, nearest, plain, position};
use super::on_disk::{OnDisk, Rest};
use super::project::Place;
use super::view::View;
use super::{disk, rpc, say};
use crate::link::{Created, Event, Link, NotSynced, Selection, client_id};

/// The longest wait for a server of which nothing comes when a file is opened.
const PATIENCE: Duration = Duration::from_secs(20);
/// An edit that the server does not have after so long is written to the file.
const LATE: Duration = Duration::from_secs(1);
/// The longest wait, when it is closed, for what is not on the server's disk yet.
const LAST: Duration = Duration::from_secs(8);

/// What an editor wants of a file; that it is closed is the end of these.
pub(super) enum Ask {
    Edit {
        id: Option<Value>,
        revision: u64,
        delta: Vec<Change>,
    },
    Cursor {
        id: Option<Value>,
        ranges: Vec<Range>,
    },
}

/// A file that is to be opened.
pub(super) struct Opening {
    pub(super) id: Option<Value>,
    pub(super) uri: String,
    pub(super) path: PathBuf,
    pub(super) content: String,
    /// The one that had it open before, as it may still write it.
    pub(super) before: Option<JoinHandle<()>>,
    /// To be set when it is open, or cannot be.
    pub(super) is_ready: Arc<AtomicBool>,
}

/// Serves a file until the editor closes it.
pub(super) async fn run(
    mut opening: Opening,
    mut asks: Receiver<Ask>,
    out: Sender<Value>,
    unsaved: Arc<AtomicBool>,
) {
    if let Some(before) = opening.before.take() {
        let _ = before.await;
    }
    let id = opening.id.take();
    let answer = |result: Result<(), &str>| match (&id, result) {
        (Some(id), Ok(())) => Some(rpc::success(id)),
        (Some(id), Err(message)) => Some(rpc::failure(id, rpc::REFUSED, message)),
        (None, _) => None,
    };
    let is_ready = opening.is_ready.clone();
    let opened = File::open(opening, out.clone()).await;
    is_ready.store(true, Relaxed);
    let mut file = match opened {
        Ok(file) => file,
        Err(message) => {
            say(&message);
            if let Some(answer) = answer(Err(&message)) {
                let _ = out.send(answer).await;
            }
            while let Some(ask) = asks.recv().await {
                refuse(&out, ask, "this file is not open").await;
            }
            return;
        }
    };
    if let Some(answer) = answer(Ok(())) {
        let _ = out.send(answer).await;
    }
    loop {
        tokio::select! {
            ask = asks.recv() => match ask {
                Some(ask) => file.answer(ask).await,
                None => break,
            },
            is_gone = async { out.reserve().await.is_err() }, if file.has_news() => {
                // The room is given back: whoever kept it while waiting for more would wait for others that do the same.
                if is_gone {
                    break;
                }
                file.tell().await;
            }
            event = file.link.next() => file.hear(event),
            () = at(file.late.map(|(due, _)| due)) => file.write_down().await,
        }
    }
    if !file.close().await {
        unsaved.store(true, Relaxed);
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn refuse(out: &Sender<Value>, ask: Ask, message: &str) {
    let (Ask::Edit { id, .. } | Ask::Cursor { id, .. }) = ask;
    if let Some(id) = id {
        let _ = out.send(rpc::failure(&id, rpc::REFUSED, message)).await;
    }
}

struct File {
    uri: String,
    place: Place,
    link: Link,
    exchange: Exchange,
    out: Sender<Value>,
    /// The document that the exchange's goal is of; None when it has to be compared.
    seen: Option<(Revision, Rope)>,
    view: View,
    has_news: bool,
    has_people: bool,
    /// Whose cursors the editor shows.
    shown: BTreeMap<ClientId, (String, Range)>,
    disk: OnDisk,
    /// When the server is late with so many edits: then what it does not have is written to the file.
    late: Option<(Instant, u64)>,
    /// There is no connection, and that was said.
    is_offline: bool,
    /// Why nothing goes to the server as long as that is so.
    is_read_only: Option<String>,
    /// Why nothing goes to the server any more.
    is_over: Option<String>,
    /// The server has another document under its name, or none.
    is_another: bool,
    /// Why the text of the editor is not known any more.
    is_lost: Option<String>,
}

impl File {
    async fn open(opening: Opening, out: Sender<Value>) -> Result<Self, String> {
        let Opening {
            uri, path, content, ..
        } = opening;
        let found = spawn_blocking(move || {
            let place = Place::of(&path, is_joined).map_err(|error| error.to_string())?;
            if let Err(error) = disk::tidy(&place.path) {
                say(&format!("{}: {error}", place.path.display()));
            }
            let disk = disk::read(&place.path)
                .map_err(|error| format!("{}: {error}", place.path.display()))?;
            let disk = OnDisk::new(&place, disk);
            let document = disk.unsent();
            Ok::<_, String>((place, disk, document))
        });
        let (place, disk, document) = found.await.map_err(|error| error.to_string())??;

        // What the editor has; with the line breaks of the disk, if it only hides these.
        let editor = Rope::from_str(&content);
        let on_disk = disk.text().map(|text| {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            Rope::from_str(text)
        });
        let (local, is_disk) = match on_disk {
            Some(on_disk) if plain(&on_disk) == plain(&editor) => (on_disk, true),
            _ => (editor.clone(), false),
        };

        let where_to = format!("{} on {}", place.name, place.address);
        let created = place.address.create(&place.name, local.to_string()).await;
        let unopened = |why: String| format!("{where_to} cannot be opened: {why}");
        let created = created.map_err(|error| unopened(error.to_string()))?;
        let unsent = document.as_ref().map(|document| document.text(ROOT));
        // What was edited without the server is merged into the document that it was edited in.
        let merging = document.filter(|_| created != Created::Now);
        let merged = match merging {
            Some(document) => match connect(&place, document).await {
                Ok(link) => Some(link),
                Err(NotSynced::Closed(..)) => None,
                Err(offline) => return Err(unopened(offline.to_string())),
            },
            None => None,
        };
        let is_merged = merged.is_some();
        let link = match merged {
            Some(link) => link,
            None => {
                if created == Created::Before && local.len_chars() > 0 {
                    // An empty document is the beginning of any text. To show it as it is would not do: in Neovim the empty buffer has a line break.
                    let filled = place.address.fill(&place.name, &local.to_string()).await;
                    filled.map_err(|error| unopened(error.to_string()))?;
                }
                let link = connect(&place, Document::new(client_id())).await;
                link.map_err(|why| unopened(why.to_string()))?
            }
        };

        let text = link.document().text(ROOT);
        let is_in_it = is_merged && is_disk;
        if created != Created::Now && plain(&text) != plain(&local) && !is_in_it {
            disk.keep_local(local.to_string()).await?;
        }
        // It is more than the file has where that could not be written.
        let is_elsewhere = |unsent: &Rope| {
            let on_disk = disk.text().is_some_and(|disk| *unsent == disk);
            is_merged
                || on_disk
                || [&local, &text]
                    .iter()
                    .any(|have| plain(have) == plain(unsent))
        };
        if let Some(unsent) = unsent.filter(|unsent| !is_elsewhere(unsent)) {
            disk.keep_local(unsent.to_string()).await?;
        }
        let on_disk = disk.text().map(str::to_owned).filter(|disk| {
            let disk = Rope::from_str(disk);
            !is_merged && !is_same(&disk, &local) && !is_same(&disk, &text)
        });
        if let Some(on_disk) = on_disk {
            // The editor had something that was never saved; the file is written when it is closed.
            disk.keep_disk(on_disk).await?;
        }
        if !is_merged {
            disk.note(local.to_string()).await;
        }
        let view = View::of(&editor, [&text, &local]);
        Ok(Self {
            seen: None,
            uri,
            place,
            link,
            exchange: Exchange::new(view.shown(&editor)),
            out,
            view,
            has_news: true,
            has_people: true,
            shown: BTreeMap::new(),
            disk,
            late: None,
            is_offline: false,
            is_read_only: None,
            is_over: None,
            is_another: false,
            is_lost: None,
        })
    }

    /// Whether there is something to tell the editor.
    fn has_news(&self) -> bool {
        self.has_news || self.has_people
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Changed => self.has_news = true,
            Event::People => self.has_people = true,
            Event::Synced => self.is_offline = false,
            // Each edit is answered so.
            Event::Saved | Event::Refused => {}
            Event::Access(true) => {
                self.is_read_only = None;
                say(&format!(
                    "{} may be edited, and what was written here is sent",
                    self.place.name
                ));
            }
            Event::Access(false) => {
                let message = format!(
                    "{} may only be read: what you type is not shared. It is written to the file when you close it",
                    self.place.name
                );
                say(&message);
                self.is_read_only = Some(message);
            }
            Event::Offline(reason) => {
                // Not at each try.
                if !std::mem::replace(&mut self.is_offline, true) {
                    say(&format!(
                        "{}: no connection, it is tried again: {reason}",
                        self.place.name
                    ));
                }
            }
            Event::Closed(code, reason) => {
                let message = format!(
                    "{} is not shared any more: {reason} ({code}). What you type is written to the file when you close it",
                    self.place.name
                );
                say(&message);
                self.is_over = Some(message);
                self.is_another = is_another(code);
            }
        }
    }

    async fn answer(&mut self, ask: Ask) {
        let (id, result) = match ask {
            Ask::Edit {
                id,
                revision,
                delta,
            } => (id, self.edit(revision, delta).await),
            Ask::Cursor { id, ranges } => {
                self.select(ranges.first()).await;
                (id, Ok(()))
            }
        };
        let Some(id) = id else {
            return;
        };
        let answer = match result {
            Ok(()) => rpc::success(&id),
            Err(message) => rpc::failure(&id, rpc::REFUSED, &message),
        };
        let _ = self.out.send(answer).await;
    }

    /// The editor has made an edit.
    async fn edit(&mut self, revision: u64, mut delta: Vec<Change>) -> Result<(), String> {
        if let Some(message) = &self.is_lost {
            return Err(message.clone());
        }
        // What is new is made past the edit with all the rest; to say it before would be in vain.
        let _ = self.catch_up();
        for change in &mut delta {
            change.replacement = self.view.said(std::mem::take(&mut change.replacement));
        }
        let (edit, told) = self.exchange.hear(revision, delta).map_err(|misfit| {
            let message = format!("{}: {misfit}; open the file again", self.place.name);
            say(&message);
            self.is_lost = Some(message.clone());
            message
        })?;
        let made = self.make(&edit);
        self.expect();
        if let Some(told) = told {
            self.send_edit(told).await;
        }
        // Where it came to something else than the editor thinks, the editor follows.
        self.seen = None;
        self.tell_text().await;
        match (made, self.is_over.as_ref().or(self.is_read_only.as_ref())) {
            (Err(error), _) => Err(format!("{}: {error}", self.place.name)),
            (Ok(()), Some(over)) => Err(over.clone()),
            (Ok(()), None) => Ok(()),
        }
    }

    /// Makes an edit of what the editor sees in the document.
    fn make(&mut self, edit: &Delta) -> Result<(), ropewalk_crdt::Error> {
        let document = self.link.document();
        let revision = document.revision();
        let edits = self.view.inward(&document.text(ROOT), edit);
        self.link.edit(revision, Unit::Char, &edits)
    }

    async fn select(&mut self, range: Option<&Range>) {
        self.tell_text().await;
        let places = self.view.places(&self.link.document().text(ROOT));
        let place = |position| places.inward(nearest(self.exchange.goal(), position));
        let selection = range.map(|range| Selection {
            anchor: place(range.start),
            head: place(range.end),
        });
        self.link.select(Unit::Char, selection);
    }

    /// Brings the goal of the exchange to the document; what the editor has to be told.
    fn catch_up(&mut self) -> Option<Told> {
        self.has_news = false;
        let document = self.link.document();
        let (revision, text) = (document.revision(), document.text(ROOT));
        let changes = self.seen.as_ref().and_then(|(seen, old)| {
            let changes = document.changes(*seen, ROOT, Unit::Char).ok()?;
            Some((changes, old))
        });
        let delta = match changes {
            Some((changes, old)) => self.view.outward(old, changes),
            // Nothing is known of the steps.
            None => Delta::between(self.exchange.goal(), &self.view.shown(&text)),
        };
        self.seen = Some((revision, text));
        self.exchange.tell(delta)
    }

    async fn tell_text(&mut self) {
        if let Some(told) = self.catch_up()
            && self.is_lost.is_none()
        {
            self.send_edit(told).await;
        }
    }

    /// Tells the editor what is new.
    async fn tell(&mut self) {
        self.tell_text().await;
        if !std::mem::take(&mut self.has_people) {
            return;
        }
        let places = self.view.places(&self.link.document().text(ROOT));
        let place = |at| position(self.exchange.goal(), places.outward(at));
        let people = self.link.people(Unit::Char);
        let people = people.into_iter().filter_map(|peer| {
            let Selection { anchor, head } = peer.selection?;
            let range = Range {
                start: place(anchor),
                end: place(head),
            };
            Some((peer.client, (peer.name, range)))
        });
        let people: BTreeMap<_, _> = people.collect();
        let before = std::mem::replace(&mut self.shown, people.clone());
        for (client, (name, range)) in &people {
            if before.get(client) != Some(&(name.clone(), *range)) {
                self.send(rpc::cursor(&self.uri, *client, name, &[*range]))
                    .await;
            }
        }
        for (client, (name, _)) in before {
            if !people.contains_key(&client) {
                self.send(rpc::cursor(&self.uri, client, &name, &[])).await;
            }
        }
    }

    /// From now on the server has some time for what was edited.
    fn expect(&mut self) {
        let edits = self.link.edits();
        self.late
            .get_or_insert_with(|| (Instant::now() + LATE, edits));
    }

    /// The server may be away for long, and this process end at any moment: editors do not write the file themselves.
    async fn write_down(&mut self) {
        let is_in_time = self
            .late
            .take()
            .is_none_or(|(_, edits)| self.link.has_saved(edits));
        if !self.link.is_saved() && is_in_time {
            // What was typed since is on its way.
            self.expect();
        }
        if is_in_time {
            return;
        }
        let text = self.link.document().text(ROOT).to_string();
        self.disk.write_down(text, self.link.save()).await;
    }

    async fn send_edit(&mut self, mut told: Told) {
        for change in &mut told.delta {
            change.replacement = self.view.told(std::mem::take(&mut change.replacement));
        }
        self.send(rpc::edit(&self.uri, told)).await;
    }

    /// When nobody reads any more, the input ends soon, too.
    async fn send(&mut self, message: Value) {
        let _ = self.out.send(message).await;
    }

    /// The editor has closed it. Whether all is on the server's disk.
    async fn close(mut self) -> bool {
        if self.is_over.is_none() {
            let saving = async {
                while !self.link.is_saved() && !self.link.is_refused() {
                    if let Event::Closed(code, _) = self.link.next().await {
                        self.is_another = is_another(code);
                        break;
                    }
                }
            };
            let _ = timeout(LAST, saving).await;
        }
        let is_saved = self.link.is_saved();
        let text = self.link.document().text(ROOT).to_string();
        let rest = match (is_saved, self.is_another) {
            (true, _) => Rest::Nothing,
            (false, true) => Rest::OfAnother,
            (false, false) => Rest::Unsent(self.link.save()),
        };
        self.disk.settle(text, rest).await;
        self.link.leave().await;
        is_saved
    }
}

/// Opens a document, until all that the server has is here.
async fn connect(place: &Place, document: Document) -> Result<Link, NotSynced> {
    let mut link = Link::new(place.address.clone(), place.name.clone(), document);
    link.introduce(&place.person.0, place.person.1);
    link.synced(PATIENCE).await?;
    Ok(link)
}

/// Whether the server has another document under its name, or none, when it ends a connection so.
fn is_another(code: u16) -> bool {
    matches!(code, 4404 | 4409)
}

/// Whether two texts have the same lines.
fn is_same(one: &Rope, other: &Rope) -> bool {
    let lines = |text: &Rope| plain(text).to_string();
    let (one, other) = (lines(one), lines(other));
    let one = one.strip_prefix('\u{feff}').unwrap_or(&one);
    one.trim_end_matches('\n') == other.trim_end_matches('\n')
}
