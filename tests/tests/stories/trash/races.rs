//! Who decides about a document in the trash at the same moment, and servers that are killed meanwhile.

use std::time::Duration;

use ropewalk_tests::{Client, Request, Ropewalk, until};
use serde_json::{Value, json};

use super::{NAME, count, delete, restore, trash};
use crate::maintain::{create, names};

#[tokio::test(flavor = "multi_thread")]
async fn of_who_restores_and_who_erases_one_wins() {
    let mut server = Ropewalk::start().await;
    let (mut restored, mut erased) = (0, 0);
    for round in 0.. {
        if round >= 12 && restored > 0 && erased > 0 {
            break;
        }
        assert!(round < 64, "{restored} {erased}");
        let name = format!("{NAME}{round}");
        create(&server, &name, "words").await;
        delete(&server, &name).await;
        let id = trash(&server).await[0]["id"].clone();
        let restore = Request::new("POST", &format!("/api/trash/{id}/restore"))
            .header("content-type", "application/json")
            .body("{}");
        let erase = Request::new("DELETE", &format!("/api/trash/{id}"));
        // Each has a start over the other, more and more: none at first, in the end seconds.
        let start = Duration::from_micros(50) * ((1 << (round / 4)) - 1);
        let wait = |waits: bool| tokio::time::sleep(if waits { start } else { Duration::ZERO });
        let (one, other) = tokio::join!(
            async {
                wait(round % 2 == 0).await;
                server.send(restore).await.status
            },
            async {
                wait(round % 2 == 1).await;
                server.send(erase).await.status
            }
        );
        assert_eq!(trash(&server).await, [Value::Null; 0]);
        match (one, other) {
            (200, 404) => {
                restored += 1;
                assert_eq!(server.text(&name).await, "words");
            }
            (404, 204) => {
                erased += 1;
                let gone = server.get(&format!("/api/documents/{name}")).await;
                assert_eq!((gone.status, gone.code()), (410, "deleted".to_owned()));
            }
            both => panic!("{both:?}"),
        }
    }
    // Nothing is left of those that are gone, and all of those that are not.
    until("what is erased is gone", || async {
        (count(&server, "erasing") == 0).then_some(())
    })
    .await;
    server.kill().await;
    server.start_again().await;
    let names = names(&server).await;
    assert_eq!(names.len(), restored);
    for name in names {
        assert_eq!(server.text(&name).await, "words");
    }
    assert_eq!(count(&server, "log"), i64::try_from(restored).unwrap());
}

/// When the server is killed: after it was too early much later, so that what was asked is answered, then earlier bit by bit, until both have
/// happened often enough.
struct Aim {
    rounds: usize,
    wait: Duration,
    early: usize,
    late: usize,
}

impl Aim {
    fn new() -> Self {
        Self {
            rounds: 0,
            wait: Duration::from_micros(400),
            early: 0,
            late: 0,
        }
    }

    fn goes_on(&mut self) -> bool {
        let goes_on = self.rounds < 12 || self.early == 0 || self.late == 0;
        assert!(!goes_on || self.rounds < 40, "{} {}", self.early, self.late);
        self.rounds += 1;
        goes_on
    }

    fn was(&mut self, late: bool) {
        if late {
            self.late += 1;
            self.wait = self.wait * 2 / 3;
        } else {
            self.early += 1;
            self.wait = self.wait * 3 + Duration::from_micros(50);
        }
    }
}

/// The server is killed while a document comes back under another name: it is in the trash or there, and whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_what_comes_back_elsewhere_in_one_place() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "0").await;
    ann.insert(0, &"words ".repeat(1000));
    ann.all_saved().await;
    let doc = ann.leave().await;
    let mut here = "0".to_owned();
    let mut aim = Aim::new();
    while aim.goes_on() {
        delete(&server, &here).await;
        let there = aim.rounds.to_string();
        let id = trash(&server).await[0]["id"].clone();
        let restore = Request::new("POST", &format!("/api/trash/{id}/restore"))
            .header("content-type", "application/json")
            .body(json!({ "name": there }).to_string());
        let address = server.address;
        let asking = tokio::spawn(async move { restore.try_send(address).await });
        tokio::time::sleep(aim.wait).await;
        server.kill().await;
        let answer = asking.await.unwrap();
        server.start_again().await;
        let (is_there, trashed) = (names(&server).await, trash(&server).await);
        aim.was(!is_there.is_empty());
        if is_there.is_empty() {
            assert!(answer.is_err(), "it was promised");
            assert_eq!((trashed.len(), &trashed[0]["name"]), (1, &json!(here)));
            let (status, body) = self::restore(&server, &trashed[0], json!({})).await;
            assert_eq!((status, body), (200, json!({ "name": here })));
        } else {
            assert_eq!((&is_there, trashed.len()), (&vec![there.clone()], 0));
            let target = format!("/api/documents/{here}");
            assert_eq!(server.get(&target).await.status, 410, "a mark is there");
            here = there;
        }
        assert_eq!(server.text(&here).await.len(), 6000);
    }
    let ann = Client::open(&server, &here, doc).await;
    ann.append("more");
    ann.all_saved().await;
    assert_eq!(server.text(&here).await.len(), 6004);
}

/// The server is killed while a document goes into the trash or comes back: it is in one of the two places, and whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_it_here_or_there() {
    let mut server = Ropewalk::start().await;
    let text = "words ".repeat(1000);
    create(&server, NAME, &text).await;
    let mut aim = Aim::new();
    while aim.goes_on() {
        let trashed = trash(&server).await;
        let request = match trashed.first() {
            None => Request::new("DELETE", &format!("/api/documents/{NAME}")),
            Some(trashed) => Request::new("POST", &format!("/api/trash/{}/restore", trashed["id"]))
                .header("content-type", "application/json")
                .body("{}"),
        };
        let address = server.address;
        let asking = tokio::spawn(async move { request.try_send(address).await });
        tokio::time::sleep(aim.wait).await;
        server.kill().await;
        let answered = asking
            .await
            .unwrap()
            .is_ok_and(|answer| answer.status < 300);
        server.start_again().await;
        let (is_there, now) = (names(&server).await == [NAME], trash(&server).await);
        assert_ne!(is_there, now.len() == 1, "{now:?}");
        aim.was(is_there != trashed.is_empty());
        if answered {
            assert_eq!(is_there, !trashed.is_empty(), "it was promised");
        }
        if is_there {
            assert_eq!(server.text(NAME).await, text);
        } else {
            assert_eq!((now.len(), &now[0]["length"]), (1, &json!(6000)));
        }
    }
}
