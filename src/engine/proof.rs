//! Stages computed again in a store of their own: whether they give the bytes that the cache has.
//!
//! Inputs are lent by the cache, which nothing is written to. What the cache has no record of is compared
//! with the first time that it was computed.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use serde::Serialize;

use super::Project;
use super::difference;
use super::digest::Digest;
use super::disk;
use super::files::Files;
use super::identify::{Identity, inputs};
use super::produce::{Bench, Job, Product, broke_down, produce};
use super::scratch::Room;
use super::store::{Amiss, Output, Store};
use crate::pipeline::{Pipeline, Task};
use crate::stage::Progress;

/// How stages are computed again.
#[derive(Clone, Debug)]
pub struct Ways {
    /// Threads of the pool, once each; nothing stands for the usual ones.
    pub threads: Vec<Option<usize>>,
    /// Whether each is done twice.
    pub twice: bool,
}

/// One computation.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Execution {
    /// The threads of the pool; nothing for the usual ones.
    pub threads: Option<usize>,
    /// How long it took.
    pub seconds: f64,
}

/// A port that had other bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The port.
    pub port: String,
    /// Which computation it was, from 0.
    pub execution: usize,
    /// The digest that it is compared with.
    pub old: Digest,
    /// The digest that it has.
    pub new: Digest,
    /// Where they first differ, when that can be told.
    pub place: Option<String>,
}

/// How a stage came out.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It gave the same bytes each time.
    Same,
    /// It gave other bytes on these ports.
    Differs(Vec<Difference>),
    /// It can't be computed.
    Failed(String),
}

/// A stage that was computed again.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The task.
    pub task: usize,
    /// Whether it is compared with what the cache has a record of.
    pub recorded: bool,
    /// The computations.
    pub executions: Vec<Execution>,
    /// How it came out.
    pub verdict: Verdict,
}

/// Computes the wanted tasks again; `done` is told of each. Those before them whose results the cache doesn't
/// have are computed once. Ends early when the user wants it.
///
/// # Errors
/// When the cache can't be read or there is no room for another store.
pub fn prove(
    pipeline: &Pipeline,
    project: &Project,
    wanted: &[bool],
    ways: &Ways,
    cancelled: &AtomicBool,
    done: &mut dyn FnMut(&Proof),
) -> Result<Vec<Proof>> {
    let mut prover = Prover::new(pipeline, project, cancelled)?;
    let mut proofs = Vec::new();
    for at in needed(pipeline, wanted) {
        if cancelled.load(Ordering::Relaxed) {
            break;
        }
        let proof = prover.task(at, wanted[at].then_some(ways));
        if wanted[at] {
            done(&proof);
            proofs.push(proof);
        }
    }
    Ok(proofs)
}

/// The wanted tasks and all that they take from, in order.
fn needed(pipeline: &Pipeline, wanted: &[bool]) -> Vec<usize> {
    let mut needed: BTreeSet<usize> = (0..wanted.len()).filter(|at| wanted[*at]).collect();
    for at in (0..wanted.len()).rev() {
        if needed.contains(&at) {
            needed.extend(pipeline.tasks[at].inputs.iter().map(|edge| edge.task));
        }
    }
    needed.into_iter().collect()
}

struct Prover<'a> {
    pipeline: &'a Pipeline,
    project: &'a Project,
    cancelled: &'a AtomicBool,
    cache: Store,
    /// The store that is written to; it goes with its folder, which is dropped after it.
    own: Store,
    _folder: Room,
    files: Files,
    /// Outputs of tasks: what the cache has, else what the first computation gave.
    outputs: Vec<Option<BTreeMap<String, Output>>>,
}

struct Silent;

impl Progress for Silent {
    fn progress(&self, _: f64, _: &str) {}

    fn step(&self, _: &str, _: u64, _: f64) {}
}

type Outputs = BTreeMap<String, Output>;

impl<'a> Prover<'a> {
    fn new(pipeline: &'a Pipeline, project: &'a Project, cancelled: &'a AtomicBool) -> Result<Self> {
        let cache = Store::open(&project.cache())?;
        let folder = cache.scratch()?;
        let own = Store::open(folder.path())?;
        let files = Files::look(&cache.files_log())?;
        let outputs = vec![None; pipeline.tasks.len()];
        Ok(Self { pipeline, project, cancelled, cache, own, _folder: folder, files, outputs })
    }

    /// Computes a task in these ways, or once where only its outputs are needed and nobody has them.
    fn task(&mut self, at: usize, ways: Option<&Ways>) -> Proof {
        let mut proof = Proof { task: at, recorded: false, executions: Vec::new(), verdict: Verdict::Same };
        match self.compare(at, ways, &mut proof) {
            Ok(differences) if differences.is_empty() => {}
            Ok(differences) => proof.verdict = Verdict::Differs(differences),
            Err(error) => proof.verdict = Verdict::Failed(format!("{error:#}")),
        }
        proof
    }

    fn compare(&mut self, at: usize, ways: Option<&Ways>, proof: &mut Proof) -> Result<Vec<Difference>> {
        let pipeline = self.pipeline;
        let task = &pipeline.tasks[at];
        let identity = self.identity(task)?;
        self.outputs[at] = self.cache.record(&identity.key).map(|record| record.outputs);
        proof.recorded = self.outputs[at].is_some();
        let mut differences = Vec::new();
        for threads in times(ways, proof.recorded) {
            let start = Instant::now();
            let outputs = self.execute(task, identity.clone(), threads)?;
            proof.executions.push(Execution { threads, seconds: start.elapsed().as_secs_f64() });
            let execution = proof.executions.len() - 1;
            match &self.outputs[at] {
                Some(before) => differences.extend(self.differences(before, &outputs, execution)),
                None => self.outputs[at] = Some(outputs),
            }
        }
        Ok(differences)
    }

    fn identity(&mut self, task: &Task) -> Result<Identity> {
        if let Some(edge) =
            task.inputs.iter().find(|edge| !edge.optional && self.outputs[edge.task].is_none())
        {
            bail!("`{}`, which it needs, has no result", self.pipeline.tasks[edge.task].label);
        }
        let identity = Identity::of(task, inputs(task, &self.outputs), &mut self.files, &self.project.root)?;
        identity.inputs.iter().try_for_each(|(key, digest)| self.lend(key, digest))?;
        Ok(identity)
    }

    /// Lets the own store have an object of the cache by a link.
    fn lend(&self, key: &str, digest: &Digest) -> Result<()> {
        let to = self.own.path(digest);
        if to.exists() {
            return Ok(());
        }
        let object = match self.cache.verify(digest) {
            Ok(object) => std::path::absolute(object)?,
            Err(Amiss::Lost(loss)) => {
                bail!("its input `{key}` is {} in the cache: run the pipeline first", loss.name())
            }
            Err(Amiss::Unread(error)) => return Err(error),
        };
        if let Some(folder) = to.parent() {
            disk::make_folder(folder)?;
        }
        Ok(disk::link(&object, &to)?)
    }

    /// Computes a task in the own store, with a pool of so many threads.
    fn execute(&self, task: &Task, identity: Identity, threads: Option<usize>) -> Result<Outputs> {
        // However long it takes here: it is its bytes that are asked about.
        let (store, cancelled) = (&self.own, self.cancelled);
        let computed = &|| ();
        let bench =
            Bench { task, store, remote: None, progress: &Silent, cancelled, timeout: None, computed };
        let work = move || {
            let job = Job { identity, memory: BTreeMap::new(), forced: true, lost: false };
            catch_unwind(AssertUnwindSafe(|| produce(&bench, job)))
                .unwrap_or_else(|panic| Err(broke_down(task.draft.kind.name, panic.as_ref())))
        };
        let product = match threads {
            None => work(),
            Some(count) => rayon::ThreadPoolBuilder::new().num_threads(count).build()?.install(work),
        }?;
        match product {
            Product::Ran { record, .. } | Product::Taken(record) | Product::Fetched(record) => {
                Ok(record.outputs)
            }
            Product::InputLost(key, loss) => bail!("its input `{key}` is {}", loss.name()),
        }
    }

    fn differences(&self, before: &Outputs, now: &Outputs, execution: usize) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (port, output) in now {
            let Some(old) = before.get(port).filter(|old| old.digest != output.digest) else { continue };
            let one = if self.own.has(&old.digest) { &self.own } else { &self.cache };
            let place = difference::first(&one.path(&old.digest), &self.own.path(&output.digest), output.ty);
            differences.push(Difference {
                port: port.clone(),
                execution,
                old: old.digest,
                new: output.digest,
                place: place.ok().flatten(),
            });
        }
        differences
    }
}

/// The threads of each computation. One that has nothing to be compared with is done twice.
fn times(ways: Option<&Ways>, recorded: bool) -> Vec<Option<usize>> {
    let Some(ways) = ways else { return if recorded { Vec::new() } else { vec![None] } };
    let alone = ways.threads.len() == 1 && !recorded;
    let count = if ways.twice || alone { 2 } else { 1 };
    ways.threads.iter().flat_map(|threads| std::iter::repeat_n(*threads, count)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Ways, times};

    #[test]
    fn there_is_always_something_to_compare_with() {
        let ways = |threads: &[Option<usize>], twice| Ways { threads: threads.to_vec(), twice };
        let usual = ways(&[None], false);
        assert_eq!(times(Some(&usual), true), [None]);
        assert_eq!(times(Some(&usual), false), [None, None]);
        let both = ways(&[Some(1), Some(2)], false);
        assert_eq!(times(Some(&both), false), [Some(1), Some(2)]);
        assert_eq!(times(Some(&ways(&both.threads, true)), true), [Some(1), Some(1), Some(2), Some(2)]);
        assert!(times(None, true).is_empty());
        assert_eq!(times(None, false), [None]);
    }
}
