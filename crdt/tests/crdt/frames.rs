//! Frames are read to their last byte, and nothing short of it.

use ropewalk_crdt::protocol::{self, Message};
use ropewalk_crdt::{Error, VersionVector};

fn known() -> VersionVector {
    [(1, 5), (70_000, 300), ((1 << 53) - 1, 1)]
        .into_iter()
        .collect()
}

fn frames() -> Vec<(Vec<u8>, Message<'static>)> {
    vec![
        (protocol::step1(&known()), Message::Step1(known())),
        (protocol::step2(b"\0\0"), Message::Step2(b"\0\0")),
        (protocol::update(&[7; 300]), Message::Update(&[7; 300])),
        (protocol::awareness(b"\0"), Message::Awareness(b"\0")),
        (protocol::saved(&[1, 2, 3]), Message::Saved(&[1, 2, 3])),
        (protocol::saved(&[]), Message::Saved(&[])),
        (vec![3], Message::QueryAwareness),
    ]
}

#[test]
fn each_frame_is_read_as_it_was_written() {
    for (frame, message) in frames() {
        assert_eq!(protocol::decode(&frame), Ok(message));
    }
}

#[test]
fn every_truncation_is_refused() {
    for (frame, message) in frames() {
        for end in 0..frame.len() {
            let read = protocol::decode(&frame[..end]);
            assert!(read.is_err(), "{message:?} cut at {end}: {read:?}");
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for (mut frame, message) in frames() {
        frame.push(0);
        match message {
            // As y-sweet clients send it.
            Message::QueryAwareness => assert_eq!(protocol::decode(&frame), Ok(message)),
            _ => assert!(protocol::decode(&frame).is_err(), "{message:?}"),
        }
    }
}

#[test]
fn the_bytes_are_those_of_y_protocols() {
    assert_eq!(protocol::step1(&VersionVector::new()), [0, 0, 1, 0]);
    assert_eq!(protocol::step2(&[0, 0]), [0, 1, 2, 0, 0]);
    assert_eq!(protocol::update(&[0, 0]), [0, 2, 2, 0, 0]);
    assert_eq!(protocol::awareness(&[0]), [1, 1, 0]);
    assert_eq!(protocol::saved(&[9]), [102, 1, 9]);
    assert_eq!(protocol::denied("no"), [2, 0, 2, b'n', b'o']);
}

#[test]
fn auth_from_a_client_says_nothing() {
    let denied = protocol::denied("no");
    assert_eq!(protocol::decode(&denied), Ok(Message::Ignored));
}

#[test]
fn a_marker_has_at_most_16_bytes() {
    assert!(protocol::decode(&protocol::saved(&[0; 16])).is_ok());
    let frame = protocol::saved(&[0; 17]);
    let long = protocol::decode(&frame);
    assert!(matches!(
        long,
        Err(Error::TooLarge {
            size: 17,
            limit: 16,
            ..
        })
    ));
}

#[test]
fn unknown_messages_are_refused() {
    for frame in [
        &[][..],
        &[4],
        &[0, 3, 0],
        &[103, 0],
        &[0xff; 20],
        &[0x80, 0, 0],
    ] {
        let read = protocol::decode(frame);
        assert!(
            matches!(read, Err(Error::Malformed { .. })),
            "{frame:?}: {read:?}"
        );
    }
}
