//! The store: artifacts by the digest of their bytes, and records of stage runs by key.
//!
//! An object is written under a temporary name, synced, made read-only and renamed; its record comes
//! after it. So a kill at any instruction leaves either a whole object or none. Every read of an
//! object is checked against its digest once a run.

use std::collections::{BTreeMap, HashSet};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Result, bail};
use fs_err::File;
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::disk;
use super::files::Stamp;
use super::layout::{check_format, lock_path, object_path, records_path, refuse_newer};
use super::log::Log;
use super::scratch::{Room, Scratch};
use super::share::Share;
use crate::stage::{Histogram, Metrics, PortType, Usage, Warning};

/// What a stage run left behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record<M = BTreeMap<String, String>> {
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
    /// What it took of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The columns of each output that is a table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, Vec<String>>,
    /// How numbers that it computed lie, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histograms: BTreeMap<String, Histogram>,
    /// The manifest in readable form.
    pub manifest: M,
    /// Of how many partial results it was put together, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// The keys of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub memos: Vec<Digest>,
}

/// A record for who doesn't ask for the manifest, which is most of it.
pub type Brief = Record<IgnoredAny>;

impl Record {
    /// The record without its manifest.
    pub fn brief(self) -> Brief {
        let Self { kind, outputs, summary, metrics, warnings, seconds, manifest: _, .. } = self;
        let Self { parts, memos, usage, columns, histograms, .. } = self;
        Record {
            kind,
            outputs,
            summary,
            metrics,
            warnings,
            seconds,
            usage,
            columns,
            histograms,
            manifest: IgnoredAny,
            parts,
            memos,
        }
    }
}

/// Partial results that a stage run was put together of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parts {
    /// What each is a result for: `file`, `month`.
    pub unit: String,
    /// How many were computed.
    pub computed: usize,
    /// How many were kept from earlier runs.
    pub reused: usize,
}

/// An artifact on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The digest of its bytes.
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: PortType,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Bytes whose digest is known.
pub struct Named {
    /// It.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
    /// Their file, where they aren't an object yet.
    new: Option<(File, PathBuf)>,
}

impl Named {
    /// Whether they are yet to be an object.
    pub fn is_new(&self) -> bool {
        self.new.is_some()
    }
}

/// Why an object can't be had.
#[derive(Debug)]
pub enum Amiss {
    /// Its bytes are lost: they must be computed anew.
    Lost(Loss),
    /// It may be right, but can't be read.
    Unread(anyhow::Error),
}

/// A cache folder.
pub struct Store {
    folder: PathBuf,
    records: Mutex<Log>,
    verified: Mutex<HashSet<Digest>>,
    scratch: Scratch,
    _share: Share,
}

impl Store {
    /// Opens the cache to look only: nothing is written, and one that isn't there is empty.
    ///
    /// # Errors
    /// When it is there but can't be read, or a newer custem made it.
    pub fn look(folder: &Path) -> Result<Self> {
        refuse_newer(&folder.join("format"))?;
        Self::read(folder, Share::none())
    }

    /// Opens a cache that is there to remove things from it: nobody else may use it meanwhile. Nothing when
    /// somebody does, and there is no time to `wait`.
    ///
    /// # Errors
    /// When it can't be read or locked, or a newer custem made it.
    pub fn open_alone(folder: &Path, wait: bool) -> Result<Option<Self>> {
        refuse_newer(&folder.join("format"))?;
        disk::make_folder(&folder.join("tmp"))?;
        let share = Share::alone(&lock_path(folder), wait)?;
        share.map(|share| Self::read(folder, share)).transpose()
    }

    /// Opens the cache, making it where there is none. Until the value is dropped, nothing is removed from it.
    ///
    /// # Errors
    /// When the folder can't be made or read, or a newer custem made it.
    pub fn open(folder: &Path) -> Result<Self> {
        disk::make_folder(folder)?;
        refuse_newer(&folder.join("format"))?;
        // Before anything is read: what is seen from here on stays.
        let share = Share::take(&lock_path(folder))?;
        check_format(&folder.join("format"))?;
        for part in ["objects", "tmp"] {
            disk::make_folder(&folder.join(part))?;
        }
        Self::read(folder, share)
    }

    fn read(folder: &Path, share: Share) -> Result<Self> {
        let records = Log::open(&records_path(folder))?;
        let scratch = Scratch::new(&folder.join("tmp"));
        let (folder, records) = (folder.to_path_buf(), Mutex::new(records));
        Ok(Self { folder, records, verified: Mutex::default(), scratch, _share: share })
    }

    /// The record of a key.
    pub fn record(&self, key: &Digest) -> Option<Record> {
        self.records.lock().ok()?.get(key)
    }

    /// The record of a key without its manifest.
    pub fn brief(&self, key: &Digest) -> Option<Brief> {
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

    /// Whether the index has lines that are not as they were written.
    pub fn index_is_damaged(&self) -> bool {
        self.records.lock().is_ok_and(|records| records.damaged() > 0)
    }

    /// How many lines of the index are not as they were written.
    pub fn damaged_lines(&self) -> usize {
        self.records.lock().map_or(0, |records| records.damaged())
    }

    /// All records with their keys.
    pub fn keyed_records(&self) -> Vec<(Digest, Record)> {
        self.records.lock().map(|log| log.all().collect()).unwrap_or_default()
    }

    /// All records.
    pub fn records(&self) -> Vec<Record> {
        self.records.lock().map(|log| log.all().map(|(_, record)| record).collect()).unwrap_or_default()
    }

    /// Keeps a record; its objects must be in the store already.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn keep(&self, key: &Digest, record: &Record) -> Result<()> {
        let Ok(mut records) = self.records.lock() else { bail!("another stage broke down") };
        records.append(key, record)
    }

    /// Writes the index anew, with the records that are to be kept; only for who has the cache alone.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn rewrite_records(&self, keep: &dyn Fn(&Digest) -> bool) -> Result<()> {
        let scratch = self.scratch()?;
        let Ok(mut records) = self.records.lock() else { bail!("another stage broke down") };
        records.rewrite(keep, scratch.path())
    }

    /// Whether the index has more lines that count for nothing than lines that do.
    pub(super) fn index_is_wasteful(&self) -> bool {
        self.records.lock().is_ok_and(|records| records.is_wasteful())
    }

    /// Removes an object; only for who has the cache alone.
    ///
    /// # Errors
    /// When the folder can't be written.
    pub(super) fn remove(&self, digest: &Digest) -> Result<()> {
        if let Ok(mut verified) = self.verified.lock() {
            verified.remove(digest);
        }
        Ok(disk::remove(&self.path(digest))?)
    }

    /// Where objects are whose bytes were not those of their digest.
    pub(super) fn damaged(&self) -> PathBuf {
        self.folder.join("damaged")
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

    /// The first output of a record that is not in the store with its size, and what became of it: one
    /// stat an output.
    pub fn lost<'r, M>(&self, record: &'r Record<M>) -> Option<(&'r str, Loss)> {
        record.outputs.iter().find_map(|(port, output)| Some((port.as_str(), self.loss(output)?)))
    }

    /// What became of an output that is not in the store with its size.
    pub fn loss(&self, output: &Output) -> Option<Loss> {
        match std::fs::metadata(self.path(&output.digest)) {
            Ok(meta) if meta.is_file() && meta.len() == output.bytes => None,
            Ok(_) => Some(Loss::Damaged),
            Err(_) => Some(Loss::Missing),
        }
    }

    /// Reads an object through and compares it with its digest, once a run; a damaged one is moved
    /// out of the way.
    ///
    /// # Errors
    /// See [`Amiss`].
    pub fn verify(&self, digest: &Digest) -> Result<PathBuf, Amiss> {
        let path = self.path(digest);
        if self.verified.lock().is_ok_and(|verified| verified.contains(digest)) {
            return Ok(path);
        }
        let file = match disk::open(&path) {
            Ok(file) => file.into_parts().0,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(Amiss::Lost(Loss::Missing)),
            Err(error) => return Err(Amiss::Unread(error.into())),
        };
        let meta = file.metadata().map_err(|error| Amiss::Unread(error.into()))?;
        let found = if meta.is_file() { Digest::of_file(&file) } else { Err(ErrorKind::IsADirectory.into()) };
        match found {
            Ok(found) if found == *digest => {
                self.trust(digest);
                Ok(path)
            }
            // A disk that can't give the bytes back has lost them as well as one that gives others.
            Err(error) if !is_of_the_disk(&error) => Err(Amiss::Unread(error.into())),
            Ok(_) | Err(_) => {
                self.quarantine(&path, &meta, digest);
                Err(Amiss::Lost(Loss::Damaged))
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
    pub fn scratch(&self) -> Result<Room> {
        self.scratch.make()
    }

    /// Names bytes that are to be an object, and writes them into the scratch folder unless they are one.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn name_bytes(&self, bytes: &[u8], scratch: &Path) -> Result<Named> {
        let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
        if self.intact(&digest, size) {
            return Ok(Named { digest, bytes: size, new: None });
        }
        let path = scratch.join(format!(".custem-object-{}", digest.short()));
        let mut file = disk::create(&path)?;
        disk::write(&mut file, bytes)?;
        Ok(Named { digest, bytes: size, new: Some((file, path)) })
    }

    /// Names a finished file that is to be an object.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn name_file(&self, path: &Path) -> Result<Named> {
        let own = own_file(path)?;
        let file = disk::open(&own)?;
        let digest = Digest::of_file(file.file())?;
        let bytes = file.metadata()?.len();
        let new = (!self.intact(&digest, bytes)).then_some((file, own));
        Ok(Named { digest, bytes, new })
    }

    /// Takes what has been named over as an object: mostly waiting for the disk.
    ///
    /// # Errors
    /// When the disk fails, or the file can't be moved.
    pub fn put(&self, named: &Named) -> Result<()> {
        if let Some((file, path)) = &named.new {
            disk::sync(file)?;
            self.adopt(path, &named.digest)?;
        }
        Ok(())
    }

    /// Takes a finished file over as an object.
    ///
    /// # Errors
    /// When it can't be read or moved.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64)> {
        let named = self.name_file(path)?;
        self.put(&named)?;
        Ok((named.digest, named.bytes))
    }

    /// The file whose bytes are locked for leases.
    pub fn leases(&self) -> PathBuf {
        lock_path(&self.folder)
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

    /// Puts a synced file of the store's scratch folder in place; its bytes must be those of the digest.
    pub(super) fn adopt(&self, from: &Path, digest: &Digest) -> Result<()> {
        let to = self.path(digest);
        if let Some(parent) = to.parent() {
            disk::make_folder(parent)?;
        }
        disk::make_read_only(from)?;
        disk::rename(from, &to)?;
        self.trust(digest);
        Ok(())
    }

    /// Moves a file whose bytes are wrong away, unless somebody has put a right one there meanwhile.
    fn quarantine(&self, path: &Path, wrong: &Metadata, digest: &Digest) {
        let same = |now: Metadata| (now.dev(), now.ino()) == (wrong.dev(), wrong.ino());
        if !std::fs::metadata(path).is_ok_and(same) {
            return;
        }
        let folder = self.damaged();
        let moved = disk::make_folder(&folder).and_then(|()| disk::rename(path, &folder.join(digest.hex())));
        if moved.is_err() {
            // What can't be moved away must not be taken for good later, so it goes.
            let _ = disk::remove(path);
        }
    }
}

/// Whether the disk could not give bytes back, rather than the system not let us read them.
fn is_of_the_disk(error: &std::io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
        || matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::UnexpectedEof | ErrorKind::Other)
}

/// A file that nothing outside the store refers to: a link is replaced by a copy of what it leads to.
fn own_file(path: &Path) -> Result<PathBuf> {
    let meta = fs_err::symlink_metadata(path)?;
    if meta.is_file() && meta.nlink() == 1 {
        return Ok(path.to_path_buf());
    }
    if !fs_err::metadata(path)?.is_file() {
        bail!("`{}` is no ordinary file", path.display());
    }
    let mut own = path.as_os_str().to_owned();
    own.push(".own");
    let own = PathBuf::from(own);
    let file = disk::create(&own)?.into_parts().0;
    disk::copy_into(path, &file, &own)?;
    Ok(own)
}
