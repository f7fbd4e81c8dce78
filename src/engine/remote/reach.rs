//! What a pipeline's plan names: the key of each task as far as it can be told, and a result for it.

use std::collections::BTreeMap;

use anyhow::Result;

use super::session::Wanted;
use super::{Trouble, requests};
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::files::Files;
use crate::engine::identify::{Identity, inputs};
use crate::engine::store::{Output, Record, Store};
use crate::engine::waves::waves;
use crate::pipeline::{Pipeline, Task};

/// How a remote is asked for a result.
pub type Ask<'a> = &'a (dyn Fn(Wanted<'_>) -> Result<Option<Record>, Trouble> + Sync);

/// What a plan names.
pub struct Reach<'a> {
    /// Keys with a result, in the order of the tasks.
    pub found: Vec<(Digest, Record)>,
    /// The labels of the other tasks, and of those whose key can't be told without them.
    pub lacking: Vec<&'a str>,
    /// What was wrong with the remote, if anything: then it was asked no more.
    pub ended: Result<(), Trouble>,
}

/// Goes through a pipeline's tasks: the result of a key is the store's own, else what the remote says, where one is
/// asked; with it the keys behind it are told.
///
/// # Errors
/// When what is remembered of files can't be read.
pub fn reach<'a>(
    pipeline: &'a Pipeline,
    project: &Project,
    store: &Store,
    ask: Option<Ask<'_>>,
) -> Result<Reach<'a>> {
    let mut files = Files::look(&store.files_log())?;
    let mut outputs: Vec<Option<BTreeMap<String, Output>>> = vec![None; pipeline.tasks.len()];
    let mut found = BTreeMap::new();
    let mut ended = Ok(());
    for wave in waves(pipeline) {
        let reached = wave.into_iter().filter_map(|at| {
            let task = &pipeline.tasks[at];
            Some((at, reached(task, &outputs, &mut files, project)?))
        });
        let reached: Vec<_> = reached.collect();
        let ask = ask.filter(|_| ended.is_ok());
        // Stages with one key have one result.
        let keys: BTreeMap<_, _> = reached.iter().rev().map(|(_, one)| (one.key, one)).collect();
        let keys: Vec<_> = keys.into_values().collect();
        let (records, end) = requests::each(&keys, &|one| one.find(store, ask));
        ended = ended.and(end);
        let known: BTreeMap<_, _> =
            keys.iter().zip(records).filter_map(|(one, record)| Some((one.key, record??))).collect();
        for (at, one) in &reached {
            if let Some(record) = known.get(&one.key) {
                outputs[*at] = Some(record.outputs.clone());
                found.insert(*at, (one.key, record.clone()));
            }
        }
    }
    let lacks = |(at, task): (usize, &'a Task)| (!found.contains_key(&at)).then_some(task.label.as_str());
    let lacking = pipeline.tasks.iter().enumerate().filter_map(lacks).collect();
    Ok(Reach { found: found.into_values().collect(), lacking, ended })
}

/// A task whose key is known.
struct Reached<'a> {
    task: &'a Task,
    key: Digest,
    /// What its record must say of how the key came about.
    manifest: BTreeMap<String, String>,
}

impl Reached<'_> {
    fn find(&self, store: &Store, ask: Option<Ask<'_>>) -> Result<Option<Record>, Trouble> {
        match (here(store, &self.key), ask) {
            (None, Some(ask)) => {
                ask(Wanted { key: &self.key, manifest: Some(&self.manifest), label: &self.task.label })
            }
            (known, _) => Ok(known),
        }
    }
}

/// A task by the results before it; nothing where one is lacking, or a file that it reads.
fn reached<'a>(
    task: &'a Task,
    outputs: &[Option<BTreeMap<String, Output>>],
    files: &mut Files,
    project: &Project,
) -> Option<Reached<'a>> {
    if task.inputs.iter().any(|edge| outputs[edge.task].is_none()) {
        return None;
    }
    let identity = Identity::of(task, inputs(task, outputs), files, &project.root).ok()?;
    Some(Reached { task, key: identity.key, manifest: identity.readable(task) })
}

/// The store's record of a key, if all that it names is there.
pub fn here(store: &Store, key: &Digest) -> Option<Record> {
    store.record(key).filter(|record| store.lost(record).is_none())
}
