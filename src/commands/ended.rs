//! The run that a question about a stage is about: the one that is named, else the newest that has the stage.

use std::path::Path;

use anyhow::Result;

use super::history::stage_of;
use crate::diagnostic::{Diagnostic, Problems, meant, render, shown};
use crate::observe::runs::{self, Run};
use crate::present::terminal::tell;

/// How many runs back a stage is looked for.
const DEPTH: usize = 50;

/// The run that a user means who asks about a stage, called by any of these names. The newest one may have ended
/// before the stage: then it is the newest of the same pipeline that has it, which is said.
pub fn run(experiments: &Path, wanted: &str, names: &[&str]) -> Result<Run> {
    let run = Run::read(experiments, &runs::find(experiments, wanted)?)?;
    if wanted != "last" || has(&run, names) {
        return Ok(run);
    }
    let pipeline = run.overview().pipeline;
    let older = runs::names(experiments).into_iter().rev().filter(|name| runs::sweep_of(name).is_none());
    let mut others = older.skip_while(|name| *name != run.name).skip(1).take(DEPTH);
    let found = others.find_map(|name| {
        let other = Run::read(experiments, &name).ok()?;
        (other.overview().pipeline == pipeline && has(&other, names)).then_some(other)
    });
    let Some(found) = found else { return Ok(run) };
    let stage = names.last().copied().unwrap_or_default();
    let message = format!("run {} had no stage `{}`: this is of run {}", run.name, shown(stage), found.name);
    let warning =
        Diagnostic::warning(message).hint(format!("`custem runs show {}` says what it did", run.name));
    tell(format_args!("{}\n", render(&warning, true)));
    Ok(found)
}

/// Whether a run has a stage of one of these names, or variants of it.
fn has(run: &Run, names: &[&str]) -> bool {
    labels(run).any(|label| names.iter().any(|name| label == *name || stage_of(label) == *name))
}

/// The stages of a run, each variant by itself.
pub fn labels(run: &Run) -> impl Iterator<Item = &str> {
    run.of("stage_done").filter_map(|line| line["stage"].as_str())
}

/// That a run has no stage of a name.
pub fn no_stage(run: &Run, stage: &str) -> Problems {
    let problem = Diagnostic::error(format!("run {} had no stage `{}`", run.name, shown(stage)));
    let hint = match labels(run).next() {
        Some(_) => meant(stage, labels(run), "the stages are"),
        None => format!("it ended before any stage: `custem runs show {}` says why", run.name),
    };
    problem.hint(hint).into()
}
