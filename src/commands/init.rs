//! `custem init`: a first project, or a pipeline for a file of the user's own.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::engine::Project;

pub fn init(_flags: &cli::Init, _project: &Project) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
