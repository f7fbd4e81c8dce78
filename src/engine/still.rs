//! A run that has nothing to do, told without parsing a pipeline or computing a key.
//!
//! After a run that left nothing undone, every fact on which "nothing to do" rests is written down
//! under what was asked: the bytes of the pipeline files, what `stat` says of each source and saved
//! file, the objects with their sizes, and the index of records. While all of them hold, the same
//! command finds the same keys, records and bytes, so it may answer at once. Any doubt - a fact that
//! fails, a damaged note, another binary - and the run goes the ordinary way.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Project;
use super::digest::Digest;
use super::files::{Files, Stamp};
use super::identify;
use super::store::{self, Output};

/// So many notes are kept; the oldest go first.
const MOST: usize = 64;

/// From so many objects on, a second thread pays.
const WORTH_A_THREAD: usize = 200;

/// What a run rests on, gathered while it goes.
#[derive(Debug, Default)]
pub struct Ground {
    /// Each pattern of source files with what it matched.
    patterns: BTreeMap<String, Vec<PathBuf>>,
    /// Source files and saved files with the digests that they had.
    files: BTreeMap<PathBuf, Digest>,
    /// Objects with their sizes.
    objects: BTreeMap<Digest, u64>,
}

impl Ground {
    /// The run took in these files, which the pattern matched.
    pub fn pattern(&mut self, pattern: &str, found: Vec<PathBuf>) {
        self.patterns.insert(pattern.to_owned(), found);
    }

    /// The run read or left a file with these bytes.
    pub fn file(&mut self, path: &Path, digest: Digest) {
        self.files.insert(path.to_path_buf(), digest);
    }

    /// The run left an object.
    pub fn object(&mut self, output: &Output) {
        self.objects.insert(output.digest, output.bytes);
    }

    /// The facts, unless a file can't be told by `stat` alone.
    pub(super) fn facts(self, files: &Files, records: Stamp) -> Option<Facts> {
        let stamp = |(path, digest): (PathBuf, Digest)| {
            let stamp = Stamp::of(&path).ok()?;
            (files.known(&path, &stamp)? == digest).then_some((path, stamp))
        };
        Some(Facts {
            layers: Vec::new(),
            patterns: self.patterns.into_iter().collect(),
            files: self.files.into_iter().map(stamp).collect::<Option<_>>()?,
            objects: self.objects.into_iter().collect(),
            records,
        })
    }
}

/// Everything that must hold.
#[derive(Debug, Serialize, Deserialize)]
pub struct Facts {
    layers: Vec<(PathBuf, Digest)>,
    patterns: Vec<(String, Vec<PathBuf>)>,
    files: Vec<(PathBuf, Stamp)>,
    objects: Vec<(Digest, u64)>,
    records: Stamp,
}

impl Facts {
    /// Whether all of it still holds; half of the questions to the file system go to a second thread.
    fn hold(&self, project: &Project) -> bool {
        let cache = project.cache();
        let there = |(digest, bytes): &(Digest, u64)| {
            let object = std::fs::metadata(store::object_path(&cache, digest));
            object.is_ok_and(|meta| meta.len() == *bytes)
        };
        let objects = || self.objects.iter().all(there);
        if self.objects.len() < WORTH_A_THREAD {
            return self.outside_holds(project, &cache) && objects();
        }
        std::thread::scope(|scope| {
            let objects = scope.spawn(objects);
            self.outside_holds(project, &cache) && objects.join().unwrap_or(false)
        })
    }

    /// Whether pipelines, sources, saved files and the index are as they were.
    fn outside_holds(&self, project: &Project, cache: &Path) -> bool {
        let stamped = |path: &Path, stamp: &Stamp| Stamp::of(path).is_ok_and(|now| now == *stamp);
        let as_before = |(pattern, found): &(String, Vec<PathBuf>)| {
            identify::glob(pattern, &project.root).is_ok_and(|now| now == *found)
        };
        let same_text = |(path, digest): &(PathBuf, Digest)| {
            fs_err::read(path).is_ok_and(|bytes| Digest::of(&bytes) == *digest)
        };
        store::is_known_format(cache)
            && self.layers.iter().all(same_text)
            && stamped(&store::records_path(cache), &self.records)
            && self.patterns.iter().all(as_before)
            && self.files.iter().all(|(path, stamp)| stamped(path, stamp))
    }
}

/// A note: the facts, and what the command says while they hold.
#[derive(Serialize, Deserialize)]
struct Note<Said> {
    facts: Facts,
    said: Said,
}

/// What identifies a command: this binary, the folder it is called in, and its words.
///
/// Nothing when the binary can't be told from another one.
pub fn asked(project: &Project, words: &[&str]) -> Option<Digest> {
    let binary = std::env::current_exe().ok()?;
    let stamp = Stamp::of(&binary).ok()?;
    let here = std::env::current_dir().ok()?;
    let version = env!("CARGO_PKG_VERSION");
    let all = (version, binary, stamp, here, &project.root, words);
    Some(Digest::of(&postcard::to_stdvec(&all).ok()?))
}

/// The note for a command, if there is one; `said` takes it apart.
pub fn note(project: &Project, asked: &Digest) -> Option<Vec<u8>> {
    fs_err::read(path(project, asked)).ok()
}

/// What a note says, if it is whole and everything that it rests on still holds.
pub fn said<'n, Said: Deserialize<'n>>(note: &'n [u8], project: &Project) -> Option<Said> {
    let (sum, body) = note.split_at_checked(32)?;
    if Digest::of(body).as_bytes() != sum {
        return None;
    }
    let note: Note<Said> = postcard::from_bytes(body).ok()?;
    note.facts.hold(project).then_some(note.said)
}

/// Writes down that there is nothing left to do; `layers` are the pipeline's files as they were read.
///
/// # Errors
/// When the disk is full.
pub fn keep<Said: Serialize>(
    project: &Project,
    asked: &Digest,
    layers: &[(PathBuf, Digest)],
    mut facts: Facts,
    said: Said,
) -> Result<()> {
    facts.layers = layers.to_vec();
    let body = postcard::to_stdvec(&Note { facts, said })?;
    let path = path(project, asked);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    thin_out(folder);
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(Digest::of(&body).as_bytes())?;
    file.write_all(&body)?;
    file.persist(&path)?;
    Ok(())
}

fn path(project: &Project, asked: &Digest) -> PathBuf {
    project.cache().join("still").join(asked.hex())
}

/// Makes room by removing the oldest notes; they are only ever a shortcut.
fn thin_out(folder: &Path) {
    let Ok(entries) = fs_err::read_dir(folder) else { return };
    let mut notes: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    notes.sort();
    for (_, old) in notes.iter().take(notes.len().saturating_sub(MOST - 1)) {
        // Another process may have removed it already.
        let _ = fs_err::remove_file(old);
    }
}
