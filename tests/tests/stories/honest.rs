//! Two people who go on writing while somebody else misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use ropewalk_tests::client::text_of;
use ropewalk_tests::{Client, Ropewalk, until, within};

/// Two people who type and must see each other's words all the time.
pub struct HonestPair {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<(Client, Client, String)>,
}

impl HonestPair {
    /// Begins to type. Their client ids are 5 and 6, which the hostile frames name.
    pub async fn start(server: &Ropewalk, name: &str) -> Self {
        let ann = Client::join_as(server, name, 5).await;
        let bob = Client::join_as(server, name, 6).await;
        // As Yjs clients do when they connect: the client ids are theirs from here on.
        ann.announce(r#"{"user":{"name":"ann"}}"#);
        bob.announce(r#"{"user":{"name":"bob"}}"#);
        let (stop, rounds) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (stopped, counted) = (stop.clone(), rounds.clone());
        let task = tokio::spawn(async move {
            let mut expected = String::new();
            while !stopped.load(SeqCst) {
                let began = Instant::now();
                let (from, to) = if counted.load(SeqCst) % 2 == 0 {
                    (&ann, &bob)
                } else {
                    (&bob, &ann)
                };
                let word = format!("w{} ", counted.load(SeqCst));
                from.append(&word);
                expected.push_str(&word);
                to.until("the other's word", |_, doc| {
                    (honest(&text_of(doc)) == expected).then_some(())
                })
                .await;
                from.all_saved().await;
                assert!(
                    began.elapsed().as_secs() < 20,
                    "a word took {:?}",
                    began.elapsed()
                );
                counted.fetch_add(1, SeqCst);
            }
            (ann, bob, expected)
        });
        let pair = Self { stop, rounds, task };
        pair.types_on().await;
        pair
    }

    /// Waits until they have typed more, each at least once.
    pub async fn types_on(&self) {
        let before = self.rounds.load(SeqCst);
        until("the honest pair types on", || async {
            (self.rounds.load(SeqCst) >= before + 3 || self.task.is_finished()).then_some(())
        })
        .await;
        assert!(!self.task.is_finished(), "an honest person could not go on");
    }

    /// Ends, and compares what everyone has: the two, the server, and whoever comes next.
    pub async fn ends_whole(self, server: &mut Ropewalk, name: &str) {
        self.types_on().await;
        self.stop.store(true, SeqCst);
        let (ann, bob, expected) = within("the honest pair ends", self.task).await.unwrap();
        assert_eq!(ann.ended(), None);
        assert_eq!(bob.ended(), None);
        let text = Client::join(server, name).await.text();
        assert_eq!(honest(&text), expected);
        ann.until_text(&text).await;
        bob.until_text(&text).await;
        assert_eq!(server.text(name).await, text);
        server.kill().await;
        server.start_again().await;
        assert_eq!(
            Client::join(server, name).await.text(),
            text,
            "after a restart"
        );
        assert_eq!(server.text(name).await, text, "after a restart");
    }
}

/// What the pair wrote. A stranger may write too, and then only writes `x`; the pair never does.
pub fn honest(text: &str) -> String {
    text.replace('x', "")
}
