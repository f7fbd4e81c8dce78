//! The store: artifacts by the digest of their bytes, and records of stage runs by key.
//!
//! An object is written under a temporary name, synced, made read-only and renamed; its record comes
//! after it. So a kill at any instruction leaves either a whole object or none. Every read of an
//! object is checked against its digest once a run.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::files::Stamp;
use super::log::Log;
use super::scratch::Scratch;
use crate::stage::{Metrics, PortType, Warning};

/// The layout of the cache folder; a newer one is refused.
const FORMAT: u32 = 1;

/// What a stage run left behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The kind that ran.
    pub kind: String,
    /// Its outputs by port.
    pub outputs: BTreeMap<String, Output>,
    /// The line for the terminal.
    pub summary: String,
    /// Its named numbers.
    pub metrics: Metrics,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// How long it took.
    pub seconds: f64,
    /// The manifest in readable form.
    pub manifest: BTreeMap<String, String>,
}

/// An artifact on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: PortType,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// It is not in the store.
    Missing,
    /// Its bytes are not those that its digest names.
    Damaged,
}

impl Loss {
    /// The word for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Damaged => "damaged",
        }
    }
}

/// A cache folder.
pub struct Store {
    folder: PathBuf,
    records: Mutex<Log>,
    verified: Mutex<HashSet<Digest>>,
    scratch: Scratch,
}

impl Store {
    /// Opens the cache, making it where there is none.
    ///
    /// # Errors
    /// When the folder can't be made or read, or a newer custem made it.
    pub fn open(folder: &Path) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        check_format(&folder.join("format"))?;
        for part in ["objects", "leases", "tmp"] {
            fs_err::create_dir_all(folder.join(part))?;
        }
        let records = Log::open(&records_path(folder))?;
        let scratch = Scratch::new(&folder.join("tmp"));
        let (folder, records) = (folder.to_path_buf(), Mutex::new(records));
        Ok(Self { folder, records, verified: Mutex::default(), scratch })
    }

    /// The record of a key.
    pub fn record(&self, key: &Digest) -> Option<Record> {
        self.records.lock().ok()?.get(key)
    }

    /// The record of a key, after taking in what other processes have done since.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn fresh_record(&self, key: &Digest) -> Result<Option<Record>> {
        let Ok(mut records) = self.records.lock() else { return Ok(None) };
        records.refresh()?;
        Ok(records.get(key))
    }

    /// Keeps a record; its objects must be in the store already.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn keep(&self, key: &Digest, record: &Record) -> Result<()> {
        let Ok(mut records) = self.records.lock() else { bail!("another stage broke down") };
        records.append(key, record)
    }

    /// What `stat` says of the index, if everything in it has been taken in.
    pub(super) fn index(&self) -> Option<Stamp> {
        self.records.lock().ok()?.stamp()
    }

    /// Makes sure that the records survive a power cut.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> Result<()> {
        self.records.lock().map_or(Ok(()), |mut records| records.sync())
    }

    /// Where an object is.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        object_path(&self.folder, digest)
    }

    /// The first output of a record that is not in the store with its size: one stat an output.
    pub fn lost<'r>(&self, record: &'r Record) -> Option<&'r str> {
        let gone = |output: &Output| {
            let size = std::fs::metadata(self.path(&output.digest)).map(|meta| meta.len());
            size.ok() != Some(output.bytes)
        };
        record.outputs.iter().find(|(_, output)| gone(output)).map(|(port, _)| port.as_str())
    }

    /// Reads an object through and compares it with its digest, once a run; a damaged one is moved
    /// out of the way.
    pub fn verify(&self, digest: &Digest) -> Result<PathBuf, Loss> {
        let path = self.path(digest);
        if self.verified.lock().is_ok_and(|verified| verified.contains(digest)) {
            return Ok(path);
        }
        match Digest::of_file(&path) {
            Ok(found) if found == *digest => {
                self.trust(digest);
                Ok(path)
            }
            Ok(_) => {
                self.quarantine(&path, digest);
                Err(Loss::Damaged)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Loss::Missing),
            Err(_) => {
                self.quarantine(&path, digest);
                Err(Loss::Damaged)
            }
        }
    }

    /// Whether an object of that digest is in the store.
    pub fn has(&self, digest: &Digest) -> bool {
        self.path(digest).exists()
    }

    /// A new folder for a stage to work in; it goes when the value is dropped.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn scratch(&self) -> Result<tempfile::TempDir> {
        self.scratch.make()
    }

    /// Takes bytes over as an object.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn put_bytes(&self, bytes: &[u8], scratch: &Path) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if self.intact(&digest, bytes.len() as u64) {
            return Ok(digest);
        }
        let path = scratch.join(format!("object-{}", digest.short()));
        let mut file = fs_err::File::create(&path)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        self.adopt(&path, &digest)?;
        Ok(digest)
    }

    /// Takes a finished file over as an object.
    ///
    /// # Errors
    /// When it can't be read or moved.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let digest = Digest::of_file(path).with_context(|| format!("can't read `{}`", path.display()))?;
        let file = fs_err::File::open(path)?;
        let bytes = file.metadata()?.len();
        if !self.intact(&digest, bytes) {
            file.sync_data()?;
            self.adopt(path, &digest)?;
        }
        Ok((digest, bytes))
    }

    /// Where the lease files are.
    pub fn leases(&self) -> PathBuf {
        self.folder.join("leases")
    }

    /// Where digests of files outside are remembered.
    pub fn files_log(&self) -> PathBuf {
        self.folder.join("files.log")
    }

    /// Remembers that an object's bytes are right, having just been written or read.
    fn trust(&self, digest: &Digest) {
        if let Ok(mut verified) = self.verified.lock() {
            verified.insert(*digest);
        }
    }

    /// Whether the object is there already and right, so that it needn't be written again.
    fn intact(&self, digest: &Digest, bytes: u64) -> bool {
        let size = std::fs::metadata(self.path(digest)).map(|meta| meta.len()).ok();
        size == Some(bytes) && self.verify(digest).is_ok()
    }

    fn adopt(&self, from: &Path, digest: &Digest) -> Result<()> {
        let to = self.path(digest);
        if let Some(parent) = to.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let mut permissions = fs_err::metadata(from)?.permissions();
        permissions.set_readonly(true);
        fs_err::set_permissions(from, permissions)?;
        fs_err::rename(from, &to)?;
        self.trust(digest);
        Ok(())
    }

    fn quarantine(&self, path: &Path, digest: &Digest) {
        let folder = self.folder.join("damaged");
        let moved =
            fs_err::create_dir_all(&folder).and_then(|()| fs_err::rename(path, folder.join(digest.hex())));
        if moved.is_err() {
            // What can't be moved away must not be taken for good later, so it goes.
            let _ = fs_err::remove_file(path);
        }
    }
}

/// Where a cache folder has an object.
pub(super) fn object_path(cache: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    let mut path = cache.join("objects");
    path.push(&hex[..2]);
    path.push(&hex[2..]);
    path
}

/// Where a cache folder has its records.
pub(super) fn records_path(cache: &Path) -> PathBuf {
    cache.join("records.log")
}

/// Whether a cache folder is of the format that this custem writes.
pub(super) fn is_known_format(cache: &Path) -> bool {
    fs_err::read_to_string(cache.join("format")).is_ok_and(|text| text.trim() == FORMAT.to_string())
}

fn check_format(path: &Path) -> Result<()> {
    match fs_err::read_to_string(path) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(format) if format > FORMAT => bail!(
                "the cache `{}` has format {format}, but this custem knows formats up to {FORMAT}: \
                 use the custem that made it, or another `--root`",
                path.parent().unwrap_or(path).display()
            ),
            Ok(FORMAT) => Ok(()),
            _ => Ok(fs_err::write(path, format!("{FORMAT}\n"))?),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(fs_err::write(path, format!("{FORMAT}\n"))?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Ok(fs_err::write(path, format!("{FORMAT}\n"))?)
        }
        Err(error) => Err(error.into()),
    }
}
