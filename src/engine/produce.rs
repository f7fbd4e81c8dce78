//! One stage run, in a thread of its own: inputs verified, outputs stored, the record last.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use super::difference;
use super::digest::Digest;
use super::files::Stamp;
use super::identify::Identity;
use super::lease::Lease;
use super::parts::Shelf;
use super::remote::Session;
use super::remote::session::Wanted;
use super::store::{Amiss, Loss, Named, Output, Record, Store};
use super::usage::Meter;
use crate::data::Table;
use crate::pipeline::{Task, quantity};
use crate::stage::{
    Artifact, Context, Failure, Input, Metrics, Outcome, Port, PortType, Progress, Stop, Stopped,
};

/// What a thread is given to do.
pub struct Job {
    /// What identifies the run.
    pub identity: Identity,
    /// Tables that are still in memory, by the parameter that names them.
    pub memory: BTreeMap<String, Table>,
    /// Whether it runs although there may be a record of it.
    pub forced: bool,
    /// Whether bytes of its record turned out to be lost.
    pub lost: bool,
}

/// What a thread gives back.
pub enum Product {
    /// It ran.
    Ran {
        /// What it left behind.
        record: Record,
        /// Tables that are in memory now, by port.
        tables: Vec<(String, Table)>,
        /// That an earlier run with the same key gave other bytes.
        alarm: Option<String>,
    },
    /// The record that another process made meanwhile.
    Taken(Record),
    /// The record that the remote had.
    Fetched(Record),
    /// An input's bytes are lost: the parameter that names it, and what became of it.
    InputLost(String, Loss),
}

/// Where a stage run takes place.
pub struct Bench<'a> {
    /// The task.
    pub task: &'a Task,
    /// Where objects and records are.
    pub store: &'a Store,
    /// Where others share theirs.
    pub remote: Option<&'a Session<'a>>,
    /// Where it reports to.
    pub progress: &'a dyn Progress,
    /// Raised when the run is interrupted.
    pub cancelled: &'a AtomicBool,
    /// How long the stage may take.
    pub timeout: Option<Duration>,
    /// Called when all is computed, and what is left is mostly waiting for the disk.
    pub computed: &'a (dyn Fn() + Sync),
}

/// Runs a stage and keeps what it gives.
///
/// # Errors
/// When the stage fails, or the store can't be written.
pub fn produce(bench: &Bench<'_>, mut job: Job) -> Result<Product> {
    let _lease = Lease::take(&bench.store.leases(), &job.identity.key, Stop::when(bench.cancelled))?;
    // Somebody else may have made the record since this process looked.
    if !job.forced {
        let known = bench.store.fresh_record(&job.identity.key)?;
        match known {
            Some(record) if !job.lost && bench.store.lost(&record).is_none() => {
                return Ok(Product::Taken(record));
            }
            known => {
                if let Some(record) = fetch(bench, &job.identity, known) {
                    return Ok(Product::Fetched(record));
                }
                if bench.cancelled.load(Ordering::Relaxed) {
                    bail!("interrupted");
                }
            }
        }
    }
    let inputs = match inputs(bench.store, &job.identity, &mut job.memory) {
        Ok(inputs) => inputs,
        Err((key, Amiss::Lost(loss))) => return Ok(Product::InputLost(key, loss)),
        Err((key, Amiss::Unread(error))) => return Err(error.context(format!("can't read input `{key}`"))),
    };
    let scratch = bench.store.scratch()?;
    let (start, meter) = (Instant::now(), Meter::start());
    let shelf = Shelf::new(bench.store, bench.task.draft.kind, job.forced);
    let outcome = compute(bench, &job.identity, inputs, scratch.path(), &shelf)?;
    unchanged(&job.identity)?;
    let (outputs, tables) = keep_outputs(bench, &outcome, &job.identity, scratch.path())?;
    let seconds = start.elapsed().as_secs_f64();
    let columns = columns(bench.store, &outcome, &outputs);
    let (parts, memos) = shelf.used();
    let record = Record {
        kind: bench.task.draft.kind.name.to_owned(),
        outputs,
        summary: outcome.summary,
        metrics: outcome.metrics,
        warnings: outcome.warnings,
        seconds,
        usage: outcome.usage.or_else(|| meter.read()),
        columns,
        histograms: outcome.histograms,
        manifest: job.identity.readable(bench.task),
        parts,
        memos,
    };
    let earlier = bench.store.fresh_record(&job.identity.key)?;
    let alarm =
        earlier.and_then(|earlier| difference::alarm(&bench.task.label, bench.store, &earlier, &record));
    bench.store.keep(&job.identity.key, &record)?;
    Ok(Product::Ran { record, tables, alarm })
}

/// Looks for a result in the remote, where there is one.
fn fetch(bench: &Bench<'_>, identity: &Identity, known: Option<Record>) -> Option<Record> {
    let remote = bench.remote.filter(|remote| remote.pulls())?;
    let manifest = identity.readable(bench.task);
    let wanted = Wanted { key: &identity.key, manifest: Some(&manifest), label: &bench.task.label };
    remote.fetch(wanted, known, bench.progress)
}

type Lost = (String, Amiss);

fn inputs(
    store: &Store,
    identity: &Identity,
    memory: &mut BTreeMap<String, Table>,
) -> Result<BTreeMap<String, Input>, Lost> {
    let one = |(key, digest): &(String, Digest)| {
        let input = match memory.remove(key) {
            Some(table) => Input::Table(table),
            None => Input::Object(store.verify(digest).map_err(|amiss| (key.clone(), amiss))?),
        };
        Ok((key.clone(), input))
    };
    identity.inputs.iter().map(one).collect()
}

fn compute(
    bench: &Bench<'_>,
    identity: &Identity,
    inputs: BTreeMap<String, Input>,
    scratch: &Path,
    shelf: &Shelf<'_>,
) -> Result<Outcome> {
    let context = Context {
        inputs,
        sources: identity.sources.clone(),
        seed: bench.task.seed,
        scratch,
        progress: bench.progress,
        stop: Stop::when(bench.cancelled).after(bench.timeout),
        memos: Some(shelf),
    };
    bench.task.draft.body.run(&context).map_err(|error| overdue(error, bench.timeout))
}

/// An error in the user's words where it is that the stage's time was over.
fn overdue(error: anyhow::Error, timeout: Option<Duration>) -> anyhow::Error {
    match (Stopped::of(&error), timeout) {
        (Some(Stopped::TimedOut), Some(time)) => {
            Failure::new(format!("timed out after {}", quantity::time(time)))
                .hint("raise `timeout` if it needs longer; with `retries` it is tried again")
                .at("timeout")
                .into()
        }
        _ => error,
    }
}

/// What is said of a stage that panicked.
pub fn broke_down(kind: &str, panic: &(dyn Any + Send)) -> anyhow::Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    anyhow!("kind `{kind}` broke down ({text}): this is a defect in custem, please report it")
}

/// A file that changed while the stage read it would be cached under the digest that it had before.
fn unchanged(identity: &Identity) -> Result<()> {
    for (source, stamp) in identity.sources.iter().zip(&identity.stamps) {
        if Stamp::of(&source.path).ok().as_ref() != Some(stamp) {
            bail!("`{}` changed while it was being read: run again", source.name);
        }
    }
    Ok(())
}

type Kept = (BTreeMap<String, Output>, Vec<(String, Table)>);

fn keep_outputs(bench: &Bench<'_>, outcome: &Outcome, identity: &Identity, scratch: &Path) -> Result<Kept> {
    let mut outputs = BTreeMap::new();
    let (mut tables, mut named) = (Vec::new(), Vec::new());
    let metrics = Artifact::Bytes(metrics_bytes(&outcome.metrics)?);
    for port in &bench.task.draft.gives {
        let given =
            outcome.artifacts.iter().find(|(name, _)| *name == port.name).map(|(_, artifact)| artifact);
        let artifact = if port.ty == PortType::Metrics && given.is_none() { Some(&metrics) } else { given };
        let Some(artifact) = artifact else {
            bail!("kind `{}` gave nothing on its port `{}`", bench.task.draft.kind.name, port.name);
        };
        let (output, own) = name(bench.store, port, artifact, identity, scratch)?;
        outputs.insert(port.name.clone(), output);
        named.extend(own);
        if let Artifact::Table(table) = artifact {
            tables.push((port.name.clone(), table.clone()));
        }
    }
    if named.iter().any(Named::is_new) {
        (bench.computed)();
    }
    named.iter().try_for_each(|named| bench.store.put(named))?;
    Ok((outputs, tables))
}

/// The columns of every output that is a table, by port.
fn columns(
    store: &Store,
    outcome: &Outcome,
    outputs: &BTreeMap<String, Output>,
) -> BTreeMap<String, Vec<String>> {
    let names = |table: &Table| table.schema().fields().iter().map(|field| field.name().clone()).collect();
    let of_port = |(port, output): (&String, &Output)| {
        let columns = match outcome.artifacts.iter().find(|(name, _)| name == port) {
            Some((_, Artifact::Table(table))) => names(table),
            // One that can't be opened is as it is: whoever reads it will say so.
            _ => names(&Table::open(&store.path(&output.digest)).ok()?),
        };
        Some((port.clone(), columns))
    };
    outputs.iter().filter(|(_, output)| output.ty == PortType::Table).filter_map(of_port).collect()
}

fn metrics_bytes(metrics: &Metrics) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(metrics)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// An output by its digest, and its bytes, which may have to be put into the store.
fn name(
    store: &Store,
    port: &Port,
    artifact: &Artifact,
    identity: &Identity,
    scratch: &Path,
) -> Result<(Output, Option<Named>)> {
    let named = match artifact {
        Artifact::Bytes(bytes) => store.name_bytes(bytes, scratch)?,
        Artifact::File(path) => store.name_file(path)?,
        Artifact::Table(table) => {
            let path = scratch.join(format!(".custem-output-{}.parquet", port.name));
            table.write(&path).with_context(|| format!("can't write output `{}`", port.name))?;
            store.name_file(&path)?
        }
        Artifact::Same(input) => {
            let found = identity.inputs.iter().find(|(key, _)| key == input);
            let (_, digest) = found.with_context(|| format!("there is no input `{input}`"))?;
            let bytes = fs_err::metadata(store.path(digest))?.len();
            return Ok((Output { digest: *digest, bytes, ty: port.ty }, None));
        }
    };
    Ok((Output { digest: named.digest, bytes: named.bytes, ty: port.ty }, Some(named)))
}
