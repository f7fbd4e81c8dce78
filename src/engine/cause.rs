//! Why a stage ran: what its manifest has that the last run's had not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::store::Loss;
use crate::pipeline::Task;

/// One reason for a stage to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// No earlier run of it is known.
    New,
    /// `--force` named it.
    Forced,
    /// Everything is as in the last run, but the cache has no record of it any more.
    Forgotten,
    /// A parameter, the seed or the kind's version has another value.
    Changed {
        /// The parameter, without the stage's name: `k`.
        name: String,
        /// What it was; nothing when it is new.
        old: Option<String>,
        /// What it is; nothing when it is gone.
        new: Option<String>,
        /// Where it stands: `pipelines/full.toml:31`, or the flag.
        place: String,
        /// Where the value stands that a flag or a layer on top replaced.
        overrides: Option<String>,
    },
    /// An input has other bytes.
    Input {
        /// The parameter that names it.
        name: String,
        /// The task that gave it.
        from: String,
        /// The digest that it had.
        old: Option<String>,
        /// The digest that it has.
        new: Option<String>,
    },
    /// A file from outside has other bytes, is new or is gone.
    Source {
        /// The file.
        name: String,
        /// The digest that it had.
        old: Option<String>,
        /// The digest that it has.
        new: Option<String>,
    },
    /// An output is no longer in the cache as it was.
    Lost {
        /// The output's port.
        port: String,
        /// What became of it.
        loss: Loss,
    },
}

/// All differences between two manifests of a task, in readable form.
pub fn differences(
    task: &Task,
    givers: &BTreeMap<String, String>,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Vec<Cause> {
    between(Some(task), givers, old, new)
}

/// The same for a task of which only what is recorded may be known: then changes have no places.
pub fn between(
    task: Option<&Task>,
    givers: &BTreeMap<String, String>,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Vec<Cause> {
    let paths: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    // That there are none stands for a list of nothing; what came or went is listed by itself.
    let listed = |path: &&String| !matches!(path.as_str(), "inputs" | "sources");
    let changed = paths.into_iter().filter(|path| old.get(*path) != new.get(*path)).filter(listed);
    changed.map(|path| cause(task, givers, path, old.get(path).cloned(), new.get(path).cloned())).collect()
}

fn cause(
    task: Option<&Task>,
    givers: &BTreeMap<String, String>,
    path: &str,
    old: Option<String>,
    new: Option<String>,
) -> Cause {
    match path.split_once('.') {
        Some(("inputs", name)) => {
            let from = givers.get(name).cloned().unwrap_or_default();
            Cause::Input { name: name.to_owned(), from, old, new }
        }
        Some(("sources", name)) => Cause::Source { name: name.to_owned(), old, new },
        Some(("params", name)) => {
            let (place, overrides) = task.map(|task| place(task, name)).unwrap_or_default();
            Cause::Changed { name: name.to_owned(), old, new, place, overrides }
        }
        _ => {
            let place = task.map(|task| task.draft.header.file_line()).unwrap_or_default();
            let name = match (path, task) {
                ("version", Some(task)) => format!("version of `{}`", task.draft.kind.name),
                _ => path.to_owned(),
            };
            Cause::Changed { name, old, new, place, overrides: None }
        }
    }
}

/// Where a parameter stands, and what stands below it where a layer replaced it.
fn place(task: &Task, name: &str) -> (String, Option<String>) {
    let place = task.place(name).file_line();
    let steps: Vec<_> = name.split('.').collect();
    let overrides = (1..=steps.len()).rev().find_map(|depth| {
        let (parent, key) = (&steps[..depth - 1], steps[depth - 1]);
        let table =
            if parent.is_empty() { Some(&task.draft.node) } else { task.draft.node.get(&parent.join(".")) };
        let replaced = table?.table()?.get(key)?.replaced.as_ref()?;
        Some(format!("{} says {}", replaced.file_line(), replaced.text()))
    });
    (place, overrides)
}

/// A digest as text, short.
pub fn short(digest: &str) -> &str {
    digest.get(..8).unwrap_or(digest)
}

impl Cause {
    /// The cause that an output is lost.
    pub fn lost(port: &str, loss: Loss) -> Self {
        Self::Lost { port: port.to_owned(), loss }
    }
}

/// The digests of inputs or sources as the manifest shows them.
pub fn shown(digest: &Digest) -> String {
    digest.hex()
}
