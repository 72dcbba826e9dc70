//! A client of the text wire: a text and a version, no CRDT.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::http::encode_name;
use crate::ropewalk::Ropewalk;
use crate::wait::within;

/// An edit: from, to, and what to insert.
pub type Edit = (u64, u64, String);

/// Somebody who edits so.
pub struct Thin {
    name: String,
    client: String,
    unit: String,
    /// The version that `base` is the text of.
    pub version: Option<String>,
    /// The text without what is not acknowledged.
    pub base: String,
    /// The edit that is not acknowledged, and its id.
    pub pending: Option<(String, Vec<Edit>)>,
    count: u64,
    headers: Vec<(String, String)>,
    query: String,
    socket: Option<WebSocketStream<MaybeTlsStream<TcpStream>>>,
}

/// Units of a character.
pub fn size(char: char, unit: &str) -> u64 {
    match unit {
        "utf8" => char.len_utf8() as u64,
        "utf16" => char.len_utf16() as u64,
        _ => 1,
    }
}

/// A text with edits.
pub fn apply(text: &str, unit: &str, edits: &[Edit]) -> String {
    let (mut out, mut at) = (String::new(), 0);
    let mut chars = text.chars().peekable();
    for (from, to, insert) in edits {
        while at < *from {
            let char = chars.next().expect("an offset in the text");
            at += size(char, unit);
            out.push(char);
        }
        assert_eq!(at, *from, "between two characters of {text:?}");
        out.push_str(insert);
        while at < *to {
            at += size(chars.next().expect("an offset in the text"), unit);
        }
        assert_eq!(at, *to, "between two characters of {text:?}");
    }
    out.extend(chars);
    out
}

fn edits(message: &Value) -> Option<Vec<Edit>> {
    let edits = message["edits"].as_array()?.iter().map(|edit| {
        let number = |name: &str| edit[name].as_u64().expect("an offset");
        let insert = edit["insert"].as_str().expect("a text").to_owned();
        (number("from"), number("to"), insert)
    });
    Some(edits.collect())
}

fn written(edits: &[Edit]) -> Vec<Value> {
    let edit = |(from, to, insert): &Edit| json!({"from": from, "to": to, "insert": insert});
    edits.iter().map(edit).collect()
}

impl Thin {
    /// Somebody who is not connected yet.
    pub fn new(name: &str, client: &str, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            client: client.to_owned(),
            unit: unit.to_owned(),
            version: None,
            base: String::new(),
            pending: None,
            count: 0,
            headers: Vec::new(),
            query: String::new(),
            socket: None,
        }
    }

    /// Somebody who connects with a query and headers.
    pub fn with(mut self, query: &str, headers: &[(String, String)]) -> Self {
        self.query = query.to_owned();
        self.headers = headers.to_vec();
        self
    }

    /// Somebody who is connected.
    pub async fn join(server: &Ropewalk, name: &str, client: &str, unit: &str) -> Self {
        let mut thin = Self::new(name, client, unit);
        thin.connect(server).await;
        thin
    }

    /// The text with what is not acknowledged.
    pub fn text(&self) -> String {
        let pending = self.pending.as_ref().map(|(_, edits)| &edits[..]);
        apply(&self.base, &self.unit, pending.unwrap_or_default())
    }

    /// What its offsets count.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// Connects and says nothing.
    pub async fn open(&mut self, server: &Ropewalk) {
        let name = encode_name(&self.name);
        let url = format!("ws://{}/text/{name}{}", server.address, self.query);
        let mut request = url.into_client_request().expect("a URL");
        let protocol = "ropewalk.text.v1".parse().expect("a header");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        for (name, value) in &self.headers {
            let name: tokio_tungstenite::tungstenite::http::HeaderName =
                name.parse().expect("a name");
            let value = value.parse().expect("a header");
            request.headers_mut().insert(name, value);
        }
        let connecting = tokio_tungstenite::connect_async(request);
        let (socket, _) = within("a socket", connecting).await.expect("a socket");
        self.socket = Some(socket);
    }

    /// Connects, goes on where it was, and sends again what is not acknowledged.
    pub async fn connect(&mut self, server: &Ropewalk) {
        self.open(server).await;
        let hello = json!({"type": "hello", "client": self.client, "unit": self.unit, "since": self.version});
        self.say(hello).await;
        let welcome = self.hear().await.expect("a welcome");
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        let last = welcome["lastAcked"].as_str();
        if let Some((id, edits)) = &self.pending
            && last != Some(id.as_str())
        {
            let message = self.edit_message(id, edits);
            return self.say(message).await;
        }
        self.pending = None;
        self.take(&welcome);
    }

    fn take(&mut self, message: &Value) {
        self.base = match edits(message) {
            Some(edits) => apply(&self.base, &self.unit, &edits),
            None => message["text"].as_str().expect("a text").to_owned(),
        };
        self.version = message["version"].as_str().map(str::to_owned);
    }

    fn edit_message(&self, id: &str, edits: &[Edit]) -> Value {
        json!({"type": "edit", "id": id, "base": self.version, "edits": written(edits)})
    }

    /// Breaks the connection off.
    pub fn cut(&mut self) {
        self.socket = None;
    }

    /// Whether it has a connection, as far as it knows.
    pub fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// Sends a message.
    pub async fn say(&mut self, message: impl ToString) {
        let socket = self.socket.as_mut().expect("a connection");
        // It may be gone already: then the answer does not come.
        let _ = socket.send(Message::text(message.to_string())).await;
    }

    /// Sends what is no message of this wire.
    pub async fn say_bytes(&mut self, bytes: Vec<u8>) {
        let socket = self.socket.as_mut().expect("a connection");
        let _ = socket.send(Message::binary(bytes)).await;
    }

    /// The next message; the close code at the end.
    pub async fn hear(&mut self) -> Result<Value, u16> {
        let socket = self.socket.as_mut().expect("a connection");
        loop {
            match within("a message", socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// Edits its text. What was edited before has to be acknowledged.
    pub async fn edit(&mut self, edits: Vec<Edit>) {
        assert!(self.pending.is_none());
        self.count += 1;
        let id = format!("{}", self.count);
        let message = self.edit_message(&id, &edits);
        self.pending = Some((id, edits));
        if self.socket.is_some() {
            self.say(message).await;
        }
    }

    /// Takes in the next message, and returns it.
    pub async fn step(&mut self) -> Result<Value, u16> {
        let message = self.hear().await?;
        match message["type"].as_str().expect("a type") {
            "ack" => {
                let (id, own) = self.pending.take().expect("an edit");
                assert_eq!(message["id"], id);
                assert_eq!(message["durable"], true);
                if message["repeated"] != true {
                    self.base = apply(&self.base, &self.unit, &own);
                    self.take(&message);
                }
            }
            "remote" if self.pending.is_none() => {
                assert_eq!(message["prev"].as_str(), self.version.as_deref());
                self.take(&message);
            }
            "reset" if self.pending.is_none() => self.take(&message),
            _ => {}
        }
        Ok(message)
    }

    /// Reads on until it has a text and nothing is unacknowledged.
    pub async fn until(&mut self, text: &str) {
        while self.pending.is_some() || self.base != text {
            let step = self.step().await;
            assert!(step.is_ok(), "{step:?} before {text:?}");
        }
    }

    /// Reads on until its edit is acknowledged.
    pub async fn acknowledged(&mut self) {
        while self.pending.is_some() {
            let step = self.step().await;
            assert!(step.is_ok(), "{step:?}");
        }
    }
}
