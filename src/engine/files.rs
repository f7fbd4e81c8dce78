//! Digests of files outside the store, remembered by what `stat` says of them.
//!
//! A file whose path, size, times and inode are as they were is not read again. One that was changed
//! only just before it was hashed could change again within the clock's tick unseen, so its digest
//! isn't remembered.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::log::Log;

/// A coarse clock may give two changes within this time the same stamp.
const TICK: Duration = Duration::from_millis(20);

/// What `stat` says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Size in bytes.
    pub size: u64,
    /// Last change of the bytes, in nanoseconds since 1970.
    pub modified: i64,
    /// Last change of anything, in nanoseconds since 1970.
    pub changed: i64,
    /// The inode.
    pub inode: u64,
}

impl Stamp {
    /// Asks the file system.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Ok(Self {
            size: meta.len(),
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: nanos(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        })
    }

    /// Whether the file lay still for long enough before `seen` that a later change must show.
    fn settled(&self, seen: SystemTime) -> bool {
        let seen = seen.duration_since(UNIX_EPOCH).unwrap_or_default();
        let last = u64::try_from(self.changed.max(self.modified)).unwrap_or(u64::MAX);
        seen > Duration::from_nanos(last) + TICK
    }
}

#[derive(Serialize, Deserialize)]
struct Known {
    path: PathBuf,
    stamp: Stamp,
    digest: Digest,
}

/// The remembered digests of files outside.
pub struct Files {
    log: Log,
    placed: BTreeMap<PathBuf, Digest>,
}

impl Files {
    /// Opens the memory.
    ///
    /// # Errors
    /// When its file is there but can't be read.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { log: Log::open(path)?, placed: BTreeMap::new() })
    }

    /// The digest of a file, read only when it may have changed.
    ///
    /// # Errors
    /// When it can't be read, is a folder, or keeps changing while it is read.
    pub fn digest(&mut self, path: &Path) -> Result<(Digest, Stamp)> {
        let stamp = Stamp::of(path).with_context(|| format!("can't read `{}`", path.display()))?;
        if path.is_dir() {
            bail!("`{}` is a folder, not a file", path.display());
        }
        if let Some(known) = self.known(path, &stamp) {
            return Ok((known, stamp));
        }
        let seen = SystemTime::now();
        let digest = Digest::of_file(path).with_context(|| format!("can't read `{}`", path.display()))?;
        if Stamp::of(path).ok() != Some(stamp) {
            bail!("`{}` changed while it was being read", path.display());
        }
        if stamp.settled(seen) {
            self.remember(path, stamp, digest)?;
        }
        Ok((digest, stamp))
    }

    /// The digest of a file if it can be told without reading it.
    pub fn known(&self, path: &Path, stamp: &Stamp) -> Option<Digest> {
        let known = self.log.get::<Known>(&id(path))?;
        (known.path == path && known.stamp == *stamp).then_some(known.digest)
    }

    /// Notes that a file with this content has just been put there; it is remembered by `settle`.
    pub fn placed(&mut self, path: &Path, digest: Digest) {
        self.placed.insert(path.to_path_buf(), digest);
    }

    /// Remembers the files that were put there, now that they have lain still.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn settle(&mut self) -> Result<()> {
        let placed = std::mem::take(&mut self.placed);
        let stamps = |path: &PathBuf| Stamp::of(path).ok();
        let newest = placed.keys().filter_map(stamps).map(|stamp| stamp.changed).max();
        let wait = newest.map(|changed| Stamp { size: 0, modified: changed, changed, inode: 0 });
        if wait.is_some_and(|stamp| !stamp.settled(SystemTime::now())) {
            std::thread::sleep(TICK);
        }
        for (path, digest) in placed {
            match Stamp::of(&path) {
                Ok(stamp) if stamp.settled(SystemTime::now()) => self.remember(&path, stamp, digest)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn remember(&mut self, path: &Path, stamp: Stamp, digest: Digest) -> Result<()> {
        self.log.append(&id(path), &Known { path: path.to_path_buf(), stamp, digest })
    }
}

fn id(path: &Path) -> Digest {
    Digest::of(path.as_os_str().as_encoded_bytes())
}
