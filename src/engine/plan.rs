//! What a run would do, told without running: which stages must run, which may, which needn't.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use anyhow::Result;

use super::Project;
use super::cause::{self, Cause, Now, Seen};
use super::digest::Digest;
use super::files::Files;
use super::identify::{self, Identity};
use super::save::{self, Standing};
use super::store::{Output, Record, Store};
use crate::pipeline::{Edge, Pipeline, Task};

/// A task as it last came out well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Last {
    /// Its key.
    pub key: Digest,
    /// How long it took, then or when it ran.
    pub seconds: f64,
}

/// The past of a pipeline: its tasks as they last came out well, by label.
pub trait History {
    /// The key that a task had, and how long it took.
    fn last(&self, label: &str) -> Option<Last>;

    /// The parameters of the stage behind it then, references among them; nothing where they aren't known.
    fn params(&self, _label: &str) -> Option<toml::Table> {
        None
    }
}

impl<F: Fn(&str) -> Option<Last>> History for F {
    fn last(&self, label: &str) -> Option<Last> {
        self(label)
    }
}

/// What a run would do with a task.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Its result is in the cache.
    UpToDate(Box<Record>),
    /// It must run, for these reasons.
    MustRun(Vec<Cause>),
    /// It runs if these tasks give other bytes than before.
    MayRun(Vec<usize>),
    /// A file that it reads is missing or unreadable.
    Broken(String),
}

/// What a run would do with a task, and what it would cost.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The task.
    pub task: usize,
    /// What a run would do with it.
    pub verdict: Verdict,
    /// How long it took when it last ran.
    pub seconds: Option<f64>,
    /// How much it left when it last ran.
    pub bytes: Option<u64>,
    /// Saved files that would be put back: path, why, size.
    pub restore: Vec<(PathBuf, Standing, u64)>,
}

/// Foretells a run of the wanted tasks; nothing is written.
///
/// # Errors
/// When the store or a saved file can't be read.
pub fn plan(
    pipeline: &Pipeline,
    project: &Project,
    wanted: &[bool],
    forced: &[bool],
    history: &dyn History,
) -> Result<Vec<Planned>> {
    let store = Store::look(&project.cache())?;
    let mut files = Files::look(&store.files_log())?;
    let mut planner = Planner { pipeline, project, store: &store, history, frames: None };
    let mut outputs: Vec<Option<BTreeMap<String, Output>>> = vec![None; pipeline.tasks.len()];
    let mut planned = Vec::new();
    for at in (0..pipeline.tasks.len()).filter(|at| wanted[*at]) {
        let task = &pipeline.tasks[at];
        let verdict = planner.verdict(task, forced[at], &mut outputs, &mut files);
        let last = history.last(&task.label).and_then(|last| store.record(&last.key));
        let mut restore = Vec::new();
        if let Verdict::UpToDate(record) = &verdict {
            restore = restores(task, record, &mut files, &store, project)?;
        }
        let bytes = last.as_ref().map(|record| record.outputs.values().map(|output| output.bytes).sum());
        planned.push(Planned {
            task: at,
            verdict,
            seconds: last.as_ref().map(|record| record.seconds),
            bytes,
            restore,
        });
    }
    Ok(planned)
}

struct Planner<'a> {
    pipeline: &'a Pipeline,
    project: &'a Project,
    store: &'a Store,
    history: &'a dyn History,
    /// What the cache has records of, whatever the inputs were: read when it is first asked for.
    frames: Option<HashSet<Frame>>,
}

/// A manifest in readable form without the digests of inputs.
type Frame = Vec<(String, String)>;

impl Planner<'_> {
    /// What a run would do with a task; its outputs are noted where they can be foretold.
    fn verdict(
        &mut self,
        task: &Task,
        forced: bool,
        outputs: &mut [Option<BTreeMap<String, Output>>],
        files: &mut Files,
    ) -> Verdict {
        let unknown: Vec<_> =
            task.inputs.iter().map(|edge| edge.task).filter(|from| outputs[*from].is_none()).collect();
        let inputs = identify::inputs(task, outputs);
        let identity = match Identity::of(task, inputs, files, &self.project.root) {
            Ok(identity) => identity,
            Err(error) => return Verdict::Broken(format!("{error:#}")),
        };
        if !unknown.is_empty() {
            return self.without_key(task, forced, &identity, unknown);
        }
        // A record's outputs are what another run would give, also where it must run for other reasons.
        let known = self.store.record(&identity.key).map(|record| record.outputs);
        let place = self.pipeline.tasks.iter().position(|other| std::ptr::eq(other, task));
        if let Some(at) = place {
            outputs[at] = known;
        }
        match judge(&identity, self.store, forced) {
            Ok(record) => Verdict::UpToDate(Box::new(record)),
            Err(causes) if causes.is_empty() => Verdict::MustRun(self.causes(task, &identity)),
            Err(causes) => Verdict::MustRun(causes),
        }
    }

    /// A task some of whose inputs are yet to be computed: it needn't run if they turn out to be ones
    /// that it has had, with the same parameters.
    fn without_key(
        &mut self,
        task: &Task,
        forced: bool,
        identity: &Identity,
        unknown: Vec<usize>,
    ) -> Verdict {
        if forced {
            return Verdict::MustRun(vec![Cause::Forced]);
        }
        let store = self.store;
        let frames = self
            .frames
            .get_or_insert_with(|| store.records().iter().map(|record| frame(&record.manifest)).collect());
        if frames.contains(&frame(&identity.readable(task))) {
            return Verdict::MayRun(unknown);
        }
        let mut causes = self.causes(task, identity);
        causes.retain(|cause| !matches!(cause, Cause::Input { new: None, .. }));
        Verdict::MustRun(if causes.is_empty() { vec![Cause::New] } else { causes })
    }

    fn causes(&self, task: &Task, identity: &Identity) -> Vec<Cause> {
        causes_since(self.pipeline, task, identity, self.store, self.history)
    }
}

fn frame(manifest: &BTreeMap<String, String>) -> Frame {
    let is_input = |path: &str| path == "inputs" || path.starts_with("inputs.");
    let own = manifest.iter().filter(|(path, _)| !is_input(path));
    own.map(|(path, value)| (path.clone(), value.clone())).collect()
}

/// The record of a task that needn't run; else why it must, beyond having another key.
pub(super) fn judge(identity: &Identity, store: &Store, forced: bool) -> Result<Record, Vec<Cause>> {
    if forced {
        return Err(vec![Cause::Forced]);
    }
    let record = store.record(&identity.key).ok_or_else(Vec::new)?;
    match store.lost(&record) {
        Some((port, loss)) => Err(vec![Cause::lost(port, loss)]),
        None => Ok(record),
    }
}

/// Why a task without a record must run: how its key differs from that of the last run.
pub(super) fn causes_since(
    pipeline: &Pipeline,
    task: &Task,
    identity: &Identity,
    store: &Store,
    history: &dyn History,
) -> Vec<Cause> {
    let Some(last) = history.last(&task.label) else { return vec![Cause::New] };
    let Some(last) = store.record(&last.key) else { return vec![Cause::Forgotten] };
    let giver = |edge: &Edge| (edge.key.clone(), pipeline.tasks[edge.task].label.clone());
    let givers = task.inputs.iter().map(giver).collect();
    let takes: Vec<_> = task.inputs.iter().map(|edge| edge.key.as_str()).collect();
    let manifest = identity.readable(task);
    // What is written in the file, in a variant too: that of an axis is the same as long as the label is.
    let written = || pipeline.base.iter().find(|draft| draft.name == task.draft.name);
    let stage = if task.label == task.draft.name { None } else { written() }.unwrap_or(&task.draft);
    let took = last.manifest.keys().any(|path| path.starts_with("inputs."));
    let before = (took || !takes.is_empty()).then(|| history.params(&task.label)).flatten();
    let now = stage.body.params().ok();
    let old = Seen { manifest: &last.manifest, params: before.as_ref(), takes: &[] };
    let new = Seen { manifest: &manifest, params: now.as_ref(), takes: &takes };
    let causes = cause::between(Some(Now { pipeline, task }), &givers, old, new);
    if causes.is_empty() { vec![Cause::Forgotten] } else { causes }
}

fn restores(
    task: &Task,
    record: &Record,
    files: &mut Files,
    store: &Store,
    project: &Project,
) -> Result<Vec<(PathBuf, Standing, u64)>> {
    let mut restore = Vec::new();
    for (port, path) in &task.saves {
        let Some(output) = record.outputs.get(port) else { continue };
        let standing = save::standing(&project.root.join(path), output, files, store)?;
        if standing != Standing::Same {
            restore.push((path.clone(), standing, output.bytes));
        }
    }
    Ok(restore)
}
