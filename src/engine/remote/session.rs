//! One run's dealings with a remote: results taken from it and given to it, until it fails.
//!
//! After the first failure of contact there is one warning, and nothing more is asked of it.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::storage::Storage;
use super::{Remote, Trouble, listed, object_name, record_name};
use crate::engine::digest::Digest;
use crate::engine::disk;
use crate::engine::events::{Event, Note, Sink};
use crate::engine::log::{self, Line};
use crate::engine::store::{Amiss, Output, Record, Store};
use crate::stage::Progress;

/// How many bytes are fetched from one word of progress to the next.
const STEP: u64 = 8 << 20;

/// How many objects can be on their way at once.
const WAYS: usize = 64;

/// No record is longer than this.
const LONGEST: u64 = 64 << 20;

/// What is looked for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The key.
    pub key: &'a Digest,
    /// What the record must say of how the key came about, where that is known.
    pub manifest: Option<&'a BTreeMap<String, String>>,
    /// What messages call it.
    pub label: &'a str,
}

/// A result that the remote has.
#[derive(Debug)]
pub struct Offer {
    /// Its record.
    pub record: Record,
    /// Outputs that the store lacks.
    pub lost: Vec<Output>,
}

/// How much of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Results.
    pub results: usize,
    /// Objects.
    pub objects: usize,
    /// The size of these.
    pub bytes: u64,
}

impl Amount {
    /// One more result.
    pub fn add_result(&mut self) {
        self.results += 1;
    }

    /// One more object.
    pub fn add_object(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

/// Whose dealings they are: what a warning says becomes of it without the remote.
#[derive(Clone, Copy)]
struct Without {
    /// Where it can't be spoken to.
    away: &'static str,
    /// Where it gives nothing.
    nothing: &'static str,
}

const RUN: Without =
    Without { away: "this run goes on without it", nothing: "this run computes what it needs" };
const PLAN: Without = Without { away: "this plan does without it", nothing: "this plan does without it" };

/// The dealings of one store with one remote.
pub struct Session<'a> {
    remote: &'a Remote,
    store: &'a Store,
    sink: &'a dyn Sink,
    without: Without,
    /// Whether results are still taken from it.
    pulls: AtomicBool,
    /// Whether results are still given to it.
    pushes: AtomicBool,
    /// Whether it has been said that it can't be reached.
    told: AtomicBool,
    /// Held while an object is on its way, by the first bits of its digest: nobody moves one twice at once.
    ways: [Mutex<()>; WAYS],
    /// Objects that the remote is known to have.
    there: Mutex<HashSet<Digest>>,
    /// Names whose bytes there are wrong, or lead to nothing: to be written over.
    wrong: Mutex<HashSet<String>>,
    given: Mutex<Amount>,
    taken: Mutex<Amount>,
}

impl<'a> Session<'a> {
    /// Dealings as the remote's settings want them; warnings go to the sink.
    pub fn new(remote: &'a Remote, store: &'a Store, sink: &'a dyn Sink) -> Self {
        Self::with(remote, store, sink, remote.settings.pull, remote.settings.push)
    }

    /// Dealings that only look what a run would take, as the remote's settings want it.
    pub fn looking(remote: &'a Remote, store: &'a Store, sink: &'a dyn Sink) -> Self {
        Self { without: PLAN, ..Self::with(remote, store, sink, remote.settings.pull, false) }
    }

    /// Dealings that the user has asked for, whatever a run does.
    pub fn asked(remote: &'a Remote, store: &'a Store, sink: &'a dyn Sink) -> Self {
        Self::with(remote, store, sink, true, true)
    }

    fn with(remote: &'a Remote, store: &'a Store, sink: &'a dyn Sink, pulls: bool, pushes: bool) -> Self {
        let (pulls, pushes) = (AtomicBool::new(pulls), AtomicBool::new(pushes));
        let told = AtomicBool::new(false);
        let (ways, there, wrong) =
            (std::array::from_fn(|_| Mutex::default()), Mutex::default(), Mutex::default());
        let (given, taken) = (Mutex::default(), Mutex::default());
        let without = RUN;
        Self { remote, store, sink, without, pulls, pushes, told, ways, there, wrong, given, taken }
    }

    /// Whether results are taken from it.
    pub fn pulls(&self) -> bool {
        self.pulls.load(Ordering::Relaxed)
    }

    /// Whether results are given to it.
    pub fn pushes(&self) -> bool {
        self.pushes.load(Ordering::Relaxed)
    }

    /// What has been given to it so far.
    pub fn given(&self) -> Amount {
        *held(&self.given)
    }

    /// What has been taken from it so far.
    pub fn taken(&self) -> Amount {
        *held(&self.taken)
    }

    /// Takes a result over into the store, if the remote has it and still gives any; a failure is a warning.
    pub fn fetch(
        &self,
        wanted: Wanted<'_>,
        known: Option<Record>,
        progress: &dyn Progress,
    ) -> Option<Record> {
        if !self.pulls() {
            return None;
        }
        self.take(wanted, known, progress).unwrap_or_else(|trouble| {
            self.read_failed(&trouble);
            None
        })
    }

    /// Takes a result over into the store, every byte of it verified; nothing when the remote can't give it.
    /// Of a key that the store has a `known` record of, only lost objects are fetched: another record for
    /// it would hide that the stage isn't reproducible.
    ///
    /// # Errors
    /// When the remote fails, or the store can't be written.
    pub fn take(
        &self,
        wanted: Wanted<'_>,
        known: Option<Record>,
        progress: &dyn Progress,
    ) -> Result<Option<Record>, Trouble> {
        let storage = self.remote.storage()?;
        let is_known = known.is_some();
        let found = if is_known { known } else { self.read_record(&storage, wanted)? };
        let Some(record) = found else { return Ok(None) };
        for output in record.outputs.values() {
            if !self.fetch_object(&storage, output, wanted, progress)? {
                if !is_known {
                    self.is_wrong(record_name(wanted.key));
                }
                return Ok(None);
            }
        }
        if !is_known {
            self.store.keep(wanted.key, &record)?;
        }
        held(&self.taken).add_result();
        Ok(Some(record))
    }

    /// What `fetch` would take: the record, and what the store lacks of it. A failure is a warning.
    pub fn offer(&self, wanted: Wanted<'_>, known: Option<Record>) -> Option<Offer> {
        if !self.pulls() {
            return None;
        }
        self.offered(wanted, known).unwrap_or_else(|trouble| {
            self.read_failed(&trouble);
            None
        })
    }

    fn offered(&self, wanted: Wanted<'_>, known: Option<Record>) -> Result<Option<Offer>, Trouble> {
        let found = if known.is_some() { known } else { self.record(wanted)? };
        let Some(record) = found else { return Ok(None) };
        let lost = |output: &&Output| self.store.loss(output).is_some();
        let lost: Vec<_> = record.outputs.values().filter(lost).copied().collect();
        for output in &lost {
            if !self.has(output)? {
                return Ok(None);
            }
        }
        Ok(Some(Offer { record, lost }))
    }

    /// The remote's record of a key; nothing where it has none that can be used.
    ///
    /// # Errors
    /// When the remote fails.
    pub fn record(&self, wanted: Wanted<'_>) -> Result<Option<Record>, Trouble> {
        let storage = self.remote.storage()?;
        self.read_record(&storage, wanted)
    }

    fn read_record(&self, storage: &Storage, wanted: Wanted<'_>) -> Result<Option<Record>, Trouble> {
        let name = record_name(wanted.key);
        let bytes = match storage.read(&name, LONGEST) {
            Err(Trouble::Missing) => return Ok(None),
            bytes => bytes?,
        };
        let fits = |record: &Record| wanted.manifest.is_none_or(|manifest| *manifest == record.manifest);
        match log::read_line::<Record>(&bytes) {
            Line::Whole(key, record) if key == *wanted.key && fits(&record) => Ok(Some(record)),
            // A newer custem may say more than this one understands.
            Line::Strange => Ok(None),
            Line::Damaged | Line::Whole(..) => {
                self.warn(format!("the record of `{}` is damaged in the remote cache", wanted.label));
                self.is_wrong(name);
                Ok(None)
            }
        }
    }

    /// Takes an object over, if the store doesn't have it; whether it is in the store then.
    fn fetch_object(
        &self,
        storage: &Storage,
        output: &Output,
        wanted: Wanted<'_>,
        progress: &dyn Progress,
    ) -> Result<bool, Trouble> {
        let _alone = self.way(&output.digest);
        match self.store.verify(&output.digest) {
            Ok(_) => return Ok(true),
            Err(Amiss::Lost(_)) => {}
            Err(Amiss::Unread(error)) => return Err(Trouble::Own(error)),
        }
        let name = object_name(&output.digest);
        let scratch = self.store.scratch()?;
        let path = scratch.path().join(".custem-fetched");
        match download(storage, &name, output, &path, progress) {
            Ok(true) => {
                self.store.adopt(&path, &output.digest)?;
                held(&self.taken).add_object(output.bytes);
                Ok(true)
            }
            Ok(false) => {
                let (short, label) = (output.digest.short(), wanted.label);
                self.warn(format!("object {short} of `{label}` is damaged in the remote cache"));
                self.is_wrong(name);
                Ok(false)
            }
            Err(Trouble::Missing) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Gives a result to the remote, objects first: whoever sees the record finds what it names. What is there
    /// already isn't sent again.
    ///
    /// # Errors
    /// When the remote fails, or the store has lost an object.
    pub fn give(&self, key: &Digest, record: &Record) -> Result<(), Trouble> {
        let storage = self.remote.storage()?;
        for output in record.outputs.values() {
            self.give_object(&storage, output)?;
        }
        let name = record_name(key);
        if self.knows_wrong(&name) || storage.size(&name)?.is_none() {
            storage.write(&name, log::line(key, record)?.into_bytes())?;
            self.is_right(&name);
            held(&self.given).add_result();
        }
        Ok(())
    }

    fn give_object(&self, storage: &Storage, output: &Output) -> Result<(), Trouble> {
        let _alone = self.way(&output.digest);
        if held(&self.there).contains(&output.digest) {
            return Ok(());
        }
        let name = object_name(&output.digest);
        if self.knows_wrong(&name) || storage.size(&name)? != Some(output.bytes) {
            let path = self.store.verify(&output.digest).map_err(lost)?;
            storage.upload(&name, &path)?;
            self.is_right(&name);
            held(&self.given).add_object(output.bytes);
        }
        held(&self.there).insert(output.digest);
        Ok(())
    }

    /// Gives a result to the remote, if it still takes any; a failure is a warning.
    pub fn push(&self, key: &Digest, record: &Record) {
        if self.pushes()
            && let Err(trouble) = self.give(key, record)
        {
            self.write_failed(&trouble);
        }
    }

    /// What the remote has: keys of records, and objects with their sizes.
    ///
    /// # Errors
    /// When it can't be listed.
    pub fn list(&self) -> Result<(Vec<Digest>, BTreeMap<Digest, u64>), Trouble> {
        let storage = self.remote.storage()?;
        let records = listed(&storage, "records")?.into_iter().map(|(key, _)| key).collect();
        Ok((records, listed(&storage, "objects")?.into_iter().collect()))
    }

    /// Whether the remote has a record of a key.
    ///
    /// # Errors
    /// When it fails.
    pub fn has_record(&self, key: &Digest) -> Result<bool, Trouble> {
        Ok(self.remote.storage()?.size(&record_name(key))?.is_some())
    }

    /// Whether the remote has an object of that size.
    ///
    /// # Errors
    /// When it fails.
    pub fn has(&self, output: &Output) -> Result<bool, Trouble> {
        Ok(self.remote.storage()?.size(&object_name(&output.digest))? == Some(output.bytes))
    }

    /// The remote can't be read: one that can't be spoken to at all isn't written to either.
    fn read_failed(&self, trouble: &Trouble) {
        if matches!(trouble, Trouble::Stopped) || !self.pulls.swap(false, Ordering::Relaxed) {
            return;
        }
        match trouble {
            Trouble::Own(_) => self.warn(format!("a result can't be taken from the remote cache: {trouble}")),
            Trouble::Refused(_) => self.warn(format!(
                "the remote cache {} gives nothing ({trouble}): {}",
                self.remote.url(),
                self.without.nothing
            )),
            _ => self.cut_off(trouble),
        }
    }

    fn write_failed(&self, trouble: &Trouble) {
        if matches!(trouble, Trouble::Stopped) || !self.pushes.swap(false, Ordering::Relaxed) {
            return;
        }
        match trouble {
            Trouble::Own(_) => self.warn(format!("a result can't be given to the remote cache: {trouble}")),
            Trouble::Refused(_) => self.warn(format!(
                "the remote cache {} takes nothing ({trouble}): results stay here",
                self.remote.url()
            )),
            _ => self.cut_off(trouble),
        }
    }

    fn way(&self, digest: &Digest) -> MutexGuard<'_, ()> {
        held(&self.ways[usize::from(digest.as_bytes()[0]) % WAYS])
    }

    fn cut_off(&self, trouble: &Trouble) {
        self.pulls.store(false, Ordering::Relaxed);
        self.pushes.store(false, Ordering::Relaxed);
        if !self.told.swap(true, Ordering::Relaxed) {
            let (url, without) = (self.remote.url(), self.without.away);
            self.warn(format!("the remote cache {url} can't be reached ({trouble}): {without}"));
        }
    }

    fn warn(&self, message: String) {
        self.sink.event(&Event::Warning(Note::new(message)));
    }

    fn is_wrong(&self, name: String) {
        held(&self.wrong).insert(name);
    }

    fn is_right(&self, name: &str) {
        held(&self.wrong).remove(name);
    }

    fn knows_wrong(&self, name: &str) -> bool {
        held(&self.wrong).contains(name)
    }
}

/// A value that is right also where a thread broke down with it.
fn held<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes an object to a file, synced; whether its bytes are those of its digest.
fn download(
    storage: &Storage,
    name: &str,
    output: &Output,
    path: &Path,
    progress: &dyn Progress,
) -> Result<bool, Trouble> {
    let mut file = disk::create(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut count = 0;
    storage.stream(name, &mut |block| {
        count += block.len() as u64;
        // Whatever comes beyond its size is none of it.
        if count > output.bytes {
            return Ok(false);
        }
        hasher.update(block);
        disk::write(&mut file, block)?;
        if count / STEP > (count - block.len() as u64) / STEP {
            #[expect(clippy::cast_precision_loss, reason = "a fraction for people")]
            progress.progress(count as f64 / output.bytes as f64, "fetching from the remote cache");
        }
        Ok(true)
    })?;
    if count != output.bytes || Digest::from_hasher(&hasher) != output.digest {
        return Ok(false);
    }
    disk::sync(&file)?;
    Ok(true)
}

fn lost(amiss: Amiss) -> Trouble {
    Trouble::Own(match amiss {
        Amiss::Lost(loss) => anyhow::anyhow!("an object is {} in the cache", loss.name()),
        Amiss::Unread(error) => error,
    })
}
