//! A copy of the database takes the place of the one in the data folder.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{Done, Failure, Progress, Unfinished, size, tell};
use crate::accounts::{self, Action};
use crate::machine::{Host, Machine as _};
use crate::search;
use crate::sqlite::{Problem, beside, sync_folder};
use crate::storage::sqlite::open::{self, Folder, NEW};
use crate::storage::sqlite::{reader, settle};

/// Copied between two looks at anything else, in bytes.
const STEP: usize = 1 << 20;
/// What can lie beside a database and belong to it alone.
const JOURNALS: [&str; 2] = ["-wal", "-journal"];

/// Puts a copy of the file `from` into `data`. A database that is there is kept under another name, with `replace`.
pub fn restore(
    data: &Path,
    from: &Path,
    replace: bool,
    progress: &mut Progress,
) -> Result<Done, Failure> {
    open::head(open_file(from)?).map_err(|problem| problem.of(data, from))?;
    let folder = open::hold(data)?;
    let real = from.canonicalize();
    let is_ours = real.as_ref().is_ok_and(|real| *real == folder.file);
    if is_ours {
        return Err(Failure::argument(from, "it is in its place already"));
    }
    // It would change while it is copied.
    if real.is_ok_and(|real| open::in_use(&real)) {
        let reason = "a server uses this database; make a backup of it";
        return Err(Failure::argument(from, reason));
    }
    let found = present(&folder);
    if found && !replace {
        let reason = format!(
            "there is a database already, {}; with --replace it is kept under another name",
            folder.file.display()
        );
        return Err(Failure::argument(from, reason));
    }
    let new = bring(from, data, &folder, progress)?;
    let bytes = new.path.metadata().map_or(0, |file| file.len());
    let write = |error: io::Error| Failure::write(&folder.file, error);
    let of_accounts = |problem: Problem| problem.of(data, &folder.path.join(accounts::FILE));
    let coming = accounts::copy::take(&new.path).and_then(|accounts| {
        let bring = |data: Vec<u8>| accounts::copy::bring(&folder.path, &data);
        accounts.map(bring).transpose()
    });
    let coming = coming.map_err(of_accounts)?;
    let kept = match found {
        true => Some(keep(data, &folder)?),
        false => None,
    };
    // Before the documents: a crash in between lets nobody in who should not be.
    let place = |coming: accounts::copy::Coming| coming.place(&folder.path, &utc(Host.now_ms()));
    let accounts = coming.map(place).transpose().map_err(of_accounts)?;
    // What it says is of the documents before.
    search::index::remove(&folder.path).map_err(write)?;
    new.place(&folder.file).map_err(write)?;
    tell(data, Action::Restored, "a backup", from, progress);
    let kept = kept.map_or(String::new(), |kept| {
        format!("; the one before is {}", kept.display())
    });
    let accounts = match accounts {
        None => String::new(),
        Some(None) => ", with accounts".to_owned(),
        Some(Some(kept)) => format!(", with accounts (those before are {})", kept.display()),
    };
    Ok(Done {
        summary: format!(
            "Restored {} to {}{accounts}{kept}",
            size(bytes),
            folder.file.display()
        ),
        whole: true,
    })
}

fn open_file(from: &Path) -> Result<File, Failure> {
    let refuse = |error: io::Error| Failure::argument(from, error.to_string());
    // Opening a pipe would wait.
    if !fs::metadata(from).map_err(refuse)?.is_file() {
        return Err(Failure::argument(from, "it is not a file"));
    }
    File::open(from).map_err(refuse)
}

/// Whether there is a database, or what is left of one.
fn present(folder: &Folder) -> bool {
    folder.file.symlink_metadata().is_ok()
        || JOURNALS.iter().any(|suffix| {
            fs::metadata(beside(&folder.file, suffix)).is_ok_and(|journal| journal.len() > 0)
        })
}

/// Copies the file into the folder, and checks the copy: nothing else can change it any more.
fn bring(
    from: &Path,
    data: &Path,
    folder: &Folder,
    progress: &mut Progress,
) -> Result<Unfinished, Failure> {
    let path = folder.path.join(NEW);
    let write = |error: io::Error| Failure::write(&path, error);
    // The folder is locked: what lies there is left over from a power cut.
    remove(&path, &["", "-wal", "-journal", "-shm"]).map_err(write)?;
    let (new, mut to) = Unfinished::new(path.clone()).map_err(write)?;
    copy(from, &mut to, &path, progress)?;
    // A file that was copied with the server killed has its newest edits in the journal beside it.
    for suffix in JOURNALS {
        let journal = beside(from, suffix);
        if journal.is_file() {
            let journal_path = beside(&path, suffix);
            let mut to = File::create(&journal_path).map_err(write)?;
            copy(&journal, &mut to, &journal_path, progress)?;
        }
    }
    drop(to);
    let sealed = reader::seal(&path).and_then(|()| reader::begin_anew(&path, Host.now_ms()));
    sealed.map_err(|problem| match problem {
        Problem::NotUsable(reason) => Failure::write(&path, reason),
        problem => problem.of(data, from).into(),
    })?;
    Ok(new)
}

fn copy(from: &Path, to: &mut File, path: &Path, progress: &mut Progress) -> Result<(), Failure> {
    let read = |error: io::Error| Failure::argument(from, error.to_string());
    let mut from = File::open(from).map_err(read)?;
    let all = from.metadata().map_err(read)?.len();
    let mut piece = vec![0; STEP];
    let mut done = 0;
    loop {
        let got = from.read(&mut piece).map_err(read)?;
        if got == 0 {
            return Ok(());
        }
        to.write_all(&piece[..got])
            .map_err(|error| Failure::write(path, error))?;
        done += got as u64;
        progress.step("bytes", done, all)?;
    }
}

/// Gives the folder's database a second name, under which it is kept, and takes its journals away from the first:
/// SQLite would read them into whatever database is there. The database itself stays in its place until the new one
/// takes it in one step, so that there is one whatever happens.
fn keep(data: &Path, folder: &Folder) -> Result<PathBuf, Failure> {
    let write = |error: io::Error| Failure::write(&folder.file, error);
    let mut kept = beside(&folder.file, &format!(".before-{}", utc(Host.now_ms())));
    while kept.symlink_metadata().is_ok() {
        // Twice in a second.
        kept = beside(&kept, "-again");
    }
    let named = name(folder, &kept)
        .map_err(write)
        .and_then(|()| empty_journal(data, folder));
    if let Err(failure) = named {
        remove(&kept, &["", "-wal", "-journal"]).map_err(write)?;
        return Err(failure);
    }
    // It has the same journal under both names, which was emptied into the database.
    for suffix in JOURNALS {
        let journal = beside(&kept, suffix);
        if journal.metadata().is_ok_and(|journal| journal.len() == 0) {
            fs::remove_file(journal).map_err(write)?;
        }
    }
    remove(&folder.file, &["-wal", "-journal", "-shm"]).map_err(write)?;
    sync_folder(&folder.path).map_err(write)?;
    Ok(kept)
}

fn name(folder: &Folder, kept: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-journal"] {
        let (from, to) = (beside(&folder.file, suffix), beside(kept, suffix));
        if from.symlink_metadata().is_ok() {
            link(&from, &to)?;
        }
    }
    sync_folder(&folder.path)
}

/// Moves the journal into the database, unless it is damaged: that is why it is replaced. Of a damaged one SQLite may
/// take the journal away, which has its second name by then.
fn empty_journal(data: &Path, folder: &Folder) -> Result<(), Failure> {
    if !folder.file.exists() {
        return Ok(());
    }
    match settle(&folder.file) {
        Ok(true) | Err(Problem::Damaged(_)) => Ok(()),
        Ok(false) => {
            let used = Problem::NotUsable("another process is using the database".to_owned());
            Err(used.of(data, &folder.file).into())
        }
        Err(problem) => Err(problem.of(data, &folder.file).into()),
    }
}

/// Removes what there is of these.
fn remove(file: &Path, suffixes: &[&str]) -> io::Result<()> {
    for suffix in suffixes {
        match fs::remove_file(beside(file, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// A second name; a copy where files have only one.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
        fs::OpenOptions::new().write(true).open(to)?.sync_all()?;
    }
    Ok(())
}

/// A moment as it can be written in a file name: `20260131T235959Z`.
pub fn utc(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The calendar repeats every 400 years of 146,097 days. Years begin in March here, so that the leap day is the last.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}{month:02}{of_month:02}T{:02}{:02}{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn a_moment_has_its_date() {
        for (seconds, written) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_767_225_599, "20251231T235959Z"),
            (1_767_225_600, "20260101T000000Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(utc(seconds * 1000 + 999), written);
        }
    }
}
