//! Who wrote what, and when, stays known.

use ropewalk::storage::sqlite::Sqlite;
use ropewalk::storage::{Lookup, Record, Storage};
use ropewalk_tests::{Client, Ropewalk};

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_says_who_and_when_also_when_snapshots_have_taken_its_place() {
    let began = now_ms();
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "signed").await;
    let bob = Client::join(&server, "signed").await;
    ann.announce(r#"{"user": {"name": "Ann"}}"#);
    bob.announce(r#"{"user": {"name": "Bob"}}"#);
    ann.until_people(&["Ann", "Bob"]).await;
    let (mut rounds, mut bobs) = (0, 0);
    while server.metric("ropewalk_compactions_total").await < 2.0 {
        assert!(rounds < 100, "two compactions");
        for _ in 0..500 {
            ann.append("a");
            if rounds % 2 == 0 {
                bob.append("b");
                bobs += 1;
            }
        }
        ann.all_saved().await;
        bob.all_saved().await;
        rounds += 1;
    }
    ann.append("tail");
    ann.all_saved().await;
    let text = server.text("signed").await;
    server.terminate().await;

    let storage = Sqlite::open(server.data().path()).unwrap();
    let name = ropewalk::name::DocumentName::new("signed").unwrap();
    let Lookup::Found(stored) = storage.load(&name).unwrap() else {
        panic!("gone");
    };
    let mut document = ropewalk_crdt::Document::new(1);
    let (mut next, mut by_bob) = (1, 0);
    let mut each = |sequence, record: Record| {
        assert_eq!(sequence, next);
        next += 1;
        assert!((began..=now_ms()).contains(&record.at_ms));
        assert!(record.author.client.is_some());
        match record.author.name.as_str() {
            "Ann" => {}
            "Bob" => by_bob += 1,
            other => panic!("{other:?}"),
        }
        document.apply(&record.update).unwrap();
    };
    storage.history(stored.id, &mut each).unwrap();
    assert_eq!(next - 1, stored.sequence);
    assert_eq!(by_bob, bobs);
    assert_eq!(document.text("text").to_string(), text);
    let log = stored.updates.len() as u64;
    assert!(log < stored.sequence, "most of it is in the history");
}
