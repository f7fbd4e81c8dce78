//! `custem cache`: the cache checked, measured, tidied up, and held against the remote one.

mod du;
mod exchange;
mod gc;
mod named;
mod status;
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
        cli::Cache::Push(flags) => exchange::push(flags, project),
        cli::Cache::Pull(flags) => exchange::pull(flags, project),
        cli::Cache::Status(flags) => status::status(flags, project),
    }
}
