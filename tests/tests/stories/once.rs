//! An edit by position is made once, whatever is killed: the server forgets what was not on disk, and a Yjs editor, which
//! forgets nothing, must not have seen it then.
//!
//! `ROPEWALK_KILLS` kills the server more often, `ROPEWALK_KILLS_SEED` at the moments of another run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::{Client, Request, Ropewalk, Thin, until};

use crate::crash::{random, setting};
use crate::maintain::well;

const DOCUMENTS: usize = 4;
const KILLS: u64 = 30;
/// Acknowledged edits of a round before the server is killed, at most.
const ACKNOWLEDGED: u64 = 60;

/// What a document is edited with, and the edits that were begun.
struct Desk {
    name: String,
    thin: Thin,
    begun: Vec<String>,
    /// What a script sends again until it is answered.
    unanswered: Option<String>,
}

impl Desk {
    /// Edits until the line breaks.
    async fn work(
        mut self,
        server: std::net::SocketAddr,
        round: u64,
        acked: Arc<AtomicUsize>,
    ) -> Self {
        for number in 0.. {
            let typed = format!("<thin {round}.{number}>");
            let at = self.thin.text().chars().count() as u64;
            self.begun.push(typed.clone());
            self.thin.edit(vec![(at, at, typed)]).await;
            let sent = format!("<script {round}.{number}>");
            self.begun.push(sent.clone());
            self.unanswered = Some(sent);
            self.append(server).await;
            while self.thin.pending.is_some() {
                if self.thin.step().await.is_err() {
                    return self;
                }
            }
            acked.fetch_add(1, SeqCst);
            if self.unanswered.is_some() {
                break;
            }
        }
        self
    }

    /// Sends what is not answered.
    async fn append(&mut self, server: std::net::SocketAddr) {
        let Some(text) = &self.unanswered else {
            return;
        };
        let path = format!("/api/documents/{}/append", self.name);
        let request = Request::new("POST", &path)
            .header("Content-Type", "text/plain")
            .header("Idempotency-Key", text.trim_matches(['<', '>']))
            .body(text.as_str());
        if let Ok(answer) = request.try_send(server).await {
            assert_eq!(answer.status, 200, "{answer:?}");
            self.unanswered = None;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_sent_again_after_a_kill_is_made_once() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut seed = setting("ROPEWALK_KILLS_SEED", now);
    println!("ROPEWALK_KILLS_SEED={seed}");
    let mut server = Ropewalk::start().await;
    let (mut desks, mut replicas) = (Vec::new(), Vec::new());
    for number in 0..DOCUMENTS {
        let name = format!("once/{number}");
        let thin = Thin::join(&server, &name, "thin", "char").await;
        replicas.push(Client::join(&server, &name).await);
        desks.push(Desk {
            name,
            thin,
            begun: Vec::new(),
            unanswered: None,
        });
    }
    for round in 0..setting("ROPEWALK_KILLS", KILLS) {
        let acked = Arc::new(AtomicUsize::new(0));
        let work = desks
            .into_iter()
            .map(|desk| tokio::spawn(desk.work(server.address, round, acked.clone())));
        let work: Vec<_> = work.collect();
        let due = (1 + random(&mut seed) % ACKNOWLEDGED) as usize;
        until("enough edits are acknowledged", || async {
            (acked.load(SeqCst) >= due).then_some(())
        })
        .await;
        server.kill().await;
        desks = Vec::new();
        for work in work {
            desks.push(work.await.unwrap());
        }
        server.start_again().await;
        let seen = std::mem::take(&mut replicas);
        for (desk, replica) in desks.iter_mut().zip(seen) {
            // Who has a replica is first.
            replica.closed().await;
            let replica = Client::join_with(&server, &desk.name, replica.leave().await).await;
            replica.all_saved().await;
            replicas.push(replica);
            desk.thin.connect(&server).await;
            desk.thin.acknowledged().await;
            desk.append(server.address).await;
            // All rounds would be too much text for so many kills.
            let text = server.text(&desk.name).await;
            for edit in desk.begun.drain(..) {
                assert_eq!(text.matches(&edit).count(), 1, "{edit} in round {round}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_from_before_the_first_account_is_made_once_when_it_is_sent_again_after_it() {
    let server = Ropewalk::start().await;
    let append = |key: &str, text: &str| {
        let target = "/api/documents/notes/append";
        let request = Request::new("POST", target).header("idempotency-key", key);
        request.body(text.to_owned())
    };
    let first = server.send(append("greeting", "hello")).await;
    assert_eq!(first.status, 200);
    let data = server.data();
    let invited = well(data.path(), &["user", "add", "ada", "--admin"]).await;
    let (_, secret) = invited.trim_end().split_once('#').unwrap();
    let mut ada = Browser::of(&server);
    ada.accept(secret, "ada").await;
    assert_eq!(server.send(append("greeting", "hello")).await.status, 401);
    let (_, token) = ada.make_token("edit", "*").await;
    let mut script = Browser::script(&server, &token);
    let again = script.send(append("greeting", "hello")).await;
    assert_eq!((again.status, again.text()), (200, first.text()));
    assert_eq!(script.text("notes").await, "hello");
    // Another edit that has the same key by chance is no repetition of what somebody else did.
    assert_eq!(script.send(append("greeting", ", all")).await.status, 200);
    assert_eq!(script.send(append("greeting", ", all")).await.status, 200);
    assert_eq!(script.text("notes").await, "hello, all");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_flood_of_somebody_makes_the_server_forget_what_another_was_told() {
    let (mut server, mut ada) = team(&[]).await;
    ada.create("notes", "").await;
    let mut bob = ada.invite(&server, "bob").await;
    ada.share("notes", "bob", "edit").await;
    let mut script = Browser::script(&server, &ada.make_token("edit", "*").await.1);
    let flooder = Browser::script(&server, &bob.make_token("edit", "*").await.1);
    let append = || {
        let request = Request::new("POST", "/api/documents/notes/append");
        request.header("idempotency-key", "greeting").body("hello")
    };
    let first = script.send(append()).await;
    assert_eq!(first.status, 200, "{}", first.text());
    // More than are kept, and none of them changes anything.
    let flood = (0..16).map(|way| {
        let (flooder, address) = (flooder.clone(), server.address);
        tokio::spawn(async move {
            for number in 0..260 {
                let request = Request::new("PATCH", "/api/documents/notes/text");
                let request = request.header("idempotency-key", &format!("{way}.{number}"));
                let request = flooder.dress(request.body(r#"{"edits": []}"#));
                assert_eq!(request.send(address).await.status, 200);
            }
        })
    });
    for way in flood.collect::<Vec<_>>() {
        way.await.unwrap();
    }
    for _ in 0..2 {
        let again = script.send(append()).await;
        assert_eq!((again.status, again.text()), (200, first.text()));
        assert_eq!(script.text("notes").await, "hello");
        server.kill().await;
        server.start_again().await;
        script = script.at(&server);
    }
}
