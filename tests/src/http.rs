//! A small HTTP/1.1 client over a bare socket, so that every header and the path can be bent.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::within;

/// A request, sent as it stands here.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request of `target`, which is already percent-encoded.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            host: None,
            headers: Vec::new(),
            body: None,
        }
    }

    /// `GET target`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Asks for an upgrade to a WebSocket.
    pub fn upgrade(target: &str) -> Self {
        Self::get(target)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "cm9wZXdhbGsgcm9wZXdhbA==")
    }

    /// Another `Host` than the server's address.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.into());
        self
    }

    /// One more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it on a connection of its own.
    pub async fn send(&self, to: SocketAddr) -> Response {
        let what = format!(
            "{} {}",
            self.method,
            self.target.chars().take(120).collect::<String>()
        );
        within(&what, self.exchange(to))
            .await
            .unwrap_or_else(|e| panic!("{what}: {e}"))
    }

    /// Sends it, and reads no further than to the status: the answer may have no end.
    pub async fn status(&self, to: SocketAddr) -> u16 {
        let reading = async {
            let mut stream = TcpStream::connect(to).await.expect("a socket");
            let message = self.message(to);
            stream.write_all(&message).await.expect("written");
            let mut bytes = Vec::new();
            while find(&bytes, b"\r\n").is_none() {
                let read = stream.read_buf(&mut bytes).await.expect("a status");
                assert_ne!(read, 0, "the connection ended before the status");
            }
            let line = String::from_utf8_lossy(&bytes);
            line.split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
        };
        within(&self.target, reading).await.expect("a status")
    }

    /// Sends so many bytes of it, or all, and hangs up.
    pub async fn cut(&self, to: SocketAddr, bytes: usize) {
        let sending = async {
            let mut stream = TcpStream::connect(to).await.expect("a socket");
            let message = self.message(to);
            let sent = &message[..bytes.min(message.len())];
            stream.write_all(sent).await.expect("written");
        };
        within(&self.target, sending).await;
    }

    /// Sends it, and says why when there is no answer.
    pub async fn try_send(&self, to: SocketAddr) -> Result<Response, String> {
        within(&self.target, self.exchange(to)).await
    }

    async fn exchange(&self, to: SocketAddr) -> Result<Response, String> {
        let mut stream = TcpStream::connect(to).await.map_err(|e| e.to_string())?;
        let message = self.message(to);
        // A server that refuses early may stop reading; its answer is what counts.
        let (mut from, mut into) = stream.split();
        let (written, response) = tokio::join!(into.write_all(&message), read(&mut from));
        response.map_err(|e| match written {
            Ok(()) => e,
            Err(written) => format!("{e}; and writing failed: {written}"),
        })
    }

    fn message(&self, to: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let host = self.host.clone().unwrap_or_else(|| to.to_string());
        let _ = write!(head, "host: {host}\r\n");
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("connection"))
        {
            head.push_str("connection: close\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if let Some(body) = &self.body {
            let _ = write!(head, "content-length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        let mut message = head.into_bytes();
        message.extend_from_slice(self.body.as_deref().unwrap_or_default());
        message
    }
}

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The values of a header that comes more than once.
    pub fn headers<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        let all = self.headers.iter();
        all.filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e} in the body {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The stable code of an error.
    pub fn code(&self) -> String {
        let json = self.json();
        assert!(
            json["message"].as_str().is_some_and(|m| !m.is_empty()),
            "an error says what happened: {json}"
        );
        json["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code in {json}"))
            .to_owned()
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Result<Response, String> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = find(&bytes, b"\r\n\r\n") {
            break at;
        }
        if stream
            .read_buf(&mut bytes)
            .await
            .map_err(|e| e.to_string())?
            == 0
        {
            return Err(format!(
                "the connection ended within the head: {:?}",
                String::from_utf8_lossy(&bytes)
            ));
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).map_err(|e| e.to_string())?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|l| l.split(' ').nth(1))
        .and_then(|s| s.parse().ok())
        .ok_or(format!("no status in {head:?}"))?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|l| l.split_once(':'))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()))
        .collect();
    let mut response = Response {
        status,
        headers,
        body: bytes[end + 4..].to_vec(),
    };
    if status == 101 || status == 204 || status == 304 {
        return Ok(response);
    }
    match response
        .header("content-length")
        .map(|l| l.parse::<usize>())
    {
        Some(length) => {
            let length = length.map_err(|e| e.to_string())?;
            while response.body.len() < length {
                if stream
                    .read_buf(&mut response.body)
                    .await
                    .map_err(|e| e.to_string())?
                    == 0
                {
                    return Err("the connection ended within the body".into());
                }
            }
        }
        None => {
            stream
                .read_to_end(&mut response.body)
                .await
                .map_err(|e| e.to_string())?;
            if response.header("transfer-encoding") == Some("chunked") {
                response.body = unchunked(&response.body)?;
            }
        }
    }
    Ok(response)
}

fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let line = find(rest, b"\r\n").ok_or("a chunk without a length")?;
        let size = std::str::from_utf8(&rest[..line])
            .ok()
            .and_then(|s| usize::from_str_radix(s, 16).ok())
            .ok_or("a chunk without a length")?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(
            rest.get(line + 2..line + 2 + size)
                .ok_or("a chunk that ends early")?,
        );
        rest = &rest[line + size + 4..];
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|w| w == needle)
}

/// A document's name as the part of a URL's path: each segment as `encodeURIComponent` writes it.
pub fn encode_name(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                encoded.push(byte as char)
            }
            _ if byte.is_ascii_alphanumeric() => encoded.push(byte as char),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}
