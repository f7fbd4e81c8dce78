//! `custem cache`: the cache checked, measured and tidied up.

mod named;
mod verify;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::engine::Project;

pub fn cache(command: &cli::Cache, project: &Project) -> Result<ExitCode> {
    match command {
        cli::Cache::Verify(flags) => verify::verify(flags, project),
    }
}
