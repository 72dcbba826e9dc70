//! The folder's own folder: what lies there is needed, forgotten, or kept.

use super::Problem;
use super::folder::{NEW, Text};
use super::pair::{LINGER, is_as_it_was};
use super::shared::Shared;

/// Removes what an earlier process left aside and needs no more.
pub fn tidy(shared: &Shared) -> Result<(), Problem> {
    let needed = shared.records.asides()?;
    for aside in shared.folder.all_aside()? {
        if aside.starts_with(NEW) {
            shared.folder.forget_aside(&aside)?;
        }
        if !aside.starts_with("text-") || needed.contains(&aside) {
            continue;
        }
        match shared.folder.read_aside(&aside) {
            // Somebody may still have it open.
            Ok(Some(Text { text, stamp, .. }))
                if is_as_it_was(&aside, &text) && stamp.age() < LINGER =>
            {
                shared.left.add(aside, stamp.age());
            }
            _ => settle(shared, &aside, |text| is_as_it_was(&aside, text))?,
        }
    }
    Ok(())
}

/// Forgets what is aside, or keeps it if somebody has written on in it.
pub fn settle(
    shared: &Shared,
    aside: &str,
    is_known: impl FnOnce(&str) -> bool,
) -> Result<(), Problem> {
    match shared.folder.read_aside(aside) {
        Ok(None) => {}
        Ok(Some(found)) if is_known(&found.text) => shared.folder.forget_aside(aside)?,
        _ => {
            let kept = shared.folder.keep_aside(aside)?;
            shared.say(format_args!(
                "Somebody wrote on in a file that was replaced; that is kept as {kept}"
            ));
        }
    }
    Ok(())
}
