//! The key of a task: its manifest made from what it takes in, and its record looked up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;

use super::digest::Digest;
use super::events::Taken;
use super::files::{Files, Stamp};
use super::manifest::Manifest;
use super::pattern::{Matched, is_pattern, matched};
use super::remote::outside;
use super::store::Output;
use crate::pipeline::{Edge, Task};
use crate::stage::{Failure, Source, SourceFile};

/// Where a path starts that leads nowhere.
const FROM_ROOT: &str = "paths start at the project root, which is the current folder or `--root`";

/// So many files from outside are named in an event.
const NAMED: usize = 100;

/// The script of this repository that brings data which isn't custem's to give.
const FETCH: &str = "data/fetch";

/// What identifies a run of a task.
#[derive(Clone)]
pub struct Identity {
    /// The key.
    pub key: Digest,
    /// The content of each input, by the parameter that names it.
    pub inputs: Vec<(String, Digest)>,
    /// The files from outside.
    pub sources: Vec<SourceFile>,
    /// What `stat` said of each of them when it was hashed.
    pub stamps: Vec<Stamp>,
    /// Patterns among the sources, with what they matched.
    pub patterns: Vec<(String, Matched)>,
    params: toml::Table,
    replaced: Vec<String>,
    named: Vec<(String, Digest)>,
}

/// The files from outside that a task reads.
pub struct Sources {
    /// The parameter that means each, its name in the manifest, and where it is.
    named: Vec<(String, String, PathBuf)>,
    patterns: Vec<(String, Matched)>,
    /// Parameters that stand for what is read.
    keys: Vec<String>,
}

impl Sources {
    /// Finds them; those behind URLs as they have been copied.
    ///
    /// # Errors
    /// When one is missing.
    pub fn of(task: &Task, root: &Path) -> Result<Self> {
        Self::with(task, root, &|url| outside::copied(url, root))
    }

    /// The same, those behind URLs fetched where they have changed.
    ///
    /// # Errors
    /// When one is missing or can't be fetched.
    pub fn fetched(task: &Task, root: &Path, stop: &Arc<AtomicBool>) -> Result<Self> {
        Self::with(task, root, &|url| outside::fetched(url, root, stop))
    }

    fn with(task: &Task, root: &Path, copy: Copying<'_>) -> Result<Self> {
        let wanted = task.draft.body.sources();
        let (mut named, mut patterns) = (Vec::new(), Vec::new());
        for source in &wanted {
            let found = match outside::is_url(&source.pattern) {
                true => copies(source, copy, &mut patterns)?,
                false => matches(source, root, &mut patterns)?,
            };
            named.extend(found.into_iter().map(|(name, path)| (source.key.clone(), name, path)));
        }
        Ok(Self { named, patterns, keys: wanted.into_iter().map(|source| source.key).collect() })
    }

    /// Where they are.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.named.iter().map(|(.., path)| path.clone()).collect()
    }
}

impl Identity {
    /// Identifies a task by its inputs' digests (in the task's order).
    ///
    /// # Errors
    /// When a file from outside is missing or can't be read, or a parameter doesn't fit TOML.
    pub fn of(task: &Task, inputs: Vec<(String, Digest)>, files: &mut Files, root: &Path) -> Result<Self> {
        let sources = Sources::of(task, root)?;
        let digests = files.digests(&sources.paths())?;
        Self::with(task, inputs, sources, digests)
    }

    /// Identifies a task by its inputs' digests (in the task's order) and those of its sources (in theirs).
    ///
    /// # Errors
    /// When a parameter doesn't fit TOML.
    pub fn with(
        task: &Task,
        inputs: Vec<(String, Digest)>,
        found: Sources,
        digests: Vec<(Digest, Stamp)>,
    ) -> Result<Self> {
        let mut replaced: Vec<_> = task.inputs.iter().map(|edge| edge.key.clone()).collect();
        replaced.extend(found.keys);
        let (digests, stamps): (Vec<_>, _) = digests.into_iter().unzip();
        let source = |((key, name, path), digest)| SourceFile { key, name, path, digest };
        let sources: Vec<_> = found.named.into_iter().zip(digests).map(source).collect();
        let named = sources.iter().map(|source| (source.name.clone(), source.digest)).collect();
        let (key, patterns) = (Digest::of(b""), found.patterns);
        let params = task.draft.params()?;
        let mut identity = Self { key, inputs, sources, stamps, patterns, params, replaced, named };
        identity.key = identity.manifest(task).key();
        Ok(identity)
    }

    fn manifest<'a>(&'a self, task: &'a Task) -> Manifest<'a> {
        Manifest {
            kind: task.draft.kind.name,
            version: task.draft.kind.version,
            params: &self.params,
            replaced: &self.replaced,
            seed: task.draft.kind.seeded.then_some(task.seed),
            inputs: &self.inputs,
            sources: &self.named,
        }
    }

    /// The manifest in readable form.
    pub fn readable(&self, task: &Task) -> BTreeMap<String, String> {
        self.manifest(task).readable()
    }

    /// What it takes from outside; nothing where it takes nothing.
    pub fn taken(&self) -> Option<Taken> {
        if self.named.is_empty() {
            return None;
        }
        let mut hasher = blake3::Hasher::new_derive_key("custem source files");
        for (name, digest) in &self.named {
            hasher
                .update(&(name.len() as u64).to_le_bytes())
                .update(name.as_bytes())
                .update(digest.as_bytes());
        }
        let named = self.named.iter().take(NAMED).map(|(name, digest)| (name.clone(), *digest)).collect();
        Some(Taken { digest: Digest::from_hasher(&hasher), files: self.named.len(), named })
    }

    /// The digests of the inputs as text, by parameter.
    pub fn input_digests(&self) -> BTreeMap<String, String> {
        self.inputs.iter().map(|(key, digest)| (key.clone(), digest.hex())).collect()
    }
}

/// The digests of a task's inputs by what the tasks before it gave; one that gave nothing is left out.
pub fn inputs(task: &Task, outputs: &[Option<BTreeMap<String, Output>>]) -> Vec<(String, Digest)> {
    let given = |edge: &Edge| {
        let output = outputs[edge.task].as_ref()?.get(&edge.port)?;
        Some((edge.key.clone(), output.digest))
    };
    task.inputs.iter().filter_map(given).collect()
}

/// The files that a source means, by name, sorted: a path, or everything that a pattern matches, which is
/// noted.
fn matches(
    source: &Source,
    root: &Path,
    patterns: &mut Vec<(String, Matched)>,
) -> Result<Vec<(String, PathBuf)>> {
    let path = root.join(&source.pattern);
    // A file may have brackets in its name.
    if !is_pattern(&source.pattern) || path.is_file() {
        return match problem(&source.pattern, root) {
            Some(failure) => Err(failure.at(&source.key).into()),
            None => Ok(vec![(source.pattern.clone(), path)]),
        };
    }
    let found = matched(&source.pattern, root).map_err(|failure| failure.at(&source.key))?;
    if found.files.is_empty() {
        let failure = Failure::new(format!("no file matches `{}`", source.pattern)).hint(FROM_ROOT);
        return Err(failure.at(&source.key).into());
    }
    let name = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let mut named: Vec<_> = found.files.iter().map(|path| (name(path), path.clone())).collect();
    named.sort();
    patterns.push((source.pattern.clone(), found));
    Ok(named)
}

/// How the files behind a URL are had: their own URLs and where the copies are.
type Copying<'a> = &'a dyn Fn(&str) -> Result<Vec<(String, PathBuf)>, Failure>;

/// The copies of what is behind a URL. They stand among the patterns, as one that can't be told by folders: whether
/// something else is there must be asked by every run.
fn copies(
    source: &Source,
    copy: Copying<'_>,
    patterns: &mut Vec<(String, Matched)>,
) -> Result<Vec<(String, PathBuf)>> {
    let found = copy(&source.pattern).map_err(|failure| failure.at(&source.key))?;
    let files = found.iter().map(|(_, path)| path.clone()).collect();
    patterns.push((source.pattern.clone(), Matched { files, ..Matched::default() }));
    Ok(found)
}

/// The files that a source means as things stand; a path is one whether there is a file or not.
pub fn meant(pattern: &str, root: &Path) -> Vec<PathBuf> {
    if outside::is_url(pattern) {
        return Vec::new();
    }
    let path = root.join(pattern);
    if !is_pattern(pattern) || path.is_file() {
        return vec![path];
    }
    matched(pattern, root).map(|matched| matched.files).unwrap_or_default()
}

/// Why a path is none of a file.
fn problem(named: &str, root: &Path) -> Option<Failure> {
    let path = root.join(named);
    if path.is_dir() {
        let hint = format!("name the files in it, such as `{}/*.csv`", named.trim_end_matches('/'));
        return Some(Failure::new(format!("`{named}` is a folder, not a file")).hint(hint));
    }
    let brought = named.starts_with("data/raw/") && root.join(FETCH).is_file();
    let hint = if brought {
        format!("`{FETCH}` brings the files of the examples; {FROM_ROOT}")
    } else {
        FROM_ROOT.to_owned()
    };
    (!path.exists()).then(|| Failure::new(format!("there is no file `{named}`")).hint(hint))
}
