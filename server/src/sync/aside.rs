//! The folder's own folder: what lies there is needed, forgotten, or kept for some time.

use std::time::Duration;

use super::Problem;
use super::folder::{NEW, REMOVED, Text};
use super::pair::{LINGER, is_as_it_was};
use super::shared::Shared;

/// So long is what was removed kept: as long as in the trash of a server.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

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
            Ok(Some(Text { text, stamp }))
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

/// Forgets what was removed so long ago.
pub fn clear(shared: &Shared, kept: Duration) -> Result<(), Problem> {
    for aside in shared.folder.all_aside()? {
        if aside.starts_with(REMOVED)
            && let Ok(Some(stamp)) = shared.folder.stamp_aside(&aside)
            && stamp.age() >= kept
        {
            shared.folder.forget_aside(&aside)?;
        }
    }
    Ok(())
}
