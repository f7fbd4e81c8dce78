//! What a pipeline's plan names: the key of each task as far as it can be told, and a result for it.

use std::collections::BTreeMap;

use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::files::Files;
use crate::engine::identify::{Identity, inputs};
use crate::engine::store::{Output, Record, Store};
use crate::pipeline::{Pipeline, Task};

/// A task whose key is known.
pub struct Reached<'a> {
    /// The task.
    pub task: &'a Task,
    /// Its key.
    pub key: Digest,
    /// What its record must say of how the key came about.
    pub manifest: BTreeMap<String, String>,
}

/// What a plan names.
pub struct Reach<'a> {
    /// Tasks with a result.
    pub found: Vec<(Reached<'a>, Record)>,
    /// The labels of the others, and of those whose key can't be told without them.
    pub lacking: Vec<&'a str>,
}

/// Goes through a pipeline's tasks in order; `find` gives the result of a key, with which the keys behind it are
/// told.
pub fn reach<'a>(
    pipeline: &'a Pipeline,
    project: &Project,
    files: &mut Files,
    find: &mut dyn FnMut(&Reached<'a>) -> Option<Record>,
) -> Reach<'a> {
    let mut outputs: Vec<Option<BTreeMap<String, Output>>> = vec![None; pipeline.tasks.len()];
    let mut reach = Reach { found: Vec::new(), lacking: Vec::new() };
    for (at, task) in pipeline.tasks.iter().enumerate() {
        let reached = reached(task, &outputs, files, project);
        match reached.and_then(|reached| find(&reached).map(|record| (reached, record))) {
            Some((reached, record)) => {
                outputs[at] = Some(record.outputs.clone());
                reach.found.push((reached, record));
            }
            None => reach.lacking.push(&task.label),
        }
    }
    reach
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
