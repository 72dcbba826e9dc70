//! The accept loop: hyper over TCP, with a time limit for request headers and a count of connections, which
//! `axum::serve` does not have.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::middleware::AddExtension;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::App;
use crate::session::Progress;

/// A client has this long to send the headers of a request.
const HEADERS: Duration = Duration::from_secs(15);
/// Bytes of headers that are read at most.
const HEADER_BYTES: usize = 16 * 1024;
/// Plain HTTP connections beside the WebSocket ones.
const HTTP_CONNECTIONS: usize = 1024;
/// After an error of `accept` (no file descriptors left, for example).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address at which others reach what listens everywhere: the one that this machine would be seen with.
pub fn reachable(listening: SocketAddr) -> SocketAddr {
    if !listening.ip().is_unspecified() {
        return listening;
    }
    // Nothing is sent: connecting a socket for datagrams only looks up the way.
    let seen = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    let ip = seen().map_or(Ipv4Addr::LOCALHOST.into(), |seen| seen.ip());
    SocketAddr::new(ip, listening.port())
}

/// Accepts and serves connections for ever.
pub async fn serve(app: &Arc<App>, listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(
        app.config.max_connections + HTTP_CONNECTIONS,
    ));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let progress = Arc::new(Progress::default());
        let stalled = stalled(progress.clone(), app.config.write_timeout);
        let service = {
            let (router, progress) = (router.clone(), progress.clone());
            tower_service(router, progress, Peer(from.ip().to_canonical()))
        };
        let io = TokioIo::new(Watched {
            stream,
            progress,
            _permit: permit,
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_buf_size(HEADER_BYTES);
        let connection = builder.serve_connection(io, service).with_upgrades();
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                },
                () = stalled => tracing::debug!("a client does not read its answer"),
            }
        });
    }
}

/// Waits until the socket takes nothing any more. A connection that becomes a WebSocket has its session for that.
async fn stalled(progress: Arc<Progress>, patience: Duration) {
    while !progress.is_stalled(patience) {
        tokio::time::sleep(patience / 2).await;
    }
}

/// Where the other end of a connection is; behind a proxy that is the proxy.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// The router, with the connection's [`Progress`] and [`Peer`] put into every request.
fn tower_service(
    router: Router,
    progress: Arc<Progress>,
    peer: Peer,
) -> TowerToHyperService<AddExtension<AddExtension<Router, Arc<Progress>>, Peer>> {
    use tower::Layer as _;
    let router = Extension(progress).layer(router);
    TowerToHyperService::new(Extension(peer).layer(router))
}

/// A connection that remembers when it last took bytes, and gives its place back when it ends.
struct Watched {
    stream: TcpStream,
    progress: Arc<Progress>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Watched {
    fn took(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(n)) if n > 0 => self.progress.wrote(),
            Poll::Pending => self.progress.block(),
            Poll::Ready(_) => {}
        }
        result
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        if read > 0 && !self.progress.read(read) {
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.took(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.took(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
