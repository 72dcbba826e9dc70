//! Single requests to a server's API.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, HeaderName, HeaderValue, IF_MATCH,
};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio_util::task::AbortOnDropHandle;

use super::address::{Address, Unreachable};
use super::moved::{Counted, while_moving};
use crate::name::DocumentName;

/// The most that is read of an answer, in bytes.
const MAX_ANSWER: usize = 64 << 10;
/// The longest time in which nothing comes or goes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of creating a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It begins with this text, and is on the server's disk.
    Now,
    /// It was there already.
    Before,
    /// Whoever asks may not begin it, nor edit it. It may be there, to be read.
    NotAllowed,
}

/// A page of the list of documents.
#[derive(Debug, Deserialize)]
pub struct Listed {
    /// Those of this page.
    pub documents: Vec<Entry>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What the list says of a document.
#[derive(Debug, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Length of its text in UTF-16 units.
    pub length: u64,
}

impl Address {
    /// Whether the server answers.
    pub async fn is_alive(&self) -> Result<(), Unreachable> {
        let path = format!("{}/healthz", self.prefix());
        match self.ask("GET", &path, String::new()).await? {
            (StatusCode::OK, _) => Ok(()),
            (status, said) => Err(refused(status, &said)),
        }
    }

    /// Begins a document with a text, unless there is one of this name.
    pub async fn create(&self, name: &DocumentName, text: String) -> Result<Created, Unreachable> {
        let path = self.api_path(name);
        match self.ask("PUT", &path, text).await? {
            (StatusCode::CREATED, _) => Ok(Created::Now),
            (StatusCode::CONFLICT, _) => Ok(Created::Before),
            (StatusCode::FORBIDDEN, _) => Ok(Created::NotAllowed),
            (status, said) => Err(refused(status, &said)),
        }
    }

    /// Documents with `part` in their names, from a cursor on, and the cursor of the next ones.
    pub async fn documents(&self, part: &str, cursor: Option<&str>) -> Result<Listed, Unreachable> {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let mut path = format!(
            "{}/api/documents?limit=50&q={}",
            self.prefix(),
            encode(part)
        );
        if let Some(cursor) = cursor {
            path = format!("{path}&cursor={}", encode(cursor));
        }
        match self.ask("GET", &path, String::new()).await? {
            (StatusCode::OK, said) => serde_json::from_slice(&said)
                .map_err(|error| Unreachable::Protocol(format!("a list of documents: {error}"))),
            (status, said) => Err(refused(status, &said)),
        }
    }

    /// Gives a document without text this one, unless somebody else was faster.
    pub async fn fill(&self, name: &DocumentName, text: &str) -> Result<(), Unreachable> {
        let path = format!("{}/text", self.api_path(name));
        let reading = self.send("GET", &path, &[], String::new(), 1);
        let (status, head, said) = reading.await?;
        let version = match (status, head.get(ETAG)) {
            (StatusCode::OK, Some(version)) if said.is_empty() => version.clone(),
            (StatusCode::OK, _) => return Ok(()),
            _ => return Err(refused(status, &said)),
        };
        let edit = serde_json::json!({ "from": 0, "to": 0, "insert": text });
        let edits = serde_json::json!({ "edits": [edit] }).to_string();
        let only_at = [(IF_MATCH, version)];
        match self
            .send("PATCH", &path, &only_at, edits, MAX_ANSWER)
            .await?
        {
            (StatusCode::OK | StatusCode::PRECONDITION_FAILED, ..) => Ok(()),
            (status, _, said) => Err(refused(status, &said)),
        }
    }

    /// Deletes a document, if its text is this. Whether it is gone.
    pub async fn delete(&self, name: &DocumentName, text: &str) -> Result<bool, Unreachable> {
        let path = self.api_path(name);
        let text_path = format!("{path}/text");
        let reading = self.send("GET", &text_path, &[], String::new(), text.len() + 1);
        let (status, head, said) = reading.await?;
        let version = match (status, head.get(ETAG)) {
            (StatusCode::OK, Some(version)) => version.clone(),
            (StatusCode::GONE | StatusCode::NOT_FOUND, _) => return Ok(true),
            _ => return Err(refused(status, &said)),
        };
        if said != text.as_bytes() {
            return Ok(false);
        }
        let only_at = [(IF_MATCH, version)];
        let deleting = self.send("DELETE", &path, &only_at, String::new(), MAX_ANSWER);
        match deleting.await? {
            (StatusCode::NO_CONTENT | StatusCode::GONE, ..) => Ok(true),
            (StatusCode::PRECONDITION_FAILED, ..) => Ok(false),
            (status, _, said) => Err(refused(status, &said)),
        }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Vec<u8>), Unreachable> {
        let (status, _, said) = self.send(method, path, &[], body, MAX_ANSWER).await?;
        Ok((status, said))
    }

    /// Sends a request; of the answer no more is read than `most` bytes.
    async fn send(
        &self,
        method: &str,
        path: &str,
        head: &[(HeaderName, HeaderValue)],
        body: String,
        most: usize,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Unreachable> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.authority())
            .header(CONTENT_TYPE, "text/plain; charset=utf-8");
        if let Some(authorization) = self.authorization() {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in head {
            request = request.header(name, value);
        }
        let request = request
            .body(Body::from(body))
            .map_err(|error| Unreachable::Protocol(error.to_string()))?;
        let stream = Counted::new(self.connect().await?);
        let moved = stream.moved.clone();
        let asking = async {
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
            let (mut sender, connection) = handshake.await.map_err(broken)?;
            let _carrying = AbortOnDropHandle::new(tokio::spawn(connection));
            let response = sender.send_request(request).await.map_err(broken)?;
            let (head, body) = response.into_parts();
            let mut body = Body::new(body).into_data_stream();
            let mut said = Vec::new();
            while said.len() < most
                && let Some(part) = body.next().await
            {
                said.extend(part.map_err(|error| Unreachable::Protocol(error.to_string()))?);
            }
            Ok((head.status, head.headers, said))
        };
        let answer = while_moving(PATIENCE, asking, || moved.all()).await;
        answer.unwrap_or(Err(Unreachable::Late(PATIENCE)))
    }
}

fn broken(error: hyper::Error) -> Unreachable {
    Unreachable::Protocol(error.to_string())
}

/// What the server says of a refusal, if it says it as Ropewalk does.
fn refused(status: StatusCode, said: &[u8]) -> Unreachable {
    let said = serde_json::from_slice::<serde_json::Value>(said).unwrap_or_default();
    let message = said["message"].as_str().map(|message| {
        let plain: String = message
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        format!(": {plain}")
    });
    Unreachable::Refused(status.as_u16(), message.unwrap_or_default())
}
