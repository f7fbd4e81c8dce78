//! A lease on a key: whoever holds it computes, whoever waits takes the result.
//!
//! The operating system's lock on one byte of one file is the lease: which byte, the key says. A lock
//! belongs to the open file, so it ends with its holder, however that ends, and no file comes or goes.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use fs_err::File;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::digest::Digest;
use super::disk;
use crate::stage::Stop;

/// How often a waiting process looks again.
const PATIENCE: Duration = Duration::from_millis(5);

/// The byte that stands for the use of the whole cache; keys have the others.
pub(super) const SHARE: i64 = 0;

/// How a byte is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// By any number at once.
    Shared,
    /// By one.
    Alone,
}

/// The right to compute a key; it ends when the value is dropped.
pub struct Lease {
    _file: File,
}

impl Lease {
    /// Waits for the lease on a key.
    ///
    /// # Errors
    /// When the file can't be written or the run is interrupted.
    pub fn take(path: &Path, key: &Digest, stop: Stop<'_>) -> Result<Self> {
        let file = disk::open_to_append(path)?;
        while !lock(&file, key).with_context(|| format!("can't lock `{}`", path.display()))? {
            stop.check()?;
            std::thread::sleep(PATIENCE);
        }
        Ok(Self { _file: file })
    }
}

/// Tries to lock the byte of a key; whether nobody else had it.
fn lock(file: &File, key: &Digest) -> Result<bool, Errno> {
    // Bytes need not exist to be locked. Two keys that share one would only wait for each other.
    let first: [u8; 8] = std::array::from_fn(|at| key.as_bytes()[at]);
    #[allow(clippy::cast_possible_wrap, reason = "half of the number always fits")]
    let byte = (u64::from_le_bytes(first) >> 1) as i64;
    try_lock(file, byte.clamp(SHARE + 1, i64::MAX - 1), Hold::Alone)
}

/// Tries to lock a byte; whether nobody holds it in a way that forbids it.
pub(super) fn try_lock(file: &File, byte: i64, hold: Hold) -> Result<bool, Errno> {
    let kind = if hold == Hold::Alone { libc::F_WRLCK } else { libc::F_RDLCK };
    #[allow(clippy::cast_possible_truncation, reason = "the constants are small")]
    let wanted = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    match fcntl(file.file(), FcntlArg::F_OFD_SETLK(&wanted)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES | Errno::EINTR) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::{Digest, Lease, Stop};

    #[test]
    fn one_at_a_time_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (holders, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _lease = Lease::take(&path, &Digest::of(b"k"), Stop::never()).unwrap();
                    most.fetch_max(holders.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    holders.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }

    #[test]
    fn other_keys_do_not_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        // One that is interrupted gives up at once where it would have to wait.
        let take = |key: &[u8]| Lease::take(&path, &Digest::of(key), Stop::when(&AtomicBool::new(true)));
        let held = take(b"a").unwrap();
        assert!(take(b"b").is_ok() && take(b"a").is_err());
        drop(held);
        assert!(take(b"a").is_ok());
    }
}
