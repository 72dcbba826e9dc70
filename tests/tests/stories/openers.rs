//! Several people open a document at the same moment.

use ropewalk_tests::{Client, Ropewalk};

#[tokio::test(flavor = "multi_thread")]
async fn two_first_openers_of_a_new_document_share_one() {
    let server = Ropewalk::start().await;
    for round in 0..20 {
        let name = format!("new/{round}");
        let (ann, bob) = tokio::join!(Client::join(&server, &name), Client::join(&server, &name));
        ann.insert(0, "<ann>");
        bob.insert(0, "<bob>");
        ann.until_contains("<bob>").await;
        bob.until_contains("<ann>").await;
        assert_eq!(ann.text(), bob.text());
        ann.all_saved().await;
        bob.all_saved().await;
        assert_eq!(server.text(&name).await, ann.text());
    }
    assert_eq!(server.metric("ropewalk_documents_opened_total").await, 20.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_openers_of_a_stored_document_load_it_once() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "stored").await;
    for edit in 0..300 {
        ann.insert(0, &format!("{edit} "));
    }
    ann.all_saved().await;
    let text = ann.text();
    server.kill().await;
    server.start_again().await;
    let opening: Vec<_> = (0..40).map(|_| Client::join(&server, "stored")).collect();
    let everyone = futures_util::future::join_all(opening).await;
    for client in &everyone {
        assert_eq!(client.text(), text, "nobody is told of less at first");
    }
    assert_eq!(server.metric("ropewalk_documents_opened_total").await, 1.0);
    everyone[0].insert(0, "and on ");
    for client in &everyone {
        client.until_text(&format!("and on {text}")).await;
    }
}
