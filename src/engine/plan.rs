//! What a run would do, told without running: which stages must run, which may, which needn't.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use super::Project;
use super::cause::{self, Cause};
use super::digest::Digest;
use super::files::Files;
use super::identify::Identity;
use super::save::{self, Standing};
use super::store::{Loss, Output, Record, Store};
use crate::pipeline::{Pipeline, Task};

/// The key of a task in the last run of this pipeline, by its label.
pub type History<'a> = dyn Fn(&str) -> Option<Digest> + 'a;

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
    /// Saved files that would be put back: path, why, size.
    pub restore: Vec<(PathBuf, Standing, u64)>,
}

/// Foretells a run of the wanted tasks.
///
/// # Errors
/// When the store or a saved file can't be read.
pub fn plan(
    pipeline: &Pipeline,
    project: &Project,
    wanted: &[bool],
    forced: &[bool],
    history: &History<'_>,
) -> Result<Vec<Planned>> {
    let store = Store::open(&project.cache())?;
    let mut files = Files::open(&store.files_log())?;
    let mut outputs: Vec<Option<BTreeMap<String, Output>>> = vec![None; pipeline.tasks.len()];
    let mut planned = Vec::new();
    for at in (0..pipeline.tasks.len()).filter(|at| wanted[*at]) {
        let task = &pipeline.tasks[at];
        let last = history(&task.label).and_then(|key| store.record(&key));
        let seconds = last.as_ref().map(|record| record.seconds);
        let verdict =
            verdict(pipeline, task, forced[at], &outputs, &store, &mut files, project, last.as_ref());
        let mut restore = Vec::new();
        if let Verdict::UpToDate(record) = &verdict {
            restore = restores(task, record, &mut files, &store, project)?;
            outputs[at] = Some(record.outputs.clone());
        }
        planned.push(Planned { task: at, verdict, seconds, restore });
    }
    Ok(planned)
}

#[expect(clippy::too_many_arguments, reason = "the plan's whole surroundings, for one caller")]
fn verdict(
    pipeline: &Pipeline,
    task: &Task,
    forced: bool,
    outputs: &[Option<BTreeMap<String, Output>>],
    store: &Store,
    files: &mut Files,
    project: &Project,
    last: Option<&Record>,
) -> Verdict {
    let unknown: Vec<_> =
        task.inputs.iter().map(|edge| edge.task).filter(|from| outputs[*from].is_none()).collect();
    if !unknown.is_empty() && !forced {
        return Verdict::MayRun(unknown);
    }
    let given = |edge: &crate::pipeline::Edge| {
        let output = outputs[edge.task].as_ref()?.get(&edge.port)?;
        Some((edge.key.clone(), output.digest))
    };
    let inputs = task.inputs.iter().filter_map(given).collect();
    let identity = match Identity::of(task, inputs, files, &project.root) {
        Ok(identity) => identity,
        Err(error) => return Verdict::Broken(format!("{error:#}")),
    };
    match judge(&identity, store, forced) {
        Ok(record) => Verdict::UpToDate(Box::new(record)),
        Err(causes) if causes.is_empty() => Verdict::MustRun(causes_since(pipeline, task, &identity, last)),
        Err(causes) => Verdict::MustRun(causes),
    }
}

/// The record of a task that needn't run; else why it must, beyond having another key.
pub(super) fn judge(identity: &Identity, store: &Store, forced: bool) -> Result<Record, Vec<Cause>> {
    if forced {
        return Err(vec![Cause::Forced]);
    }
    let record = store.record(&identity.key).ok_or_else(Vec::new)?;
    match store.lost(&record) {
        Some(port) => Err(vec![Cause::lost(port, Loss::Missing)]),
        None => Ok(record),
    }
}

/// Why a task's key differs from that of the last run.
pub(super) fn causes_since(
    pipeline: &Pipeline,
    task: &Task,
    identity: &Identity,
    last: Option<&Record>,
) -> Vec<Cause> {
    let Some(last) = last else { return vec![Cause::New] };
    let giver = |edge: &crate::pipeline::Edge| (edge.key.clone(), pipeline.tasks[edge.task].label.clone());
    let givers = task.inputs.iter().map(giver).collect();
    let causes = cause::differences(task, &givers, &last.manifest, &identity.readable(task));
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
