//! Client ids belong to people, and every letter has its author.

use ropewalk_tests::account::{Browser, team};
use ropewalk_tests::client::new_doc;
use ropewalk_tests::{Client, Request, Ropewalk, Thin, frames};
use serde_json::{Value, json};

const NAME: &str = "notes";

async fn begin() -> (Ropewalk, Browser, Browser) {
    let (server, mut ada) = team(&[]).await;
    let mut ann = ada.invite(&server, "ann").await;
    let bob = ada.invite(&server, "bob").await;
    ann.create(NAME, "").await;
    ann.share(NAME, "bob", "edit").await;
    (server, ann, bob)
}

async fn join(browser: &Browser, id: u64) -> Client {
    let socket = browser.socket(&format!("/yjs/{NAME}")).await;
    let client = Client::over(socket, NAME, new_doc(Some(id)));
    client.synced().await;
    client
}

/// What each part of the text is, and whose: `letters=login`, with a `~` if that person passed it on.
async fn authors(browser: &mut Browser) -> String {
    let text = browser.text(NAME).await;
    let target = format!("/api/documents/{NAME}/authors");
    let told = browser.done("GET", &target, Value::Null).await;
    let mut text = text.chars();
    let runs = told["runs"].as_array().unwrap().iter().map(|run| {
        let length = run["length"].as_u64().unwrap();
        let letters: String = text.by_ref().take(length as usize).collect();
        let login = run["login"].as_str().unwrap_or("-");
        let mark = if run["relayed"] == json!(true) {
            "~"
        } else {
            ""
        };
        format!("{letters}={mark}{login}")
    });
    runs.collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_letter_has_its_author_on_every_wire_and_after_a_crash() {
    let (mut server, mut ann, mut bob) = begin().await;
    let tab = join(&ann, 71).await;
    tab.append("ann ");
    tab.all_saved().await;
    let other = join(&bob, 72).await;
    other.append("bob ");
    other.all_saved().await;
    tab.until_text("ann bob ").await;
    tab.append("ann's ");
    tab.all_saved().await;
    let mut script = Thin::new(NAME, "script", "utf16").with("", &bob.headers());
    script.connect(&server).await;
    script.edit(vec![(14, 14, "text ".into())]).await;
    script.acknowledged().await;
    let append = format!("/api/documents/{NAME}/append");
    let asked = ann.send(Request::new("POST", &append).body("end")).await;
    assert_eq!(asked.status, 200, "{}", asked.text());
    let all = "ann =ann bob =bob ann's =ann text =bob end=ann";
    assert_eq!(authors(&mut ann).await, all);
    server.kill().await;
    server.start_again().await;
    for browser in [&mut ann, &mut bob] {
        browser.find_again(&server);
        assert_eq!(authors(browser).await, all);
    }
    // Snapshots leave that alone.
    server.terminate().await;
    server.start_again().await;
    ann.find_again(&server);
    assert_eq!(authors(&mut ann).await, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_under_the_client_id_of_somebody_who_is_away() {
    let (mut server, mut ann, mut bob) = begin().await;
    let tab = join(&ann, 71).await;
    tab.append("ann ");
    tab.all_saved().await;
    // Introduced, and nothing written yet.
    let silent = join(&ann, 73).await;
    silent.announce(r#"{"user":{"name":"ANN"}}"#);
    silent.until_people(&["ANN"]).await;
    let (doc, _) = (tab.leave().await, silent.leave().await);
    for restart in [false, true] {
        if restart {
            server.kill().await;
            server.start_again().await;
            ann.find_again(&server);
            bob.find_again(&server);
        }
        let ids: &[u64] = if restart { &[71] } else { &[71, 73] };
        for &id in ids {
            let thief = join(&bob, id).await;
            thief.announce(r#"{"user":{"name":"BOB"}}"#);
            thief.append("bob ");
            let closed = thief.closed().await;
            assert_eq!(
                (closed.code, &*closed.reason),
                (1013, "this client id is in use")
            );
        }
    }
    assert_eq!(ann.text(NAME).await, "ann ");
    // What she typed meanwhile is not lost, whoever brings it.
    let socket = ann.socket(&format!("/yjs/{NAME}")).await;
    let tab = Client::over(socket, NAME, doc);
    tab.synced().await;
    tab.append("again ");
    tab.all_saved().await;
    assert_eq!(authors(&mut ann).await, "ann again =ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_passes_on_is_taken_and_said_to_be_passed_on() {
    let (_server, mut ann, bob) = begin().await;
    let tab = join(&ann, 71).await;
    tab.append("ann ");
    tab.all_saved().await;
    let doc = tab.leave().await;
    // She goes on without the server, and he is the one who has it.
    let alone = Client::over(bob.socket(&format!("/yjs/{NAME}")).await, NAME, doc);
    alone.synced().await;
    alone.edit_silently(|text, txn| yrs::Text::push(text, txn, "offline "));
    alone.send(frames::step2(&alone.whole()));
    alone.all_saved().await;
    assert_eq!(authors(&mut ann).await, "ann =ann offline =~bob");
    alone.leave().await;
    let tab = join(&ann, 71).await;
    tab.append("on");
    tab.all_saved().await;
    assert_eq!(authors(&mut ann).await, "ann =ann offline =~bob on=ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_have_no_names_in_it_and_learn_no_logins() {
    let (server, mut ann, _bob) = begin().await;
    let (_, secret) = ann.make_link(NAME, "edit").await;
    let mut guest = Browser::of(&server);
    guest
        .done("POST", "/api/follow", json!({ "link": secret }))
        .await;
    let tab = join(&ann, 71).await;
    tab.append("ann ");
    tab.all_saved().await;
    let visitor = join(&guest, 72).await;
    visitor.append("guest");
    visitor.all_saved().await;
    assert_eq!(authors(&mut ann).await, "ann =ann guest=-");
    assert_eq!(authors(&mut guest).await, "ann =- guest=-");
    let target = format!("/api/documents/{NAME}/authors");
    let told = guest.done("GET", &target, Value::Null).await;
    assert_eq!(told["runs"][0]["name"], "ANN");
    // However long the name that they choose, it is marked where it is shown.
    for (filler, seen) in [("\u{e0100}", 0), ("\u{1f9f5}", 29)] {
        let chosen = json!({ "user": { "name": format!("ANN{}", filler.repeat(40)) } });
        visitor.announce(&chosen.to_string());
        let shown = format!("ANN{} (guest)", filler.repeat(seen));
        tab.until_people(&[&shown]).await;
    }
}
