//! A lease on a key: whoever holds it computes, whoever waits takes the result.
//!
//! The operating system's lock on a small file is the lease, so a dead holder's is free at once.

use std::fs::TryLockError;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::digest::Digest;

/// How often a waiting process looks again.
const PATIENCE: Duration = Duration::from_millis(20);

/// The right to compute a key; it ends when the value is dropped.
pub struct Lease {
    file: std::fs::File,
    /// Whether somebody else held it first, so that the result may be there by now.
    pub waited: bool,
}

impl Lease {
    /// Waits for the lease on a key.
    ///
    /// # Errors
    /// When the folder can't be written or the run is interrupted.
    pub fn take(folder: &Path, key: &Digest, cancelled: &AtomicBool) -> Result<Self> {
        let path = folder.join(key.hex());
        let file = fs_err::File::create(&path)?.into_parts().0;
        let mut waited = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file, waited }),
                Err(TryLockError::WouldBlock) => waited = true,
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

impl Drop for Lease {
    fn drop(&mut self) {
        // Closing the file unlocks it as well; this only does it a moment sooner.
        let _ = self.file.unlock();
    }
}
