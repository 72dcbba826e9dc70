//! An address that stays while the server behind it ends, starts again elsewhere, or cannot be reached.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A relay to a server.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    cut: watch::Sender<()>,
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
        let accepting = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let Some(target) = *to.lock().unwrap() else {
                    continue;
                };
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else {
                        return;
                    };
                    // Nothing that is sent after a cut goes through.
                    tokio::select! {
                        biased;
                        _ = cuts.changed() => {}
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        Self {
            address,
            target,
            cut,
            accepting,
        }
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

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
