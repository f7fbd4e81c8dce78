//! Partial results of stages: ordinary objects, each with a small record of its own.
//!
//! What identifies one: the kind, its version, what it is a result for, and the parts that it follows from,
//! such as digests and parameters. A missing or damaged one is computed anew; no output ever depends on
//! whether there was one. Does not know what the results are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Result;

use super::digest::Digest;
use super::store::{Output, Parts, Record, Store};
use crate::stage::{Kind, Make, Memos, Metrics, PortType};

/// How the kind of a partial result's record starts.
const PART: &str = "part of ";

/// The port of a partial result's record.
const PORT: &str = "part";

/// The partial results that a stage run finds and leaves.
pub struct Shelf<'a> {
    store: &'a Store,
    kind: &'a Kind,
    /// Whether all are computed, whatever is kept.
    anew: bool,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    unit: String,
    /// Whether each was computed when it was first asked for, by its key.
    computed: BTreeMap<Digest, bool>,
}

impl<'a> Shelf<'a> {
    /// The shelf of a kind; with `anew` nothing is taken from it.
    pub fn new(store: &'a Store, kind: &'a Kind, anew: bool) -> Self {
        Self { store, kind, anew, used: Mutex::default() }
    }

    /// What the stage run was put together of, with the keys in order; nothing where it used none.
    pub fn used(self) -> (Option<Parts>, Vec<Digest>) {
        let Used { unit, computed: all } = self.used.into_inner().unwrap_or_default();
        let computed = all.values().filter(|computed| **computed).count();
        let parts = Parts { unit, computed, reused: all.len() - computed };
        ((!all.is_empty()).then_some(parts), all.into_keys().collect())
    }

    fn key(&self, unit: &str, parts: &[&str]) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("custem partial result");
        hasher.update(&self.kind.version.to_le_bytes());
        for text in [self.kind.name, unit].iter().chain(parts) {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        Digest::from_hasher(&hasher)
    }

    /// The file of a partial result that is kept and whole.
    fn kept(&self, key: &Digest) -> Option<PathBuf> {
        let own = || self.used.lock().is_ok_and(|used| used.computed.contains_key(key));
        let record = self.store.record(key).filter(|_| !self.anew || own())?;
        self.store.verify(&record.outputs.get(PORT)?.digest).ok()
    }

    fn note(&self, unit: &str, key: Digest, computed: bool) {
        let Ok(mut used) = self.used.lock() else { return };
        unit.clone_into(&mut used.unit);
        used.computed.entry(key).or_insert(computed);
    }

    /// Keeps a finished file as a partial result.
    fn keep(&self, key: &Digest, path: &Path, start: Instant) -> Result<PathBuf> {
        let (digest, bytes) = self.store.put_file(path)?;
        let record = Record {
            kind: format!("{PART}{}", self.kind.name),
            outputs: BTreeMap::from([(PORT.to_owned(), Output { digest, bytes, ty: PortType::File })]),
            summary: String::new(),
            metrics: Metrics::new(),
            warnings: Vec::new(),
            seconds: start.elapsed().as_secs_f64(),
            usage: None,
            columns: BTreeMap::new(),
            histograms: BTreeMap::new(),
            manifest: BTreeMap::new(),
            parts: None,
            memos: Vec::new(),
        };
        self.store.keep(key, &record)?;
        Ok(self.store.path(&digest))
    }
}

impl Memos for Shelf<'_> {
    fn memo(&self, unit: &str, parts: &[&str], scratch: &Path, make: Make<'_>) -> Result<PathBuf> {
        let key = self.key(unit, parts);
        if let Some(path) = self.kept(&key) {
            self.note(unit, key, false);
            return Ok(path);
        }
        let path = scratch.join(format!(".custem-part-{}", key.hex()));
        let start = Instant::now();
        make(&path)?;
        let path = self.keep(&key, &path, start)?;
        self.note(unit, key, true);
        Ok(path)
    }
}

/// Whether a record is that of a partial result.
pub fn is_part(record: &Record) -> bool {
    record.kind.starts_with(PART)
}

/// The objects of the partial results that a stage run was put together of.
pub fn of(store: &Store, key: &Digest) -> Vec<Output> {
    let memos = store.record(key).map(|record| record.memos).unwrap_or_default();
    memos.iter().filter_map(|memo| store.record(memo)?.outputs.remove(PORT)).collect()
}
