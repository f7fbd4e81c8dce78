//! `custem check`: validates a pipeline without running it.

use std::process::ExitCode;

use anyhow::Result;

use super::load;
use crate::cli;
use crate::diagnostic::plural;
use crate::engine::Project;
use crate::present::terminal::print;

pub fn check(flags: &cli::Check, project: &Project) -> Result<ExitCode> {
    let pipeline = load(&flags.target, project)?;
    if flags.json {
        let stages = pipeline.tasks.len();
        print(format_args!("{}\n", serde_json::json!({ "ok": true, "problems": [], "stages": stages })))?;
    } else {
        print(format_args!("{}: {}, no errors\n", pipeline.file, plural(pipeline.tasks.len(), "stage")))?;
    }
    Ok(ExitCode::SUCCESS)
}
