//! A lease on a key: whoever holds it computes, whoever waits takes the result.
//!
//! The operating system's lock on a small file is the lease, so a dead holder's is free at once. The
//! holder removes the file at the end; whoever then gets the lock on a file that is no longer at its
//! path opens a new one.

use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::digest::Digest;
use super::disk;

/// How often a waiting process looks again.
const PATIENCE: Duration = Duration::from_millis(20);

/// The right to compute a key; it ends when the value is dropped.
pub struct Lease {
    path: PathBuf,
    file: std::fs::File,
}

impl Lease {
    /// Waits for the lease on a key.
    ///
    /// # Errors
    /// When the folder can't be written or the run is interrupted.
    pub fn take(folder: &Path, key: &Digest, cancelled: &AtomicBool) -> Result<Self> {
        let path = folder.join(key.hex());
        let mut file = open(&path)?;
        loop {
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Self { path, file }),
                Ok(()) => {
                    file = open(&path)?;
                    continue;
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("can't lock `{}`", path.display()));
                }
            }
            if cancelled.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            std::thread::sleep(PATIENCE);
        }
    }
}

/// Opens a file to lock, made where there is none.
pub(super) fn open(path: &Path) -> Result<std::fs::File> {
    Ok(disk::create(path)?.into_parts().0)
}

/// Whether the open file is still the one at the path.
pub(super) fn is_at(file: &std::fs::File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The file goes while the lock is held. If it stays, it is only a file that nobody needs.
        let _ = disk::remove(&self.path);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::{Digest, Lease};

    #[test]
    fn one_at_a_time_holds_it_and_no_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (holders, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let key = Digest::of(b"k");
                    let _lease = Lease::take(folder.path(), &key, &AtomicBool::new(false)).unwrap();
                    most.fetch_max(holders.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    holders.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn whoever_waits_can_be_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let key = Digest::of(b"k");
        let _held = Lease::take(folder.path(), &key, &AtomicBool::new(false)).unwrap();
        assert!(Lease::take(folder.path(), &key, &AtomicBool::new(true)).is_err());
    }
}
