//! A text that is followed as it changes.

use ropewalk_tests::{Client, Events, Request, Ropewalk};

async fn put(server: &Ropewalk, name: &str, text: &str) -> String {
    let request = Request::new("PUT", &format!("/api/documents/{name}")).body(text);
    let made = server.send(request).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["version"].as_str().unwrap().to_owned()
}

async fn append(server: &Ropewalk, name: &str, text: &str) {
    let target = format!("/api/documents/{name}/append");
    let made = server.send(Request::new("POST", &target).body(text)).await;
    assert_eq!(made.status, 200, "{}", made.text());
}

/// What a follower has.
#[derive(Default)]
struct Copy {
    version: Option<String>,
    text: String,
    resets: usize,
}

impl Copy {
    /// Takes an event in; offsets count characters.
    fn take(&mut self, event: &ropewalk_tests::events::Event, id: Option<&String>) {
        let said = |name: &str| event.data[name].as_str().map(str::to_owned);
        match event.name.as_str() {
            "reset" => {
                self.resets += 1;
                self.text = said("text").unwrap();
            }
            "change" => {
                assert_eq!(said("prev"), self.version);
                let chars: Vec<char> = self.text.chars().collect();
                let (mut text, mut last) = (String::new(), 0);
                for edit in event.data["edits"].as_array().unwrap() {
                    let number = |name: &str| edit[name].as_u64().unwrap() as usize;
                    text.extend(&chars[last..number("from")]);
                    text.push_str(edit["insert"].as_str().unwrap());
                    last = number("to");
                }
                text.extend(&chars[last..]);
                self.text = text;
            }
            other => panic!("{other}"),
        }
        self.version = said("version");
        assert_eq!(id, self.version.as_ref());
    }

    async fn until(&mut self, events: &mut Events, text: &str) {
        while self.text != text {
            let event = events.next().await.expect("more events");
            self.take(&event, events.last.as_ref());
        }
    }
}

const TARGET: &str = "/api/documents/a/changes?unit=char";

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_has_the_text_of_everybody_and_goes_on_where_it_broke_off() {
    let mut server = Ropewalk::start().await;
    let seen = put(&server, "a", "💚 one").await;
    let ann = Client::join(&server, "a").await;
    let (mut copy, mut other) = (Copy::default(), Copy::default());
    let mut events = Events::follow(&server, TARGET, None).await;
    copy.until(&mut events, "💚 one").await;
    assert_eq!(copy.version.as_ref(), Some(&seen));
    other.text = copy.text.clone();
    other.version = copy.version.clone();
    ann.insert(0, "é💛");
    ann.remove(6, 1);
    append(&server, "a", " two").await;
    copy.until(&mut events, "é💛💚 ne two").await;
    drop(events);
    append(&server, "a", "!").await;
    let last = copy.version.clone().unwrap();
    let mut events = Events::follow(&server, TARGET, Some(&last)).await;
    copy.until(&mut events, "é💛💚 ne two!").await;
    // Another begins with a version that it has read.
    let since = format!("{TARGET}&since={seen}");
    let mut others = Events::follow(&server, &since, None).await;
    other.until(&mut others, &copy.text).await;
    assert_eq!((copy.resets, other.resets), (1, 0));
    assert_eq!(copy.version, other.version);

    // The newest of the changes is known after a restart.
    drop(ann);
    server.kill().await;
    while events.next().await.is_some() {}
    server.start_again().await;
    append(&server, "a", "?").await;
    let last = copy.version.clone().unwrap();
    let mut events = Events::follow(&server, TARGET, Some(&last)).await;
    copy.until(&mut events, "é💛💚 ne two!?").await;
    assert_eq!(copy.resets, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_seen_what_is_not_known_begins_anew() {
    let server = Ropewalk::start().await;
    let seen = put(&server, "a", "x").await;
    let other = put(&server, "b", "x").await;
    for _ in 0..300 {
        append(&server, "a", "x").await;
    }
    for last in [&seen, &other, &"1-1-9.9".to_owned()] {
        let mut events = Events::follow(&server, TARGET, Some(last)).await;
        let event = events.next().await.unwrap();
        assert_eq!(event.name, "reset", "{last}");
        assert_eq!(event.data["text"], "x".repeat(301));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_is_on_disk() {
    let mut server = Ropewalk::start().await;
    put(&server, "a", "saved").await;
    let mut copy = Copy::default();
    let mut events = Events::follow(&server, TARGET, None).await;
    copy.until(&mut events, "saved").await;
    let ann = Client::join(&server, "a").await;
    server.limit_files(Some(0));
    ann.append(" not saved");
    let ended = events.next().await;
    assert!(ended.is_none(), "{ended:?}");
    server.kill().await;
    server.start_again().await;
    let last = copy.version.clone().unwrap();
    let mut events = Events::follow(&server, TARGET, Some(&last)).await;
    append(&server, "a", "!").await;
    copy.until(&mut events, "saved!").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_follower_gets_fewer_and_larger_events() {
    let server = Ropewalk::start().await;
    let seen = put(&server, "a", "").await;
    let mut events = Events::follow(&server, &format!("{TARGET}&since={seen}"), None).await;
    let large = "x".repeat(100_000);
    // More than the socket takes while nobody reads.
    for _ in 0..100 {
        append(&server, "a", &large).await;
    }
    let mut copy = Copy {
        version: Some(seen),
        ..Copy::default()
    };
    let mut count = 0;
    while copy.text.len() < 100 * large.len() {
        let event = events.next().await.unwrap();
        copy.take(&event, events.last.as_ref());
        count += 1;
    }
    assert!(count < 100, "{count}");
    assert_eq!(copy.text, server.text("a").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn following_ends_with_the_document_and_with_the_server() {
    let mut server = Ropewalk::start().await;
    put(&server, "a", "x").await;
    put(&server, "b", "x").await;
    let mut ends = Vec::new();
    for target in ["/api/documents/a/changes", "/api/documents/b/changes"] {
        let mut events = Events::follow(&server, target, None).await;
        assert_eq!(events.next().await.unwrap().name, "reset");
        ends.push(events);
    }
    server.until_metric("ropewalk_connections", 2.0).await;
    server
        .send(Request::new("DELETE", "/api/documents/a"))
        .await;
    assert_eq!(ends[0].next().await.unwrap().name, "deleted");
    assert!(ends[0].next().await.is_none());
    server.until_metric("ropewalk_connections", 1.0).await;
    for (name, query, code) in [
        ("a", "", "deleted"),
        ("nobody", "", "not_found"),
        ("b", "?since=x", "bad_query"),
        ("b", "?unit=words", "bad_query"),
        ("b", "?sinse=x", "bad_query"),
    ] {
        let refused = server
            .get(&format!("/api/documents/{name}/changes{query}"))
            .await;
        assert_eq!(refused.code(), code);
    }
    assert_eq!(server.terminate().await, Some(0));
    assert!(ends[1].next().await.is_none());
}
