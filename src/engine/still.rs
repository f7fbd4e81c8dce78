//! A run that has nothing to do, told without parsing a pipeline or computing a key.
//!
//! After a run that left nothing undone, every fact on which "nothing to do" rests is written down
//! under what was asked: the bytes of the pipeline files, what `stat` says of each source and saved
//! file and of the folders of objects, and the index of records. While all of them hold, the same
//! command finds the same keys, records and bytes, so it may answer at once. Any doubt - a fact that
//! fails, a damaged note, another binary - and the run goes the ordinary way.
//!
//! Objects are read-only, and a folder's times change with every object that comes or goes. So one
//! question stands for all objects of a folder; where its answer has changed, each of them is asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Project;
use super::digest::Digest;
use super::disk;
use super::files::{Files, Stamp};
use super::layout;
use super::pattern::{self, Looked, Matched};
use super::store::Output;
use crate::abreast;

/// So many notes are kept; the oldest go first.
const MOST: usize = 64;

/// Bytes of an object in a note: its digest and its size.
const OBJECT: usize = 32 + 8;

/// What a run rests on, gathered while it goes.
#[derive(Debug, Default)]
pub struct Ground {
    /// Each pattern of source files with what it matched.
    patterns: BTreeMap<String, Matched>,
    /// Source files and saved files with the digests that they had.
    files: BTreeMap<PathBuf, Digest>,
    /// Objects with their sizes.
    objects: BTreeMap<Digest, u64>,
}

impl Ground {
    /// The run took in these files, which the pattern matched.
    pub fn pattern(&mut self, pattern: &str, found: Matched) {
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
    pub(super) fn facts(self, files: &Files, records: Stamp) -> Option<Facts<'static>> {
        let stamp = |(path, digest): &(PathBuf, Digest)| {
            let stamp = Stamp::of(path).ok()?;
            (files.known(path, &stamp)? == *digest).then(|| (path.clone(), stamp))
        };
        let all: Vec<_> = self.files.into_iter().collect();
        let pattern = |(text, found): (String, Matched)| (text, names(&found.files), found.looked);
        let mut objects = Vec::with_capacity(self.objects.len() * OBJECT);
        for (digest, size) in &self.objects {
            objects.extend_from_slice(digest.as_bytes());
            objects.extend_from_slice(&size.to_le_bytes());
        }
        Some(Facts {
            layers: Vec::new(),
            patterns: self.patterns.into_iter().map(pattern).collect(),
            files: abreast::each(&all, abreast::FILES, stamp).into_iter().collect::<Option<_>>()?,
            folders: Vec::new(),
            objects: Cow::Owned(objects),
            records,
        })
    }
}

/// Everything that must hold.
#[derive(Debug, Serialize, Deserialize)]
pub struct Facts<'n> {
    layers: Vec<(PathBuf, Digest)>,
    /// Patterns, the digest of the names that they matched, and what tells that they still match them.
    patterns: Vec<(String, Digest, Looked)>,
    files: Vec<(PathBuf, Stamp)>,
    /// What `stat` said of folders of objects, by the first byte of the digests in them, when every
    /// object was there.
    folders: Vec<(u8, Stamp)>,
    /// All objects, sorted, [`OBJECT`] bytes each.
    #[serde(borrow)]
    objects: Cow<'n, [u8]>,
    records: Stamp,
}

/// How the facts came out.
#[derive(PartialEq, Eq)]
enum Held {
    /// One of them doesn't hold.
    No,
    /// All of them hold.
    Yes,
    /// All of them hold, but some objects had to be asked for one by one, or a pattern matched again.
    Slowly,
}

impl Facts<'_> {
    /// Whether all of it still holds; of many files some are asked for on other threads.
    fn hold(&mut self, project: &Project) -> Held {
        let cache = project.cache();
        if !self.outside_holds(&cache) {
            return Held::No;
        }
        let patterns = self.patterns_hold(&project.root);
        if patterns == Held::No {
            return Held::No;
        }
        let objects = self.objects_hold(&cache);
        if objects == Held::Yes { patterns } else { objects }
    }

    /// Whether the patterns match what they did; where a folder of theirs has changed they are matched again.
    fn patterns_hold(&mut self, root: &Path) -> Held {
        let mut held = Held::Yes;
        for (pattern, before, looked) in
            self.patterns.iter_mut().filter(|(.., looked)| !looked.is_unchanged())
        {
            match pattern::matched(pattern, root) {
                Ok(now) if names(&now.files) == *before => {
                    if *looked != now.looked {
                        *looked = now.looked;
                        held = Held::Slowly;
                    }
                }
                _ => return Held::No,
            }
        }
        held
    }

    /// Whether every object is there; folders are asked about afresh before their objects are.
    fn objects_hold(&mut self, cache: &Path) -> Held {
        let known: BTreeMap<u8, Stamp> = self.folders.iter().copied().collect();
        let used: BTreeSet<u8> = self.objects.chunks_exact(OBJECT).map(|object| object[0]).collect();
        let mut changed = BTreeSet::new();
        let mut folders = Vec::with_capacity(used.len());
        for first in used {
            let seen = SystemTime::now();
            let Ok(now) = Stamp::of(&layout::object_folder(cache, first)) else { return Held::No };
            if known.get(&first) != Some(&now) {
                changed.insert(first);
            }
            if now.settled(seen) {
                folders.push((first, now));
            }
        }
        let asked = self.objects.chunks_exact(OBJECT).filter(|object| changed.contains(&object[0]));
        if !asked.into_iter().all(|object| is_there(cache, object)) {
            return Held::No;
        }
        let slowly = self.folders != folders;
        self.folders = folders;
        if slowly { Held::Slowly } else { Held::Yes }
    }

    /// Whether pipelines, sources, saved files and the index are as they were.
    fn outside_holds(&self, cache: &Path) -> bool {
        let stamped = |path: &Path, stamp: &Stamp| Stamp::of(path).is_ok_and(|now| now == *stamp);
        let same_text = |(path, digest): &(PathBuf, Digest)| {
            disk::read(path).is_ok_and(|bytes| Digest::of(&bytes) == *digest)
        };
        layout::is_known_format(cache)
            && self.layers.iter().all(same_text)
            && stamped(&layout::records_path(cache), &self.records)
            && self.files_hold()
    }

    fn files_hold(&self) -> bool {
        let as_before = |(path, stamp): &(PathBuf, Stamp)| Stamp::of(path).is_ok_and(|now| now == *stamp);
        abreast::each(&self.files, abreast::FILES, as_before).into_iter().all(|holds| holds)
    }
}

/// What stands for the names of files.
fn names(files: &[PathBuf]) -> Digest {
    let mut text = Vec::new();
    for path in files {
        text.extend_from_slice(path.as_os_str().as_encoded_bytes());
        text.push(0);
    }
    Digest::of(&text)
}

/// Whether an object has the size that a note says.
fn is_there(cache: &Path, object: &[u8]) -> bool {
    let (Ok(digest), Ok(size)) = (object[..32].try_into(), object[32..].try_into()) else { return false };
    let found = std::fs::metadata(layout::object_path(cache, &Digest::from_bytes(digest)));
    found.is_ok_and(|meta| meta.len() == u64::from_le_bytes(size))
}

/// A note: the facts, and what the command says while they hold.
#[derive(Serialize, Deserialize)]
struct Note<'n, Said> {
    #[serde(borrow)]
    facts: Facts<'n>,
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
    disk::read(&path(project, asked)).ok()
}

/// How much of what a note rests on still holds.
pub enum Holds<Said> {
    /// All of it: there is nothing to do.
    All(Said),
    /// Not all of it; whether these files are the pipeline's is yet to be seen.
    Pipeline(Said, Vec<(PathBuf, Digest)>),
}

/// What a note says, if it is whole, and how much of what it rests on still holds. One whose folders
/// have changed is written anew, so that the next time is quick.
pub fn said<'n, Said: Serialize + Deserialize<'n>>(
    note: &'n [u8],
    project: &Project,
    asked: &Digest,
) -> Option<Holds<Said>> {
    let (sum, body) = note.split_at_checked(32)?;
    if Digest::of(body).as_bytes() != sum {
        return None;
    }
    let mut note: Note<'_, Said> = postcard::from_bytes(body).ok()?;
    match note.facts.hold(project) {
        Held::No => return Some(Holds::Pipeline(note.said, note.facts.layers)),
        Held::Yes => {}
        // It stays slow if it can't be written, and right all the same.
        Held::Slowly => drop(write(project, asked, &note)),
    }
    Some(Holds::All(note.said))
}

/// Writes down that there is nothing left to do; `layers` are the pipeline's files as they were read.
///
/// # Errors
/// When the disk is full.
pub fn keep<Said: Serialize>(
    project: &Project,
    asked: &Digest,
    layers: &[(PathBuf, Digest)],
    mut facts: Facts<'_>,
    said: Said,
) -> Result<()> {
    facts.layers = layers.to_vec();
    write(project, asked, &Note { facts, said })
}

fn write<Said: Serialize>(project: &Project, asked: &Digest, note: &Note<'_, Said>) -> Result<()> {
    let body = postcard::to_stdvec(note)?;
    let path = path(project, asked);
    let folder = path.parent().unwrap_or(Path::new("."));
    disk::make_folder(folder)?;
    thin_out(folder);
    Ok(disk::replace(&path, &[Digest::of(&body).as_bytes(), &body])?)
}

fn path(project: &Project, asked: &Digest) -> PathBuf {
    project.cache().join("still").join(asked.hex())
}

/// Makes room by removing the oldest notes; they are only ever a shortcut.
fn thin_out(folder: &Path) {
    let Ok(entries) = disk::entries(folder) else { return };
    let mut notes: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    notes.sort();
    for (_, old) in notes.iter().take(notes.len().saturating_sub(MOST - 1)) {
        // Another process may have removed it already.
        let _ = disk::remove(old);
    }
}
