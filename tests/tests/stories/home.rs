//! What somebody comes back to: folders, what they had open lately, and what they were given.

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::{Client, Ropewalk, until};
use serde_json::{Value, json};

use crate::maintain::create;

fn strings(list: &Value, key: &str) -> Vec<String> {
    let all = list.as_array().unwrap().iter();
    all.map(|one| one[key].as_str().unwrap().to_owned())
        .collect()
}

fn names(answer: &Value) -> Vec<String> {
    strings(&answer["documents"], "name")
}

/// Paths of folders, and how many documents are below each.
fn folders(answer: &Value) -> Vec<(String, u64)> {
    let paths = strings(&answer["folders"], "path").into_iter();
    let counts = answer["folders"].as_array().unwrap().iter();
    let counts = counts.map(|folder| folder["documents"].as_u64().unwrap());
    paths.zip(counts).collect()
}

fn counted(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter()
        .map(|(path, count)| ((*path).to_owned(), *count))
        .collect()
}

async fn list(browser: &Browser, query: &str) -> Value {
    let target = format!("/api/documents?{query}");
    browser.clone().done("GET", &target, Value::Null).await
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_parts_of_names() {
    let server = Ropewalk::start().await;
    for name in ["a", "a/one", "a/b/two", "a/b/c/three", "a0", "ab/x", "z"] {
        create(&server, name, "text").await;
    }
    let anybody = Browser::of(&server);
    let top = list(&anybody, "folder=").await;
    assert_eq!(names(&top), ["z", "a0", "a"], "newest first");
    assert_eq!(folders(&top), counted(&[("a", 3), ("ab", 1)]));
    assert_eq!(top["folders"][0]["name"], "a");
    assert!(top["folders"][0]["edited_at"].as_i64().unwrap() > 0);
    let a = list(&anybody, "folder=a").await;
    assert_eq!(
        (names(&a), folders(&a)),
        (vec!["a/one".to_owned()], counted(&[("a/b", 2)]))
    );
    let deep = list(&anybody, "folder=a%2fb").await;
    assert_eq!(folders(&deep), counted(&[("a/b/c", 1)]));
    assert_eq!(deep["folders"][0]["name"], "c");
    let none = list(&anybody, "folder=nothing").await;
    assert_eq!(
        none,
        json!({ "documents": [], "folders": [], "more_folders": false, "may_begin": true, "next": null })
    );
    // All below it, whatever the depth.
    let found = list(&anybody, "folder=a&q=T").await;
    assert_eq!(names(&found), ["a/b/c/three", "a/b/two"]);
    // Pages join, and only the first has the folders.
    let first = list(&anybody, "folder=&limit=2").await;
    assert_eq!((names(&first).len(), folders(&first).len()), (2, 2));
    let next = first["next"].as_str().unwrap();
    let second = list(&anybody, &format!("folder=&limit=2&cursor={next}")).await;
    assert_eq!(
        (names(&second), &second["next"]),
        (vec!["a".to_owned()], &Value::Null)
    );
    assert_eq!(second.get("folders"), None);
    for wrong in [
        "folder=../a",
        "folder=a/",
        "view=recent&folder=",
        "view=shared&q=a",
        "view=other",
    ] {
        let target = format!("/api/documents?{wrong}");
        let refused = anybody.clone().fail("GET", &target, Value::Null).await;
        assert_eq!(refused, (400, "bad_query".to_owned()), "{wrong}");
    }
    // Nobody has an account: the last edit counts.
    let recent = list(&anybody, "view=recent&limit=2").await;
    assert_eq!(names(&recent), ["z", "ab/x"]);
    assert!(recent["next"].is_string());
    let shared = list(&anybody, "view=shared").await;
    assert_eq!((names(&shared).len(), folders(&shared).len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_count_what_one_may_read() {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let reader = ada.invite(&server, "reader").await;
    for name in ["team/a", "team/b/c", "team/b/d", "private/x"] {
        owner.create(name, "text").await;
    }
    owner.share("team/b/c", "reader", "read").await;
    assert_eq!(
        folders(&list(&owner, "folder=").await),
        counted(&[("private", 1), ("team", 3)])
    );
    let top = list(&reader, "folder=").await;
    assert_eq!(
        (names(&top).len(), folders(&top)),
        (0, counted(&[("team", 1)]))
    );
    let team = list(&reader, "folder=team").await;
    assert_eq!(
        (names(&team).len(), folders(&team)),
        (0, counted(&[("team/b", 1)]))
    );
    assert_eq!(names(&list(&reader, "folder=team/b").await), ["team/b/c"]);
    let private = list(&reader, "folder=private").await;
    assert_eq!((names(&private).len(), folders(&private).len()), (0, 0));
    assert_eq!(names(&list(&reader, "folder=team&q=text").await).len(), 0);
    let edited = top["folders"][0]["edited_at"].clone();
    owner.create("team/b/later", "text").await;
    let top = list(&reader, "folder=").await;
    assert_eq!(
        top["folders"][0]["edited_at"], edited,
        "nor when others were edited"
    );
    let (_, token) = owner.make_token("read", "team/b/*").await;
    let script = Browser::script(&server, &token);
    assert_eq!(
        folders(&list(&script, "folder=").await),
        counted(&[("team", 3)])
    );
    let nobody = Browser::of(&server)
        .fail("GET", "/api/documents?folder=", Value::Null)
        .await;
    assert_eq!(nobody, (401, "sign_in".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_had_open_is_theirs_to_find() {
    let (mut server, mut ada) = team(&[]).await;
    let mut ann = ada.invite(&server, "ann").await;
    let bob = ada.invite(&server, "bob").await;
    for name in ["one", "two", "three"] {
        ann.create(name, "text").await;
    }
    ann.share("one", "bob", "edit").await;
    ann.share("two", "bob", "edit").await;
    assert_eq!(names(&list(&bob, "view=recent").await).len(), 0);
    let open = |browser: &Browser, name: &'static str| {
        let browser = browser.clone();
        async move {
            let editor: Client = browser.editor(name).await;
            editor.synced().await;
            editor
        }
    };
    let first = open(&bob, "one").await;
    let _second = open(&bob, "two").await;
    let recent = list(&bob, "view=recent").await;
    assert_eq!(names(&recent), ["two", "one"]);
    assert!(recent["documents"][0]["visited_at"].as_i64().unwrap() > 0);
    // Whoever has written in it was there last when they left.
    first.append("more");
    first.all_saved().await;
    first.leave().await;
    until("one is the newest", || async {
        (names(&list(&bob, "view=recent").await) == ["one", "two"]).then_some(())
    })
    .await;
    assert_eq!(names(&list(&bob, "view=recent&limit=1").await), ["one"]);
    assert_eq!(
        names(&list(&ann, "view=recent").await).len(),
        0,
        "nobody else's"
    );
    // It is written down, and what may not be read any more is not shown.
    ann.share("two", "bob", "none").await;
    assert_eq!(server.terminate().await, Some(0));
    server.start_again().await;
    let bob = bob.at(&server);
    assert_eq!(names(&list(&bob, "view=recent").await), ["one"]);
    let _third = open(&bob, "one").await;
    assert_eq!(names(&list(&bob, "view=recent").await), ["one"], "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_to_somebody_is_told_apart() {
    let (server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let mut ann = ada.invite(&server, "ann").await;
    for name in ["alone", "team/a", "team/b", "open", "other/x", "grouped"] {
        owner.create(name, "text").await;
    }
    ann.create("own", "text").await;
    owner.share("alone", "ann", "edit").await;
    let everyone = json!({ "everyone": true, "access": "read" });
    owner
        .done("PUT", "/api/documents/open/sharing", everyone)
        .await;
    let group = ada
        .done("POST", "/api/groups", json!({ "name": "Ropers" }))
        .await;
    let member = format!("/api/groups/{}/members/ann", group["id"]);
    ada.done("PUT", &member, Value::Null).await;
    let ropers = json!({ "group": "Ropers", "access": "read" });
    owner
        .done("PUT", "/api/documents/grouped/sharing", ropers)
        .await;
    let given = json!({ "person": "ann", "access": "read" });
    ada.done("PUT", "/api/folders/team/sharing", given).await;
    // Given back to whoever has it anyway.
    owner.share("alone", "owner", "own").await;

    let shared = list(&ann, "view=shared").await;
    assert_eq!(names(&shared), ["grouped", "alone"]);
    assert_eq!(shared["documents"][1]["access"], "edit");
    assert_eq!(folders(&shared), counted(&[("team", 2)]));
    assert_eq!(shared["folders"][0]["access"], "read");
    let first = list(&ann, "view=shared&limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = list(&ann, &format!("view=shared&limit=1&cursor={next}")).await;
    assert_eq!(
        (names(&first), names(&second)),
        (vec!["grouped".to_owned()], vec!["alone".to_owned()])
    );
    assert_eq!(names(&list(&owner, "view=shared").await).len(), 0);
    assert_eq!(
        names(&list(&ada, "view=shared").await).len(),
        0,
        "not all there is"
    );
    // A token shows no more than it is for.
    let (_, token) = ann.make_token("read", "alone").await;
    let script = list(&Browser::script(&server, &token), "view=shared").await;
    assert_eq!(
        (names(&script), folders(&script).len()),
        (vec!["alone".to_owned()], 0)
    );
    owner.share("alone", "ann", "none").await;
    assert_eq!(names(&list(&ann, "view=shared").await), ["grouped"]);
    owner
        .done("DELETE", "/api/documents/grouped", Value::Null)
        .await;
    assert_eq!(names(&list(&ann, "view=shared").await).len(), 0);
    // Another one of its name was not given to anybody.
    owner.create("grouped", "secret").await;
    assert_eq!(names(&list(&ann, "view=shared").await).len(), 0);
}
