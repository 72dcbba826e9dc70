//! Who may not read a document takes nobody's turn.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ropewalk::accounts::{Accounts, Actor, Begin, NewPerson};
use ropewalk::config::Config;
use ropewalk::gate::{Gate, Keys};
use ropewalk::journal::{Journal, JournalLimits};
use ropewalk::machine::{Host, Machine as _};
use ropewalk::name::DocumentName;
use ropewalk::storage::memory::Memory;
use ropewalk::{App, http};
use tower::ServiceExt as _;

/// More than may wait for a view.
const MANY: usize = 100;

struct Server {
    app: Arc<App>,
    router: axum::Router,
    storage: Arc<Memory>,
    cookies: Vec<String>,
    _folder: tempfile::TempDir,
}

/// A server, and who is signed in there.
fn server(logins: &[&str]) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let accounts = Accounts::open(folder.path()).unwrap();
    let (now_ms, by) = (Host.now_ms(), Actor::command_line());
    let sign_in = |login: &&str| {
        let person = NewPerson {
            login: (*login).to_owned(),
            name: (*login).to_owned(),
            color: None,
            identity: None,
            // The first has to be one.
            is_admin: *login == logins[0],
        };
        let person = accounts.add_person(&person, None, &by, now_ms).unwrap();
        let begin = Begin {
            person: Some(person),
            ..Begin::default()
        };
        let (_, secret) = accounts.begin_session(&begin, now_ms).unwrap();
        format!("ropewalk={}", secret.expose())
    };
    let cookies = logins.iter().map(sign_in).collect();
    let keys = Keys::new(b"key", &[]).unwrap();
    let gate = Gate::of(accounts, keys, false, now_ms).unwrap();
    let storage = Arc::new(Memory::default());
    let journal = Journal::start(storage.clone(), JournalLimits::default()).unwrap();
    let config = Config::default();
    let app = App::new(config, storage.clone(), journal, Arc::new(Host), gate).unwrap();
    Server {
        router: http::router(app.clone()),
        app,
        storage,
        cookies,
        _folder: folder,
    }
}

impl Server {
    async fn ask(&self, who: usize, method: &str, target: &str) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "localhost")
            .header("sec-fetch-site", "same-origin")
            .header("cookie", &self.cookies[who])
            .body(Body::from("text"));
        self.router.clone().oneshot(request.unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn a_stranger_is_answered_while_others_wait_for_their_turn() {
    const ANN: usize = 0;
    const EVE: usize = 1;
    let server = server(&["ann", "eve"]);
    let made = server.ask(ANN, "PUT", "/api/documents/notes").await;
    assert_eq!(made.status(), StatusCode::CREATED);
    // What is not on disk is shown to nobody: whoever has a turn keeps it.
    let waiting = || server.app.journal.stats().queued_updates();
    while waiting() > 0 {
        tokio::task::yield_now().await;
    }
    server.storage.hold(true);
    let append = server.ask(ANN, "POST", "/api/documents/notes/append");
    let waits = async {
        while waiting() == 0 {
            tokio::task::yield_now().await;
        }
        let handle = server
            .app
            .hub
            .open(&server.app, &DocumentName::new("notes").unwrap());
        let before = Arc::strong_count(&handle);
        let authors = "/api/documents/notes/authors";
        let has_turn = async {
            while Arc::strong_count(&handle) == before {
                tokio::task::yield_now().await;
            }
            let refused = server.ask(EVE, "GET", authors).await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        };
        tokio::select! {
            answer = server.ask(ANN, "GET", authors) => panic!("it is not on disk: {answer:?}"),
            () = has_turn => {}
        }
        let content = "/api/documents/notes/content";
        let views = (0..MANY).map(|_| server.ask(ANN, "GET", content));
        let mut views: FuturesUnordered<_> = views.collect();
        let first = views.next().await.unwrap();
        assert_eq!(first.status(), StatusCode::SERVICE_UNAVAILABLE);
        let refused = server.ask(EVE, "GET", content).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    };
    tokio::select! {
        _ = append => panic!("it is not on disk"),
        () = waits => {}
    }
    server.storage.hold(false);
}
