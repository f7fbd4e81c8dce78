//! Source files behind URLs: copies in the cache, fetched anew when what is there has changed.
//!
//! A copy is a file like any other: the digest of its bytes goes into keys. Whether it still is what is there is asked
//! once by every run, by the tag that the place gives to its bytes, else by their size and time; where a place tells
//! neither, they are fetched each time. Who only looks (`plan`) goes by the copies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use glob::Pattern;
use serde::{Deserialize, Serialize};

use super::Trouble;
use super::storage::Storage;
use crate::engine::digest::Digest;
use crate::engine::disk;
use crate::engine::pattern::is_pattern;
use crate::pipeline::has_secret;
use crate::stage::Failure;

/// What such a URL starts with.
const SCHEMES: [&str; 6] = ["s3://", "gs://", "az://", "https://", "http://", "file://"];

/// Where credentials come from.
const CREDENTIALS: &str = "credentials come from the environment: see docs/remote.md";

/// Whether a source lies behind a URL.
pub fn is_url(source: &str) -> bool {
    SCHEMES.iter().any(|scheme| source.starts_with(scheme))
}

/// What a place says of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// How many there are.
    pub size: u64,
    /// The tag that changes with them.
    pub tag: Option<String>,
    /// When they last changed, in microseconds since 1970; zero where it isn't told.
    pub modified: i64,
}

impl Version {
    /// Whether the bytes surely are the same.
    fn is_same(&self, other: &Self) -> bool {
        let told = match (&self.tag, &other.tag) {
            (Some(one), Some(two)) => one == two,
            _ => self.modified != 0 && self.modified == other.modified,
        };
        told && self.size == other.size
    }
}

/// A copy of what is behind a URL.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Copy {
    url: String,
    version: Version,
}

/// The files that a URL means, by their own URLs, as they have been copied.
///
/// # Errors
/// When there is no copy yet.
pub fn copied(url: &str, root: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let place = Place::new(url, root)?;
    let copies = place.copies();
    let there = |copy: &Copy| place.path(&copy.url).is_file();
    if copies.is_empty() || !copies.iter().all(there) {
        let message = format!("`{url}` has not been fetched yet");
        return Err(Failure::new(message).hint("a run of the pipeline fetches it"));
    }
    Ok(copies.iter().map(|copy| (copy.url.clone(), place.path(&copy.url))).collect())
}

/// The same after asking whether something else is there, and fetching what is.
///
/// # Errors
/// When the place can't be spoken to or has nothing there, or the disk is full.
pub fn fetched(url: &str, root: &Path, stop: &Arc<AtomicBool>) -> Result<Vec<(String, PathBuf)>, Failure> {
    let place = Place::new(url, root)?;
    let known = place.copies();
    let storage = Storage::open(place.folder, root, stop).map_err(|trouble| place.failure(&trouble))?;
    let mut copies = Vec::new();
    for name in place.names(&storage)? {
        let full = format!("{}/{name}", place.folder);
        let version = storage.version(&name).map_err(|trouble| place.failure(&trouble))?;
        let Some(version) = version else {
            return Err(
                Failure::new(format!("there is no `{full}`")).hint("look at its name, and at the folder's")
            );
        };
        let path = place.path(&full);
        let same =
            known.iter().any(|copy| copy.url == full && copy.version.is_same(&version)) && path.is_file();
        if !same {
            fetch(&storage, &name, &path).map_err(|trouble| place.failure(&trouble))?;
        }
        copies.push(Copy { url: full, version });
    }
    place.note(&copies).map_err(|error| place.failure(&error.into()))?;
    Ok(copies.into_iter().map(|copy| (copy.url.clone(), place.path(&copy.url))).collect())
}

/// Takes bytes over under another name first: a copy is whole or not there.
fn fetch(storage: &Storage, name: &str, path: &Path) -> Result<(), Trouble> {
    if let Some(folder) = path.parent() {
        disk::make_folder(folder)?;
    }
    let part = path.with_extension("part");
    let mut file = disk::create(&part)?;
    storage.stream(name, &mut |block| {
        disk::write(&mut file, block)?;
        Ok(true)
    })?;
    Ok(disk::rename(&part, path)?)
}

/// A URL, and where its copies are.
struct Place<'a> {
    url: &'a str,
    folder: &'a str,
    name: &'a str,
    copies: PathBuf,
}

impl<'a> Place<'a> {
    fn new(url: &'a str, root: &Path) -> Result<Self, Failure> {
        if has_secret(url) {
            let message = "a URL of a source must not hold a user, a password or a key";
            return Err(Failure::new(message).hint(CREDENTIALS));
        }
        let Some((folder, name)) =
            url.rsplit_once('/').filter(|(folder, name)| !folder.ends_with('/') && !name.is_empty())
        else {
            let hint = "name the file, or those of a folder: `s3://bucket/orders/*.csv`";
            return Err(Failure::new(format!("`{url}` names no file")).hint(hint));
        };
        if is_pattern(folder) {
            let hint = "`*` and `?` may stand behind the last `/`";
            return Err(Failure::new(format!("`{url}` has a pattern among its folders")).hint(hint));
        }
        Ok(Self { url, folder, name, copies: root.join("cache").join("fetched") })
    }

    /// The names that are meant, sorted.
    fn names(&self, storage: &Storage) -> Result<Vec<String>, Failure> {
        if !is_pattern(self.name) {
            return Ok(vec![self.name.to_owned()]);
        }
        let pattern = Pattern::new(self.name)
            .map_err(|error| Failure::new(format!("`{}` is no pattern: {}", self.name, error.msg)))?;
        let all = storage.list("").map_err(|trouble| self.failure(&trouble))?;
        let mut names: Vec<String> = all.into_iter().map(|(name, _)| name).collect();
        names.retain(|name| !name.contains('/') && pattern.matches(name));
        names.sort();
        if names.is_empty() {
            return Err(
                Failure::new(format!("nothing matches `{}`", self.url)).hint("look at the folder's name")
            );
        }
        Ok(names)
    }

    fn path(&self, url: &str) -> PathBuf {
        self.copies.join(Digest::of(url.as_bytes()).hex())
    }

    fn note_path(&self) -> PathBuf {
        self.path(self.url).with_extension("json")
    }

    /// What was copied the last time; what can't be read is fetched again.
    fn copies(&self) -> Vec<Copy> {
        disk::read(&self.note_path())
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn note(&self, copies: &[Copy]) -> anyhow::Result<()> {
        let text = serde_json::to_vec(copies)?;
        if disk::read(&self.note_path()).ok().as_deref() != Some(&text) {
            disk::replace(&self.note_path(), &[&text])?;
        }
        Ok(())
    }

    fn failure(&self, trouble: &Trouble) -> Failure {
        let failure = Failure::new(format!("`{}` can't be fetched: {trouble}", self.url));
        match trouble {
            Trouble::Refused(_) => failure.hint(CREDENTIALS),
            Trouble::Away(_) if !cfg!(feature = "remote") => {
                failure.hint("build it with `cargo build --release --features remote`")
            }
            _ => failure,
        }
    }
}
