//! The folder of a server or a set: created empty and removed at the end. The logs are kept after a
//! failure.
//!
//! A killed process cannot clean up. So each process removes abandoned folders when it creates its
//! first one. The owner of a folder holds a lock on its file `lock`, and the kernel releases the
//! lock with the process. A folder gets its final name only once its lock is held.

use std::{
    env, fs,
    fs::{File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Once,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::error::{Error, Result};

const OWNED: &str = "testbed-run-";
const UNBORN: &str = "testbed-new-";
const KEPT: &str = "testbed-kept-";
const LOCK: &str = "lock";

/// The ages at which unfinished folders, and folders with kept logs, are removed.
const UNBORN_AGE: Duration = Duration::from_secs(60 * 60);
const KEPT_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A string that is unique on this machine. It is not only the process id, because ids are reused
/// while old folders may still exist.
pub(crate) fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{}-{now:x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A temporary folder that is removed when dropped.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
    _lock: File,
    owner: u32,
    keep: AtomicBool,
    gone: AtomicBool,
}

impl Dir {
    pub(crate) fn create() -> Result<Dir> {
        static SWEPT: Once = Once::new();
        let parent = env::temp_dir();
        SWEPT.call_once(|| sweep(&parent));
        loop {
            let id = unique();
            let unborn = parent.join(format!("{UNBORN}{id}"));
            let path = parent.join(format!("{OWNED}{id}"));
            let failed =
                |error| Error::io(format!("creating the folder {}", path.display()), error);
            match fs::DirBuilder::new().mode(0o700).create(&unborn) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(error)),
            }
            let lock = File::create(unborn.join(LOCK)).map_err(failed)?;
            lock.lock().map_err(failed)?;
            fs::rename(&unborn, &path).map_err(failed)?;
            return Ok(Dir {
                path,
                _lock: lock,
                owner: std::process::id(),
                keep: AtomicBool::new(false),
                gone: AtomicBool::new(false),
            });
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the logs when the folder is removed.
    pub(crate) fn keep_logs(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// Removes the folder, except the logs to keep.
    pub(crate) fn remove(&self) {
        // A forked child has a copy of this value, but the folder belongs to the parent.
        if self.owner != std::process::id() || self.gone.swap(true, Ordering::Relaxed) {
            return;
        }
        let keep = self.keep.load(Ordering::Relaxed)
            || std::thread::panicking()
            || env::var_os("TESTBED_KEEP").is_some();
        if keep {
            match self.retire() {
                Ok(path) => eprintln!("testbed: the servers' logs are in {}", path.display()),
                Err(error) => {
                    eprintln!(
                        "testbed: could not keep the logs in {}: {error}",
                        self.path.display()
                    )
                }
            }
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }

    /// Removes the folder of servers that failed to start, and adds the path of their logs to
    /// `error`. The servers must have ended.
    pub(crate) fn clean_up_after(self, error: Error) -> Error {
        if self.gone.swap(true, Ordering::Relaxed) {
            return error;
        }
        match self.retire() {
            Ok(path) => error.and(&format!("(the logs are in {})", path.display())),
            Err(_) => error,
        }
    }

    /// Renames the folder, so that no other process removes it, and then removes all files except
    /// `*.log` as far as possible. Returns its path. The order matters, because a folder without
    /// its lock file counts as abandoned.
    fn retire(&self) -> io::Result<PathBuf> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().replace(OWNED, KEPT);
        let kept = self.path.with_file_name(name);
        fs::rename(&self.path, &kept)?;
        if env::var_os("TESTBED_KEEP").is_none() {
            for path in fs::read_dir(&kept)?.flatten().map(|entry| entry.path()) {
                // Files that cannot be removed stay with the logs.
                let _ = if path.is_dir() {
                    fs::remove_dir_all(&path)
                } else if path.extension().is_none_or(|extension| extension != "log") {
                    fs::remove_file(&path)
                } else {
                    Ok(())
                };
            }
        }
        Ok(kept)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes abandoned folders in `parent`. Folders that cannot be removed belong to others.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let abandoned = if name.starts_with(OWNED) {
            is_ownerless(&entry.path())
        } else if name.starts_with(UNBORN) {
            is_older(&entry, UNBORN_AGE)
        } else if name.starts_with(KEPT) {
            is_older(&entry, KEPT_AGE)
        } else {
            false
        };
        if abandoned {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_ownerless(path: &Path) -> bool {
    match File::open(path.join(LOCK)) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
        // Another process is removing the folder.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn is_older(entry: &fs::DirEntry, age: Duration) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|passed| passed > age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweep_removes_only_abandoned_folders() {
        let arena = Dir::create().unwrap();
        let owned = arena.path().join("testbed-run-1-0");
        let orphan = arena.path().join("testbed-run-2-0");
        let other = arena.path().join("somebody-else");
        for path in [&owned, &orphan, &other] {
            fs::create_dir(path).unwrap();
            File::create(path.join(LOCK)).unwrap();
        }
        let lock = File::open(owned.join(LOCK)).unwrap();
        lock.lock().unwrap();

        sweep(arena.path());

        assert!(owned.exists() && other.exists());
        assert!(!orphan.exists());
    }

    /// Other processes sweep at any time.
    #[test]
    fn folder_with_kept_logs_is_not_swept() {
        const FILES: usize = 20;
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let arena = Dir::create().unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    sweep(arena.path());
                }
            });
            let _over = Over(&over);
            for round in 0..25 {
                let path = arena.path().join(format!("{OWNED}{round}"));
                let unborn = arena.path().join(format!("{UNBORN}{round}"));
                fs::create_dir(&unborn).unwrap();
                let lock = File::create(unborn.join(LOCK)).unwrap();
                lock.lock().unwrap();
                (0..FILES).for_each(|i| fs::write(unborn.join(format!("{i}.data")), "").unwrap());
                fs::write(unborn.join("node.log"), "last words").unwrap();
                fs::rename(&unborn, &path).unwrap();
                let (keep, gone) = Default::default();
                let dir = Dir { path, _lock: lock, owner: std::process::id(), keep, gone };
                let kept = dir.retire().unwrap();
                assert_eq!(fs::read_dir(&kept).unwrap().count(), 1, "round {round}");
                assert_eq!(fs::read_to_string(kept.join("node.log")).unwrap(), "last words");
            }
        });
    }

    #[test]
    fn folder_with_kept_logs_loses_its_data() {
        let dir = Dir::create().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        fs::write(dir.path().join("node.log"), "last words").unwrap();
        let kept = dir.retire().unwrap();
        assert_eq!(fs::read_to_string(kept.join("node.log")).unwrap(), "last words");
        assert!(!kept.join("data").exists() && !dir.path().exists());
        fs::remove_dir_all(kept).unwrap();
    }
}
