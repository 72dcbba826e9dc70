//! A keystroke of a peer: one small update comes and is taken in, from its bytes on. Each sample
//! applies a whole recording to an empty document.

use crate::material::rivals::{Rival, Ropewalk, Yrs};
use crate::material::{Recording, Size, crowd, one_author, two_authors};
use crate::{Speed, time};

pub fn measure(speed: &mut Speed) {
    for recording in [one_author, two_authors, || crowd(Size::Large)] {
        one::<Ropewalk>(speed, recording);
        one::<Yrs>(speed, recording);
    }
}

fn one<R: Rival>(speed: &mut Speed, recording: fn() -> &'static Recording) {
    let Recording {
        name,
        updates,
        text,
        ..
    } = recording();
    let setup = || {
        let same = R::replay(updates).text() == *text;
        assert!(same, "{} ends {name} with another text", R::NAME);
    };
    let what = format!("remote keystroke, {name}");
    speed.median(&what, R::NAME, updates.len(), setup, |()| {
        time(|| R::replay(updates))
    });
}
