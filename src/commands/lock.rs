//! `custem lock`: writes down what a pipeline gives, for `custem run --locked` to compare with.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::foresee::{self, Foreseen};
use super::{FAILED, say};
use crate::cli;
use crate::diagnostic::{Problems, plural};
use crate::engine::locked::{self, Locked};
use crate::engine::{Project, disk};
use crate::pipeline::{self, Pipeline};
use crate::present::terminal::tell;
use crate::stage::Failure;

/// Why a sweep that has run may lack results.
const TIMED: &str = "`max_time` ended the sweep before them: a lock takes all variants";

pub fn lock(target: &cli::Target, project: &Project) -> Result<ExitCode> {
    let Foreseen { pipeline, timed, .. } = foresee::read(target, project)?;
    let name = name(&pipeline);
    // Where results are lacking that decide on later variants, the lock lacks them as well.
    let locked = match Locked::of(&pipeline, project, &name) {
        Ok(locked) => locked,
        Err(error) => match error.downcast::<Failure>() {
            Ok(failure) => {
                let hint = failure.hint.map(|hint| if timed { format!("{TIMED}; {hint}") } else { hint });
                say(failure.message, hint);
                return Ok(ExitCode::from(FAILED));
            }
            Err(error) => return Err(error),
        },
    };
    let path = locked::path(&pipeline::locate(&project.root, Path::new(&pipeline.file)));
    let text = locked.text();
    let before = fs_err::read_to_string(&path).unwrap_or_default();
    let stages = plural(locked.len(), "stage");
    if before == text {
        tell(format_args!("{name} is as it was: {stages}\n"));
    } else {
        disk::deliver(&path, &[text.as_bytes()])?;
        tell(format_args!("wrote {name}: {stages}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The lock of a pipeline, read.
///
/// # Errors
/// When it isn't there, or is none.
pub fn read(pipeline: &Pipeline, project: &Project) -> Result<Locked, Problems> {
    let path = locked::path(&pipeline::locate(&project.root, Path::new(&pipeline.file)));
    Locked::read(&path, &name(pipeline), &pipeline.file)
}

/// How the user would spell the lock's path.
fn name(pipeline: &Pipeline) -> String {
    locked::path(Path::new(&pipeline.file)).display().to_string()
}
