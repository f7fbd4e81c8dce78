//! What a wave rests on: the pipeline's files, the sources of its stages and the files that it saves.
//!
//! Whether anything has changed is told by `stat` alone; events only say when to look.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::bell::{Bell, Folders};
use crate::engine::files::Stamp;
use crate::engine::{identify, pattern};
use crate::pipeline::Pipeline;

/// Nothing may change for this long before the next wave: whoever writes has finished then.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// What `stat` says of each file; nothing of one that isn't there.
pub type Seen = BTreeMap<PathBuf, Option<Stamp>>;

/// What is waited on.
pub struct Ground {
    root: PathBuf,
    layers: Vec<PathBuf>,
    patterns: BTreeSet<String>,
    saved: BTreeSet<PathBuf>,
    /// How everything was when it was read or, if it is saved, written.
    seen: Seen,
    armed: Folders,
    bell: Bell,
}

impl Ground {
    /// The ground of a pipeline of which only the files are known: nothing else can mend it.
    pub fn of(root: &Path, layers: Vec<PathBuf>) -> Self {
        Self::new(root, layers, BTreeSet::new(), BTreeSet::new())
    }

    /// The same once the pipeline is read: its files are as they were before.
    pub fn with(self, pipeline: &Pipeline, wanted: &[bool]) -> Self {
        let tasks = || pipeline.tasks.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(task, _)| task);
        let patterns = tasks().flat_map(|task| task.draft.body.sources()).map(|source| source.pattern);
        let saved = tasks().flat_map(|task| &task.saves).map(|(_, path)| self.root.join(path));
        let mut ground = Self::new(&self.root, self.layers, patterns.collect(), saved.collect());
        ground.seen.extend(self.seen);
        ground
    }

    fn new(root: &Path, layers: Vec<PathBuf>, patterns: BTreeSet<String>, saved: BTreeSet<PathBuf>) -> Self {
        let (seen, armed) = (Seen::new(), Folders::new());
        let bell = Bell::over(&armed);
        let mut ground = Self { root: root.to_path_buf(), layers, patterns, saved, seen, armed, bell };
        ground.arm();
        ground.seen = ground.look();
        ground
    }

    /// Takes files as the run left them.
    pub fn take(&mut self, left: Seen) {
        self.seen.extend(left.into_iter().filter(|(path, _)| self.saved.contains(path)));
    }

    /// Waits until something has changed, and has lain still since; or until the user stops it.
    pub fn wait(&mut self, cancelled: &AtomicBool) {
        // Something may have changed since it was last looked at, before the bell was there.
        let mut rung = true;
        while !cancelled.load(Ordering::Relaxed) {
            if rung {
                self.arm();
                if self.look() != self.seen && self.at_rest(cancelled) != self.seen {
                    return;
                }
            }
            rung = self.bell.wait();
        }
    }

    /// What there is once nothing has changed for a while.
    fn at_rest(&self, cancelled: &AtomicBool) -> Seen {
        let mut now = self.look();
        loop {
            std::thread::sleep(DEBOUNCE);
            let later = self.look();
            if later == now || cancelled.load(Ordering::Relaxed) {
                return later;
            }
            now = later;
        }
    }

    fn look(&self) -> Seen {
        let sources = self.patterns.iter().flat_map(|pattern| identify::meant(pattern, &self.root));
        let sources = sources.filter(|path| !is_own(path, &self.root));
        let files = self.layers.iter().cloned().chain(sources).chain(self.saved.iter().cloned());
        files.map(|path| stamped(&path)).collect()
    }

    /// Listens to the folders that matter as things stand.
    fn arm(&mut self) {
        let folders = self.folders();
        if folders != self.armed || self.bell.is_loose() {
            self.bell = Bell::over(&folders);
            self.armed = folders;
        }
    }

    /// The folders in which files that matter are, or may come to be.
    fn folders(&self) -> Folders {
        let root = absolute(&self.root);
        let mut folders = Folders::new();
        for path in self.layers.iter().chain(&self.saved) {
            add_file(path, &root, &mut folders);
        }
        for pattern in &self.patterns {
            if pattern::is_pattern(pattern) {
                let (folder, deep) = start(pattern);
                add(&self.root.join(folder), deep, &root, &mut folders);
            } else {
                add_file(&self.root.join(pattern), &root, &mut folders);
            }
        }
        folders
    }
}

/// A file with what `stat` says of it.
pub fn stamped(path: &Path) -> (PathBuf, Option<Stamp>) {
    (path.to_path_buf(), Stamp::of(path).ok())
}

/// Whether a file lies where custem writes by itself: each wave leaves more of them.
fn is_own(path: &Path, root: &Path) -> bool {
    let below = path.strip_prefix(root).unwrap_or(path);
    ["cache", "experiments"].iter().any(|own| below.starts_with(own))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The folder of a file, and that of the file behind a link.
fn add_file(path: &Path, root: &Path, folders: &mut Folders) {
    let real = fs_err::canonicalize(path).ok();
    for path in [Some(path), real.as_deref()].into_iter().flatten() {
        add(path.parent().unwrap_or(Path::new("")), false, root, folders);
    }
}

/// A folder, or the nearest one above that is there; and, within the project, those above it, which tell when
/// it is moved away or comes.
fn add(folder: &Path, deep: bool, root: &Path, folders: &mut Folders) {
    let folder = if folder.as_os_str().is_empty() { absolute(Path::new(".")) } else { absolute(folder) };
    let Some(there) = folder.ancestors().find(|folder| folder.is_dir()) else { return };
    let above = there.ancestors().skip(1).take_while(|above| above.starts_with(root));
    for (at, deep) in [(there, deep && there == folder)].into_iter().chain(above.map(|above| (above, false)))
    {
        // Under one name each: a folder that is listened to under two is heard under the last.
        let Ok(real) = fs_err::canonicalize(at) else { continue };
        *folders.entry(real).or_default() |= deep;
    }
}

/// The folder in which a pattern starts, and whether it goes down from there.
fn start(pattern: &str) -> (PathBuf, bool) {
    let wild = |part: &std::path::Component<'_>| pattern::is_pattern(&part.as_os_str().to_string_lossy());
    let parts: Vec<_> = Path::new(pattern).components().collect();
    let fixed = parts.iter().take_while(|part| !wild(part)).count();
    (parts[..fixed].iter().collect(), parts.len() > fixed + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_starts_below_its_fixed_part() {
        for (pattern, folder, deep) in [
            ("data/raw/*.csv", "data/raw", false),
            ("data/*/x.csv", "data", true),
            ("**/*.csv", "", true),
            ("/in/day-?.csv", "/in", false),
        ] {
            assert_eq!(start(pattern), (PathBuf::from(folder), deep), "{pattern}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_waited_for_above() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let listed = |folder: &str, deep| {
            let mut folders = Folders::new();
            add(&root.join(folder), deep, &root, &mut folders);
            let below = |(path, deep): (PathBuf, bool)| (path.strip_prefix(&root).unwrap().to_owned(), deep);
            folders.into_iter().map(below).collect::<Vec<_>>()
        };
        let folder = |path: &str, deep| (PathBuf::from(path), deep);
        assert_eq!(listed("a/b", true), [folder("", false)]);
        fs_err::create_dir_all(root.join("a/b")).unwrap();
        assert_eq!(listed("a/b", true), [folder("", false), folder("a", false), folder("a/b", true)]);
        assert_eq!(listed("a/b/c", true), [folder("", false), folder("a", false), folder("a/b", false)]);
    }

    /// The folder behind a link, and the one in which the link is.
    #[test]
    fn a_link_is_heard_of_on_both_sides() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, other) = (root.path().canonicalize().unwrap(), other.path().canonicalize().unwrap());
        std::os::unix::fs::symlink(&other, root.join("in")).unwrap();
        let mut folders = Folders::new();
        add(&root.join("in"), true, &root, &mut folders);
        assert_eq!(folders, Folders::from([(root.clone(), false), (other, true)]));
    }
}
