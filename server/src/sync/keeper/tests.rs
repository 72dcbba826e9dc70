#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::*;
use crate::link::Address;
use crate::sync::folder::Folder;
use crate::sync::records::{Record, Records};

const FILE: &str = "a";

fn keeper(folder: &TempDir) -> Keeper {
    let opened = Folder::open(folder.path()).unwrap().unwrap();
    let records = Records::open(folder.path(), "here").unwrap();
    // Nobody is there.
    let address = Address::new("http://127.0.0.1:9", None).unwrap();
    let shared = Arc::new(Shared::new(opened, records, address, false));
    let prefix = String::new();
    Keeper::new(Names { prefix }, shared, false)
}

impl Keeper {
    /// Waits until a pair has ended.
    async fn one_has_ended(&mut self) {
        let (path, stamp, end) = self.tasks.join_next().await.unwrap().unwrap();
        self.ended(path, stamp, end);
    }

    fn begins(&mut self, path: &str) -> bool {
        let before = self.tasks.len();
        self.begin(path);
        self.tasks.len() > before
    }
}

#[tokio::test]
async fn a_file_is_left_out_as_long_as_it_is_as_it_was_read() {
    let folder = TempDir::new().unwrap();
    let mut keeper = keeper(&folder);
    std::fs::write(folder.path().join(FILE), b"\0").unwrap();
    assert!(keeper.begins(FILE));
    keeper.one_has_ended().await;
    assert!(!keeper.begins(FILE));
    std::fs::write(folder.path().join(FILE), b"\0\0").unwrap();
    assert!(keeper.begins(FILE));
    let ended = keeper.tasks.join_next().await.unwrap().unwrap();
    // It is a text by the time that the end of it is heard of.
    std::fs::write(folder.path().join(FILE), "text").unwrap();
    keeper.ended(ended.0, ended.1, ended.2);
    assert!(keeper.begins(FILE));
}

#[tokio::test]
async fn a_file_that_something_else_was_in_the_way_of_is_begun_again() {
    let folder = TempDir::new().unwrap();
    let mut keeper = keeper(&folder);
    std::fs::write(folder.path().join(FILE), "text").unwrap();
    let full = || Problem::Unfit(Unfit::System(std::io::ErrorKind::StorageFull.into()));
    let busy = || Problem::Unreachable(Unreachable::Refused(429, String::new()));
    for problem in [full(), busy()] {
        keeper.start(FILE.to_owned(), async { Err(problem) });
        keeper.one_has_ended().await;
        assert!(keeper.begins(FILE));
        keeper.tasks.abort_all();
        while keeper.tasks.join_next().await.is_some() {}
        keeper.shared.state().files.clear();
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_the_server_refuses_is_tried_again_in_growing_pauses() {
    let folder = TempDir::new().unwrap();
    let mut keeper = keeper(&folder);
    std::fs::write(folder.path().join(FILE), "text").unwrap();
    let mut pauses = Vec::new();
    for round in 0..8 {
        let refused = match round % 2 {
            0 => Problem::Refused(4403, String::new()),
            _ => Problem::Unreachable(Unreachable::Refused(401, String::new())),
        };
        keeper.ended(FILE.to_owned(), None, Err(refused));
        let mut seconds = 0;
        while !keeper.begins(FILE) {
            tokio::time::advance(Duration::from_secs(1)).await;
            seconds += 1;
        }
        pauses.push(seconds);
        keeper.tasks.abort_all();
        while keeper.tasks.join_next().await.is_some() {}
        keeper.shared.state().files.clear();
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
    keeper.ended(FILE.to_owned(), None, Ok(End::Idle));
    assert!(keeper.begins(FILE), "it is refused no more");
}

#[tokio::test]
async fn a_file_whose_pair_panics_is_begun_again() {
    let folder = TempDir::new().unwrap();
    let mut keeper = keeper(&folder);
    std::fs::write(folder.path().join(FILE), "text").unwrap();
    let seen = Seen::default();
    keeper.shared.state().files.insert(FILE.to_owned(), seen);
    assert!(!keeper.begins(FILE), "it is looked after");
    keeper.start(FILE.to_owned(), async { panic!("as the test wants it") });
    keeper.one_has_ended().await;
    assert!(keeper.begins(FILE));
}

#[tokio::test]
async fn a_list_from_before_a_deletion_begins_nothing_again() {
    let folder = TempDir::new().unwrap();
    let mut keeper = keeper(&folder);
    let list = [Entry {
        name: FILE.to_owned(),
        length: 1,
    }];
    let gone = Record {
        gone: Some(Vec::new()),
        ..Record::default()
    };
    drop(keeper.ask(Duration::ZERO));
    // The pair hears of the deletion, and its end is not heard of yet.
    let seen = Seen::default();
    keeper.shared.state().files.insert(FILE.to_owned(), seen);
    keeper.shared.records.put(FILE, &gone).unwrap();
    keeper.listed(&list);
    assert_eq!(keeper.shared.records.is_gone(FILE).unwrap(), Some(true));
    keeper.ended(FILE.to_owned(), None, Ok(End::Idle));
    keeper.listed(&list);
    assert_eq!(keeper.shared.records.is_gone(FILE).unwrap(), Some(true));
    // It was begun again, or came back.
    drop(keeper.ask(Duration::ZERO));
    keeper.listed(&list);
    assert_eq!(keeper.shared.records.is_gone(FILE).unwrap(), Some(false));
    assert!(!keeper.tasks.is_empty());
}

#[tokio::test]
async fn files_that_are_gone_take_no_room_from_others() {
    let folder = TempDir::new().unwrap();
    let mut keeper = keeper(&folder);
    std::fs::write(folder.path().join(FILE), "text").unwrap();
    for is_idle in [false, true] {
        let seen = || Seen {
            is_idle,
            ..Seen::default()
        };
        let files = (0..MAX_FILES).map(|number| (format!("file {number}"), seen()));
        keeper.shared.state().files = files.collect();
        assert_eq!(keeper.begins(FILE), is_idle);
        assert!(keeper.shared.state().has_failed, "one was left out");
    }
    let removed = Record {
        removed: true,
        ..Record::default()
    };
    keeper.shared.records.put("removed", &removed).unwrap();
    keeper.begin_recorded();
    assert!(!keeper.shared.state().files.contains_key("removed"));
}
