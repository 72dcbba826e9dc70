//! Documents that get another name.

use std::time::Duration;

use ropewalk_tests::account::{team, write_accounts};
use ropewalk_tests::{Request, until};
use serde_json::{Value, json};

const NAME: &str = "team/notes";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_of_it_finds_it_under_another_name_after_a_kill() {
    let (mut server, mut ada) = team(&[]).await;
    let mut owner = ada.invite(&server, "owner").await;
    let mut editor = ada.invite(&server, "editor").await;
    owner.create(NAME, "text").await;
    owner.share(NAME, "editor", "edit").await;
    let (id, _) = owner.make_link(NAME, "read").await;
    let mut name = NAME.to_owned();
    for round in 0..10u64 {
        owner
            .done("DELETE", &format!("/api/documents/{name}"), Value::Null)
            .await;
        let found = owner.done("GET", "/api/trash", Value::Null).await;
        let restore = format!("/api/trash/{}/restore", found["documents"][0]["id"]);
        let body = json!({ "name": format!("round{round}") });
        let request = Request::new("POST", &restore)
            .header("content-type", "application/json")
            .body(body.to_string());
        let (request, address) = (owner.dress(request), server.address);
        let asked = tokio::spawn(async move { request.try_send(address).await });
        tokio::time::sleep(Duration::from_micros(round * 500)).await;
        server.kill().await;
        drop(asked.await);
        server.start_again().await;
        [&mut owner, &mut editor]
            .into_iter()
            .for_each(|browser| browser.find_again(&server));
        let found = owner.done("GET", "/api/trash", Value::Null).await;
        if let Some(trashed) = found["documents"].get(0) {
            let restore = format!("/api/trash/{}/restore", trashed["id"]);
            name = format!("again{round}");
            owner.done("POST", &restore, json!({ "name": name })).await;
        } else {
            name = format!("round{round}");
        }
        until("what was given has followed", || {
            let (mut editor, target) = (editor.clone(), format!("/api/documents/{name}/text"));
            async move { (editor.ask("GET", &target, Value::Null).await.status == 200).then_some(()) }
        })
        .await;
    }
    // As a crash between the two leaves it.
    write_accounts(
        &server,
        &format!(
            "INSERT INTO moves SELECT document, path FROM grants WHERE document IS NOT NULL;
            UPDATE grants SET path = '{NAME}' WHERE document IS NOT NULL;
            UPDATE links SET path = '{NAME}'"
        ),
    );
    server.kill().await;
    server.start_again().await;
    owner.find_again(&server);
    let sharing = format!("/api/documents/{name}/sharing");
    until("the link is there", || {
        let (mut owner, sharing) = (owner.clone(), sharing.clone());
        async move {
            let sharing = owner.done("GET", &sharing, Value::Null).await;
            (sharing["links"][0]["id"] == id).then_some(())
        }
    })
    .await;
    let link = format!("/api/documents/{name}/links/{id}");
    owner.done("DELETE", &link, Value::Null).await;
}
