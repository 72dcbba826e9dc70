//! Server-sent events, as a browser's `EventSource` reads them.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::ropewalk::Ropewalk;
use crate::wait::within;

/// A stream of events.
pub struct Events {
    stream: BufReader<TcpStream>,
    /// The id of the newest.
    pub last: Option<String>,
}

/// One event.
#[derive(Debug)]
pub struct Event {
    /// What it is called.
    pub name: String,
    /// What it says.
    pub data: serde_json::Value,
}

impl Events {
    /// Follows `target`; `last` is where it broke off before.
    pub async fn follow(server: &Ropewalk, target: &str, last: Option<&str>) -> Self {
        let last = last.map(|id| ("last-event-id".to_owned(), id.to_owned()));
        Self::follow_with(server, target, last.as_slice()).await
    }

    /// Follows `target`, with more headers.
    pub async fn follow_with(
        server: &Ropewalk,
        target: &str,
        headers: &[(String, String)],
    ) -> Self {
        let mut stream = TcpStream::connect(server.address).await.expect("a socket");
        let address = server.address;
        // The end of the answer is the end of the connection: a server keeps others open for the next request.
        let mut head = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).await.expect("written");
        let mut events = Self {
            stream: BufReader::new(stream),
            last: None,
        };
        let status = events.line().await.expect("a status");
        assert!(status.contains(" 200 "), "{status}");
        let mut is_stream = false;
        loop {
            let line = events.line().await.expect("a head");
            is_stream |= line == "content-type: text/event-stream";
            if line.is_empty() {
                assert!(is_stream);
                return events;
            }
        }
    }

    /// The next event; nothing at the end.
    pub async fn next(&mut self) -> Option<Event> {
        within("an event", self.read()).await
    }

    async fn read(&mut self) -> Option<Event> {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            // Lengths of chunks stand between: they are no fields.
            let line = self.line().await?;
            if let Some(id) = line.strip_prefix("id: ") {
                self.last = Some(id.to_owned());
            } else if let Some(said) = line.strip_prefix("event: ") {
                name = said.to_owned();
            } else if let Some(said) = line.strip_prefix("data: ") {
                data = said.to_owned();
            } else if line.is_empty() && !data.is_empty() {
                let data = serde_json::from_str(&data).expect("JSON");
                return Some(Event { name, data });
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }
}
