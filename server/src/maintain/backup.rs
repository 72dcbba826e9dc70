//! A copy of the database, made while people type.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Done, Failure, Progress, Unfinished, folder_of, size, tell};
use crate::accounts::{self, Action};
use crate::machine::{Host, Machine as _};
use crate::sqlite::{Problem, beside};
use crate::storage::sqlite::reader::{CopyError, Reader, seal};

/// Copies the database of `data`, as it is when this begins, into the new file `to`.
pub fn backup(data: &Path, to: &Path, progress: &mut Progress) -> Result<Done, Failure> {
    let mut reader = Reader::open(data)?;
    if to.file_name().is_none() {
        return Err(Failure::argument(to, "this is not the name of a file"));
    }
    absent(to)?;
    let folder = folder_of(to);
    if !folder.is_dir() {
        return Err(Failure::argument(to, "its folder does not exist"));
    }
    let write = |error: std::io::Error| Failure::write(to, error);
    // Beside its place, so that it takes its name in one step; no two processes write the same one.
    let part = beside(to, &format!(".{}.part", std::process::id()));
    let (copy, file) = Unfinished::new(part).map_err(write)?;
    drop(file);
    fill(&mut reader, &copy.path, progress).map_err(|error| match error {
        CopyError::Sqlite(error) => match Problem::from(error) {
            Problem::NotUsable(reason) => Failure::write(to, reason),
            problem => problem.of(data, &reader.file).into(),
        },
        CopyError::Stopped(failure) => failure,
    })?;
    // Pages are copied as they are: what is wrong with the copy is wrong with the database.
    seal(&copy.path).map_err(|problem| match problem {
        Problem::NotUsable(reason) => Failure::write(to, reason),
        problem => problem.of(data, &reader.file).into(),
    })?;
    let bytes = copy.path.metadata().map_err(write)?.len();
    absent(to)?;
    copy.place(to).map_err(write)?;
    if let Some(accounts) = tell(data, Action::Exported, "a backup", to, progress)
        && let Err(error) = accounts.backed_up(Host.now_ms())
    {
        progress.say(format_args!(
            "it is not written down when this backup was made: {error}"
        ));
    }
    Ok(Done {
        summary: format!("Backed up {} to {}", size(bytes), to.display()),
        whole: true,
    })
}

/// A backup never takes the place of anything.
fn absent(to: &Path) -> Result<(), Failure> {
    match to.symlink_metadata() {
        Ok(_) => Err(Failure::argument(to, "it exists already")),
        Err(_) => Ok(()),
    }
}

fn fill(
    reader: &mut Reader,
    copy: &Path,
    progress: &mut Progress,
) -> Result<(), CopyError<Failure>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(copy, flags)?;
    // It is synced once, when it is whole; until then there is nothing that a crash could take.
    copy.pragma_update(None, "synchronous", "OFF")?;
    copy.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
    reader.copy(&mut copy, |done, all| progress.step("pages", done, all))?;
    accounts::copy::keep(folder_of(&reader.file), &copy)?;
    copy.close().map_err(|(_, error)| error.into())
}
