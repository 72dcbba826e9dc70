//! A server that a library is preloaded into: it records all that the server does to its files, and makes calls fail.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ropewalk_tests::ropewalk::folder;
use ropewalk_tests::{Failed, Ropewalk};
use tempfile::TempDir;

use disk::Act;

pub mod disk;

/// Calls that can fail. See `preload.c`.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    Sync,
    Write,
    Read,
    OpenToWrite,
}

/// For [`Preload::fail`]: until it is mended.
pub const ALWAYS: i32 = -1;
/// The device fails.
pub const EIO: i32 = 5;
/// The file system takes no writes.
pub const EROFS: i32 = 30;

/// Nothing fails, but waits.
const WAIT: i32 = -1;

/// Bytes of what says which calls fail.
const FAULTS: usize = 64;

/// What the library in a server is told, and what it says.
pub struct Preload {
    beside: TempDir,
    faults: File,
}

impl Preload {
    /// Starts a server in a folder.
    pub async fn start(data: Arc<TempDir>, arguments: &[&str]) -> (Ropewalk, Self) {
        let beside = folder();
        let faults = File::create_new(beside.path().join("faults")).unwrap();
        faults.write_all_at(&[0; FAULTS], 0).unwrap();
        let preload = Self { beside, faults };
        let server = preload.start_in(data, arguments).await;
        (server, preload)
    }

    /// Starts a server in a folder; the recording goes on.
    pub async fn start_in(&self, data: Arc<TempDir>, arguments: &[&str]) -> Ropewalk {
        self.try_in(data, arguments).await.unwrap()
    }

    /// Tries to.
    pub async fn try_in(&self, data: Arc<TempDir>, arguments: &[&str]) -> Result<Ropewalk, Failed> {
        let path = data.path().canonicalize().unwrap();
        let at = |name| self.beside.path().join(name).display().to_string();
        let (to, faults) = (at("recording"), at("faults"));
        let environment = [
            ("LD_PRELOAD", library().to_str().unwrap()),
            ("RECORD_TO", &to),
            ("RECORD_FOLDER", path.to_str().unwrap()),
            ("FAULTS", &faults),
        ];
        Ropewalk::in_environment(data, arguments, &environment).await
    }

    /// Makes a call fail so often on the file of this name, "." for the folder itself, or on all if it is empty.
    pub fn fail(&self, call: Call, name: &str, error: i32, times: i32) {
        assert!(name.len() < 44);
        let mut file = [0; 44];
        file[..name.len()].copy_from_slice(name.as_bytes());
        self.faults.write_all_at(&file, 20).unwrap();
        self.faults.write_all_at(&error.to_le_bytes(), 16).unwrap();
        self.set(call, times);
    }

    /// Makes a call on the file of this name wait until it is mended; who commits does not wait to read.
    pub fn wait(&self, call: Call, name: &str) {
        self.fail(call, name, WAIT, ALWAYS);
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        self.faults.write_all_at(&[0; 16], 0).unwrap();
    }

    /// How often a call is still to fail.
    pub fn left(&self, call: Call) -> i32 {
        let mut left = [0; 4];
        self.faults
            .read_exact_at(&mut left, 4 * call as u64)
            .unwrap();
        i32::from_le_bytes(left)
    }

    fn set(&self, call: Call, times: i32) {
        self.faults
            .write_all_at(&times.to_le_bytes(), 4 * call as u64)
            .unwrap();
    }

    /// Length of the recording, in bytes.
    pub fn recorded(&self) -> u64 {
        std::fs::metadata(self.beside.path().join("recording"))
            .unwrap()
            .len()
    }

    /// All that was done so far.
    pub fn acts(&self) -> Vec<Act> {
        disk::read(&std::fs::read(self.beside.path().join("recording")).unwrap())
    }
}

/// The library, built once.
pub fn library() -> &'static PathBuf {
    static LIBRARY: OnceLock<(PathBuf, TempDir)> = OnceLock::new();
    let (path, _) = LIBRARY.get_or_init(|| {
        let kept = folder();
        let path = kept.path().join("preload.so");
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/stories/preload/preload.c"
        );
        let built = std::process::Command::new(std::env::var_os("CC").unwrap_or("cc".into()))
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&path, &PathBuf::from(source)])
            .status();
        assert!(built.is_ok_and(|status| status.success()), "cc {source}");
        (path, kept)
    });
    path
}
