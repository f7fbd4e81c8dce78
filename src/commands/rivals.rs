//! Other pipelines that save to the same path.
//!
//! Only who saved a file last is known, and that other pipeline counts as long as it is there and still saves to that path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::diagnostic::{Diagnostic, Problems};
use crate::engine::Project;
use crate::engine::files::{Files, owner};
use crate::pipeline::{self, Pipeline};
use crate::stages::KINDS;

/// Refuses a pipeline that would save over the outputs of another one.
///
/// # Errors
/// One problem for each such path, where it is written; when what is known of files can't be read.
pub fn refuse(pipeline: &Pipeline, project: &Project) -> Result<()> {
    let saves = || pipeline.tasks.iter().flat_map(|task| task.saves.iter().zip(&task.draft.saves));
    let log = project.cache().join("files.log");
    if saves().next().is_none() || !log.is_file() {
        return Ok(());
    }
    let own = owner(&project.root, &pipeline::locate(&project.root, Path::new(&pipeline.file)));
    let Some(own) = own else { return Ok(()) };
    let files = Files::look(&log)?;
    let mut others: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut problems = Vec::new();
    for ((_, path), (.., at)) in saves() {
        let Some(other) = files.owner(&project.root.join(path)).filter(|other| *other != own) else {
            continue;
        };
        let saved = others.entry(other.clone()).or_insert_with(|| saves_of(&other, project));
        if saved.contains(path) {
            let message =
                format!("`{other}` saves to `{}` too, and this would write over it", path.display());
            let hint = format!("save to another path, or take the output out of `{other}`");
            problems.push(Diagnostic::error(message).at(at).hint(hint));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems).into()) }
}

/// Where a pipeline saves; nowhere once it is gone, or can't be read any more.
fn saves_of(file: &str, project: &Project) -> Vec<PathBuf> {
    let found = pipeline::load(&project.root, &project.root.join(file), &[], KINDS);
    let tasks = found.map(|pipeline| pipeline.tasks).unwrap_or_default();
    tasks.iter().flat_map(|task| task.saves.iter().map(|(_, path)| path.clone())).collect()
}
