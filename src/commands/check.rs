//! `custem check`: validates a pipeline without running it.

use std::process::ExitCode;

use anyhow::Result;

use super::foresee::{self, Foreseen};
use crate::cli;
use crate::diagnostic::plural;
use crate::engine::Project;
use crate::present::terminal::{later, print};

pub fn check(flags: &cli::Check, project: &Project) -> Result<ExitCode> {
    let Foreseen { pipeline, open, .. } = foresee::read(&flags.target, project)?;
    if flags.json {
        let stages = pipeline.tasks.len();
        let told = serde_json::json!({ "ok": true, "problems": [], "stages": stages, "later": open });
        print(format_args!("{told}\n"))?;
    } else {
        let so_far = if open.is_empty() { "" } else { " so far" };
        let stages = plural(pipeline.tasks.len(), "stage");
        let later = later(&open).map(|later| format!("; {later}")).unwrap_or_default();
        print(format_args!("{}: {stages}{so_far}, no errors{later}\n", pipeline.file))?;
    }
    Ok(ExitCode::SUCCESS)
}
