//! `custem runs bisect`: in which runs a metric moved, and what had been changed.

use anyhow::Result;
use serde_json::json;

use super::chosen::known_metric;
use super::diff::Recorded;
use crate::cli::RunsBisect;
use crate::diagnostic::{Diagnostic, Problems, plural, quoted};
use crate::engine::Project;
use crate::observe::compare::Change;
use crate::observe::index::{Index, Wanted};
use crate::observe::runs;
use crate::present::terminal::{self, Move, print};

/// Prints the moves of a metric, oldest first.
pub fn bisect(flags: &RunsBisect, project: &Project) -> Result<()> {
    let experiments = project.experiments();
    let index = Index::of(&experiments, Wanted { metrics: true, params: false });
    known_metric(&index, &flags.metric)?;
    let values = values(flags, &index, project)?;
    let mut moves = Vec::new();
    for pair in values.windows(2) {
        let [(before, old), (after, new)] = [pair[0], pair[1]];
        if (new - old).abs() > flags.tolerance {
            let names = [before, after].map(|at| index.runs[at].run.clone());
            moves.push(Move { changes: changes(flags, project, &names), runs: names, old, new });
        }
    }
    if flags.json {
        for one in &moves {
            let line = json!({ "run": one.runs[1], "before": one.runs[0], "old": one.old, "new": one.new, "changes": one.changes });
            print(format_args!("{line}\n"))?;
        }
        return Ok(());
    }
    let pipeline = values.last().map(|(at, _)| index.runs[*at].pipeline.clone()).unwrap_or_default();
    let over = format!("{} of `{pipeline}`", plural(values.len(), "run"));
    let last = values.last().map(|(_, value)| *value);
    print(format_args!("{}", terminal::moves(&flags.metric, &over, last, &moves)))
}

/// The runs of one pipeline that have the metric, oldest first.
fn values(flags: &RunsBisect, index: &Index, project: &Project) -> Result<Vec<(usize, f64)>> {
    let experiments = project.experiments();
    let place = |wanted: &str| -> Result<usize> {
        let name = runs::find(&experiments, wanted)?;
        Ok(index.runs.iter().position(|run| run.run == name).unwrap_or(0))
    };
    let to = place(&flags.to)?;
    let from = flags.from.as_deref().map(place).transpose()?.unwrap_or(0);
    if from > to {
        let problem =
            Diagnostic::error(format!("run {} came after run {}", index.runs[from].run, index.runs[to].run));
        return Err(Problems::from(problem.hint("`--from` takes the earlier one")).into());
    }
    let has = |at: &usize| {
        let alone = runs::sweep_of(&index.runs[*at].run).is_none();
        Some((*at, index.metric(*at, &flags.metric)?)).filter(|_| alone)
    };
    let values: Vec<_> = (from..=to).filter_map(|at| has(&at)).collect();
    let Some((last, _)) = values.last() else {
        let names = quoted([index.runs[from].run.as_str(), index.runs[to].run.as_str()], "to");
        let problem = Diagnostic::error(format!("no run from {names} has `{}`", flags.metric));
        return Err(Problems::from(problem.hint("look further back with `--from`")).into());
    };
    let pipeline = index.runs[*last].pipeline.clone();
    Ok(values.into_iter().filter(|(at, _)| index.runs[*at].pipeline == pipeline).collect())
}

/// What had been changed for the stage that gives the metric, since the run before.
fn changes(flags: &RunsBisect, project: &Project, names: &[String; 2]) -> Vec<Change> {
    let experiments = project.experiments();
    let read = |name: &String| Recorded::read(&experiments, name).ok();
    let Some((old, new)) = read(&names[0]).zip(read(&names[1])) else { return Vec::new() };
    let concerns = |change: &Change| {
        change
            .stages
            .iter()
            .any(|stage| flags.metric.strip_prefix(stage.as_str()).is_some_and(|rest| rest.starts_with('.')))
    };
    old.compared_with(&new).changes.into_iter().filter(concerns).collect()
}
