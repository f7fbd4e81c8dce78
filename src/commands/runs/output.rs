//! `custem runs show --output`: what the program of a stage printed, in this run or in the one that it
//! last ran in.

use std::path::Path;

use anyhow::Result;
use serde_json::Value as Json;

use crate::diagnostic::{Diagnostic, Problems, meant, shown};
use crate::observe::printed;
use crate::observe::runs::{self, Run};
use crate::present::terminal::{print, tell};

/// Prints it; where there is none to print, says why.
pub fn show(experiments: &Path, run: Run, stage: &str) -> Result<()> {
    // What the programs of a variant printed is in the record of its sweep.
    let run = match runs::sweep_of(&run.name) {
        Some(sweep) => Run::read(experiments, sweep)?,
        None => run,
    };
    let ran = match run.stage(stage) {
        Some(end) if end["outcome"] == "hit" => match ran_before(experiments, &run, end) {
            Some(earlier) => {
                tell(format_args!(
                    "`{stage}` came from the cache in run {}; it ran in {}\n",
                    run.name, earlier.name
                ));
                earlier
            }
            None => {
                tell(format_args!(
                    "`{stage}` came from the cache in run {}; no record tells when it ran\n",
                    run.name
                ));
                return Ok(());
            }
        },
        Some(end) if end["outcome"] == "skipped" => {
            let why = end["error"]["message"].as_str().unwrap_or("the run ended before it");
            tell(format_args!("`{stage}` did not run in run {}: {why}\n", run.name));
            return Ok(());
        }
        Some(_) => run,
        None if started(&run, stage) => run,
        None => return Err(unknown(&run, stage).into()),
    };
    let text = printed::of_stage(experiments, &ran, stage)?;
    if text.is_empty() {
        tell(format_args!("`{stage}` printed nothing in run {}\n", ran.name));
    }
    print(format_args!("{text}"))
}

/// The newest run before this one in which the stage ran with the same key.
fn ran_before(experiments: &Path, run: &Run, end: &Json) -> Option<Run> {
    let names = runs::names(experiments);
    let earlier = names.iter().rev().skip_while(|name| **name != run.name).skip(1);
    let whole = earlier.filter(|name| runs::sweep_of(name).is_none());
    let ran =
        |line: &Json| line["outcome"] == "ran" && line["key"] == end["key"] && line["stage"] == end["stage"];
    let mut found = whole.filter_map(|name| Run::outline(experiments, name).ok());
    let name = found.find(|run| run.of("stage_done").any(ran))?.name;
    Run::read(experiments, &name).ok()
}

/// Whether a stage had begun when a run was killed.
fn started(run: &Run, stage: &str) -> bool {
    run.of("stage_started").any(|line| line["stage"] == stage)
}

fn unknown(run: &Run, stage: &str) -> Problems {
    let names: Vec<_> = run.of("stage_done").filter_map(|line| line["stage"].as_str()).collect();
    let message = format!("run {} has no stage `{}`", run.name, shown(stage));
    Diagnostic::error(message).hint(meant(stage, names, "the stages are")).into()
}
