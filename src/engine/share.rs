//! Who uses a cache: every process that may read or add objects shares it, who removes some has it alone.
//!
//! The share is the operating system's lock on one byte of the file of leases. It ends with its holder,
//! however that ends.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use fs_err::File;

use super::disk;
use super::lease::{Hold, SHARE, try_lock};

/// How often a waiting process looks again.
const PATIENCE: Duration = Duration::from_millis(5);

/// A part in the use of a cache; it ends when the value is dropped.
#[derive(Debug)]
pub struct Share {
    _file: Option<File>,
}

impl Share {
    /// None: for who only looks and can do with what vanishes meanwhile.
    pub fn none() -> Self {
        Self { _file: None }
    }

    /// Takes part in the use; waits while somebody has the cache alone, which doesn't take long.
    ///
    /// # Errors
    /// When the file can't be made or locked.
    pub fn take(path: &Path) -> Result<Self> {
        let Some(file) = open(path)? else { return Ok(Self::none()) };
        while !try_lock(&file, SHARE, Hold::Shared).with_context(|| unlocked(path))? {
            std::thread::sleep(PATIENCE);
        }
        Ok(Self { _file: Some(file) })
    }

    /// Has the cache alone; nothing when somebody uses it and there is no time to `wait`.
    ///
    /// # Errors
    /// When the file can't be made or locked.
    pub fn alone(path: &Path, wait: bool) -> Result<Option<Self>> {
        let file = disk::open_to_lock(path)?;
        while !try_lock(&file, SHARE, Hold::Alone).with_context(|| unlocked(path))? {
            if !wait {
                return Ok(None);
            }
            std::thread::sleep(PATIENCE);
        }
        Ok(Some(Self { _file: Some(file) }))
    }
}

fn unlocked(path: &Path) -> String {
    format!("can't lock `{}`", path.display())
}

/// The file to lock. A cache that may only be read may have none: nobody can remove anything there either.
fn open(path: &Path) -> Result<Option<File>> {
    let closed = |kind| matches!(kind, ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
    match disk::open_to_lock(path) {
        Err(error) if closed(error.kind()) => Ok(disk::open(path).ok()),
        opened => Ok(Some(opened?)),
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn many_share_and_one_has_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (one, two) = (Share::take(&path).unwrap(), Share::take(&path).unwrap());
        assert!(Share::alone(&path, false).unwrap().is_none());
        drop(one);
        assert!(Share::alone(&path, false).unwrap().is_none());
        drop(two);
        let alone = Share::alone(&path, false).unwrap().unwrap();
        assert!(Share::alone(&path, false).unwrap().is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Share::take(&path).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!waiting.is_finished());
            drop(alone);
            waiting.join().unwrap();
        });
    }
}
