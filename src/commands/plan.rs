//! `custem plan`: what a run would do, and why.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::history::History;
use super::{WOULD_RUN, forced, load, wanted};
use crate::cli;
use crate::engine::Project;
use crate::engine::plan::{Planned, Verdict, plan as foretell};
use crate::pipeline::Pipeline;
use crate::present::terminal;
use crate::present::terminal::print;

pub fn plan(flags: &cli::Plan, project: &Project) -> Result<ExitCode> {
    show(&*load(&flags.target, project)?, &flags.until, &flags.force, flags.json, project)
}

/// Prints the plan; exits with 10 when something would run or be put back.
pub fn show(
    pipeline: &Pipeline,
    until: &[String],
    force: &[String],
    json: bool,
    project: &Project,
) -> Result<ExitCode> {
    let (wanted, forced) = (wanted(pipeline, until)?, forced(pipeline, force)?);
    let history = History::new(project, &pipeline.name);
    let planned = foretell(pipeline, project, &wanted, &forced, &history)?;
    if json {
        print(format_args!("{}\n", to_json(pipeline, &planned)))?;
    } else {
        print(format_args!("{}", terminal::plan(pipeline, &planned)))?;
    }
    let idle =
        |planned: &Planned| matches!(planned.verdict, Verdict::UpToDate(_)) && planned.restore.is_empty();
    Ok(if planned.iter().all(idle) { ExitCode::SUCCESS } else { ExitCode::from(WOULD_RUN) })
}

/// Each task once, however many of its ports are in use.
fn once(tasks: &[usize]) -> impl Iterator<Item = usize> {
    tasks.iter().copied().collect::<BTreeSet<_>>().into_iter()
}

fn to_json(pipeline: &Pipeline, planned: &[Planned]) -> Json {
    let label = |task: usize| pipeline.tasks[task].label.as_str();
    let stage = |planned: &Planned| {
        let (verdict, because) = match &planned.verdict {
            Verdict::UpToDate(_) => ("up_to_date", Json::Null),
            Verdict::MustRun(causes) => ("must_run", json!(causes)),
            Verdict::MayRun(on) => ("may_run", json!(once(on).map(label).collect::<Vec<_>>())),
            Verdict::Broken(message) => ("broken", json!(message)),
        };
        let restore: Vec<_> =
            planned.restore.iter().map(|(path, _, bytes)| json!({ "path": path, "bytes": bytes })).collect();
        json!({
            "stage": label(planned.task), "verdict": verdict, "because": because,
            "seconds": planned.seconds, "restore": restore,
        })
    };
    json!({ "pipeline": pipeline.name, "stages": planned.iter().map(stage).collect::<Vec<_>>() })
}
