//! An address that stays while the server behind it ends, starts again elsewhere, or cannot be reached.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A relay to a server.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    cut: watch::Sender<()>,
    is_slow: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// A relay to this address.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let target = Arc::new(Mutex::new(Some(target)));
        let (cut, cuts) = watch::channel(());
        let to = target.clone();
        let is_slow = Arc::new(AtomicBool::new(false));
        let slow = is_slow.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let Some(target) = *to.lock().unwrap() else {
                    continue;
                };
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                let is_slow = slow.load(Relaxed);
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else {
                        return;
                    };
                    // Nothing that is sent after a cut goes through.
                    tokio::select! {
                        biased;
                        _ = cuts.changed() => {}
                        () = carry(&mut near, &mut far, is_slow) => {}
                    }
                });
            }
        });
        Self {
            address,
            target,
            cut,
            is_slow,
            accepting,
        }
    }

    /// From now on new connections are slow lines: what the server sends comes in pieces of a kilobyte, forty in a second.
    pub fn be_slow(&self) {
        self.is_slow.store(true, Relaxed);
    }

    /// From now on new connections lead here, or nowhere.
    pub fn lead(&self, target: Option<SocketAddr>) {
        *self.target.lock().unwrap() = target;
    }

    /// Cuts every connection that is there.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }
}

async fn carry(near: &mut TcpStream, far: &mut TcpStream, is_slow: bool) {
    let _ = match is_slow {
        true => drip(near, far).await,
        false => copy_bidirectional(near, far).await.map(drop),
    };
}

async fn drip(near: &mut TcpStream, far: &mut TcpStream) -> std::io::Result<()> {
    let (mut near_read, mut near_write) = near.split();
    let (mut far_read, mut far_write) = far.split();
    let down = async {
        let mut piece = [0; 1024];
        loop {
            match far_read.read(&mut piece).await? {
                0 => return near_write.shutdown().await,
                read => near_write.write_all(&piece[..read]).await?,
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    tokio::try_join!(down, copy(&mut near_read, &mut far_write)).map(drop)
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
