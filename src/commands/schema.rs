//! `custem schema`: the pipeline language as a JSON Schema, for editors; or the events of a run, for programs.

use std::process::ExitCode;

use anyhow::Result;

use crate::engine::events;
use crate::pipeline::schema;
use crate::present::terminal::print;
use crate::stages::KINDS;

pub fn schema(of_events: bool) -> Result<ExitCode> {
    let schema = if of_events { events::schema() } else { schema::language(KINDS) };
    print(format_args!("{schema:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}
