//! `custem schema`: the pipeline language as a JSON Schema, for editors.

use std::process::ExitCode;

use anyhow::Result;

use crate::pipeline::schema;
use crate::present::terminal::print;
use crate::stages::KINDS;

pub fn schema() -> Result<ExitCode> {
    print(format_args!("{:#}\n", schema::language(KINDS)))?;
    Ok(ExitCode::SUCCESS)
}
