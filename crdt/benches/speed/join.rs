//! What others are told: somebody who joins gets everything, who was away gets what is new.

use crate::material::rivals::{Rival, Ropewalk, Yrs};
use crate::material::table::Unit;
use crate::material::{Recording, Size, crowd, one_author};
use crate::{Speed, time};
use std::hint::black_box;

/// Edits that somebody who was away has missed.
const MISSED: usize = 100;

pub fn measure(speed: &mut Speed) {
    for size in [Size::Small, Size::Large] {
        let recording = crowd(size);
        join(speed, "state", recording, |document: &mut Ropewalk| {
            document.encode()
        });
        join(speed, "state", recording, |document: &mut Yrs| {
            document.encode()
        });
        join(speed, "diff of nothing", recording, all::<Ropewalk>);
        join(speed, "diff of nothing", recording, all::<Yrs>);
    }
    for recording in [one_author, || crowd(Size::Large)] {
        let recording = recording();
        let diff = |document: &mut Ropewalk, since: &_| document.diff(since);
        missed(speed, "all deletes", recording, diff);
        missed(speed, "all deletes", recording, Yrs::diff);
        missed(speed, "new deletes", recording, Ropewalk::diff_since);
    }
}

fn all<R: Rival>(document: &mut R) -> Vec<u8> {
    document.diff(&R::Known::default())
}

/// A crowd joins a document that does not change.
fn join<R: Rival, T>(
    speed: &mut Speed,
    kind: &str,
    recording: &Recording,
    mut answer: impl FnMut(&mut R) -> T,
) {
    const CROWD: usize = 10;
    let what = format!("joining, {kind}, {}", recording.name);
    let setup = || R::replay(&recording.updates);
    speed.median(&what, R::NAME, CROWD, setup, |document| {
        time(|| {
            for _ in 0..CROWD {
                black_box(answer(document));
            }
        })
    });
}

/// Somebody comes back after 100 edits.
fn missed<R: Rival>(
    speed: &mut Speed,
    kind: &str,
    recording: &Recording,
    mut diff: impl FnMut(&mut R, &R::Known) -> Vec<u8>,
) {
    let what = format!("100 edits behind, {kind}, {}", recording.name);
    let mut size = None;
    let (before, after) = recording.updates.split_at(recording.updates.len() - MISSED);
    let setup = || {
        let mut document = R::replay(before);
        let known = document.known();
        for update in after {
            document.apply(update);
        }
        (document, known)
    };
    speed.median(&what, R::NAME, 1, setup, |(document, known)| {
        let mut bytes = Vec::new();
        let time = time(|| bytes = diff(document, known));
        size = Some(bytes.len());
        time
    });
    if let Some(size) = size {
        let what = format!("{what}: size");
        speed.table.note(&what, Unit::Bytes, R::NAME, size as f64);
    }
}
