//! JSON-RPC 2.0 as editors speak it: messages with a `Content-Length` in front.

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::exchange::{Change, Told};
use super::lines::Range;

/// The largest message, in bytes.
const MAX_MESSAGE: usize = 64 << 20;
/// The longest line of a head, and the most lines.
const MAX_LINE: u64 = 1024;
const MAX_LINES: usize = 32;

/// The message is not JSON.
pub(super) const NOT_JSON: i32 = -32700;
/// There is no such method.
pub(super) const NO_METHOD: i32 = -32601;
/// The parameters are not those of the method.
pub(super) const BAD_PARAMETERS: i32 = -32602;
/// What was asked for cannot be done.
pub(super) const REFUSED: i32 = -32000;

/// Why the input cannot be read on.
#[derive(Debug, Error)]
pub(super) enum BadInput {
    #[error("standard input: {0}")]
    System(#[from] std::io::Error),
    #[error("a message begins with `Content-Length: N` and an empty line")]
    Head,
    #[error("a message has at most {MAX_MESSAGE} bytes, this one says {0}")]
    TooLong(u64),
}

/// A message of the editor.
#[derive(Debug)]
pub(super) struct Request {
    /// None when no answer is wanted.
    pub(super) id: Option<Value>,
    pub(super) method: String,
    parameters: Value,
}

/// What an editor asks for.
#[derive(Debug, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "lowercase")]
pub(super) enum Call {
    Open {
        uri: String,
        content: String,
    },
    Close {
        uri: String,
    },
    Edit {
        uri: String,
        revision: u64,
        delta: Vec<Change>,
    },
    Cursor {
        uri: String,
        ranges: Vec<Range>,
    },
}

impl Request {
    /// Reads the body of a message. On an error, what to answer.
    pub(super) fn read(body: &[u8]) -> Result<Self, Value> {
        let unreadable = |what: &str| failure(&Value::Null, NOT_JSON, what);
        let mut message: Value =
            serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?;
        let id = message.get("id").cloned();
        if !matches!(
            id,
            None | Some(Value::Null | Value::Number(_) | Value::String(_))
        ) {
            return Err(unreadable("an id is a number or a string"));
        }
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            return Err(unreadable("a message has a method"));
        };
        Ok(Self {
            id,
            method: method.to_owned(),
            parameters: message
                .get_mut("params")
                .map(Value::take)
                .unwrap_or_default(),
        })
    }

    /// What it asks for. On an error, a code and what is wrong.
    pub(super) fn call(&mut self) -> Result<Call, (i32, String)> {
        if !["open", "close", "edit", "cursor"].contains(&self.method.as_str()) {
            return Err((NO_METHOD, format!("there is no method `{}`", self.method)));
        }
        let call = json!({ "method": self.method, "params": self.parameters.take() });
        serde_json::from_value(call).map_err(|error| (BAD_PARAMETERS, error.to_string()))
    }
}

/// Reads a message; None at the end of the input.
pub(super) async fn read(
    input: &mut (impl AsyncBufRead + Unpin),
) -> Result<Option<Vec<u8>>, BadInput> {
    let mut length = None;
    for count in 0..MAX_LINES {
        let mut line = Vec::new();
        (&mut *input)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .await?;
        if line.is_empty() && count == 0 {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            return Err(BadInput::Head);
        }
        let line = String::from_utf8(line).map_err(|_| BadInput::Head)?;
        let line = line.trim();
        if line.is_empty() {
            let length: u64 = length.ok_or(BadInput::Head)?;
            if length > MAX_MESSAGE as u64 {
                return Err(BadInput::TooLong(length));
            }
            let mut body = Vec::new();
            // Room comes with the bytes, not with what they are said to be.
            let read = (&mut *input).take(length).read_to_end(&mut body).await?;
            return match read as u64 == length {
                true => Ok(Some(body)),
                false => Err(BadInput::Head),
            };
        }
        let (name, value) = line.split_once(':').ok_or(BadInput::Head)?;
        if name.trim().eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().map_err(|_| BadInput::Head)?);
        }
    }
    Err(BadInput::Head)
}

/// A message with its head.
pub(super) fn frame(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(super) fn success(id: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": "success" })
}

pub(super) fn failure(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// An edit for the editor.
pub(super) fn edit(uri: &str, told: Told) -> Value {
    let delta = serde_json::to_value(told.delta).unwrap_or_default();
    json!({
        "jsonrpc": "2.0",
        "method": "edit",
        "params": { "uri": uri, "revision": told.revision, "delta": delta },
    })
}

/// Where somebody's cursor is; without ranges, that it is nowhere.
pub(super) fn cursor(uri: &str, user: u64, name: &str, ranges: &[Range]) -> Value {
    let ranges = serde_json::to_value(ranges).unwrap_or_default();
    json!({
        "jsonrpc": "2.0",
        "method": "cursor",
        "params": { "userid": user.to_string(), "name": name, "uri": uri, "ranges": ranges },
    })
}
