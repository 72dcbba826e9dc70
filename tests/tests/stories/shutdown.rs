//! A server that is asked to end takes everything with it to disk.

use std::time::Instant;

use ropewalk_tests::{Client, Ropewalk, until};

#[tokio::test(flavor = "multi_thread")]
async fn everyone_is_told_to_come_back_and_the_exit_code_is_0() {
    for signal in ["TERM", "INT"] {
        let mut server = Ropewalk::start().await;
        let mut people = Vec::new();
        for i in 0..20 {
            let client = Client::join(&server, &format!("end/{}", i % 5)).await;
            client.insert(0, "<kept>");
            people.push(client);
        }
        for client in &people {
            client.echoed().await;
        }
        let began = Instant::now();
        server.signal(signal);
        for client in &people {
            assert_eq!(client.closed().await.code, 1012, "{signal}");
        }
        assert_eq!(server.ended().await.code(), Some(0), "{signal}");
        assert!(
            began.elapsed().as_secs() < 30,
            "{signal}: {:?}",
            began.elapsed()
        );
        server.start_again().await;
        for i in 0..5 {
            assert_eq!(
                server
                    .text(&format!("end/{i}"))
                    .await
                    .matches("<kept>")
                    .count(),
                4
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_seen_is_kept_when_it_ends_under_load() {
    let mut server = Ropewalk::start().await;
    for round in 0..3 {
        let mut writers = Vec::new();
        let mut readers = Vec::new();
        for i in 0..6 {
            let name = format!("load/{}", i % 3);
            readers.push((name.clone(), Client::join(&server, &name).await));
            let client = Client::join(&server, &name).await;
            writers.push(tokio::spawn(async move {
                let mut edits = 0;
                while client.ended().is_none() {
                    let edit = format!("<{round}.{i}:{edits}>");
                    client.append(&edit);
                    let marker = client.mark();
                    edits += 1;
                    client
                        .until("room", |state, _| {
                            (marker < state.saved.len() as u64 + 16 || state.closed.is_some())
                                .then_some(())
                        })
                        .await;
                }
                (name, client)
            }));
        }
        until("everyone has typed a lot", || async {
            readers
                .iter()
                .all(|(_, reader)| reader.text().len() > 4_000 * (round + 1))
                .then_some(())
        })
        .await;
        assert_eq!(server.terminate().await, Some(0));
        server.start_again().await;
        for (name, reader) in &readers {
            assert_eq!(reader.closed().await.code, 1012);
            let kept = Client::join(&server, name).await;
            let (kept, seen) = (kept.state_vector(), reader.state_vector());
            for (client, clock) in seen.iter() {
                assert!(
                    kept.get(client) >= *clock,
                    "{name}: a reader saw {clock} of {client:?}, {} are kept",
                    kept.get(client)
                );
            }
        }
        for writer in writers {
            let (name, client) = writer.await.unwrap();
            let text = server.text(&name).await;
            let saved = client.look(|state| state.saved.len());
            // Nothing a writer was promised, and nothing it sent before that, is missing.
            for edit in client
                .text()
                .split_inclusive('>')
                .filter(|edit| edit.starts_with(&format!("<{round}.")))
                .take(saved)
            {
                assert!(
                    text.contains(edit) || !client.text().contains(edit),
                    "{name}: {edit}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_wait_for_who_does_not_read_or_answer() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "deaf").await;
    let deaf = ropewalk_tests::Socket::open_narrow(&server, "deaf").await;
    for _ in 0..200 {
        ann.insert(0, &"words ".repeat(2_000));
    }
    ann.all_saved().await;
    let began = Instant::now();
    assert_eq!(server.terminate().await, Some(0));
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_ends_it_is_not_ready_and_takes_nobody_in() {
    let mut server = Ropewalk::start().await;
    let mut people = Vec::new();
    for _ in 0..10 {
        people.push(Client::join(&server, "ending").await);
    }
    server.ask_to_end();
    // Closing takes a moment, by intent spread over time; until the port is closed nothing says that it is ready.
    let mut refusals = 0;
    for client in &people {
        client.closed().await;
        match ropewalk_tests::Request::get("/readyz")
            .try_send(server.address)
            .await
        {
            Ok(response) => {
                assert_eq!(response.status, 503, "{}", response.text());
                refusals += 1;
            }
            Err(_) => break,
        }
    }
    println!("{refusals} answers while ending");
    assert_eq!(server.ended().await.code(), Some(0));
}
