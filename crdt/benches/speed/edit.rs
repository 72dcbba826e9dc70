//! An edit by position, of somebody without a CRDT.

use crate::material::rivals::{Rival, Ropewalk, Yrs};
use crate::material::rng::Rng;
use crate::material::{Size, crowd, one_author};
use crate::{Middle, SAMPLES, Speed, time};

pub fn measure(speed: &mut Speed) {
    typed::<Ropewalk>(speed);
    typed::<Yrs>(speed);
    scattered::<Ropewalk>(speed);
    scattered::<Yrs>(speed);
}

/// All edits of the author, once: each sample is the next part of them, for an engine that walks
/// to its places needs half a minute.
fn typed<R: Rival>(speed: &mut Speed) {
    let recording = one_author();
    let part = recording.patches.len() / SAMPLES;
    let parts: Vec<_> = recording.patches.chunks_exact(part).take(SAMPLES).collect();
    let what = format!("edit by position, {}", recording.name);
    let setup = || (R::new(), parts.iter().cycle().enumerate());
    speed.measure(
        Middle::Mean,
        &what,
        R::NAME,
        part,
        setup,
        |(document, parts)| {
            let (at, part) = parts.next().unwrap();
            if at % SAMPLES == 0 {
                *document = R::new();
            }
            time(|| {
                for patch in *part {
                    document.edit(patch.0, patch.1, &patch.2);
                }
            })
        },
    );
}

/// One character in or out anywhere in a large document. Each sample starts from the same.
fn scattered<R: Rival>(speed: &mut Speed) {
    const EDITS: usize = 40;
    let recording = crowd(Size::Large);
    let what = format!("edit by position, {}", recording.name);
    let setup = || R::replay(&recording.updates).encode();
    speed.median(&what, R::NAME, EDITS, setup, |state| {
        let mut document = R::new();
        document.apply(state.as_ref());
        let mut rng = Rng::new(4);
        let mut len = document.len();
        // The first finds all else cold.
        document.edit(0, 0, " ");
        time(|| {
            for edit in 0..EDITS {
                let at = rng.below(len as usize) as u32;
                if edit % 4 == 0 {
                    document.edit(at, 1, "");
                    len -= 1;
                } else {
                    document.edit(at, 0, "x");
                    len += 1;
                }
            }
        })
    });
}
