//! An index of all runs, so that thousands are listed without reading thousands of logs.
//!
//! It is made from the logs and nothing else: whoever lists runs reads it, asks `stat` which logs have changed since,
//! reads those, and writes it anew. Lost or damaged it is made again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::filter::Value;
use super::journal::{config_path, log_path};
use super::runs::{self, Overview, Summary};
use crate::engine::digest::Digest;
use crate::engine::disk;

/// Grows when the form of the index changes; one of another form is made again.
const FORMAT: u32 = 1;

/// All runs, oldest first; the variants of a sweep follow it.
pub struct Index {
    /// What each run came to.
    pub runs: Vec<Overview>,
    metrics: Columns,
    params: Columns,
}

/// The index as a file: parts that are taken apart only when they are asked for.
#[derive(Serialize, Deserialize)]
struct Parts<'f> {
    format: u32,
    #[serde(borrow)]
    entries: &'f [u8],
    #[serde(borrow)]
    metrics: &'f [u8],
    #[serde(borrow)]
    params: &'f [u8],
}

/// A run, with what `stat` said of its log when it was read.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    overview: Overview,
    stamp: Stamp,
}

type Stamp = (u64, u64);

/// Values of runs by name; runs with equal values share them.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Columns {
    names: Vec<String>,
    rows: Vec<Vec<(u32, Cell)>>,
    /// Which row is each run's.
    of: Vec<u32>,
    /// The places of names, once one is asked for.
    #[serde(skip)]
    places: OnceLock<HashMap<String, u32>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Cell {
    Number(f64),
    Text(String),
    Truth(bool),
}

/// What is wanted of an index besides the runs themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Their metrics.
    pub metrics: bool,
    /// Their parameters.
    pub params: bool,
}

impl Index {
    /// The runs of a project.
    pub fn of(experiments: &Path, wanted: Wanted) -> Self {
        let file = disk::read(&path(experiments)).unwrap_or_default();
        let known = opened(&file);
        let entries: Vec<Entry> =
            known.as_ref().and_then(|known| postcard::from_bytes(known.entries).ok()).unwrap_or_default();
        let names = runs::names(experiments);
        let stamps: Vec<_> = names.par_iter().map(|name| stamp(experiments, name)).collect();
        let fresh = entries.len() == names.len()
            && entries
                .iter()
                .zip(&names)
                .zip(&stamps)
                .all(|((entry, name), stamp)| entry.overview.run == *name && Some(entry.stamp) == *stamp);
        let part = |wanted: bool, bytes: fn(&Parts<'_>) -> Vec<u8>| {
            let bytes = known.as_ref().filter(|_| wanted).map(bytes);
            bytes.and_then(|bytes| postcard::from_bytes::<Columns>(&bytes).ok()).unwrap_or_default()
        };
        if fresh {
            let metrics = part(wanted.metrics, |parts| parts.metrics.to_vec());
            let params = part(wanted.params, |parts| parts.params.to_vec());
            return Self { runs: entries.into_iter().map(|entry| entry.overview).collect(), metrics, params };
        }
        let metrics = part(true, |parts| parts.metrics.to_vec());
        let params = part(true, |parts| parts.params.to_vec());
        let before = Before { entries, metrics, params };
        before.brought_up_to_date(experiments, names.into_iter().zip(stamps))
    }

    /// A metric of a run by its place.
    pub fn metric(&self, run: usize, name: &str) -> Option<f64> {
        match self.metrics.value(run, name)? {
            Cell::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// The metrics of a run by its place.
    pub fn metrics(&self, run: usize) -> impl Iterator<Item = (&str, f64)> {
        self.metrics.row(run).filter_map(|(name, cell)| match cell {
            Cell::Number(value) => Some((name, *value)),
            _ => None,
        })
    }

    /// The parameters of a run by its place.
    pub fn params(&self, run: usize) -> impl Iterator<Item = (&str, Value)> {
        self.params.row(run).map(|(name, cell)| (name, value(cell)))
    }

    /// The names of all metrics, sorted.
    pub fn metric_names(&self) -> Vec<&str> {
        self.metrics.sorted_names()
    }

    /// The names of all parameters, sorted.
    pub fn param_names(&self) -> Vec<&str> {
        self.params.sorted_names()
    }

    /// What a run has, in the words of a condition.
    pub fn field(&self, run: usize, field: &str) -> Option<Value> {
        if let Some(name) = field.strip_prefix("metrics.") {
            return self.metrics.value(run, name).map(value);
        }
        if let Some(name) = field.strip_prefix("params.") {
            return self.params.value(run, name).map(value);
        }
        let one = &self.runs[run];
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let maybe = |text: &Option<String>| text.clone().map(Value::Text);
        #[expect(clippy::cast_precision_loss, reason = "counts of stages fit")]
        let number = |count: u64| Some(Value::Number(count as f64));
        match field {
            "run" => text(&one.run),
            "pipeline" => text(&one.pipeline),
            "file" => text(&one.file),
            "status" => text(one.status.name()),
            "time" => one.time.map(Value::Number),
            "seconds" => one.seconds.map(Value::Number),
            "ran" => number(one.ran),
            "hit" => number(one.hit),
            "failed" => number(one.failed),
            "variant" => maybe(&one.variant),
            "note" => maybe(&one.note),
            "commit" => maybe(&one.commit),
            "dirty" => one.dirty.map(Value::Truth),
            "data" => maybe(&one.data),
            _ => None,
        }
    }
}

/// An index that some logs have changed after.
struct Before {
    entries: Vec<Entry>,
    metrics: Columns,
    params: Columns,
}

impl Before {
    fn brought_up_to_date(
        self,
        experiments: &Path,
        runs: impl Iterator<Item = (String, Option<Stamp>)>,
    ) -> Index {
        let known: HashMap<&str, usize> =
            self.entries.iter().enumerate().map(|(at, entry)| (entry.overview.run.as_str(), at)).collect();
        let runs: Vec<_> = runs.collect();
        let same = |name: &str, stamp: Option<Stamp>| {
            known.get(name).copied().filter(|at| Some(self.entries[*at].stamp) == stamp)
        };
        let read: Vec<Option<Read>> = runs
            .par_iter()
            .map(
                |(name, stamp)| if same(name, *stamp).is_some() { None } else { Read::of(experiments, name) },
            )
            .collect();
        let (mut entries, mut metrics, mut params) = (Vec::new(), Making::default(), Making::default());
        for ((name, stamp), read) in runs.iter().zip(read) {
            if let (Some(at), Some(stamp)) = (same(name, *stamp), stamp) {
                entries.push(Entry { overview: self.entries[at].overview.clone(), stamp: *stamp });
                metrics
                    .add(self.metrics.row(at).map(|(name, cell)| (name.to_owned(), cell.clone())).collect());
                params.add(self.params.row(at).map(|(name, cell)| (name.to_owned(), cell.clone())).collect());
            } else if let (Some(read), Some(stamp)) = (read, stamp) {
                entries.push(Entry { overview: read.overview, stamp: *stamp });
                metrics.add(read.metrics);
                params.add(read.params);
            }
        }
        let (metrics, params) = (metrics.columns, params.columns);
        // It is as quick to read as the logs only as long as it can be written.
        let _ = write(experiments, &entries, &metrics, &params);
        Index { runs: entries.into_iter().map(|entry| entry.overview).collect(), metrics, params }
    }
}

/// What a run's files say.
struct Read {
    overview: Overview,
    metrics: Vec<(String, Cell)>,
    params: Vec<(String, Cell)>,
}

impl Read {
    fn of(experiments: &Path, name: &str) -> Option<Self> {
        let summary = Summary::read(experiments, name).ok()?;
        let metrics = summary.metrics.into_iter().map(|(name, value)| (name, Cell::Number(value))).collect();
        let config = disk::read_text(&config_path(experiments, name)).ok();
        let config = config.and_then(|text| text.parse::<toml::Table>().ok()).unwrap_or_default();
        let mut params = Vec::new();
        for (path, value) in super::config::leaves(&config) {
            params.push((path, cell(&value)));
        }
        Some(Self { overview: summary.overview, metrics, params })
    }
}

fn cell(value: &toml::Value) -> Cell {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "parameters are small numbers")]
        toml::Value::Integer(number) => Cell::Number(*number as f64),
        toml::Value::Float(number) => Cell::Number(*number),
        toml::Value::Boolean(truth) => Cell::Truth(*truth),
        toml::Value::String(text) => Cell::Text(text.clone()),
        other => Cell::Text(other.to_string()),
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Number(number) => Value::Number(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Truth(truth) => Value::Truth(*truth),
    }
}

impl Columns {
    fn row(&self, run: usize) -> impl Iterator<Item = (&str, &Cell)> {
        let row = self.of.get(run).and_then(|row| self.rows.get(*row as usize));
        row.into_iter()
            .flatten()
            .filter_map(|(name, cell)| Some((self.names.get(*name as usize)?.as_str(), cell)))
    }

    fn value(&self, run: usize, name: &str) -> Option<&Cell> {
        let numbered = || self.names.iter().cloned().zip(0..).collect();
        let place = self.places.get_or_init(numbered).get(name)?;
        let row = self.rows.get(*self.of.get(run)? as usize)?;
        row.iter().find(|(own, _)| own == place).map(|(_, cell)| cell)
    }

    fn sorted_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.names.iter().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// Columns being made.
#[derive(Default)]
struct Making {
    columns: Columns,
    names: HashMap<String, u32>,
    rows: HashMap<Digest, u32>,
}

impl Making {
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^32 names and runs")]
    fn add(&mut self, row: Vec<(String, Cell)>) {
        let mut numbered = Vec::with_capacity(row.len());
        for (name, cell) in row {
            let next = self.columns.names.len() as u32;
            let number = *self.names.entry(name.clone()).or_insert(next);
            if number == next {
                self.columns.names.push(name);
            }
            numbered.push((number, cell));
        }
        let identity = Digest::of(&postcard::to_stdvec(&numbered).unwrap_or_default());
        let next = self.columns.rows.len() as u32;
        let row = *self.rows.entry(identity).or_insert(next);
        if row == next {
            self.columns.rows.push(numbered);
        }
        self.columns.of.push(row);
    }
}

fn path(experiments: &Path) -> PathBuf {
    experiments.join("index")
}

/// What `stat` says of a log: its length and when it was written last.
fn stamp(experiments: &Path, name: &str) -> Option<Stamp> {
    let meta = std::fs::metadata(log_path(experiments, name)).ok()?;
    let modified = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((meta.len(), u64::try_from(modified.as_nanos()).ok()?))
}

/// The parts of an index that is whole and of this form.
fn opened(file: &[u8]) -> Option<Parts<'_>> {
    let (sum, body) = file.split_at_checked(32)?;
    let parts: Parts<'_> = postcard::from_bytes(body).ok()?;
    (parts.format == FORMAT && Digest::of(body).as_bytes() == sum).then_some(parts)
}

fn write(experiments: &Path, entries: &[Entry], metrics: &Columns, params: &Columns) -> anyhow::Result<()> {
    let entries = postcard::to_stdvec(entries)?;
    let (metrics, params) = (postcard::to_stdvec(metrics)?, postcard::to_stdvec(params)?);
    let parts = Parts { format: FORMAT, entries: &entries, metrics: &metrics, params: &params };
    let body = postcard::to_stdvec(&parts)?;
    Ok(disk::replace(&path(experiments), &[Digest::of(&body).as_bytes(), &body])?)
}
