//! `custem why`: why a stage ran in a run, or why it didn't.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value as Json;

use super::other_stage;
use crate::cli;
use crate::diagnostic::{Diagnostic, Problems};
use crate::engine::Project;
use crate::observe::runs::{self, Run};
use crate::present::terminal;

pub fn why(flags: &cli::Why, project: &Project) -> Result<ExitCode> {
    let experiments = project.experiments();
    let run = Run::read(&experiments, &runs::find(&experiments, &flags.run)?)?;
    let ends = ends(&run, &flags.stage)?;
    for end in ends {
        if flags.json {
            anstream::println!("{end}");
        } else {
            anstream::print!("{}", terminal::why(end, &run));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The ends of a stage; all its variants in a sweep.
fn ends<'a>(run: &'a Run, stage: &str) -> Result<Vec<&'a Json>> {
    let of_stage = |line: &&Json| {
        let label = line["stage"].as_str().unwrap_or_default();
        label == stage || label.split('[').next() == Some(stage)
    };
    let found: Vec<_> = run.of("stage_done").filter(of_stage).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<_> = run.of("stage_done").filter_map(|line| line["stage"].as_str()).collect();
    let message = format!("run {} had no stage `{stage}`", run.name);
    let hint = other_stage(stage, names.iter().copied());
    Err(Problems::from(Diagnostic::error(message).hint(hint)).into())
}
