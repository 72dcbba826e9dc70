//! A person with a Yjs editor: a replica, kept in step over a y-websocket connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact, Update};

use crate::frames::{self, Frame};
use crate::ropewalk::Ropewalk;
use crate::socket::{Closed, Socket};
use crate::wait::DEADLINE;

/// Name of the root text.
pub const ROOT: &str = "text";

/// The first frames of a connection that are kept for stories about their order.
const KEPT_FRAMES: usize = 64;

/// An open document.
pub struct Client {
    /// Its Yjs client id.
    pub id: u64,
    name: String,
    doc: Doc,
    state: Arc<Mutex<State>>,
    changed: watch::Receiver<()>,
    outgoing: mpsc::UnboundedSender<Message>,
}

/// What the connection has brought so far.
#[derive(Default)]
pub struct State {
    /// Whether the server has answered our state vector.
    pub synced: bool,
    /// Everyone's awareness state by client id: clock and JSON.
    pub people: BTreeMap<u64, (u64, Value)>,
    /// How many units of our own came back to us.
    pub echoed: u32,
    /// Markers that came back.
    pub saved: BTreeSet<u64>,
    /// The first frames, as they came.
    pub frames: Vec<Vec<u8>>,
    /// How many frames came.
    pub frame_count: usize,
    /// How many keep-alive frames came.
    pub keep_alives: usize,
    /// Whether the server has said that we may edit, or may not.
    pub may_edit: Option<bool>,
    /// How often the server has said that something is not done.
    pub denied: usize,
    /// How the connection ended, if it did.
    pub closed: Option<Closed>,
    /// What the server sent that cannot be read.
    pub wrong: Option<String>,
    marked: u64,
    own_clock: u64,
}

impl Client {
    /// Opens a document and waits until it is synced.
    pub async fn join(server: &Ropewalk, name: &str) -> Self {
        Self::join_with(server, name, new_doc(None)).await
    }

    /// Opens a document under a client id of the story's choice.
    pub async fn join_as(server: &Ropewalk, name: &str, id: u64) -> Self {
        Self::join_with(server, name, new_doc(Some(id))).await
    }

    /// Opens a document with a replica that already holds something.
    pub async fn join_with(server: &Ropewalk, name: &str, doc: Doc) -> Self {
        let client = Self::open(server, name, doc).await;
        client.synced().await;
        client
    }

    /// Waits until it is synced.
    pub async fn synced(&self) {
        self.until("synced", |state, _| state.synced.then_some(()))
            .await;
    }

    /// Opens a document and does not wait for anything.
    pub async fn open(server: &Ropewalk, name: &str, doc: Doc) -> Self {
        Self::over(Socket::open(server, name).await, name, doc)
    }

    /// Somebody whose connection is this, and who waits for nothing.
    pub fn over(socket: Socket, name: &str, doc: Doc) -> Self {
        let (mut sink, mut stream) = socket.into_stream().split();
        let (outgoing, mut queue) = mpsc::unbounded_channel::<Message>();
        let (tell, changed) = watch::channel(());
        let state = Arc::new(Mutex::new(State::default()));
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
            let _ = sink.close().await;
        });
        let (reading, replica, answers) = (state.clone(), doc.clone(), outgoing.downgrade());
        tokio::spawn(async move {
            let mut closed = Closed {
                code: 1006,
                reason: String::new(),
            };
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Binary(frame) => {
                        let answer = receive(&replica, &mut reading.lock().unwrap(), &frame);
                        if let (Some(answer), Some(answers)) = (answer, answers.upgrade()) {
                            let _ = answers.send(Message::binary(answer));
                        }
                    }
                    Message::Close(Some(frame)) => {
                        closed = Closed {
                            code: frame.code.into(),
                            reason: frame.reason.to_string(),
                        }
                    }
                    Message::Text(text) => {
                        reading.lock().unwrap().wrong = Some(format!("a text frame {text:?}"))
                    }
                    _ => {}
                }
                tell.send_replace(());
            }
            reading.lock().unwrap().closed = Some(closed);
            tell.send_replace(());
        });
        let client = Self {
            id: doc.client_id().get(),
            name: name.to_owned(),
            doc,
            state,
            changed,
            outgoing,
        };
        client.send(frames::step1(&client.state_vector().encode_v1()));
        client
    }

    /// Waits until `look` finds what it wants in what came and in the replica.
    pub async fn until<T>(&self, what: &str, mut look: impl FnMut(&State, &Doc) -> Option<T>) -> T {
        let mut changed = self.changed.clone();
        let waiting = async {
            loop {
                changed.borrow_and_update();
                {
                    let state = self.state.lock().unwrap();
                    if let Some(wrong) = &state.wrong {
                        panic!("the server sent {wrong}");
                    }
                    if let Some(found) = look(&state, &self.doc) {
                        return found;
                    }
                }
                if changed.changed().await.is_err() {
                    panic!("{what}: the connection has ended; {self:?}");
                }
            }
        };
        match tokio::time::timeout(DEADLINE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("waited {DEADLINE:?} in vain: {what}; {self:?}"),
        }
    }

    /// The text now.
    pub fn text(&self) -> String {
        text_of(&self.doc)
    }

    /// Waits until the text is this.
    pub async fn until_text(&self, text: &str) {
        self.until(&format!("the text is {:?}", short(text)), |_, doc| {
            (text_of(doc) == text).then_some(())
        })
        .await;
    }

    /// Waits until the text contains this.
    pub async fn until_contains(&self, part: &str) {
        self.until(&format!("the text contains {part:?}"), |_, doc| {
            text_of(doc).contains(part).then_some(())
        })
        .await;
    }

    /// Inserts at a place in UTF-16 units and sends it.
    pub fn insert(&self, at: u32, text: &str) {
        self.edit(|root, txn| root.insert(txn, at, text));
    }

    /// Inserts at the end and sends it.
    pub fn append(&self, text: &str) {
        self.edit(|root, txn| {
            let end = root.len(txn);
            root.insert(txn, end, text);
        });
    }

    /// Deletes `length` UTF-16 units and sends it.
    pub fn remove(&self, at: u32, length: u32) {
        self.edit(|root, txn| root.remove_range(txn, at, length));
    }

    /// Any edit of the root text, sent as one update.
    pub fn edit(&self, edit: impl FnOnce(&yrs::TextRef, &mut yrs::TransactionMut<'_>)) {
        let update = self.edit_silently(edit);
        self.send(frames::update(&update));
    }

    /// Any edit of the root text; the update is returned and not sent.
    pub fn edit_silently(
        &self,
        edit: impl FnOnce(&yrs::TextRef, &mut yrs::TransactionMut<'_>),
    ) -> Vec<u8> {
        // The lock keeps what is read from coming between an edit and its sending.
        let _state = self.state.lock().unwrap();
        edit_doc(&self.doc, edit)
    }

    /// Marks everything sent so far; see [`Client::saved`].
    pub fn mark(&self) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.marked += 1;
        self.send(frames::saved(&state.marked.to_le_bytes()));
        state.marked
    }

    /// Waits until the server has said that everything before the marker is saved.
    pub async fn saved(&self, marker: u64) {
        self.until("the marker comes back", |state, _| {
            state.saved.contains(&marker).then_some(())
        })
        .await;
    }

    /// Waits until everything sent so far is saved.
    pub async fn all_saved(&self) {
        self.saved(self.mark()).await;
    }

    /// Waits until everything inserted here has come back as an echo.
    pub async fn echoed(&self) {
        self.until("our own edits come back", |state, doc| {
            let own = doc.transact().state_vector().get(&doc.client_id());
            (state.echoed >= own).then_some(())
        })
        .await;
    }

    /// Announces our awareness state.
    pub fn announce(&self, json: &str) {
        let mut state = self.state.lock().unwrap();
        state.own_clock += 1;
        self.send(frames::awareness(&[(self.id, state.own_clock, json)]));
    }

    /// Waits until exactly these names are present.
    pub async fn until_people(&self, names: &[&str]) {
        let wanted: BTreeSet<&str> = names.iter().copied().collect();
        self.until(&format!("present are {wanted:?}"), |state, _| {
            let present: BTreeSet<&str> = state
                .people
                .values()
                .filter_map(|(_, json)| json["user"]["name"].as_str())
                .collect();
            (present == wanted && state.people.len() == wanted.len()).then_some(())
        })
        .await;
    }

    /// Sends a frame as it is.
    pub fn send(&self, frame: Vec<u8>) {
        let _ = self.outgoing.send(Message::binary(frame));
    }

    /// Waits for the end of the connection.
    pub async fn closed(&self) -> Closed {
        self.until("the connection ends", |state, _| state.closed.clone())
            .await
    }

    /// Whether the connection has ended, and how.
    pub fn ended(&self) -> Option<Closed> {
        self.state.lock().unwrap().closed.clone()
    }

    /// What came so far.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }

    /// What the replica holds, by client.
    pub fn state_vector(&self) -> StateVector {
        self.doc.transact().state_vector()
    }

    /// The whole replica as an update.
    pub fn whole(&self) -> Vec<u8> {
        self.doc.transact().encode_diff_v1(&StateVector::default())
    }

    /// Closes the connection and keeps the replica.
    pub async fn leave(self) -> Doc {
        let Self {
            doc,
            outgoing,
            mut changed,
            state,
            ..
        } = self;
        let _ = outgoing.send(Message::Close(None));
        drop(outgoing);
        crate::wait::within("the connection ends", async {
            while state.lock().unwrap().closed.is_none() && changed.changed().await.is_ok() {}
        })
        .await;
        doc
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let state = self.state.lock().unwrap();
        write!(
            f,
            "client {} in {:?}: {} bytes of text {:?}, synced {}, echoed {}, {} markers back, {} frames, people {:?}, {:?}",
            self.id,
            short(&self.name),
            text.len(),
            short(&text),
            state.synced,
            state.echoed,
            state.saved.len(),
            state.frame_count,
            state.people,
            state.closed
        )
    }
}

/// Takes in what the server sent; the answer, if it asks for one.
fn receive(doc: &Doc, state: &mut State, frame: &[u8]) -> Option<Vec<u8>> {
    state.frame_count += 1;
    if state.frames.len() < KEPT_FRAMES {
        state.frames.push(frame.to_vec());
    }
    let read = match frames::read(frame) {
        Ok(read) => read,
        Err(error) => {
            state.wrong = Some(format!(
                "a frame that cannot be read ({error}): {:02x?}",
                &frame[..frame.len().min(40)]
            ));
            return None;
        }
    };
    match read {
        Frame::Step1(vector) => match StateVector::decode_v1(vector) {
            Ok(vector) => return Some(frames::step2(&doc.transact().encode_diff_v1(&vector))),
            Err(error) => {
                state.wrong = Some(format!("a state vector that cannot be read: {error}"))
            }
        },
        Frame::Step2(update) | Frame::Update(update) => match Update::decode_v1(update) {
            Ok(decoded) => {
                if matches!(read, Frame::Step2(_)) {
                    state.synced = true;
                } else {
                    state.echoed = state
                        .echoed
                        .max(decoded.state_vector().get(&doc.client_id()));
                }
                if let Err(error) = doc.transact_mut().apply_update(decoded) {
                    state.wrong = Some(format!("an update that cannot be applied: {error}"));
                }
            }
            Err(error) => state.wrong = Some(format!("an update that cannot be read: {error}")),
        },
        Frame::Awareness(entries) => {
            state.keep_alives += usize::from(entries.is_empty());
            for entry in entries {
                let known = state
                    .people
                    .get(&entry.client)
                    .map_or(-1, |(clock, _)| *clock as i64);
                match serde_json::from_str(entry.json) {
                    Ok(Value::Null) if entry.clock as i64 >= known => {
                        state.people.remove(&entry.client);
                    }
                    Ok(json) if entry.clock as i64 > known && json != Value::Null => {
                        state.people.insert(entry.client, (entry.clock, json));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        state.wrong = Some(format!("an awareness state that is not JSON: {error}"))
                    }
                }
            }
        }
        Frame::Slow(_) => {}
        Frame::Access(may_edit) => state.may_edit = Some(may_edit),
        Frame::Denied(_) => state.denied += 1,
        Frame::Saved(payload) => match payload.try_into() {
            Ok(number) => {
                state.saved.insert(u64::from_le_bytes(number));
            }
            Err(_) => state.wrong = Some(format!("a marker that nobody sent: {payload:02x?}")),
        },
    }
    None
}

/// A replica that counts as Yjs does, in UTF-16 units.
pub fn new_doc(id: Option<u64>) -> Doc {
    let mut options = Options {
        offset_kind: OffsetKind::Utf16,
        ..Options::default()
    };
    if let Some(id) = id {
        options.client_id = yrs::block::ClientID::new(id);
    }
    let doc = Doc::with_options(options);
    doc.get_or_insert_text(ROOT);
    doc
}

/// Edits a replica; the update that says so.
pub fn edit_doc(
    doc: &Doc,
    edit: impl FnOnce(&yrs::TextRef, &mut yrs::TransactionMut<'_>),
) -> Vec<u8> {
    let root = doc.get_or_insert_text(ROOT);
    let mut txn = doc.transact_mut();
    edit(&root, &mut txn);
    txn.encode_update_v1()
}

/// The text of a replica.
pub fn text_of(doc: &Doc) -> String {
    let root = doc.get_or_insert_text(ROOT);
    root.get_string(&doc.transact())
}

fn short(text: &str) -> String {
    let head: String = text.chars().take(200).collect();
    if head.len() < text.len() {
        head + "…"
    } else {
        head
    }
}
