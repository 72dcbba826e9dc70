//! Keys of document tokens that are at a URL: fetched at the start, again when they are old, and when a token has a key that is not known.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::header::{ACCEPT, CACHE_CONTROL};
use axum::http::{HeaderMap, Request, StatusCode};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::tokens::{Key, published};
use crate::App;
use crate::fetch::fetch;
use crate::metrics::{Counter, Metrics};

/// How old keys get if the server that has them does not say.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// Whatever it says, they are asked for so often at least, and at most.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const SHORTEST: Duration = Duration::from_secs(60);
/// After a failure; and tokens with keys that are not known make it ask no more often.
const AGAIN: Duration = Duration::from_secs(30);

/// A set of keys elsewhere.
pub struct Remote {
    url: String,
    keys: RwLock<Arc<Vec<Key>>>,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Default)]
struct Asked {
    is_failing: bool,
    /// When it was asked last as a key was not known.
    for_unknown: Option<Instant>,
}

impl Remote {
    /// Nothing is asked yet.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            keys: RwLock::default(),
            asked: Arc::default(),
        }
    }

    /// Those that are known.
    pub fn keys(&self) -> Arc<Vec<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// Asks for a key that a token has and that is not known, unless that was done just now. Whoever comes meanwhile waits for the answer,
    /// which is awaited also when the first has gone.
    pub async fn look_for(self: &Arc<Self>, is_known: impl Fn() -> bool, metrics: &Metrics) {
        let mut asked = self.asked.clone().lock_owned().await;
        let is_soon = asked.for_unknown.is_some_and(|at| at.elapsed() < AGAIN);
        if is_known() || is_soon {
            return;
        }
        asked.for_unknown = Some(Instant::now());
        let (this, failed) = (self.clone(), metrics.token_keys_failed.clone());
        let asking = tokio::spawn(async move { this.renew(&mut asked, &failed).await });
        let _ = asking.await;
    }

    /// Fetches the keys; what cannot be had leaves those that are known. Answers how long they are good for.
    async fn renew(&self, asked: &mut Asked, failed: &Counter) -> Duration {
        match self.fetch().await {
            Ok((keys, good_for)) => {
                if asked.is_failing {
                    tracing::info!(url = self.url, "keys of document tokens are there again");
                }
                asked.is_failing = false;
                let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                *known = Arc::new(keys);
                good_for
            }
            Err(error) => {
                failed.add_one();
                if !asked.is_failing {
                    let url = &self.url;
                    tracing::warn!(
                        error,
                        url,
                        "keys of document tokens cannot be fetched; what is known of them counts on"
                    );
                }
                asked.is_failing = true;
                AGAIN
            }
        }
    }

    async fn fetch(&self) -> Result<(Vec<Key>, Duration), String> {
        let request = Request::get(&self.url).header(ACCEPT, "application/json");
        let request = request
            .body(Vec::new())
            .map_err(|error| error.to_string())?;
        let answer = fetch(request).await.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status()));
        }
        Ok((
            published(answer.body(), &self.url)?,
            good_for(answer.headers()),
        ))
    }
}

/// What `max-age` says, within bounds.
fn good_for(headers: &HeaderMap) -> Duration {
    let said = headers
        .get(CACHE_CONTROL)
        .and_then(|said| said.to_str().ok());
    let words = said.unwrap_or_default().split(',');
    let age = words
        .filter_map(|word| word.trim().strip_prefix("max-age="))
        .find_map(|age| age.parse().ok());
    age.map_or(KEPT, Duration::from_secs)
        .clamp(SHORTEST, LONGEST)
}

/// Keeps the keys of a server up to date until it stops.
pub async fn watch(app: Arc<App>) {
    let all = app.gate.remote().iter();
    let watching = all.map(|remote| watch_one(&app, remote));
    tokio::select! {
        () = app.stopping.cancelled() => {}
        _ = futures_util::future::join_all(watching) => {}
    }
}

async fn watch_one(app: &App, remote: &Remote) {
    loop {
        let good_for = remote
            .renew(
                &mut *remote.asked.lock().await,
                &app.metrics.token_keys_failed,
            )
            .await;
        sleep(good_for).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn keys_are_good_for_as_long_as_is_said_within_bounds() {
        for (said, seconds) in [
            ("public, max-age=3600", 3600),
            ("max-age=1", 60),
            ("max-age=99999999", 86_400),
            ("no-store", 600),
            ("max-age=soon", 600),
            ("max-age=-1", 600),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, said.parse().unwrap());
            assert_eq!(good_for(&headers), Duration::from_secs(seconds), "{said}");
        }
        assert_eq!(good_for(&HeaderMap::new()), KEPT);
    }

    #[tokio::test]
    async fn whoever_goes_while_a_key_is_fetched_leaves_the_fetch_to_others() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", server.local_addr().unwrap());
        let (remote, metrics) = (Arc::new(Remote::new(&url)), Metrics::default());
        let is_known = || !remote.keys().is_empty();
        let mut first = Box::pin(remote.look_for(is_known, &metrics));
        let mut asked = tokio::select! {
            asked = server.accept() => asked.unwrap().0,
            () = &mut first => panic!("nobody is asked"),
        };
        drop(first);
        let mut second = Box::pin(remote.look_for(is_known, &metrics));
        assert!((&mut second).now_or_never().is_none(), "it waits");
        let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let length = keys.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{keys}");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            asked.read_buf(&mut request).await.unwrap();
        }
        asked.write_all(answer.as_bytes()).await.unwrap();
        second.await;
        assert!(is_known());
        assert_eq!(metrics.token_keys_failed.get(), 0);
    }
}
