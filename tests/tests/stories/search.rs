//! What is written in documents is found, by those who may read it.

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Client, Request, Ropewalk, until};
use serde_json::{Value, json};
use yrs::{Text, WriteTxn, Xml, XmlElementPrelim, XmlFragment, XmlTextPrelim};

use crate::content::made;
use crate::maintain::{create, path, well};

fn target(q: &str) -> String {
    let q: String = q.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("/api/search?q={q}")
}

fn names(found: &Value) -> Vec<String> {
    let documents = found["documents"].as_array().unwrap().iter();
    let names = documents.map(|document| document["name"].as_str().unwrap().to_owned());
    names.collect()
}

async fn found(server: &Ropewalk, q: &str) -> Vec<String> {
    let response = server.get(&target(q)).await;
    assert_eq!(response.status, 200, "{q}: {}", response.text());
    let mut names = names(&response.json());
    names.sort();
    names
}

async fn until_found(server: &Ropewalk, q: &str, names: &[&str]) {
    until(&format!("{q:?} is in {names:?}"), || async {
        (found(server, q).await == names).then_some(())
    })
    .await;
}

async fn until_complete(server: &Ropewalk) {
    until("all is indexed", || async {
        let found = server.get(&target("zzz")).await;
        (found.json()["is_complete"] == true).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_where_they_stand_and_as_they_change() {
    let mut server = Ropewalk::start().await;
    create(
        &server,
        "ropes/hemp",
        "Der Seiler dreht ein Tau aus nassem Hanf. <b>Ärger</b>",
    )
    .await;
    create(&server, "ropes/日本", "日本語のテキスト, と NOT").await;
    create(&server, "other", "nasses Gras").await;
    until_found(&server, "hanf", &["ropes/hemp"]).await;
    until_found(&server, "gras", &["other"]).await;
    until_found(&server, "not", &["ropes/日本"]).await;
    until_complete(&server).await;
    for (q, names) in [
        ("HANF seiler", &["ropes/hemp"][..]),
        ("nass", &["other", "ropes/hemp"]),
        ("nass ", &[]),
        ("arger", &["ropes/hemp"]),
        ("\"nassem hanf\"", &["ropes/hemp"]),
        ("\"hanf nassem\"", &[]),
        ("hanf gras", &[]),
        ("本語", &["ropes/日本"]),
        ("テ", &["ropes/日本"]),
        ("本日", &[]),
        ("hanf OR gras", &[]),
        ("text:hanf", &[]),
        ("NEAR(hanf", &[]),
        ("-hanf", &["ropes/hemp"]),
        ("hanf*", &["ropes/hemp"]),
        ("'; DROP TABLE texts; --\"hanf", &[]),
    ] {
        assert_eq!(found(&server, q).await, names, "{q}");
    }
    let answer = server.get(&target("aus \"nassem hanf\"")).await.json();
    let snippet = json!([[
        { "text": "Der Seiler dreht ein Tau " },
        { "text": "aus", "hit": true },
        { "text": " " },
        { "text": "nassem Hanf", "hit": true },
        { "text": ". <b>Ärger</b>" },
    ]]);
    assert_eq!(answer["documents"][0]["snippets"], snippet);
    assert_eq!(
        (&answer["next"], &answer["is_complete"]),
        (&Value::Null, &json!(true))
    );
    for folder in ["ropes", "other", "rope"] {
        let answer = server
            .get(&format!("{}&folder={folder}", target("nass")))
            .await;
        let expected: &[&str] = if folder == "ropes" {
            &["ropes/hemp"]
        } else {
            &[]
        };
        assert_eq!(names(&answer.json()), expected, "{folder}");
    }
    for wrong in [
        "/api/search".to_owned(),
        target(""),
        target("\"-\" * "),
        target(&"a".repeat(257)),
        target(&"a ".repeat(17)),
        target("a") + "&limit=51",
        target("a") + "&limit=0",
        target("a") + "&cursor=200",
        target("a") + "&cursor=x",
        target("a") + "&folder=../a",
        target("a") + "&from=b",
    ] {
        let refused = server.get(&wrong).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "bad_query".to_owned()),
            "{wrong}"
        );
    }

    let ann = Client::join(&server, "other").await;
    ann.remove(0, 6);
    ann.insert(0, "trockenes");
    ann.all_saved().await;
    until_found(&server, "trockenes", &["other"]).await;
    assert_eq!(found(&server, "nasses").await, [""; 0]);
    // What was written just before the server was killed is found when it is back.
    ann.append(" und Heu");
    ann.all_saved().await;
    server.kill().await;
    server.start_again().await;
    until_found(&server, "heu", &["other"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_within_xml_and_of_every_root_are_found() {
    let server = Ropewalk::start().await;
    let _ann = made(&server, "tiptap", |txn| {
        let page = txn.get_or_insert_xml_fragment("default");
        let paragraph = page.push_back(txn, XmlElementPrelim::empty("paragraph"));
        let text = paragraph.push_back(txn, XmlTextPrelim::new("strands"));
        text.insert(txn, 7, " twisted");
        let list = page.push_back(txn, XmlElementPrelim::empty("list"));
        let item = list.push_back(txn, XmlElementPrelim::empty("item"));
        item.insert_attribute(txn, "lang", "attribute");
        item.push_back(txn, XmlTextPrelim::new("deep below"));
        txn.get_or_insert_text("second")
            .insert(txn, 0, "another root");
    })
    .await;
    for words in ["\"strands twisted\"", "deep", "another"] {
        until_found(&server, words, &["tiptap"]).await;
    }
    // Elements do not run into each other.
    assert_eq!(found(&server, "twisteddeep").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_what_they_may_not_read() {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let reader = ada.invite(&server, "reader").await;
    let stranger = ada.invite(&server, "stranger").await;
    for number in 0..7 {
        let text = format!("hemp {}", "x ".repeat(number));
        owner.create(&format!("team/{number}"), &text).await;
    }
    owner.create("diary", "hemp hemp hemp hemp").await;
    for number in [1, 3, 5] {
        owner
            .share(&format!("team/{number}"), "reader", "read")
            .await;
    }
    let (_, link) = owner.make_link("team/6", "read").await;
    let (_, token) = owner.make_token("read", "team/*").await;
    let ask = |mut browser: Browser, rest: &'static str| async move {
        browser
            .done("GET", &(target("hemp") + rest), Value::Null)
            .await
    };
    until("all is indexed", || async {
        (names(&ask(owner.clone(), "").await).len() == 8).then_some(())
    })
    .await;
    let sorted = |found: &Value| {
        let mut names = names(found);
        names.sort();
        names
    };
    let expected = ["team/1", "team/3", "team/5"];
    let all = ask(reader.clone(), "").await;
    assert_eq!(
        (sorted(&all), &all["next"]),
        (expected.map(String::from).to_vec(), &Value::Null)
    );
    assert_eq!(all["documents"][0]["access"], "read");
    assert_eq!(ask(stranger.clone(), "").await["documents"], json!([]));
    let guest = Browser::script(&server, &link);
    assert_eq!(sorted(&ask(guest, "").await), ["team/6"]);
    let script = Browser::script(&server, &token);
    assert_eq!(sorted(&ask(script, "").await).len(), 7, "not the diary");
    // How often it is there says nothing: what is edited last comes first.
    let newest_first = ["diary", "team/6", "team/5", "team/4"];
    assert_eq!(names(&ask(ada.clone(), "").await)[..4], newest_first);
    assert_eq!(names(&all), ["team/5", "team/3", "team/1"]);
    // Pages count what one may read and nothing else.
    let first = ask(reader.clone(), "&limit=2").await;
    assert_eq!((names(&first).len(), &first["next"]), (2, &json!("2")));
    let second = ask(reader.clone(), "&limit=2&cursor=2").await;
    assert_eq!((names(&second).len(), &second["next"]), (1, &Value::Null));
    let mut paged = [names(&first), names(&second)].concat();
    paged.sort();
    assert_eq!(paged, expected);
    assert_eq!(
        ask(reader.clone(), "&limit=1&cursor=3").await["documents"],
        json!([])
    );

    owner.share("team/3", "reader", "none").await;
    assert_eq!(sorted(&ask(reader.clone(), "").await), ["team/1", "team/5"]);
    // In the trash it is found by nobody, and when it is back at once again.
    owner
        .done("DELETE", "/api/documents/team/5", Value::Null)
        .await;
    assert_eq!(sorted(&ask(reader.clone(), "").await), ["team/1"]);
    let trash = owner.done("GET", "/api/trash", Value::Null).await;
    let restore = format!("/api/trash/{}/restore", trash["documents"][0]["id"]);
    owner
        .done("POST", &restore, json!({ "name": "five" }))
        .await;
    owner.share("five", "reader", "read").await;
    assert_eq!(sorted(&ask(reader.clone(), "").await), ["five", "team/1"]);
    let nobody = Browser::of(&server)
        .fail("GET", &target("hemp"), Value::Null)
        .await;
    assert_eq!(nobody, (401, "sign_in".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_for_good_leaves_the_index_too() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "gone").await;
    ann.insert(0, "xylophone");
    ann.all_saved().await;
    create(&server, "kept", "hemp").await;
    until_found(&server, "xylophone", &["gone"]).await;
    until_found(&server, "hemp", &["kept"]).await;
    // It is indexed more than once, as nearly all are, and without the word at last.
    ann.append(" quartz");
    ann.all_saved().await;
    until_found(&server, "xylophone quartz", &["gone"]).await;
    ann.remove(0, 10);
    ann.all_saved().await;
    until_found(&server, "xylophone", &[]).await;
    drop(ann);
    let deleted = Request::new("DELETE", "/api/documents/gone");
    assert_eq!(server.send(deleted).await.status, 204);
    let trash = server.get("/api/trash").await.json();
    let erased = format!("/api/trash/{}", trash["documents"][0]["id"]);
    let erased = server.send(Request::new("DELETE", &erased)).await;
    assert_eq!(erased.status, 204);
    until("the words are in no file of the index", || async {
        let is_left = ["search.db", "search.db-wal"].iter().any(|file| {
            let bytes = std::fs::read(server.data().path().join(file)).unwrap_or_default();
            let mut some = bytes.windows(5);
            some.any(|some| some == b"uartz" || some == b"phone")
        });
        (!is_left).then_some(())
    })
    .await;
    assert_eq!(found(&server, "hemp").await, ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_gone_or_damaged_is_built_anew() {
    let mut server = Ropewalk::start().await;
    create(&server, "a", &"hemp ".repeat(2000)).await;
    until_found(&server, "hemp", &["a"]).await;
    let index = server.data().path().join("search.db");
    // Removed under the running server.
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", index.display()));
    }
    create(&server, "b", "hemp").await;
    until_found(&server, "hemp", &["a", "b"]).await;
    // Another file in its place, and pages that say something else.
    server.terminate().await;
    for damage in 0..3 {
        let file = rusqlite::Connection::open(&index).unwrap();
        let busy = file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        assert_eq!(busy, Ok(0));
        drop(file);
        let mut bytes = std::fs::read(&index).unwrap();
        match damage {
            0 => bytes.truncate(5000),
            1 => bytes = b"no database".to_vec(),
            _ => bytes[4096..].fill(0x55),
        }
        std::fs::write(&index, bytes).unwrap();
        server.start_again().await;
        until_found(&server, "hemp", &["a", "b"]).await;
        assert_eq!(server.get("/readyz").await.status, 200);
        server.terminate().await;
    }
    // Damage that is met while it is read.
    server.start_again().await;
    until_complete(&server).await;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&index)
        .unwrap();
    let size = file.metadata().unwrap().len() as usize;
    let nonsense = vec![0x55; size.saturating_sub(4096)];
    std::os::unix::fs::FileExt::write_all_at(&file, &nonsense, 4096).unwrap();
    until_found(&server, "hemp", &["a", "b"]).await;
    create(&server, "c", "hemp").await;
    until_found(&server, "hemp", &["a", "b", "c"]).await;
    assert_eq!(server.text("b").await, "hemp");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_searched_and_not_the_one_before() {
    let mut server = Ropewalk::start().await;
    create(&server, "a", "hemp").await;
    let copies = folder();
    let copied = path(&copies, "copy.db");
    well(server.data().path(), &["backup", &copied]).await;
    // The same identity is given to another document.
    create(&server, "b", "secret").await;
    until_found(&server, "secret", &["b"]).await;
    server.terminate().await;
    well(server.data().path(), &["restore", &copied, "--replace"]).await;
    server.start_again().await;
    create(&server, "c", "open").await;
    until_found(&server, "open", &["c"]).await;
    assert_eq!(found(&server, "hemp").await, ["a"]);
    assert_eq!(found(&server, "secret").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_a_large_text_is_found_and_nobody_waits_for_it() {
    let server = Ropewalk::with(&["--max-text-bytes", "8388608"]).await;
    let text = format!("first {} last", "lorem ipsum ".repeat(400_000));
    create(&server, "large", &text).await;
    until_found(&server, "first", &["large"]).await;
    assert_eq!(found(&server, "last").await, [""; 0]);
    let request = Request::new("POST", "/api/documents/large/append").body("more");
    assert_eq!(server.send(request).await.status, 200);
    until_found(&server, "lorem", &["large"]).await;

    let without = Ropewalk::with(&["--search=false"]).await;
    create(&without, "a", "hemp").await;
    let refused = without.get(&target("hemp")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (501, "not_implemented".to_owned())
    );
    assert!(!without.data().path().join("search.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_out_before_somebody_could_read_it_is_not_found_by_them() {
    let (server, mut ada) = team(&[]).await;
    let mut bob = ada.invite(&server, "bob").await;
    ada.create("plan", "hemp swordfish rope").await;
    bob.create("own", "swordfish").await;
    let ask = async |browser: &mut Browser, q: &str| {
        let found = browser.done("GET", &target(q), Value::Null).await;
        found["documents"].as_array().unwrap().clone()
    };
    until("both are indexed", || async {
        (ask(&mut ada.clone(), "swordfish").await.len() == 2).then_some(())
    })
    .await;
    let change = json!({ "find": "swordfish", "replace": "tarred" });
    let text = "/api/documents/plan/text";
    ada.done("PATCH", text, change).await;
    ada.share("plan", "bob", "read").await;
    // The index follows seconds later.
    assert_eq!(ask(&mut bob, "hemp swordf").await, [Value::Null; 0]);
    // Nor is it counted.
    let found = bob.done("GET", &target("swordfish"), Value::Null).await;
    assert_eq!(names(&found), ["own"]);
    let second = format!("{}&cursor=1", target("swordfish"));
    let found = bob.done("GET", &second, Value::Null).await;
    assert_eq!(names(&found), [""; 0]);
    let found = ask(&mut bob, "hemp").await;
    let snippet = json!([[{ "text": "hemp", "hit": true }, { "text": " tarred rope" }]]);
    assert_eq!(found[0]["snippets"], snippet);
}
