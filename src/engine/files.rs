//! Digests of files outside the store, remembered by what `stat` says of them.
//!
//! A file whose path, size, times and inode are as they were is not read again. One that was changed
//! only just before it was hashed could change again within the clock's tick unseen, so it is first let
//! lie for a tick; where the file system's clock is so coarse that this would take long, its digest isn't
//! remembered.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::disk;
use super::log::Log;
use crate::abreast;

/// The kernel's clock may give two changes within this time the same stamp.
const TICK: Duration = Duration::from_millis(20);

/// So may a file system that only keeps whole seconds, or every other one.
const COARSE: Duration = Duration::from_secs(2);

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
        Ok(Self::from(&std::fs::metadata(path)?))
    }

    /// The stamp in what the file system says of a file.
    pub fn from(meta: &std::fs::Metadata) -> Self {
        let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self {
            size: meta.len(),
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: nanos(meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }

    /// Whether it is the same file with the same bytes, whatever else became of it.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        let content = |stamp: &Self| (stamp.size, stamp.modified, stamp.inode);
        content(self) == content(other)
    }

    /// Whether the file lay still for long enough before `seen` that a later change must show.
    pub(super) fn settled(&self, seen: SystemTime) -> bool {
        self.rest(seen).is_zero()
    }

    /// How long it must still lie. Only the system sets the time of the last change of anything.
    fn rest(&self, seen: SystemTime) -> Duration {
        let tick = if self.changed % 1_000_000_000 == 0 { COARSE } else { TICK };
        let changed = Duration::from_nanos(u64::try_from(self.changed).unwrap_or_default());
        let seen = seen.duration_since(UNIX_EPOCH).unwrap_or_default();
        (changed + tick).saturating_sub(seen)
    }
}

/// What `stat` says of a file that has lain still, where that doesn't take long.
fn at_rest(path: &Path) -> std::io::Result<std::fs::Metadata> {
    let meta = std::fs::metadata(path)?;
    let rest = Stamp::from(&meta).rest(SystemTime::now());
    if rest.is_zero() || rest > TICK {
        return Ok(meta);
    }
    std::thread::sleep(rest);
    std::fs::metadata(path)
}

#[derive(Serialize, Deserialize)]
struct Known {
    path: PathBuf,
    stamp: Stamp,
    digest: Digest,
}

/// Digests of what was put at a path, the newest first.
#[derive(Serialize, Deserialize)]
struct Own {
    path: PathBuf,
    digests: Vec<Digest>,
}

/// The pipeline that put a file at a path last.
#[derive(Serialize, Deserialize)]
struct Owned {
    path: PathBuf,
    pipeline: String,
}

/// How a pipeline is known as the owner of what it saves: its path from the project's root, wherever the project lies. None for
/// one outside, and for the resolved pipelines of runs, which save what is their pipeline's.
pub fn owner(root: &Path, file: &Path) -> Option<String> {
    let (root, file) = (std::fs::canonicalize(root).ok()?, std::fs::canonicalize(file).ok()?);
    let inside = file.strip_prefix(root).ok()?;
    (!inside.starts_with("experiments")).then(|| inside.to_string_lossy().into_owned())
}

/// So many digests are remembered of what was put at a path.
const OWN: usize = 8;

/// The remembered digests of files outside.
pub struct Files {
    log: Log,
    /// Where paths start that stay the same when a project is moved.
    root: PathBuf,
    placed: BTreeMap<PathBuf, (Stamp, Digest)>,
    /// Whether new digests are written down.
    writes: bool,
    hashed: usize,
}

/// The digest of a file.
#[derive(Clone, Copy)]
pub struct Told {
    digest: Digest,
    stamp: Stamp,
    /// Where it had to be read: whether the file had lain still before.
    new: Option<bool>,
}

impl Told {
    /// Whether the file is still as it was read, by `stat`.
    pub fn holds(&self, path: &Path) -> bool {
        Stamp::of(path).is_ok_and(|now| now == self.stamp)
    }

    /// The same, after it was counted and remembered.
    pub fn taken(self) -> Self {
        Self { new: None, ..self }
    }
}

/// Reads a file for its digest.
///
/// # Errors
/// When it can't be read, is no ordinary file, or changes while it is read.
pub fn read(path: &Path) -> Result<Told> {
    let unreadable = || format!("can't read `{}`", path.display());
    let meta = at_rest(path).with_context(unreadable)?;
    if meta.is_dir() {
        bail!("`{}` is a folder, not a file", path.display());
    }
    if !meta.is_file() {
        bail!("`{}` is no ordinary file", path.display());
    }
    let (stamp, seen) = (Stamp::from(&meta), SystemTime::now());
    let digest = disk::open(path).and_then(|file| Digest::of_file(file.file()));
    if Stamp::of(path).ok() != Some(stamp) {
        bail!("`{}` changed while it was being read", path.display());
    }
    let digest = digest.with_context(unreadable)?;
    Ok(Told { digest, stamp, new: Some(stamp.settled(seen)) })
}

impl Files {
    /// Opens the memory.
    ///
    /// # Errors
    /// When its file is there but can't be read.
    pub fn open(path: &Path) -> Result<Self> {
        let root = path.parent().and_then(Path::parent).unwrap_or(Path::new("")).to_path_buf();
        Ok(Self { log: Log::open(path)?, root, placed: BTreeMap::new(), writes: true, hashed: 0 })
    }

    /// Opens the memory to look only: nothing is written.
    ///
    /// # Errors
    /// When its file is there but can't be read.
    pub fn look(path: &Path) -> Result<Self> {
        Ok(Self { writes: false, ..Self::open(path)? })
    }

    /// How many lines of the memory are not as they were written.
    pub fn damaged_lines(&self) -> usize {
        self.log.damaged()
    }

    /// Whether the memory has more lines that count for nothing than lines that do.
    pub(super) fn is_wasteful(&self) -> bool {
        self.log.is_wasteful()
    }

    /// Writes the memory anew without such lines; only for who has it alone.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn rewrite(&mut self, scratch: &Path) -> Result<()> {
        self.log.rewrite(&|_| true, scratch)
    }

    /// The pipeline that put a file at a path last, as [`owner`] names it.
    pub fn owner(&self, path: &Path) -> Option<String> {
        let path = self.below_root(path);
        let owned = self.log.get::<Owned>(&owner_id(&path)).filter(|owned| owned.path == path)?;
        Some(owned.pipeline)
    }

    /// Remembers, before a file is put at a path, which pipeline does.
    fn will_own(&mut self, path: &Path, pipeline: &str) {
        if self.writes && self.owner(path).as_deref() != Some(pipeline) {
            let owned = Owned { path: self.below_root(path), pipeline: pipeline.to_owned() };
            // Without it another pipeline that saves there isn't told.
            let _ = self.log.append(&owner_id(&owned.path), &owned);
        }
    }

    /// Remembers, before a file is put at a path, that one with this content is custem's own there, and the pipeline's
    /// that puts it there.
    pub(super) fn will_place(&mut self, path: &Path, digest: Digest, pipeline: Option<&str>) {
        if let Some(pipeline) = pipeline {
            self.will_own(path, pipeline);
        }
        let mut digests = self.own(path);
        if self.writes && digests.first() != Some(&digest) {
            digests.retain(|known| *known != digest);
            digests.insert(0, digest);
            digests.truncate(OWN);
            let path = self.below_root(path);
            // Without it the file would be moved aside later instead of written over.
            let _ = self.log.append(&own_id(&path), &Own { path, digests });
        }
    }

    /// Whether a file with this content has been put at a path.
    pub(super) fn has_placed(&self, path: &Path, digest: &Digest) -> bool {
        self.own(path).contains(digest)
    }

    fn own(&self, path: &Path) -> Vec<Digest> {
        let path = self.below_root(path);
        let own = self.log.get::<Own>(&own_id(&path)).filter(|own| own.path == path);
        own.map(|own| own.digests).unwrap_or_default()
    }

    fn below_root(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_path_buf()
    }

    /// The digest of a file, read only when it may have changed.
    ///
    /// # Errors
    /// When it can't be read, is no ordinary file, or keeps changing while it is read.
    pub fn digest(&mut self, path: &Path) -> Result<(Digest, Stamp)> {
        let told = self.told(path)?;
        self.take_in(&[(path, &told)]);
        Ok((told.digest, told.stamp))
    }

    /// The digests of many files, in their order; those that may have changed are read on several threads.
    ///
    /// # Errors
    /// As for one file: of the first one that has a problem. The others are remembered all the same.
    pub fn digests(&mut self, paths: &[PathBuf]) -> Result<Vec<(Digest, Stamp)>> {
        let told = abreast::each(paths, abreast::FILES, |path| self.told(path));
        self.take(paths, told)
    }

    /// What is known of files by `stat` alone.
    pub fn by_stat(&self, paths: &[PathBuf]) -> Vec<Option<Told>> {
        abreast::each(paths, abreast::FILES, |path| self.by_stamp(path, &Stamp::of(path).ok()?))
    }

    /// Takes the digests of files over, where they had to be read.
    ///
    /// # Errors
    /// That of the first one that has a problem. The others are remembered all the same.
    pub fn take(&mut self, paths: &[PathBuf], told: Vec<Result<Told>>) -> Result<Vec<(Digest, Stamp)>> {
        let good = |(path, told): (&'_ PathBuf, &'_ Result<Told>)| {
            told.as_ref().ok().map(|told| (path.clone(), *told))
        };
        let good: Vec<_> = paths.iter().zip(&told).filter_map(good).collect();
        self.take_in(&good.iter().map(|(path, told)| (path.as_path(), told)).collect::<Vec<_>>());
        told.into_iter().map(|told| told.map(|told| (told.digest, told.stamp))).collect()
    }

    /// Takes files over that somebody else has read.
    pub fn remember_read(&mut self, told: &[(PathBuf, Told)]) {
        self.take_in(&told.iter().map(|(path, told)| (path.as_path(), told)).collect::<Vec<_>>());
    }

    /// How many files have been read for their digests.
    pub fn hashed(&self) -> usize {
        self.hashed
    }

    fn told(&self, path: &Path) -> Result<Told> {
        let stamp = Stamp::of(path).with_context(|| format!("can't read `{}`", path.display()))?;
        self.by_stamp(path, &stamp).map_or_else(|| read(path), Ok)
    }

    fn by_stamp(&self, path: &Path, stamp: &Stamp) -> Option<Told> {
        let digest = self.known(path, stamp)?;
        Some(Told { digest, stamp: *stamp, new: None })
    }

    /// Counts what had to be read, and remembers what had lain still.
    fn take_in(&mut self, told: &[(&Path, &Told)]) {
        self.hashed += told.iter().filter(|(_, told)| told.new.is_some()).count();
        let still = told.iter().filter(|(_, told)| told.new == Some(true));
        self.remember(still.map(|(path, told)| known(path, told.stamp, told.digest)).collect());
    }

    /// The digest of a file if it can be told without reading it.
    pub fn known(&self, path: &Path, stamp: &Stamp) -> Option<Digest> {
        let known = self.log.get::<Known>(&id(path))?;
        (known.path == path && known.stamp == *stamp).then_some(known.digest)
    }

    /// Notes that a file with this content has just been put there, and what `stat` said of it then; it
    /// is remembered by `settle`.
    pub fn placed(&mut self, path: &Path, stamp: Stamp, digest: Digest) {
        self.placed.insert(path.to_path_buf(), (stamp, digest));
    }

    /// Remembers the files that were put there and have lain still since.
    pub fn settle(&mut self) {
        let placed = std::mem::take(&mut self.placed);
        let rest =
            placed.values().map(|(stamp, _)| stamp.rest(SystemTime::now())).filter(|rest| *rest <= TICK);
        std::thread::sleep(rest.max().unwrap_or_default());
        let mut still = Vec::new();
        for (path, (stamp, digest)) in placed {
            let seen = SystemTime::now();
            if Stamp::of(&path).is_ok_and(|now| now == stamp) && stamp.settled(seen) {
                still.push(known(&path, stamp, digest));
            }
        }
        self.remember(still);
    }

    /// What can't be written down is read again by the next run.
    fn remember(&mut self, known: Vec<(Digest, Known)>) {
        if self.writes {
            let _ = self.log.append_all(&known);
        }
    }
}

/// What is remembered of a file, with its key.
fn known(path: &Path, stamp: Stamp, digest: Digest) -> (Digest, Known) {
    (id(path), Known { path: path.to_path_buf(), stamp, digest })
}

fn id(path: &Path) -> Digest {
    Digest::of(path.as_os_str().as_encoded_bytes())
}

fn owner_id(path: &Path) -> Digest {
    Digest::of(&[b"owner\0", path.as_os_str().as_encoded_bytes()].concat())
}

fn own_id(path: &Path) -> Digest {
    Digest::of(&[b"own\0", path.as_os_str().as_encoded_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{Digest, Files, Stamp};

    fn files(folder: &Path) -> Files {
        Files::open(&folder.join("files.log")).unwrap()
    }

    #[test]
    fn a_file_that_was_changed_just_now_is_remembered_after_a_tick() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut files = files(folder.path());
        for text in ["one", "two", "six"] {
            std::fs::write(&path, text).unwrap();
            let (digest, stamp) = files.digest(&path).unwrap();
            assert_eq!(digest, Digest::of(text.as_bytes()));
            assert_eq!(files.known(&path, &stamp), Some(digest));
        }
    }

    #[test]
    fn of_many_files_only_those_that_changed_are_read_and_the_first_problem_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..1_000).map(|at| folder.path().join(format!("{at}.csv"))).collect();
        paths.iter().enumerate().for_each(|(at, path)| std::fs::write(path, at.to_string()).unwrap());
        let right: Vec<_> = (0..1_000).map(|at| Digest::of(at.to_string().as_bytes())).collect();
        let digests = |files: &mut Files, paths: &[_]| {
            files.digests(paths).map(|all| all.into_iter().map(|(digest, _)| digest).collect::<Vec<_>>())
        };
        let mut first = files(folder.path());
        assert_eq!((digests(&mut first, &paths).unwrap(), first.hashed()), (right.clone(), 1_000));
        std::fs::write(&paths[7], "other").unwrap();
        let mut second = files(folder.path());
        assert_eq!(digests(&mut second, &paths).unwrap()[7], Digest::of(b"other"));
        assert_eq!(second.hashed(), 1);
        for at in [3, 999] {
            std::fs::remove_file(&paths[at]).unwrap();
        }
        let said = digests(&mut second, &paths).unwrap_err().to_string();
        assert_eq!(said, format!("can't read `{}`", paths[3].display()));
    }

    #[test]
    fn bytes_that_nobody_hashed_are_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "made").unwrap();
        let mut files = files(folder.path());
        files.placed(&path, Stamp::of(&path).unwrap(), Digest::of(b"made"));
        std::thread::sleep(Duration::from_millis(30));
        std::fs::write(&path, "mine").unwrap();
        files.settle();
        assert_eq!(files.known(&path, &Stamp::of(&path).unwrap()), None);
        std::fs::write(&path, "made").unwrap();
        files.placed(&path, Stamp::of(&path).unwrap(), Digest::of(b"made"));
        files.settle();
        assert_eq!(files.known(&path, &Stamp::of(&path).unwrap()), Some(Digest::of(b"made")));
    }

    #[test]
    fn what_is_no_ordinary_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(folder.path());
        let said = |files: &mut Files, path: &str| files.digest(Path::new(path)).unwrap_err().to_string();
        assert_eq!(said(&mut files, "/dev/zero"), "`/dev/zero` is no ordinary file");
        assert_eq!(said(&mut files, "/tmp"), "`/tmp` is a folder, not a file");
    }

    #[test]
    fn what_was_put_at_a_path_stays_known_in_a_moved_project() {
        let folder = tempfile::tempdir().unwrap();
        let root = |name: &str| folder.path().join(name);
        fs_err::create_dir_all(root("one/cache")).unwrap();
        let mut files = Files::open(&root("one/cache/files.log")).unwrap();
        let digests: Vec<_> = (0..10_u8).map(|at| Digest::of(&[at])).collect();
        digests.iter().for_each(|digest| files.will_place(&root("one/out.txt"), *digest, None));
        fs_err::rename(root("one"), root("two")).unwrap();
        let files = Files::open(&root("two/cache/files.log")).unwrap();
        let known = |path: &str| {
            digests.iter().map(|digest| files.has_placed(&root(path), digest)).collect::<Vec<_>>()
        };
        assert_eq!(known("two/out.txt"), [[false; 2].as_slice(), &[true; 8]].concat());
        assert_eq!(known("two/other.txt"), [false; 10]);
    }
}
