//! The link that the command itself keeps to a server: nothing is lost and nothing is there twice, whatever breaks.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use ropewalk::link::{Address, BadAddress, Created, Event, Link, Selection, client_id};
use ropewalk::name::DocumentName;
use ropewalk_crdt::{Document, Edit, ROOT, Unit};
use ropewalk_tests::{Client, Relay, Ropewalk, until, within};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

fn address(relay: &Relay) -> Address {
    Address::new(&format!("http://{}", relay.address), None).unwrap()
}

fn link(relay: &Relay, name: &str) -> Link {
    let name = DocumentName::new(name).unwrap();
    Link::new(address(relay), name, Document::new(client_id()))
}

fn text(link: &Link) -> String {
    link.document().text(ROOT).to_string()
}

fn insert(link: &mut Link, from: u64, insert: &str) {
    let version = link.document().version().clone();
    let edit = Edit {
        from,
        to: from,
        insert: insert.into(),
    };
    link.edit(&version, Unit::Char, &[edit]).unwrap();
}

/// Goes on until something is so.
async fn follow(link: &mut Link, what: &str, done: impl Fn(&Link) -> bool) -> Vec<Event> {
    let mut events = Vec::new();
    within(what, async {
        while !done(link) {
            events.push(link.next().await);
        }
    })
    .await;
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_go_both_ways_and_are_known_to_be_on_disk() {
    let mut server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    let ann = Client::join(&server, "a/ü 💚/%").await;
    let mut link = link(&relay, "a/ü 💚/%");
    insert(&mut link, 0, "made before: ä 💚 ");
    assert!(!link.is_saved());
    follow(&mut link, "saved", Link::is_saved).await;
    ann.until_text("made before: ä 💚 ").await;
    ann.append("👩‍👩‍👧 by Ann");
    let all = "made before: ä 💚 👩‍👩‍👧 by Ann";
    follow(&mut link, "Ann's edit", |link| text(link) == all).await;
    insert(&mut link, 13, "me: ");
    let events = follow(&mut link, "saved", Link::is_saved).await;
    assert_eq!(events.last(), Some(&Event::Saved));
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("a/ü 💚/%").await, text(&link));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_line_is_cut_and_the_server_killed() {
    let mut server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    let mut link = link(&relay, "cut");
    follow(&mut link, "synced", Link::is_synced).await;
    for round in 0..12 {
        for n in 0..20 {
            let end = link.document().text(ROOT).len_chars() as u64;
            insert(&mut link, end, &format!("<{round}.{n}>"));
            if n == 7 {
                // On their way, or not.
                let _ =
                    tokio::time::timeout(std::time::Duration::from_millis(round % 4), link.next())
                        .await;
            }
        }
        match round % 3 {
            0 => relay.cut(),
            1 => {
                server.kill().await;
                server.start_again().await;
                relay.lead(Some(server.address));
            }
            _ => {
                relay.lead(None);
                relay.cut();
                follow(&mut link, "offline", |link| !link.is_synced()).await;
                relay.lead(Some(server.address));
            }
        }
    }
    follow(&mut link, "saved", Link::is_saved).await;
    let all: String = (0..12)
        .flat_map(|round| (0..20).map(move |n| format!("<{round}.{n}>")))
        .collect();
    assert_eq!(text(&link), all);
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.text("cut").await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_line_takes_arrives_all_the_same() {
    let server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    let mut link = link(&relay, "much");
    follow(&mut link, "synced", Link::is_synced).await;
    // Nobody awaits the link meanwhile: 8 MB wait.
    let words = "0123456789abcdef".repeat(4096);
    for _ in 0..120 {
        insert(&mut link, 0, &words);
    }
    follow(&mut link, "saved", Link::is_saved).await;
    assert_eq!(server.text("much").await, text(&link));
    assert_eq!(text(&link).len(), 120 * words.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_comes_whole_over_a_line_that_is_slow() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "slow").await;
    // Two seconds for one frame, on this line.
    let words = "0123456789abcdef".repeat(5000);
    ann.append(&words);
    ann.all_saved().await;
    let relay = Relay::to(server.address).await;
    relay.be_slow();
    let patience = Duration::from_millis(600);
    let link = within("synced", async {
        loop {
            let mut link = link(&relay, "slow").with_patience(patience);
            if link.synced(patience).await.is_ok() {
                break link;
            }
        }
    })
    .await;
    assert_eq!(text(&link), words);
    // And where nothing comes nobody waits for ever.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let relay = Relay::to(silent.local_addr().unwrap()).await;
    let mut link = self::link(&relay, "silent");
    within("given up", link.synced(patience)).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_final_and_a_restart_is_not() {
    let mut server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    let mut link = link(&relay, "gone");
    insert(&mut link, 0, "short-lived");
    follow(&mut link, "saved", Link::is_saved).await;
    server.terminate().await;
    let events = follow(&mut link, "offline", |link| !link.is_synced()).await;
    assert!(
        matches!(events.last(), Some(Event::Offline(why)) if why.contains("1012")),
        "{events:?}"
    );
    server.start_again().await;
    relay.lead(Some(server.address));
    follow(&mut link, "synced", Link::is_synced).await;
    server
        .send(ropewalk_tests::Request::new(
            "DELETE",
            "/api/documents/gone",
        ))
        .await;
    let closed = within("closed", async {
        loop {
            if let Event::Closed(code, reason) = link.next().await {
                break (code, reason);
            }
        }
    })
    .await;
    assert_eq!(closed.0, 4404, "{closed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_names_and_selections_of_one_another() {
    let server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    let ann = Client::join(&server, "people").await;
    ann.append("💚 one two");
    let mut link = link(&relay, "people");
    link.introduce("Bob", "#217a3c");
    follow(&mut link, "the text", |link| text(link) == "💚 one two").await;
    link.select(Unit::Char, Some(Selection { anchor: 2, head: 9 }));
    let own = tokio::spawn(async move {
        follow(&mut link, "Ann", |link| {
            link.people(Unit::Char)
                .first()
                .is_some_and(|peer| peer.selection.is_some())
        })
        .await;
        let people = link.people(Unit::Char);
        (link, people)
    });
    let cursor = ann
        .until("Bob's cursor", |state, _| {
            let (_, bob) = state
                .people
                .values()
                .find(|(_, p)| p["user"]["name"] == "Bob")?;
            bob["cursor"].is_object().then(|| bob["cursor"].clone())
        })
        .await;
    // The unit behind the heart, which takes two; the other is at the end.
    assert_eq!(cursor["anchor"]["item"]["clock"], 3, "{cursor}");
    assert_eq!(cursor["head"]["item"], serde_json::Value::Null);
    assert_eq!(cursor["head"]["tname"], "text");
    let at = serde_json::json!({ "tname": "text", "item": { "client": ann.id, "clock": 7 } });
    let state =
        serde_json::json!({ "user": { "name": "Ann\n" }, "cursor": { "anchor": at, "head": at } });
    ann.announce(&state.to_string());
    let (link, people) = own.await.unwrap();
    assert_eq!(people[0].name, "Ann");
    assert_eq!(people[0].selection, Some(Selection { anchor: 6, head: 6 }));
    link.leave().await;
    ann.until("Bob has left", |state, _| {
        let bob = state
            .people
            .values()
            .find(|(_, p)| p["user"]["name"] == "Bob");
        bob.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_begun_once() {
    let server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    let (address, name) = (address(&relay), DocumentName::new("new/one").unwrap());
    address.is_alive().await.unwrap();
    let first = address.create(&name, "one\r\n💚".into()).await.unwrap();
    let second = address.create(&name, "two".into()).await.unwrap();
    assert_eq!((first, second), (Created::Now, Created::Before));
    assert_eq!(server.text("new/one").await, "one\r\n💚");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_wrongly_ends_the_connection_with_a_reason() {
    let frames: Vec<(Message, &str)> = vec![
        (Message::binary(vec![]), "malformed"),
        (Message::binary(vec![9, 9]), "malformed"),
        (Message::binary(vec![0, 2, 200, 200, 200, 1]), "malformed"),
        (Message::binary(vec![0, 1, 3, 1, 1, 1]), "malformed"),
        (Message::binary(vec![1, 3, 1, 1, 255]), "malformed"),
        (Message::binary(vec![255; 40]), "malformed"),
        (Message::text("{}"), "text frame"),
    ];
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let relay = Relay::to(listener.local_addr().unwrap()).await;
    let mut link = link(&relay, "hostile");
    insert(&mut link, 0, "mine");
    for (frame, why) in frames {
        let said = format!("{frame:?}");
        let speaking = async {
            let (socket, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(socket).await.unwrap();
            let _ = socket.send(frame).await;
            while let Some(Ok(_)) = socket.next().await {}
        };
        let hearing = async {
            loop {
                if let Event::Offline(reason) = link.next().await {
                    break reason;
                }
            }
        };
        let reason = within("it ends", async {
            tokio::select! {
                reason = hearing => reason,
                () = speaking => panic!("the link left without a word"),
            }
        })
        .await;
        assert!(reason.contains(why), "{said}: {reason}");
    }
    assert_eq!(text(&link), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_where_nobody_reads_it_and_nowhere_else() {
    let open = Address::new("http://write.example.org", Some("secret"));
    assert_eq!(
        open.err(),
        Some(BadAddress::Open("write.example.org".into()))
    );
    for url in [
        "write.example.org",
        "ftp://a",
        "http://",
        "https://a:b@c",
        "http://a?b",
    ] {
        assert!(Address::new(url, None).is_err(), "{url}");
    }
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    for (token, header) in [
        ("abc", "authorization: bearer abc"),
        ("team:word", "authorization: basic dgvhbtp3b3jk"),
    ] {
        let address = Address::new(&url, Some(token)).unwrap();
        assert!(!format!("{address:?}{address}").contains(token));
        let name = DocumentName::new("n").unwrap();
        let mut link = Link::new(address, name, Document::new(client_id()));
        let asking = tokio::spawn(async move { link.next().await });
        let (socket, _) = within("a connection", listener.accept()).await.unwrap();
        let request = until("the request", || async {
            let mut bytes = [0; 4096];
            socket.readable().await.unwrap();
            let read = socket.try_read(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes[..read]).to_lowercase())
        })
        .await;
        assert!(request.contains(header), "{request}");
        assert!(request.starts_with("get /yjs/n http"), "{request}");
        asking.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_while_the_line_is_cut_arrives() {
    let server = Ropewalk::start().await;
    let relay = Relay::to(server.address).await;
    let ann = Client::join(&server, "others").await;
    let mut link = link(&relay, "others");
    link.introduce("Bob", "#217a3c");
    follow(&mut link, "synced", Link::is_synced).await;
    for round in 0..60u64 {
        let wait = std::time::Duration::from_millis(round * 7 % 40);
        relay.cut();
        let _ = tokio::time::timeout(wait, async {
            loop {
                link.next().await;
            }
        })
        .await;
        ann.append(&format!("<{round}>"));
        if round % 3 == 0 {
            insert(&mut link, 0, "x");
        }
        let wanted = ann.text();
        follow(&mut link, "Ann's edit", |link| {
            text(link).trim_start_matches('x') == wanted.trim_start_matches('x')
        })
        .await;
    }
}
