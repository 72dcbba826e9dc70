//! File systems of a story's own.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use ropewalk_tests::ropewalk::folder;
use tempfile::TempDir;

/// Set by those who cannot mount anything and want the other stories.
const WITHOUT: &str = "ROPEWALK_WITHOUT_MOUNTS";

fn is_allowed() -> bool {
    let is_allowed = std::env::var_os(WITHOUT).is_none();
    if !is_allowed {
        println!("SKIPPED, as {WITHOUT} is set: nothing is mounted");
    }
    is_allowed
}

/// A file system on a temporary folder.
pub struct Mount {
    folder: Arc<TempDir>,
}

impl Mount {
    /// A file system in memory with room for so many MiB. `None` only where nothing is to be mounted.
    pub fn memory(mib: u32) -> Option<Self> {
        let mount = Self::allowed()?;
        let size = format!("size={mib}m");
        assert!(
            mount.mount(&["-t", "tmpfs", "-o", &size], "tmpfs"),
            "run this as root, or set {WITHOUT}=1 to leave such stories out"
        );
        Some(mount)
    }

    /// A new ext4 in an image, that turns read-only at its first error. `None` also where that cannot be made: in some
    /// containers only memory can be mounted.
    pub fn ext4(image: &Path) -> Option<Self> {
        let mount = Self::allowed()?;
        File::create(image).unwrap().set_len(32 << 20).unwrap();
        let made = Command::new("mkfs.ext4").arg("-q").arg(image).status();
        let made = made.is_ok_and(|status| status.success());
        let options = ["-o", "loop,errors=remount-ro"];
        if !made || !mount.mount(&options, image.to_str().unwrap()) {
            println!("SKIPPED: needed are mkfs.ext4 and loop devices");
            return None;
        }
        // What mkfs leaves is not ours.
        std::fs::remove_dir(mount.folder.path().join("lost+found")).unwrap();
        Some(mount)
    }

    fn allowed() -> Option<Self> {
        is_allowed().then(|| Self {
            folder: Arc::new(folder()),
        })
    }

    fn mount(&self, options: &[&str], what: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(options).arg(what).arg(self.folder.path());
        mount.status().is_ok_and(|status| status.success())
    }

    /// Has an ext4 meet an error, which makes it read-only for good.
    pub fn meet_an_error(&self) {
        let mounted = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let path = self.folder.path().to_str().unwrap();
        let line = mounted
            .lines()
            .find(|line| line.split(' ').nth(1) == Some(path));
        let device = line.and_then(|line| line.split(' ').next()).unwrap();
        let device = device.strip_prefix("/dev/").unwrap();
        std::fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
    }

    /// Unmounts it and mounts it again, which plays its journal back.
    pub fn mount_again(&self, image: &Path) {
        let unmounted = Command::new("umount").arg(self.folder.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
        assert!(self.mount(&["-o", "loop"], image.to_str().unwrap()));
    }

    /// Where it is.
    pub fn folder(&self) -> Arc<TempDir> {
        self.folder.clone()
    }

    /// Changes its options.
    pub fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{options}")]);
        let done = mount.arg(self.folder.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "{mount:?}");
    }

    /// Takes the room that there is, but for so many bytes.
    pub fn fill(&self, left: u64) {
        let mut file = File::create(self.filler()).unwrap();
        for piece in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![1; piece]).is_ok() {}
        }
        let size = file.metadata().unwrap().len();
        file.set_len(size - left).unwrap();
    }

    /// Gives that room back.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }
}

/// An empty file system in memory over a folder, until it is dropped.
pub struct Over(PathBuf);

impl Over {
    /// Mounts it. `None` only where nothing is to be mounted.
    pub fn folder(folder: &Path) -> Option<Self> {
        let what = ["-t", "tmpfs", "tmpfs"].map(OsStr::new);
        Self::mount(&what, folder)
    }

    /// Mounts the folder over itself: the same file system once more.
    pub fn same(folder: &Path) -> Option<Self> {
        Self::mount(&[OsStr::new("--bind"), folder.as_os_str()], folder)
    }

    fn mount(what: &[&OsStr], folder: &Path) -> Option<Self> {
        if !is_allowed() {
            return None;
        }
        let done = Command::new("mount").args(what).arg(folder).status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "run this as root, or set {WITHOUT}=1 to leave such stories out"
        );
        Some(Self(folder.to_owned()))
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        let _ = unmount.arg("--lazy").arg(&self.0).status();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A server that was killed may not be gone yet.
        let mut unmount = Command::new("umount");
        let _ = unmount.arg("--lazy").arg(self.folder.path()).status();
    }
}
