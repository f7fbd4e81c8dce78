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
use crate::engine::waves::waves_from;
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
    let own = |key: &Digest| here(store, key);
    let mut reaching = Reaching::new(project, store, &own, ask)?;
    reaching.go_on(pipeline);
    let Reaching { found, ended, .. } = reaching;
    let lacks = |(at, task): (usize, &'a Task)| (!found.contains_key(&at)).then_some(task.label.as_str());
    let lacking = pipeline.tasks.iter().enumerate().filter_map(lacks).collect();
    Ok(Reach { found: found.into_values().collect(), lacking, ended })
}

/// The store's own result of a key, as far as it counts.
pub type Own<'a> = &'a (dyn Fn(&Digest) -> Option<Record> + Sync);

/// A plan that is gone through as its pipeline grows.
pub struct Reaching<'a> {
    project: &'a Project,
    own: Own<'a>,
    ask: Option<Ask<'a>>,
    files: Files,
    outputs: Vec<Option<BTreeMap<String, Output>>>,
    found: BTreeMap<usize, (Digest, Record)>,
    ended: Result<(), Trouble>,
}

impl<'a> Reaching<'a> {
    /// One that is to begin.
    ///
    /// # Errors
    /// When what is remembered of files can't be read.
    pub fn new(project: &'a Project, store: &Store, own: Own<'a>, ask: Option<Ask<'a>>) -> Result<Self> {
        let files = Files::look(&store.files_log())?;
        Ok(Self { project, own, ask, files, outputs: Vec::new(), found: BTreeMap::new(), ended: Ok(()) })
    }

    /// Goes through the tasks that have been added.
    pub fn go_on(&mut self, pipeline: &Pipeline) {
        let first = self.outputs.len();
        self.outputs.resize(pipeline.tasks.len(), None);
        for wave in waves_from(pipeline, first) {
            let reached = wave.into_iter().filter_map(|at| {
                let task = &pipeline.tasks[at];
                Some((at, reached(task, &self.outputs, &mut self.files, self.project)?))
            });
            let reached: Vec<_> = reached.collect();
            let (own, ask) = (self.own, self.ask.filter(|_| self.ended.is_ok()));
            // Stages with one key have one result.
            let keys: BTreeMap<_, _> = reached.iter().rev().map(|(_, one)| (one.key, one)).collect();
            let keys: Vec<_> = keys.into_values().collect();
            let (records, end) = requests::each(&keys, &|one| one.find(own, ask));
            if self.ended.is_ok() {
                self.ended = end;
            }
            let known: BTreeMap<_, _> =
                keys.iter().zip(records).filter_map(|(one, record)| Some((one.key, record??))).collect();
            for (at, one) in &reached {
                if let Some(record) = known.get(&one.key) {
                    self.outputs[*at] = Some(record.outputs.clone());
                    self.found.insert(*at, (one.key, record.clone()));
                }
            }
        }
    }

    /// The result of a task, where it has one.
    pub fn result(&self, task: usize) -> Option<&Record> {
        self.found.get(&task).map(|(_, record)| record)
    }
}

/// A task whose key is known.
struct Reached<'a> {
    task: &'a Task,
    key: Digest,
    /// What its record must say of how the key came about.
    manifest: BTreeMap<String, String>,
}

impl Reached<'_> {
    fn find(&self, own: Own<'_>, ask: Option<Ask<'_>>) -> Result<Option<Record>, Trouble> {
        match (own(&self.key), ask) {
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
