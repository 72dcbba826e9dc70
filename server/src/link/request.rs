//! Single requests to a server's API.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::address::{Address, Unreachable};
use crate::name::DocumentName;

/// The most that is read of an answer, in bytes.
const MAX_ANSWER: usize = 64 << 10;
/// The longest time to an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of creating a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It begins with this text, and is on the server's disk.
    Now,
    /// It was there already.
    Before,
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
        let path = self.path("/api/documents", name);
        match self.ask("PUT", &path, text).await? {
            (StatusCode::CREATED, _) => Ok(Created::Now),
            (StatusCode::CONFLICT, _) => Ok(Created::Before),
            (status, said) => Err(refused(status, &said)),
        }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Vec<u8>), Unreachable> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.authority())
            .header(CONTENT_TYPE, "text/plain; charset=utf-8");
        if let Some(authorization) = self.authorization() {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request
            .body(Body::from(body))
            .map_err(|error| Unreachable::Protocol(error.to_string()))?;
        let asking = async {
            let stream = TokioIo::new(self.connect().await?);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
                .await
                .map_err(broken)?;
            let carrying = tokio::spawn(connection);
            let answer = async {
                let response = sender.send_request(request).await.map_err(broken)?;
                let status = response.status();
                let body = Body::new(response.into_body());
                let body = to_bytes(body, MAX_ANSWER)
                    .await
                    .map_err(|error| Unreachable::Protocol(error.to_string()))?;
                Ok((status, body.to_vec()))
            };
            let answer = answer.await;
            carrying.abort();
            answer
        };
        match timeout(PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(Unreachable::Late(PATIENCE)),
        }
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
