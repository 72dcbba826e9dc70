//! An issuer that stops to answer.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{advance, pause, resume, sleep, timeout};

use super::*;

#[derive(Default)]
struct Issuer {
    url: String,
    asked: AtomicUsize,
    hangs: AtomicBool,
    fails: AtomicBool,
}

impl Issuer {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        });
        let serving = issuer.clone();
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let issuer = serving.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let read = socket.read(&mut request).await.unwrap();
                    issuer.asked.fetch_add(1, Relaxed);
                    while issuer.hangs.load(Relaxed) {
                        sleep(Duration::from_millis(5)).await;
                    }
                    if issuer.fails.load(Relaxed) {
                        return;
                    }
                    let url = &issuer.url;
                    let body = match request[..read].starts_with(b"GET /keys ") {
                        true => r#"{"keys":[]}"#.to_owned(),
                        false => format!(
                            r#"{{"issuer":"{url}","authorization_endpoint":"{url}/authorize","token_endpoint":"{url}/token","jwks_uri":"{url}/keys","response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}}"#
                        ),
                    };
                    let head =
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                    let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    let _ = socket.write_all(answer.as_bytes()).await;
                });
            }
        });
        issuer
    }

    fn discovery(&self) -> Arc<Discovery> {
        Arc::new(Discovery::of(Registered {
            issuer: IssuerUrl::new(self.url.clone()).unwrap(),
            id: ClientId::new("ropewalk".to_owned()),
            secret: None,
            back: RedirectUrl::new("http://127.0.0.1:1/api/oidc/callback".to_owned()).unwrap(),
        }))
    }
}

/// Time goes by, and nothing else.
async fn later(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

async fn within<T>(what: &str, done: impl Future<Output = T>) -> T {
    let done = timeout(Duration::from_secs(20), done).await;
    done.unwrap_or_else(|_| panic!("in vain: {what}"))
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    within(what, async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_what_is_known_already() {
    let issuer = Issuer::start().await;
    let discovery = issuer.discovery();
    let first = within("it answers", discovery.client()).await.unwrap();
    assert_eq!(issuer.asked.load(Relaxed), 2, "where it is, and its keys");
    let is_first = |client: &Arc<Client>| Arc::ptr_eq(&first, client);
    assert!(is_first(&discovery.client().await.unwrap()));
    issuer.hangs.store(true, Relaxed);
    later(FRESH).await;
    for _ in 0..3 {
        let known = timeout(Duration::from_secs(2), discovery.client()).await;
        assert!(is_first(&known.unwrap().unwrap()), "while it hangs");
        until("it is asked once", || issuer.asked.load(Relaxed) == 3).await;
    }
    issuer.hangs.store(false, Relaxed);
    let newer = || discovery.known().within(FRESH);
    until("it has answered", || newer().is_some()).await;
    assert!(!is_first(&discovery.client().await.unwrap()));
}

#[tokio::test]
async fn what_is_known_counts_for_a_day_if_the_provider_says_nothing_newer() {
    let issuer = Issuer::start().await;
    let discovery = issuer.discovery();
    within("it answers", discovery.client()).await.unwrap();
    issuer.fails.store(true, Relaxed);
    later(FRESH).await;
    for asked in 3..6 {
        discovery.client().await.unwrap();
        until("it is asked", || issuer.asked.load(Relaxed) == asked).await;
        until("it has failed", || discovery.asking.try_lock().is_ok()).await;
        // And not again at once.
        discovery.client().await.unwrap();
        later(RENEW).await;
    }
    assert_eq!(issuer.asked.load(Relaxed), 5);
    later(KNOWN).await;
    let lost = within("it fails", discovery.client()).await;
    assert!(matches!(lost, Err(ProviderError::Unreachable(_))));
    issuer.fails.store(false, Relaxed);
    later(FAILED).await;
    within("it is back", discovery.client()).await.unwrap();
}

#[tokio::test]
async fn whoever_lacks_a_key_waits_for_it_and_nobody_else_does() {
    let issuer = Issuer::start().await;
    let discovery = issuer.discovery();
    let first = within("it answers", discovery.client()).await.unwrap();
    issuer.hangs.store(true, Relaxed);
    let lacking: Vec<_> = (0..2)
        .map(|_| {
            let discovery = discovery.clone();
            tokio::spawn(async move { discovery.newer().await.unwrap() })
        })
        .collect();
    until("it is asked", || issuer.asked.load(Relaxed) == 3).await;
    let known = timeout(Duration::from_secs(2), discovery.client()).await;
    assert!(Arc::ptr_eq(&first, &known.unwrap().unwrap()));
    issuer.hangs.store(false, Relaxed);
    for lacking in lacking {
        let newer = within("they have it", lacking).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &newer));
    }
    assert_eq!(issuer.asked.load(Relaxed), 4, "one asks for both");
}

#[tokio::test]
async fn a_failure_keeps_nobody_from_a_new_key_for_long() {
    let issuer = Issuer::start().await;
    let discovery = issuer.discovery();
    let first = within("it answers", discovery.client()).await.unwrap();
    issuer.fails.store(true, Relaxed);
    let failed = within("it fails", discovery.newer()).await;
    assert!(matches!(failed, Err(ProviderError::Unreachable(_))));
    issuer.fails.store(false, Relaxed);
    later(FAILED).await;
    let newer = within("it is back", discovery.newer()).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &newer));
    let same = within("it was asked just now", discovery.newer()).await;
    assert!(Arc::ptr_eq(&newer, &same.unwrap()));
}
