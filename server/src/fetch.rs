//! A request to somebody else's server: where people sign in, and where keys are. No redirect is followed, and what one costs is bounded.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Request, Response, Uri};
use futures_util::StreamExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::time::timeout;

use crate::config::oidc::secure;
use crate::link::address::{Address, BadAddress, Unreachable};

/// The longest time to the end of an answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// Bytes of an answer, at most.
const MAX_ANSWER: usize = 256 << 10;
/// Bytes of its headers, at most.
const MAX_HEAD: usize = 32 << 10;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Where it would go is not safe.
    #[error("{0}")]
    Address(String),
    /// It cannot be asked for.
    #[error("{0}")]
    Tls(#[from] BadAddress),
    /// Nobody answers.
    #[error("{0}")]
    Unreachable(#[from] Unreachable),
    /// What is answered is no HTTP.
    #[error("{0}")]
    Broken(#[from] hyper::Error),
    /// The answer breaks off.
    #[error("the answer breaks off: {0}")]
    Cut(String),
    /// The answer is larger than it may be.
    #[error("the answer has more than {MAX_ANSWER} bytes")]
    TooLarge,
    /// The answer takes too long.
    #[error("no whole answer within {} s", PATIENCE.as_secs())]
    Late,
}

/// Sends a request and reads the whole answer, whatever its status.
pub async fn fetch(request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
    let uri = request.uri().clone();
    secure(&uri.to_string()).map_err(FetchError::Address)?;
    match timeout(PATIENCE, send(request, &uri)).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchError::Late),
    }
}

async fn send(mut request: Request<Vec<u8>>, uri: &Uri) -> Result<Response<Vec<u8>>, FetchError> {
    let bad = || FetchError::Address(format!("`{uri}` is no address"));
    let authority = uri.authority().ok_or_else(bad)?.as_str();
    let scheme = uri.scheme_str().ok_or_else(bad)?;
    let address = Address::new(&format!("{scheme}://{authority}"), None)?;
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    *request.uri_mut() = path.parse().map_err(|_| bad())?;
    let host = HeaderValue::from_str(authority).map_err(|_| bad())?;
    request.headers_mut().insert(HOST, host);
    let length = request.body().len();
    if length > 0 {
        request.headers_mut().insert(CONTENT_LENGTH, length.into());
    }

    let stream = TokioIo::new(address.connect().await?);
    let mut builder = http1::Builder::new();
    let handshake = builder.max_buf_size(MAX_HEAD).handshake(stream);
    let (mut sender, connection) = handshake.await?;
    let _carrying = Carrying(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let (head, body) = sender
        .send_request(request.map(Body::from))
        .await?
        .into_parts();
    let mut body = Body::new(body).into_data_stream();
    let mut said = Vec::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| FetchError::Cut(error.to_string()))?;
        if said.len() + part.len() > MAX_ANSWER {
            return Err(FetchError::TooLarge);
        }
        said.extend_from_slice(&part);
    }
    Ok(Response::from_parts(head, said))
}

/// Ends with the request, also if nobody waits for it any more.
struct Carrying(tokio::task::JoinHandle<()>);

impl Drop for Carrying {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn nothing_is_asked_over_an_open_line() {
        for url in ["http://192.0.2.1/keys", "ftp://127.0.0.1/", "/keys"] {
            let request = Request::get(url).body(Vec::new()).unwrap();
            let refused = fetch(request).await.unwrap_err();
            assert!(
                matches!(refused, FetchError::Address(_)),
                "{url}: {refused}"
            );
        }
    }
}
