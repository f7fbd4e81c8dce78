//! What a run rests on, gathered for its record: pipeline, machine, commit, data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::engine::events::{Event, Sink, StageDone};
use crate::engine::machine::Machine;
use crate::engine::provenance::{Commit, Provenance};
use crate::observe::git::{self, Asked};
use crate::pipeline::Pipeline;

/// What a run of a pipeline rests on.
pub fn of(pipeline: &Pipeline, machine: Machine, project: &Project) -> Provenance {
    Provenance::of(pipeline, machine, commit(project))
}

fn commit(project: &Project) -> Option<Commit> {
    git::head(&project.root).map(|head| Commit { commit: head.commit, branch: head.branch })
}

/// The event as a line of the log.
///
/// # Errors
/// None that are known.
pub fn line(rests: &Provenance) -> Result<String> {
    Ok(serde_json::to_string(&Event::Provenance(Box::new(rests.clone())))? + "\n")
}

/// A line of an earlier run with the commit that is checked out now.
///
/// # Errors
/// When it is no such line.
pub fn anew(before: &str, project: &Project) -> Result<String> {
    let now = commit(project);
    // Most often the commit is the same, and the line needn't be taken apart.
    let same = match &now {
        None => !before.contains(r#""git":{"#),
        Some(git) => before.contains(&format!(r#""git":{}"#, serde_json::to_string(git)?)),
    };
    if same {
        return Ok(before.to_owned());
    }
    match serde_json::from_str(before)? {
        Event::Provenance(rests) => line(&Provenance { git: now, ..*rests }),
        _ => Ok(before.to_owned()),
    }
}

/// Does something while git tells what of the project's files differs from the commit, and says it when it has.
pub fn beside_git<T>(root: &Path, sink: &dyn Sink, work: impl FnOnce() -> T) -> T {
    let Some(asked) = Asked::about(root) else { return work() };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let wait = || {
            if let Some(changed) = asked.changed(&over) {
                sink.event(&Event::WorkTree { dirty: changed > 0, changed });
            }
        };
        let waiting = std::thread::Builder::new().spawn_scoped(scope, wait);
        let done = work();
        over.store(true, Ordering::Relaxed);
        // Where no thread could be started, nothing is said of the files.
        drop(waiting);
        done
    })
}

/// What data a run was about, by the ends of its stages; nothing when none came out well.
pub fn data<'a>(ends: impl IntoIterator<Item = &'a StageDone>) -> Option<Event> {
    // A stage whose bytes were lost on the way ended twice; the last time counts.
    let last: BTreeMap<&str, &StageDone> = ends.into_iter().map(|end| (end.stage.as_str(), end)).collect();
    let mut parts = BTreeMap::new();
    let (mut files, mut features) = (0, BTreeMap::new());
    for end in last.values() {
        if let Some(sources) = &end.sources {
            parts.insert((end.stage.as_str(), ""), sources.digest);
            files += sources.files;
        } else if end.inputs.is_empty() {
            let outputs = end.outputs.iter().filter(|(port, _)| *port != "metrics");
            parts.extend(outputs.map(|(port, output)| ((end.stage.as_str(), port.as_str()), output.digest)));
        }
        if end.kind == "features"
            && let Some(columns) = end.columns.values().next()
        {
            features.insert(end.stage.clone(), columns.clone());
        }
    }
    if parts.is_empty() {
        return None;
    }
    // By content alone: another name of a stage makes no other data.
    let mut digests: Vec<_> = parts.into_values().collect();
    digests.sort_unstable();
    digests.dedup();
    let mut hasher = blake3::Hasher::new_derive_key("custem data version");
    for digest in digests {
        hasher.update(digest.as_bytes());
    }
    Some(Event::Data { version: Digest::from_hasher(&hasher), files, features })
}
