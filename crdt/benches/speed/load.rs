//! Loading and saving a whole document.

use crate::material::rivals::{Rival, Ropewalk, Yrs};
use crate::material::{Recording, Size, crowd, one_author};
use crate::{Speed, time};

pub fn measure(speed: &mut Speed) {
    for recording in [one_author, || crowd(Size::Large)] {
        load::<Ropewalk>(speed, recording);
        load::<Yrs>(speed, recording);
        open(speed, recording);
        let update = "encode after a change";
        save(speed, update, recording, |document: &mut Ropewalk| {
            document.encode()
        });
        save(speed, update, recording, |document: &mut Yrs| {
            document.encode()
        });
        save(speed, "save after a change", recording, Ropewalk::save);
    }
}

/// A state as one update into an empty document.
fn load<R: Rival>(speed: &mut Speed, recording: fn() -> &'static Recording) {
    let Recording { name, updates, .. } = recording();
    let what = format!("load, {name}");
    let setup = || R::replay(updates).encode();
    speed.median(&what, R::NAME, 1, setup, |state| {
        time(|| {
            let mut document = R::new();
            document.apply(state.as_ref());
            document
        })
    });
}

/// As the server does it: what it has saved. There is no such thing in yrs.
fn open(speed: &mut Speed, recording: fn() -> &'static Recording) {
    let Recording { name, updates, .. } = recording();
    let what = format!("open what was saved, {name}");
    let setup = || Ropewalk::replay(updates).save();
    speed.median(&what, Ropewalk::NAME, 1, setup, |saved| {
        time(|| Ropewalk::open(saved))
    });
}

/// The whole state, after a change.
fn save<R: Rival, T>(
    speed: &mut Speed,
    what: &str,
    recording: fn() -> &'static Recording,
    mut bytes: impl FnMut(&mut R) -> T,
) {
    let Recording { name, updates, .. } = recording();
    let what = format!("{what}, {name}");
    let setup = || R::replay(updates);
    speed.median(&what, R::NAME, 1, setup, |document| {
        document.edit(document.len(), 0, "x");
        time(|| bytes(document))
    });
}
