//! A bare WebSocket to a document, for stories that speak the wire by hand.

use std::fmt;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::http::encode_name;
use crate::ropewalk::Ropewalk;
use crate::wait::within;

/// How a connection ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 1006 when the connection ended without one.
    pub code: u16,
    /// What the server said about it.
    pub reason: String,
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "closed with {} {:?}", self.code, self.reason)
    }
}

/// An open WebSocket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    what: String,
}

impl Socket {
    /// Opens the document `name`.
    pub async fn open(server: &Ropewalk, name: &str) -> Self {
        Self::open_path(server.address, &format!("/yjs/{}", encode_name(name)), None).await
    }

    /// Opens the document `name`, or says with what status it is refused.
    pub async fn try_open(server: &Ropewalk, name: &str) -> Result<Self, u16> {
        let path = format!("/yjs/{}", encode_name(name));
        match within(&path, connect(server.address, &path, None, &[])).await {
            Ok(stream) => Ok(Self { stream, what: path }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{path:?} could not be opened: {error}"),
        }
    }

    /// Opens the document `name` over a connection whose receive buffer is small, so that not reading is soon felt.
    pub async fn open_narrow(server: &Ropewalk, name: &str) -> Self {
        Self::open_path(
            server.address,
            &format!("/yjs/{}", encode_name(name)),
            Some(16 * 1024),
        )
        .await
    }

    /// Opens any path; `receive_buffer` is in bytes.
    pub async fn open_path(address: SocketAddr, path: &str, receive_buffer: Option<u32>) -> Self {
        Self::connect(address, path, receive_buffer, &[]).await
    }

    /// Opens any path with more headers.
    pub async fn open_with(address: SocketAddr, path: &str, headers: &[(String, String)]) -> Self {
        Self::connect(address, path, None, headers).await
    }

    async fn connect(
        address: SocketAddr,
        path: &str,
        receive_buffer: Option<u32>,
        headers: &[(String, String)],
    ) -> Self {
        match within(path, connect(address, path, receive_buffer, headers)).await {
            Ok(stream) => Self {
                stream,
                what: path.chars().take(80).collect(),
            },
            Err(error) => panic!("{path:?} could not be opened: {error}"),
        }
    }

    /// Sends a binary frame. A connection that has ended is noticed when it is read.
    pub async fn send(&mut self, frame: impl Into<Vec<u8>>) {
        let _ = within(
            "the server reads",
            self.stream.send(Message::binary(frame.into())),
        )
        .await;
    }

    /// Sends a text frame.
    pub async fn send_text(&mut self, text: &str) {
        let _ = within("the server reads", self.stream.send(Message::text(text))).await;
    }

    /// Writes bytes below the WebSocket.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        let _ = within("the server reads", self.stream.get_mut().write_all(bytes)).await;
    }

    /// The next binary frame, or how the connection ended.
    pub async fn next(&mut self) -> Result<Vec<u8>, Closed> {
        let mut closed = Closed {
            code: 1006,
            reason: String::new(),
        };
        loop {
            match within(&format!("a frame on {}", self.what), self.stream.next()).await {
                Some(Ok(Message::Binary(frame))) => return Ok(frame.to_vec()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    closed = Closed {
                        code: frame.code.into(),
                        reason: frame.reason.to_string(),
                    };
                }
                Some(Ok(Message::Text(text))) => panic!("a text frame: {text}"),
                Some(Ok(_)) => {}
                Some(Err(Error::Capacity(error))) => panic!("{error}"),
                Some(Err(_)) | None => return Err(closed),
            }
        }
    }

    /// Reads until the connection ends.
    pub async fn closed(&mut self) -> Closed {
        within(&format!("the end of {}", self.what), async {
            loop {
                if let Err(closed) = self.next().await {
                    return closed;
                }
            }
        })
        .await
    }

    /// The stream below, for [`crate::Client`].
    pub fn into_stream(self) -> WebSocketStream<TcpStream> {
        self.stream
    }
}

async fn connect(
    address: SocketAddr,
    path: &str,
    receive_buffer: Option<u32>,
    headers: &[(String, String)],
) -> Result<WebSocketStream<TcpStream>, Error> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let mut request = Request::builder()
        .uri(format!("ws://{address}{path}"))
        .header("host", address.to_string())
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", generate_key());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(()).map_err(Error::HttpFormat)?;
    let config = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    Ok(client_async_with_config(request, stream, Some(config))
        .await?
        .0)
}
