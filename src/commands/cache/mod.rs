//! `custem cache`: the cache checked, measured and tidied up.

mod du;
mod gc;
mod named;
mod verify;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::engine::Project;

pub fn cache(command: &cli::Cache, project: &Project) -> Result<ExitCode> {
    match command {
        cli::Cache::Du { json } => du::du(*json, project),
        cli::Cache::Gc(flags) => gc::gc(flags, project),
        cli::Cache::Verify(flags) => verify::verify(flags, project),
    }
}
