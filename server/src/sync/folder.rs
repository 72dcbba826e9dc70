//! The folder: texts are read and put in place below it and nowhere else. No symbolic link is ever followed.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{self as unix, AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use thiserror::Error;

use super::ASIDE;

/// With this begins the name of what is not all written yet.
pub const NEW: &str = "new-";
/// With this begins the name of what is kept.
pub const REMOVED: &str = "removed-";
/// The largest text that is taken in, in bytes.
const MAX_TEXT: u64 = 64 << 20;
/// The clock by which changes are told apart moves on in steps; they are shorter than this.
pub const STEP: Duration = Duration::from_millis(20);
/// How deep folders are looked into; document names have no more segments.
const MAX_DEPTH: usize = crate::name::MAX_SEGMENTS;

/// See the module.
#[derive(Debug)]
pub struct Folder {
    root: OwnedFd,
    /// The folder's own folder; it is locked as long as this is open.
    own: OwnedFd,
    mount: Mount,
}

/// A file system, as it is mounted somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mount {
    device: u64,
    /// Where the system says it: the same one can be mounted twice.
    id: Option<u64>,
}

/// By which a file that has changed is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// How long ago it was changed, moved, or given another name.
    pub fn age(&self) -> Duration {
        let since = u64::try_from(self.changed.0).unwrap_or_default();
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(since);
        since.elapsed().unwrap_or_default()
    }

    /// Whether another change may have just the same, if it is `now`.
    fn is_fresh(&self, now: SystemTime) -> bool {
        let (seconds, nanos) = self.changed;
        let whole = u64::try_from(seconds).unwrap_or_default();
        let part = u32::try_from(nanos).unwrap_or_default();
        let changed = SystemTime::UNIX_EPOCH + Duration::new(whole, part);
        // Another machine's clock may be ahead.
        let apart = now.duration_since(changed);
        apart.unwrap_or_else(|ahead| ahead.duration()) < STEP
    }
}

/// A file that is a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    pub stamp: Stamp,
    /// It was changed so lately that it could change once more without another stamp.
    pub is_fresh: bool,
}

/// Why a file is none that can be kept in step.
#[derive(Debug, Error)]
pub enum Unfit {
    /// It leads elsewhere, or a folder on the way to it does.
    #[error("it is a symbolic link, or below one or below a plain file")]
    Link,
    /// What is put in its place is written elsewhere, and when that file system is not there, its files are not gone.
    #[error("it is on another file system than the folder")]
    Elsewhere,
    /// A folder, a socket or another thing.
    #[error("it is not a plain file")]
    NotFile,
    /// Not UTF-8, or with null bytes.
    #[error("it is not a text in UTF-8")]
    NotText,
    /// Larger than [`MAX_TEXT`].
    #[error("it is larger than 64 MiB")]
    TooLarge,
    /// It is being written.
    #[error("it changes all the time")]
    Restless,
    /// The system says so.
    #[error("{0}")]
    System(#[from] io::Error),
}

impl From<Errno> for Unfit {
    fn from(error: Errno) -> Self {
        match error {
            Errno::LOOP | Errno::MLINK => Self::Link,
            Errno::ISDIR => Self::NotFile,
            error => Self::System(error.into()),
        }
    }
}

/// What a walk finds.
#[derive(Debug, Default)]
pub struct Found {
    /// Paths of plain files, with `/`.
    pub files: Vec<String>,
    /// What is none that can be kept in step, and why.
    pub left_alone: Vec<(String, &'static str)>,
    /// What could be, but for something, and what.
    pub left_out: Vec<(String, &'static str)>,
}

impl Folder {
    /// Opens a folder and locks it, until the process ends.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = unix::openat(CWD, path, flags, Mode::empty())?;
        match unix::mkdirat(&root, ASIDE, Mode::from(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let aside = unix::openat(&root, ASIDE, flags | OFlags::NOFOLLOW, Mode::empty())?;
        match unix::flock(&aside, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let mount = mount(&root)?;
        Ok(Some(Self {
            root,
            own: aside,
            mount,
        }))
    }

    /// Whether its own folder, and so the lock, is where it was. If not, files are missing for another reason than that somebody has
    /// deleted them.
    pub fn is_whole(&self) -> bool {
        let same = || {
            let (found, own) = (
                unix::fstat(self.aside().ok()?).ok()?,
                unix::fstat(&self.own).ok()?,
            );
            Some((found.st_dev, found.st_ino) == (own.st_dev, own.st_ino))
        };
        same() == Some(true)
    }

    /// Reads a text. `None` if there is no file.
    pub fn read(&self, path: &str) -> Result<Option<Text>, Unfit> {
        let Some((folder, name)) = self.place(path, false)? else {
            return Ok(None);
        };
        // A pipe would have to be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match unix::openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let now = SystemTime::now();
        let before = unix::fstat(&file)?;
        if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
            return Err(Unfit::NotFile);
        }
        let mut file = File::from(file);
        let mut bytes = Vec::new();
        (&mut file).take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_TEXT {
            return Err(Unfit::TooLarge);
        }
        let stamp = stamp(&before);
        if stamp != self::stamp(&unix::fstat(&file)?) {
            return Err(Unfit::Restless);
        }
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(Some(Text {
                text,
                stamp,
                is_fresh: stamp.is_fresh(now),
            })),
            _ => Err(Unfit::NotText),
        }
    }

    /// What tells whether a file has changed; `None` if there is none.
    pub fn stamp(&self, path: &str) -> Result<Option<Stamp>, Unfit> {
        let Some((folder, name)) = self.place(path, false)? else {
            return Ok(None);
        };
        match unix::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stamp(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a text into the folder's own folder, synced, with the permissions of a file.
    pub fn put_aside(&self, aside: &str, text: &str, like: &str) -> Result<(), Unfit> {
        let mode = match self.place(like, false)? {
            Some((folder, name)) => match unix::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Some(Mode::from_raw_mode(stat.st_mode)),
                Err(Errno::NOENT) => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (folder, new) = (self.aside()?, format!("{NEW}{aside}"));
        let file = unix::openat(&folder, &*new, flags, Mode::from(0o666))?;
        if let Some(mode) = mode {
            unix::fchmod(&file, mode)?;
        }
        if let Err(error) = write(file, text) {
            // Half a text helps nobody, and takes room that may be all there is.
            self.forget_aside(&new)?;
            return Err(error.into());
        }
        unix::renameat(&folder, &*new, &folder, aside)?;
        Ok(())
    }

    /// Puts what is aside in the place of a file, and the file aside, in one step.
    pub fn exchange(&self, aside: &str, path: &str) -> Result<(), Unfit> {
        self.rename(aside, path, false, RenameFlags::EXCHANGE)
    }

    /// Puts what is aside where no file is. `false` if there is one.
    pub fn place_new(&self, aside: &str, path: &str) -> Result<bool, Unfit> {
        match self.rename(aside, path, true, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Unfit::System(error)) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes a file out of the way, without losing it.
    pub fn take_out(&self, path: &str, aside: &str) -> Result<(), Unfit> {
        let Some((folder, name)) = self.place(path, false)? else {
            return Ok(());
        };
        unix::renameat_with(&folder, name, &self.aside()?, aside, RenameFlags::NOREPLACE)?;
        unix::fsync(&folder)?;
        Ok(())
    }

    fn rename(
        &self,
        aside: &str,
        path: &str,
        create: bool,
        flags: RenameFlags,
    ) -> Result<(), Unfit> {
        let Some((folder, name)) = self.place(path, create)? else {
            return Err(Unfit::System(io::ErrorKind::NotFound.into()));
        };
        unix::renameat_with(&self.aside()?, aside, &folder, name, flags)?;
        unix::fsync(&folder)?;
        Ok(())
    }

    /// Writes a text beside a file, under a name that is free.
    pub fn copy_beside(&self, copy: &str, text: &str) -> Result<(), Unfit> {
        let Some((folder, name)) = self.place(copy, true)? else {
            return Err(Unfit::System(io::ErrorKind::NotFound.into()));
        };
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Whoever may read the file may not be known.
        let file = unix::openat(&folder, name, flags, Mode::from(0o600))?;
        if let Err(error) = write(file, text) {
            unix::unlinkat(&folder, name, AtFlags::empty())?;
            return Err(error.into());
        }
        unix::fsync(&folder)?;
        Ok(())
    }

    /// Reads what is aside.
    pub fn read_aside(&self, aside: &str) -> Result<Option<Text>, Unfit> {
        self.read(&format!("{ASIDE}/{aside}"))
    }

    /// What tells whether that has changed.
    pub fn stamp_aside(&self, aside: &str) -> Result<Option<Stamp>, Unfit> {
        self.stamp(&format!("{ASIDE}/{aside}"))
    }

    /// Removes what is aside.
    pub fn forget_aside(&self, aside: &str) -> Result<(), Unfit> {
        match unix::unlinkat(&self.aside()?, aside, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives another name to what is aside.
    pub fn rename_aside(&self, aside: &str, name: &str) -> Result<(), Unfit> {
        let folder = self.aside()?;
        unix::renameat_with(&folder, aside, &folder, name, RenameFlags::NOREPLACE)?;
        Ok(())
    }

    /// Keeps what is aside, and says where.
    pub fn keep_aside(&self, aside: &str) -> Result<String, Unfit> {
        let (folder, kept) = (self.aside()?, format!("{REMOVED}{aside}"));
        unix::renameat_with(&folder, aside, &folder, &*kept, RenameFlags::NOREPLACE)?;
        unix::fsync(&folder)?;
        Ok(format!("{ASIDE}/{kept}"))
    }

    /// Names of what is aside.
    pub fn all_aside(&self) -> Result<Vec<String>, Unfit> {
        let entries = unix::Dir::read_from(self.aside()?)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    /// Whether files can be exchanged here in one step.
    pub fn can_exchange(&self) -> Result<(), Unfit> {
        let (one, other) = ("text-one", "text-other");
        self.put_aside(one, "", one)?;
        self.put_aside(other, "", other)?;
        let aside = self.aside()?;
        let exchanged = unix::renameat_with(&aside, one, &aside, other, RenameFlags::EXCHANGE);
        self.forget_aside(one)?;
        self.forget_aside(other)?;
        Ok(exchanged?)
    }

    fn aside(&self) -> Result<OwnedFd, Unfit> {
        Ok(open_folder(&self.root, ASIDE)?)
    }

    /// The folder that a file is in, and its name there; each folder on the way is opened by itself, so that none is a link.
    fn place<'p>(&self, path: &'p str, create: bool) -> Result<Option<(OwnedFd, &'p str)>, Unfit> {
        let mut folder = self.root.try_clone()?;
        let mut segments = path.split('/').peekable();
        while let Some(segment) = segments.next() {
            if segments.peek().is_none() {
                return Ok(Some((folder, segment)));
            }
            if create {
                match unix::mkdirat(&folder, segment, Mode::from(0o777)) {
                    Ok(()) => unix::fsync(&folder)?,
                    Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            folder = match open_folder(&folder, segment) {
                Ok(folder) => folder,
                Err(Errno::NOENT) => return Ok(None),
                // With NOFOLLOW and DIRECTORY a link is no folder.
                Err(Errno::NOTDIR) => return Err(Unfit::Link),
                Err(error) => return Err(error.into()),
            };
            if mount(&folder)? != self.mount {
                return Err(Unfit::Elsewhere);
            }
        }
        Ok(None)
    }

    /// All files, but hidden ones.
    pub fn walk(&self) -> Result<Found, Unfit> {
        let mut found = Found::default();
        walk(&self.root, self.mount, "", 1, &mut found)?;
        found.files.sort_unstable();
        Ok(found)
    }
}

fn walk(
    folder: &OwnedFd,
    mounted: Mount,
    path: &str,
    depth: usize,
    found: &mut Found,
) -> Result<(), Unfit> {
    for entry in unix::Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            let shown = String::from_utf8_lossy(entry.file_name().to_bytes());
            found
                .left_out
                .push((format!("{path}{shown}"), "its name is not UTF-8"));
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        let at = format!("{path}{name}");
        let kind = match unix::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode),
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        match kind {
            FileType::RegularFile => found.files.push(at),
            FileType::Directory if depth == MAX_DEPTH => {
                found.left_out.push((at, "it is too deep"));
            }
            FileType::Directory => match open_folder(folder, name) {
                Ok(inner) if open_folder(&inner, ASIDE).is_ok() => {
                    found.left_alone.push((at, "it is kept in step by itself"));
                }
                Ok(inner) if mount(&inner)? != mounted => {
                    found.left_alone.push((at, "it is another file system"));
                }
                Ok(inner) => walk(&inner, mounted, &format!("{at}/"), depth + 1, found)?,
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(_) => found.left_out.push((at, "it cannot be opened")),
            },
            FileType::Symlink => found.left_alone.push((at, "it is a symbolic link")),
            _ => found.left_alone.push((at, "it is not a plain file")),
        }
    }
    Ok(())
}

fn write(file: OwnedFd, text: &str) -> io::Result<()> {
    let mut file = File::from(file);
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn open_folder(at: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    unix::openat(at, name, flags, Mode::empty())
}

#[cfg(target_os = "linux")]
fn mount(folder: &OwnedFd) -> Result<Mount, Errno> {
    use rustix::fs::{StatxFlags, statx};

    let device = unix::fstat(folder)?.st_dev;
    let found = statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID);
    let id = found.ok().filter(|found| {
        let has = StatxFlags::from_bits_retain(found.stx_mask);
        has.contains(StatxFlags::MNT_ID)
    });
    Ok(Mount {
        device,
        id: id.map(|found| found.stx_mnt_id),
    })
}

#[cfg(not(target_os = "linux"))]
fn mount(folder: &OwnedFd) -> Result<Mount, Errno> {
    Ok(Mount {
        device: unix::fstat(folder)?.st_dev as u64,
        id: None,
    })
}

fn stamp(stat: &unix::Stat) -> Stamp {
    Stamp {
        inode: stat.st_ino,
        size: stat.st_size,
        modified: (stat.st_mtime, stat.st_mtime_nsec as i64),
        changed: (stat.st_ctime, stat.st_ctime_nsec as i64),
    }
}
