//! What a document takes in memory beside yrs: bytes that are asked for, without what the
//! allocator adds. Prints the rows of a table.
//!
//! ```sh
//! cargo bench -p ropewalk-crdt --bench memory
//! ROPEWALK_TRACES=<folder> cargo bench -p ropewalk-crdt --bench memory # traces of real people
//! ```
#![allow(clippy::unwrap_used)]

#[path = "../material.rs"]
mod material;

use material::rivals::{Rival, Ropewalk, Yrs};
use material::table::{Table, Unit};
use material::{Recording, Size, crowd, one_author};
use std::alloc::System;

#[global_allocator]
static MEMORY: cap::Cap<System> = cap::Cap::new(System, usize::MAX);

fn main() {
    let mut table = Table::default();
    for recording in [one_author(), crowd(Size::Large)] {
        let Recording { name, updates, .. } = recording;
        let saved = Ropewalk::replay(updates).save();
        measure::<Ropewalk>(&mut table, recording);
        measure::<Yrs>(&mut table, recording);
        note(&mut table, &format!("{name}, opened as saved"), || {
            Ropewalk::open(&saved)
        });
    }
    table.print();
}

fn measure<R: Rival>(table: &mut Table, recording: &Recording) {
    let Recording { name, updates, .. } = recording;
    let state = R::replay(updates).encode();
    note(table, &format!("{name}, replayed"), || R::replay(updates));
    note(table, &format!("{name}, loaded"), || {
        let mut document = R::new();
        document.apply(state.as_ref());
        document
    });
}

/// What a document keeps while it lives, and when it is dropped.
fn note<R: Rival>(table: &mut Table, what: &str, make: impl Fn() -> R) {
    let before = MEMORY.allocated();
    let document = make();
    let live = MEMORY.allocated() - before;
    drop(document);
    let left = MEMORY.allocated().saturating_sub(before);
    let mut row = |what: &str, bytes: usize| {
        table.note(what, Unit::Bytes, R::NAME, bytes as f64);
    };
    row(&format!("memory, {what}"), live);
    row(&format!("memory, {what}, dropped"), left);
}
